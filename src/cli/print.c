#include "cli/print.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/clock.h"
#include "base/utf8.h"

struct printing printing;

static const char *const paints[] = {
	[PAINT_NONE] = "",	  [PAINT_ID] = "\033[33m", [PAINT_NAME] = "\033[1m",
	[PAINT_TAG] = "\033[32m", [PAINT_DIM] = "\033[2m", [PAINT_BAD] = "\033[31m",
};

void printing_init(bool colour_allowed)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	struct winsize window = { 0 };

	printing.terminal = isatty(STDOUT_FILENO);
	printing.colour = printing.terminal && colour_allowed && !(no_color && *no_color) && term &&
			  strcmp(term, "dumb") != 0;
	printing.now = clock_now();
	if (printing.terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0)
		printing.width = window.ws_col;
}

/* --- sizes and times ---------------------------------------------------------- */

char *print_size(uint64_t bytes, char text[static PRINT_TEXT])
{
	if (printing.terminal)
		return size_text(bytes, text);
	snprintf(text, PRINT_TEXT, "%" PRIu64, bytes);
	return text;
}

char *print_time(int64_t time, char text[static PRINT_TEXT])
{
	time_t seconds = time / CLOCK_SECOND;
	char plain[CLOCK_TEXT];
	struct tm tm;
	size_t n;

	if (time == 0) {
		snprintf(text, PRINT_TEXT, "-");
		return text;
	}
	if (!printing.terminal || !localtime_r(&seconds, &tm)) {
		snprintf(text, PRINT_TEXT, "%s", clock_format(time, plain));
		return text;
	}
	n = strftime(text, PRINT_TEXT, "%F %T", &tm);
	if (tm.tm_gmtoff == 0)
		snprintf(text + n, PRINT_TEXT - n, "Z");
	else
		snprintf(text + n, PRINT_TEXT - n, "%c%02ld:%02ld", tm.tm_gmtoff < 0 ? '-' : '+',
			 labs(tm.tm_gmtoff) / 3600, labs(tm.tm_gmtoff) / 60 % 60);
	return text;
}

struct unit {
	int64_t length;
	const char *name;
};

static const struct unit units_of_time[] = {
	{ 365 * CLOCK_DAY, "year" }, { CLOCK_DAY, "day" },	 { CLOCK_HOUR, "hour" },
	{ CLOCK_MINUTE, "minute" },  { CLOCK_SECOND, "second" },
};

/* The largest unit that the age has at least one of (seconds, if none), and how many. */
static const struct unit *split_age(int64_t time, int64_t *ret_count)
{
	int64_t age = printing.now > time ? printing.now - time : 0;
	size_t i = 0;

	while (i + 1 < array_size(units_of_time) && age < units_of_time[i].length)
		i++;
	*ret_count = age / units_of_time[i].length;
	return &units_of_time[i];
}

char *print_age(int64_t time, char text[static PRINT_TEXT])
{
	int64_t count;
	const struct unit *unit = split_age(time, &count);

	snprintf(text, PRINT_TEXT, "%" PRId64 "%c", count, unit->name[0]);
	return text;
}

char *print_ago(int64_t time, char text[static PRINT_TEXT])
{
	int64_t count;
	const struct unit *unit = split_age(time, &count);

	if (count == 0)
		snprintf(text, PRINT_TEXT, "just now");
	else
		snprintf(text, PRINT_TEXT, "%" PRId64 " %s%s ago", count, unit->name,
			 count == 1 ? "" : "s");
	return text;
}

/* --- strings -------------------------------------------------------------------- */

struct range {
	uint32_t from;
	uint32_t to;
};

static bool is_in(uint32_t c, const struct range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (c >= ranges[i].from && c <= ranges[i].to)
			return true;
	return false;
}

/* East Asian wide and emoji take two columns, combining marks none (Unicode 15, in blocks). */
static size_t width_of(uint32_t c)
{
	static const struct range wide[] = {
		{ 0x1100, 0x115f },   { 0x2e80, 0xa4cf },   { 0xac00, 0xd7a3 },
		{ 0xf900, 0xfaff },   { 0xfe30, 0xfe6f },   { 0xff00, 0xff60 },
		{ 0xffe0, 0xffe6 },   { 0x1f300, 0x1f64f }, { 0x1f900, 0x1f9ff },
		{ 0x20000, 0x3fffd },
	};
	static const struct range none[] = {
		{ 0x0300, 0x036f },
		{ 0x200b, 0x200f },
		{ 0xfe00, 0xfe0f },
	};

	if (is_in(c, none, array_size(none)))
		return 0;
	return is_in(c, wide, array_size(wide)) ? 2 : 1;
}

