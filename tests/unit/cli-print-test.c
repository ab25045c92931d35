#include "cli/print.h"

#include "base/clock.h"
#include "tests/check.h"

static char text[PRINT_TEXT];

static void sizes(void)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{ 0, "0 B" },
		{ 1023, "1023 B" },
		{ 1024, "1.0 KiB" },
		{ 1536, "1.5 KiB" },
		{ 1048524, "1023.9 KiB" },
		{ 1048575, "1.0 MiB" },
		{ UINT64_C(20) << 30, "20.0 GiB" },
		{ UINT64_MAX, "16.0 EiB" },
	};

	printing = (struct printing){ .terminal = true };
	for (size_t i = 0; i < array_size(cases); i++)
		check_string(cases[i].text, print_size(cases[i].bytes, text));
	printing.terminal = false;
	check_string("1536", print_size(1536, text));
}

static void times(void)
{
	int64_t time = INT64_C(1763632800123456789);

	setenv("TZ", "Asia/Kolkata", 1);
	printing = (struct printing){ .terminal = true, .now = time };
	check_string("2025-11-20 15:30:00+05:30", print_time(time, text));
	setenv("TZ", "UTC", 1);
	tzset();
	check_string("2025-11-20 10:00:00Z", print_time(time, text));
	printing.terminal = false;
	check_string("2025-11-20T10:00:00.123456789Z", print_time(time, text));
	check_string("-", print_time(0, text));
}

static void ages(void)
{
	static const struct {
		int64_t age;
		const char *age_text, *ago;
	} cases[] = {
		{ -5 * CLOCK_SECOND, "0s", "just now" },
		{ 0, "0s", "just now" },
		{ CLOCK_SECOND, "1s", "1 second ago" },
		{ 59 * CLOCK_SECOND, "59s", "59 seconds ago" },
		{ CLOCK_MINUTE, "1m", "1 minute ago" },
		{ 2 * CLOCK_HOUR - 1, "1h", "1 hour ago" },
		{ 3 * CLOCK_DAY, "3d", "3 days ago" },
		{ 800 * CLOCK_DAY, "2y", "2 years ago" },
	};

	printing = (struct printing){ .now = INT64_C(1763632800) * CLOCK_SECOND };
	for (size_t i = 0; i < array_size(cases); i++) {
		check_string(cases[i].age_text, print_age(printing.now - cases[i].age, text));
		check_string(cases[i].ago, print_ago(printing.now - cases[i].age, text));
	}
}

static void widths(void)
{
	check(display_width("") == 0);
	check(display_width("abc") == 3);
	check(display_width("é世😀") == 5);
	check(display_width("e\xcc\x81") == 1); /* with a combining accent */
	check(display_width("\xff\xfe") == 2);
}

static void terminals_are_not_steered(void)
{
	own_text struct text out = { 0 };

	add_clean(&out, "a\033[31m\r\n\t\x7f\xc2\x9b\xff é世");
	check_string("a?[31m?????? é世", text_get(&out));
	text_clear(&out);
	add_clean(&out, "a\u202egnp.exe\u2066\u2028b");
	check_string("a?gnp.exe??b", text_get(&out));
}

static void shell_words(void)
{
	static const char *const cases[][2] = {
		{ "stash/1@mydata", "stash/1@mydata" },
		{ "", "''" },
		{ "a b", "'a b'" },
		{ "it's", "'it'\\''s'" },
		{ "v@{2h ago}", "'v@{2h ago}'" },
		{ "\u00e9 \u4e16", "'\u00e9 \u4e16'" },
		{ "e\033[31m'\\\n", "$'e\\033[31m\\'\\\\\\012'" },
		{ "\xc2\x9b\u202e\xff", "$'\\302\\233\\342\\200\\256\\377'" },
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		own_text struct text out = { 0 };

		add_shell_word(&out, cases[i][0]);
		check_string(cases[i][1], text_get(&out));
	}
}

