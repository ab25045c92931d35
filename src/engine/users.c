#include "engine/users.h"

#include <string.h>

#include "base/text.h"
#include "engine/containers.h"

#define NAMED 5 /* containers in an error */

void users_done(struct users *users)
{
	for (size_t i = 0; i < users->container_count; i++)
		free(users->containers[i].destination);
	free(users->containers);
	*users = (struct users){ 0 };
}

/* --- which branches ----------------------------------------------------------------------- */

struct asked {
	struct engine *engine;
	char volume[NAME_TEXT];
	char object[REF_SHORT];	     /* what was asked for, for messages */
	struct branch_row *branches; /* heap */
	size_t count;
};

static void asked_done(struct asked *asked)
{
	free(asked->branches);
}

static int add_branch(void *arg, const struct branch_row *row, struct fl_error *err)
{
	struct asked *asked = arg;

	if (uuid_equal(&row->instance, &asked->engine->instance))
		*array_add(asked->branches, asked->count) = *row;
	return 0;
}

static int load_branches(struct engine *engine, const struct ref *ref, struct asked *asked,
			 struct fl_error *err)
{
	own_target struct target target = { 0 };
	own_gate struct engine *inside = NULL;
	own_tx struct tx *tx = NULL;

	asked->engine = engine;
	if (gate_enter(engine, &inside, err) < 0 || tx_begin(engine->catalog, &tx, err) < 0 ||
	    resolve(engine, tx, ref, &target, err) < 0)
		return fl_failed(err);
	memcpy(asked->volume, target.volume.name, NAME_TEXT);
	if (ref->kind == REF_VOLUME) {
		snprintf(asked->object, sizeof(asked->object), "%s", target.volume.name);
		return tx_branch_each(tx, &target.volume.uuid, false, add_branch, asked, err);
	}
	target_format(&target, asked->object);
	return add_branch(asked, &target.branch, err);
}

/* --- containers ------------------------------------------------------------------------------ */

static void add_uses(struct users *users, const char *ref, struct container_uses *uses)
{
	for (size_t i = 0; i < uses->count; i++) {
		struct container_user *user = array_add(users->containers, users->container_count);
		struct container_use *use = &uses->items[i];

		snprintf(user->ref, sizeof(user->ref), "%s", ref);
		snprintf(user->id, sizeof(user->id), "%s", use->id);
		snprintf(user->name, sizeof(user->name), "%s", use->name);
		user->destination = take_ptr(use->destination);
		user->running = use->running;
		user->data = use->data;
	}
}

/* `docker`: as for containers_using_by(). */
static int find_containers(const struct asked *asked, struct docker *docker, struct users *users,
			   struct fl_error *err)
{
	for (size_t i = 0; i < asked->count; i++) {
		own_container_uses struct container_uses uses = { 0 };
		const char *branch = asked->branches[i].name;
		char ref[REF_SHORT];

		if (containers_using_by(asked->engine, docker, asked->volume, branch, &uses, err) <
		    0)
			return fl_failed(err);
		snprintf(ref, sizeof(ref), "%s/%s", asked->volume, branch);
		add_uses(users, ref, &uses);
	}
	return 0;
}

/* What the command is called that people have for the engine. */
static const char *command_of(struct engine *engine)
{
	struct docker_version version;
	struct fl_error err;

	if (docker_version(containers_engine(engine), &version, &err) == 0 &&
	    strstr(version.name, "Podman"))
		return "podman";
	return "docker";
}

static void hint_containers(struct engine *engine, const struct text *running,
			    const struct text *all, struct fl_error *err)
{
	const char *command = command_of(engine);

	if (running->length)
		fl_add_hint(err, "stop and remove them first: %s stop%s && %s rm%s", command,
			    text_get(running), command, text_get(all));
	else
		fl_add_hint(err, "remove them first, their data stays: %s rm%s", command,
			    text_get(all));
}

