/*
 * A listening socket that outlives the daemon, and the requests that come over it.
 *
 * Docker takes a plugin that does not listen, or whose connection breaks, for one that
 * knows no volumes, and runs a container on an empty volume of its own instead of ours; so
 * the plugin's socket must not go with the daemon.  It is this process that listens, and
 * carries each request to the socket DAEMON, whichever daemon is there by then (relay.h).
 *
 * Each new daemon connects to the socket CONTROL, in its run directory, and asks:
 *
 *	"take PATH"	answered "here" if PATH is what is kept, and still what is found
 *			there; else as the next.  The connection stays open: at its end
 *			the daemon knows that there is nobody here any more
 *	"end"		everything is removed, then answered "gone"
 *
 * It ends by that, by a signal, or when CONTROL or the directory that it is in is
 * gone: nobody could reach it any more.
 *
 * A service manager may have made the socket at PATH already, and hand it over
 * (sd_listen_fds(3)); then it is its to remove, too.
 */

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "base/fsat.h"
#include "base/socket.h"
#include "base/text.h"
#include "keeper/relay.h"
#include "keeper/verbs.h"

#define QUESTION 256 /* bytes, with their NUL */
#define PATIENCE 5   /* seconds for whoever asks */
#define BUSY 20	     /* ms between two looks whether a relay has ended */
#define HANDED 3     /* the first descriptor from a service manager */

struct place { /* a socket's path, and the file that is ours there */
	const char *path;
	int fd;
	dev_t device;
	ino_t inode;
	bool lent; /* somebody else made it, and will remove it */
};

struct keeper {
	struct place control, kept;
	const char *daemon; /* path of the socket that requests are carried to */
	int daemon_fd;	    /* what its control connection is known by; -1: none yet */
	int watch_fd;	    /* inotify: what becomes of CONTROL */
	int signal_fd;
};

static bool is_there(const struct place *place)
{
	struct fl_error err;
	struct stat st;

	return place->fd >= 0 && fsat_stat(AT_FDCWD, place->path, &st, &err) == 0 &&
	       st.st_dev == place->device && st.st_ino == place->inode;
}

/* A file that came to its place since is somebody else's. */
static void place_remove(struct place *place)
{
	if (is_there(place) && !place->lent)
		socket_remove(place->path);
	own_fdp(&place->fd);
	place->fd = -1;
}

static void keeper_done(struct keeper *keeper)
{
	place_remove(&keeper->control);
	place_remove(&keeper->kept);
	own_fdp(&keeper->daemon_fd);
	own_fdp(&keeper->watch_fd);
	own_fdp(&keeper->signal_fd);
}

/* -1: a service manager gave us none. */
static int take_handed(const char *path)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	int64_t number;

	if (!pid || !count || !number_parse(pid, &number) || number != getpid() ||
	    !number_parse(count, &number))
		return -1;
	for (int fd = HANDED; fd < HANDED + number; fd++)
		if (socket_is_at(fd, path))
			return fd;
	return -1;
}

static int place_open(struct place *place, struct fl_error *err)
{
	struct stat st;

	place->fd = take_handed(place->path);
	place->lent = place->fd >= 0;
	if ((!place->lent && socket_listen(place->path, NULL, &place->fd, err) < 0) ||
	    fsat_stat(AT_FDCWD, place->path, &st, err) < 0)
		return fl_failed(err);
	place->device = st.st_dev;
	place->inode = st.st_ino;
	return 0;
}

/* Heap. */
static char *directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	struct text text = { 0 };

	text_add(&text, path, slash > path ? (size_t)(slash - path) : 1);
	return text_take(&text);
}

static int make_directory_of(const char *path, struct fl_error *err)
{
	own_free char *directory = directory_of(path);

	if (fsat_mkdir_parents(AT_FDCWD, directory, 0755, err) < 0)
		return fl_wrap(err, "making the directory '%s'", directory);
	return 0;
}

static int watch(struct keeper *keeper, struct fl_error *err)
{
	own_free char *directory = directory_of(keeper->control.path);

	keeper->watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (keeper->watch_fd < 0 || inotify_add_watch(keeper->watch_fd, directory,
						      IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF |
							      IN_MOVE_SELF | IN_ONLYDIR) < 0)
		return fl_fail_errno(err, "watching '%s'", directory);
	return 0;
}

