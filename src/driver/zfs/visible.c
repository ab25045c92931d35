#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fsat.h"
#include "base/log.h"
#include "base/mount.h"
#include "driver/zfs/pool.h"

/*
 * What others see.
 *
 *	ROOT/.heads/			a tmpfs
 *	ROOT/.heads/.pool		the pool's UUID: whose tmpfs it is
 *	ROOT/.heads/.trees/ID		a dataset, mounted
 *	ROOT/.heads/BRANCH -> .trees/ID	a head; replaced in one step by a swap
 *	ROOT/.snaps/			another tmpfs, with .pool
 *	ROOT/.snaps/BRANCH/NAME		a snapshot, mounted when reveal() asks for it
 *
 * Each dataset is a file system of its own and is mounted as long as it is a head or
 * retired, so that whoever uses one finds it where it was.  The tmpfs and what is in it outlive
 * the process; the next one finds them by .pool and mends what differs.
 */

#define TREES ".heads/.trees"
#define ID_TEXT 20

struct window {
	const char *name;
	const char *directory; /* made in it; or NULL */
};
static const struct window windows[] = { { ".heads", ".heads/.trees" }, { ".snaps", NULL } };

#define VISIBLE_PATH (POOL_PATH + 160)

static char *path_in(const char *root, char path[static VISIBLE_PATH], const char *name)
{
	snprintf(path, VISIBLE_PATH, "%.4000s/%.150s", root, name);
	return path;
}

static char *tree_place(const char *root, const struct item *item, char path[static VISIBLE_PATH])
{
	snprintf(path, VISIBLE_PATH, "%.4000s/" TREES "/%016llx", root,
		 (unsigned long long)item->id);
	return path;
}

/* One mount, or several over each other; dead ones too. */
static int clear(const char *target, struct fl_error *err)
{
	for (;;) {
		struct fl_error dead;
		bool mounted = true;

		if (mount_is_root(target, &mounted, &dead) == 0 && !mounted)
			return 0;
		if (mount_remove(target, true, err) < 0)
			return fl_failed(err);
	}
}

/* --- the two windows --------------------------------------------------------------------- */

static bool is_ours(struct zfs_pool *pool, const char *target)
{
	own_text struct text mark = { 0 };
	char path[VISIBLE_PATH + 8], uuid[UUID_TEXT];
	struct fl_error ignored;
	bool mounted = false;

	snprintf(path, sizeof(path), "%s/.pool", target);
	return mount_is_root(target, &mounted, &ignored) == 0 && mounted &&
	       fsat_read(AT_FDCWD, path, 64, &mark, &ignored) == 0 &&
	       strcmp(text_get(&mark), uuid_format(&pool->pool.identity.pool, uuid)) == 0;
}

static int open_window(struct zfs_pool *pool, const struct window *window, const char *root,
		       struct fl_error *err)
{
	static const struct mount_option options[] = { { "mode", "0711" } };
	char target[VISIBLE_PATH], path[VISIBLE_PATH + 8], uuid[UUID_TEXT];
	own_fd int mount = -1;

	path_in(root, target, window->name);
	if (is_ours(pool, target))
		return 0;
	if (clear(target, err) < 0 || fsat_mkdir_parents(AT_FDCWD, target, 0755, err) < 0 ||
	    mount_detached("tmpfs", "flocker", options, array_size(options), &mount, err) < 0 ||
	    mount_expose(mount, ".", target, false, err) < 0)
		return fl_failed(err);
	if (window->directory &&
	    fsat_mkdir(AT_FDCWD, path_in(root, path, window->directory), 0711, err) < 0)
		return fl_failed(err);
	snprintf(path, sizeof(path), "%s/.pool", target);
	uuid_format(&pool->pool.identity.pool, uuid);
	return fsat_write(AT_FDCWD, path, uuid, strlen(uuid), 0644, false, err);
}

/* --- trees --------------------------------------------------------------------------------- */

/* Is it mounted there and alive? */
static bool is_shown(const char *target)
{
	struct fl_error ignored;
	bool mounted = false;
	own_fd int dir = -1;

	return mount_is_root(target, &mounted, &ignored) == 0 && mounted &&
	       fsat_open_dir(AT_FDCWD, target, &dir, &ignored) == 0;
}

static int mount_tree(struct zfs_pool *pool, struct item *item, const char *target, bool read_only,
		      struct fl_error *err)
{
	char name[ZFS_NAME];
	own_fd int own_mount = -1;
	int mount = -1;

