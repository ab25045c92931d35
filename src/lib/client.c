#include "lib/flocker.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/http.h"
#include "lib/value.h"

struct fl_client {
	struct http_client http;
	char socket[FL_SOCKET_TEXT];
	char operation[64];
};

int fl_socket_path(const char *root, const char *socket, char ret[static FL_SOCKET_TEXT],
		   struct fl_error *err)
{
	const char *environment = getenv("FLOCKER_SOCKET");
	char path[FL_SOCKET_TEXT];
	int n;

	if (root && !*root)
		return fl_fail(err, FL_INVALID, "an empty root directory");
	if (root && socket)
		return fl_fail(err, FL_INVALID, "both a root and a socket: give one of them");
	if (root)
		n = snprintf(path, sizeof(path), "%s%srun/flocker.sock", root,
			     root[0] && root[strlen(root) - 1] == '/' ? "" : "/");
	else if (socket)
		n = snprintf(path, sizeof(path), "%s", socket);
	else
		n = snprintf(path, sizeof(path), "%s",
			     environment && *environment ? environment : FL_SOCKET_DEFAULT);
	if (n < 0 || (size_t)n >= sizeof(path)) {
		fl_fail(err, FL_INVALID, "the socket's path has %d bytes, more than %zu", n,
			sizeof(path) - 1);
		return fl_hint(err, "use a shorter root directory");
	}
	memcpy(ret, path, sizeof(path));
	return 0;
}

/* How to start the daemon whose socket this would be. */
static int hint_start(const char *socket, struct fl_error *err)
{
	static const char below_root[] = "/run/flocker.sock";
	size_t length = strlen(socket), tail = sizeof(below_root) - 1;

	if (strcmp(socket, FL_SOCKET_DEFAULT) == 0)
		return fl_hint(err, "start it: systemctl start flockerd; or name another: "
				    "--root DIR, --socket PATH");
	if (length > tail && strcmp(socket + length - tail, below_root) == 0)
		return fl_hint(err, "start it: flockerd --root %.*s", (int)(length - tail), socket);
	return fl_hint(err, "start it: flockerd --root DIR, and give the command the same "
			    "--root DIR");
}

static int explain_connect(const char *socket, struct fl_error *err)
{
	if (err->sys == ENOENT || err->sys == ECONNREFUSED || err->sys == ENOTDIR) {
		fl_fail(err, FL_UNREACHABLE, "no Flocker daemon at %s", socket);
		fl_object(err, "%s", socket);
		return hint_start(socket, err);
	}
	if (err->code == FL_DENIED) {
		fl_fail(err, FL_DENIED, "this user may not talk to the Flocker daemon at %s",
			socket);
		fl_object(err, "%s", socket);
		return fl_hint(err, "do it as root or as a member of the group flocker: "
				    "usermod -aG flocker USER, then log in anew");
	}
	return fl_failed(err);
}

static const struct http_peer the_daemon = {
	.name = "the daemon",
	.protocol = "Flocker's protocol",
	.hint_foreign = "is it the socket of a Flocker daemon?",
	.hint_cut = "look at its log (journalctl -u flockerd), and at what the command should have "
		    "changed",
};

/* The daemon may think as long as it needs to: there is no deadline. */
static int connect_client(struct fl_client *client, struct fl_error *err)
{
	if (http_connect(&client->http, &the_daemon, client->socket, 0, err) < 0)
		return explain_connect(client->socket, err);
	return 0;
}

int fl_client_open(const char *socket, struct fl_client **ret, struct fl_error *err)
{
	struct fl_client *client;
	int r;

	if (strlen(socket) >= FL_SOCKET_TEXT)
		return fl_fail(err, FL_INVALID, "the socket's path has more than %d bytes",
			       FL_SOCKET_TEXT - 1);
	client = calloc(1, sizeof(*client));
	if (!client)
		return fl_fail(err, FL_SYSTEM, "no memory for a connection");
	client->http.fd = -1;
	memcpy(client->socket, socket, strlen(socket) + 1);
	r = connect_client(client, err);
	if (r < 0) {
		fl_client_close(client);
		return r;
	}
	*ret = client;
	return 0;
}

void fl_client_close(struct fl_client *client)
{
	if (!client)
		return;
	http_close(&client->http);
	free(client);
}

const char *fl_client_operation(const struct fl_client *client)
{
	return client->operation;
}

void fl_answer_done(struct fl_answer *answer)
{
	free(answer->bytes);
	*answer = (struct fl_answer){ 0 };
}

static const char *string_or_empty(struct value *object, const char *key)
{
	const char *value = value_string(value_get(object, key));

	return value ? value : "";
}

