#include "tree/walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "base/fsat.h"
#include "base/log.h"
#include "base/text.h"

#define OPEN_FLAGS (O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOATIME)

struct walker {
	const struct walk_verbs *verbs;
	void *arg;
	struct text path;
	int depth;
};

static void own_dirp(DIR **stream)
{
	if (*stream)
		closedir(*stream);
}

static int changed(const struct walk_entry *entry, struct fl_error *err)
{
	fl_fail(err, FL_BUSY, "'%.200s' changed while it was read", entry->path);
	return fl_hint(err, "stop what writes to the directory, or copy a snapshot of it");
}

/* `ret_fd` is the owner of what the entry shows. */
static int open_entry(struct walk_entry *entry, int *ret_fd, bool *ret_mounted,
		      struct fl_error *err)
{
	mode_t type = entry->st.st_mode & S_IFMT;
	ino_t inode = entry->st.st_ino;
	int flags = OPEN_FLAGS | (type == S_IFDIR ? O_DIRECTORY : 0);
	int rc = fsat_open_strict(entry->dir, entry->name, flags, true, ret_fd, err);

	*ret_mounted = rc == -FL_UNSUPPORTED;
	if (*ret_mounted)
		return 0;
	if (rc < 0)
		return rc == -FL_NOT_FOUND || rc == -FL_INVALID || err->sys == ENOTDIR
			       ? changed(entry, err)
			       : fl_failed(err);
	entry->fd = *ret_fd;
	if (fstat(entry->fd, &entry->st) < 0)
		return fl_fail_errno(err, "cannot look at '%.200s'", entry->path);
	if ((entry->st.st_mode & S_IFMT) != type || entry->st.st_ino != inode)
		return changed(entry, err);
	return 0;
}

