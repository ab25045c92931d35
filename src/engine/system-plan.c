/*
 * What is known of a system before anything is done: its row, its settings, where its tree
 * is.
 */

#include <string.h>

#include "base/text.h"
#include "engine/systems.h"

void system_plan_done(struct system_plan *plan)
{
	system_record_done(&plan->record);
	system_settings_done(&plan->settings);
	free(plan->tree);
	*plan = (struct system_plan){ 0 };
}

static int fail_no_system(const char *ref, struct fl_error *err)
{
	fl_fail(err, FL_NOT_FOUND, "%s is no system", ref);
	fl_object(err, "%s", ref);
	return fl_hint(err, "make it one: flocker system create %s", ref);
}

static int read_record(struct engine *engine, const struct uuid *branch, const char *ref,
		       struct system_record *ret, struct fl_error *err)
{
	own_tx struct tx *tx = NULL;
	int r;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	r = tx_system_get(tx, branch, ret, err);
	return r == -FL_NOT_FOUND ? fail_no_system(ref, err) : r;
}

static int find_tree(struct engine *engine, const struct uuid *branch, char **ret,
		     struct fl_error *err)
{
	struct tree head = tree_head(branch);
	own_text struct text path = { 0 };

	if (!(driver_of(engine)->capabilities & DRIVER_CAN_EXPOSE))
		return fl_fail(err, FL_UNSUPPORTED, "the driver '%s' can't make trees visible",
			       driver_of(engine)->name);
	text_add_format(&path, "%s/", engine->mount_root);
	driver_of(engine)->locate(engine->pool, &head, &path);
	*ret = text_take(&path);
	return 0;
}

/* The claim makes this wait for verbs that are taking the branch away, and see what they did. */
static int load_claimed(struct engine *engine, const struct uuid *branch, const struct ref *ref,
			struct system_plan *ret, struct fl_error *err)
{
	own_claim struct claim claim = { 0 };
	const struct target *target;

	if (claim_take(engine, ref, 1, CLAIM_OWN, &claim, err) < 0)
		return fl_failed(err);
	target = &claim.targets[0];
	if (!uuid_equal(&target->branch.uuid, branch))
		return fl_fail(err, FL_BUSY, "%s/%s was renamed just now; try again", ref->volume,
			       ref->branch);
	target_format(target, ret->ref);
	if (read_record(engine, branch, ret->ref, &ret->record, err) < 0 ||
	    system_read(&ret->record.settings, &ret->settings, err) < 0 ||
	    find_tree(engine, branch, &ret->tree, err) < 0)
		return fl_failed(err);
	system_hostname(&ret->settings, target->volume.name, target->branch.name, ret->hostname);
	return 0;
}

int system_load(struct engine *engine, const struct uuid *branch, struct system_plan *ret,
		struct fl_error *err)
{
	own_system_plan struct system_plan plan = { 0 };
	own_gate struct engine *inside = NULL;
	struct ref ref;

	if (gate_enter(engine, &inside, err) < 0 || ref_of_branch(engine, branch, &ref, err) < 0 ||
	    load_claimed(engine, branch, &ref, &plan, err) < 0)
		return fl_failed(err);
	*ret = plan;
	plan = (struct system_plan){ 0 };
	return 0;
}

int system_resolve(struct engine *engine, const struct ref *ref, struct uuid *ret,
		   struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_target struct target target = { 0 };

	if (check_form(ref, FORM_VOLUME | FORM_BRANCH, "system", err) < 0 ||
	    gate_enter(engine, &inside, err) < 0 || resolve_now(engine, ref, &target, err) < 0 ||
	    refuse_remote(engine, &target, err) < 0)
		return fl_failed(err);
	*ret = target.branch.uuid;
	return 0;
}

int system_hold_ref(struct engine *engine, const struct ref *ref, const char *verb,
		    struct system_hold *ret, struct system_plan *ret_plan, struct fl_error *err)
{
	own_system_hold struct system_hold hold = { 0 };
	struct uuid branch;

	if (system_resolve(engine, ref, &branch, err) < 0 ||
	    system_hold(engine, &branch, verb, &hold, err) < 0 ||
	    system_load(engine, &branch, ret_plan, err) < 0)
		return fl_failed(err);
	*ret = hold;
	hold = (struct system_hold){ 0 };
	return 0;
}

int system_check_tree(const struct system_plan *plan, struct fl_error *err)
{
	const struct runtime_start start = {
		.tree = plan->tree,
		.settings = &plan->settings,
		.hostname = plan->hostname,
	};

	if (runtime_check(&start, err) == 0)
		return 0;
	fl_object(err, "%s", plan->ref);
	return fl_wrap(err, "%s", plan->ref);
}

