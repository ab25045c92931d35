/*
 * Two instances, and what one knows of the other's branches: arrive.h, and every verb on a remote
 * branch.  The wire is left out: what h1 offers is read from its catalogue here, and its
 * snapshots go through a pipe from driver to driver.
 */

#include "tests/engine/fixture.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/fsat.h"
#include "base/text.h"
#include "engine/arrive-rows.h"
#include "engine/past.h"
#include "engine/pins.h"
#include "engine/rollback.h"
#include "engine/sending-pins.h"
#include "engine/thin.h"
#include "tests/engine/place.h"

static struct fixture h1, h2;
static struct fl_error err;

static void begin(void)
{
	fixture_begin(&h2);
	h2.name = "h2";
	fixture_restart(&h2);
	fixture_begin_beside(&h1, "h1");
	check_ok(make_volume(h1.engine, "data", NULL, &err));
	snap(&h1, "data", "a", "the first");
	snap(&h1, "data", "b", NULL);
}

static void end(void)
{
	engine_close(h1.engine);
	engine_close(h2.engine);
	h1.engine = h2.engine = NULL;
	place_clear(h1.directory);
	place_clear(h2.directory);
}

/* --- the other end ------------------------------------------------------------------- */

static void add_branch(struct fixture *from, struct tx *tx, struct offer *offer,
		       const struct uuid *uuid)
{
	own_free struct line *lines = NULL;
	struct offer_branch *branch;
	struct branch_row row;
	size_t count;

	for (size_t i = 0; i < offer->branch_count; i++)
		if (uuid_equal(&offer->branches[i].uuid, uuid))
			return;
	check_ok(tx_branch_get(tx, uuid, &row, &err));
	branch = array_add(offer->branches, offer->branch_count);
	*branch = (struct offer_branch){ .uuid = row.uuid,
					 .instance = row.instance,
					 .origin = row.origin,
					 .created = row.created };
	memcpy(branch->name, row.name, NAME_TEXT);
	answer_instance(from->engine, tx, &row.instance, branch->instance_name);
	check_ok(tx_line_list(tx, uuid, &lines, &count, &err));
	for (size_t i = 0; i < count; i++)
		*array_add(offer->lines, offer->line_count) = lines[i];
}

static void add_volume(struct fixture *from, struct tx *tx, struct offer *offer,
		       const struct volume_row *row)
{
	struct offer_volume *volume = &offer->volume;

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
	metadata_copy(&row->metadata, &volume->metadata);
	answer_instance(from->engine, tx, &row->owner, volume->owner_name);
}

static void make_offer(struct fixture *from, const char *text, struct offer *ret)
{
	own_target struct target target = { 0 };
	struct ref ref = reference(text);
	own_tx struct tx *tx = NULL;

	*ret = (struct offer){ .transfer = uuid_new(), .pointer = true };
	check_ok(tx_begin(from->engine->catalog, &tx, &err));
	check_ok(resolve(from->engine, tx, &ref, &target, &err));
	add_volume(from, tx, ret, &target.volume);
	if (target.is_snapshot)
		ret->target = target.snapshot.position;
	else
		check_ok(head_position(tx, &target.branch.uuid, &ret->target, &err));
	ret->pointer = !target.is_snapshot;
	check_ok(past_of(tx, &ret->target, &ret->past, &ret->past_count, &err));
	add_branch(from, tx, ret, &target.branch.uuid);
	for (size_t i = 0; i < ret->past_count; i++)
		add_branch(from, tx, ret, &ret->past[i].branch);
}

static void offer_release(struct offer *offer)
{
	free(offer->volume.description);
	free(offer->volume.mount_path);
	metadata_done(&offer->volume.metadata);
	free(offer->branches);
	free(offer->lines);
	free(offer->past);
}

static bool has(struct fixture *host, const struct position *position)
{
	own_snapshot_row struct snapshot_row row = { 0 };
	own_tx struct tx *tx = NULL;

	check_ok(tx_begin(host->engine->catalog, &tx, &err));
	return tx_snapshot_get(tx, position, &row, &err) == 0;
}

/* staging/<operation> of `to`: the snapshot of `from`. */
static void copy_tree(struct fixture *from, struct fixture *to, const struct tree *base,
		      const struct tree *tree, const struct uuid *operation)
{
	int ends[2];

	check(pipe2(ends, O_CLOEXEC) == 0);
	check_ok(from->engine->pool->driver->send(from->engine->pool, base, tree, ends[1], &err));
	close(ends[1]);
	check_ok(to->engine->pool->driver->receive(to->engine->pool, operation, base, ends[0],
						   &err));
	close(ends[0]);
}

struct steps {
	struct snapshot_row *rows; /* the oldest first */
	size_t count;
};

static int add_row(void *arg, const struct snapshot_row *row, struct fl_error *failure)
{
	struct steps *steps = arg;
	struct snapshot_row *copy = array_add(steps->rows, steps->count);

	*copy = *row;
	copy->message = row->message ? xstrdup(row->message) : NULL;
	copy->metadata = (struct metadata){ 0 };
	return 0;
}

static void load_steps(struct fixture *from, const struct offer *offer, struct steps *ret)
{
	own_tx struct tx *tx = NULL;

	*ret = (struct steps){ 0 };
	check_ok(tx_begin(from->engine->catalog, &tx, &err));
	for (size_t i = 0; i < offer->past_count; i++)
		check_ok(tx_snapshot_each(tx, &offer->past[i], SIZE_MAX, add_row, ret, &err));
	for (size_t i = 0; i < ret->count / 2; i++) {
		struct snapshot_row row = ret->rows[i];

		ret->rows[i] = ret->rows[ret->count - 1 - i];
		ret->rows[ret->count - 1 - i] = row;
	}
}

static void steps_release(struct steps *steps)
{
	for (size_t i = 0; i < steps->count; i++)
		snapshot_row_done(&steps->rows[i]);
	free(steps->rows);
}

static struct step step_of(const struct snapshot_row *row, const struct snapshot_row *base)
{
	static char none[] = "";
	struct step step = {
		.snapshot = row->position,
		.storage = row->storage,
		.sequence = row->sequence,
		.reason = row->reason,
		.message = row->message ? row->message : none,
	};

	if (base)
		step.base = base->position;
	memcpy(step.host, row->host, NAME_TEXT);
	memcpy(step.name, row->name, NAME_TEXT);
	return step;
}

static int send_step(struct fixture *from, struct fixture *to, struct arrival *arrival,
		     const struct snapshot_row *row, const struct snapshot_row *base)
{
	const struct tree tree = snapshot_tree(row);
	struct tree from_tree = base ? snapshot_tree(base) : (struct tree){ 0 };
	struct step step = step_of(row, base);
	struct uuid operation = uuid_new();

	copy_tree(from, to, base ? &from_tree : NULL, &tree, &operation);
	return arrive_snapshot(arrival, &operation, &step, &err);
}

static int send_steps(struct fixture *from, struct fixture *to, struct arrival *arrival,
		      const struct offer *offer)
{
	const struct snapshot_row *base = NULL;
	struct steps steps;
	int r = 0;

	load_steps(from, offer, &steps);
	for (size_t i = 0; r == 0 && i < steps.count; i++) {
		if (!has(to, &steps.rows[i].position))
			r = send_step(from, to, arrival, &steps.rows[i], base);
		base = &steps.rows[i];
	}
	steps_release(&steps);
	return r;
}

static int add_tag(void *arg, const struct tag_row *row, struct fl_error *failure)
{
	struct finish *finish = arg;
	struct offer_tag *tag = array_add(finish->tags, finish->tag_count);

	*tag = (struct offer_tag){ .snapshot = row->snapshot, .created = row->created };
	memcpy(tag->name, row->name, NAME_TEXT);
	return 0;
}

