#pragma once

/*
 * The thread that starts again what a rollback has stopped and could not start, or did
 * not live to (engine_around_care): it has its own, since a container engine may take its time.
 */

#include "engine/engine.h"

struct restarter;

/* Takes the engine's hook (engine_on_around).  The engine is borrowed and outlives it. */
must_check int restarter_open(struct engine *engine, struct restarter **ret, struct fl_error *err);
/* Ends the thread after what it is starting.  NULL is fine. */
void restarter_close(struct restarter *restarter);
