/*
 * A round: what data containers there are becomes what there should be.
 *
 * The catalogue is read first, behind the gate; then the engine is talked to, and nothing
 * is held, because it asks our plugin for the volumes meanwhile.  So what was
 * read may be outdated when it is carried out.  That heals: who changed it asked for another
 * round.  A volume that is gone does not come back by it either: our plugin makes none
 * for it (data_containers_makes).
 *
 * Podman does not take a volume of a plugin into a container that is made over Docker's API: it
 * would silently make one of its own, with the name of ours.  Nor does it know names with a slash.
 * There a data container has the branch's path in it, which comes to the same with --volumes-from.
 */

#include <string.h>

#include "base/text.h"
#include "engine/containers.h"
#include "engine/data-container.h"

#define LOCAL "local" /* the engine's own volume driver */

/* A branch of this instance. */
struct place {
	char volume[NAME_TEXT], branch[NAME_TEXT];
	char ref[REF_SHORT];
	char *path;  /* where its data container has it; NULL: it has none; heap */
	bool there;  /* the container is as it should be */
	bool failed; /* it could not be made so */
	bool shadowed;
};

struct data_round {
	struct engine *engine;
	struct docker *docker;
	const char *driver;
	bool asked;	     /* the container engine, for anything */
	bool binds;	     /* its data containers have paths in them, not volumes */
	const char *command; /* what people type */
	char instance[UUID_TEXT];
	struct place *places; /* by ref */
	size_t count;
	struct tx *tx;		  /* while they are read */
	struct volume_row volume; /* then; of the last place */
};

static void data_round_done(struct data_round *round)
{
	for (size_t i = 0; i < round->count; i++)
		free(round->places[i].path);
	free(round->places);
	volume_row_done(&round->volume);
}

static bool is_stopping(struct engine *engine)
{
	own_lock(guard, &engine->data.mutex);

	return engine->data.stopping;
}

/* --- what there should be -------------------------------------------------------------- */

/* As engines write it: "/data/" and "//data" are "/data". */
static char *clean_path(const char *path)
{
	struct text text = { 0 };

	for (const char *p = path; *p;) {
		size_t length;

		p += strspn(p, "/");
		length = strcspn(p, "/");
		if (length > 0)
			text_add_format(&text, "/%.*s", (int)length, p);
		p += length;
	}
	return text.length ? text_take(&text) : xstrdup("/");
}

static int add_place(void *arg, const struct branch_row *row, struct fl_error *err)
{
	struct data_round *round = arg;
	struct place *place;

	if (!uuid_equal(&row->instance, &round->engine->instance))
		return 0;
	if (!uuid_equal(&row->volume, &round->volume.uuid)) {
		volume_row_done(&round->volume);
		round->volume = (struct volume_row){ 0 };
		if (tx_volume_get(round->tx, &row->volume, &round->volume, err) < 0)
			return fl_failed(err);
	}
	place = array_add(round->places, round->count);
	memcpy(place->volume, round->volume.name, NAME_TEXT);
	memcpy(place->branch, row->name, NAME_TEXT);
	snprintf(place->ref, sizeof(place->ref), "%s/%s", place->volume, place->branch);
	if (row->mounted && round->volume.mount_path && round->volume.mount_path[0])
		place->path = clean_path(round->volume.mount_path);
	return 0;
}

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return strcmp(x->ref, y->ref);
}

static struct place *find_place(const struct data_round *round, const char *ref)
{
	struct place key;

	if (!ref || round->count == 0)
		return NULL;
	snprintf(key.ref, sizeof(key.ref), "%s", ref);
	return bsearch(&key, round->places, round->count, sizeof(key), compare_places);
}