/* The error that an answer names; what has no such form is told by its status alone. */
static int fail_answer(struct fl_client *client, const struct http_answer *answer,
		       struct fl_error *err)
{
	own_free struct value *root = NULL;
	struct value *error;
	const char *hint, *object;
	enum fl_code code;

	if (value_parse(answer->body, answer->length, &root, err) < 0)
		root = NULL;
	error = value_get(root, "error");
	code = fl_code_parse(string_or_empty(error, "code"));
	hint = string_or_empty(error, "hint");
	object = string_or_empty(error, "object");
	if (error && code != FL_OK)
		fl_fail(err, code, "%s", string_or_empty(error, "message"));
	else
		fl_fail(err, FL_SYSTEM, "the daemon answered with status %d and no error",
			answer->status);
	if (*hint)
		fl_hint(err, "%s", hint);
	if (*object)
		fl_object(err, "%s", object);
	snprintf(client->operation, sizeof(client->operation), "%s",
		 string_or_empty(error, "operation"));
	return fl_failed(err);
}

/*
 * A daemon may close a kept connection between requests.  Looking before
 * sending finds that without the doubt whether a request was carried out.
 */
static int begin_request(struct fl_client *client, struct fl_error *err)
{
	client->operation[0] = '\0';
	if (!http_is_stale(&client->http))
		return 0;
	http_close(&client->http);
	return connect_client(client, err);
}

int fl_client_send(struct fl_client *client, const char *method, const char *target,
		   const char *body, struct fl_error *err)
{
	const struct http_call call = {
		.method = method,
		.target = target,
		.body = body,
		.length = body ? strlen(body) : 0,
	};
	int r = begin_request(client, err);

	return r < 0 ? r : http_send(&client->http, &call, err);
}

/* Hands the answer's body over, or makes its error of it. */
static int take_answer(struct fl_client *client, struct http_answer *answer, struct fl_answer *ret,
		       struct fl_error *err)
{
	int r;

	if (answer->status < 200 || answer->status > 299) {
		r = fail_answer(client, answer, err);
		free(answer->body);
		return r;
	}
	*ret = (struct fl_answer){ answer->status, answer->body, answer->length };
	return 0;
}

bool fl_client_wait(const struct fl_client *client, int milliseconds)
{
	return http_is_answered(&client->http, milliseconds);
}

int fl_client_receive(struct fl_client *client, struct fl_answer *ret, struct fl_error *err)
{
	struct http_answer answer = { 0 };
	int r = http_receive(&client->http, FL_ANSWER_MAX, NULL, &answer, err);

	return r < 0 ? r : take_answer(client, &answer, ret, err);
}

int fl_client_upload(struct fl_client *client, const char *method, const char *target,
		     const char *type, const struct fl_stream *stream, struct fl_answer *ret,
		     struct fl_error *err)
{
	const struct http_upload upload = { method, target, type, stream };
	int r = begin_request(client, err);

	if (r == 0)
		r = http_upload(&client->http, &upload, err);
	return r < 0 ? r : fl_client_receive(client, ret, err);
}

int fl_client_download(struct fl_client *client, const char *target, const struct fl_stream *stream,
		       struct fl_error *err)
{
	own(fl_answer_done) struct fl_answer got = { 0 };
	struct http_answer answer = { 0 };
	int r = fl_client_send(client, "GET", target, NULL, err);

	if (r == 0)
		r = http_download(&client->http, stream, FL_ANSWER_MAX, &answer, err);
	return r < 0 ? r : take_answer(client, &answer, &got, err);
}

int fl_client_call(struct fl_client *client, const char *method, const char *target,
		   const char *body, struct fl_answer *ret, struct fl_error *err)
{
	int r = fl_client_send(client, method, target, body, err);

	return r < 0 ? r : fl_client_receive(client, ret, err);
}

/* RFC 3986's unreserved characters, and those a query may hold that make references readable. */
static bool is_plain(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("-._~/@:", c));
}

static void append_encoded(FILE *out, const char *value)
{
	for (const unsigned char *p = (const unsigned char *)value; *p; p++)
		if (is_plain(*p))
			fputc(*p, out);
		else
			fprintf(out, "%%%02X", *p);
}

char *fl_target(const char *path, ...)
{
	char *target = NULL, separator = '?';
	size_t length;
	FILE *out = open_memstream(&target, &length);
	const char *key;
	va_list ap;
	bool good;

	if (!out)
		return NULL;
	fputs(path, out);
	va_start(ap, path);
	while ((key = va_arg(ap, const char *))) {
		const char *value = va_arg(ap, const char *);

		if (!value)
			continue;
		fprintf(out, "%c%s=", separator, key);
		append_encoded(out, value);
		separator = '&';
	}
	va_end(ap);
	good = !ferror(out);
	if (fclose(out) != 0 || !good) {
		free(target);
		return NULL;
	}
	return target;
}
