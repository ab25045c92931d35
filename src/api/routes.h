#pragma once

/*
 * The table of routes and what their handlers get.  A handler finds its inputs
 * decoded and of the right form, calls the engine, and writes the answer; on
 * an error it has written nothing that counts.
 */

#include "api/api.h"
#include "api/decode.h"
#include "base/json.h"

struct call {
	const struct api *api;
	struct engine *engine;
	const struct input *input;
	const struct http_request *request;
	struct http_response *response; /* for a handler whose answer is a stream */
	struct json *json;		/* the answer's body; nothing is written for status 204 */
};

struct route {
	const char *method;
	const char *path;
	unsigned status; /* of success */
	int (*handle)(struct call *call, struct fl_error *err);
	struct accepts accepts;
	const char *doc;  /* one line, the summary in openapi.yaml */
	const char *verb; /* in the audit log: as the command is called; NULL: changes nothing */
	bool streams;	  /* the body is no JSON, but a stream */
};

/* Ends with a zeroed row. */
extern const struct route routes[];

/* The contract as JSON: openapi.yaml, made a string by the build (contract.py). */
extern const char openapi_json[];

/*
 * Of what may last for as long as a client likes: it leaves a connection to others
 * (http/server.h), FL_BUSY when it would be the last.  Before anything is begun.
 */
must_check int take_stream(const struct call *call, struct fl_error *err);

/* Is the caller root, or whom a daemon that is not root's runs as? */
bool is_root(const struct call *call);

/* meta.c */
must_check int get_version(struct call *call, struct fl_error *err);
must_check int get_health(struct call *call, struct fl_error *err);
must_check int get_contract(struct call *call, struct fl_error *err);

/* audit.c */
must_check int get_audit(struct call *call, struct fl_error *err);
must_check int get_audit_verification(struct call *call, struct fl_error *err);
/* Records a request of a route with a verb.  `why` NULL: done.  `input`: empty if not decoded. */
void audit_request(const struct api *api, const struct route *route,
		   const struct http_request *request, const struct input *input,
		   const struct fl_error *why);

/* pool.c */
must_check int get_pool(struct call *call, struct fl_error *err);
must_check int get_drivers(struct call *call, struct fl_error *err);
must_check int post_pool(struct call *call, struct fl_error *err);
must_check int post_pool_grow(struct call *call, struct fl_error *err);
must_check int post_pool_recover(struct call *call, struct fl_error *err);
must_check int post_pool_adopt(struct call *call, struct fl_error *err);

/* status.c */
must_check int get_status(struct call *call, struct fl_error *err);

/* volumes.c */
must_check int get_volumes(struct call *call, struct fl_error *err);
must_check int post_volumes(struct call *call, struct fl_error *err);
must_check int get_volume(struct call *call, struct fl_error *err);
must_check int patch_volume(struct call *call, struct fl_error *err);
must_check int delete_volume(struct call *call, struct fl_error *err);

/* archives.c */
must_check int post_imports(struct call *call, struct fl_error *err);
must_check int get_export(struct call *call, struct fl_error *err);
must_check int post_restores(struct call *call, struct fl_error *err);

/* branches.c */
must_check int get_branches(struct call *call, struct fl_error *err);
must_check int post_branches(struct call *call, struct fl_error *err);
must_check int get_branch(struct call *call, struct fl_error *err);
must_check int patch_branch(struct call *call, struct fl_error *err);
must_check int delete_branch(struct call *call, struct fl_error *err);

/* diff.c */
must_check int get_events(struct call *call, struct fl_error *err);
must_check int get_events_stream(struct call *call, struct fl_error *err);
must_check int get_files(struct call *call, struct fl_error *err);
must_check int get_file(struct call *call, struct fl_error *err);
must_check int get_versions(struct call *call, struct fl_error *err);
must_check int get_diff(struct call *call, struct fl_error *err);

/* snapshots.c */
must_check int get_snapshots(struct call *call, struct fl_error *err);
must_check int post_snapshots(struct call *call, struct fl_error *err);
must_check int get_snapshot(struct call *call, struct fl_error *err);
must_check int patch_snapshot(struct call *call, struct fl_error *err);
must_check int delete_snapshot(struct call *call, struct fl_error *err);

