#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "repl/wire.h"
#include "tests/fuzz/fuzz.h"

/*
 * What a peer may send, read in every way.  The first byte chooses; what is accepted
 * must come back from its encoding as it went in, what is refused has a reason.
 */

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void try_head(const uint8_t *data, size_t size)
{
	uint8_t again[WIRE_HEAD];
	struct fl_error err = { 0 };
	struct wire_head head;

	if (size < WIRE_HEAD)
		return;
	if (wire_head_decode(data, &head, &err) < 0) {
		require(err.code == FL_CORRUPT && err.text[0]);
		return;
	}
	require(head.length <= WIRE_PAYLOAD);
	wire_head_encode(&head, again);
	require(memcmp(again, data, WIRE_HEAD) == 0);
}

static void try_greeting(const uint8_t *data, size_t size)
{
	struct fl_error err = { 0 };
	uint16_t version = 0;

	if (size < WIRE_GREETING_SIZE)
		return;
	if (wire_greeting_decode(data, 2, 5, &version, &err) < 0)
		require(err.text[0] && version == 0);
	else
		require(version >= 2 && version <= 5);
}

static void try_hello(const uint8_t *data, size_t size)
{
	own_text struct text out = { 0 }, twice = { 0 };
	struct wire_hello hello, again;
	struct fl_error err = { 0 };

	if (wire_hello(data, size, &hello, &err) < 0) {
		require(err.code == FL_CORRUPT && err.text[0]);
		return;
	}
	wire_put_hello(&out, &hello);
	require(wire_hello(text_get(&out), out.length, &again, &err) == 0);
	wire_put_hello(&twice, &again);
	require(out.length == twice.length && memcmp(out.bytes, twice.bytes, out.length) == 0);
}

static void try_error(const uint8_t *data, size_t size)
{
	struct wire_view view = wire_view(data, size), back;
	own_text struct text out = { 0 };
	struct fl_error error, again;

	wire_error(&view, &error);
	require(error.code > FL_OK && error.code < FL_CODES && error.text[0]);
	require(utf8_is_valid(error.text) && utf8_is_valid(error.hint));
	wire_put_error(&out, &error);
	back = wire_view(text_get(&out), out.length);
	wire_error(&back, &again);
	require(!back.trouble && again.code == error.code && again.sys == error.sys);
	require(strcmp(again.text, error.text) == 0 && strcmp(again.object, error.object) == 0);
}

/* Each byte of `data` asks for a field of what follows. */
static void try_fields(const uint8_t *data, size_t size)
{
	size_t asked = size / 4;
	struct wire_view view = wire_view(data + asked, size - asked);
	struct fl_error err = { 0 };
	uint8_t bytes[300];
	char text[40];

	for (size_t i = 0; i < asked; i++) {
		switch (data[i] % 10) {
		case 0:
			wire_u8(&view);
			break;
		case 1:
			wire_u16(&view);
			break;
		case 2:
			wire_u32(&view);
			break;
		case 3:
			wire_u64(&view);
			break;
		case 4:
			wire_flag(&view);
			break;
		case 5:
			wire_uuid(&view);
			break;
		case 6:
			wire_bytes(&view, bytes, data[i]);
			break;
		case 7:
			wire_text(&view, text, sizeof(text));
			require(utf8_is_valid(text));
			break;
		case 8: {
			own_free char *string = wire_string(&view);

			require(utf8_is_valid(string));
			break;
		}
		case 9:
			require(wire_count(&view, 3) <= view.left / 3);
			break;
		}
		require(view.left <= size);
		require(!view.trouble || view.left == 0);
	}
	require((wire_end(&view, "it", &err) < 0) == (view.trouble != NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(const uint8_t *, size_t) = { try_head, try_greeting, try_hello,
								  try_error, try_fields };

	if (size > 0)
		tries[data[0] % array_size(tries)](data + 1, size - 1);
	return 0;
}
