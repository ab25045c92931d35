#include "container/remount.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fsat.h"
#include "base/mount-inside.h"
#include "base/path.h"
#include "base/text.h"

/*
 * Each namespace is entered once.  In there the table is read anew after every mount, since
 * one mount that is replaced takes along what is mounted on it; the last in the table
 * come first, which lie on top.  What the table says of a mount's root only selects it: the
 * inode at its root decides, which must be the one at that path of an old tree.
 */

#define MOUNTS_LIMIT 1024 /* in one namespace: somebody might make new ones all the time */

struct outcome {
	char *path; /* heap */
	bool replaced;
	struct fl_error why;
};

struct scan {
	const struct remount_query *query;
	int (*each)(void *arg, const struct remount *result, struct fl_error *err);
	void *arg;
	int proc;
	uint64_t own;
	uint64_t *seen; /* heap: namespaces */
	size_t seen_count;
	struct remount present;
	uint64_t *tried; /* heap: mounts of the present namespace */
	size_t tried_count;
	struct outcome *outcomes; /* heap: what became of them; told when it was left */
	size_t outcome_count;
};

struct line { /* of the mount table; strings are the line's own */
	uint64_t id, parent;
	dev_t device;
	char *root, *point, *options, *super;
};

/* --- the table --------------------------------------------------------------------------- */

/* "36 35 0:45 /heads/x /data rw,noatime shared:7 - btrfs /dev/sdb rw,subvolid=257" */
static bool parse_line(char *text, struct line *ret)
{
	char *fields[6], *rest = text, *super = strrchr(text, ' ');
	struct line line = { 0 };
	unsigned major, minor;

	for (size_t i = 0; i < array_size(fields); i++)
		fields[i] = strsep(&rest, " ");
	if (!rest || !super || sscanf(fields[2], "%u:%u", &major, &minor) != 2)
		return false;
	line.id = strtoull(fields[0], NULL, 10);
	line.parent = strtoull(fields[1], NULL, 10);
	line.device = makedev(major, minor);
	line.root = fields[3];
	line.point = fields[4];
	line.options = fields[5];
	line.super = super + 1;
	path_unescape(line.root);
	path_unescape(line.point);
	*ret = line;
	return true;
}

struct table {
	struct text text;
	struct line *lines;
	size_t count;
};

static void table_done(struct table *table)
{
	text_done(&table->text);
	free(table->lines);
}

static int table_read(const struct scan *scan, struct table *ret, struct fl_error *err)
{
	char *rest, *text;

	if (mount_inside_table(scan->proc, &ret->text, err) < 0)
		return fl_failed(err);
	rest = ret->text.bytes;
	while (rest && (text = strsep(&rest, "\n"))) {
		struct line line;

		if (parse_line(text, &line))
			*array_add(ret->lines, ret->count) = line;
	}
	return 0;
}

/* --- which mounts ------------------------------------------------------------------------ */

static bool has_option(const char *options, const char *option)
{
	size_t length = strlen(option);

	for (; *options; options += *options == ',') {
		size_t n = strcspn(options, ",");

		if (n == length && strncmp(options, option, n) == 0)
			return true;
		options += n;
	}
	return false;
}

/* What follows `part` in the path; NULL: the path does not have it. */
static const char *after_part(const char *path, const char *part)
{
	size_t length = strlen(part);

	for (; (path = strstr(path, part)); path++)
		if (path[length] == '/' || path[length] == '\0')
			return path + length;
	return NULL;
}

/* The path in the tree at which the mount has its root, if it is one of that tree. */
static const char *path_in(const struct remount_old *old, const struct line *line)
{
	const char *mount = old->tree.mount;
	const char *path = after_part(line->root, mount[0] == '/' ? mount : old->part);
	bool selected = old->tree.device && old->tree.device == line->device;

	if (mount[0] == '/')
		selected |= path != NULL;
	else if (mount[0])
		selected |= has_option(line->super, mount);
	if (!selected)
		return NULL;
	path = path ? path : line->root; /* a file system of its own has no such part */
	return path + strspn(path, "/");
}

static bool is_tried(const struct scan *scan, uint64_t mount)
{
	for (size_t i = 0; i < scan->tried_count; i++)
		if (scan->tried[i] == mount)
			return true;
	return false;
}

struct found {
	const struct line *line;
	const struct remount_old *old;
	const char *path; /* in the tree */
};

static bool find_next(const struct scan *scan, const struct table *table, struct found *ret)
{
	for (size_t i = table->count; i > 0; i--) {
		const struct line *line = &table->lines[i - 1];

		for (size_t j = 0; j < scan->query->count && !is_tried(scan, line->id); j++) {
			const struct remount_old *old = &scan->query->olds[j];
			const char *path = path_in(old, line);

			if (path) {
				*ret = (struct found){ line, old, path };
				return true;
			}
		}
	}
	return false;
}