/* What a table writes to standard output, which is a file meanwhile. */
static char *captured(struct table *table)
{
	int kept = dup(STDOUT_FILENO);
	FILE *file = tmpfile();
	char *got = calloc(1, 4096);

	fflush(stdout);
	dup2(fileno(file), STDOUT_FILENO);
	table_flush(table);
	fflush(stdout);
	dup2(kept, STDOUT_FILENO);
	close(kept);
	rewind(file);
	if (fread(got, 1, 4095, file) == 0)
		got[0] = '\0';
	fclose(file);
	return got;
}

static const struct column columns[] = {
	{ "NAME", PAINT_NAME, false },
	{ "N", PAINT_NONE, true },
	{ "REST", PAINT_NONE, false },
	{ 0 },
};

static void add_rows(struct table *table)
{
	static const char *const cells[] = { "世", "1", "x", "abcdef", "100", NULL };

	for (size_t i = 0; i < array_size(cells); i++)
		table_add(table, cells[i]);
}

static void tables_are_aligned(void)
{
	own_table struct table table = { .columns = columns };
	own_free char *first = NULL, *second = NULL;

	printing = (struct printing){ .terminal = true };
	add_rows(&table);
	table_note(&table, "a note");
	first = captured(&table);
	check_string("NAME      N  REST\n世        1  x\nabcdef  100  \na note\n", first);
	table_note(&table, "a note");
	table_add(&table, "a");
	table_add(&table, "2");
	table_add(&table, "y");
	table_note(&table, "another");
	second = captured(&table);
	check_string("a         2  y\nanother\n", second);
}

static void pipes_get_no_headings(void)
{
	own_table struct table table = { .columns = columns };
	own_free char *got = NULL;

	printing = (struct printing){ 0 };
	add_rows(&table);
	table_note(&table, "a note");
	got = captured(&table);
	check_string("世        1  x\nabcdef  100  -\n", got);
}

static void colours_do_not_count(void)
{
	own_table struct table table = { .columns = columns };
	own_free char *got = NULL;

	printing = (struct printing){ .terminal = true, .colour = true };
	table_add(&table, "ab");
	table_add(&table, "1");
	table_add(&table, "");
	got = captured(&table);
	check(strstr(got, "\033[1mab\033[0m    1  \n"));
}

static const struct column wordy[] = {
	{ "NAME", PAINT_NAME, false },
	{ "WORDS", PAINT_DIM, false, true },
	{ "LAST", PAINT_NONE, false },
	{ 0 },
};

static char *narrow(size_t width, bool terminal)
{
	own_table struct table table = { .columns = wordy };
	static const char *const cells[] = {
		"a", "0123456789é世0123456789", "z", "b", "short", "y"
	};

	printing = (struct printing){ .terminal = terminal, .width = width };
	for (size_t i = 0; i < array_size(cells); i++)
		table_add(&table, cells[i]);
	return captured(&table);
}

static void words_are_cut_where_it_is_narrow(void)
{
	own_free char *wide = narrow(35, true), *cut = narrow(27, true), *least = narrow(10, true),
		      *piped = narrow(10, false), *unknown = narrow(0, true);

	check(strstr(wide, "a     0123456789é世0123456789  z\n"));
	check_string(wide, unknown);
	check_string("NAME  WORDS            LAST\n"
		     "a     0123456789é...   z\n" /* the wide one would not fit */
		     "b     short            y\n",
		     cut);
	check(strstr(least, "a     012345678...  z\n")); /* some is left in any case */
	check_string("a  0123456789é世0123456789  z\nb  short                    y\n", piped);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(sizes),
				  CHECK(times),
				  CHECK(ages),
				  CHECK(widths),
				  CHECK(terminals_are_not_steered),
				  CHECK(shell_words),
				  CHECK(tables_are_aligned),
				  CHECK(pipes_get_no_headings),
				  CHECK(colours_do_not_count),
				  CHECK(words_are_cut_where_it_is_narrow),
				  CHECK_END,
			  });
}