	if (is_shown(target))
		return 0;
	if (clear(target, err) < 0 || fsat_mkdir(AT_FDCWD, target, 0711, err) < 0)
		return fl_failed(err);
	/* Older kernels use up the mount that a visible one is taken from. */
	if (pool->features.kernel) {
		if (place_mount(pool, item_name(item, name), &own_mount, err) < 0)
			return fl_failed(err);
		mount = own_mount;
	} else if (place_get(pool, item, &mount, err) < 0) {
		return fl_failed(err);
	}
	return mount_expose(mount, ".", target, read_only, err);
}

int show_head(struct zfs_pool *pool, struct item *item, struct fl_error *err)
{
	own_places(guard, pool);
	char path[VISIBLE_PATH], target[64], uuid[UUID_TEXT], name[64];

	if (!pool->root)
		return 0;
	if (mount_tree(pool, item, tree_place(pool->root, item, path), false, err) < 0)
		return fl_wrap(err, "making a branch visible below '%s'", pool->root);
	snprintf(target, sizeof(target), ".trees/%016llx", (unsigned long long)item->id);
	snprintf(name, sizeof(name), ".heads/%s", uuid_format(&item->tree.uuid, uuid));
	return fsat_symlink(target, AT_FDCWD, path_in(pool->root, path, name), err);
}

void unshow_head(struct zfs_pool *pool, const struct uuid *branch)
{
	own_places(guard, pool);
	char path[VISIBLE_PATH], uuid[UUID_TEXT], name[64];
	struct fl_error err;

	snprintf(name, sizeof(name), ".heads/%s", uuid_format(branch, uuid));
	if (pool->root && fsat_unlink(AT_FDCWD, path_in(pool->root, path, name), &err) < 0)
		log_warning("a link stays", "path=%s error=%s", path, err.text);
}

static char *snapshot_place(const char *root, const struct tree *tree,
			    char path[static VISIBLE_PATH])
{
	char name[TREE_TEXT + 1] = ".";

	tree_format(tree, name + 1);
	return path_in(root, path, name);
}

static void take_away(const char *path)
{
	struct fl_error err;

	if (clear(path, &err) < 0 || fsat_rmdir(AT_FDCWD, path, &err) < 0)
		log_warning("a mount stays", "path=%s error=%s", path, err.text);
}

void unshow_tree(struct zfs_pool *pool, const struct item *item)
{
	own_places(guard, pool);
	char path[VISIBLE_PATH];

	if (!pool->root)
		return;
	if (item->tree.kind == TREE_SNAPSHOT && !item->hidden)
		snapshot_place(pool->root, &item->tree, path);
	else if (!item->home)
		tree_place(pool->root, item, path);
	else
		return;
	if (access(path, F_OK) == 0 || errno != ENOENT)
		take_away(path);
}

int zfs_reveal(struct pool *pool, const struct tree *tree, struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	own_shape(shape, read_shape(p));
	own_places(guard, p);
	char path[VISIBLE_PATH], branch[64], uuid[UUID_TEXT];
	struct item *item = item_get(p, tree, err);

	if (!item)
		return fl_failed(err);
	if (!p->root || tree->kind != TREE_SNAPSHOT)
		return 0;
	snprintf(branch, sizeof(branch), ".snaps/%s", uuid_format(&tree->uuid, uuid));
	if (fsat_mkdir(AT_FDCWD, path_in(p->root, path, branch), 0711, err) < 0 ||
	    mount_tree(p, item, snapshot_place(p->root, tree, path), true, err) < 0)
		return fl_wrap(err, "making a snapshot visible below '%s'", p->root);
	return 0;
}

void zfs_locate(struct pool *pool, const struct tree *tree, struct text *out)
{
	char path[TREE_TEXT];

	text_add_format(out, ".%s", tree_format(tree, path));
}

/* --- all at once ------------------------------------------------------------------------------ */

/* The heads as they are in the index; copied, because showing one may add a mirror to it. */
static int show_heads(struct zfs_pool *pool, struct fl_error *err)
{
	for (size_t i = 0;; i++) {
		struct item *item = NULL;
		{
			own_lock(guard, &pool->mutex);
			if (i >= pool->index.count)
				return 0;
			item = pool->index.items[i];
		}
		if (item->hidden || item->tree.kind != TREE_HEAD)
			continue;
		if (show_head(pool, item, err) < 0)
			return fl_failed(err);
	}
}

struct leftovers {
	struct zfs_pool *pool;
	const char *directory;
};

/* Links of heads and mounts of datasets that are gone. */
static int drop_leftover(void *arg, const char *name, unsigned char type, uint64_t inode,
			 struct fl_error *err)
{
	const struct leftovers *leftovers = arg;
	struct zfs_pool *pool = leftovers->pool;
	char path[VISIBLE_PATH + 64];
	struct fl_error ignored;
	struct tree head = { 0 };
	const struct item *item;
	bool link = uuid_parse(name, &head.uuid, &ignored) == 0;

