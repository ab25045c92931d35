#include "container/session.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>

#include "base/text.h"
#include "tests/check.h"

static struct fl_error err;

#define SHELL(script)                         \
	(const char *const[])                 \
	{                                     \
		"/bin/sh", "-c", script, NULL \
	}

static struct session *start(const char *const argv[], bool terminal, bool input)
{
	const struct session_options options = {
		.argv = argv,
		.terminal = terminal,
		.input = input,
		.size = { 24, 80 },
	};
	struct session *session;

	check_ok(session_start(&options, &session, &err));
	return session;
}

static bool read_all(int fd, char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = read(fd, bytes, length);

		if (n <= 0)
			return false;
		bytes += n;
		length -= (size_t)n;
	}
	return true;
}

/* One of the output. */
static void read_frame(int fd, struct text *text)
{
	char head[8], bytes[256];

	check(read_all(fd, head, sizeof(head)) && head[0] == SESSION_OUTPUT && !head[6]);
	check(read_all(fd, bytes, (uint8_t)head[7]));
	text_add(text, bytes, (uint8_t)head[7]);
}

/* Reads to the end; what each stream said. */
static void read_frames(int fd, struct text streams[static SESSION_END + 1])
{
	char head[8], bytes[65536];
	uint32_t length;

	while (read_all(fd, head, sizeof(head))) {
		memcpy(&length, head + 4, sizeof(length));
		length = ntohl(length);
		check(head[0] >= SESSION_OUTPUT && head[0] <= SESSION_END);
		check(!head[1] && !head[2] && !head[3]);
		check(length > 0 && length <= sizeof(bytes) && read_all(fd, bytes, length));
		check(streams[SESSION_END].length == 0); /* which is the last */
		text_add(&streams[(int)head[0]], bytes, length);
	}
}

static void streams_done(struct text streams[])
{
	for (int i = 0; i <= SESSION_END; i++)
		text_done(&streams[i]);
}

#define own_streams own(streams_freep)
struct streams {
	struct text of[SESSION_END + 1];
};

static void streams_freep(struct streams *streams)
{
	streams_done(streams->of);
}

static void both_streams_and_the_end_are_told(void)
{
	own_streams struct streams streams = { 0 };
	own_session struct session *session = start(SHELL("echo one; echo two >&2; exit 7"), false,
						    false);
	own_fd int fd = -1;

	check_ok(session_attach(session, &fd, &err));
	read_frames(fd, streams.of);
	check_string("one\n", text_get(&streams.of[SESSION_OUTPUT]));
	check_string("two\n", text_get(&streams.of[SESSION_ERRORS]));
	check_string("7", text_get(&streams.of[SESSION_END]));
	check(session_is_done(session));
}

static void a_signal_is_a_status_too(void)
{
	own_streams struct streams streams = { 0 };
	own_session struct session *session = start(SHELL("kill -TERM $$"), false, false);
	own_fd int fd = -1;

	check_ok(session_attach(session, &fd, &err));
	read_frames(fd, streams.of);
	check_string("143", text_get(&streams.of[SESSION_END]));
}

static void what_is_missing_is_told_at_once(void)
{
	const char *const argv[] = { "/nonexistent/program", NULL };
	const struct session_options options = { .argv = argv };
	struct session *session;

	check_code(FL_NOT_FOUND, session_start(&options, &session, &err));
	check(strstr(err.text, "/nonexistent/program"));
}

static void a_runtime_that_fails_is_put_in_our_words(void)
{
	static const char script[] = "echo '{\"level\":\"error\",\"msg\":\"no place\"}' >&3; "
				     "echo level=error >&2; exit 255";
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };

	for (int terminal = 0; terminal < 2; terminal++) {
		const struct session_options options = {
			.argv = argv,
			.program = "tool",
			.place = "a place",
			.terminal = terminal,
		};
		own_streams struct streams streams = { 0 };
		own_session struct session *session = NULL;
		own_fd int fd = -1;

		check_ok(session_start(&options, &session, &err));
		check_ok(session_attach(session, &fd, &err));
		read_frames(fd, streams.of);
		check_string(terminal ? "flocker: 'tool' can't be run in a place: no place\r\n"
				      : "",
			     text_get(&streams.of[SESSION_OUTPUT]));
		check_string(terminal ? "" : "flocker: 'tool' can't be run in a place: no place\n",
			     text_get(&streams.of[SESSION_ERRORS]));
		check_string("126", text_get(&streams.of[SESSION_END]));
	}
}

static void a_lot_arrives_whole(void)
{
	own_streams struct streams streams = { 0 };
	own_session struct session *session = start(SHELL("head -c 3000000 /dev/zero; echo end"),
						    false, false);
	own_fd int fd = -1;

	check_ok(session_attach(session, &fd, &err));
	read_frames(fd, streams.of);
	check(streams.of[SESSION_OUTPUT].length == 3000004);
	check_string("0", text_get(&streams.of[SESSION_END]));
}

/* The program has ended long before the reader takes what is left in its pipe. */
static void a_slow_reader_gets_all_of_it(void)
{
	own_streams struct streams streams = { 0 };
	own_session struct session *session = start(SHELL("head -c 110000 /dev/zero; echo end"),
						    false, false);
	own_fd int fd = -1;

	check_ok(session_attach(session, &fd, &err));
	poll(NULL, 0, 2000);
	read_frames(fd, streams.of);
	check(streams.of[SESSION_OUTPUT].length == 110004);
	check_string("0", text_get(&streams.of[SESSION_END]));
}

