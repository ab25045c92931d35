#pragma once

/*
 * The thread that keeps systems as they are wanted: it waits until one ends, or is due to be
 * started again, and has the engine see to it (engine_systems_care).
 */

#include "engine/engine.h"

struct system_care;

/* The engine is borrowed and outlives it. */
must_check int system_care_open(struct engine *engine, struct system_care **ret,
				struct fl_error *err);
/* Ends the thread after the pass that it is in.  NULL is fine. */
void system_care_close(struct system_care *care);
