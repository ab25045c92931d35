/*
 * flocker-keeper system: keeper/files.h says what it is for and how it is spoken to.
 *
 * The tree is mounted by the keeper, not by the runtime, because the mount by which the host
 * sees branches ignores setuid programs, and an operating system has some.  It is mounted where
 * nobody but the runtime finds it: in a mount namespace that goes when the container has
 * one of its own.
 */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fsat.h"
#include "base/mount.h"
#include "base/process.h"
#include "base/spawn.h"
#include "keeper/console.h"
#include "keeper/files.h"
#include "keeper/verbs.h"

#define PID_FILE "pid"
#define START_TIMEOUT (60 * CLOCK_SECOND) /* of the runtime, which takes a tenth of a second */
#define DELETE_TIMEOUT (30 * CLOCK_SECOND)

struct keeper {
	const char *run_path, *tree, *runtime, *id;
	int run, state; /* directories */
	int lock;
	int pipe; /* the FIFO, to read from */
	struct console console;
	struct keeper_running running;
	int init; /* its pidfd */
};

static char *path_of(const struct keeper *keeper, const char *name)
{
	struct text text = { 0 };

	text_add_format(&text, "%s/%s", keeper->run_path, name);
	return text_take(&text);
}

/* Until `process` has ended, and then all that it left in the pipe; false: the deadline came first.
 * `deadline` 0: none. */
static bool keep_console(struct keeper *keeper, int process, int64_t deadline)
{
	struct pollfd fds[] = {
		{ .fd = keeper->pipe, .events = POLLIN },
		{ .fd = process, .events = POLLIN },
	};

	for (;;) {
		int patience = deadline ? clock_milliseconds_until(deadline) : -1;

		if (poll(fds, array_size(fds), patience) > 0) {
			if (fds[0].revents)
				(void)console_take(&keeper->console, keeper->pipe);
			if (fds[1].revents)
				break;
		}
		if (deadline && clock_monotonic() >= deadline)
			return false;
	}
	while (console_take(&keeper->console, keeper->pipe))
		;
	return true;
}

/* --- the container ----------------------------------------------------------------------- */

/* `arguments` ends with NULL; what the runtime prints is the console's. */
static int start_runtime(struct keeper *keeper, const char *const arguments[], struct spawned *ret,
			 struct fl_error *err)
{
	own_free char *root = path_of(keeper, KEEPER_RUNTIME);
	const char *argv[16] = { keeper->runtime, "--root", root };
	size_t count = 3;
	own_fd int console = -1;

	while (*arguments)
		argv[count++] = *arguments++;
	/* A description of its own: this one waits where ours does not. */
	if (fsat_open(keeper->run, KEEPER_CONSOLE, O_WRONLY, 0, &console, err) < 0)
		return fl_failed(err);
	const struct spawn_fd fds[] = { { console, 1 }, { console, 2 } };

	return spawn_start(argv, fds, array_size(fds), ret, err);
}

static int run_runtime(struct keeper *keeper, const char *const arguments[], int64_t timeout,
		       struct fl_error *err)
{
	struct spawned spawned = SPAWNED_NONE;
	int status = 0;
	bool ended;

	if (start_runtime(keeper, arguments, &spawned, err) < 0)
		return fl_failed(err);
	ended = keep_console(keeper, spawned.pidfd, clock_monotonic() + timeout);
	if (!ended)
		spawn_kill(&spawned);
	spawn_wait(&spawned, &status);
	spawned_done(&spawned);
	if (!ended)
		return fl_fail(err, FL_SYSTEM, "%s did not end within %d seconds", keeper->runtime,
			       (int)(timeout / CLOCK_SECOND));
	if (status != 0)
		return fl_fail(err, FL_SYSTEM, "%s ended with status %d", keeper->runtime, status);
	return 0;
}

static int delete_container(struct keeper *keeper, struct fl_error *err)
{
	const char *const arguments[] = { "delete", "--force", keeper->id, NULL };

	return run_runtime(keeper, arguments, DELETE_TIMEOUT, err);
}

static int run_container(struct keeper *keeper, struct fl_error *err)
{
	own_free char *pid_file = path_of(keeper, PID_FILE);
	const char *const arguments[] = { "run",	"--detach", "--bundle", keeper->run_path,
					  "--pid-file", pid_file,   keeper->id, NULL };
	own_free char *root = path_of(keeper, KEEPER_ROOT);
	own_fd int outside = -1;
	int r;

	if (mount_retreat(&outside, err) < 0)
		return fl_failed(err);
	r = mount_root(keeper->tree, root, err);
	if (r == 0)
		r = run_runtime(keeper, arguments, START_TIMEOUT, err);
	if (r < 0)
		return r;
	return mount_return(outside, err);
}

