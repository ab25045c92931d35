/* TLS as a transport, by the calls that the other layers have; enemies included. */

#include "trust/tls.h"

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include "base/thread.h"
#include "tests/unit/trust-fixture.h"
#include "tests/unit/two-ends.h"
#include "trust/tls-internal.h"

static struct host *a, *b;
static int listener = -1;
static struct tcp_address address;

static void start(void)
{
	const struct tcp_address any = { .host = "127.0.0.1" };
	struct fl_error err;

	fixture_clear();
	own_fdp(&listener);
	listener = -1;
	a = host_with_ca("a");
	b = host_joined(a, "b");
	check_ok(tcp_listen(&any, &listener, &err));
	check_ok(tcp_local(listener, &address, &err));
}

struct serving {
	struct tls_options options;
	int fd; /* -1: whoever comes */
	struct transport *transport;
	int r;
	struct fl_error err;
};

static void *serve(void *arg)
{
	struct serving *serving = arg;
	char from[TCP_ADDRESS] = "the client";
	int fd = serving->fd;

	serving->r = fd >= 0 ? 0 : tcp_accept(listener, -1, &fd, from, &serving->err);
	if (serving->r == 0)
		serving->r = tls_serve(a->trust, fd, from, &serving->options, &serving->transport,
				       &serving->err);
	return NULL;
}

/* Both ends of a connection from `from` to `a`. */
static int connect_ends(struct host *from, const struct tls_options *options,
			struct serving *serving, struct transport **ret, struct fl_error *err)
{
	pthread_t thread;
	int r;

	*serving = (struct serving){
		.options = { .cancel = -1, .patience = CLOCK_MINUTE, .strangers = true }, .fd = -1
	};
	check(thread_start(&thread, 0, serve, serving, err) == 0);
	r = tls_dial(from->trust, &address, options, ret, err);
	pthread_join(thread, NULL);
	return r;
}

static void connect_both(struct transport *ends[static 2])
{
	const struct tls_options options = { .cancel = -1, .patience = CLOCK_MINUTE };
	struct serving serving;
	struct fl_error err;

	check_ok(connect_ends(b, &options, &serving, &ends[0], &err));
	err = serving.err;
	check_ok(serving.r);
	ends[1] = serving.transport;
}

static void free_both(struct transport *ends[static 2])
{
	transport_free(ends[0]);
	transport_free(ends[1]);
}

/* --- bytes ------------------------------------------------------------------------------ */

/* New keys on the way, as GnuTLS makes them by itself after 256 GiB. */
static int rekey(struct tls *tls)
{
	own_lock(guard, &tls->mutex);

	return gnutls_session_key_update(tls->session, 0);
}

/* No more of them in a second than GnuTLS bears. */
static int rekey_now_and_then(struct transport *end, int part, struct fl_error *err)
{
	struct tls *tls = (struct tls *)end;
	int r = part % 3 == 1 ? rekey(tls) : 0;

	while (r == GNUTLS_E_AGAIN && tcp_wait(tls->fd, POLLOUT, 0, -1, err) == 0)
		r = rekey(tls);
	return r < 0 ? x509_fail(err, FL_SYSTEM, r, "new keys") : 0;
}

static void bytes_go_both_ways_at_once(void)
{
	struct transport *ends[2];

	start();
	connect_both(ends);
	ends_talk_both_ways(ends, NULL);
	free_both(ends);
}

static void keys_change_while_both_sides_talk(void)
{
	struct transport *ends[2];

	start();
	connect_both(ends);
	ends_talk_both_ways(ends, rekey_now_and_then);
	free_both(ends);
}

static void shutting_wakes_who_reads_and_writes(void)
{
	struct transport *ends[2];

	start();
	connect_both(ends);
	ends_wake_when_shut(ends);
	free_both(ends);
}

static void an_end_is_no_cut(void)
{
	struct transport *ends[2];
	struct fl_error err;
	char bytes[8];
	size_t n;

	start();
	connect_both(ends);
	ends_finish_one_way(ends);
	free_both(ends);

	connect_both(ends);
	check_ok(transport_write(ends[0], "last", 4, &err));
	transport_free(ends[0]);
	check_ok(transport_fill(ends[1], bytes, 4, &n, &err));
	check_code(FL_UNREACHABLE, transport_read(ends[1], bytes, 1, &n, &err));
	check(strstr(err.text, "was cut"));
	transport_free(ends[1]);
}

/* --- who may ---------------------------------------------------------------------------- */

