/*
 * What keeps systems as they are wanted.
 *
 * A pass only looks; whatever takes time (a start, a stop) is done by a thread of its own,
 * a few at once, so that one that hangs does not keep the others from starting.
 */

#include "engine/systems.h"

#include <inttypes.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/process.h"
#include "base/text.h"
#include "engine/failing.h"

#define FAILURES_TOLD 3 /* starts in a row that did not last */

struct wanted {
	struct uuid branch;
	bool wanted;
	enum system_restart policy;
};

struct wanted_list {
	struct wanted *items;
	size_t count;
};

static void wanted_list_done(struct wanted_list *list)
{
	free(list->items);
}
#define own_wanted_list own(wanted_list_done)

static int list_one(void *arg, const struct system_record *record, struct fl_error *err)
{
	own_system_settings struct system_settings settings = { 0 };
	struct wanted_list *list = arg;
	struct fl_error unreadable;
	struct wanted wanted = { record->branch, record->wanted, SYSTEM_RESTART_NO };

	/* Settings that a later version wrote: whoever starts it says what is wrong with them. */
	if (system_read(&record->settings, &settings, &unreadable) == 0)
		wanted.policy = settings.restart;
	*array_add(list->items, list->count) = wanted;
	return 0;
}

static int list_wanted(struct engine *engine, struct wanted_list *ret, struct fl_error *err)
{
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	return tx_system_each(tx, list_one, ret, err);
}

/* --- what an earlier process left ------------------------------------------------------------ */

static void note_running(struct systems *systems, struct system_entry *entry,
			 struct runtime_run *run)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	own_lock(guard, &systems->mutex);

	entry->run = *run;
	*run = (struct runtime_run)RUNTIME_RUN_NONE;
	entry->asked = entry->run.started;
	entry->state = SYSTEM_RUNNING;
	entry->began = clock_boot() - (clock_now() - entry->run.started);
	(void)!epoll_ctl(systems->events, EPOLL_CTL_ADD, entry->run.keeper, &event);
}

static void note_due(struct system_hold *hold)
{
	own_lock(guard, &hold->engine->systems->mutex);

	hold->entry->state = SYSTEM_RESTARTING;
	hold->entry->due = clock_boot();
}

/* Did it end by itself, in this run of the machine?  Else it was cut off, and goes on. */
static bool ended_by_itself(struct systems *systems, const struct uuid *branch)
{
	own_keeper_exit struct keeper_exit end = { 0 };
	struct uuid boot = keeper_boot();
	struct fl_error unknown;

	return !runtime_marked(&systems->places, branch) &&
	       runtime_last(&systems->places, branch, &end, &unknown) == 0 &&
	       uuid_equal(&end.boot, &boot);
}

static void adopt_one(struct engine *engine, const struct wanted *wanted)
{
	own_runtime_run struct runtime_run run = RUNTIME_RUN_NONE;
	own_system_hold struct system_hold hold = { 0 };
	struct systems *systems = engine->systems;
	struct fl_error err;

	if (system_hold(engine, &wanted->branch, "adopt", &hold, &err) < 0 || hold.entry->run.pid)
		return;
	if (runtime_adopt(&systems->places, &wanted->branch, &run, &err) == 0) {
		log_info("system found running", "pid=%d", run.pid);
		note_running(systems, hold.entry, &run);
		return;
	}
	if (err.code != FL_NOT_FOUND)
		log_warning("a system that may run can't be told", "error=\"%s\"", err.text);
	system_settle(&hold, wanted->wanted, wanted->policy);
	if (wanted->wanted && !ended_by_itself(systems, &wanted->branch))
		note_due(&hold);
}

static bool is_known(void *arg, const struct uuid *branch)
{
	const struct wanted_list *list = arg;

	for (size_t i = 0; i < list->count; i++)
		if (uuid_equal(&list->items[i].branch, branch))
			return true;
	return false;
}

