#pragma once

/*
 * JSON as another program reads it (jansson), to compare our writer with.
 * Apart, because base/json.h and jansson.h declare some of the same names.
 */

#include <stdbool.h>

bool reader_accepts(const char *text);

/*
 * The value of the only member of the object `text`, a string called `key` (any
 * key when NULL); NULL when `text` is anything else.  Heap.
 */
char *reader_member(const char *text, const char *key);