static void each_knows_who_the_other_is(void)
{
	struct transport *ends[2], *plain;
	struct fl_error err;
	int pair[2];

	start();
	connect_both(ends);
	check_string("tls", ends[0]->type->name);
	check(uuid_equal(&tls_peer(ends[0])->instance, &a->instance));
	check(uuid_equal(&tls_peer(ends[1])->instance, &b->instance));
	check_ok(tls_check_peer(a->trust, tls_peer(ends[1]), &err));
	free_both(ends);
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	check_ok(transport_descriptors(pair[0], pair[1], "x", &plain, &err));
	check(!tls_peer(plain));
	transport_free(plain);
}

/* Without a restart: open connections by asking, new ones by themselves. */
static void who_is_revoked_is_out(void)
{
	const struct tls_options options = { .cancel = -1, .patience = CLOCK_MINUTE };
	struct trust_identity expired;
	struct transport *ends[2], *again;
	struct serving serving;
	struct fl_error err;
	size_t count, n;
	char byte;
	int r;

	start();
	connect_both(ends);
	expired = *tls_peer(ends[1]);
	expired.expires = clock_now() - 1;
	check_code(FL_DENIED, tls_check_peer(a->trust, &expired, &err));
	check_ok(ca_revoke(a->trust, "b", &count, &err));
	check_code(FL_DENIED, tls_check_peer(a->trust, tls_peer(ends[1]), &err));
	check(strstr(err.text, "'b' was revoked"));
	free_both(ends);

	r = connect_ends(b, &options, &serving, &again, &err);
	check(serving.r == -FL_DENIED && strstr(serving.err.text, "'b' was revoked"));
	if (r == 0)
		r = transport_read(again, &byte, 1, &n, &err);
	check_code(FL_DENIED, r);
	check(strstr(err.text, "this host's certificate was revoked") && err.hint[0]);
	/* Said again, whatever is tried, and not as a broken pipe. */
	check_code(FL_DENIED, transport_read(again, &byte, 1, &n, &err));
	transport_free(again);
}

/* Who was refused and only writes learns why, too. */
static void a_refusal_is_told_to_who_writes(void)
{
	const struct tls_options options = { .cancel = -1, .patience = CLOCK_MINUTE };
	own_free char *bytes = xcalloc(1, ENDS_LARGE);
	struct transport *again;
	struct serving serving;
	struct fl_error err;
	size_t count;
	int r = 0;

	start();
	check_ok(ca_revoke(a->trust, "b", &count, &err));
	check_ok(connect_ends(b, &options, &serving, &again, &err));
	for (int i = 0; i < 100 && r == 0; i++)
		r = transport_write(again, bytes, ENDS_LARGE, &err);
	check_code(FL_DENIED, r);
	check(strstr(err.text, "certificate was revoked"));
	transport_free(again);
}

static void a_stranger_joins_and_comes_back_as_a_member(void)
{
	struct tls_options options = { .cancel = -1, .patience = CLOCK_MINUTE };
	own(join_answer_done) struct join_answer answer = { 0 };
	own(join_freep) struct join *join = NULL;
	struct transport *near;
	struct serving serving;
	struct join_token token;
	struct fl_error err;
	struct host *c;

	start();
	c = host_new("c");
	check_code(FL_NOT_FOUND, tls_dial(c->trust, &address, &options, &near, &err));
	token_from(a, &token);
	options.fingerprint = token.fingerprint;
	check_ok(join_prepare(c->trust, &token, &c->instance, "c", &join, &err));
	check_ok(connect_ends(c, &options, &serving, &near, &err));
	check(serving.r == 0 && tls_peer(serving.transport)->stranger);
	check(uuid_equal(&tls_peer(near)->instance, &a->instance));
	check_ok(tls_check_peer(a->trust, tls_peer(serving.transport), &err));
	transport_free(near);
	transport_free(serving.transport);

	check_ok(join_grant(a->trust, join_request(join), &answer, &err));
	check_ok(join_accept(c->trust, join, &answer, &err));
	options.fingerprint = NULL;
	check_ok(connect_ends(c, &options, &serving, &near, &err));
	check(serving.r == 0 && !tls_peer(serving.transport)->stranger);
	check_string("c", tls_peer(serving.transport)->name);
	transport_free(near);
	transport_free(serving.transport);
}

static void who_is_in_no_cluster_serves_nobody(void)
{
	const struct tls_options options = { .cancel = -1, .patience = CLOCK_MINUTE };
	struct transport *transport;
	struct fl_error err;
	char byte;
	int pair[2];

	start();
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	check_code(FL_NOT_FOUND,
		   tls_serve(host_new("d")->trust, pair[0], "x", &options, &transport, &err));
	check(read(pair[1], &byte, 1) == 0);
	close(pair[1]);
}

/* --- enemies ---------------------------------------------------------------------------- */

