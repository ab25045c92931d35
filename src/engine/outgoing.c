#include "engine/outgoing.h"

#include <string.h>

#include "delta/skip.h"
#include "engine/feed.h"
#include "engine/internal.h"
#include "engine/verify.h"

struct outgoing {
	struct engine *engine;
	struct running *running;
	struct tree tree;
	struct feed *feed;
	struct delta_skip *skip; /* NULL: it is sent from the start */
	struct outbox *outbox;
	size_t first;  /* bytes in the outbox's buffer that were made before they were asked for */
	bool is_first; /* those come next */
};

/* A delta_fill. */
static int read_feed(void *arg, void *bytes, size_t length, size_t *ret, struct fl_error *err)
{
	struct outgoing *outgoing = arg;

	if (operation_check(outgoing->running, err) < 0)
		return fl_failed(err);
	return feed_read(outgoing->feed, bytes, length, ret, err);
}

/* The skip ends with the delta's last command; the feed says behind that whether it was made well.
 */
static int check_end(struct outgoing *outgoing, struct fl_error *err)
{
	size_t more;
	char byte;

	if (feed_read(outgoing->feed, &byte, 1, &more, err) < 0)
		return fl_failed(err);
	return more == 0 ? 0 : fl_fail(err, FL_CORRUPT, "the delta goes on behind its end");
}

/* As feed_read(). */
static int read_rest(struct outgoing *outgoing, void *bytes, size_t length, size_t *ret,
		     struct fl_error *err)
{
	size_t total = 0, got = 1;

	while (total < length && got > 0) {
		if (delta_skip_read(outgoing->skip, (char *)bytes + total, length - total, &got,
				    err) < 0)
			return fl_failed(err);
		total += got;
	}
	*ret = total;
	return got == 0 ? check_end(outgoing, err) : 0;
}

static int read_piece(struct outgoing *outgoing, size_t *ret, struct fl_error *err)
{
	uint8_t *bytes = outbox_buffer(outgoing->outbox);

	if (outgoing->skip)
		return read_rest(outgoing, bytes, WIRE_PIECE, ret, err);
	return feed_read(outgoing->feed, bytes, WIRE_PIECE, ret, err);
}

int outgoing_start(const struct outgoing_options *options, struct outgoing **ret,
		   struct fl_error *err)
{
	own(outgoing_freep) struct outgoing *outgoing = xcalloc(1, sizeof(*outgoing));

	*outgoing = (struct outgoing){ .engine = options->engine,
				       .running = options->running,
				       .tree = *options->tree,
				       .outbox = outbox_new(options->compress) };
	if (feed_start(options->engine, options->base, options->tree, options->form,
		       &outgoing->feed, err) < 0)
		return fl_failed(err);
	if (options->point)
		outgoing->skip = delta_skip_new(options->point, read_feed, outgoing);
	if (options->point || options->form != FORM_DELTA) {
		if (read_piece(outgoing, &outgoing->first, err) < 0)
			return fl_failed(err);
		outgoing->is_first = true;
	}
	*ret = take_ptr(outgoing);
	return 0;
}

void outgoing_free(struct outgoing *outgoing)
{
	if (!outgoing)
		return;
	delta_skip_free(outgoing->skip);
	feed_free(outgoing->feed);
	outbox_free(outgoing->outbox);
	free(outgoing);
}

int outgoing_next(struct outgoing *outgoing, struct piece *ret, bool *ret_some,
		  struct fl_error *err)
{
	size_t got = outgoing->first;

	*ret_some = outbox_again(outgoing->outbox, ret);
	if (*ret_some)
		return 0;
	if (!outgoing->is_first && read_piece(outgoing, &got, err) < 0)
		return fl_failed(err);
	outgoing->is_first = false;
	*ret_some = got > 0;
	return got > 0 ? outbox_add(outgoing->outbox, got, ret, err) : 0;
}

int outgoing_end(struct outgoing *outgoing, uint32_t grain, struct step_end *ret,
		 struct fl_error *err)
{
	const struct outbox *outbox = outgoing->outbox;
	struct step_end end = { .frames = outbox_frames(outbox),
				.bytes = outbox_bytes(outbox),
				.has_digest = outgoing->skip != NULL,
				.grain = verify_grain(outgoing->engine, grain) };

	memcpy(end.chain, outbox_chain(outbox), sizeof(end.chain));
	if (end.has_digest && verify_tree(outgoing->engine, outgoing->running, &outgoing->tree,
					  end.grain, end.digest, err) < 0)
		return fl_failed(err);
	*ret = end;
	return 0;
}

uint64_t outgoing_saved(const struct outgoing *outgoing)
{
	return outgoing->skip ? delta_skip_saved(outgoing->skip) : 0;
}

uint64_t outgoing_weigh(struct engine *engine, const struct tree *base, const struct tree *tree)
{
	struct fl_error ignored;
	uint64_t bytes;

	if (!(driver_of(engine)->capabilities & DRIVER_CAN_WEIGH) ||
	    driver_of(engine)->weigh(engine->pool, base, tree, &bytes, &ignored) < 0)
		return 0;
	return bytes;
}

struct outbox *outgoing_box(struct outgoing *outgoing)
{
	return outgoing->outbox;
}
