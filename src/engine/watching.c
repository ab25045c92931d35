/*
 * The life of what watches, and what a snapshot needs to know of it.  How changes
 * are found: watching-events.c where the kernel tells, watching-plain.c elsewhere.
 */

#include "engine/save.h"
#include "engine/watching.h"

#include "engine/internal.h"
#include "engine/past.h"

#define AFTER_ERROR (10 * CLOCK_SECOND) /* from a round that failed to the next */

static void round_done(struct round *round)
{
	free(round->candidates);
}

/* --- its life -------------------------------------------------------------------- */

struct watching *watching_new(void)
{
	struct watching *watching = xcalloc(1, sizeof(*watching));
	struct fl_error why;

	watching->watch = WATCH_NONE;
	pthread_mutex_init(&watching->mutex, NULL);
	if (watch_open(&watching->watch, &why) < 0)
		log_info("the kernel does not tell of changes", "reason=\"%s\"", why.text);
	return watching;
}

void watching_free(struct watching *watching)
{
	if (!watching)
		return;
	watching_end(watching);
	watch_close(&watching->watch);
	pthread_mutex_destroy(&watching->mutex);
	free(watching);
}

static int mark_pool(struct engine *engine, struct fl_error *err)
{
	own_fd int root = -1;

	if (driver_of(engine)->watch_root(engine->pool, &root, err) < 0)
		return fl_failed(err);
	return watch_mark(&engine->watching->watch, root, err);
}

void watching_begin(struct engine *engine)
{
	struct watching *watching = engine->watching;
	struct fl_error why;

	watching_end(watching);
	watching->lost = true;
	if (!(driver_of(engine)->capabilities & DRIVER_CAN_WATCH) || watching->watch.group < 0)
		return;
	watching->kernel_tells = mark_pool(engine, &why) == 0;
	if (!watching->kernel_tells)
		log_warning("changes in the pool are found by looking, which is slow",
			    "reason=\"%s\"", why.text);
}

void watching_end(struct watching *watching)
{
	watch_unmark(&watching->watch);
	heads_done(&watching->heads);
	free(take_ptr(watching->plain));
	watching->plain_count = watching->plain_at = 0;
	free(take_ptr(watching->active));
	watching->active_count = watching->active_at = 0;
	watching->since = (struct watch_since){ 0 };
	watching->opened = 0;
	watching->rests_until = watching->searched = 0;
	watching->kernel_tells = watching->failing = watching->lost = false;
}

int engine_changes_fd(const struct engine *engine)
{
	return engine->watching->watch.group;
}

/* --- the snapshot that a head continues from ------------------------------------------ */

int tip_tree(struct tx *tx, const struct uuid *branch, struct tree *ret, bool *ret_known,
	     struct fl_error *err)
{
	own_snapshot_row struct snapshot_row row = { 0 };
	struct position position;
	int r;

	*ret_known = false;
	if (head_position(tx, branch, &position, err) < 0)
		return fl_failed(err);
	if (position_is_none(&position))
		return 0;
	r = tx_snapshot_get(tx, &position, &row, err);
	if (r == 0) {
		*ret = snapshot_tree(&row);
		*ret_known = true;
	}
	return r == -FL_NOT_FOUND ? 0 : r;
}

int motion_of(struct engine *engine, struct tx *tx, const struct uuid *branch, struct motion *ret,
	      bool *ret_tip, struct fl_error *err)
{
	struct tree head = tree_head(branch), tip;

	if (tip_tree(tx, branch, &tip, ret_tip, err) < 0)
		return fl_failed(err);
	return driver_of(engine)->motion(engine->pool, &head, *ret_tip ? &tip : NULL, ret, err);
}

/* --- the call ------------------------------------------------------------------------------- */

static void note_outcome(struct engine *engine, int outcome, const struct fl_error *err)
{
	struct watching *watching = engine->watching;

	failing_note(engine, FAILING_WATCHING, NULL, outcome, err);
	watching->failing = outcome < 0;
	watching->lost |= outcome < 0;
	if (outcome < 0)
		watching->rests_until = clock_monotonic() + AFTER_ERROR;
}

