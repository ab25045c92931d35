#pragma once

/*
 * Notes: what the catalogue knows of a snapshot, kept with it in the pool where the driver can
 * (DRIVER_CAN_NOTE), so that a recovery finds it without the catalogue's backup.  They follow
 * the catalogue, as facts do.  With other drivers nothing happens here.
 *
 *	{"format": 1, "sequence", "reason", "host", "name", "message", "metadata": {KEY: VALUE},
 *	 "tags": [{"name", "created"}],
 *	 "stashes": [{"number", "branch", "target_branch", "target_time", "target_id", "created"}]}
 *
 * Times are integers, nanoseconds UTC; ids are 16 hexadecimal digits; texts that are not
 * there are null.
 */

#include "engine/internal.h"

/* A snapshot of `source` as the row says, with its note. */
must_check int note_snapshot(struct engine *engine, const struct tree *source,
			     const struct snapshot_row *row, struct fl_error *err);

/*
 * The catalogue has changed what it says of the snapshot: so does its note, durably with the
 * next sync.  None there: nothing.  A failure is logged and made good by engine_care().
 */
void note_refresh(struct engine *engine, const struct position *position);

/* Compares all notes with the catalogue and writes those that differ.  Snapshots without one
 * get one where it would tell what nothing else does. */
must_check int notes_refresh_all(struct engine *engine, struct fl_error *err);

/* A note of what the row says alone, and back: false when it can't be read (what was read is in
 * `ret`). */
void note_encode(const struct snapshot_row *row, struct text *out);
must_check bool note_read(struct json_t *root, struct snapshot_row *ret);

/* --- for a recovery ------------------------------------------------------------------- */

struct note {
	struct tree tree;
	struct snapshot_row row; /* what the note says of it, nothing else */
	struct tag_row *tags;	 /* without their volume */
	size_t tag_count;
	struct stash_row *stashes;
	size_t stash_count;
};

struct note_list {
	struct note *items; /* by branch and time */
	size_t count;
};
void note_list_done(struct note_list *list);
#define own_note_list own(note_list_done)

/* Those that can be read; the others are logged. */
must_check int notes_load(struct engine *engine, struct note_list *ret, struct fl_error *err);
/* NULL when there is none. */
const struct note *note_find(const struct note_list *list, const struct tree *tree);
