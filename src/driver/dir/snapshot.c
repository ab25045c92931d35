#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fsat.h"
#include "driver/dir/copy.h"
#include "driver/dir/pool.h"
#include "driver/kept.h"

/*
 * Snapshots, clones, and what they tell about changes.
 *
 * A snapshot records the print that the live tree had as it was copied; a clone
 * records its own, taken when all of it is on the disk and before anyone can
 * see it.  The print of a tree that was not changed since is the same.
 */

static int check_free(struct dir_pool *pool, const struct tree *tree, struct fl_error *err)
{
	char path[TREE_TEXT];
	bool there;

	if (layout_has(pool->root, tree, &there, err) < 0)
		return fl_failed(err);
	return there ? fl_fail(err, FL_EXISTS, "the pool has %s", tree_format(tree, path)) : 0;
}

/* A copy of `from` in scratch, on the disk.  `print`: of `from`, or NULL. */
static int copy_to_scratch(struct dir_pool *pool, const struct tree *from, struct print *print,
			   struct scratch *ret, struct fl_error *err)
{
	own_scratch struct scratch scratch = { .pool = pool };
	struct copy copy = { .share = pool->share,
			     .live = from->kind != TREE_SNAPSHOT,
			     .print = print };
	own_fd int source = -1, target = -1;
	char path[TREE_TEXT];

	if (dir_tree_open(&pool->pool, from, &source, err) < 0)
		return fl_failed(err);
	/* In one go, and not file by file as the copying comes by. */
	if (copy.live && dir_sync(&pool->pool, err) < 0)
		return fl_failed(err);
	if (scratch_make(pool, &scratch, err) < 0 || scratch_files(&scratch, &target, err) < 0)
		return fl_failed(err);
	copy.from = source;
	copy.to = target;
	if (copy_tree(&copy, err) < 0)
		return fl_wrap(err, "copying %s", tree_format(from, path));
	if (dir_sync(&pool->pool, err) < 0)
		return fl_failed(err);
	*ret = scratch;
	scratch.path[0] = '\0';
	return 0;
}

static int place(struct scratch *scratch, const struct record *record, const struct tree *to,
		 struct fl_error *err)
{
	if (scratch_record(scratch, record, err) < 0)
		return fl_failed(err);
	return scratch_place(scratch, to, true, err);
}

static void note_print(const struct dir_pool *pool, const struct print *print,
		       struct record *record)
{
	if (!pool->prints)
		return;
	print_format(print, record->print);
	memcpy(record->boot, pool->boot, sizeof(record->boot));
}

/* --- snapshots ---------------------------------------------------------------- */

int dir_snapshot(struct pool *pool, const struct tree *source, const struct tree *target,
		 struct fl_error *err)
{
	struct dir_pool *p = dir_pool(pool);
	own_scratch struct scratch scratch = { .pool = p };
	own(print_end) struct print print;
	struct record of, record = record_new();

	if (print_begin(&print, p->prints ? p->clock : -1, err) < 0 ||
	    dir_record(p, source, &of, err) < 0 || check_free(p, target, err) < 0)
		return fl_failed(err);
	if (copy_to_scratch(p, source, p->prints ? &print : NULL, &scratch, err) < 0)
		return fl_failed(err);
	record.of = of.id;
	note_print(p, &print, &record);
	return place(&scratch, &record, target, err);
}

/* --- clones --------------------------------------------------------------------- */

static int print_clone(struct dir_pool *pool, const struct scratch *scratch, struct record *record,
		       struct fl_error *err)
{
	own(print_end) struct print print;
	own_fd int files = -1;

	if (print_begin(&print, pool->clock, err) < 0 || scratch_files(scratch, &files, err) < 0 ||
	    print_tree(&print, files, err) < 0)
		return fl_failed(err);
	note_print(pool, &print, record);
	return 0;
}

int dir_clone(struct dir_pool *pool, const struct tree *from, const struct tree *to,
	      const struct tree *head, const struct uuid *operation, struct fl_error *err)
{
	own_scratch struct scratch scratch = { .pool = pool };
	struct record of, record = record_new();

	if (dir_record(pool, from, &of, err) < 0 || check_free(pool, to, err) < 0 ||
	    copy_to_scratch(pool, from, NULL, &scratch, err) < 0)
		return fl_failed(err);
	record.of = of.id;
	if (operation) {
		record.head = head->uuid;
		record.operation = *operation;
	}
	if (pool->prints && print_clone(pool, &scratch, &record, err) < 0)
		return fl_failed(err);
	return place(&scratch, &record, to, err);
}

/* --- has it changed? ---------------------------------------------------------------- */

/* The print that the tree had when it and the snapshot held the same; "" when nobody knows. */
static const char *print_then(const struct dir_pool *pool, const struct record *tree,
			      const struct record *since)
{
	const struct record *with_print = since->of == tree->id ? since : tree;

	if (with_print == tree && tree->of != since->id)
		return "";
	return strcmp(with_print->boot, pool->boot) == 0 ? with_print->print : "";
}

int dir_changed_since(struct pool *pool, const struct tree *tree, const struct tree *since,
		      bool *ret, struct fl_error *err)
{
	struct dir_pool *p = dir_pool(pool);
	struct record now, then;
	own(print_end) struct print print;
	char text[PRINT_TEXT_SIZE];
	own_fd int files = -1;

	if (print_begin(&print, -1, err) < 0 || dir_record(p, tree, &now, err) < 0 ||
	    dir_record(p, since, &then, err) < 0)
		return fl_failed(err);
	*ret = true;
	if (print_then(p, &now, &then)[0] == '\0')
		return 0;
	if (dir_sync(pool, err) < 0 || dir_tree_open(pool, tree, &files, err) < 0 ||
	    print_tree(&print, files, err) < 0)
		return fl_failed(err);
	*ret = strcmp(print_then(p, &now, &then), print_format(&print, text)) != 0;
	return 0;
}