/* What failed may have failed because the entry is not there any more, or is another one. */
static int blame_change(const struct walk_entry *entry, struct fl_error *err)
{
	struct stat st;

	if (err->code != FL_NOT_FOUND && err->code != FL_SYSTEM)
		return fl_failed(err);
	if (fstatat(entry->dir, entry->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_ino == entry->st.st_ino && st.st_dev == entry->st.st_dev)
		return fl_failed(err);
	return changed(entry, err);
}

static int visit_directory(struct walker *walker, const struct walk_entry *entry,
			   struct fl_error *err);

static int visit(struct walker *walker, struct walk_entry *entry, struct fl_error *err)
{
	own_fd int fd = -1;
	bool mounted = false;
	bool opens = S_ISREG(entry->st.st_mode) || S_ISDIR(entry->st.st_mode);

	if (opens && open_entry(entry, &fd, &mounted, err) < 0)
		return fl_failed(err);
	if (mounted)
		log_warning("what is mounted within the tree is left out", "path=%s", entry->path);
	if (mounted && S_ISREG(entry->st.st_mode))
		return 0;
	if (walker->verbs->entry(walker->arg, entry, err) < 0)
		return blame_change(entry, err);
	if (S_ISDIR(entry->st.st_mode) && !mounted && visit_directory(walker, entry, err) < 0)
		return fl_failed(err);
	entry->path = text_get(&walker->path); /* it moves when it grows */
	if (S_ISDIR(entry->st.st_mode) && walker->verbs->leave)
		return walker->verbs->leave(walker->arg, entry, err);
	return 0;
}

static int visit_name(struct walker *walker, int dir, const char *name, struct fl_error *err)
{
	struct walk_entry entry = { .dir = dir, .name = name, .fd = -1 };
	size_t length = walker->path.length;
	int rc;

	if (length > 0)
		text_add(&walker->path, "/", 1);
	text_add_string(&walker->path, name);
	entry.path = text_get(&walker->path);
	if (fstatat(dir, name, &entry.st, AT_SYMLINK_NOFOLLOW) == 0)
		rc = visit(walker, &entry, err);
	else
		rc = errno == ENOENT ? changed(&entry, err)
				     : fl_fail_errno(err, "cannot look at '%.200s'", entry.path);
	if (rc < 0)
		(void)fl_object(err, "%.150s", text_get(&walker->path));
	walker->path.length = length;
	if (walker->path.bytes)
		walker->path.bytes[length] = '\0';
	return rc;
}

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* --- what is in a directory ------------------------------------------------------ */

/* Names, one after the other with their NULs, and where they begin once they are sorted. */
struct names {
	struct text text;
	const char **sorted;
	size_t count;
};

static void names_done(struct names *names)
{
	text_done(&names->text);
	free(names->sorted);
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void sort_names(struct names *names)
{
	const char *name = text_get(&names->text);

	names->sorted = xcalloc(names->count + 1, sizeof(*names->sorted));
	for (size_t i = 0; i < names->count; i++, name += strlen(name) + 1)
		names->sorted[i] = name;
	array_sort(names->sorted, names->count, by_bytes);
}

static int visit_sorted(struct walker *walker, int dir, struct names *names, struct fl_error *err)
{
	sort_names(names);
	for (size_t i = 0; i < names->count; i++) {
		if (visit_name(walker, dir, names->sorted[i], err) < 0)
			return fl_failed(err);
	}
	return 0;
}

/* As they come; those that are to be sorted are only gathered. */
static int read_names(struct walker *walker, const struct walk_entry *entry, struct names *names,
		      struct fl_error *err)
{
	own(own_dirp) DIR *stream = NULL;
	const struct dirent *found;
	own_fd int fd = fcntl(entry->fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0 || !(stream = fdopendir(fd)))
		return fl_fail_errno(err, "cannot read directory '%.200s'", entry->path);
	take_fd(fd);
	while (errno = 0, (found = readdir(stream))) {
		if (is_dot(found->d_name))
			continue;
		if (walker->verbs->sorted) {
			text_add(&names->text, found->d_name, strlen(found->d_name) + 1);
			names->count++;
			continue;
		}
		if (visit_name(walker, entry->fd, found->d_name, err) < 0)
			return fl_failed(err);
	}
	return errno ? fl_fail_errno(err, "cannot read directory '%.200s'", text_get(&walker->path))
		     : 0;
}

static int visit_directory(struct walker *walker, const struct walk_entry *entry,
			   struct fl_error *err)
{
	own(names_done) struct names names = { 0 };

	if (walker->depth >= WALK_DEPTH)
		return fl_fail(err, FL_UNSUPPORTED,
			       "'%.200s...' lies more than %d directories deep", entry->path,
			       WALK_DEPTH);
	walker->depth++;
	if (read_names(walker, entry, &names, err) < 0 ||
	    visit_sorted(walker, entry->fd, &names, err) < 0)
		return fl_failed(err);
	walker->depth--;
	return 0;
}

int walk(int root, const struct walk_verbs *verbs, void *arg, struct fl_error *err)
{
	struct walker walker = { .verbs = verbs, .arg = arg };
	struct walk_entry entry = { .dir = root, .name = ".", .path = "", .fd = -1 };
	int rc;

	if (fstat(root, &entry.st) < 0)
		return fl_fail_errno(err, "cannot look at the root of the tree");
	rc = visit(&walker, &entry, err);
	text_done(&walker.path);
	return rc;
}

int walk_one(int root, const char *name, const struct walk_verbs *verbs, void *arg,
	     struct fl_error *err)
{
	struct walker walker = { .verbs = verbs, .arg = arg };
	int rc = visit_name(&walker, root, name, err);

	text_done(&walker.path);
	return rc;
}

int walk_target(const struct walk_entry *entry, char ret[static PATH_MAX], struct fl_error *err)
{
	ssize_t length = readlinkat(entry->dir, entry->name, ret, PATH_MAX - 1);

	if (length < 0)
		return fl_fail_errno(err, "cannot read the symbolic link");
	ret[length] = '\0';
	return 0;
}

int walk_data(int fd, off_t size, off_t *from, off_t *ret_to, struct fl_error *err)
{
	off_t start = *from < size ? lseek(fd, *from, SEEK_DATA) : size;
	off_t end;

	if (start < 0 && errno != ENXIO)
		return fl_fail_errno(err, "cannot look for holes");
	if (start < 0 || start >= size)
		return 0;
	end = lseek(fd, start, SEEK_HOLE);
	if (end < 0 && errno != ENXIO)
		return fl_fail_errno(err, "cannot look for holes");
	*from = start;
	*ret_to = end < 0 || end > size ? size : end;
	return 1;
}
