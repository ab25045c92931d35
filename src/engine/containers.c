/*
 * Which containers use a branch.
 *
 * Two ways lead from a container to a branch: a volume of our plugin, which carries the branch's
 * name, and a bind, which is a path.  A path may be written in many ways
 * (/flocker/mydata/trunk/db, /flocker/.heads/..., a link that an administrator made
 * to either), so both sides are resolved before they are compared.  Binds of a directory above
 * the branch do not count: a container that backs up the whole host is not to be stopped for
 * one branch.  What processes really hold is another question, which the kernel answers (use.c).
 */

#include <string.h>

#include "base/fsat.h"
#include "base/path.h"
#include "base/text.h"
#include "container/resolve.h"
#include "engine/containers.h"

#define ANSWER (30 * CLOCK_SECOND) /* that an engine has for one answer */

#define NOTE_FILE "container-engine" /* the socket of the one that has answered */
#define NOTE_LIMIT 4096

static bool is_noted(struct engine *engine, const char *socket)
{
	own_text struct text noted = { 0 };
	struct fl_error err;
	int r = fsat_read(engine->state_fd, NOTE_FILE, NOTE_LIMIT, &noted, &err);

	if (r < 0 && r != -FL_NOT_FOUND)
		log_warning("whether there was a container engine can't be told", "error=\"%s\"",
			    err.text);
	/* Better one too many than containers whose branches are taken away. */
	return r == 0 ? strcmp(text_get(&noted), socket) == 0 : r != -FL_NOT_FOUND;
}

void containers_note_engine(struct engine *engine)
{
	const char *socket = docker_socket(engine->docker);
	struct fl_error err;

	docker_set_answered(engine->docker);
	if (engine->docker_noted)
		return;
	if (fsat_write(engine->state_fd, NOTE_FILE, socket, strlen(socket), 0600, true, &err) < 0)
		log_warning("that there is a container engine can't be noted", "error=\"%s\"",
			    err.text);
	else
		engine->docker_noted = true;
}

void containers_open(struct engine *engine)
{
	own_free char *plugin = NULL;
	const char *name;
	size_t length;

	if (!engine->config)
		return;
	own_free char *socket = config_string(engine->config, CONFIG_DOCKER_SOCKET);
	plugin = config_string(engine->config, CONFIG_DOCKER_PLUGIN);
	if (*socket)
		engine->docker = docker_new(socket, ANSWER);
	engine->docker_noted = engine->docker && is_noted(engine, socket);
	if (engine->docker_noted)
		docker_set_answered(engine->docker);
	name = strrchr(plugin, '/');
	name = name ? name + 1 : plugin;
	length = strlen(name);
	if (length > 5 && strcmp(name + length - 5, ".sock") == 0)
		length -= 5;
	engine->docker_driver = strndup(name, length);
}

void containers_close(struct engine *engine)
{
	docker_free(engine->docker);
	free(engine->docker_driver);
}

const char *containers_driver(const struct engine *engine)
{
	return engine->docker_driver ? engine->docker_driver : "";
}

struct docker *containers_engine(const struct engine *engine)
{
	return engine->docker;
}

void container_uses_done(struct container_uses *uses)
{
	for (size_t i = 0; i < uses->count; i++)
		free(uses->items[i].destination);
	free(uses->items);
	*uses = (struct container_uses){ 0 };
}

void container_volume_name(const char *volume, const char *branch, char ret[static REF_SHORT])
{
	if (strcmp(branch, TRUNK) == 0)
		snprintf(ret, REF_SHORT, "%s", volume);
	else
		snprintf(ret, REF_SHORT, "%s/%s", volume, branch);
}

void container_data_name(const char *volume, const char *branch, char ret[static DOCKER_NAME])
{
	if (strcmp(branch, TRUNK) == 0)
		snprintf(ret, DOCKER_NAME, "flocker-%s-data", volume);
	else
		snprintf(ret, DOCKER_NAME, "flocker-%s.%s-data", volume, branch);
}

/* --- one branch ------------------------------------------------------------------------ */

struct sought {
	char volume[REF_SHORT]; /* what engines call it */
	char data[DOCKER_NAME]; /* its data container's name */
	const char *driver;
	char *link; /* heap: where the branch is seen */
	char *head; /* heap: where that leads to, without any link; NULL: nowhere */
	struct resolver resolver;
};

static void sought_done(struct sought *sought)
{
	free(sought->link);
	free(sought->head);
	resolver_done(&sought->resolver);
}

static int seek(struct engine *engine, const char *volume, const char *branch, struct sought *ret,
		struct fl_error *err)
{
	struct sought sought = { .driver = containers_driver(engine) };

