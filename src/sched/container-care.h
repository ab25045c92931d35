#pragma once

/*
 * The thread that keeps data containers (engine/data-container.h): it has the engine make a
 * round at the start, when a verb asks for one, when the container engine tells of something that
 * matters or is back, and now and then when nothing is heard.
 */

#include "engine/engine.h"

struct container_care;

/* `*ret` is NULL where no container engine is configured.  The engine is borrowed and outlives it.
 */
must_check int container_care_open(struct engine *engine, struct container_care **ret,
				   struct fl_error *err);
/* Ends the thread, after what it is asking the container engine for.  NULL is fine. */
void container_care_close(struct container_care *care);
