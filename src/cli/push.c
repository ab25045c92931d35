#include <stdio.h>
#include <string.h>

#include "cli/await.h"
#include "cli/talk.h"
#include "cli/verbs.h"

/* push, fetch and pull: what goes to other instances, and what comes from them. */

int put_limit(struct body *body, const struct invocation *in, struct fl_error *err)
{
	uint64_t limit;

	if (!option_given(in, OPT_LIMIT))
		return 0;
	if (size_parse(in->options[OPT_LIMIT], &limit, err) < 0)
		return fl_wrap(err, "--limit");
	body_int(body, "limit", (int64_t)limit);
	return 0;
}

/* "full, 3 snapshots, 12.3 MiB in 0.4 s (31 MiB/s)" */
static void print_amount(struct value *transfer)
{
	long long snapshots = (long long)field_int(transfer, "snapshots");
	uint64_t bytes = (uint64_t)field_int(transfer, "bytes");
	double seconds = field_seconds(transfer, "seconds");
	char done[SIZE_TEXT], speed[SIZE_TEXT];

	printf(", %lld snapshot%s, %s in %.1f s", snapshots, snapshots == 1 ? "" : "s",
	       size_text(bytes, done), seconds);
	if (seconds > 0 && bytes > 0)
		printf(" (%s/s)", size_text((uint64_t)((double)bytes / seconds), speed));
}

static void print_transfer(struct value *transfer)
{
	long long stash = (long long)field_int(transfer, "stash");
	long long resumed = (long long)field_int(transfer, "resumed");

	print_painted(PAINT_NAME, field(transfer, "ref"));
	printf(": %s", field(transfer, "outcome"));
	if (field_int(transfer, "snapshots") > 0)
		print_amount(transfer);
	if (resumed > 0)
		printf(", taken up again %lld time%s", resumed, resumed == 1 ? "" : "s");
	if (stash > 0)
		printf("; what was the tip here is stash/%lld", stash);
	else if (strcmp(field(transfer, "outcome"), "rewind") == 0)
		printf("; what was the tip there is stashed there");
	printf("\n");
}

/* The members that all three have. */
static int put_common(struct body *body, const struct invocation *in, struct fl_error *err)
{
	own_ref struct ref ref = { 0 };

	if (take_ref(in->operands[0], &ref, err) < 0)
		return fl_failed(err);
	body_string(body, "ref", in->operands[0]);
	put_option(body, in, OPT_AS, "as");
	if (option_given(in, OPT_ALL))
		body_true(body, "every");
	if (option_given(in, OPT_ANEW))
		body_true(body, "anew");
	return put_limit(body, in, err);
}

static int ask(struct invocation *in, const char *path, struct body *body, struct value **ret,
	       struct fl_error *err)
{
	if (await_post(in, path, body, ret, err) < 0)
		return fl_failed(err);
	if (option_given(in, OPT_JSON))
		print_json(*ret);
	else
		print_transfer(*ret);
	return 0;
}

int verb_push(struct invocation *in, struct fl_error *err)
{
	own_free struct value *transfer = NULL;
	own_body struct body *body = body_new();

	if (put_common(body, in, err) < 0)
		return fl_failed(err);
	body_string(body, "peer", in->operands[1]);
	return ask(in, "/v1/pushes", body, &transfer, err);
}

int verb_fetch(struct invocation *in, struct fl_error *err)
{
	own_free struct value *transfer = NULL;
	own_body struct body *body = body_new();

	if (put_common(body, in, err) < 0)
		return fl_failed(err);
	put_option(body, in, OPT_FROM, "peer");
	return ask(in, "/v1/fetches", body, &transfer, err);
}

int verb_pull(struct invocation *in, struct fl_error *err)
{
	own_free struct value *transfer = NULL;
	own_body struct body *body = body_new();

	if (put_common(body, in, err) < 0)
		return fl_failed(err);
	put_option(body, in, OPT_FROM, "peer");
	if (ask(in, "/v1/pulls", body, &transfer, err) < 0)
		return fl_failed(err);
	if (!option_given(in, OPT_JSON) && field_bool(transfer, "moved"))
		printf("%s went forward with it\n", in->operands[0]);
	return 0;
}
