#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fsat.h"
#include "driver/dir/pool.h"
#include "driver/kept.h"

/* Trees by their names: they are the directories that tree_format() names. */

int dir_record(struct dir_pool *pool, const struct tree *tree, struct record *ret,
	       struct fl_error *err)
{
	char path[TREE_TEXT];
	own_fd int dir = -1;
	bool there;

	if (fsat_open_dir(pool->root, tree_format(tree, path), &dir, err) < 0)
		return err->code == FL_NOT_FOUND
			       ? fl_fail(err, FL_NOT_FOUND, "the pool has no %s", path)
			       : fl_failed(err);
	if (record_read(dir, ret, err) == 0)
		return 0;
	/* Deleted between the two steps? */
	if (layout_has(pool->root, tree, &there, err) == 0 && !there)
		return fl_fail(err, FL_NOT_FOUND, "the pool has no %s", path);
	return fl_wrap(err, "%s", path);
}

int dir_tree_open(struct pool *pool, const struct tree *tree, int *ret_fd, struct fl_error *err)
{
	const struct dir_pool *p = dir_pool(pool);
	bool frozen = tree->kind == TREE_SNAPSHOT && p->frozen >= 0;
	char path[TREE_TEXT], files[TREE_TEXT + sizeof("/" FILES)];

	snprintf(files, sizeof(files), "%s/" FILES, tree_format(tree, path));
	if (fsat_open_dir(frozen ? p->frozen : p->root, files, ret_fd, err) == 0)
		return 0;
	return err->code == FL_NOT_FOUND ? fl_fail(err, FL_NOT_FOUND, "the pool has no %s", path)
					 : fl_failed(err);
}

/* A mount of the tree, or of a part of it, has the tree's path in its own. */
static struct tree_info info_of(const struct tree *tree, const struct record *record)
{
	struct tree_info info = { .id = record->id, .created = record->created };
	char path[TREE_TEXT];

	snprintf(info.mount, sizeof(info.mount), "/%s/" FILES, tree_format(tree, path));
	return info;
}

int dir_tree_info(struct pool *pool, const struct tree *tree, struct tree_info *ret,
		  struct fl_error *err)
{
	struct record record;

	if (dir_record(dir_pool(pool), tree, &record, err) < 0)
		return fl_failed(err);
	*ret = info_of(tree, &record);
	return 0;
}

int dir_tree_delete(struct pool *pool, const struct tree *tree, struct fl_error *err)
{
	return scratch_bury(dir_pool(pool), tree, err);
}

/* --- all of them ------------------------------------------------------------- */

/* Names first: the caller may delete trees as they are shown to it. */
struct listing {
	struct tree *trees;
	size_t count;
	enum tree_kind kind;
	struct uuid branch;
	int snaps;
};

static void listing_done(struct listing *listing)
{
	free(listing->trees);
}

static int add_plain(void *arg, const char *name, unsigned char type, uint64_t inode,
		     struct fl_error *err)
{
	struct listing *listing = arg;
	struct tree tree = { .kind = listing->kind };
	struct fl_error ignored;

	if (uuid_parse(name, &tree.uuid, &ignored) == 0)
		*array_add(listing->trees, listing->count) = tree;
	return 0;
}

static int add_snapshot(void *arg, const char *name, unsigned char type, uint64_t inode,
			struct fl_error *err)
{
	struct listing *listing = arg;
	struct tree tree = { .kind = TREE_SNAPSHOT, .uuid = listing->branch };
	struct fl_error ignored;

	if (snapname_parse(name, &tree.snapshot, &ignored) == 0)
		*array_add(listing->trees, listing->count) = tree;
	return 0;
}

static int add_branch(void *arg, const char *name, unsigned char type, uint64_t inode,
		      struct fl_error *err)
{
	struct listing *listing = arg;
	struct fl_error ignored;
	own_fd int dir = -1;

	if (uuid_parse(name, &listing->branch, &ignored) < 0)
		return 0;
	if (fsat_open_dir(listing->snaps, name, &dir, err) < 0)
		return err->code == FL_NOT_FOUND ? 0 : fl_failed(err);
	return fsat_each(dir, add_snapshot, listing, err);
}

static int collect(struct dir_pool *pool, struct listing *listing, struct fl_error *err)
{
	static const struct {
		const char *name;
		enum tree_kind kind;
	} folders[] = {
		{ "heads", TREE_HEAD },
		{ "snaps", TREE_SNAPSHOT },
		{ "staging", TREE_STAGING },
		{ "retired", TREE_RETIRED },
	};

	for (size_t i = 0; i < array_size(folders); i++) {
		own_fd int dir = -1;

		if (fsat_open_dir(pool->root, folders[i].name, &dir, err) < 0)
			return fl_failed(err);
		listing->kind = folders[i].kind;
		listing->snaps = dir;
		if (fsat_each(dir, folders[i].kind == TREE_SNAPSHOT ? add_branch : add_plain,
			      listing, err) < 0)
			return fl_failed(err);
	}
	return 0;
}

int dir_list(struct pool *pool,
	     int (*each)(void *arg, const struct tree *tree, const struct tree_info *info,
			 struct fl_error *err),
	     void *arg, struct fl_error *err)
{
	own(listing_done) struct listing listing = { 0 };
	struct dir_pool *p = dir_pool(pool);

	if (collect(p, &listing, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < listing.count; i++) {
		struct tree_info info;
		int rc = dir_tree_info(pool, &listing.trees[i], &info, err);

		if (rc == -FL_NOT_FOUND)
			continue; /* gone meanwhile */
		if (rc == 0)
			rc = each(arg, &listing.trees[i], &info, err);
		if (rc < 0)
			return fl_failed(err);
	}
	return 0;
}