static void load_finish(struct fixture *from, const struct offer *offer, struct finish *ret)
{
	own_tx struct tx *tx = NULL;

	*ret = (struct finish){ .owner = uuid_equal(&offer->volume.owner,
						    &from->engine->instance) };
	check_ok(tx_begin(from->engine->catalog, &tx, &err));
	check_ok(tx_tag_each(tx, &offer->volume.uuid, NULL, add_tag, ret, &err));
}

struct sending {
	const char *ref;
	const char *as;
	bool fetched;
	uint32_t stash; /* what it was put aside as */
};

static int send_with(struct fixture *from, struct fixture *to, struct sending *sending)
{
	const struct arrive_from who = { from->engine->instance, from->engine->name,
					 sending->fetched };
	own_arrival struct arrival *arrival = NULL;
	struct finish finish = { 0 };
	struct offer offer;
	int r;

	make_offer(from, sending->ref, &offer);
	if (sending->as)
		snprintf(offer.volume.as, NAME_TEXT, "%s", sending->as);
	r = arrive_prepare(to->engine, &who, &offer, &arrival, &err);
	if (r == 0)
		r = send_steps(from, to, arrival, &offer);
	if (r == 0) {
		load_finish(from, &offer, &finish);
		r = arrive_finish(arrival, &finish, &sending->stash, &err);
	}
	free(finish.tags);
	offer_release(&offer);
	return r;
}

static int push(struct fixture *from, struct fixture *to, const char *ref)
{
	return send_with(from, to, &(struct sending){ .ref = ref });
}

/* --- what is seen --------------------------------------------------------------------- */

/* "b a": names of what the log shows, the newest first. */
static void check_log(struct fixture *host, const char *text, const char *wanted)
{
	struct snapshot_list list = { 0 };
	own_text struct text names = { 0 };
	struct ref ref = reference(text);

	check_ok(engine_log(host->engine, &ref, 0, 1000, &list, &err));
	for (size_t i = 0; i < list.count; i++)
		text_add_format(&names, "%s%s", i ? " " : "", list.items[i].name);
	check_string(wanted, text_get(&names));
	snapshot_list_done(&list);
}

static unsigned pins_of(struct fixture *host, const char *text)
{
	struct snapshot snapshot = { 0 };
	struct ref ref = reference(text);
	unsigned pins;

	check_ok(engine_snapshot_show(host->engine, &ref, &snapshot, &err));
	pins = snapshot.pins;
	snapshot_done(&snapshot);
	return pins;
}

static void check_refused(int r)
{
	check_code(FL_NOT_OWNER, r);
	check(strstr(err.text, "'h1'"));
	check(err.hint[0]);
}

/* --- tests ------------------------------------------------------------------------------ */

static void what_arrives_is_there(void)
{
	struct ref remote = reference("h1/data/trunk");
	struct branch branch = { 0 };

	begin();
	check_ok(make_tag(h1.engine, "v1@data", "data@{a}", &err));
	check_ok(push(&h1, &h2, "data"));
	check_log(&h2, "h1/data/trunk", "b a");
	check_log(&h2, "data", "b a");
	check_contents(&h2, "h1/data/trunk@{a}", "a");
	check_contents(&h2, "v1@data", "a");
	check_contents(&h2, "data@{latest}", "b");
	check_ok(engine_branch_show(h2.engine, &remote, &branch, &err));
	check(!branch.local && !branch.mounted && !branch.path && branch.snapshots == 2);
	check_string("h1", branch.instance);
	branch_done(&branch);
	check(pins_of(&h2, "data@{b}") == (PIN_TIP | PIN_PEER));
	check(pins_of(&h2, "data@{a}") == PIN_TAG);

	/* Only what is new, and tags that went. */
	snap(&h1, "data", "c", NULL);
	check_code(0, engine_untag(h1.engine,
				   &(struct ref){ .kind = REF_TAG, .volume = "data", .tag = "v1" },
				   &err));
	check_ok(push(&h1, &h2, "data"));
	check_log(&h2, "data", "c b a");
	check(pins_of(&h2, "data@{c}") == (PIN_TIP | PIN_PEER));
	check(pins_of(&h2, "data@{b}") == 0 && pins_of(&h2, "data@{a}") == 0);
	end();
}

static void own_branches_begin_there(void)
{
	begin();
	check_ok(push(&h1, &h2, "data"));
	check_ok(make_branch(h2.engine, "data/mine", "h1/data/trunk", &err));
	check_ok(make_branch(h2.engine, "data/old", "data@{a}", &err));
	check_head(&h2, "data/mine", "b");
	check_head(&h2, "data/old", "a");
	snap(&h2, "data/mine", "m", NULL);
	check_log(&h2, "data/mine", "m b a");
	check_ok(roll_back(h2.engine, "data/mine", "h1/data/trunk@{a}", &err));
	check_head(&h2, "data/mine", "a");
	check_ok(make_volume(h2.engine, "copy", "data", &err));
	check_head(&h2, "copy", "b");

	/* And go back, beside the owner's own. */
	check_ok(push(&h2, &h1, "data/mine"));
	check_log(&h1, "h2/data/mine", "a");
	check_log(&h1, "data", "b a");
	fixture_restart(&h1);
	fixture_restart(&h2);
	check_head(&h2, "data/mine", "a");
	check_log(&h1, "h2/data/mine", "a");
	end();
}

static void others_are_never_written(void)
{
	struct ref remote = reference("h1/data/trunk"), volume = reference("data");
	struct ref at = reference("h1/data/trunk@{a}"), file = remote;
	struct set_options options = { .description = "mine", .message = "mine" };
	struct snapshot snapshot = { 0 };
	struct volume shown = { 0 };
	own_free char *path = NULL;

	begin();
	check_ok(push(&h1, &h2, "data"));
	check_refused(take_snapshot(h2.engine, "h1/data/trunk", "x", &err));
	check_refused(take_snapshot(h2.engine, "data", "x", &err));
	check_refused(roll_back(h2.engine, "data", "data@{a}", &err));
	check_refused(make_tag(h2.engine, "v2@data", "data", &err));
	check_refused(engine_rename(h2.engine, &volume, "other", &err));
	check_refused(engine_rename(h2.engine, &remote, "other", &err));
	check_refused(engine_set_volume(h2.engine, &volume, &options, &shown, &err));
	options.description = NULL;
	check_refused(engine_set_snapshot(h2.engine, &at, &options, &snapshot, &err));
	check_code(FL_NOT_OWNER, make_branch(h2.engine, "h1/data/new", "data", &err));
	check_refused(make_branch(h2.engine, "data/trunk", "data", &err));
	check_code(FL_NOT_FOUND, take_snapshot(h2.engine, "data/trunk", "x", &err));
	check(strstr(err.hint, "h1/data/trunk"));
	check_code(FL_NOT_FOUND, take_snapshot(h2.engine, "h3/data/trunk", "x", &err));
	if (driver_of(h2.engine)->capabilities & DRIVER_CAN_EXPOSE)
		check_refused(engine_mount(h2.engine, &file, &path, &err));
	check_ok(engine_volume(h2.engine, &volume, &shown, &err));
	check_string("h1", shown.owner);
	check(shown.branch_count == 0);
	volume_done(&shown);
	end();
}

