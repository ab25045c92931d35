/*
 * Stop, swap, start.
 *
 * The notes in the catalogue are durable before anything is stopped, and go when all
 * of it runs again: whatever stands there is started again, by around_end(), or else by
 * around-start.c, which comes back until it has succeeded.
 *
 * What somebody else starts between the stop and the swap sees the old head, and what
 * it writes there goes to the stash: no harm is done, but it must not stay there.  To
 * refuse the rollback for it would leave the loser of such a race with an application
 * that went down for nothing; so it is looked for once more after the swap, and whatever
 * runs since before that is restarted like the others.
 */

#include "engine/around.h"

#include <string.h>

#include "base/text.h"
#include "engine/rollback.h"

const char *const around_mode_names[AROUND_MODES] = {
	[AROUND_RESTART] = "restart",
	[AROUND_LIVE] = "live",
	[AROUND_LEAVE] = "leave",
};

const char *const around_outcome_names[AROUND_OUTCOMES] = {
	[AROUND_RESTARTED] = "restarted", [AROUND_PENDING] = "pending", [AROUND_GONE] = "gone",
	[AROUND_REPLACED] = "replaced",	  [AROUND_KEPT] = "kept",
};

static const struct around_kind *const kinds[] = { &around_containers, &around_systems,
						   &around_lives };

void around_report_done(struct around_report *report)
{
	for (size_t i = 0; i < report->count; i++)
		free(report->items[i].path);
	free(report->items);
	*report = (struct around_report){ 0 };
}

struct around_item *around_report_add(struct around_report *report, const char *name,
				      enum around_outcome outcome)
{
	struct around_item *item = array_add(report->items, report->count);

	snprintf(item->name, sizeof(item->name), "%s", name);
	item->outcome = outcome;
	return item;
}

/* --- notes ------------------------------------------------------------------------------- */

struct stopped_row around_note(const struct around_branch *branch, const struct around_user *user)
{
	struct stopped_row row = { .branch = branch->uuid };
	struct text text = { 0 };

	text_add_format(&text, "%s:%s %s", user->kind->word, user->id, user->name);
	row.container = text_take(&text);
	return row;
}

int around_user_of(const struct stopped_row *row, struct around_user *ret, struct fl_error *err)
{
	for (size_t i = 0; i < array_size(kinds); i++) {
		size_t length = strlen(kinds[i]->word);
		const char *id = row->container + length + 1, *name;

		if (strncmp(row->container, kinds[i]->word, length) != 0 ||
		    row->container[length] != ':' || !(name = strchr(id, ' ')))
			continue;
		*ret = (struct around_user){ .kind = kinds[i] };
		snprintf(ret->id, sizeof(ret->id), "%.*s", (int)(name - id), id);
		snprintf(ret->name, sizeof(ret->name), "%s", name + 1);
		return 0;
	}
	return fl_fail(err, FL_NOT_FOUND, "the catalogue notes as stopped what is unknown: '%.40s'",
		       row->container);
}

/* The last that is noted is the first to be started. */
static int write_notes(struct tx *tx, void *arg, struct fl_error *err)
{
	const struct around *around = arg;

	for (size_t i = around->users.count; i > 0; i--) {
		own_stopped_row struct stopped_row row = around_note(&around->branch,
								     &around->users.items[i - 1]);

		if (tx_stopped_insert(tx, &row, err) < 0)
			return fl_failed(err);
	}
	return 0;
}

/* Of those that run again. */
static int delete_notes(struct tx *tx, void *arg, struct fl_error *err)
{
	const struct around *around = arg;

	for (size_t i = 0; i < around->users.count; i++) {
		own_stopped_row struct stopped_row row = around_note(&around->branch,
								     &around->users.items[i]);

		if (around->report.items[i].outcome != AROUND_PENDING &&
		    tx_stopped_delete(tx, &row.branch, row.container, err) < 0)
			return fl_failed(err);
	}
	return 0;
}

static int note(struct around *around, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;

	if (gate_enter(around->engine, &inside, err) < 0)
		return fl_failed(err);
	return catalog_write(around->engine->catalog, CATALOG_DURABLE, write_notes, around, err);
}

