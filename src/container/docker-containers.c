#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "container/docker-internal.h"

/* Containers: what they are, and their starting and stopping. */

#define STOP_SECONDS 10 /* a container's patience, where it says nothing */

void docker_container_done(struct docker_container *container)
{
	for (size_t i = 0; i < container->mount_count; i++) {
		free(container->mounts[i].volume);
		free(container->mounts[i].driver);
		free(container->mounts[i].source);
		free(container->mounts[i].destination);
	}
	free(container->mounts);
	free(container->image);
	metadata_done(&container->labels);
	*container = (struct docker_container){ 0 };
}

void docker_containers_done(struct docker_containers *containers)
{
	for (size_t i = 0; i < containers->count; i++)
		docker_container_done(&containers->items[i]);
	free(containers->items);
	*containers = (struct docker_containers){ 0 };
}

/* --- reading ---------------------------------------------------------------------------- */

static bool is_id(const char *text)
{
	size_t length = strspn(text, "0123456789abcdef");

	return length == DOCKER_ID - 1 && text[length] == '\0';
}

static void read_labels(const json_t *labels, struct metadata *ret)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)labels, key, value)
	{
		const char *text = json_string_value(value);
		struct fl_error unfit;

		if (text && metadata_set(ret, key, text, &unfit) < 0)
			continue; /* no label of ours: those are names */
	}
}

/* Neither a tmpfs nor a part of an image is anything of the host's. */
static bool read_mount(const json_t *mount, struct docker_container *container)
{
	struct fields fields = { mount, false };
	const char *type = fields_text(&fields, "Type");
	bool is_volume = strcmp(type, "volume") == 0;
	struct docker_mount read = {
		.writable = fields_bool(&fields, "RW"),
	};

	if (fields.bad || !json_is_object(mount))
		return false;
	if (!is_volume && strcmp(type, "bind") != 0)
		return true;
	read.volume = xstrdup(is_volume ? fields_text(&fields, "Name") : "");
	read.driver = xstrdup(is_volume ? fields_text(&fields, "Driver") : "");
	read.source = xstrdup(fields_text(&fields, "Source"));
	read.destination = xstrdup(fields_text(&fields, "Destination"));
	*array_add(container->mounts, container->mount_count) = read;
	return !fields.bad;
}

static bool read_mounts(const json_t *mounts, struct docker_container *container)
{
	bool good = true;

	for (size_t i = 0; i < json_array_size(mounts); i++)
		good = read_mount(json_array_get(mounts, i), container) && good;
	return good;
}

static bool copy_name(const char *name, char ret[static DOCKER_NAME])
{
	if (*name == '/')
		name++;
	snprintf(ret, DOCKER_NAME, "%s", name);
	return *name && strlen(name) < DOCKER_NAME;
}

/* Its own name, not those that containers linked to it give it ("/web/db"). */
static bool read_listed_name(const json_t *names, char ret[static DOCKER_NAME])
{
	for (size_t i = 0; i < json_array_size(names); i++) {
		const char *name = json_string_value(json_array_get(names, i));

		if (name && *name && !strchr(name + 1, '/'))
			return copy_name(name, ret);
	}
	return false;
}

static bool read_listed(const json_t *object, struct docker_container *ret)
{
	struct fields fields = { object, false };
	const char *state = fields_text(&fields, "State");

	fields_copy(&fields, "Id", ret->id, sizeof(ret->id));
	ret->image = xstrdup(fields_text(&fields, "Image"));
	ret->paused = strcmp(state, "paused") == 0;
	ret->running = ret->paused || strcmp(state, "running") == 0;
	read_labels(fields_object(&fields, "Labels"), &ret->labels);
	return read_listed_name(fields_array(&fields, "Names"), ret->name) &&
	       read_mounts(fields_array(&fields, "Mounts"), ret) && !fields.bad && is_id(ret->id);
}

/* Times before 1970 mean that there is none. */
static int64_t read_time(const char *text)
{
	struct fl_error none;
	int64_t time;

	return clock_parse(text, &time, &none) < 0 ? 0 : time;
}

