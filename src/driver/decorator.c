/*
 * Forwarding
 *
 * A decorated pool has a driver table of its own, a copy of the inner one: an
 * entry that the inner driver lacks is missing here too, so capabilities stay
 * true.  create and open know no pool and stay the inner driver's.  FORWARD
 * writes one outer entry: enter hook, inner entry, leave hook.  Where the
 * inner entry succeeded and the leave hook says that it did not, outputs that
 * own something are released, because a failed call gives nothing out.
 */

#include "driver/decorator.h"
#include "driver/decorators.h"

struct decorator {
	struct pool pool; /* what the caller sees */
	struct pool *inner;
	const struct hooks *hooks;
	void *state;
	struct driver table;
};

static struct decorator *decorator_of(struct pool *pool)
{
	return (struct decorator *)pool;
}

static void release_nothing(const void *unused)
{
}

static void release_fd(int *fd)
{
	close(*fd);
	*fd = -1;
}

#define FORWARD_OUTPUT(name, release, output, parameters, arguments, ...)                       \
	static int outer_##name parameters                                                      \
	{                                                                                       \
		struct decorator *decorator = decorator_of(pool);                               \
		struct pool *inner = decorator->inner;                                          \
		struct call call = { .entry = #name, __VA_ARGS__ };                             \
		int outcome = decorator->hooks->enter(decorator->state, &call, err);            \
		int inner_outcome;                                                              \
                                                                                                \
		if (outcome < 0)                                                                \
			return outcome;                                                         \
		inner_outcome = inner->driver->name arguments;                                  \
		outcome = decorator->hooks->leave(decorator->state, &call, inner_outcome, err); \
		if (inner_outcome == 0 && outcome < 0)                                          \
			release(output);                                                        \
		return outcome;                                                                 \
	}

#define FORWARD(name, parameters, arguments, ...) \
	FORWARD_OUTPUT(name, release_nothing, NULL, parameters, arguments, __VA_ARGS__)

FORWARD(stats, (struct pool * pool, struct pool_stats *ret, struct fl_error *err),
	(inner, ret, err))
FORWARD(grow, (struct pool * pool, uint64_t size, struct fl_error *err), (inner, size, err),
	.changes = true)
FORWARD(sync, (struct pool * pool, struct fl_error *err), (inner, err))
FORWARD(set_read_only, (struct pool * pool, bool read_only, struct fl_error *err),
	(inner, read_only, err), .changes = true)

FORWARD(expose, (struct pool * pool, const char *root, struct fl_error *err), (inner, root, err),
	.changes = true)
FORWARD(conceal, (struct pool * pool, const char *root, struct fl_error *err), (inner, root, err),
	.changes = true)
FORWARD(reveal, (struct pool * pool, const struct tree *tree, struct fl_error *err),
	(inner, tree, err), .changes = true, .tree = tree)

FORWARD(head_create, (struct pool * pool, const struct uuid *branch, struct fl_error *err),
	(inner, branch, err), .changes = true, .uuid = branch)
FORWARD(head_clone,
	(struct pool * pool, const struct uuid *branch, const struct tree *from,
	 struct fl_error *err),
	(inner, branch, from, err), .changes = true, .uuid = branch)
FORWARD(head_swap,
	(struct pool * pool, const struct uuid *branch, const struct tree *from,
	 const struct uuid *operation, struct fl_error *err),
	(inner, branch, from, operation, err), .changes = true, .uuid = branch)
FORWARD(head_retire,
	(struct pool * pool, const struct uuid *branch, const struct uuid *operation,
	 struct fl_error *err),
	(inner, branch, operation, err), .changes = true, .uuid = branch)
FORWARD(head_restore,
	(struct pool * pool, const struct tree *from, const struct uuid *branch,
	 struct fl_error *err),
	(inner, from, branch, err), .changes = true, .uuid = branch)
FORWARD(staging_create,
	(struct pool * pool, const struct uuid *operation, const struct uuid *branch,
	 struct fl_error *err),
	(inner, operation, branch, err), .changes = true, .uuid = operation)

FORWARD(snapshot,
	(struct pool * pool, const struct tree *source, const struct tree *target,
	 struct fl_error *err),
	(inner, source, target, err), .changes = true, .tree = target)
FORWARD(snapshot_noted,
	(struct pool * pool, const struct tree *source, const struct tree *target, const char *note,
	 struct fl_error *err),
	(inner, source, target, note, err), .changes = true, .tree = target)
FORWARD(note_write,
	(struct pool * pool, const struct tree *tree, const char *note, struct fl_error *err),
	(inner, tree, note, err), .changes = true, .tree = tree)
FORWARD(note_each,
	(struct pool * pool,
	 int (*each)(void *arg, const struct tree *tree, const char *note, struct fl_error *err),
	 void *arg, struct fl_error *err),
	(inner, each, arg, err))
FORWARD(tree_delete, (struct pool * pool, const struct tree *tree, struct fl_error *err),
	(inner, tree, err), .changes = true, .tree = tree)
FORWARD(tree_info,
	(struct pool * pool, const struct tree *tree, struct tree_info *ret, struct fl_error *err),
	(inner, tree, ret, err), .tree = tree)
FORWARD_OUTPUT(tree_open, release_fd, ret_fd,
	       (struct pool * pool, const struct tree *tree, int *ret_fd, struct fl_error *err),
	       (inner, tree, ret_fd, err), .tree = tree)
FORWARD(changed_since,
	(struct pool * pool, const struct tree *tree, const struct tree *since, bool *ret,
	 struct fl_error *err),
	(inner, tree, since, ret, err), .tree = tree)
FORWARD(diff,
	(struct pool * pool, const struct tree *earlier, const struct tree *later,
	 change_each *each, void *arg, struct fl_error *err),
	(inner, earlier, later, each, arg, err), .tree = later)
FORWARD(list,
	(struct pool * pool,
	 int (*each)(void *arg, const struct tree *tree, const struct tree_info *info,
		     struct fl_error *err),
	 void *arg, struct fl_error *err),
	(inner, each, arg, err))

FORWARD(send,
	(struct pool * pool, const struct tree *base, const struct tree *tree, int fd,
	 struct fl_error *err),
	(inner, base, tree, fd, err), .tree = tree)
FORWARD(weigh,
	(struct pool * pool, const struct tree *base, const struct tree *tree, uint64_t *ret,
	 struct fl_error *err),
	(inner, base, tree, ret, err), .tree = tree)
FORWARD(receive,
	(struct pool * pool, const struct uuid *operation, const struct tree *base, int fd,
	 struct fl_error *err),
	(inner, operation, base, fd, err), .changes = true, .uuid = operation)
FORWARD(stream_number,
	(struct pool * pool, const struct tree *tree, uint64_t *ret, struct fl_error *err),
	(inner, tree, ret, err), .tree = tree)
FORWARD(staging_clone,
	(struct pool * pool, const struct uuid *operation, const struct uuid *branch,
	 const struct tree *from, struct fl_error *err),
	(inner, operation, branch, from, err), .changes = true, .uuid = operation)
FORWARD(staging_commit,
	(struct pool * pool, const struct uuid *operation, const struct tree *target,
	 struct fl_error *err),
	(inner, operation, target, err), .changes = true, .tree = target)

FORWARD_OUTPUT(watch_root, release_fd, ret_fd,
	       (struct pool * pool, int *ret_fd, struct fl_error *err), (inner, ret_fd, err))
FORWARD(watch_heads,
	(struct pool * pool, struct watch_since *since,
	 int (*each)(void *arg, const struct moved_tree *moved, struct fl_error *err), void *arg,
	 struct fl_error *err),
	(inner, since, each, arg, err))
FORWARD(motion,
	(struct pool * pool, const struct tree *tree, const struct tree *since, struct motion *ret,
	 struct fl_error *err),
	(inner, tree, since, ret, err), .tree = tree)

FORWARD(account,
	(struct pool * pool, const struct uuid *branch, const struct uuid *group,
	 struct fl_error *err),
	(inner, branch, group, err), .changes = true, .uuid = branch)
FORWARD(unaccount,
	(struct pool * pool, const struct tree *tree, const struct uuid *branch,
	 const struct uuid *group, struct fl_error *err),
	(inner, tree, branch, group, err), .changes = true, .tree = tree)
FORWARD(limit, (struct pool * pool, const struct uuid *group, uint64_t bytes, struct fl_error *err),
	(inner, group, bytes, err), .changes = true, .uuid = group)
FORWARD(usage,
	(struct pool * pool, enum account account, const struct uuid *uuid, struct usage *ret,
	 struct fl_error *err),
	(inner, account, uuid, ret, err), .uuid = uuid)
FORWARD(usages,
	(struct pool * pool, const struct account_name *names, size_t count, struct usage *ret,
	 struct fl_error *err),
	(inner, names, count, ret, err))
FORWARD(occupied,
	(struct pool * pool, const struct tree *tree, uint64_t *ret, struct fl_error *err),
	(inner, tree, ret, err), .tree = tree)

FORWARD(facts_write,
	(struct pool * pool, const struct uuid *branch, const char *text, struct fl_error *err),
	(inner, branch, text, err), .changes = true, .uuid = branch)
FORWARD_OUTPUT(facts_read, text_done, ret,
	       (struct pool * pool, const struct uuid *branch, struct text *ret,
		struct fl_error *err),
	       (inner, branch, ret, err), .uuid = branch)
FORWARD(facts_list,
	(struct pool * pool,
	 int (*each)(void *arg, const struct uuid *branch, struct fl_error *err), void *arg,
	 struct fl_error *err),
	(inner, each, arg, err))
FORWARD(facts_delete, (struct pool * pool, const struct uuid *branch, struct fl_error *err),
	(inner, branch, err), .changes = true, .uuid = branch)

FORWARD(file_write,
	(struct pool * pool, const char *name, const void *bytes, size_t length,
	 struct fl_error *err),
	(inner, name, bytes, length, err), .changes = true, .file = name)
FORWARD(file_append,
	(struct pool * pool, const char *name, const void *bytes, size_t length,
	 struct fl_error *err),
	(inner, name, bytes, length, err), .changes = true, .file = name)
FORWARD_OUTPUT(file_read, text_done, ret,
	       (struct pool * pool, const char *name, struct text *ret, struct fl_error *err),
	       (inner, name, ret, err), .file = name)

FORWARD(identify, (struct pool * pool, const struct pool_identity *identity, struct fl_error *err),
	(inner, identity, err), .changes = true)

/* A failure that the hooks made up may hide a success: ask the inner pool who it is now. */
static int outer_identify_and_tell(struct pool *pool, const struct pool_identity *identity,
				   struct fl_error *err)
{
	int outcome = outer_identify(pool, identity, err);

	pool->identity = decorator_of(pool)->inner->identity;
	return outcome;
}

/* Pure: there is nothing to hook. */
static void outer_locate(struct pool *pool, const struct tree *tree, struct text *out)
{
	struct pool *inner = decorator_of(pool)->inner;

	inner->driver->locate(inner, tree, out);
}

static void outer_close(struct pool *pool)
{
	struct decorator *decorator = decorator_of(pool);

	if (!decorator)
		return;
	decorator->inner->driver->close(decorator->inner);
	if (decorator->hooks->release)
		decorator->hooks->release(decorator->state);
	free(decorator);
}

static void fill_table(struct driver *table, const struct driver *inner)
{
#define REPLACE(entry, function) (table->entry = inner->entry ? (function) : NULL)
	*table = *inner;
	REPLACE(close, outer_close);
	REPLACE(identify, outer_identify_and_tell);
	REPLACE(stats, outer_stats);
	REPLACE(grow, outer_grow);
	REPLACE(sync, outer_sync);
	REPLACE(set_read_only, outer_set_read_only);
	REPLACE(expose, outer_expose);
	REPLACE(conceal, outer_conceal);
	REPLACE(locate, outer_locate);
	REPLACE(reveal, outer_reveal);
	REPLACE(head_create, outer_head_create);
	REPLACE(head_clone, outer_head_clone);
	REPLACE(head_swap, outer_head_swap);
	REPLACE(head_retire, outer_head_retire);
	REPLACE(head_restore, outer_head_restore);
	REPLACE(staging_create, outer_staging_create);
	REPLACE(snapshot, outer_snapshot);
	REPLACE(snapshot_noted, outer_snapshot_noted);
	REPLACE(note_write, outer_note_write);
	REPLACE(note_each, outer_note_each);
	REPLACE(tree_delete, outer_tree_delete);
	REPLACE(tree_info, outer_tree_info);
	REPLACE(tree_open, outer_tree_open);
	REPLACE(changed_since, outer_changed_since);
	REPLACE(diff, outer_diff);
	REPLACE(list, outer_list);
	REPLACE(send, outer_send);
	REPLACE(weigh, outer_weigh);
	REPLACE(receive, outer_receive);
	REPLACE(stream_number, outer_stream_number);
	REPLACE(staging_clone, outer_staging_clone);
	REPLACE(staging_commit, outer_staging_commit);
	REPLACE(watch_root, outer_watch_root);
	REPLACE(watch_heads, outer_watch_heads);
	REPLACE(motion, outer_motion);
	REPLACE(account, outer_account);
	REPLACE(unaccount, outer_unaccount);
	REPLACE(limit, outer_limit);
	REPLACE(usage, outer_usage);
	REPLACE(usages, outer_usages);
	REPLACE(occupied, outer_occupied);
	REPLACE(facts_write, outer_facts_write);
	REPLACE(facts_read, outer_facts_read);
	REPLACE(facts_list, outer_facts_list);
	REPLACE(facts_delete, outer_facts_delete);
	REPLACE(file_write, outer_file_write);
	REPLACE(file_append, outer_file_append);
	REPLACE(file_read, outer_file_read);
#undef REPLACE
}

struct pool *decorate(struct pool *inner, const struct hooks *hooks, void *state)
{
	struct decorator *decorator = xcalloc(1, sizeof(*decorator));

	fill_table(&decorator->table, inner->driver);
	decorator->pool = *inner;
	decorator->pool.driver = &decorator->table;
	decorator->inner = inner;
	decorator->hooks = hooks;
	decorator->state = state;
	return &decorator->pool;
}

struct pool *unwrap(struct pool *outer)
{
	struct decorator *decorator = decorator_of(outer);
	struct pool *inner = decorator->inner;

	if (decorator->hooks->release)
		decorator->hooks->release(decorator->state);
	free(decorator);
	return inner;
}
