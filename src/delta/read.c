#include "delta/read.h"

#include <assert.h>
#include <endian.h>
#include <inttypes.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/text.h"
#include "delta/crc32c.h"
#include "delta/format.h"

/*
 * Bytes are taken in large pieces into one buffer, and a command is looked at where it lies in
 * it; what it borrows but strings, which get a NUL, is in there.  What is left of a piece is
 * moved to the front when the command in it is not whole.
 */

#define ROOM (2 * DELTA_COMMAND_MAX)

enum state { NOTHING_READ, HEADER_READ, COMMANDS_READ, ENDED };

struct delta_reader {
	delta_fill *fill;
	void *arg;
	enum state state;
	uint64_t position; /* of the end of the last command */
	uint64_t commands;
	size_t start, end; /* of what was taken and not handed out yet */
	const uint8_t *raw;
	size_t raw_length;
	char path[DELTA_PATH_MAX + 1], to[DELTA_PATH_MAX + 1], name[DELTA_XATTR_NAME_MAX + 1];
	uint8_t buffer[ROOM];
};

struct delta_reader *delta_reader_new(delta_fill *fill, void *arg)
{
	struct delta_reader *reader = xrealloc(NULL, sizeof(*reader), 1);

	memset(reader, 0, offsetof(struct delta_reader, buffer));
	reader->fill = fill;
	reader->arg = arg;
	return reader;
}

void delta_reader_free(struct delta_reader *reader)
{
	free(reader);
}

static int blame(const struct delta_reader *reader, struct fl_error *err)
{
	return fl_wrap(err, "command %" PRIu64 " of the delta, at byte %" PRIu64, reader->commands,
		       reader->position);
}

/* At least `wanted` bytes in the buffer; fewer: the end came first. */
static int take(struct delta_reader *reader, size_t wanted, struct fl_error *err)
{
	if (reader->end - reader->start >= wanted)
		return 0;
	memmove(reader->buffer, reader->buffer + reader->start, reader->end - reader->start);
	reader->end -= reader->start;
	reader->start = 0;
	while (reader->end < wanted) {
		size_t n = 0;

		if (reader->fill(reader->arg, reader->buffer + reader->end, ROOM - reader->end, &n,
				 err) < 0)
			return fl_failed(err);
		if (n == 0)
			return fl_fail(err, FL_CORRUPT, "the delta ends too soon");
		assert(n <= ROOM - reader->end);
		reader->end += n;
	}
	return 0;
}

static void hand_out(struct delta_reader *reader, size_t length)
{
	reader->raw = reader->buffer + reader->start;
	reader->raw_length = length;
	reader->start += length;
	reader->position += length;
}

