#pragma once

/*
 * diff --content: what is in the files that differ.
 *
 * The command itself reads both of each, one pair after the other, and compares them: what a
 * comparison costs is its user's, and the daemon has nothing more to do than to read files.
 * So that all of it is about the two moments that it began with, whatever is snapshotted
 * meanwhile, points that move (@{-1}, a tag) are first made ids.  The live contents move on.
 */

#include "base/text.h"
#include "cli/command.h"
#include "lib/value.h"
#include "model/textdiff.h"

#define CONTENT_LARGEST (UINT64_C(8) << 20) /* bytes of a file that is still looked into */

/* The earlier and the later. */
struct moments {
	struct text refs[2];   /* to ask for: they stay the same */
	struct text labels[2]; /* as the user said */
	struct text paths[2];  /* "" or ":PATH", of what is to be compared */
	bool live[2];
};

void moments_done(struct moments *moments);
#define own_moments own(moments_done)

/* Of the operands of `diff`; asks the daemon. */
must_check int moments_find(struct invocation *in, struct moments *ret, struct fl_error *err);

/* What is known of one of the two files. */
enum content {
	CONTENT_NONE, /* no file, or none whose contents are to be compared */
	CONTENT_TEXT,
	CONTENT_EMPTY,
	CONTENT_BINARY,
	CONTENT_LARGE,
	CONTENT_GONE, /* live, and removed since */
	CONTENT_UNREADABLE,
};

/* A change that was looked into. */
struct contents {
	enum content files[2];
	struct fl_answer bytes[2];
	struct fl_error why;  /* of CONTENT_UNREADABLE */
	bool same;	      /* both have the same contents */
	bool shown;	      /* `diff` is there */
	struct textdiff diff; /* borrows from `bytes` */
};

void contents_done(struct contents *contents);
#define own_contents own(contents_done)

/* FL_UNREACHABLE ends a comparison; what cannot be read for another reason is a result. */
must_check int contents_look(struct invocation *in, const struct moments *moments,
			     struct value *change, struct contents *ret, struct fl_error *err);

/* How much is shown around what changed, and how a last line without an end. */
#define CONTENT_CONTEXT 3
#define CONTENT_NO_NEWLINE "\\ No newline at end of file"

/* Adds a member "content" to a change, an object as the daemon wrote it. */
void contents_add_json(const struct contents *contents, struct text *change);

/* Prints `items`, an array of changes, with their contents: as text, or as JSON. */
must_check int content_print(struct invocation *in, const struct moments *moments,
			     struct value *items, struct fl_error *err);
