/*
 * What is there: volumes, branches, tags, stashes.  One read transaction each.
 */

#include <string.h>

#include "engine/internal.h"
#include "engine/quota.h"
#include "engine/rollback.h"

#define VOLUMES_LIMIT 1000

struct listing {
	struct engine *engine;
	struct tx *tx;
	struct volume_row volume;    /* of the branches; read again when it changes */
	const struct volume_row *of; /* of the tags and stashes */
	void *list;
};

static void listing_done(struct listing *listing)
{
	volume_row_done(&listing->volume);
}

static int add_volume(void *arg, const struct volume_row *row, struct fl_error *err)
{
	struct listing *listing = arg;

	return answer_volume(listing->engine, listing->tx, row, volume_list_add(listing->list),
			     err);
}

int engine_volumes(struct engine *engine, const char *after, size_t limit, struct volume_list *ret,
		   struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_tx struct tx *tx = NULL;
	own(volume_list_done) struct volume_list list = { 0 };
	struct listing listing = { .engine = engine, .list = &list };

	if (limit < 1 || limit > VOLUMES_LIMIT)
		return fl_fail(err, FL_INVALID, "limit is %zu; it must be 1 to %d", limit,
			       VOLUMES_LIMIT);
	if (gate_enter(engine, &inside, err) < 0 || tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	listing.tx = tx;
	if (tx_volume_each(tx, after, limit, add_volume, &listing, err) < 0)
		return fl_failed(err);
	*ret = list;
	list = (struct volume_list){ 0 };
	return 0;
}

/* Enters, begins a transaction and resolves: what every question about one object begins with. */
static int look_up(struct engine *engine, const struct ref *ref, unsigned forms, const char *verb,
		   struct engine **inside, struct tx **tx, struct target *target,
		   struct fl_error *err)
{
	if (check_form(ref, forms, verb, err) < 0 || gate_enter(engine, inside, err) < 0 ||
	    tx_begin(engine->catalog, tx, err) < 0)
		return fl_failed(err);
	return resolve(engine, *tx, ref, target, err);
}

int engine_volume(struct engine *engine, const struct ref *ref, struct volume *ret,
		  struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_target struct target target = { 0 };
	own_tx struct tx *tx = NULL;

	if (look_up(engine, ref, FORM_VOLUME, "showing a volume", &inside, &tx, &target, err) < 0)
		return fl_failed(err);
	return answer_volume(engine, tx, &target.volume, ret, err);
}

static int read_volume(struct listing *listing, const struct branch_row *row, struct fl_error *err)
{
	if (uuid_equal(&row->volume, &listing->volume.uuid))
		return 0;
	volume_row_done(&listing->volume);
	listing->volume = (struct volume_row){ 0 };
	return tx_volume_get(listing->tx, &row->volume, &listing->volume, err);
}

static int add_branch(void *arg, const struct branch_row *row, struct fl_error *err)
{
	struct listing *listing = arg;

	if (read_volume(listing, row, err) < 0)
		return fl_failed(err);
	return answer_branch(listing->engine, listing->tx, &listing->volume, row,
			     branch_list_add(listing->list), err);
}

int engine_branches(struct engine *engine, const struct ref *volume, struct branch_list *ret,
		    struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_target struct target target = { 0 };
	own_tx struct tx *tx = NULL;
	own(branch_list_done) struct branch_list list = { 0 };
	own(listing_done) struct listing listing = { .engine = engine, .list = &list };

	if (volume) {
		if (look_up(engine, volume, FORM_VOLUME, "listing branches", &inside, &tx, &target,
			    err) < 0)
			return fl_failed(err);
	} else if (gate_enter(engine, &inside, err) < 0 ||
		   tx_begin(engine->catalog, &tx, err) < 0) {
		return fl_failed(err);
	}
	listing.tx = tx;
	if (tx_branch_each(tx, volume ? &target.volume.uuid : NULL, false, add_branch, &listing,
			   err) < 0)
		return fl_failed(err);
	*ret = list;
	list = (struct branch_list){ 0 };
	return 0;
}

struct telling {
	branch_place_told *each;
	void *arg;
};

static int tell_place(void *arg, const struct branch_row *row, struct fl_error *err)
{
	struct listing *listing = arg;
	const struct telling *telling = listing->list;
	bool visible = driver_of(listing->engine)->capabilities & DRIVER_CAN_EXPOSE;
	bool trunk = strcmp(row->name, TRUNK) == 0;
	own_free char *path = NULL;

	if (read_volume(listing, row, err) < 0)
		return fl_failed(err);
	/* Of others' the one that VOLUME alone stands for. */
	if (is_remote(listing->engine, row) &&
	    (!trunk || !uuid_equal(&row->instance, &listing->volume.owner)))
		return 0;
	if (row->mounted && visible)
		path = link_path(listing->engine, listing->volume.name, row->name);
	telling->each(telling->arg, &(struct branch_place){ .volume = listing->volume.name,
							    .branch = row->name,
							    .path = path,
							    .created = row->created });
	return 0;
}

int engine_branch_places(struct engine *engine, branch_place_told *each, void *arg,
			 struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_tx struct tx *tx = NULL;
	struct telling telling = { each, arg };
	own(listing_done) struct listing listing = { .engine = engine, .list = &telling };

	if (gate_enter(engine, &inside, err) < 0 || tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	listing.tx = tx;
	return tx_branch_each(tx, NULL, false, tell_place, &listing, err);
}

int engine_branch_show(struct engine *engine, const struct ref *ref, struct branch *ret,
		       struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_target struct target target = { 0 };
	own_tx struct tx *tx = NULL;

	if (look_up(engine, ref, FORM_VOLUME | FORM_BRANCH, "showing a branch", &inside, &tx,
		    &target, err) < 0)
		return fl_failed(err);
	if (answer_branch(engine, tx, &target.volume, &target.branch, ret, err) < 0)
		return fl_failed(err);
	if (ret->local && quota_live(engine, &target.branch, ret, err) < 0) {
		branch_done(ret);
		return fl_failed(err);
	}
	return 0;
}

static int add_tag(void *arg, const struct tag_row *row, struct fl_error *err)
{
	struct listing *listing = arg;

	return answer_tag(listing->tx, listing->of, row, tag_list_add(listing->list), err);
}

int engine_tags(struct engine *engine, const struct ref *volume, struct tag_list *ret,
		struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_target struct target target = { 0 };
	own_tx struct tx *tx = NULL;
	own(tag_list_done) struct tag_list list = { 0 };
	struct listing listing = { .engine = engine, .of = &target.volume, .list = &list };

	if (look_up(engine, volume, FORM_VOLUME, "listing tags", &inside, &tx, &target, err) < 0)
		return fl_failed(err);
	listing.tx = tx;
	if (tx_tag_each(tx, &target.volume.uuid, NULL, add_tag, &listing, err) < 0)
		return fl_failed(err);
	*ret = list;
	list = (struct tag_list){ 0 };
	return 0;
}

static int add_stash(void *arg, const struct stash_row *row, struct fl_error *err)
{
	struct listing *listing = arg;

	return answer_stash(listing->engine, listing->tx, listing->of, row,
			    stash_list_add(listing->list), err);
}

int engine_stashes(struct engine *engine, const struct ref *volume, struct stash_list *ret,
		   struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_target struct target target = { 0 };
	own_tx struct tx *tx = NULL;
	own(stash_list_done) struct stash_list list = { 0 };
	struct listing listing = { .engine = engine, .of = &target.volume, .list = &list };

	if (look_up(engine, volume, FORM_VOLUME, "listing stashes", &inside, &tx, &target, err) < 0)
		return fl_failed(err);
	listing.tx = tx;
	if (tx_stash_each(tx, &target.volume.uuid, add_stash, &listing, err) < 0)
		return fl_failed(err);
	*ret = list;
	list = (struct stash_list){ 0 };
	return 0;
}

int engine_stash_show(struct engine *engine, const struct ref *stash, struct stash *ret,
		      struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_target struct target target = { 0 };
	own_tx struct tx *tx = NULL;
	struct stash_row row;

	if (look_up(engine, stash, FORM_STASH, "showing a stash", &inside, &tx, &target, err) < 0 ||
	    tx_stash_find(tx, &target.volume.uuid, stash->stash, &row, err) < 0)
		return fl_failed(err);
	return answer_stash(engine, tx, &target.volume, &row, ret, err);
}
