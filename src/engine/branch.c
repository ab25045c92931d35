/*
 * branch: a new line of a volume, from its live contents or any snapshot of it.
 */

#include <string.h>

#include "engine/birth.h"
#include "engine/hooks.h"

int birth_branch_free(struct engine *engine, const struct volume_row *volume, const char *name,
		      struct fl_error *err)
{
	own_tx struct tx *tx = NULL;
	struct branch_row row;
	int r;

	if (strcmp(name, TRUNK) == 0 && refuse_not_owner(engine, volume, "trunk", err) < 0)
		return fl_failed(err);
	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	r = tx_branch_find(tx, &volume->uuid, &engine->instance, name, &row, err);
	if (r == -FL_NOT_FOUND)
		return link_check(engine, volume->name, name, err);
	if (r < 0)
		return r;
	fl_fail(err, FL_EXISTS, "volume '%s' has a branch called '%s' already", volume->name, name);
	return fl_object(err, "%s/%s", volume->name, name);
}

static int check_refs(struct engine *engine, const struct ref *ref, const struct ref *from,
		      struct fl_error *err)
{
	if (check_form(ref, FORM_BRANCH, "branch", err) < 0 ||
	    name_check("branch", ref->branch, err) < 0 ||
	    check_form(from, FORM_ANY, "branch --from", err) < 0)
		return fl_failed(err);
	if (ref->instance[0] && strcmp(ref->instance, engine->name) != 0)
		return fl_fail(err, FL_NOT_OWNER,
			       "branches of instance '%s' are made there; this one is '%s'",
			       ref->instance, engine->name);
	if (strcmp(ref->volume, from->volume) == 0)
		return 0;
	fl_fail(err, FL_INVALID, "a branch of '%s' can't begin in another volume ('%s')",
		ref->volume, from->volume);
	return fl_hint(err, "a new volume can: flocker create NAME --from REF");
}

struct making {
	struct engine *engine;
	const char *name;
	struct hooking *hooks;
	const struct metadata *wanted; /* rules of its policy; or NULL */
	struct metadata policy;	       /* as it is to be kept; once `wanted` was checked */
};

static void making_done(struct making *making)
{
	metadata_done(&making->policy);
}

static int make_branch(const struct making *making, const struct target *from,
		       const struct snapshot_row *taken, struct branch *ret, struct fl_error *err)
{
	struct birth birth = { .volume = &from->volume, .policy = &making->policy };
	struct engine *engine = making->engine;
	own_tx struct tx *tx = NULL;

	birth.branch = birth_branch(engine, &from->volume, making->name);
	birth_from(&birth, from, taken);
	birth.line = (struct line){ .branch = birth.branch.uuid, .start = 1 };
	birth.line.parent = taken ? taken->position : from->snapshot.position;
	if (birth_run(engine, &birth, err) < 0 || tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	return answer_branch(engine, tx, &from->volume, &birth.branch, ret, err);
}

static int branch_from(struct making *making, const struct ref *ref, const struct ref *from,
		       struct branch *ret, struct fl_error *err)
{
	const struct snapshot_options hidden = { .reason = REASON_BRANCH, .hooks = making->hooks };
	struct engine *engine = making->engine;
	own_gate struct engine *inside = NULL;
	own_locks struct lock_set locks = { 0 };
	own_claim struct claim claim = { 0 };
	own_snapshot_row struct snapshot_row taken = { 0 };
	char name[2 * NAME_TEXT];
	const char *names[] = { name };
	const struct target *target;

	snprintf(name, sizeof(name), "%s/%s", ref->volume, ref->branch);
	if (gate_enter(engine, &inside, err) < 0 ||
	    policy_of_new(engine, making->wanted, &making->policy, err) < 0)
		return fl_failed(err);
	lock_take_names(&engine->locks, names, 1, &locks);
	if (claim_take(engine, from, 1, CLAIM_FROM, &claim, err) < 0 ||
	    birth_branch_free(engine, &claim.targets[0].volume, ref->branch, err) < 0)
		return fl_failed(err);
	target = &claim.targets[0];
	if (target->is_snapshot)
		return make_branch(making, target, NULL, ret, err);
	if (snapshot_take(engine, &target->branch, &hidden, &taken, err) < 0)
		return fl_failed(err);
	return make_branch(making, target, &taken, ret, err);
}

int engine_branch(struct engine *engine, const struct ref *ref, const struct ref *from,
		  const struct metadata *policy, struct branch *ret, struct fl_error *err)
{
	struct ref trunk = { .kind = REF_VOLUME };
	struct hooking hooking;
	own(making_done) struct making making = {
		.engine = engine, .name = ref->branch, .hooks = &hooking, .wanted = policy
	};
	int r;

	memcpy(trunk.volume, ref->volume, NAME_TEXT);
	from = from ? from : &trunk;
	if (check_refs(engine, ref, from, err) < 0 ||
	    refuse_if_data_taken_of(engine, ref, NULL, NULL, err) < 0 ||
	    hooks_begin(engine, from, 1, HOOK_SNAPSHOT, REASON_BRANCH, &hooking, err) < 0)
		return fl_failed(err);
	r = branch_from(&making, ref, from, ret, err);
	hooks_end(&hooking, r == 0);
	return r;
}
