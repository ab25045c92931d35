#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fsat.h"
#include "driver/zfs/pool.h"

/*
 * Who keeps a dataset busy.
 *
 * Looked for only to say it, so what cannot be read is passed over.  A process uses a
 * dataset by its directories, descriptors and mappings; a mount namespace by having it
 * mounted, which may be nobody's will: it was copied from ours.  Devices are asked for
 * from memory, so that a zfs-fuse that does not answer holds nobody up.
 */

#define MOST 3		     /* that are named */
#define MAPS_LIMIT (8 << 20) /* of /proc/PID/maps and mountinfo */

struct search {
	dev_t device;
	int proc;
	uint64_t ours;	/* mount namespace */
	uint64_t named; /* the last other one */
	struct text text;
	int count;
};

static void search_done(struct search *search)
{
	own_fdp(&search->proc);
	text_done(&search->text);
}

dev_t device_from_memory(int dir, const char *path)
{
	struct statx st;

	if (statx(dir, path, AT_STATX_DONT_SYNC, 0, &st) < 0)
		return 0;
	return makedev(st.stx_dev_major, st.stx_dev_minor);
}

static int find_descriptor(void *arg, const char *name, unsigned char type, uint64_t inode,
			   struct fl_error *err)
{
	const struct search *search = arg;

	return device_from_memory(search->proc, name) == search->device ? -FL_EXISTS : 0;
}

/* Has a line of the file this word? */
static bool has_word(int process, const char *file, const char *word)
{
	own_text struct text text = { 0 };
	struct fl_error ignored;

	return fsat_read(process, file, MAPS_LIMIT, &text, &ignored) == 0 &&
	       strstr(text_get(&text), word);
}

static bool is_user(const struct search *search, int process)
{
	static const char *const links[] = { "cwd", "root", "exe" };
	struct search descriptors = { .device = search->device, .proc = -1 };
	struct fl_error ignored;
	char word[32];
	bool found;

	for (size_t i = 0; i < array_size(links); i++)
		if (device_from_memory(process, links[i]) == search->device)
			return true;
	if (fsat_open_dir(process, "fd", &descriptors.proc, &ignored) < 0)
		return false;
	found = fsat_each(descriptors.proc, find_descriptor, &descriptors, &ignored) == -FL_EXISTS;
	search_done(&descriptors);
	snprintf(word, sizeof(word), " %02x:%02x ", major(search->device), minor(search->device));
	return found || has_word(process, "maps", word);
}

static void add(struct search *search, const char *pid, int process, uint64_t namespace, bool user)
{
	own_text struct text command = { 0 };
	struct fl_error ignored;

	if (fsat_read(process, "comm", 64, &command, &ignored) < 0)
		return;
	text_add_string(&search->text, search->count++ ? "; " : "");
	if (!user)
		text_add_format(&search->text, "mount namespace %llu of ",
				(unsigned long long)namespace);
	text_add_format(&search->text, "process %s (%.*s)", pid,
			(int)strcspn(text_get(&command), "\n"), text_get(&command));
	if (user)
		text_add_format(&search->text, " in mount namespace %llu",
				(unsigned long long)namespace);
}

static int look_at(void *arg, const char *name, unsigned char type, uint64_t inode,
		   struct fl_error *err)
{
	struct search *search = arg;
	own_fd int process = -1;
	struct fl_error ignored;
	struct stat st;
	char word[32];

	if (search->count >= MOST || !isdigit((unsigned char)name[0]) ||
	    strtol(name, NULL, 10) == getpid() ||
	    fsat_open_dir(search->proc, name, &process, &ignored) < 0 ||
	    fstatat(process, "ns/mnt", &st, 0) < 0)
		return 0;
	if (is_user(search, process)) {
		add(search, name, process, st.st_ino, true);
		return 0;
	}
	if (st.st_ino == search->ours || st.st_ino == search->named)
		return 0;
	snprintf(word, sizeof(word), " %u:%u ", major(search->device), minor(search->device));
	if (!has_word(process, "mountinfo", word))
		return 0;
	search->named = st.st_ino;
	add(search, name, process, st.st_ino, false);
	return 0;
}

void name_users(dev_t device, struct fl_error *err)
{
	own(search_done) struct search search = { .device = device, .proc = -1 };
	const struct fl_error told = *err;
	struct fl_error ignored;
	struct stat st;

	if (err->code != FL_BUSY || device == 0 || stat("/proc/self/ns/mnt", &st) < 0 ||
	    fsat_open_dir(AT_FDCWD, "/proc", &search.proc, &ignored) < 0)
		return;
	search.ours = st.st_ino;
	(void)!fsat_each(search.proc, look_at, &search, &ignored);
	if (search.count == 0)
		return;
	fl_fail_at(err, told.file, told.line, told.code, told.sys, "%s: in use by %s", told.text,
		   text_get(&search.text));
	if (told.hint[0])
		fl_add_hint(err, "%s", told.hint);
}
