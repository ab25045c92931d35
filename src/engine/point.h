#pragma once

/*
 * Points: which snapshot "@{...}" of a branch stands for.  "latest", "-3" and times walk the
 * branch's past (past.h); names and ids are looked up in the catalogue, since a person who types
 * one means that snapshot, also when a rollback has left it beside the line.
 */

#include "engine/internal.h"

/* Fills in the snapshot of `target`, whose volume and branch are there.  FL_NOT_FOUND. */
must_check int point_resolve(struct engine *engine, struct tx *tx, const struct ref *ref,
			     struct target *target, struct fl_error *err);
