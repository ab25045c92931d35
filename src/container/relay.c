#include "container/relay.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fsat.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/uuid.h"

/*
 * What comes from the engine are frames: a byte that names the stream, three zeros, four bytes
 * of length, most significant first, and so many bytes.  A frame may come in any number of pieces.
 *
 * Engines have no call that ends such a program.  But its processes are this host's,
 * and can be told: each has in its environment the word RUN=<a UUID> that was given to the first,
 * and that nothing else has.  So nobody else is hit, also where the engine has process numbers of
 * another namespace, or where they were given to somebody else since.
 */

#define RUN "FLOCKER_RUN"
#define ENVIRON_MAX ((size_t)1 << 20)
#define POLL_STATUS 20 /* ms between two looks whether it has ended, once it is silent */
#define ROUNDS 8       /* of killing what was started meanwhile */

struct relay {
	struct docker *docker;
	struct docker_exec exec;
	int streams[3]; /* our ends; -1 once closed */
	int stop;	/* eventfd: it is given up */
	int ended;	/* eventfd: it has ended */
	char run[sizeof(RUN) + UUID_TEXT + 1];
	pthread_t thread;
	bool running; /* the thread is to be joined */

	/* The thread's own; anybody's after its end. */
	unsigned char head[8]; /* of a frame */
	size_t head_length;
	size_t left; /* bytes of the frame that are still to come */
	int status;
	struct fl_error failure; /* code FL_OK: none */
};

/* --- carrying -------------------------------------------------------------------------- */

/* What is not read is dropped, and so is what comes after its reader has gone. */
static void deliver(struct relay *relay, const char *bytes, size_t length)
{
	int stream = relay->head[0];

	if (stream <= 2 && stream >= 1 && relay->streams[stream] >= 0)
		(void)!TEMP_FAILURE_RETRY(write(relay->streams[stream], bytes, length));
}

static int fail_frame(struct fl_error *err)
{
	return fl_fail(err, FL_UNREACHABLE, "what the container engine sends is no stream");
}

static int begin_frame(struct relay *relay, struct fl_error *err)
{
	const unsigned char *head = relay->head;

	if (head[0] > 2 || head[1] || head[2] || head[3])
		return fail_frame(err);
	relay->left = (size_t)head[4] << 24 | (size_t)head[5] << 16 | (size_t)head[6] << 8 |
		      head[7];
	return 0;
}

static int take_bytes(struct relay *relay, const char *bytes, size_t length, struct fl_error *err)
{
	while (length > 0) {
		size_t n;

		if (relay->left == 0 && relay->head_length == sizeof(relay->head))
			relay->head_length = 0;
		if (relay->head_length < sizeof(relay->head)) {
			relay->head[relay->head_length++] = (unsigned char)*bytes++;
			length--;
			if (relay->head_length == sizeof(relay->head) &&
			    begin_frame(relay, err) < 0)
				return fl_failed(err);
			continue;
		}
		n = length < relay->left ? length : relay->left;
		deliver(relay, bytes, n);
		relay->left -= n;
		bytes += n;
		length -= n;
	}
	return 0;
}

/* `*ret_end`: all that it printed has come. */
static int carry_back(struct relay *relay, bool *ret_end, struct fl_error *err)
{
	char bytes[4096];
	ssize_t n = TEMP_FAILURE_RETRY(recv(relay->exec.fd, bytes, sizeof(bytes), MSG_DONTWAIT));

	*ret_end = n == 0 || (n < 0 && errno == ECONNRESET);
	if (n < 0 && errno != EAGAIN && errno != ECONNRESET)
		return fl_fail_errno(err, "reading from the container engine");
	return n > 0 ? take_bytes(relay, bytes, (size_t)n, err) : 0;
}

/* A few bytes: they fit into the connection. */
static void carry_forth(struct relay *relay)
{
	char bytes[256];
	ssize_t n = TEMP_FAILURE_RETRY(read(relay->streams[0], bytes, sizeof(bytes)));

	if (n > 0 && send(relay->exec.fd, bytes, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) == n)
		return;
	shutdown(relay->exec.fd, SHUT_WR);
	close(take_fd(relay->streams[0]));
}

static int carry(struct relay *relay, bool *ret_stopped, struct fl_error *err)
{
	bool end = false;

	while (!end) {
		struct pollfd fds[] = {
			{ .fd = relay->exec.fd, .events = POLLIN },
			{ .fd = relay->streams[0], .events = POLLIN },
			{ .fd = relay->stop, .events = POLLIN },
		};

		if (poll(fds, array_size(fds), -1) < 0)
			continue;
		*ret_stopped = fds[2].revents != 0;
		if (*ret_stopped)
			return 0;
		if (fds[1].revents)
			carry_forth(relay);
		if (fds[0].revents && carry_back(relay, &end, err) < 0)
			return fl_failed(err);
	}
	return 0;
}

/* It is silent: most likely it has ended. */
static int await_status(struct relay *relay, struct fl_error *err)
{
	struct pollfd stop = { .fd = relay->stop, .events = POLLIN };
	int r;

	do
		r = docker_exec_status(relay->docker, &relay->exec, &relay->status, err);
	while (r == -FL_BUSY && poll(&stop, 1, POLL_STATUS) == 0);
	return r;
}

static void *serve(void *arg)
{
	struct relay *relay = arg;
	bool stopped = false;
	int r = carry(relay, &stopped, &relay->failure);

	if (r == 0 && stopped)
		(void)!fl_fail(&relay->failure, FL_BUSY, "it still runs");
	for (size_t i = 0; i < array_size(relay->streams); i++)
		if (relay->streams[i] >= 0)
			close(take_fd(relay->streams[i]));
	if (r == 0 && !stopped && await_status(relay, &relay->failure) == 0)
		relay->failure = (struct fl_error){ 0 };
	(void)!eventfd_write(relay->ended, 1);
	return NULL;
}

