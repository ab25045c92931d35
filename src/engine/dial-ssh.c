/*
 * ssh as a transport: a program whose standard streams are the link.
 *
 * It lives as long as the link, and a program is killed with the thread that started it
 * (base/spawn.h), so a thread of its own starts it and waits for its end.  What it says when it
 * fails ("Host key verification failed.") comes on its standard error: the end of that, and its
 * exit status, are the reason why nothing could be read (ssh-words.h).  So who reads the end of the
 * stream waits, for a moment, until both are known.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/spawn.h"
#include "base/text.h"
#include "base/thread.h"
#include "engine/dial.h"
#include "engine/ssh-words.h"

#define SSH_PROGRAM "/usr/bin/ssh"
#define REMOTE_COMMAND "flocker-volume", "serve"
#define CONNECT_SECONDS                                                          \
	"8" /* less than a greeting may take (repl/link.h), so that ssh says why \
	     */
#define LAST_WORDS (3 * CLOCK_SECOND) /* between the end of its output and its own */

struct ssh {
	struct transport transport;
	struct transport *bytes; /* its two streams */
	char destination[TCP_HOST + 80];
	char port[8];
	pthread_t thread;
	pthread_mutex_t mutex; /* of what follows */
	pthread_cond_t changed;
	bool started;	      /* or not: `failure` */
	struct spawned child; /* from then on, until it has ended */
	bool ended;
	int status; /* once it has */
	bool shut;  /* nobody waits for anything any more */
	struct fl_error failure;
	char words[SSH_WORDS];
	size_t length;
	int streams, errors; /* the thread's: what the program gets */
	int says;	     /* the other end of `errors` */
};

/* --- the program ------------------------------------------------------------------ */

/*
 * Whatever the user's settings say: it asks nobody, believes no host that it does not know, and
 * ends with the link, so neither is nor uses the master of a shared connection.
 */
static const char *const options[] = {
	SSH_PROGRAM,
	"-T",
	"-a",
	"-x",
	"-oBatchMode=yes",
	"-oStrictHostKeyChecking=yes",
	("-oConnectTimeout=" CONNECT_SECONDS),
	"-oServerAliveInterval=10",
	"-oServerAliveCountMax=3",
	"-oClearAllForwardings=yes",
	"-oControlMaster=no",
	"-oControlPath=none",
	"-oRemoteCommand=none",
	"-oLogLevel=INFO",
};

static int start(struct ssh *ssh, struct spawned *ret, struct fl_error *err)
{
	const char *argv[24];
	const struct spawn_fd fds[] = { { ssh->streams, STDIN_FILENO },
					{ ssh->streams, STDOUT_FILENO },
					{ ssh->errors, STDERR_FILENO } };
	size_t count = array_size(options);
	int r;

	memcpy(argv, options, sizeof(options));
	if (ssh->port[0]) {
		argv[count++] = "-p";
		argv[count++] = ssh->port;
	}
	argv[count++] = "--";
	argv[count++] = ssh->destination;
	for (size_t i = 0; i < 2; i++)
		argv[count++] = ((const char *const[]){ REMOTE_COMMAND })[i];
	argv[count] = NULL;
	r = spawn_start(argv, fds, array_size(fds), ret, err);
	if (r != -FL_NOT_FOUND)
		return r;
	fl_fail(err, FL_UNREACHABLE, "there is no " SSH_PROGRAM " on this host");
	return fl_hint(err, "install it: apt install openssh-client");
}

/* Keeps the end of what it says. */
static void listen_to(struct ssh *ssh)
{
	char bytes[512];
	ssize_t n;

	while ((n = TEMP_FAILURE_RETRY(read(ssh->says, bytes, sizeof(bytes)))) > 0) {
		own_lock(guard, &ssh->mutex);
		const size_t room = sizeof(ssh->words) - 1 - ssh->length, more = (size_t)n;

		if (more > room) {
			ssh->length -= more - room;
			memmove(ssh->words, ssh->words + (more - room), ssh->length);
		}
		memcpy(ssh->words + ssh->length, bytes, more);
		ssh->length += more;
		ssh->words[ssh->length] = '\0';
	}
}

static void tell_started(struct ssh *ssh, const struct spawned *child)
{
	own_lock(guard, &ssh->mutex);

	ssh->child = *child;
	ssh->started = true;
	pthread_cond_broadcast(&ssh->changed);
}

static void tell_ended(struct ssh *ssh, int status, const struct fl_error *failure)
{
	own_lock(guard, &ssh->mutex);

	if (failure)
		ssh->failure = *failure;
	ssh->status = status;
	ssh->started = ssh->ended = true;
	pthread_cond_broadcast(&ssh->changed);
}

static void *run(void *arg)
{
	struct ssh *ssh = arg;
	struct spawned child = SPAWNED_NONE;
	struct fl_error err;
	int r = start(ssh, &child, &err), status;

	close(take_fd(ssh->streams));
	close(take_fd(ssh->errors));
	if (r < 0) {
		tell_ended(ssh, 0, &err);
		return NULL;
	}
	tell_started(ssh, &child);
	listen_to(ssh);
	spawn_wait(&child, &status);
	tell_ended(ssh, status, NULL);
	spawned_done(&child);
	return NULL;
}

/* --- the transport ------------------------------------------------------------------ */

static struct ssh *ssh_of(struct transport *transport)
{
	return (struct ssh *)transport;
}

/* With the mutex. */
static void wait_for_end(struct ssh *ssh)
{
	const int64_t until = clock_monotonic() + LAST_WORDS;
	const struct timespec deadline = { until / CLOCK_SECOND, until % CLOCK_SECOND };
	int r = 0;

	while (!ssh->ended && !ssh->shut && r != ETIMEDOUT)
		r = pthread_cond_timedwait(&ssh->changed, &ssh->mutex, &deadline);
}