static uint16_t number16(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

static uint32_t number32(const uint8_t *at)
{
	uint32_t number;

	memcpy(&number, at, sizeof(number));
	return le32toh(number);
}

static uint64_t number64(const uint8_t *at)
{
	uint64_t number;

	memcpy(&number, at, sizeof(number));
	return le64toh(number);
}

static int read_header(struct delta_reader *reader, struct fl_error *err)
{
	const uint8_t *header;
	uint32_t version;

	if (take(reader, DELTA_HEADER, err) < 0)
		return fl_failed(err);
	header = reader->buffer + reader->start;
	if (memcmp(header, DELTA_MAGIC, sizeof(DELTA_MAGIC)) != 0)
		return fl_fail(err, FL_INVALID, "this is no delta: it begins otherwise");
	version = number32(header + sizeof(DELTA_MAGIC));
	if (version != DELTA_VERSION) {
		fl_fail(err, FL_INVALID, "the delta has version %" PRIu32 ", not %d", version,
			DELTA_VERSION);
		return fl_hint(err, "have it made by `btrfs send --proto %d`, or by Flocker",
			       DELTA_VERSION);
	}
	hand_out(reader, DELTA_HEADER);
	reader->state = HEADER_READ;
	return 0;
}

/* --- attributes ------------------------------------------------------------------- */

struct value {
	unsigned attribute;
	const uint8_t *bytes;
	size_t length;
};

static int wrong_size(const struct value *value, struct fl_error *err)
{
	return fl_fail(err, FL_CORRUPT, "its %s has %zu bytes", delta_fields[value->attribute].name,
		       value->length);
}

static int take_number(const struct value *value, uint64_t *ret, struct fl_error *err)
{
	if (value->length != sizeof(*ret))
		return wrong_size(value, err);
	*ret = number64(value->bytes);
	return 0;
}

static uint64_t decode_device(uint64_t device)
{
	return makedev((unsigned)((device & 0xfff00) >> 8),
		       (unsigned)((device & 0xff) | (device >> 12 & 0xfff00)));
}

static int take_device(const struct value *value, uint64_t *ret, struct fl_error *err)
{
	uint64_t device;

	if (take_number(value, &device, err) < 0)
		return fl_failed(err);
	if (device > UINT32_MAX)
		return fl_fail(err, FL_CORRUPT, "its device has no such number");
	*ret = decode_device(device);
	return 0;
}

static int take_time(const struct value *value, struct timespec *ret, struct fl_error *err)
{
	uint32_t nanoseconds;

	if (value->length != DELTA_TIME_SIZE)
		return wrong_size(value, err);
	nanoseconds = number32(value->bytes + 8);
	/* Some larger numbers have a meaning of their own for utimensat(2). */
	if (nanoseconds >= 1000000000)
		return fl_fail(err, FL_CORRUPT, "its %s is no time",
			       delta_fields[value->attribute].name);
	*ret = (struct timespec){ .tv_sec = (time_t)number64(value->bytes),
				  .tv_nsec = (long)nanoseconds };
	return 0;
}

static int take_id(const struct value *value, struct uuid *ret, struct fl_error *err)
{
	if (value->length != sizeof(*ret))
		return wrong_size(value, err);
	memcpy(ret, value->bytes, sizeof(*ret));
	return 0;
}

static int take_string(struct delta_reader *reader, const struct value *value, const char **ret,
		       struct fl_error *err)
{
	const struct delta_field *field = &delta_fields[value->attribute];
	char *room = reader->to;

	if (value->length < field->least || value->length > field->most)
		return wrong_size(value, err);
	if (memchr(value->bytes, '\0', value->length))
		return fl_fail(err, FL_CORRUPT, "its %s holds a NUL", field->name);
	if (value->attribute == DELTA_A_PATH)
		room = reader->path;
	else if (value->attribute == DELTA_A_XATTR_NAME)
		room = reader->name;
	memcpy(room, value->bytes, value->length);
	room[value->length] = '\0';
	*ret = room;
	return 0;
}

static int take_value(struct delta_reader *reader, const struct value *value,
		      struct delta_command *command, struct fl_error *err)
{
	void *to = (char *)command + delta_fields[value->attribute].at;
	uint64_t ignored;

	switch (delta_fields[value->attribute].kind) {
	case DELTA_NUMBER:
		return take_number(value, to, err);
	case DELTA_IGNORED:
		return take_number(value, &ignored, err);
	case DELTA_DEVICE:
		return take_device(value, to, err);
	case DELTA_TIME:
		return take_time(value, to, err);
	case DELTA_ID:
		return take_id(value, to, err);
	case DELTA_STRING:
		return take_string(reader, value, to, err);
	default:
		command->data = value->bytes;
		command->data_length = value->length;
		return 0;
	}
}

static int take_attributes(struct delta_reader *reader, const uint8_t *at, size_t left,
			   struct delta_command *command, struct fl_error *err)
{
	const struct delta_rule *rule = &delta_rules[command->verb];
	uint32_t seen = 0;

	while (left > 0) {
		struct value value;

		if (left < DELTA_ATTRIBUTE_HEAD)
			return fl_fail(err, FL_CORRUPT, "it holds half an attribute");
		value.attribute = number16(at);
		value.length = number16(at + 2);
		value.bytes = at + DELTA_ATTRIBUTE_HEAD;
		left -= DELTA_ATTRIBUTE_HEAD;
		if (value.length > left)
			return fl_fail(err, FL_CORRUPT, "it holds half an attribute");
		if (value.attribute >= DELTA_ATTRIBUTES ||
		    !((rule->needs | rule->may) & UINT32_C(1) << value.attribute))
			return fl_fail(err, FL_CORRUPT, "it has the attribute %u, which is unknown",
				       value.attribute);
		if (seen & UINT32_C(1) << value.attribute)
			return fl_fail(err, FL_CORRUPT, "it has its %s twice",
				       delta_fields[value.attribute].name);
		seen |= UINT32_C(1) << value.attribute;
		if (take_value(reader, &value, command, err) < 0)
			return fl_failed(err);
		at = value.bytes + value.length;
		left -= value.length;
	}
	if (rule->needs & ~seen)
		return fl_fail(err, FL_CORRUPT, "it has no %s",
			       delta_fields[__builtin_ctz(rule->needs & ~seen)].name);
	return 0;
}

/* --- commands ---------------------------------------------------------------------- */

/* What comes first is the first command's alone. */
static int check_place(const struct delta_reader *reader, unsigned verb, struct fl_error *err)
{
	bool first = verb == DELTA_SUBVOL || verb == DELTA_SNAPSHOT;

	if (verb == 0 || verb >= DELTA_VERBS)
		return fl_fail(err, FL_CORRUPT, "there is no command %u", verb);
	if (first != (reader->state == HEADER_READ))
		return fl_fail(err, FL_CORRUPT, "%s cannot stand here", delta_rules[verb].name);
	return 0;
}

static int take_command(struct delta_reader *reader, const uint8_t **ret, size_t *ret_length,
			struct fl_error *err)
{
	static const uint8_t zero[4];
	const uint8_t *at;
	uint32_t left, crc;

	if (take(reader, DELTA_COMMAND_HEAD, err) < 0)
		return fl_failed(err);
	left = number32(reader->buffer + reader->start);
	if (left > DELTA_COMMAND_MAX - DELTA_COMMAND_HEAD)
		return fl_fail(err, FL_CORRUPT, "it has %" PRIu32 " bytes", left);
	if (take(reader, DELTA_COMMAND_HEAD + left, err) < 0)
		return fl_failed(err);
	at = reader->buffer + reader->start;
	crc = crc32c(crc32c(0, at, 6), zero, sizeof(zero));
	if (crc32c(crc, at + DELTA_COMMAND_HEAD, left) != number32(at + 6))
		return fl_fail(err, FL_CORRUPT, "its checksum does not agree");
	*ret = at;
	*ret_length = DELTA_COMMAND_HEAD + left;
	return 0;
}

static int read_command(struct delta_reader *reader, struct delta_command *ret,
			struct fl_error *err)
{
	struct delta_command command = { 0 };
	const uint8_t *at = NULL;
	size_t length = 0;

	if (take_command(reader, &at, &length, err) < 0 ||
	    check_place(reader, number16(at + 4), err) < 0)
		return fl_failed(err);
	command.verb = number16(at + 4);
	if (take_attributes(reader, at + DELTA_COMMAND_HEAD, length - DELTA_COMMAND_HEAD, &command,
			    err) < 0)
		return fl_failed(err);
	hand_out(reader, length);
	reader->state = command.verb == DELTA_END ? ENDED : COMMANDS_READ;
	reader->commands++;
	*ret = command;
	return 0;
}

int delta_next(struct delta_reader *reader, struct delta_command *ret, struct fl_error *err)
{
	assert(reader->state != ENDED);
	if (reader->state == NOTHING_READ && read_header(reader, err) < 0)
		return fl_failed(err);
	if (read_command(reader, ret, err) < 0)
		return err->code == FL_CORRUPT ? blame(reader, err) : fl_failed(err);
	return 0;
}

int delta_check_end(struct delta_reader *reader, struct fl_error *err)
{
	uint8_t byte;
	size_t n = reader->end - reader->start;

	assert(reader->state == ENDED);
	if (n == 0 && reader->fill(reader->arg, &byte, sizeof(byte), &n, err) < 0)
		return fl_failed(err);
	return n == 0 ? 0 : fl_fail(err, FL_CORRUPT, "something follows the end of the delta");
}

void delta_raw(const struct delta_reader *reader, const void **ret_bytes, size_t *ret_length)
{
	*ret_bytes = reader->raw;
	*ret_length = reader->raw_length;
}

uint64_t delta_position(const struct delta_reader *reader)
{
	return reader->position;
}