static int find_init(struct keeper *keeper, struct fl_error *err)
{
	own_text struct text text = { 0 };

	if (fsat_read(keeper->run, PID_FILE, 64, &text, err) < 0)
		return fl_failed(err);
	keeper->running = (struct keeper_running){ .keeper = getpid(), .started = clock_now() };
	if (sscanf(text_get(&text), "%d", &keeper->running.init) != 1 || keeper->running.init <= 1)
		return fl_fail(err, FL_SYSTEM, "%s does not say which process it made",
			       keeper->runtime);
	if (process_open(keeper->running.init, &keeper->init, err) < 0)
		return fl_failed(err);
	return keeper_running_save(keeper->run, &keeper->running, err);
}

static int start(struct keeper *keeper, struct fl_error *err)
{
	struct fl_error ignored;

	if (run_container(keeper, err) == 0 && find_init(keeper, err) == 0)
		return 0;
	/* Whatever was made of it; often there is nothing. */
	(void)!delete_container(keeper, &ignored);
	return fl_failed(err);
}

static void note_end(struct keeper *keeper)
{
	own_keeper_exit struct keeper_exit end = { .status = -1 };
	struct fl_error err;

	if (process_end(keeper->running.init, &end.status, &err) < 0)
		end.status = -1;
	end.time = clock_now();
	end.boot = keeper_boot();
	console_words(&keeper->console, &end.words);
	/* Where it can't be written, how it ended is not known; the lock tells that it has. */
	(void)!keeper_exit_save(keeper->state, &end, &err);
	process_reap(keeper->running.init);
}

/* --- the keeper ------------------------------------------------------------------------------ */

static int open_places(struct keeper *keeper, const char *state, struct fl_error *err)
{
	if (fsat_open_dir(AT_FDCWD, keeper->run_path, &keeper->run, err) < 0 ||
	    fsat_open_dir(AT_FDCWD, state, &keeper->state, err) < 0 ||
	    fsat_open(keeper->run, KEEPER_LOCK, O_RDWR | O_CREAT, 0600, &keeper->lock, err) < 0)
		return fl_failed(err);
	if (fsat_lock(keeper->lock, err) < 0)
		return fl_wrap(err, "the system has a keeper");
	if (fsat_unlink(keeper->run, KEEPER_RUNNING, err) < 0 ||
	    fsat_unlink(keeper->run, PID_FILE, err) < 0 ||
	    fsat_unlink(keeper->state, KEEPER_EXIT, err) < 0)
		return fl_failed(err);
	/* Open for both, it is never at its end. */
	return fsat_open(keeper->run, KEEPER_CONSOLE, O_RDWR | O_NONBLOCK, 0, &keeper->pipe, err);
}

/* A process of its own that nobody waits for, and that only SIGKILL ends. */
static void detach(void)
{
	static const int ignored[] = { SIGTERM, SIGINT, SIGHUP, SIGPIPE };
	pid_t pid = fork();

	if (pid != 0)
		_exit(pid < 0 ? 1 : 0);
	setsid();
	for (size_t i = 0; i < array_size(ignored); i++)
		signal(ignored[i], SIG_IGN);
	umask(022); /* the runtime's, and so the system's */
	(void)!chdir("/");
}

/* Whoever reads our standard output waits for its end; who reads the daemon's error, too. */
static void close_standard(void)
{
	struct fl_error impossible;
	own_fd int null = -1;

	if (fsat_open(AT_FDCWD, "/dev/null", O_RDWR, 0, &null, &impossible) < 0)
		return;
	for (int fd = 0; fd <= 2; fd++)
		(void)!dup2(null, fd);
}

static void answer(const char *text)
{
	(void)!write(STDOUT_FILENO, text, strlen(text));
	close_standard();
}

/* What the runtime said tells more than that it failed. */
static void answer_failure(const struct keeper *keeper, const struct fl_error *err)
{
	own_text struct text words = { 0 };

	console_words(&keeper->console, &words);
	answer(words.length ? text_get(&words) : err->text);
}

static int keep(struct keeper *keeper, const char *state)
{
	struct fl_error err;

	if (process_adopt_orphans(&err) < 0 || open_places(keeper, state, &err) < 0) {
		answer(err.text);
		return 1;
	}
	console_open(&keeper->console, keeper->state);
	if (start(keeper, &err) < 0) {
		answer_failure(keeper, &err);
		return 1;
	}
	answer(KEEPER_ANSWER);
	(void)keep_console(keeper, keeper->init, 0);
	note_end(keeper);
	/* What is left then the daemon deletes before the next start. */
	return delete_container(keeper, &err) < 0 ? 1 : 0;
}

int keep_system(char *const arguments[], struct fl_error *err)
{
	struct keeper keeper = {
		.run_path = arguments[0],
		.tree = arguments[2],
		.runtime = arguments[3],
		.id = arguments[4],
		.run = -1,
		.state = -1,
		.lock = -1,
		.pipe = -1,
		.init = -1,
	};

	(void)err; /* what goes wrong is its answer, or in its files */
	detach();
	_exit(keep(&keeper, arguments[1]));
}
