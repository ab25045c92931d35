/*
 * The table of systems, and who holds which.
 */

#include "engine/systems.h"

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "base/text.h"
#include "base/thread.h"

const char *const system_state_names[SYSTEM_STATES] = {
	[SYSTEM_STOPPED] = "stopped",
	[SYSTEM_RUNNING] = "running",
	[SYSTEM_FAILED] = "failed",
	[SYSTEM_RESTARTING] = "restarting",
};

/* --- life -------------------------------------------------------------------------------- */

static char *join(const char *directory, const char *name)
{
	struct text text = { 0 };

	text_add_format(&text, "%s/%s", directory, name);
	return text_take(&text);
}

struct systems *systems_new(const struct engine_options *options)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct systems *systems;
	char instance[UUID_TEXT];

	if (!options->run)
		return NULL;
	systems = xcalloc(1, sizeof(*systems));
	systems->places.run = join(options->run, "systems");
	systems->places.state = join(options->state, "systems");
	systems->places.cgroup = join("/flocker", uuid_format(&options->instance, instance));
	systems->places.keeper = options->keeper_program ? xstrdup(options->keeper_program) : NULL;
	systems->events = epoll_create1(EPOLL_CLOEXEC);
	systems->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	systems->stopping = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	/* Without them nothing that ends would be noticed: as with memory, there is no going on. */
	if (systems->events < 0 || systems->wake < 0 || systems->stopping < 0 ||
	    epoll_ctl(systems->events, EPOLL_CTL_ADD, systems->wake, &event) < 0)
		abort();
	pthread_mutex_init(&systems->mutex, NULL);
	pthread_cond_init(&systems->fewer, NULL);
	return systems;
}

void systems_give_up(struct systems *systems)
{
	if (systems)
		(void)!eventfd_write(systems->stopping, 1);
}

void systems_close(struct systems *systems)
{
	if (!systems)
		return;
	own_lock(guard, &systems->mutex);

	systems->closed = true;
	(void)!eventfd_write(systems->stopping, 1);
	while (systems->threads[SYSTEMS_TASK] + systems->threads[SYSTEMS_READER] > 0)
		pthread_cond_wait(&systems->fewer, &systems->mutex);
}

static void entry_free(struct system_entry *entry)
{
	runtime_run_done(&entry->run);
	free(entry->last_words);
	free(entry);
}

void systems_free(struct systems *systems)
{
	struct system_entry *next;

	if (!systems)
		return;
	for (struct system_entry *at = systems->entries; at; at = next) {
		next = at->next;
		entry_free(at);
	}
	own_fdp(&systems->events);
	own_fdp(&systems->wake);
	own_fdp(&systems->stopping);
	runtime_places_done(&systems->places);
	pthread_cond_destroy(&systems->fewer);
	pthread_mutex_destroy(&systems->mutex);
	free(systems);
}

/* --- threads ------------------------------------------------------------------------------- */

static bool count_thread(struct systems *systems, enum systems_threads kind)
{
	static const size_t most[SYSTEMS_THREADS] = { [SYSTEMS_TASK] = 8, [SYSTEMS_READER] = 64 };
	own_lock(guard, &systems->mutex);

	if (systems->closed || systems->threads[kind] >= most[kind])
		return false;
	systems->threads[kind]++;
	return true;
}

void systems_thread_ends(struct systems *systems, enum systems_threads kind)
{
	own_lock(guard, &systems->mutex);

	systems->threads[kind]--;
	pthread_cond_broadcast(&systems->fewer);
	/* There may be something to do for the next one. */
	(void)!eventfd_write(systems->wake, 1);
}

bool systems_thread(struct systems *systems, enum systems_threads kind, void *(*run)(void *arg),
		    void *arg)
{
	struct fl_error err;
	pthread_t thread;

	if (!count_thread(systems, kind))
		return false;
	if (thread_start(&thread, THREAD_STACK, run, arg, &err) < 0) {
		systems_thread_ends(systems, kind);
		return false;
	}
	pthread_detach(thread);
	return true;
}

/* --- waiting --------------------------------------------------------------------------------- */

void engine_systems_wake(struct engine *engine)
{
	if (engine->systems)
		(void)!eventfd_write(engine->systems->wake, 1);
}

void engine_systems_wait(struct engine *engine, int64_t next)
{
	struct epoll_event events[16];
	eventfd_t value;
	int patience = -1;

	if (!engine->systems)
		return;
	if (next)
		patience = clock_milliseconds_until(clock_monotonic() + next - clock_boot());
	(void)!epoll_wait(engine->systems->events, events, array_size(events), patience);
	(void)!eventfd_read(engine->systems->wake, &value);
}

