#include "engine/source.h"

#include <string.h>

#include "engine/internal.h"
#include "engine/past.h"

void source_done(struct source *source)
{
	offer_done(&source->offer);
	free(source->snapshots);
	*source = (struct source){ 0 };
}

struct gathering {
	struct engine *engine;
	struct tx *tx;
	const struct target *target;
	struct source *source;
	bool pushed;
	bool own;		 /* this instance wrote those of this stretch */
	struct position *tagged; /* heap, sorted */
	size_t tagged_count;
};

static void gathering_done(struct gathering *gathering)
{
	free(gathering->tagged);
}

static int compare_positions(const void *a, const void *b)
{
	const struct position *x = a, *y = b;
	int order = memcmp(&x->branch, &y->branch, sizeof(x->branch));

	return order ? order : (x->time > y->time) - (x->time < y->time);
}

/* --- the parts of an offer ---------------------------------------------------------- */

static void add_volume(const struct gathering *gathering, const char *as)
{
	const struct volume_row *row = &gathering->target->volume;
	struct offer_volume *volume = &gathering->source->offer.volume;

	*volume = (struct offer_volume){
		.uuid = row->uuid,
		.owner = row->owner,
		.epoch = row->epoch,
		.description = xstrdup(row->description ? row->description : ""),
		.mount_path = xstrdup(row->mount_path ? row->mount_path : ""),
		.origin = row->origin,
		.created = row->created,
	};
	memcpy(volume->name, row->name, NAME_TEXT);
	snprintf(volume->as, sizeof(volume->as), "%s", as ? as : "");
	metadata_copy(&row->metadata, &volume->metadata);
	answer_instance(gathering->engine, gathering->tx, &row->owner, volume->owner_name);
}

static int add_lines(const struct gathering *gathering, const struct uuid *branch,
		     struct fl_error *err)
{
	struct offer *offer = &gathering->source->offer;
	own_free struct line *lines = NULL;
	size_t count;

	if (tx_line_list(gathering->tx, branch, &lines, &count, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < count; i++)
		*array_add(offer->lines, offer->line_count) = lines[i];
	return 0;
}

static int add_branch(const struct gathering *gathering, const struct uuid *uuid,
		      struct fl_error *err)
{
	struct offer *offer = &gathering->source->offer;
	struct offer_branch *branch;
	struct branch_row row;

