/*
 * destroy: volumes and branches go to the trash, snapshots and tags for good.
 *
 * Into the trash means: the rows get the time and a place for each head in
 * retired/, durably, and then the heads move there.  A crash in between is made
 * good at the next start, which moves what the rows say (reconcile.c).
 */

#include <stdarg.h>
#include <string.h>

#include "base/text.h"
#include "engine/halfway.h"
#include "engine/hooks.h"
#include "engine/past.h"
#include "engine/systems.h"
#include "engine/users.h"

#define PINS_NAMED 5 /* in an error; of more it says so */

struct doom {
	const struct engine *engine;
	struct target *target;
	struct branch_row *branches; /* that go */
	size_t count;
	bool volume;		 /* the volume goes with them */
	struct holders *holders; /* what stands against it */
	int64_t now, late;
};

static int collect_branch(void *arg, const struct branch_row *row, struct fl_error *err)
{
	struct doom *doom = arg;

	*array_add(doom->branches, doom->count) = *row;
	return 0;
}

static int refuse_systems(struct engine *engine, const struct doom *doom, struct fl_error *err)
{
	char object[REF_SHORT];

	for (size_t i = 0; i < doom->count; i++) {
		snprintf(object, sizeof(object), "%s/%s", doom->target->volume.name,
			 doom->branches[i].name);
		if (system_refuse(engine, &doom->branches[i].uuid, object, err) < 0)
			return fl_failed(err);
	}
	return 0;
}

/* Heads, and of a volume the snapshots that are mounted. */
static int refuse_if_used(struct engine *engine, const struct doom *doom, const char *name,
			  struct fl_error *err)
{
	own_free struct tree *trees = NULL;
	size_t count = 0;

	if (doom->volume &&
	    linked_snapshots(engine, doom->target->volume.name, &trees, &count, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < doom->count; i++)
		*array_add(trees, count) = tree_head(&doom->branches[i].uuid);
	return refuse_if_held(engine, trees, count, name, doom->holders, err);
}

/* --- what hangs on a branch --------------------------------------------------- */

struct dependants {
	struct tx *tx;
	const struct branch_row *branch;
	struct uuid *children; /* that are told; heap */
	size_t child_count;
	struct text text;
	size_t count;
};

static void dependants_done(struct dependants *dependants)
{
	free(dependants->children);
	text_done(&dependants->text);
}

static void add_dependant(struct dependants *dependants, const char *what, const char *name)
{
	if (dependants->count++ < 5)
		text_add_format(&dependants->text, "%s%s%s", dependants->text.length ? ", " : "",
				what, name);
}

static int add_if_tag(void *arg, const struct tag_row *row, struct fl_error *err)
{
	struct dependants *dependants = arg;

	if (uuid_equal(&row->snapshot.branch, &dependants->branch->uuid))
		add_dependant(dependants, "tag ", row->name);
	return 0;
}

static int add_child(void *arg, const struct line *line, struct fl_error *err)
{
	struct dependants *dependants = arg;
	struct branch_row child;

	if (uuid_equal(&line->branch, &dependants->branch->uuid))
		return 0;
	/* After a rollback or a pull it goes on from several. */
	for (size_t i = 0; i < dependants->child_count; i++)
		if (uuid_equal(&line->branch, &dependants->children[i]))
			return 0;
	*array_add(dependants->children, dependants->child_count) = line->branch;
	if (tx_branch_get(dependants->tx, &line->branch, &child, err) < 0)
		return fl_failed(err);
	if (!child.destroyed)
		add_dependant(dependants, "branch ", child.name);
	return 0;
}

int refuse_if_needed(struct tx *tx, const struct branch_row *branch, const char *name,
		     struct fl_error *err)
{
	own(dependants_done) struct dependants dependants = { .tx = tx, .branch = branch };
	const struct stretch all = { branch->uuid, 1, INT64_MAX };

