/*
 * Intents: what a verb of several steps has noted before it began, and a crash
 * may have left to be finished or undone.
 *
 * Each can be carried out again at no harm: the note goes only after the pool
 * has what it says.  One whose objects are gone or can't be read is reported
 * and kept; it harms one branch, and the others are to be served.  So is a
 * deletion that fails for any reason: it harms nobody.
 */

#include <string.h>

#include "engine/arrive-rows.h"
#include "engine/internal.h"

static const struct finisher {
	const char *verb;
	bool deletes; /* needs the intent and the pool alone, no other row, at any time */
	bool keeps;   /* what is left when it fails harms nobody */
	int (*finish)(struct engine *engine, const struct intent_row *intent, struct fl_error *err);
} finishers[] = {
	{ "rollback", false, false, rollback_finish },
	{ "delete-snapshot", true, true, delete_snapshot_finish },
	{ "delete-branch", true, true, delete_branch_finish },
	{ "delete-facts", true, true, delete_facts_finish },
	{ "delete-retired", true, true, delete_retired_finish },
	{ "receive", false, true, arrive_finish_intent },
	/* Of one that runs it is the note for the next start, so not at any time. */
	{ "restore", false, true, restore_finish },
};

struct intents {
	bool deletions; /* these alone */
	struct intent_row *rows;
	size_t count;
};

static void intents_done(struct intents *intents)
{
	for (size_t i = 0; i < intents->count; i++)
		intent_row_done(&intents->rows[i]);
	free(intents->rows);
}

static const struct finisher *finisher_of(const struct intent_row *intent)
{
	for (size_t i = 0; i < array_size(finishers); i++)
		if (strcmp(finishers[i].verb, intent->verb) == 0)
			return &finishers[i];
	return NULL;
}

static bool deletes(const struct intent_row *intent)
{
	const struct finisher *finisher = finisher_of(intent);

	return finisher && finisher->deletes;
}

static bool keeps(const struct intent_row *intent)
{
	const struct finisher *finisher = finisher_of(intent);

	return finisher && finisher->keeps;
}

static int collect(void *arg, const struct intent_row *row, struct fl_error *err)
{
	struct intents *intents = arg;
	struct intent_row *copy;

	if (intents->deletions && !deletes(row))
		return 0;
	copy = array_add(intents->rows, intents->count);
	*copy = *row;
	copy->body = xstrdup(row->body);
	return 0;
}

int intent_finish(struct engine *engine, const struct intent_row *intent, struct fl_error *err)
{
	const struct finisher *finisher = finisher_of(intent);

	if (finisher)
		return finisher->finish(engine, intent, err);
	return fl_fail(err, FL_CORRUPT, "the catalogue notes an unknown intent '%s'", intent->verb);
}

static int finish_or_keep(struct engine *engine, const struct intent_row *intent,
			  struct fl_error *err)
{
	int r = intent_finish(engine, intent, err);
	char uuid[UUID_TEXT];

	if (r == 0 || (r != -FL_NOT_FOUND && r != -FL_CORRUPT && !keeps(intent)))
		return r;
	log_error("an interrupted operation can't be finished; it is tried again at the next start",
		  "verb=%s operation=%s error=\"%s\"", intent->verb,
		  uuid_format(&intent->operation, uuid), err->text);
	return 0;
}

static int finish(struct engine *engine, bool deletions, struct fl_error *err)
{
	own(intents_done) struct intents intents = { .deletions = deletions };
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0 ||
	    tx_intent_each(tx, collect, &intents, err) < 0)
		return fl_failed(err);
	tx_end(take_ptr(tx));
	for (size_t i = 0; i < intents.count; i++)
		if (finish_or_keep(engine, &intents.rows[i], err) < 0)
			return fl_wrap(err, "finishing an interrupted %s", intents.rows[i].verb);
	return 0;
}

int finish_intents(struct engine *engine, struct fl_error *err)
{
	return finish(engine, false, err);
}

int finish_deletions(struct engine *engine, struct fl_error *err)
{
	return finish(engine, true, err);
}
