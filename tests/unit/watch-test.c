/* Events in crafted buffers, as the kernel writes them and as it never would; and the map of trees.
 */
#include "tests/check.h"

#include <stddef.h>
#include <sys/fanotify.h>

#include "watch/events.h"
#include "watch/heads.h"

struct buffer {
	uint8_t bytes[1024];
	size_t length;
};

static void put(struct buffer *buffer, const void *bytes, size_t length)
{
	memcpy(buffer->bytes + buffer->length, bytes, length);
	buffer->length += length;
}

/* An event whose records take `records` bytes, which follow. */
static void put_event(struct buffer *buffer, uint64_t mask, size_t records)
{
	struct fanotify_event_metadata event = {
		.event_len = (uint32_t)(sizeof(event) + records),
		.vers = FANOTIFY_METADATA_VERSION,
		.metadata_len = sizeof(event),
		.mask = mask,
		.fd = FAN_NOFD,
	};

	put(buffer, &event, sizeof(event));
}

/* A record of that type that holds a handle. */
static void put_handle(struct buffer *buffer, uint8_t type, const char *handle, uint32_t length)
{
	struct fanotify_event_info_header header = { .info_type = type };
	const uint64_t fsid = 1;
	const int32_t handle_type = 0x4d;

	header.len = (uint16_t)(sizeof(header) + sizeof(fsid) + 8 + length);
	put(buffer, &header, sizeof(header));
	put(buffer, &fsid, sizeof(fsid));
	put(buffer, &length, sizeof(length));
	put(buffer, &handle_type, sizeof(handle_type));
	put(buffer, handle, length);
}

#define RECORD(length) (sizeof(struct fanotify_event_info_header) + 16 + (length))

static bool next(const struct buffer *buffer, size_t *at, struct watch_event *ret)
{
	return watch_event_next(buffer->bytes, buffer->length, at, ret);
}

/* An event as the kernel writes it: one record, of whose it is; "" is none's. */
static void put_told(struct buffer *buffer, uint64_t mask, const char *handle)
{
	uint32_t length = (uint32_t)strlen(handle);

	put_event(buffer, mask, RECORD(length));
	put_handle(buffer, FAN_EVENT_INFO_TYPE_FID, handle, length);
}

/* From `at` there is one that is lost, and then no more. */
static void check_lost(const struct buffer *buffer, size_t at)
{
	struct watch_event event;

	check(next(buffer, &at, &event));
	check(event.lost && !event.handle);
	check(!next(buffer, &at, &event));
}

static void an_event_says_its_handle(void)
{
	struct buffer buffer = { .length = 0 };
	struct watch_event event;
	size_t at = 0;

	put_told(&buffer, FAN_MODIFY, "abcdefghijklmnopqrst");
	put_told(&buffer, FAN_CREATE, "xyz");
	check(next(&buffer, &at, &event));
	check(!event.lost && event.type == 0x4d && event.length == 20);
	check(memcmp(event.handle, "abcdefghijklmnopqrst", 20) == 0);
	check(next(&buffer, &at, &event));
	check(event.length == 3 && memcmp(event.handle, "xyz", 3) == 0);
	check(!next(&buffer, &at, &event));
}

static void records_of_other_types_are_passed_over(void)
{
	struct buffer buffer = { .length = 0 };
	struct watch_event event;
	size_t at = 0;

	put_event(&buffer, FAN_MODIFY, RECORD(8) + RECORD(4));
	put_handle(&buffer, 77, "whatever", 8);
	put_handle(&buffer, FAN_EVENT_INFO_TYPE_FID, "abcd", 4);
	check(next(&buffer, &at, &event));
	check(event.length == 4 && memcmp(event.handle, "abcd", 4) == 0);
	put_event(&buffer, FAN_MODIFY, 0);
	check(next(&buffer, &at, &event));
	check(!event.lost && !event.handle);
}

static void a_full_queue_is_told(void)
{
	struct buffer buffer = { .length = 0 };
	struct watch_event event;
	size_t at = 0;

	put_told(&buffer, FAN_Q_OVERFLOW, "");
	put_told(&buffer, FAN_MODIFY, "abcd");
	check(next(&buffer, &at, &event));
	check(event.lost && !event.handle);
	check(next(&buffer, &at, &event));
	check(!event.lost && event.length == 4);
}

/* Each length that the buffer may be cut off at: a whole event, nothing, or lost; never beyond. */
static void what_is_cut_off_is_lost(void)
{
	struct buffer buffer = { .length = 0 };

	put_told(&buffer, FAN_MODIFY, "abcd");
	for (size_t length = 1; length < buffer.length; length++) {
		/* On the heap, so that a sanitizer sees what is read behind it. */
		uint8_t *cut = malloc(length);
		struct watch_event event;
		size_t at = 0;

		memcpy(cut, buffer.bytes, length);
		check(watch_event_next(cut, length, &at, &event));
		check(event.lost && !event.handle && at == length);
		free(cut);
	}
}

static void lengths_that_lie_are_lost(void)
{
	struct fanotify_event_metadata event;
	struct fanotify_event_info_header header;
	struct buffer good = { .length = 0 }, bad;
	uint32_t huge = UINT32_MAX;

	put_told(&good, FAN_MODIFY, "abcd");
	for (int i = 0; i < 5; i++) {
		bad = good;
		memcpy(&event, bad.bytes, sizeof(event));
		if (i == 0)
			event.event_len = 0;
		if (i == 1)
			event.event_len = UINT32_MAX;
		if (i == 2)
			event.metadata_len = 0;
		if (i == 3)
			event.metadata_len = UINT16_MAX;
		if (i == 4)
			event.vers = 99;
		memcpy(bad.bytes, &event, sizeof(event));
		check_lost(&bad, 0);
	}
	for (uint16_t length = 0; length < RECORD(0); length++) {
		bad = good;
		memcpy(&header, bad.bytes + sizeof(event), sizeof(header));
		header.len = length;
		memcpy(bad.bytes + sizeof(event), &header, sizeof(header));
		check_lost(&bad, 0);
	}
	bad = good; /* a handle longer than its record */
	memcpy(bad.bytes + sizeof(event) + sizeof(header) + 8, &huge, sizeof(huge));
	check_lost(&bad, 0);
}

static void the_map_finds_what_was_added(void)
{
	struct heads heads = { 0 };

	check(!heads_find(&heads, 1));
	for (uint64_t i = 1; i <= 10000; i++)
		heads_add(&heads, i * 256)->touched = i;
	check(heads.count == 10000);
	for (uint64_t i = 1; i <= 10000; i++) {
		check(heads_find(&heads, i * 256)->touched == i);
		check(!heads_find(&heads, i * 256 + 1));
		check(heads_add(&heads, i * 256)->touched == i);
	}
	check(heads.count == 10000);
	heads_done(&heads);
	check(!heads_find(&heads, 256));
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(an_event_says_its_handle),
				  CHECK(records_of_other_types_are_passed_over),
				  CHECK(a_full_queue_is_told),
				  CHECK(what_is_cut_off_is_lost),
				  CHECK(lengths_that_lie_are_lost),
				  CHECK(the_map_finds_what_was_added),
				  CHECK_END,
			  });
}
