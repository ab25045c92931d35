/*
 * Is a tree in use, and by whom?
 */

#include <string.h>

#include "base/text.h"
#include "container/holders.h"
#include "engine/internal.h"

static int add_holder(void *arg, pid_t pid, const char *command, const char *what,
		      struct fl_error *err)
{
	struct holders *holders = arg;

	if (holders->count < HOLDERS) {
		struct holder *holder = &holders->items[holders->count];

		holder->pid = pid;
		snprintf(holder->command, sizeof(holder->command), "%s", command);
		snprintf(holder->what, sizeof(holder->what), "%s", what);
	}
	holders->count++;
	return 0;
}

int find_holders(struct engine *engine, const struct tree *trees, size_t count, bool mappings,
		 struct holders *ret, struct fl_error *err)
{
	own_free struct held_tree *held = xcalloc(count, sizeof(*held));
	own_free struct tree_info *infos = xcalloc(count, sizeof(*infos));
	own_text struct text beside = { 0 };
	struct holders_query query = { .trees = held, .mappings = mappings };
	struct holders holders = { 0 };

	for (size_t i = 0; i < count; i++) {
		struct tree_info *info = &infos[i];
		int r = driver_of(engine)->tree_info(engine->pool, &trees[i], info, err);

		if (r < 0 && r != -FL_NOT_FOUND)
			return r;
		if (r == 0 && info->device)
			held[query.count++] = (struct held_tree){ info->device, info->mount };
	}
	text_add_format(&beside, "%s/.heads", engine->mount_root);
	query.beside = text_get(&beside);
	if (query.count > 0 && holders_find(&query, add_holder, &holders, err) < 0)
		return fl_failed(err);
	*ret = holders;
	return 0;
}

int refuse_if_held(struct engine *engine, const struct tree *trees, size_t count,
		   const char *object, struct fl_error *err)
{
	own_text struct text who = { 0 };
	struct holders holders;

	if (find_holders(engine, trees, count, true, &holders, err) < 0)
		return fl_failed(err);
	if (holders.count == 0)
		return 0;
	for (size_t i = 0; i < holders.count && i < 3; i++)
		text_add_format(&who, "%s%s (%d: %s)", i ? ", " : "", holders.items[i].command,
				holders.items[i].pid, holders.items[i].what);
	if (holders.count > 3)
		text_add_format(&who, " and %zu more", holders.count - 3);
	fl_fail(err, FL_BUSY, "%s is in use by %s", object, text_get(&who));
	fl_object(err, "%s", object);
	return fl_hint(err, "stop what uses it and try again");
}
