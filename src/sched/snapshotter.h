#pragma once

/*
 * Snapshots by themselves (DESIGN section 7): a thread that hears of changes
 * from the engine (engine_changes), holds a schedule (model/schedule.h) for each
 * branch that something changed in lately, and has a few others take the
 * snapshots that are due (engine_save).
 *
 * A branch in which nothing changes is not in it, so it costs nothing.
 */

#include "engine/engine.h"

struct snapshotter;

/* Takes the engine's hook (engine_on_policy).  The engine is borrowed and outlives it. */
must_check int snapshotter_open(struct engine *engine, struct snapshotter **ret,
				struct fl_error *err);
/* Ends the threads after the snapshots that they are at.  NULL is fine. */
void snapshotter_close(struct snapshotter *snapshotter);
