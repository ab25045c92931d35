#include "model/words.h"

#include <string.h>

#include "base/text.h"

void words_free(char **words)
{
	for (size_t i = 0; words && words[i]; i++)
		free(words[i]);
	free(words);
}

size_t words_count(char *const *words)
{
	size_t count = 0;

	while (words && words[count])
		count++;
	return count;
}

void words_add(char ***words, char *word)
{
	size_t count = words_count(*words);

	*words = xrealloc(*words, count + 2, sizeof(**words));
	(*words)[count] = word;
	(*words)[count + 1] = NULL;
}

/* One character of a word, or of a part of it in quotes; what it stood for is added.  NULL: a
 * lone \ at the end. */
static const char *take_character(const char *at, char quote, struct text *word)
{
	bool escapes = *at == '\\' && quote != '\'';

	if (escapes && quote == '"' && !strchr("\"\\$`", at[1]))
		escapes = false;
	if (escapes && !*++at)
		return NULL;
	text_add(word, at, 1);
	return at + 1;
}

/* What begins at a quote, up to the one that ends it; NULL: none does. */
static const char *take_quoted(const char *at, struct text *word)
{
	char quote = *at++;

	while (at && *at != quote) {
		if (!*at)
			return NULL;
		at = take_character(at, quote, word);
	}
	return at ? at + 1 : NULL;
}

static const char *take_word(const char *at, struct text *word)
{
	text_add(word, "", 0); /* '' is a word too */
	while (at && *at && *at != ' ')
		at = *at == '\'' || *at == '"' ? take_quoted(at, word)
					       : take_character(at, '\0', word);
	return at;
}

char **words_split(const char *line)
{
	own_words char **words = NULL;
	const char *at = line;

	while (*(at += strspn(at, " "))) {
		own_text struct text word = { 0 };

		at = take_word(at, &word);
		if (!at)
			return NULL;
		words_add(&words, text_take(&word));
	}
	return take_ptr(words);
}
