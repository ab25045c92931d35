#pragma once

/*
 * Printing for people: aligned tables, facts, times, sizes, colours.  Where
 * standard output is no terminal the same columns come without headings and
 * colours, times in RFC 3339 UTC and sizes in bytes, an empty cell as "-", so
 * that they can be taken apart.  Whatever comes from elsewhere is freed of
 * control characters before it reaches a terminal.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"
#include "base/text.h"

#define PRINT_TEXT 64

enum paint {
	PAINT_NONE,
	PAINT_ID,
	PAINT_NAME,
	PAINT_TAG,
	PAINT_DIM,
	PAINT_BAD,
};

/* How to print; zero is the plain form. */
struct printing {
	bool terminal; /* standard output is one */
	bool colour;
	size_t width; /* columns of the terminal; 0: not known, or there is none */
	int64_t now;  /* that ages are counted from; ns UTC */
};

extern struct printing printing; /* set once, in main() */

/* From standard output, NO_COLOR, TERM and the clock. */
void printing_init(bool colour_allowed);

/* "1.5 GiB" on a terminal, bytes else. */
char *print_size(uint64_t bytes, char text[static PRINT_TEXT]);
/* Local time with its offset (a POINT too) on a terminal, else RFC 3339 UTC; 0 is "-". */
char *print_time(int64_t time, char text[static PRINT_TEXT]);
/* "5s", "3m", "2h", "4d", "2y"; a time that lies ahead is "0s". */
char *print_age(int64_t time, char text[static PRINT_TEXT]);
/* "just now", "1 minute ago", "3 hours ago". */
char *print_ago(int64_t time, char text[static PRINT_TEXT]);

/* Columns that the string takes on a terminal. */
size_t display_width(const char *string);
/* Appends with each control character and each byte that is not UTF-8 as '?'. */
void add_clean(struct text *out, const char *string);
/* As one word for a shell, quoted where it must be; $'...' where a terminal would be steered. */
void add_shell_word(struct text *out, const char *word);

/* `string` in a colour, cleaned, to standard output. */
void print_painted(enum paint paint, const char *string);
/* "label:        value" with the values aligned; empty or NULL values are left out. */
void print_fact(const char *label, const char *value);
/* The same, of what somebody should look at. */
void print_bad_fact(const char *label, const char *value);

/* --- tables ------------------------------------------------------------------ */

#define TABLE_COLUMNS 12

struct column {
	const char *title; /* NULL ends the list */
	enum paint paint;
	bool right;
	bool text; /* somebody's words: cut where the terminal is too narrow */
};

struct table {
	const struct column *columns; /* ended by a title of NULL */
	size_t width[TABLE_COLUMNS];  /* grows from flush to flush */
	size_t most[TABLE_COLUMNS];   /* that a column gets on a narrow terminal; 0: all it wants */
	struct text cells;	      /* NUL after each */
	size_t count;		      /* cells that wait */
	char *note;		      /* the last */
	bool titled;
};

void table_done(struct table *table);
#define own_table own(table_done)

/* The next cell, left to right, row after row; NULL and "" are an empty one. */
void table_add(struct table *table, const char *cell);
/* A line of its own between rows, on terminals only; what the last one said is not repeated. */
void table_note(struct table *table, const char *note);
/* Prints the rows that wait; a long list is printed page by page, in columns as wide as so far. */
void table_flush(struct table *table);
