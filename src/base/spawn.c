#include "base/spawn.h"

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"

/*
 * The child is a process group of its own, so that the deadline ends whatever
 * it started too.  Two things are waited for: that both pipes are at their end,
 * and that the child is gone (a pidfd).  A grandchild that keeps a pipe open
 * after its parent ended would hold the first up for ever: it is given a short
 * while, then the group is killed.  The exec of a missing program comes back
 * through a third pipe, which a successful exec closes.
 *
 * A child does not outlive this program either, however that ends: the kernel
 * kills it when the thread that started it is gone.
 */
#define FREE_FD (SPAWN_FDS + 1) /* from here on descriptors are in no child's way */
#define ORPHAN_PATIENCE (CLOCK_SECOND / 2)

struct child {
	pid_t pid;
	int pidfd;
	int out, err; /* our ends of its pipes; -1 at their end */
	int failure;  /* its errno if exec failed */
};

#define NO_CHILD                                                 \
	{                                                        \
		.pidfd = -1, .out = -1, .err = -1, .failure = -1 \
	}

static void child_closep(struct child *child)
{
	own_fdp(&child->pidfd);
	own_fdp(&child->out);
	own_fdp(&child->err);
	own_fdp(&child->failure);
}

void spawn_result_done(struct spawn_result *result)
{
	text_done(&result->out);
	text_done(&result->err);
}

/*
 * Puts the descriptors where the program finds them.  All that are given here are
 * at FREE_FD or above, so none is overwritten before its turn.  `failure` goes
 * right behind the last place, and nothing is left above it.
 */
static bool place_descriptors(const struct spawn_fd *fds, size_t count, int failure)
{
	bool placed[SPAWN_FDS] = { [2] = true };
	int null = open("/dev/null", O_RDWR);

	for (size_t i = 0; i < count; i++) {
		placed[fds[i].to] = true;
		if (dup2(fds[i].from, fds[i].to) < 0)
			return false;
	}
	for (int fd = 0; fd < SPAWN_FDS; fd++) {
		if (!placed[fd] && fd < 2 && dup2(null, fd) < 0)
			return false;
		if (!placed[fd] && fd > 2)
			close(fd);
	}
	if (dup2(failure, SPAWN_FDS) < 0 || fcntl(SPAWN_FDS, F_SETFD, FD_CLOEXEC) < 0)
		return false;
	syscall(SYS_close_range, SPAWN_FDS + 1, ~0U, 0);
	return true;
}

struct program {
	const char *const *argv;
	const char *const *environment;
	const struct spawn_fd *fds; /* at FREE_FD or above, as what tells of a failure */
	size_t count;
	unsigned lifetime; /* seconds that it may go on without its starter; 0: none */
};

static const char *const plain_environment[] = { SPAWN_ENVIRONMENT, NULL };

/*
 * The kernel sends the signal that kills it either with the end of the thread that
 * started it, or when its time is up: an alarm outlives exec, and this program.
 */
static bool arrange_end(const struct program *program, pid_t parent)
{
	if (program->lifetime) {
		alarm(program->lifetime);
		return true;
	}
	/* The parent may be gone already; then nobody is left to whom the signal could matter. */
	return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent;
}

