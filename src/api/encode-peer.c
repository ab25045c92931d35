#include "api/encode.h"

#include <stdio.h>

#include "api/encode-value.h"

/* --- peers -------------------------------------------------------------------------- */

static void add_peer(struct json *json, const struct peer *peer)
{
	json_put_string(json, "name", peer->name);
	json_put_string(json, "address", peer->address);
	json_put_uuid(json, "uuid", &peer->uuid);
	if (uuid_is_none(&peer->cluster))
		json_put_null(json, "cluster");
	else
		json_put_uuid(json, "cluster", &peer->cluster);
	encode_size_or_null(json, "limit", peer->limit);
	json_put_time(json, "added", peer->added);
	json_put_bool(json, "connected", peer->connected);
}

void encode_peer(struct json *json, const char *key, const struct peer *peer)
{
	json_put_object(json, key);
	add_peer(json, peer);
	json_end(json);
}

static void add_branch(struct json *json, const struct listed_volume *volume,
		       const struct listed_branch *branch)
{
	char ref[REF_SHORT];

	snprintf(ref, sizeof(ref), "%s/%s/%s", branch->instance_name, volume->name, branch->name);
	json_put_object(json, NULL);
	json_put_string(json, "ref", ref);
	encode_id(json, "tip", branch->tip_id);
	encode_size(json, "snapshots", branch->snapshots);
	json_end(json);
}

static void add_volume(struct json *json, const struct listed_volume *volume)
{
	json_put_object(json, NULL);
	json_put_string(json, "name", volume->name);
	json_put_uuid(json, "uuid", &volume->uuid);
	json_put_string(json, "owner", volume->owner_name);
	encode_size(json, "epoch", volume->epoch);
	json_put_array(json, "branches");
	for (size_t i = 0; i < volume->branch_count; i++)
		add_branch(json, volume, &volume->branches[i]);
	json_end(json);
	json_end(json);
}

static void add_answers(struct json *json, const struct peer_state *state)
{
	if (state->trouble.code != FL_OK) {
		json_put_null(json, "version");
		json_put_null(json, "round_trip");
		json_put_null(json, "clock_ahead");
	} else {
		json_put_string(json, "version", state->program);
		encode_seconds(json, "round_trip", state->round_trip);
		encode_seconds(json, "clock_ahead", state->ahead);
	}
}

void encode_peer_state(struct json *json, const char *key, const struct peer_state *state)
{
	json_put_object(json, key);
	add_peer(json, &state->peer);
	json_put_string(json, "trouble", state->trouble.code != FL_OK ? state->trouble.text : NULL);
	add_answers(json, state);
	json_put_array(json, "volumes");
	for (size_t i = 0; i < state->listed.count; i++)
		add_volume(json, &state->listed.volumes[i]);
	json_end(json);
	json_end(json);
}

/* --- certificates ------------------------------------------------------------------- */

static void add_identity(struct json *json, const struct trust_identity *identity)
{
	json_put_uuid(json, "cluster", &identity->cluster);
	json_put_string(json, "role", trust_role_name(identity->role));
	json_put_string(json, "id", identity->id);
	json_put_string(json, "name", identity->name);
	json_put_string(json, "serial", identity->serial);
	json_put_time(json, "begins", identity->begins);
	json_put_time(json, "expires", identity->expires);
}

void encode_identity(struct json *json, const char *key, const struct trust_identity *identity)
{
	json_put_object(json, key);
	add_identity(json, identity);
	json_end(json);
}

void encode_certificate(struct json *json, const char *key, const struct ca_record *record)
{
	json_put_object(json, key);
	add_identity(json, &record->identity);
	json_put_bool(json, "revoked", record->revoked);
	json_end(json);
}

void encode_issued(struct json *json, const char *key, const struct ca_issued *issued)
{
	json_put_object(json, key);
	encode_identity(json, "identity", &issued->identity);
	json_put_string(json, "certificate", issued->certificate);
	json_put_string(json, "key", issued->key);
	json_put_string(json, "ca", issued->ca);
	json_end(json);
}