/* The writer went back: the pointer follows, and what was the tip is kept. */
static void a_writer_that_goes_back_is_followed(void)
{
	struct sending sending = { .ref = "data" };

	begin();
	snap(&h1, "data", "c", NULL);
	check_ok(push(&h1, &h2, "data"));
	check_ok(roll_back(h1.engine, "data", "data@{a}", &err));
	check_ok(send_with(&h1, &h2, &sending));
	check(sending.stash == 1);
	check_log(&h2, "data", "a");
	check_contents(&h2, "stash/1@data", "c");
	check(pins_of(&h2, "stash/1@data") == PIN_STASH);
	snap(&h1, "data", "d", NULL);
	check_ok(push(&h1, &h2, "data"));
	check_log(&h2, "data", "d a");
	fixture_restart(&h2);
	check_log(&h2, "data", "d a");
	check_contents(&h2, "stash/1@data", "c");
	end();
}

/* Also where trunk is merely in the past of what comes. */
static void a_writer_that_goes_back_is_followed_by_another_branch(void)
{
	struct sending sending = { .ref = "data/work" };

	begin();
	snap(&h1, "data", "c", NULL);
	check_ok(push(&h1, &h2, "data"));
	check_ok(make_branch(h1.engine, "data/work", "data@{c}", &err));
	snap(&h1, "data/work", "w", NULL);
	check_ok(roll_back(h1.engine, "data", "data@{a}", &err));
	check_ok(send_with(&h1, &h2, &sending));
	check(sending.stash == 0); /* of data/work */
	check_log(&h2, "h1/data/trunk", "a");
	check_log(&h2, "h1/data/work", "w c b a");
	check_contents(&h2, "stash/1@data", "c");
	snap(&h1, "data", "d", NULL);
	check_ok(push(&h1, &h2, "data"));
	check_log(&h2, "h1/data/trunk", "d a");
	fixture_restart(&h2);
	check_log(&h2, "h1/data/trunk", "d a");
	check_contents(&h2, "stash/1@data", "c");
	check_code(
		FL_NOT_FOUND,
		engine_stash_show(h2.engine,
				  &(struct ref){ .kind = REF_STASH, .volume = "data", .stash = 2 },
				  &(struct stash){ 0 }, &err));
	end();
}

/* What was offered before the rollback comes after it. */
static void an_older_offer_takes_no_rollback_back(void)
{
	struct arrive_from who = { .name = "h1" };
	own_arrival struct arrival *arrival = NULL;
	struct finish finish = { 0 };
	struct offer offer;

	begin();
	who.peer = h1.engine->instance;
	snap(&h1, "data", "c", NULL);
	check_ok(push(&h1, &h2, "data"));
	check_ok(make_branch(h1.engine, "data/work", "data@{c}", &err));
	snap(&h1, "data/work", "w", NULL);
	make_offer(&h1, "data/work", &offer);
	check_ok(arrive_prepare(h2.engine, &who, &offer, &arrival, &err));
	check_ok(roll_back(h1.engine, "data", "data@{a}", &err));
	check_ok(push(&h1, &h2, "data"));
	check_log(&h2, "h1/data/trunk", "a");
	check_ok(send_steps(&h1, &h2, arrival, &offer));
	load_finish(&h1, &offer, &finish);
	check_ok(arrive_finish(arrival, &finish, NULL, &err));
	check_log(&h2, "h1/data/trunk", "a");
	check_log(&h2, "h1/data/work", "w c b a");
	free(finish.tags);
	offer_release(&offer);
	end();
}

static void what_does_not_fit_is_refused(void)
{
	struct sending as = { .ref = "data", .as = "theirs" };
	struct arrive_from self;
	own_arrival struct arrival *arrival = NULL;
	struct offer offer;

	begin();
	check_ok(make_volume(h2.engine, "data", NULL, &err));
	check_code(FL_EXISTS, push(&h1, &h2, "data"));
	check(strstr(err.hint, "--as"));
	check_ok(send_with(&h1, &h2, &as));
	check_log(&h2, "theirs", "b a");
	check_log(&h2, "data", "");
	/* Known by its UUID from now on. */
	snap(&h1, "data", "c", NULL);
	check_ok(push(&h1, &h2, "data"));
	check_log(&h2, "h1/theirs/trunk", "c b a");

	make_offer(&h1, "data", &offer);
	self = (struct arrive_from){ h2.engine->instance, "h2", false };
	check_code(FL_INVALID, arrive_prepare(h2.engine, &self, &offer, &arrival, &err));
	self.peer = uuid_new();
	check_code(FL_NOT_OWNER, arrive_prepare(h2.engine, &self, &offer, &arrival, &err));
	check_code(FL_NOT_OWNER, arrive_prepare(h1.engine, &self, &offer, &arrival, &err));
	self.peer = h1.engine->instance;
	offer.volume.epoch = 0;
	check_code(FL_DIVERGED, arrive_prepare(h2.engine, &self, &offer, &arrival, &err));
	offer.volume.epoch = 1;
	offer.volume.owner = uuid_new();
	check_code(FL_DIVERGED, arrive_prepare(h2.engine, &self, &offer, &arrival, &err));
	offer_release(&offer);

	check_ok(destroy(h2.engine, "theirs", &err));
	check_code(FL_EXISTS, push(&h1, &h2, "data"));
	end();
}

static int change_epoch(struct tx *tx, void *arg, struct fl_error *failure)
{
	own_volume_row struct volume_row row = { 0 };

	if (tx_volume_find(tx, "data", &row, failure) < 0)
		return fl_failed(failure);
	row.epoch = 7;
	row.description = xstrdup("of people");
	return tx_volume_update(tx, &row, failure);
}

static void the_owner_says_what_the_volume_is(void)
{
	struct ref volume = reference("data");
	struct volume shown = { 0 };

	begin();
	check_ok(push(&h1, &h2, "data"));
	check_ok(catalog_write(h1.engine->catalog, CATALOG_DURABLE, change_epoch, NULL, &err));
	check_ok(push(&h1, &h2, "data"));
	check_ok(engine_volume(h2.engine, &volume, &shown, &err));
	check(shown.epoch == 7);
	check_string("of people", shown.description);
	volume_done(&shown);

	/* What it was before is of another time. */
	check_ok(make_branch(h2.engine, "data/mine", "data", &err));
	check_ok(push(&h2, &h1, "data/mine"));
	check_log(&h1, "data", "b a");
	end();
}

static int change_owner(struct tx *tx, void *arg, struct fl_error *failure)
{
	own_volume_row struct volume_row row = { 0 };

	if (tx_volume_find(tx, "data", &row, failure) < 0)
		return fl_failed(failure);
	row.owner = *(const struct uuid *)arg;
	row.epoch++;
	return tx_volume_update(tx, &row, failure);
}

/* h2 says that h1's volume is h2's by now; whether that is so somebody on the third must say. */
static void another_owner_counts_when_it_is_asked_for(void)
{
	struct sending fetch = { .ref = "data/mine", .fetched = true };
	struct ref volume = reference("data");
	struct volume shown = { 0 };
	struct uuid other = uuid_new();

	begin();
	check_ok(push(&h1, &h2, "data"));
	check_ok(make_branch(h2.engine, "data/mine", "data", &err));
	/* As if h1 had the volume from a third one. */
	check_ok(catalog_write(h1.engine->catalog, CATALOG_DURABLE, change_owner, &other, &err));
	other = h2.engine->instance;
	check_ok(catalog_write(h2.engine->catalog, CATALOG_DURABLE, change_owner, &other, &err));
	check_ok(catalog_write(h2.engine->catalog, CATALOG_DURABLE, change_owner, &other, &err));
	check_code(FL_DIVERGED, push(&h2, &h1, "data/mine"));
	check(strstr(err.hint, "flocker fetch"));
	check_ok(send_with(&h2, &h1, &fetch));
	check_ok(engine_volume(h1.engine, &volume, &shown, &err));
	check_string("h2", shown.owner);
	volume_done(&shown);
	check_ok(push(&h2, &h1, "data/mine"));
	end();
}

