#include "cli/transfer.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/talk.h"

#define ENDED_TRIES 100
#define ENDED_PAUSE 50 /* ms */

static volatile sig_atomic_t caught;

static void catch_signal(int number)
{
	caught = number;
}

void signals_catch(bool on)
{
	struct sigaction action = { .sa_handler = on ? catch_signal : SIG_DFL };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

int signals_caught(void)
{
	return caught;
}

/*
 * The stream's connection is closed by now, and the daemon stops when it sees
 * that; but it does not look when it has all of an archive and is about to put
 * the contents in place.
 */
static void cancel(struct transfer *transfer)
{
	own_free struct value *answer = NULL;
	own_body struct body *body = body_new();
	struct fl_error err;

	body_string(body, "id", transfer->id);
	if (talk(transfer->in, "POST", "/v1/operation/cancel", NULL, body, &answer, &err) < 0 &&
	    err.code != FL_NOT_FOUND)
		fprintf(stderr, "flocker: cancelling operation %s: %s\n", transfer->id, err.text);
}

static bool go_on(void *arg, uint64_t bytes)
{
	struct transfer *transfer = arg;

	progress_update(&transfer->progress, bytes);
	return !caught;
}

int transfer_begin(struct transfer *transfer, struct invocation *in, int fd, int64_t length,
		   struct fl_error *err)
{
	struct uuid id = uuid_new();

	*transfer = (struct transfer){ .in = in };
	uuid_format(&id, transfer->id);
	transfer->stream = (struct fl_stream){ fd, length, go_on, transfer };
	progress_begin(&transfer->progress, !option_given(in, OPT_JSON),
		       length > 0 ? (uint64_t)length : 0);
	signals_catch(true);
	return talk_connect(in, err);
}

int transfer_operation(struct transfer *transfer, struct value **ret, struct fl_error *err)
{
	return talk_to(transfer->in, "GET", fl_target("/v1/operation", "id", transfer->id, NULL),
		       NULL, ret, err);
}

/*
 * The same, when it has ended.  A connection that is cut may be seen to end a
 * moment before the record is written: when the daemon has cleaned up.
 */
static int get_ended_operation(struct transfer *transfer, struct value **ret, struct fl_error *err)
{
	for (int tries = 1;; tries++) {
		own_free struct value *operation = NULL;

		if (transfer_operation(transfer, &operation, err) < 0)
			return fl_failed(err);
		if (tries == ENDED_TRIES || strcmp(field(operation, "state"), "running") != 0) {
			*ret = take_ptr(operation);
			return 0;
		}
		(void)poll(NULL, 0, ENDED_PAUSE);
	}
}

/* A stream that broke off does not say why; its operation does, if there is one. */
static int explain(struct transfer *transfer, struct fl_error *err)
{
	own_free struct value *operation = NULL;
	struct fl_error other = { 0 };
	struct value *error;

	if (err->code != FL_UNREACHABLE && err->code != FL_CORRUPT)
		return fl_failed(err);
	if (get_ended_operation(transfer, &operation, &other) < 0)
		return fl_failed(err);
	error = value_get(operation, "error");
	if (!value_is(error, VALUE_OBJECT))
		return fl_failed(err);
	fl_fail(err, fl_code_parse(field(error, "code")), "%s", field(error, "message"));
	return *field(error, "hint") ? fl_hint(err, "%s", field(error, "hint")) : fl_failed(err);
}

int transfer_end(struct transfer *transfer, int r, struct fl_error *err)
{
	int number = caught;

	progress_end(&transfer->progress);
	signals_catch(false);
	if (r < 0 && number) {
		cancel(transfer);
		raise(number);
	}
	return r < 0 ? explain(transfer, err) : 0;
}
