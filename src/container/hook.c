#include "container/hook.h"

#include <ctype.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/spawn.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/utf8.h"
#include "container/hook-environment.h"
#include "container/hook-file.h"
#include "container/relay.h"

/*
 * Each hook has a thread of its own, which alone talks to it, so that its time is
 * up when it is up: whoever waits for it may be in the middle of a call that
 * takes longer.  The two meet in `stage` and `wish`.
 *
 * The thread goes through two loops.  The first is the dialogue, until the hook
 * has said its last word or made a mistake.  The second waits for the hook's end
 * and drops what it still prints: in peace where it did all right, and else with
 * a signal.  Descriptors of a grandchild that stay open are nothing to wait for;
 * what belongs to the process group is killed at the end in any case.
 */
#define SHOWN 200		 /* bytes of the hook's own words in a failure */
#define ERROR_OUTPUT (64 * 1024) /* on its standard error: more is a failure */

enum stage {
	STARTED, /* nothing was said yet */
	READY,
	GOING, /* it was told to go on */
	DONE,  /* it said so */
	FAILED,
	GIVEN_UP,
};

enum wish { WISH_NONE, WISH_GO, WISH_END };

struct hook {
	char *name;
	int64_t timeout, deadline;
	struct spawned spawned;
	struct relay *relay; /* instead of it: the hook runs in a container */
	int in, out, err;    /* our ends; -1 once closed */
	int wake;	     /* eventfd: there is a wish */
	pthread_t thread;
	bool running; /* the thread is to be joined */

	/* The thread's own. */
	char line[HOOK_OUTPUT];
	size_t line_length, out_length, err_length;
	char words[SHOWN + 1]; /* the first on its standard error */
	bool over;	       /* nothing more is to be said */
	bool polite;	       /* it said itself that it failed */

	pthread_mutex_t mutex; /* of what follows */
	pthread_cond_t changed;
	enum stage stage;
	enum wish wish;
	unsigned asked, heard; /* whether it still holds: questions, and those that were answered */
	bool ended;	       /* the hook is gone */
	struct fl_error failure;
};

/* --- stages ---------------------------------------------------------------------------- */

static enum stage stage_of(struct hook *hook)
{
	own_lock(guard, &hook->mutex);

	return hook->stage;
}

static void enter(struct hook *hook, enum stage stage)
{
	own_lock(guard, &hook->mutex);

	hook->stage = stage;
	hook->over = stage >= DONE;
	pthread_cond_broadcast(&hook->changed);
}

/* At most SHOWN bytes of what a program printed, on one line and safe to print. */
static void clean(const char *bytes, char ret[static SHOWN + 1])
{
	size_t length = 0;

	while (*bytes && length < SHOWN - 4) {
		size_t n = utf8_length(bytes);

		if (utf8_is_plain(bytes, n))
			memcpy(ret + length, bytes, n);
		else
			ret[length] = isspace((unsigned char)*bytes) ? ' ' : '?';
		length += utf8_is_plain(bytes, n) ? n : 1;
		bytes += n ? n : 1;
	}
	while (length > 0 && ret[length - 1] == ' ')
		length--;
	ret[length] = '\0';
}

/* The first failure counts. */
static void fail(struct hook *hook, const char *why)
{
	own_lock(guard, &hook->mutex);
	char words[SHOWN + 1];

	if (hook->stage == FAILED)
		return;
	clean(hook->words, words);
	(void)!fl_fail(&hook->failure, FL_SYSTEM, "hook '%s' %s%s%s", hook->name, why,
		       words[0] ? ": " : "", words);
	hook->stage = FAILED;
	hook->over = true;
	pthread_cond_broadcast(&hook->changed);
}

/* --- what it says ---------------------------------------------------------------------- */

static void take_failure(struct hook *hook, const char *text)
{
	char words[SHOWN + 1], why[SHOWN + 32];

	hook->polite = true;
	clean(text, words);
	snprintf(why, sizeof(why), "failed%s%s", words[0] ? ": " : "", words);
	fail(hook, why);
}

static void take_line(struct hook *hook, const char *line)
{
	enum stage stage = stage_of(hook);
	char words[SHOWN + 1], why[SHOWN + 64];

	if (stage == STARTED && strcmp(line, "ready") == 0)
		enter(hook, READY);
	else if (stage == GOING && strcmp(line, "done") == 0)
		enter(hook, DONE);
	else if (strncmp(line, "failed", 6) == 0 && (line[6] == ' ' || line[6] == '\0'))
		take_failure(hook, line + 6 + (line[6] == ' '));
	else {
		clean(line, words);
		snprintf(why, sizeof(why), "said '%.100s' where '%s' was expected", words,
			 stage == STARTED ? "ready"
			 : stage == GOING ? "done"
					  : "nothing");
		fail(hook, why);
	}
}

