#pragma once

/*
 * The end of the daemon waits for the verbs that run; some wait in turn for a container or a system
 * that has hours to end.  This lets them go on for a while, and then makes them give up, before
 * whoever ends the daemon loses patience and kills it.
 */

#include "engine/engine.h"

struct patience;

/* Begins to count; NULL: no thread could be made, so nothing will be given up. */
struct patience *patience_begin(struct engine *engine);
/* Before the engine is closed.  NULL is fine. */
void patience_end(struct patience *patience);
