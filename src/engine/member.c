#include "engine/member.h"

#include <string.h>

#include "engine/internal.h"
#include "engine/reach.h"
#include "engine/transfer-run.h"
#include "trust/ca.h"
#include "trust/tls.h"

/* --- the two messages (repl/wire.h, JOIN) ------------------------------------------------- */

static void put_request(struct text *out, const struct join_request *request, const char *address)
{
	wire_put_bytes(out, request->secret, sizeof(request->secret));
	wire_put_uuid(out, &request->instance);
	wire_put_text(out, request->name);
	wire_put_text(out, request->csr);
	wire_put_text(out, address);
}

static int take_request(const void *bytes, size_t length, struct join_request *ret,
			char address[static PEER_ADDRESS], struct fl_error *err)
{
	struct wire_view view = wire_view(bytes, length);

	*ret = (struct join_request){ 0 };
	wire_bytes(&view, ret->secret, sizeof(ret->secret));
	ret->instance = wire_uuid(&view);
	wire_text(&view, ret->name, sizeof(ret->name));
	ret->csr = wire_string(&view);
	wire_text(&view, address, PEER_ADDRESS);
	return wire_end(&view, "a request to join", err);
}

static void put_answer(struct text *out, const struct join_answer *answer)
{
	wire_put_uuid(out, &answer->cluster);
	wire_put_uuid(out, &answer->issuer);
	wire_put_text(out, answer->issuer_name);
	wire_put_text(out, answer->certificate);
	wire_put_text(out, answer->ca);
	wire_put_text(out, answer->denied);
}

static int take_answer(const struct frame *frame, struct join_answer *ret, struct fl_error *err)
{
	struct wire_view view = wire_view(frame->payload, frame->length);

	*ret = (struct join_answer){ .cluster = wire_uuid(&view), .issuer = wire_uuid(&view) };
	wire_text(&view, ret->issuer_name, sizeof(ret->issuer_name));
	ret->certificate = wire_string(&view);
	ret->ca = wire_string(&view);
	ret->denied = wire_string(&view);
	if (!ret->denied[0])
		free(take_ptr(ret->denied));
	return wire_end(&view, "a certificate", err);
}

/*
 * Peers are kept in the catalogue, which is the pool's.  Looked for on both hosts before the token
 * is spent: what cannot become a peer does not become half a member.
 */
static int check_pool(struct engine *engine, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;

	return gate_enter(engine, &inside, err);
}

/* --- the host that has the CA ---------------------------------------------------------------- */

/* A newcomer that listens becomes a peer here, too. */
static void add_peer(const struct serving *serving, const struct join_request *request,
		     const char *address)
{
	const struct peer_options options = { .name = request->name, .address = address };
	struct peer peer;
	struct fl_error err;

	if (address[0] &&
	    peer_note(serving->engine, &options, &request->instance, &peer, &err) < 0 &&
	    err.code != FL_EXISTS)
		log_warning("who joined is no peer here yet",
			    "instance=%s error=\"%s\" hint=\"flocker peer add %s %s\"",
			    request->name, err.text, request->name, address);
}

/* Why there is none is nothing for a stranger. */
static int check_room(const struct serving *serving, struct fl_error *err)
{
	const char *name = serving->engine->name;

	if (check_pool(serving->engine, err) == 0)
		return 0;
	fl_fail(err, FL_NOT_FOUND, "'%s' has no open pool, and so no place for a peer", name);
	return fl_hint(err,
		       "on '%s': `pool create`, or `pool show` if it has one; then the "
		       "same command here again: the token is good still",
		       name);
}

static int grant(const struct serving *serving, const struct join_request *request,
		 struct join_answer *ret, struct fl_error *err)
{
	struct trust *trust;

	if (engine_trust(serving->engine, &trust, err) < 0)
		return fl_failed(err);
	if (serving->identity && !serving->identity->stranger)
		return join_grant_renewal(trust, serving->identity, request, ret, err);
	if (check_room(serving, err) < 0)
		return fl_failed(err);
	return join_grant(trust, request, ret, err);
}