static int catch_signals(struct keeper *keeper, struct fl_error *err)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	keeper->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
	return keeper->signal_fd < 0 ? fl_fail_errno(err, "making a signalfd") : 0;
}

static int keeper_open(struct keeper *keeper, struct fl_error *err)
{
	if (make_directory_of(keeper->kept.path, err) < 0 || place_open(&keeper->kept, err) < 0 ||
	    place_open(&keeper->control, err) < 0 || watch(keeper, err) < 0)
		return fl_failed(err);
	return catch_signals(keeper, err);
}

/* --- the dialogue ------------------------------------------------------------------ */

static bool may_ask(int fd)
{
	uid_t peer = socket_peer(fd);

	return peer == 0 || peer == geteuid();
}

static bool takes(const struct keeper *keeper, const char *question)
{
	return strncmp(question, "take ", 5) == 0 && strcmp(question + 5, keeper->kept.path) == 0 &&
	       is_there(&keeper->kept);
}

static bool is_known(const char *question)
{
	return strncmp(question, "take ", 5) == 0 || strcmp(question, "end") == 0;
}

/* True: there is nothing to keep any more. */
static bool answer(struct keeper *keeper, int client)
{
	own_fd int fd = client;
	char question[QUESTION];
	struct fl_error err;

	socket_set_patience(fd, PATIENCE);
	if (!may_ask(fd) || socket_receive(fd, question, sizeof(question), &err) < 0 ||
	    !is_known(question))
		return false;
	if (!takes(keeper, question)) {
		place_remove(&keeper->control);
		place_remove(&keeper->kept);
		(void)!socket_send(fd, "gone", &err);
		return true;
	}
	/* Whoever does not hear it asks again. */
	(void)!socket_send(fd, "here", &err);
	own_fdp(&keeper->daemon_fd);
	keeper->daemon_fd = take_fd(fd);
	return false;
}

static bool answer_next(struct keeper *keeper)
{
	int fd = accept4(keeper->control.fd, NULL, NULL, SOCK_CLOEXEC);

	return fd >= 0 && answer(keeper, fd);
}

static void relay_next(const struct keeper *keeper)
{
	int fd = accept4(keeper->kept.fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0)
		relay_start(fd, keeper->daemon);
}

static void drain(int fd)
{
	char events[4096];

	while (read(fd, events, sizeof(events)) > 0)
		;
}

static void keep(struct keeper *keeper)
{
	bool done = false;

	while (!done) {
		bool full = relay_is_full();
		struct pollfd fds[] = {
			{ .fd = keeper->control.fd, .events = POLLIN },
			{ .fd = keeper->watch_fd, .events = POLLIN },
			{ .fd = keeper->signal_fd, .events = POLLIN },
			{ .fd = full ? -1 : keeper->kept.fd, .events = POLLIN },
		};

		if (poll(fds, array_size(fds), full ? BUSY : -1) < 0)
			continue;
		if (fds[3].revents)
			relay_next(keeper);
		drain(keeper->watch_fd);
		done = fds[2].revents || !is_there(&keeper->control) ||
		       (fds[0].revents && answer_next(keeper));
	}
}

/* Nothing of whoever started it stays: no session, no directory, no streams. */
static int leave_starter(struct fl_error *err)
{
	own_fd int null = -1;

	if (setsid() < 0 || chdir("/") < 0)
		return fl_fail_errno(err, "leaving the session");
	if (fsat_open(AT_FDCWD, "/dev/null", O_RDWR, 0, &null, err) < 0)
		return fl_failed(err);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (dup2(null, fd) < 0)
			return fl_fail_errno(err, "leaving the standard streams");
	return 0;
}

/*
 * The sockets are there when this returns in the parent, whose end the daemon waits
 * for; the child keeps them.
 */
int keep_socket(char *const arguments[], struct fl_error *err)
{
	own(keeper_done) struct keeper keeper = {
		.control = { .path = arguments[0], .fd = -1 },
		.kept = { .path = arguments[1], .fd = -1 },
		.daemon = arguments[2],
		.daemon_fd = -1,
		.watch_fd = -1,
		.signal_fd = -1,
	};
	pid_t child;

	if (keeper_open(&keeper, err) < 0)
		return fl_failed(err);
	child = fork();
	if (child < 0)
		return fl_fail_errno(err, "going into the background");
	if (child > 0)
		_exit(0); /* what was opened is the child's */
	if (leave_starter(err) < 0)
		return fl_failed(err);
	keep(&keeper);
	return 0;
}