static bool read_inspected(const json_t *object, struct docker_container *ret)
{
	struct fields fields = { object, false };
	struct fields state = { fields_object(&fields, "State"), false };
	struct fields config = { fields_object(&fields, "Config"), false };
	struct fields host = { fields_object(&fields, "HostConfig"), false };
	int64_t pid = fields_int(&state, "Pid");

	fields_copy(&fields, "Id", ret->id, sizeof(ret->id));
	ret->image = xstrdup(fields_text(&config, "Image"));
	ret->paused = fields_bool(&state, "Paused");
	ret->running = fields_bool(&state, "Running") || ret->paused;
	ret->pid = ret->running && pid > 0 && pid <= INT32_MAX ? (pid_t)pid : 0;
	ret->started = read_time(fields_text(&state, "StartedAt"));
	ret->auto_remove = fields_bool(&host, "AutoRemove");
	read_labels(fields_object(&config, "Labels"), &ret->labels);
	return copy_name(fields_text(&fields, "Name"), ret->name) && is_id(ret->id) &&
	       read_mounts(fields_array(&fields, "Mounts"), ret) && state.object && !fields.bad &&
	       !state.bad && !config.bad;
}

/* --- asking ------------------------------------------------------------------------------ */

static bool is_wanted(const struct docker_container *container, const struct docker_filter *filter)
{
	if (filter->running && !container->running)
		return false;
	if (!filter->volume)
		return true;
	for (size_t i = 0; i < container->mount_count; i++)
		if (strcmp(container->mounts[i].volume, filter->volume) == 0)
			return true;
	return false;
}

static char *list_target(const struct docker_filter *filter)
{
	own_text struct text filters = { 0 };
	struct text target = { 0 };
	struct json json;

	text_add_format(&target, "/containers/json?all=%d", !filter->running);
	if (!filter->label)
		return text_take(&target);
	json_init(&json, &filters);
	json_put_object(&json, NULL);
	json_put_array(&json, "label");
	json_put_string(&json, NULL, filter->label);
	json_end(&json);
	json_end(&json);
	text_add_string(&target, "&filters=");
	docker_add_encoded(&target, text_get(&filters));
	return text_take(&target);
}

/*
 * Volumes are looked for in the answer: engines also find those that are mounted
 * at a path of that name, and do not agree about names with a slash.
 */
int docker_containers(struct docker *docker, const struct docker_filter *filter,
		      struct docker_containers *ret, struct fl_error *err)
{
	own_free char *target = list_target(filter);
	const struct docker_request request = {
		.method = "GET",
		.target = target,
		.repeatable = true,
		.about = "its containers",
	};
	own_docker_containers struct docker_containers found = { 0 };
	own_json json_t *root = NULL;

	if (docker_ask(docker, &request, &root, err) < 0)
		return fl_failed(err);
	if (!json_is_array(root))
		return docker_nonsense("its containers are no list", err);
	for (size_t i = 0; i < json_array_size(root); i++) {
		own_docker_container struct docker_container one = { 0 };

		if (!read_listed(json_array_get(root, i), &one))
			return docker_nonsense("it lists what is no container", err);
		if (is_wanted(&one, filter)) {
			*array_add(found.items, found.count) = one;
			one = (struct docker_container){ 0 };
		}
	}
	*ret = (struct docker_containers){ take_ptr(found.items), found.count };
	found.count = 0;
	return 0;
}

/* "container 'web'", and where it is asked after. */
struct subject {
	char about[DOCKER_NAME + 16];
	struct text target;
};

static void subject_done(struct subject *subject)
{
	text_done(&subject->target);
}
#define own_subject own(subject_done)

static struct subject subject_of(const char *container, const char *verb)
{
	struct subject subject = { 0 };

	snprintf(subject.about, sizeof(subject.about), "container '%.200s'", container);
	text_add_string(&subject.target, "/containers/");
	docker_add_encoded(&subject.target, container);
	text_add_string(&subject.target, verb);
	return subject;
}

static int inspect(struct docker *docker, const char *container, json_t **ret, struct fl_error *err)
{
	own_subject struct subject subject = subject_of(container, "/json");
	const struct docker_request request = {
		.method = "GET",
		.target = text_get(&subject.target),
		.repeatable = true,
		.about = subject.about,
	};

	if (docker_check_container(container, err) < 0)
		return fl_failed(err);
	return docker_ask(docker, &request, ret, err);
}

