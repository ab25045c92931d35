#include <stdint.h>

#include "base/error.h"
#include "base/own.h"
#include "base/utf8.h"
#include "tests/check.h"

/* Every code point by the definition of UTF-8. */
static size_t encode(uint32_t point, char out[5])
{
	size_t n = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

	for (size_t i = n; i-- > 1; point >>= 6)
		out[i] = (char)(0x80 | (point & 0x3f));
	out[0] = (char)(lead[n] | point);
	out[n] = '\0';
	return n;
}

static void every_code_point_has_its_length(void)
{
	char bytes[5];

	for (uint32_t point = 1; point <= 0x10ffff; point++) {
		size_t n = encode(point, bytes);

		check(utf8_length(bytes) == (point >= 0xd800 && point <= 0xdfff ? 0 : n));
		if (n > 1) {
			bytes[n - 1] = '\0';
			check(utf8_length(bytes) == 0);
		}
	}
}

static void what_is_not_utf8_has_none(void)
{
	static const char *const cases[] = {
		"\x80",
		"\xbf",
		"\xc0\x80",
		"\xc1\xbf",
		"\xe0\x9f\xbf",
		"\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xff",
		"\xe2\x82x",
		"\xe2x",
		"\xc3(",
	};

	for (size_t i = 0; i < array_size(cases); i++)
		check(utf8_length(cases[i]) == 0);
}

static void what_steers_a_terminal_is_not_plain(void)
{
	static const char *const plain[] = {
		" ", "~", "é", "\u00a0", "\u2027", "\u202f", "世", "😀"
	};
	static const char *const other[] = {
		"",	  "\n",	    "\033",   "\x7f",	"\xc2\x80", "\xc2\x9b",
		"\u2028", "\u202e", "\u2066", "\u2069", "\xff",
	};

	for (size_t i = 0; i < array_size(plain); i++)
		check(utf8_is_plain(plain[i], utf8_length(plain[i])));
	for (size_t i = 0; i < array_size(other); i++)
		check(!utf8_is_plain(other[i], utf8_length(other[i])));
}

static void a_string_is_valid_as_a_whole(void)
{
	check(utf8_is_valid("") && utf8_is_valid("plain") && utf8_is_valid("\xc3\xbcn\xc3\xaf"));
	check(!utf8_is_valid("\xff") && !utf8_is_valid("n\xc3") && !utf8_is_valid("\xc3\xbc\xbc"));
}

static void what_is_cut_ends_with_a_whole_character(void)
{
	static const char string[] = "aé世😀b"; /* 1, 2, 3, 4 and 1 bytes */
	static const size_t fits[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11, 11 };

	for (size_t i = 0; i < array_size(fits); i++)
		check(utf8_fit(string, i) == fits[i]);
	/* What is no UTF-8 is left as it is. */
	check(utf8_fit("\x80\x80\x80\x80\x80", 4) == 4 && utf8_fit("\xff\xff", 1) == 0);
	check(utf8_fit("n\xc3", 9) == 2 && utf8_fit("", 0) == 0);
}

/* The texts of an error are of bounded size. */
static void an_error_ends_with_a_whole_character(void)
{
	char text[1000] = "";
	struct fl_error err;

	for (size_t i = 0; i < 4; i++) {
		memset(text, 'x', i);
		for (size_t at = i; at + 4 < sizeof(text); at += 4)
			memcpy(text + at, "😀", 5);
		fl_fail(&err, FL_INVALID, "%s", text);
		fl_add_hint(&err, "%s", text);
		fl_add_object(&err, "%s", text);
		check(utf8_is_valid(err.text) && strlen(err.text) > sizeof(err.text) - 5);
		check(utf8_is_valid(err.hint) && utf8_is_valid(err.object));
		fl_add_wrap(&err, "%s", "x");
		check(utf8_is_valid(err.text));
	}
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(every_code_point_has_its_length),
				  CHECK(what_is_not_utf8_has_none),
				  CHECK(a_string_is_valid_as_a_whole),
				  CHECK(what_steers_a_terminal_is_not_plain),
				  CHECK(what_is_cut_ends_with_a_whole_character),
				  CHECK(an_error_ends_with_a_whole_character),
				  CHECK_END,
			  });
}
