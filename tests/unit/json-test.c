#include "base/clock.h"
#include "base/json.h"
#include "tests/check.h"
#include "tests/unit/json-reader.h"
#include "tests/unit/random.h"

static void objects_and_arrays_nest(void)
{
	own_text struct text text = { 0 };
	struct json json;

	json_init(&json, &text);
	json_put_object(&json, NULL);
	json_put_string(&json, "name", "shop");
	json_put_int(&json, "least", INT64_MIN);
	json_put_int(&json, "most", INT64_MAX);
	json_put_bool(&json, "yes", true);
	json_put_bool(&json, "no", false);
	json_put_null(&json, "none");
	json_put_string(&json, "null", NULL);
	json_put_array(&json, "list");
	json_put_string(&json, NULL, "a");
	json_put_object(&json, NULL);
	json_end(&json);
	json_put_array(&json, NULL);
	json_end(&json);
	json_put_int(&json, NULL, 0);
	json_end(&json);
	json_put_raw(&json, "raw", "{\"x\":[1]}");
	json_put_object(&json, "last");
	json_put_int(&json, "y", -1);
	json_end(&json);
	json_end(&json);
	check_string(
		"{\"name\":\"shop\",\"least\":-9223372036854775808,"
		"\"most\":9223372036854775807,\"yes\":true,\"no\":false,\"none\":null,"
		"\"null\":null,\"list\":[\"a\",{},[],0],\"raw\":{\"x\":[1]},\"last\":{\"y\":-1}}",
		text_get(&text));
	check(json.depth == 0);
}

static void a_lone_value_is_a_document(void)
{
	own_text struct text text = { 0 };
	struct json json;

	json_init(&json, &text);
	json_put_string(&json, NULL, "");
	check_string("\"\"", text_get(&text));
}

static void values_have_their_text_forms(void)
{
	const struct uuid none = { { 0 } }, uuid = { { 0x01, 0x23, [15] = 0xff } };
	own_text struct text text = { 0 };
	struct json json;

	json_init(&json, &text);
	json_put_array(&json, NULL);
	json_put_uuid(&json, NULL, &none);
	json_put_uuid(&json, NULL, &uuid);
	json_put_time(&json, NULL, 0);
	json_put_time(&json, NULL, INT64_C(1795168800) * CLOCK_SECOND + 5);
	json_end(&json);
	check_string("[null,\"01230000-0000-0000-0000-0000000000ff\",null,"
		     "\"2026-11-20T10:00:00.000000005Z\"]",
		     text_get(&text));
}

static void strings_are_escaped(void)
{
	static const struct {
		const char *string, *json;
	} cases[] = {
		{ "a\"b\\c/d", "\"a\\\"b\\\\c/d\"" },
		{ "\b\t\n\f\r", "\"\\b\\t\\n\\f\\r\"" },
		{ "\x01\x0b\x1b\x1f\x7f", "\"\\u0001\\u000b\\u001b\\u001f\\u007f\"" },
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
		  "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"" },
		{ "a\xff\xc3(b", "\"a\xef\xbf\xbd\xef\xbf\xbd(b\"" },
		{ "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "x\xe2\x82", "\"x\xef\xbf\xbd\xef\xbf\xbd\"" },
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		own_text struct text text = { 0 };
		struct json json;

		json_init(&json, &text);
		json_put_string(&json, NULL, cases[i].string);
		check_string(cases[i].json, text_get(&text));
	}
}

static void keys_are_escaped_too(void)
{
	own_text struct text text = { 0 };
	struct json json;

	json_init(&json, &text);
	json_put_object(&json, NULL);
	json_put_int(&json, "a\"\n", 1);
	json_end(&json);
	check_string("{\"a\\\"\\n\":1}", text_get(&text));
}

static void it_nests_to_its_full_depth(void)
{
	own_text struct text text = { 0 };
	struct json json;

	json_init(&json, &text);
	for (int i = 0; i < JSON_DEPTH; i++)
		json_put_array(&json, NULL);
	json_put_int(&json, NULL, 1);
	json_put_int(&json, NULL, 2);
	for (int i = 0; i < JSON_DEPTH; i++)
		json_end(&json);
	check(reader_accepts(text_get(&text)));
}

/* Any bytes at all: a parser of others accepts the output, and gives valid text back unchanged. */
static void parsers_read_back_what_was_written(void)
{
	static const char *const pieces[] = { "a",	  "\"",		  "\\",
					      "\n",	  "\x1f",	  "\x7f",
					      "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
					      "\xff",	  "\xc3",	  "\xed\xa0\x80",
					      "/",	  "\x80" };
	char string[200];

	random_begin(81);
	for (int i = 0; i < 20000; i++) {
		size_t kinds = random_below(2) ? 9 : array_size(pieces);
		own_text struct text text = { 0 };
		struct json json;
		own_free char *read = NULL;

		string[0] = '\0';
		for (size_t n = random_below(30); n > 0; n--)
			strcat(string, pieces[random_below(kinds)]);
		json_init(&json, &text);
		json_put_object(&json, NULL);
		json_put_string(&json, string, string);
		json_end(&json);
		read = reader_member(text_get(&text), kinds == 9 ? string : NULL);
		check(read);
		if (kinds == 9)
			check_string(string, read);
	}
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(objects_and_arrays_nest),
				  CHECK(a_lone_value_is_a_document),
				  CHECK(values_have_their_text_forms),
				  CHECK(strings_are_escaped),
				  CHECK(keys_are_escaped_too),
				  CHECK(it_nests_to_its_full_depth),
				  CHECK(parsers_read_back_what_was_written),
				  CHECK_END,
			  });
}
