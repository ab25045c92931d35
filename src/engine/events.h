#pragma once

/*
 * Events: what has happened, for those who look on.
 *
 * The newest EVENTS_KEPT are kept in memory, and each is told at once to all who
 * watch.  They are no record: a restart forgets them, and the audit log is what
 * says who changed what.  Any thread.
 *
 * What comes again and again (snapshots by themselves, of many branches every few
 * seconds) is kept apart, as many of it, so that it does not drive out the rest.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "model/nouns.h"

#define EVENTS_KEPT 256

/*
 * Told of each event from event_watch() to event_unwatch(), under a lock: it
 * must not block and not ask for events.  Its memory is the watcher's.
 */
struct event_watch {
	void (*tell)(void *arg, const struct event *event);
	void *arg;
	bool missed; /* there were others before the one that is told, which are not kept any more
		      */
	struct event_watch *next;
};

struct event_ring {
	struct event *kept; /* EVENTS_KEPT; NULL before the first */
	uint64_t count;	    /* ever added */
};

struct events {
	pthread_mutex_t mutex;
	struct event_ring main, routine;
	uint64_t last;	  /* number given last */
	uint64_t dropped; /* the greatest number that is not kept any more */
	struct event_watch *watches;
};

void events_init(struct events *events);
void events_done(struct events *events);

/* `object` and `text` may be NULL; what is too long is cut at a character. */
void events_add(struct events *events, const char *kind, const char *object, const char *text);
/* The same of what comes again and again. */
void events_add_routine(struct events *events, const char *kind, const char *object,
			const char *text);

/* Those that are kept and have a greater number than `after`, oldest first, at most `limit`. */
void events_list(struct events *events, uint64_t after, size_t limit, struct event_list *ret);

/*
 * `after` NULL: what comes from now on is told.  Else first what is kept and came after
 * that number, too; one that was not given yet is of an earlier run, of which all
 * was missed.
 */
void events_watch(struct events *events, struct event_watch *watch, const uint64_t *after);
/* tell() is not called any more once it returns. */
void events_unwatch(struct events *events, struct event_watch *watch);
