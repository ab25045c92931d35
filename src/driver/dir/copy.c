#include "driver/dir/copy.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fsat.h"
#include "driver/dir/attrs.h"
#include "driver/dir/contents.h"
#include "driver/dir/links.h"
#include "driver/dir/print.h"
#include "base/walk.h"

/*
 * Every entry is opened by its one name in a directory that is open, and what
 * the descriptor says is what is copied: what the name meant a moment before
 * does not count.  A FIFO or device that was put there is opened as itself
 * (O_PATH), never as what lies behind it.
 *
 * The order for a regular file of a live tree: look (for the print), push out
 * what programs wrote to it through mappings, copy.  The pushing out makes its
 * pages read-only again, so that a store that comes later moves the time of
 * change; FICLONE does it by itself.
 *
 * A directory of the copy has mode 0700 and no default ACL until everything in
 * it is there; then it gets its own.
 */

#define AGAIN_MOST 3 /* a file that changes while it is copied */

struct copying {
	const struct copy *copy;
	struct links links;
};

struct at {
	int dir;
	const char *name;
	int fd; /* -1: look by name */
};

static int look(void *arg, struct stat *st, struct fl_error *err)
{
	const struct at *at = arg;

	if (at->fd < 0)
		return fsat_stat(at->dir, at->name, st, err);
	return fstat(at->fd, st) < 0 ? fl_fail_errno(err, "cannot look at it") : 0;
}

static int settle(const struct copying *copying, struct at *at, struct stat *st,
		  struct fl_error *err)
{
	if (!copying->copy->print)
		return look(at, st, err);
	return print_settle(copying->copy->print, look, at, st, err);
}

static void add_print(const struct copying *copying, const char *name, const struct stat *st)
{
	if (copying->copy->print)
		print_add(copying->copy->print, name, st);
}

/* --- regular files -------------------------------------------------------------- */

