#include "container/runtime-place.h"
#include "container/session.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fsat.h"
#include "base/process.h"
#include "base/spawn.h"
#include "model/words.h"

#define ANSWER_LIMIT (KEEPER_WORDS + 1)
#define START_TIMEOUT (90 * CLOCK_SECOND) /* the keeper has one of its own, which is shorter */
#define KILL_TIMEOUT (60 * CLOCK_SECOND)

void runtime_places_done(struct runtime_places *places)
{
	free(places->run);
	free(places->state);
	free(places->keeper);
	free(places->cgroup);
	*places = (struct runtime_places){ 0 };
}

void runtime_run_done(struct runtime_run *run)
{
	own_fdp(&run->init);
	own_fdp(&run->keeper);
	*run = (struct runtime_run)RUNTIME_RUN_NONE;
}

/* --- start --------------------------------------------------------------------------------- */

/* As many as systems are built for, if this process may give that many. */
static int64_t files_allowed(void)
{
	const int64_t usual = 524288;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_max > (rlim_t)usual)
		return usual;
	return (int64_t)limit.rlim_max;
}

static char *cgroup_path(const struct runtime_places *places, const struct uuid *branch)
{
	struct text path = { 0 };
	char uuid[UUID_TEXT];

	text_add_format(&path, "%s.%s", places->cgroup, uuid_format(branch, uuid));
	return text_take(&path);
}

static int write_config(const struct runtime_places *places, const struct uuid *branch,
			const struct runtime_start *start, int run, struct fl_error *err)
{
	own_free char *root = runtime_path(places->run, branch, KEEPER_ROOT);
	own_free char *console = runtime_path(places->run, branch, KEEPER_CONSOLE);
	own_free char *cgroup = cgroup_path(places, branch);
	own_text struct text text = { 0 };
	const struct oci_options options = {
		.settings = start->settings,
		.hostname = start->hostname,
		.root = root,
		.console = console,
		.cgroup = cgroup,
		.files = files_allowed(),
		.empty_run = oci_wants_empty_run(start->settings) &&
			     runtime_has_directory(start->tree, "/run"),
	};

	oci_format(&options, &text);
	return fsat_write(run, KEEPER_CONFIG, text_get(&text), text.length, 0600, false, err);
}

/* The bundle, and what the keeper wants beside it. */
static int prepare(const struct runtime_places *places, const struct uuid *branch,
		   const struct runtime_start *start, struct fl_error *err)
{
	own_fd int run = -1, state = -1;

	if (runtime_make(places->run, branch, &run, err) < 0 ||
	    runtime_make(places->state, branch, &state, err) < 0 ||
	    fsat_mkdir(run, KEEPER_ROOT, 0700, err) < 0 ||
	    fsat_mkdir(run, KEEPER_RUNTIME, 0700, err) < 0 ||
	    /* A new one: what was written to the last, and not read, belongs to that run. */
	    fsat_unlink(run, KEEPER_CONSOLE, err) < 0 ||
	    fsat_make_node(run, KEEPER_CONSOLE, S_IFIFO | 0600, 0, err) < 0 ||
	    fsat_write(run, RUNTIME_PROGRAM, start->program, strlen(start->program), 0600, false,
		       err) < 0)
		return fl_failed(err);
	return write_config(places, branch, start, run, err);
}

/* Until its end; what is beyond the limit is dropped. */
static void read_answer(int fd, struct text *answer)
{
	int64_t deadline = clock_monotonic() + START_TIMEOUT;
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	while (clock_monotonic() < deadline) {
		char bytes[512];
		ssize_t n;

		if (poll(&wait, 1, clock_milliseconds_until(deadline)) <= 0)
			continue;
		n = TEMP_FAILURE_RETRY(read(fd, bytes, sizeof(bytes)));
		if (n <= 0)
			return;
		if (answer->length + (size_t)n < ANSWER_LIMIT)
			text_add(answer, bytes, (size_t)n);
	}
}

