#include "repl/wire.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "model/name.h"

static const enum wire_type types[] = {
	WIRE_HELLO,   WIRE_PING,      WIRE_PONG,     WIRE_BYE,	  WIRE_REQUEST,
	WIRE_DONE,    WIRE_ERROR,     WIRE_OFFER,    WIRE_HAVE,	  WIRE_STEP,
	WIRE_DATA,    WIRE_CREDIT,    WIRE_STEP_END, WIRE_TAKEN,  WIRE_FINISH,
	WIRE_VOLUMES, WIRE_DIGEST_IS, WIRE_JOINED,   WIRE_DENIED,
};

static bool is_known(uint8_t type)
{
	for (size_t i = 0; i < array_size(types); i++)
		if (types[i] == type)
			return true;
	return false;
}

static bool is_of_link(enum wire_type type)
{
	return type < WIRE_REQUEST;
}

void wire_head_encode(const struct wire_head *head, uint8_t ret[static WIRE_HEAD])
{
	uint32_t length = htole32(head->length), channel = htole32(head->channel);

	memcpy(ret, &length, sizeof(length));
	ret[4] = (uint8_t)head->type;
	ret[5] = head->flags;
	ret[6] = ret[7] = 0;
	memcpy(ret + 8, &channel, sizeof(channel));
}

static int check_size(const struct wire_head *head, struct fl_error *err)
{
	uint32_t most = is_of_link(head->type) ? WIRE_CONTROL : WIRE_PAYLOAD;

	if (head->length > most)
		return fl_fail(err, FL_CORRUPT, "a frame of %u bytes, where %u are the most",
			       head->length, most);
	if (head->type == WIRE_DATA && head->length <= WIRE_CHAIN)
		return fl_fail(err, FL_CORRUPT, "a frame of data without any");
	return 0;
}

int wire_head_decode(const uint8_t bytes[static WIRE_HEAD], struct wire_head *ret,
		     struct fl_error *err)
{
	struct wire_view view = wire_view(bytes, WIRE_HEAD);
	struct wire_head head = { .length = wire_u32(&view) };
	uint8_t type = wire_u8(&view);

	if (!is_known(type))
		return fl_fail(err, FL_CORRUPT, "a frame of the unknown type %u", type);
	head.type = (enum wire_type)type;
	head.flags = wire_u8(&view);
	if ((head.flags & ~(type == WIRE_DATA ? WIRE_ZSTD : 0)) != 0)
		return fl_fail(err, FL_CORRUPT, "a frame with unknown flags");
	if (wire_u16(&view) != 0)
		return fl_fail(err, FL_CORRUPT, "a frame's head with bytes that are not 0");
	head.channel = wire_u32(&view);
	if ((head.channel == 0) != is_of_link(head.type))
		return fl_fail(err, FL_CORRUPT, "a frame of type %u on channel %u", type,
			       head.channel);
	if (check_size(&head, err) < 0)
		return fl_failed(err);
	*ret = head;
	return 0;
}

void wire_greeting_encode(uint16_t oldest, uint16_t newest, uint8_t ret[static WIRE_GREETING_SIZE])
{
	oldest = htole16(oldest);
	newest = htole16(newest);
	memcpy(ret, WIRE_GREETING, 8);
	memcpy(ret + 8, &oldest, sizeof(oldest));
	memcpy(ret + 10, &newest, sizeof(newest));
}

int wire_greeting_decode(const uint8_t bytes[static WIRE_GREETING_SIZE], uint16_t oldest,
			 uint16_t newest, uint16_t *ret_version, struct fl_error *err)
{
	struct wire_view view = wire_view(bytes + 8, 4);
	uint16_t its_oldest = wire_u16(&view), its_newest = wire_u16(&view);
	bool older = its_newest < oldest;

	if (memcmp(bytes, WIRE_GREETING, 8) != 0) {
		fl_fail(err, FL_INVALID, "what answers there is no Flocker");
		return fl_hint(err, "check the address, and that flockerd listens there");
	}
	if (its_oldest > its_newest || its_oldest == 0)
		return fl_fail(err, FL_CORRUPT, "a greeting with the versions %u to %u", its_oldest,
			       its_newest);
	if (older || its_oldest > newest) {
		fl_fail(err, FL_UNSUPPORTED,
			"no version of the protocol in common: %u to %u here, %u to %u there",
			oldest, newest, its_oldest, its_newest);
		return fl_hint(err, "the program %s is the older one: upgrade it",
			       older ? "there" : "here");
	}
	*ret_version = newest < its_newest ? newest : its_newest;
	return 0;
}

