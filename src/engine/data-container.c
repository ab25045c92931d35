/*
 * Who asks for data containers and waits for them, and whose their names are.
 *
 * Requests are numbered.  A round that begins when the last request has the number n
 * stands for all up to n; who waits for n waits until a round that stood for it has ended, well
 * or not: that it failed is told elsewhere, and a later one makes it good.
 */

#include "engine/data-container.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "base/fsat.h"
#include "base/text.h"
#include "engine/containers.h"

/* Making a container takes some 50 ms; who does not get it in this time goes on without. */
#define PATIENCE (5 * CLOCK_SECOND)
#define GLANCE (3 * CLOCK_SECOND) /* for whose a name is, before it is asked for that again */

void data_table_init(struct data_table *table)
{
	pthread_condattr_t attributes;

	*table = (struct data_table){ 0 };
	pthread_mutex_init(&table->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&table->changed, &attributes);
	pthread_condattr_destroy(&attributes);
}

void data_table_done(struct data_table *table)
{
	pthread_cond_destroy(&table->changed);
	pthread_mutex_destroy(&table->mutex);
}

bool data_containers_wanted(const struct engine *engine)
{
	return containers_engine(engine) && containers_driver(engine)[0];
}

void data_containers_on_look(struct engine *engine, void (*wake)(void *arg, bool soon), void *arg)
{
	own_lock(guard, &engine->data.mutex);

	engine->data.wake = wake;
	engine->data.arg = arg;
}

void data_containers_look(struct engine *engine, const char *path)
{
	struct data_table *table = &engine->data;
	own_lock(guard, &table->mutex);
	bool soon = !path || !path[0];

	if (!table->wake)
		return;
	table->wanted++;
	if (!soon)
		table->awaited = table->wanted;
	table->wake(table->arg, soon);
}

void data_containers_stop(struct engine *engine)
{
	own_lock(guard, &engine->data.mutex);

	engine->data.stopping = true;
	pthread_cond_broadcast(&engine->data.changed);
}

bool data_containers_makes(struct engine *engine, const char *volume)
{
	own_lock(guard, &engine->data.mutex);

	return engine->data.making[0] && strcmp(engine->data.making, volume) == 0;
}

static bool is_settled(const struct data_table *table, uint64_t number)
{
	return !table->wake || table->stopping || table->done >= number;
}

/* Is it, before the time is up? */
static bool wait_settled(struct data_table *table)
{
	int64_t deadline = clock_monotonic() + PATIENCE;
	struct timespec until = { .tv_sec = deadline / CLOCK_SECOND,
				  .tv_nsec = deadline % CLOCK_SECOND };
	own_lock(guard, &table->mutex);
	uint64_t number = table->awaited;

	while (!is_settled(table, number))
		if (pthread_cond_timedwait(&table->changed, &table->mutex, &until) != 0)
			break;
	return is_settled(table, number);
}

void data_containers_settle(struct engine *engine)
{
	/* It has been told that it does not answer: nobody waits for that again and again. */
	if (failing_is(engine, FAILING_ENGINE))
		return;
	if (!wait_settled(&engine->data))
		log_warning("data containers are not ready yet",
			    "reason=\"the container engine takes its time\"");
}

/* --- the engine ------------------------------------------------------------------------- */

/* No socket, and none before: there is no engine here, or none is started yet. */
static bool is_absent(struct docker *docker)
{
	struct fl_error err;
	struct stat st;

	return !docker_has_answered(docker) &&
	       fsat_stat(AT_FDCWD, docker_socket(docker), &st, &err) == -FL_NOT_FOUND;
}

void note_engine(struct engine *engine, int outcome, const struct fl_error *why)
{
	if (outcome == 0)
		containers_note_engine(engine);
	if (outcome < 0 && is_absent(containers_engine(engine)))
		failing_clear(engine, FAILING_ENGINE, NULL);
	else
		(void)failing_note(engine, FAILING_ENGINE, NULL, outcome, why);
}

/* --- names that somebody else has ------------------------------------------------------- */