static int run_keeper(const struct runtime_places *places, const struct uuid *branch,
		      const struct runtime_start *start, struct text *answer, struct fl_error *err)
{
	own_free char *run = runtime_path(places->run, branch, "");
	own_free char *state = runtime_path(places->state, branch, "");
	own_fd int ours = -1, its = -1;
	struct spawned spawned = SPAWNED_NONE;
	char id[RUNTIME_ID];
	const char *const argv[] = { places->keeper, "system",	     run, state,
				     start->tree,    start->program, id,  NULL };
	int ends[2], status;

	runtime_id(branch, id);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return fl_fail_errno(err, "cannot make a pipe");
	ours = ends[0];
	its = ends[1];
	const struct spawn_fd fds[] = { { its, 1 } };

	if (spawn_start(argv, fds, array_size(fds), &spawned, err) < 0)
		return fl_failed(err);
	close(take_fd(its));
	read_answer(ours, answer);
	spawn_wait(&spawned, &status); /* it ended when it had detached itself */
	spawned_done(&spawned);
	return 0;
}

static int fail_start(const struct runtime_start *start, struct text *answer, struct fl_error *err)
{
	own_free char *words = text_take(answer);

	runtime_shorten(words);
	return fl_fail(err, FL_SYSTEM, "%s can't run it: %s", start->program,
		       *words ? words : "it does not say why");
}

int runtime_start(const struct runtime_places *places, const struct uuid *branch,
		  const struct runtime_start *start, struct runtime_run *ret, struct fl_error *err)
{
	own_text struct text answer = { 0 };
	int r;

	if (runtime_check(start, err) < 0 || runtime_clean(places, branch, err) < 0 ||
	    prepare(places, branch, start, err) < 0 ||
	    run_keeper(places, branch, start, &answer, err) < 0)
		return fl_failed(err);
	if (strcmp(text_get(&answer), KEEPER_ANSWER) != 0)
		return fail_start(start, &answer, err);
	r = runtime_adopt(places, branch, ret, err);
	if (r != -FL_NOT_FOUND)
		return r;
	*ret = (struct runtime_run)RUNTIME_RUN_NONE;
	return 0;
}

/* --- one that runs ---------------------------------------------------------------------------- */

/*
 * A keeper that has the lock and says nothing yet is starting a system for a daemon that is dead:
 * it will say something, or end.
 */
static int await_running(int run, struct keeper_running *ret, struct fl_error *err)
{
	int64_t deadline = clock_monotonic() + START_TIMEOUT;
	bool lives = true;

	while (clock_monotonic() < deadline) {
		int r = keeper_running_load(run, ret, err);

		if (r != -FL_NOT_FOUND)
			return r;
		if (runtime_is_kept(run, &lives, err) < 0)
			return fl_failed(err);
		if (!lives)
			return fl_fail(err, FL_NOT_FOUND, "the system does not run");
		poll(NULL, 0, 10);
	}
	return fl_fail(err, FL_SYSTEM, "the keeper of a system neither starts it nor gives up");
}

static struct runtime_run take_run(struct runtime_run *run)
{
	struct runtime_run taken = *run;

	*run = (struct runtime_run)RUNTIME_RUN_NONE;
	return taken;
}

/* Both numbers are right as long as there is no `exit` and the lock is held (keeper/files.h). */
static int watch(const struct runtime_places *places, const struct uuid *branch, int run_fd,
		 const struct keeper_running *running, struct runtime_run *ret,
		 struct fl_error *err)
{
	own_runtime_run struct runtime_run run = RUNTIME_RUN_NONE;
	own_keeper_exit struct keeper_exit end = { 0 };
	bool lives = false;
	int r;

	run.pid = running->init;
	run.started = running->started;
	if (process_open(running->keeper, &run.keeper, err) < 0 ||
	    process_open(running->init, &run.init, err) < 0 ||
	    runtime_is_kept(run_fd, &lives, err) < 0)
		return fl_failed(err);
	r = runtime_last(places, branch, &end, err);
	if (r < 0 && r != -FL_NOT_FOUND)
		return r;
	if (r == 0) /* it has ended just now, and the keeper is about to */
		(void)!process_await(run.keeper, clock_monotonic() + RUNTIME_CLEAN_TIMEOUT);
	if (r == 0 || !lives)
		return fl_fail(err, FL_NOT_FOUND, "the system does not run");
	*ret = take_run(&run);
	return 0;
}

