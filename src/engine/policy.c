/*
 * Policies: what a branch has of its own is a column of its row, what the
 * instance has is its configuration, and model/policy.h merges them.
 *
 * Each of the two is checked when it is set.  Together they can come to
 * contradict each other later, by a change of the instance's; that must not
 * leave a branch without snapshots, so then the instance's do not count for it.
 */

#include <string.h>

#include "engine/internal.h"

const char *const policy_source_names[POLICY_SOURCES] = {
	[POLICY_OF_BRANCH] = "branch",
	[POLICY_OF_INSTANCE] = "instance",
	[POLICY_DEFAULT] = "default",
};

void policy_report_done(struct policy_report *report)
{
	for (size_t i = 0; i < POLICY_KEYS; i++)
		free(report->settings[i].value);
	*report = (struct policy_report){ 0 };
}

static void complain(struct engine *engine, const struct uuid *branch, const struct fl_error *why)
{
	own_lock(guard, &engine->care_mutex);
	char uuid[UUID_TEXT];

	if (engine->policy_complained)
		return;
	engine->policy_complained = true;
	log_warning("a branch's policy contradicts the instance's, which does not count for it",
		    "branch=%s error=\"%s\"", uuid_format(branch, uuid), why->text);
}

int policy_of(struct engine *engine, struct tx *tx, const struct uuid *branch, struct policy *ret,
	      struct fl_error *err)
{
	own_metadata struct metadata own = { 0 }, common = { 0 };
	struct fl_error why;

	config_policy(engine->config, &common);
	if (tx_branch_policy_get(tx, branch, &own, err) < 0)
		return fl_failed(err);
	if (policy_read(&own, &common, ret, &why) == 0)
		return 0;
	complain(engine, branch, &why);
	if (policy_read(&own, NULL, ret, &why) == 0)
		return 0;
	return policy_read(NULL, NULL, ret, err);
}

int engine_policy(struct engine *engine, const struct uuid *branch, struct policy *ret,
		  struct fl_error *err)
{
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	return policy_of(engine, tx, branch, ret, err);
}

void engine_policies_changed(struct engine *engine)
{
	thin_soon(engine, true);
}

/* --- show and set --------------------------------------------------------------------- */

static void fill_report(const struct target *target, const struct metadata *own,
			const struct metadata *common, struct policy_report *ret)
{
	*ret = (struct policy_report){ 0 };
	snprintf(ret->ref, sizeof(ret->ref), "%s/%s", target->volume.name, target->branch.name);
	for (size_t i = 0; i < POLICY_KEYS; i++) {
		const char *name = policy_rows[i].name;

		ret->settings[i].value = xstrdup(policy_text((enum policy_key)i, own, common));
		ret->settings[i].source = metadata_get(own, name)      ? POLICY_OF_BRANCH
					  : metadata_get(common, name) ? POLICY_OF_INSTANCE
								       : POLICY_DEFAULT;
	}
}

int engine_policy_show(struct engine *engine, const struct ref *ref, struct policy_report *ret,
		       struct fl_error *err)
{
	own_metadata struct metadata own = { 0 }, common = { 0 };
	own_gate struct engine *inside = NULL;
	own_target struct target target = { 0 };
	own_tx struct tx *tx = NULL;

	if (check_form(ref, FORM_VOLUME | FORM_BRANCH, "policy", err) < 0 ||
	    gate_enter(engine, &inside, err) < 0 || tx_begin(engine->catalog, &tx, err) < 0 ||
	    resolve(engine, tx, ref, &target, err) < 0 ||
	    tx_branch_policy_get(tx, &target.branch.uuid, &own, err) < 0)
		return fl_failed(err);
	config_policy(engine->config, &common);
	fill_report(&target, &own, &common, ret);
	return 0;
}

static int change(struct metadata *own, const struct metadata *changes, struct fl_error *err)
{
	enum policy_key key;

	for (size_t i = 0; i < changes->count; i++) {
		const struct metadata_pair *pair = &changes->pairs[i];

		if (policy_find(pair->key, &key, err) < 0 ||
		    metadata_set(own, pair->key, pair->value[0] ? pair->value : NULL, err) < 0) {
			err->code = FL_INVALID;
			return fl_failed(err);
		}
	}
	return 0;
}

struct setting {
	const struct uuid *branch;
	const struct metadata *own;
};

static int write_policy(struct tx *tx, void *arg, struct fl_error *err)
{
	const struct setting *setting = arg;

	return tx_branch_policy_set(tx, setting->branch, setting->own, err);
}

static int load_own(struct engine *engine, const struct uuid *branch, struct metadata *ret,
		    struct fl_error *err)
{
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	return tx_branch_policy_get(tx, branch, ret, err);
}

int engine_policy_set(struct engine *engine, const struct ref *ref, const struct metadata *changes,
		      struct policy_report *ret, struct fl_error *err)
{
	own_metadata struct metadata own = { 0 }, common = { 0 };
	own_gate struct engine *inside = NULL;
	own_claim struct claim claim = { 0 };
	struct setting setting = { .own = &own };
	struct policy policy;

	if (check_form(ref, FORM_VOLUME | FORM_BRANCH, "policy", err) < 0 ||
	    gate_enter(engine, &inside, err) < 0 ||
	    claim_take(engine, ref, 1, CLAIM_SHAPE, &claim, err) < 0)
		return fl_failed(err);
	setting.branch = &claim.targets[0].branch.uuid;
	config_policy(engine->config, &common);
	if (load_own(engine, setting.branch, &own, err) < 0 || change(&own, changes, err) < 0 ||
	    policy_read(&own, &common, &policy, err) < 0 ||
	    catalog_write(engine->catalog, CATALOG_DURABLE, write_policy, &setting, err) < 0)
		return fl_failed(err);
	thin_soon(engine, true);
	fill_report(&claim.targets[0], &own, &common, ret);
	return 0;
}
