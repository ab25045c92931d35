/*
 * fetch and pull.  A fetch asks a peer for a branch and receives it as if that had pushed it; what
 * comes is a remote branch.  A pull is a fetch after which an own branch, which began there and has
 * nothing of its own, is rolled forward to what came: a rollback to a snapshot that is newer, with
 * all that goes with one (rollback.h).
 */

#include <string.h>

#include "engine/internal.h"
#include "engine/rollback.h"
#include "engine/transfer-run.h"

struct fetch {
	struct engine *engine;
	const struct transfer_options *options;
	struct peer_row peer;
	struct want want;
	struct running *running;
	char name[REF_SHORT];
};

static void fetch_done(struct fetch *fetch)
{
	peer_row_done(&fetch->peer);
}

/* --- what is asked for ------------------------------------------------------------------- */

/* An id is the same everywhere; of other points only the one who has the branch knows what they
 * mean, and it takes none but ids. */
static int point_of(const struct ref *ref, uint64_t *ret, struct fl_error *err)
{
	*ret = 0;
	if (ref->point == POINT_NONE || ref->point == POINT_LATEST)
		return 0;
	if (ref->point == POINT_ID_OR_NAME && strlen(ref->name) == SNAPID_TEXT - 1) {
		*ret = strtoull(ref->name, NULL, 16);
		return 0;
	}
	fl_fail(err, FL_INVALID, "a snapshot at a peer is named by its whole id of 16 digits");
	return fl_hint(err, "flocker log shows the ids of those that are known here");
}

static int describe(struct fetch *fetch, const struct ref *ref, struct fl_error *err)
{
	struct want *want = &fetch->want;
	const char *branch = ref->kind == REF_BRANCH ? ref->branch : TRUNK;

	want->transfer = uuid_new();
	want->every = fetch->options->every;
	want->limit = fetch->options->limit ? fetch->options->limit : fetch->peer.limit;
	snprintf(want->instance, sizeof(want->instance), "%s", ref->instance);
	snprintf(want->volume, sizeof(want->volume), "%s", ref->volume);
	if (ref->kind == REF_TAG)
		snprintf(want->tag, sizeof(want->tag), "%s", ref->tag);
	else
		snprintf(want->branch, sizeof(want->branch), "%s", branch);
	return point_of(ref, &want->snapshot, err);
}

static const char *peer_of(const struct transfer_options *options)
{
	return options->peer ? options->peer : options->ref->instance;
}

static int begin(struct fetch *fetch, const char *verb, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	struct operation operation = { 0 };
	own_text struct text object = { 0 };

	if (gate_enter(fetch->engine, &inside, err) < 0 ||
	    find_peer(fetch->engine, peer_of(fetch->options), &fetch->peer, err) < 0 ||
	    describe(fetch, fetch->options->ref, err) < 0)
		return fl_failed(err);
	if (fetch->options->operation)
		operation.id = *fetch->options->operation;
	ref_format(fetch->options->ref, &object);
	snprintf(operation.verb, sizeof(operation.verb), "%s", verb);
	snprintf(fetch->name, sizeof(fetch->name), "%s", text_get(&object));
	text_add_format(&object, " from %s", fetch->peer.name);
	snprintf(operation.object, sizeof(operation.object), "%s", text_get(&object));
	return operation_begin(fetch->engine, &operation, &fetch->running, err);
}

static int receive(struct fetch *fetch, struct received *ret, struct fl_error *err)
{
	own(receiving_freep) struct receiving *receiving =
		receiving_new(fetch->engine, fetch->running, fetch->options->as);
	const struct dialogue dialogue = { .receiving = receiving, .want = &fetch->want };
	own_text struct text request = { 0 };
	int r;

	want_encode(&fetch->want, &request);
	r = dialogue_drive(fetch->engine, &dialogue, fetch->running, &fetch->peer, VERB_FETCH,
			   &request, err);
	receiving_tell(receiving, ret);
	return r;
}

/* The sender has planned; what came tells what it planned. */
static enum plan_outcome outcome_of(const struct received *received)
{
	if (received->stash)
		return PLAN_REWIND;
	if (received->snapshots == 0)
		return PLAN_UP_TO_DATE;
	return received->full ? PLAN_FULL : PLAN_FORWARD;
}

static void tell(const struct fetch *fetch, const struct received *received, int64_t began,
		 struct transfer *ret)
{
	*ret = (struct transfer){ .outcome = outcome_of(received),
				  .stash = received->stash,
				  .snapshots = received->snapshots,
				  .bytes = received->bytes,
				  .wire = received->wire,
				  .resumed = received->resumed,
				  .took = clock_monotonic() - began };
	memcpy(ret->ref, received->name, REF_SHORT);
	memcpy(ret->peer, fetch->peer.name, NAME_TEXT);
	events_add(&fetch->engine->events, "fetch", received->name, fetch->peer.name);
}

static int check_options(const struct transfer_options *options, const char *verb,
			 struct fl_error *err)
{
	if (options->as && name_check("volume", options->as, err) < 0)
		return fl_failed(err);
	if (!peer_of(options)[0]) {
		fl_fail(err, FL_INVALID, "%s needs the name of a peer", verb);
		return fl_hint(err, "flocker %s PEER/%s, or --from PEER", verb,
			       options->ref->volume);
	}
	return check_form(options->ref, FORM_VOLUME | FORM_BRANCH | FORM_SNAPSHOT | FORM_TAG, verb,
			  err);
}

/* "h1/mydata" looks like a branch of this host; where nobody else is named it is h1's trunk. */
static void name_peer(const struct transfer_options *options, struct ref *ret)
{
	*ret = *options->ref; /* borrows its strings */
	if (options->peer || ret->kind != REF_BRANCH || ret->instance[0])
		return;
	memcpy(ret->instance, ret->volume, NAME_TEXT);
	memcpy(ret->volume, ret->branch, NAME_TEXT);
	snprintf(ret->branch, sizeof(ret->branch), "%s", TRUNK);
}

int engine_fetch(struct engine *engine, const struct transfer_options *wanted, struct transfer *ret,
		 struct fl_error *err)
{
	struct transfer_options options = *wanted;
	own(fetch_done) struct fetch fetch = { .engine = engine, .options = &options };
	int64_t began = clock_monotonic();
	struct received received = { 0 };
	struct ref ref;

	name_peer(wanted, &ref);
	options.ref = &ref;
	if (check_options(&options, "fetch", err) < 0 || begin(&fetch, "fetch", err) < 0)
		return fl_failed(err);
	if (receive(&fetch, &received, err) == 0) {
		tell(&fetch, &received, began, ret);
		operation_end(fetch.running, NULL, &ret->operation);
		return 0;
	}
	fl_add_wrap(err, "fetching '%s' from '%s'", fetch.name, fetch.peer.name);
	operation_end(fetch.running, err, NULL);
	return fl_failed(err);
}