/* Why nothing comes or goes any more.  0: nothing is wrong, the other side has finished. */
static int explain(struct ssh *ssh, struct fl_error *err)
{
	own_lock(guard, &ssh->mutex);

	wait_for_end(ssh);
	const struct ssh_end end = { ssh->destination, ssh->port, ssh->status, ssh->words };

	if (ssh->shut)
		return fl_fail_cancelled(err, "the connection to %s was closed on this side",
					 ssh->destination);
	if (!ssh->ended)
		return fl_fail(err, FL_UNREACHABLE, "ssh to '%s' says nothing any more",
			       ssh->destination);
	return ssh->status == 0 ? 0 : ssh_explain(&end, err);
}

static int ssh_read(struct transport *transport, void *bytes, size_t length, size_t *ret,
		    struct fl_error *err)
{
	struct ssh *ssh = ssh_of(transport);

	*ret = 0;
	if (transport_read(ssh->bytes, bytes, length, ret, err) < 0 && fl_is_cancelled(err))
		return fl_failed(err);
	return *ret ? 0 : explain(ssh, err);
}

static int ssh_write(struct transport *transport, const void *bytes, size_t length,
		     struct fl_error *err)
{
	struct ssh *ssh = ssh_of(transport);

	if (transport_write(ssh->bytes, bytes, length, err) == 0)
		return 0;
	if (fl_is_cancelled(err) || explain(ssh, err) < 0)
		return fl_failed(err);
	return fl_fail(err, FL_UNREACHABLE, "the other side of '%s' has finished",
		       ssh->destination);
}

static int ssh_finish(struct transport *transport, struct fl_error *err)
{
	return transport_finish(ssh_of(transport)->bytes, err);
}

static void ssh_shut(struct transport *transport)
{
	struct ssh *ssh = ssh_of(transport);
	own_lock(guard, &ssh->mutex);

	ssh->shut = true;
	pthread_cond_broadcast(&ssh->changed);
	transport_shut(ssh->bytes);
}

/* What was said last has arrived where that mattered (repl/link.c), so it may be killed. */
static void ssh_free(struct transport *transport)
{
	struct ssh *ssh = ssh_of(transport);

	transport_free(ssh->bytes);
	pthread_mutex_lock(&ssh->mutex);
	if (!ssh->ended)
		spawn_kill(&ssh->child);
	pthread_mutex_unlock(&ssh->mutex);
	pthread_join(ssh->thread, NULL);
	close(ssh->says);
	pthread_mutex_destroy(&ssh->mutex);
	pthread_cond_destroy(&ssh->changed);
	free(ssh);
}

static const struct transport_type ssh_type = {
	.name = "ssh",
	.read = ssh_read,
	.write = ssh_write,
	.finish = ssh_finish,
	.shut = ssh_shut,
	.free = ssh_free,
};

/* --- dialling ------------------------------------------------------------------------- */

static int open_streams(struct ssh *ssh, struct fl_error *err)
{
	int streams[2], errors[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, streams) < 0)
		return fl_fail_errno(err, "cannot make a socket for ssh");
	ssh->streams = streams[1];
	if (transport_descriptors(streams[0], streams[0], "ssh", &ssh->bytes, err) < 0) {
		close(take_fd(ssh->streams));
		return fl_failed(err);
	}
	if (pipe2(errors, O_CLOEXEC) == 0) {
		ssh->says = errors[0];
		ssh->errors = errors[1];
		return 0;
	}
	fl_fail_errno(err, "cannot make a pipe for ssh");
	close(take_fd(ssh->streams));
	transport_free(ssh->bytes);
	return fl_failed(err);
}

static void name_it(struct ssh *ssh, const struct address *address)
{
	snprintf(ssh->destination, sizeof(ssh->destination), "%s%s%s", address->user,
		 address->user[0] ? "@" : "", address->tcp.host);
	if (address->tcp.port)
		snprintf(ssh->port, sizeof(ssh->port), "%u", address->tcp.port);
}

static int wait_for_start(struct ssh *ssh, struct fl_error *err)
{
	own_lock(guard, &ssh->mutex);

	while (!ssh->started)
		pthread_cond_wait(&ssh->changed, &ssh->mutex);
	if (ssh->failure.code == FL_OK)
		return 0;
	*err = ssh->failure;
	return fl_failed(err);
}

int dial_ssh(const struct address *address, struct transport **ret, struct fl_error *err)
{
	own_free struct ssh *ssh = xcalloc(1, sizeof(*ssh));
	pthread_condattr_t monotonic;

	*ssh = (struct ssh){ .transport = { &ssh_type },
			     .mutex = PTHREAD_MUTEX_INITIALIZER,
			     .child = SPAWNED_NONE,
			     .streams = -1,
			     .errors = -1,
			     .says = -1 };
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&ssh->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	name_it(ssh, address);
	if (open_streams(ssh, err) < 0)
		return fl_failed(err);
	if (thread_start(&ssh->thread, THREAD_STACK, run, ssh, err) < 0) {
		close(ssh->streams);
		close(ssh->errors);
		close(ssh->says);
		transport_free(ssh->bytes);
		return fl_failed(err);
	}
	*ret = &ssh->transport;
	if (wait_for_start(ssh, err) == 0) {
		(void)take_ptr(ssh);
		return 0;
	}
	*ret = NULL;
	ssh_free(&take_ptr(ssh)->transport);
	return fl_failed(err);
}