/* One who has connected, and a thread that waits for its handshake. */
static void let_in(struct serving *serving, pthread_t *thread, int64_t patience, int *ret_fd)
{
	char from[TCP_ADDRESS];
	struct fl_error err;

	*serving = (struct serving){ .options = { .cancel = -1, .patience = patience } };
	check_ok(tcp_dial(&address, 0, -1, ret_fd, &err));
	check_ok(tcp_accept(listener, -1, &serving->fd, from, &err));
	check_ok(thread_start(thread, 0, serve, serving, &err));
}

static void silence_ends_by_the_deadline_and_disturbs_nobody(void)
{
	struct transport *ends[2];
	struct serving silent[3];
	pthread_t threads[3];
	int fds[3];

	start();
	for (int i = 0; i < 3; i++)
		let_in(&silent[i], &threads[i], CLOCK_SECOND / 2, &fds[i]);
	/* The beginning of a record, of the greatest length that there is, and no more. */
	check(send(fds[1], "\x16\x03\x01\x40\x00\x01", 6, MSG_NOSIGNAL) == 6);
	connect_both(ends);
	free_both(ends);
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
		check(silent[i].r == -FL_UNREACHABLE && silent[i].err.sys == ETIMEDOUT);
		close(fds[i]);
	}
}

static void rubbish_is_refused(void)
{
	static const struct {
		const char *bytes;
		size_t length;
	} rows[] = {
		{ "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27 },
		{ "SSH-2.0-OpenSSH_9.2\r\n", 21 },
		{ "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", 10 },
		{ "\x15\x03\x03\x00\x02\x02\x28", 7 },
		{ "\x17\x03\x03\x00\x04\x00\x00\x00\x00", 9 },
		{ "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16 },
		{ "\x16\x03\x01\xff\xff\xff\xff\xff\xff", 9 },
		{ "", 0 },
	};

	start();
	for (size_t i = 0; i < array_size(rows); i++) {
		struct serving serving;
		pthread_t thread;
		own_fd int fd = -1;

		let_in(&serving, &thread, CLOCK_MINUTE, &fd);
		check(send(fd, rows[i].bytes, rows[i].length, MSG_NOSIGNAL) ==
		      (ssize_t)rows[i].length);
		/* Who was refused already is gone. */
		check(shutdown(fd, SHUT_WR) == 0 || errno == ENOTCONN);
		pthread_join(thread, NULL);
		check(serving.r == -FL_UNREACHABLE && serving.err.text[0]);
	}
}

static void who_answers_with_rubbish_is_unreachable(void)
{
	const struct tls_options options = { .cancel = -1, .patience = CLOCK_MINUTE };
	static const char *const words[] = { "HTTP/1.1 400 Bad Request\r\n\r\n", "" };

	start();
	for (size_t i = 0; i < array_size(words); i++) {
		struct membership *m;
		own(tls_freep) struct tls *tls = NULL;
		struct fl_error err;
		int pair[2];

		check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) ==
		      0);
		check(write(pair[1], words[i], strlen(words[i])) == (ssize_t)strlen(words[i]));
		check(shutdown(pair[1], SHUT_WR) == 0);
		check_ok(trust_membership(b->trust, &m, &err));
		check_ok(tls_new(pair[0], "the web", m, false, &tls, &err));
		membership_release(m);
		check_code(FL_UNREACHABLE, tls_handshake(tls, &options, false, &err));
		check(strstr(err.text, "the web"));
		close(pair[1]);
	}
}

static void who_cancels_does_not_wait(void)
{
	struct tls_options options;
	struct transport *transport;
	struct fl_error err;
	int pair[2];

	start();
	check(pipe2(pair, O_CLOEXEC) == 0);
	options = (struct tls_options){ .cancel = pair[0], .patience = CLOCK_HOUR };
	check(write(pair[1], "x", 1) == 1);
	check(tls_dial(b->trust, &address, &options, &transport, &err) < 0);
	check(fl_is_cancelled(&err));
	close(pair[0]);
	close(pair[1]);
}

int main(int argc, char **argv)
{
	int r;

	signal(SIGPIPE, SIG_IGN);
	r = check_main(
		argc, argv,
		(struct check[]){
			CHECK(bytes_go_both_ways_at_once), CHECK(keys_change_while_both_sides_talk),
			CHECK(shutting_wakes_who_reads_and_writes), CHECK(an_end_is_no_cut),
			CHECK(each_knows_who_the_other_is), CHECK(who_is_revoked_is_out),
			CHECK(a_refusal_is_told_to_who_writes),
			CHECK(a_stranger_joins_and_comes_back_as_a_member),
			CHECK(who_is_in_no_cluster_serves_nobody),
			CHECK(silence_ends_by_the_deadline_and_disturbs_nobody),
			CHECK(rubbish_is_refused), CHECK(who_answers_with_rubbish_is_unreachable),
			CHECK(who_cancels_does_not_wait), CHECK_END });
	fixture_clear();
	own_fdp(&listener);
	return r;
}
