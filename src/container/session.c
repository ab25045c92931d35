#include "container/session.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/fsat.h"
#include "base/spawn.h"
#include "base/text.h"
#include "base/thread.h"
#include "container/exec-failure.h"

/*
 * The thread goes round one loop: it takes what the program wrote, makes a frame of it, and
 * puts that into the pipe before it takes more; so a reader that is slow slows the program
 * down, and nothing piles up.  The pipe's end at the reader is kept until somebody attaches, so
 * that a program that says little may be over before that.
 *
 * The program's end is seen by its pidfd, that of its streams by their own.  A grandchild may
 * hold a stream open: it is given ORPHANS, after what the program itself has left in its streams,
 * which a slow reader may take long for, and which is no more than LEFT.  Who left is known by the
 * wish, and by an error at the pipe; the two lead to the same.
 */
#define PIECE (16 * 1024)
#define HEAD 8
#define ORPHANS (CLOCK_SECOND / 2)
#define LEFT (256 * 1024) /* bytes: more than two pipes or a terminal hold */

struct session {
	pthread_t thread;
	struct spawned spawned; /* the thread's until `ended` */
	int terminal;		/* the master's end, to set its size; -1: there is none */
	int out, err; /* what the program writes; -1 at the end, `err` also of a terminal */
	int sink;     /* of the pipe: the thread's */
	int wake;     /* eventfd: somebody left */
	int over;     /* eventfd: all has ended */
	char *program, *place; /* or NULL */
	int log;	       /* the runtime's; -1: it has none */
	struct text due;       /* of a frame, from `sent` on */
	size_t sent;
	int64_t deadline; /* clock_monotonic() of the next step of the end; 0: none */
	bool told;	  /* SIGHUP was sent */
	bool exited;
	size_t taken; /* bytes of its streams since then */

	pthread_mutex_t mutex; /* of what follows */
	pthread_cond_t changed;
	bool started; /* or it has failed to, with `failure` */
	struct fl_error failure;
	int source; /* the other end of the pipe, until it is given away; -1 */
	int in;	    /* what the program reads; -1: nothing, or no more */
	bool attached, left, fed;
	bool gone;  /* the program: nothing is to be sent to its number any more */
	bool ended; /* the thread */
	int64_t began;
};

/* --- frames -------------------------------------------------------------------------- */

static void add_frame(struct session *session, enum session_stream stream, const char *bytes,
		      size_t length)
{
	const char head[HEAD] = {
		(char)stream,
		0,
		0,
		0,
		(char)(length >> 24),
		(char)(length >> 16),
		(char)(length >> 8),
		(char)length,
	};

	text_add(&session->due, head, sizeof(head));
	text_add(&session->due, bytes, length);
}

/* Has the runtime failed itself?  It says so in its log before it says so anywhere else. */
static bool has_failed(const struct session *session, int *ret_status, struct text *words)
{
	char log[PIECE];
	ssize_t n = session->log < 0 ? 0 : pread(session->log, log, sizeof(log) - 1, 0);

	log[n > 0 ? n : 0] = '\0';
	return exec_failure_parse(log, session->program, session->place, ret_status, words);
}

/* What a stream has; its end closes it.  A terminal's end is an error. */
static void take(struct session *session, int *fd, enum session_stream stream)
{
	own_text struct text words = { 0 };
	char bytes[PIECE];
	ssize_t n = read(*fd, bytes, sizeof(bytes));
	int status;

	if (n > 0 && session->exited)
		session->taken += (size_t)n;
	if (n > 0 && !has_failed(session, &status, &words))
		add_frame(session, stream, bytes, (size_t)n);
	else if (n > 0)
		; /* say_failure() has better words */
	else if (n == 0 || (errno != EINTR && errno != EAGAIN))
		close(take_fd(*fd));
}

/* False: nobody reads any more. */
static bool send_due(struct session *session)
{
	size_t left = session->due.length - session->sent;
	ssize_t n = write(session->sink, session->due.bytes + session->sent, left);

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	session->sent += (size_t)n;
	if (session->sent == session->due.length) {
		text_clear(&session->due);
		session->sent = 0;
	}
	return true;
}

/* --- its end ------------------------------------------------------------------------- */

static bool is_attached(struct session *session)
{
	own_lock(guard, &session->mutex);

	return session->attached;
}

/* A runtime passes the signal on to the program in the container. */
static void hang_up(struct session *session)
{
	if (session->told)
		return;
	session->told = true;
	session->deadline = clock_monotonic() + SESSION_GRACE;
	spawn_signal_group(&session->spawned, SIGHUP);
}

static bool has_streams(const struct session *session)
{
	return session->out >= 0 || session->err >= 0;
}

