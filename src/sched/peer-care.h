#pragma once

/*
 * The thread that looks for peers that there is no link to (engine_peers_care): it has its own,
 * since one that is away takes its time not to answer.
 */

#include "engine/engine.h"

struct peer_care;

/* The engine is borrowed and outlives it. */
must_check int peer_care_open(struct engine *engine, struct peer_care **ret, struct fl_error *err);
/* How often that is has changed. */
void peer_care_wake(struct peer_care *care);
/* Ends the thread after the peer that it is asking.  NULL is fine. */
void peer_care_close(struct peer_care *care);
