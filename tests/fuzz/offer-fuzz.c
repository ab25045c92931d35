#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "repl/plan.h"
#include "tests/fuzz/fuzz.h"

/*
 * The payloads of a transfer.  The first byte chooses which; what is accepted keeps within its
 * limits, and what is written of it reads and is written again the same.
 */

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void require_same(const struct text *a, const struct text *b)
{
	require(a->length == b->length && memcmp(text_get(a), text_get(b), a->length) == 0);
}

static void want_done(const struct want *want)
{
	(void)want;
}

static void step_end_done(const struct step_end *end)
{
	(void)end;
}

#define TRY(kind, accepted)                                                            \
	static void try_##kind(const uint8_t *data, size_t size)                       \
	{                                                                              \
		own(kind##_done) struct kind it = { 0 }, again = { 0 };                \
		own_text struct text out = { 0 }, twice = { 0 };                       \
		struct fl_error err = { 0 };                                           \
                                                                                       \
		if (kind##_decode(data, size, &it, &err) < 0) {                        \
			require(err.code == FL_CORRUPT && err.text[0]);                \
			return;                                                        \
		}                                                                      \
		accepted(&it);                                                         \
		kind##_encode(&it, &out);                                              \
		require(kind##_decode(text_get(&out), out.length, &again, &err) == 0); \
		kind##_encode(&again, &twice);                                         \
		require_same(&out, &twice);                                            \
	}

/* One who has all that it offers, planned for one who answers that he has nothing of it. */
static void offer_accepted(const struct offer *offer)
{
	struct lineage lineage = { offer->lines, offer->line_count };
	struct plan_snapshot snapshot = { .position = offer->target };
	struct plan_source source = { .snapshots = &snapshot,
				      .count = 1,
				      .branch = offer->branches[0].uuid,
				      .owner = offer->volume.owner,
				      .epoch = offer->volume.epoch,
				      .pointer = offer->pointer };
	struct have none = { .volume = HAVE_NO_VOLUME };
	own_plan struct plan plan = { 0 };
	struct fl_error err;

	require(offer_check(offer, &err) == 0);
	require(offer->past_count > 0 && offer->past_count <= offer->line_count);
	plan_make(&source, &none, offer->past, offer->past_count, &lineage, &plan);
	require(plan.outcome == PLAN_FULL && plan.count == 1);
}

static void have_accepted(const struct have *have)
{
	size_t all = 0;

	for (size_t i = 0; i < have->count; i++)
		for (size_t n = 0; n < have->counts[i]; n++, all++)
			require(have->times[all] > 0 &&
				(n == 0 || have->times[all] < have->times[all - 1]));
	require(all <= OFFER_TIMES && have->point.length <= OFFER_POINT);
}

static void step_accepted(const struct step *step)
{
	require(step->message && step->storage.time == step->snapshot.time);
}

static void step_end_accepted(const struct step_end *end)
{
	(void)end;
}

static void want_accepted(const struct want *want)
{
	require((want->branch[0] == '\0') != (want->tag[0] == '\0'));
}

TRY(offer, offer_accepted)
TRY(have, have_accepted)
TRY(step, step_accepted)
TRY(step_end, step_end_accepted)
TRY(want, want_accepted)

static void try_finish(const uint8_t *data, size_t size)
{
	own_finish struct finish it = { 0 }, again = { 0 };
	own_text struct text out = { 0 };
	struct fl_error err = { 0 };
	size_t at = 0;
	bool more, said;

	if (finish_decode(data, size, &it, &more, &err) < 0) {
		require(err.code == FL_CORRUPT && err.text[0]);
		return;
	}
	do {
		text_clear(&out);
		more = finish_encode(&it, &at, &out);
		require(finish_decode(text_get(&out), out.length, &again, &said, &err) == 0);
		require(said == more && out.length <= WIRE_PAYLOAD);
	} while (more);
	require(again.tag_count == it.tag_count);
}

static void try_listed(const uint8_t *data, size_t size)
{
	own_listed struct listed it = { 0 }, again = { 0 };
	own_text struct text out = { 0 };
	struct fl_error err = { 0 };
	struct listed_at at = { 0 };
	bool more, said;

	if (listed_decode(data, size, &it, &more, &err) < 0) {
		require(err.code == FL_CORRUPT && err.text[0]);
		return;
	}
	do {
		text_clear(&out);
		more = listed_encode(&it, &at, &out);
		require(listed_decode(text_get(&out), out.length, &again, &said, &err) == 0);
		require(said == more && out.length <= WIRE_PAYLOAD);
	} while (more);
	require(again.count == it.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(const uint8_t *, size_t) = {
		try_offer, try_have, try_step, try_step_end, try_want, try_finish, try_listed,
	};

	if (size > 0 && size - 1 <= WIRE_PAYLOAD)
		tries[data[0] % array_size(tries)](data + 1, size - 1);
	return 0;
}
