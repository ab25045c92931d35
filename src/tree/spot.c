#include "tree/spot.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/fsat.h"

void spots_init(struct spots *spots, int root)
{
	*spots = (struct spots){ .root = root, .dir = -1 };
}

static void forget(struct spots *spots)
{
	if (spots->dir >= 0)
		close(spots->dir);
	spots->dir = -1;
}

void spots_done(struct spots *spots)
{
	forget(spots);
	text_done(&spots->parent);
}

static bool is_dots(const char *name, size_t length)
{
	return name[0] == '.' && (length == 1 || (length == 2 && name[1] == '.'));
}

int spot_check(const char *path, struct fl_error *err)
{
	const char *why = NULL;

	if (!*path)
		return 0;
	if (path[0] == '/')
		why = "is absolute";
	for (const char *name = path; !why;) {
		size_t length = strcspn(name, "/");

		if (length == 0)
			why = "has an empty component";
		else if (length > NAME_MAX)
			why = "has a component that is longer than any name";
		else if (is_dots(name, length))
			why = "has a component of dots alone, which may lead out";
		if (!name[length])
			break;
		name += length + 1;
	}
	if (!why)
		return 0;
	fl_fail(err, FL_INVALID, "the path '%.200s' %s", path, why);
	return fl_hint(err, "no honest sender does that: look at who made the delta");
}

/* What is made in a directory takes over its default ACL, and with set-group-ID its group. */
static int learn(struct spots *spots, struct fl_error *err)
{
	struct stat st;

	if (fstat(spots->dir, &st) < 0)
		return fl_fail_errno(err, "cannot look at '%.200s'", text_get(&spots->parent));
	spots->hands_on = (st.st_mode & S_ISGID) ||
			  fgetxattr(spots->dir, "system.posix_acl_default", NULL, 0) > 0;
	return 0;
}

int spot_find(struct spots *spots, const char *path, struct spot *ret, struct fl_error *err)
{
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) : 0;

	if (spots->dir < 0 || spots->parent.length != length ||
	    memcmp(text_get(&spots->parent), path, length) != 0) {
		forget(spots);
		text_clear(&spots->parent);
		text_add(&spots->parent, path, length);
		if (fsat_open_far(spots->root, text_get(&spots->parent), &spots->dir, err) < 0 ||
		    learn(spots, err) < 0)
			return fl_failed(err);
	}
	ret->dir = spots->dir;
	ret->name = slash ? slash + 1 : path;
	return 0;
}

bool path_lies_in(const char *path, const char *of)
{
	size_t length = strlen(of);

	return strncmp(path, of, length) == 0 &&
	       (length == 0 || path[length] == '\0' || path[length] == '/');
}

void spots_forget(struct spots *spots, const char *path)
{
	if (path_lies_in(text_get(&spots->parent), path))
		forget(spots);
}
