/*
 * Rollback: a head becomes an older snapshot, and nothing is lost.
 *
 *	1. the head is snapshotted: S, durable in the pool
 *	2. S and the intent are in the catalogue, durable
 *	3. the facts get the new line
 *	4. the driver swaps the head for a clone of the target; the old head is
 *	   retired, since processes may hold it open and write on; the pool is synced
 *	5. line, stash and retired head are in the catalogue and the intent is
 *	   gone, in one durable commit
 *
 * A crash before the swap of 4 is durable is undone at the next start, with the
 * facts; one after it is finished: which of the two is told by the head's id,
 * which the intent has noted.  The facts come first because the sync of a file
 * costs a file system little until a head was renamed: after that, Btrfs makes it a
 * commit of everything, which takes the longer the more snapshots there are.
 * The new line begins two nanoseconds after S, so that what
 * holders of the old head write after the swap can still be put behind S on the
 * old line (retire.c).
 */

#include <jansson.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "engine/around.h"
#include "engine/hooks.h"
#include "engine/note.h"
#include "engine/rollback.h"

#define VERB "rollback"

struct swap {
	struct uuid operation;
	uint64_t head; /* id of the head that is replaced */
	struct volume_row volume;
	struct branch_row branch;
	struct snapshot_row taken;  /* S */
	struct snapshot_row target; /* what the head is to become */
	struct stash_row stash;	    /* filled by the last commit */
	struct hooking *hooks;	    /* of the branch, ready */
};

static void swap_done(struct swap *swap)
{
	volume_row_done(&swap->volume);
	snapshot_row_done(&swap->taken);
	snapshot_row_done(&swap->target);
}

void rollback_done(struct rollback *rollback)
{
	branch_done(&rollback->branch);
	around_report_done(&rollback->around);
	*rollback = (struct rollback){ 0 };
}

static struct line new_line(const struct swap *swap)
{
	return (struct line){ .branch = swap->branch.uuid,
			      .start = swap->taken.position.time + 2,
			      .parent = swap->target.position };
}

/* --- the intent ---------------------------------------------------------- */

static void add_position(struct json *json, const char *key, const struct position *position)
{
	json_put_object(json, key);
	json_put_uuid(json, "branch", &position->branch);
	json_put_int(json, "time", position->time);
	json_end(json);
}

static void intent_encode(const struct swap *swap, struct intent_row *ret)
{
	struct text text = { 0 };
	struct json json;

	json_init(&json, &text);
	json_put_object(&json, NULL);
	json_put_int(&json, "head", (int64_t)swap->head);
	add_position(&json, "taken", &swap->taken.position);
	add_position(&json, "target", &swap->target.position);
	json_end(&json);
	*ret = (struct intent_row){ .operation = swap->operation, .verb = VERB };
	ret->body = text_take(&text);
}

static int intent_decode(const struct intent_row *intent, uint64_t *head, struct position *taken,
			 struct position *target, struct fl_error *err)
{
	json_error_t where;
	json_t *root = json_loads(intent->body, JSON_REJECT_DUPLICATES, &where);
	const char *taken_branch, *target_branch;
	json_int_t id, taken_time, target_time;
	int r = -1;

	if (root &&
	    json_unpack(root, "{s:I, s:{s:s, s:I}, s:{s:s, s:I}}", "head", &id, "taken", "branch",
			&taken_branch, "time", &taken_time, "target", "branch", &target_branch,
			"time", &target_time) == 0 &&
	    uuid_parse(taken_branch, &taken->branch, err) == 0 &&
	    uuid_parse(target_branch, &target->branch, err) == 0) {
		taken->time = taken_time;
		target->time = target_time;
		*head = (uint64_t)id;
		r = 0;
	}
	json_decref(root);
	if (r < 0)
		return fl_fail(err, FL_CORRUPT,
			       "the note of an interrupted rollback can't be read");
	return 0;
}

struct intending {
	const struct swap *swap;
	struct intent_row intent;
};

