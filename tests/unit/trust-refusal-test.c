/*
 * Every kind of certificate that does not fit, shown by who dials and by who is dialled: both
 * sides are refused with words of their own.
 */

#include <poll.h>
#include <pthread.h>

#include "base/thread.h"
#include "tests/unit/trust-fixture.h"
#include "trust/tls-internal.h"

/* --- a meeting of two ------------------------------------------------------------------- */

struct side {
	struct membership *membership; /* borrowed; NULL: a stranger */
	struct tls_options options;
	bool server;
	int fd;
	int r;
	struct fl_error err;
	struct trust_identity peer;
};

/* The handshake, then a word in each direction: by then both know what the other thinks. */
static void talk(struct side *side)
{
	own(tls_freep) struct tls *tls = NULL;
	char word[4];
	size_t n;

	side->r = tls_new(side->fd, side->server ? "the client" : "the server", side->membership,
			  side->server, &tls, &side->err);
	if (side->r == 0)
		side->r = tls_handshake(tls, &side->options, side->server, &side->err);
	if (side->r < 0)
		return;
	side->peer = tls->peer;
	side->r = transport_write(&tls->transport, "word", 4, &side->err);
	if (side->r == 0)
		side->r = transport_fill(&tls->transport, word, sizeof(word), &n, &side->err);
	if (side->r == 0 && n != sizeof(word))
		side->r = fl_fail(&side->err, FL_UNREACHABLE, "the end came too soon");
}

static void *serve(void *arg)
{
	talk(arg);
	return NULL;
}

static void meet(struct side *client, struct side *server)
{
	const struct tcp_address any = { .host = "127.0.0.1" };
	struct tcp_address address;
	char from[TCP_ADDRESS];
	own_fd int listener = -1;
	struct fl_error err;
	pthread_t thread;

	server->server = true;
	server->options.cancel = client->options.cancel = -1;
	server->options.patience = client->options.patience = CLOCK_MINUTE;
	check_ok(tcp_listen(&any, &listener, &err));
	check_ok(tcp_local(listener, &address, &err));
	check_ok(tcp_dial(&address, 0, -1, &client->fd, &err));
	check_ok(tcp_accept(listener, -1, &server->fd, from, &err));
	check_ok(thread_start(&thread, 0, serve, server, &err));
	talk(client);
	pthread_join(thread, NULL);
}

/* --- certificates that do not fit ----------------------------------------------------------- */

enum signer { OUR_CA, OTHER_CA, ITSELF };

static const struct bad {
	const char *name;
	int64_t begins, expires; /* from now; 0: as they should be */
	enum signer signer;
	enum trust_role role;
	bool other_cluster, wrong_purpose, without_uri, revoked;
	const char *here, *there; /* what is told where it is checked, and where it comes from */
} bads[] = {
	{ .name = "expired",
	  .begins = -3 * CLOCK_DAY,
	  .expires = -CLOCK_MINUTE,
	  .here = "its certificate has expired",
	  .there = "has expired, or is not valid yet" },
	{ .name = "not yet valid",
	  .begins = CLOCK_HOUR,
	  .here = "its certificate is not valid yet",
	  .there = "has expired, or is not valid yet" },
	{ .name = "revoked",
	  .revoked = true,
	  .here = "'forged' was revoked",
	  .there = "this host's certificate was revoked" },
	{ .name = "of another CA",
	  .signer = OTHER_CA,
	  .here = "its certificate is not from this cluster's CA",
	  .there = "from another CA than its own" },
	{ .name = "self-signed",
	  .signer = ITSELF,
	  .here = "its certificate is not from this cluster's CA",
	  .there = "from another CA than its own" },
	{ .name = "for the other side of a connection",
	  .wrong_purpose = true,
	  .here = "is not for this side of a connection",
	  .there = "is not one of a node" },
	{ .name = "without a URI",
	  .without_uri = true,
	  .here = "names no member of a Flocker cluster",
	  .there = "is not one of a node" },
	{ .name = "with the URI of another cluster",
	  .other_cluster = true,
	  .here = "'forged' belongs to another cluster",
	  .there = "is not the one that may talk to it" },
	{ .name = "a user's",
	  .role = TRUST_USER,
	  .here = "'forged' has the role user",
	  .there = "is not one of a node" },
	{ .name = "an administrator's",
	  .role = TRUST_ADMIN,
	  .here = "'forged' has the role admin",
	  .there = "is not one of a node" },
	{ .name = "the CA's own role",
	  .role = TRUST_CA,
	  .here = "'forged' has the role ca",
	  .there = "is not one of a node" },
};

