#pragma once

/*
 * What an instance has, told to a peer or asked of one: volumes and branches, its own and those of
 * others, with their tips (repl/offer.h, VOLUMES).
 */

#include "engine/reach.h"
#include "repl/offer.h"

/* `volume` "": all. */
must_check int listing_make(struct engine *engine, const char *volume, struct listed *ret,
			    struct fl_error *err);
must_check int listing_send(const struct listed *listed, struct channel *channel,
			    struct fl_error *err);
must_check int listing_ask(struct engine *engine, const struct peer_row *peer, const char *volume,
			   struct listed *ret, struct fl_error *err);
