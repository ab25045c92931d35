#pragma once

/* What the files of arrive.h share. */

#include "engine/arrive.h"
#include "engine/internal.h"

struct arrival {
	struct engine *engine;
	struct uuid peer;
	char peer_name[NAME_TEXT];
	char owner_name[NAME_TEXT];
	bool fetched;
	int64_t late;		/* of all its snapshots; see arrive-rows.c */
	struct facts *branches; /* as the sender has them: what is sent (the first), and those that
				   its past goes through */
	size_t count;
	struct position target;
	bool pointer; /* the branch's moves there; else it is sent for itself */

	/* One step, or none. */
	bool has_row;
	struct uuid operation;
	struct snapshot_row row;
	struct position base; /* it was made from; or none */
	bool tagged;	      /* its owner's tag is to come with FINISH */

	const struct finish *finish; /* or NULL */

	/* What the transaction did. */
	uint32_t stash;		 /* number of the one that was made; 0: none */
	uint32_t aside;		 /* the last of these, of all steps */
	struct position *marked; /* heap: snapshots whose tags or stashes changed */
	size_t marked_count;
};

/* In one write transaction: all of it, and the step's intent goes. */
must_check int arrive_rows(struct tx *tx, void *arg, struct fl_error *err);
/* Part of that: what the peer and we have in common stays (common-pins.h). */
must_check int arrive_pin_step(struct tx *tx, const struct arrival *arrival, struct fl_error *err);
must_check int arrive_pin_end(struct tx *tx, const struct arrival *arrival, struct fl_error *err);
/* The same of the owner's tags (arrive-tags.c). */
must_check int arrive_tags(struct tx *tx, struct arrival *arrival, struct fl_error *err);
/* Its note is to follow. */
void arrive_mark(struct arrival *arrival, const struct position *position);
/* Facts and notes follow, and who looks on is told. */
void arrive_settled(struct arrival *arrival);
void arrival_clear(struct arrival *arrival);

/* The intent of a step; its body is heap. */
struct intent_row arrive_intend(const struct arrival *arrival);
/* Finishes it where the tree is in place, else forgets it: what is in staging is swept. */
must_check int arrive_finish_intent(struct engine *engine, const struct intent_row *intent,
				    struct fl_error *err);
