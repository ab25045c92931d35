#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "container/docker-internal.h"

/*
 * The connection to the engine, and what its answers have in common.
 *
 * Paths carry no API version: an engine then speaks the newest that it knows, and what
 * is read here has been the same since 1.24.  With one, each release of
 * Docker that drops old versions would have to be followed.
 *
 * Connections that an answer was read from to its end are kept, a few of them.  The
 * engine may have closed one meanwhile: that is seen before it is used (http_is_stale), and
 * where it happens just then, a request that may be repeated is.
 */

static const struct http_peer the_engine = {
	.name = "the container engine",
	.protocol = "Docker's API",
	.hint_foreign = "is it the socket of a container engine? see the setting docker.socket",
	.hint_cut = "look at the engine's log; it may have been restarted: try again",
};

struct docker *docker_new(const char *socket, int64_t deadline)
{
	struct docker *docker = xcalloc(1, sizeof(*docker));

	docker->socket = xstrdup(socket);
	docker->deadline = deadline;
	docker->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (docker->stop < 0)
		docker->stop = 0;
	pthread_mutex_init(&docker->mutex, NULL);
	return docker;
}

void docker_free(struct docker *docker)
{
	if (!docker)
		return;
	for (size_t i = 0; i < docker->idle_count; i++)
		http_close(&docker->idle[i]);
	pthread_mutex_destroy(&docker->mutex);
	if (docker->stop)
		close(docker->stop);
	free(docker->socket);
	free(docker);
}

void docker_give_up(struct docker *docker)
{
	if (docker->stop)
		(void)!eventfd_write(docker->stop, 1);
}

const char *docker_socket(const struct docker *docker)
{
	return docker->socket;
}

bool docker_has_answered(struct docker *docker)
{
	own_lock(guard, &docker->mutex);

	return docker->answered;
}

void docker_set_answered(struct docker *docker)
{
	own_lock(guard, &docker->mutex);

	docker->answered = true;
}

/* --- connections ---------------------------------------------------------------------- */

static int explain_connect(const struct docker *docker, struct fl_error *err)
{
	int sys = err->sys;

	if (sys == ENOENT || sys == ECONNREFUSED || sys == ENOTDIR || sys == EPROTOTYPE) {
		fl_fail(err, FL_UNREACHABLE, "no container engine at %s: %s", docker->socket,
			sys == ECONNREFUSED ? "nobody listens there"
			: sys == EPROTOTYPE ? "it is another kind of socket"
					    : "there is no such socket");
		err->sys = sys;
		fl_object(err, "%s", docker->socket);
		return fl_hint(err,
			       "start it (systemctl start docker, or podman.socket), or change "
			       "the setting docker.socket");
	}
	if (err->code == FL_DENIED)
		fl_hint(err, "let the daemon's user talk to the engine: that is as good as root");
	return fl_wrap(err, "container engine at %s", docker->socket);
}

static int connect_new(const struct docker *docker, struct http_client *ret, struct fl_error *err)
{
	if (http_connect(ret, &the_engine, docker->socket, docker->deadline, err) < 0)
		return explain_connect(docker, err);
	ret->stop = docker->stop;
	return 0;
}

/* One that was kept and still is good. */
static bool take_idle(struct docker *docker, struct http_client *ret)
{
	own_lock(guard, &docker->mutex);

	while (docker->idle_count > 0) {
		struct http_client client = docker->idle[--docker->idle_count];

		if (!http_is_stale(&client)) {
			*ret = client;
			return true;
		}
		http_close(&client);
	}
	return false;
}

static void give_back(struct docker *docker, struct http_client *client)
{
	own_lock(guard, &docker->mutex);

	docker->answered = true;
	if (client->fd >= 0 && !client->spent && docker->idle_count < DOCKER_IDLE)
		docker->idle[docker->idle_count++] = *client;
	else
		http_close(client);
}

/* One request and its answer on a connection; that is kept, if it is still good. */
static int exchange(struct docker *docker, struct http_client *client,
		    const struct docker_request *request, struct http_answer *ret,
		    struct fl_error *err)
{
	const struct http_call call = {
		.method = request->method,
		.target = request->target,
		.type = request->type,
		.body = request->body,
		.length = request->length,
	};

	client->patience = docker->deadline + request->patience;
	if (http_send(client, &call, err) < 0 ||
	    http_receive(client, DOCKER_ANSWER, NULL, ret, err) < 0)
		return fl_failed(err);
	give_back(docker, client);
	return 0;
}

static int exchange_somehow(struct docker *docker, const struct docker_request *request,
			    struct http_answer *ret, struct fl_error *err)
{
	struct http_client client = { .fd = -1 };
	bool kept = take_idle(docker, &client);
	int64_t began = clock_monotonic();

	if (!kept && connect_new(docker, &client, err) < 0)
		return fl_failed(err);
	if (exchange(docker, &client, request, ret, err) == 0)
		return 0;
	/* Closed under us, rather than an engine that is slow or has failed? */
	if (!kept || !request->repeatable || err->code != FL_UNREACHABLE || !client.unanswered ||
	    clock_monotonic() - began >= docker->deadline)
		return fl_failed(err);
	if (connect_new(docker, &client, err) < 0)
		return fl_failed(err);
	return exchange(docker, &client, request, ret, err);
}

