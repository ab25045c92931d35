/*
 * Making a system of a branch, its settings, and unmaking it.
 */

#include <string.h>

#include "engine/systems.h"

/* --- create ----------------------------------------------------------------------------- */

static int insert_record(struct tx *tx, void *arg, struct fl_error *err)
{
	return tx_system_insert(tx, arg, err);
}

static int delete_record(struct tx *tx, void *arg, struct fl_error *err)
{
	return tx_system_delete(tx, arg, err);
}

/* FL_INVALID for what system_read() does not know. */
static int check_settings(const struct metadata *settings, struct fl_error *err)
{
	own_system_settings struct system_settings unused = { 0 };

	if (system_read(settings, &unused, err) == 0)
		return 0;
	err->code = FL_INVALID;
	return fl_failed(err);
}

static int change(struct metadata *settings, const struct metadata *changes, struct fl_error *err)
{
	enum system_key key;

	for (size_t i = 0; changes && i < changes->count; i++) {
		const struct metadata_pair *pair = &changes->pairs[i];

		if (system_find(pair->key, &key, err) < 0 ||
		    metadata_set(settings, pair->key, pair->value[0] ? pair->value : NULL, err) <
			    0) {
			err->code = FL_INVALID;
			return fl_failed(err);
		}
	}
	return check_settings(settings, err);
}

static int write_record(struct engine *engine, const struct ref *ref, const struct uuid *branch,
			catalog_fn fn, struct system_record *record, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_claim struct claim claim = { 0 };

	if (gate_enter(engine, &inside, err) < 0 ||
	    claim_take(engine, ref, 1, CLAIM_OWN, &claim, err) < 0)
		return fl_failed(err);
	if (!uuid_equal(&claim.targets[0].branch.uuid, branch))
		return fl_fail(err, FL_BUSY, "the branch was renamed just now; try again");
	record->branch = *branch;
	return catalog_write(engine->catalog, CATALOG_DURABLE, fn, record, err);
}

static int unmake(struct engine *engine, const struct uuid *branch, struct fl_error *err)
{
	struct uuid copy = *branch;
	own_gate struct engine *inside = NULL;

	if (gate_enter(engine, &inside, err) < 0)
		return fl_failed(err);
	return catalog_write_deletion(engine, delete_record, &copy, err);
}

/* The row first: what is checked is then what would be run. */
static int check_made(struct engine *engine, const struct uuid *branch, struct fl_error *err)
{
	own_system_plan struct system_plan plan = { 0 };
	struct fl_error later;

	if (system_load(engine, branch, &plan, err) == 0 && system_check_tree(&plan, err) == 0)
		return 0;
	if (unmake(engine, branch, &later) < 0)
		fl_hint(err,
			"it was made a system nevertheless; to undo that: flocker system destroy");
	return fl_failed(err);
}

static int fail_exists(const struct ref *ref, struct fl_error *err)
{
	own_text struct text name = { 0 };

	ref_format(ref, &name);
	fl_fail(err, FL_EXISTS, "%s is a system already", text_get(&name));
	fl_object(err, "%s", text_get(&name));
	return fl_hint(
		err,
		"to change how it is run: flocker system set %s; to have the tree of another "
		"archive: --from, under another name",
		text_get(&name));
}

int engine_system_create(struct engine *engine, const struct ref *ref,
			 const struct metadata *settings, struct system_report *ret,
			 struct fl_error *err)
{
	own_system_record struct system_record record = { 0 };
	own_system_hold struct system_hold hold = { 0 };
	struct uuid branch;
	int r;

	if (system_resolve(engine, ref, &branch, err) < 0 ||
	    change(&record.settings, settings, err) < 0 ||
	    system_hold(engine, &branch, "create", &hold, err) < 0)
		return fl_failed(err);
	r = write_record(engine, ref, &branch, insert_record, &record, err);
	if (r == -FL_EXISTS)
		return fail_exists(ref, err);
	if (r < 0 || check_made(engine, &branch, err) < 0)
		return fl_failed(err);
	return system_fill(engine, &branch, ret, err);
}

/* --- set ----------------------------------------------------------------------------------- */

struct setting {
	const struct uuid *branch;
	const struct metadata *changes;
};

static int write_settings(struct tx *tx, void *arg, struct fl_error *err)
{
	const struct setting *setting = arg;
	own_system_record struct system_record record = { 0 };

	if (tx_system_get(tx, setting->branch, &record, err) < 0 ||
	    change(&record.settings, setting->changes, err) < 0)
		return fl_failed(err);
	return tx_system_update(tx, &record, err);
}

static int set(struct engine *engine, const struct uuid *branch, const struct metadata *changes,
	       struct fl_error *err)
{
	struct setting setting = { branch, changes };
	own_gate struct engine *inside = NULL;

	if (gate_enter(engine, &inside, err) < 0)
		return fl_failed(err);
	return catalog_write(engine->catalog, CATALOG_DURABLE, write_settings, &setting, err);
}

int engine_system_set(struct engine *engine, const struct ref *ref, const struct metadata *settings,
		      struct system_report *ret, struct fl_error *err)
{
	struct system_report before = { 0 };
	struct uuid branch;

	/* Says that it is no system in the words of all. */
	if (engine_system_show(engine, ref, &before, err) < 0)
		return fl_failed(err);
	system_report_done(&before);
	if (system_resolve(engine, ref, &branch, err) < 0 ||
	    set(engine, &branch, settings, err) < 0)
		return fl_failed(err);
	return system_fill(engine, &branch, ret, err);
}

/* --- destroy -------------------------------------------------------------------------------- */

int engine_system_destroy(struct engine *engine, const struct ref *ref, struct fl_error *err)
{
	own_system_plan struct system_plan plan = { 0 };
	own_system_hold struct system_hold hold = { 0 };
	struct fl_error later;

	if (system_hold_ref(engine, ref, "destroy", &hold, &plan, err) < 0 ||
	    (plan.record.wanted &&
	     system_set_wanted(engine, &hold.entry->branch, false, err) < 0) ||
	    system_end(&hold, &plan, err) < 0 || unmake(engine, &hold.entry->branch, err) < 0)
		return fl_failed(err);
	/* It is a mere branch from here on; the next start of the daemon sweeps too. */
	if (runtime_forget(&engine->systems->places, &hold.entry->branch, &later) < 0)
		log_warning("the console of a system that was destroyed stays until the next start",
			    "system=%s error=\"%s\"", plan.ref, later.text);
	system_drop_entry(&hold);
	return 0;
}
