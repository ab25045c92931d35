#include <regex.h>

#include "model/name.h"
#include "base/utf8.h"
#include "tests/check.h"
#include "tests/unit/random.h"

#define LONGEST "a23456789012345678901234567890123456789012345678901234567890123"
#define HINT                                                                                     \
	"a name begins with a letter or a digit; letters, digits, '_', '.' and '-' may follow, " \
	"up to 63 characters in all"

static void names_in_the_grammar_pass(void)
{
	static const char *const names[] = { "a", "Z", "7", "mydata", "a.b_c-d", "0..", LONGEST };
	struct fl_error err = { 0 };

	for (size_t i = 0; i < array_size(names); i++)
		check_ok(name_check("volume", names[i], &err));
}

static void others_are_told_exactly_what_is_wrong(void)
{
	static const struct {
		const char *what, *name, *message;
	} cases[] = {
		{ "volume", "", "the volume name is empty" },
		{ "volume", "my data",
		  "'my data' is not a volume name: ' ' at position 3 is not allowed" },
		{ "branch", "-x", "'-x' is not a branch name: it begins with '-'" },
		{ "branch", ".", "'.' is not a branch name: it begins with '.'" },
		{ "instance", "a b",
		  "'a b' is not an instance name: ' ' at position 2 is not allowed" },
		{ "tag", "_", "'_' is not a tag name: it begins with '_'" },
		{ "tag", "/etc", "'/etc' is not a tag name: '/' at position 1 is not allowed" },
		{ "tag", "a/b", "'a/b' is not a tag name: '/' at position 2 is not allowed" },
		{ "tag", "gr\xc3\xbc\xc3\x9f",
		  "'gr\xc3\xbc\xc3\x9f' is not a tag name: '\xc3\xbc' at position 3 is not "
		  "allowed" },
		{ "tag", "a\nb",
		  "'a?b' is not a tag name: byte 0x0a at position 2 is not allowed" },
		{ "tag", "\xff", "'?' is not a tag name: byte 0xff at position 1 is not allowed" },
		{ "tag", "a\x7f",
		  "'a?' is not a tag name: byte 0x7f at position 2 is not allowed" },
		{ "volume", LONGEST "x",
		  "'" LONGEST "x' is not a volume name: it has 64 characters, 63 are allowed" },
		{ "volume", LONGEST LONGEST,
		  "'" LONGEST "a2345678901234567...' is not a volume name: it has 126 characters, "
		  "63 are allowed" },
	};
	struct fl_error err;

	for (size_t i = 0; i < array_size(cases); i++) {
		check_code(FL_INVALID, name_check(cases[i].what, cases[i].name, &err));
		check_string(cases[i].message, err.text);
		check_string(HINT, err.hint);
	}
}

/* The grammar as DESIGN gives it, by somebody else's regular expressions. */
static void the_grammar_is_the_documented_one(void)
{
	static const char alphabet[] = "abzAZ09_.-_.- /@:{}\n\x80\xc3\xa9\xff";
	struct fl_error err;
	regex_t grammar;
	char name[80];

	check(regcomp(&grammar, "^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$", REG_EXTENDED | REG_NOSUB) ==
	      0);
	random_begin(2);
	for (int i = 0; i < 50000; i++) {
		size_t length = random_below(random_below(4) ? 6 : 80);
		/* Mostly allowed characters, or no long name would ever pass. */
		size_t from = random_below(30) ? 12 : sizeof(alphabet) - 1;
		bool good;

		for (size_t k = 0; k < length; k++)
			name[k] = random_of(alphabet, from);
		name[length] = '\0';
		good = !strchr(name, '\n') && regexec(&grammar, name, 0, NULL, 0) == 0;
		check((name_check("volume", name, &err) == 0) == good);
	}
	regfree(&grammar);
}

static void any_string_becomes_a_name(void)
{
	static const struct {
		const char *from, *to;
	} cases[] = {
		{ "", "host" },
		{ "---", "host" },
		{ "/", "host" },
		{ "web1", "web1" },
		{ "web 1", "web-1" },
		{ ".hidden", "hidden" },
		{ "a/b\n", "a-b-" },
		{ "\xc3\xbc"
		  "ber",
		  "ber" },
		{ LONGEST "yz", LONGEST },
	};
	char name[NAME_TEXT];

	for (size_t i = 0; i < array_size(cases); i++) {
		name_sanitize(cases[i].from, name);
		check_string(cases[i].to, name);
	}
}

static void sanitized_names_are_valid_and_stay(void)
{
	char string[100], name[NAME_TEXT], again[NAME_TEXT];
	struct fl_error err = { 0 };

	random_begin(3);
	for (int i = 0; i < 20000; i++) {
		size_t length = random_below(99);

		for (size_t k = 0; k < length; k++)
			string[k] = (char)(1 + random_below(255));
		string[length] = '\0';
		name_sanitize(string, name);
		check_ok(name_check("instance", name, &err));
		name_sanitize(name, again);
		check_string(name, again);
		name_sanitize(random_name(string), name);
		check_string(string, name);
	}
}

static void shown_text_is_harmless(void)
{
	char string[200], shown[NAME_SHOWN];
	size_t n;

	random_begin(4);
	for (int i = 0; i < 20000; i++) {
		size_t length = random_below(199);

		for (size_t k = 0; k < length; k++)
			string[k] = (char)(1 + random_below(255));
		string[length] = '\0';
		check(strlen(name_show(string, shown)) < NAME_SHOWN);
		for (const char *p = shown; *p; p += n) {
			n = utf8_length(p);
			check(n > 0 && (unsigned char)*p >= 0x20 && *p != 0x7f);
		}
	}
}

static void shown_text_is_cut_between_characters(void)
{
	char string[100], shown[NAME_SHOWN];

	memset(string, 'x', 79);
	strcpy(string + 79, "\xc3\xbc");
	check(strlen(name_show(string, shown)) == 82);
	check_string("...", shown + 79);
	strcpy(string + 78, "\xc3\xbc");
	check_string(string, name_show(string, shown));
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(names_in_the_grammar_pass),
				  CHECK(others_are_told_exactly_what_is_wrong),
				  CHECK(the_grammar_is_the_documented_one),
				  CHECK(any_string_becomes_a_name),
				  CHECK(sanitized_names_are_valid_and_stay),
				  CHECK(shown_text_is_harmless),
				  CHECK(shown_text_is_cut_between_characters),
				  CHECK_END,
			  });
}