static void take_bytes(struct hook *hook, const char *bytes, size_t length)
{
	hook->out_length += length;
	if (hook->out_length > HOOK_OUTPUT) {
		fail(hook, "printed more than a hook has to say");
		return;
	}
	for (size_t i = 0; i < length && !hook->over; i++) {
		if (bytes[i] != '\n') {
			hook->line[hook->line_length++] = bytes[i] ? bytes[i] : '?';
			continue;
		}
		hook->line[hook->line_length] = '\0';
		hook->line_length = 0;
		take_line(hook, hook->line);
	}
}

/* One read; false at the end, after which the descriptor is closed. */
static bool pull(int *fd, char *bytes, size_t size, size_t *ret_length)
{
	ssize_t n = TEMP_FAILURE_RETRY(read(*fd, bytes, size));

	*ret_length = n > 0 ? (size_t)n : 0;
	if (n > 0 || (n < 0 && errno == EAGAIN))
		return true;
	close(take_fd(*fd));
	return false;
}

static void read_words(struct hook *hook)
{
	char bytes[1024];
	size_t length, room, known = strlen(hook->words);

	(void)pull(&hook->err, bytes, sizeof(bytes), &length);
	hook->err_length += length;
	room = SHOWN - known;
	room = length < room ? length : room;
	for (size_t i = 0; i < room; i++)
		hook->words[known++] = bytes[i] ? bytes[i] : '?';
	if (hook->err_length > ERROR_OUTPUT && !hook->over)
		fail(hook, "flooded its standard error");
}

static void read_lines(struct hook *hook)
{
	char bytes[1024];
	size_t length;

	if (pull(&hook->out, bytes, sizeof(bytes), &length)) {
		take_bytes(hook, bytes, length);
		return;
	}
	if (hook->err >= 0) /* which says why, if anything does */
		read_words(hook);
	if (!hook->over)
		fail(hook, stage_of(hook) == STARTED
				   ? "ended or closed its output before it was ready"
				   : "ended or closed its output before it was done");
}

static bool is_readable(int descriptor)
{
	struct pollfd fd = { .fd = descriptor, .events = POLLIN };

	return poll(&fd, 1, 0) > 0;
}

/* Whoever asked whether it holds knows now; that it does not, from the stage. */
static void answer(struct hook *hook, unsigned asked)
{
	own_lock(guard, &hook->mutex);

	hook->heard = asked;
	pthread_cond_broadcast(&hook->changed);
}

static void obey(struct hook *hook)
{
	enum wish wish;
	unsigned asked;
	eventfd_t ignored;

	(void)!eventfd_read(hook->wake, &ignored);
	pthread_mutex_lock(&hook->mutex);
	wish = hook->wish;
	asked = hook->asked;
	pthread_mutex_unlock(&hook->mutex);
	if (wish == WISH_END)
		enter(hook, GIVEN_UP);
	/* One that has ended, or has said more, did not hold still until now. */
	while (!hook->over && stage_of(hook) == READY && hook->out >= 0 && is_readable(hook->out))
		read_lines(hook);
	answer(hook, asked);
	if (hook->over || wish != WISH_GO || stage_of(hook) != READY)
		return;
	enter(hook, GOING);
	if (TEMP_FAILURE_RETRY(write(hook->in, "go\n", 3)) != 3)
		fail(hook, "did not hear that it may go on");
}

/* --- the two loops ---------------------------------------------------------------------------- */

static void fail_late(struct hook *hook)
{
	static const char *const words[] = {
		[STARTED] = "was not ready",
		[READY] = "held still, but nobody told it to go on",
		[GOING] = "was not done",
	};
	char text[128];

	snprintf(text, sizeof(text), "%s within %lld s", words[stage_of(hook)],
		 (long long)(hook->timeout / CLOCK_SECOND));
	fail(hook, text);
}

/* What is left in its pipes, after its end. */
static void hear_out(struct hook *hook)
{
	if (hook->err >= 0 && is_readable(hook->err))
		read_words(hook);
	while (!hook->over && hook->out >= 0 && is_readable(hook->out))
		read_lines(hook);
	if (!hook->over)
		fail(hook, stage_of(hook) == STARTED ? "ended before it was ready"
						     : "ended before it was done");
}

/* Readable once it has ended. */
static int end_fd(const struct hook *hook)
{
	return hook->relay ? relay_end_fd(hook->relay) : hook->spawned.pidfd;
}

static void send_signal(struct hook *hook, int number)
{
	if (hook->relay)
		relay_signal(hook->relay, number);
	else
		spawn_signal_group(&hook->spawned, number);
}

