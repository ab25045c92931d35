#pragma once

/*
 * What fanotify tells, decoded: for a group of FAN_REPORT_FID, whose events say
 * which file they are about by a handle, and nothing else that matters here.
 * Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct watch_event {
	bool lost;	       /* events are missing from here on; there is no handle */
	int type;	       /* of the handle */
	const uint8_t *handle; /* in the buffer; NULL: the event names no file */
	size_t length;
};

/*
 * The event at `*at` in a buffer that was read from the group, and moves on to
 * the next one; false at the end.  What is no event, or is cut off, counts as
 * lost and ends the buffer: then all is compared, and nothing is overlooked.
 */
bool watch_event_next(const void *buffer, size_t length, size_t *at, struct watch_event *ret);