static size_t count_trees(struct fixture *host);

static void what_is_known_of_a_branch_is_dropped(void)
{
	struct ref volume = reference("data");
	struct trash_item item = { 0 };
	struct volume shown = { 0 };
	size_t before;

	begin();
	check_ok(make_tag(h1.engine, "v1@data", "data@{a}", &err));
	before = count_trees(&h2);
	check_ok(push(&h1, &h2, "data"));
	check_ok(make_branch(h2.engine, "data/mine", "data", &err));
	check_code(FL_BUSY, destroy(h2.engine, "h1/data/trunk", &err));
	check(strstr(err.text, "branch mine"));
	check_code(FL_BUSY, destroy(h2.engine, "data@{b}", &err));
	check(strstr(err.text, "'h1' has it too"));

	/* All of it goes to the trash, and comes back. */
	check_ok(destroy(h2.engine, "data", &err));
	check_code(FL_NOT_FOUND, engine_volume(h2.engine, &volume, &shown, &err));
	fixture_restart(&h2);
	check_ok(engine_trash_restore(h2.engine, "data", NULL, &item, &err));
	check_log(&h2, "h1/data/trunk", "b a");
	check_head(&h2, "data/mine", "b");
	fixture_restart(&h2);
	check_log(&h2, "data", "b a");

	/* Of the branch alone nothing is left, tags of its snapshots included; then it comes anew.
	 */
	check_ok(destroy(h2.engine, "data/mine", &err));
	check_ok(destroy(h2.engine, "h1/data/trunk", &err));
	check_ok(engine_volume(h2.engine, &volume, &shown, &err));
	volume_done(&shown);
	check_ok(push(&h1, &h2, "data"));
	check_contents(&h2, "v1@data", "a");
	check_ok(destroy(h2.engine, "data", &err));
	check_ok(engine_trash_empty(h2.engine, "data", &(uint64_t){ 0 }, &err));
	check_ok(push(&h1, &h2, "data"));
	check_ok(destroy(h2.engine, "h1/data/trunk", &err));
	check_code(FL_NOT_FOUND, engine_volume(h2.engine, &volume, &shown, &err));
	check(count_trees(&h2) == before);
	end();
}

/* Copies go by the policies here; what the next transfer begins from stays. */
static void copies_are_thinned(void)
{
	struct ref remote = reference("h1/data/trunk");
	struct thinned_list list = { 0 };
	struct metadata rules = { 0 };
	struct policy_report report = { 0 };
	char name[8];

	begin();
	for (int i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		snap(&h1, "data", name, NULL);
	}
	check_ok(push(&h1, &h2, "data"));
	snap(&h1, "data", "last", NULL);
	check_ok(push(&h1, &h2, "data"));
	check_ok(metadata_set(&rules, "max-count", "3", &err));
	check_ok(metadata_set(&rules, "keep-all", "0s", &err));
	check_ok(engine_policy_set(h2.engine, &remote, &rules, &report, &err));
	policy_report_done(&report);
	metadata_done(&rules);
	check_ok(engine_thin(h2.engine, &remote, false, &list, &err));
	check(list.count == 6);
	check(strncmp(list.items[0].ref, "h1/data/trunk@{", 15) == 0);
	thinned_list_done(&list);
	check(pins_of(&h2, "data@{latest}") == (PIN_TIP | PIN_PEER));
	check_log(&h1, "data", "last n5 n4 n3 n2 n1 n0 b a");
	end();
}

static void keep_few(struct fixture *host, const char *text)
{
	struct ref remote = reference(text);
	struct policy_report report = { 0 };
	struct thinned_list list = { 0 };
	struct metadata rules = { 0 };

	check_ok(metadata_set(&rules, "max-count", "2", &err));
	check_ok(metadata_set(&rules, "keep-all", "0s", &err));
	check_ok(engine_policy_set(host->engine, &remote, &rules, &report, &err));
	policy_report_done(&report);
	metadata_done(&rules);
	check_ok(engine_thin(host->engine, &remote, false, &list, &err));
	thinned_list_done(&list);
}

/* Its tags come last; in between the transfer is cut off, and another one brings the rest. */
static void what_is_tagged_there_is_not_thinned_before_its_tag_comes(void)
{
	struct arrive_from who = { .name = "h1" };
	const struct snapshot_row *base = NULL;
	struct offer offer;
	struct steps steps;

	begin();
	who.peer = h1.engine->instance;
	for (int i = 0; i < 6; i++) {
		char name[8], tag[16], of[16];

		snprintf(name, sizeof(name), "n%d", i);
		snprintf(tag, sizeof(tag), "v%d@data", i);
		snprintf(of, sizeof(of), "data@{n%d}", i);
		snap(&h1, "data", name, NULL);
		check_ok(make_tag(h1.engine, tag, of, &err));
	}
	make_offer(&h1, "data", &offer);
	load_steps(&h1, &offer, &steps);
	for (size_t i = 0; i < steps.count; i++) {
		own_arrival struct arrival *arrival = NULL;
		const struct snapshot_row *row = &steps.rows[i];
		const struct tree tree = snapshot_tree(row);
		struct tree from = base ? snapshot_tree(base) : (struct tree){ 0 };
		struct step step = step_of(row, base);
		struct uuid operation = uuid_new();

		step.tagged = row->name[0] == 'n';
		copy_tree(&h1, &h2, base ? &from : NULL, &tree, &operation);
		check_ok(arrive_prepare(h2.engine, &who, &offer, &arrival, &err));
		check_ok(arrive_snapshot(arrival, &operation, &step, &err));
		keep_few(&h2, "h1/data/trunk");
		base = row;
	}
	offer_release(&offer);
	steps_release(&steps);
	check_log(&h2, "h1/data/trunk", "n5 n4 n3 n2 n1 n0 a");
	check(pins_of(&h2, "data@{n0}") == PIN_PEER);
	check_ok(push(&h1, &h2, "data"));
	check(pins_of(&h2, "data@{n0}") == PIN_TAG);
	check(pins_of(&h2, "data@{n5}") == (PIN_TIP | PIN_PEER | PIN_TAG));
	end();
}

static void what_is_kept_for_a_peer_is_told_and_let_go(void)
{
	struct ref volume = reference("data"), mine = reference("data/mine");
	struct pin_report_list list = { 0 };

	begin();
	check_ok(push(&h1, &h2, "data"));
	check_ok(make_branch(h2.engine, "data/mine", "data", &err));
	check_ok(engine_pins(h2.engine, &volume, NULL, &list, &err));
	check(list.count == 1 && list.items[0].kind == PIN_PEER && list.items[0].id);
	check_string("h1", list.items[0].peer);
	check_string("h1/data/trunk", list.items[0].branch);
	check(strncmp(list.items[0].snapshot, "h1/data/trunk@{", 15) == 0);
	pin_report_list_done(&list);
	check_ok(engine_pins(h2.engine, &mine, NULL, &list, &err));
	check(list.count == 0);
	pin_report_list_done(&list);
	check_code(FL_BUSY, engine_unpin(h2.engine, &volume, "h1", false, &err));
	check(strstr(err.text, "sends everything") && strstr(err.hint, "--force"));
	check_code(FL_NOT_FOUND, engine_unpin(h2.engine, &mine, "h1", true, &err));
	check_code(FL_NOT_FOUND, engine_unpin(h2.engine, &volume, "h3", true, &err));
	check_ok(engine_unpin(h2.engine, &volume, "h1", true, &err));
	check_ok(engine_pins(h2.engine, NULL, NULL, &list, &err));
	check(list.count == 0);
	pin_report_list_done(&list);
	end();
}

/* --- what both have in common, whatever gets lost (common-pins.h) ----------------------------- */

