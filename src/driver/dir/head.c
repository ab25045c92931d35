#include <string.h>

#include "base/fsat.h"
#include "driver/dir/pool.h"
#include "driver/kept.h"

/*
 * Heads.
 *
 * A swap goes through these states, each reached by one rename:
 *
 *		heads/B		staging/O	retired/O
 *	0	old
 *	1	old		clone
 *	2	clone		old
 *	3	clone				old
 *
 * 0 to 1 is the copy, durable; 1 to 2 exchanges the two names.  A later call
 * with the same operation looks where it is and goes on: the clone's record has
 * the operation that it was made for.
 *
 * Where the file system cannot exchange names, the old head is retired first
 * and the clone moved into its place after that:
 *
 *	2'			clone		old
 *
 * For that moment the head's path leads nowhere, which the contract does not
 * allow, but nothing better can be had; and a process that dies in it is made
 * good by the next open(), for the clone's record has the head's UUID too.
 */

int dir_make_empty(struct dir_pool *pool, const struct tree *tree, struct fl_error *err)
{
	own_scratch struct scratch scratch = { .pool = pool };
	const struct record record = record_new();

	if (scratch_make(pool, &scratch, err) < 0 || scratch_record(&scratch, &record, err) < 0)
		return fl_failed(err);
	return scratch_place(&scratch, tree, false, err);
}

int dir_head_create(struct pool *pool, const struct uuid *branch, struct fl_error *err)
{
	const struct tree head = tree_head(branch);

	return dir_make_empty(dir_pool(pool), &head, err);
}

int dir_head_clone(struct pool *pool, const struct uuid *branch, const struct tree *from,
		   struct fl_error *err)
{
	const struct tree head = tree_head(branch);

	return dir_clone(dir_pool(pool), from, &head, NULL, NULL, err);
}

/* --- swap ----------------------------------------------------------------------- */

struct swap {
	struct dir_pool *pool;
	struct tree head, staging, retired;
	bool have_head, have_staging, have_retired;
};

static int look(struct swap *swap, struct fl_error *err)
{
	if (layout_has(swap->pool->root, &swap->head, &swap->have_head, err) < 0 ||
	    layout_has(swap->pool->root, &swap->staging, &swap->have_staging, err) < 0)
		return fl_failed(err);
	return layout_has(swap->pool->root, &swap->retired, &swap->have_retired, err);
}

static int is_clone(struct swap *swap, const struct tree *tree, bool *ret, struct fl_error *err)
{
	struct record record;

	if (dir_record(swap->pool, tree, &record, err) < 0)
		return fl_failed(err);
	*ret = uuid_equal(&record.operation, &swap->retired.uuid);
	return 0;
}

static int exchange(struct swap *swap, struct fl_error *err)
{
	char head[TREE_TEXT], staging[TREE_TEXT];
	int root = swap->pool->root;

	return fsat_exchange(root, tree_format(&swap->head, head), root,
			     tree_format(&swap->staging, staging), err);
}

/* Without an exchange; what fails is undone. */
static int replace(struct swap *swap, struct fl_error *err)
{
	struct fl_error ignored;

	if (dir_move(swap->pool, &swap->head, &swap->retired, err) < 0)
		return fl_failed(err);
	if (dir_move(swap->pool, &swap->staging, &swap->head, err) == 0)
		return 0;
	(void)!dir_move(swap->pool, &swap->retired, &swap->head, &ignored);
	return fl_failed(err);
}

/* From state 1 to 3. */
static int change_places(struct swap *swap, struct fl_error *err)
{
	struct fl_error ignored;
	int rc = swap->pool->exchange ? exchange(swap, err) : replace(swap, err);

	if (rc < 0) {
		(void)!scratch_bury(swap->pool, &swap->staging, &ignored);
		return fl_failed(err);
	}
	return swap->pool->exchange ? dir_move(swap->pool, &swap->staging, &swap->retired, err) : 0;
}

int dir_head_swap(struct pool *pool, const struct uuid *branch, const struct tree *from,
		  const struct uuid *operation, struct fl_error *err)
{
	struct swap swap = {
		.pool = dir_pool(pool),
		.head = tree_head(branch),
		.staging = tree_staging(operation),
		.retired = tree_retired(operation),
	};
	char path[TREE_TEXT];
	bool exchanged;

	if (look(&swap, err) < 0)
		return fl_failed(err);
	if (swap.have_retired && !swap.have_head && swap.have_staging) /* state 2' */
		return dir_move(swap.pool, &swap.staging, &swap.head, err);
	if (swap.have_retired)
		return 0;
	if (!swap.have_head)
		return fl_fail(err, FL_NOT_FOUND, "the pool has no %s",
			       tree_format(&swap.head, path));
	if (!swap.have_staging &&
	    dir_clone(swap.pool, from, &swap.staging, &swap.head, operation, err) < 0)
		return fl_failed(err);
	if (is_clone(&swap, &swap.head, &exchanged, err) < 0)
		return fl_failed(err);
	return exchanged ? dir_move(swap.pool, &swap.staging, &swap.retired, err)
			 : change_places(&swap, err);
}

static int recover_one(void *arg, const char *name, unsigned char type, uint64_t inode,
		       struct fl_error *err)
{
	struct swap swap = { .pool = arg };
	struct fl_error ignored;
	struct record record;
	struct uuid operation;

	if (uuid_parse(name, &operation, &ignored) < 0)
		return 0;
	swap.staging = tree_staging(&operation);
	swap.retired = tree_retired(&operation);
	if (dir_record(swap.pool, &swap.staging, &record, err) < 0)
		return fl_failed(err);
	if (!uuid_equal(&record.operation, &operation))
		return 0;
	swap.head = tree_head(&record.head);
	if (look(&swap, err) < 0)
		return fl_failed(err);
	if (swap.have_head || !swap.have_retired)
		return 0;
	return dir_move(swap.pool, &swap.staging, &swap.head, err);
}

int head_recover(struct dir_pool *pool, struct fl_error *err)
{
	own_fd int staging = -1;

	if (fsat_open_dir(pool->root, "staging", &staging, err) < 0)
		return fl_failed(err);
	return fsat_each(staging, recover_one, pool, err);
}

/* --- retiring ----------------------------------------------------------------------- */

/* Renames that may have happened before. */
static int move_once(struct dir_pool *pool, const struct tree *from, const struct tree *to,
		     struct fl_error *err)
{
	int rc = dir_move(pool, from, to, err);

	return rc == -FL_NOT_FOUND ? layout_moved(pool->root, from, to, err) : rc;
}

int dir_head_retire(struct pool *pool, const struct uuid *branch, const struct uuid *operation,
		    struct fl_error *err)
{
	const struct tree head = tree_head(branch), retired = tree_retired(operation);

	return move_once(dir_pool(pool), &head, &retired, err);
}

int dir_head_restore(struct pool *pool, const struct tree *from, const struct uuid *branch,
		     struct fl_error *err)
{
	const struct tree head = tree_head(branch);

	return move_once(dir_pool(pool), from, &head, err);
}
