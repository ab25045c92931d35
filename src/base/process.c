#include "base/process.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"

int process_open(pid_t pid, int *ret_fd, struct fl_error *err)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0 && errno == ESRCH)
		return fl_fail(err, FL_NOT_FOUND, "there is no process %d", pid);
	if (fd < 0)
		return fl_fail_errno(err, "cannot watch process %d", pid);
	*ret_fd = fd;
	return 0;
}

int process_signal(int fd, int number, struct fl_error *err)
{
	if (syscall(SYS_pidfd_send_signal, fd, number, NULL, 0) < 0 && errno != ESRCH)
		return fl_fail_errno(err, "cannot send signal %d", number);
	return 0;
}

bool process_await(int fd, int64_t deadline)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	for (;;) {
		if (poll(&wait, 1, clock_milliseconds_until(deadline)) > 0)
			return true;
		if (clock_monotonic() >= deadline)
			return false;
	}
}

bool process_ended(int fd)
{
	return process_await(fd, 0);
}

int process_adopt_orphans(struct fl_error *err)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return fl_fail_errno(err, "cannot become the parent of orphans");
	return 0;
}

int process_end(pid_t pid, int *ret, struct fl_error *err)
{
	siginfo_t info = { 0 };

	if (TEMP_FAILURE_RETRY(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT)) < 0)
		return fl_fail_errno(err, "cannot wait for process %d", pid);
	*ret = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
	return 0;
}

void process_reap(pid_t pid)
{
	(void)TEMP_FAILURE_RETRY(waitpid(pid, NULL, 0));
}
