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
	free(events->kept);
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

void events_add(struct events *events, const char *kind, const char *object, const char *text)
{
	own_lock(guard, &events->mutex);
	struct event *event;

	if (!events->kept)
		events->kept = xcalloc(EVENTS_KEPT, sizeof(*events->kept));
	event = &events->kept[++events->last % EVENTS_KEPT];
	event->number = events->last;
	event->time = clock_now();
	copy_cut(kind, event->kind, sizeof(event->kind));
	copy_cut(object, event->object, sizeof(event->object));
	copy_cut(text, event->text, sizeof(event->text));
	for (struct event_watch *watch = events->watches; watch; watch = watch->next)
		watch->tell(watch->arg, event);
}

void events_list(struct events *events, uint64_t after, size_t limit, struct event_list *ret)
{
	own_lock(guard, &events->mutex);
	uint64_t first = events->last > EVENTS_KEPT ? events->last - EVENTS_KEPT + 1 : 1;

	if (after >= first)
		first = after < events->last ? after + 1 : events->last + 1;
	for (uint64_t i = first; i <= events->last && i - first < limit; i++)
		*event_list_add(ret) = events->kept[i % EVENTS_KEPT];
}

void events_watch(struct events *events, struct event_watch *watch)
{
	own_lock(guard, &events->mutex);

	watch->next = events->watches;
	events->watches = watch;
}

void events_unwatch(struct events *events, struct event_watch *watch)
{
	own_lock(guard, &events->mutex);
	struct event_watch **at = &events->watches;

	while (*at != watch)
		at = &(*at)->next;
	*at = watch->next;
}
