/*
 * Can a tree be run, and by what?
 */

#include "container/runtime-place.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fsat.h"

static bool is_program(int dir, const char *path)
{
	struct fl_error missing;
	own_fd int fd = -1;
	struct stat st;

	return fsat_open_in_root(dir, path, O_PATH, &fd, &missing) == 0 && fstat(fd, &st) == 0 &&
	       S_ISREG(st.st_mode) && (st.st_mode & 0111);
}

static int find_first(int root, char **ret, struct fl_error *err)
{
	static const char *const usual[] = {
		"/usr/sbin/runc", "/usr/bin/runc",  "/usr/local/sbin/runc", "/usr/local/bin/runc",
		"/usr/bin/crun",  "/usr/sbin/crun", "/usr/local/bin/crun",
	};

	for (size_t i = 0; i < array_size(usual); i++) {
		if (!is_program(root, usual[i]))
			continue;
		*ret = xstrdup(usual[i]);
		return 0;
	}
	fl_fail(err, FL_NOT_FOUND,
		"there is no OCI runtime to run a system with: neither runc nor crun");
	return fl_hint(err,
		       "install runc, or say where one is: flocker config set system.runtime PATH");
}

/* Can nobody but root, or who we are, put something else there?  In a sticky directory that is so.
 */
static bool is_safe(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0 || (st.st_uid != 0 && st.st_uid != geteuid()))
		return false;
	return !(st.st_mode & 022) || (S_ISDIR(st.st_mode) && (st.st_mode & S_ISVTX));
}

/*
 * Whoever may talk to the daemon may name it, and it runs as root: so it must be a program that
 * only root can have put there.  `path` has no links.
 */
static int check_owners(const char *path, struct fl_error *err)
{
	own_free char *part = xstrdup(path);
	char *slash;

	do {
		const char *shown = *part ? part : "/";

		if (!is_safe(shown)) {
			fl_fail(err, FL_DENIED,
				"the OCI runtime '%s' is not run: others than root can replace %s",
				path, shown);
			return fl_hint(err, "let it, and each directory above it, be root's, and "
					    "nobody else write there");
		}
		slash = strrchr(part, '/');
		if (slash)
			*slash = '\0';
	} while (slash);
	return 0;
}

int runtime_find(const struct runtime_places *places, const char *wanted, char **ret,
		 struct fl_error *err)
{
	own_free char *real = NULL;
	own_fd int root = -1;

	if (!places->keeper)
		return fl_fail(err, FL_UNSUPPORTED,
			       "flocker-keeper is not installed, without which no system runs");
	if (fsat_open_dir(AT_FDCWD, "/", &root, err) < 0)
		return fl_failed(err);
	if (!*wanted)
		return find_first(root, ret, err);
	if (!is_program(root, wanted)) {
		fl_fail(err, FL_NOT_FOUND, "the OCI runtime '%s' is missing, or is no program",
			wanted);
		return fl_hint(err, "flocker config set system.runtime PATH, or \"\" for the one "
				    "that is found");
	}
	real = realpath(wanted, NULL);
	if (!real)
		return fl_fail_errno(err, "the OCI runtime '%s'", wanted);
	if (check_owners(real, err) < 0)
		return fl_failed(err);
	*ret = take_ptr(real);
	return 0;
}

/* --- the tree ----------------------------------------------------------------------------- */

static int check_directory(int root, const char *path, struct fl_error *err)
{
	own_fd int fd = -1;

	if (fsat_open_in_root(root, path, O_PATH | O_DIRECTORY, &fd, err) == 0)
		return 0;
	fl_fail(err, FL_INVALID, "the tree has no directory %s, which a system needs", path);
	return fl_hint(err, "is it the tree of an operating system? then it needs an empty %s",
		       path);
}

static int check_init(int root, const char *init, struct fl_error *err)
{
	own_fd int fd = -1;
	struct stat st;

	if (fsat_open_in_root(root, init, O_PATH, &fd, err) < 0)
		fl_fail(err, FL_INVALID, "the tree has no %s, which is to be its init", init);
	else if (fstat(fd, &st) < 0)
		return fl_fail_errno(err, "cannot look at %s", init);
	else if (!S_ISREG(st.st_mode) || !(st.st_mode & 0111))
		fl_fail(err, FL_INVALID, "%s, which is to be its init, is not an executable file",
			init);
	else
		return 0;
	return fl_hint(err, "another one: the setting init");
}

int runtime_check(const struct runtime_start *start, struct fl_error *err)
{
	own_fd int root = -1;

	if (fsat_open_dir(AT_FDCWD, start->tree, &root, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; oci_directories[i]; i++)
		if (check_directory(root, oci_directories[i], err) < 0)
			return fl_failed(err);
	if (check_directory(root, start->settings->directory, err) < 0)
		return fl_failed(err);
	return check_init(root, start->settings->init[0], err);
}

bool runtime_has_directory(const char *tree, const char *path)
{
	struct fl_error missing;
	own_fd int root = -1, directory = -1;

	return fsat_open_dir(AT_FDCWD, tree, &root, &missing) == 0 &&
	       fsat_open_in_root(root, path, O_PATH | O_DIRECTORY, &directory, &missing) == 0;
}
