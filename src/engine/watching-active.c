/*
 * Heads in which something was changed of late.
 *
 * There is no event when chattr sets a flag, or when a program stores into
 * mapped memory; and a search finds what has been committed, which is half a
 * minute later.  But the head itself knows its last change before that: of a
 * flag at once, of most stores when a page is first written to.  To ask all
 * heads each second would make idle ones cost something.  Those are asked that a
 * change has been told of within the last minutes: who works in a branch by such
 * means does other things there too.
 *
 * Only the point of the change is asked for; if it has moved, the head is
 * compared, as after a search.
 */

#include "engine/internal.h"

#define ACTIVE (10 * CLOCK_MINUTE)
#define MOST 512 /* in one round, in turn: at 1 to 2 us each, a thousandth of a processor */

void keep_active(struct watching *watching, struct watched *watched)
{
	if (watched->active == 0)
		*array_add(watching->active, watching->active_count) = watched->number;
	watched->active = clock_monotonic() + ACTIVE;
}

/* At `active_at`; the last one takes its place. */
static void forget(struct watching *watching, struct watched *watched)
{
	watched->active = 0;
	watching->active[watching->active_at] = watching->active[--watching->active_count];
}

static int ask_one(struct round *round, struct watched *watched, struct fl_error *err)
{
	struct tree head = tree_head(&watched->branch);
	struct motion motion;
	int r = driver_of(round->engine)->motion(round->engine->pool, &head, NULL, &motion, err);

	if (r == -FL_NOT_FOUND) /* deleted meanwhile */
		return 0;
	if (r < 0)
		return r;
	if (motion.number == watched->number && motion.contents != watched->answered)
		compare_later(round, watched->number);
	watched->answered = motion.contents;
	return 0;
}

int ask_active(struct round *round, struct fl_error *err)
{
	struct watching *watching = round->watching;
	int64_t now = clock_monotonic();
	size_t left = watching->active_count < MOST ? watching->active_count : MOST;

	for (; left > 0; left--) {
		struct watched *watched;

		if (watching->active_at >= watching->active_count)
			watching->active_at = 0;
		watched = heads_find(&watching->heads, watching->active[watching->active_at]);
		if (!watched->head || watched->active < now) {
			forget(watching, watched);
			continue;
		}
		watching->active_at++;
		if (ask_one(round, watched, err) < 0)
			return fl_failed(err);
	}
	return 0;
}
