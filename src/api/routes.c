/*
 * One row per route.  What a route takes stands in its row, so that decoding
 * is the same everywhere and a handler is a few lines; the order is that of
 * openapi.yaml.
 */

#include "api/routes.h"

#define IN_POOL (IN_KIND | IN_PATH | IN_SPARSE | IN_COMPRESS | IN_DRIVER)
#define IN_PAGE (IN_AFTER | IN_LIMIT)
#define IN_SET (IN_NAME | IN_METADATA | IN_UNSET)
/* The query names one thing. */
#define BY_REF(kinds)                                                 \
	{                                                             \
		.query = IN_REF, .required = IN_REF, .forms = (kinds) \
	}

/* What is told to a system as it is. */
#define OF_SYSTEM                                                                      \
	{                                                                              \
		.body = IN_REF, .required = IN_REF, .forms = FORM_VOLUME | FORM_BRANCH \
	}

/* clang-format off */
const struct route routes[] = {
	{ "GET", "/v1/version", 200, get_version, {}, "Who answers" },
	{ "GET", "/v1/health", 200, get_health, {}, "Whether all is well" },
	{ "GET", "/v1/status", 200, get_status, {}, "How it goes" },
	{ "GET", "/v1/openapi.json", 200, get_contract, {}, "This contract" },

	{ "GET", "/v1/pool", 200, get_pool, {}, "Show the pool" },
	{ "POST", "/v1/pool", 201, post_pool,
	  { .body = IN_POOL | IN_SIZE | IN_FORCE, .required = IN_KIND | IN_PATH },
	  "Make the pool", "pool create" },
	{ "POST", "/v1/pool/grow", 200, post_pool_grow,
	  { .body = IN_SIZE, .required = IN_SIZE },
	  "Enlarge the pool", "pool grow" },
	{ "POST", "/v1/pool/recover", 200, post_pool_recover, {},
	  "Rebuild the catalogue from the pool", "pool recover" },
	{ "POST", "/v1/pool/adopt", 200, post_pool_adopt, { .body = IN_POOL },
	  "Take over a pool that another instance made", "pool adopt" },

	{ "GET", "/v1/drivers", 200, get_drivers, {}, "List the storage drivers" },

	{ "GET", "/v1/volumes", 200, get_volumes, { .query = IN_PAGE }, "List the volumes" },
	{ "POST", "/v1/volumes", 201, post_volumes,
	  { .body = IN_NAME | IN_DESCRIPTION | IN_MOUNT_PATH | IN_METADATA | IN_FROM | IN_QUOTA |
		    IN_POLICY,
	    .required = IN_NAME },
	  "Create a volume", "create" },
	{ "GET", "/v1/volume", 200, get_volume, BY_REF(FORM_VOLUME), "Show a volume" },
	{ "PATCH", "/v1/volume", 200, patch_volume,
	  { .query = IN_REF, .body = IN_SET | IN_DESCRIPTION | IN_MOUNT_PATH | IN_QUOTA, .required = IN_REF,
	    .forms = FORM_VOLUME },
	  "Rename a volume or change what is written on it", "set" },
	{ "DELETE", "/v1/volume", 200, delete_volume, BY_REF(FORM_VOLUME),
	  "Move a volume to the trash", "destroy" },

	{ "POST", "/v1/imports", 201, post_imports,
	  { .query = IN_REF | IN_OPERATION | IN_DESCRIPTION | IN_MOUNT_PATH | IN_QUOTA |
		     IN_DEVICES | IN_SETUID | IN_DIRECTORY,
	    .required = IN_REF,
	    .forms = FORM_VOLUME | FORM_BRANCH },
	  "Make a volume or a branch of an archive", "import", true },
	{ "GET", "/v1/export", 200, get_export,
	  { .query = IN_REF | IN_COMPRESSION | IN_OPERATION, .required = IN_REF,
	    .forms = FORM_ANY | FORM_PATH },
	  "Read contents as an archive" },

	{ "GET", "/v1/branches", 200, get_branches, { .query = IN_REF, .forms = FORM_VOLUME },
	  "List branches" },
	{ "POST", "/v1/branches", 201, post_branches,
	  { .body = IN_REF | IN_FROM | IN_POLICY, .required = IN_REF, .forms = FORM_BRANCH },
	  "Create a branch", "branch" },
	{ "GET", "/v1/branch", 200, get_branch, BY_REF(FORM_VOLUME | FORM_BRANCH),
	  "Show a branch" },
	{ "PATCH", "/v1/branch", 200, patch_branch,
	  { .query = IN_REF, .body = IN_NAME, .required = IN_REF | IN_NAME, .forms = FORM_BRANCH },
	  "Rename a branch", "rename" },
	{ "DELETE", "/v1/branch", 200, delete_branch, BY_REF(FORM_BRANCH),
	  "Move a branch to the trash", "destroy" },

	{ "GET", "/v1/users", 200, get_users, BY_REF(FORM_VOLUME | FORM_BRANCH),
	  "List what uses a branch" },

	{ "GET", "/v1/snapshots", 200, get_snapshots,
	  { .query = IN_REF | IN_PAGE | IN_WHY, .required = IN_REF, .forms = FORM_ANY },
	  "List what a reference came from, newest first" },
	{ "POST", "/v1/snapshots", 201, post_snapshots,
	  { .body = IN_REFS | IN_NAME | IN_MESSAGE | IN_METADATA | IN_TOGETHER,
	    .required = IN_REFS },
	  "Take snapshots", "snapshot" },
	{ "GET", "/v1/snapshot", 200, get_snapshot, BY_REF(FORM_ANY), "Show a snapshot" },
	{ "PATCH", "/v1/snapshot", 200, patch_snapshot,
	  { .query = IN_REF, .body = IN_SET | IN_MESSAGE, .required = IN_REF,
	    .forms = FORM_SNAPSHOT | FORM_TAG | FORM_STASH },
	  "Change what is written on a snapshot", "set" },
	{ "DELETE", "/v1/snapshot", 204, delete_snapshot, BY_REF(FORM_SNAPSHOT),
	  "Destroy a snapshot", "destroy" },

	{ "GET", "/v1/diff", 200, get_diff,
	  { .query = IN_REF | IN_TO, .required = IN_REF, .forms = FORM_ANY | FORM_PATH },
	  "List what differs between two moments" },

	{ "GET", "/v1/policy", 200, get_policy, BY_REF(FORM_VOLUME | FORM_BRANCH),
	  "Show the policy of a branch" },
	{ "PATCH", "/v1/policy", 200, patch_policy,
	  { .query = IN_REF, .body = IN_POLICY, .required = IN_REF | IN_POLICY,
	    .forms = FORM_VOLUME | FORM_BRANCH },
	  "Change the policy of a branch", "policy set" },
	{ "GET", "/v1/thinning", 200, get_thinning,
	  { .query = IN_REF, .forms = FORM_VOLUME | FORM_BRANCH },
	  "List the snapshots that are to go" },
	{ "POST", "/v1/thinning", 200, post_thinning,
	  { .body = IN_REF, .forms = FORM_VOLUME | FORM_BRANCH },
	  "Delete the snapshots that are to go", "thin" },

	{ "GET", "/v1/systems", 200, get_systems, {}, "List the user systems" },
	{ "POST", "/v1/systems", 201, post_systems,
	  { .body = IN_REF | IN_SETTINGS, .required = IN_REF, .forms = FORM_VOLUME | FORM_BRANCH },
	  "Make a branch a user system", "system create" },
	{ "GET", "/v1/system", 200, get_system, BY_REF(FORM_VOLUME | FORM_BRANCH),
	  "Show a user system" },
	{ "PATCH", "/v1/system", 200, patch_system,
	  { .query = IN_REF, .body = IN_SETTINGS, .required = IN_REF | IN_SETTINGS,
	    .forms = FORM_VOLUME | FORM_BRANCH },
	  "Change the settings of a user system", "system set" },
	{ "DELETE", "/v1/system", 204, delete_system, BY_REF(FORM_VOLUME | FORM_BRANCH),
	  "Make a user system a mere branch again", "system destroy" },
	{ "POST", "/v1/system/start", 200, post_system_start, OF_SYSTEM,
	  "Start a user system", "system start" },
	{ "POST", "/v1/system/stop", 200, post_system_stop, OF_SYSTEM,
	  "Stop a user system", "system stop" },
	{ "POST", "/v1/system/restart", 200, post_system_restart, OF_SYSTEM,
	  "Stop a user system and start it again", "system restart" },
	{ "GET", "/v1/system/console", 200, get_system_console,
	  { .query = IN_REF | IN_TAIL | IN_FOLLOW, .required = IN_REF,
	    .forms = FORM_VOLUME | FORM_BRANCH },
	  "Read the console of a user system" },
	{ "POST", "/v1/system/exec", 201, post_system_exec,
	  { .body = IN_REF | IN_COMMAND | IN_USER | IN_TERMINAL | IN_INPUT | IN_ROWS | IN_COLUMNS,
	    .required = IN_REF | IN_COMMAND, .forms = FORM_VOLUME | FORM_BRANCH },
	  "Run a command in a user system", "system exec" },
	{ "GET", "/v1/system/exec/output", 200, get_exec_output,
	  { .query = IN_ID, .required = IN_ID }, "Read what a command writes" },
	{ "POST", "/v1/system/exec/input", 204, post_exec_input,
	  { .query = IN_ID, .required = IN_ID }, "Write what a command reads",
	  .streams = true },
	{ "POST", "/v1/system/exec/size", 204, post_exec_size,
	  { .body = IN_ID | IN_ROWS | IN_COLUMNS, .required = IN_ID | IN_ROWS | IN_COLUMNS },
	  "Tell a command the size of its terminal" },

	{ "GET", "/v1/hooks", 200, get_hooks,
	  { .query = IN_REF, .forms = FORM_VOLUME | FORM_BRANCH },
	  "List the hooks of branches" },
	{ "POST", "/v1/hooks", 200, put_hook,
	  { .body = IN_REF | IN_NAME | IN_SETTINGS | IN_TIMEOUT | IN_REQUIRED |
		    IN_CONTAINER,
	    .required = IN_REF | IN_NAME, .forms = FORM_VOLUME | FORM_BRANCH },
	  "Give a branch a hook", "hook set" },
	{ "DELETE", "/v1/hooks", 204, delete_hook,
	  { .query = IN_REF | IN_NAME, .required = IN_REF | IN_NAME,
	    .forms = FORM_VOLUME | FORM_BRANCH },
	  "Take a hook away from a branch", "hook unset" },
	{ "GET", "/v1/hooks/available", 200, get_hooks_available, {},
	  "List the hooks that there are" },

	{ "GET", "/v1/files", 200, get_files,
	  { .query = IN_REF | IN_ITSELF, .required = IN_REF, .forms = FORM_ANY | FORM_PATH },
	  "List files" },
	{ "GET", "/v1/file", 200, get_file, BY_REF(FORM_ANY | FORM_PATH), "Read a file" },
	{ "GET", "/v1/versions", 200, get_versions, BY_REF(FORM_ANY | FORM_PATH),
	  "List the contents that a file had" },

	{ "GET", "/v1/tags", 200, get_tags, BY_REF(FORM_VOLUME), "List a volume's tags" },
	{ "POST", "/v1/tags", 201, post_tags,
	  { .body = IN_REF | IN_TARGET, .required = IN_REF, .forms = FORM_TAG },
	  "Create a tag", "tag" },
	{ "PATCH", "/v1/tag", 200, patch_tag,
	  { .query = IN_REF, .body = IN_NAME, .required = IN_REF | IN_NAME, .forms = FORM_TAG },
	  "Rename a tag", "rename" },
	{ "DELETE", "/v1/tag", 204, delete_tag, BY_REF(FORM_TAG), "Remove a tag", "untag" },

	{ "POST", "/v1/rollbacks", 200, post_rollbacks,
	  { .body = IN_REF | IN_TO | IN_CONTAINERS, .required = IN_REF | IN_TO,
	    .forms = FORM_VOLUME | FORM_BRANCH },
	  "Make a branch what it was", "rollback" },
	{ "POST", "/v1/restores", 200, post_restores,
	  { .query = IN_REF | IN_PATH | IN_OPERATION, .required = IN_REF,
	    .forms = FORM_TAG | FORM_STASH | FORM_SNAPSHOT | FORM_PATH },
	  "Put back one file or directory", "restore", true },
	{ "GET", "/v1/stashes", 200, get_stashes, BY_REF(FORM_VOLUME),
	  "List what rollbacks put aside" },
	{ "GET", "/v1/stash", 200, get_stash, BY_REF(FORM_STASH), "Show a stash" },
	{ "POST", "/v1/stash/restore", 200, post_stash_restore,
	  { .body = IN_REF | IN_CONTAINERS, .required = IN_REF, .forms = FORM_STASH },
	  "Make a stash its branch's contents again", "stash restore" },
	{ "DELETE", "/v1/stash", 204, delete_stash, BY_REF(FORM_STASH), "Drop a stash", "stash drop" },

	{ "POST", "/v1/mounts", 200, post_mounts,
	  { .body = IN_REF, .required = IN_REF, .forms = FORM_ANY },
	  "Make a branch or a snapshot appear under the mount root", "mount" },
	{ "DELETE", "/v1/mounts", 204, delete_mount, BY_REF(FORM_ANY),
	  "Take a branch or a snapshot away from there", "unmount" },

	{ "GET", "/v1/trash", 200, get_trash, {}, "List the trash" },
	{ "POST", "/v1/trash/restore", 200, post_trash_restore,
	  { .body = IN_ITEM | IN_AS, .required = IN_ITEM },
	  "Take a volume or a branch out of the trash", "trash restore" },
	{ "POST", "/v1/trash/empty", 200, post_trash_empty, { .body = IN_ITEM },
	  "Destroy for good what is in the trash", "trash empty" },

	{ "GET", "/v1/config", 200, get_config, {}, "List the settings" },
	{ "GET", "/v1/setting", 200, get_setting, { .query = IN_KEY, .required = IN_KEY },
	  "Show a setting" },
	{ "PATCH", "/v1/setting", 200, patch_setting,
	  { .query = IN_KEY, .body = IN_VALUE, .required = IN_KEY | IN_VALUE },
	  "Change a setting", "config set" },
	{ "DELETE", "/v1/setting", 200, delete_setting, { .query = IN_KEY, .required = IN_KEY },
	  "Give a setting its default again", "config unset" },

	{ "GET", "/v1/operations", 200, get_operations, {}, "List imports, exports and restores" },
	{ "GET", "/v1/operation", 200, get_operation, { .query = IN_ID, .required = IN_ID },
	  "Show an operation" },
	{ "POST", "/v1/operation/cancel", 204, post_operation_cancel,
	  { .body = IN_ID, .required = IN_ID },
	  "Cancel an operation", "operation cancel" },

	{ "GET", "/v1/events", 200, get_events, { .query = IN_PAGE },
	  "List what has happened, oldest first" },
	{ "GET", "/v1/events/stream", 200, get_events_stream, {}, "Follow what happens" },

	{ "GET", "/v1/audit", 200, get_audit, { .query = IN_PAGE },
	  "List who changed what, newest first" },
	{ "GET", "/v1/audit/verification", 200, get_audit_verification, {},
	  "Check that the audit log is as it was written" },
	{},
};
/* clang-format on */
