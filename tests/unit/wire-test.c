#include "repl/wire.h"

#include "base/utf8.h"
#include "tests/check.h"

static const uint8_t *bytes_of(const struct text *text)
{
	return (const uint8_t *)text_get(text);
}

/* --- heads -------------------------------------------------------------------- */

static void a_head_is_twelve_bytes_little_endian(void)
{
	static const uint8_t wanted[WIRE_HEAD] = { 0x34, 0x12, 0x08, 0x00, 35, 1,
						   0,	 0,    0x78, 0x56, 0,  0 };
	const struct wire_head head = {
		.length = 0x81234, .type = WIRE_DATA, .flags = WIRE_ZSTD, .channel = 0x5678
	};
	struct wire_head again;
	struct fl_error err = { 0 };
	uint8_t bytes[WIRE_HEAD];

	wire_head_encode(&head, bytes);
	check(memcmp(bytes, wanted, WIRE_HEAD) == 0);
	check_ok(wire_head_decode(bytes, &again, &err));
	check(again.length == head.length && again.type == head.type);
	check(again.flags == head.flags && again.channel == head.channel);
}

static void heads_that_cannot_be_are_refused(void)
{
	static const struct {
		uint32_t length;
		uint8_t type, flags, zero[2];
		uint32_t channel;
		const char *says; /* NULL: it is fine */
	} cases[] = {
		{ 0, WIRE_DONE, 0, { 0 }, 1, NULL },
		{ WIRE_PAYLOAD, WIRE_OFFER, 0, { 0 }, 1, NULL },
		{ WIRE_PAYLOAD + 1, WIRE_OFFER, 0, { 0 }, 1, "1048577 bytes" },
		{ UINT32_MAX, WIRE_DATA, 0, { 0 }, 1, "4294967295 bytes" },
		{ WIRE_CONTROL, WIRE_HELLO, 0, { 0 }, 0, NULL },
		{ WIRE_CONTROL + 1, WIRE_HELLO, 0, { 0 }, 0, "4097 bytes" },
		{ 0, 0, 0, { 0 }, 0, "unknown type 0" },
		{ 0, 5, 0, { 0 }, 0, "unknown type 5" },
		{ 0, 255, 0, { 0 }, 1, "unknown type 255" },
		{ 0, WIRE_OFFER, WIRE_ZSTD, { 0 }, 1, "unknown flags" },
		{ 100, WIRE_DATA, 2, { 0 }, 1, "unknown flags" },
		{ 100, WIRE_DATA, WIRE_ZSTD, { 0 }, 1, NULL },
		{ 0, WIRE_OFFER, 0, { 1, 0 }, 1, "not 0" },
		{ 0, WIRE_OFFER, 0, { 0, 1 }, 1, "not 0" },
		{ 0, WIRE_OFFER, 0, { 0 }, 0, "type 32 on channel 0" },
		{ 8, WIRE_PING, 0, { 0 }, 7, "type 2 on channel 7" },
		{ WIRE_CHAIN, WIRE_DATA, 0, { 0 }, 1, "without any" },
		{ WIRE_CHAIN + 1, WIRE_DATA, 0, { 0 }, 1, NULL },
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		own_text struct text out = { 0 };
		struct wire_head head = { .length = 77 };
		struct fl_error err = { 0 };

		wire_put_u32(&out, cases[i].length);
		wire_put_u8(&out, cases[i].type);
		wire_put_u8(&out, cases[i].flags);
		wire_put_bytes(&out, cases[i].zero, 2);
		wire_put_u32(&out, cases[i].channel);
		if (!cases[i].says) {
			check_ok(wire_head_decode(bytes_of(&out), &head, &err));
			continue;
		}
		check_code(FL_CORRUPT, wire_head_decode(bytes_of(&out), &head, &err));
		check(strstr(err.text, cases[i].says) != NULL);
		check(head.length == 77);
	}
}

/* --- greetings ---------------------------------------------------------------- */