static bool is_readable(int descriptor)
{
	struct pollfd fd = { .fd = descriptor, .events = POLLIN };

	return poll(&fd, 1, 0) > 0;
}

/* May the program have said, before its end, what has not been handed on yet? */
static bool has_words_left(struct session *session)
{
	if (session->told || session->taken >= LEFT)
		return false;
	if (!is_attached(session) && clock_monotonic() >= session->began + SESSION_PATIENCE)
		return false;
	return session->due.length > 0 || is_readable(session->out) || is_readable(session->err);
}

/* The time of a step is over: nobody has come, or the program does not end, or its streams don't.
 */
static void take_step(struct session *session)
{
	session->deadline = 0;
	if (session->exited && has_streams(session) && has_words_left(session)) {
		session->deadline = clock_monotonic() + ORPHANS;
	} else if (session->exited && has_streams(session)) {
		own_fdp(&session->out);
		own_fdp(&session->err);
		session->out = session->err = -1;
		session->deadline = clock_monotonic() + SESSION_PATIENCE;
	} else if (session->told) {
		spawn_kill_children(&session->spawned);
		spawn_signal_group(&session->spawned, SIGKILL);
	} else if (!is_attached(session)) {
		hang_up(session);
	}
}

/*
 * One round.  Returns false when all is said, or there is nobody to say it to and
 * the program is gone.
 */
static bool go_round(struct session *session)
{
	bool due = session->due.length > 0 && !session->told;
	bool take_more = !due || session->told;
	struct pollfd fds[] = {
		{ .fd = take_more ? session->out : -1, .events = POLLIN },
		{ .fd = take_more ? session->err : -1, .events = POLLIN },
		{ .fd = session->exited ? -1 : session->spawned.pidfd, .events = POLLIN },
		{ .fd = session->told ? -1 : session->sink, .events = due ? POLLOUT : 0 },
		{ .fd = session->told ? -1 : session->wake, .events = POLLIN },
	};
	int64_t deadline = session->deadline;
	int wait = deadline ? clock_milliseconds_until(deadline) : -1;

	if (session->exited && !has_streams(session) && !due)
		return false;
	if (poll(fds, array_size(fds), wait) < 0 && errno != EINTR)
		return false;
	if (fds[0].revents)
		take(session, &session->out, SESSION_OUTPUT);
	if (fds[1].revents)
		take(session, &session->err, SESSION_ERRORS);
	if (fds[2].revents) {
		session->exited = true;
		session->deadline = clock_monotonic() + ORPHANS;
	}
	if (fds[4].revents || fds[3].revents & POLLERR ||
	    (fds[3].revents & POLLOUT && !send_due(session)))
		hang_up(session);
	if (session->told)
		text_clear(&session->due);
	if (deadline && deadline == session->deadline && clock_monotonic() >= deadline)
		take_step(session);
	return true;
}

/* Of a runtime; `*status` becomes what a shell would end with. */
static void say_failure(struct session *session, int *status)
{
	enum session_stream stream = session->terminal < 0 ? SESSION_ERRORS : SESSION_OUTPUT;
	own_text struct text words = { 0 };

	text_add_string(&words, "flocker: ");
	if (!has_failed(session, status, &words))
		return;
	text_add_string(&words, session->terminal < 0 ? "\n" : "\r\n");
	add_frame(session, stream, words.bytes, words.length);
}

/* The last frame; a reader that has left, or never came, does not get it. */
static void say_end(struct session *session, int status)
{
	struct pollfd fds[] = {
		{ .fd = session->sink, .events = POLLOUT },
		{ .fd = session->wake, .events = POLLIN },
	};
	char text[16];
	int patience = (int)(SESSION_PATIENCE / 1000000);

	text_clear(&session->due);
	session->sent = 0;
	say_failure(session, &status);
	snprintf(text, sizeof(text), "%d", status);
	add_frame(session, SESSION_END, text, strlen(text));
	while (!session->told && session->due.length > 0) {
		int n = poll(fds, array_size(fds), patience);

		if ((n < 0 && errno != EINTR) || (n == 0 && !is_attached(session)))
			return;
		if (n > 0 && (fds[1].revents || !send_due(session)))
			return;
	}
}

/* --- its beginning -------------------------------------------------------------------- */

/* The descriptors of the program, and ours of the other ends. */
struct ends {
	int in, out, err, terminal;
};

#define ENDS_NONE              \
	{                      \
		-1, -1, -1, -1 \
	}

static void ends_close(struct ends *ends)
{
	own_fdp(&ends->in);
	own_fdp(&ends->out);
	own_fdp(&ends->err);
	own_fdp(&ends->terminal);
}

static int make_pipe(int *ret_read, int *ret_write, struct fl_error *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return fl_fail_errno(err, "cannot make a pipe");
	*ret_read = ends[0];
	*ret_write = ends[1];
	return 0;
}