static int write_intent(struct tx *tx, void *arg, struct fl_error *err)
{
	struct intending *intending = arg;

	if (tx_snapshot_insert(tx, &intending->swap->taken, err) < 0)
		return fl_failed(err);
	return tx_intent_insert(tx, &intending->intent, err);
}

static int intend(struct engine *engine, const struct swap *swap, struct fl_error *err)
{
	struct intending intending = { .swap = swap };
	int r;

	intent_encode(swap, &intending.intent);
	r = catalog_write(engine->catalog, CATALOG_DURABLE, write_intent, &intending, err);
	intent_row_done(&intending.intent);
	return r;
}

/* --- forward --------------------------------------------------------------- */

static int swap_head(struct engine *engine, const struct swap *swap, struct fl_error *err)
{
	const struct driver *driver = driver_of(engine);
	struct tree target = snapshot_tree(&swap->target);
	struct line line = new_line(swap);
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0 ||
	    facts_save(engine, tx, &swap->volume, &swap->branch, &line, err) < 0)
		return fl_failed(err);
	tx_end(take_ptr(tx));
	if (driver->head_swap(engine->pool, &swap->branch.uuid, &target, &swap->operation, err) < 0)
		return fl_failed(err);
	restore_sweep(engine, &swap->branch.uuid);
	return driver->sync(engine->pool, err);
}

static int write_outcome(struct tx *tx, void *arg, struct fl_error *err)
{
	struct swap *swap = arg;
	struct line line = new_line(swap);
	struct retired_row retired = {
		.operation = swap->operation,
		.volume = swap->volume.uuid,
		.branch = swap->branch.uuid,
		.snapshot = swap->taken.position,
	};

	swap->stash.volume = swap->volume.uuid;
	if (tx_line_insert(tx, &line, err) < 0 ||
	    stash_add(tx, &swap->taken, &swap->target, &swap->stash, err) < 0)
		return fl_failed(err);
	retired.stash = swap->stash.number;
	if (tx_retired_insert(tx, &retired, err) < 0)
		return fl_failed(err);
	return tx_intent_delete(tx, &swap->operation, err);
}

/* --- back --------------------------------------------------------------------- */

static int head_is_old(struct engine *engine, const struct swap *swap, bool *ret,
		       struct fl_error *err)
{
	struct tree head = tree_head(&swap->branch.uuid);
	struct tree_info info;

	if (driver_of(engine)->tree_info(engine->pool, &head, &info, err) < 0)
		return fl_failed(err);
	*ret = info.id == swap->head;
	return 0;
}

/* Where the clone goes when a swap is undone; known again after a crash. */
static struct uuid clone_place(const struct swap *swap)
{
	struct uuid place = swap->operation;

	place.bytes[0] ^= 0xff;
	return place;
}

/* The old head is retired: it becomes the head again, and the clone goes. */
static int swap_back(struct engine *engine, const struct swap *swap, struct fl_error *err)
{
	const struct driver *driver = driver_of(engine);
	struct uuid other = clone_place(swap);
	struct tree target = snapshot_tree(&swap->target), clone = tree_retired(&other);
	struct tree old = tree_retired(&swap->operation);

	/* Completes a swap that failed half-way, so that the old head surely is retired. */
	if (driver->head_swap(engine->pool, &swap->branch.uuid, &target, &swap->operation, err) <
		    0 ||
	    driver->head_retire(engine->pool, &swap->branch.uuid, &other, err) < 0 ||
	    driver->head_restore(engine->pool, &old, &swap->branch.uuid, err) < 0)
		return fl_failed(err);
	return driver->tree_delete(engine->pool, &clone, err);
}

struct attempt {
	const struct swap *swap;
	bool kept; /* S: somebody saw it meanwhile and tagged it, or branched from it */
};