/* --- its start ------------------------------------------------------------------------------ */

static int start_program(struct relay *relay, const struct relay_call *call, struct fl_error *err)
{
	const char **environment;
	size_t count = 0;
	int r;

	while (call->environment && call->environment[count])
		count++;
	environment = xcalloc(count + 2, sizeof(*environment));
	for (size_t i = 0; i < count; i++)
		environment[i] = call->environment[i];
	environment[count] = relay->run;
	r = docker_exec_start(relay->docker, call->container, call->argv, environment, &relay->exec,
			      err);
	free(environment);
	return r;
}

static int start_thread(struct relay *relay, struct fl_error *err)
{
	relay->running = thread_start(&relay->thread, THREAD_STACK, serve, relay, err) == 0;
	return relay->running ? 0 : fl_failed(err);
}

static void make_word(struct relay *relay)
{
	char text[UUID_TEXT];
	struct uuid uuid = uuid_new();

	snprintf(relay->run, sizeof(relay->run), RUN "=%s", uuid_format(&uuid, text));
}

int relay_start(const struct relay_call *call, int fds[static 3], struct relay **ret,
		struct fl_error *err)
{
	own_relay struct relay *relay = xcalloc(1, sizeof(*relay));

	relay->exec = (struct docker_exec)DOCKER_EXEC_NONE;
	for (size_t i = 0; i < array_size(relay->streams); i++)
		relay->streams[i] = take_fd(fds[i]);
	relay->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	relay->ended = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (relay->stop < 0 || relay->ended < 0)
		return fl_fail_errno(err, "cannot make an event descriptor");
	for (size_t i = 1; i < array_size(relay->streams); i++)
		if (fcntl(relay->streams[i], F_SETFL, O_NONBLOCK) < 0)
			return fl_fail_errno(err, "cannot use a pipe");
	relay->docker = docker_new(call->socket, call->deadline);
	make_word(relay);
	if (start_program(relay, call, err) < 0 || start_thread(relay, err) < 0)
		return fl_failed(err);
	*ret = take_ptr(relay);
	return 0;
}

/* --- its end ---------------------------------------------------------------------------------- */

int relay_end_fd(const struct relay *relay)
{
	return relay->ended;
}

struct hunt {
	const char *run;
	int proc;
	int number;
	size_t hit;
};

/* One that is gone meanwhile, or that the kernel hides, is none of ours. */
static bool has_word(const struct hunt *hunt, const char *process)
{
	own_text struct text environment = { 0 };
	char path[64];
	struct fl_error hidden;

	snprintf(path, sizeof(path), "%.32s/environ", process);
	return fsat_read(hunt->proc, path, ENVIRON_MAX, &environment, &hidden) == 0 &&
	       environment.length > 0 &&
	       memmem(environment.bytes, environment.length, hunt->run, strlen(hunt->run) + 1);
}

static int signal_one(void *arg, const char *name, unsigned char type, uint64_t inode,
		      struct fl_error *err)
{
	struct hunt *hunt = arg;
	own_fd int pidfd = -1;
	int64_t pid;

	if (!number_parse(name, &pid) || !has_word(hunt, name))
		return 0;
	pidfd = pidfd_open((pid_t)pid, 0);
	/* Still the same one, now that it is held?  Then it stays that. */
	if (pidfd < 0 || !has_word(hunt, name))
		return 0;
	if (pidfd_send_signal(pidfd, hunt->number, NULL, 0) == 0)
		hunt->hit++;
	return 0;
}

void relay_signal(struct relay *relay, int number)
{
	struct hunt hunt = { .run = relay->run, .number = number };
	struct fl_error err;
	own_fd int proc = -1;

	if (fsat_open_dir(AT_FDCWD, "/proc", &proc, &err) < 0)
		return; /* relay_wait() tells what did not end */
	hunt.proc = proc;
	/* What one of them started while the others were looked for is found in the next round. */
	for (int i = 0; i < ROUNDS; i++) {
		hunt.hit = 0;
		if (fsat_each(proc, signal_one, &hunt, &err) < 0 || hunt.hit == 0 ||
		    number != SIGKILL)
			return;
	}
}

int relay_wait(struct relay *relay, int64_t patience, int *ret_status, struct fl_error *err)
{
	struct pollfd ended = { .fd = relay->ended, .events = POLLIN };
	int64_t deadline = clock_monotonic() + patience;

	while (poll(&ended, 1, clock_milliseconds_until(deadline)) <= 0)
		if (clock_monotonic() >= deadline)
			break;
	(void)!eventfd_write(relay->stop, 1);
	pthread_join(relay->thread, NULL);
	relay->running = false;
	if (relay->failure.code != FL_OK) {
		*err = relay->failure;
		return fl_failed(err);
	}
	*ret_status = relay->status;
	return 0;
}

void relay_free(struct relay *relay)
{
	struct fl_error ignored;
	int status;

	if (!relay)
		return;
	if (relay->running)
		(void)!relay_wait(relay, 0, &status, &ignored);
	for (size_t i = 0; i < array_size(relay->streams); i++)
		own_fdp(&relay->streams[i]);
	docker_exec_done(&relay->exec);
	docker_free(relay->docker);
	own_fdp(&relay->stop);
	own_fdp(&relay->ended);
	free(relay);
}
