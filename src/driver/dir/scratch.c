#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fsat.h"
#include "base/log.h"
#include "driver/dir/pool.h"

/*
 * A tree is removed as it is made: out of sight.  Its name goes by one rename,
 * then its files.
 */

/* --- removing ------------------------------------------------------------- */

static void name_it(char path[static SCRATCH_TEXT])
{
	struct uuid uuid = uuid_new();
	uint64_t number;

	memcpy(&number, uuid.bytes + 8, sizeof(number));
	snprintf(path, SCRATCH_TEXT, "scratch/%016" PRIx64, number);
}

int scratch_bury(struct dir_pool *pool, const struct tree *tree, struct fl_error *err)
{
	char from[TREE_TEXT], to[SCRATCH_TEXT];

	name_it(to);
	if (fsat_rename(pool->root, tree_format(tree, from), pool->root, to, err) < 0)
		return err->code == FL_NOT_FOUND ? 0 : fl_failed(err);
	if (fsat_remove_tree(pool->root, to, err) < 0)
		return fl_wrap(err, "removing what %s held", from);
	return 0;
}

/* What cannot be removed is no reason to serve no volumes. */
static int sweep_one(void *arg, const char *name, unsigned char type, uint64_t inode,
		     struct fl_error *err)
{
	struct dir_pool *p = arg;
	struct fl_error why;
	char path[NAME_MAX + 16];

	snprintf(path, sizeof(path), "scratch/%s", name);
	if (fsat_unlink(p->root, path, &why) == 0) /* the last process's clock */
		return 0;
	if (fsat_remove_tree(p->root, path, &why) < 0)
		log_warning("left in the pool", "path=%s error=\"%s\"", path, why.text);
	return 0;
}

int scratch_sweep(struct dir_pool *pool, struct fl_error *err)
{
	own_fd int dir = -1;

	if (fsat_mkdir(pool->root, "scratch", 0700, err) < 0 ||
	    fsat_open_dir(pool->root, "scratch", &dir, err) < 0)
		return fl_failed(err);
	return fsat_each(dir, sweep_one, pool, err);
}

/* --- making ------------------------------------------------------------------ */

void scratch_done(struct scratch *scratch)
{
	struct fl_error why;

	if (scratch->path[0] && fsat_remove_tree(scratch->pool->root, scratch->path, &why) < 0)
		log_warning("left in the pool", "path=%s error=\"%s\"", scratch->path, why.text);
}

static int open_part(const struct scratch *scratch, const char *part, int *ret_fd,
		     struct fl_error *err)
{
	char path[SCRATCH_TEXT + 16];

	snprintf(path, sizeof(path), "%s/%s", scratch->path, part);
	return fsat_open_dir(scratch->pool->root, path, ret_fd, err);
}

int scratch_files(const struct scratch *scratch, int *ret_fd, struct fl_error *err)
{
	return open_part(scratch, FILES, ret_fd, err);
}

int scratch_make(struct dir_pool *pool, struct scratch *ret, struct fl_error *err)
{
	own_scratch struct scratch scratch = { .pool = pool };
	own_fd int dir = -1, files = -1;
	char path[SCRATCH_TEXT];

	name_it(path);
	if (fsat_make_dir(pool->root, path, 0711, err) < 0)
		return fl_failed(err);
	memcpy(scratch.path, path, sizeof(path));
	if (fsat_open_dir(pool->root, path, &dir, err) < 0 ||
	    fsat_make_dir(dir, FILES, 0755, err) < 0 || scratch_files(&scratch, &files, err) < 0)
		return fl_failed(err);
	/* Whatever the umask. */
	if (fchmod(dir, 0711) < 0 || fchmod(files, 0755) < 0)
		return fl_fail_errno(err, "cannot set the mode of a new tree");
	*ret = scratch;
	scratch.path[0] = '\0';
	return 0;
}

int scratch_record(const struct scratch *scratch, const struct record *record, struct fl_error *err)
{
	own_fd int dir = -1;

	if (open_part(scratch, ".", &dir, err) < 0)
		return fl_failed(err);
	return record_write(dir, record, err);
}

static int sync_directory(struct dir_pool *pool, const char *path, struct fl_error *err)
{
	own_fd int dir = -1;

	if (fsat_open_dir(pool->root, path, &dir, err) < 0)
		return fl_failed(err);
	return fsat_sync(dir, err);
}

/* "snaps/<branch>" of a snapshot is made with its first one. */
static int make_parent(struct dir_pool *pool, const struct tree *tree,
		       char parent[static TREE_TEXT], struct fl_error *err)
{
	*strrchr(tree_format(tree, parent), '/') = '\0';
	if (tree->kind != TREE_SNAPSHOT)
		return 0;
	return fsat_mkdir(pool->root, parent, 0711, err);
}

/* A tree's directory is never empty: a plain rename replaces none either. */
static int rename_new(struct dir_pool *pool, const char *from, const char *to, struct fl_error *err)
{
	if (fsat_rename_new(pool->root, from, pool->root, to, err) == 0)
		return 0;
	if (err->sys != EINVAL && err->sys != ENOSYS)
		return fl_failed(err);
	if (fsat_rename(pool->root, from, pool->root, to, err) == 0)
		return 0;
	return err->sys == ENOTEMPTY ? fl_fail(err, FL_EXISTS, "the pool has %s", to)
				     : fl_failed(err);
}

int dir_move(struct dir_pool *pool, const struct tree *from, const struct tree *to,
	     struct fl_error *err)
{
	char from_path[TREE_TEXT], to_path[TREE_TEXT];

	return rename_new(pool, tree_format(from, from_path), tree_format(to, to_path), err);
}

int dir_sync_place(struct dir_pool *pool, const struct tree *tree, struct fl_error *err)
{
	char parent[TREE_TEXT];

	*strrchr(tree_format(tree, parent), '/') = '\0';
	if (sync_directory(pool, parent, err) < 0)
		return fl_failed(err);
	return tree->kind == TREE_SNAPSHOT ? sync_directory(pool, "snaps", err) : 0;
}

static int give_name(struct dir_pool *pool, const char *from, const struct tree *tree,
		     struct fl_error *err)
{
	char path[TREE_TEXT], parent[TREE_TEXT];

	if (make_parent(pool, tree, parent, err) < 0)
		return fl_failed(err);
	return rename_new(pool, from, tree_format(tree, path), err);
}

int dir_move_to_snaps(struct dir_pool *pool, const struct tree *from, const struct tree *to,
		      struct fl_error *err)
{
	char path[TREE_TEXT];

	return give_name(pool, tree_format(from, path), to, err);
}

int scratch_place(struct scratch *scratch, const struct tree *tree, bool durable,
		  struct fl_error *err)
{
	if (give_name(scratch->pool, scratch->path, tree, err) < 0)
		return fl_failed(err);
	scratch->path[0] = '\0';
	return durable ? dir_sync_place(scratch->pool, tree, err) : 0;
}