/* --- entries -----------------------------------------------------------------------------------
 */

struct system_entry *systems_find(struct systems *systems, const struct uuid *branch)
{
	struct system_entry *at = systems->entries;

	while (at && !uuid_equal(&at->branch, branch))
		at = at->next;
	return at;
}

/* Under the mutex. */
static struct system_entry *find_or_add(struct systems *systems, const struct uuid *branch)
{
	struct system_entry *entry = systems_find(systems, branch);

	if (entry)
		return entry;
	entry = xcalloc(1, sizeof(*entry));
	entry->branch = *branch;
	entry->run = (struct runtime_run)RUNTIME_RUN_NONE;
	entry->exit_status = -1;
	entry->next = systems->entries;
	systems->entries = entry;
	return entry;
}

int system_fail_held(const char *object, const char *verb, struct fl_error *err)
{
	fl_fail(err, FL_BUSY, "the system %s is busy: %s is under way", object, verb);
	return fl_hint(err, "try again when that is done");
}

int system_hold(struct engine *engine, const struct uuid *branch, const char *verb,
		struct system_hold *ret, struct fl_error *err)
{
	struct systems *systems = engine->systems;
	struct system_entry *entry;

	if (!systems)
		return fl_fail(err, FL_UNSUPPORTED, "this engine runs no systems");
	own_lock(guard, &systems->mutex);

	entry = find_or_add(systems, branch);
	if (entry->verb)
		return system_fail_held("of this branch", entry->verb, err);
	entry->verb = verb;
	*ret = (struct system_hold){ .engine = engine, .entry = entry };
	return 0;
}

void system_release(struct system_hold *hold)
{
	struct engine *engine = hold->engine;

	if (!hold->entry)
		return;
	pthread_mutex_lock(&engine->systems->mutex);
	hold->entry->verb = NULL;
	pthread_mutex_unlock(&engine->systems->mutex);
	*hold = (struct system_hold){ 0 };
	/* It may have ended meanwhile, or something is due. */
	engine_systems_wake(engine);
}

void system_drop_entry(struct system_hold *hold)
{
	struct engine *engine = hold->engine;
	struct systems *systems = engine->systems;
	struct system_entry **at = &systems->entries;

	pthread_mutex_lock(&systems->mutex);
	while (*at != hold->entry)
		at = &(*at)->next;
	*at = hold->entry->next;
	entry_free(hold->entry);
	pthread_mutex_unlock(&systems->mutex);
	*hold = (struct system_hold){ 0 };
	/* What was told of it is not so any more. */
	engine_systems_wake(engine);
}

void system_look(struct engine *engine, const struct uuid *branch, struct system_entry *ret)
{
	struct systems *systems = engine->systems;
	const struct system_entry *entry;

	*ret = (struct system_entry){ .exit_status = -1 };
	if (!systems)
		return;
	own_lock(guard, &systems->mutex);

	entry = systems_find(systems, branch);
	if (!entry)
		return;
	*ret = *entry;
	ret->next = NULL;
	ret->run.init = ret->run.keeper = -1;
	ret->last_words = entry->last_words ? xstrdup(entry->last_words) : NULL;
}

/* --- those that want the tree itself
 * -------------------------------------------------------------- */

int system_refuse(struct engine *engine, const struct uuid *branch, const char *object,
		  struct fl_error *err)
{
	struct systems *systems = engine->systems;
	const struct system_entry *entry;

	if (!systems)
		return 0;
	own_lock(guard, &systems->mutex);

	entry = systems_find(systems, branch);
	if (!entry)
		return 0;
	if (entry->run.pid)
		fl_fail(err, FL_BUSY, "%s is a system that runs (its init is process %d)", object,
			entry->run.pid);
	else if (entry->verb)
		return system_fail_held(object, entry->verb, err);
	else if (entry->state == SYSTEM_RESTARTING)
		fl_fail(err, FL_BUSY, "%s is a system that is about to be started again", object);
	else
		return 0;
	fl_object(err, "%s", object);
	return fl_hint(err, "stop it first: flocker system stop %s", object);
}

struct refusing {
	struct engine *engine;
	const struct volume_row *volume;
};

static int refuse_one(void *arg, const struct branch_row *row, struct fl_error *err)
{
	const struct refusing *refusing = arg;
	char object[REF_SHORT];

	snprintf(object, sizeof(object), "%s/%s", refusing->volume->name, row->name);
	return system_refuse(refusing->engine, &row->uuid, object, err);
}

int system_refuse_volume(struct engine *engine, const struct volume_row *volume,
			 struct fl_error *err)
{
	struct refusing refusing = { engine, volume };
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	return tx_branch_each(tx, &volume->uuid, false, refuse_one, &refusing, err);
}