/* False: there is no pool, or no catalogue. */
static int load_places(struct data_round *round, bool *ret_known, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_tx struct tx *tx = NULL;
	struct fl_error closed;

	*ret_known = gate_enter(round->engine, &inside, &closed) == 0;
	if (!*ret_known)
		return 0;
	if (tx_begin(round->engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	round->tx = tx;
	if (tx_branch_each(tx, NULL, false, add_place, round, err) < 0)
		return fl_failed(err);
	array_sort(round->places, round->count, compare_places);
	return 0;
}

/* --- containers --------------------------------------------------------------------------- */

static bool is_of(const struct data_round *round, const struct place *place,
		  const struct docker_mount *mount)
{
	own_free char *link = NULL;
	char volume[REF_SHORT];

	if (round->binds) {
		link = link_path(round->engine, place->volume, place->branch);
		return !mount->volume[0] && strcmp(mount->source, link) == 0;
	}
	container_volume_name(place->volume, place->branch, volume);
	return strcmp(mount->volume, volume) == 0 && strcmp(mount->driver, round->driver) == 0;
}

static bool is_right(const struct data_round *round, const struct place *place,
		     const struct docker_container *container)
{
	const struct docker_mount *mount = container->mounts;
	char name[DOCKER_NAME];

	container_data_name(place->volume, place->branch, name);
	return place->path && strcmp(container->name, name) == 0 && container->mount_count == 1 &&
	       is_of(round, place, mount) && strcmp(mount->destination, place->path) == 0;
}

/* Labels come along with an image that somebody made of one of ours: then it may hold anything. */
static int remove_if_ours(struct data_round *round, const struct docker_container *container,
			  bool *ret_ours, struct fl_error *err)
{
	own_docker_container struct docker_container now = { 0 };

	if (docker_inspect(round->docker, container->id, &now, err) < 0)
		return fl_failed(err);
	*ret_ours = docker_is_data(&now);
	return *ret_ours ? docker_remove(round->docker, container->id, err) : 0;
}

/* What is no longer wanted, or not so.  Only that the engine is gone ends the round. */
static int remove_stale(struct data_round *round, const struct docker_container *container,
			struct place *place, struct fl_error *err)
{
	const char *ref = metadata_get(&container->labels, LABEL_BRANCH);
	bool ours = true;
	int r = remove_if_ours(round, container, &ours, err);

	if (r == 0 && !ours) {
		log_debug("a container with our labels is somebody else's", "container=%s",
			  container->name);
		return 0;
	}
	if (r == -FL_UNREACHABLE)
		return fl_failed(err);
	if (r < 0 && r != -FL_NOT_FOUND) {
		fl_add_wrap(err, "removing the data container '%s'", container->name);
		failing_set(round->engine, FAILING_CONTAINER, ref, err);
		if (place)
			place->failed = true;
		return 0;
	}
	log_info("data container removed", "container=%s branch=%s", container->name,
		 ref ? ref : "");
	events_add(&round->engine->events, "container-removed", ref, container->name);
	return 0;
}

static int look_at_actual(struct data_round *round, struct fl_error *err)
{
	own_docker_containers struct docker_containers actual = { 0 };
	char label[sizeof(LABEL_INSTANCE) + UUID_TEXT];
	struct docker_filter filter = { .label = label };

	snprintf(label, sizeof(label), "%s=%s", LABEL_INSTANCE, round->instance);
	if (docker_containers(round->docker, &filter, &actual, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < actual.count && !is_stopping(round->engine); i++) {
		const struct docker_container *container = &actual.items[i];
		struct place *place = find_place(round,
						 metadata_get(&container->labels, LABEL_BRANCH));

		if (place && is_right(round, place, container))
			place->there = true;
		else if (remove_stale(round, container, place, err) < 0)
			return fl_failed(err);
	}
	return 0;
}

/* "": it is done. */
static void note_making(struct engine *engine, const char *volume)
{
	own_lock(guard, &engine->data.mutex);

	snprintf(engine->data.making, sizeof(engine->data.making), "%s", volume);
}

static int create(struct data_round *round, const struct place *place, struct fl_error *err)
{
	own_free char *link = link_path(round->engine, place->volume, place->branch);
	own_metadata struct metadata labels = { 0 };
	char name[DOCKER_NAME], volume[REF_SHORT], id[DOCKER_ID];
	struct docker_data data = {
		.name = name,
		.volume = volume,
		.driver = round->driver,
		.source = round->binds ? link : NULL,
		.path = place->path,
		.labels = &labels,
	};
	int r;

	container_data_name(place->volume, place->branch, name);
	container_volume_name(place->volume, place->branch, volume);
	if (metadata_set(&labels, LABEL_BRANCH, place->ref, err) < 0 ||
	    metadata_set(&labels, LABEL_INSTANCE, round->instance, err) < 0)
		return fl_failed(err);
	note_making(round->engine, volume);
	r = docker_create_data(round->docker, &data, id, err);
	note_making(round->engine, "");
	if (r < 0) {
		if (err->code == FL_EXISTS)
			fl_hint(err,
				"rename or remove the container that has the name: "
				"%s rename %s NEW, %s rm %s",
				round->command, name, round->command, name);
		return fl_wrap(err, "making the data container '%s'", name);
	}
	log_info("data container made", "container=%s branch=%s path=%s", name, place->ref,
		 place->path);
	events_add(&round->engine->events, "container-made", place->ref, name);
	return 0;
}

static int create_missing(struct data_round *round, struct fl_error *err)
{
	for (size_t i = 0; i < round->count && !is_stopping(round->engine); i++) {
		struct place *place = &round->places[i];
		int r;

		if (!place->path || place->there || place->failed)
			continue;
		r = create(round, place, err);
		if (r == -FL_UNREACHABLE)
			return fl_failed(err);
		place->failed = failing_note(round->engine, FAILING_CONTAINER, place->ref, r, err) <
				0;
	}
	return 0;
}

/* --- shadows ------------------------------------------------------------------------------- */

static void report_shadow(struct data_round *round, const struct place *place,
			  const struct docker_volume *volume)
{
	struct fl_error why;

	fl_fail(&why, FL_EXISTS,
		"the container engine has a volume '%s' of its own (%s): containers that name it "
		"get "
		"that one, not this branch",
		volume->name, volume->mountpoint ? volume->mountpoint : "");
	fl_hint(&why,
		"save what is in it, remove the containers that use it, then: %s volume rm %s",
		round->command, volume->name);
	failing_set(round->engine, FAILING_SHADOW, place->ref, &why);
}

static int look_for_shadows(struct data_round *round, struct fl_error *err)
{
	own_docker_volumes struct docker_volumes volumes = { 0 };

	if (docker_volumes(round->docker, LOCAL, &volumes, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < volumes.count; i++) {
		const struct docker_volume *volume = &volumes.items[i];
		char ref[REF_SHORT];
		struct place *place;

		snprintf(ref, sizeof(ref), strchr(volume->name, '/') ? "%.300s" : "%.200s/" TRUNK,
			 volume->name);
		place = find_place(round, ref);
		if (!place)
			continue;
		place->shadowed = true;
		report_shadow(round, place, volume);
	}
	return 0;
}

/* --- what is told ---------------------------------------------------------------------------- */

/* What failed and does not any more; what was about a branch that is gone is forgotten. */
static void clear_failures(const struct data_round *round)
{
	own_free struct failure *failures = NULL;
	size_t count;
	bool more;

	failing_list(round->engine, &failures, &count, &more);
	for (size_t i = 0; i < count; i++) {
		const struct place *place = find_place(round, failures[i].object);
		enum failing what = failures[i].what;
		bool fails = place && (what == FAILING_SHADOW ? place->shadowed : place->failed);

		if ((what == FAILING_CONTAINER || what == FAILING_SHADOW) && !fails)
			(place ? failing_clear : failing_forget)(round->engine, what,
								 failures[i].object);
	}
}

static int run(struct data_round *round, struct fl_error *err)
{
	struct docker_version version;
	bool known;

	if (load_places(round, &known, err) < 0)
		return fl_failed(err);
	if (!known)
		return 0;
	round->asked = true;
	if (docker_version(round->docker, &version, err) < 0)
		return fl_failed(err);
	round->binds = strstr(version.name, "Podman") != NULL;
	round->command = round->binds ? "podman" : "docker";
	if (look_at_actual(round, err) < 0 || create_missing(round, err) < 0 ||
	    look_for_shadows(round, err) < 0)
		return fl_failed(err);
	clear_failures(round);
	return 0;
}

static uint64_t begin(struct engine *engine)
{
	own_lock(guard, &engine->data.mutex);

	return engine->data.wanted;
}

static void end(struct engine *engine, uint64_t number)
{
	own_lock(guard, &engine->data.mutex);

	engine->data.done = number;
	pthread_cond_broadcast(&engine->data.changed);
}

int data_containers_round(struct engine *engine, struct fl_error *err)
{
	own(data_round_done) struct data_round round = {
		.engine = engine,
		.docker = containers_engine(engine),
		.driver = containers_driver(engine),
	};
	uint64_t number = begin(engine);
	int r;

	uuid_format(&engine->instance, round.instance);
	r = run(&round, err);
	if (round.asked)
		note_engine(engine, r, err);
	end(engine, number);
	return r;
}
