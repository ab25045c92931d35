#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/ini.h"
#include "tests/fuzz/fuzz.h"

/*
 * A configuration file of any bytes.  What is refused must be FL_INVALID with a
 * reason.  In what is accepted every setting can be given another value, be
 * removed, and a new one can be added; all others stay as they are.
 */

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* `now` says the same as `before`, but for `section`.`key`, which is `value` (NULL: not there). */
static void require_only(const struct ini *before, const struct text *text, const char *section,
			 const char *key, const char *value)
{
	own_ini struct ini now = { 0 };
	const struct ini_entry *found;
	struct fl_error err = { 0 };

	require(ini_parse(text, &now, &err) == 0);
	found = ini_find(&now, section, key);
	require(!value == !found && (!value || strcmp(found->value, value) == 0));
	for (size_t i = 0; i < before->count; i++) {
		const struct ini_entry *old = &before->items[i];

		if (strcmp(old->section, section) == 0 && strcmp(old->key, key) == 0)
			continue;
		found = ini_find(&now, old->section, old->key);
		require(found && (!old->value || strcmp(found->value, old->value) == 0));
	}
}

static void try_edit(const struct ini *ini, const struct text *text, const char *section,
		     const char *key, const char *value)
{
	own_text struct text changed = { 0 };
	struct fl_error err = { 0 };

	if (ini_edit(text, section, key, value, &changed, &err) < 0)
		require(err.code == FL_INVALID && text->length > INI_MAX - 200);
	else
		require_only(ini, &changed, section, key, value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own_text struct text text = { 0 };
	own_ini struct ini ini = { 0 };
	struct fl_error err = { 0 };

	text_add(&text, (const char *)data, size);
	if (ini_parse(&text, &ini, &err) < 0) {
		require(err.code == FL_INVALID && err.text[0] && !ini.items);
		return 0;
	}
	try_edit(&ini, &text, "s", "k", "v");
	for (size_t i = 0; i < ini.count && i < 20; i++) {
		const struct ini_entry *entry = &ini.items[i];

		try_edit(&ini, &text, entry->section, "added-by-the-test", "= # x");
		if (!entry->key[0])
			continue;
		try_edit(&ini, &text, entry->section, entry->key, "other");
		try_edit(&ini, &text, entry->section, entry->key, NULL);
	}
	return 0;
}