static int push_out(int fd, struct fl_error *err)
{
	const unsigned flags = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
			       SYNC_FILE_RANGE_WAIT_AFTER;

	if (sync_file_range(fd, 0, 0, flags) < 0 && errno != ENOSYS && errno != ESPIPE)
		return fl_fail_errno(err, "cannot write out what was changed in it");
	return 0;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static int copy_contents(const struct copying *copying, int from, int to, struct stat *st,
			 struct fl_error *err)
{
	const struct copy *copy = copying->copy;

	for (int tries = 1;; tries++) {
		struct stat after;

		if (copy->live && !copy->share && push_out(from, err) < 0)
			return fl_failed(err);
		if (contents_copy(from, to, st->st_size, copy->share, err) < 0)
			return fl_failed(err);
		if (!copy->live || tries == AGAIN_MOST)
			return 0;
		if (fstat(from, &after) < 0)
			return fl_fail_errno(err, "cannot look at it");
		if (is_same(st, &after))
			return 0;
		*st = after;
		if (ftruncate(to, 0) < 0)
			return fl_fail_errno(err, "cannot empty its copy");
	}
}

static int copy_open_file(const struct copying *copying, int twin, const char *name, int from,
			  struct stat *st, struct fl_error *err)
{
	own(attrs_done) struct attrs attrs = { 0 };
	own_fd int to = -1;

	if (fsat_open(twin, name, O_RDWR | O_CREAT | O_EXCL | O_NOCTTY, 0600, &to, err) < 0 ||
	    copy_contents(copying, from, to, st, err) < 0 || attrs_read(from, st, &attrs, err) < 0)
		return fl_failed(err);
	return attrs_apply(to, &attrs, err);
}

/* --- everything else but directories ------------------------------------------------ */

static int copy_other(int twin, const char *name, int from, const struct stat *st,
		      struct fl_error *err)
{
	own(attrs_done) struct attrs attrs = { 0 };
	char target[PATH_MAX];
	own_fd int to = -1;
	int rc;

	if (attrs_read(from, st, &attrs, err) < 0)
		return fl_failed(err);
	if (S_ISLNK(st->st_mode)) {
		if (fsat_read_link(from, "", target, err) < 0)
			return fl_failed(err);
		rc = fsat_make_link(target, twin, name, err);
	} else {
		rc = fsat_make_node(twin, name, (st->st_mode & S_IFMT) | 0600, st->st_rdev, err);
	}
	if (rc < 0 || fsat_open_node(twin, name, &to, err) < 0)
		return fl_failed(err);
	return attrs_apply(to, &attrs, err);
}

/* --- names ------------------------------------------------------------------------------ */

/* Opens the entry as what it is; `ret_fd` is O_PATH but for a regular file. */
static int open_entry(const struct visit *visit, const char *name, int *ret_fd,
		      struct fl_error *err)
{
	own_fd int fd = -1;
	struct stat st, opened;
	int rc;

	if (fsat_stat(visit->dir, name, &st, err) < 0)
		return fl_failed(err);
	if (S_ISREG(st.st_mode))
		rc = fsat_open_strict(visit->dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, true, &fd,
				      err);
	else
		rc = fsat_open_node(visit->dir, name, &fd, err);
	if (rc < 0)
		return fl_failed(err);
	if (fstat(fd, &opened) < 0)
		return fl_fail_errno(err, "cannot look at it");
	if (S_ISREG(st.st_mode) != S_ISREG(opened.st_mode))
		return fl_fail(err, FL_INVALID, "it was replaced meanwhile");
	*ret_fd = take_fd(fd);
	return 0;
}

/*
 * Some file systems show a name that is removed and made anew, while its
 * directory is read, once more: it is in the copy already.
 */
static bool is_met_again(const struct copying *copying, const struct fl_error *err)
{
	return copying->copy->live && err->code == FL_EXISTS;
}

static int copy_new(const struct copying *copying, const struct visit *visit, const char *name,
		    int fd, struct stat *st, struct fl_error *err)
{
	if (S_ISREG(st->st_mode))
		return copy_open_file(copying, visit->twin, name, fd, st, err);
	return copy_other(visit->twin, name, fd, st, err);
}

static int link_to(const struct copying *copying, const char *first, const struct visit *visit,
		   const char *name, struct fl_error *err)
{
	const char *slash = strrchr(first, '/');
	own_free char *parent = slash ? xstrdup(first) : NULL;
	own_fd int dir = -1;

	if (slash)
		parent[slash - first] = '\0';
	if (fsat_open_far(copying->copy->to, parent ? parent : "", &dir, err) < 0)
		return fl_failed(err);
	return fsat_link(dir, slash ? slash + 1 : first, visit->twin, name, err);
}

static int copy_linked(struct copying *copying, const struct visit *visit, const char *name, int fd,
		       struct stat *st, struct fl_error *err)
{
	const struct links_file file = links_identify(fd, st);
	own_text struct text path = { 0 };
	const char *first;

	walk_path(visit->node, name, &path);
	first = links_meet(&copying->links, &file, text_get(&path));
	if (first)
		return link_to(copying, first, visit, name, err);
	if (copy_new(copying, visit, name, fd, st, err) < 0) {
		if (is_met_again(copying, err))
			links_forget(&copying->links, &file);
		else
			links_fail(&copying->links);
		return fl_failed(err);
	}
	links_ready(&copying->links, &file);
	return 0;
}

/* 1: something was there and is gone, or is something else now. */
static int copy_entry(struct copying *copying, const struct visit *visit, const char *name,
		      struct fl_error *err)
{
	struct at at = { .name = name, .fd = -1 };
	own_fd int fd = -1;
	struct stat st;

	if (open_entry(visit, name, &fd, err) < 0)
		return copying->copy->live && walk_is_gone(err) ? 1 : fl_failed(err);
	at.fd = fd;
	if (settle(copying, &at, &st, err) < 0)
		return fl_failed(err);
	if (S_ISDIR(st.st_mode))
		return 1;
	add_print(copying, name, &st);
	if (st.st_nlink > 1)
		return copy_linked(copying, visit, name, fd, &st, err);
	return copy_new(copying, visit, name, fd, &st, err);
}

static void note_gone(const struct copying *copying)
{
	if (copying->copy->print)
		copying->copy->print->unsure = true;
}

/* A file that is replaced (written anew and renamed) is there all the time: look again. */
static int entry(void *arg, const struct visit *visit, const char *name, struct fl_error *err)
{
	int rc = 1;

	for (int tries = 0; rc == 1 && tries < AGAIN_MOST; tries++) {
		rc = copy_entry(arg, visit, name, err);
		if (rc == 1)
			note_gone(arg);
	}
	if (rc == 0 || rc == 1)
		return 0;
	if (!is_met_again(arg, err))
		return fl_failed(err);
	note_gone(arg);
	return 0;
}

/* --- directories ---------------------------------------------------------------------------- */

static int found(void *arg, const struct visit *visit, const char *name, struct fl_error *err)
{
	struct stat st;

	if (fsat_stat(visit->dir, name, &st, err) < 0)
		return fl_failed(err);
	if (!S_ISDIR(st.st_mode))
		return fl_fail(err, FL_INVALID, "it was replaced meanwhile");
	if (fsat_make_dir(visit->twin, name, 0700, err) == 0)
		return 0;
	if (!is_met_again(arg, err))
		return fl_failed(err);
	note_gone(arg);
	return 1;
}

static int enter(void *arg, const struct visit *visit, struct fl_error *err)
{
	struct attrs *attrs = xcalloc(1, sizeof(*attrs));
	struct at at = { .fd = visit->dir };
	struct copying *copying = arg;
	struct stat st;

	visit->node->data = attrs;
	if (settle(copying, &at, &st, err) < 0)
		return fl_failed(err);
	add_print(copying, visit->node->name, &st);
	return attrs_read(visit->dir, &st, attrs, err);
}

/* Made for one that was gone when its turn came. */
static int remove_empty(const struct copying *copying, const struct walk_node *node,
			struct fl_error *err)
{
	own_fd int parent = -1;

	note_gone(copying);
	if (walk_open(copying->copy->to, node->parent, &parent, err) < 0)
		return fl_failed(err);
	return fsat_rmdir(parent, node->name, err);
}

static int leave(void *arg, struct walk_node *node, struct fl_error *err)
{
	struct copying *copying = arg;
	struct attrs *attrs = node->data;
	own_fd int dir = -1;
	int rc = 0;

	if (err && !node->entered)
		return remove_empty(copying, node, err);
	if (err)
		rc = walk_open(copying->copy->to, node, &dir, err);
	if (err && rc == 0)
		rc = attrs_apply(dir, attrs, err);
	if (attrs)
		attrs_done(attrs);
	free(attrs);
	return rc;
}

int copy_tree(const struct copy *copy, struct fl_error *err)
{
	struct copying copying = { .copy = copy, .links = LINKS_NONE };
	const struct walk walk = {
		.root = copy->from,
		.twin = copy->to,
		.live = copy->live,
		.enter = enter,
		.found = found,
		.entry = entry,
		.leave = leave,
		.arg = &copying,
	};
	int rc = walk_tree(&walk, err);

	links_done(&copying.links);
	return rc;
}
