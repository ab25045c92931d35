#pragma once

/*
 * The handlers of the command table, one file per family.  Each takes the
 * parsed words, asks the daemon, prints the answer to standard output, and
 * returns 0 or the error for main() to print.
 */

#include "cli/body.h"
#include "cli/command.h"

/* help.c */
must_check int verb_help(struct invocation *in, struct fl_error *err);
must_check int verb_version(struct invocation *in, struct fl_error *err);
void help_command(const struct command *command);
void help_overview(void);
/* The commands of two words that begin with this one. */
void help_family(const char *word);

/* complete.c */
must_check int verb_complete(struct invocation *in, struct fl_error *err);

/* pool.c */
must_check int verb_pool_create(struct invocation *in, struct fl_error *err);
must_check int verb_pool_show(struct invocation *in, struct fl_error *err);
must_check int verb_pool_drivers(struct invocation *in, struct fl_error *err);
must_check int verb_pool_grow(struct invocation *in, struct fl_error *err);
must_check int verb_pool_recover(struct invocation *in, struct fl_error *err);
must_check int verb_pool_adopt(struct invocation *in, struct fl_error *err);

/* volume.c */
/* The bytes that --quota, which is given, asks for. */
must_check int quota_option(const struct invocation *in, uint64_t *ret, struct fl_error *err);
must_check int verb_create(struct invocation *in, struct fl_error *err);
must_check int verb_list(struct invocation *in, struct fl_error *err);
must_check int verb_rename(struct invocation *in, struct fl_error *err);
must_check int verb_set(struct invocation *in, struct fl_error *err);
must_check int verb_unset(struct invocation *in, struct fl_error *err);

/* import.c */
must_check int verb_import(struct invocation *in, struct fl_error *err);
/* create --from-directory */
must_check int import_directory(struct invocation *in, struct fl_error *err);

/* The contents alone, of the new volume or branch that the first operand names, with programs that
 * are set-user-ID, as operating systems have them. */
must_check int import_tree(struct invocation *in, const char *archive, struct fl_error *err);

/* system.c */
must_check int verb_system_create(struct invocation *in, struct fl_error *err);
must_check int verb_system_list(struct invocation *in, struct fl_error *err);
must_check int verb_system_show(struct invocation *in, struct fl_error *err);
must_check int verb_system_set(struct invocation *in, struct fl_error *err);
must_check int verb_system_start(struct invocation *in, struct fl_error *err);
must_check int verb_system_stop(struct invocation *in, struct fl_error *err);
must_check int verb_system_restart(struct invocation *in, struct fl_error *err);
must_check int verb_system_console(struct invocation *in, struct fl_error *err);
must_check int verb_system_destroy(struct invocation *in, struct fl_error *err);

/* exec.c */
must_check int verb_system_exec(struct invocation *in, struct fl_error *err);

/* export.c */
must_check int verb_export(struct invocation *in, struct fl_error *err);

/* show.c */
must_check int verb_show(struct invocation *in, struct fl_error *err);

/* snapshot.c */
must_check int verb_snapshot(struct invocation *in, struct fl_error *err);
must_check int verb_diff(struct invocation *in, struct fl_error *err);
must_check int verb_log(struct invocation *in, struct fl_error *err);

/* policy.c */
must_check int verb_policy_show(struct invocation *in, struct fl_error *err);
must_check int verb_policy_set(struct invocation *in, struct fl_error *err);
must_check int verb_policy_unset(struct invocation *in, struct fl_error *err);
must_check int verb_thin(struct invocation *in, struct fl_error *err);

/* status.c */
must_check int verb_status(struct invocation *in, struct fl_error *err);

/* hook.c */
must_check int verb_hook_list(struct invocation *in, struct fl_error *err);
must_check int verb_hook_available(struct invocation *in, struct fl_error *err);
must_check int verb_hook_set(struct invocation *in, struct fl_error *err);
must_check int verb_hook_unset(struct invocation *in, struct fl_error *err);

/* events.c */
must_check int verb_events(struct invocation *in, struct fl_error *err);

