#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/terminal.h"
#include "base/thread.h"
#include "base/uuid.h"
#include "cli/talk.h"
#include "cli/verbs.h"

/*
 * exec: a command in a user system, as if it was here.
 *
 * Up to four things go on.  The main thread downloads what the command writes, as frames, into
 * a pipe; a second takes them apart and writes them where they belong.  A third uploads what is
 * typed, on a connection of its own: the daemon answers when the command ends, so that it ends
 * too.  Where the terminal is the command's, a fourth waits for signals: the keys make none then,
 * so what comes is a new size of the terminal, or the wish that this program ends, which it may
 * only when the terminal is as it was.
 *
 * The command ends with the download, so whatever ends this program ends the command.
 */
#define HEAD 8
#define FRAME_MOST (1024 * 1024)

enum stream { STREAM_OUTPUT = 1, STREAM_ERRORS, STREAM_END };

struct exec {
	struct invocation *in;
	char id[UUID_TEXT];
	int frames[2]; /* the pipe */
	pthread_t writer, reader, watcher;
	bool reads, watches; /* `reader`, `watcher` are to be joined */
	_Atomic bool over;
	struct termios before; /* of the terminal, where `watches` */

	/* The writer's; the main thread's once it was joined. */
	int status; /* -1: the end was not told */
	int broken; /* errno of writing */
};

/* --- what it writes ------------------------------------------------------------------- */

static bool read_all(int fd, char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = TEMP_FAILURE_RETRY(read(fd, bytes, length));

		if (n <= 0)
			return false;
		bytes += n;
		length -= (size_t)n;
	}
	return true;
}

static bool write_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = TEMP_FAILURE_RETRY(write(fd, bytes, length));

		if (n < 0)
			return false;
		bytes += n;
		length -= (size_t)n;
	}
	return true;
}

/* False at the end of all. */
static bool read_frame(int fd, enum stream *ret_stream, struct text *ret)
{
	char head[HEAD];
	size_t length = 0;
	char *bytes;

	if (!read_all(fd, head, sizeof(head)))
		return false;
	for (size_t i = HEAD / 2; i < HEAD; i++)
		length = length << 8 | (unsigned char)head[i];
	if (length > FRAME_MOST)
		return false;
	text_clear(ret);
	bytes = text_reserve(ret, length);
	if (!read_all(fd, bytes, length))
		return false;
	bytes[length] = '\0';
	ret->length = length;
	*ret_stream = (enum stream)head[0];
	return true;
}

static void *write_frames(void *arg)
{
	struct exec *exec = arg;
	own_text struct text frame = { 0 };
	enum stream stream;

	while (!exec->broken && read_frame(exec->frames[0], &stream, &frame)) {
		int fd = stream == STREAM_ERRORS ? STDERR_FILENO : STDOUT_FILENO;

		if (stream == STREAM_END)
			exec->status = atoi(text_get(&frame));
		else if (!write_all(fd, frame.bytes, frame.length))
			exec->broken = errno;
	}
	close(take_fd(exec->frames[0])); /* the download ends then, if it has not */
	return NULL;
}

/* --- what it reads -------------------------------------------------------------------- */

static bool go_on(void *arg, uint64_t bytes)
{
	struct exec *exec = arg;

	(void)bytes;
	return !exec->over;
}

/*
 * A failure is not told: the command has ended, or the daemon has, and then the
 * download says so.
 */
static void *send_input(void *arg)
{
	struct exec *exec = arg;
	const struct fl_stream stream = { STDIN_FILENO, -1, go_on, exec };
	own(fl_answer_done) struct fl_answer answer = { 0 };
	own_free char *target = fl_target("/v1/system/exec/input", "id", exec->id, NULL);
	struct fl_client *client = NULL;
	struct fl_error unused;

	if (target && talk_connect_again(exec->in, &client, &unused) == 0)
		(void)!fl_client_upload(client, "POST", target, "application/octet-stream", &stream,
					&answer, &unused);
	fl_client_close(client);
	return NULL;
}

/* --- the terminal ---------------------------------------------------------------------- */

static void watched_signals(sigset_t *ret)
{
	static const int numbers[] = { SIGWINCH, SIGTERM, SIGHUP, SIGINT, SIGQUIT };

	sigemptyset(ret);
	for (size_t i = 0; i < array_size(numbers); i++)
		sigaddset(ret, numbers[i]);
}

static void put_size(struct body *body)
{
	struct terminal_size size = terminal_size(STDIN_FILENO);

	body_int(body, "rows", size.rows);
	body_int(body, "columns", size.columns);
}

/* Of the next size the daemon is told too, should this one be lost. */
static void tell_size(const struct exec *exec, struct fl_client **client)
{
	own(fl_answer_done) struct fl_answer answer = { 0 };
	own_body struct body *body = body_new();
	struct fl_error unused;

	body_string(body, "id", exec->id);
	put_size(body);
	if (*client || talk_connect_again(exec->in, client, &unused) == 0)
		(void)!fl_client_call(*client, "POST", "/v1/system/exec/size", body_finish(body),
				      &answer, &unused);
}

/* Ends as the signal would have ended this program at once. */
static _Noreturn void end_by(const struct exec *exec, int number)
{
	sigset_t set;

	terminal_restore(STDIN_FILENO, &exec->before);
	signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	raise(number);
	_exit(128 + number);
}

