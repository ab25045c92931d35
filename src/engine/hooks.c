#include "engine/hooks.h"

#include <string.h>

#include "engine/containers.h"
#include "engine/failing.h"
#include "engine/note.h"

static const char *const event_names[] = {
	[HOOK_SNAPSHOT] = "snapshot",
	[HOOK_ROLLBACK] = "rollback",
};

static void hooked_done(struct hooked *hooked)
{
	hook_free(hooked->hook);
	hook_row_done(&hooked->row);
	free(hooked->volume);
	free(hooked->branch);
	free(hooked->tree);
}

static void empty(struct hooking *hooking)
{
	for (size_t i = hooking->count; i > 0; i--)
		hooked_done(&hooking->items[i - 1]);
	free(hooking->items);
	free(hooking->branches);
	*hooking = (struct hooking){ .took = hooking->took };
}

/* --- which hooks there are --------------------------------------------------------------- */

struct loading {
	struct hooking *hooking;
	const struct target *target;
};

static int load_one(void *arg, const struct hook_row *row, struct fl_error *err)
{
	const struct loading *loading = arg;
	const struct target *target = loading->target;
	struct hooking *hooking = loading->hooking;
	struct hooked *hooked = array_add(hooking->items, hooking->count);

	hooked->row = *row;
	hooked->volume = xstrdup(target->volume.name);
	hooked->branch = xstrdup(target->branch.name);
	hooked->row.settings = (struct metadata){ 0 };
	metadata_copy(&row->settings, &hooked->row.settings);
	snprintf(hooked->ref, sizeof(hooked->ref), "%s/%s", target->volume.name,
		 target->branch.name);
	hooked->tree = target->branch.mounted ? link_path(hooking->engine, target->volume.name,
							  target->branch.name)
					      : xstrdup("");
	return 0;
}

static int load(struct hooking *hooking, const struct ref *refs, size_t count, struct fl_error *err)
{
	struct engine *engine = hooking->engine;
	own_gate struct engine *inside = NULL;
	own_tx struct tx *tx = NULL;

	if (gate_enter(engine, &inside, err) < 0 || tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < count; i++) {
		own_target struct target target = { 0 };
		struct loading loading = { hooking, &target };

		if (resolve(engine, tx, &refs[i], &target, err) < 0)
			return fl_failed(err);
		if (target.is_snapshot)
			continue;
		*array_add(hooking->branches, hooking->branch_count) = target.branch.uuid;
		if (tx_hook_each(tx, &target.branch.uuid, load_one, &loading, err) < 0)
			return fl_failed(err);
	}
	return 0;
}

static int found_one(void *arg, const struct hook_row *row, struct fl_error *err)
{
	*(bool *)arg = true;
	return 0;
}

int hooks_any(struct tx *tx, const struct uuid *branch, bool *ret, struct fl_error *err)
{
	*ret = false;
	return tx_hook_each(tx, branch, found_one, ret, err);
}

/* --- before ---------------------------------------------------------------------------------- */

static bool is_strict(const struct hooking *hooking, const struct hooked *hooked)
{
	return hooked->row.required || hooking->event == HOOK_ROLLBACK;
}

/* Takes the failure down; only a strict one is the verb's too. */
static int note_failure(struct hooking *hooking, struct hooked *hooked, const struct fl_error *why,
			struct fl_error *err)
{
	hooked->failure = *why;
	/* Whatever is wrong with it (it is missing, it can't be trusted), the branch is there. */
	hooked->failure.code = FL_SYSTEM;
	fl_add_hint(&hooked->failure,
		    hooking->event == HOOK_ROLLBACK
			    ? "stop what uses the branch, or roll back without the hook: flocker "
			      "hook unset %s %s"
			    : "mend what it says, or take it away: flocker hook unset %s %s",
		    hooked->ref, hooked->row.name);
	if (!is_strict(hooking, hooked))
		return 0;
	*err = hooked->failure;
	fl_add_object(err, "%s", hooked->ref);
	return fl_wrap(err, "nothing was changed in %s", hooked->ref);
}

static int start(struct hooking *hooking, struct hooked *hooked, const struct hook_file *file,
		 const struct hook_container *container, const char *tree, struct fl_error *err)
{
	const struct hook_call call = {
		.name = hooked->row.name,
		.path = file->path,
		.container = container,
		.event = event_names[hooking->event],
		.branch = hooked->ref,
		.tree = tree,
		.reason = reason_names[hooking->reason],
		.settings = &hooked->row.settings,
		.timeout = hooked->row.timeout,
	};

	return hook_start(&call, &hooked->hook, err);
}