static void converse(struct hook *hook)
{
	while (!hook->over) {
		struct pollfd fds[] = {
			{ .fd = hook->out, .events = POLLIN },
			{ .fd = hook->err, .events = POLLIN },
			{ .fd = hook->wake, .events = POLLIN },
			{ .fd = end_fd(hook), .events = POLLIN },
		};

		if (clock_monotonic() >= hook->deadline) {
			fail_late(hook);
			return;
		}
		if (poll(fds, array_size(fds), clock_milliseconds_until(hook->deadline)) <= 0)
			continue;
		if (fds[1].revents)
			read_words(hook);
		if (fds[0].revents)
			read_lines(hook);
		if (!hook->over && fds[3].revents)
			hear_out(hook);
		if (!hook->over && fds[2].revents)
			obey(hook);
	}
}

/* Until it ends or the time has come; what it prints goes nowhere. */
static bool await_end(struct hook *hook, int64_t deadline)
{
	char bytes[1024];
	size_t length;

	for (;;) {
		struct pollfd fds[] = {
			{ .fd = hook->out, .events = POLLIN },
			{ .fd = hook->err, .events = POLLIN },
			{ .fd = end_fd(hook), .events = POLLIN },
		};

		if (poll(fds, array_size(fds), clock_milliseconds_until(deadline)) > 0) {
			if (fds[2].revents)
				return true;
			if (fds[0].revents)
				(void)pull(&hook->out, bytes, sizeof(bytes), &length);
			if (fds[1].revents)
				(void)pull(&hook->err, bytes, sizeof(bytes), &length);
		}
		if (clock_monotonic() >= deadline)
			return is_readable(end_fd(hook));
	}
}

/*
 * After its end, or to bring that about.  What it left in its group is killed in any case; in a
 * container only with it: what runs there on is not ours.
 */
static int await_status(struct hook *hook, bool late)
{
	struct fl_error why;
	int status = -1;

	if (!hook->relay || late)
		send_signal(hook, SIGKILL);
	if (!hook->relay)
		spawn_wait(&hook->spawned, &status);
	else if (relay_wait(hook->relay, HOOK_PATIENCE, &status, &why) < 0)
		fail(hook, why.code == FL_BUSY
				   ? "could not be ended in its container"
				   : "ended, and the container engine does not say how");
	return status;
}

/* Until when it may end by itself: one that made a mistake is not waited for. */
static int64_t patience(const struct hook *hook, enum stage stage)
{
	int64_t now = clock_monotonic(), soon = now + HOOK_PATIENCE;

	if (stage != FAILED)
		return hook->deadline;
	if (!hook->polite)
		return now;
	return soon < hook->deadline ? soon : hook->deadline;
}

static void end(struct hook *hook)
{
	enum stage stage = stage_of(hook);
	bool late;
	int status;

	close(take_fd(hook->in));
	late = !await_end(hook, patience(hook, stage));
	if (late) {
		send_signal(hook, SIGTERM);
		await_end(hook, clock_monotonic() + HOOK_PATIENCE);
	}
	status = await_status(hook, late);
	if (stage == DONE && late)
		fail(hook, "was done, but did not end");
	else if (stage == DONE && status != 0)
		fail(hook, "was done, but ended with a failure");
}

static void *serve(void *arg)
{
	struct hook *hook = arg;

	converse(hook);
	end(hook);
	pthread_mutex_lock(&hook->mutex);
	hook->ended = true;
	pthread_cond_broadcast(&hook->changed);
	pthread_mutex_unlock(&hook->mutex);
	return NULL;
}

/* --- its start -------------------------------------------------------------------------- */

/* `ours` reads or writes without waiting; the other end is the hook's. */
static int make_pipe(bool we_read, int *ret_ours, int *ret_theirs, struct fl_error *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return fl_fail_errno(err, "cannot make a pipe");
	*ret_ours = ends[we_read ? 0 : 1];
	*ret_theirs = ends[we_read ? 1 : 0];
	if (fcntl(*ret_ours, F_SETFL, O_NONBLOCK) < 0)
		return fl_fail_errno(err, "cannot use a pipe");
	return 0;
}

static int start_here(struct hook *hook, const struct hook_call *call,
		      const struct hook_environment *environment, const int fds[static 3],
		      struct fl_error *err)
{
	const char *const argv[] = { call->path, NULL };
	unsigned lifetime = (unsigned)((call->timeout + HOOK_PATIENCE) / CLOCK_SECOND) + 2;

	return spawn_start_talker(
		argv, (const char *const *)environment->words, lifetime,
		(struct spawn_fd[]){ { fds[0], 0 }, { fds[1], 1 }, { fds[2], 2 } }, &hook->spawned,
		err);
}

