#include "container/holders.h"

#include <ctype.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fsat.h"
#include "base/text.h"

/*
 * One pass over /proc.  Descriptors and directories are compared by statx()
 * through their magic links, which shows the subvolume's own device.  The
 * device in a line of `maps` is the whole file system's, so it only selects the
 * processes whose map_files are then looked at.  Mount tables are read once for
 * each mount namespace and root directory (a table leaves out what the root
 * directory does not reach).
 *
 * Threads can have descriptors, directories and a mount namespace of their own,
 * and a process lives on when its first thread, which /proc/PID shows, has
 * ended.  So every thread is looked at, but for what kcmp() calls the same as
 * what was looked at already.  Where kcmp() is missing or refused all count as
 * different: more work, the same answer.
 *
 * Nothing is taken for unused because it could not be read: see forgive().
 */

#define WHAT 512
#define VIEWS 256
#define BUFFER (64 * 1024)

/* A mount namespace, seen from a root directory. */
struct view {
	uint64_t namespace, mount, device, root;
};

#define SEEN 128
struct seen {
	struct view view;
	char what[SEEN]; /* the first mount of a tree in it; "": there is none */
};

/* Parts of a thread, which it may share with others. */
enum part { DIRECTORIES, FILES, MAPPINGS, MOUNTS, PARTS };

struct search {
	const struct holders_query *query;
	int (*each)(void *arg, pid_t pid, const char *command, const char *what,
		    struct fl_error *err);
	void *arg;
	int proc;
	dev_t device;  /* of the file system, as mountinfo and maps show it; 0: not known */
	bool by_inode; /* some trees are told by their inodes */
	struct seen views[VIEWS];
	size_t view_count;
	uint64_t shared[2];  /* mount namespaces of the host, and ours; 0: any counts */
	bool may_look;	     /* whoever is still hidden, is so from every root like us */
	pid_t pid;	     /* the present process */
	pid_t looked[PARTS]; /* the last of its threads whose part was looked at */
	bool mapped;	     /* it maps something of the file system */
	char what[WHAT];     /* how it holds a tree; "" = it holds none */
	char buffer[BUFFER]; /* for each_line() */
};

/* --- what the kernel shows ---------------------------------------------------- */

/*
 * Asks for nothing but the device, from memory: a server of a network or FUSE
 * file system that does not answer cannot hold us up, and FUSE then refuses
 * nobody.
 */
static int look(int dir, const char *path, struct statx *ret)
{
	return statx(dir, path, AT_STATX_DONT_SYNC, 0, ret);
}

static bool is_tree(const struct search *search, dev_t device)
{
	for (size_t i = 0; i < search->query->count; i++)
		if (device && search->query->trees[i].device == device)
			return true;
	return false;
}

static bool is_in_tree(const struct search *search, dev_t device, ino_t inode)
{
	for (size_t i = 0; i < search->query->count; i++) {
		const struct inodes *inodes = search->query->trees[i].inodes;

		if (inodes && inodes_hold(inodes, device, inode))
			return true;
	}
	return false;
}

/* Does the link lead into one of the trees? */
static int leads_into(const struct search *search, int dir, const char *link, bool *ret,
		      struct fl_error *err)
{
	struct statx st;

	*ret = false;
	if (look(dir, link, &st) < 0) {
		if (errno == EACCES || errno == EPERM || errno == ENOMEM)
			return fl_fail_errno(err, "cannot look at '%s'", link);
		return 0; /* closed meanwhile, or its server is dead: then it is no file of ours */
	}
	*ret = is_tree(search, makedev(st.stx_dev_major, st.stx_dev_minor)) ||
	       is_in_tree(search, makedev(st.stx_dev_major, st.stx_dev_minor), st.stx_ino);
	return 0;
}

static void close_file(FILE **file)
{
	if (*file)
		fclose(*file);
}

