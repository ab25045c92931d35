/*
 * Which hooks a branch has.  Running them: hooks.c.
 */

#include <string.h>

#include "engine/containers.h"
#include "engine/failing.h"
#include "engine/hook.h"
#include "engine/hooks.h"

void hook_report_done(struct hook_report *report)
{
	metadata_done(&report->settings);
	free(report->trouble);
	*report = (struct hook_report){ 0 };
}

void hook_report_list_done(struct hook_report_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		hook_report_done(&list->items[i]);
	free(list->items);
	*list = (struct hook_report_list){ 0 };
}

void hook_offer_list_done(struct hook_offer_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].path);
	free(list->items);
	*list = (struct hook_offer_list){ 0 };
}

static void fill_report(struct engine *engine, const char *volume, const char *branch,
			const struct hook_row *row, struct hook_report *ret)
{
	own_hook_file struct hook_file file = { 0 };
	struct fl_error why;

	*ret = (struct hook_report){ .timeout = row->timeout, .required = row->required };
	snprintf(ret->ref, sizeof(ret->ref), "%s/%s", volume, branch);
	snprintf(ret->name, sizeof(ret->name), "%s", row->name);
	snprintf(ret->container, sizeof(ret->container), "%s", row->container);
	metadata_copy(&row->settings, &ret->settings);
	if (hook_find(&engine->hook_places, row->name, &file, &why) < 0)
		ret->trouble = xstrdup(why.text);
}

/* --- showing -------------------------------------------------------------------------- */

struct listing {
	struct engine *engine;
	struct tx *tx;
	struct hook_report_list *list;
};

static int list_one(void *arg, const struct hook_row *row, struct fl_error *err)
{
	const struct listing *listing = arg;
	struct hook_report_list *list = listing->list;
	own_volume_row struct volume_row volume = { 0 };
	struct branch_row branch;

	if (tx_branch_get(listing->tx, &row->branch, &branch, err) < 0 ||
	    tx_volume_get(listing->tx, &branch.volume, &volume, err) < 0)
		return fl_failed(err);
	if (!branch.destroyed && !volume.destroyed)
		fill_report(listing->engine, volume.name, branch.name, row,
			    array_add(list->items, list->count));
	return 0;
}

static int compare_reports(const void *a, const void *b)
{
	const struct hook_report *left = a, *right = b;
	int order = strcmp(left->ref, right->ref);

	return order ? order : strcmp(left->name, right->name);
}

int engine_hooks(struct engine *engine, const struct ref *ref, struct hook_report_list *ret,
		 struct fl_error *err)
{
	own(hook_report_list_done) struct hook_report_list list = { 0 };
	own_gate struct engine *inside = NULL;
	own_target struct target target = { 0 };
	own_tx struct tx *tx = NULL;
	struct listing listing = { engine, NULL, &list };

	if ((ref && check_form(ref, FORM_VOLUME | FORM_BRANCH, "hook", err) < 0) ||
	    gate_enter(engine, &inside, err) < 0 || tx_begin(engine->catalog, &tx, err) < 0 ||
	    (ref && resolve(engine, tx, ref, &target, err) < 0))
		return fl_failed(err);
	listing.tx = tx;
	if (tx_hook_each(tx, ref ? &target.branch.uuid : NULL, list_one, &listing, err) < 0)
		return fl_failed(err);
	array_sort(list.items, list.count, compare_reports);
	*ret = list;
	list = (struct hook_report_list){ 0 };
	return 0;
}

