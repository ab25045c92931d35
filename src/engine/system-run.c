/*
 * Starting and stopping.
 *
 * `wanted` is written when init runs, and taken back before it is stopped, so that a crash of the
 * daemon leaves nothing running that nobody wants for longer than until its next start
 * (system-care.c); a verb that fails leaves it as it was.
 *
 * What stops a system to start it again (restart, a rollback) marks it before: without that, a
 * daemon that finds it ended after a crash would take the end for its own, and ask its
 * restart policy.
 */

#include "engine/systems.h"

#include <string.h>
#include <sys/epoll.h>

#include "base/process.h"
#include "base/text.h"
#include "model/revive.h"

#define TRIAL (2 * CLOCK_SECOND) /* an init that ends so soon has not started */
#define WORDS_SHOWN 300		 /* bytes of the last words in an error */

/* --- what becomes of one that has ended -------------------------------------------------- */

static void set_words(struct system_entry *entry, const char *words)
{
	free(take_ptr(entry->last_words));
	entry->last_words = words && *words ? xstrdup(words) : NULL;
}

/* What its keeper noted; one that was killed left its system to us. */
static void note_end(struct system_hold *hold)
{
	struct systems *systems = hold->engine->systems;
	struct system_entry *entry = hold->entry;
	own_keeper_exit struct keeper_exit end = { .status = -1 };
	struct fl_error err;

	if (runtime_last(&systems->places, &entry->branch, &end, &err) < 0)
		end.status = -1;
	if (runtime_clean(&systems->places, &entry->branch, &err) < 0)
		log_warning("what is left of a system could not be deleted", "error=\"%s\"",
			    err.text);
	own_lock(guard, &systems->mutex);

	runtime_run_done(&entry->run);
	entry->exit_status = end.status;
	entry->state = SYSTEM_STOPPED;
	set_words(entry, text_get(&end.words));
}

/* Under the mutex. */
static void plan_restart(struct system_entry *entry)
{
	int64_t now = clock_boot();

	if (revive_is_stable(now - entry->began))
		entry->restarts = 0;
	entry->state = SYSTEM_RESTARTING;
	entry->due = now + revive_delay(entry->restarts++);
}

void system_settle(struct system_hold *hold, bool wanted, enum system_restart policy)
{
	struct system_entry *entry = hold->entry;
	enum revival revival;

	note_end(hold);
	own_lock(guard, &hold->engine->systems->mutex);

	revival = wanted ? revive_after(policy, entry->exit_status) : REVIVE_NOT;
	if (revival == REVIVE_AGAIN)
		plan_restart(entry);
	else
		entry->state = revival == REVIVE_FAILED ? SYSTEM_FAILED : SYSTEM_STOPPED;
	if (revival == REVIVE_NOT)
		set_words(entry, NULL);
}

/* What would fail again in the same way is not tried again. */
void system_settle_failure(struct system_hold *hold, const struct fl_error *why)
{
	struct system_entry *entry = hold->entry;
	bool hopeless = why->code == FL_INVALID || why->code == FL_NOT_FOUND ||
			why->code == FL_UNSUPPORTED;
	own_lock(guard, &hold->engine->systems->mutex);

	entry->exit_status = -1;
	set_words(entry, why->text);
	if (hopeless)
		entry->state = SYSTEM_FAILED;
	else
		plan_restart(entry);
}

/* --- begin and end -----------------------------------------------------------------------------
 */

static int start_plan(struct engine *engine, const struct uuid *branch,
		      const struct system_plan *plan, struct runtime_run *ret, struct fl_error *err)
{
	own_free char *wanted = config_string(engine->config, CONFIG_SYSTEM_RUNTIME);
	own_free char *program = NULL;
	struct runtime_start start = {
		.tree = plan->tree,
		.settings = &plan->settings,
		.hostname = plan->hostname,
	};

	if (runtime_find(&engine->systems->places, wanted, &program, err) < 0)
		return fl_failed(err);
	start.program = program;
	return runtime_start(&engine->systems->places, branch, &start, ret, err);
}