static void set_identity(const struct bad *bad, const struct membership *good, bool server,
			 struct x509_order *ret)
{
	const int64_t now = clock_now();

	*ret = (struct x509_order){ .without_uri = bad->without_uri };
	if (bad->wrong_purpose)
		ret->purpose = server ? X509_CLIENT : X509_SERVER;
	ret->identity = good->self;
	ret->identity.role = bad->role;
	if (bad->other_cluster)
		ret->identity.cluster = uuid_new();
	if (bad->role != TRUST_NODE && bad->role != TRUST_CA)
		strcpy(ret->identity.id, "somebody");
	strcpy(ret->identity.name, "forged");
	if (bad->begins)
		ret->identity.begins = now + bad->begins;
	if (bad->expires)
		ret->identity.expires = now + bad->expires;
}

/* As `good`, which it is a copy of, but with another certificate for its key. */
static struct membership *forge(const struct bad *bad, struct membership *good, bool server,
				const struct x509_issuer *ours, const struct x509_issuer *other)
{
	struct membership *m = xcalloc(1, sizeof(*m));
	gnutls_x509_crt_t chain[1];
	struct x509_order order;
	struct fl_error err;

	m->holders = 1;
	set_identity(bad, good, server, &order);
	check_ok(x509_make(&order, NULL, good->key,
			   bad->signer == OUR_CA     ? ours
			   : bad->signer == OTHER_CA ? other
						     : NULL,
			   &m->certificate, &err));
	if (!bad->without_uri)
		check_ok(x509_identity(m->certificate, &m->self, &err));
	check(gnutls_x509_crt_init(&m->ca) == 0);
	{
		gnutls_datum_t der;

		check(gnutls_x509_crt_export2(good->ca, GNUTLS_X509_FMT_DER, &der) == 0);
		check(gnutls_x509_crt_import(m->ca, &der, GNUTLS_X509_FMT_DER) == 0);
		gnutls_free(der.data);
	}
	chain[0] = m->certificate;
	check(gnutls_certificate_allocate_credentials(&m->credentials) == 0);
	check(gnutls_certificate_set_x509_key(m->credentials, chain, 1, good->key) >= 0);
	return m;
}

static void revoke_forged(const struct host *host, const struct membership *forged,
			  struct fl_error *err)
{
	size_t count;

	/* It has to be known before it can be revoked. */
	check(issued_add(host->trust, &forged->self, err) == 0);
	check(ca_revoke(host->trust, forged->self.serial, &count, err) == 0 && count == 1);
}

static void expect(const struct bad *bad, const char *where, const struct side *side,
		   const char *text)
{
	if (side->r == -FL_DENIED && strstr(side->err.text, text) && side->err.hint[0])
		return;
	printf("# %s, %s: %d '%s' hint '%s'\n", bad->name, where, side->r,
	       side->r ? side->err.text : "", side->r ? side->err.hint : "");
	check(!"is refused as it should be");
}

/* `a` checks what `b` shows in place of its own; `c` has another CA. */
static void try_bad(const struct bad *bad, bool from_server, const struct host *a,
		    const struct host *b, const struct host *c)
{
	own(membership_freep) struct membership *good = NULL, *member = NULL, *forged = NULL;
	own(ca_done) struct ca ours = { 0 }, other = { 0 };
	struct side checking = { 0 }, showing = { 0 };
	struct fl_error err;

	check_ok(trust_membership(b->trust, &member, &err));
	check_ok(ca_load(a->trust, &ours, &err));
	check_ok(ca_load(c->trust, &other, &err));
	forged = forge(bad, member, from_server, &ours.issuer, &other.issuer);
	if (bad->revoked)
		revoke_forged(a, forged, &err);
	check_ok(trust_membership(a->trust, &good, &err));
	checking.membership = good;
	showing.membership = forged;
	meet(from_server ? &checking : &showing, from_server ? &showing : &checking);
	expect(bad, from_server ? "client checks" : "server checks", &checking, bad->here);
	expect(bad, from_server ? "server shows" : "client shows", &showing, bad->there);
}

