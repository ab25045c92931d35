#include "tree/place.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fsat.h"
#include "tree/walk.h"

/*
 * Directories on the way are opened with openat2: beneath the root, through no
 * symbolic link at all.  The directory of the last entry stays open, because
 * the next one mostly goes into it too.  It stays right: nobody else works in
 * this tree, and what is removed here to make room lies in that directory and is
 * never one on the way to it.
 */

void places_init(struct places *places)
{
	*places = (struct places){ .dir = -1 };
}

static void forget(struct places *places)
{
	if (places->dir >= 0)
		close(places->dir);
	places->dir = -1;
}

void places_done(struct places *places)
{
	forget(places);
	text_done(&places->parent);
}

static int add_component(struct text *path, const char *name, size_t length, struct fl_error *err)
{
	if (length == 2 && memcmp(name, "..", 2) == 0) {
		fl_fail(err, FL_INVALID, "its path has the component '..', which leads out");
		return fl_hint(err, "make the archive anew, from within the directory: "
				    "`tar -C DIRECTORY -c .`");
	}
	if (length > NAME_MAX)
		return fl_fail(err, FL_INVALID, "its name is longer than %d bytes", NAME_MAX);
	if (path->length > 0)
		text_add(path, "/", 1);
	text_add(path, name, length);
	return 0;
}

int place_normalize(const char *path, struct text *ret, struct fl_error *err)
{
	int depth = 0;

	text_clear(ret);
	if (path[0] == '/') {
		fl_fail(err, FL_INVALID, "its path is absolute");
		return fl_hint(err, "make the archive with relative paths: "
				    "`tar -C DIRECTORY -c .`");
	}
	for (const char *p = path; *p; p += strspn(p, "/")) {
		size_t length = strcspn(p, "/");

		if ((length != 1 || *p != '.') && add_component(ret, p, length, err) < 0)
			return fl_failed(err);
		if (++depth > WALK_DEPTH)
			return fl_fail(err, FL_INVALID, "it lies more than %d directories deep",
				       WALK_DEPTH);
		p += length;
	}
	return 0;
}

static int make_missing(const char *path, int *ret_fd, struct fl_error *err)
{
	own_fd int dir = -1;
	char name[NAME_MAX + 1];

	if (fsat_open_dir(PLACE_ROOT_FD, ".", &dir, err) < 0)
		return fl_failed(err);
	while (*path) {
		size_t length = strcspn(path, "/");
		int next;

		snprintf(name, sizeof(name), "%.*s", (int)length, path);
		if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
			return fl_fail_errno(err, "cannot make directory '%s'", name);
		if (fsat_open_strict(dir, name, O_RDONLY | O_DIRECTORY, false, &next, err) < 0)
			return fl_failed(err);
		close(dir);
		dir = next;
		path += length + (path[length] == '/');
	}
	*ret_fd = take_fd(dir);
	return 0;
}

/* Why the way to an entry cannot be gone. */
static int explain_way(struct fl_error *err)
{
	if (err->code == FL_INVALID)
		return fl_hint(err, "an entry must not lie behind a symbolic link; make the "
				    "archive from the real directory");
	if (err->sys == ENOTDIR) {
		fl_fail(err, FL_INVALID, "what should be a directory on its path is none");
		return fl_hint(err, "the archive contradicts itself; make it anew");
	}
	return fl_failed(err);
}

static int open_parent(struct places *places, const char *path, size_t length, bool make,
		       struct fl_error *err)
{
	own_free char *parent = xstrdup(path);
	int dir = -1;
	int rc;

	parent[length] = '\0';
	rc = fsat_open_far(PLACE_ROOT_FD, parent, &dir, err);
	if (rc == -FL_NOT_FOUND && make)
		rc = make_missing(parent, &dir, err);
	if (rc < 0)
		return explain_way(err);
	forget(places);
	places->dir = dir;
	text_clear(&places->parent);
	text_add(&places->parent, path, length);
	return 0;
}

static int find(struct places *places, const char *path, bool make, struct place *ret,
		struct fl_error *err)
{
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) : 0;
	bool same = places->dir >= 0 && places->parent.length == length &&
		    memcmp(text_get(&places->parent), path, length) == 0;

	if (!same && open_parent(places, path, length, make, err) < 0)
		return fl_failed(err);
	ret->dir = places->dir;
	ret->name = slash ? slash + 1 : path;
	return 0;
}

int place_find(struct places *places, const char *path, struct place *ret, struct fl_error *err)
{
	return find(places, path, true, ret, err);
}