enum lost {
	LOST_STEP,   /* planned, and no more */
	LOST_TAKEN,  /* h2 has it, and h1 does not know */
	LOST_FINISH, /* it does, and no more */
	LOST_DONE,   /* h2 is through, and h1 does not know */
	LOST_NOTHING,
	LOSSES,
};

enum what { A_NEW_ONE, THE_SAME, WHAT_A_THIRD_ONE_BROUGHT, A_TAG, WHATS };

/* A push from h1 to h2, in parts. */
struct parts {
	struct offer offer;
	struct steps steps;
	size_t common; /* of the steps: the newest that h2 has; their count: none */
	struct arrival *arrival;
	struct sending_pins pins;
	struct plan plan;
	struct plan_step step;
};

static void parts_begin(struct parts *parts, const char *ref)
{
	struct steps *steps = &parts->steps;
	struct plan_step *step = &parts->step;

	*parts = (struct parts){ 0 };
	make_offer(&h1, ref, &parts->offer);
	load_steps(&h1, &parts->offer, steps);
	parts->common = steps->count;
	for (size_t i = 0; i < steps->count; i++)
		if (has(&h2, &steps->rows[i].position))
			parts->common = i;
	if (parts->common < steps->count)
		parts->plan.common = steps->rows[parts->common].position;
	*step = (struct plan_step){ parts->offer.target, parts->plan.common };
	parts->plan.steps = step;
	parts->plan.count = parts->common + 1 != steps->count;
	parts->pins = (struct sending_pins){ h1.engine, &parts->offer, h2.engine->instance, "h2" };
}

static void parts_end(struct parts *parts)
{
	sending_pins_drop(&parts->pins);
	arrival_free(parts->arrival);
	steps_release(&parts->steps);
	offer_release(&parts->offer);
}

struct seen_pins {
	struct tx *tx;
	struct position at[16];
	size_t count;
	bool alone; /* those of what was sent for itself */
	struct text names;
};

static int see_common(void *arg, const struct pin_row *row, struct fl_error *failure)
{
	struct seen_pins *seen = arg;
	own_snapshot_row struct snapshot_row snapshot = { 0 };

	if (row->kind != PIN_PEER || uuid_is_none(&row->operation) == seen->alone)
		return 0;
	check_ok(tx_snapshot_get(seen->tx, &row->snapshot, &snapshot, failure));
	check(seen->count < 16);
	text_add_format(&seen->names, "%s%s", seen->count ? " " : "", snapshot.name);
	seen->at[seen->count++] = row->snapshot;
	return 0;
}

/* What `host` has pinned for `peer`: "b c"; all of it is there. */
static void see_pins(struct fixture *host, const struct uuid *peer, bool alone,
		     struct seen_pins *ret)
{
	const struct pin_filter filter = { .peer = peer };
	own_tx struct tx *tx = NULL;

	*ret = (struct seen_pins){ .alone = alone };
	check_ok(tx_begin(host->engine->catalog, &tx, &err));
	ret->tx = tx;
	check_ok(tx_pin_each(tx, &filter, see_common, ret, &err));
}

static void check_pins(struct fixture *host, const struct fixture *peer, bool alone,
		       const char *wanted)
{
	struct seen_pins seen;

	see_pins(host, &peer->engine->instance, alone, &seen);
	check_string(wanted, text_get(&seen.names));
	text_done(&seen.names);
}

static bool is_among(const struct position *position, const struct seen_pins *seen)
{
	for (size_t i = 0; i < seen->count; i++)
		if (position_equal(&seen->at[i], position))
			return true;
	return false;
}

/* The invariant, and that the pins are few. */
static void check_common(void)
{
	struct seen_pins ours, theirs;
	struct offer offer;
	struct steps past;
	bool common = false;

	make_offer(&h1, "data", &offer);
	load_steps(&h1, &offer, &past);
	see_pins(&h1, &h2.engine->instance, false, &ours);
	see_pins(&h2, &h1.engine->instance, false, &theirs);
	for (size_t i = 0; i < past.count; i++)
		common |= is_among(&past.rows[i].position, &ours) &&
			  is_among(&past.rows[i].position, &theirs);
	if (!common)
		printf("# h1 \"%s\", h2 \"%s\"\n", text_get(&ours.names), text_get(&theirs.names));
	check(common);
	check(ours.count <= 4 && theirs.count <= 3);
	text_done(&ours.names);
	text_done(&theirs.names);
	steps_release(&past);
	offer_release(&offer);
}

/* The transfer as sending.c and receiving.c have it; false: it was lost. */
static bool send_parts(struct parts *parts, enum lost lost)
{
	const struct arrive_from who = { h1.engine->instance, h1.engine->name, false };
	struct finish finish = { 0 };

	check_ok(sending_pins_set(&parts->pins, &parts->plan, &err));
	check_common();
	if (lost == LOST_STEP)
		return false;
	check_ok(arrive_prepare(h2.engine, &who, &parts->offer, &parts->arrival, &err));
	if (parts->plan.count > 0) {
		check_ok(send_step(&h1, &h2, parts->arrival,
				   &parts->steps.rows[parts->steps.count - 1],
				   &parts->steps.rows[parts->common]));
		check_common();
		if (lost == LOST_TAKEN)
			return false;
		check_ok(sending_pins_taken(&parts->pins, &parts->step.snapshot, &parts->step.base,
					    &err));
		check_common();
	}
	if (lost == LOST_TAKEN || lost == LOST_FINISH)
		return false;
	load_finish(&h1, &parts->offer, &finish);
	check_ok(arrive_finish(parts->arrival, &finish, NULL, &err));
	free(finish.tags);
	check_common();
	if (lost == LOST_DONE)
		return false;
	sending_pins_through(&parts->pins);
	check_common();
	return true;
}

/* All that may go does: there is a common one nevertheless. */
static void push_and_lose(const char *ref, enum lost lost)
{
	struct parts parts;

	parts_begin(&parts, ref);
	check(parts.common < parts.steps.count);
	(void)send_parts(&parts, lost);
	parts_end(&parts);
	keep_few(&h1, "data");
	keep_few(&h2, "h1/data/trunk");
	check_common();
}

/* As if h2 had fetched it. */
static void bring_by_a_third_one(void)
{
	const struct arrive_from who = { uuid_new(), "h3", true };
	own_arrival struct arrival *arrival = NULL;
	struct parts parts;

	parts_begin(&parts, "data");
	check_ok(arrive_prepare(h2.engine, &who, &parts.offer, &arrival, &err));
	if (parts.plan.count > 0)
		check_ok(send_step(&h1, &h2, arrival, &parts.steps.rows[parts.steps.count - 1],
				   &parts.steps.rows[parts.common]));
	parts_end(&parts);
}

static void begin_in_common(void)
{
	begin();
	check_ok(make_tag(h1.engine, "v1@data", "data@{b}", &err));
	check_ok(roll_back(h1.engine, "data", "data@{a}", &err));
	check_ok(take_snapshot(h1.engine, "data", "c", &err));
	check_ok(push(&h1, &h2, "data"));
	push_and_lose("data", LOST_NOTHING);
	check_pins(&h1, &h2, false, "c");
	check_pins(&h2, &h1, false, "c");
}

static void snap_another(char name[static 16])
{
	static unsigned number;

	snprintf(name, 16, "n%u", ++number);
	snap(&h1, "data", name, NULL);
}

static void try_to_push(enum what what, enum lost lost)
{
	char name[16];

	if (what == A_NEW_ONE || what == WHAT_A_THIRD_ONE_BROUGHT)
		snap_another(name);
	if (what == WHAT_A_THIRD_ONE_BROUGHT)
		bring_by_a_third_one();
	push_and_lose(what == A_TAG ? "v1@data" : "data", lost);
}

