#include "delta/point.h"

#include <endian.h>
#include <nettle/sha2.h>
#include <string.h>

#define ENCODING 1

struct encoded {
	uint8_t version;
	uint64_t commands;
	uint8_t digest[DELTA_DIGEST];
	uint64_t offset;
} __attribute__((packed));

static void add_stable(struct delta_point *point, const void *raw, size_t length)
{
	struct sha256_ctx sha;

	sha256_init(&sha);
	sha256_update(&sha, sizeof(point->digest), point->digest);
	sha256_update(&sha, length, raw);
	sha256_digest(&sha, sizeof(point->digest), point->digest);
	point->commands++;
	point->offset = 0;
	point->path[0] = '\0';
}

void delta_point_add(struct delta_point *point, const struct delta_command *command,
		     const void *raw, size_t length)
{
	uint64_t size = command->verb == DELTA_WRITE ? command->data_length : command->size;

	if (delta_is_stable(command->verb) && command->verb != DELTA_END)
		add_stable(point, raw, length);
	if (delta_has_contents(command->verb)) {
		strcpy(point->path, command->path);
		if (__builtin_add_overflow(command->offset, size, &point->offset))
			point->offset = UINT64_MAX;
	}
}

void delta_point_encode(const struct delta_point *point, struct text *out)
{
	struct encoded encoded = { .version = ENCODING,
				   .commands = htole64(point->commands),
				   .offset = htole64(point->offset) };

	memcpy(encoded.digest, point->digest, sizeof(encoded.digest));
	text_add(out, (const char *)&encoded, sizeof(encoded));
	text_add_string(out, point->path);
}

int delta_point_decode(const void *bytes, size_t length, struct delta_point *ret,
		       struct fl_error *err)
{
	struct encoded encoded;
	const char *path;

	if (length < sizeof(encoded) || length > sizeof(encoded) + DELTA_PATH_MAX)
		return fl_fail(err, FL_CORRUPT, "a point of a delta with %zu bytes", length);
	memcpy(&encoded, bytes, sizeof(encoded));
	path = (const char *)bytes + sizeof(encoded);
	length -= sizeof(encoded);
	if (encoded.version != ENCODING || memchr(path, '\0', length))
		return fl_fail(err, FL_CORRUPT, "what should be a point of a delta is none");
	memset(ret, 0, sizeof(*ret));
	ret->commands = le64toh(encoded.commands);
	ret->offset = le64toh(encoded.offset);
	memcpy(ret->digest, encoded.digest, sizeof(ret->digest));
	memcpy(ret->path, path, length);
	return 0;
}

void delta_points_begin(struct delta_points *points, const struct uuid *boot)
{
	memset(points, 0, sizeof(*points));
	points->boot = *boot;
}

void delta_points_put(struct delta_points *points, const struct delta_point *point)
{
	uint64_t next = points->count + 1;
	struct delta_point *place = &points->places[next % 2];

	memcpy(place, point, offsetof(struct delta_point, path));
	strcpy(place->path, point->path);
	/* Whoever maps the file later sees all that was written before this. */
	__atomic_store_n(&points->count, next, __ATOMIC_RELEASE);
}

bool delta_points_get(const void *bytes, size_t length, const struct uuid *boot,
		      struct delta_point *ret)
{
	const struct delta_points *points = bytes;
	const struct delta_point *place;

	if (length != sizeof(*points) || !uuid_equal(&points->boot, boot) || points->count == 0)
		return false;
	place = &points->places[points->count % 2];
	if (!memchr(place->path, '\0', sizeof(place->path)))
		return false;
	*ret = *place;
	return true;
}
