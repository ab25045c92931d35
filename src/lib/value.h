#pragma once

/*
 * JSON values as they come in (RFC 8259), for reading answers.
 *
 * Parsing makes one allocation: a flat array of values in the order of the
 * document, with a copy of its text behind it.  The root is the first of them;
 * everything else is reached from it and lives as long as it does.  free(root)
 * releases all.  One thread at a time: a string is made ready (unescaped, NUL-
 * terminated) in place when it is first asked for.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"

#define VALUE_DEPTH 64			/* nested arrays and objects at most */
#define VALUE_TEXT_MAX (UINT32_MAX / 2) /* bytes of a document */

enum value_type {
	VALUE_NULL,
	VALUE_FALSE,
	VALUE_TRUE,
	VALUE_NUMBER,
	VALUE_STRING, /* a member's key too: it stands before its value */
	VALUE_ARRAY,
	VALUE_OBJECT,
};

struct value {
	char *text;	 /* of the document, where the value is written */
	uint32_t length; /* bytes there; strings: without the quotes */
	uint32_t span;	 /* values from this one to the end of it, itself included */
	uint8_t type;	 /* enum value_type */
	bool ready;	 /* of a string: the text is the string itself */
};

/*
 * FL_INVALID with the place of the first byte that does not belong there.
 * FL_SYSTEM when there is no memory.  Whether strings are good UTF-8 is left to
 * who shows them.
 */
must_check int value_parse(const char *text, size_t length, struct value **ret,
			   struct fl_error *err);

/* The member of an object; NULL when it is missing or `object` is none (or NULL). */
struct value *value_get(struct value *object, const char *key);

/* NULL unless it is a string.  U+0000 and lone surrogates read as U+FFFD.  Borrowed. */
const char *value_string(struct value *value);
/* Is it this string?  Only for strings that need no escapes; leaves the value as written. */
bool value_equals(const struct value *value, const char *string);
/* 0 unless it is a whole number that fits. */
int64_t value_int(const struct value *value);
bool value_is(const struct value *value, enum value_type type);

/* The elements of an array, or an object's keys and values in turn; NULL at the end. */
struct value *value_first(struct value *container);
struct value *value_next(struct value *container, struct value *element);
size_t value_count(struct value *container);

#define value_each(container, element)                                \
	for (struct value *element = value_first(container); element; \
	     element = value_next(container, element))

/*
 * The value as it is written in the document, to be printed as it came; not
 * for strings, and not after value_string() was called for anything in it.
 */
const char *value_written(const struct value *value, size_t *ret_length);
