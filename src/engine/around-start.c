/*
 * What a rollback stopped, and did not start again: it could not, or the daemon died.
 * Somebody of sched/ comes back here until nothing is noted any more.  Whether the swap
 * had come is told by the branch's line, and by the head that is there: whatever was
 * started before the newest line began is restarted.
 */

#include <string.h>

#include "base/text.h"
#include "engine/around.h"
#include "engine/rollback.h"

#define CARE_AFTER_ERROR (2 * CLOCK_SECOND) /* an engine that is started takes a while */

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

/* When the branch's head was replaced last, or made.  A branch that is gone: never. */
static int last_swap(struct engine *engine, const struct uuid *branch, int64_t *ret,
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

static int start(struct engine *engine, struct stopped_row *row, struct fl_error *err)
{
	struct around_user user;
	int64_t since;
	int r;

	if (around_user_of(row, &user, err) <
	    0) { /* it may be of a later version, and is for that */
		log_warning("what a rollback stopped stays noted", "error=\"%s\"", err->text);
		return 0;
	}
	if (last_swap(engine, &row->branch, &since, err) < 0)
		return fl_failed(err);
	r = user.kind->start(engine, user.id, since, err);
	around_tell(engine, user.name, r == -FL_NOT_FOUND ? 0 : r, err);
	if (r < 0 && r != -FL_NOT_FOUND)
		return r;
	log_info(r == 0 ? "what a rollback stopped runs again" : "what a rollback stopped is gone",
		 "%s=%s", user.kind->word, user.name);
	return forget(engine, row, err);
}

void engine_around_care(struct engine *engine, int64_t *ret_next)
{
	own(noted_done) struct noted_list list = { 0 };
	struct fl_error err;

	*ret_next = 0;
	/* Without a catalogue nothing is noted; the pool may be opened by a request. */
	if (read_notes(engine, &list, &err) < 0) {
		*ret_next = CARE_AFTER_ERROR;
		return;
	}
	for (size_t i = 0; i < list.count; i++) {
		struct stopped_row *row = &list.items[i];

		/* A rollback under way starts them itself. */
		if (!around_table_try(&engine->around, &row->branch)) {
			*ret_next = CARE_AFTER_ERROR;
			continue;
		}
		if (start(engine, row, &err) < 0)
			*ret_next = CARE_AFTER_ERROR;
		around_table_leave(&engine->around, &row->branch);
	}
}

void around_tell(struct engine *engine, const char *name, int outcome, const struct fl_error *why)
{
	(void)!failing_note(engine, FAILING_STOPPED, name, outcome, why);
}