/* --- answers ------------------------------------------------------------------------------ */

int docker_nonsense(const char *what, struct fl_error *err)
{
	fl_fail(err, FL_UNREACHABLE, "what listens there does not speak %s: %s",
		the_engine.protocol, what);
	return fl_hint(err, "%s", the_engine.hint_foreign);
}

/* NULL: the body is no JSON, or none. */
static json_t *parse(const struct http_answer *answer)
{
	json_error_t why;

	return json_loadb(answer->body, answer->length, JSON_REJECT_DUPLICATES, &why);
}

/* Of a container; Podman answers so with 500. */
static bool is_name_taken(const char *message)
{
	return strstr(message, "container name") && strstr(message, "already in use");
}

static enum fl_code code_of_status(int status, const char *message)
{
	if (is_name_taken(message))
		return FL_EXISTS;
	switch (status) {
	case 400:
		return FL_INVALID;
	case 404:
		return FL_NOT_FOUND;
	case 409:
		return FL_BUSY;
	case 501:
		return FL_UNSUPPORTED;
	default:
		return FL_SYSTEM;
	}
}

/* Its words as one line: they go into logs and messages of ours. */
static void tidy(char *message)
{
	size_t length = strlen(message);

	while (length > 0 && strchr(" \r\n\t", message[length - 1]))
		message[--length] = '\0';
	for (char *p = message; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
}

static int fail_refused(const struct http_answer *answer, const char *about, struct fl_error *err)
{
	own_json json_t *root = parse(answer);
	const char *said = json_string_value(json_object_get(root, "message"));
	char message[512];

	if (!said)
		return docker_nonsense("it answers with an error that says nothing", err);
	snprintf(message, sizeof(message), "%s", said);
	tidy(message);
	return fl_fail(err, code_of_status(answer->status, message), "%s: the engine says: %s",
		       about, message);
}

static int take_answer(const struct http_answer *answer, const char *about, json_t **ret,
		       struct fl_error *err)
{
	own_json json_t *root = NULL;

	if (answer->status >= 400)
		return fail_refused(answer, about, err);
	if (answer->status >= 300 && answer->status != 304) /* "not modified": it is so already */
		return docker_nonsense("it sends us elsewhere", err);
	if (!ret)
		return 0;
	root = parse(answer);
	if (!root)
		return docker_nonsense("what it answers is no JSON", err);
	*ret = take_ptr(root);
	return 0;
}

int docker_ask(struct docker *docker, const struct docker_request *request, json_t **ret,
	       struct fl_error *err)
{
	struct http_answer answer = { 0 };
	int r = exchange_somehow(docker, request, &answer, err);

	if (r == 0)
		r = take_answer(&answer, request->about, ret, err);
	free(answer.body);
	return r;
}

int docker_take_over(struct docker *docker, const struct http_call *call, const char *about,
		     int *ret_fd, struct fl_error *err)
{
	struct http_client client = { .fd = -1 };
	struct http_answer answer = { 0 };
	int fd = -1, r;

	if (connect_new(docker, &client, err) < 0 || http_send(&client, call, err) < 0 ||
	    http_take_over(&client, DOCKER_ANSWER, &fd, &answer, err) < 0)
		return fl_failed(err);
	http_close(&client);
	if (fd >= 0) {
		*ret_fd = fd;
		return 0;
	}
	r = answer.status >= 400 ? fail_refused(&answer, about, err)
				 : docker_nonsense("it answers with an unexpected status", err);
	free(answer.body);
	return r;
}

/* --- what the engine is ------------------------------------------------------------------------
 */

/*
 * A ping, and not /version, for which engines start other programs to ask them for theirs: Podman
 * takes up to half a second.  "Docker/20.10.24+dfsg1 (linux)", "Libpod/4.3.1 (linux)".
 */
static bool read_server(const char *server, struct docker_version *ret)
{
	const char *slash = strchr(server, '/');
	size_t name = slash ? (size_t)(slash - server) : 0;
	size_t version = slash ? strcspn(slash + 1, " ") : 0;

	if (name == 0 || name >= sizeof(ret->name) || version == 0 ||
	    version >= sizeof(ret->version))
		return false;
	memcpy(ret->name, server, name);
	memcpy(ret->version, slash + 1, version);
	if (strcmp(ret->name, "Libpod") == 0)
		snprintf(ret->name, sizeof(ret->name), "Podman");
	return true;
}

int docker_version(struct docker *docker, struct docker_version *ret, struct fl_error *err)
{
	const struct docker_request request = {
		.method = "GET",
		.target = "/_ping",
		.repeatable = true,
		.about = "a ping",
	};
	struct http_answer answer = { 0 };
	struct docker_version version = { 0 };
	int r = exchange_somehow(docker, &request, &answer, err);

	if (r == 0)
		r = take_answer(&answer, request.about, NULL, err);
	free(answer.body);
	if (r < 0)
		return r;
	snprintf(version.api, sizeof(version.api), "%s", answer.api);
	if (!version.api[0] || !read_server(answer.server, &version))
		return docker_nonsense("it does not say what it is", err);
	*ret = version;
	return 0;
}
