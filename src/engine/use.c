/*
 * Is a tree in use, and by whom?
 */

#include <string.h>

#include "base/text.h"
#include "container/holders.h"
#include "container/inodes.h"
#include "container/inside.h"
#include "engine/internal.h"
#include "engine/users.h"

#define HOLDERS_NAMED 3 /* in an error */

static int add_holder(void *arg, pid_t pid, const char *command, const char *what,
		      struct fl_error *err)
{
	struct holders *holders = arg;

	if (holders->count < HOLDERS) {
		struct holder *holder = &holders->items[holders->count];

		holder->pid = pid;
		snprintf(holder->command, sizeof(holder->command), "%s", command);
		container_id_of(pid, holder->container);
		snprintf(holder->what, sizeof(holder->what), "%s", what);
	}
	holders->count++;
	return 0;
}

/* The trees of one question, and what tells them from others. */
struct suspects {
	struct held_tree *held;
	struct tree_info *infos;
	struct inodes *inodes;
	size_t count;
};

static void suspects_done(struct suspects *suspects)
{
	for (size_t i = 0; i < suspects->count; i++)
		inodes_done(&suspects->inodes[i]);
	free(suspects->inodes);
	free(suspects->infos);
	free(suspects->held);
}

/* Where no device tells the tree from others, its files do. */
static int collect_inodes(struct engine *engine, const struct tree *tree, struct inodes *ret,
			  struct fl_error *err)
{
	own_fd int root = -1;

	if (driver_of(engine)->tree_open(engine->pool, tree, &root, err) < 0)
		return fl_failed(err);
	return inodes_collect(root, ret, err);
}

/* A tree that is gone, or that no process can reach, is no suspect. */
static int add_suspect(struct engine *engine, const struct tree *tree, struct suspects *suspects,
		       struct fl_error *err)
{
	struct tree_info *info = &suspects->infos[suspects->count];
	struct inodes *inodes = &suspects->inodes[suspects->count];
	int r = driver_of(engine)->tree_info(engine->pool, tree, info, err);
	bool by_inode = r == 0 && !info->device && info->mount[0] == '/';

	if (by_inode)
		r = collect_inodes(engine, tree, inodes, err);
	if (r < 0)
		return r == -FL_NOT_FOUND ? 0 : r;
	if (info->device || by_inode)
		suspects->held[suspects->count++] = (struct held_tree){ info->device, info->mount,
									by_inode ? inodes : NULL };
	return 0;
}

/* What finds the holders of these trees; `suspects` and `beside` are to be released after it. */
static int prepare_query(struct engine *engine, const struct tree *trees, size_t count,
			 struct suspects *suspects, struct text *beside, struct fl_error *err)
{
	*suspects = (struct suspects){
		.held = xcalloc(count, sizeof(*suspects->held)),
		.infos = xcalloc(count, sizeof(*suspects->infos)),
		.inodes = xcalloc(count, sizeof(*suspects->inodes)),
	};
	for (size_t i = 0; i < count; i++)
		if (add_suspect(engine, &trees[i], suspects, err) < 0)
			return fl_failed(err);
	text_add_format(beside, "%s/.heads", engine->mount_root);
	return 0;
}

int find_holders(struct engine *engine, const struct tree *trees, size_t count, bool mappings,
		 struct holders *ret, struct fl_error *err)
{
	own(suspects_done) struct suspects suspects = { 0 };
	own_text struct text beside = { 0 };
	struct holders_query query = { .mappings = mappings };
	struct holders holders = { 0 };

	if (prepare_query(engine, trees, count, &suspects, &beside, err) < 0)
		return fl_failed(err);
	query.trees = suspects.held;
	query.count = suspects.count;
	query.beside = text_get(&beside);
	if (query.count > 0 && holders_find(&query, add_holder, &holders, err) < 0)
		return fl_failed(err);
	*ret = holders;
	return 0;
}

int each_holder(struct engine *engine, const struct tree *trees, size_t count, each_holder_fn *each,
		void *arg, struct fl_error *err)
{
	own(suspects_done) struct suspects suspects = { 0 };
	own_text struct text beside = { 0 };
	struct holders_query query = { .mappings = true, .everyone = true };

	if (prepare_query(engine, trees, count, &suspects, &beside, err) < 0)
		return fl_failed(err);
	query.trees = suspects.held;
	query.count = suspects.count;
	query.beside = text_get(&beside);
	return query.count > 0 ? holders_find(&query, each, arg, err) : 0;
}

int fail_held(const char *object, const struct holders *holders, struct fl_error *err)
{
	own_text struct text who = { 0 };

	for (size_t i = 0; i < holders->count && i < HOLDERS_NAMED; i++) {
		const struct holder *holder = &holders->items[i];

		text_add_format(&who, "%s%s (%d: %s", i ? ", " : "", holder->command, holder->pid,
				holder->what);
		if (holder->container[0])
			text_add_format(&who, ", in the container %.64s", holder->container);
		text_add_string(&who, ")");
	}
	if (holders->count > HOLDERS_NAMED)
		text_add_format(&who, " and %zu more", holders->count - HOLDERS_NAMED);
	fl_fail(err, FL_BUSY, "%s is in use by %s", object, text_get(&who));
	fl_object(err, "%s", object);
	return fl_hint(err, "stop what uses it and try again");
}

int refuse_if_held(struct engine *engine, const struct tree *trees, size_t count,
		   const char *object, struct holders *ret, struct fl_error *err)
{
	struct holders holders;

	if (find_holders(engine, trees, count, true, &holders, err) < 0)
		return fl_failed(err);
	if (holders.count == 0)
		return 0;
	*ret = holders;
	return fail_held(object, &holders, err);
}