int docker_inspect(struct docker *docker, const char *container, struct docker_container *ret,
		   struct fl_error *err)
{
	own_docker_container struct docker_container one = { 0 };
	own_json json_t *root = NULL;

	if (inspect(docker, container, &root, err) < 0)
		return fl_failed(err);
	if (!read_inspected(root, &one))
		return docker_nonsense("what it shows is no container", err);
	*ret = one;
	one = (struct docker_container){ 0 };
	return 0;
}

/* --- acting -------------------------------------------------------------------------------- */

int docker_start(struct docker *docker, const char *container, struct fl_error *err)
{
	own_subject struct subject subject = subject_of(container, "/start");
	const struct docker_request request = {
		.method = "POST",
		.target = text_get(&subject.target),
		.repeatable = true,
		.about = subject.about,
	};

	if (docker_check_container(container, err) < 0)
		return fl_failed(err);
	return docker_ask(docker, &request, NULL, err);
}

/* How long its own patience is, in seconds. */
static int own_patience(struct docker *docker, const char *container, int *ret,
			struct fl_error *err)
{
	own_json json_t *root = NULL;
	struct fields fields = { 0 }, config = { 0 };
	int64_t seconds;

	if (inspect(docker, container, &root, err) < 0)
		return fl_failed(err);
	fields.object = root;
	config.object = fields_object(&fields, "Config");
	seconds = fields_int(&config, "StopTimeout");
	if (fields.bad || config.bad)
		return docker_nonsense("what it shows is no container", err);
	*ret = seconds > 0 && seconds < 24 * 3600 ? (int)seconds : STOP_SECONDS;
	return 0;
}

/* After a stop that the engine says it has done, or failed to do: the truth. */
static int check_stopped(struct docker *docker, const char *container, struct fl_error *err)
{
	own_docker_container struct docker_container now = { 0 };

	if (docker_inspect(docker, container, &now, err) < 0)
		return fl_failed(err);
	if (now.running)
		return fl_fail(err, FL_BUSY, "container '%s' still runs", now.name);
	return 0;
}

int docker_stop(struct docker *docker, const char *container, int seconds, struct fl_error *err)
{
	own_subject struct subject subject = subject_of(container, "/stop");
	struct docker_request request = {
		.method = "POST",
		.repeatable = true,
		.about = subject.about,
	};
	struct fl_error why = { 0 };
	int patience = seconds;

	if (docker_check_container(container, err) < 0 ||
	    (seconds < 0 && own_patience(docker, container, &patience, err) < 0))
		return fl_failed(err);
	if (seconds >= 0)
		text_add_format(&subject.target, "?t=%d", seconds);
	request.target = text_get(&subject.target);
	request.patience = patience * CLOCK_SECOND;
	if (docker_ask(docker, &request, NULL, &why) == 0)
		return check_stopped(docker, container, err);
	if (why.code != FL_SYSTEM || check_stopped(docker, container, err) < 0) {
		if (why.code != FL_SYSTEM || err->code != FL_BUSY)
			*err = why;
		else
			fl_wrap(err, "%s", why.text);
		return fl_failed(err);
	}
	return 0; /* it had ended by itself meanwhile */
}

int docker_remove(struct docker *docker, const char *container, struct fl_error *err)
{
	own_subject struct subject subject = subject_of(container, "?v=false&force=false");
	const struct docker_request request = {
		.method = "DELETE",
		.target = text_get(&subject.target),
		.about = subject.about,
	};
	struct docker_container now = { 0 };
	struct fl_error hidden;
	int r;

	r = docker_check_container(container, err);
	if (r == 0)
		r = docker_ask(docker, &request, NULL, err);
	if (r != -FL_SYSTEM)
		return r;
	/* Podman says only that it failed. */
	if (docker_inspect(docker, container, &now, &hidden) == 0 && now.running)
		err->code = FL_BUSY;
	docker_container_done(&now);
	return fl_failed(err);
}
