#include "container/holders.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fsat.h"
#include "base/text.h"

/*
 * One pass over /proc.  Descriptors and directories are compared by stat()
 * through their magic links, which shows the subvolume's own device.  The
 * device in a line of `maps` is the whole file system's, so it only selects the
 * lines that are then looked at through map_files.  Mount tables are read once
 * for each mount namespace.
 */

#define MOUNT_TABLE (4 * 1024 * 1024)
#define WHAT 512
#define NAMESPACES 256

struct search {
	const struct holders_query *query;
	int proc;
	char device[32]; /* "0:45 " of the file system, as mountinfo and maps show it; "" = none
			    known */
	ino_t seen[NAMESPACES];
	size_t seen_count;
	char what[WHAT]; /* of the present process; "" = it holds nothing */
};

static bool matches(const struct search *search, int dir, const char *path)
{
	struct stat st;

	if (fstatat(dir, path, &st, 0) < 0)
		return false;
	for (size_t i = 0; i < search->query->count; i++)
		if (search->query->trees[i].device && search->query->trees[i].device == st.st_dev)
			return true;
	return false;
}

static void note_link(struct search *search, int dir, const char *link)
{
	ssize_t n = readlinkat(dir, link, search->what, sizeof(search->what) - 1);

	snprintf(search->what + (n > 0 ? n : 0), sizeof(search->what) - (size_t)(n > 0 ? n : 0),
		 "%s", n > 0 ? "" : "an open file");
}

static bool uses_directory(struct search *search, int process)
{
	if (matches(search, process, "cwd"))
		snprintf(search->what, sizeof(search->what), "working directory");
	else if (matches(search, process, "root"))
		snprintf(search->what, sizeof(search->what), "root directory");
	return search->what[0] != '\0';
}

/* Any entry of fd/ or map_files/ that lies in one of the trees. */
static bool uses_entry(struct search *search, int process, const char *directory)
{
	int fd = openat(process, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir)
		return false;
	while (!search->what[0] && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && matches(search, fd, entry->d_name))
			note_link(search, fd, entry->d_name);
	closedir(dir);
	return search->what[0] != '\0';
}

static bool read_proc(int process, const char *name, struct text *ret)
{
	struct fl_error ignored; /* the process has ended, or the kernel hides it */

	return fsat_read(process, name, MOUNT_TABLE, ret, &ignored) == 0;
}

/* Does the process map anything of the file system at all?  Then its map_files are worth a look. */
static bool uses_mapping(struct search *search, int process)
{
	own_text struct text maps = { 0 };

	if (!search->query->mappings || !read_proc(process, "maps", &maps))
		return false;
	for (size_t i = 0; i < search->query->count; i++) {
		char tree[32];
		dev_t device = search->query->trees[i].device;

		snprintf(tree, sizeof(tree), " %02x:%02x ", major(device), minor(device));
		if (device && (strstr(text_get(&maps), tree) ||
			       (search->device[0] && strstr(text_get(&maps), search->device))))
			return uses_entry(search, process, "map_files");
	}
	return false;
}

static bool namespace_is_new(struct search *search, int process)
{
	struct stat st;

	if (fstatat(process, "ns/mnt", &st, 0) < 0)
		return false;
	for (size_t i = 0; i < search->seen_count; i++)
		if (search->seen[i] == st.st_ino)
			return false;
	/* A full table costs repeated work, never an answer. */
	if (search->seen_count < NAMESPACES)
		search->seen[search->seen_count++] = st.st_ino;
	return true;
}

/* Is this line of mountinfo a mount of the tree?  "36 35 0:45 /heads/x /mnt/x rw - btrfs ...
 * rw,subvolid=257,..." */
static bool line_is_mount(const struct search *search, const char *line,
			  const struct held_tree *tree)
{
	const char *found = tree->mount[0] && search->device[0] ? strstr(line, tree->mount) : NULL;

	return found && !isalnum((unsigned char)found[strlen(tree->mount)]);
}

static void note_mount(struct search *search, const char *line)
{
	char where[WHAT - 16] = "";

	sscanf(line, "%*d %*d %*s %*s %495s", where);
	snprintf(search->what, sizeof(search->what), "mounted at %s", where);
}

static bool mounts_tree(struct search *search, int process)
{
	own_text struct text table = { 0 };
	char device[32];
	char *save = NULL;

	if (!namespace_is_new(search, process) || !read_proc(process, "mountinfo", &table))
		return false;
	for (char *line = strtok_r(table.bytes, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "%*d %*d %31s", device) != 1 ||
		    strcmp(device, search->device) != 0)
			continue;
		for (size_t i = 0; i < search->query->count; i++)
			if (line_is_mount(search, line, &search->query->trees[i])) {
				note_mount(search, line);
				return true;
			}
	}
	return false;
}

static void read_command(int process, char command[static 32])
{
	own_text struct text text = { 0 };

	if (read_proc(process, "comm", &text))
		snprintf(command, 32, "%.*s", (int)strcspn(text_get(&text), "\n"), text_get(&text));
	else
		snprintf(command, 32, "?");
}

/* The device number that mountinfo shows for the file system of `beside`. */
static void find_device(struct search *search)
{
	own_text struct text table = { 0 };
	char device[32], where[4096];
	char *save = NULL;

	if (!search->query->beside || !read_proc(search->proc, "self/mountinfo", &table))
		return;
	for (char *line = strtok_r(table.bytes, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		if (sscanf(line, "%*d %*d %31s %*s %4095s", device, where) == 2 &&
		    strcmp(where, search->query->beside) == 0)
			snprintf(search->device, sizeof(search->device), "%s", device);
}

static bool process_holds(struct search *search, int process)
{
	search->what[0] = '\0';
	return uses_directory(search, process) || uses_entry(search, process, "fd") ||
	       uses_mapping(search, process) || mounts_tree(search, process);
}

int holders_find(const struct holders_query *query,
		 int (*each)(void *arg, pid_t pid, const char *command, const char *what,
			     struct fl_error *err),
		 void *arg, struct fl_error *err)
{
	own_free struct search *search = xcalloc(1, sizeof(*search));
	own_fd int proc = -1;
	struct dirent *entry;
	DIR *dir;
	int r = 0;

	if (fsat_open_dir(AT_FDCWD, "/proc", &proc, err) < 0)
		return fl_wrap(err, "looking for processes");
	search->query = query;
	search->proc = proc;
	find_device(search);
	dir = fdopendir(dup(proc));
	while (dir && r == 0 && (entry = readdir(dir))) {
		own_fd int process = -1;
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		char command[32];
		struct fl_error gone;

		if (pid <= 0 || pid == getpid() ||
		    fsat_open_dir(proc, entry->d_name, &process, &gone) < 0 ||
		    !process_holds(search, process))
			continue;
		read_command(process, command);
		r = each(arg, pid, command, search->what, err);
	}
	if (dir)
		closedir(dir);
	return r;
}