/* Two in a row, a third of all that may be, with a crash of either side between them; then one that
 * succeeds. */
static void whatever_is_lost_one_snapshot_is_pinned_on_both(void)
{
	char name[16];

	for (unsigned i = 0; i < WHATS * LOSSES; i++) {
		begin_in_common();
		for (unsigned j = i % 3; j < WHATS * LOSSES; j += 3) {
			try_to_push(i / LOSSES, i % LOSSES);
			fixture_restart((i + j) % 2 ? &h1 : &h2);
			try_to_push(j / LOSSES, j % LOSSES);
			snap_another(name);
			push_and_lose("data", LOST_NOTHING);
			check_pins(&h1, &h2, false, name);
			check_pins(&h2, &h1, false, name);
			check_pins(&h1, &h2, true, "");
			check_pins(&h2, &h1, true, "");
		}
		end();
	}
}

/* What each side has pinned after one, and after another upon that. */
static void what_is_lost_leaves_more_pinned(void)
{
	static const struct {
		enum what what;
		enum lost lost;
		const char *h1, *h2;
		const char *then_h1, *then_h2; /* after a TAKEN of the next is lost, too */
	} table[] = {
		{ A_NEW_ONE, LOST_STEP, "c", "c", "c", "c y" },
		{ A_NEW_ONE, LOST_TAKEN, "c", "c x", "c x", "x y" },
		{ A_NEW_ONE, LOST_FINISH, "x", "c x", "x", "x y" },
		{ A_NEW_ONE, LOST_DONE, "x", "x", "x", "x y" },
		{ A_NEW_ONE, LOST_NOTHING, "x", "x", "x", "x y" },
		{ WHAT_A_THIRD_ONE_BROUGHT, LOST_STEP, "c x", "c", "c x", "x y" },
		{ WHAT_A_THIRD_ONE_BROUGHT, LOST_FINISH, "c x", "c", "c x", "x y" },
		{ WHAT_A_THIRD_ONE_BROUGHT, LOST_DONE, "c x", "x", "c x", "x y" },
		{ WHAT_A_THIRD_ONE_BROUGHT, LOST_NOTHING, "x", "x", "x", "x y" },
	};

	for (size_t i = 0; i < array_size(table); i++) {
		begin_in_common();
		snap(&h1, "data", "x", NULL);
		if (table[i].what == WHAT_A_THIRD_ONE_BROUGHT)
			bring_by_a_third_one();
		push_and_lose("data", table[i].lost);
		check_pins(&h1, &h2, false, table[i].h1);
		check_pins(&h2, &h1, false, table[i].h2);
		snap(&h1, "data", "y", NULL);
		push_and_lose("data", LOST_TAKEN);
		check_pins(&h1, &h2, false, table[i].then_h1);
		check_pins(&h2, &h1, false, table[i].then_h2);
		end();
	}
}

static void a_tag_takes_nothing_of_the_branchs_away(void)
{
	begin_in_common();
	snap(&h1, "data", "x", NULL);
	push_and_lose("data@{x}", LOST_NOTHING);
	push_and_lose("v1@data", LOST_NOTHING);
	check_pins(&h1, &h2, false, "c");
	check_pins(&h2, &h1, false, "c");
	check_pins(&h1, &h2, true, "b");
	check_pins(&h2, &h1, true, "b");
	push_and_lose("data", LOST_NOTHING);
	check_pins(&h1, &h2, true, "");
	check_pins(&h2, &h1, true, "");
	end();
}

/* --- clocks ------------------------------------------------------------------------------ */

struct ages {
	int64_t stamps[16]; /* the oldest first */
	size_t count;
};

static int add_age(void *arg, const struct kept_row *row, struct fl_error *failure)
{
	struct ages *ages = arg;

	ages->stamps[ages->count++] = row->stamp;
	return 0;
}

/*
 * The writer's clock is `ahead`: its newest counts as made when it came, and the others as much
 * before as it says.
 */
static void check_ages(int64_t ahead)
{
	const struct arrive_from who = { h1.engine->instance, "h1", false };
	const int64_t now = clock_now();
	own_arrival struct arrival *arrival = NULL;
	struct ages ages = { 0 };
	own_tx struct tx *tx = NULL;
	struct offer offer;
	struct steps steps;
	struct uuid branch;

	make_offer(&h1, "data", &offer);
	load_steps(&h1, &offer, &steps);
	branch = offer.branches[0].uuid;
	offer.target.time = now + ahead;
	check_ok(arrive_prepare(h2.engine, &who, &offer, &arrival, &err));
	for (size_t i = 0; i < steps.count; i++) {
		struct step step = step_of(&steps.rows[i], NULL);
		const struct tree tree = snapshot_tree(&steps.rows[i]);
		struct uuid operation = uuid_new();

		/* An hour between each two. */
		step.snapshot.time = now + ahead -
				     (int64_t)(steps.count - 1 - i) * 60 * CLOCK_MINUTE;
		step.storage.time = step.snapshot.time;
		copy_tree(&h1, &h2, NULL, &tree, &operation);
		check_ok(arrive_snapshot(arrival, &operation, &step, &err));
	}
	check_ok(tx_begin(h2.engine->catalog, &tx, &err));
	check_ok(tx_snapshot_each_kept(tx, &branch, add_age, &ages, &err));
	check(ages.count == steps.count && ages.count == 2);
	check(ages.stamps[1] - ages.stamps[0] == 60 * CLOCK_MINUTE);
	check(ages.stamps[1] > now - CLOCK_MINUTE && ages.stamps[1] < now + CLOCK_MINUTE);
	steps_release(&steps);
	offer_release(&offer);
}

static void clocks_that_differ_change_no_age(void)
{
	const int64_t ahead[] = { 0, CLOCK_DAY, -CLOCK_DAY, -400 * CLOCK_DAY };

	for (size_t i = 0; i < array_size(ahead); i++) {
		begin();
		check_ages(ahead[i]);
		end();
	}
}

/* --- a lost catalogue -------------------------------------------------------------------- */

static int remove_catalog_file(void *arg, const char *name, unsigned char type, uint64_t inode,
			       struct fl_error *failure)
{
	if (strncmp(name, "catalog.db", strlen("catalog.db")) != 0)
		return 0;
	return fsat_unlink(*(const int *)arg, name, failure);
}

static void recover(bool backup)
{
	struct recovery recovery = { 0 };
	own_fd int directory = -1;
	struct pool *pool = h2.engine->pool;

	engine_care(h2.engine);
	if (!backup)
		check_ok(pool->driver->file_write(pool, "catalog.backup", "", 0, &err));
	engine_close(h2.engine);
	h2.engine = NULL;
	check_ok(fsat_open_dir(AT_FDCWD, h2.directory, &directory, &err));
	check_ok(fsat_each(directory, remove_catalog_file, &directory, &err));
	fixture_restart(&h2);
	check_ok(engine_pool_recover(h2.engine, &recovery, &err));
	fixture_restart(&h2);
}

static void others_branches_survive_a_lost_catalogue(void)
{
	struct ref remote = reference("h1/data/trunk");
	struct branch branch = { 0 };

	begin();
	check_ok(make_tag(h1.engine, "v1@data", "data@{a}", &err));
	check_ok(push(&h1, &h2, "data"));
	check_ok(make_branch(h2.engine, "data/mine", "data", &err));
	snap(&h2, "data/mine", "m", NULL);
	recover(true);
	check(pins_of(&h2, "h1/data/trunk@{b}") == (PIN_TIP | PIN_BRANCH | PIN_PEER));
	for (int i = 0; i < 2; i++) {
		check_log(&h2, "data", "b a");
		check_log(&h2, "data/mine", "m b a");
		check_contents(&h2, "v1@data", "a");
		check_ok(engine_branch_show(h2.engine, &remote, &branch, &err));
		check(!branch.local && !branch.mounted);
		branch_done(&branch);
		check_refused(take_snapshot(h2.engine, "data", "x", &err));
		if (i == 0)
			recover(false);
	}
	snap(&h1, "data", "c", NULL);
	check_ok(push(&h1, &h2, "data"));
	check_log(&h2, "data", "c b a");
	end();
}