	snprintf(path, sizeof(path), "%s/%s", leftovers->directory, name);
	own_lock(guard, &pool->mutex);
	if (link && !index_find(&pool->index, &head))
		return fsat_unlink(AT_FDCWD, path, err);
	if (link || strlen(name) != 16)
		return 0;
	item = index_find_id(&pool->index, strtoull(name, NULL, 16));
	if (!item || item->hidden)
		take_away(path);
	return 0;
}

static int drop_leftovers(struct zfs_pool *pool, const char *name, struct fl_error *err)
{
	char path[VISIBLE_PATH];
	struct leftovers leftovers = { pool, path_in(pool->root, path, name) };
	own_fd int dir = -1;

	if (fsat_open_dir(AT_FDCWD, path, &dir, err) < 0)
		return fl_failed(err);
	return fsat_each(dir, drop_leftover, &leftovers, err);
}

int zfs_expose(struct pool *pool, const char *root, struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	own_shape(shape, read_shape(p));
	own_places(guard, p);

	if (strlen(root) > POOL_PATH - 128)
		return fl_fail(err, FL_INVALID, "mount root '%.100s...' is too long", root);
	for (size_t i = 0; i < array_size(windows); i++)
		if (open_window(p, &windows[i], root, err) < 0)
			return fl_wrap(err, "making the pool visible below '%s'", root);
	free(p->root);
	p->root = xstrdup(root);
	if (drop_leftovers(p, ".heads", err) < 0 || drop_leftovers(p, TREES, err) < 0)
		return fl_wrap(err, "making the pool visible below '%s'", root);
	return show_heads(p, err);
}

/* Ends the mounts in a directory; its own last, with the depth that is left. */
static int end_mounts(void *arg, const char *name, unsigned char type, uint64_t inode,
		      struct fl_error *err)
{
	const char *directory = arg;
	char path[VISIBLE_PATH + 64];
	struct stat st;
	own_fd int dir = -1;
	bool mounted = false;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	if (mount_is_root(path, &mounted, err) < 0)
		return fl_failed(err);
	if (mounted) {
		dev_t device = device_from_memory(AT_FDCWD, path);
		int rc = mount_remove(path, false, err);

		if (rc < 0)
			name_users(device, err);
		return rc;
	}
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return 0;
	if (fsat_open_dir(AT_FDCWD, path, &dir, err) < 0)
		return fl_failed(err);
	return fsat_each(dir, end_mounts, path, err);
}

static int close_window(struct zfs_pool *pool, const struct window *window, const char *root,
			struct fl_error *err)
{
	char target[VISIBLE_PATH];

	path_in(root, target, window->name);
	if (!is_ours(pool, target))
		return 0;
	{
		own_fd int dir = -1;

		if (fsat_open_dir(AT_FDCWD, target, &dir, err) < 0 ||
		    fsat_each(dir, end_mounts, target, err) < 0)
			return fl_failed(err);
	}
	return mount_remove(target, false, err);
}

/* Snapshots that were revealed are so again. */
static void show_again(struct zfs_pool *pool, const char *root, const struct tree *revealed,
		       size_t count)
{
	struct fl_error err;

	if (zfs_expose(&pool->pool, root, &err) < 0)
		log_warning("cannot make the pool visible again", "error=%s", err.text);
	for (size_t i = 0; i < count; i++)
		if (zfs_reveal(&pool->pool, &revealed[i], &err) < 0)
			log_warning("cannot make a snapshot visible again", "error=%s", err.text);
}

static struct tree *find_revealed(struct zfs_pool *pool, const char *root, size_t *ret_count)
{
	own_lock(guard, &pool->mutex);
	struct tree *trees = xcalloc(pool->index.count + 1, sizeof(*trees));
	char path[VISIBLE_PATH];
	size_t count = 0;

	for (size_t i = 0; i < pool->index.count; i++) {
		const struct item *item = pool->index.items[i];

		if (!item->hidden && item->tree.kind == TREE_SNAPSHOT &&
		    is_shown(snapshot_place(root, &item->tree, path)))
			trees[count++] = item->tree;
	}
	*ret_count = count;
	return trees;
}

int zfs_conceal(struct pool *pool, const char *root, struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	own_places(guard, p);
	size_t count = 0;
	own_free struct tree *revealed = find_revealed(p, root, &count);

	place_await_closings(p);
	for (size_t i = array_size(windows); i-- > 0;) {
		if (close_window(p, &windows[i], root, err) == 0)
			continue;
		show_again(p, root, revealed, count);
		if (err->code == FL_BUSY)
			return fl_hint(err, "end what uses files below '%s'", root);
		return fl_failed(err);
	}
	free(take_ptr(p->root));
	return 0;
}
