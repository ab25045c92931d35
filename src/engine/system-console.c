/*
 * Reading a console.
 *
 * It is kept in two files, of which the keeper makes the newer the older now and then
 * (keeper/files.h), and it goes on while it is read.  A thread joins them into one stream; it
 * ends with the stream, when nobody reads it any more, and with the engine.
 */

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>

#include "base/fsat.h"
#include "base/text.h"
#include "engine/systems.h"

struct reader {
	struct systems *systems;
	int state;   /* the directory */
	int out;     /* our end of the stream */
	int old;     /* the older file, which is read first; -1: there is none */
	int log;     /* what is being read */
	int changes; /* inotify; -1: it is not followed */
};

static void reader_free(struct reader *reader)
{
	if (!reader)
		return;
	own_fdp(&reader->state);
	own_fdp(&reader->out);
	own_fdp(&reader->old);
	own_fdp(&reader->log);
	own_fdp(&reader->changes);
	free(reader);
}
OWN_FREEP(reader, reader_free)

/* Until one of them is ready; false: the engine ends, or nobody reads any more. */
static bool wait_for(const struct reader *reader, short out_events, int changes)
{
	struct pollfd fds[] = {
		{ .fd = reader->systems->stopping, .events = POLLIN },
		{ .fd = reader->out, .events = out_events },
		{ .fd = changes, .events = POLLIN },
	};

	while (poll(fds, array_size(fds), -1) < 0 && errno == EINTR)
		;
	return !fds[0].revents && !(fds[1].revents & (POLLERR | POLLHUP));
}

static bool send_all(const struct reader *reader, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = send(reader->out, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		if (n < 0 && !wait_for(reader, POLLOUT, -1))
			return false;
		if (n > 0) {
			bytes += n;
			length -= (size_t)n;
		}
	}
	return true;
}

/* To its present end. */
static bool copy(const struct reader *reader, int log)
{
	char bytes[16 * 1024];
	ssize_t n;

	while ((n = TEMP_FAILURE_RETRY(read(log, bytes, sizeof(bytes)))) > 0)
		if (!send_all(reader, bytes, (size_t)n))
			return false;
	return n == 0;
}

/* Has the keeper begun another file?  Then what is left of this one is read, and that begun. */
static bool turn_over(struct reader *reader)
{
	struct fl_error missing;
	struct stat old, new;
	own_fd int log = -1;

	if (fsat_open(reader->state, KEEPER_LOG_FILE, O_RDONLY, 0, &log, &missing) < 0 ||
	    fstat(log, &new) < 0 || fstat(reader->log, &old) < 0 ||
	    (old.st_ino == new.st_ino &&old.st_dev == new.st_dev))
		return true;
	if (!copy(reader, reader->log))
		return false;
	own_fdp(&reader->log);
	reader->log = take_fd(log);
	return copy(reader, reader->log);
}

/* Somebody may still write to what was removed; nobody is told of that. */
static bool is_removed(const struct reader *reader)
{
	struct stat st;

	return fstat(reader->state, &st) < 0 || st.st_nlink == 0;
}

static void follow(struct reader *reader)
{
	char events[4096];

	/* What was written before the watch was made is there; what comes later is told. */
	while (copy(reader, reader->log) && turn_over(reader)) {
		if (is_removed(reader) || !wait_for(reader, 0, reader->changes))
			return;
		(void)!read(reader->changes, events, sizeof(events));
	}
}

static void *run_reader(void *arg)
{
	own(reader_freep) struct reader *reader = arg;
	struct systems *systems = reader->systems;

	if (reader->old < 0 || copy(reader, reader->old)) {
		if (reader->changes >= 0)
			follow(reader);
		else
			(void)!copy(reader, reader->log);
	}
	reader_free(take_ptr(reader));
	systems_thread_ends(systems, SYSTEMS_READER);
	return NULL;
}

/* --- where to begin ------------------------------------------------------------------------- */

/* The older file, unless it is the newer one by now. */
static void open_old(struct reader *reader)
{
	struct fl_error missing;
	struct stat old, new;
	own_fd int fd = -1;

	if (fsat_open(reader->state, KEEPER_LOG_OLD, O_RDONLY, 0, &fd, &missing) == 0 &&
	    fstat(fd, &old) == 0 && fstat(reader->log, &new) == 0 && old.st_ino != new.st_ino)
		reader->old = take_fd(fd);
}

static uint64_t size_of(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* The last `tail` bytes of both. */
static void seek_tail(const struct reader *reader, uint64_t tail)
{
	uint64_t newer = size_of(reader->log), older = size_of(reader->old);
	uint64_t of_newer = tail < newer ? tail : newer, of_older = tail - of_newer;

	if (tail == 0 || of_older > older)
		return;
	lseek(reader->log, (off_t)(newer - of_newer), SEEK_SET);
	if (reader->old >= 0)
		lseek(reader->old, (off_t)(older - of_older), SEEK_SET);
}

/* Before anything is read, so that nothing is missed. */
static int watch(struct reader *reader, struct fl_error *err)
{
	char path[64], above[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", reader->state);
	snprintf(above, sizeof(above), "/proc/self/fd/%d/..", reader->state);
	reader->changes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	/* That a directory is removed is told where it was, as long as somebody has it open. */
	if (reader->changes < 0 ||
	    inotify_add_watch(reader->changes, path, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0 ||
	    inotify_add_watch(reader->changes, above, IN_DELETE) < 0)
		return fl_fail_errno(err, "cannot follow a console");
	return 0;
}

static int open_reader(struct engine *engine, const struct uuid *branch, bool follows,
		       struct reader *reader, struct fl_error *err)
{
	if (runtime_open_state(&engine->systems->places, branch, &reader->state, err) < 0 ||
	    (follows && watch(reader, err) < 0))
		return fl_failed(err);
	/* It may not have said anything yet. */
	if (fsat_open(reader->state, KEEPER_LOG_FILE, O_RDONLY | O_CREAT, 0600, &reader->log, err) <
	    0)
		return fl_failed(err);
	open_old(reader);
	return 0;
}

static int start_reader(struct reader *reader, int *ret_fd, struct fl_error *err)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return fl_fail_errno(err, "cannot make a stream");
	reader->out = ends[0];
	if (!systems_thread(reader->systems, SYSTEMS_READER, run_reader, reader)) {
		close(ends[1]);
		return fl_fail(err, FL_BUSY, "too many read consoles at once");
	}
	*ret_fd = ends[1];
	return 0;
}

int engine_system_console(struct engine *engine, const struct ref *ref, uint64_t tail, bool follows,
			  int *ret_fd, struct fl_error *err)
{
	own(reader_freep) struct reader *reader = NULL;
	own_system_report struct system_report report = { 0 };
	struct uuid branch;

	if (engine_system_show(engine, ref, &report, err) < 0 ||
	    system_resolve(engine, ref, &branch, err) < 0)
		return fl_failed(err);
	if (!engine->systems)
		return fl_fail(err, FL_UNSUPPORTED, "this engine runs no systems");
	reader = xcalloc(1, sizeof(*reader));
	*reader = (struct reader){ engine->systems, -1, -1, -1, -1, -1 };
	if (open_reader(engine, &branch, follows, reader, err) < 0)
		return fl_failed(err);
	seek_tail(reader, tail);
	if (start_reader(reader, ret_fd, err) < 0)
		return fl_failed(err);
	(void)take_ptr(reader); /* the thread's */
	return 0;
}