int64_t engine_changes(struct engine *engine, change_told *each, void *arg)
{
	struct watching *watching = engine->watching;
	own(round_done) struct round round = {
		.engine = engine, .watching = watching, .each = each, .arg = arg
	};
	own_gate struct engine *inside = NULL;
	struct fl_error err;
	int64_t wait;
	int outcome;

	if (gate_enter(engine, &inside, &err) < 0)
		return WATCHING_TICK;
	own_lock(guard, &watching->mutex);
	watching->round++;
	if (watching->failing && clock_monotonic() < watching->rests_until)
		return watching->rests_until - clock_monotonic();
	outcome = watching->kernel_tells ? look_at_events(&round, &err)
					 : look_plainly(&round, &err);
	note_outcome(engine, outcome, &err);
	wait = watching->rests_until - clock_monotonic();
	return wait > 0 ? wait : WATCHING_TICK;
}

/* --- snapshots by themselves (save.c) -------------------------------------------------- */

/*
 * If somebody else has snapshotted the branch since the first change, that may
 * hold all.  Then it is asked for first: a snapshot that is deleted again would
 * leave its mark on the head, and after a restart that looked like a change.
 * So is a branch that nobody has snapshotted: it may only have been made.
 */
static int may_be_saved(struct engine *engine, const struct uuid *branch, int64_t age, bool *ret,
			struct fl_error *err)
{
	own_tx struct tx *tx = NULL;
	struct position position;

	if (tx_begin(engine->catalog, &tx, err) < 0 ||
	    head_position(tx, branch, &position, err) < 0)
		return fl_failed(err);
	*ret = position_is_none(&position) || position.time >= clock_now() - age - CLOCK_SECOND;
	return 0;
}

static int fill_base(struct engine *engine, struct save_base *base, struct fl_error *err)
{
	struct watching *watching = engine->watching;
	own_tx struct tx *tx = NULL;
	struct watched *watched;
	struct motion motion;
	bool tip;

	if (tx_begin(engine->catalog, &tx, err) < 0 ||
	    motion_of(engine, tx, &base->branch, &motion, &tip, err) < 0)
		return fl_failed(err);
	own_lock(guard, &watching->mutex);
	watched = heads_find(&watching->heads, motion.number);
	base->number = motion.number;
	base->floor = watched ? watched->floor : 0;
	base->bound = motion.bound > base->floor ? motion.bound : base->floor;
	/* A bound of an earlier mount would not see what the log brought back after a power cut. */
	if (watching->opened == 0 || base->bound <= watching->opened)
		base->bound = 0;
	return 0;
}

int watching_before(struct engine *engine, const struct uuid *branch, int64_t age,
		    struct save_base *ret, struct fl_error *err)
{
	bool kernel_tells = engine->watching->kernel_tells, ask = true;

	*ret = (struct save_base){ .branch = *branch, .changed = true };
	if (kernel_tells && may_be_saved(engine, branch, age, &ask, err) < 0)
		return fl_failed(err);
	if (ask && head_changed(engine, branch, &ret->changed, err) < 0)
		return fl_failed(err);
	return kernel_tells && ret->changed ? fill_base(engine, ret, err) : 0;
}

static void set_floor(struct watching *watching, const struct save_base *base, uint64_t floor)
{
	own_lock(guard, &watching->mutex);
	struct watched *watched = heads_add(&watching->heads, base->number);

	watched->head = true;
	watched->branch = base->branch;
	watched->floor = floor;
}

int watching_after(struct engine *engine, const struct save_base *base, const struct tree *taken,
		   bool *ret_new, struct fl_error *err)
{
	struct motion motion;

	*ret_new = true;
	if (!engine->watching->kernel_tells)
		return 0;
	if (driver_of(engine)->motion(engine->pool, taken, NULL, &motion, err) < 0)
		return fl_failed(err);
	*ret_new = base->bound == 0 || motion.contents > base->bound;
	set_floor(engine->watching, base, motion.made);
	return 0;
}

void watching_undo(struct engine *engine, const struct save_base *base)
{
	if (engine->watching->kernel_tells)
		set_floor(engine->watching, base, base->floor);
}
