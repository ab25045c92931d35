#pragma once

/*
 * The nouns as JSON, in the shapes of openapi.yaml: one function per noun.
 * `key` is NULL where the value stands alone or in an array.
 */

#include "base/json.h"
#include "config/config.h"
#include "engine/engine.h"
#include "engine/hook.h"
#include "engine/peers.h"
#include "engine/pins.h"
#include "engine/rollback.h"
#include "engine/system.h"
#include "engine/transfer.h"
#include "engine/users.h"
#include "engine/verify.h"
#include "trust/ca.h"

/* encode-history.c */
void encode_volume(struct json *json, const char *key, const struct volume *volume);
void encode_branch(struct json *json, const char *key, const struct branch *branch);
void encode_snapshot(struct json *json, const char *key, const struct snapshot *snapshot);
void encode_tag(struct json *json, const char *key, const struct tag *tag);
void encode_stash(struct json *json, const char *key, const struct stash *stash);
void encode_policy(struct json *json, const char *key, const struct policy_report *report);
void encode_thinned(struct json *json, const char *key, const struct thinned *thinned);
void encode_trash_item(struct json *json, const char *key, const struct trash_item *item);

/* encode-files.c */
void encode_change(struct json *json, const char *key, const struct change *change);
void encode_file(struct json *json, const char *key, const struct file *file);
void encode_file_version(struct json *json, const char *key, const struct file_version *version);

/* encode-rollback.c */
/* Two members, "holders" and "holder_count", of an object that is open. */
void encode_holders(struct json *json, const struct holders *holders);
void encode_rollback(struct json *json, const char *key, const struct rollback *rollback);
void encode_restoration(struct json *json, const char *key, const struct restoration *restoration);

/* encode-system.c */
void encode_system(struct json *json, const char *key, const struct system_report *report);
void encode_hook(struct json *json, const char *key, const struct hook_report *report);
void encode_hook_offer(struct json *json, const char *key, const struct hook_offer *offer);

/* encode-pool.c */
void encode_pool(struct json *json, const char *key, const struct pool_report *pool);
void encode_driver(struct json *json, const char *key, const struct driver_report *report);
void encode_setting(struct json *json, const char *key, const struct config_setting *setting);
void encode_recovery(struct json *json, const char *key, const struct recovery *recovery);
void encode_audit_record(struct json *json, const char *key, const struct audit_record *record);
void encode_audit_report(struct json *json, const char *key, const struct audit_report *report);

/* encode-peer.c */
void encode_peer(struct json *json, const char *key, const struct peer *peer);
void encode_peer_state(struct json *json, const char *key, const struct peer_state *state);
void encode_identity(struct json *json, const char *key, const struct trust_identity *identity);
void encode_certificate(struct json *json, const char *key, const struct ca_record *record);
void encode_issued(struct json *json, const char *key, const struct ca_issued *issued);

/* encode-transfer.c */
void encode_transfer(struct json *json, const char *key, const struct transfer *transfer);
void encode_verification(struct json *json, const char *key,
			 const struct verification *verification);
void encode_pin(struct json *json, const char *key, const struct pin_report *pin);

/* encode.c */
void encode_operation(struct json *json, const char *key, const struct operation *operation);
void encode_event(struct json *json, const char *key, const struct event *event);

/* What every list answers: {"items":[...],"next":cursor}; `next` NULL: this is the last page. */
void encode_list_begin(struct json *json);
void encode_list_end(struct json *json, const char *next);

/* {"error":{...}}; `operation` is the request's id. */
void encode_error(struct json *json, const struct fl_error *err, const char *operation);