static int delete_attempt(struct tx *tx, void *arg, struct fl_error *err)
{
	struct attempt *attempt = arg;
	const struct position *taken = &attempt->swap->taken.position;
	unsigned pins;

	if (tx_snapshot_pins(tx, taken, &pins, err) < 0)
		return fl_failed(err);
	attempt->kept = (pins & ~(unsigned)PIN_TIP) != 0;
	if (!attempt->kept && tx_snapshot_delete(tx, taken, err) < 0)
		return fl_failed(err);
	return tx_intent_delete(tx, &attempt->swap->operation, err);
}

/* As if it had never been asked for.  `old`: the head has not been swapped. */
static int undo(struct engine *engine, struct swap *swap, bool old, struct fl_error *err)
{
	struct tree staging = tree_staging(&swap->operation);
	struct uuid place = clone_place(swap);
	struct tree clone = tree_retired(&place);
	struct attempt attempt = { .swap = swap };

	if (!old && swap_back(engine, swap, err) < 0)
		return fl_failed(err);
	if (driver_of(engine)->tree_delete(engine->pool, &staging, err) < 0 ||
	    driver_of(engine)->tree_delete(engine->pool, &clone, err) < 0 ||
	    driver_of(engine)->sync(engine->pool, err) < 0 ||
	    catalog_write_deletion(engine, delete_attempt, &attempt, err) < 0)
		return fl_failed(err);
	if (!attempt.kept)
		snapshot_abort(engine, &swap->taken);
	facts_refresh(engine, &swap->branch.uuid);
	return 0;
}

/* The caller's error stays; what can't be undone now is finished or undone at the next start. */
static void undo_failed(struct engine *engine, struct swap *swap, struct fl_error *err)
{
	struct fl_error again;
	bool old = false;

	if (head_is_old(engine, swap, &old, &again) == 0 && undo(engine, swap, old, &again) == 0)
		return;
	log_error("a rollback that failed could not be undone", "volume=%s branch=%s error=\"%s\"",
		  swap->volume.name, swap->branch.name, again.text);
	fl_hint(err, "undoing it failed too (%.100s); restarting flockerd finishes or undoes it",
		again.text);
}

/* --- the verb -------------------------------------------------------------------- */

static int run_swap(struct engine *engine, struct swap *swap, struct fl_error *err)
{
	const struct snapshot_options options = { .reason = REASON_ROLLBACK, .hooks = swap->hooks };
	struct tree head = tree_head(&swap->branch.uuid);
	struct tree_info info;

	if (driver_of(engine)->tree_info(engine->pool, &head, &info, err) < 0 ||
	    snapshot_take(engine, &swap->branch, &options, &swap->taken, err) < 0)
		return fl_failed(err);
	swap->head = info.id;
	swap->operation = uuid_new();
	if (intend(engine, swap, err) < 0) {
		snapshot_abort(engine, &swap->taken);
		return fl_failed(err);
	}
	if (swap_head(engine, swap, err) == 0 &&
	    catalog_write(engine->catalog, CATALOG_DURABLE, write_outcome, swap, err) == 0) {
		note_refresh(engine, &swap->taken.position);
		return 0;
	}
	undo_failed(engine, swap, err);
	return fl_failed(err);
}

static int answer(struct engine *engine, const struct swap *swap, struct rollback *ret,
		  struct fl_error *err)
{
	struct tree retired = tree_retired(&swap->operation);
	own_tx struct tx *tx = NULL;
	struct rollback rollback = { 0 };
	struct fl_error unknown;

	if (tx_begin(engine->catalog, &tx, err) < 0 ||
	    answer_branch(engine, tx, &swap->volume, &swap->branch, &rollback.branch, err) < 0)
		return fl_failed(err);
	if (answer_stash(engine, tx, &swap->volume, &swap->stash, &rollback.stash, err) < 0) {
		rollback_done(&rollback);
		return fl_failed(err);
	}
	/* The rollback is done; that nobody can say who holds the old head does not undo it. */
	if (find_holders(engine, &retired, 1, false, &rollback.holders, &unknown) < 0)
		log_warning("the users of a replaced head can't be told", "error=\"%s\"",
			    unknown.text);
	rollback.stash.held = rollback.holders.count > 0;
	*ret = rollback;
	return 0;
}