static int start_there(struct hook *hook, const struct hook_call *call,
		       const struct hook_environment *environment, int fds[static 3],
		       struct fl_error *err)
{
	const char *const argv[] = { "/bin/sh", "-c", call->container->script, call->name, NULL };
	const struct relay_call program = {
		.socket = call->container->engine,
		.deadline = call->timeout < HOOK_TIMEOUT ? call->timeout : HOOK_TIMEOUT,
		.container = call->container->id,
		.argv = argv,
		.environment = (const char *const *)environment->words,
	};

	return relay_start(&program, fds, &hook->relay, err);
}

static int start_program(struct hook *hook, const struct hook_call *call, struct fl_error *err)
{
	own(hook_environment_done) struct hook_environment environment = { 0 };
	own_fd int in = -1;
	own_fd int out = -1;
	own_fd int error = -1;
	int r;

	hook_environment_fill(call, &environment);
	if (make_pipe(false, &hook->in, &in, err) < 0 ||
	    make_pipe(true, &hook->out, &out, err) < 0 ||
	    make_pipe(true, &hook->err, &error, err) < 0)
		return fl_failed(err);
	if (!call->container)
		return start_here(hook, call, &environment, (int[]){ in, out, error }, err);
	r = start_there(hook, call, &environment, (int[]){ in, out, error }, err);
	in = out = error = -1; /* they were taken */
	return r;
}

static int start_thread(struct hook *hook, struct fl_error *err)
{
	hook->running = thread_start(&hook->thread, THREAD_STACK, serve, hook, err) == 0;
	return hook->running ? 0 : fl_failed(err);
}

int hook_start(const struct hook_call *call, struct hook **ret, struct fl_error *err)
{
	own_hook struct hook *hook = xcalloc(1, sizeof(*hook));

	hook->name = xstrdup(call->name);
	hook->timeout = call->timeout;
	hook->deadline = clock_monotonic() + call->timeout;
	hook->spawned = (struct spawned)SPAWNED_NONE;
	hook->in = hook->out = hook->err = -1;
	pthread_mutex_init(&hook->mutex, NULL);
	pthread_cond_init(&hook->changed, NULL);
	hook->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (hook->wake < 0)
		fl_fail_errno(err, "cannot make an event descriptor");
	if (hook->wake < 0 || start_program(hook, call, err) < 0 || start_thread(hook, err) < 0)
		return fl_wrap(err, "hook '%s'", call->name);
	*ret = take_ptr(hook);
	return 0;
}

/* --- for whoever waits ---------------------------------------------------------------------- */

static int failure_of(const struct hook *hook, struct fl_error *err)
{
	if (hook->stage != FAILED)
		return 0;
	*err = hook->failure;
	return fl_failed(err);
}

int hook_await_ready(struct hook *hook, struct fl_error *err)
{
	own_lock(guard, &hook->mutex);

	while (hook->stage == STARTED)
		pthread_cond_wait(&hook->changed, &hook->mutex);
	return failure_of(hook, err);
}

/* Its thread is asked, which may not have come to hear of its end yet. */
int hook_is_holding(struct hook *hook, struct fl_error *err)
{
	own_lock(guard, &hook->mutex);
	unsigned asked = ++hook->asked;

	(void)!eventfd_write(hook->wake, 1);
	while (hook->stage == READY && hook->heard < asked)
		pthread_cond_wait(&hook->changed, &hook->mutex);
	return failure_of(hook, err);
}

static void tell(struct hook *hook, enum wish wish)
{
	own_lock(guard, &hook->mutex);

	if (hook->wish == WISH_NONE)
		hook->wish = wish;
	(void)!eventfd_write(hook->wake, 1);
}

int hook_go(struct hook *hook, struct fl_error *err)
{
	tell(hook, WISH_GO);
	pthread_mutex_lock(&hook->mutex);
	while (!hook->ended)
		pthread_cond_wait(&hook->changed, &hook->mutex);
	pthread_mutex_unlock(&hook->mutex);
	return failure_of(hook, err);
}

void hook_free(struct hook *hook)
{
	if (!hook)
		return;
	if (hook->running) {
		tell(hook, WISH_END);
		pthread_join(hook->thread, NULL);
	}
	spawned_done(&hook->spawned);
	relay_free(hook->relay);
	own_fdp(&hook->in);
	own_fdp(&hook->out);
	own_fdp(&hook->err);
	own_fdp(&hook->wake);
	pthread_cond_destroy(&hook->changed);
	pthread_mutex_destroy(&hook->mutex);
	free(hook->name);
	free(hook);
}
