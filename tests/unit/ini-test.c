#include "base/ini.h"
#include "tests/check.h"
#include "tests/unit/random.h"

#define FILE_TEXT "# first\n[trash]\n keep\t=  7d \n\n; note\n[log]\nlevel = info"

static struct text text_of(const char *string)
{
	struct text text = { 0 };

	text_add_string(&text, string);
	return text;
}

static void settings_are_found_with_their_lines(void)
{
	own_text struct text text = text_of(FILE_TEXT);
	own_ini struct ini ini = { 0 };
	struct fl_error err;

	check_ok(ini_parse(&text, &ini, &err));
	check(ini.count == 4);
	check_string("7d", ini_find(&ini, "trash", "keep")->value);
	check(ini_find(&ini, "trash", "keep")->line == 3);
	check_string("info", ini_find(&ini, "log", "level")->value);
	check(ini_find(&ini, "log", "")->line == 6);
	check(!ini_find(&ini, "log", "keep"));
}

static void a_value_means_itself(void)
{
	own_text struct text text = text_of("[a]\nb = \"x\" = y # z ; \xc3\xa9\r\nc=\n");
	own_ini struct ini ini = { 0 };
	struct fl_error err;

	check_ok(ini_parse(&text, &ini, &err));
	check_string("\"x\" = y # z ; \xc3\xa9", ini_find(&ini, "a", "b")->value);
	check_string("", ini_find(&ini, "a", "c")->value);
}

static void what_is_wrong_is_told_with_its_line(void)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "a = b\n", "line 1: a setting stands before any [SECTION]" },
		{ "[a]\nb = 1\n\nb = 2\n", "line 4: 'b' is in [a] already, in line 2" },
		{ "[a]\n[b]\n[a]\n", "line 3: section [a] began already in line 1" },
		{ "[a]\nb\n", "line 2: it is neither" },
		{ "\xef\xbb\xbf[a]\nb = 1\n", "line 1: it begins with a byte order mark" },
		{ "[a\n", "line 1: a section ends with ']'" },
		{ "[]\n", "line 1: the name of a section is missing" },
		{ "[a]\n= 1\n", "line 2: the name of a setting is missing" },
		{ "[a]\nB = 1\n", "line 2: 'B' is no name of a setting" },
		{ "[a]\n1b = 1\n", "line 2: '1b' is no name of a setting" },
		{ "[a b]\n", "line 1: 'a b' is no name of a section" },
		{ "[a]\nb = \xff\n", "line 2: it is not UTF-8" },
		{ "[a]\nb = \xc3", "line 2: it is not UTF-8" },
		{ "[a]\nb = \x01\n", "line 2: it holds a control character (byte 1)" },
		{ "[a]\nb = 1\rc\n", "line 2: it holds a control character (byte 13)" },
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		own_text struct text text = text_of(cases[i].text);
		own_ini struct ini ini = { 0 };
		struct fl_error err;

		check_code(FL_INVALID, ini_parse(&text, &ini, &err));
		if (!strstr(err.text, cases[i].says))
			check_string(cases[i].says, err.text);
	}
}

static void a_nul_and_too_many_bytes_are_refused(void)
{
	own_text struct text nul = { 0 }, large = { 0 };
	own_ini struct ini ini = { 0 };
	struct fl_error err;

	text_add(&nul, "[a]\nb = \0\n", 10);
	check_code(FL_INVALID, ini_parse(&nul, &ini, &err));
	while (large.length <= INI_MAX)
		text_add_string(&large, "# comment\n");
	check_code(FL_INVALID, ini_parse(&large, &ini, &err));
	large.length = INI_MAX / 10 * 10;
	check_ok(ini_parse(&large, &ini, &err));
	check_code(FL_INVALID, ini_edit(&large, "a", "b", "c", &nul, &err));
}

static void check_edit(const char *before, const char *key, const char *value, const char *after)
{
	own_text struct text text = text_of(before), changed = { 0 };
	struct fl_error err;

	check_ok(ini_edit(&text, "trash", key, value, &changed, &err));
	check_string(after, text_get(&changed));
}

