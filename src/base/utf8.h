#pragma once

/* UTF-8 as Unicode 15, table 3-7, defines it: no surrogates, nothing longer than it need be. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bytes (1 to 4) of the well-formed sequence at `string`, 0 when there is none.  NUL counts 1.
 */
size_t utf8_length(const char *string);

/*
 * For cutting: how many of the string's first `most` bytes are there without a character that these
 * would cut.
 */
size_t utf8_fit(const char *string, size_t most);

/* Is all of it well-formed? */
bool utf8_is_valid(const char *string);

/* The character of a well-formed sequence of `length` bytes. */
uint32_t utf8_code_point(const char *string, size_t length);

/*
 * Whether the sequence of `length` bytes at `string` (0: none, as utf8_length() tells) may go to a
 * terminal or into a log as it is.  Not: control characters (C0, DEL, C1), which move the cursor
 * and switch terminals; what ends lines or turns their direction (U+2028 to U+202E, U+2066 to
 * U+2069), so that a line reads as another.
 */
bool utf8_is_plain(const char *string, size_t length);
