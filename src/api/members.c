/*
 * Membership of a cluster: its CA, certificates and join tokens.  Whoever may change these
 * decides whom this host believes, so only root may.  Tokens and private keys are in answers
 * alone: no log, event or audit record holds them.
 */

#include "engine/member.h"

#include <stdio.h>
#include <string.h>

#include "api/encode.h"
#include "api/routes.h"
#include "engine/peers.h"
#include "trust/ca.h"
#include "trust/tls.h"

#define TOKEN_VALID (CLOCK_HOUR)

static int take_trust(const struct call *call, struct trust **ret, struct fl_error *err)
{
	if (!is_root(call))
		return fl_fail(err, FL_DENIED, "only root may say whom this host believes");
	return engine_trust(call->engine, ret, err);
}

/* --- what there is ------------------------------------------------------------------- */

/* The host that has the CA knows besides what it has issued, and which tokens are open. */
static int add_issued(struct json *json, struct trust *trust, struct fl_error *err)
{
	own(ca_list_done) struct ca_list list = { 0 };
	size_t tokens = 0;
	bool here = trust_has_ca(trust);

	if (here && (ca_list(trust, &list, err) < 0 || join_token_count(trust, &tokens, err) < 0))
		return fl_failed(err);
	json_put_bool(json, "here", here);
	json_put_int(json, "tokens", (int64_t)tokens);
	json_put_array(json, "issued");
	for (size_t i = 0; i < list.count; i++)
		encode_certificate(json, NULL, &list.items[i]);
	json_end(json);
	return 0;
}

static int answer_cluster(struct call *call, struct trust *trust, struct fl_error *err)
{
	struct trust_identity self, ca;

	if (trust_self(trust, &self, err) < 0 || ca_self(trust, &ca, err) < 0)
		return fl_failed(err);
	json_put_object(call->json, NULL);
	encode_identity(call->json, "certificate", &self);
	encode_identity(call->json, "ca", &ca);
	if (add_issued(call->json, trust, err) < 0)
		return fl_failed(err);
	json_end(call->json);
	return 0;
}

int get_cluster(struct call *call, struct fl_error *err)
{
	struct trust *trust;

	if (engine_trust(call->engine, &trust, err) < 0)
		return fl_failed(err);
	return answer_cluster(call, trust, err);
}

int post_cluster(struct call *call, struct fl_error *err)
{
	struct uuid instance = engine_instance(call->engine);
	struct trust *trust;

	if (take_trust(call, &trust, err) < 0 ||
	    ca_init(trust, &instance, engine_name(call->engine), err) < 0)
		return fl_failed(err);
	member_changed(call->engine);
	return answer_cluster(call, trust, err);
}

/* --- joining -------------------------------------------------------------------------- */

/* Where other hosts reach this one, if nobody says so: where it listens, by the host's name if that
 * is everywhere.  False: it does not listen. */
static bool own_address(const struct call *call, char ret[static TCP_ADDRESS])
{
	own_free char *listen = config_string(call->api->config, CONFIG_PEER_LISTEN);
	struct tcp_address address;
	struct fl_error err;

	if (!listen || !listen[0] || tcp_parse(listen, TLS_PORT, &address, &err) < 0)
		return false;
	if (strcmp(address.host, "*") == 0)
		snprintf(address.host, sizeof(address.host), "%s", call->api->host);
	tcp_format(&address, ret);
	return true;
}

static int64_t valid_of(const struct input *input, int64_t otherwise)
{
	const uint64_t most = INT64_MAX / CLOCK_SECOND;

	if (!(input->given & IN_VALID))
		return otherwise;
	return (int64_t)(input->valid < most ? input->valid : most) * CLOCK_SECOND;
}

static void answer_token(struct json *json, const char *token, const char *const *addresses,
			 size_t count, int64_t expires)
{
	json_put_object(json, NULL);
	json_put_string(json, "token", token);
	json_put_array(json, "addresses");
	for (size_t i = 0; i < count; i++)
		json_put_string(json, NULL, addresses[i]);
	json_end(json);
	json_put_time(json, "expires", expires);
	json_end(json);
}

int post_cluster_tokens(struct call *call, struct fl_error *err)
{
	const struct input *input = call->input;
	int64_t valid = valid_of(input, TOKEN_VALID), now = clock_now();
	char own_one[TCP_ADDRESS], token[TOKEN_TEXT];
	const char *const ours[] = { own_one };
	const char *const *addresses = input->addresses.items;
	size_t count = input->addresses.count;
	struct trust *trust;

	if (take_trust(call, &trust, err) < 0)
		return fl_failed(err);
	if (count == 0) {
		if (!own_address(call, own_one)) {
			fl_fail(err, FL_INVALID, "this host listens to no peers");
			return fl_hint(err, "flocker config set peer.listen '*'");
		}
		addresses = ours;
		count = 1;
	}
	if (join_token_create(trust, addresses, count, valid, token, err) < 0)
		return fl_failed(err);
	answer_token(call->json, token, addresses, count, now + valid);
	return 0;
}

int post_cluster_join(struct call *call, struct fl_error *err)
{
	const struct input *input = call->input;
	const char *address = input->address;
	struct trust_identity self;
	char own_one[TCP_ADDRESS];
	struct trust *trust;
	struct peer peer;

	if (!address && own_address(call, own_one))
		address = own_one;
	if (take_trust(call, &trust, err) < 0 ||
	    engine_join(call->engine, input->token, address, &peer, err) < 0 ||
	    trust_self(trust, &self, err) < 0)
		return fl_failed(err);
	json_put_object(call->json, NULL);
	encode_identity(call->json, "certificate", &self);
	encode_peer(call->json, "peer", &peer);
	json_end(call->json);
	return 0;
}

int delete_cluster(struct call *call, struct fl_error *err)
{
	struct trust *trust;

	if (take_trust(call, &trust, err) < 0)
		return fl_failed(err);
	return engine_leave(call->engine, err);
}

int post_cluster_renewal(struct call *call, struct fl_error *err)
{
	struct trust_identity identity;
	struct trust *trust;

	if (take_trust(call, &trust, err) < 0 ||
	    engine_renew(call->engine, call->input->peer, &identity, err) < 0)
		return fl_failed(err);
	encode_identity(call->json, NULL, &identity);
	return 0;
}

/* --- certificates of others ------------------------------------------------------------ */

int post_cluster_certificates(struct call *call, struct fl_error *err)
{
	const struct input *input = call->input;
	own(ca_issued_done) struct ca_issued issued = { 0 };
	struct ca_order order = { .id = input->id,
				  .name = input->name,
				  .valid = valid_of(input, 0) };
	struct trust *trust;

	if (take_trust(call, &trust, err) < 0 ||
	    trust_role_parse(input->role, &order.role, err) < 0 ||
	    ca_issue(trust, &order, &issued, err) < 0)
		return fl_failed(err);
	encode_issued(call->json, NULL, &issued);
	return 0;
}

int delete_cluster_certificate(struct call *call, struct fl_error *err)
{
	struct trust *trust;
	size_t count = 0;

	if (take_trust(call, &trust, err) < 0 ||
	    engine_revoke(call->engine, call->input->certificate, &count, err) < 0)
		return fl_failed(err);
	json_put_object(call->json, NULL);
	json_put_int(call->json, "revoked", (int64_t)count);
	json_end(call->json);
	return 0;
}