/* Is it one of ours, for a branch that is there? */
static bool is_used(struct engine *engine, const char *ref)
{
	own_target struct target target = { 0 };
	own_gate struct engine *inside = NULL;
	own_ref struct ref parsed = { 0 };
	struct fl_error err;

	if (ref_parse(ref, &parsed, &err) < 0 || gate_enter(engine, &inside, &err) < 0)
		return false;
	return resolve_now(engine, &parsed, &target, &err) == 0;
}

static bool is_taken(struct engine *engine, const struct docker_container *container,
		     const char *ref)
{
	const char *instance = metadata_get(&container->labels, LABEL_INSTANCE);
	const char *branch = metadata_get(&container->labels, LABEL_BRANCH);
	char ours[UUID_TEXT];

	uuid_format(&engine->instance, ours);
	if (!instance || !branch || strcmp(instance, ours) != 0)
		return true;
	return strcmp(branch, ref) != 0 && is_used(engine, branch);
}

static int refuse_if_taken(struct engine *engine, const char *volume, const char *branch,
			   struct fl_error *err)
{
	own_docker_container struct docker_container container = { 0 };
	own_docker struct docker *docker = NULL;
	char name[DOCKER_NAME], ref[REF_SHORT];
	struct fl_error silent;
	int r;

	if (failing_is(engine, FAILING_ENGINE))
		return 0;
	docker = docker_new(docker_socket(containers_engine(engine)), GLANCE);
	container_data_name(volume, branch, name);
	snprintf(ref, sizeof(ref), "%s/%s", volume, branch);
	r = docker_inspect(docker, name, &container, &silent);
	if (r < 0 && r != -FL_NOT_FOUND) {
		note_engine(engine, r, &silent);
		data_containers_look(engine, NULL); /* to be told when it answers again */
	}
	if (r < 0 || !is_taken(engine, &container, ref))
		return 0;
	fl_fail(err, FL_EXISTS,
		"%s would get the data container '%s', but another container has that name (%.12s)",
		ref, name, container.id);
	fl_hint(err, "rename or remove that one: docker rename %s NEW, docker rm %s", name, name);
	return fl_object(err, "%s", ref);
}

int refuse_if_data_taken(struct engine *engine, const char *volume, const char *path,
			 struct fl_error *err)
{
	if (!data_containers_wanted(engine) || !path || !path[0])
		return 0;
	return refuse_if_taken(engine, volume, TRUNK, err);
}

struct names {
	char (*branches)[NAME_TEXT]; /* heap */
	size_t count;
	char volume[NAME_TEXT];
	bool has_path;
};

static void names_done(struct names *names)
{
	free(names->branches);
}

static int add_name(void *arg, const struct branch_row *row, struct fl_error *err)
{
	struct names *names = arg;

	memcpy(array_add(names->branches, names->count), row->name, NAME_TEXT);
	return 0;
}

static int load_names(struct engine *engine, const struct ref *ref, struct names *names,
		      struct fl_error *err)
{
	own_target struct target target = { 0 };
	struct ref volume = ref_of_volume(ref);
	own_gate struct engine *inside = NULL;
	own_tx struct tx *tx = NULL;

	if (gate_enter(engine, &inside, err) < 0 || tx_begin(engine->catalog, &tx, err) < 0 ||
	    resolve(engine, tx, &volume, &target, err) < 0)
		return fl_failed(err);
	memcpy(names->volume, target.volume.name, NAME_TEXT);
	names->has_path = target.volume.mount_path && target.volume.mount_path[0];
	if (ref->kind == REF_BRANCH) {
		memcpy(array_add(names->branches, names->count), ref->branch, NAME_TEXT);
		return 0;
	}
	return tx_branch_each(tx, &target.volume.uuid, false, add_name, names, err);
}

int refuse_if_data_taken_of(struct engine *engine, const struct ref *ref, const char *name,
			    const char *path, struct fl_error *err)
{
	own(names_done) struct names names = { 0 };
	bool branch = ref->kind == REF_BRANCH;

	if (!data_containers_wanted(engine))
		return 0;
	if (load_names(engine, ref, &names, err) < 0)
		return fl_failed(err);
	if (path ? !path[0] : !names.has_path)
		return 0;
	for (size_t i = 0; i < names.count; i++)
		if (refuse_if_taken(engine, name && !branch ? name : names.volume,
				    name && branch ? name : names.branches[i], err) < 0)
			return fl_failed(err);
	return 0;
}
