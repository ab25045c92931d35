/*
 * Claims: resolve, lock, resolve again.
 *
 * A name can change hands between its look-up and the lock.  So the references
 * are resolved once without locks to learn what to lock, and once more with
 * them, unless nothing at all was written in between; if they stand for
 * something else by then, the locks are given back and it begins anew.
 */

#include "engine/internal.h"

#define CLAIM_TRIES 16

static int resolve_one(struct engine *engine, struct tx *tx, const struct ref *ref,
		       enum claim_mode mode, struct target *ret, struct fl_error *err)
{
	if (mode == CLAIM_USE || mode == CLAIM_FROM)
		return resolve_reading(engine, tx, ref, ret, err);
	if (resolve(engine, tx, ref, ret, err) < 0)
		return fl_failed(err);
	if (mode == CLAIM_OWN || (mode == CLAIM_HEAD && !ret->is_snapshot))
		return refuse_remote(engine, ret, err);
	return 0;
}

static int resolve_all(struct engine *engine, const struct ref *refs, enum claim_mode mode,
		       struct claim *claim, struct fl_error *err)
{
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < claim->count; i++)
		if (resolve_one(engine, tx, &refs[i], mode, &claim->targets[i], err) < 0)
			return fl_failed(err);
	return 0;
}

static void targets_free(struct target *targets, size_t count)
{
	for (size_t i = 0; targets && i < count; i++)
		target_done(&targets[i]);
	free(targets);
}

void claim_drop(struct claim *claim)
{
	lock_drop(&claim->locks);
	targets_free(claim->targets, claim->count);
	*claim = (struct claim){ 0 };
}

static void lock_targets(struct engine *engine, struct claim *claim, enum claim_mode mode)
{
	own_free struct lock_want *wants = xcalloc(2 * claim->count, sizeof(*wants));
	size_t count = 0;

	for (size_t i = 0; i < claim->count; i++) {
		const struct target *target = &claim->targets[i];

		wants[count++] = (struct lock_want){ LOCK_VOLUME, mode == CLAIM_SHAPE,
						     target->volume.uuid };
		if ((mode == CLAIM_HEAD || mode == CLAIM_FROM) && !target->is_snapshot)
			wants[count++] = (struct lock_want){ LOCK_BRANCH, true,
							     target->branch.uuid };
	}
	lock_take(&engine->locks, wants, count, &claim->locks);
}

/* Do both resolutions need the same locks? */
static bool same_objects(const struct target *a, const struct target *b, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!uuid_equal(&a[i].volume.uuid, &b[i].volume.uuid) ||
		    !uuid_equal(&a[i].branch.uuid, &b[i].branch.uuid))
			return false;
	return true;
}

static int try_claim(struct engine *engine, const struct ref *refs, enum claim_mode mode,
		     struct claim *claim, bool *ret_same, struct fl_error *err)
{
	struct target *before = claim->targets;
	uint64_t commits;
	int r;

	lock_targets(engine, claim, mode);
	commits = catalog_commits(engine->catalog);
	*ret_same = claim->commits == commits;
	if (*ret_same)
		return 0;
	claim->commits = commits;
	claim->targets = xcalloc(claim->count, sizeof(*claim->targets));
	r = resolve_all(engine, refs, mode, claim, err);
	*ret_same = r == 0 && same_objects(before, claim->targets, claim->count);
	targets_free(before, claim->count);
	if (!*ret_same)
		lock_drop(&claim->locks);
	return r;
}

int claim_take(struct engine *engine, const struct ref *refs, size_t count, enum claim_mode mode,
	       struct claim *ret, struct fl_error *err)
{
	own_claim struct claim claim = { .count = count,
					 .commits = catalog_commits(engine->catalog) };
	bool same = false;

	claim.targets = xcalloc(count, sizeof(*claim.targets));
	if (resolve_all(engine, refs, mode, &claim, err) < 0)
		return fl_failed(err);
	for (int i = 0; i < CLAIM_TRIES && !same; i++)
		if (try_claim(engine, refs, mode, &claim, &same, err) < 0)
			return fl_failed(err);
	if (!same)
		return fl_fail(err, FL_BUSY, "'%s' is being renamed again and again",
			       refs[0].volume);
	*ret = claim;
	claim = (struct claim){ 0 };
	return 0;
}