/* One that stays makes that to be started which runs: no harm. */
static void forget(struct around *around)
{
	own_gate struct engine *inside = NULL;
	struct fl_error err;

	if (gate_enter(around->engine, &inside, &err) < 0 ||
	    catalog_write_deletion(around->engine, delete_notes, around, &err) < 0)
		log_warning("what a rollback stopped stays noted",
			    "volume=%s branch=%s error=\"%s\"", around->branch.volume,
			    around->branch.name, err.text);
}

/* --- who --------------------------------------------------------------------------------- */

static int by_start(const void *a, const void *b)
{
	const struct around_user *x = a, *y = b;

	return x->started < y->started ? -1 : x->started > y->started;
}

static int list_users(struct around *around, struct around_users *ret, struct fl_error *err)
{
	struct around_users users = { 0 };

	for (size_t i = 0; i < array_size(kinds); i++) {
		if (!kinds[i]->list ||
		    kinds[i]->list(around->engine, &around->branch, around->mode == AROUND_RESTART,
				   &users, err) == 0)
			continue;
		free(users.items);
		return fl_failed(err);
	}
	array_sort(users.items, users.count, by_start);
	*ret = users;
	return 0;
}

/* A tag and a stash are one snapshot already. */
static void fix_target(const struct target *target, struct ref *ref)
{
	if (!target->is_snapshot || ref->kind == REF_TAG || ref->kind == REF_STASH)
		return;
	ref->point = POINT_ID_OR_NAME;
	snprintf(ref->name, sizeof(ref->name), "%016" PRIx64, target->snapshot.id);
}

/* All that can be found wrong before anything is stopped. */
static int look(struct engine *engine, struct ref refs[static 2], struct around_branch *ret,
		struct fl_error *err)
{
	own_target struct target head = { 0 }, target = { 0 };
	own_gate struct engine *inside = NULL;
	own_tx struct tx *tx = NULL;

	if (gate_enter(engine, &inside, err) < 0 || tx_begin(engine->catalog, &tx, err) < 0 ||
	    resolve(engine, tx, &refs[0], &head, err) < 0 ||
	    refuse_remote(engine, &head, err) < 0 ||
	    resolve(engine, tx, &refs[1], &target, err) < 0)
		return fl_failed(err);
	if (!uuid_equal(&head.volume.uuid, &target.volume.uuid))
		return fl_fail(err, FL_INVALID,
			       "'%s' can't go back to a snapshot of another volume ('%s')",
			       head.volume.name, target.volume.name);
	ret->uuid = head.branch.uuid;
	memcpy(ret->volume, head.volume.name, NAME_TEXT);
	memcpy(ret->name, head.branch.name, NAME_TEXT);
	fix_target(&target, &refs[1]);
	return 0;
}

/* --- stop -------------------------------------------------------------------------------- */

static int stop_all(struct around *around, struct fl_error *err)
{
	for (size_t i = around->users.count; i > 0; i--) {
		const struct around_user *user = &around->users.items[i - 1];

		if (user->kind->stop(around->engine, user->id, err) < 0)
			return fl_wrap(err,
				       "nothing was changed in %s/%s: %s '%s' could not be stopped",
				       around->branch.volume, around->branch.name, user->kind->word,
				       user->name);
	}
	return 0;
}

static int stop_noted(struct around *around, struct fl_error *err)
{
	struct around_report report = { 0 };

	if (around->users.count == 0)
		return 0;
	if (note(around, err) < 0)
		return fl_failed(err);
	if (stop_all(around, err) == 0)
		return 0;
	around_end(around, &report, err);
	around_report_done(&report);
	return fl_failed(err);
}

static void leave(struct around *around)
{
	if (around->entered)
		around_table_leave(&around->engine->around, &around->branch.uuid);
	around->entered = false;
	free(around->users.items);
	around->users = (struct around_users){ 0 };
}

int around_begin(struct engine *engine, struct ref refs[static 2], enum around_mode mode,
		 struct around *ret, struct fl_error *err)
{
	struct around around = { .engine = engine, .mode = mode, .report = { .mode = mode } };

