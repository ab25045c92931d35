#pragma once

/*
 * The receiving side of one transfer: the dialogue of repl/wire.h as R has it.  Outlives its
 * channel as sending.h does: a tree that is half-made waits for the rest.
 *
 * While it is there nobody else receives the same branch.
 */

#include "engine/operation.h"
#include "repl/link.h"
#include "repl/offer.h"

struct engine;
struct receiving;

/* `as`: what a volume that is new here is to be called; NULL: as the sender says. */
struct receiving *receiving_new(struct engine *engine, struct running *running, const char *as);
/* From now on only offers of this volume (admission_means()) are taken; "": of any. */
void receiving_limit(struct receiving *receiving, const char *volume);
void receiving_free(struct receiving *receiving);
OWN_FREEP(receiving, receiving_free)

/*
 * From OFFER to FINISH; the caller then ends the channel with DONE.  `wanted` (may be NULL): the
 * only branch that may come, since it was asked for.  After a failure as sending_run().
 */
must_check int receiving_run(struct receiving *receiving, struct channel *channel,
			     const struct want *wanted, struct fl_error *err);
bool receiving_was_cut(const struct receiving *receiving);

struct received {
	struct uuid branch; /* that came */
	char name[REF_SHORT];
	struct position target;
	uint32_t stash; /* that the tip here became, as the writer went back; 0 = none */
	bool there;	/* nothing was to move: the tip was here before, or the one snapshot */
	bool full;	/* the first came whole, made from nothing */
	uint64_t snapshots, bytes, wire, resumed;
};
void receiving_tell(const struct receiving *receiving, struct received *ret);
