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
#include "container/holders-search.h"

/*
 * One pass over /proc.  Descriptors and directories are compared by statx()
 * through their magic links, which shows the subvolume's own device.  The
 * device in a line of `maps` is the whole file system's, so it only selects the
 * processes whose map_files are then looked at.  Mount tables: holders-mounts.c.
 *
 * Threads can have descriptors, directories and a mount namespace of their own,
 * and a process lives on when its first thread, which /proc/PID shows, has
 * ended.  So every thread is looked at, but for what kcmp() calls the same as
 * what was looked at already.  Where kcmp() is missing or refused all count as
 * different: more work, the same answer.
 *
 * Nothing is taken for unused because it could not be read: see forgive().
 */

/* --- what the kernel shows ---------------------------------------------------- */

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
	if (search_look(dir, link, &st) < 0) {
		if (errno == EACCES || errno == EPERM || errno == ENOMEM)
			return fl_fail_errno(err, "cannot look at '%s'", link);
		return 0; /* closed meanwhile, or its server is dead: then it is no file of ours */
	}
	*ret = search_is_tree(search, makedev(st.stx_dev_major, st.stx_dev_minor)) ||
	       is_in_tree(search, makedev(st.stx_dev_major, st.stx_dev_minor), st.stx_ino);
	return 0;
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
	dev_t device = search_device_in(line, 3, 16);
	unsigned long inode;

	if (device && sscanf(line, "%*s %*s %*s %*s %lu", &inode) == 1 &&
	    is_in_tree(search, device, inode)) {
		const char *path = strchr(line, '/');

		snprintf(search->what, sizeof(search->what), "%.*s",
			 path ? (int)strcspn(path, "\n") : WHAT, path ? path : "a mapped file");
		return true;
	}
	search->mapped |= device && (device == search->device || search_is_tree(search, device));
	return search->mapped && !search->by_inode;
}

/* Without the file system's device every mapping may be one of a tree. */
static int look_at_mappings(struct search *search, int thread, struct fl_error *err)
{
	if (!search->query->mappings)
		return 0;
	search->mapped = !search->device;
	if ((!search->mapped || search->by_inode) &&
	    search_each_line(search, thread, "maps", note_mapping, search, err) < 0)
		return fl_failed(err);
	return search->mapped && !search->what[0] ? look_into(search, thread, "map_files", err) : 0;
}

/* --- processes ------------------------------------------------------------------- */

static const struct {
	int shared; /* what kcmp() compares.  Who shares directories shares the mount namespace. */
	int (*look)(struct search *search, int thread, struct fl_error *err);
} parts[PARTS] = {
	[DIRECTORIES] = { KCMP_FS, look_at_directories },
	[FILES] = { KCMP_FILES, look_at_files },
	[MAPPINGS] = { KCMP_VM, look_at_mappings },
	[MOUNTS] = { KCMP_FS, holders_look_at_mounts },
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
	holders_find_shared(search);
	for (size_t i = 0; i < query->count; i++)
		search->by_inode |= query->trees[i].inodes != NULL;
	if (holders_find_device(search, err) < 0)
		return fl_wrap(err, "looking for mounts");
	return fsat_each(proc, look_at_process, search, err);
}
