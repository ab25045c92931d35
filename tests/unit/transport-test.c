#include "base/transport.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/text.h"
#include "tests/check.h"
#include "tests/unit/two-ends.h"

/* Two ends that talk to each other, over a socket or two pipes. */
static void make_pair(bool socket, struct transport *ends[static 2])
{
	struct fl_error err;
	int to[2], from[2];

	if (socket) {
		check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, to) == 0);
		check_ok(transport_descriptors(to[0], to[0], "b", &ends[0], &err));
		check_ok(transport_descriptors(to[1], to[1], "a", &ends[1], &err));
		return;
	}
	check(pipe2(to, O_CLOEXEC) == 0 && pipe2(from, O_CLOEXEC) == 0);
	check_ok(transport_descriptors(from[0], to[1], "b", &ends[0], &err));
	check_ok(transport_descriptors(to[0], from[1], "a", &ends[1], &err));
}

static void free_pair(struct transport *ends[static 2])
{
	transport_free(ends[0]);
	transport_free(ends[1]);
}

/* Everything at the same time: both write more than any buffer holds, and read it. */
static void bytes_go_both_ways_at_once(void)
{
	struct transport *ends[2];

	for (int socket = 0; socket < 2; socket++) {
		make_pair(socket, ends);
		ends_talk_both_ways(ends, NULL);
		free_pair(ends);
	}
}

static void shutting_wakes_who_reads_and_writes(void)
{
	struct transport *ends[2];

	for (int socket = 0; socket < 2; socket++) {
		make_pair(socket, ends);
		ends_wake_when_shut(ends);
		free_pair(ends);
	}
}

static void an_end_is_seen_and_a_cut_is_told(void)
{
	struct transport *ends[2];
	struct fl_error err;

	for (int socket = 0; socket < 2; socket++) {
		make_pair(socket, ends);
		ends_finish_one_way(ends);
		transport_free(take_ptr(ends[0]));
		check_code(FL_UNREACHABLE, transport_write(ends[1], "gone", 4, &err));
		check(err.sys == EPIPE && strstr(err.text, "writing to a"));
		transport_free(ends[1]);
	}
	transport_free(NULL);
}

static void flags_of_descriptors_stay_as_they_are(void)
{
	struct transport *ends[2];
	int pair[2];
	struct fl_error err;

	check(pipe2(pair, O_CLOEXEC) == 0);
	check_ok(transport_descriptors(pair[0], pair[1], "x", &ends[0], &err));
	check(!(fcntl(pair[0], F_GETFL) & O_NONBLOCK) && !(fcntl(pair[1], F_GETFL) & O_NONBLOCK));
	check_string("descriptors", ends[0]->type->name);
	transport_free(ends[0]);
	check(fcntl(pair[0], F_GETFD) < 0 && fcntl(pair[1], F_GETFD) < 0);
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	return check_main(argc, argv,
			  (struct check[]){ CHECK(bytes_go_both_ways_at_once),
					    CHECK(shutting_wakes_who_reads_and_writes),
					    CHECK(an_end_is_seen_and_a_cut_is_told),
					    CHECK(flags_of_descriptors_stay_as_they_are),
					    CHECK_END });
}
