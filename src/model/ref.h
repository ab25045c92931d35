#pragma once

/*
 * References: the one grammar of DESIGN section 2, for every command and the API.
 *
 *	volume                       volume/branch           instance/volume/branch
 *	tag@volume                   stash/3@volume
 *	BRANCH@{POINT}		     POINT: latest | -N | time | ago | NAME | id
 *	REF:PATH
 *
 * Parsing is pure: it looks at nothing but the text, so it decides by form
 * alone.  POINT is tried in this order: "latest", "-N" (up to 1,000,000,000), 6 to
 * 16 hexadecimal digits, a duration with or without "ago" ("2h ago", "30m",
 * "1d"), a time (clock_parse), a name.  The digits may be an id or a name: that
 * is POINT_ID_OR_NAME and the catalogue decides, ids first.  They come before
 * durations because an id may look like one ("12345d").  What is plainly meant as a
 * duration or a time but is none ("2026-02-30") is refused and never taken for
 * a name.
 *
 * parse and format are inverse: ref_parse(ref_format(r)) == r for every
 * reference, and ref_format(ref_parse(t)) is the normal form of t.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/text.h"
#include "model/name.h"

#define REF_PATH 4096
#define REF_TEXT (REF_PATH + 512)

enum ref_kind {
	REF_VOLUME, /* "mydata": the volume itself, or its trunk, by context */
	REF_BRANCH, /* "mydata/test", "host/mydata/test" */
	REF_TAG,    /* "v1@mydata" */
	REF_STASH,  /* "stash/3@mydata" */
};

enum point_kind {
	POINT_NONE,	  /* no @{...} */
	POINT_LATEST,	  /* @{latest} */
	POINT_BACK,	  /* @{-3}: `number` snapshots before the newest */
	POINT_TIME,	  /* @{2026-11-20}: the newest at or before `number` (ns UTC) */
	POINT_AGO,	  /* @{2h ago}: the newest at or before now - `number` ns */
	POINT_NAME,	  /* @{before-upgrade} */
	POINT_ID_OR_NAME, /* @{9f3c2a1b}: 6 to 16 hexadecimal digits, lower case in `name` */
};

struct ref {
	enum ref_kind kind;
	char instance[NAME_TEXT]; /* REF_BRANCH only; "" = this one */
	char volume[NAME_TEXT];
	char branch[NAME_TEXT]; /* REF_BRANCH only */
	char tag[NAME_TEXT];	/* REF_TAG only */
	uint32_t stash;		/* REF_STASH only; from 1 */
	enum point_kind point;
	int64_t number;	      /* of POINT_BACK, POINT_TIME, POINT_AGO (whole seconds, in ns) */
	char name[NAME_TEXT]; /* of POINT_NAME, POINT_ID_OR_NAME */
	char *path;	      /* after ':'; heap, or NULL.  Relative, without leading '/' */
};

void ref_done(struct ref *ref);
#define own_ref own(ref_done)

/*
 * FL_INVALID with the exact reason and place: what was expected where.  A tag
 * or a stash takes no @{POINT} (it is one snapshot already).  PATH may hold
 * any byte but NUL; "" and "/" mean the root; slashes at either end and doubled
 * ones are dropped; "." and ".." components are refused, and what is longer than any
 * file system takes: REF_PATH - 1 bytes in all, 255 between two slashes.
 */
must_check int ref_parse(const char *text, struct ref *ret, struct fl_error *err);

/* Appends the normal form. */
void ref_format(const struct ref *ref, struct text *out);

/* What stands between "@{" and "}", alone: into `point`, `number` and `name`, and back (nothing for
 * POINT_NONE). */
must_check int ref_parse_point(const char *word, struct ref *ref, struct fl_error *err);
void ref_format_point(const struct ref *ref, struct text *out);

bool ref_equal(const struct ref *a, const struct ref *b);

/*
 * May `name` be given to a snapshot?  The name grammar, and none that reads as
 * another kind of POINT ("latest", "30m", "2026-11-20", "9f3c2a1b").
 */
must_check int ref_check_snapshot_name(const char *name, struct fl_error *err);
