#pragma once

/*
 * A growing byte string.  Always NUL-terminated once something was added;
 * text_get() of an empty one is "".  Growth that fails aborts the program: it
 * is the same path as a crash, which is tested.  Zero is the empty value.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"

struct text {
	char *bytes;
	size_t length;
	size_t capacity;
};

void text_done(struct text *text);
#define own_text own(text_done)

void text_add(struct text *text, const char *bytes, size_t length);
void text_add_string(struct text *text, const char *string);
void text_add_format(struct text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Room for `length` more bytes without another allocation; returns where they go. */
char *text_reserve(struct text *text, size_t length);

/* Keeps the allocation, drops the contents. */
void text_clear(struct text *text);

/* Borrowed; valid until the next change. */
const char *text_get(const struct text *text);

/* Hands over the string (heap, never NULL) and leaves the text empty. */
char *text_take(struct text *text);

/* strdup and calloc that abort instead of failing; before that they call what is set here, if any.
 */
extern void (*text_no_memory)(void);
char *xstrdup(const char *string);
void *xcalloc(size_t count, size_t size) __attribute__((alloc_size(1, 2), malloc));
void *xrealloc(void *p, size_t count, size_t size) must_check;

/*
 * One more at the end of a heap array that began as NULL and 0 and grows by this
 * alone: its address, zeroed.  Such an array keeps no capacity: it is full
 * whenever its count is a power of two, and then doubles.
 */
#define array_add(items, count) \
	((items) = array_grow((items), (count), sizeof(*(items))), &(items)[(count)++])
/* NULL is fine, where there is none. */
#define array_sort(items, count, compare) \
	((count) > 1 ? qsort((items), (count), sizeof(*(items)), (compare)) : (void)0)
void *array_grow(void *items, size_t count, size_t size) must_check;

/* Where `word` stands among `count` words, some of which may be NULL; `count`: nowhere. */
size_t word_find(const char *const *words, size_t count, const char *word);

/* Decimal digits, 1 to 18 of them; false: it is something else. */
bool number_parse(const char *text, int64_t *ret);

/* "512 B", "1.5 GiB". */
#define SIZE_TEXT 32
char *size_text(uint64_t bytes, char text[static SIZE_TEXT]);

/* "10G", "512M", "4096"; K, M, G, T are powers of 1,024, "iB" and "B" may follow. */
must_check int size_parse(const char *text, uint64_t *ret, struct fl_error *err);

/* How many slips apart two short words are; SIZE_MAX when one is longer than WORD_TEXT - 1. */
#define WORD_TEXT 64
size_t text_distance(const char *a, const char *b);