	around.began = around.stopped = clock_monotonic();
	if (look(engine, refs, &around.branch, err) < 0)
		return fl_failed(err);
	if (mode != AROUND_LEAVE) {
		around_table_enter(&engine->around, &around.branch.uuid);
		around.entered = true;
	}
	if (mode == AROUND_RESTART) {
		if (list_users(&around, &around.users, err) < 0 || stop_noted(&around, err) < 0) {
			leave(&around);
			return fl_failed(err);
		}
	} else if (mode == AROUND_LIVE && around_live_begin(&around, err) < 0) {
		leave(&around);
		return fl_failed(err);
	}
	around.stopped = clock_monotonic();
	*ret = around;
	return 0;
}

/* --- start ------------------------------------------------------------------------------- */

static bool has_user(const struct around *around, const struct around_user *user)
{
	for (size_t i = 0; i < around->users.count; i++)
		if (around->users.items[i].kind == user->kind &&
		    strcmp(around->users.items[i].id, user->id) == 0)
			return true;
	return false;
}

/* Those that were not there, or did not run, when the others were stopped: see at the top. */
static void add_late(struct around *around, int64_t since)
{
	struct around_users now = { 0 };
	struct fl_error err;
	size_t before = around->users.count;

	if (list_users(around, &now, &err) < 0) {
		log_warning("what was started during a rollback can't be told", "error=\"%s\"",
			    err.text);
		return;
	}
	for (size_t i = 0; i < now.count; i++)
		if (now.items[i].started < since && !has_user(around, &now.items[i]))
			*array_add(around->users.items, around->users.count) = now.items[i];
	free(now.items);
	if (around->users.count > before && note(around, &err) < 0)
		log_warning("what a rollback restarts can't be noted", "error=\"%s\"", err.text);
}

static void start_one(struct around *around, const struct around_user *user, int64_t since)
{
	struct fl_error why;
	int r = user->kind->start(around->engine, user->id, since, &why);
	struct around_item *item;

	item = around_report_add(&around->report, user->name,
				 r == 0		      ? AROUND_RESTARTED
				 : r == -FL_NOT_FOUND ? AROUND_GONE
						      : AROUND_PENDING);
	if (item->outcome == AROUND_PENDING)
		item->why = why;
	if (item->outcome == AROUND_GONE)
		log_warning("what a rollback stopped is gone", "%s=%s", user->kind->word,
			    user->name);
	around_tell(around->engine, user, item->outcome == AROUND_PENDING ? r : 0, &why);
}

static bool any_pending(const struct around_report *report, struct fl_error *err)
{
	for (size_t i = 0; i < report->count; i++) {
		const struct around_item *item = &report->items[i];

		if (item->outcome != AROUND_PENDING)
			continue;
		if (err)
			fl_hint(err,
				"'%.100s' could not be started again (%.150s); that is tried again "
				"by itself",
				item->name, item->why.text);
		return true;
	}
	return false;
}

/* Of a rollback that failed: it is not as if nothing had happened. */
static void tell_restarted(const struct around_report *report, struct fl_error *err)
{
	own_text struct text names = { 0 };

	for (size_t i = 0; i < report->count; i++)
		text_add_format(&names, "%s'%.60s'", i ? ", " : "", report->items[i].name);
	fl_add_wrap(err, "%.200s %s stopped for it and run%s again", text_get(&names),
		    report->count > 1 ? "were" : "was", report->count > 1 ? "" : "s");
}

static void start_all(struct around *around, struct fl_error *err)
{
	int64_t since = around->replaced ? clock_now() : 0;

	if (around->replaced)
		add_late(around, since);
	for (size_t i = 0; i < around->users.count; i++)
		start_one(around, &around->users.items[i], since);
	if (around->users.count > 0)
		forget(around);
	if (any_pending(&around->report, err))
		around_table_wake(&around->engine->around);
	else if (err && around->report.count > 0)
		tell_restarted(&around->report, err);
}

void around_end(struct around *around, struct around_report *ret, struct fl_error *err)
{
	around->swapped = clock_monotonic();
	if (around->mode == AROUND_RESTART)
		start_all(around, err);
	around_live_end(around);
	around->report.stop = around->stopped - around->began;
	around->report.swap = around->swapped - around->stopped;
	around->report.start = clock_monotonic() - around->swapped;
	leave(around);
	*ret = around->report;
	around->report = (struct around_report){ 0 };
}