/* Calls `each` with every line of a file, however large, until it answers true. */
static int each_line(struct search *search, int dir, const char *path,
		     bool (*each)(void *arg, const char *line), void *arg, struct fl_error *err)
{
	own(close_file) FILE *file = NULL;
	own_free char *line = NULL;
	own_fd int fd = -1;
	size_t size = 0;

	if (fsat_open(dir, path, O_RDONLY, 0, &fd, err) < 0)
		return fl_failed(err);
	file = fdopen(fd, "r");
	if (!file)
		return fl_fail_errno(err, "cannot read '%s'", path);
	take_fd(fd);
	setvbuf(file, search->buffer, _IOFBF, sizeof(search->buffer));
	while (getline(&line, &size, file) > 0)
		if (each(arg, line))
			return 0;
	return feof(file) ? 0 : fl_fail_errno(err, "cannot read '%s'", path);
}

/* The "MAJOR:MINOR" after `skip` fields of a line; 0 when there is none. */
static dev_t device_in(const char *line, int skip, int base)
{
	unsigned long major, minor;
	char *end;

	for (; line && skip > 0; skip--) {
		line = strchr(line, ' ');
		line = line ? line + 1 : NULL;
	}
	if (!line)
		return 0;
	major = strtoul(line, &end, base);
	if (*end != ':')
		return 0;
	minor = strtoul(end + 1, NULL, base);
	return makedev((unsigned)major, (unsigned)minor);
}

/* --- one part of one thread ----------------------------------------------------- */

static int look_at_directories(struct search *search, int thread, struct fl_error *err)
{
	static const char *const links[][2] = { { "cwd", "working directory" },
						{ "root", "root directory" } };

	for (size_t i = 0; i < array_size(links); i++) {
		bool found;

		if (leads_into(search, thread, links[i][0], &found, err) < 0)
			return fl_failed(err);
		if (found) {
			snprintf(search->what, sizeof(search->what), "%s", links[i][1]);
			return 0;
		}
	}
	return 0;
}

struct entries {
	struct search *search;
	int dir;
};

static int look_at_entry(void *arg, const char *name, unsigned char type, uint64_t inode,
			 struct fl_error *err)
{
	const struct entries *entries = arg;
	struct search *search = entries->search;
	bool found;
	ssize_t n;

	if (search->what[0])
		return 0;
	if (leads_into(search, entries->dir, name, &found, err) < 0)
		return fl_failed(err);
	if (!found)
		return 0;
	n = readlinkat(entries->dir, name, search->what, sizeof(search->what) - 1);
	if (n > 0)
		search->what[n] = '\0';
	else
		snprintf(search->what, sizeof(search->what), "an open file");
	return 0;
}

/* All entries of fd or map_files. */
static int look_into(struct search *search, int thread, const char *directory, struct fl_error *err)
{
	own_fd int dir = -1;
	struct entries entries = { .search = search };

	if (fsat_open_dir(thread, directory, &dir, err) < 0)
		return fl_failed(err);
	entries.dir = dir;
	return fsat_each(dir, look_at_entry, &entries, err);
}

static int look_at_files(struct search *search, int thread, struct fl_error *err)
{
	return look_into(search, thread, "fd", err);
}

/*
 * "7f3a1000-7f3a2000 r--p 00000000 00:2d 257 /path".  The inode tells at once
 * where there are inodes to compare with and this is their device.
 */
static bool note_mapping(void *arg, const char *line)
{
	struct search *search = arg;
	dev_t device = device_in(line, 3, 16);
	unsigned long inode;

	if (device && sscanf(line, "%*s %*s %*s %*s %lu", &inode) == 1 &&
	    is_in_tree(search, device, inode)) {
		const char *path = strchr(line, '/');

		snprintf(search->what, sizeof(search->what), "%.*s",
			 path ? (int)strcspn(path, "\n") : WHAT, path ? path : "a mapped file");
		return true;
	}
	search->mapped |= device && (device == search->device || is_tree(search, device));
	return search->mapped && !search->by_inode;
}

