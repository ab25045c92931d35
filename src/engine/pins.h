#pragma once

/*
 * Pins that are there for other instances: of peers, the snapshot that both have and that the next
 * transfer begins from; of transfers, what is on its way.  (Tags, stashes, tips and branches pin
 * too; those are what users see as such.)  Any thread.
 */

#include "engine/engine.h"

struct pin_report {
	enum pin kind;	      /* PIN_PEER or PIN_TRANSFER */
	char peer[NAME_TEXT]; /* the instance's name */
	struct uuid peer_uuid;
	char branch[REF_SHORT];	  /* the branch that is sent or received: "mydata/trunk",
				     "h1/mydata/trunk"; its UUID where it is gone */
	char snapshot[REF_SHORT]; /* what is pinned: "mydata/trunk@{9f3c...}"; "" where it is gone
				   */
	uint64_t id;		  /* of that; 0 where it is gone */
	int64_t time;
	struct uuid operation; /* the transfer; none for PIN_PEER */
	int64_t since;
};

struct pin_report_list {
	struct pin_report *items;
	size_t count;
};
void pin_report_list_done(struct pin_report_list *list);

/*
 * All, or those that serve a branch or hold one of its snapshots (of a volume: of any of its
 * branches), `ref` NULL or a volume or branch; and of `peer` alone, the name of an instance, unless
 * NULL.  FL_NOT_FOUND.
 */
must_check int engine_pins(struct engine *engine, const struct ref *ref, const char *peer,
			   struct pin_report_list *ret, struct fl_error *err);

/*
 * Lets go of what is kept for `peer` (the name of an instance) and a branch; of all that serve it
 * where `ref` is a volume.  Without `force` FL_BUSY, and the text says what it costs: the next
 * transfer sends everything, so many bytes.  FL_NOT_FOUND: nothing is.  What a transfer under way
 * needs is not let go of.
 */
must_check int engine_unpin(struct engine *engine, const struct ref *ref, const char *peer,
			    bool force, struct fl_error *err);

/* At start no transfer is under way: what one that was cut off has left goes. */
void pins_recover(struct engine *engine);
