#include "delta/write.h"

#include <assert.h>
#include <endian.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "delta/crc32c.h"
#include "delta/format.h"

struct header {
	char magic[sizeof(DELTA_MAGIC)];
	uint32_t version;
} __attribute__((packed));

struct head {
	uint32_t length;
	uint16_t verb;
	uint32_t crc;
} __attribute__((packed));

_Static_assert(sizeof(struct header) == DELTA_HEADER, "a delta's header");
_Static_assert(sizeof(struct head) == DELTA_COMMAND_HEAD, "a command's head");

void delta_put_header(struct text *out)
{
	const struct header header = { DELTA_MAGIC, htole32(DELTA_VERSION) };

	text_add(out, (const char *)&header, sizeof(header));
}

static void put_bytes(unsigned attribute, const void *bytes, size_t length, struct text *out)
{
	const uint16_t head[2] = { htole16((uint16_t)attribute), htole16((uint16_t)length) };

	assert(length <= UINT16_MAX);
	text_add(out, (const char *)head, sizeof(head));
	text_add(out, bytes, length);
}

static void put_number(unsigned attribute, uint64_t number, struct text *out)
{
	number = htole64(number);
	put_bytes(attribute, &number, sizeof(number), out);
}

static uint64_t encode_device(uint64_t device)
{
	uint64_t major = major(device), minor = minor(device);

	return (minor & 0xff) | major << 8 | (minor & ~UINT64_C(0xff)) << 12;
}

static void put_time(unsigned attribute, const struct timespec *time, struct text *out)
{
	const uint64_t seconds = htole64((uint64_t)time->tv_sec);
	const uint32_t nanoseconds = htole32((uint32_t)time->tv_nsec);
	char bytes[DELTA_TIME_SIZE];

	memcpy(bytes, &seconds, sizeof(seconds));
	memcpy(bytes + sizeof(seconds), &nanoseconds, sizeof(nanoseconds));
	put_bytes(attribute, bytes, sizeof(bytes), out);
}

static void put_attribute(unsigned attribute, const struct delta_command *command, struct text *out)
{
	const struct delta_field *field = &delta_fields[attribute];
	const void *value = (const char *)command + field->at;

	switch (field->kind) {
	case DELTA_NUMBER:
		put_number(attribute, *(const uint64_t *)value, out);
		break;
	case DELTA_DEVICE:
		put_number(attribute, encode_device(*(const uint64_t *)value), out);
		break;
	case DELTA_TIME:
		put_time(attribute, value, out);
		break;
	case DELTA_STRING:
		value = *(const char *const *)value;
		put_bytes(attribute, value, strlen(value), out);
		break;
	case DELTA_BYTES:
		put_bytes(attribute, command->data, command->data_length, out);
		break;
	default:
		assert(field->kind == DELTA_ID);
		put_bytes(attribute, value, sizeof(struct uuid), out);
	}
}

void delta_put(const struct delta_command *command, struct text *out)
{
	struct head head = { .verb = htole16((uint16_t)command->verb) };
	size_t start = out->length, length;

	text_add(out, (const char *)&head, sizeof(head));
	for (unsigned attribute = 0; attribute < DELTA_ATTRIBUTES; attribute++) {
		if (delta_rules[command->verb].needs & UINT32_C(1) << attribute)
			put_attribute(attribute, command, out);
	}
	length = out->length - start;
	assert(length <= DELTA_COMMAND_MAX);
	head.length = htole32((uint32_t)(length - sizeof(head)));
	memcpy(out->bytes + start, &head, sizeof(head));
	head.crc = htole32(crc32c(0, out->bytes + start, length));
	memcpy(out->bytes + start, &head, sizeof(head));
}
