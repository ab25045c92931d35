#include <stdio.h>
#include <string.h>

#include "cli/content.h"
#include "cli/talk.h"

/*
 * Text becomes a unified diff, as `diff -u` writes it, byte by byte where standard output is
 * no terminal.  All else is a sentence, which `patch` passes over.
 */

struct show {
	struct invocation *in;
	const struct moments *moments;
	struct value *change;
	struct contents *contents;
};

/* --- names ------------------------------------------------------------------------------- */

static bool is_odd(const char *path)
{
	for (; *path; path++)
		if ((unsigned char)*path < ' ' || strchr("\"\\\x7f", *path))
			return true;
	return false;
}

/* LABEL:PATH; in quotation marks, as diff does it, where it would not stay one line. */
static void add_name(const struct show *show, int side, struct text *out)
{
	const char *path = field(show->change, side ? "path" : "from");
	const char *label = text_get(&show->moments->labels[side]);

	if (!is_odd(path)) {
		text_add_format(out, "%s:%s", label, path);
		return;
	}
	text_add_format(out, "\"%s:", label);
	for (; *path; path++) {
		if ((unsigned char)*path < ' ' || *path == 0x7f)
			text_add_format(out, "\\%03o", (unsigned)(unsigned char)*path);
		else if (*path == '"' || *path == '\\')
			text_add_format(out, "\\%c", *path);
		else
			text_add(out, path, 1);
	}
	text_add_string(out, "\"");
}

static void print_line(enum paint paint, const struct text *line)
{
	if (printing.terminal)
		print_painted(paint, text_get(line));
	else
		fwrite(text_get(line), 1, line->length, stdout);
	putchar('\n');
}

/* --- the unified diff -------------------------------------------------------------------- */

/* Of no line: the number of the one before. */
static void add_range(struct text *out, char mark, size_t first, size_t count)
{
	text_add_format(out, " %c%zu", mark, first + (count > 0));
	if (count != 1)
		text_add_format(out, ",%zu", count);
}

static void print_name(const struct show *show, int side)
{
	own_text struct text line = { 0 };

	text_add_string(&line, side ? "+++ " : "--- ");
	if (show->contents->files[side] == CONTENT_NONE)
		text_add_string(&line, "/dev/null");
	else
		add_name(show, side, &line);
	print_line(PAINT_NAME, &line);
}

/* Tabs stay, for they align what is shown; what else moves the cursor does not. */
static void add_clean_line(struct text *out, const char *line, size_t length)
{
	own_text struct text rest = { 0 };
	char *at, *piece;

	text_add(&rest, line, length);
	at = rest.bytes;
	while (at && (piece = strsep(&at, "\t"))) {
		add_clean(out, piece);
		text_add_string(out, at ? "\t" : "");
	}
}

static void print_text_line(void *arg, enum textdiff_mark mark, const char *line, size_t length)
{
	static const struct {
		char mark;
		const char *begin, *end;
	} looks[] = {
		[TEXTDIFF_EQUAL] = { ' ', "", "" },
		[TEXTDIFF_REMOVED] = { '-', "\033[31m", "\033[0m" },
		[TEXTDIFF_ADDED] = { '+', "\033[32m", "\033[0m" },
	};
	bool ends = line[length - 1] == '\n';
	own_text struct text out = { 0 };

	length -= ends;
	if (printing.colour)
		text_add_string(&out, looks[mark].begin);
	text_add(&out, &looks[mark].mark, 1);
	if (printing.terminal)
		add_clean_line(&out, line, length);
	else
		text_add(&out, line, length);
	if (printing.colour)
		text_add_string(&out, looks[mark].end);
	text_add_string(&out, ends ? "\n" : "\n" CONTENT_NO_NEWLINE "\n");
	fwrite(text_get(&out), 1, out.length, stdout);
}

static void print_text(const struct show *show)
{
	struct textdiff_hunk hunk = { 0 };

	print_name(show, 0);
	print_name(show, 1);
	while (textdiff_next(&show->contents->diff, CONTENT_CONTEXT, &hunk)) {
		own_text struct text line = { 0 };

		text_add_string(&line, "@@");
		add_range(&line, '-', hunk.before, hunk.before_count);
		add_range(&line, '+', hunk.after, hunk.after_count);
		text_add_string(&line, " @@");
		print_line(PAINT_ID, &line);
		textdiff_each(&show->contents->diff, &hunk, print_text_line, NULL);
	}
}

/* --- sentences --------------------------------------------------------------------------- */

static struct value *side_of(const struct show *show, int side)
{
	return value_get(show->change, side ? "after" : "before");
}

static void add_file(const struct show *show, int side, struct text *out)
{
	const struct contents *contents = show->contents;
	char size[SIZE_TEXT];

	size_text((uint64_t)field_int(side_of(show, side), "size"), size);
	switch (contents->files[side]) {
	case CONTENT_EMPTY:
		text_add_string(out, "an empty file");
		break;
	case CONTENT_BINARY:
		text_add_format(out, "a binary file of %s", size);
		break;
	case CONTENT_LARGE:
		text_add_format(out, "a file of %s, too large to be shown", size);
		break;
	case CONTENT_GONE:
		text_add_string(out, "a file that is gone again");
		break;
	case CONTENT_UNREADABLE:
		text_add_format(out, "a file that cannot be read (%s)", contents->why.text);
		break;
	default:
		text_add_format(out, "a file of %s", size);
	}
}

