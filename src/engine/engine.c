/*
 * The engine's life: from options to open, and the gate that every verb passes.
 */

#include <fcntl.h>
#include <string.h>

#include "base/fsat.h"
#include "base/text.h"
#include "container/frozen.h"
#include "engine/containers.h"
#include "engine/exec-table.h"
#include "engine/reach.h"
#include "engine/systems.h"
#include "engine/under-way.h"

static int open_directories(struct engine *engine, struct fl_error *err)
{
	if (fsat_open_dir(AT_FDCWD, engine->state, &engine->state_fd, err) < 0)
		return fl_wrap(err, "opening the state directory");
	if (fsat_open_dir(AT_FDCWD, engine->mount_root, &engine->root_fd, err) < 0)
		return fl_wrap(err, "opening the mount root");
	return 0;
}

/* A verb must never starve what closes the pool, nor the other way round. */
static void init_gate(pthread_rwlock_t *gate)
{
	pthread_rwlockattr_t attributes;

	pthread_rwlockattr_init(&attributes);
	pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(gate, &attributes);
	pthread_rwlockattr_destroy(&attributes);
}

static void engine_free(struct engine *engine)
{
	if (!engine)
		return;
	exec_table_free(engine->execs);
	under_way_free(engine->under_way);
	reach_free(engine->reach);
	engine_pool_close(engine);
	watching_free(engine->watching);
	systems_free(engine->systems);
	audit_close(engine->audit);
	lock_table_done(&engine->locks);
	operation_table_done(&engine->operations);
	data_table_done(&engine->data);
	around_table_done(&engine->around);
	failing_done(&engine->failing);
	events_done(&engine->events);
	pthread_rwlock_destroy(&engine->gate);
	pthread_mutex_destroy(&engine->reserve_mutex);
	pthread_mutex_destroy(&engine->forget_mutex);
	pthread_mutex_destroy(&engine->together_mutex);
	pthread_mutex_destroy(&engine->care_mutex);
	pthread_mutex_destroy(&engine->retention_mutex);
	own_fdp(&engine->state_fd);
	own_fdp(&engine->root_fd);
	thin_forget(engine);
	free(engine->carried_out);
	free(engine->state);
	free(engine->mount_root);
	free(engine->name);
	free(engine->host);
	free(engine->tree_program);
	free(engine->archive_program);
	free(engine->keeper_program);
	free(engine->frozen);
	free(engine->hook_places.own);
	free(engine->hook_places.shipped);
	containers_close(engine);
	free(engine);
}
OWN_FREEP(engine, engine_free)

/* Before anything asks or waits for what may stand still. */
static void thaw_noted(struct engine *engine, const char *run)
{
	struct text path = { 0 };

	if (!run)
		return;
	text_add_format(&path, "%s/frozen", run);
	engine->frozen = text_take(&path);
	frozen_thaw(engine->frozen);
}

int engine_open(const struct engine_options *options, struct engine **ret, struct fl_error *err)
{
	own(engine_freep) struct engine *engine = xcalloc(1, sizeof(*engine));

	engine->state_fd = engine->root_fd = -1;
	engine->state = xstrdup(options->state);
	engine->mount_root = xstrdup(options->mount_root);
	engine->name = xstrdup(options->name);
	engine->host = xstrdup(options->host);
	engine->config = options->config;
	engine->instance = options->instance;
	engine->trust = options->trust;
	engine->reach = reach_new(engine);
	engine->under_way = under_way_new(engine);
	init_gate(&engine->gate);
	pthread_mutex_init(&engine->reserve_mutex, NULL);
	pthread_mutex_init(&engine->forget_mutex, NULL);
	pthread_mutex_init(&engine->together_mutex, NULL);
	pthread_mutex_init(&engine->care_mutex, NULL);
	pthread_mutex_init(&engine->retention_mutex, NULL);
	lock_table_init(&engine->locks);
	engine->watching = watching_new();
	engine->systems = systems_new(options);
	operation_table_init(&engine->operations);
	engine->execs = exec_table_new();
	events_init(&engine->events);
	failing_init(&engine->failing, &engine->events);
	data_table_init(&engine->data);
	around_table_init(&engine->around);
	if (options->tree_program)
		engine->tree_program = xstrdup(options->tree_program);
	if (options->archive_program)
		engine->archive_program = xstrdup(options->archive_program);
	if (options->keeper_program)
		engine->keeper_program = xstrdup(options->keeper_program);
	if (options->own_hooks)
		engine->hook_places.own = xstrdup(options->own_hooks);
	if (options->shipped_hooks)
		engine->hook_places.shipped = xstrdup(options->shipped_hooks);
	if (open_directories(engine, err) < 0)
		return fl_failed(err);
	thaw_noted(engine, options->run);
	containers_open(engine);
	engine->audit = audit_open(engine->state_fd, &audit_limits);
	audit_note(engine);
	engine_pool_open(engine);
	*ret = take_ptr(engine);
	return 0;
}

void engine_give_up(struct engine *engine)
{
	if (containers_engine(engine))
		docker_give_up(containers_engine(engine));
	systems_give_up(engine->systems);
}

void engine_close(struct engine *engine)
{
	struct fl_error err;

	if (!engine)
		return;
	reach_stop(engine->reach);
	operations_drain(engine);
	systems_close(engine->systems);
	/* Verbs that run hold the gate; none enters after this, since the caller has no more users.
	 */
	pthread_rwlock_wrlock(&engine->gate);
	pthread_rwlock_unlock(&engine->gate);
	/* The caretaker has ended: nobody else looks at what is due. */
	if (engine->audit_due && audit_settle(engine, &err) < 0)
		log_warning("the audit log could not be synced", "error=\"%s\"", err.text);
	engine_free(engine);
}

const char *engine_name(const struct engine *engine)
{
	return engine->name;
}

struct uuid engine_instance(const struct engine *engine)
{
	return engine->instance;
}

struct events *engine_events(struct engine *engine)
{
	return &engine->events;
}

int gate_enter(struct engine *engine, struct engine **ret, struct fl_error *err)
{
	pthread_rwlock_rdlock(&engine->gate);
	if (!engine->catalog) {
		*err = engine->trouble;
		pthread_rwlock_unlock(&engine->gate);
		return fl_failed(err);
	}
	*ret = engine;
	return 0;
}

void gate_leave(struct engine **inside)
{
	if (*inside)
		pthread_rwlock_unlock(&(*inside)->gate);
}

/* What became of its file while it is open shows when it is read. */
static int check_catalog(struct engine *engine, struct fl_error *err)
{
	own_tx struct tx *tx = NULL;
	uint64_t branches;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	return tx_branch_count(tx, &engine->instance, &branches, err);
}

int engine_health(struct engine *engine, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;

	if (gate_enter(engine, &inside, err) < 0)
		return fl_failed(err);
	if (check_catalog(engine, err) < 0)
		return fl_failed(err);
	return failing_health(engine, err);
}

char *time_text(int64_t time, char text[static CLOCK_TEXT])
{
	clock_format(time, text);
	strcpy(strchr(text, '.'), "Z");
	return text;
}