/* --- writing ------------------------------------------------------------------ */

void wire_put_bytes(struct text *out, const void *bytes, size_t length)
{
	text_add(out, bytes, length);
}

void wire_put_u8(struct text *out, uint8_t value)
{
	wire_put_bytes(out, &value, sizeof(value));
}

void wire_put_u16(struct text *out, uint16_t value)
{
	value = htole16(value);
	wire_put_bytes(out, &value, sizeof(value));
}

void wire_put_u32(struct text *out, uint32_t value)
{
	value = htole32(value);
	wire_put_bytes(out, &value, sizeof(value));
}

void wire_put_u64(struct text *out, uint64_t value)
{
	value = htole64(value);
	wire_put_bytes(out, &value, sizeof(value));
}

void wire_put_i64(struct text *out, int64_t value)
{
	wire_put_u64(out, (uint64_t)value);
}

void wire_put_flag(struct text *out, bool value)
{
	wire_put_u8(out, value);
}

void wire_put_uuid(struct text *out, const struct uuid *uuid)
{
	wire_put_bytes(out, uuid->bytes, sizeof(uuid->bytes));
}

/* As much of `string`, at most `most` bytes, as is whole and well-formed. */
static size_t whole_length(const char *string, size_t most)
{
	size_t length = 0, n;

	while (string[length] && (n = utf8_length(string + length)) > 0 && length + n <= most)
		length += n;
	return length;
}

void wire_put_text(struct text *out, const char *string)
{
	size_t length = string ? whole_length(string, WIRE_TEXT) : 0;

	wire_put_u16(out, (uint16_t)length);
	if (length > 0)
		wire_put_bytes(out, string, length);
}

/* --- reading ------------------------------------------------------------------ */

struct wire_view wire_view(const void *bytes, size_t length)
{
	return (struct wire_view){ .bytes = bytes, .left = length };
}

static void trouble(struct wire_view *view, const char *what)
{
	if (!view->trouble)
		view->trouble = what;
	view->left = 0;
}

/* The next `length` bytes; NULL: there are not so many. */
static const uint8_t *next(struct wire_view *view, size_t length)
{
	const uint8_t *bytes = view->bytes;

	if (view->trouble || view->left < length) {
		trouble(view, "it ends too early");
		return NULL;
	}
	if (length > 0) /* NULL + 0 is no address */
		view->bytes += length;
	view->left -= length;
	return bytes;
}

void wire_bytes(struct wire_view *view, void *ret, size_t length)
{
	const uint8_t *bytes = next(view, length);

	if (length == 0)
		return;
	if (bytes)
		memcpy(ret, bytes, length);
	else
		memset(ret, 0, length);
}

uint8_t wire_u8(struct wire_view *view)
{
	uint8_t value;

	wire_bytes(view, &value, sizeof(value));
	return value;
}

uint16_t wire_u16(struct wire_view *view)
{
	uint16_t value;

	wire_bytes(view, &value, sizeof(value));
	return le16toh(value);
}

uint32_t wire_u32(struct wire_view *view)
{
	uint32_t value;

	wire_bytes(view, &value, sizeof(value));
	return le32toh(value);
}

uint64_t wire_u64(struct wire_view *view)
{
	uint64_t value;

	wire_bytes(view, &value, sizeof(value));
	return le64toh(value);
}

int64_t wire_i64(struct wire_view *view)
{
	return (int64_t)wire_u64(view);
}

bool wire_flag(struct wire_view *view)
{
	uint8_t value = wire_u8(view);

	if (value > 1)
		trouble(view, "a yes or no that is neither");
	return value == 1;
}

struct uuid wire_uuid(struct wire_view *view)
{
	struct uuid uuid;

	wire_bytes(view, uuid.bytes, sizeof(uuid.bytes));
	return uuid;
}

