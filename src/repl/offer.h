#pragma once

/*
 * What the two sides of a transfer tell each other: the payloads of repl/wire.h
 * as values.  Pure.  Every decoder bounds what it takes and checks what can be
 * checked without a catalogue (names, counts, order of times); it answers FL_CORRUPT.
 * What governs texts beyond that (mount paths) the engine checks as it does for users.
 *
 * The limits are such that what keeps to them fits into one frame (WIRE_PAYLOAD).  What has none
 * that would do, tags and volumes, is told in as many frames as it takes.
 */

#include "model/lineage.h"
#include "model/metadata.h"
#include "model/name.h"
#include "model/nouns.h"
#include "model/snapname.h"
#include "model/storage.h"
#include "repl/wire.h"

#define OFFER_BRANCHES 512
#define OFFER_LINES 16384
#define OFFER_TIMES 100000 /* snapshots in HAVE */
#define OFFER_TEXT 4096	   /* bytes of a description, message or path */
#define OFFER_POINT 8192   /* bytes */
#define OFFER_FRAME_TAGS 10000
#define OFFER_TAGS 65536 /* in all */
#define OFFER_FRAME_LISTED 4096
#define OFFER_LISTED 65536 /* volumes and branches, in all */

/* What governs a volume: its owner's word (DESIGN section 1). */
struct offer_volume {
	struct uuid uuid;
	char name[NAME_TEXT];
	char as[NAME_TEXT]; /* what it is to be called at R; "" = the same */
	struct uuid owner;
	char owner_name[NAME_TEXT];
	uint64_t epoch;
	char *description; /* heap, never NULL */
	char *mount_path;  /* the same; "" = none */
	struct metadata metadata;
	struct origin origin;
	int64_t created;
};

struct offer_branch {
	struct uuid uuid;
	struct uuid instance; /* whose it is */
	char instance_name[NAME_TEXT];
	char name[NAME_TEXT]; /* "" = it is no more; never of the first */
	struct origin origin;
	int64_t created;
};

/*
 * OFFER.  On the wire the lines stand with their branches; `past` follows from
 * them and is not sent.
 */
struct offer {
	struct uuid transfer;
	struct offer_volume volume;
	struct offer_branch *branches; /* heap: what is sent (the first), and those that its past
					  goes through */
	size_t branch_count;
	struct line *lines; /* heap: of these branches, as lineage_sort() puts them: all, or all
			       that the past goes through and the newest of the others */
	size_t line_count;
	struct position target; /* to be the tip there, or one snapshot alone */
	bool pointer;		/* the branch's pointer moves there; else the snapshot is sent
				   for itself */
	struct stretch *past;	/* heap: of the target, the newest first */
	size_t past_count;
};
void offer_done(struct offer *offer);
#define own_offer own(offer_done)

/*
 * Makes `past`, of the target, from the sorted lines; decoding has done it.  FL_CORRUPT:
 * the target is in none of them, or they go in a circle.
 */
must_check int offer_make_past(struct offer *offer, struct fl_error *err);
/* FL_UNSUPPORTED when there is more than OFFER allows; before it is encoded. */
must_check int offer_check(const struct offer *offer, struct fl_error *err);

enum have_volume {
	HAVE_NO_VOLUME,
	HAVE_VOLUME,	   /* the same one */
	HAVE_OTHER_VOLUME, /* another one has the name: `other` */
};

/* HAVE */
struct have {
	enum have_volume volume;
	struct uuid other;
	uint64_t epoch;	     /* of the volume there; 0 = none */
	struct uuid owner;   /* the same */
	struct position tip; /* where the branch's pointer stands; none */
	int64_t line;	     /* start of the newest line of that branch that R knows; 0 = none */
	int64_t *times;	 /* heap: of the snapshots that R has in `past`, newest first within each
			    stretch, one stretch after the other; the newest OFFER_TIMES */
	size_t *counts;	 /* heap: how many of them lie in each stretch */
	size_t count;	 /* of stretches */
	uint32_t forms;	 /* bits that R takes */
	uint32_t grain;	 /* of the times in its pool */
	uint64_t number; /* by which its own form knows the newest of these snapshots; 0 = none */

	bool live; /* of this very transfer: R still has the step's stream */
	struct position live_step;
	uint64_t live_frames;
	uint8_t live_chain[WIRE_CHAIN];

	bool halfway; /* R has a half-made tree */
	struct position half_target, half_base;
	struct text point; /* how far: the bytes of delta/point.h, which check themselves */
};
void have_done(struct have *have);
#define own_have own(have_done)

/* The newest of its snapshots; none. */
struct position have_newest(const struct have *have, const struct stretch *past);
/* Is it an answer to an offer with this past?  FL_CORRUPT: another number of stretches, or times
 * that lie outside of them. */
must_check int have_check(const struct have *have, const struct stretch *past, size_t past_count,
			  struct fl_error *err);

enum step_how { STEP_ANEW, STEP_LIVE, STEP_POINT };