/* --- one mount --------------------------------------------------------------------------- */

static int look_at(int fd, struct stat *ret, struct fl_error *err)
{
	return fstat(fd, ret) < 0 ? fl_fail_errno(err, "cannot look at what is mounted") : 0;
}

/* "" is the root itself. */
static int open_in(int root, const char *path, int *ret_fd, struct fl_error *err)
{
	return fsat_open_strict(root, path[0] ? path : ".", O_PATH, false, ret_fd, err);
}

/* The mount's root is that path of the old tree, whatever the table says. */
static int check_old(const struct found *found, const struct mount_place *place,
		     struct fl_error *err)
{
	own_fd int fd = -1;
	struct stat there, old;

	if (open_in(found->old->root, found->path, &fd, err) < 0 || look_at(fd, &old, err) < 0 ||
	    look_at(place->fd, &there, err) < 0)
		return fl_failed(err);
	if (there.st_dev != old.st_dev || there.st_ino != old.st_ino)
		return fl_fail(err, FL_BUSY, "what is mounted was moved within the branch");
	return 0;
}

static int open_new(const struct scan *scan, const struct found *found, bool directory, int *ret_fd,
		    struct fl_error *err)
{
	own_fd int fd = -1;
	struct stat st;

	if (open_in(scan->query->head, found->path, &fd, err) < 0 || look_at(fd, &st, err) < 0)
		return fl_wrap(err, "the new contents");
	if (S_ISDIR(st.st_mode) != directory)
		return fl_fail(err, FL_UNSUPPORTED, "'%s' is %s directory in the new contents",
			       found->path, directory ? "no" : "a");
	*ret_fd = take_fd(fd);
	return 0;
}

struct nested {
	int mount;	  /* attached to nothing */
	const char *path; /* from the root of the mount that it is on */
};

struct nested_list {
	struct nested *items;
	size_t count;
};

static void nested_done(struct nested_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		own_fdp(&list->items[i].mount);
	free(list->items);
}

/* There must be a place for it in the new mount, before that is anywhere. */
static int take_nested(int mount, const struct line *line, const struct line *child,
		       struct nested_list *list, struct fl_error *err)
{
	own_mount_place struct mount_place place = MOUNT_PLACE_NONE;
	size_t length = strcmp(line->point, "/") == 0 ? 0 : strlen(line->point);
	const char *path = child->point + length;
	own_fd int target = -1, clone = -1;
	struct stat st;

	if (strncmp(child->point, line->point, length) != 0 || path[0] != '/')
		return fl_fail(err, FL_BUSY, "another mount covers it");
	path++;
	if (mount_place_find(child->point, child->id, &place, err) < 0 ||
	    open_in(mount, path, &target, err) < 0 || look_at(target, &st, err) < 0)
		return fl_failed(err);
	if (S_ISDIR(st.st_mode) != place.directory)
		return fl_fail(err, FL_UNSUPPORTED,
			       "'%s' is another kind of file in the new contents", path);
	if (mount_clone_all(&place, &clone, err) < 0)
		return fl_failed(err);
	*array_add(list->items, list->count) = (struct nested){ take_fd(clone), path };
	return 0;
}

static int take_all_nested(int mount, const struct table *table, const struct line *line,
			   struct nested_list *list, struct fl_error *err)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct line *child = &table->lines[i];

		if (child->parent == line->id && child->id != line->id &&
		    take_nested(mount, line, child, list, err) < 0)
			return fl_wrap(err, "what is mounted at '%s' within", child->point);
	}
	return 0;
}

/* What fails after the first of these leaves the new mount beneath the old one, where nobody sees
 * it. */