/* files.c */
must_check int verb_ls(struct invocation *in, struct fl_error *err);
must_check int verb_cat(struct invocation *in, struct fl_error *err);
must_check int verb_cp(struct invocation *in, struct fl_error *err);
must_check int verb_versions(struct invocation *in, struct fl_error *err);

/* branch.c */
must_check int verb_branch(struct invocation *in, struct fl_error *err);
must_check int verb_branches(struct invocation *in, struct fl_error *err);
/* Of other instances. */
must_check int verb_remotes(struct invocation *in, struct fl_error *err);

/* rollback.c */
must_check int verb_rollback(struct invocation *in, struct fl_error *err);

/* restore.c */
must_check int verb_restore(struct invocation *in, struct fl_error *err);

/* run.c */
must_check int verb_run(struct invocation *in, struct fl_error *err);

/* tag.c */
must_check int verb_tag(struct invocation *in, struct fl_error *err);
must_check int verb_untag(struct invocation *in, struct fl_error *err);
must_check int verb_tags(struct invocation *in, struct fl_error *err);

/* stash.c */
must_check int verb_stash_list(struct invocation *in, struct fl_error *err);
must_check int verb_stash_show(struct invocation *in, struct fl_error *err);
must_check int verb_stash_restore(struct invocation *in, struct fl_error *err);
must_check int verb_stash_drop(struct invocation *in, struct fl_error *err);

/* operation.c */
must_check int verb_operations(struct invocation *in, struct fl_error *err);
must_check int verb_operation_show(struct invocation *in, struct fl_error *err);
must_check int verb_operation_cancel(struct invocation *in, struct fl_error *err);

/* peer.c */
must_check int verb_peer_add(struct invocation *in, struct fl_error *err);
must_check int verb_peer_list(struct invocation *in, struct fl_error *err);
must_check int verb_peer_show(struct invocation *in, struct fl_error *err);
must_check int verb_peer_remove(struct invocation *in, struct fl_error *err);

/* push.c */
/* Writes "limit" from --limit, if it is given. */
must_check int put_limit(struct body *body, const struct invocation *in, struct fl_error *err);
must_check int verb_push(struct invocation *in, struct fl_error *err);
must_check int verb_fetch(struct invocation *in, struct fl_error *err);
must_check int verb_pull(struct invocation *in, struct fl_error *err);

/* pins.c */
must_check int verb_pins(struct invocation *in, struct fl_error *err);
must_check int verb_unpin(struct invocation *in, struct fl_error *err);

/* verify.c */
must_check int verb_verify(struct invocation *in, struct fl_error *err);

/* member.c */
must_check int verb_ca_init(struct invocation *in, struct fl_error *err);
must_check int verb_ca_show(struct invocation *in, struct fl_error *err);
must_check int verb_ca_token(struct invocation *in, struct fl_error *err);
must_check int verb_ca_issue(struct invocation *in, struct fl_error *err);
must_check int verb_ca_renew(struct invocation *in, struct fl_error *err);
must_check int verb_ca_leave(struct invocation *in, struct fl_error *err);
must_check int verb_ca_revoke(struct invocation *in, struct fl_error *err);
must_check int verb_join(struct invocation *in, struct fl_error *err);

/* trash.c */
must_check int verb_destroy(struct invocation *in, struct fl_error *err);
must_check int verb_trash_list(struct invocation *in, struct fl_error *err);
must_check int verb_trash_restore(struct invocation *in, struct fl_error *err);
must_check int verb_trash_empty(struct invocation *in, struct fl_error *err);

/* audit.c */
must_check int verb_audit(struct invocation *in, struct fl_error *err);

/* mount.c */
must_check int verb_mount(struct invocation *in, struct fl_error *err);
must_check int verb_unmount(struct invocation *in, struct fl_error *err);

/* config.c */
must_check int verb_config_list(struct invocation *in, struct fl_error *err);
must_check int verb_config_get(struct invocation *in, struct fl_error *err);
must_check int verb_config_set(struct invocation *in, struct fl_error *err);
must_check int verb_config_unset(struct invocation *in, struct fl_error *err);