/* Without the file system's device every mapping may be one of a tree. */
static int look_at_mappings(struct search *search, int thread, struct fl_error *err)
{
	if (!search->query->mappings)
		return 0;
	search->mapped = !search->device;
	if ((!search->mapped || search->by_inode) &&
	    each_line(search, thread, "maps", note_mapping, search, err) < 0)
		return fl_failed(err);
	return search->mapped && !search->what[0] ? look_into(search, thread, "map_files", err) : 0;
}

static int view_get(int thread, struct view *ret, struct fl_error *err)
{
	struct view view = { 0 };
	struct statx root;
	struct stat st;

	if (fstatat(thread, "ns/mnt", &st, 0) < 0)
		return fl_fail_errno(err, "cannot look at 'ns/mnt'");
	view.namespace = st.st_ino;
	if (look(thread, "root", &root) == 0) {
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

	if (!is_tree(search, device_in(line, 2, 10)))
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
	if (!mounts_whole_tree(search, line) && (device_in(line, 2, 10) != search->device ||
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

static int look_at_mounts(struct search *search, int thread, struct fl_error *err)
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
	if (each_line(search, thread, "mountinfo", note_mount, search, err) < 0)
		return fl_failed(err);
	remember_view(search, &view);
	return 0;
}

/* --- processes ------------------------------------------------------------------- */

static const struct {
	int shared; /* what kcmp() compares.  Who shares directories shares the mount namespace. */
	int (*look)(struct search *search, int thread, struct fl_error *err);
} parts[PARTS] = {
	[DIRECTORIES] = { KCMP_FS, look_at_directories },
	[FILES] = { KCMP_FILES, look_at_files },
	[MAPPINGS] = { KCMP_VM, look_at_mappings },
	[MOUNTS] = { KCMP_FS, look_at_mounts },
};

/*
 * A look that failed is no harm when the thread has ended, or when the whole
 * thread is hidden: another user's when we are not root, or one that refuses all
 * who have the right to look (a container's keeper, by a security module or from
 * an outer user namespace), of which more attempts would tell no more.  The
 * kernel says EACCES also of a thread that ends while one of its links is
 * followed.
 */
static int forgive(const struct search *search, pid_t thread, struct fl_error *err)
{
	char stat[32], cwd[32], target[8];

	snprintf(stat, sizeof(stat), "%d/stat", (int)thread);
	snprintf(cwd, sizeof(cwd), "%d/cwd", (int)thread);
	if (err->sys == ENOENT || err->sys == ESRCH || err->sys == EINVAL)
		return 0;
	if (err->sys != EACCES && err->sys != EPERM)
		return fl_failed(err);
	if (geteuid() != 0 || faccessat(search->proc, stat, F_OK, 0) < 0)
		return 0;
	if (search->may_look && readlinkat(search->proc, cwd, target, sizeof(target)) < 0)
		return 0;
	return fl_hint(err, "flockerd needs the capability CAP_SYS_PTRACE to see who uses a tree");
}

static bool shares(pid_t a, pid_t b, int what)
{
	return syscall(SYS_kcmp, a, b, what, 0, 0) == 0;
}

static bool is_looked_at(const struct search *search, pid_t thread, enum part part)
{
	return search->looked[part] && (shares(search->pid, thread, parts[part].shared) ||
					shares(search->looked[part], thread, parts[part].shared));
}

static int look_at_thread(void *arg, const char *name, unsigned char type, uint64_t inode,
			  struct fl_error *err)
{
	struct search *search = arg;
	pid_t number = (pid_t)strtol(name, NULL, 10);
	own_fd int thread = -1;

	for (enum part part = 0; part < PARTS && !search->what[0]; part++) {
		if (is_looked_at(search, number, part))
			continue;
		/* Not listed there, but found: and only there it has map_files. */
		if (thread < 0 && fsat_open_dir(search->proc, name, &thread, err) < 0)
			return forgive(search, number, err);
		search->looked[part] = number;
		if (parts[part].look(search, thread, err) < 0 && forgive(search, number, err) < 0)
			return fl_failed(err);
	}
	return 0;
}

static int look_at_threads(struct search *search, const char *process, struct fl_error *err)
{
	own_fd int tasks = -1;
	char path[32];

	snprintf(path, sizeof(path), "%.20s/task", process);
	if (fsat_open_dir(search->proc, path, &tasks, err) < 0)
		return forgive(search, search->pid, err);
	if (fsat_each(tasks, look_at_thread, search, err) < 0)
		return forgive(search, search->pid, err);
	return 0;
}

static void read_command(struct search *search, const char *process, char command[static 32])
{
	own_text struct text text = { 0 };
	struct fl_error ignored; /* the process has ended */
	char path[32];

	snprintf(path, sizeof(path), "%.20s/comm", process);
	if (fsat_read(search->proc, path, 256, &text, &ignored) == 0)
		snprintf(command, 32, "%.*s", (int)strcspn(text_get(&text), "\n"), text_get(&text));
	else
		snprintf(command, 32, "?");
}

static int look_at_process(void *arg, const char *name, unsigned char type, uint64_t inode,
			   struct fl_error *err)
{
	struct search *search = arg;
	char command[32];

	if (!isdigit((unsigned char)name[0]))
		return 0;
	search->pid = (pid_t)strtol(name, NULL, 10);
	if (search->pid == getpid())
		return 0;
	search->what[0] = '\0';
	memset(search->looked, 0, sizeof(search->looked));
	if (look_at_threads(search, name, err) < 0)
		return fl_wrap(err, "looking at process %d", (int)search->pid);
	if (!search->what[0])
		return 0;
	read_command(search, name, command);
	return search->each(search->arg, search->pid, command, search->what, err);
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
	wanted->device = device_in(line, 2, 10);
	return true;
}

/*
 * The device that mountinfo shows for the file system of `beside`, which on
 * Btrfs no stat() shows.  By the mount's number: its path is told with escapes,
 * and other mounts may lie beneath.
 */
static int find_device(struct search *search, struct fl_error *err)
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
	if (each_line(search, search->proc, "thread-self/mountinfo", note_device, &wanted, err) < 0)
		return fl_failed(err);
	if (!wanted.device)
		return fl_fail(err, FL_SYSTEM, "the mount at '%s' is not in the mount table",
			       beside);
	search->device = wanted.device;
	return 0;
}

/* Which mounts tell of nobody; one that can't be looked at is no process of the host's first. */
static void find_shared(struct search *search)
{
	static const char *const whose[] = { "1/ns/mnt", "self/ns/mnt" };
	struct stat st;

	for (size_t i = 0; search->query->everyone && i < array_size(whose); i++)
		if (fstatat(search->proc, whose[i], &st, 0) == 0)
			search->shared[i] = st.st_ino;
}

static bool may_look(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, sets) < 0)
		return false;
	return sets[CAP_TO_INDEX(CAP_SYS_PTRACE)].effective & CAP_TO_MASK(CAP_SYS_PTRACE);
}

int holders_find(const struct holders_query *query,
		 int (*each)(void *arg, pid_t pid, const char *command, const char *what,
			     struct fl_error *err),
		 void *arg, struct fl_error *err)
{
	own_free struct search *search = xcalloc(1, sizeof(*search));
	own_fd int proc = -1;

	if (fsat_open_dir(AT_FDCWD, "/proc", &proc, err) < 0)
		return fl_wrap(err, "looking for processes");
	search->query = query;
	search->each = each;
	search->arg = arg;
	search->proc = proc;
	search->may_look = may_look();
	find_shared(search);
	for (size_t i = 0; i < query->count; i++)
		search->by_inode |= query->trees[i].inodes != NULL;
	if (find_device(search, err) < 0)
		return fl_wrap(err, "looking for mounts");
	return fsat_each(proc, look_at_process, search, err);
}