static void the_newest_version_in_common_is_spoken(void)
{
	static const struct {
		uint16_t its[2], ours[2], version;
		enum fl_code code;
		const char *hint;
	} cases[] = {
		{ { 1, 1 }, { 1, 1 }, 1, FL_OK, "" },
		{ { 1, 9 }, { 2, 4 }, 4, FL_OK, "" },
		{ { 1, 3 }, { 2, 4 }, 3, FL_OK, "" },
		{ { 1, 300 }, { 256, 400 }, 300, FL_OK, "" },
		{ { 1, 1 }, { 2, 4 }, 0, FL_UNSUPPORTED, "there" },
		{ { 5, 6 }, { 2, 4 }, 0, FL_UNSUPPORTED, "here" },
		{ { 3, 2 }, { 2, 4 }, 0, FL_CORRUPT, "" },
		{ { 0, 2 }, { 2, 4 }, 0, FL_CORRUPT, "" },
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		uint8_t bytes[WIRE_GREETING_SIZE];
		struct fl_error err = { 0 };
		uint16_t version = 0;

		wire_greeting_encode(cases[i].its[0], cases[i].its[1], bytes);
		(void)!wire_greeting_decode(bytes, cases[i].ours[0], cases[i].ours[1], &version,
					    &err);
		check(err.code == cases[i].code && version == cases[i].version);
		check(strstr(err.hint, cases[i].hint) != NULL);
	}
}

static void who_greets_differently_is_no_flocker(void)
{
	struct fl_error err = { 0 };
	uint16_t version = 0;

	check_code(FL_INVALID,
		   wire_greeting_decode((const uint8_t *)"HTTP/1.1 400", 1, 1, &version, &err));
	check(strstr(err.text, "no Flocker") != NULL && err.hint[0]);
}

/* --- fields ------------------------------------------------------------------- */

static void every_field_comes_back(void)
{
	const struct uuid uuid = uuid_new();
	own_text struct text out = { 0 };
	struct fl_error err = { 0 };
	struct wire_view view;
	own_free char *string = NULL;
	struct uuid got;
	char text[8], bytes[3];

	wire_put_u8(&out, 0xfe);
	wire_put_u16(&out, 0xfedc);
	wire_put_u32(&out, 0xfedcba98);
	wire_put_u64(&out, 0xfedcba9876543210);
	wire_put_i64(&out, INT64_MIN + 1);
	wire_put_flag(&out, true);
	wire_put_flag(&out, false);
	wire_put_uuid(&out, &uuid);
	wire_put_bytes(&out, "abc", 3);
	wire_put_text(&out, "sch\xc3\xb6n");
	wire_put_text(&out, "more");
	wire_put_text(&out, NULL);
	wire_put_u32(&out, 2);
	wire_put_u16(&out, 7);
	wire_put_u16(&out, 8);
	view = wire_view(bytes_of(&out), out.length);
	check(wire_u8(&view) == 0xfe && wire_u16(&view) == 0xfedc);
	check(wire_u32(&view) == 0xfedcba98 && wire_u64(&view) == 0xfedcba9876543210);
	check(wire_i64(&view) == INT64_MIN + 1);
	check(wire_flag(&view) && !wire_flag(&view));
	got = wire_uuid(&view);
	check(uuid_equal(&got, &uuid));
	wire_bytes(&view, bytes, 3);
	check(memcmp(bytes, "abc", 3) == 0);
	wire_text(&view, text, 7);
	check_string("sch\xc3\xb6n", text);
	string = wire_string(&view);
	check_string("more", string);
	wire_text(&view, text, 1);
	check_string("", text);
	check(wire_count(&view, 2) == 2 && wire_u16(&view) == 7 && wire_u16(&view) == 8);
	check_ok(wire_end(&view, "it", &err));
	check(view.left == 0);
}

static void integers_are_little_endian(void)
{
	own_text struct text out = { 0 };

	wire_put_u16(&out, 0x0102);
	wire_put_u32(&out, 0x03040506);
	wire_put_u64(&out, 0x0708090a0b0c0d0e);
	check(out.length == 14);
	check(memcmp(out.bytes, "\2\1\6\5\4\3\x0e\x0d\x0c\x0b\x0a\x09\x08\x07", 14) == 0);
}

/* A view that has had trouble gives nothing but zeros, and says its first trouble. */
static void check_failed_view(struct wire_view *view, const char *says)
{
	struct fl_error err = { 0 };
	uint8_t bytes[4] = { 1, 2, 3, 4 };
	own_free char *string = NULL;
	struct uuid uuid;
	char text[4] = "abc";

	check_code(FL_CORRUPT, wire_end(view, "an offer", &err));
	check(strstr(err.text, "an offer") != NULL && strstr(err.text, says) != NULL);
	check(wire_u8(view) == 0 && wire_u16(view) == 0 && wire_u32(view) == 0);
	check(wire_u64(view) == 0 && wire_i64(view) == 0 && !wire_flag(view));
	check(wire_count(view, 1) == 0);
	uuid = wire_uuid(view);
	check(uuid_is_none(&uuid));
	wire_bytes(view, bytes, 4);
	check(memcmp(bytes, "\0\0\0", 4) == 0);
	wire_text(view, text, sizeof(text));
	check_string("", text);
	string = wire_string(view);
	check_string("", string);
	check_code(FL_CORRUPT, wire_end(view, "an offer", &err));
	check(strstr(err.text, says) != NULL);
}

