/*
 * libmicrohttpd has a limit of its own, but with a thread per connection it goes
 * on accepting beyond it and closes what it accepted, which a client can't tell
 * from a daemon that died.  So its limit is never reached: connections are
 * accepted here, and handed to it while there is room.
 */

#include "http/door.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/text.h"
#include "base/thread.h"

#define REST 100 /* ms, when the system has no more descriptors or memory */

struct door {
	int listen_fd, wake_fd;
	unsigned limit;
	bool (*take)(void *arg, int fd);
	void (*full)(void *arg);
	void *arg; /* of both */
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t room;
	unsigned taken; /* under mutex, as is `stopping` */
	bool stopping;
	bool short_of; /* its thread's alone: the last connection could not be accepted */
};

/* False: for a second there was none. */
static bool has_room(struct door *door)
{
	struct timespec until;
	own_lock(guard, &door->mutex);

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec++;
	while (!door->stopping && door->taken >= door->limit)
		if (pthread_cond_clockwait(&door->room, &door->mutex, CLOCK_MONOTONIC, &until) ==
		    ETIMEDOUT)
			return false;
	return true;
}

static bool wait_for_room(struct door *door)
{
	while (!has_room(door))
		door->full(door->arg);
	own_lock(guard, &door->mutex);

	return !door->stopping;
}

/* Waits for a client or, without that, a while; false when the door is stopped. */
static bool wait_for_client(const struct door *door)
{
	struct pollfd fds[] = {
		{ .fd = door->wake_fd, .events = POLLIN },
		{ .fd = door->short_of ? -1 : door->listen_fd, .events = POLLIN },
	};

	while (poll(fds, array_size(fds), door->short_of ? REST : -1) < 0 && errno == EINTR)
		;
	return fds[0].revents == 0;
}

/* The client is still in the backlog, and gets its turn when there is something free again. */
static void note_shortage(struct door *door, bool short_of)
{
	if (short_of && !door->short_of)
		log_warning("connections wait, as none can be accepted", "error=\"%s\"",
			    strerrordesc_np(errno));
	door->short_of = short_of;
}

static void accept_one(struct door *door)
{
	int fd = accept4(door->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	note_shortage(door, fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
				       errno == ENOBUFS));
	if (fd < 0)
		return;
	pthread_mutex_lock(&door->mutex);
	door->taken++;
	pthread_mutex_unlock(&door->mutex);
	if (!door->take(door->arg, fd))
		door_leave(door);
}

static void *run(void *arg)
{
	struct door *door = arg;

	while (wait_for_room(door) && wait_for_client(door))
		accept_one(door);
	return NULL;
}

struct door *door_new(unsigned limit, bool (*take)(void *arg, int fd), void (*full)(void *arg),
		      void *arg)
{
	struct door *door = xcalloc(1, sizeof(*door));

	door->wake_fd = -1;
	door->limit = limit;
	door->take = take;
	door->full = full;
	door->arg = arg;
	pthread_mutex_init(&door->mutex, NULL);
	pthread_cond_init(&door->room, NULL);
	return door;
}

int door_open(struct door *door, int listen_fd, struct fl_error *err)
{
	int flags = fcntl(listen_fd, F_GETFL);

	/* A client may be gone between poll() and accept(). */
	if (flags < 0 || fcntl(listen_fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return fl_fail_errno(err, "the listening socket");
	door->listen_fd = listen_fd;
	door->wake_fd = eventfd(0, EFD_CLOEXEC);
	if (door->wake_fd < 0)
		return fl_fail_errno(err, "making an eventfd");
	return thread_start(&door->thread, THREAD_STACK, run, door, err);
}

void door_leave(struct door *door)
{
	own_lock(guard, &door->mutex);

	door->taken--;
	pthread_cond_signal(&door->room);
}

void door_stop(struct door *door)
{
	pthread_mutex_lock(&door->mutex);
	door->stopping = true;
	pthread_cond_signal(&door->room);
	pthread_mutex_unlock(&door->mutex);
	(void)eventfd_write(door->wake_fd, 1);
	pthread_join(door->thread, NULL);
}

void door_free(struct door *door)
{
	own_fdp(&door->wake_fd);
	pthread_cond_destroy(&door->room);
	pthread_mutex_destroy(&door->mutex);
	free(door);
}
