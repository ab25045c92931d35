/*
 * Each direction has a thread that blocks where there is nothing to do, so neither can
 * hold up the other.  Bytes go through a pipe of the direction's own by splice(2), which moves
 * pages between a socket and a pipe without copying them; where one end is something else, a
 * terminal say, they are read and written.
 *
 * The flags of the standard streams are left alone, for others may share them: one that does not
 * block is waited for with poll(2).
 */

#include "volume/carry.h"

#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/thread.h"

#define PIPE_SIZE (1024 * 1024)
#define COPY_SIZE 65536 /* no more than any pipe holds */

struct flow {
	int from, to;
	int pipe[2];
	bool copies_in, copies_out; /* splice(2) is not for these ends */
};

/* --- one step ----------------------------------------------------------------------- */

/* After EAGAIN; whatever poll(2) finds, the next call tells. */
static void wait_for(int fd, short events)
{
	struct pollfd polled = { .fd = fd, .events = events };

	(void)TEMP_FAILURE_RETRY(poll(&polled, 1, -1));
}

static bool would_block(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static ssize_t copy(int from, int to, size_t most)
{
	char bytes[COPY_SIZE];
	ssize_t got = read(from, bytes, most < sizeof(bytes) ? most : sizeof(bytes));

	for (ssize_t done = 0; done < got;) {
		ssize_t n = write(to, bytes + done, (size_t)(got - done));

		if (would_block(n))
			wait_for(to, POLLOUT);
		else if (n < 0)
			return n;
		else
			done += n;
	}
	return got;
}

static ssize_t move(int from, int to, size_t most, bool *copies)
{
	if (!*copies) {
		ssize_t n = splice(from, NULL, to, NULL, most, SPLICE_F_MOVE);

		if (n >= 0 || errno != EINVAL)
			return n;
		*copies = true;
	}
	return copy(from, to, most);
}

/* --- one direction ------------------------------------------------------------------ */

/* Bytes that are in the pipe now; 0: the end. */
static ssize_t fill(struct flow *flow)
{
	ssize_t n;

	while (would_block(n = move(flow->from, flow->pipe[1], PIPE_SIZE, &flow->copies_in)))
		wait_for(flow->from, POLLIN);
	return n;
}

static ssize_t drain(struct flow *flow, ssize_t left)
{
	while (left > 0) {
		ssize_t n = move(flow->pipe[0], flow->to, (size_t)left, &flow->copies_out);

		if (would_block(n))
			wait_for(flow->to, POLLOUT);
		else if (n <= 0)
			return -1;
		else
			left -= n;
	}
	return 0;
}

/* To the end; false: what is written to is gone.  What can no longer be read has ended. */
static bool run(struct flow *flow)
{
	ssize_t n;

	while ((n = fill(flow)) > 0)
		if (drain(flow, n) < 0)
			return false;
	return true;
}

static int flow_init(struct flow *flow, int from, int to, struct fl_error *err)
{
	*flow = (struct flow){ .from = from, .to = to };
	if (pipe2(flow->pipe, O_CLOEXEC) < 0)
		return fl_fail_errno(err, "cannot make a pipe");
	/* A user may have used up what is his: it goes on with less. */
	(void)fcntl(flow->pipe[1], F_SETPIPE_SZ, PIPE_SIZE);
	return 0;
}

/* --- both --------------------------------------------------------------------------- */

/* Static: the thread may outlive carry(). */
static struct flow upward, downward;
static int upward_ended; /* an eventfd */

static void *run_upward(void *arg)
{
	(void)run(&upward);
	(void)shutdown(upward.to, SHUT_WR);
	(void)eventfd_write(upward_ended, 1);
	return NULL;
}

/* Only a shutdown tells the other end of a socket, which may be standard input as well. */
static void end_output(int socket)
{
	if (shutdown(STDOUT_FILENO, SHUT_WR) < 0)
		dup2(socket, STDOUT_FILENO);
}

/* For the rest of standard input; there is none to wait for when nobody is to get it. */
static void wait_for_upward(int socket)
{
	struct pollfd polled[] = { { .fd = socket }, { .fd = upward_ended, .events = POLLIN } };

	(void)TEMP_FAILURE_RETRY(poll(polled, array_size(polled), -1));
}

int carry(int socket, struct fl_error *err)
{
	pthread_t thread;

	upward_ended = eventfd(0, EFD_CLOEXEC);
	if (upward_ended < 0)
		return fl_fail_errno(err, "cannot make an event descriptor");
	if (flow_init(&upward, STDIN_FILENO, socket, err) < 0 ||
	    flow_init(&downward, socket, STDOUT_FILENO, err) < 0 ||
	    thread_start(&thread, 0, run_upward, NULL, err) < 0)
		return fl_failed(err);
	pthread_detach(thread);
	if (!run(&downward))
		return fl_fail(err, FL_UNREACHABLE, "nobody reads what the daemon says");
	end_output(socket);
	wait_for_upward(socket);
	return 0;
}
