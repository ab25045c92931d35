#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "container/docker-internal.h"

/*
 * Containers that hold a volume and never run, and volumes.
 *
 * Such a container needs an image, which holds nothing: an empty archive, of two blocks
 * of zeros, that is imported.  Both engines know a container only with a command:
 * one that would fail if somebody started it.
 */

#define IMAGE "localhost/flocker-data" /* "localhost": no registry is meant; Podman insists */
#define IMAGE_TAG "latest"	       /* Podman knows no other for what it imports */
#define TAR_END 1024		       /* bytes of zeros that end an archive */

static int import_image(struct docker *docker, struct fl_error *err)
{
	static const char nothing[TAR_END];
	const struct docker_request request = {
		.method = "POST",
		.target = "/images/create?fromSrc=-&repo=" IMAGE "&tag=" IMAGE_TAG,
		.type = "application/x-tar",
		.body = nothing,
		.length = sizeof(nothing),
		.repeatable = true,
		.about = "the empty image " IMAGE,
	};

	return docker_ask(docker, &request, NULL, err);
}

static void write_mount(struct json *json, const struct docker_data *data)
{
	json_put_object(json, NULL);
	json_put_string(json, "Type", data->source ? "bind" : "volume");
	json_put_string(json, "Source", data->source ? data->source : data->volume);
	json_put_string(json, "Target", data->path);
	if (data->source) {
		json_end(json);
		return;
	}
	json_put_object(json, "VolumeOptions");
	json_put_bool(json, "NoCopy", true);
	json_put_object(json, "DriverConfig");
	json_put_string(json, "Name", data->driver);
	json_end(json);
	json_end(json);
	json_end(json);
}

static void write_data(const struct docker_data *data, struct text *out)
{
	struct json json;

	json_init(&json, out);
	json_put_object(&json, NULL);
	json_put_string(&json, "Image", IMAGE ":" IMAGE_TAG);
	json_put_array(&json, "Cmd");
	json_put_string(&json, NULL, "/this-container-only-holds-a-volume");
	json_end(&json);
	json_put_object(&json, "Labels");
	for (size_t i = 0; data->labels && i < data->labels->count; i++)
		json_put_string(&json, data->labels->pairs[i].key, data->labels->pairs[i].value);
	json_end(&json);
	json_put_object(&json, "HostConfig");
	json_put_string(&json, "NetworkMode", "none");
	json_put_array(&json, "Mounts");
	write_mount(&json, data);
	json_end(&json);
	json_end(&json);
	json_end(&json);
}

static int read_id(const json_t *root, char ret[static DOCKER_ID], struct fl_error *err)
{
	struct fields fields = { root, false };
	char id[DOCKER_ID];

	fields_copy(&fields, "Id", id, sizeof(id));
	if (fields.bad || strlen(id) != DOCKER_ID - 1)
		return docker_nonsense("what it made has no id", err);
	memcpy(ret, id, sizeof(id));
	return 0;
}

static int create(struct docker *docker, const struct docker_data *data,
		  char ret_id[static DOCKER_ID], struct fl_error *err)
{
	own_text struct text target = { 0 }, body = { 0 };
	own_json json_t *root = NULL;
	char about[DOCKER_NAME + 16];
	struct docker_request request = { .method = "POST", .about = about };

	text_add_string(&target, "/containers/create?name=");
	docker_add_encoded(&target, data->name);
	write_data(data, &body);
	snprintf(about, sizeof(about), "container '%.200s'", data->name);
	request.target = text_get(&target);
	request.body = text_get(&body);
	request.length = body.length;
	if (docker_ask(docker, &request, &root, err) < 0)
		return fl_failed(err);
	return read_id(root, ret_id, err);
}

/* The image is missing the first time, and after somebody has tidied up. */
static bool is_image_missing(const struct fl_error *err)
{
	return (err->code == FL_NOT_FOUND || err->code == FL_SYSTEM) && strstr(err->text, IMAGE) &&
	       strcasestr(err->text, "no such image");
}

int docker_create_data(struct docker *docker, const struct docker_data *data,
		       char ret_id[static DOCKER_ID], struct fl_error *err)
{
	int r = create(docker, data, ret_id, err);

	if (r == 0 || !is_image_missing(err))
		return r;
	if (import_image(docker, err) < 0)
		return fl_failed(err);
	return create(docker, data, ret_id, err);
}

bool docker_is_data(const struct docker_container *container)
{
	return strcmp(container->image, IMAGE ":" IMAGE_TAG) == 0;
}

/* --- volumes ------------------------------------------------------------------------------ */

void docker_volumes_done(struct docker_volumes *volumes)
{
	for (size_t i = 0; i < volumes->count; i++) {
		free(volumes->items[i].name);
		free(volumes->items[i].driver);
		free(volumes->items[i].mountpoint);
	}
	free(volumes->items);
	*volumes = (struct docker_volumes){ 0 };
}

static int add_volume(const json_t *object, const char *driver, struct docker_volumes *volumes,
		      struct fl_error *err)
{
	struct fields fields = { object, false };
	const char *name = fields_text(&fields, "Name");
	const char *own_driver = fields_text(&fields, "Driver");
	const char *mountpoint = fields_text(&fields, "Mountpoint");

	if (fields.bad || !*name)
		return docker_nonsense("it lists what is no volume", err);
	if (!driver || strcmp(driver, own_driver) == 0)
		*array_add(volumes->items, volumes->count) = (struct docker_volume){
			.name = xstrdup(name),
			.driver = xstrdup(own_driver),
			.mountpoint = xstrdup(mountpoint),
		};
	return 0;
}

static char *volumes_target(const char *driver)
{
	own_text struct text filters = { 0 };
	struct text target = { 0 };
	struct json json;

	text_add_string(&target, "/volumes");
	if (!driver)
		return text_take(&target);
	json_init(&json, &filters);
	json_put_object(&json, NULL);
	json_put_array(&json, "driver");
	json_put_string(&json, NULL, driver);
	json_end(&json);
	json_end(&json);
	text_add_string(&target, "?filters=");
	docker_add_encoded(&target, text_get(&filters));
	return text_take(&target);
}

int docker_volumes(struct docker *docker, const char *driver, struct docker_volumes *ret,
		   struct fl_error *err)
{
	own_free char *target = volumes_target(driver);
	const struct docker_request request = {
		.method = "GET",
		.target = target,
		.repeatable = true,
		.about = "its volumes",
	};
	own_docker_volumes struct docker_volumes found = { 0 };
	own_json json_t *root = NULL;
	struct fields fields = { 0 };
	const json_t *list;

	if (docker_ask(docker, &request, &root, err) < 0)
		return fl_failed(err);
	fields.object = root;
	list = fields_array(&fields, "Volumes");
	if (fields.bad || !json_is_object(root))
		return docker_nonsense("its volumes are no list", err);
	for (size_t i = 0; i < json_array_size(list); i++)
		if (add_volume(json_array_get(list, i), driver, &found, err) < 0)
			return fl_failed(err);
	*ret = found;
	found = (struct docker_volumes){ 0 };
	return 0;
}
