#pragma once

/* Paths as text: no file is looked at.  What touches files by their paths is fsat.h. */

#include <stdbool.h>

/* Is `path` the directory itself, or something in it?  Both as they are written. */
bool path_is_in(const char *path, const char *directory);

/* A field of a mount table, in place: the kernel writes blanks and backslashes as \040 and \134. */
void path_unescape(char *field);