/* --- in a container ---------------------------------------------------------------------- */

/*
 * Which one it is: of those that use the branch and run, or, called by its name, also one that
 * does not use it.  A container that does not run holds still: then `ret->name` is "".
 */
static int choose_any(const struct container_uses *uses, const char *ref, struct container_use *ret,
		      struct fl_error *err)
{
	const struct container_use *chosen = NULL;
	bool any = false;

	for (size_t i = 0; i < uses->count; i++) {
		const struct container_use *use = &uses->items[i];

		any = any || !use->data;
		if (!use->running)
			continue;
		if (chosen) {
			fl_fail(err, FL_BUSY, "%s is used by several containers: %s and %s", ref,
				chosen->name, use->name);
			return fl_hint(err, "say which: flocker hook set --container NAME");
		}
		chosen = use;
	}
	if (!any)
		return fl_fail(err, FL_NOT_FOUND, "no container uses %s", ref);
	if (chosen)
		*ret = *chosen;
	return 0;
}

static int choose_named(struct docker *docker, const struct container_uses *uses, const char *name,
			struct container_use *ret, struct fl_error *err)
{
	own_docker_container struct docker_container one = { 0 };

	if (docker_inspect(docker, name, &one, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < uses->count; i++)
		if (strcmp(uses->items[i].id, one.id) == 0 && one.running)
			*ret = uses->items[i];
	if (ret->id[0] || !one.running)
		return 0;
	memcpy(ret->id, one.id, sizeof(ret->id));
	memcpy(ret->name, one.name, sizeof(ret->name));
	return 0;
}

static int start_there(struct hooking *hooking, struct hooked *hooked, const struct hook_file *file,
		       struct fl_error *err)
{
	struct docker *docker = containers_engine(hooking->engine);
	own_container_uses struct container_uses uses = { 0 };
	own_text struct text script = { 0 };
	struct container_use chosen = { 0 };
	struct hook_container container = { .id = chosen.id, .name = chosen.name };
	struct docker_version version;
	int r;

	if (!docker)
		return fl_fail(err, FL_UNSUPPORTED, "no container engine is configured");
	if (containers_using(hooking->engine, hooked->volume, hooked->branch, &uses, err) < 0 ||
	    hook_read_script(file, &script, err) < 0)
		return fl_failed(err);
	/* Nobody, or nobody who could know? */
	if (uses.count == 0 && docker_version(docker, &version, err) < 0)
		return fl_failed(err);
	r = strcmp(hooked->row.container, ANY_CONTAINER) == 0
		    ? choose_any(&uses, hooked->ref, &chosen, err)
		    : choose_named(docker, &uses, hooked->row.container, &chosen, err);
	if (r < 0 || !chosen.name[0])
		return r;
	container.engine = docker_socket(docker);
	container.script = text_get(&script);
	return start(hooking, hooked, file, &container,
		     chosen.destination ? chosen.destination : "", err);
}

static int start_somewhere(struct hooking *hooking, struct hooked *hooked, struct fl_error *err)
{
	own_hook_file struct hook_file file = { 0 };

	if (hook_find(&hooking->engine->hook_places, hooked->row.name, &file, err) < 0)
		return fl_failed(err);
	if (hooked->row.container[0])
		return start_there(hooking, hooked, &file, err);
	return start(hooking, hooked, &file, NULL, hooked->tree, err);
}

static int get_ready(struct hooking *hooking, struct hooked *hooked, struct fl_error *err)
{
	struct fl_error why;

	if (start_somewhere(hooking, hooked, &why) < 0 ||
	    (hooked->hook && hook_await_ready(hooked->hook, &why) < 0)) {
		hook_free(take_ptr(hooked->hook));
		return note_failure(hooking, hooked, &why, err);
	}
	return 0;
}

int hooks_begin(struct engine *engine, const struct ref *refs, size_t count, enum hook_event event,
		enum reason reason, struct hooking *ret, struct fl_error *err)
{
	struct hooking hooking = { .engine = engine, .event = event, .reason = reason };
	int64_t began = clock_monotonic();
	int r = load(&hooking, refs, count, err);