static void note_begin(struct systems *systems, struct system_entry *entry, struct runtime_run *run)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	own_lock(guard, &systems->mutex);

	entry->run = *run;
	*run = (struct runtime_run)RUNTIME_RUN_NONE;
	entry->began = clock_boot();
	entry->state = SYSTEM_RUNNING;
	set_words(entry, NULL);
	if (entry->run.pid)
		(void)!epoll_ctl(systems->events, EPOLL_CTL_ADD, entry->run.keeper, &event);
}

static void note_asked(struct systems *systems, struct system_entry *entry)
{
	own_lock(guard, &systems->mutex);

	entry->asked = clock_now();
}

int system_begin(struct system_hold *hold, const struct system_plan *plan, struct fl_error *err)
{
	struct systems *systems = hold->engine->systems;
	own_runtime_run struct runtime_run run = RUNTIME_RUN_NONE;

	note_asked(systems, hold->entry);
	if (start_plan(hold->engine, &hold->entry->branch, plan, &run, err) < 0) {
		fl_object(err, "%s", plan->ref);
		return fl_wrap(err, "starting %s", plan->ref);
	}
	runtime_unmark(&systems->places, &hold->entry->branch);
	note_begin(systems, hold->entry, &run);
	log_info("system started", "system=%s pid=%d", plan->ref, hold->entry->run.pid);
	return 0;
}

int system_end(struct system_hold *hold, const struct system_plan *plan, struct fl_error *err)
{
	struct system_entry *entry = hold->entry;
	const struct runtime_stop how = {
		.number = plan->settings.stop_signal,
		.timeout = plan->settings.stop_timeout,
		.give_up = hold->engine->systems->stopping,
	};

	if (entry->run.pid && runtime_stop(&entry->run, &how, err) < 0) {
		fl_object(err, "%s", plan->ref);
		return fl_wrap(err, "stopping %s", plan->ref);
	}
	if (entry->run.pid) {
		note_end(hold);
		log_info("system stopped", "system=%s status=%d", plan->ref, entry->exit_status);
	}
	own_lock(guard, &hold->engine->systems->mutex);

	entry->state = SYSTEM_STOPPED;
	entry->restarts = 0;
	set_words(entry, NULL);
	return 0;
}

/* --- start
 * ------------------------------------------------------------------------------------------ */

/* For an error: on one line, the last of it. */
static void shorten_words(char *words)
{
	size_t length = strlen(words);
	char *from = length > WORDS_SHOWN ? words + length - WORDS_SHOWN : words;

	while (length > 0 && (words[length - 1] == '\n' || words[length - 1] == '\r'))
		words[--length] = '\0';
	memmove(words, from, strlen(from) + 1);
	for (char *at = words; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 127)
			*at = ' ';
}

static int fail_trial(const struct system_hold *hold, const struct system_plan *plan,
		      struct fl_error *err)
{
	struct system_entry entry;
	own_free char *words = NULL;

	system_look(hold->engine, &hold->entry->branch, &entry);
	words = entry.last_words ? entry.last_words : xstrdup("");
	shorten_words(words);
	fl_fail(err, FL_SYSTEM, "%s: its init (%s) ended at once with status %d%s%s", plan->ref,
		plan->settings.init[0], entry.exit_status, *words ? ": " : "", words);
	fl_object(err, "%s", plan->ref);
	return fl_hint(err, "all that it said: flocker system console %s", plan->ref);
}

/* It runs, or has run just now. */
static int try_out(struct system_hold *hold, const struct system_plan *plan, struct fl_error *err)
{
	struct system_entry *entry = hold->entry;

	if (entry->run.pid && !process_await(entry->run.init, clock_monotonic() + TRIAL))
		return 0;
	if (entry->run.pid) /* it notes how that was */
		(void)!process_await(entry->run.keeper, clock_monotonic() + CLOCK_MINUTE);
	note_end(hold);
	(void)!fail_trial(hold, plan, err);
	/* The verb has failed: it is as it was before. */
	own_lock(guard, &hold->engine->systems->mutex);

	entry->state = plan->record.wanted ? SYSTEM_FAILED : SYSTEM_STOPPED;
	return fl_failed(err);
}

static int start_wanted(struct system_hold *hold, const struct system_plan *plan,
			struct fl_error *err)
{
	struct engine *engine = hold->engine;
	const struct uuid *branch = &hold->entry->branch;
	struct fl_error later;

