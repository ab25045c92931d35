#include "engine/events.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

void events_init(struct events *events)
{
	*events = (struct events){ 0 };
	pthread_mutex_init(&events->mutex, NULL);
}

void events_done(struct events *events)
{
	free(events->main.kept);
	free(events->routine.kept);
	pthread_mutex_destroy(&events->mutex);
}

/* Not within a character of UTF-8. */
static void copy_cut(const char *from, char *to, size_t room)
{
	size_t length = from ? strlen(from) : 0;

	if (length >= room)
		for (length = room - 1; length > 0 && (from[length] & 0xc0) == 0x80;)
			length--;
	if (length)
		memcpy(to, from, length);
	to[length] = '\0';
}

static void add(struct events *events, struct event_ring *ring, const struct event *event)
{
	struct event *place;

	if (!ring->kept)
		ring->kept = xcalloc(EVENTS_KEPT, sizeof(*ring->kept));
	place = &ring->kept[ring->count++ % EVENTS_KEPT];
	if (place->number > events->dropped)
		events->dropped = place->number;
	*place = *event;
}

static void add_to(struct events *events, struct event_ring *ring, const char *kind,
		   const char *object, const char *text)
{
	own_lock(guard, &events->mutex);
	struct event event = { .number = ++events->last, .time = clock_now() };

	copy_cut(kind, event.kind, sizeof(event.kind));
	copy_cut(object, event.object, sizeof(event.object));
	copy_cut(text, event.text, sizeof(event.text));
	add(events, ring, &event);
	for (struct event_watch *watch = events->watches; watch; watch = watch->next)
		watch->tell(watch->arg, &event);
}

void events_add(struct events *events, const char *kind, const char *object, const char *text)
{
	add_to(events, &events->main, kind, object, text);
}

void events_add_routine(struct events *events, const char *kind, const char *object,
			const char *text)
{
	add_to(events, &events->routine, kind, object, text);
}

/* --- what is kept, of both in the order of its numbers; under the mutex ---------------- */

/* Where the first that is kept and comes after that number stands, counted as `count` is. */
static uint64_t find_after(const struct event_ring *ring, uint64_t after)
{
	uint64_t at = ring->count > EVENTS_KEPT ? ring->count - EVENTS_KEPT : 0;

	while (at < ring->count && ring->kept[at % EVENTS_KEPT].number <= after)
		at++;
	return at;
}

struct reading_events {
	uint64_t main, routine;
};

static struct reading_events begin_after(const struct events *events, uint64_t after)
{
	return (struct reading_events){ find_after(&events->main, after),
					find_after(&events->routine, after) };
}

static const struct event *peek(const struct event_ring *ring, uint64_t at)
{
	return at < ring->count ? &ring->kept[at % EVENTS_KEPT] : NULL;
}

/* NULL: that was the last. */
static const struct event *next(const struct events *events, struct reading_events *reading)
{
	const struct event *main = peek(&events->main, reading->main);
	const struct event *routine = peek(&events->routine, reading->routine);

	if (routine && (!main || routine->number < main->number)) {
		reading->routine++;
		return routine;
	}
	if (main)
		reading->main++;
	return main;
}

void events_list(struct events *events, uint64_t after, size_t limit, struct event_list *ret)
{
	own_lock(guard, &events->mutex);
	struct reading_events reading = begin_after(events, after);
	const struct event *event;

	for (size_t i = 0; i < limit && (event = next(events, &reading)); i++)
		*event_list_add(ret) = *event;
}

void events_watch(struct events *events, struct event_watch *watch, const uint64_t *after)
{
	own_lock(guard, &events->mutex);

	watch->next = events->watches;
	events->watches = watch;
	if (after) {
		bool earlier = *after > events->last;
		struct reading_events reading = begin_after(events, earlier ? 0 : *after);
		const struct event *event;

		watch->missed = earlier || *after < events->dropped;
		while ((event = next(events, &reading)))
			watch->tell(watch->arg, event);
	}
}

void events_unwatch(struct events *events, struct event_watch *watch)
{
	own_lock(guard, &events->mutex);
	struct event_watch **at = &events->watches;

	while (*at != watch)
		at = &(*at)->next;
	*at = watch->next;
}
