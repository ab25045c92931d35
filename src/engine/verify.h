#pragma once

/*
 * verify: the digest of a snapshot, over contents and all attributes (tree/digest.h), here and at a
 * peer.
 */

#include "engine/engine.h"
#include "engine/operation.h"
#include "repl/offer.h"

struct verification {
	char ref[REF_SHORT];  /* the snapshot */
	char digest[65];      /* lower-case hexadecimal */
	char peer[NAME_TEXT]; /* "" = nobody was asked */
	char theirs[65];
	uint32_t grain; /* at which the times of files were compared: nanoseconds */
	bool equal;	/* nobody was asked, or the peer's is the same */
	struct operation operation;
};

/*
 * A snapshot, or a branch's newest; `peer` NULL: only here.  Reads all of it, as an operation.
 * FL_NOT_FOUND: the peer has no such snapshot.  That the two differ is an answer, no failure.
 */
must_check int engine_verify(struct engine *engine, const struct ref *ref, const char *peer,
			     const struct uuid *operation, struct verification *ret,
			     struct fl_error *err);

/* The coarser of that of the pool's times and the other side's. */
uint32_t verify_grain(const struct engine *engine, uint32_t theirs);

#define VERIFY_FOR_PEERS 16 /* at once; each reads a whole tree */
#define VERIFY_FOR_PEER 4   /* of these, for one of them */

struct asker {
	struct uuid peer;
	const char *name;
	bool (*waits)(void *arg); /* still, for the answer; any thread */
	void *arg;
};
/*
 * For a peer that asks.  An operation, which ends soon after nobody waits for it any more.
 * FL_BUSY: as many as may are made for peers already.
 */
must_check int verify_here(struct engine *engine, const struct digest_question *question,
			   const struct asker *asker, struct digest_answer *ret,
			   struct fl_error *err);

/* Of any tree that stays while it is read, as a part of an operation. */
must_check int verify_tree(struct engine *engine, struct running *running, const struct tree *tree,
			   uint32_t grain, uint8_t ret[static 32], struct fl_error *err);