	for (size_t i = 0; i < hooking.count && r == 0; i++)
		r = get_ready(&hooking, &hooking.items[i], err);
	hooking.took = clock_monotonic() - began;
	if (r < 0)
		hooks_end(&hooking, false);
	*ret = hooking;
	return r;
}

/* --- the snapshot ---------------------------------------------------------- */

static int mark(const struct hooking *hooking, const struct branch_row *branch,
		struct snapshot_row *row, struct fl_error *err)
{
	own_text struct text text = { 0 };

	for (size_t i = 0; i < hooking->count; i++) {
		const struct hooked *hooked = &hooking->items[i];

		if (hooked->failure.code != FL_OK && uuid_equal(&hooked->row.branch, &branch->uuid))
			text_add_format(&text, "%s%s",
					text.length ? ", " : "failed: ", hooked->row.name);
	}
	return text.length ? metadata_set(&row->metadata, HOOKS_KEY, text_get(&text), err) : 0;
}

int hooks_before(const struct hooking *hooking, const struct branch_row *branch,
		 struct snapshot_row *row, struct fl_error *err)
{
	if (!hooking)
		return 0;
	for (size_t i = 0; i < hooking->branch_count; i++)
		if (uuid_equal(&hooking->branches[i], &branch->uuid))
			return mark(hooking, branch, row, err);
	return fl_fail(err, FL_BUSY, "branch '%s' was renamed just now; try again", branch->name);
}

int hooks_after(struct hooking *hooking, const struct branch_row *branch, struct snapshot_row *row,
		struct fl_error *err)
{
	bool failed = false;
	struct fl_error why;

	for (size_t i = 0; hooking && i < hooking->count; i++) {
		struct hooked *hooked = &hooking->items[i];

		if (!hooked->hook || hooked->failure.code != FL_OK ||
		    !uuid_equal(&hooked->row.branch, &branch->uuid) ||
		    hook_is_holding(hooked->hook, &why) == 0)
			continue;
		if (note_failure(hooking, hooked, &why, err) < 0)
			return fl_failed(err);
		hooked->late = row->position;
		failed = true;
	}
	if (!failed)
		return 0;
	return mark(hooking, branch, row, err);
}

/* --- after ----------------------------------------------------------------- */

/* The first failure of a branch's hooks, once for each branch; nothing failed: it works again. */
static void tell(const struct hooking *hooking, bool done)
{
	for (size_t i = 0; i < hooking->count; i++) {
		const struct hooked *first = &hooking->items[i], *failed = NULL;

		if (i > 0 && strcmp(first[-1].ref, first->ref) == 0)
			continue;
		for (size_t j = i; j < hooking->count && !failed &&
				   strcmp(hooking->items[j].ref, first->ref) == 0;
		     j++)
			failed = hooking->items[j].failure.code ? &hooking->items[j] : NULL;
		if (failed)
			failing_set(hooking->engine, FAILING_HOOK, first->ref, &failed->failure);
		else if (done)
			failing_clear(hooking->engine, FAILING_HOOK, first->ref);
	}
}

/* What the pool has beside these snapshots lacks the mark. */
static void refresh_notes(const struct hooking *hooking)
{
	for (size_t i = 0; i < hooking->count; i++) {
		own_gate struct engine *inside = NULL;
		struct fl_error closed; /* all notes are compared when the pool is opened */

		if (!position_is_none(&hooking->items[i].late) &&
		    gate_enter(hooking->engine, &inside, &closed) == 0)
			note_refresh(hooking->engine, &hooking->items[i].late);
	}
}

void hooks_end(struct hooking *hooking, bool done)
{
	int64_t began = clock_monotonic();

	for (size_t i = hooking->count; i > 0; i--) {
		struct hooked *hooked = &hooking->items[i - 1];
		struct fl_error why, ignored;

		if (hooked->hook && done && hook_go(hooked->hook, &why) < 0 &&
		    hooked->failure.code == FL_OK)
			(void)!note_failure(hooking, hooked, &why, &ignored);
		hook_free(take_ptr(hooked->hook));
	}
	if (done)
		refresh_notes(hooking);
	tell(hooking, done);
	hooking->took += clock_monotonic() - began;
	empty(hooking);
}

/* --- what failed ----------------------------------------------------------- */

void hooks_look_anew(struct engine *engine)
{
	own_free struct failure *failures = NULL;
	size_t count;
	bool more;

	failing_list(engine, &failures, &count, &more);
	for (size_t i = 0; i < count; i++)
		if (failures[i].what == FAILING_HOOK)
			failing_forget(engine, FAILING_HOOK, failures[i].object);
}