/* STEP */
struct step {
	struct position snapshot;
	struct snapname storage; /* of the same time */
	uint64_t sequence;
	char host[NAME_TEXT];
	enum reason reason;
	char name[NAME_TEXT];
	char *message; /* heap, never NULL */
	struct metadata metadata;
	struct position base; /* none: all of it */
	enum stream_form form;
	enum step_how how;
	uint64_t bytes; /* that are to come from here to the end, about; 0: unknown */
	bool tagged;	/* by the owner's tag, which comes with FINISH */
};
void step_done(struct step *step);
#define own_step own(step_done)

/* STEP_END */
struct step_end {
	uint64_t frames;
	uint64_t bytes; /* of the stream */
	uint8_t chain[WIRE_CHAIN];
	bool has_digest;
	uint8_t digest[WIRE_DIGEST]; /* of the tree */
	uint32_t grain;		     /* at which it was made */
};

struct offer_tag {
	char name[NAME_TEXT];
	struct position snapshot;
	int64_t created;
};

/* FINISH, in one frame or more: R does nothing before the last */
struct finish {
	bool owner; /* S owns the volume, so `tags` is what counts: R has those whose snapshots
		       it has, and no others */
	struct offer_tag *tags; /* heap, by name, which stands once */
	size_t tag_count;
};
void finish_done(struct finish *finish);
#define own_finish own(finish_done)

/* What REQUEST fetch asks for: a branch, its tip or a snapshot on it, or a tag. */
struct want {
	struct uuid transfer;
	char instance[NAME_TEXT]; /* whose branch; "" = S's own */
	char volume[NAME_TEXT];
	struct uuid volume_uuid; /* R knows it, and may call it otherwise; none: by the name */
	char branch[NAME_TEXT];
	char tag[NAME_TEXT];   /* instead of a branch; "" = none */
	uint64_t snapshot;     /* an id on that branch; 0 = its tip, or `point` */
	bool every;	       /* all snapshots, not only those that have a name or a tag */
	uint64_t limit;	       /* bytes a second; 0 = none */
	char point[NAME_TEXT]; /* what @{POINT} says, which S knows the meaning of; "" = nothing */
};

/* REQUEST digest */
struct digest_question {
	struct uuid volume;
	uint64_t snapshot; /* its id */
	uint32_t grain;	   /* of the times in the pool of who asks */
};

/* DIGEST_IS */
struct digest_answer {
	uint8_t digest[WIRE_DIGEST];
	uint32_t grain; /* at which it was made: that, or a coarser one */
};

/* VOLUMES, in one frame or more */
struct listed_branch {
	struct uuid uuid;
	struct uuid instance;
	char instance_name[NAME_TEXT];
	char name[NAME_TEXT];
	struct position tip;
	uint64_t tip_id; /* 0 = none */
	uint64_t snapshots;
};

struct listed_volume {
	struct uuid uuid;
	char name[NAME_TEXT];
	struct uuid owner;
	char owner_name[NAME_TEXT];
	uint64_t epoch;
	struct listed_branch *branches; /* heap */
	size_t branch_count;
};

struct listed {
	struct listed_volume *volumes; /* heap */
	size_t count;
};
void listed_done(struct listed *listed);
#define own_listed own(listed_done)

void offer_encode(const struct offer *offer, struct text *out);
must_check int offer_decode(const void *bytes, size_t length, struct offer *ret,
			    struct fl_error *err);
void have_encode(const struct have *have, struct text *out);
must_check int have_decode(const void *bytes, size_t length, struct have *ret,
			   struct fl_error *err);
void step_encode(const struct step *step, struct text *out);
must_check int step_decode(const void *bytes, size_t length, struct step *ret,
			   struct fl_error *err);
void step_end_encode(const struct step_end *end, struct text *out);
must_check int step_end_decode(const void *bytes, size_t length, struct step_end *ret,
			       struct fl_error *err);
/*
 * Writes the payload of one frame, from tag `*at` on (0 at first).  True: there is more, in another
 * frame.
 */
must_check bool finish_encode(const struct finish *finish, size_t *at, struct text *out);
/* Adds a frame's tags to `into` (zero at first); `*ret_more`: it is not the last. */
must_check int finish_decode(const void *bytes, size_t length, struct finish *into, bool *ret_more,
			     struct fl_error *err);
void want_encode(const struct want *want, struct text *out);
must_check int want_decode(const void *bytes, size_t length, struct want *ret,
			   struct fl_error *err);
void digest_question_encode(const struct digest_question *question, struct text *out);
must_check int digest_question_decode(const void *bytes, size_t length, struct digest_question *ret,
				      struct fl_error *err);
void digest_answer_encode(const struct digest_answer *answer, struct text *out);
must_check int digest_answer_decode(const void *bytes, size_t length, struct digest_answer *ret,
				    struct fl_error *err);
/* In the same way.  A volume whose branches take more than a frame stands in each of them. */
struct listed_at {
	size_t volume, branch;
};
must_check bool listed_encode(const struct listed *listed, struct listed_at *at, struct text *out);
must_check int listed_decode(const void *bytes, size_t length, struct listed *into, bool *ret_more,
			     struct fl_error *err);
