#include "engine/denied.h"

#include <string.h>

#include "engine/internal.h"
#include "engine/reach.h"
#include "trust/store.h"

#define PATIENCE (10 * CLOCK_SECOND)

static void put_list(struct text *out, uint64_t number, const char *pem)
{
	wire_put_u64(out, number);
	if (pem)
		wire_put_bytes(out, pem, strlen(pem));
}

/* It counts if it is newer and our CA's; those who are on it lose their links. */
static int take_list(struct engine *engine, uint64_t number, const struct wire_view *view,
		     struct fl_error *err)
{
	own_text struct text pem = { 0 };
	bool new;

	if (view->left == 0)
		return 0;
	text_add(&pem, (const char *)view->bytes, view->left);
	if (trust_deny(engine->trust, text_get(&pem), &new, err) < 0)
		return fl_failed(err);
	if (new) {
		log_info("the cluster's deny list is another", "number=%" PRIu64, number);
		reach_check(engine->reach);
	}
	return 0;
}

static bool is_member(const struct engine *engine)
{
	struct trust_identity self;
	struct fl_error ignored;

	return engine->trust && trust_self(engine->trust, &self, &ignored) == 0;
}

/* --- by who dialled -------------------------------------------------------------------- */

static int converse(struct engine *engine, struct channel *channel, struct fl_error *err)
{
	struct wire_view view;
	struct frame frame;
	uint64_t number;

	if (channel_expect(channel, WIRE_DENIED, PATIENCE, &frame, err) < 0)
		return fl_failed(err);
	view = wire_view(frame.payload, frame.length);
	number = wire_u64(&view);
	return take_list(engine, number, &view, err);
}

static int exchange(struct engine *engine, struct link *link, struct fl_error *err)
{
	own_text struct text request = { 0 };
	own_free char *pem = NULL;
	struct channel *channel;
	uint64_t number = 0;
	int r;

	if (trust_denied(engine->trust, &number, &pem, err) < 0)
		return fl_failed(err);
	put_list(&request, number, pem);
	if (channel_open(link, VERB_DENIED, &request, &channel, err) < 0)
		return fl_failed(err);
	r = converse(engine, channel, err);
	channel_close(channel, r < 0 ? err : NULL);
	return r;
}

void denied_exchange(struct engine *engine, struct link *link)
{
	struct fl_error err;

	if (!is_member(engine) || uuid_is_none(&link_peer(link)->cluster))
		return;
	if (exchange(engine, link, &err) < 0)
		log_warning("the deny list was not compared", "peer=%s error=\"%s\"",
			    link_peer(link)->name, err.text);
}

/* --- by who was dialled ------------------------------------------------------------------ */

int serve_denied(const struct serving *serving, const void *request, size_t length,
		 struct fl_error *err)
{
	struct wire_view view = wire_view(request, length);
	const uint64_t theirs = wire_u64(&view);
	own_text struct text answer = { 0 };
	own_free char *pem = NULL;
	uint64_t ours = 0;

	if (view.trouble)
		return wire_end(&view, "a deny list", err);
	if (!is_member(serving->engine))
		return fl_fail(err, FL_UNSUPPORTED, "'%s' belongs to no cluster",
			       serving->engine->name);
	if (trust_denied(serving->engine->trust, &ours, &pem, err) < 0)
		return fl_failed(err);
	if (theirs > ours && take_list(serving->engine, theirs, &view, err) < 0)
		return fl_failed(err);
	if (ours > theirs)
		put_list(&answer, ours, pem);
	else
		put_list(&answer, 0, NULL);
	return channel_send(serving->channel, WIRE_DENIED, 0, answer.bytes, answer.length, err);
}
