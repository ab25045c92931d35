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
 * mean. */
static void describe_point(const struct ref *ref, struct want *want)
{
	own_text struct text point = { 0 };

	if (ref->point == POINT_LATEST)
		return;
	if (ref->point == POINT_ID_OR_NAME && strlen(ref->name) == SNAPID_TEXT - 1) {
		want->snapshot = strtoull(ref->name, NULL, 16);
		return;
	}
	ref_format_point(ref, &point);
	snprintf(want->point, sizeof(want->point), "%s", text_get(&point));
}

/*
 * Whose branch it is.  Who is asked without --from is asked for its own; others go by their UUIDs,
 * since each instance has its own names for those.  `*ret` none: nothing is known of it here.
 */
static int describe_writer(struct fetch *fetch, struct tx *tx, const struct ref *ref,
			   struct uuid *ret, struct fl_error *err)
{
	struct want *want = &fetch->want;
	int r;

	*ret = fetch->peer.instance;
	if (!fetch->options->peer || !ref->instance[0])
		return 0;
	r = instance_find(fetch->engine, tx, ref->instance, ret, err);
	if (r == -FL_NOT_FOUND) {
		*ret = (struct uuid){ 0 };
		memcpy(want->instance, ref->instance, NAME_TEXT);
		return 0;
	}
	if (r == 0 && !uuid_equal(ret, &fetch->peer.instance))
		uuid_format(ret, want->instance);
	return r;
}

/*
 * What is known here of its writer's goes by the name that it has here, as `flocker remotes` shows
 * it: there it may be called otherwise, by --as or since it was renamed.  All else goes by the name
 * there, and so does what is to get another one here.
 */
static int describe_volume(struct fetch *fetch, struct tx *tx, const struct ref *ref,
			   const struct uuid *writer, struct fl_error *err)
{
	own_volume_row struct volume_row row = { 0 };
	struct want *want = &fetch->want;
	struct branch_row branch;
	int r;

	memcpy(want->volume, ref->volume, NAME_TEXT);
	if (fetch->options->as)
		return 0;
	r = tx_volume_find(tx, ref->volume, &row, err);
	if (r == 0 && !uuid_equal(&row.owner, writer))
		r = tx_branch_find(tx, &row.uuid, writer, want->branch, &branch, err);
	if (r == 0)
		want->volume_uuid = row.uuid;
	return r == -FL_NOT_FOUND ? 0 : r;
}

static int describe(struct fetch *fetch, const struct ref *ref, struct fl_error *err)
{
	struct want *want = &fetch->want;
	const char *branch = ref->kind == REF_BRANCH ? ref->branch : TRUNK;
	own_tx struct tx *tx = NULL;
	struct uuid writer;

	want->transfer = uuid_new();
	want->every = fetch->options->every;
	want->limit = fetch->options->limit ? fetch->options->limit : fetch->peer.limit;
	describe_point(ref, want);
	if (ref->kind == REF_TAG)
		snprintf(want->tag, sizeof(want->tag), "%s", ref->tag);
	else
		snprintf(want->branch, sizeof(want->branch), "%s", branch);
	if (tx_begin(fetch->engine->catalog, &tx, err) < 0 ||
	    describe_writer(fetch, tx, ref, &writer, err) < 0)
		return fl_failed(err);
	return describe_volume(fetch, tx, ref, &writer, err);
}

static const char *peer_of(const struct transfer_options *options)
{
	return options->peer ? options->peer : options->ref->instance;
}

/* By its name, or by what it is called here as an instance: they differ where another one had the
 * name first. */
static int find_source(struct fetch *fetch, struct fl_error *err)
{
	const char *name = peer_of(fetch->options);
	own_tx struct tx *tx = NULL;
	struct fl_error other;
	struct uuid instance;
	int r = find_peer(fetch->engine, name, &fetch->peer, err);

	if (r != -FL_NOT_FOUND)
		return r;
	if (tx_begin(fetch->engine->catalog, &tx, &other) == 0 &&
	    instance_find(fetch->engine, tx, name, &instance, &other) == 0 &&
	    tx_peer_of(tx, &instance, &fetch->peer, &other) == 0)
		return 0;
	return r;
}

static int begin(struct fetch *fetch, const char *verb, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	struct operation operation = { 0 };
	own_text struct text object = { 0 };

	if (gate_enter(fetch->engine, &inside, err) < 0 || find_source(fetch, err) < 0 ||
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
	if (received->there)
		return PLAN_UP_TO_DATE;
	return received->full ? PLAN_FULL : PLAN_FORWARD;
}

/* What came, as it is called here. */
static void name_received(const struct fetch *fetch, const struct received *received,
			  char ret[static REF_SHORT])
{
	own_gate struct engine *inside = NULL;
	own_text struct text name = { 0 };
	struct fl_error ignored;
	struct ref ref;

	memcpy(ret, received->name, REF_SHORT);
	if (gate_enter(fetch->engine, &inside, &ignored) < 0 ||
	    ref_of_branch(fetch->engine, &received->branch, &ref, &ignored) < 0)
		return;
	ref_format(&ref, &name);
	snprintf(ret, REF_SHORT, "%s", text_get(&name));
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
	name_received(fetch, received, ret->ref);
	memcpy(ret->peer, fetch->peer.name, NAME_TEXT);
	events_add(&fetch->engine->events, "fetch", ret->ref, fetch->peer.name);
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
