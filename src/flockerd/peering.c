#include "flockerd/peering.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/socket.h"
#include "base/text.h"
#include "base/thread.h"
#include "engine/failing.h"
#include "flockerd/guests.h"
#include "trust/tls.h"

#define LINE_PATIENCE (10 * CLOCK_SECOND) /* for the line of model/admission.h */
#define RETRY_MS 5000 /* an address that could not be listened on is tried again */

struct peering {
	struct peering_options options;
	char *socket;
	int local;   /* for ssh */
	int remote;  /* TLS; -1: nobody may come.  The thread's */
	char *at;    /* what `remote` listens on; heap, NULL: nothing */
	bool failed; /* to listen there */
	int wake;    /* something is to be looked at anew */
	int stop;    /* readable from peering_close() on */
	pthread_t thread;
	struct guests *guests;
};

/* --- a connection --------------------------------------------------------------------- */

/* What its thread is given. */
struct visit {
	struct peering *peering;
	struct guest *guest;
};

/* The next byte of a line, within `until`. */
static int take_byte(const struct visit *visit, int64_t until, char *ret, struct fl_error *err)
{
	const int fd = visit->guest->fd;
	struct pollfd fds[] = { { fd, POLLIN, 0 }, { visit->peering->stop, POLLIN, 0 } };
	int ready = TEMP_FAILURE_RETRY(poll(fds, array_size(fds), clock_milliseconds_until(until)));

	if (ready > 0 && fds[1].revents)
		return fl_fail_cancelled(err, "this daemon is stopping");
	if (ready <= 0 || recv(fd, ret, 1, MSG_DONTWAIT) != 1)
		return fl_fail(err, FL_UNREACHABLE, "it did not say what it wants");
	return 0;
}

/* Byte by byte: what follows the line is the link's. */
static int take_admission(const struct visit *visit, struct admission *ret, struct fl_error *err)
{
	const int64_t until = clock_monotonic() + LINE_PATIENCE;
	char line[ADMISSION_TEXT] = { 0 };

	for (size_t length = 0; length < sizeof(line); length++) {
		if (take_byte(visit, until, &line[length], err) < 0)
			return fl_failed(err);
		if (line[length] != '\n')
			continue;
		line[length] = '\0';
		return admission_parse(line, ret, err);
	}
	return fl_fail(err, FL_INVALID, "what it says first is too long");
}

static int let_in_local(const struct visit *visit, struct transport **ret,
			struct admission *ret_admission, struct fl_error *err)
{
	const int fd = visit->guest->fd;

	if (take_admission(visit, ret_admission, err) < 0) {
		close(fd);
		return fl_failed(err);
	}
	return transport_descriptors(fd, fd, "flocker-volume", ret, err);
}

static int let_in(const struct visit *visit, struct transport **ret,
		  struct admission *ret_admission, struct fl_error *err)
{
	struct trust *trust = visit->peering->options.trust;
	const struct tls_options options = { .cancel = visit->peering->stop,
					     .strangers = trust_has_ca(trust) };

	*ret_admission = (struct admission){ 0 };
	if (visit->guest->local)
		return let_in_local(visit, ret, ret_admission, err);
	return tls_serve(trust, visit->guest->fd, visit->guest->from, &options, ret, err);
}

/* Is there room for one like that? */
static int know(const struct visit *visit, const struct transport *transport,
		const struct admission *admission, struct fl_error *err)
{
	const struct trust_identity *identity = tls_peer(transport);
	struct guests *guests = visit->peering->guests;
	struct guest *guest = visit->guest;

	if (identity && identity->stranger)
		return guests_know(guests, guest, GUEST_STRANGER, NULL, err);
	if (identity)
		return guests_know(guests, guest, GUEST_MEMBER, identity->id, err);
	if (admission_is_limited(admission))
		return guests_know(guests, guest, GUEST_LIMITED, admission->volume, err);
	return guests_know(guests, guest, GUEST_SSH, NULL, err);
}

static int receive(const struct visit *visit, struct fl_error *err)
{
	struct admission admission;
	struct transport *transport;

	if (let_in(visit, &transport, &admission, err) < 0)
		return fl_failed(err);
	if (know(visit, transport, &admission, err) < 0) {
		transport_free(transport);
		return fl_failed(err);
	}
	engine_peer_serve(visit->peering->options.engine, transport, &admission);
	return 0;
}

static void *serve(void *arg)
{
	struct visit *visit = arg;
	struct fl_error err;

	/* That there was no room is told by the guests, not a thousand times a second. */
	if (receive(visit, &err) < 0 && !fl_is_cancelled(&err) &&
	    !guests_had_to_go(visit->peering->guests, visit->guest))
		log_warning("a connection was refused", "from=%s error=\"%s\"", visit->guest->from,
			    err.text);
	guests_leave(visit->peering->guests, visit->guest);
	free(visit);
	return NULL;
}