static int count_pin(void *arg, const struct pin_row *row, struct fl_error *failure)
{
	(*(size_t *)arg)++;
	return 0;
}

/* h2's pool goes to another instance; or to `as`, which has lost its own. */
static void adopt(struct fixture *by, const struct fixture *as)
{
	const struct pool_spec spec = h2.engine->pool->spec;
	struct recovery recovery = { 0 };
	struct engine_options options = { .host = "host" };

	engine_care(h2.engine);
	engine_close(h2.engine);
	engine_close(h1.engine);
	h1.engine = h2.engine = NULL;
	*by = (struct fixture){ .instance = as ? as->instance : uuid_new(),
				.name = as ? as->name : "h3" };
	snprintf(by->directory, sizeof(by->directory), "%.80s/new", h2.directory);
	check_ok(fsat_mkdir(AT_FDCWD, by->directory, 0700, &err));
	options.state = options.mount_root = by->directory;
	options.instance = by->instance;
	options.name = by->name;
	check_ok(engine_open(&options, &by->engine, &err));
	check_ok(engine_pool_adopt(by->engine, &spec, &recovery, &err));
}

static void check_owner(struct fixture *host, const char *name, const char *owner)
{
	struct ref volume = reference(name);
	struct volume shown = { 0 };

	check_ok(engine_volume(host->engine, &volume, &shown, &err));
	check_string(owner, shown.owner);
	volume_done(&shown);
}

static void begin_adoption(void)
{
	begin();
	check_ok(make_branch(h1.engine, "data/test", "data@{b}", &err));
	snap(&h1, "data/test", "t", NULL);
	check_ok(push(&h1, &h2, "data"));
	check_ok(push(&h1, &h2, "data/test"));
	check_ok(make_branch(h2.engine, "data/test", "data", &err));
	check_ok(make_volume(h2.engine, "own", NULL, &err));
}

static void a_pool_that_is_adopted_keeps_others_branches_theirs(void)
{
	struct fixture h3;

	begin_adoption();
	adopt(&h3, NULL);
	check_owner(&h3, "data", "h1");
	check_owner(&h3, "own", "h3");
	check_log(&h3, "h1/data/trunk", "b a");
	check_head(&h3, "data/test", "b");
	check_refused(take_snapshot(h3.engine, "data", "x", &err));
	fixture_restart(&h3);
	check_log(&h3, "h1/data/test", "t b a");
	engine_close(h3.engine);
	end();
}

static void a_lost_instance_takes_over_its_copy(void)
{
	const struct pin_filter all = { 0 };
	own_tx struct tx *tx = NULL;
	struct fixture again;
	size_t pins = 0;

	begin_adoption();
	adopt(&again, &h1);
	check_owner(&again, "data", "h1");
	check_head(&again, "data", "b");
	check_head(&again, "data/test", "t");
	check_ok(take_snapshot(again.engine, "data", "x", &err));
	check_ok(tx_begin(again.engine->catalog, &tx, &err));
	check_ok(tx_pin_each(tx, &all, count_pin, &pins, &err));
	check(pins == 0);
	tx_end(take_ptr(tx));
	engine_close(again.engine);
	end();
}

/* --- crashes ---------------------------------------------------------------------------- */

static int fail_commit(struct pool *pool, const struct uuid *operation, const struct tree *target,
		       struct fl_error *failure)
{
	return fl_fail(failure, FL_NO_SPACE, "no room");
}

static int count_tree(void *arg, const struct tree *tree, const struct tree_info *info,
		      struct fl_error *failure)
{
	*(size_t *)arg += 1;
	return 0;
}

static size_t count_trees(struct fixture *host)
{
	size_t count = 0;

	check_ok(driver_of(host->engine)->list(host->engine->pool, count_tree, &count, &err));
	return count;
}

static void a_step_that_fails_leaves_nothing(void)
{
	struct driver *broken;

	begin();
	broken = break_driver(&h2);
	broken->staging_commit = fail_commit;
	check_code(FL_NO_SPACE, push(&h1, &h2, "data"));
	mend_driver(&h2);
	check(count_trees(&h2) == 0);
	fixture_restart(&h2);
	check(count_trees(&h2) == 0);
	check_ok(push(&h1, &h2, "data"));
	check_log(&h2, "data", "b a");
	end();
}

/* E.g. since the catalogue could not be read when it was asked whether it is here. */
static void what_is_in_the_pool_already_is_not_deleted(void)
{
	struct uuid operation = uuid_new();
	struct offer offer;
	struct steps steps;
	struct tree tree;

	begin();
	make_offer(&h1, "data", &offer);
	load_steps(&h1, &offer, &steps);
	tree = snapshot_tree(&steps.rows[0]);
	copy_tree(&h1, &h2, NULL, &tree, &operation);
	check_ok(driver_of(h2.engine)->staging_commit(h2.engine->pool, &operation, &tree, &err));
	check_code(FL_EXISTS, push(&h1, &h2, "data"));
	check(count_trees(&h2) == 1);
	offer_release(&offer);
	steps_release(&steps);
	end();
}

static int write_intent(struct tx *tx, void *arg, struct fl_error *failure)
{
	return tx_intent_insert(tx, arg, failure);
}

/* What is there right after the intent, and after the tree moved. */
static void crash(bool moved)
{
	const struct arrive_from who = { h1.engine->instance, "h1", false };
	own_arrival struct arrival *arrival = NULL;
	struct intent_row intent = { 0 };
	struct driver *broken;
	struct offer offer;
	struct steps steps;
	struct tree tree;

	make_offer(&h1, "data", &offer);
	load_steps(&h1, &offer, &steps);
	check_ok(arrive_prepare(h2.engine, &who, &offer, &arrival, &err));
	broken = break_driver(&h2);
	broken->staging_commit = fail_commit;
	check_code(FL_NO_SPACE, send_step(&h1, &h2, arrival, &steps.rows[0], NULL));
	mend_driver(&h2);
	tree = snapshot_tree(&steps.rows[0]);
	intent = arrive_intend(arrival);
	copy_tree(&h1, &h2, NULL, &tree, &intent.operation);
	check_ok(catalog_write(h2.engine->catalog, CATALOG_DURABLE, write_intent, &intent, &err));
	if (moved)
		check_ok(driver_of(h2.engine)->staging_commit(h2.engine->pool, &intent.operation,
							      &tree, &err));
	intent_row_done(&intent);
	offer_release(&offer);
	steps_release(&steps);
	fixture_restart(&h2);
}

static void a_crash_is_finished_or_undone(void)
{
	begin();
	crash(false);
	check(count_trees(&h2) == 0);
	crash(true);
	check_log(&h2, "data", "a");
	check_contents(&h2, "h1/data/trunk@{a}", "a");
	check(pins_of(&h2, "data@{a}") == (PIN_TIP | PIN_PEER));
	check_ok(push(&h1, &h2, "data"));
	check_log(&h2, "data", "b a");
	end();
}

/* --- what was destroyed comes again ------------------------------------------------------- */

static int fail_delete(struct pool *pool, const struct tree *tree, struct fl_error *failure)
{
	if (tree->kind == TREE_STAGING)
		return h2.whole->tree_delete(pool, tree, failure);
	return fl_fail(failure, FL_SYSTEM, "the disk is slow");
}

