#include "flockerd/single.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fsat.h"
#include "base/log.h"

#define FILE_NAME "flockerd.lock"

#define PID_TEXT 16
#define PATIENCE (5 * CLOCK_SECOND)

static char *read_pid(int fd, char pid[static PID_TEXT])
{
	ssize_t n = pread(fd, pid, PID_TEXT - 1, 0);

	pid[n > 0 ? n : 0] = '\0';
	pid[strspn(pid, "0123456789")] = '\0';
	return pid;
}

static bool owner_is_gone(int fd)
{
	char pid[PID_TEXT];

	return read_pid(fd, pid)[0] && kill((pid_t)atoi(pid), 0) < 0 && errno == ESRCH;
}

/*
 * One that was killed may leave a child that was just about to become another
 * program, and has the lock until it is.
 */
static int take_lock(int fd, struct fl_error *err)
{
	const struct timespec moment = { .tv_nsec = CLOCK_SECOND / 200 };
	int64_t until = clock_monotonic() + PATIENCE;
	int r;

	while ((r = fsat_lock(fd, err)) == -FL_BUSY && owner_is_gone(fd) &&
	       clock_monotonic() < until)
		nanosleep(&moment, NULL);
	return r;
}

static int fail_busy(int fd, const char *run, struct fl_error *err)
{
	char pid[PID_TEXT];

	read_pid(fd, pid);
	fl_fail(err, FL_BUSY, "another flockerd%s%s runs on %s", pid[0] ? " with pid " : "", pid,
		run);
	return fl_hint(err, "end that one first, or give this one a root of its own: --root DIR");
}

int single_lock(const char *run, int *ret_fd, struct fl_error *err)
{
	own_fd int dir = -1;
	own_fd int fd = -1;
	char pid[PID_TEXT];
	int n, r;

	r = fsat_open_dir(AT_FDCWD, run, &dir, err);
	if (r == 0)
		r = fsat_open(dir, FILE_NAME, O_RDWR | O_CREAT, 0644, &fd, err);
	if (r == 0)
		r = take_lock(fd, err);
	if (r == -FL_BUSY)
		return fail_busy(fd, run, err);
	if (r < 0)
		return fl_wrap(err, "the lock %s/%s", run, FILE_NAME);
	/* A full disk can leave the pid out: the lock holds all the same. */
	n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)n, 0) < 0)
		log_debug("the lock names no process", "run=%s", run);
	*ret_fd = take_fd(fd);
	return 0;
}