static bool is_plain(char c)
{
	return c >= 0x20 && c < 0x7f;
}

size_t display_width(const char *string)
{
	size_t width = 0;

	while (*string) {
		size_t n = is_plain(*string) ? 1 : utf8_length(string);

		/* A bad byte is shown as one '?'. */
		width += n > 1 ? width_of(utf8_code_point(string, n)) : 1;
		string += n ? n : 1;
	}
	return width;
}

void add_clean(struct text *out, const char *string)
{
	const char *plain = string;

	for (;;) {
		size_t n;

		while (is_plain(*string))
			string++;
		if (string > plain)
			text_add(out, plain, (size_t)(string - plain));
		if (*string == '\0')
			return;
		n = utf8_length(string);
		if (utf8_is_plain(string, n))
			text_add(out, string, n);
		else
			text_add(out, "?", 1);
		string += n ? n : 1;
		plain = string;
	}
}

/* What must not go to a terminal as it is, byte by byte, as $'...' takes it. */
static void add_escaped(struct text *out, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		text_add_format(out, "\\%03o", (unsigned char)bytes[i]);
}

static void add_dollar_quoted(struct text *out, const char *word)
{
	text_add_string(out, "$'");
	while (*word) {
		size_t n = utf8_length(word);

		if (*word == '\'' || *word == '\\')
			text_add(out, "\\", 1);
		if (utf8_is_plain(word, n))
			text_add(out, word, n);
		else
			add_escaped(out, word, n ? n : 1);
		word += n ? n : 1;
	}
	text_add(out, "'", 1);
}

static bool may_be_printed(const char *word)
{
	size_t n;

	for (; *word; word += n) {
		n = utf8_length(word);
		if (!utf8_is_plain(word, n))
			return false;
	}
	return true;
}

void add_shell_word(struct text *out, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789@%+=:,./_-";

	if (*word && word[strspn(word, plain)] == '\0') {
		text_add_string(out, word);
		return;
	}
	if (!may_be_printed(word)) {
		add_dollar_quoted(out, word);
		return;
	}
	text_add(out, "'", 1);
	for (; *word; word++)
		if (*word == '\'')
			text_add_string(out, "'\\''");
		else
			text_add(out, word, 1);
	text_add(out, "'", 1);
}

static void add_painted(struct text *out, enum paint paint, const char *cleaned)
{
	bool coloured = paint != PAINT_NONE && printing.colour && *cleaned;

	if (coloured)
		text_add_string(out, paints[paint]);
	text_add_string(out, cleaned);
	if (coloured)
		text_add_string(out, "\033[0m");
}

void print_painted(enum paint paint, const char *string)
{
	own_text struct text cleaned = { 0 }, out = { 0 };

	add_clean(&cleaned, string);
	add_painted(&out, paint, text_get(&cleaned));
	fputs(text_get(&out), stdout);
}

#define FACT 14 /* columns of a label with the space after it */

static void print_fact_in(enum paint paint, const char *label, const char *value)
{
	own_text struct text line = { 0 };

	if (!value || !*value)
		return;
	printf("%s:%*s", label, (int)(strlen(label) < FACT ? FACT - strlen(label) : 1), "");
	for (size_t n; *value; value += n) {
		n = strcspn(value, "\n");
		text_clear(&line);
		text_add(&line, value, n);
		print_painted(paint, text_get(&line));
		putchar('\n');
		if (value[n] == '\n' && value[++n] != '\0')
			printf("%*s", FACT + 1, "");
	}
}

void print_fact(const char *label, const char *value)
{
	print_fact_in(PAINT_NONE, label, value);
}

void print_bad_fact(const char *label, const char *value)
{
	print_fact_in(PAINT_BAD, label, value);
}

/* --- tables ------------------------------------------------------------------------ */

#define DOTS "..."
#define TEXT_LEAST 12 /* columns: with less a text is of no use */
#define NOTE "\001"   /* begins a cell that is a whole line; cleaned cells never hold it */

void table_done(struct table *table)
{
	text_done(&table->cells);
	free(table->note);
}