static void an_edit_touches_only_its_setting(void)
{
	check_edit("", "keep", "1d", "[trash]\nkeep = 1d\n");
	check_edit("# x", "keep", "1d", "# x\n\n[trash]\nkeep = 1d\n");
	check_edit(FILE_TEXT, "keep", "1d",
		   "# first\n[trash]\n keep\t=  1d \n\n; note\n[log]\nlevel = info");
	check_edit(FILE_TEXT, "more", "1",
		   "# first\n[trash]\n keep\t=  7d \nmore = 1\n\n; note\n[log]\nlevel = info");
	check_edit(FILE_TEXT, "keep", NULL, "# first\n[trash]\n\n; note\n[log]\nlevel = info");
	check_edit(FILE_TEXT, "more", NULL, FILE_TEXT);
	check_edit("[trash]", "keep", "1d", "[trash]\nkeep = 1d\n");
	check_edit("[trash]\nkeep =\n", "keep", "1d", "[trash]\nkeep =1d\n");
}

static void a_value_that_could_not_be_read_back_is_refused(void)
{
	static const char *const values[] = { "a\nb", "a\r", " a", "a\t", "\x7f", "\xff" };
	own_text struct text text = text_of(FILE_TEXT), changed = { 0 };
	struct fl_error err;

	for (size_t i = 0; i < array_size(values); i++)
		check_code(FL_INVALID, ini_edit(&text, "trash", "keep", values[i], &changed, &err));
	check_code(FL_INVALID, ini_edit(&text, "trash", "Keep", "1d", &changed, &err));
	check_code(FL_INVALID, ini_edit(&text, "trash]", "keep", "1d", &changed, &err));
	check(changed.length == 0);
}

/* --- a property: what is set is read, and nothing else is different ------------------ */

static void add_random_filling(struct text *text)
{
	static const char *const fillings[] = { "", "\n", "# keep = 1\n", " ; [log]\n", "\t \r\n" };

	text_add_string(text, fillings[random_below(array_size(fillings))]);
}

static void random_file(struct text *ret)
{
	for (size_t s = 0, sections = random_below(4); s < sections; s++) {
		add_random_filling(ret);
		text_add_format(ret, "[s%zu]\n", s);
		for (size_t k = 0, keys = random_below(4); k < keys; k++) {
			add_random_filling(ret);
			text_add_format(ret, "k%zu%s=%sv%zu%s\n", k, random_below(2) ? " " : "",
					random_below(2) ? "\t" : "", random_below(1000),
					random_below(2) ? " " : "");
		}
		add_random_filling(ret);
	}
	if (ret->length && random_below(2))
		ret->bytes[--ret->length] = '\0';
}

/* Every line that is not the setting's stands in both, in the same order. */
static void check_other_lines(const struct text *before, const struct text *after)
{
	size_t head = 0, tail = 0;
	const char *a = text_get(before), *b = text_get(after);

	while (head < before->length && head < after->length && a[head] == b[head])
		head++;
	while (tail < before->length - head && tail < after->length - head &&
	       a[before->length - 1 - tail] == b[after->length - 1 - tail])
		tail++;
	/* What is left between the common ends was replaced: at most the value itself. */
	check(before->length - head - tail <= 5);
	check(after->length - head - tail <= strlen("\n\n[s9]\nk9 = new value\n"));
}

static void what_is_set_is_read_and_the_rest_stays(void)
{
	random_begin(20261121);
	for (int i = 0; i < 5000; i++) {
		own_text struct text text = { 0 }, changed = { 0 }, back = { 0 };
		own_ini struct ini ini = { 0 };
		struct fl_error err;
		char section[3] = { 's', (char)('0' + random_below(5)), '\0' };
		char key[3] = { 'k', (char)('0' + random_below(5)), '\0' };

		random_file(&text);
		check_ok(ini_edit(&text, section, key, "new value", &changed, &err));
		check_ok(ini_parse(&changed, &ini, &err));
		check_string("new value", ini_find(&ini, section, key)->value);
		check_other_lines(&text, &changed);
		check_ok(ini_edit(&changed, section, key, NULL, &back, &err));
		check(!strstr(text_get(&back), "new value"));
	}
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(settings_are_found_with_their_lines),
				  CHECK(a_value_means_itself),
				  CHECK(what_is_wrong_is_told_with_its_line),
				  CHECK(a_nul_and_too_many_bytes_are_refused),
				  CHECK(an_edit_touches_only_its_setting),
				  CHECK(a_value_that_could_not_be_read_back_is_refused),
				  CHECK(what_is_set_is_read_and_the_rest_stays),
				  CHECK_END,
			  });
}
