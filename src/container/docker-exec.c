#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "container/docker-internal.h"

/*
 * Programs in a running container: one is made known, then started on a connection that
 * stops to speak HTTP.
 */

static void put_strings(struct json *json, const char *key, const char *const strings[])
{
	json_put_array(json, key);
	for (; strings && *strings; strings++)
		json_put_string(json, NULL, *strings);
	json_end(json);
}

static int create(struct docker *docker, const char *container, const struct text *body,
		  char ret[static DOCKER_ID], struct fl_error *err)
{
	own_text struct text target = { 0 };
	own_json json_t *root = NULL;
	char about[DOCKER_NAME + 16], id[DOCKER_ID];
	struct docker_request request = {
		.method = "POST",
		.body = text_get(body),
		.length = body->length,
		.about = about,
	};
	struct fields fields = { 0 };

	if (docker_check_container(container, err) < 0)
		return fl_failed(err);
	snprintf(about, sizeof(about), "container '%.200s'", container);
	text_add_string(&target, "/containers/");
	docker_add_encoded(&target, container);
	text_add_string(&target, "/exec");
	request.target = text_get(&target);
	if (docker_ask(docker, &request, &root, err) < 0)
		return fl_failed(err);
	fields.object = root;
	fields_copy(&fields, "Id", id, sizeof(id));
	if (fields.bad || strspn(id, "0123456789abcdef") != DOCKER_ID - 1)
		return docker_nonsense("a program in a container without an id", err);
	memcpy(ret, id, sizeof(id));
	return 0;
}

static int start(struct docker *docker, const char *container, struct docker_exec *exec,
		 struct fl_error *err)
{
	static const char body[] = "{\"Detach\":false,\"Tty\":false}";
	char target[DOCKER_ID + 32], about[DOCKER_NAME + 16];
	const struct http_call call = {
		.method = "POST",
		.target = target,
		.body = body,
		.length = sizeof(body) - 1,
		.fields = "Connection: Upgrade\r\nUpgrade: tcp\r\n",
	};

	snprintf(target, sizeof(target), "/exec/%s/start", exec->id);
	snprintf(about, sizeof(about), "container '%.200s'", container);
	return docker_take_over(docker, &call, about, &exec->fd, err);
}

int docker_exec_start(struct docker *docker, const char *container, const char *const argv[],
		      const char *const environment[], struct docker_exec *ret,
		      struct fl_error *err)
{
	own(docker_exec_done) struct docker_exec exec = DOCKER_EXEC_NONE;
	own_text struct text body = { 0 };
	struct json json;

	json_init(&json, &body);
	json_put_object(&json, NULL);
	json_put_bool(&json, "AttachStdin", true);
	json_put_bool(&json, "AttachStdout", true);
	json_put_bool(&json, "AttachStderr", true);
	json_put_bool(&json, "Tty", false);
	put_strings(&json, "Cmd", argv);
	put_strings(&json, "Env", environment);
	json_end(&json);
	if (create(docker, container, &body, exec.id, err) < 0 ||
	    start(docker, container, &exec, err) < 0)
		return fl_failed(err);
	*ret = exec;
	exec.fd = -1;
	return 0;
}

static int inspect(struct docker *docker, const struct docker_exec *exec, json_t **ret,
		   struct fl_error *err)
{
	char target[DOCKER_ID + 32];
	const struct docker_request request = {
		.method = "GET",
		.target = target,
		.repeatable = true,
		.about = "a program in a container",
	};

	snprintf(target, sizeof(target), "/exec/%s/json", exec->id);
	return docker_ask(docker, &request, ret, err);
}

int docker_exec_status(struct docker *docker, const struct docker_exec *exec, int *ret_status,
		       struct fl_error *err)
{
	own_json json_t *root = NULL;
	struct fields fields = { 0 };
	bool running;
	int64_t status;

	if (inspect(docker, exec, &root, err) < 0)
		return fl_failed(err);
	fields.object = root;
	running = fields_bool(&fields, "Running");
	status = fields_int(&fields, "ExitCode");
	if (fields.bad || !json_is_object(root))
		return docker_nonsense("a program in a container that is none", err);
	if (running)
		return fl_fail(err, FL_BUSY, "the program in the container still runs");
	*ret_status = (int)status;
	return 0;
}

void docker_exec_done(struct docker_exec *exec)
{
	if (exec->fd >= 0)
		close(exec->fd);
	*exec = (struct docker_exec)DOCKER_EXEC_NONE;
}
