#include "base/fsat.h"

#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* The third part of fsat.h: locks on whole files, and who holds them. */

#define LOCKS_LIMIT (16 << 20)
#define COMMAND_LIMIT (64 << 10)
#define COMMAND_SHOWN 120

int fsat_lock(int fd, struct fl_error *err)
{
	if (TEMP_FAILURE_RETRY(flock(fd, LOCK_EX | LOCK_NB)) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return fl_fail(err, FL_BUSY, "another process holds the lock");
	return fl_fail_errno(err, "cannot lock a file");
}

/* "3: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF"; one that waits has "->" after its number. */
static int holder_in(char *line, const struct stat *file)
{
	unsigned major, minor;
	unsigned long long inode;
	int process;

	if (sscanf(line, "%*d: FLOCK ADVISORY WRITE %d %x:%x:%llu", &process, &major, &minor,
		   &inode) != 4)
		return 0;
	return makedev(major, minor) == file->st_dev && inode == file->st_ino ? process : 0;
}

static int find_holder(int fd)
{
	own_text struct text locks = { 0 };
	struct fl_error ignored;
	struct stat file;
	char *rest, *line;
	int process = 0;

	if (fstat(fd, &file) < 0 ||
	    fsat_read(AT_FDCWD, "/proc/locks", LOCKS_LIMIT, &locks, &ignored) < 0)
		return 0;
	rest = locks.bytes;
	while (process <= 0 && (line = strsep(&rest, "\n")))
		process = holder_in(line, &file);
	return process;
}

/* What it was started with; whatever it holds, one line of printable characters comes of it. */
static void add_command(int process, struct text *out)
{
	own_text struct text command = { 0 };
	struct fl_error ignored;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/cmdline", process);
	if (fsat_read(AT_FDCWD, path, COMMAND_LIMIT, &command, &ignored) < 0 || !command.length)
		return;
	text_add_string(out, " (");
	for (size_t i = 0; i < command.length - 1 && i < COMMAND_SHOWN; i++) {
		char c = command.bytes[i];

		if (c == '\0')
			c = ' ';
		text_add(out, c >= ' ' && c <= '~' ? &c : "?", 1);
	}
	text_add_string(out, ")");
}

void fsat_lock_holder(int fd, struct text *out)
{
	int process = find_holder(fd);

	if (process <= 0) {
		text_add_string(out, "another process");
		return;
	}
	text_add_format(out, "process %d", process);
	add_command(process, out);
}