	if (tx_line_children(tx, &all, false, add_child, &dependants, err) < 0 ||
	    tx_tag_each(tx, &branch->volume, NULL, add_if_tag, &dependants, err) < 0)
		return fl_failed(err);
	if (dependants.count == 0)
		return 0;
	fl_fail(err, FL_BUSY, "snapshots of %s are needed by %s%s", name,
		text_get(&dependants.text), dependants.count > 5 ? " and others" : "");
	fl_object(err, "%s", name);
	return fl_hint(err, "destroy those first (flocker destroy, flocker untag)");
}

static int refuse_branch_if_needed(struct engine *engine, const struct branch_row *branch,
				   const char *name, struct fl_error *err)
{
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	return refuse_if_needed(tx, branch, name, err);
}

/* --- into the trash -------------------------------------------------------------- */

static int write_doom(struct tx *tx, void *arg, struct fl_error *err)
{
	struct doom *doom = arg;

	for (size_t i = 0; i < doom->count; i++) {
		doom->branches[i].destroyed = doom->now;
		doom->branches[i].late = doom->late;
		if (!is_remote(doom->engine, &doom->branches[i]))
			doom->branches[i].retired = uuid_new();
		if (tx_branch_update(tx, &doom->branches[i], err) < 0)
			return fl_failed(err);
	}
	if (!doom->volume)
		return 0;
	doom->target->volume.destroyed = doom->now;
	doom->target->volume.late = doom->late;
	return tx_volume_update(tx, &doom->target->volume, err);
}

/* The rows say that it is gone; what fails here is made good at the next start. */
static void retire_heads(struct engine *engine, const struct doom *doom)
{
	struct fl_error err;

	for (size_t i = 0; i < doom->count; i++) {
		const struct branch_row *branch = &doom->branches[i];

		if (!is_remote(engine, branch) &&
		    (unlink_branch(engine, doom->target->volume.name, branch->name, &err) < 0 ||
		     driver_of(engine)->head_retire(engine->pool, &branch->uuid, &branch->retired,
						    &err) < 0))
			log_warning("a destroyed branch keeps its head until the next start",
				    "branch=%s error=\"%s\"", branch->name, err.text);
		facts_refresh(engine, &branch->uuid);
	}
	if (doom->volume)
		unlink_volume(engine, doom->target->volume.name);
}

static void fill_item(const struct engine *engine, const struct doom *doom, const char *name,
		      struct trash_item *ret)
{
	*ret = (struct trash_item){
		.uuid = doom->volume ? doom->target->volume.uuid : doom->branches[0].uuid,
		.volume = doom->volume,
		.destroyed = doom->now,
		.expires = doom->now + config_duration(engine->config, CONFIG_TRASH_KEEP),
	};
	snprintf(ret->ref, sizeof(ret->ref), "%s", name);
}

static int run_doom(struct engine *engine, struct doom *doom, const char *name,
		    struct trash_item *ret, struct fl_error *err)
{
	doom->engine = engine;
	doom->now = clock_now();
	doom->late = retention_late(engine, doom->now);
	if (refuse_systems(engine, doom, err) < 0 || refuse_if_used(engine, doom, name, err) < 0 ||
	    catalog_write_deletion(engine, write_doom, doom, err) < 0)
		return fl_failed(err);
	retire_heads(engine, doom);
	if (ret)
		fill_item(engine, doom, name, ret);
	care_soon(engine);
	data_containers_look(engine, doom->target->volume.mount_path);
	return 0;
}

static int load_branches(struct engine *engine, struct doom *doom, struct fl_error *err)
{
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	return tx_branch_each(tx, &doom->target->volume.uuid, false, collect_branch, doom, err);
}

static int destroy_volume(struct engine *engine, struct target *target, struct holders *holders,
			  struct trash_item *ret, struct fl_error *err)
{
	struct doom doom = { .target = target, .volume = true, .holders = holders };
	int r = load_branches(engine, &doom, err);

	if (r == 0)
		r = run_doom(engine, &doom, target->volume.name, ret, err);
	free(doom.branches);
	return r;
}

/* Its snapshots that are mounted. */
static int refuse_if_linked(struct engine *engine, const struct target *target, const char *name,
			    struct fl_error *err)
{
	own_free struct tree *trees = NULL;
	size_t count = 0;

	if (linked_snapshots(engine, target->volume.name, &trees, &count, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < count; i++)
		if (uuid_equal(&trees[i].uuid, &target->branch.uuid)) {
			fl_fail(err, FL_BUSY, "a snapshot of %s is mounted", name);
			return fl_hint(err, "flocker unmount it first");
		}
	return 0;
}

/* There is no head that could be kept, and its writer has it all: it goes at once. */
static int destroy_remote(struct engine *engine, struct target *target, struct trash_item *ret,
			  struct fl_error *err)
{
	char name[REF_SHORT];

