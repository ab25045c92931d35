#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fsat.h"
#include "driver/kept.h"
#include "driver/zfs/pool.h"

/*
 * What the engine keeps in the pool: files of the state dataset, "facts/BRANCH" among them.
 * Facts are carried by the branch's datasets too (carry.h), and known from there where the
 * file is gone.
 */

#define FACTS_LIMIT (16 * 1024 * 1024)
#define FACTS_PATH (sizeof("facts/") + UUID_TEXT)

static const char *facts_path(const struct uuid *branch, char path[static FACTS_PATH])
{
	char text[UUID_TEXT];

	snprintf(path, FACTS_PATH, "facts/%s", uuid_format(branch, text));
	return path;
}

int zfs_facts_write(struct pool *pool, const struct uuid *branch, const char *text,
		    struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	size_t length = strlen(text);
	char path[FACTS_PATH];
	own_fd int state = -1;

	if (length > FACTS_LIMIT)
		return fl_fail(err, FL_INVALID, "facts of %zu bytes are too large", length);
	if (check_writable(p, err) < 0 || state_open(p, &state, err) < 0)
		return fl_failed(err);
	if (fsat_write(state, facts_path(branch, path), text, length, 0600, false, err) < 0)
		return fl_failed(err);
	carry_facts(p, branch, text);
	return 0;
}

static int read_carried(struct zfs_pool *pool, const struct uuid *branch, struct text *ret,
			struct fl_error *err)
{
	own_free char *text = carried_facts(pool, branch);

	if (!text)
		return fl_failed(err);
	text_clear(ret);
	text_add_string(ret, text);
	return 0;
}

int zfs_facts_read(struct pool *pool, const struct uuid *branch, struct text *ret,
		   struct fl_error *err)
{
	char path[FACTS_PATH];
	own_fd int state = -1;

	if (state_open(zfs_pool(pool), &state, err) < 0)
		return fl_failed(err);
	if (fsat_read(state, facts_path(branch, path), FACTS_LIMIT, ret, err) == 0) {
		carry_facts(zfs_pool(pool), branch, text_get(ret)); /* where a crash came between */
		return 0;
	}
	if (err->code == FL_NOT_FOUND)
		return read_carried(zfs_pool(pool), branch, ret, err);
	return fl_failed(err);
}

/* --- which branches there are ----------------------------------------------------------- */

struct branches {
	struct uuid *items;
	size_t count;
};

static void add_branch(struct branches *branches, const struct uuid *branch)
{
	for (size_t i = 0; i < branches->count; i++)
		if (uuid_equal(&branches->items[i], branch))
			return;
	*array_add(branches->items, branches->count) = *branch;
}

static int add_file(void *arg, const char *name, unsigned char type, uint64_t inode,
		    struct fl_error *err)
{
	struct fl_error ignored;
	struct uuid branch;

	if (uuid_parse(name, &branch, &ignored) == 0)
		add_branch(arg, &branch);
	return 0;
}

static int add_carried(void *arg, const struct uuid *branch, struct fl_error *err)
{
	add_branch(arg, branch);
	return 0;
}

static void add_snapshots(struct zfs_pool *pool, struct branches *branches)
{
	own_lock(guard, &pool->mutex);

	for (size_t i = 0; i < pool->index.count; i++) {
		const struct item *item = pool->index.items[i];

		if (!item->hidden && item->tree.kind == TREE_SNAPSHOT)
			add_branch(branches, &item->tree.uuid);
	}
}

int zfs_facts_list(struct pool *pool,
		   int (*each)(void *arg, const struct uuid *branch, struct fl_error *err),
		   void *arg, struct fl_error *err)
{
	struct branches branches = { 0 };
	own_fd int state = -1;
	own_fd int facts = -1;
	int rc;

	if (state_open(zfs_pool(pool), &state, err) < 0 ||
	    fsat_open_dir(state, "facts", &facts, err) < 0)
		return fl_failed(err);
	rc = fsat_each(facts, add_file, &branches, err);
	if (rc >= 0)
		rc = carried_branches(zfs_pool(pool), add_carried, &branches, err);
	add_snapshots(zfs_pool(pool), &branches);
	for (size_t i = 0; i < branches.count && rc >= 0; i++)
		rc = each(arg, &branches.items[i], err);
	free(branches.items);
	return rc < 0 ? rc : 0;
}

static bool has_snapshots(struct zfs_pool *pool, const struct uuid *branch)
{
	own_lock(guard, &pool->mutex);

	return index_branch_has_snapshots(&pool->index, branch);
}

int zfs_facts_delete(struct pool *pool, const struct uuid *branch, struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	char path[FACTS_PATH];
	own_fd int state = -1;

	if (check_writable(p, err) < 0)
		return fl_failed(err);
	if (has_snapshots(p, branch))
		return fl_fail(err, FL_BUSY, "branch %s has snapshots", uuid_format(branch, path));
	if (carry_no_facts(p, branch, err) < 0 || state_open(p, &state, err) < 0)
		return fl_failed(err);
	return fsat_unlink(state, facts_path(branch, path), err);
}

/* --- files ---------------------------------------------------------------------------------- */

int zfs_file_write(struct pool *pool, const char *name, const void *bytes, size_t length,
		   struct fl_error *err)
{
	own_fd int state = -1;

	if (check_writable(zfs_pool(pool), err) < 0 || state_open(zfs_pool(pool), &state, err) < 0)
		return fl_failed(err);
	return kept_file_write(state, name, bytes, length, err);
}

int zfs_file_append(struct pool *pool, const char *name, const void *bytes, size_t length,
		    struct fl_error *err)
{
	own_fd int state = -1;

	if (check_writable(zfs_pool(pool), err) < 0 || state_open(zfs_pool(pool), &state, err) < 0)
		return fl_failed(err);
	return kept_file_append(state, name, bytes, length, err);
}

int zfs_file_read(struct pool *pool, const char *name, struct text *ret, struct fl_error *err)
{
	own_fd int state = -1;

	if (state_open(zfs_pool(pool), &state, err) < 0)
		return fl_failed(err);
	return kept_file_read(state, name, ret, err);
}