/* thinning.c */
must_check int get_policy(struct call *call, struct fl_error *err);
must_check int patch_policy(struct call *call, struct fl_error *err);
must_check int get_thinning(struct call *call, struct fl_error *err);
must_check int post_thinning(struct call *call, struct fl_error *err);

/* hooks.c */
must_check int get_hooks(struct call *call, struct fl_error *err);
must_check int get_hooks_available(struct call *call, struct fl_error *err);
must_check int put_hook(struct call *call, struct fl_error *err);
must_check int delete_hook(struct call *call, struct fl_error *err);

/* users.c */
must_check int get_users(struct call *call, struct fl_error *err);

/* systems.c */
must_check int get_systems(struct call *call, struct fl_error *err);
must_check int post_systems(struct call *call, struct fl_error *err);
must_check int get_system(struct call *call, struct fl_error *err);
must_check int patch_system(struct call *call, struct fl_error *err);
must_check int delete_system(struct call *call, struct fl_error *err);
must_check int post_system_start(struct call *call, struct fl_error *err);
must_check int post_system_stop(struct call *call, struct fl_error *err);
must_check int post_system_restart(struct call *call, struct fl_error *err);
must_check int get_system_console(struct call *call, struct fl_error *err);

/* execs.c */
must_check int post_system_exec(struct call *call, struct fl_error *err);
must_check int get_exec_output(struct call *call, struct fl_error *err);
must_check int post_exec_input(struct call *call, struct fl_error *err);
must_check int post_exec_size(struct call *call, struct fl_error *err);

/* tags.c */
must_check int get_tags(struct call *call, struct fl_error *err);
must_check int post_tags(struct call *call, struct fl_error *err);
must_check int patch_tag(struct call *call, struct fl_error *err);
must_check int delete_tag(struct call *call, struct fl_error *err);

/* stashes.c */
must_check int post_rollbacks(struct call *call, struct fl_error *err);
must_check int get_stashes(struct call *call, struct fl_error *err);
must_check int get_stash(struct call *call, struct fl_error *err);
must_check int post_stash_restore(struct call *call, struct fl_error *err);
must_check int delete_stash(struct call *call, struct fl_error *err);

/* mounts.c */
must_check int post_mounts(struct call *call, struct fl_error *err);
must_check int delete_mount(struct call *call, struct fl_error *err);

/* operations.c */
must_check int get_operations(struct call *call, struct fl_error *err);
must_check int get_operation(struct call *call, struct fl_error *err);
must_check int post_operation_cancel(struct call *call, struct fl_error *err);

/* peers.c */
must_check int get_peers(struct call *call, struct fl_error *err);
must_check int post_peers(struct call *call, struct fl_error *err);
must_check int get_peer(struct call *call, struct fl_error *err);
must_check int delete_peer(struct call *call, struct fl_error *err);
must_check int get_remotes(struct call *call, struct fl_error *err);

/* transfers.c */
must_check int post_pushes(struct call *call, struct fl_error *err);
must_check int post_fetches(struct call *call, struct fl_error *err);
must_check int post_pulls(struct call *call, struct fl_error *err);
must_check int post_verifications(struct call *call, struct fl_error *err);

/* pins.c */
must_check int get_pins(struct call *call, struct fl_error *err);
must_check int delete_pin(struct call *call, struct fl_error *err);

/* members.c */
must_check int get_cluster(struct call *call, struct fl_error *err);
must_check int post_cluster(struct call *call, struct fl_error *err);
must_check int post_cluster_tokens(struct call *call, struct fl_error *err);
must_check int delete_cluster(struct call *call, struct fl_error *err);
must_check int post_cluster_join(struct call *call, struct fl_error *err);
must_check int post_cluster_renewal(struct call *call, struct fl_error *err);
must_check int post_cluster_certificates(struct call *call, struct fl_error *err);
must_check int delete_cluster_certificate(struct call *call, struct fl_error *err);

/* trash.c */
must_check int get_trash(struct call *call, struct fl_error *err);
must_check int post_trash_restore(struct call *call, struct fl_error *err);
must_check int post_trash_empty(struct call *call, struct fl_error *err);

/* config.c */
must_check int get_config(struct call *call, struct fl_error *err);
must_check int get_setting(struct call *call, struct fl_error *err);
must_check int patch_setting(struct call *call, struct fl_error *err);
must_check int delete_setting(struct call *call, struct fl_error *err);
