/*
 * The audit log's place in the engine: it needs no pool, and what it needs of
 * the catalogue is one setting, the anchor.
 *
 * The anchor says which record was the newest when the log was synced last.
 * It is written behind the log, never ahead of it, so a log that does not
 * contain the record of its anchor was cut or replaced while the daemon did not
 * run.  Such an anchor stays as it is from then on, so that audit_verify()
 * goes on saying so; the log itself gets a record of it.
 *
 * A pool's backup brings the settings of whoever made it: an anchor carries the
 * instance that it belongs to, and another's is none.
 */

#include <string.h>

#include "base/text.h"
#include "engine/internal.h"

#define ANCHOR "audit.anchor"
#define SYNC_AFTER (1 * CLOCK_SECOND) /* so that the syncs of many records are one */
#define SYNC_RETRY (30 * CLOCK_SECOND)
#define SYNC_NONE (10 * CLOCK_MINUTE)

static void audit_due(struct engine *engine, int64_t delay)
{
	own_lock(guard, &engine->care_mutex);

	if (engine->audit_due)
		return;
	engine->audit_due = clock_boot() + delay;
	if (engine->care_wake)
		engine->care_wake(engine->care_arg);
}

void audit_note(struct engine *engine)
{
	struct fl_error err;

	failing_note(engine, FAILING_AUDIT, NULL, audit_trouble(engine->audit, &err), &err);
}

void engine_audit(struct engine *engine, const struct audit_entry *entry)
{
	audit_append(engine->audit, entry);
	audit_note(engine);
	if (entry->outcome == FL_OK)
		events_add(&engine->events, entry->verb, entry->object, entry->message);
	audit_due(engine, SYNC_AFTER);
}

int engine_audit_list(struct engine *engine, uint64_t after, size_t limit, struct audit_list *ret,
		      struct fl_error *err)
{
	return audit_list(engine->audit, after, limit, ret, err);
}

/* --- the anchor --------------------------------------------------------------------- */

/* Number 0 when there is none. */
static int read_anchor(struct engine *engine, struct tx *tx, struct audit_mark *ret,
		       struct fl_error *err)
{
	own_text struct text text = { 0 };
	char instance[UUID_TEXT], wanted[UUID_TEXT];
	struct audit_mark mark;
	int r = tx_setting_get(tx, ANCHOR, &text, err);

	*ret = (struct audit_mark){ 0 };
	if (r < 0)
		return r == -FL_NOT_FOUND ? 0 : r;
	if (sscanf(text_get(&text), "%36s %" SCNu64 " %64s", instance, &mark.number, mark.hash) ==
		    3 &&
	    strcmp(instance, uuid_format(&engine->instance, wanted)) == 0)
		*ret = mark;
	return 0;
}

/* The same, where there may be no catalogue: then there is no anchor either. */
static int find_anchor(struct engine *engine, struct audit_mark *ret, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_tx struct tx *tx = NULL;
	struct fl_error closed;

	*ret = (struct audit_mark){ 0 };
	if (gate_enter(engine, &inside, &closed) < 0)
		return 0;
	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	return read_anchor(engine, tx, ret, err);
}

struct anchoring {
	struct engine *engine;
	const struct audit_mark *expected, *mark;
	bool moved; /* somebody else (a recovery) wrote another one since it was looked at */
};

static int write_anchor(struct tx *tx, void *arg, struct fl_error *err)
{
	struct anchoring *anchoring = arg;
	char value[UUID_TEXT + 24 + AUDIT_HASH], instance[UUID_TEXT];
	struct audit_mark there;

	if (read_anchor(anchoring->engine, tx, &there, err) < 0)
		return fl_failed(err);
	anchoring->moved = there.number != anchoring->expected->number ||
			   strcmp(there.hash, anchoring->expected->hash) != 0;
	if (anchoring->moved)
		return 0;
	snprintf(value, sizeof(value), "%s %" PRIu64 " %s",
		 uuid_format(&anchoring->engine->instance, instance), anchoring->mark->number,
		 anchoring->mark->hash);
	return tx_setting_set(tx, ANCHOR, value, err);
}

/* The log is not the one of the anchor: says so once in each run. */
static void note_broken(struct engine *engine, const struct audit_report *report)
{
	struct audit_entry entry = {
		.uid = -1,
		.verb = "audit",
		.outcome = FL_CORRUPT,
		.message = report->problem,
	};

	struct fl_error why;

	engine->audit_broken = true;
	fl_fail(&why, FL_CORRUPT, "record %" PRIu64 ": %s", report->problem_number,
		report->problem);
	failing_set(engine, FAILING_AUDIT_LOG, NULL, &why);
	audit_append(engine->audit, &entry);
}

/*
 * An anchor that this run did not write is compared with the log before it is
 * replaced: at the first sync after the start, and after a recovery.
 */
static int trust_anchor(struct engine *engine, const struct audit_mark *anchor, bool *ret,
			struct fl_error *err)
{
	struct audit_report report;

	*ret = !engine->audit_broken;
	if (engine->audit_broken || anchor->number == 0 ||
	    (anchor->number == engine->audit_anchor.number &&
	     strcmp(anchor->hash, engine->audit_anchor.hash) == 0))
		return 0;
	if (audit_verify(engine->audit, anchor, &report, err) < 0)
		return fl_failed(err);
	*ret = report.intact;
	if (!report.intact)
		note_broken(engine, &report);
	return 0;
}

static int move_anchor(struct engine *engine, const struct audit_mark *mark, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	struct audit_mark anchor;
	struct anchoring anchoring = { engine, &anchor, mark, false };
	struct fl_error closed;
	bool trusted;

	if (find_anchor(engine, &anchor, err) < 0 ||
	    trust_anchor(engine, &anchor, &trusted, err) < 0)
		return fl_failed(err);
	/* Without a catalogue: when there is one again. */
	if (!trusted || gate_enter(engine, &inside, &closed) < 0)
		return 0;
	if (catalog_write(engine->catalog, CATALOG_LAZY, write_anchor, &anchoring, err) < 0)
		return fl_failed(err);
	if (!anchoring.moved)
		engine->audit_anchor = *mark;
	return 0;
}

int audit_settle(struct engine *engine, struct fl_error *err)
{
	struct audit_mark mark;

	if (audit_sync(engine->audit, &mark, err) < 0)
		return fl_failed(err);
	return move_anchor(engine, &mark, err);
}

/* How long until a sync is due; 0: now, and it counts as done; -1: none is wanted. */
static int64_t take_due(struct engine *engine)
{
	own_lock(guard, &engine->care_mutex);
	int64_t left = engine->audit_due - clock_boot();

	if (engine->audit_due == 0)
		return -1;
	if (left > 0)
		return left;
	engine->audit_due = 0;
	return 0;
}

int64_t care_for_audit(struct engine *engine)
{
	int64_t left = take_due(engine);
	struct fl_error err;

	if (left != 0)
		return left < 0 ? SYNC_NONE : left;
	if (failing_note(engine, FAILING_AUDIT_SYNC, NULL, audit_settle(engine, &err), &err) == 0)
		return SYNC_NONE;
	audit_due(engine, SYNC_RETRY);
	return SYNC_RETRY;
}

int engine_audit_verify(struct engine *engine, struct audit_report *ret, struct fl_error *err)
{
	struct audit_mark anchor;

	if (find_anchor(engine, &anchor, err) < 0)
		return fl_failed(err);
	return audit_verify(engine->audit, &anchor, ret, err);
}
