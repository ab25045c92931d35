#pragma once

/* UTF-8 as Unicode 15, table 3-7, defines it: no surrogates, nothing longer than it need be. */

#include <stddef.h>

/* The bytes (1 to 4) of the well-formed sequence at `string`, 0 when there is none.  NUL counts 1.
 */
size_t utf8_length(const char *string);
