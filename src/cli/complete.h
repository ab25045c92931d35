#pragma once

/*
 * Completing a command line.  complete.c decides from the command table what
 * may stand at the cursor; names.c offers names that the daemon knows.  A
 * candidate that does not begin with what is typed already is left out, so
 * offering is all that a source does.
 *
 * What cannot be found out is not offered: a shell has no place for messages,
 * least of all in the middle of a line.
 */

#include "base/text.h"
#include "cli/command.h"

struct completion {
	struct invocation typed; /* what stands before the cursor; its client asks */
	const char *word;	 /* what the candidates must begin with */
	const char *before;	 /* of the same word, in front of `word`: "--from=" */
	int before_length;
	bool value;	   /* of an option: it may be what an operand is */
	struct text found; /* a line CANDIDATE<tab>DESCRIPTION for each */
};

/* Offers one, with its description or NULL; leaves out operands that are given already. */
void complete_offer(struct completion *c, const char *candidate, const char *description);

/* names.c: what `c->word` may become as one of these; nothing without a daemon. */
void names_refs(struct completion *c);
/* What the branch that is the first operand can go back to. */
void names_targets(struct completion *c);
void names_volumes(struct completion *c);
/* "VOLUME/", for the name of a new branch to follow. */
void names_volume_slash(struct completion *c);
/* Tags, and after "TAG@" every volume: a new tag begins like one that there is. */
void names_tags(struct completion *c);
void names_stashes(struct completion *c);
void names_trash(struct completion *c);
void names_settings(struct completion *c);
void names_hooks(struct completion *c);
void names_systems(struct completion *c);
void names_peers(struct completion *c);
/* INSTANCE/VOLUME/BRANCH that is here, and PEER/ for another to follow. */
void names_remotes(struct completion *c);
void names_setting_values(struct completion *c);
void names_operations(struct completion *c);
void names_certificates(struct completion *c);
/* Metadata of the first operand: "KEY", or "KEY=" for a value to follow. */
void names_keys(struct completion *c);
void names_keys_equals(struct completion *c);