struct intents {
	struct intent_row rows[16];
	size_t count;
};

static int copy_intent(void *arg, const struct intent_row *row, struct fl_error *failure)
{
	struct intents *intents = arg;

	check(intents->count < array_size(intents->rows));
	intents->rows[intents->count] = *row;
	intents->rows[intents->count++].body = xstrdup(row->body);
	return 0;
}

static void load_intents(struct fixture *host, struct intents *ret)
{
	own_tx struct tx *tx = NULL;

	*ret = (struct intents){ 0 };
	check_ok(tx_begin(host->engine->catalog, &tx, &err));
	check_ok(tx_intent_each(tx, copy_intent, ret, &err));
}

static void intents_release(struct intents *intents)
{
	for (size_t i = 0; i < intents->count; i++)
		intent_row_done(&intents->rows[i]);
}

static int count_facts(void *arg, const struct uuid *branch, struct fl_error *failure)
{
	*(size_t *)arg += 1;
	return 0;
}

static size_t facts_of(struct fixture *host)
{
	size_t count = 0;

	check_ok(
		driver_of(host->engine)->facts_list(host->engine->pool, count_facts, &count, &err));
	return count;
}

/* The caretaker may have read the intents before the new copy came. */
static void a_deletion_that_comes_late_meets_nothing(void)
{
	struct driver *broken;
	struct intents noted, left;

	begin();
	check_ok(push(&h1, &h2, "data"));
	broken = break_driver(&h2);
	broken->tree_delete = fail_delete;
	check_ok(destroy(h2.engine, "h1/data/trunk", &err));
	load_intents(&h2, &noted);
	check(noted.count == 3); /* two snapshots and the facts */
	check(count_trees(&h2) == 2);
	check_code(FL_SYSTEM, push(&h1, &h2, "data"));
	mend_driver(&h2);

	check_ok(push(&h1, &h2, "data"));
	for (int late = 0; late < 2; late++) {
		for (size_t i = 0; i < noted.count; i++)
			check_ok(intent_finish(h2.engine, &noted.rows[i], &err));
		check_log(&h2, "h1/data/trunk", "b a");
		check_contents(&h2, "h1/data/trunk@{a}", "a");
		check_contents(&h2, "h1/data/trunk@{b}", "b");
		check(count_trees(&h2) == 2);
		check(facts_of(&h2) == 1);
		fixture_restart(&h2);
	}
	load_intents(&h2, &left);
	check(left.count == 0);
	intents_release(&left);
	intents_release(&noted);

	/* And so it goes for good. */
	check_ok(destroy(h2.engine, "h1/data/trunk", &err));
	check(count_trees(&h2) == 0 && facts_of(&h2) == 0);
	end();
}

static int fail_sync(struct pool *pool, struct fl_error *failure)
{
	return fl_fail(failure, FL_SYSTEM, "the disk is slow");
}

/* Notes would be a reason to sync. */
static void break_sync(void)
{
	struct driver *broken = break_driver(&h2);

	broken->sync = fail_sync;
	broken->capabilities &= ~DRIVER_CAN_NOTE;
}

/* A power cut must not bring back a backup that tells of the deletion, beside what came since. */
static void what_is_forgotten_is_synced_before_it_comes_again(void)
{
	size_t count;

	begin();
	check_ok(push(&h1, &h2, "data"));
	check_ok(destroy(h2.engine, "h1/data/trunk", &err));
	check_ok(intents_forget(h2.engine, &count, &err));
	check(count == 3);
	break_sync();
	check_code(FL_SYSTEM, push(&h1, &h2, "data"));
	check(count_trees(&h2) == 0);
	mend_driver(&h2);
	check_ok(intents_forget(h2.engine, &count, &err)); /* the caretaker's next sync */
	check(count == 0);
	break_sync();
	check_ok(push(&h1, &h2, "data"));
	mend_driver(&h2);
	check_log(&h2, "h1/data/trunk", "b a");
	end();
}

/* What could not be synced is not forgotten, and not lost either. */
static void what_is_not_synced_is_not_forgotten(void)
{
	struct intents left;
	size_t count;

	begin();
	check_ok(push(&h1, &h2, "data"));
	check_ok(destroy(h2.engine, "h1/data/trunk", &err));
	break_sync();
	check_code(FL_SYSTEM, intents_forget(h2.engine, &count, &err));
	mend_driver(&h2);
	load_intents(&h2, &left);
	check(left.count == 3);
	intents_release(&left);
	check_ok(intents_forget(h2.engine, &count, &err));
	load_intents(&h2, &left);
	check(count == 3 && left.count == 0);
	end();
}

/* Its tree stays for who reads it; nothing else is mistaken for it. */
static void what_is_read_is_deleted_alone(void)
{
	const struct snapshot_row *read;
	struct offer offer;
	struct steps steps;
	struct tree tree;

	begin();
	make_offer(&h1, "data", &offer);
	load_steps(&h1, &offer, &steps);
	read = &steps.rows[0];
	tree = snapshot_tree(read);
	check_ok(push(&h1, &h2, "data"));
	reading_begin(h2.engine, &tree);
	check_ok(destroy(h2.engine, "h1/data/trunk", &err));
	check(count_trees(&h2) == 1 && facts_of(&h2) == 1);
	check_code(FL_BUSY, push(&h1, &h2, "data"));
	check(strstr(err.text, "still reads it") && err.hint[0]);
	check(count_trees(&h2) == 1);
	reading_end(h2.engine, &tree);
	check_ok(finish_deletions(h2.engine, &err));
	check(count_trees(&h2) == 0 && facts_of(&h2) == 0);
	check_ok(push(&h1, &h2, "data"));
	check_ok(finish_deletions(h2.engine, &err));
	check_log(&h2, "h1/data/trunk", "b a");
	check(count_trees(&h2) == 2 && facts_of(&h2) == 1);
	offer_release(&offer);
	steps_release(&steps);
	end();
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(what_arrives_is_there),
				  CHECK(own_branches_begin_there),
				  CHECK(others_are_never_written),
				  CHECK(a_writer_that_goes_back_is_followed),
				  CHECK(a_writer_that_goes_back_is_followed_by_another_branch),
				  CHECK(an_older_offer_takes_no_rollback_back),
				  CHECK(what_does_not_fit_is_refused),
				  CHECK(the_owner_says_what_the_volume_is),
				  CHECK(another_owner_counts_when_it_is_asked_for),
				  CHECK(what_is_known_of_a_branch_is_dropped),
				  CHECK(copies_are_thinned),
				  CHECK(what_is_tagged_there_is_not_thinned_before_its_tag_comes),
				  CHECK(what_is_kept_for_a_peer_is_told_and_let_go),
				  CHECK(whatever_is_lost_one_snapshot_is_pinned_on_both),
				  CHECK(what_is_lost_leaves_more_pinned),
				  CHECK(a_tag_takes_nothing_of_the_branchs_away),
				  CHECK(clocks_that_differ_change_no_age),
				  CHECK(others_branches_survive_a_lost_catalogue),
				  CHECK(a_pool_that_is_adopted_keeps_others_branches_theirs),
				  CHECK(a_lost_instance_takes_over_its_copy),
				  CHECK(a_step_that_fails_leaves_nothing),
				  CHECK(what_is_in_the_pool_already_is_not_deleted),
				  CHECK(a_crash_is_finished_or_undone),
				  CHECK(a_deletion_that_comes_late_meets_nothing),
				  CHECK(what_is_forgotten_is_synced_before_it_comes_again),
				  CHECK(what_is_not_synced_is_not_forgotten),
				  CHECK(what_is_read_is_deleted_alone),
				  CHECK_END,
			  });
}