static int swap_claimed(struct around *around, struct claim *claim, struct hooking *hooks,
			struct rollback *ret, struct fl_error *err)
{
	own(swap_done) struct swap swap = { .hooks = hooks };
	struct engine *engine = around->engine;
	struct target *head = &claim->targets[0], *target = &claim->targets[1];

	if (!uuid_equal(&head->volume.uuid, &target->volume.uuid))
		return fl_fail(err, FL_INVALID,
			       "'%s' can't go back to a snapshot of another volume ('%s')",
			       head->volume.name, target->volume.name);
	swap.volume = head->volume;
	head->volume = (struct volume_row){ 0 };
	swap.branch = head->branch;
	swap.target = target->snapshot;
	target->snapshot = (struct snapshot_row){ 0 };
	if (run_swap(engine, &swap, err) < 0)
		return fl_wrap(err, "rolling back %s/%s", swap.volume.name, swap.branch.name);
	around->replaced = true; /* even where no answer can be made any more */
	around_live(around);
	care_soon(engine);
	return answer(engine, &swap, ret, err);
}

/* `refs`: the branch, and what it is to become. */
static int roll_back(struct around *around, const struct ref refs[static 2], struct hooking *hooks,
		     struct rollback *ret, struct fl_error *err)
{
	struct engine *engine = around->engine;
	own_gate struct engine *inside = NULL;
	own_claim struct claim claim = { 0 };

	if (gate_enter(engine, &inside, err) < 0 ||
	    claim_take(engine, refs, 2, CLAIM_HEAD, &claim, err) < 0)
		return fl_failed(err);
	return swap_claimed(around, &claim, hooks, ret, err);
}

/*
 * Since the reference was made, or containers were stopped, another branch may have got that name.
 * `meant`: what it stood for when it was made; NULL: what it stood for when they were stopped.
 */
static bool is_meant(const struct around *around, const struct uuid *branch,
		     const struct uuid *meant)
{
	return uuid_equal(branch, &around->branch.uuid) && (!meant || uuid_equal(branch, meant));
}

static int roll_back_with_hooks(struct around *around, const struct ref refs[static 2],
				const struct uuid *meant, struct rollback *ret,
				struct fl_error *err)
{
	struct engine *engine = around->engine;
	struct hooking hooking;
	int r;

	if (hooks_begin(engine, refs, 2, HOOK_ROLLBACK, REASON_ROLLBACK, &hooking, err) < 0)
		return fl_failed(err);
	/* From here on hooks_before() sees to it. */
	if (!is_meant(around, &hooking.branches[0], meant))
		r = fl_fail(err, FL_BUSY, "%s/%s was renamed just now; try again",
			    around->branch.volume, around->branch.name);
	else
		r = roll_back(around, refs, &hooking, ret, err);
	hooks_end(&hooking, r == 0);
	return r;
}

static int roll_back_around(struct engine *engine, struct ref refs[static 2], enum around_mode mode,
			    const struct uuid *meant, struct rollback *ret, struct fl_error *err)
{
	struct around_report report;
	struct around around;
	int r;

	if (around_begin(engine, refs, mode, &around, err) < 0)
		return fl_failed(err);
	r = roll_back_with_hooks(&around, refs, meant, ret, err);
	around_end(&around, &report, r < 0 ? err : NULL);
	if (r < 0)
		around_report_done(&report);
	else
		ret->around = report;
	return r;
}

int engine_rollback(struct engine *engine, const struct ref *branch, const struct ref *target,
		    enum around_mode mode, struct rollback *ret, struct fl_error *err)
{
	struct ref refs[2] = { *branch, *target }; /* borrowed: nothing here releases them */

	if (check_form(branch, FORM_VOLUME | FORM_BRANCH, "rollback", err) < 0 ||
	    check_form(target, FORM_TAG | FORM_STASH | FORM_SNAPSHOT, "rollback --to", err) < 0)
		return fl_failed(err);
	return roll_back_around(engine, refs, mode, NULL, ret, err);
}

