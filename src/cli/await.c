#include "cli/await.h"

#include <signal.h>
#include <stdio.h>

#include "base/uuid.h"
#include "cli/progress.h"
#include "cli/talk.h"
#include "cli/transfer.h"

#define LOOK 250 /* ms from one look at the operation to the next */

struct waiting {
	struct invocation beside; /* the same daemon, on a connection of its own */
	struct progress progress;
	char id[UUID_TEXT];
	bool cancelled;
};

/* What can't be asked is not shown. */
static void look(struct waiting *waiting)
{
	own_free struct value *operation = NULL;
	struct fl_error unused;

	if (!waiting->progress.wanted ||
	    talk_to(&waiting->beside, "GET", fl_target("/v1/operation", "id", waiting->id, NULL),
		    NULL, &operation, &unused) < 0)
		return;
	waiting->progress.total = (uint64_t)field_int(operation, "total_bytes");
	progress_update(&waiting->progress, (uint64_t)field_int(operation, "done_bytes"));
}

/* It may not have begun yet, which is no end: the next look tries again. */
static void cancel(struct waiting *waiting)
{
	own_free struct value *answer = NULL;
	own_body struct body *body = body_new();
	struct fl_error err;

	body_string(body, "id", waiting->id);
	if (talk(&waiting->beside, "POST", "/v1/operation/cancel", NULL, body, &answer, &err) ==
	    0) {
		waiting->cancelled = true;
	} else if (err.code != FL_NOT_FOUND) {
		fprintf(stderr, "flocker: cancelling operation %s: %s\n", waiting->id, err.text);
		waiting->cancelled = true;
	}
}

static int wait_for_answer(struct invocation *in, struct waiting *waiting, struct value **ret,
			   struct fl_error *err)
{
	while (!fl_client_wait(in->client, LOOK)) {
		if (signals_caught() && !waiting->cancelled)
			cancel(waiting);
		else if (!signals_caught())
			look(waiting);
	}
	return talk_receive(in, ret, err);
}

int await_post(struct invocation *in, const char *path, struct body *body, struct value **ret,
	       struct fl_error *err)
{
	struct uuid id = uuid_new();
	struct waiting waiting = { 0 };
	int number, r;

	waiting.beside.options[OPT_ROOT] = in->options[OPT_ROOT];
	waiting.beside.options[OPT_SOCKET] = in->options[OPT_SOCKET];
	waiting.beside.patient = true;
	uuid_format(&id, waiting.id);
	body_string(body, "operation", waiting.id);
	progress_begin(&waiting.progress, !option_given(in, OPT_JSON), 0);
	signals_catch(true);
	r = talk_send(in, "POST", fl_target(path, NULL), body, err);
	if (r == 0)
		r = wait_for_answer(in, &waiting, ret, err);
	progress_end(&waiting.progress);
	number = signals_caught();
	signals_catch(false);
	invocation_done(&waiting.beside);
	if (r < 0 && number) {
		fprintf(stderr, "flocker: cancelled\n");
		raise(number);
	}
	return r;
}