	if (system_begin(hold, plan, err) < 0) {
		if (plan->record.wanted)
			system_settle_failure(hold, err);
		return fl_failed(err);
	}
	if (!plan->record.wanted && system_set_wanted(engine, branch, true, err) < 0) {
		if (system_end(hold, plan, &later) < 0)
			fl_hint(err, "and it runs now: %s", later.text);
		return fl_failed(err);
	}
	if (try_out(hold, plan, err) == 0)
		return 0;
	if (!plan->record.wanted && system_set_wanted(engine, branch, false, &later) < 0)
		log_warning("a system that could not be started is tried again with the daemon",
			    "system=%s error=\"%s\"", plan->ref, later.text);
	return fl_failed(err);
}

int engine_system_start(struct engine *engine, const struct ref *ref, struct system_report *ret,
			struct fl_error *err)
{
	own_system_plan struct system_plan plan = { 0 };
	own_system_hold struct system_hold hold = { 0 };

	if (system_hold_ref(engine, ref, "start", &hold, &plan, err) < 0)
		return fl_failed(err);
	if (hold.entry->run.pid && process_ended(hold.entry->run.init)) {
		(void)!process_await(hold.entry->run.keeper, clock_monotonic() + CLOCK_MINUTE);
		note_end(&hold);
	}
	if (!hold.entry->run.pid && start_wanted(&hold, &plan, err) < 0)
		return fl_failed(err);
	return system_fill(engine, &hold.entry->branch, ret, err);
}

/* --- stop and restart
 * ------------------------------------------------------------------------------- */

int engine_system_stop(struct engine *engine, const struct ref *ref, struct system_report *ret,
		       struct fl_error *err)
{
	own_system_plan struct system_plan plan = { 0 };
	own_system_hold struct system_hold hold = { 0 };

	if (system_hold_ref(engine, ref, "stop", &hold, &plan, err) < 0 ||
	    (plan.record.wanted &&
	     system_set_wanted(engine, &hold.entry->branch, false, err) < 0) ||
	    system_end(&hold, &plan, err) < 0)
		return fl_failed(err);
	runtime_unmark(&engine->systems->places, &hold.entry->branch);
	return system_fill(engine, &hold.entry->branch, ret, err);
}

int engine_system_restart(struct engine *engine, const struct ref *ref, struct system_report *ret,
			  struct fl_error *err)
{
	own_system_plan struct system_plan plan = { 0 };
	own_system_hold struct system_hold hold = { 0 };

	/* Better no stop than a stop without a start. */
	if (system_hold_ref(engine, ref, "restart", &hold, &plan, err) < 0 ||
	    system_check_tree(&plan, err) < 0 ||
	    runtime_mark(&engine->systems->places, &hold.entry->branch, err) < 0 ||
	    system_end(&hold, &plan, err) < 0 || start_wanted(&hold, &plan, err) < 0)
		return fl_failed(err);
	return system_fill(engine, &hold.entry->branch, ret, err);
}

/* --- owners ------------------------------------------------------------------------------- */

int system_gained(struct engine *engine, const struct uuid *branch, struct fl_error *err)
{
	own_system_plan struct system_plan plan = { 0 };
	own_system_hold struct system_hold hold = { 0 };
	int r;

	if (system_hold(engine, branch, "taking over", &hold, err) < 0)
		return fl_failed(err);
	r = system_load(engine, branch, &plan, err);
	if (r < 0)
		return r == -FL_NOT_FOUND ? 0 : r; /* a mere branch */
	if (!plan.record.wanted || hold.entry->run.pid)
		return 0;
	if (system_begin(&hold, &plan, err) == 0)
		return 0;
	system_settle_failure(&hold, err);
	return fl_failed(err);
}

int system_lost(struct engine *engine, const struct uuid *branch, struct fl_error *err)
{
	own_system_plan struct system_plan plan = { 0 };
	own_system_hold struct system_hold hold = { 0 };
	int r;

	if (system_hold(engine, branch, "handing over", &hold, err) < 0)
		return fl_failed(err);
	r = system_load(engine, branch, &plan, err);
	if (r < 0)
		return r == -FL_NOT_FOUND ? 0 : r;
	/* It stays wanted: by whoever has it next. */
	return system_end(&hold, &plan, err);
}
