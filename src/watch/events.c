#include "watch/events.h"

#include <string.h>
#include <sys/fanotify.h>

/* Of a record: the header, the file system's id, then the handle's length and type. */
#define HANDLE_LENGTH offsetof(struct fanotify_event_info_fid, handle)
#define HANDLE_TYPE (HANDLE_LENGTH + sizeof(uint32_t))
#define HANDLE (HANDLE_TYPE + sizeof(int32_t))

/* False when the record does not hold what it says. */
static bool decode_fid(const uint8_t *record, size_t length, struct watch_event *ret)
{
	uint32_t bytes;
	int32_t type;

	if (length < HANDLE)
		return false;
	memcpy(&bytes, record + HANDLE_LENGTH, sizeof(bytes));
	memcpy(&type, record + HANDLE_TYPE, sizeof(type));
	if (bytes > length - HANDLE)
		return false;
	ret->type = type;
	ret->handle = record + HANDLE;
	ret->length = bytes;
	return true;
}

/* Of the records behind an event the first with a handle counts; a kernel to come may add others.
 */
static bool decode_records(const uint8_t *at, size_t left, struct watch_event *ret)
{
	struct fanotify_event_info_header header;

	while (left > 0) {
		if (left < sizeof(header))
			return false;
		memcpy(&header, at, sizeof(header));
		if (header.len < sizeof(header) || header.len > left)
			return false;
		if (header.info_type == FAN_EVENT_INFO_TYPE_FID)
			return decode_fid(at, header.len, ret);
		at += header.len;
		left -= header.len;
	}
	return true;
}

/* The event's length, or 0. */
static size_t decode(const uint8_t *at, size_t left, struct watch_event *ret)
{
	struct fanotify_event_metadata event;

	if (left < sizeof(event))
		return 0;
	memcpy(&event, at, sizeof(event));
	if (event.vers != FANOTIFY_METADATA_VERSION || event.metadata_len < sizeof(event) ||
	    event.event_len < event.metadata_len || event.event_len > left)
		return 0;
	ret->lost = event.mask & FAN_Q_OVERFLOW;
	if (!ret->lost &&
	    !decode_records(at + event.metadata_len, event.event_len - event.metadata_len, ret))
		return 0;
	return event.event_len;
}

bool watch_event_next(const void *buffer, size_t length, size_t *at, struct watch_event *ret)
{
	size_t taken;

	*ret = (struct watch_event){ 0 };
	if (*at >= length)
		return false;
	taken = decode((const uint8_t *)buffer + *at, length - *at, ret);
	if (taken == 0)
		*ret = (struct watch_event){ .lost = true };
	*at = taken == 0 ? length : *at + taken;
	return true;
}
