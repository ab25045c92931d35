#pragma once

/*
 * Asking the daemon, and what every verb does with an answer.  Answers are
 * values (lib/value.h) that the caller frees; bodies are written with
 * cli/body.h.
 */

#include "lib/value.h"
#include <stdint.h>

#include "cli/body.h"
#include "cli/command.h"
#include "cli/print.h"
#include "model/ref.h"

/*
 * One request about `ref` (NULL: none) with `body` (NULL: none).  An answer
 * without a body is an empty object.
 */
must_check int talk(struct invocation *in, const char *method, const char *path, const char *ref,
		    struct body *body, struct value **ret, struct fl_error *err);

/* The same of fl_target()'s `target`: heap, and passes in; NULL (no memory) is refused. */
must_check int talk_to(struct invocation *in, const char *method, char *target, struct body *body,
		       struct value **ret, struct fl_error *err);

/* Connects, unless that was done; in->client is there then. */
must_check int talk_connect(struct invocation *in, struct fl_error *err);

/* A further connection, for what goes on beside in->client. */
must_check int talk_connect_again(const struct invocation *in, struct fl_client **ret,
				  struct fl_error *err);

/* The two halves of talk_to(). */
must_check int talk_send(struct invocation *in, const char *method, char *target, struct body *body,
			 struct fl_error *err);
must_check int talk_receive(struct invocation *in, struct value **ret, struct fl_error *err);

/* Prints an array or object as the daemon wrote it.  Before any of its strings are looked at. */
void print_json(const struct value *value);

/* One item of an array that is printed as it comes; "\n]" ends it. */
void print_item(const struct value *item, bool first);

/* --- fields: "" or 0 when missing or null --------------------------------------- */

const char *field(struct value *object, const char *key);
int64_t field_int(struct value *object, const char *key);
bool field_bool(struct value *object, const char *key);
/* A number of bytes as print_size(); NULL when it is null. */
char *field_size(struct value *object, const char *key, char text[static PRINT_TEXT]);
/* The number "score" in few digits; "" when it is null. */
char *field_score(struct value *object, char text[static PRINT_TEXT]);
/* A number with a fraction. */
double field_seconds(struct value *object, const char *key);
/* RFC 3339 to ns UTC. */
int64_t field_time(struct value *object, const char *key);
/* As a cell: local on a terminal, else as the daemon wrote it. */
const char *field_when(struct value *object, const char *key, char text[static PRINT_TEXT]);
/* The first 8 digits of a snapshot's id. */
char *field_short_id(struct value *object, const char *key, char text[static PRINT_TEXT]);
/* The strings of an array with the separator between them; heap. */
char *field_joined(struct value *object, const char *key, const char *separator);

/* --- what the user wrote ---------------------------------------------------------- */

/* The grammar of references, checked here so that the message needs no daemon. */
must_check int take_ref(const char *text, struct ref *ret, struct fl_error *err);
/* `ref` without its @{POINT}: the branch itself. */
void ref_branch_part(const struct ref *ref, struct text *ret);
/* Is it one snapshot: a point on a branch, a tag, a stash? */
bool ref_is_snapshot(const struct ref *ref);

/* The value of --count; `what` (plural) names the things in the message. */
must_check int take_count(const char *text, const char *what, int64_t *ret, struct fl_error *err);
/* Writes "key": the option's value, when it is given. */
void put_option(struct body *body, const struct invocation *in, enum option_id id, const char *key);
/* Writes "metadata": {...} from KEY=VALUE words; nothing when there are none. */
must_check int put_metadata(struct body *body, const char *const *words, size_t count,
			    struct fl_error *err);
/* The same for a member of another name. */
must_check int put_pairs(struct body *body, const char *member, const char *const *words,
			 size_t count, struct fl_error *err);

/* The same for "policy" and --policy. */
must_check int put_policy(struct body *body, const struct invocation *in, struct fl_error *err);

/* "flocker" with the options that lead to the same daemon: begins a command to type. */
void add_command(struct text *out, const struct invocation *in);
/* PATH as seen from the daemon: made absolute. */
must_check int absolute_path(const char *path, struct text *ret, struct fl_error *err);
