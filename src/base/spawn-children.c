#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/fsat.h"
#include "base/spawn.h"

/*
 * The children of a process, by the kernel's list, which has one for each thread of it.  A
 * number on that list is a child that its parent has not reaped; one that was opened before it
 * was seen there again is therefore what it is taken for.
 */
#define LIST_MOST (64 * 1024)

struct looking {
	int tasks; /* /proc/PID/task */
	struct text *list;
};

static int add_task(void *arg, const char *name, unsigned char type, uint64_t inode,
		    struct fl_error *err)
{
	struct looking *looking = arg;
	own_text struct text children = { 0 };
	char path[64];

	(void)type;
	(void)inode;
	snprintf(path, sizeof(path), "%.40s/children", name);
	/* A thread may have ended meanwhile; its children are another's then, and looked for again.
	 */
	if (fsat_read(looking->tasks, path, LIST_MOST, &children, err) == 0)
		text_add_string(looking->list, text_get(&children));
	return 0;
}

/* " 12 34 ": nothing, when the process is gone. */
static void list_children(pid_t pid, struct text *ret)
{
	own_fd int tasks = -1;
	struct looking looking = { .list = ret };
	struct fl_error unused;
	char path[40];

	text_clear(ret);
	text_add_string(ret, " ");
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	if (fsat_open_dir(AT_FDCWD, path, &tasks, &unused) < 0)
		return;
	looking.tasks = tasks;
	if (fsat_each(tasks, add_task, &looking, &unused) < 0)
		text_clear(ret);
}

static bool is_child(pid_t parent, const char *number)
{
	own_text struct text list = { 0 };
	char wanted[32];

	list_children(parent, &list);
	snprintf(wanted, sizeof(wanted), " %.20s ", number);
	return strstr(text_get(&list), wanted) != NULL;
}

void spawn_kill_children(const struct spawned *spawned)
{
	own_text struct text list = { 0 };
	char *rest, *number;

	if (spawned->pid <= 0)
		return;
	list_children(spawned->pid, &list);
	rest = list.bytes;
	while ((number = strsep(&rest, " "))) {
		own_fd int fd = *number ? (int)syscall(SYS_pidfd_open, atoi(number), 0) : -1;

		if (fd >= 0 && is_child(spawned->pid, number))
			syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
	}
}
