#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/thread.h"
#include "cli/list.h"
#include "cli/talk.h"
#include "cli/verbs.h"

static const struct column event_columns[] = {
	{ "TIME", PAINT_NONE, false },
	{ "EVENT", PAINT_NAME, false },
	{ "OBJECT", PAINT_NONE, false },
	{ "MESSAGE", PAINT_DIM, false, true },
	{ 0 },
};

static void add_event(struct table *table, struct value *event)
{
	char text[PRINT_TEXT];

	table_add(table, field_when(event, "time", text));
	table_add(table, field(event, "kind"));
	table_add(table, field(event, "object"));
	table_add(table, field(event, "message"));
}

/* --- as they come: the stream goes into a pipe, and a thread prints what comes out --- */

struct follower {
	FILE *lines;
	bool json;
};

static void print_event(const struct follower *follower, const char *text, size_t length)
{
	own_table struct table table = { .columns = event_columns, .titled = true };
	own_free struct value *event = NULL;
	struct fl_error err;

	if (value_parse(text, length, &event, &err) < 0 || !value_is(event, VALUE_OBJECT))
		return;
	if (follower->json) {
		print_json(event);
	} else if (!value_get(event, "kind")) {
		printf("(some events were lost)\n");
	} else {
		add_event(&table, event);
		table_flush(&table);
	}
	fflush(stdout);
}

static void *print_events(void *arg)
{
	static const char data[] = "data: ";
	const struct follower *follower = arg;
	own_free char *line = NULL;
	size_t room = 0;
	ssize_t length;

	while ((length = getline(&line, &room, follower->lines)) > 0)
		if (strncmp(line, data, strlen(data)) == 0)
			print_event(follower, line + strlen(data), (size_t)length - strlen(data));
	return NULL;
}

static int follow(struct invocation *in, struct fl_error *err)
{
	struct follower follower = { .json = option_given(in, OPT_JSON) };
	struct fl_stream stream = { .length = -1 };
	pthread_t thread;
	int ends[2], r;

	if (talk_connect(in, err) < 0)
		return fl_failed(err);
	if (pipe(ends) < 0)
		return fl_fail_errno(err, "cannot make a pipe");
	follower.lines = fdopen(ends[0], "r");
	stream.fd = ends[1];
	if (!follower.lines)
		return fl_fail(err, FL_SYSTEM, "no memory to follow events");
	if (thread_start(&thread, 0, print_events, &follower, err) < 0)
		return fl_failed(err);
	r = fl_client_download(in->client, "/v1/events/stream", &stream, err);
	close(ends[1]);
	pthread_join(thread, NULL);
	fclose(follower.lines);
	/* Only the daemon's end ends it. */
	if (r == -FL_CORRUPT)
		return fl_fail(err, FL_UNREACHABLE, "the daemon has ended, and the events with it");
	return r;
}

int verb_events(struct invocation *in, struct fl_error *err)
{
	const struct listing listing = {
		.path = "/v1/events",
		.none = "nothing has happened since the daemon was started",
		.paged = true,
		.row = add_event,
		.columns = event_columns,
	};

	return option_given(in, OPT_FOLLOW) ? follow(in, err) : list_print(in, &listing, err);
}