int runtime_adopt(const struct runtime_places *places, const struct uuid *branch,
		  struct runtime_run *ret, struct fl_error *err)
{
	struct keeper_running running;
	own_fd int run = -1;
	bool lives = false;

	if (runtime_open(places->run, branch, &run, err) < 0 ||
	    runtime_is_kept(run, &lives, err) < 0)
		return fl_failed(err);
	if (!lives)
		return fl_fail(err, FL_NOT_FOUND, "the system does not run");
	if (await_running(run, &running, err) < 0)
		return fl_failed(err);
	return watch(places, branch, run, &running, ret, err);
}

/* Until it has ended, or has had its time; false: we are not to wait any longer. */
static bool await_end(int keeper, int give_up, int64_t deadline)
{
	struct pollfd fds[] = {
		{ .fd = keeper, .events = POLLIN },
		{ .fd = give_up, .events = POLLIN },
	};

	while (poll(fds, array_size(fds), clock_milliseconds_until(deadline)) <= 0)
		if (clock_monotonic() >= deadline)
			return true;
	return fds[0].revents;
}

int runtime_stop(const struct runtime_run *run, const struct runtime_stop *how,
		 struct fl_error *err)
{
	int64_t deadline = clock_monotonic() + how->timeout;

	if (process_signal(run->init, how->number, err) < 0)
		return fl_failed(err);
	if (!await_end(run->keeper, how->give_up, deadline))
		return fl_fail(err, FL_BUSY, "it was told to end, and flockerd ends first");
	/* The kernel ends all of a PID namespace with its init, and init last: it is whole or
	 * gone. */
	if (process_signal(run->init, SIGKILL, err) < 0)
		return fl_failed(err);
	deadline = clock_monotonic() + KILL_TIMEOUT;
	if (process_await(run->init, deadline) && process_await(run->keeper, deadline))
		return 0;
	fl_fail(err, FL_SYSTEM, "process %d was killed and has not ended yet", run->pid);
	return fl_hint(err, "it waits for a device or a file system; try again when that answers");
}

/* --- commands in it ------------------------------------------------------------------------ */

static char *log_path(void)
{
	struct text path = { 0 };

	text_add_format(&path, "/proc/self/fd/%d", SESSION_LOG);
	return text_take(&path);
}

int runtime_exec(const struct runtime_places *places, const struct uuid *branch,
		 const struct runtime_exec *exec, char ***ret, struct fl_error *err)
{
	own_text struct text program = { 0 };
	own_words char **words = NULL;
	own_fd int run = -1;
	char id[RUNTIME_ID];

	runtime_id(branch, id);
	if (runtime_open(places->run, branch, &run, err) < 0 ||
	    fsat_read(run, RUNTIME_PROGRAM, PATH_MAX, &program, err) < 0)
		return fl_failed(err);
	words_add(&words, text_take(&program));
	words_add(&words, xstrdup("--root"));
	words_add(&words, runtime_path(places->run, branch, KEEPER_RUNTIME));
	words_add(&words, xstrdup("--log"));
	words_add(&words, log_path());
	words_add(&words, xstrdup("--log-format"));
	words_add(&words, xstrdup("json"));
	words_add(&words, xstrdup("exec"));
	if (exec->terminal) {
		words_add(&words, xstrdup("--tty"));
		words_add(&words, xstrdup("--env"));
		words_add(&words, xstrdup("TERM=xterm"));
	}
	if (exec->user) {
		words_add(&words, xstrdup("--user"));
		words_add(&words, xstrdup(exec->user));
	}
	words_add(&words, xstrdup(id));
	for (size_t i = 0; i < exec->count; i++)
		words_add(&words, xstrdup(exec->command[i]));
	*ret = take_ptr(words);
	return 0;
}