	if (resolver_open(engine->mount_root, &sought.resolver, err) < 0)
		return fl_failed(err);
	container_volume_name(volume, branch, sought.volume);
	container_data_name(volume, branch, sought.data);
	sought.link = link_path(engine, volume, branch);
	sought.head = resolver_follow(&sought.resolver, sought.link);
	*ret = sought;
	return 0;
}

/*
 * As it is written, for a branch that is not mounted at present; and as it is
 * resolved.  What can't be resolved leads nowhere, and is no bind of a branch.
 */
static bool is_bound(const char *source, const struct sought *sought)
{
	own_free char *real = NULL;

	if (path_is_in(source, sought->link))
		return true;
	if (!sought->head)
		return false;
	real = resolver_follow(&sought->resolver, source);
	return real && path_is_in(real, sought->head);
}

static const struct docker_mount *find_mount(const struct docker_container *container,
					     const struct sought *sought)
{
	for (size_t i = 0; i < container->mount_count; i++) {
		const struct docker_mount *mount = &container->mounts[i];
		bool ours = mount->volume[0] && *sought->driver &&
			    strcmp(mount->driver, sought->driver) == 0;

		if (ours ? strcmp(mount->volume, sought->volume) == 0
			 : is_bound(mount->source, sought))
			return mount;
	}
	return NULL;
}

/* What a list does not tell of those that run; `*ret_gone`: there is none any more. */
static int look_closer(struct docker *docker, struct container_use *use, bool *ret_gone,
		       struct fl_error *err)
{
	own_docker_container struct docker_container now = { 0 };
	int r = docker_inspect(docker, use->id, &now, err);

	*ret_gone = r == -FL_NOT_FOUND;
	if (r < 0)
		return *ret_gone ? 0 : r;
	use->running = now.running;
	use->pid = now.pid;
	use->started = now.running ? now.started : 0;
	return 0;
}

static int add_use(struct docker *docker, const struct docker_container *container,
		   const struct docker_mount *mount, const struct sought *sought,
		   struct container_uses *uses, struct fl_error *err)
{
	struct container_use use = { .running = container->running };
	bool gone = false;

	memcpy(use.id, container->id, sizeof(use.id));
	memcpy(use.name, container->name, sizeof(use.name));
	use.data = strcmp(container->name, sought->data) == 0;
	if (use.running && look_closer(docker, &use, &gone, err) < 0)
		return fl_failed(err);
	if (gone)
		return 0;
	use.destination = xstrdup(mount->destination);
	*array_add(uses->items, uses->count) = use;
	return 0;
}

static int compare_uses(const void *a, const void *b)
{
	const struct container_use *x = a, *y = b;

	if (x->running != y->running)
		return x->running ? -1 : 1;
	if (x->started != y->started)
		return x->started < y->started ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* No socket, and none that ever answered: this host has no engine. */
static bool is_absent(struct docker *docker, const struct fl_error *err)
{
	return err->code == FL_UNREACHABLE && (err->sys == ENOENT || err->sys == ENOTDIR) &&
	       !docker_has_answered(docker);
}

int containers_using(struct engine *engine, const char *volume, const char *branch,
		     struct container_uses *ret, struct fl_error *err)
{
	return containers_using_by(engine, NULL, volume, branch, ret, err);
}

int containers_using_by(struct engine *engine, struct docker *docker, const char *volume,
			const char *branch, struct container_uses *ret, struct fl_error *err)
{
	const struct docker_filter all = { .running = false };
	own_docker_containers struct docker_containers found = { 0 };
	own_container_uses struct container_uses uses = { 0 };
	own(sought_done) struct sought sought = { 0 };

	*ret = (struct container_uses){ 0 };
	if (!engine->docker)
		return 0;
	if (!docker)
		docker = engine->docker;
	if (docker_containers(docker, &all, &found, err) < 0)
		return is_absent(engine->docker, err) ? 0 : fl_failed(err);
	containers_note_engine(engine);
	if (seek(engine, volume, branch, &sought, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < found.count; i++) {
		const struct docker_mount *mount = find_mount(&found.items[i], &sought);

		if (mount && add_use(docker, &found.items[i], mount, &sought, &uses, err) < 0)
			return fl_failed(err);
	}
	array_sort(uses.items, uses.count, compare_uses);
	*ret = uses;
	uses = (struct container_uses){ 0 };
	return 0;
}

/* --- what there is, for those who look on --------------------------------------------------- */

/* On a connection of its own: one that is slow keeps nobody waiting for longer than this. */
void containers_report(struct engine *engine, struct container_report *ret)
{
	own_docker struct docker *docker = NULL;

	*ret = (struct container_report){ .configured = engine->docker != NULL };
	if (!engine->docker)
		return;
	docker = docker_new(docker_socket(engine->docker), CONTAINERS_GLANCE);
	snprintf(ret->socket, sizeof(ret->socket), "%s", docker_socket(docker));
	ret->answers = docker_version(docker, &ret->version, &ret->trouble) == 0;
}
