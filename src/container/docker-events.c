#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "container/docker-internal.h"

/*
 * Events come as an endless answer, one JSON object a line.  It is asked for in
 * HTTP/1.0, so that lines are not cut into chunks: they can then be read as they come,
 * without waiting, and the end of the connection is the end of the engine.
 */

#define EVENT_MAX ((size_t)1 << 20) /* bytes of one: all labels of a container are in it */
#define FIRST_ROOM 4096

struct docker_events {
	int fd;
	struct text buffer; /* what was read; [start, length) is still to be looked at */
	size_t start;
};

int docker_events_open(struct docker *docker, struct docker_events **ret, struct fl_error *err)
{
	own_text struct text target = { 0 };
	struct http_call call = { .method = "GET", .old = true };
	struct docker_events *events;
	int fd;

	text_add_string(&target, "/events?filters=");
	docker_add_encoded(&target, "{\"type\":[\"container\",\"volume\"]}");
	call.target = text_get(&target);
	if (docker_take_over(docker, &call, "its events", &fd, err) < 0)
		return fl_failed(err);
	events = xcalloc(1, sizeof(*events));
	events->fd = fd;
	*ret = events;
	return 0;
}

int docker_events_fd(const struct docker_events *events)
{
	return events->fd;
}

void docker_events_free(struct docker_events *events)
{
	if (!events)
		return;
	close(events->fd);
	text_done(&events->buffer);
	free(events);
}

/* What is read goes to the front once all before it is used. */
static void compact(struct docker_events *events)
{
	size_t left = events->buffer.length - events->start;

	if (events->start == 0)
		return;
	memmove(events->buffer.bytes, events->buffer.bytes + events->start, left);
	events->buffer.length = left;
	events->start = 0;
}

/* `*ret_any`: something came. */
static int read_more(struct docker_events *events, bool *ret_any, struct fl_error *err)
{
	char *room;
	ssize_t n;

	compact(events);
	if (events->buffer.length > EVENT_MAX)
		return docker_nonsense("an event without an end", err);
	room = text_reserve(&events->buffer, FIRST_ROOM);
	do
		n = recv(events->fd, room, FIRST_ROOM, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	*ret_any = n > 0;
	if (n > 0)
		events->buffer.length += (size_t)n;
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return fl_fail(err, FL_UNREACHABLE, "the container engine has ended its events");
	if (n < 0 && errno != EAGAIN)
		return fl_fail_errno(err, "reading the container engine's events");
	return 0;
}

static int parse_event(const char *line, size_t length, struct docker_event *ret,
		       struct fl_error *err)
{
	json_error_t why;
	own_json json_t *root = json_loadb(line, length, 0, &why);
	struct fields fields = { root, false }, actor = { 0 }, attributes = { 0 };
	struct docker_event event = { 0 };
	const char *id;

	if (!json_is_object(root))
		return docker_nonsense("an event that is none", err);
	actor.object = fields_object(&fields, "Actor");
	attributes.object = fields_object(&actor, "Attributes");
	id = fields_text(&actor, "ID");
	fields_copy(&fields, "Type", event.type, sizeof(event.type));
	/* What is cut is no id or name that we gave: "exec_create: ...", a foreign label. */
	snprintf(event.action, sizeof(event.action), "%s", fields_text(&fields, "Action"));
	snprintf(event.id, sizeof(event.id), "%s", id);
	snprintf(event.name, sizeof(event.name), "%s",
		 strcmp(event.type, "container") == 0 ? fields_text(&attributes, "name") : "");
	snprintf(event.driver, sizeof(event.driver), "%s", fields_text(&attributes, "driver"));
	snprintf(event.branch, sizeof(event.branch), "%s",
		 fields_text(&attributes, "flocker.branch"));
	event.time = fields_int(&fields, "timeNano");
	if (fields.bad || actor.bad || attributes.bad || !event.type[0])
		return docker_nonsense("an event that is none", err);
	*ret = event;
	return 0;
}

/* The next line that is there whole, and used with that; NULL: none.  Empty ones are passed over.
 */
static const char *next_line(struct docker_events *events, size_t *ret_length)
{
	while (events->start < events->buffer.length) {
		const char *line = events->buffer.bytes + events->start;
		const char *end = memchr(line, '\n', events->buffer.length - events->start);

		if (!end)
			return NULL;
		*ret_length = (size_t)(end - line);
		events->start += *ret_length + 1;
		if (*ret_length > 0)
			return line;
	}
	return NULL;
}

int docker_events_next(struct docker_events *events, struct docker_event *ret, bool *ret_any,
		       struct fl_error *err)
{
	const char *line;
	bool any = true;
	size_t length;

	for (;;) {
		line = next_line(events, &length);
		if (line) {
			*ret_any = true;
			return parse_event(line, length, ret, err);
		}
		if (read_more(events, &any, err) < 0)
			return fl_failed(err);
		if (!any) {
			*ret_any = false;
			return 0;
		}
	}
}