/* The same, but nothing is made: FL_NOT_FOUND. */
static int find_existing(struct places *places, const char *path, struct place *ret,
			 struct fl_error *err)
{
	return find(places, path, false, ret, err);
}

int place_open_dir(struct places *places, const char *path, int *ret_fd, struct fl_error *err)
{
	struct place place = { PLACE_ROOT_FD, "." };

	if (*path && find_existing(places, path, &place, err) < 0)
		return fl_failed(err);
	return fsat_open_dir(place.dir, place.name, ret_fd, err);
}

/* After EEXIST: takes away what is there.  A directory only when it is empty. */
static int make_room(const struct place *place, struct fl_error *err)
{
	struct stat st;

	if (fsat_stat(place->dir, place->name, &st, err) < 0)
		return fl_failed(err);
	if (!S_ISDIR(st.st_mode))
		return fsat_unlink(place->dir, place->name, err);
	if (fsat_rmdir(place->dir, place->name, err) < 0) {
		if (err->code != FL_BUSY)
			return fl_failed(err);
		fl_fail(err, FL_INVALID, "there is a directory of that name that holds something");
		return fl_hint(err, "the archive contradicts itself; make it anew");
	}
	return 0;
}

/* Each maker below tries, makes room, and tries once more. */
static int again(const struct place *place, bool second, struct fl_error *err)
{
	if (errno != EEXIST || second)
		return fl_fail_errno(err, "cannot make it");
	return make_room(place, err);
}

int place_make_file(const struct place *place, int *ret_fd, struct fl_error *err)
{
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

	for (bool second = false;; second = true) {
		int fd = openat(place->dir, place->name, flags, 0600);

		if (fd >= 0) {
			*ret_fd = fd;
			return 0;
		}
		if (again(place, second, err) < 0)
			return fl_failed(err);
	}
}

int place_make_symlink(const struct place *place, const char *target, struct fl_error *err)
{
	for (bool second = false;; second = true) {
		if (symlinkat(target, place->dir, place->name) == 0)
			return 0;
		if (again(place, second, err) < 0)
			return fl_failed(err);
	}
}

int place_make_node(const struct place *place, mode_t mode, dev_t device, struct fl_error *err)
{
	for (bool second = false;; second = true) {
		if (mknodat(place->dir, place->name, mode, device) == 0)
			return 0;
		if (again(place, second, err) < 0)
			return fl_failed(err);
	}
}

static int find_target(struct places *places, const char *target, struct place *place,
		       struct stat *st, struct fl_error *err)
{
	int rc = *target ? find_existing(places, target, place, err) : -FL_NOT_FOUND;

	if (rc == 0 && fstatat(place->dir, place->name, st, AT_SYMLINK_NOFOLLOW) < 0) {
		rc = fl_fail_errno(err, "cannot look at it");
	}
	if (rc == 0 && !S_ISDIR(st->st_mode))
		return 0;
	if (rc < 0 && rc != -FL_NOT_FOUND)
		return fl_failed(err);
	fl_fail(err, FL_INVALID,
		"it is a hard link to '%.150s', which is no file of the archive so far", target);
	return fl_hint(err,
		       "make the archive of the whole directory, so that it holds the file too");
}

int place_make_link(struct places *places, const char *path, const char *target,
		    struct fl_error *err)
{
	own_fd int from = -1;
	struct place place;
	struct stat st;

	if (find_target(places, target, &place, &st, err) < 0)
		return fl_failed(err);
	if (strcmp(path, target) == 0)
		return 0;
	from = fcntl(place.dir, F_DUPFD_CLOEXEC, 0); /* the next place closes the first */
	if (from < 0)
		return fl_fail_errno(err, "cannot keep a directory open");
	target = place.name;
	if (place_find(places, path, &place, err) < 0)
		return fl_failed(err);
	for (bool second = false;; second = true) {
		if (linkat(from, target, place.dir, place.name, 0) == 0)
			return 0;
		if (errno == EMLINK) {
			fl_fail(err, FL_UNSUPPORTED,
				"the file has as many names as the pool's "
				"file system allows");
			return fl_hint(err, "have fewer hard links to one file");
		}
		if (again(&place, second, err) < 0)
			return fl_failed(err);
	}
}

int place_make_dir(const struct place *place, struct fl_error *err)
{
	for (bool second = false;; second = true) {
		struct stat st;
		int saved;

		if (mkdirat(place->dir, place->name, 0700) == 0)
			return 0;
		saved = errno;
		if (saved == EEXIST &&
		    fstatat(place->dir, place->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISDIR(st.st_mode))
			return 0;
		errno = saved;
		if (again(place, second, err) < 0)
			return fl_failed(err);
	}
}