static void *watch_signals(void *arg)
{
	struct exec *exec = arg;
	struct fl_client *client = NULL;
	sigset_t set;
	int number;

	watched_signals(&set);
	while (sigwait(&set, &number) == 0 && !exec->over) {
		if (number != SIGWINCH)
			end_by(exec, number);
		tell_size(exec, &client);
	}
	fl_client_close(client);
	return NULL;
}

/* --- all of it ------------------------------------------------------------------------- */

static int start(struct exec *exec, struct fl_error *err)
{
	const struct invocation *in = exec->in;
	own_free struct value *answer = NULL;
	own_body struct body *body = body_new();

	body_string(body, "ref", in->operands[0]);
	body_array(body, "command");
	for (size_t i = 1; i < in->operand_count; i++)
		body_string(body, NULL, in->operands[i]);
	body_end(body);
	put_option(body, in, OPT_USER, "user");
	if (option_given(in, OPT_INTERACTIVE))
		body_true(body, "input");
	if (option_given(in, OPT_TTY)) {
		body_true(body, "terminal");
		put_size(body);
	}
	if (talk(exec->in, "POST", "/v1/system/exec", NULL, body, &answer, err) < 0)
		return fl_failed(err);
	snprintf(exec->id, sizeof(exec->id), "%s", field(answer, "id"));
	return 0;
}

static int take_terminal(struct exec *exec, struct fl_error *err)
{
	const struct invocation *in = exec->in;
	sigset_t set;

	if (!option_given(in, OPT_TTY) || !option_given(in, OPT_INTERACTIVE))
		return 0;
	watched_signals(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (terminal_make_raw(STDIN_FILENO, &exec->before, err) < 0)
		return fl_failed(err);
	exec->watches = true;
	if (thread_start(&exec->watcher, 0, watch_signals, exec, err) < 0) {
		exec->watches = false;
		terminal_restore(STDIN_FILENO, &exec->before);
		return fl_failed(err);
	}
	return 0;
}

static void give_terminal_back(struct exec *exec)
{
	exec->over = true;
	if (!exec->watches)
		return;
	terminal_restore(STDIN_FILENO, &exec->before);
	pthread_kill(exec->watcher, SIGWINCH);
	pthread_join(exec->watcher, NULL);
}

static int download(struct exec *exec, struct fl_error *err)
{
	const struct fl_stream stream = { .fd = exec->frames[1], .length = -1 };
	own_free char *target = fl_target("/v1/system/exec/output", "id", exec->id, NULL);

	if (!target)
		return fl_fail(err, FL_SYSTEM, "no memory for a request");
	return fl_client_download(exec->in->client, target, &stream, err);
}

/* The terminal first: whatever thread is started later has the signals blocked. */
static int follow(struct exec *exec, struct fl_error *err)
{
	bool wanted = option_given(exec->in, OPT_INTERACTIVE);
	bool writes = false;
	int r = take_terminal(exec, err);

	if (r == 0)
		r = thread_start(&exec->writer, 0, write_frames, exec, err);
	writes = r == 0;
	if (r == 0 && wanted)
		r = thread_start(&exec->reader, 0, send_input, exec, err);
	exec->reads = r == 0 && wanted;
	if (r == 0)
		r = download(exec, err);
	close(take_fd(exec->frames[1]));
	if (writes)
		pthread_join(exec->writer, NULL);
	give_terminal_back(exec);
	if (exec->reads)
		pthread_join(exec->reader, NULL);
	return r;
}

/* What came of it, in this order: ours, its own, what the daemon says. */
static int settle(struct exec *exec, int r, struct fl_error *err)
{
	if (exec->broken == EPIPE) {
		signal(SIGPIPE, SIG_DFL);
		raise(SIGPIPE);
	}
	if (exec->broken) {
		errno = exec->broken;
		return fl_fail_errno(err, "writing the output");
	}
	if (exec->status >= 0) {
		exec->in->status = exec->status;
		return 0;
	}
	if (r < 0 && err->code != FL_CORRUPT)
		return fl_failed(err);
	return fl_fail(err, FL_UNREACHABLE, "the daemon has ended, and the command with it");
}

static int check_words(const struct invocation *in, struct fl_error *err)
{
	own_ref struct ref ref = { 0 };

	if (take_ref(in->operands[0], &ref, err) < 0)
		return fl_failed(err);
	if (option_given(in, OPT_TTY) && !isatty(STDIN_FILENO)) {
		fl_fail(err, FL_INVALID, "--tty: standard input is no terminal");
		return fl_hint(err, "leave it out where no person types");
	}
	return 0;
}

int verb_system_exec(struct invocation *in, struct fl_error *err)
{
	struct exec exec = { .in = in, .status = -1, .frames = { -1, -1 } };
	int r;

	if (check_words(in, err) < 0 || start(&exec, err) < 0)
		return fl_failed(err);
	if (pipe2(exec.frames, O_CLOEXEC) < 0)
		return fl_fail_errno(err, "cannot make a pipe");
	signal(SIGPIPE, SIG_IGN); /* the terminal comes first */
	r = follow(&exec, err);
	own_fdp(&exec.frames[0]);
	own_fdp(&exec.frames[1]);
	return settle(&exec, r, err);
}
