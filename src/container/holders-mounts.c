#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "container/holders-search.h"

/*
 * Who holds a tree by having it mounted.  Mount tables are read once for each mount namespace and
 * root directory (a table leaves out what the root directory does not reach).
 */

static int view_get(int thread, struct view *ret, struct fl_error *err)
{
	struct view view = { 0 };
	struct statx root;
	struct stat st;

	if (fstatat(thread, "ns/mnt", &st, 0) < 0)
		return fl_fail_errno(err, "cannot look at 'ns/mnt'");
	view.namespace = st.st_ino;
	if (search_look(thread, "root", &root) == 0) {
		view.mount = root.stx_mnt_id;
		view.device = makedev(root.stx_dev_major, root.stx_dev_minor);
		view.root = root.stx_ino;
	}
	*ret = view;
	return 0;
}

static const struct seen *find_view(const struct search *search, const struct view *view)
{
	for (size_t i = 0; i < search->view_count; i++)
		if (memcmp(&search->views[i].view, view, sizeof(*view)) == 0)
			return &search->views[i];
	return NULL;
}

/* Is `option` one of those that the comma-separated `options`, up to the end of the line, hold? */
static bool has_option(const char *options, const char *option)
{
	size_t length = strlen(option);

	while (*options && *options != '\n') {
		size_t n = strcspn(options, ",\n");

		if (n == length && strncmp(options, option, n) == 0)
			return true;
		options += n + (options[n] == ',');
	}
	return false;
}

/* Is `part` in the path, from one component's beginning to another's end? */
static bool has_part(const char *path, const char *part)
{
	size_t length = strlen(part);

	for (; (path = strstr(path, part)); path++)
		if (path[length] == '/' || path[length] == '\0')
			return true;
	return false;
}

/* Does the path, as mountinfo writes it, begin with these bytes? */
static bool begins_with(const char *path, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		char c = *path++;

		if (c == '\\' && path[0] && path[1] && path[2]) {
			c = (char)((path[0] - '0') * 64 + (path[1] - '0') * 8 + path[2] - '0');
			path += 3;
		}
		if (c != bytes[i])
			return false;
	}
	return true;
}

/* Is it a mount of a tree that has its file system for itself, at a place of somebody's own? */
static bool mounts_whole_tree(const struct search *search, const char *line)
{
	const char *beside = search->query->beside, *name = strrchr(beside, '/');
	const char *where = line;

	if (!search_is_tree(search, search_device_in(line, 2, 10)))
		return false;
	for (int field = 0; field < 4 && where; field++) {
		where = strchr(where, ' ');
		where = where ? where + 1 : NULL;
	}
	return where && !begins_with(where, beside, (size_t)(name - beside) + 2);
}

/* "36 35 0:45 /heads/x /mnt/x rw shared:7 - btrfs /dev/sdb rw,subvolid=257,subvol=/heads/x" */
static bool is_mount_of(const struct search *search, const char *options, const char *root)
{
	for (size_t i = 0; i < search->query->count; i++) {
		const char *mount = search->query->trees[i].mount;

		if (mount[0] == '/' ? has_part(root, mount)
				    : mount[0] && has_option(options, mount))
			return true;
	}
	return false;
}

static bool note_mount(void *arg, const char *line)
{
	own_free char *root = NULL;
	struct search *search = arg;
	const char *options = strrchr(line, ' ');
	char where[WHAT - 16] = "";

	if (!options)
		return false;
	if (!mounts_whole_tree(search, line) && (search_device_in(line, 2, 10) != search->device ||
						 sscanf(line, "%*d %*d %*s %ms", &root) != 1 ||
						 !is_mount_of(search, options + 1, root)))
		return false;
	sscanf(line, "%*d %*d %*s %*s %495s", where);
	snprintf(search->what, sizeof(search->what), "mounted at %s", where);
	return true;
}

static void remember_view(struct search *search, const struct view *view)
{
	struct seen *seen;

	/* A full table costs repeated work, never an answer. */
	if (search->view_count == VIEWS)
		return;
	seen = &search->views[search->view_count++];
	seen->view = *view;
	snprintf(seen->what, sizeof(seen->what), "%.*s", SEEN - 1, search->what);
}

int holders_look_at_mounts(struct search *search, int thread, struct fl_error *err)
{
	const struct seen *seen;
	struct view view;

	if (!search->device)
		return 0;
	if (view_get(thread, &view, err) < 0)
		return fl_failed(err);
	if (view.namespace == search->shared[0] || view.namespace == search->shared[1])
		return 0;
	seen = find_view(search, &view);
	if (seen && search->query->everyone)
		snprintf(search->what, sizeof(search->what), "%s", seen->what);
	if (seen)
		return 0;
	if (search_each_line(search, thread, "mountinfo", note_mount, search, err) < 0)
		return fl_failed(err);
	remember_view(search, &view);
	return 0;
}

/* --- the file system ---------------------------------------------------------------- */

struct mount_search {
	uint64_t mount;
	dev_t device;
};

static bool note_device(void *arg, const char *line)
{
	struct mount_search *wanted = arg;

	if (strtoull(line, NULL, 10) != wanted->mount)
		return false;
	wanted->device = search_device_in(line, 2, 10);
	return true;
}

/*
 * The device that mountinfo shows for the file system of `beside`, which on
 * Btrfs no stat() shows.  By the mount's number: its path is told with escapes,
 * and other mounts may lie beneath.
 */
int holders_find_device(struct search *search, struct fl_error *err)
{
	const char *beside = search->query->beside;
	struct mount_search wanted = { 0 };
	struct statx st;

	if (!beside)
		return 0;
	if (statx(AT_FDCWD, beside, AT_NO_AUTOMOUNT, STATX_MNT_ID, &st) < 0)
		return errno == ENOENT ? 0 : fl_fail_errno(err, "cannot look at '%s'", beside);
	if (!(st.stx_mask & STATX_MNT_ID) || !(st.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT))
		return fl_fail(err, FL_UNSUPPORTED, "this kernel does not tell mounts apart");
	if (!(st.stx_attributes & STATX_ATTR_MOUNT_ROOT) && !search->by_inode)
		return 0;
	wanted.mount = st.stx_mnt_id;
	if (search_each_line(search, search->proc, "thread-self/mountinfo", note_device, &wanted,
			     err) < 0)
		return fl_failed(err);
	if (!wanted.device)
		return fl_fail(err, FL_SYSTEM, "the mount at '%s' is not in the mount table",
			       beside);
	search->device = wanted.device;
	return 0;
}

/* Which mounts tell of nobody; one that can't be looked at is no process of the host's first. */
void holders_find_shared(struct search *search)
{
	static const char *const whose[] = { "1/ns/mnt", "self/ns/mnt" };
	struct stat st;

	for (size_t i = 0; search->query->everyone && i < array_size(whose); i++)
		if (fstatat(search->proc, whose[i], &st, 0) == 0)
			search->shared[i] = st.st_ino;
}