/* The branch that the stash was put aside from, as a reference. */
static int stash_branch(struct engine *engine, const struct ref *stash, struct ref *ret,
			struct uuid *ret_branch, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_target struct target target = { 0 };
	own_tx struct tx *tx = NULL;
	struct stash_row row;
	struct branch_row branch;

	if (gate_enter(engine, &inside, err) < 0 || tx_begin(engine->catalog, &tx, err) < 0 ||
	    resolve(engine, tx, stash, &target, err) < 0 ||
	    tx_stash_find(tx, &target.volume.uuid, stash->stash, &row, err) < 0 ||
	    tx_branch_get(tx, &row.branch, &branch, err) < 0)
		return fl_failed(err);
	if (branch.destroyed) {
		fl_fail(err, FL_NOT_FOUND, "the branch of stash %u, '%s', is in the trash",
			stash->stash, branch.name);
		return fl_hint(
			err, "flocker stash restore stash/%u@%s --as NEW makes a new branch of it",
			stash->stash, stash->volume);
	}
	*ret_branch = row.branch;
	*ret = (struct ref){ .kind = REF_BRANCH };
	if (is_remote(engine, &branch))
		answer_instance(engine, tx, &branch.instance, ret->instance);
	memcpy(ret->volume, stash->volume, NAME_TEXT);
	memcpy(ret->branch, branch.name, NAME_TEXT);
	return 0;
}

int engine_stash_restore(struct engine *engine, const struct ref *stash, enum around_mode mode,
			 struct rollback *ret, struct fl_error *err)
{
	struct ref refs[2] = { { 0 }, *stash };
	struct uuid branch;

	if (check_form(stash, FORM_STASH, "stash restore", err) < 0 ||
	    stash_branch(engine, stash, &refs[0], &branch, err) < 0)
		return fl_failed(err);
	return roll_back_around(engine, refs, mode, &branch, ret, err);
}

/* --- after a crash ------------------------------------------------------------------ */

static int load_swap(struct engine *engine, const struct intent_row *intent, struct swap *swap,
		     struct fl_error *err)
{
	struct position taken, target;
	own_tx struct tx *tx = NULL;

	swap->operation = intent->operation;
	if (intent_decode(intent, &swap->head, &taken, &target, err) < 0 ||
	    tx_begin(engine->catalog, &tx, err) < 0 ||
	    tx_branch_get(tx, &taken.branch, &swap->branch, err) < 0 ||
	    tx_volume_get(tx, &swap->branch.volume, &swap->volume, err) < 0 ||
	    tx_snapshot_get(tx, &taken, &swap->taken, err) < 0)
		return fl_failed(err);
	return tx_snapshot_get(tx, &target, &swap->target, err);
}

/* A crash in swap_back() may have left no head: the old one is where the swap retired it. */
static int head_put_back(struct engine *engine, const struct swap *swap, struct fl_error *err)
{
	struct tree head = tree_head(&swap->branch.uuid), old = tree_retired(&swap->operation);
	struct tree_info info;
	int r = driver_of(engine)->tree_info(engine->pool, &head, &info, err);

	if (r != -FL_NOT_FOUND)
		return r;
	return driver_of(engine)->head_restore(engine->pool, &old, &swap->branch.uuid, err);
}

int rollback_finish(struct engine *engine, const struct intent_row *intent, struct fl_error *err)
{
	own(swap_done) struct swap swap = { 0 };
	bool old = false;

	if (load_swap(engine, intent, &swap, err) < 0 || head_put_back(engine, &swap, err) < 0 ||
	    head_is_old(engine, &swap, &old, err) < 0)
		return fl_failed(err);
	log_info(old ? "undoing an interrupted rollback" : "finishing an interrupted rollback",
		 "volume=%s branch=%s", swap.volume.name, swap.branch.name);
	if (old)
		return undo(engine, &swap, true, err);
	if (swap_head(engine, &swap, err) < 0)
		return fl_failed(err);
	return catalog_write(engine->catalog, CATALOG_DURABLE, write_outcome, &swap, err);
}