int systems_adopt(struct engine *engine, struct fl_error *err)
{
	own_wanted_list struct wanted_list list = { 0 };

	if (!engine->systems)
		return 0;
	if (list_wanted(engine, &list, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < list.count; i++)
		adopt_one(engine, &list.items[i]);
	runtime_sweep(&engine->systems->places, is_known, &list);
	engine_systems_wake(engine);
	return 0;
}

/* --- what takes time ------------------------------------------------------------------------- */

struct task {
	struct system_hold hold;
	bool start;
};

static void run_start(struct system_hold *hold)
{
	own_system_plan struct system_plan plan = { 0 };
	struct fl_error err;

	if (system_load(hold->engine, &hold->entry->branch, &plan, &err) == 0 &&
	    system_begin(hold, &plan, &err) == 0)
		return;
	log_warning("a system could not be started", "system=%s error=\"%s\"", plan.ref, err.text);
	system_settle_failure(hold, &err);
}

/* Its stop was cut off, or its start before anybody was told of it. */
static void run_stop(struct system_hold *hold)
{
	own_system_plan struct system_plan plan = { 0 };
	struct fl_error err;

	if (system_load(hold->engine, &hold->entry->branch, &plan, &err) < 0 ||
	    system_end(hold, &plan, &err) < 0)
		log_warning("a system could not be stopped", "error=\"%s\"", err.text);
}

static void *run_task(void *arg)
{
	struct task *task = arg;
	struct systems *systems = task->hold.engine->systems;

	(task->start ? run_start : run_stop)(&task->hold);
	system_release(&task->hold);
	free(task);
	systems_thread_ends(systems, SYSTEMS_TASK);
	return NULL;
}

/* Takes the hold, if there is a thread for it. */
static void begin_task(struct system_hold *hold, bool start)
{
	struct task *task = xcalloc(1, sizeof(*task));

	*task = (struct task){ *hold, start };
	if (systems_thread(hold->engine->systems, SYSTEMS_TASK, run_task, task))
		*hold = (struct system_hold){ 0 };
	else
		free(task);
}

/* --- a pass --------------------------------------------------------------------------------------
 */

/* Without a word to who waits: nothing has changed. */
static void let_go(struct system_hold *hold)
{
	if (!hold->entry)
		return;
	own_lock(guard, &hold->engine->systems->mutex);

	hold->entry->verb = NULL;
}
#define own_quiet_hold own(let_go)

static void note_ended(struct system_hold *hold, const struct wanted *wanted)
{
	system_settle(hold, wanted->wanted, wanted->policy);
	log_info("system ended", "status=%d state=%s", hold->entry->exit_status,
		 system_state_names[hold->entry->state]);
}

/* One that had ended before there was anything of it to watch was begun all the same, and has no
 * process. */
static bool has_ended(const struct system_entry *entry)
{
	return entry->state == SYSTEM_RUNNING &&
	       (!entry->run.pid || process_ended(entry->run.keeper));
}

/* Without a hold: a verb that comes just then is to find it busy only while something is done. */
static bool wants_care(struct systems *systems, const struct wanted *wanted, int64_t *ret_due)
{
	const struct system_entry *entry;
	own_lock(guard, &systems->mutex);

	*ret_due = 0;
	entry = systems_find(systems, &wanted->branch);
	if (!entry || entry->verb) /* whoever has it wakes us */
		return false;
	if (has_ended(entry))
		return true;
	if (!wanted->wanted)
		return entry->run.pid != 0;
	if (entry->state != SYSTEM_RESTARTING)
		return false;
	*ret_due = entry->due;
	return entry->due <= clock_boot();
}

/* When it wants to be looked at again; 0: not by itself. */
static int64_t care_for(struct engine *engine, const struct wanted *wanted)
{
	own_quiet_hold struct system_hold hold = { 0 };
	struct fl_error busy;
	struct system_entry *entry;
	int64_t when;
	bool due;

	if (!wants_care(engine->systems, wanted, &when))
		return when;
	if (system_hold(engine, &wanted->branch, "restart", &hold, &busy) < 0)
		return 0; /* whoever has it wakes us */
	entry = hold.entry;
	if (has_ended(entry))
		note_ended(&hold, wanted);
	due = entry->state == SYSTEM_RESTARTING && entry->due <= clock_boot();
	if (wanted->wanted && entry->state == SYSTEM_RESTARTING && !due)
		return entry->due;
	if (wanted->wanted ? due : entry->run.pid != 0)
		begin_task(&hold, wanted->wanted);
	return 0;
}

/* --- what does not stay up is told --------------------------------------------------------------
 */

static bool is_failing(const struct system_report *report)
{
	return report->wanted &&
	       (report->state == SYSTEM_FAILED ||
		(report->state == SYSTEM_RESTARTING && report->restarts >= FAILURES_TOLD));
}

static void tell_failing(struct engine *engine, const struct system_report *report)
{
	struct fl_error why;

	(void)!fl_fail(&why, FL_SYSTEM, "%s: its init ended with status %d", report->ref,
		       report->exit_status);
	if (report->restarts > 0)
		(void)!fl_fail(&why, FL_SYSTEM,
			       "%s: its init was started anew %" PRIu64
			       " times in a row, and ended with status %d",
			       report->ref, report->restarts, report->exit_status);
	(void)!fl_hint(&why, "what it said: flocker system console %s", report->ref);
	failing_set(engine, FAILING_SYSTEM, report->ref, &why);
}

static const struct system_report *find_failing(const struct system_reports *reports,
						const char *ref)
{
	for (size_t i = 0; i < reports->count; i++)
		if (strcmp(reports->items[i].ref, ref) == 0 && is_failing(&reports->items[i]))
			return &reports->items[i];
	return NULL;
}

/* Those that are gone or renamed, too. */
static void tell_works(struct engine *engine, const struct system_reports *reports)
{
	own_free struct failure *failures = NULL;
	size_t count;
	bool more;

	failing_list(engine, &failures, &count, &more);
	for (size_t i = 0; i < count; i++)
		if (failures[i].what == FAILING_SYSTEM &&
		    !find_failing(reports, failures[i].object))
			failing_clear(engine, FAILING_SYSTEM, failures[i].object);
}

static void tell(struct engine *engine)
{
	own_system_reports struct system_reports reports = { 0 };
	struct fl_error unknown;

	if (engine_systems(engine, &reports, &unknown) < 0)
		return; /* the pool is not open, which is told */
	for (size_t i = 0; i < reports.count; i++)
		if (is_failing(&reports.items[i]))
			tell_failing(engine, &reports.items[i]);
	tell_works(engine, &reports);
}

static int list_now(struct engine *engine, struct wanted_list *ret, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;

	if (gate_enter(engine, &inside, err) < 0)
		return fl_failed(err);
	return list_wanted(engine, ret, err);
}

int engine_systems_care(struct engine *engine, int64_t *ret_next, struct fl_error *err)
{
	own_wanted_list struct wanted_list list = { 0 };
	int64_t next = 0;

	if (engine->systems && list_now(engine, &list, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < list.count; i++) {
		int64_t due = care_for(engine, &list.items[i]);

		next = due && (!next || due < next) ? due : next;
	}
	if (engine->systems)
		tell(engine);
	*ret_next = next;
	return 0;
}
