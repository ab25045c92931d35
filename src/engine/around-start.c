/*
 * What a rollback stopped, and did not start again: it could not, or the daemon died.
 * Somebody of sched/ comes back here until nothing is noted any more.  Whether the swap
 * had come is told by the branch's line, and by the head that is there: whatever was
 * started before the newest line began is restarted.  The same for the new head that a rollback
 * with --live did not live to put everywhere.
 */

#include <string.h>

#include "base/text.h"
#include "engine/around.h"
#include "engine/rollback.h"

struct noted_list {
	struct stopped_row *items;
	size_t count;
};

static void noted_done(struct noted_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		stopped_row_done(&list->items[i]);
	free(list->items);
}

static int collect(void *arg, const struct stopped_row *row, struct fl_error *err)
{
	struct noted_list *list = arg;

	*array_add(list->items, list->count) =
		(struct stopped_row){ .branch = row->branch, .container = xstrdup(row->container) };
	return 0;
}

static int read_notes(struct engine *engine, struct noted_list *ret, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_tx struct tx *tx = NULL;

	if (gate_enter(engine, &inside, err) < 0 || tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	return tx_stopped_each(tx, collect, ret, err);
}

int around_last_swap(struct engine *engine, const struct uuid *branch, int64_t *ret,
		     struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_tx struct tx *tx = NULL;
	own_free struct line *lines = NULL;
	size_t count;

	if (gate_enter(engine, &inside, err) < 0 || tx_begin(engine->catalog, &tx, err) < 0 ||
	    tx_line_list(tx, branch, &lines, &count, err) < 0)
		return fl_failed(err);
	*ret = count > 0 ? lines[count - 1].start : 0;
	return 0;
}

static int delete_note(struct tx *tx, void *arg, struct fl_error *err)
{
	const struct stopped_row *row = arg;

	return tx_stopped_delete(tx, &row->branch, row->container, err);
}

static int forget(struct engine *engine, struct stopped_row *row, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;

	if (gate_enter(engine, &inside, err) < 0)
		return fl_failed(err);
	return catalog_write_deletion(engine, delete_note, row, err);
}

/* `*ret_patience`: ns until it is to be tried again, if it fails. */
static int start(struct engine *engine, struct stopped_row *row, int64_t *ret_patience,
		 struct fl_error *err)
{
	struct around_user user;
	int64_t since;
	int r;

	*ret_patience = AROUND_PATIENCE;

	if (around_user_of(row, &user, err) <
	    0) { /* it may be of a later version, and is for that */
		log_warning("what a rollback stopped stays noted", "error=\"%s\"", err->text);
		return 0;
	}
	*ret_patience = user.kind->patience;
	if (around_last_swap(engine, &row->branch, &since, err) < 0)
		return fl_failed(err);
	r = user.kind->start(engine, user.id, since, err);
	around_tell(engine, &user, r == -FL_NOT_FOUND ? 0 : r, err);
	if (r < 0 && r != -FL_NOT_FOUND)
		return r;
	if (r == 0)
		log_info(user.kind->done, "%s=%s", user.kind->word, user.name);
	else
		log_info("what a rollback stopped is gone", "%s=%s reason=\"%s\"", user.kind->word,
			 user.name, err->text);
	return forget(engine, row, err);
}

static void sooner(int64_t *next, int64_t time)
{
	if (*next == 0 || time < *next)
		*next = time;
}

void engine_around_care(struct engine *engine, int64_t *ret_next)
{
	own(noted_done) struct noted_list list = { 0 };
	struct fl_error err;

	*ret_next = 0;
	/* Without a catalogue nothing is noted; the pool may be opened by a request. */
	if (read_notes(engine, &list, &err) < 0) {
		*ret_next = AROUND_PATIENCE;
		return;
	}
	for (size_t i = 0; i < list.count; i++) {
		struct stopped_row *row = &list.items[i];
		int64_t patience = AROUND_PATIENCE;

		/* A rollback under way starts them itself. */
		if (!around_table_try(&engine->around, &row->branch)) {
			sooner(ret_next, patience);
			continue;
		}
		if (start(engine, row, &patience, &err) < 0)
			sooner(ret_next, patience);
		around_table_leave(&engine->around, &row->branch);
	}
}

void around_tell(struct engine *engine, const struct around_user *user, int outcome,
		 const struct fl_error *why)
{
	(void)!failing_note(engine, user->kind->failing, user->name, outcome, why);
}