/* Into `ret`, which has room for `length` + 1. */
static void text_into(struct wire_view *view, char *ret, size_t length)
{
	wire_bytes(view, ret, length);
	ret[length] = '\0';
	if (strlen(ret) != length)
		trouble(view, "a text with a NUL in it"); /* or there was trouble before */
	else if (!utf8_is_valid(ret))
		trouble(view, "a text that is not UTF-8");
	if (view->trouble)
		ret[0] = '\0';
}

void wire_text(struct wire_view *view, char *ret, size_t size)
{
	size_t length = wire_u16(view);

	ret[0] = '\0';
	if (length >= size)
		trouble(view, "a text that is too long");
	else
		text_into(view, ret, length);
}

char *wire_string(struct wire_view *view)
{
	size_t length = wire_u16(view);
	char *string;

	if (length > view->left) {
		trouble(view, "it ends too early");
		length = 0;
	}
	string = xcalloc(length + 1, 1);
	text_into(view, string, length);
	return string;
}

uint32_t wire_count(struct wire_view *view, size_t least)
{
	uint32_t count = wire_u32(view);

	if (count <= view->left / least)
		return count;
	trouble(view, "a list that is longer than what it stands in");
	return 0;
}

int wire_end(const struct wire_view *view, const char *what, struct fl_error *err)
{
	if (!view->trouble)
		return 0;
	return fl_fail(err, FL_CORRUPT, "%s that cannot be: %s", what, view->trouble);
}

/* --- errors, and who is there --------------------------------------------------- */

void wire_put_error(struct text *out, const struct fl_error *error)
{
	wire_put_u8(out, (uint8_t)error->code);
	wire_put_u32(out, (uint32_t)error->sys);
	wire_put_text(out, error->text);
	wire_put_text(out, error->hint);
	wire_put_text(out, error->object);
}

/* What a stranger wrote goes to logs and terminals: without what would switch those. */
static void make_plain(char *string)
{
	size_t n;

	for (char *at = string; *at; at += n) {
		n = utf8_length(at);
		if (!utf8_is_plain(at, n))
			memset(at, '?', n);
	}
}

/* As much as there is room for, so that a peer with longer errors is understood. */
static void said(struct wire_view *view, char *ret, size_t size)
{
	own_free char *string = wire_string(view);
	size_t length = whole_length(string, size - 1);

	memcpy(ret, string, length);
	ret[length] = '\0';
	make_plain(ret);
}

void wire_error(struct wire_view *view, struct fl_error *ret)
{
	struct fl_error error = { .code = (enum fl_code)wire_u8(view) };
	uint32_t sys = wire_u32(view);

	if (error.code == FL_OK || error.code >= FL_CODES)
		error.code = FL_SYSTEM;
	error.sys = strerrordesc_np((int)sys) ? (int)sys : 0;
	said(view, error.text, sizeof(error.text));
	said(view, error.hint, sizeof(error.hint));
	said(view, error.object, sizeof(error.object));
	if (error.text[0] == '\0')
		snprintf(error.text, sizeof(error.text), "an error that it does not explain");
	error.file = __FILE__;
	error.line = __LINE__;
	*ret = error;
}

void wire_put_hello(struct text *out, const struct wire_hello *hello)
{
	wire_put_uuid(out, &hello->instance);
	wire_put_uuid(out, &hello->cluster);
	wire_put_text(out, hello->name);
	wire_put_text(out, hello->program);
	wire_put_u32(out, hello->forms);
	wire_put_i64(out, hello->time);
}

int wire_hello(const void *bytes, size_t length, struct wire_hello *ret, struct fl_error *err)
{
	struct wire_view view = wire_view(bytes, length);
	struct wire_hello hello;

	hello.instance = wire_uuid(&view);
	hello.cluster = wire_uuid(&view);
	wire_text(&view, hello.name, sizeof(hello.name));
	wire_text(&view, hello.program, sizeof(hello.program));
	hello.forms = wire_u32(&view);
	hello.time = wire_i64(&view);
	if (wire_end(&view, "a hello", err) < 0)
		return fl_failed(err);
	if (uuid_is_none(&hello.instance))
		return fl_fail(err, FL_CORRUPT, "a hello of nobody");
	if (name_check("instance", hello.name, err) < 0) {
		err->code = FL_CORRUPT;
		return fl_wrap(err, "a hello that cannot be");
	}
	make_plain(hello.program);
	*ret = hello;
	return 0;
}
