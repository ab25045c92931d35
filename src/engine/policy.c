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