static void what_is_missing_is_trouble(void)
{
	struct wire_view empty = wire_view(NULL, 0), view = wire_view("\1\2\3", 3);
	struct fl_error err = { 0 };

	wire_bytes(&empty, NULL, 0);
	check_ok(wire_end(&empty, "nothing", &err));
	check(wire_u8(&empty) == 0);
	check_failed_view(&empty, "too early");
	check(wire_u32(&view) == 0); /* and not 0x030201 */
	check_failed_view(&view, "too early");
}

static void texts_that_cannot_be_are_trouble(void)
{
	static const struct {
		const char *bytes;
		size_t length;
		const char *says;
	} cases[] = {
		{ "\3\0ab", 4, "too early" },	    { "\3", 1, "too early" },
		{ "\3\0a\0b", 5, "NUL" },	    { "\2\0\xc3(", 4, "UTF-8" },
		{ "\1\0\xc3\xb6", 4, "UTF-8" },	    { "\1\0\0", 3, "NUL" },
		{ "\3\0\xed\xa0\x80", 5, "UTF-8" },
	};
	struct wire_view view;
	char small[3];

	for (size_t i = 0; i < array_size(cases); i++) {
		own_free char *string = NULL;
		char text[16] = "before";

		view = wire_view(cases[i].bytes, cases[i].length);
		wire_text(&view, text, sizeof(text));
		check_string("", text);
		check_failed_view(&view, cases[i].says);
		view = wire_view(cases[i].bytes, cases[i].length);
		string = wire_string(&view);
		check_string("", string);
		check_failed_view(&view, cases[i].says);
	}
	view = wire_view("\3\0abc", 5);
	wire_text(&view, small, sizeof(small));
	check_failed_view(&view, "too long");
}

static void a_flag_is_0_or_1(void)
{
	struct wire_view view = wire_view("\2", 1);

	check(!wire_flag(&view));
	check_failed_view(&view, "neither");
}

static void a_count_fits_what_follows(void)
{
	struct wire_view view = wire_view("\2\0\0\0abcdefg", 11);

	check(wire_count(&view, 3) == 2);
	view = wire_view("\2\0\0\0abcdefg", 11);
	check(wire_count(&view, 4) == 0);
	check_failed_view(&view, "longer");
	view = wire_view("\xff\xff\xff\xff", 4);
	check(wire_count(&view, SIZE_MAX) == 0);
	check_failed_view(&view, "longer");
}

static void what_a_later_version_appends_is_passed_over(void)
{
	struct wire_view view = wire_view("\1more", 5);
	struct fl_error err = { 0 };

	check(wire_u8(&view) == 1);
	check_ok(wire_end(&view, "it", &err));
}

static void a_text_is_cut_at_a_characters_end(void)
{
	own_free char *huge = xcalloc(WIRE_TEXT + 3, 1), *got = NULL;
	own_text struct text out = { 0 }, bad = { 0 };
	struct wire_view view;

	memset(huge, 'a', WIRE_TEXT - 1);
	memcpy(huge + WIRE_TEXT - 1, "\xc3\xb6", 2);
	wire_put_text(&out, huge);
	view = wire_view(bytes_of(&out), out.length);
	got = wire_string(&view);
	check(!view.trouble && strlen(got) == WIRE_TEXT - 1);
	wire_put_text(&bad, "ab\xff"
			    "cd");
	check(bad.length == 4 && memcmp(bad.bytes, "\2\0ab", 4) == 0);
}

/* --- errors and hellos ---------------------------------------------------------- */

static void an_error_keeps_its_words(void)
{
	struct fl_error err = { 0 }, got;
	own_text struct text out = { 0 };
	struct wire_view view;

	errno = ENOSPC;
	(void)!fl_fail_errno(&err, "cannot write '%s'", "x\ty");
	(void)!fl_hint(&err, "make room");
	(void)!fl_object(&err, "data/trunk");
	wire_put_error(&out, &err);
	view = wire_view(bytes_of(&out), out.length);
	wire_error(&view, &got);
	check(!view.trouble && view.left == 0);
	check(got.code == FL_NO_SPACE && got.sys == ENOSPC);
	check_string("cannot write 'x?y': No space left on device", got.text);
	check_string("make room", got.hint);
	check_string("data/trunk", got.object);
	check(got.file && got.line);
}