static size_t column_count(const struct table *table)
{
	size_t n = 0;

	while (table->columns[n].title)
		n++;
	return n;
}

void table_add(struct table *table, const char *cell)
{
	size_t column = table->count++ % column_count(table), start = table->cells.length, width;
	const char *empty = printing.terminal ? "" : "-";

	add_clean(&table->cells, cell && *cell ? cell : empty);
	width = display_width(table->cells.bytes + start);
	text_add(&table->cells, "", 1);
	if (width > table->width[column])
		table->width[column] = width;
}

void table_note(struct table *table, const char *note)
{
	if (!printing.terminal || (table->note && strcmp(table->note, note) == 0))
		return;
	free(table->note);
	table->note = xstrdup(note);
	text_add_string(&table->cells, NOTE);
	add_clean(&table->cells, note);
	text_add(&table->cells, "", 1);
}

static void add_spaces(struct text *out, size_t count)
{
	memset(text_reserve(out, count), ' ', count);
	out->length += count;
	out->bytes[out->length] = '\0';
}

/* As much of a cleaned string as `most` columns hold, with dots at its end where it is cut. */
static char *cut(const char *cell, size_t most)
{
	struct text text = { 0 };
	size_t width = 0;

	while (*cell) {
		size_t n = utf8_length(cell), wide = width_of(utf8_code_point(cell, n));

		if (width + wide > most - strlen(DOTS))
			break;
		width += wide;
		text_add(&text, cell, n);
		cell += n;
	}
	text_add_string(&text, DOTS);
	return text_take(&text);
}

static void add_cell(const struct table *table, size_t column, const char *cell, enum paint paint,
		     struct text *out)
{
	bool last = !table->columns[column + 1].title, right = table->columns[column].right;
	size_t width = display_width(cell), room = table->width[column];
	size_t most = table->most[column];
	own_free char *shorter = most && width > most ? cut(cell, most) : NULL;
	size_t gap;

	if (shorter) {
		cell = shorter;
		width = display_width(cell);
	}
	if (most && room > most)
		room = most;
	gap = room > width ? room - width : 0;

	if (right)
		add_spaces(out, gap);
	add_painted(out, paint, cell);
	if (last)
		text_add(out, "\n", 1);
	else
		add_spaces(out, right ? 2 : gap + 2);
}

static void make_room_for_titles(struct table *table)
{
	for (size_t i = 0; i < column_count(table); i++) {
		size_t width = strlen(table->columns[i].title);

		if (width > table->width[i])
			table->width[i] = width;
	}
}

/* The widest column of somebody's words gives what is too much, as long as some of it is left. */
static void fit(struct table *table)
{
	size_t columns = column_count(table), total = 2 * (columns - 1), widest = columns, too_much;

	for (size_t i = 0; i < columns; i++) {
		total += table->width[i];
		table->most[i] = 0;
		if (table->columns[i].text &&
		    (widest == columns || table->width[i] > table->width[widest]))
			widest = i;
	}
	if (!printing.terminal || !printing.width || total <= printing.width || widest == columns)
		return;
	too_much = total - printing.width;
	if (table->width[widest] > too_much + TEXT_LEAST)
		table->most[widest] = table->width[widest] - too_much;
	else if (table->width[widest] > TEXT_LEAST)
		table->most[widest] = TEXT_LEAST;
}

static void add_titles(struct table *table, struct text *out)
{
	for (size_t i = 0; i < column_count(table); i++)
		add_cell(table, i, table->columns[i].title, PAINT_DIM, out);
}

void table_flush(struct table *table)
{
	size_t columns = column_count(table), at = 0;
	const char *cell = table->cells.bytes;
	const char *end = cell ? cell + table->cells.length : NULL;
	own_text struct text out = { 0 };

	if (printing.terminal && !table->titled)
		make_room_for_titles(table);
	fit(table);
	if (printing.terminal && !table->titled && table->count > 0)
		add_titles(table, &out);
	table->titled = true;
	for (; cell < end; cell += strlen(cell) + 1) {
		if (*cell == NOTE[0]) {
			add_painted(&out, PAINT_DIM, cell + 1);
			text_add(&out, "\n", 1);
			continue;
		}
		add_cell(table, at, cell, table->columns[at].paint, &out);
		at = at + 1 == columns ? 0 : at + 1;
	}
	fwrite(text_get(&out), 1, out.length, stdout);
	text_clear(&table->cells);
	table->count = 0;
}