/* --- what is wanted ------------------------------------------------------------------------- */

struct wanting {
	const struct uuid *branch;
	bool wanted;
};

static int write_wanted(struct tx *tx, void *arg, struct fl_error *err)
{
	const struct wanting *wanting = arg;
	own_system_record struct system_record record = { 0 };

	if (tx_system_get(tx, wanting->branch, &record, err) < 0)
		return fl_failed(err);
	record.wanted = wanting->wanted;
	return tx_system_update(tx, &record, err);
}

int system_set_wanted(struct engine *engine, const struct uuid *branch, bool wanted,
		      struct fl_error *err)
{
	struct wanting wanting = { branch, wanted };
	own_gate struct engine *inside = NULL;

	if (gate_enter(engine, &inside, err) < 0)
		return fl_failed(err);
	return catalog_write(engine->catalog, CATALOG_DURABLE, write_wanted, &wanting, err);
}

/* --- reports ------------------------------------------------------------------------------------
 */

void system_report_done(struct system_report *report)
{
	free(report->last_words);
	metadata_done(&report->settings);
	*report = (struct system_report){ 0 };
}

void system_reports_done(struct system_reports *reports)
{
	for (size_t i = 0; i < reports->count; i++)
		system_report_done(&reports->items[i]);
	free(reports->items);
	*reports = (struct system_reports){ 0 };
}

/* `record` is taken from: its settings are the report's. */
static void fill(struct engine *engine, const char *ref, struct system_record *record,
		 struct system_report *ret)
{
	struct system_entry entry;
	struct system_report report = { .wanted = record->wanted, .settings = record->settings };

	record->settings = (struct metadata){ 0 };
	system_look(engine, &record->branch, &entry);
	snprintf(report.ref, sizeof(report.ref), "%s", ref);
	report.state = entry.state;
	report.pid = entry.run.pid;
	report.started = entry.run.pid ? entry.run.started : 0;
	report.exit_status = entry.exit_status;
	report.restarts = entry.restarts;
	report.last_words = entry.last_words;
	*ret = report;
}

int system_fill(struct engine *engine, const struct uuid *branch, struct system_report *ret,
		struct fl_error *err)
{
	own_system_record struct system_record record = { 0 };
	own_gate struct engine *inside = NULL;
	char text[REF_SHORT];
	struct ref ref;

	if (gate_enter(engine, &inside, err) < 0 || ref_of_branch(engine, branch, &ref, err) < 0)
		return fl_failed(err);
	snprintf(text, sizeof(text), "%s/%s", ref.volume, ref.branch);
	if (read_record(engine, branch, text, &record, err) < 0)
		return fl_failed(err);
	fill(engine, text, &record, ret);
	return 0;
}

int engine_system_show(struct engine *engine, const struct ref *ref, struct system_report *ret,
		       struct fl_error *err)
{
	struct uuid branch;

	if (system_resolve(engine, ref, &branch, err) < 0)
		return fl_failed(err);
	return system_fill(engine, &branch, ret, err);
}

struct listing {
	struct engine *engine;
	struct tx *tx;
	struct system_reports *reports;
};

static int list_one(void *arg, const struct system_record *row, struct fl_error *err)
{
	const struct listing *listing = arg;
	own_volume_row struct volume_row volume = { 0 };
	struct system_record record = { .branch = row->branch, .wanted = row->wanted };
	struct branch_row branch;
	char text[REF_SHORT];

	if (tx_branch_get(listing->tx, &row->branch, &branch, err) < 0 ||
	    tx_volume_get(listing->tx, &branch.volume, &volume, err) < 0)
		return fl_failed(err);
	if (branch.destroyed || volume.destroyed)
		return 0;
	snprintf(text, sizeof(text), "%s/%s", volume.name, branch.name);
	metadata_copy(&row->settings, &record.settings);
	fill(listing->engine, text, &record,
	     array_add(listing->reports->items, listing->reports->count));
	return 0;
}

static int compare_reports(const void *a, const void *b)
{
	return strcmp(((const struct system_report *)a)->ref,
		      ((const struct system_report *)b)->ref);
}

int engine_systems(struct engine *engine, struct system_reports *ret, struct fl_error *err)
{
	own_system_reports struct system_reports reports = { 0 };
	own_gate struct engine *inside = NULL;
	own_tx struct tx *tx = NULL;
	struct listing listing = { .engine = engine, .reports = &reports };

	if (gate_enter(engine, &inside, err) < 0 || tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	listing.tx = tx;
	if (tx_system_each(tx, list_one, &listing, err) < 0)
		return fl_failed(err);
	array_sort(reports.items, reports.count, compare_reports);
	*ret = reports;
	reports = (struct system_reports){ 0 };
	return 0;
}