static int copy_fd(int fd, int *ret, struct fl_error *err)
{
	*ret = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return *ret < 0 ? fl_fail_errno(err, "cannot copy a descriptor") : 0;
}

static int make_terminal(const struct session_options *options, struct ends *theirs,
			 struct ends *ours, struct fl_error *err)
{
	if (terminal_open(&ours->out, &theirs->out, err) < 0 ||
	    terminal_resize(ours->out, &options->size, err) < 0 ||
	    copy_fd(ours->out, &ours->in, err) < 0 ||
	    copy_fd(ours->out, &ours->terminal, err) < 0 ||
	    copy_fd(theirs->out, &theirs->in, err) < 0 ||
	    copy_fd(theirs->out, &theirs->err, err) < 0)
		return fl_failed(err);
	return 0;
}

static int make_pipes(const struct session_options *options, struct ends *theirs, struct ends *ours,
		      struct fl_error *err)
{
	if (make_pipe(&ours->out, &theirs->out, err) < 0 ||
	    make_pipe(&ours->err, &theirs->err, err) < 0 ||
	    (options->input && make_pipe(&theirs->in, &ours->in, err) < 0))
		return fl_failed(err);
	return 0;
}

static int start_program(struct session *session, const struct session_options *options,
			 struct fl_error *err)
{
	own(ends_close) struct ends theirs = ENDS_NONE;
	own(ends_close) struct ends ours = ENDS_NONE;
	int r = options->terminal ? make_terminal(options, &theirs, &ours, err)
				  : make_pipes(options, &theirs, &ours, err);
	struct spawn_fd fds[4] = { { theirs.out, 1 }, { theirs.err, 2 } };
	size_t count = 2;

	if (theirs.in >= 0)
		fds[count++] = (struct spawn_fd){ theirs.in, 0 };
	if (session->log >= 0)
		fds[count++] = (struct spawn_fd){ session->log, SESSION_LOG };
	if (r == 0)
		r = spawn_start(options->argv, fds, count, &session->spawned, err);
	if (r < 0)
		return r;
	session->out = take_fd(ours.out);
	session->err = take_fd(ours.err);
	session->in = take_fd(ours.in);
	session->terminal = take_fd(ours.terminal);
	return 0;
}

/* --- the thread ----------------------------------------------------------------------- */

struct beginning {
	struct session *session;
	const struct session_options *options; /* until `started` */
};

static int begin(const struct beginning *beginning)
{
	struct session *session = beginning->session;
	own_lock(guard, &session->mutex);
	int r = start_program(session, beginning->options, &session->failure);

	session->started = true;
	session->ended = r < 0;
	pthread_cond_broadcast(&session->changed);
	return r;
}

/* Nothing of it is left, and its number is nobody's. */
static int end_program(struct session *session)
{
	own_lock(guard, &session->mutex);
	int status;

	spawn_kill_children(&session->spawned);
	spawn_signal_group(&session->spawned, SIGKILL);
	spawn_wait(&session->spawned, &status);
	spawned_done(&session->spawned);
	session->gone = true;
	return status;
}

static void end(struct session *session)
{
	own_lock(guard, &session->mutex);
	const uint64_t one = 1;

	session->ended = true;
	close(take_fd(session->sink));
	(void)!write(session->over, &one, sizeof(one)); /* a counter that has room */
}

static void *run(void *arg)
{
	const struct beginning *beginning = arg;
	struct session *session = beginning->session;

	if (begin(beginning) < 0)
		return NULL;
	session->deadline = session->began + SESSION_PATIENCE;
	while (go_round(session))
		;
	say_end(session, end_program(session));
	end(session);
	return NULL;
}

static int start_thread(struct session *session, const struct session_options *options,
			struct fl_error *err)
{
	struct beginning beginning = { session, options };

	if (thread_start(&session->thread, THREAD_STACK, run, &beginning, err) < 0)
		return fl_failed(err);
	pthread_mutex_lock(&session->mutex);
	while (!session->started)
		pthread_cond_wait(&session->changed, &session->mutex);
	pthread_mutex_unlock(&session->mutex);
	if (session->ended && session->failure.code) {
		pthread_join(session->thread, NULL);
		*err = session->failure;
		return fl_failed(err);
	}
	return 0;
}

static void release(struct session *session)
{
	own_fdp(&session->out);
	own_fdp(&session->err);
	own_fdp(&session->in);
	own_fdp(&session->terminal);
	own_fdp(&session->sink);
	own_fdp(&session->source);
	own_fdp(&session->wake);
	own_fdp(&session->over);
	own_fdp(&session->log);
	free(session->program);
	free(session->place);
	text_done(&session->due);
	pthread_mutex_destroy(&session->mutex);
	pthread_cond_destroy(&session->changed);
	free(session);
}

