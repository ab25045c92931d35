#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fsat.h"
#include "base/mount.h"
#include "driver/dir/pool.h"
#include "driver/window.h"

/*
 * A daemon that may mount shows its trees as the others do, by two mounts
 * (window.h): nosuid and nodev, snapshots read-only.  One that may not puts two
 * symbolic links in their place, to the pool's own directories.  For whoever
 * goes through them all is the same but for those three protections, which only
 * a mount can give.
 *
 * Taking a link away disturbs nobody who is inside, but he would not find his
 * way back, so it is treated as a mount is: it stays while a process that we
 * can see has a file or directory below it.
 */

static const struct {
	const char *directory; /* in the pool */
	const char *name;      /* below the root */
} links[] = {
	{ "heads", ".heads" },
	{ "snaps", ".snaps" },
};

static bool may_mount(const struct dir_pool *pool)
{
	return pool->frozen >= 0;
}

/* --- mounts ------------------------------------------------------------------ */

static int open_source(void *arg, int *ret_fd, struct fl_error *err)
{
	const struct dir_pool *pool = arg;

	return fsat_open_dir(AT_FDCWD, pool->path, ret_fd, err);
}

static int open_windows(struct dir_pool *pool, const char *root, struct fl_error *err)
{
	const struct window_source source = { pool->root, open_source, pool };

	return windows_open(&source, root, err);
}

static int close_windows(struct dir_pool *pool, const char *root, struct fl_error *err)
{
	const struct window_source source = { pool->root, open_source, pool };

	return windows_close(&source, root, err);
}

/* --- links ---------------------------------------------------------------------- */

static bool is_link(int dir, const char *name)
{
	struct fl_error ignored;
	struct stat st;

	return fsat_stat(dir, name, &st, &ignored) == 0 && S_ISLNK(st.st_mode);
}

/* Left where mounts go now, by a daemon without the right to mount. */
static int remove_links(int dir, struct fl_error *err)
{
	for (size_t i = 0; i < array_size(links); i++)
		if (is_link(dir, links[i].name) && fsat_unlink(dir, links[i].name, err) < 0)
			return fl_failed(err);
	return 0;
}

static int make_links(const struct dir_pool *pool, int dir, struct fl_error *err)
{
	for (size_t i = 0; i < array_size(links); i++) {
		own_text struct text target = { 0 };

		/* A mount's empty directory may be there; anything else is not ours. */
		if (!is_link(dir, links[i].name) && fsat_rmdir(dir, links[i].name, err) < 0)
			return fl_failed(err);
		text_add_format(&target, "%s/%s", pool->path, links[i].directory);
		if (fsat_symlink(text_get(&target), dir, links[i].name, err) < 0)
			return fl_failed(err);
	}
	return 0;
}

/* --- who is inside ----------------------------------------------------------------- */

struct inside {
	const char *pool;
	int proc, process;
	char path[POOL_PATH]; /* of the first that was found; "" */
};

static bool is_inside(const char *path, const char *pool)
{
	size_t length = strlen(pool);

	if (strncmp(path, pool, length) != 0)
		return false;
	for (size_t i = 0; i < array_size(links); i++) {
		size_t n = strlen(links[i].directory);

		if (path[length] == '/' && strncmp(path + length + 1, links[i].directory, n) == 0 &&
		    path[length + 1 + n] == '/')
			return true;
	}
	return false;
}

static void look_at(struct inside *inside, int dir, const char *link)
{
	char path[POOL_PATH];
	ssize_t n = readlinkat(dir, link, path, sizeof(path) - 1);

	path[n > 0 ? n : 0] = '\0';
	if (is_inside(path, inside->pool))
		memcpy(inside->path, path, sizeof(path));
}

static int look_at_descriptor(void *arg, const char *name, unsigned char type, uint64_t inode,
			      struct fl_error *err)
{
	struct inside *inside = arg;

	look_at(inside, inside->process, name);
	return 0;
}

static int look_at_process(void *arg, const char *name, unsigned char type, uint64_t inode,
			   struct fl_error *err)
{
	struct inside *inside = arg;
	own_fd int process = -1, files = -1;
	struct fl_error hidden; /* another user's, or it has ended */

	if (!isdigit((unsigned char)name[0]) || inside->path[0] ||
	    fsat_open_dir(inside->proc, name, &process, &hidden) < 0)
		return 0;
	look_at(inside, process, "cwd");
	look_at(inside, process, "root");
	if (fsat_open_dir(process, "fd", &files, &hidden) < 0)
		return 0;
	inside->process = files;
	return fsat_each(files, look_at_descriptor, inside, err);
}

static int refuse_inside(const struct dir_pool *pool, const char *root, struct fl_error *err)
{
	struct inside inside = { .pool = pool->path };
	own_fd int proc = -1;

	if (fsat_open_dir(AT_FDCWD, "/proc", &proc, err) < 0)
		return fl_failed(err);
	inside.proc = proc;
	if (fsat_each(proc, look_at_process, &inside, err) < 0)
		return fl_failed(err);
	if (inside.path[0] == '\0')
		return 0;
	fl_fail(err, FL_BUSY, "'%.200s' is in use", inside.path);
	return fl_hint(err, "end what uses files below '%s'", root);
}

/* --- the entries ------------------------------------------------------------------------ */

int dir_expose(struct pool *pool, const char *root, struct fl_error *err)
{
	struct dir_pool *p = dir_pool(pool);
	own_fd int dir = -1;
	int rc;

	if (fsat_open_dir(AT_FDCWD, root, &dir, err) < 0)
		return fl_failed(err);
	rc = may_mount(p) ? remove_links(dir, err) : make_links(p, dir, err);
	if (rc < 0)
		return fl_wrap(err, "making the pool visible below '%s'", root);
	return may_mount(p) ? open_windows(p, root, err) : 0;
}

int dir_conceal(struct pool *pool, const char *root, struct fl_error *err)
{
	struct dir_pool *p = dir_pool(pool);
	own_fd int dir = -1;

	if (may_mount(p))
		return close_windows(p, root, err);
	if (fsat_open_dir(AT_FDCWD, root, &dir, err) < 0 || refuse_inside(p, root, err) < 0)
		return fl_failed(err);
	return remove_links(dir, err);
}

void dir_locate(struct pool *pool, const struct tree *tree, struct text *out)
{
	char path[TREE_TEXT];

	text_add_format(out, ".%s/" FILES, tree_format(tree, path));
}