/* Who outlives the program, and never stops talking, keeps nobody. */
static void an_orphan_that_talks_does_not_hold_it_up(void)
{
	own_streams struct streams streams = { 0 };
	own_session struct session *session = start(SHELL("yes & echo begun"), false, false);
	own_fd int fd = -1;

	check_ok(session_attach(session, &fd, &err));
	read_frames(fd, streams.of);
	check_string("0", text_get(&streams.of[SESSION_END]));
}

static void what_is_written_to_it_is_read(void)
{
	own_streams struct streams streams = { 0 };
	own_session struct session *session = start(SHELL("cat; echo over"), false, true);
	own_fd int fd = -1;
	int ends[2];

	check_ok(session_attach(session, &fd, &err));
	check(pipe2(ends, O_CLOEXEC) == 0);
	check(write(ends[1], "words\n", 6) == 6);
	close(ends[1]);
	check_ok(session_feed(session, ends[0], &err));
	close(ends[0]);
	read_frames(fd, streams.of);
	check_string("words\nover\n", text_get(&streams.of[SESSION_OUTPUT]));
	check_code(FL_BUSY, session_feed(session, fd, &err));
}

static void feeding_ends_with_the_program(void)
{
	own_session struct session *session = start(SHELL("read line"), false, true);
	own_fd int fd = -1;
	int ends[2];

	check_ok(session_attach(session, &fd, &err));
	check(pipe2(ends, O_CLOEXEC) == 0);
	check(write(ends[1], "line\n", 5) == 5);
	check_ok(session_feed(session, ends[0], &err)); /* whose other end stays open */
	close(ends[0]);
	close(ends[1]);
}

static void without_input_there_is_nothing_to_read(void)
{
	own_streams struct streams streams = { 0 };
	own_session struct session *session = start(SHELL("cat; echo over"), false, false);
	own_fd int fd = -1;

	check_code(FL_INVALID, session_feed(session, STDIN_FILENO, &err));
	check_ok(session_attach(session, &fd, &err));
	read_frames(fd, streams.of);
	check_string("over\n", text_get(&streams.of[SESSION_OUTPUT]));
}

static void there_is_one_reader(void)
{
	own_session struct session *session = start(SHELL("sleep 600"), false, false);
	own_fd int fd = -1;
	int other;

	check_ok(session_attach(session, &fd, &err));
	check_code(FL_BUSY, session_attach(session, &other, &err));
}

static void a_terminal_has_a_size_and_one_output(void)
{
	static const struct terminal_size size = { 50, 132 };
	own_streams struct streams streams = { 0 };
	own_session struct session *session = start(
		SHELL("trap 'stty size; exit 3' WINCH; test -t 0 && test -t 2 && stty size >&2;"
		      "while :; do sleep 0.1; done"),
		true, true);
	own_text struct text first = { 0 };
	own_fd int fd = -1;

	check_ok(session_attach(session, &fd, &err));
	while (first.length < strlen("24 80\r\n")) /* a terminal may give a line in pieces */
		read_frame(fd, &first);
	check_string("24 80\r\n", text_get(&first));
	check_ok(session_resize(session, &size, &err));
	read_frames(fd, streams.of);
	check_string("50 132\r\n", text_get(&streams.of[SESSION_OUTPUT]));
	check_string("3", text_get(&streams.of[SESSION_END]));
	check_ok(session_resize(session, &size, &err));
}

static void only_terminals_have_a_size(void)
{
	static const struct terminal_size size = { 50, 132 };
	own_session struct session *session = start(SHELL("sleep 600"), false, false);

	check_code(FL_INVALID, session_resize(session, &size, &err));
}

/* The program, and a child that it waits for, hear SIGHUP or are killed; both hold the pipe. */
static void it_ends_with_its_reader(void)
{
	static const char *const scripts[] = {
		"echo; exec sleep 600",
		"echo; exec yes",
		"trap '' HUP; sh -c 'echo; sleep 600; sleep 600'; sleep 600",
	};

	for (size_t i = 0; i < array_size(scripts); i++) {
		char script[200], frame[8 + 1];
		struct session *session;
		struct pollfd alive = { .events = POLLIN };
		int ends[2], fd;

		/* Whoever lives holds a copy of the pipe's end. */
		check(pipe2(ends, 0) == 0);
		snprintf(script, sizeof(script), "exec 3>/proc/%d/fd/%d; %s", getpid(), ends[1],
			 scripts[i]);
		session = start(SHELL(script), false, false);
		check_ok(session_attach(session, &fd, &err));
		check(read_all(fd, frame, sizeof(frame)));
		close(fd);
		session_free(session);
		close(ends[1]);
		alive.fd = ends[0];
		check(poll(&alive, 1, 60000) == 1 && alive.revents & POLLHUP);
		close(ends[0]);
	}
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(both_streams_and_the_end_are_told),
				  CHECK(a_signal_is_a_status_too),
				  CHECK(what_is_missing_is_told_at_once),
				  CHECK(a_runtime_that_fails_is_put_in_our_words),
				  CHECK(a_lot_arrives_whole),
				  CHECK(a_slow_reader_gets_all_of_it),
				  CHECK(an_orphan_that_talks_does_not_hold_it_up),
				  CHECK(what_is_written_to_it_is_read),
				  CHECK(feeding_ends_with_the_program),
				  CHECK(without_input_there_is_nothing_to_read),
				  CHECK(there_is_one_reader),
				  CHECK(a_terminal_has_a_size_and_one_output),
				  CHECK(only_terminals_have_a_size),
				  CHECK(it_ends_with_its_reader),
				  CHECK_END,
			  });
}