static struct session *session_new(void)
{
	struct session *session = xcalloc(1, sizeof(*session));

	*session = (struct session){
		.spawned = SPAWNED_NONE,
		.terminal = -1,
		.log = -1,
		.began = clock_monotonic(),
		.out = -1,
		.err = -1,
		.sink = -1,
		.source = -1,
		.in = -1,
		.wake = eventfd(0, EFD_CLOEXEC),
		.over = eventfd(0, EFD_CLOEXEC),
	};
	pthread_mutex_init(&session->mutex, NULL);
	pthread_cond_init(&session->changed, NULL);
	return session;
}

int session_start(const struct session_options *options, struct session **ret, struct fl_error *err)
{
	struct session *session = session_new();
	int r = 0;

	if (session->wake < 0 || session->over < 0)
		r = fl_fail_errno(err, "cannot make a descriptor for events");
	if (r == 0 && options->program) {
		session->program = xstrdup(options->program);
		session->place = xstrdup(options->place);
		r = fsat_open_memory("log", &session->log, err);
	}
	if (r == 0)
		r = make_pipe(&session->source, &session->sink, err);
	if (r == 0 && fcntl(session->sink, F_SETFL, O_NONBLOCK) < 0)
		r = fl_fail_errno(err, "cannot set up a pipe");
	if (r == 0)
		r = start_thread(session, options, err);
	if (r < 0) {
		release(session);
		return r;
	}
	*ret = session;
	return 0;
}

/* --- who reads, and who writes ---------------------------------------------------------- */

int session_attach(struct session *session, int *ret_fd, struct fl_error *err)
{
	own_lock(guard, &session->mutex);

	if (session->attached || session->left)
		return fl_fail(err, FL_BUSY, "what the command writes is read already");
	session->attached = true;
	*ret_fd = take_fd(session->source);
	return 0;
}

void session_leave(struct session *session)
{
	own_lock(guard, &session->mutex);
	const uint64_t one = 1;

	session->left = true;
	(void)!write(session->wake, &one, sizeof(one)); /* a counter that has room */
}

/* Waits until `fd` can be read or written; false: the program has ended. */
static bool await(const struct session *session, int fd, short events)
{
	struct pollfd fds[] = {
		{ .fd = fd, .events = events },
		{ .fd = session->over, .events = POLLIN },
	};

	while (poll(fds, array_size(fds), -1) < 0)
		if (errno != EINTR)
			return false;
	return !fds[1].revents;
}

/* All of it, unless the program ends or reads no more. */
static bool pass_on(const struct session *session, int in, const char *bytes, size_t length)
{
	while (length > 0 && await(session, in, POLLOUT)) {
		ssize_t n = write(in, bytes, length);

		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return false;
		if (n > 0) {
			bytes += n;
			length -= (size_t)n;
		}
	}
	return length == 0;
}

static int begin_feeding(struct session *session, int *ret, struct fl_error *err)
{
	own_lock(guard, &session->mutex);

	if (session->fed)
		return fl_fail(err, FL_BUSY, "what the command reads is written already");
	if (session->in < 0)
		return fl_fail(err, FL_INVALID, "the command was told that it has nothing to read");
	if (fcntl(session->in, F_SETFL, O_NONBLOCK) < 0)
		return fl_fail_errno(err, "cannot set up what the command reads");
	session->fed = true;
	*ret = take_fd(session->in);
	return 0;
}

int session_feed(struct session *session, int fd, struct fl_error *err)
{
	own_fd int in = -1;
	char bytes[PIECE];
	ssize_t n;

	if (begin_feeding(session, &in, err) < 0)
		return fl_failed(err);
	while (await(session, fd, POLLIN)) {
		n = TEMP_FAILURE_RETRY(read(fd, bytes, sizeof(bytes)));
		if (n <= 0 || !pass_on(session, in, bytes, (size_t)n))
			break;
	}
	return 0;
}

int session_resize(struct session *session, const struct terminal_size *size, struct fl_error *err)
{
	own_lock(guard, &session->mutex);

	if (session->terminal < 0)
		return fl_fail(err, FL_INVALID, "the command has no terminal");
	if (session->gone)
		return 0;
	if (terminal_resize(session->terminal, size, err) < 0)
		return fl_failed(err);
	spawn_signal_group(&session->spawned, SIGWINCH);
	return 0;
}

bool session_is_done(struct session *session)
{
	own_lock(guard, &session->mutex);

	return session->ended &&
	       (session->attached || clock_monotonic() - session->began > SESSION_PATIENCE);
}

void session_free(struct session *session)
{
	if (!session)
		return;
	session_leave(session);
	pthread_join(session->thread, NULL);
	release(session);
}