static void start(struct peering *peering, int fd, bool local, const char *from)
{
	struct guest *guest = xcalloc(1, sizeof(*guest));
	struct visit *visit;
	struct fl_error err;
	pthread_t thread;

	*guest = (struct guest){ .fd = fd, .local = local };
	guest->shut = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	snprintf(guest->from, sizeof(guest->from), "%s", from);
	if (!guests_enter(peering->guests, guest)) {
		close(fd);
		own_fdp(&guest->shut);
		free(guest);
		return;
	}
	visit = xcalloc(1, sizeof(*visit));
	*visit = (struct visit){ peering, guest };
	if (thread_start(&thread, 0, serve, visit, &err) == 0) {
		pthread_detach(thread);
		return;
	}
	log_warning("a peer could not be served", "error=\"%s\"", err.text);
	close(fd);
	free(visit);
	guests_leave(peering->guests, guest);
}

/* --- listening ------------------------------------------------------------------------- */

static void take_local(struct peering *peering)
{
	int fd = accept4(peering->local, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0)
		start(peering, fd, true, "ssh");
}

static void take_remote(struct peering *peering)
{
	char from[TCP_ADDRESS];
	struct fl_error err;
	int fd;

	if (tcp_accept(peering->remote, peering->stop, &fd, from, &err) == 0)
		start(peering, fd, false, from);
	else if (!fl_is_cancelled(&err))
		log_warning("a connection could not be taken", "error=\"%s\"", err.text);
}

static void stop_listening(struct peering *peering)
{
	if (peering->remote >= 0)
		close(take_fd(peering->remote));
	free(take_ptr(peering->at));
}

static int listen_at(const char *where, int *ret, struct fl_error *err)
{
	struct tcp_address address;

	if (tcp_parse(where, TLS_PORT, &address, err) < 0)
		return fl_failed(err);
	return tcp_listen(&address, ret, err);
}

/* Where it should be listened; "": nowhere.  Heap. */
static char *wanted_address(const struct peering *peering)
{
	own_free char *wanted = config_string(peering->options.config, CONFIG_PEER_LISTEN);
	struct trust_identity self;
	struct fl_error err;

	if (trust_self(peering->options.trust, &self, &err) < 0)
		wanted[0] = '\0';
	return take_ptr(wanted);
}

/* Makes what is listened on what it should be. */
static void look(struct peering *peering)
{
	struct engine *engine = peering->options.engine;
	own_free char *wanted = wanted_address(peering);
	struct fl_error err;
	int r;

	if (peering->at && strcmp(peering->at, wanted) == 0)
		return;
	stop_listening(peering);
	peering->failed = false;
	if (!wanted[0]) {
		failing_forget(engine, FAILING_LISTENING, NULL);
		return;
	}
	r = listen_at(wanted, &peering->remote, &err);
	peering->failed = failing_note(engine, FAILING_LISTENING, NULL, r, &err) < 0;
	if (peering->failed)
		return;
	peering->at = take_ptr(wanted);
	log_info("peers may connect", "address=%s", peering->at);
}

static void *run(void *arg)
{
	struct peering *peering = arg;

	for (;;) {
		struct pollfd fds[] = { { peering->stop, POLLIN, 0 },
					{ peering->wake, POLLIN, 0 },
					{ peering->local, POLLIN, 0 },
					{ peering->remote, POLLIN, 0 } };
		eventfd_t ignored;

		look(peering);
		fds[3].fd = peering->remote;
		if (TEMP_FAILURE_RETRY(
			    poll(fds, array_size(fds), peering->failed ? RETRY_MS : -1)) < 0)
			continue;
		if (fds[0].revents)
			return NULL;
		if (fds[1].revents)
			(void)eventfd_read(peering->wake, &ignored);
		if (fds[2].revents)
			take_local(peering);
		if (fds[3].revents)
			take_remote(peering);
	}
}

void peering_look(struct peering *peering)
{
	(void)eventfd_write(peering->wake, 1);
}

/* --- its life ----------------------------------------------------------------------------- */

static int open_descriptors(struct peering *peering, struct fl_error *err)
{
	peering->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	peering->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (peering->wake < 0 || peering->stop < 0)
		return fl_fail_errno(err, "cannot make an event descriptor");
	return socket_listen(peering->socket, peering->options.group, &peering->local, err);
}

static void peering_free(struct peering *peering)
{
	stop_listening(peering);
	if (peering->local >= 0) {
		socket_remove(peering->socket);
		close(peering->local);
	}
	own_fdp(&peering->wake);
	own_fdp(&peering->stop);
	guests_free(peering->guests);
	free(peering->socket);
	free(peering);
}

int peering_open(const struct peering_options *options, struct peering **ret, struct fl_error *err)
{
	struct peering *peering = xcalloc(1, sizeof(*peering));

	*peering = (struct peering){ .options = *options,
				     .socket = xstrdup(options->socket),
				     .local = -1,
				     .remote = -1,
				     .wake = -1,
				     .stop = -1,
				     .guests = guests_new() };
	if (open_descriptors(peering, err) == 0 &&
	    thread_start(&peering->thread, 0, run, peering, err) == 0) {
		*ret = peering;
		return 0;
	}
	peering_free(peering);
	return fl_failed(err);
}

void peering_close(struct peering *peering)
{
	if (!peering)
		return;
	guests_stop(peering->guests);
	(void)eventfd_write(peering->stop, 1);
	pthread_join(peering->thread, NULL);
	engine_peers_stop(peering->options.engine);
	guests_end(peering->guests);
	peering_free(peering);
}
