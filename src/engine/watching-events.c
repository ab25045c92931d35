/*
 * Which branches have changed, where the driver can watch.
 *
 * Three signals come together, since none of them tells all (docs/watching.md):
 *
 * - events, by the number of the tree that they happened in.  A number that is
 *   not known yet (a new branch, the new head after a rollback) is looked for
 *   at once; what is no head (snapshots, staging, heads that were replaced) is
 *   remembered as such and costs nothing more;
 * - each second the trees that the file system has committed something for: it
 *   finds stores into mappings, of which there are no events.  Snapshots move
 *   trees too; so each is compared with the tip of its branch before it counts;
 * - at the start, and when events were lost, one sync, and all are compared.
 *
 * "Compared" is the driver's motion(): a head is unchanged if it was not
 * touched after its bound, or after its floor.  The floor is the point of the
 * newest snapshot that this process took of it by itself.  For one that is in the
 * catalogue the bound says the same; but one that held nothing new is gone
 * again, and without the floor its head would count as changed for ever.
 */

#include "engine/internal.h"

static uint64_t greater(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void tell(struct round *round, struct watched *watched, bool late)
{
	if (watched->told == round->watching->round)
		return;
	watched->told = round->watching->round;
	round->each(round->arg, &watched->branch, late);
}

static void note_event(void *arg, int type, const uint8_t *handle, size_t length)
{
	struct round *round = arg;
	uint64_t number = driver_of(round->engine)->watch_handle(type, handle, length);
	struct watched *watched = number ? heads_find(&round->watching->heads, number) : NULL;

	if (watched && watched->head)
		tell(round, watched, false);
	if (watched || number == 0)
		return;
	heads_add(&round->watching->heads, number)->awaited = true;
	round->unknown = true;
}

static int note_moved(void *arg, const struct moved_tree *moved, struct fl_error *err)
{
	struct round *round = arg;
	struct watched *watched = heads_find(&round->watching->heads, moved->number);
	bool same;

	if (!moved->head) {
		if (watched)
			watched->head = false;
		return 0;
	}
	same = watched && watched->head && uuid_equal(&watched->branch, &moved->branch) &&
	       moved->touched != 0 && watched->touched == moved->touched;
	if (same && !round->all)
		return 0;
	watched = heads_add(&round->watching->heads, moved->number);
	watched->head = true;
	watched->branch = moved->branch;
	watched->touched = moved->touched;
	*array_add(round->candidates, round->count) = moved->number;
	return 0;
}

/*
 * A head that nobody knew when its first event came: was it written to, or only
 * made?  Motion tells that of one that was made empty: before its first file has
 * contents it has a name.  A clone has files already, and what was written into
 * them may not count yet.
 */
static int compare(struct round *round, struct tx *tx, uint64_t number, struct fl_error *err)
{
	struct watched *watched = heads_find(&round->watching->heads, number);
	bool awaited = watched->awaited, tip;
	struct motion motion;
	int r;

	watched->awaited = false;
	r = motion_of(round->engine, tx, &watched->branch, &motion, &tip, err);
	if (r == -FL_NOT_FOUND) /* deleted meanwhile */
		return 0;
	if (r < 0)
		return r;
	if ((awaited && tip) || motion.touched > greater(motion.bound, watched->floor))
		tell(round, watched, !awaited);
	return 0;
}

static int compare_candidates(struct round *round, struct fl_error *err)
{
	own_tx struct tx *tx = NULL;

	if (round->count == 0)
		return 0;
	if (tx_begin(round->engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < round->count; i++)
		if (compare(round, tx, round->candidates[i], err) < 0)
			return fl_failed(err);
	return 0;
}

static int search(struct round *round, struct fl_error *err)
{
	struct watching *watching = round->watching;
	const struct driver *driver = driver_of(round->engine);

	if (round->all && driver->sync(round->engine->pool, err) < 0)
		return fl_failed(err);
	if (round->all)
		watching->since = (struct watch_since){ 0 };
	if (driver->watch_heads(round->engine->pool, &watching->since, note_moved, round, err) < 0)
		return fl_failed(err);
	if (watching->opened == 0)
		watching->opened = watching->since.point;
	watching->searched = clock_monotonic();
	return compare_candidates(round, err);
}

int look_at_events(struct round *round, struct fl_error *err)
{
	struct watching *watching = round->watching;
	bool lost = false;

	if (watch_drain(&watching->watch, note_event, round, &lost, err) < 0)
		return fl_failed(err);
	if (lost)
		log_info("events were lost; all branches are compared", "branches=%zu",
			 watching->heads.count);
	watching->lost |= lost;
	round->all = watching->lost;
	if (!round->all && !round->unknown &&
	    clock_monotonic() - watching->searched < WATCHING_TICK)
		return 0;
	if (search(round, err) < 0)
		return fl_failed(err);
	watching->lost = false;
	return 0;
}
