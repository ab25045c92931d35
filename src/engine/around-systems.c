/*
 * The branch's own system around a rollback: its root is the head itself.
 *
 * It stays wanted, and its end is marked as ours before it comes, so that a daemon that finds it
 * stopped starts it, even where it knows nothing of the rollback any more.  Between stop and
 * start it is held by nobody: one that somebody starts meanwhile was asked for before the new
 * head was there, and is started anew.
 *
 * One that runs on (--live) keeps the old head: no process can be given another root.
 */

#include <string.h>

#include "engine/around.h"
#include "engine/systems.h"

static int list(struct engine *engine, const struct around_branch *branch, bool stop,
		struct around_users *users, struct fl_error *err)
{
	struct system_entry entry;
	struct around_user *user;
	char object[REF_SHORT];

	system_look(engine, &branch->uuid, &entry);
	free(entry.last_words);
	snprintf(object, sizeof(object), "%s/%s", branch->volume, branch->name);
	/* One that is being started or stopped would be swapped away under its own start. */
	if (stop && entry.verb)
		return system_fail_held(object, entry.verb, err);
	if (!entry.run.pid)
		return 0;
	user = array_add(users->items, users->count);
	user->kind = &around_systems;
	uuid_format(&branch->uuid, user->id);
	snprintf(user->name, sizeof(user->name), "%s", object);
	user->started = entry.asked;
	user->pid = entry.run.pid;
	return 0;
}

static int end_marked(struct system_hold *hold, const struct system_plan *plan,
		      struct fl_error *err)
{
	if (!hold->entry->run.pid)
		return 0;
	if (runtime_mark(&hold->engine->systems->places, &hold->entry->branch, err) < 0)
		return fl_failed(err);
	return system_end(hold, plan, err);
}

/* Both are the caller's to let go, after a failure too. */
static int take(struct engine *engine, const char *id, struct system_hold *hold,
		struct system_plan *plan, struct fl_error *err)
{
	struct uuid branch;

	if (uuid_parse(id, &branch, err) < 0 ||
	    system_hold(engine, &branch, "rollback", hold, err) < 0)
		return fl_failed(err);
	return system_load(engine, &branch, plan, err);
}

static int stop(struct engine *engine, const char *id, struct fl_error *err)
{
	own_system_plan struct system_plan plan = { 0 };
	own_system_hold struct system_hold hold = { 0 };

	if (take(engine, id, &hold, &plan, err) < 0)
		return fl_failed(err);
	return end_marked(&hold, &plan, err);
}

static int start_anew(struct system_hold *hold, const struct system_plan *plan, int64_t since,
		      struct fl_error *err)
{
	const struct system_entry *entry = hold->entry;

	/* Somebody has stopped it meanwhile, and is to find it so. */
	if (!plan->record.wanted || (entry->run.pid && entry->asked >= since))
		return 0;
	if (end_marked(hold, plan, err) < 0)
		return fl_failed(err);
	if (system_begin(hold, plan, err) == 0)
		return 0;
	system_settle_failure(hold, err);
	/* It is the system that would be gone, not what it takes to start it. */
	if (err->code == FL_NOT_FOUND)
		err->code = FL_SYSTEM;
	return fl_failed(err);
}

static int start(struct engine *engine, const char *id, int64_t since, struct fl_error *err)
{
	own_system_plan struct system_plan plan = { 0 };
	own_system_hold struct system_hold hold = { 0 };

	if (take(engine, id, &hold, &plan, err) < 0)
		return fl_failed(err);
	return start_anew(&hold, &plan, since, err);
}

const struct around_kind around_systems = {
	.word = "system",
	.done = "what a rollback stopped runs again",
	.failing = FAILING_STOPPED,
	.patience = AROUND_PATIENCE,
	.list = list,
	.stop = stop,
	.start = start,
};