static int exchange(int mount, const struct found *found, const struct mount_place *place,
		    const struct nested_list *nested, struct fl_error *err)
{
	if (mount_attach_beneath(mount, place, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < nested->count; i++)
		if (mount_attach(nested->items[i].mount, mount, nested->items[i].path, err) < 0)
			return fl_failed(err);
	return mount_detach(place, found->line->id, err);
}

static int replace(const struct scan *scan, const struct table *table, const struct found *found,
		   struct fl_error *err)
{
	own_mount_place struct mount_place place = MOUNT_PLACE_NONE;
	own(nested_done) struct nested_list nested = { 0 };
	own_fd int head = -1, mount = -1;
	uint64_t options;

	if (mount_place_find(found->line->point, found->line->id, &place, err) < 0 ||
	    check_old(found, &place, err) < 0 ||
	    open_new(scan, found, place.directory, &head, err) < 0 ||
	    mount_options_parse(found->line->options, &options, err) < 0 ||
	    mount_clone(head, options, &mount, err) < 0 ||
	    take_all_nested(mount, table, found->line, &nested, err) < 0)
		return fl_failed(err);
	return exchange(mount, found, &place, &nested, err);
}

/* --- a namespace ------------------------------------------------------------------------- */

/* `*ret_any` false: there are no more. */
static int replace_next(struct scan *scan, bool *ret_any, struct fl_error *err)
{
	own(table_done) struct table table = { 0 };
	struct outcome *outcome;
	struct found found;

	if (table_read(scan, &table, err) < 0)
		return fl_failed(err);
	*ret_any = find_next(scan, &table, &found);
	if (!*ret_any)
		return 0;
	*array_add(scan->tried, scan->tried_count) = found.line->id;
	outcome = array_add(scan->outcomes, scan->outcome_count);
	outcome->path = xstrdup(found.line->point);
	outcome->replaced = replace(scan, &table, &found, &outcome->why) == 0;
	return 0;
}

static int replace_all(void *arg, struct fl_error *err)
{
	struct scan *scan = arg;
	bool any = true;

	for (int i = 0; i < MOUNTS_LIMIT && any; i++)
		if (replace_next(scan, &any, err) < 0)
			return fl_failed(err);
	if (any)
		return fl_fail(err, FL_BUSY, "it has more than %d mounts of the branch",
			       MOUNTS_LIMIT);
	return 0;
}

static uint64_t namespace_of(int proc, const char *process)
{
	struct stat st;
	char path[40];

	snprintf(path, sizeof(path), "%.20s/ns/mnt", process);
	return fstatat(proc, path, &st, 0) == 0 ? st.st_ino : 0;
}

static void read_command(const struct scan *scan, const char *process, char command[static 32])
{
	own_text struct text text = { 0 };
	struct fl_error ended;
	char path[32];

	snprintf(path, sizeof(path), "%.20s/comm", process);
	snprintf(command, 32, "?");
	if (fsat_read(scan->proc, path, 256, &text, &ended) == 0)
		snprintf(command, 32, "%.*s", (int)strcspn(text_get(&text), "\n"), text_get(&text));
}

static bool is_new(struct scan *scan, uint64_t namespace)
{
	for (size_t i = 0; i < scan->seen_count; i++)
		if (scan->seen[i] == namespace)
			return false;
	return namespace && namespace != scan->own;
}

static int tell(const struct scan *scan, const struct outcome *outcome, struct fl_error *err)
{
	struct remount result = scan->present;

	result.path = outcome->path;
	result.replaced = outcome->replaced;
	result.why = &outcome->why;
	return scan->each(scan->arg, &result, err);
}

/* At home again: whoever is told may open what it likes. */
static int tell_all(struct scan *scan, struct fl_error *err)
{
	int r = 0;

	for (size_t i = 0; i < scan->outcome_count; i++) {
		if (r == 0)
			r = tell(scan, &scan->outcomes[i], err);
		free(scan->outcomes[i].path);
	}
	free(take_ptr(scan->outcomes));
	scan->outcome_count = 0;
	return r;
}

/* A namespace that can't be looked into keeps none of the others. */
static void note_closed(struct scan *scan, const struct fl_error *why)
{
	struct outcome *outcome = array_add(scan->outcomes, scan->outcome_count);

	outcome->path = xstrdup("/");
	outcome->why = *why;
}

static int look_at_process(void *arg, const char *name, unsigned char type, uint64_t inode,
			   struct fl_error *err)
{
	struct scan *scan = arg;
	uint64_t namespace;
	int r;

	if (!isdigit((unsigned char)name[0]))
		return 0;
	namespace = namespace_of(scan->proc, name);
	if (!is_new(scan, namespace))
		return 0;
	scan->present = (struct remount){ .pid = (pid_t)strtol(name, NULL, 10),
					  .namespace = namespace };
	read_command(scan, name, scan->present.command);
	scan->tried_count = 0;
	r = mount_inside(scan->present.pid, replace_all, scan, err);
	free(take_ptr(scan->tried));
	if (r == -FL_NOT_FOUND && scan->outcome_count == 0) /* another process there may be alive */
		return 0;
	*array_add(scan->seen, scan->seen_count) = namespace;
	if (r < 0)
		note_closed(scan, err);
	return tell_all(scan, err);
}

int remount(const struct remount_query *query,
	    int (*each)(void *arg, const struct remount *result, struct fl_error *err), void *arg,
	    struct fl_error *err)
{
	struct scan scan = { .query = query, .each = each, .arg = arg };
	own_fd int proc = -1;
	int r;

	if (fsat_open_dir(AT_FDCWD, "/proc", &proc, err) < 0)
		return fl_wrap(err, "looking for processes");
	scan.proc = proc;
	scan.own = namespace_of(proc, "self");
	r = fsat_each(proc, look_at_process, &scan, err);
	free(scan.seen);
	return r;
}

uint64_t remount_namespace(pid_t pid)
{
	struct stat st;
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	return stat(path, &st) == 0 ? st.st_ino : 0;
}