	for (size_t i = 0; i < offer->branch_count; i++)
		if (uuid_equal(&offer->branches[i].uuid, uuid))
			return 0;
	if (tx_branch_get(gathering->tx, uuid, &row, err) < 0)
		return fl_failed(err);
	branch = array_add(offer->branches, offer->branch_count);
	*branch = (struct offer_branch){ .uuid = row.uuid,
					 .instance = row.instance,
					 .origin = row.origin,
					 .created = row.created };
	if (row.destroyed == 0)
		memcpy(branch->name, row.name, NAME_TEXT);
	answer_instance(gathering->engine, gathering->tx, &row.instance, branch->instance_name);
	return add_lines(gathering, uuid, err);
}

/* --- the past ------------------------------------------------------------------------- */

static int add_tagged(void *arg, const struct tag_row *row, struct fl_error *err)
{
	struct gathering *gathering = arg;

	*array_add(gathering->tagged, gathering->tagged_count) = row->snapshot;
	return 0;
}

static int add_snapshot(void *arg, const struct snapshot_row *row, struct fl_error *err)
{
	const struct gathering *gathering = arg;
	struct source *source = gathering->source;
	struct plan_snapshot *snapshot = array_add(source->snapshots, source->plan.count);
	bool tagged = gathering->tagged_count &&
		      bsearch(&row->position, gathering->tagged, gathering->tagged_count,
			      sizeof(*gathering->tagged), compare_positions);

	snapshot->position = row->position;
	snapshot->others = gathering->pushed && !gathering->own;
	snapshot->worth = row->name[0] || tagged;
	snapshot->tagged = tagged && gathering->own &&
			   uuid_equal(&source->plan.owner, &gathering->engine->instance);
	return 0;
}

/* The branches that the target's past goes through. */
static int add_ancestors(struct gathering *gathering, struct fl_error *err)
{
	own_free struct stretch *past = NULL;
	size_t count;

	if (past_of(gathering->tx, &gathering->source->offer.target, &past, &count, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < count; i++)
		if (add_branch(gathering, &past[i].branch, err) < 0)
			return fl_failed(err);
	return 0;
}

static bool is_own(const struct gathering *gathering, const struct uuid *branch)
{
	const struct offer *offer = &gathering->source->offer;

	for (size_t i = 0; i < offer->branch_count; i++)
		if (uuid_equal(&offer->branches[i].uuid, branch))
			return uuid_equal(&offer->branches[i].instance,
					  &gathering->engine->instance);
	return true;
}

static int add_past(struct gathering *gathering, struct fl_error *err)
{
	struct source *source = gathering->source;
	struct offer *offer = &source->offer;

	if (add_ancestors(gathering, err) < 0)
		return fl_failed(err);
	lineage_sort(offer->lines, offer->line_count);
	if (position_is_none(&offer->target))
		return 0;
	if (offer_make_past(offer, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < offer->past_count; i++) {
		gathering->own = is_own(gathering, &offer->past[i].branch);
		if (tx_snapshot_each(gathering->tx, &offer->past[i], SIZE_MAX, add_snapshot,
				     gathering, err) < 0)
			return fl_failed(err);
	}
	source->plan.snapshots = source->snapshots;
	return 0;
}

/* Its newest snapshot that exists, for a branch; else what the reference stands for. */
static int find_target(const struct gathering *gathering, struct fl_error *err)
{
	const struct target *target = gathering->target;
	struct offer *offer = &gathering->source->offer;

	if (target->is_snapshot)
		offer->target = target->snapshot.position;
	else if (head_position(gathering->tx, &target->branch.uuid, &offer->target, err) < 0)
		return fl_failed(err);
	offer->pointer = !target->is_snapshot;
	if (!position_is_none(&offer->target))
		return 0;
	fl_fail(err, FL_NOT_FOUND, "%s/%s has no snapshot that could be sent", target->volume.name,
		target->branch.name);
	return fl_hint(err, "take one: flocker snapshot %s/%s", target->volume.name,
		       target->branch.name);
}

static void name_source(const struct gathering *gathering)
{
	const struct target *target = gathering->target;
	char instance[NAME_TEXT], id[SNAPID_TEXT];
	char *name = gathering->source->name;
	const size_t size = sizeof(gathering->source->name);

	answer_instance(gathering->engine, gathering->tx, &target->branch.instance, instance);
	if (target->is_snapshot)
		snprintf(name, size, "%s/%s/%s@{%s}", instance, target->volume.name,
			 target->branch.name, snapid_format(target->snapshot.id, id));
	else
		snprintf(name, size, "%s/%s/%s", instance, target->volume.name,
			 target->branch.name);
}

static int gather(struct gathering *gathering, const struct source_options *options,
		  struct fl_error *err)
{
	const struct target *target = gathering->target;
	struct source *source = gathering->source;

	source->plan.epoch = target->volume.epoch;
	source->plan.owner = target->volume.owner;
	source->plan.every = options->every;
	source->plan.anew = options->anew;
	source->plan.pointer = !target->is_snapshot;
	source->plan.branch = target->branch.uuid;
	source->plan.own = uuid_equal(&target->branch.instance, &gathering->engine->instance);
	source->offer.transfer = uuid_new();
	name_source(gathering);
	add_volume(gathering, options->as);
	if (find_target(gathering, err) < 0 ||
	    add_branch(gathering, &target->branch.uuid, err) < 0 ||
	    tx_tag_each(gathering->tx, &target->volume.uuid, NULL, add_tagged, gathering, err) < 0)
		return fl_failed(err);
	array_sort(gathering->tagged, gathering->tagged_count, compare_positions);
	return add_past(gathering, err);
}

int source_open(struct engine *engine, const struct source_options *options, struct source *ret,
		struct fl_error *err)
{
	own_target struct target target = { 0 };
	own_source struct source source = { 0 };
	own_tx struct tx *tx = NULL;
	own(gathering_done) struct gathering gathering = { .engine = engine,
							   .target = &target,
							   .source = &source };

	if (tx_begin(engine->catalog, &tx, err) < 0 ||
	    resolve(engine, tx, options->ref, &target, err) < 0)
		return fl_failed(err);
	gathering.tx = tx;
	gathering.pushed = options->pushed;
	if (gather(&gathering, options, err) < 0)
		return fl_failed(err);
	*ret = source;
	source = (struct source){ 0 };
	return 0;
}

/* --- what goes with each, and after all ------------------------------------------------- */

/* The tags of a volume are its owner's. */
static int is_tagged(struct engine *engine, struct tx *tx, const struct position *position,
		     bool *ret, struct fl_error *err)
{
	own_volume_row struct volume_row volume = { 0 };
	struct branch_row branch;
	unsigned pins;

	if (tx_branch_get(tx, &position->branch, &branch, err) < 0 ||
	    tx_volume_get(tx, &branch.volume, &volume, err) < 0 ||
	    tx_snapshot_pins(tx, position, &pins, err) < 0)
		return fl_failed(err);
	*ret = (pins & PIN_TAG) && uuid_equal(&volume.owner, &engine->instance);
	return 0;
}

int source_step(struct engine *engine, const struct position *position, struct step *ret,
		struct fl_error *err)
{
	own_snapshot_row struct snapshot_row row = { 0 };
	own_tx struct tx *tx = NULL;
	bool tagged;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	if (tx_snapshot_get(tx, position, &row, err) < 0 ||
	    is_tagged(engine, tx, position, &tagged, err) < 0)
		return fl_wrap(err, "a snapshot that was to be sent is gone");
	*ret = (struct step){
		.snapshot = row.position,
		.storage = row.storage,
		.sequence = row.sequence,
		.reason = row.reason,
		.message = xstrdup(row.message ? row.message : ""),
		.tagged = tagged,
	};
	memcpy(ret->host, row.host, NAME_TEXT);
	memcpy(ret->name, row.name, NAME_TEXT);
	metadata_copy(&row.metadata, &ret->metadata);
	return 0;
}

static int finish_tag(void *arg, const struct tag_row *row, struct fl_error *err)
{
	struct finish *finish = arg;
	struct offer_tag *tag = array_add(finish->tags, finish->tag_count);

	memcpy(tag->name, row->name, NAME_TEXT);
	tag->snapshot = row->snapshot;
	tag->created = row->created;
	return 0;
}

int source_finish(struct engine *engine, const struct uuid *volume, struct finish *ret,
		  struct fl_error *err)
{
	own_finish struct finish finish = { 0 };
	own_volume_row struct volume_row row = { 0 };
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0 || tx_volume_get(tx, volume, &row, err) < 0)
		return fl_failed(err);
	if (row.destroyed)
		return fl_fail(err, FL_NOT_FOUND, "the volume '%s' was destroyed meanwhile",
			       row.name);
	finish.owner = uuid_equal(&row.owner, &engine->instance);
	if (finish.owner && tx_tag_each(tx, volume, NULL, finish_tag, &finish, err) < 0)
		return fl_failed(err);
	*ret = finish;
	finish = (struct finish){ 0 };
	return 0;
}