static int add_link(const struct show *show, int side, struct text *out, struct fl_error *err)
{
	own_text struct text ref = { 0 };
	own_free struct value *list = NULL;

	text_add_format(&ref, "%s:%s", text_get(&show->moments->refs[side]),
			field(show->change, side ? "path" : "from"));
	if (talk(show->in, "GET", "/v1/files", text_get(&ref), NULL, &list, err) < 0) {
		if (err->code == FL_UNREACHABLE)
			return fl_failed(err);
		text_add_string(out, "a symbolic link");
		return 0;
	}
	text_add_format(out, "a symbolic link to '%s'",
			field(value_first(value_get(list, "items")), "target"));
	return 0;
}

static int add_description(const struct show *show, int side, struct text *out,
			   struct fl_error *err)
{
	const char *type = field(side_of(show, side), "type");

	add_name(show, side, out);
	text_add_string(out, side ? " is " : " was ");
	if (strcmp(type, "symlink") == 0)
		return add_link(show, side, out, err);
	if (strcmp(type, "file") == 0)
		add_file(show, side, out);
	else
		text_add_format(out, "a %s", type);
	return 0;
}

/* `verb`: "Added", "Removed", "Changed". */
static int print_sentence(const struct show *show, const char *verb, struct fl_error *err)
{
	own_text struct text line = { 0 };

	text_add_format(&line, "%s: ", verb);
	if (verb[0] != 'A' && add_description(show, 0, &line, err) < 0)
		return fl_failed(err);
	if (verb[0] == 'C')
		text_add_string(&line, ", ");
	if (verb[0] != 'R' && add_description(show, 1, &line, err) < 0)
		return fl_failed(err);
	print_line(PAINT_NONE, &line);
	return 0;
}

static void print_renamed(const struct show *show)
{
	own_text struct text line = { 0 };

	text_add_string(&line, "Renamed: ");
	add_name(show, 0, &line);
	text_add_string(&line, " is ");
	add_name(show, 1, &line);
	print_line(PAINT_NONE, &line);
}

static bool has_what(const struct show *show, const char *word)
{
	value_each(value_get(show->change, "what"), what)
	{
		if (strcmp(value_string(what), word) == 0)
			return true;
	}
	return false;
}

/* A file that was written to has another time in any case. */
static void print_attributes(const struct show *show)
{
	struct value *before = side_of(show, 0), *after = side_of(show, 1);
	own_text struct text line = { 0 };
	size_t empty;

	text_add_string(&line, "Attributes: ");
	add_name(show, 1, &line);
	empty = line.length;
	if (field_int(before, "mode") != field_int(after, "mode"))
		text_add_format(&line, " mode %04o -> %04o", (unsigned)field_int(before, "mode"),
				(unsigned)field_int(after, "mode"));
	if (field_int(before, "uid") != field_int(after, "uid") ||
	    field_int(before, "gid") != field_int(after, "gid"))
		text_add_format(&line, " owner %u:%u -> %u:%u", (unsigned)field_int(before, "uid"),
				(unsigned)field_int(before, "gid"),
				(unsigned)field_int(after, "uid"),
				(unsigned)field_int(after, "gid"));
	if (!has_what(show, "contents") &&
	    strcmp(field(before, "modified"), field(after, "modified")) != 0 &&
	    strcmp(field(after, "type"), "directory") != 0)
		text_add_format(&line, " modified %s -> %s", field(before, "modified"),
				field(after, "modified"));
	if (line.length == empty && has_what(show, "contents"))
		return;
	if (line.length == empty)
		text_add_string(&line, " extended attributes");
	print_line(PAINT_NONE, &line);
}

static int print_change(const struct show *show, struct fl_error *err)
{
	const char *kind = field(show->change, "kind");
	const char *verb = strcmp(kind, "added") == 0	  ? "Added"
			   : strcmp(kind, "removed") == 0 ? "Removed"
							  : "Changed";

	if (strcmp(kind, "renamed") == 0)
		print_renamed(show);
	if (has_what(show, "attributes"))
		print_attributes(show);
	if (show->contents->shown) {
		print_text(show);
		return 0;
	}
	if (verb[0] == 'C' && (show->contents->same || !has_what(show, "contents")))
		return 0;
	return print_sentence(show, verb, err);
}

/* --- all --------------------------------------------------------------------------------- */

static int print_one(const struct show *all, struct value *change, struct fl_error *ret_why,
		     struct fl_error *err)
{
	own_contents struct contents contents = { 0 };
	const struct show show = { all->in, all->moments, change, &contents };
	bool as_json = option_given(show.in, OPT_JSON);
	own_text struct text written = { 0 };
	size_t length;

	if (as_json) { /* before any of its strings is looked at */
		const char *text = value_written(change, &length);

		text_add(&written, text, length);
	}
	if (contents_look(show.in, show.moments, change, &contents, err) < 0)
		return fl_failed(err);
	*ret_why = contents.why;
	if (!as_json)
		return print_change(&show, err);
	contents_add_json(&contents, &written);
	fwrite(text_get(&written), 1, written.length, stdout);
	return 0;
}

int content_print(struct invocation *in, const struct moments *moments, struct value *items,
		  struct fl_error *err)
{
	const struct show all = { .in = in, .moments = moments };
	bool as_json = option_given(in, OPT_JSON), any = false;
	struct fl_error first = { 0 }, why = { 0 };
	size_t unreadable = 0;

	in->broken = as_json;
	value_each(items, change)
	{
		if (as_json)
			fputs(any ? ",\n" : "[\n", stdout);
		any = true;
		if (print_one(&all, change, &why, err) < 0)
			return fl_failed(err);
		if (why.code && unreadable++ == 0)
			first = why;
	}
	if (as_json)
		fputs(any ? "\n]\n" : "[]\n", stdout);
	if (unreadable == 0)
		return 0;
	*err = first;
	return fl_wrap(err, "%zu of the files that differ cannot be read; the first", unreadable);
}
