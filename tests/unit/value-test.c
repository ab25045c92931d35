#include "lib/value.h"

#include "tests/check.h"

static struct fl_error err;

static struct value *parse(const char *text)
{
	struct value *root = NULL;

	check_ok(value_parse(text, strlen(text), &root, &err));
	return root;
}

static void members_are_found(void)
{
	own_free struct value *root = parse(
		" { \"a\" : 1 , \"b\":{\"a\":2,\"c\":[3,{\"d\":4}]}, \"\":true, \"e\":null } ");

	check(value_int(value_get(root, "a")) == 1);
	check(value_int(value_get(value_get(root, "b"), "a")) == 2);
	check(value_is(value_get(root, ""), VALUE_TRUE));
	check(value_is(value_get(root, "e"), VALUE_NULL));
	check(value_get(root, "c") == NULL && value_get(root, "d") == NULL);
	check(value_get(NULL, "a") == NULL && value_get(value_get(root, "a"), "a") == NULL);
}

static void arrays_are_walked(void)
{
	own_free struct value *root = parse("[1,[2,[3],{}],{\"x\":[4]},[],5]");
	static const enum value_type types[] = { VALUE_NUMBER, VALUE_ARRAY, VALUE_OBJECT,
						 VALUE_ARRAY, VALUE_NUMBER };
	size_t i = 0;

	value_each(root, element) check(value_is(element, types[i++]));
	check(i == 5 && value_count(root) == 5);
	check(value_first(NULL) == NULL && value_count(NULL) == 0);
}

static void strings_are_unescaped(void)
{
	own_free struct value *root = parse(
		"[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\",\"\\u00e9\\u4e16\",\"\\ud83d"
		"\\ude00\",\"\\ud83dx\",\"\\u0000\",\"plain é\",\"\"]");
	static const char *const wanted[] = { "\"\\/\b\f\n\r\t", "é世",	    "😀", "\xef\xbf\xbdx",
					      "\xef\xbf\xbd",	 "plain é", "" };
	size_t i = 0;

	value_each(root, element)
	{
		check_string(wanted[i], value_string(element));
		check_string(wanted[i++], value_string(element)); /* a second time too */
	}
	check(value_string(root) == NULL);
}

static void numbers_are_whole_or_nothing(void)
{
	own_free struct value *root =
		parse("[0,-5,9223372036854775807,9223372036854775808,1.5,1e3,true]");
	static const int64_t wanted[] = { 0, -5, INT64_MAX, 0, 0, 0, 0 };
	size_t i = 0;

	value_each(root, element) check(value_int(element) == wanted[i++]);
}

static void what_was_written_is_kept(void)
{
	own_free struct value *root = parse("{\"items\":[ {\"a\":\"\\u00e9\"} ],\"next\":null}");
	size_t length;
	const char *written = value_written(value_get(root, "items"), &length);

	check(length == 18 && memcmp(written, "[ {\"a\":\"\\u00e9\"} ]", length) == 0);
	check(value_equals(value_first(value_get(root, "items")) + 1, "a"));
}

static void bad_documents_are_refused(void)
{
	static const char *const bad[] = {
		"",	" ",	  "{",	       "}",	    "[",	   "[1",
		"[1,]", "[,1]",	  "{\"a\"}",   "{\"a\":}",  "{a:1}",	   "{\"a\":1,}",
		"01",	"-",	  "1.",	       "1e",	    "nul",	   "truer",
		"\"",	"\"\\\"", "\"\\x\"",   "\"\\u12\"", "\"\\u12g4\"", "\"\n\"",
		"[1]2", "[1 2]",  "{\"a\" 1}", "[\"a\":1]", "+1",	   ".5",
	};
	struct value *root = NULL;

	for (size_t i = 0; i < array_size(bad); i++)
		if (value_parse(bad[i], strlen(bad[i]), &root, &err) != -FL_INVALID || root)
			check_failed(__FILE__, __LINE__, "accepted", bad[i]);
}

/* The allocation is as large as the densest document needs, whole or cut anywhere. */
static void dense_documents_fit(void)
{
	static const char *const dense[] = { "[[],[],[],[]]", "{\"\":{\"\":0}}", "[0,0,0,0,0,0]",
					     "[[[[[[[[[[0]]]]]]]]]]" };

	for (size_t i = 0; i < array_size(dense); i++)
		for (size_t n = 0; n <= strlen(dense[i]); n++) {
			own_free struct value *root = NULL;
			own_free char *cut = strndup(dense[i], n);

			check((value_parse(cut, n, &root, &err) == 0) == (n == strlen(dense[i])));
		}
}

static void depth_is_bounded(void)
{
	char text[2 * VALUE_DEPTH + 3];
	struct value *root = NULL;

	for (size_t depth = VALUE_DEPTH; depth <= VALUE_DEPTH + 1; depth++) {
		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		check((value_parse(text, 2 * depth, &root, &err) == 0) == (depth == VALUE_DEPTH));
		free(take_ptr(root));
	}
	memset(text, '[', sizeof(text));
	check_code(FL_INVALID, value_parse(text, sizeof(text), &root, &err));
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(members_are_found),
				  CHECK(arrays_are_walked),
				  CHECK(strings_are_unescaped),
				  CHECK(numbers_are_whole_or_nothing),
				  CHECK(what_was_written_is_kept),
				  CHECK(bad_documents_are_refused),
				  CHECK(dense_documents_fit),
				  CHECK(depth_is_bounded),
				  CHECK_END,
			  });
}