int serve_join(const struct serving *serving, const void *bytes, size_t length,
	       struct fl_error *err)
{
	own(join_request_done) struct join_request request = { 0 };
	own(join_answer_done) struct join_answer answer = { 0 };
	own_text struct text out = { 0 };
	char address[PEER_ADDRESS];

	if (take_request(bytes, length, &request, address, err) < 0 ||
	    grant(serving, &request, &answer, err) < 0)
		return fl_failed(err);
	put_answer(&out, &answer);
	if (serving->identity && serving->identity->stranger) {
		events_add(&serving->engine->events, "join", request.name, NULL);
		log_info("an instance has joined the cluster", "instance=%s", request.name);
		add_peer(serving, &request, address);
	}
	return channel_send(serving->channel, WIRE_JOINED, 0, out.bytes, out.length, err);
}

/* --- who listens ----------------------------------------------------------------------------- */

void engine_on_member(struct engine *engine, void (*changed)(void *arg), void *arg)
{
	own_lock(guard, &engine->care_mutex);

	engine->member_hook = changed;
	engine->member_arg = arg;
}

void member_changed(struct engine *engine)
{
	certificate_look(engine);
	own_lock(guard, &engine->care_mutex);

	if (engine->member_hook)
		engine->member_hook(engine->member_arg);
}

/* --- the newcomer ------------------------------------------------------------------------------
 */

int engine_trust(struct engine *engine, struct trust **ret, struct fl_error *err)
{
	if (!engine->trust)
		return fl_fail(err, FL_UNSUPPORTED, "this daemon was started without certificates");
	*ret = engine->trust;
	return 0;
}

static int ask(struct channel *channel, struct join_answer *ret, struct fl_error *err)
{
	struct frame frame;

	if (channel_expect(channel, WIRE_JOINED, 20 * CLOCK_SECOND, &frame, err) < 0)
		return fl_failed(err);
	return take_answer(&frame, ret, err);
}

static int converse(struct link *link, const struct join_request *request, const char *address,
		    struct join_answer *ret, struct fl_error *err)
{
	own_text struct text text = { 0 };
	struct channel *channel;
	int r;

	put_request(&text, request, address);
	if (channel_open(link, VERB_JOIN, &text, &channel, err) < 0)
		return fl_failed(err);
	r = ask(channel, ret, err);
	channel_close(channel, r < 0 ? err : NULL);
	return r;
}

/* By one of the token's addresses; the first that answers counts. */
static int dial_token(struct engine *engine, const struct join_token *token, size_t *ret_which,
		      struct transport **ret, struct fl_error *err)
{
	const struct tls_options options = { .cancel = -1, .fingerprint = token->fingerprint };

	for (size_t i = 0; i < token->count; i++) {
		struct tcp_address address;

		if (tcp_parse(token->addresses[i], TLS_PORT, &address, err) < 0)
			return fl_failed(err);
		*ret_which = i;
		if (tls_dial(engine->trust, &address, &options, ret, err) == 0)
			return 0;
		if (err->code != FL_UNREACHABLE)
			return fl_failed(err);
	}
	return fl_hint(err, "the token names where its host is reached: make one with other "
			    "addresses there: flocker ca token --address HOST");
}

/* Takes the transport. */
static int join_over(struct engine *engine, struct transport *transport, const struct join *join,
		     const char *address, struct join_answer *ret, struct fl_error *err)
{
	struct link *link;
	int r;

	if (reach_open_stranger(engine->reach, transport, &link, err) < 0)
		return fl_failed(err);
	r = converse(link, join_request(join), address, ret, err);
	link_close(link, NULL);
	return r < 0 ? r : join_accept(engine->trust, join, ret, err);
}

/* The same command again would say that this host belongs to a cluster already. */
static int fail_half(const struct join_answer *answer, const char *address, struct fl_error *err)
{
	err->hint[0] = '\0';
	fl_add_hint(err, "once that is mended: flocker peer add %s %s", answer->issuer_name,
		    address);
	return fl_wrap(err, "this host has joined the cluster, but '%s' is no peer here yet",
		       answer->issuer_name);
}

