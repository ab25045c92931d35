#include "model/metadata.h"

#include <stdbool.h>
#include <string.h>

#include "model/name.h"
#include "base/utf8.h"

void metadata_done(struct metadata *metadata)
{
	for (size_t i = 0; i < metadata->count; i++) {
		free(metadata->pairs[i].key);
		free(metadata->pairs[i].value);
	}
	free(metadata->pairs);
	*metadata = (struct metadata){ 0 };
}

/* Where `key` stands or would stand; `*found` says which. */
static size_t locate(const struct metadata *metadata, const char *key, bool *found)
{
	size_t i = 0;
	int order = 1;

	while (i < metadata->count && (order = strcmp(metadata->pairs[i].key, key)) < 0)
		i++;
	*found = i < metadata->count && order == 0;
	return i;
}

/* Control characters would break the stored form, terminals and tables: C0, DEL and C1. */
static bool is_control(const char *s)
{
	unsigned char c = (unsigned char)s[0], next = (unsigned char)s[1];

	return c < 0x20 || c == 0x7f || (c == 0xc2 && next < 0xa0);
}

static int check_value(const char *key, const char *value, struct fl_error *err)
{
	size_t length = strlen(value), n;

	if (length > METADATA_VALUE)
		return fl_fail(err, FL_INVALID, "the value of '%s' has %zu bytes, %d are allowed",
			       key, length, METADATA_VALUE);
	for (const char *p = value; *p; p += n) {
		n = utf8_length(p);
		if (n == 0)
			return fl_fail(
				err, FL_INVALID,
				"the value of '%s' is not UTF-8: byte 0x%02x at position %zu", key,
				(unsigned char)*p, (size_t)(p - value) + 1);
		if (is_control(p))
			return fl_fail(err, FL_INVALID,
				       "the value of '%s' has a control character at position %zu",
				       key, (size_t)(p - value) + 1);
	}
	return 0;
}

static void remove_at(struct metadata *metadata, size_t at)
{
	struct metadata_pair *pair = &metadata->pairs[at];

	free(pair->key);
	free(pair->value);
	memmove(pair, pair + 1, (--metadata->count - at) * sizeof(*pair));
}

static void insert_at(struct metadata *metadata, size_t at, const char *key, const char *value)
{
	struct metadata_pair *last = array_add(metadata->pairs, metadata->count);
	struct metadata_pair *pair = &metadata->pairs[at];

	memmove(pair + 1, pair, (size_t)(last - pair) * sizeof(*pair));
	*pair = (struct metadata_pair){ xstrdup(key), xstrdup(value) };
}

static void replace_at(struct metadata *metadata, size_t at, const char *value)
{
	char *copy = xstrdup(value);

	free(metadata->pairs[at].value);
	metadata->pairs[at].value = copy;
}

int metadata_set(struct metadata *metadata, const char *key, const char *value,
		 struct fl_error *err)
{
	bool found;
	size_t at;
	int r = name_check("metadata key", key, err);

	if (r == 0 && value)
		r = check_value(key, value, err);
	if (r < 0)
		return r;
	at = locate(metadata, key, &found);
	if (!value) {
		if (found)
			remove_at(metadata, at);
		return 0;
	}
	if (found) {
		replace_at(metadata, at, value);
		return 0;
	}
	if (metadata->count == METADATA_PAIRS) {
		fl_fail(err, FL_INVALID, "'%s' would be metadata pair %d, %d are allowed", key,
			METADATA_PAIRS + 1, METADATA_PAIRS);
		return fl_hint(err, "unset another key first");
	}
	insert_at(metadata, at, key, value);
	return 0;
}

const char *metadata_get(const struct metadata *metadata, const char *key)
{
	bool found;
	size_t at = locate(metadata, key, &found);

	return found ? metadata->pairs[at].value : NULL;
}

void metadata_copy(const struct metadata *from, struct metadata *ret)
{
	struct metadata copy = { 0 };

	for (size_t i = 0; i < from->count; i++)
		*array_add(copy.pairs, copy.count) = (struct metadata_pair){
			xstrdup(from->pairs[i].key),
			xstrdup(from->pairs[i].value),
		};
	*ret = copy;
}

void metadata_encode(const struct metadata *metadata, struct text *out)
{
	for (size_t i = 0; i < metadata->count; i++)
		text_add_format(out, "%s=%s\n", metadata->pairs[i].key, metadata->pairs[i].value);
}

/* One line without its newline. */
static int decode_pair(struct metadata *metadata, char *line, struct fl_error *err)
{
	char *equals = strchr(line, '=');

	if (!equals)
		return fl_fail(err, FL_INVALID, "expected KEY=VALUE, found '%.80s'", line);
	*equals = '\0';
	if (metadata_get(metadata, line))
		return fl_fail(err, FL_INVALID, "the key '%s' stands twice", line);
	return metadata_set(metadata, line, equals + 1, err);
}

int metadata_decode(const char *text, struct metadata *ret, struct fl_error *err)
{
	own_metadata struct metadata metadata = { 0 };
	own_free char *copy = xstrdup(text);
	size_t number = 1;

	for (char *line = copy, *end; *line; line = end + 1, number++) {
		end = strchr(line, '\n');
		if (!end)
			return fl_fail(err, FL_INVALID, "metadata line %zu: its end is missing",
				       number);
		*end = '\0';
		if (decode_pair(&metadata, line, err) < 0)
			return fl_wrap(err, "metadata line %zu", number);
	}
	*ret = metadata;
	metadata = (struct metadata){ 0 };
	return 0;
}
