#pragma once

/*
 * Lists of words: heap, NULL at the end, as exec takes them; and how a command that a
 * person wrote on one line becomes one.  Pure.
 */

#include <stddef.h>

#include "base/own.h"

/* NULL is fine, and an empty list. */
void words_free(char **words);

static inline void words_freep(char ***words)
{
	words_free(*words);
}
#define own_words own(words_freep)

size_t words_count(char *const *words);
/* `word` is heap, and passes in. */
void words_add(char ***words, char *word);

/*
 * Words as a shell makes them of a line without variables: blanks part them; within
 * '...' all stands for itself; \ takes the meaning from what follows it, within "..." only
 * from what has one there for a shell.  NULL: a quote or a \ has no end; or no words.
 */
must_check char **words_split(const char *line);
