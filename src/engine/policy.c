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
#include "engine/save.h"

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

static bool snapshots_are_copies(struct engine *engine)
{
	struct pool_stats stats;
	struct fl_error unknown;

	if (driver_of(engine)->capabilities & DRIVER_CAN_SHARE)
		return false;
	return driver_of(engine)->stats(engine->pool, &stats, &unknown) < 0 || !stats.share;
}

/*
 * What counts where a branch says nothing.  `instance`: what the configuration says.
 * Where each snapshot is a copy of everything, one after each change would soon
 * fill the disk, so there none is taken by itself unless somebody wants it.
 */
static void read_common(struct engine *engine, const struct metadata *instance,
			struct metadata *ret)
{
	const char *key = policy_rows[POLICY_SNAPSHOT].name;
	struct fl_error impossible;

	metadata_copy(instance, ret);
	if (!metadata_get(instance, key) && snapshots_are_copies(engine))
		(void)!metadata_set(ret, key, "manual", &impossible);
}

/* The first is told; which others there are shows when that is mended. */
static void complain(struct engine *engine, struct tx *tx, const struct uuid *branch,
		     struct fl_error *why)
{
	own_volume_row struct volume_row volume = { 0 };
	struct branch_row row;
	struct fl_error unknown;

	if (failing_is(engine, FAILING_POLICY))
		return;
	if (tx_branch_get(tx, branch, &row, &unknown) == 0 &&
	    tx_volume_get(tx, &row.volume, &volume, &unknown) == 0)
		fl_add_wrap(why, "%s/%s", volume.name, row.name);
	failing_set(engine, FAILING_POLICY, NULL, why);
}

void policies_look_anew(struct engine *engine)
{
	failing_forget(engine, FAILING_POLICY, NULL);
}

int policy_of(struct engine *engine, struct tx *tx, const struct uuid *branch, struct policy *ret,
	      struct fl_error *err)
{
	own_metadata struct metadata own = { 0 }, instance = { 0 }, common = { 0 };
	struct fl_error why;

	config_policy(engine->config, &instance);
	read_common(engine, &instance, &common);
	if (tx_branch_policy_get(tx, branch, &own, err) < 0)
		return fl_failed(err);
	if (policy_read(&own, &common, ret, &why) == 0)
		return 0;
	complain(engine, tx, branch, &why);
	if (policy_read(&own, NULL, ret, &why) == 0)
		return 0;
	return policy_read(NULL, NULL, ret, err);
}

int engine_policy(struct engine *engine, const struct uuid *branch, struct policy *ret,
		  struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_tx struct tx *tx = NULL;

	if (gate_enter(engine, &inside, err) < 0 || tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	return policy_of(engine, tx, branch, ret, err);
}

void engine_on_policy(struct engine *engine, void (*changed)(void *arg), void *arg)
{
	own_lock(guard, &engine->care_mutex);

	engine->policy_hook = changed;
	engine->policy_arg = arg;
}

static void call_hook(struct engine *engine)
{
	own_lock(guard, &engine->care_mutex);

	if (engine->policy_hook)
		engine->policy_hook(engine->policy_arg);
}

void engine_policies_changed(struct engine *engine)
{
	policies_look_anew(engine);
	thin_soon(engine, true);
	call_hook(engine);
}

/* --- show and set --------------------------------------------------------------------- */

static void fill_report(struct engine *engine, const struct target *target,
			const struct metadata *own, const struct metadata *instance,
			struct policy_report *ret)
{
	own_metadata struct metadata common = { 0 };

	read_common(engine, instance, &common);
	*ret = (struct policy_report){ 0 };
	snprintf(ret->ref, sizeof(ret->ref), "%s/%s", target->volume.name, target->branch.name);
	for (size_t i = 0; i < POLICY_KEYS; i++) {
		const char *name = policy_rows[i].name;

		ret->settings[i].value = xstrdup(policy_text((enum policy_key)i, own, &common));
		ret->settings[i].source = metadata_get(own, name)	 ? POLICY_OF_BRANCH
					  : metadata_get(instance, name) ? POLICY_OF_INSTANCE
									 : POLICY_DEFAULT;
	}
}

int engine_policy_show(struct engine *engine, const struct ref *ref, struct policy_report *ret,
		       struct fl_error *err)
{
	own_metadata struct metadata own = { 0 }, instance = { 0 };
	own_gate struct engine *inside = NULL;
	own_target struct target target = { 0 };
	own_tx struct tx *tx = NULL;

	if (check_form(ref, FORM_VOLUME | FORM_BRANCH, "policy", err) < 0 ||
	    gate_enter(engine, &inside, err) < 0 || tx_begin(engine->catalog, &tx, err) < 0 ||
	    resolve(engine, tx, ref, &target, err) < 0 ||
	    tx_branch_policy_get(tx, &target.branch.uuid, &own, err) < 0)
		return fl_failed(err);
	config_policy(engine->config, &instance);
	fill_report(engine, &target, &own, &instance, ret);
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

int policy_of_new(struct engine *engine, const struct metadata *wanted, struct metadata *ret,
		  struct fl_error *err)
{
	own_metadata struct metadata own = { 0 }, instance = { 0 }, common = { 0 };
	struct policy policy;

	if (!wanted || wanted->count == 0)
		return 0;
	config_policy(engine->config, &instance);
	read_common(engine, &instance, &common);
	if (change(&own, wanted, err) < 0 || policy_read(&own, &common, &policy, err) < 0)
		return fl_failed(err);
	*ret = own;
	own = (struct metadata){ 0 };
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
	own_metadata struct metadata own = { 0 }, instance = { 0 }, common = { 0 };
	own_gate struct engine *inside = NULL;
	own_claim struct claim claim = { 0 };
	struct setting setting = { .own = &own };
	struct policy policy;

	if (check_form(ref, FORM_VOLUME | FORM_BRANCH, "policy", err) < 0 ||
	    gate_enter(engine, &inside, err) < 0 ||
	    claim_take(engine, ref, 1, CLAIM_SHAPE, &claim, err) < 0)
		return fl_failed(err);
	setting.branch = &claim.targets[0].branch.uuid;
	config_policy(engine->config, &instance);
	read_common(engine, &instance, &common);
	if (load_own(engine, setting.branch, &own, err) < 0 || change(&own, changes, err) < 0 ||
	    policy_read(&own, &common, &policy, err) < 0 ||
	    catalog_write(engine->catalog, CATALOG_DURABLE, write_policy, &setting, err) < 0)
		return fl_failed(err);
	engine_policies_changed(engine);
	fill_report(engine, &claim.targets[0], &own, &instance, ret);
	return 0;
}