static void try_all(bool from_server)
{
	const struct host *a, *b, *c;

	fixture_clear();
	a = host_with_ca("a");
	b = host_joined(fixture_hosts, "b");
	c = host_with_ca("c");
	for (size_t i = 0; i < array_size(bads); i++)
		try_bad(&bads[i], from_server, a, b, c);
}

static void a_bad_certificate_of_a_client_is_refused_on_both_sides(void)
{
	try_all(false);
}

static void a_bad_certificate_of_a_server_is_refused_on_both_sides(void)
{
	try_all(true);
}

struct cluster {
	struct host *with_ca, *joined;
	struct membership *a, *b; /* theirs */
};

static void cluster_done(struct cluster *cluster)
{
	membership_freep(&cluster->a);
	membership_freep(&cluster->b);
}

static struct cluster cluster_of_two(void)
{
	struct cluster cluster = { 0 };
	struct fl_error err;

	fixture_clear();
	cluster.with_ca = host_with_ca("a");
	cluster.joined = host_joined(cluster.with_ca, "b");
	check_ok(trust_membership(cluster.with_ca->trust, &cluster.a, &err));
	check_ok(trust_membership(cluster.joined->trust, &cluster.b, &err));
	return cluster;
}

static void a_good_certificate_is_let_in(void)
{
	own(cluster_done) struct cluster cluster = cluster_of_two();
	struct side client = { .membership = cluster.b }, server = { .membership = cluster.a };
	struct fl_error err;

	client.options.expect = cluster.with_ca->instance;
	meet(&client, &server);
	err = client.err;
	check_ok(client.r);
	err = server.err;
	check_ok(server.r);
	check_string("b", server.peer.name);
	check_string("a", client.peer.name);
	check(uuid_equal(&server.peer.instance, &cluster.joined->instance) &&
	      !server.peer.stranger);
	check(server.peer.role == TRUST_NODE && server.peer.expires == cluster.b->self.expires);
	check_string(cluster.b->self.serial, server.peer.serial);
}

static void another_instance_than_was_expected_is_refused(void)
{
	const struct bad bad = { .name = "another instance" };
	own(cluster_done) struct cluster cluster = cluster_of_two();
	struct side client = { .membership = cluster.b }, server = { .membership = cluster.a };

	client.options.expect = cluster.joined->instance;
	meet(&client, &server);
	expect(&bad, "client", &client, "another instance answers there: 'a'");
	expect(&bad, "server", &server, "is not the one that may talk to it");
}

static void strangers_come_in_only_to_join(void)
{
	const struct bad bad = { .name = "no certificate" };
	own(membership_freep) struct membership *a = NULL;
	struct side client = { 0 }, server = { 0 };
	uint8_t fingerprint[TOKEN_FINGERPRINT];
	struct fl_error err;

	fixture_clear();
	check_ok(trust_membership(host_with_ca("a")->trust, &a, &err));
	check_ok(x509_fingerprint(a->ca, fingerprint, &err));
	server.membership = a;
	client.options.fingerprint = fingerprint;
	meet(&client, &server);
	expect(&bad, "client", &client, "nobody is let in without a certificate");
	expect(&bad, "server", &server, "it has shown no certificate");

	server.options.strangers = true;
	meet(&client, &server);
	err = client.err;
	check_ok(client.r);
	err = server.err;
	check_ok(server.r);
	check(server.peer.stranger && uuid_is_none(&server.peer.instance));
	check(!client.peer.stranger && uuid_equal(&client.peer.instance, &a->self.instance));

	fingerprint[0] ^= 1;
	meet(&client, &server);
	expect(&bad, "client", &client, "another CA than the join token's answers there");
	expect(&bad, "server", &server, "from another CA than its own");
}

int main(int argc, char **argv)
{
	int r;

	signal(SIGPIPE, SIG_IGN);
	r = check_main(
		argc, argv,
		(struct check[]){ CHECK(a_good_certificate_is_let_in),
				  CHECK(a_bad_certificate_of_a_client_is_refused_on_both_sides),
				  CHECK(a_bad_certificate_of_a_server_is_refused_on_both_sides),
				  CHECK(another_instance_than_was_expected_is_refused),
				  CHECK(strangers_come_in_only_to_join), CHECK_END });
	fixture_clear();
	return r;
}