int engine_hooks_available(struct engine *engine, struct hook_offer_list *ret, struct fl_error *err)
{
	struct hook_files files = { 0 };

	*ret = (struct hook_offer_list){ 0 };
	if (hook_list(&engine->hook_places, &files, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < files.count; i++) {
		struct hook_offer *offer = array_add(ret->items, ret->count);

		snprintf(offer->name, sizeof(offer->name), "%s", files.items[i].name);
		offer->path = take_ptr(files.items[i].path);
		offer->shipped = files.items[i].shipped;
	}
	hook_files_done(&files);
	return 0;
}

/* --- changing ----------------------------------------------------------------------------- */

static int write_hook(struct tx *tx, void *arg, struct fl_error *err)
{
	return tx_hook_set(tx, arg, err);
}

/* Whether there is such a container is seen each time: they come and go. */
static int check_container(struct engine *engine, const struct hook_options *options,
			   const struct hook_file *file, struct fl_error *err)
{
	own_text struct text script = { 0 };

	if (!containers_engine(engine)) {
		fl_fail(err, FL_UNSUPPORTED, "no container engine is configured");
		return fl_hint(err,
			       "flocker config set docker.socket /run/docker.sock, and start the "
			       "daemon anew");
	}
	if (strcmp(options->container, ANY_CONTAINER) != 0 &&
	    docker_check_container(options->container, err) < 0)
		return fl_failed(err);
	return hook_read_script(file, &script, err);
}

static int check_options(struct engine *engine, const struct hook_options *options,
			 struct fl_error *err)
{
	own_hook_file struct hook_file file = { 0 };

	if (hook_find(&engine->hook_places, options->name, &file, err) < 0 ||
	    hook_check_settings(options->settings, err) < 0)
		return fl_failed(err);
	if (options->container && check_container(engine, options, &file, err) < 0)
		return fl_failed(err);
	return options->timeout ? hook_check_timeout(options->timeout, err) : 0;
}

int engine_hook_set(struct engine *engine, const struct ref *ref,
		    const struct hook_options *options, struct hook_report *ret,
		    struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_claim struct claim claim = { 0 };
	own_hook_row struct hook_row row = { .required = options->required };
	const struct target *target;

	if (check_form(ref, FORM_VOLUME | FORM_BRANCH, "hook", err) < 0 ||
	    check_options(engine, options, err) < 0 || gate_enter(engine, &inside, err) < 0 ||
	    claim_take(engine, ref, 1, CLAIM_SHAPE, &claim, err) < 0 ||
	    refuse_remote(engine, &claim.targets[0], err) < 0)
		return fl_failed(err);
	target = &claim.targets[0];
	row.branch = target->branch.uuid;
	row.timeout = options->timeout ? options->timeout : HOOK_TIMEOUT;
	snprintf(row.name, sizeof(row.name), "%s", options->name);
	snprintf(row.container, sizeof(row.container), "%s",
		 options->container ? options->container : "");
	metadata_copy(options->settings, &row.settings);
	if (catalog_write(engine->catalog, CATALOG_DURABLE, write_hook, &row, err) < 0)
		return fl_failed(err);
	fill_report(engine, target->volume.name, target->branch.name, &row, ret);
	return 0;
}

static int delete_hook(struct tx *tx, void *arg, struct fl_error *err)
{
	const struct hook_row *row = arg;

	return tx_hook_delete(tx, &row->branch, row->name, err);
}

int engine_hook_unset(struct engine *engine, const struct ref *ref, const char *name,
		      struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_claim struct claim claim = { 0 };
	struct hook_row row = { 0 };
	char object[REF_SHORT];

	if (check_form(ref, FORM_VOLUME | FORM_BRANCH, "hook", err) < 0 ||
	    name_check("hook", name, err) < 0 || gate_enter(engine, &inside, err) < 0 ||
	    claim_take(engine, ref, 1, CLAIM_SHAPE, &claim, err) < 0)
		return fl_failed(err);
	row.branch = claim.targets[0].branch.uuid;
	snprintf(row.name, sizeof(row.name), "%s", name);
	target_format(&claim.targets[0], object);
	if (catalog_write(engine->catalog, CATALOG_DURABLE, delete_hook, &row, err) < 0) {
		fl_object(err, "%s", object);
		if (err->code == FL_NOT_FOUND)
			fl_hint(err, "which it has: flocker hook list %s", object);
		return fl_wrap(err, "%s", object);
	}
	/* Whatever failed may have been this one; others tell again. */
	failing_forget(engine, FAILING_HOOK, object);
	return 0;
}