static int fail_contained(struct engine *engine, const struct users *users, const char *object,
			  struct fl_error *err)
{
	own_text struct text who = { 0 }, running = { 0 }, all = { 0 };
	size_t count = 0;

	for (size_t i = 0; i < users->container_count; i++) {
		const struct container_user *user = &users->containers[i];

		if (user->data || count++ >= NAMED)
			continue;
		text_add_format(&who, "%s%s (%s, at %.100s)", who.length ? ", " : "", user->name,
				user->running ? "running" : "not running", user->destination);
		text_add_format(&all, " %s", user->name);
		if (user->running)
			text_add_format(&running, " %s", user->name);
	}
	if (count == 0)
		return 0;
	if (count > NAMED)
		text_add_format(&who, " and %zu more", count - NAMED);
	fl_fail(err, FL_BUSY, "%s is used by the container%s %s", object, count > 1 ? "s" : "",
		text_get(&who));
	hint_containers(engine, &running, &all, err);
	return fl_object(err, "%s", object);
}

int refuse_if_contained(struct engine *engine, const struct ref *ref, struct fl_error *err)
{
	own(asked_done) struct asked asked = { 0 };
	own_users struct users users = { 0 };

	if (!containers_engine(engine))
		return 0;
	if (load_branches(engine, ref, &asked, err) < 0)
		return fl_failed(err);
	if (find_containers(&asked, NULL, &users, err) < 0) {
		if (err->code == FL_UNREACHABLE)
			fl_hint(err, "start the container engine; or, if there is none any more: "
				     "flocker config set docker.socket '', and restart flockerd");
		return fl_wrap(err, "looking for containers that use %s", asked.object);
	}
	return fail_contained(engine, &users, asked.object, err);
}

/* --- processes ------------------------------------------------------------------------------- */

void engine_name_holders(struct engine *engine, struct holders *holders)
{
	struct docker *docker = containers_engine(engine);
	size_t shown = holders->count < HOLDERS ? holders->count : HOLDERS;

	for (size_t i = 0; docker && i < shown; i++) {
		own_docker_container struct docker_container container = { 0 };
		struct holder *holder = &holders->items[i];
		struct fl_error err;

		if (!holder->container[0])
			continue;
		if (docker_inspect(docker, holder->container, &container, &err) == 0)
			snprintf(holder->container, sizeof(holder->container), "%s",
				 container.name);
	}
}

int name_refusal(struct engine *engine, struct holders *holders, struct fl_error *err)
{
	char object[sizeof(err->object)];

	if (holders->count == 0)
		return fl_failed(err);
	memcpy(object, err->object, sizeof(object));
	engine_name_holders(engine, holders);
	return fail_held(object, holders, err);
}

static int find_processes(const struct asked *asked, struct holders *ret, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_free struct tree *trees = NULL;
	size_t count = 0;

	if (gate_enter(asked->engine, &inside, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < asked->count; i++)
		*array_add(trees, count) = tree_head(&asked->branches[i].uuid);
	return find_holders(asked->engine, trees, count, true, ret, err);
}

int engine_users(struct engine *engine, const struct ref *ref, struct users *ret,
		 struct fl_error *err)
{
	own(asked_done) struct asked asked = { 0 };
	own_users struct users users = { 0 };
	own_docker struct docker *docker = NULL;

	if (check_form(ref, FORM_VOLUME | FORM_BRANCH, "showing who uses it", err) < 0 ||
	    load_branches(engine, ref, &asked, err) < 0 ||
	    find_processes(&asked, &users.processes, err) < 0)
		return fl_failed(err);
	if (containers_engine(engine))
		docker = docker_new(docker_socket(containers_engine(engine)), CONTAINERS_GLANCE);
	/* That is an answer, too; and one that hangs is not asked for names as well. */
	if (find_containers(&asked, docker, &users, &users.trouble) == 0) {
		users.trouble = (struct fl_error){ 0 };
		engine_name_holders(engine, &users.processes);
	}
	*ret = users;
	users = (struct users){ 0 };
	return 0;
}
