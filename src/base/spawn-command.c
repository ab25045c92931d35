#include "base/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Running a command for its user.
 *
 * A terminal sends its signals to both, as they are of one process group; what
 * somebody sends to this process alone is passed on.  The two are told apart by
 * where the signal came from.  A signal that is ignored here, as after nohup,
 * stays ignored for both.
 *
 * The command's number is known to the handler only while nobody else can have
 * it: from the fork, during which the signals wait, until before it is reaped.
 */

static const int passed_on[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP };

static volatile pid_t command;

static void pass_on(int number, siginfo_t *info, void *context)
{
	int sys = errno;

	if (info->si_code <= 0 && command > 0)
		kill(command, number);
	errno = sys;
}

static void catch_signals(sigset_t *ret)
{
	struct sigaction action = { .sa_sigaction = pass_on, .sa_flags = SA_SIGINFO | SA_RESTART };
	struct sigaction before;

	sigemptyset(ret);
	for (size_t i = 0; i < array_size(passed_on); i++) {
		sigaddset(ret, passed_on[i]);
		if (sigaction(passed_on[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
			sigaction(passed_on[i], &action, NULL);
	}
}

/* In the child; handlers do not survive exec, what is ignored does. */
static _Noreturn void run_command(const char *const argv[], int dir, int failure,
				  const sigset_t *mask)
{
	int sys;

	sigprocmask(SIG_SETMASK, mask, NULL);
	/* exec takes its vector without const for history's sake and does not write to it. */
	if (fchdir(dir) == 0)
		execvp(argv[0], (char *const *)(uintptr_t)argv);
	sys = errno;
	(void)!write(failure, &sys, sizeof(sys));
	_exit(127);
}

static int wait_for(pid_t pid)
{
	siginfo_t ended;
	int status = 0;

	(void)TEMP_FAILURE_RETRY(waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT));
	command = 0;
	(void)TEMP_FAILURE_RETRY(waitpid(pid, &status, 0));
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int spawn_command(const char *const argv[], int dir, int *ret_status, struct fl_error *err)
{
	sigset_t signals, before;
	int ends[2], sys, status;
	bool failed;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return fl_fail_errno(err, "cannot make a pipe");
	catch_signals(&signals);
	sigprocmask(SIG_BLOCK, &signals, &before);
	pid = fork();
	if (pid == 0)
		run_command(argv, dir, ends[1], &before);
	sys = errno;
	if (pid > 0)
		command = pid;
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(ends[1]);
	failed = pid < 0 ||
		 TEMP_FAILURE_RETRY(read(ends[0], &sys, sizeof(sys))) == (ssize_t)sizeof(sys);
	close(ends[0]);
	status = pid > 0 ? wait_for(pid) : 0;
	errno = sys;
	if (failed)
		return fl_fail_errno(err, "cannot run '%s'", argv[0]);
	*ret_status = status;
	return 0;
}