/* In the child, between fork and exec of a program with threads: only calls that are safe there. */
static _Noreturn void run_child(const struct program *program, int failure, pid_t parent)
{
	struct sigaction plain = { .sa_handler = SIG_DFL };
	sigset_t none;
	int sys;

	if (!arrange_end(program, parent))
		_exit(127);
	setpgid(0, 0);
	for (int i = 1; i < NSIG; i++)
		sigaction(i, &plain, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (place_descriptors(program->fds, program->count, failure)) {
		/* exec takes its vectors without const for history's sake and does not write to
		 * them. */
		execve(program->argv[0], (char *const *)(uintptr_t)program->argv,
		       (char *const *)(uintptr_t)program->environment);
		failure = SPAWN_FDS;
	}
	sys = errno;
	(void)!write(failure, &sys, sizeof(sys));
	_exit(127);
}

/* A pipe whose ends are both above the descriptors that the child puts in place. */
static int make_pipe(int *ret_out, int *ret_in, struct fl_error *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return fl_fail_errno(err, "cannot make a pipe");
	*ret_out = fcntl(ends[0], F_DUPFD_CLOEXEC, FREE_FD);
	*ret_in = fcntl(ends[1], F_DUPFD_CLOEXEC, FREE_FD);
	close(ends[0]);
	close(ends[1]);
	if (*ret_out < 0 || *ret_in < 0)
		return fl_fail(err, FL_SYSTEM, "cannot make a pipe: no descriptors left");
	return 0;
}

static int reap(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int start_child(const struct program *program, int failure, struct spawned *ret,
		       struct fl_error *err)
{
	pid_t self = getpid();
	struct spawned child = { .pid = fork() };
	int rc;

	if (child.pid < 0)
		return fl_fail_errno(err, "cannot start '%s'", program->argv[0]);
	if (child.pid == 0)
		run_child(program, failure, self);
	setpgid(child.pid, child.pid); /* here too: whoever is first */
	child.pidfd = (int)syscall(SYS_pidfd_open, child.pid, 0);
	if (child.pidfd < 0) {
		rc = fl_fail_errno(err, "cannot watch '%s'", program->argv[0]);
		kill(child.pid, SIGKILL);
		reap(child.pid);
		return rc;
	}
	*ret = child;
	return 0;
}

static int start(const char *const argv[], struct child *ret, struct fl_error *err)
{
	own(child_closep) struct child child = NO_CHILD;
	own_fd int out = -1;
	own_fd int error = -1;
	own_fd int failure = -1;
	struct spawn_fd fds[2];
	const struct program program = { argv, plain_environment, fds, 2, 0 };
	struct spawned spawned;
	int rc;

	rc = make_pipe(&child.out, &out, err);
	if (rc == 0)
		rc = make_pipe(&child.err, &error, err);
	if (rc == 0)
		rc = make_pipe(&child.failure, &failure, err);
	if (rc < 0)
		return rc;
	fds[0] = (struct spawn_fd){ out, 1 };
	fds[1] = (struct spawn_fd){ error, 2 };
	rc = start_child(&program, failure, &spawned, err);
	if (rc < 0)
		return rc;
	*ret = (struct child){
		.pid = spawned.pid,
		.pidfd = spawned.pidfd,
		.out = take_fd(child.out),
		.err = take_fd(child.err),
		.failure = take_fd(child.failure),
	};
	return 0;
}

#define PIECE (16 * 1024)
#define PIPE_READS (64 * 1024 / PIECE + 1) /* that empty a pipe, and find its end */

/* Takes what there is; the end of the stream closes the descriptor. */
static void drain(int *fd, struct text *text, size_t limit)
{
	char bytes[PIECE];
	ssize_t n = TEMP_FAILURE_RETRY(read(*fd, bytes, sizeof(bytes)));

	if (n <= 0) {
		close(*fd);
		*fd = -1;
		return;
	}
	if (text->length < limit) {
		size_t room = limit - text->length;

		text_add(text, bytes, (size_t)n < room ? (size_t)n : room);
	}
}

/* What a program that has ended left in a pipe: no more than one holds, whoever still writes. */
static void drain_rest(int *fd, struct text *text, size_t limit)
{
	for (int left = PIPE_READS; left > 0 && *fd >= 0; left--) {
		struct pollfd polled = { .fd = *fd, .events = POLLIN };

		if (poll(&polled, 1, 0) <= 0)
			return;
		drain(fd, text, limit);
	}
}

/* What a program may print on standard output. */
struct bound {
	size_t limit;
	bool end; /* a program that reaches it is killed */
};

static bool is_full(const struct spawn_result *result, const struct bound *bound)
{
	return bound->end && result->out.length >= bound->limit;
}

/* Reads until both streams are at their end; true when the deadline came first. */
static bool follow(struct child *child, int64_t deadline, const struct bound *bound,
		   struct spawn_result *result)
{
	bool ended = false;

	while ((child->out >= 0 || child->err >= 0) && !is_full(result, bound)) {
		struct pollfd fds[] = {
			{ .fd = child->out, .events = POLLIN },
			{ .fd = child->err, .events = POLLIN },
			{ .fd = ended ? -1 : child->pidfd, .events = POLLIN },
		};

		if (clock_monotonic() >= deadline)
			return !ended;
		if (poll(fds, array_size(fds), clock_milliseconds_until(deadline)) <= 0)
			continue;
		if (fds[0].revents)
			drain(&child->out, &result->out, bound->limit);
		if (fds[1].revents)
			drain(&child->err, &result->err, SPAWN_OUTPUT);
		if (fds[2].revents) {
			int64_t patience = clock_monotonic() + ORPHAN_PATIENCE;

			ended = true;
			deadline = patience < deadline ? patience : deadline;
			drain_rest(&child->out, &result->out, bound->limit);
			drain_rest(&child->err, &result->err, SPAWN_OUTPUT);
		}
	}
	return false;
}

/* Waits for the end itself; a program may close its streams and go on. */
static bool wait_for_end(const struct child *child, int64_t deadline)
{
	struct pollfd fd = { .fd = child->pidfd, .events = POLLIN };

	for (;;) {
		if (poll(&fd, 1, clock_milliseconds_until(deadline)) > 0)
			return true;
		if (clock_monotonic() >= deadline)
			return false;
	}
}

static int run(const char *const argv[], int64_t timeout, const struct bound *bound,
	       struct spawn_result *ret, struct fl_error *err)
{
	own(spawn_result_done) struct spawn_result result = { 0 };
	own(child_closep) struct child child = NO_CHILD;
	int64_t deadline = clock_monotonic() + timeout;
	bool late;
	int sys, rc;

	rc = start(argv, &child, err);
	if (rc < 0)
		return rc;
	late = follow(&child, deadline, bound, &result);
	late = late || (!is_full(&result, bound) && !wait_for_end(&child, deadline));
	/* Before reaping: until then the group's number cannot be anyone else's. */
	kill(-child.pid, SIGKILL);
	result.status = reap(child.pid);
	if (read(child.failure, &sys, sizeof(sys)) == sizeof(sys)) {
		errno = sys;
		return fl_fail_errno(err, "cannot run '%s'", argv[0]);
	}
	if (late)
		return fl_fail(err, FL_SYSTEM,
			       "'%s' did not end within %lld seconds and was killed", argv[0],
			       (long long)(timeout / CLOCK_SECOND));
	*ret = result;
	result = (struct spawn_result){ 0 };
	return 0;
}

int spawn_run(const char *const argv[], int64_t timeout, struct spawn_result *ret,
	      struct fl_error *err)
{
	static const struct bound bound = { .limit = SPAWN_OUTPUT };

	return run(argv, timeout, &bound, ret, err);
}

int spawn_run_limited(const char *const argv[], int64_t timeout, size_t limit,
		      struct spawn_result *ret, struct fl_error *err)
{
	const struct bound bound = { .limit = limit, .end = true };

	return run(argv, timeout, &bound, ret, err);
}

/* --- programs that work on descriptors ------------------------------------------- */

static void close_all(const struct spawn_fd *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		close(fds[i].from);
}

/* Copies of all, at FREE_FD or above; none on failure. */
static int lift(const struct spawn_fd *fds, size_t count, struct spawn_fd *ret,
		struct fl_error *err)
{
	for (size_t i = 0; i < count; i++) {
		ret[i] = (struct spawn_fd){ fcntl(fds[i].from, F_DUPFD_CLOEXEC, FREE_FD),
					    fds[i].to };
		if (ret[i].from < 0) {
			fl_fail_errno(err, "cannot pass on a descriptor");
			close_all(ret, i);
			return fl_failed(err);
		}
	}
	return 0;
}

/* The pipe is at its end when the program runs; else it brings the errno of exec. */
static int await_exec(const char *program, int failure, struct spawned *spawned,
		      struct fl_error *err)
{
	int sys;

	if (TEMP_FAILURE_RETRY(read(failure, &sys, sizeof(sys))) != sizeof(sys))
		return 0;
	spawned_done(spawned);
	errno = sys;
	return fl_fail_errno(err, "cannot run '%s'", program);
}

static int start_program(const struct program *given, struct spawned *ret, struct fl_error *err)
{
	struct program program = *given;
	struct spawn_fd lifted[SPAWN_FDS] = { 0 };
	struct spawned spawned = SPAWNED_NONE;
	own_fd int result = -1;
	own_fd int failure = -1;
	int rc;

	assert(program.count <= SPAWN_FDS);
	if (make_pipe(&result, &failure, err) < 0 ||
	    lift(program.fds, program.count, lifted, err) < 0)
		return fl_failed(err);
	program.fds = lifted;
	rc = start_child(&program, failure, &spawned, err);
	close_all(lifted, program.count);
	close(take_fd(failure)); /* or its end would never come */
	if (rc == 0)
		rc = await_exec(program.argv[0], result, &spawned, err);
	if (rc == 0)
		*ret = spawned;
	return rc;
}

int spawn_start(const char *const argv[], const struct spawn_fd *fds, size_t count,
		struct spawned *ret, struct fl_error *err)
{
	const struct program program = { argv, plain_environment, fds, count, 0 };

	return start_program(&program, ret, err);
}

int spawn_start_talker(const char *const argv[], const char *const environment[], unsigned lifetime,
		       const struct spawn_fd fds[static 3], struct spawned *ret,
		       struct fl_error *err)
{
	const struct program program = { argv, environment, fds, 3, lifetime };

	return start_program(&program, ret, err);
}

void spawn_signal_group(const struct spawned *spawned, int number)
{
	if (spawned->pid > 0)
		kill(-spawned->pid, number);
}

void spawn_kill(const struct spawned *spawned)
{
	if (spawned->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, spawned->pidfd, SIGKILL, NULL, 0);
}

void spawn_wait(struct spawned *spawned, int *ret_status)
{
	*ret_status = reap(spawned->pid);
	spawned->pid = 0;
}

void spawned_done(struct spawned *spawned)
{
	if (spawned->pid > 0) {
		spawn_kill(spawned);
		reap(spawned->pid);
	}
	own_fdp(&spawned->pidfd);
	*spawned = (struct spawned)SPAWNED_NONE;
}