	target_format(target, name);
	if (refuse_if_linked(engine, target, name, err) < 0 ||
	    forget_remote(engine, target, err) < 0)
		return fl_failed(err);
	halfway_drop(engine, &target->branch.uuid, NULL);
	if (ret) {
		*ret = (struct trash_item){ .uuid = target->branch.uuid };
		ret->destroyed = ret->expires = clock_now();
		snprintf(ret->ref, sizeof(ret->ref), "%s", name);
	}
	care_soon(engine);
	return 0;
}

static int destroy_branch(struct engine *engine, struct target *target, struct holders *holders,
			  struct trash_item *ret, struct fl_error *err)
{
	struct doom doom = {
		.target = target, .branches = &target->branch, .count = 1, .holders = holders
	};
	char name[REF_SHORT];

	if (is_remote(engine, &target->branch))
		return destroy_remote(engine, target, ret, err);
	target_format(target, name);
	if (strcmp(target->branch.name, TRUNK) == 0) {
		fl_fail(err, FL_INVALID, "%s is the volume itself", name);
		return fl_hint(err, "to destroy all of it: flocker destroy %s",
			       target->volume.name);
	}
	if (refuse_branch_if_needed(engine, &target->branch, name, err) < 0)
		return fl_failed(err);
	return run_doom(engine, &doom, name, ret, err);
}

/* --- snapshots ---------------------------------------------------------------------- */

struct pins {
	struct engine *engine;
	struct tx *tx;
	const struct position *position;
	struct text text;
	size_t count;
};

static void pins_done(struct pins *pins)
{
	text_done(&pins->text);
}

static void add_pin(struct pins *pins, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add_pin(struct pins *pins, const char *fmt, ...)
{
	char name[REF_SHORT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	if (pins->count++ < PINS_NAMED)
		text_add_format(&pins->text, "%s%s", pins->text.length ? ", " : "", name);
}

static int add_tag_pin(void *arg, const struct tag_row *row, struct fl_error *err)
{
	add_pin(arg, "tag %s points at it", row->name);
	return 0;
}

static int add_stash_pin(void *arg, const struct stash_row *row, struct fl_error *err)
{
	struct pins *pins = arg;

	if (position_equal(&row->snapshot, pins->position))
		add_pin(pins, "stash %u keeps it", row->number);
	return 0;
}

/* What another instance needs of us. */
static int add_held_pin(void *arg, const struct pin_row *row, struct fl_error *err)
{
	struct pins *pins = arg;
	char peer[NAME_TEXT];

	answer_instance(pins->engine, pins->tx, &row->peer, peer);
	if (row->kind == PIN_PEER)
		add_pin(pins, "'%s' has it too, and the next transfer begins there", peer);
	else
		add_pin(pins, "a transfer with '%s' needs it", peer);
	return 0;
}

/* A line that began from it. */
static int add_line_pin(void *arg, const struct line *line, struct fl_error *err)
{
	struct pins *pins = arg;
	struct branch_row branch;

	if (tx_branch_get(pins->tx, &line->branch, &branch, err) < 0)
		return fl_failed(err);
	add_pin(pins, "branch %s %s from it", branch.name, line->start == 1 ? "began" : "went on");
	return 0;
}

/* The head of its own branch; heads of others that go on from it began there. */
static int add_tip_pin(struct pins *pins, const struct branch_row *branch, struct fl_error *err)
{
	struct position tip;

	if (head_position(pins->tx, &branch->uuid, &tip, err) < 0)
		return fl_failed(err);
	if (position_equal(&tip, pins->position))
		add_pin(pins, "branch %s goes on from it", branch->name);
	return 0;
}

static int find_pins(struct engine *engine, const struct target *target, struct pins *pins,
		     struct fl_error *err)
{
	const struct uuid *volume = &target->volume.uuid;
	const struct position *at = pins->position;
	const struct stretch here = { at->branch, at->time, at->time };
	const struct pin_filter held = { .snapshot = at };
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	pins->tx = tx;
	pins->engine = engine;
	if (tx_pin_each(tx, &held, add_held_pin, pins, err) < 0 ||
	    tx_tag_each(tx, volume, at, add_tag_pin, pins, err) < 0 ||
	    tx_stash_each(tx, volume, add_stash_pin, pins, err) < 0 ||
	    tx_line_children(tx, &here, false, add_line_pin, pins, err) < 0 ||
	    add_tip_pin(pins, &target->branch, err) < 0)
		return fl_failed(err);
	if (snapshot_is_linked(engine, target->volume.name, target->snapshot.id))
		add_pin(pins, "it is mounted");
	return 0;
}

static int refuse_if_pinned(struct engine *engine, const struct target *target, const char *name,
			    struct fl_error *err)
{
	own(pins_done) struct pins pins = { .position = &target->snapshot.position };

	if (find_pins(engine, target, &pins, err) < 0)
		return fl_failed(err);
	if (pins.count == 0)
		return 0;
	fl_fail(err, FL_BUSY, "%s must stay: %s%s", name, text_get(&pins.text),
		pins.count > PINS_NAMED ? " and more" : "");
	fl_object(err, "%s", name);
	return fl_hint(err, "take away what needs it first: flocker untag, stash drop, unmount, "
			    "unpin or destroy");
}

struct deletion {
	const struct snapshot_row *row;
	const struct intent_row *intent;
};

/* Lines never begin at a snapshot without a pin, so none needs a new parent. */
static int delete_row(struct tx *tx, void *arg, struct fl_error *err)
{
	struct deletion *deletion = arg;

	if (tx_snapshot_delete(tx, &deletion->row->position, err) < 0)
		return fl_failed(err);
	return tx_intent_insert(tx, deletion->intent, err);
}

static int delete_snapshot(struct engine *engine, const struct snapshot_row *row,
			   struct fl_error *err)
{
	struct tree tree = snapshot_tree(row);
	own_intent_row struct intent_row intent = delete_snapshot_intend(&tree);
	struct deletion deletion = { row, &intent };
	struct fl_error later;

	if (catalog_write_deletion(engine, delete_row, &deletion, err) < 0)
		return fl_failed(err);
	/* It is gone for everyone; what the pool could not do now is done at the next start. */
	if (delete_snapshot_finish(engine, &intent, &later) < 0)
		log_warning("a destroyed snapshot stays in the pool until the next start",
			    "error=\"%s\"", later.text);
	return 0;
}

static int destroy_snapshot(struct engine *engine, struct target *target, struct holders *holders,
			    struct fl_error *err)
{
	struct tree tree = snapshot_tree(&target->snapshot);
	char name[REF_SHORT];

	target_format(target, name);
	if (refuse_if_pinned(engine, target, name, err) < 0 ||
	    refuse_if_held(engine, &tree, 1, name, holders, err) < 0)
		return fl_failed(err);
	return delete_snapshot(engine, &target->snapshot, err);
}

static int destroy(struct engine *engine, const struct ref *ref, struct holders *holders,
		   struct trash_item *ret, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_locks struct lock_set locks = { 0 };
	own_claim struct claim claim = { 0 };
	const char *names[] = { ref->volume };

	if (gate_enter(engine, &inside, err) < 0)
		return fl_failed(err);
	if (ref->kind == REF_VOLUME)
		lock_take_names(&engine->locks, names, 1, &locks);
	if (claim_take(engine, ref, 1, CLAIM_SHAPE, &claim, err) < 0)
		return fl_failed(err);
	if (claim.targets[0].is_snapshot)
		return destroy_snapshot(engine, &claim.targets[0], holders, err);
	policies_look_anew(engine);
	hooks_look_anew(engine);
	if (ref->kind == REF_VOLUME)
		return destroy_volume(engine, &claim.targets[0], holders, ret, err);
	return destroy_branch(engine, &claim.targets[0], holders, ret, err);
}

int engine_destroy(struct engine *engine, const struct ref *ref, struct trash_item *ret,
		   struct fl_error *err)
{
	struct holders holders = { 0 };

	if (ref->kind == REF_TAG && ref->point == POINT_NONE)
		return engine_untag(engine, ref, err);
	if (check_form(ref, FORM_VOLUME | FORM_BRANCH | FORM_SNAPSHOT, "destroy", err) < 0 ||
	    (form_of(ref) != FORM_SNAPSHOT && refuse_if_contained(engine, ref, err) < 0))
		return fl_failed(err);
	if (destroy(engine, ref, &holders, ret, err) < 0)
		return name_refusal(engine, &holders, err);
	return 0;
}
