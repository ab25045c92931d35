#include "api/encode.h"

#include "api/encode-value.h"

void encode_transfer(struct json *json, const char *key, const struct transfer *transfer)
{
	json_put_object(json, key);
	json_put_string(json, "ref", transfer->ref);
	json_put_string(json, "peer", transfer->peer);
	json_put_string(json, "outcome", plan_outcome_names[transfer->outcome]);
	encode_size(json, "snapshots", transfer->snapshots);
	encode_size(json, "bytes", transfer->bytes);
	encode_size(json, "wire", transfer->wire);
	encode_size(json, "resumed", transfer->resumed);
	encode_seconds(json, "seconds", transfer->took);
	encode_size_or_null(json, "stash", transfer->stash);
	json_put_bool(json, "moved", transfer->moved);
	encode_operation(json, "operation", &transfer->operation);
	json_end(json);
}

void encode_verification(struct json *json, const char *key,
			 const struct verification *verification)
{
	json_put_object(json, key);
	json_put_string(json, "ref", verification->ref);
	json_put_string(json, "digest", verification->digest);
	encode_text_or_null(json, "peer", verification->peer);
	encode_text_or_null(json, "theirs", verification->theirs);
	json_put_bool(json, "equal", verification->equal);
	json_put_int(json, "grain", verification->grain);
	encode_operation(json, "operation", &verification->operation);
	json_end(json);
}

void encode_pin(struct json *json, const char *key, const struct pin_report *pin)
{
	json_put_object(json, key);
	json_put_string(json, "kind", pin->kind == PIN_PEER ? "peer" : "transfer");
	json_put_string(json, "peer", pin->peer);
	json_put_uuid(json, "peer_uuid", &pin->peer_uuid);
	json_put_string(json, "branch", pin->branch);
	encode_text_or_null(json, "snapshot", pin->snapshot);
	encode_id(json, "id", pin->id);
	json_put_time(json, "time", pin->time);
	if (uuid_is_none(&pin->operation))
		json_put_null(json, "operation");
	else
		json_put_uuid(json, "operation", &pin->operation);
	json_put_time(json, "since", pin->since);
	json_end(json);
}
