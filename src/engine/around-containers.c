/*
 * Containers around a rollback.
 *
 * A container that is stopped by the engine's own call is left alone by its restart policy
 * until somebody starts it, and then has it again; only an engine that is itself
 * started anew in between may start those with `always`, and that is looked for
 * (around.c).  Containers that do not run, and data containers, are never touched.  Some must not
 * be stopped: one that was paused, since whoever did that wants it as it is, and would get it back
 * running; and one that goes when it is stopped (--rm).
 */

#include <string.h>

#include "engine/around.h"
#include "engine/containers.h"

static bool is_listed(const struct around_users *users, size_t from, const char *id)
{
	for (size_t i = from; i < users->count; i++)
		if (strcmp(users->items[i].id, id) == 0)
			return true;
	return false;
}

static int refuse(const struct docker_container *container, const char *is, const char *first,
		  struct fl_error *err)
{
	fl_fail(err, FL_BUSY, "container '%s' %s", container->name, is);
	fl_object(err, "%s", container->name);
	return fl_hint(err, "%s; or give it the new contents as it runs: --live", first);
}

static int check_stop(const struct docker_container *container, struct fl_error *err)
{
	if (container->paused)
		return refuse(container, "is paused", "unpause or stop it first", err);
	if (container->auto_remove)
		return refuse(container, "would be gone once it is stopped (--rm)",
			      "stop it yourself first", err);
	return 0;
}

static int add_user(struct docker *docker, const char *id, bool stop, struct around_users *users,
		    struct fl_error *err)
{
	own_docker_container struct docker_container now = { 0 };
	int r = docker_inspect(docker, id, &now, err);
	struct around_user *user;

	if (r == -FL_NOT_FOUND || (r == 0 && !now.running)) /* it ended just now */
		return 0;
	if (r < 0 || (stop && check_stop(&now, err) < 0))
		return fl_failed(err);
	user = array_add(users->items, users->count);
	user->kind = &around_containers;
	snprintf(user->id, sizeof(user->id), "%s", now.id);
	snprintf(user->name, sizeof(user->name), "%.255s", now.name);
	user->started = now.started;
	user->pid = now.pid;
	return 0;
}

static int list(struct engine *engine, const struct around_branch *branch, bool stop,
		struct around_users *users, struct fl_error *err)
{
	own_container_uses struct container_uses uses = { 0 };
	size_t from = users->count;

	if (containers_using(engine, branch->volume, branch->name, &uses, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < uses.count; i++) {
		const struct container_use *use = &uses.items[i];

		/* One that sees the branch in two places is in there twice. */
		if (use->running && !use->data && !is_listed(users, from, use->id) &&
		    add_user(containers_engine(engine), use->id, stop, users, err) < 0)
			return fl_failed(err);
	}
	return 0;
}

static int engine_of(struct engine *engine, struct docker **ret, struct fl_error *err)
{
	*ret = containers_engine(engine);
	if (*ret)
		return 0;
	return fl_fail(err, FL_UNREACHABLE, "no container engine is configured (docker.socket)");
}

static int stop(struct engine *engine, const char *id, struct fl_error *err)
{
	struct docker *docker;

	if (engine_of(engine, &docker, err) < 0)
		return fl_failed(err);
	if (docker_stop(docker, id, -1, err) < 0 && err->code != FL_NOT_FOUND)
		return fl_failed(err);
	return 0;
}

static int start(struct engine *engine, const char *id, int64_t since, struct fl_error *err)
{
	own_docker_container struct docker_container now = { 0 };
	struct docker *docker;

	if (engine_of(engine, &docker, err) < 0 || docker_inspect(docker, id, &now, err) < 0)
		return fl_failed(err);
	if (now.running && now.started < since && docker_stop(docker, id, -1, err) < 0)
		return fl_failed(err);
	return docker_start(docker, id, err);
}

const struct around_kind around_containers = {
	.word = "container",
	.done = "what a rollback stopped runs again",
	.failing = FAILING_STOPPED,
	.patience = AROUND_PATIENCE,
	.list = list,
	.stop = stop,
	.start = start,
};
