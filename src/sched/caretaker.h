#pragma once

/*
 * The thread that gives the engine its passes of care (engine_care): when the
 * last one said the next is wanted, or at once when the engine asks.
 */

#include "engine/engine.h"

struct caretaker;

/* Takes the engine's hook (engine_on_care).  The engine is borrowed and outlives the caretaker. */
must_check int caretaker_open(struct engine *engine, struct caretaker **ret, struct fl_error *err);
/* Ends the thread after the pass that it is in.  NULL is fine. */
void caretaker_close(struct caretaker *caretaker);
