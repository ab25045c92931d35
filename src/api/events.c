/*
 * What happens, as a list and as it comes.
 *
 * A stream of events is a pipe.  Whoever adds an event writes it there without
 * waiting; what a client that does not read leaves no room for is lost to it, and
 * it is told so by an event of its own, "lost".
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/encode.h"
#include "api/routes.h"
#include "engine/events.h"

int get_events(struct call *call, struct fl_error *err)
{
	own(event_list_done) struct event_list list = { 0 };
	size_t limit = call->input->limit;
	uint64_t after = 0;
	char next[24];

	if (call->input->after && decode_number("an event", call->input->after, &after, err) < 0)
		return fl_failed(err);
	events_list(engine_events(call->engine), after, limit + 1, &list);
	encode_list_begin(call->json);
	for (size_t i = 0; i < list.count && i < limit; i++)
		encode_event(call->json, NULL, &list.items[i]);
	if (list.count > limit)
		snprintf(next, sizeof(next), "%" PRIu64, list.items[limit - 1].number);
	encode_list_end(call->json, list.count > limit ? next : NULL);
	return 0;
}

/* --- as they come ------------------------------------------------------------------- */

struct follower {
	struct events *events;
	struct event_watch watch;
	int reading, writing;
	bool lost; /* an event found no room, and the client was not told yet */
};

/* All of it or nothing: it is less than PIPE_BUF. */
static bool put(const struct follower *follower, const struct text *text)
{
	return TEMP_FAILURE_RETRY(write(follower->writing, text->bytes, text->length)) ==
	       (ssize_t)text->length;
}

static void add_event(const struct event *event, struct text *out)
{
	struct json json;

	text_add_format(out, "id: %" PRIu64 "\nevent: %s\ndata: ", event->number, event->kind);
	json_init(&json, out);
	encode_event(&json, NULL, event);
	text_add_string(out, "\n\n");
}

static void tell(void *arg, const struct event *event)
{
	struct follower *follower = arg;
	own_text struct text text = { 0 };

	if (follower->lost)
		text_add_string(&text, "event: lost\ndata: {}\n\n");
	add_event(event, &text);
	follower->lost = !put(follower, &text);
}

static void follower_end(void *arg, bool sent)
{
	struct follower *follower = arg;

	events_unwatch(follower->events, &follower->watch);
	close(follower->reading);
	close(follower->writing);
	free(follower);
}

/* It ends only with its client. */
static int check_stream(void *arg)
{
	return -FL_SYSTEM;
}

int get_events_stream(struct call *call, struct fl_error *err)
{
	static const char greeting[] =
		": events of flockerd\n\n"; /* so that the answer's head goes out */
	struct follower *follower;
	int ends[2];

	if (take_stream(call, err) < 0)
		return fl_failed(err);
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return fl_fail_errno(err, "cannot make a pipe");
	follower = xcalloc(1, sizeof(*follower));
	*follower = (struct follower){ .events = engine_events(call->engine),
				       .watch = { .tell = tell, .arg = follower },
				       .reading = ends[0],
				       .writing = ends[1] };
	(void)!write(ends[1], greeting, strlen(greeting)); /* an empty pipe has room */
	events_watch(follower->events, &follower->watch);
	call->response->type = "text/event-stream";
	call->response->stream_fd = follower->reading;
	call->response->check = check_stream;
	call->response->finish = follower_end;
	call->response->arg = follower;
	return 0;
}