int engine_join(struct engine *engine, const char *text, const char *address, struct peer *ret,
		struct fl_error *err)
{
	own(join_answer_done) struct join_answer answer = { 0 };
	own(join_freep) struct join *join = NULL;
	struct transport *transport;
	struct tcp_address here;
	struct join_token token;
	struct trust *trust;
	size_t which = 0;

	if (engine_trust(engine, &trust, err) < 0 || token_parse(text, &token, err) < 0 ||
	    (address && tcp_parse(address, TLS_PORT, &here, err) < 0) ||
	    join_prepare(trust, &token, &engine->instance, engine->name, &join, err) < 0 ||
	    check_pool(engine, err) < 0 ||
	    dial_token(engine, &token, &which, &transport, err) < 0 ||
	    join_over(engine, transport, join, address ? address : "", &answer, err) < 0)
		return fl_failed(err);
	member_changed(engine);
	if (peer_add_unnamed(engine, token.addresses[which], ret, err) < 0)
		return fail_half(&answer, token.addresses[which], err);
	return 0;
}

/* --- who belongs to it no more -------------------------------------------------------- */

int engine_revoke(struct engine *engine, const char *what, size_t *ret_count, struct fl_error *err)
{
	struct trust *trust;

	if (engine_trust(engine, &trust, err) < 0 || ca_revoke(trust, what, ret_count, err) < 0)
		return fl_failed(err);
	reach_check(engine->reach);
	reach_spread_denied(engine->reach);
	return 0;
}

int engine_leave(struct engine *engine, struct fl_error *err)
{
	struct trust_identity self;
	struct trust *trust;

	/* What is broken can be left, too. */
	if (engine_trust(engine, &trust, err) < 0 ||
	    trust_self(trust, &self, err) == -FL_NOT_FOUND || trust_leave(trust, err) < 0)
		return fl_failed(err);
	events_add(&engine->events, "leave", NULL, NULL);
	member_changed(engine);
	reach_check(engine->reach);
	return 0;
}

/* --- renewal -------------------------------------------------------------------------- */

static int renew_by(struct engine *engine, const char *peer, const struct join *join,
		    struct join_answer *ret, struct fl_error *err)
{
	own_peer_row struct peer_row row = { 0 };
	own_text struct text request = { 0 };
	struct contact contact = { 0 };
	int r;

	put_request(&request, join_request(join), "");
	if (peer_find(engine, peer, &row, err) < 0 ||
	    reach_open(engine->reach, &row, VERB_JOIN, &request, &contact, err) < 0)
		return fl_failed(err);
	r = ask(contact.channel, ret, err);
	contact_close(&contact, r < 0 ? err : NULL);
	return r;
}

static int renew_elsewhere(struct engine *engine, struct trust *trust, const char *peer,
			   struct trust_identity *ret, struct fl_error *err)
{
	own(join_answer_done) struct join_answer answer = { 0 };
	own(join_freep) struct join *join = NULL;

	if (!peer) {
		fl_fail(err, FL_INVALID, "the CA lives on another host");
		return fl_hint(err, "name the peer that has it: flocker ca renew --peer PEER");
	}
	if (join_prepare_renewal(trust, &join, err) < 0 ||
	    renew_by(engine, peer, join, &answer, err) < 0 ||
	    join_accept(trust, join, &answer, err) < 0)
		return fl_failed(err);
	return trust_self(trust, ret, err);
}

int engine_renew(struct engine *engine, const char *peer, struct trust_identity *ret,
		 struct fl_error *err)
{
	struct trust *trust;

	if (engine_trust(engine, &trust, err) < 0 ||
	    (!peer && trust_has_ca(trust) ? ca_renew(trust, ret, err)
					  : renew_elsewhere(engine, trust, peer, ret, err)) < 0)
		return fl_failed(err);
	certificate_look(engine);
	return 0;
}