static void an_error_of_a_stranger_is_an_error(void)
{
	static const uint8_t codes[] = { FL_OK, FL_CODES, 255 };
	own_free char *longer = xcalloc(1000, 1);
	struct fl_error got;
	struct wire_view view;

	for (size_t i = 0; i < 996; i += 3)
		memcpy(longer + i, "\xe2\x82\xac", 3);
	for (size_t i = 0; i < array_size(codes); i++) {
		own_text struct text out = { 0 };

		wire_put_u8(&out, codes[i]);
		wire_put_u32(&out, 0x80000000);
		wire_put_text(&out, longer);
		wire_put_text(&out, "\x1b[2J");
		wire_put_text(&out, "");
		view = wire_view(bytes_of(&out), out.length);
		wire_error(&view, &got);
		check(!view.trouble && got.code == FL_SYSTEM && got.sys == 0);
		check(strlen(got.text) == 477 && utf8_is_valid(got.text)); /* of 479 */
		check_string("?[2J", got.hint);
	}
	view = wire_view("", 0);
	wire_error(&view, &got);
	check(view.trouble && got.code == FL_SYSTEM && got.text[0] && !got.hint[0]);
}

static struct wire_hello a_hello(void)
{
	return (struct wire_hello){
		.instance = uuid_new(),
		.cluster = uuid_new(),
		.name = "host-a",
		.program = "0.1.0",
		.forms = 5,
		.time = 1234567890,
	};
}

static void a_hello_comes_back(void)
{
	struct wire_hello hello = a_hello(), got;
	own_text struct text out = { 0 };
	struct fl_error err = { 0 };

	wire_put_hello(&out, &hello);
	text_add(&out, "later", 5);
	check_ok(wire_hello(out.bytes, out.length, &got, &err));
	check(uuid_equal(&got.instance, &hello.instance));
	check(uuid_equal(&got.cluster, &hello.cluster));
	check(got.forms == 5 && got.time == hello.time);
	check_string("host-a", got.name);
	check_string("0.1.0", got.program);
	for (size_t length = 0; length < out.length - 5; length++)
		check_code(FL_CORRUPT, wire_hello(out.bytes, length, &got, &err));
}

static void a_hello_says_who_it_is(void)
{
	struct wire_hello nobody = a_hello(), nameless = a_hello(), loud = a_hello(), got;
	own_text struct text first = { 0 }, second = { 0 }, third = { 0 };
	struct fl_error err = { 0 };

	nobody.instance = (struct uuid){ 0 };
	wire_put_hello(&first, &nobody);
	check_code(FL_CORRUPT, wire_hello(first.bytes, first.length, &got, &err));
	check(strstr(err.text, "nobody") != NULL);
	strcpy(nameless.name, "../etc");
	wire_put_hello(&second, &nameless);
	check_code(FL_CORRUPT, wire_hello(second.bytes, second.length, &got, &err));
	check(strstr(err.text, "a hello that cannot be") != NULL);
	strcpy(loud.program, "\a1");
	wire_put_hello(&third, &loud);
	check_ok(wire_hello(third.bytes, third.length, &got, &err));
	check_string("?1", got.program);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (const struct check[]){
				  CHECK(a_head_is_twelve_bytes_little_endian),
				  CHECK(heads_that_cannot_be_are_refused),
				  CHECK(the_newest_version_in_common_is_spoken),
				  CHECK(who_greets_differently_is_no_flocker),
				  CHECK(every_field_comes_back),
				  CHECK(integers_are_little_endian),
				  CHECK(what_is_missing_is_trouble),
				  CHECK(texts_that_cannot_be_are_trouble),
				  CHECK(a_flag_is_0_or_1),
				  CHECK(a_count_fits_what_follows),
				  CHECK(what_a_later_version_appends_is_passed_over),
				  CHECK(a_text_is_cut_at_a_characters_end),
				  CHECK(an_error_keeps_its_words),
				  CHECK(an_error_of_a_stranger_is_an_error),
				  CHECK(a_hello_comes_back),
				  CHECK(a_hello_says_who_it_is),
				  CHECK_END,
			  });
}
