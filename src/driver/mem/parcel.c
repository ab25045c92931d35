#include "driver/mem/parcel.h"

#include <string.h>

#define MAGIC "flocker mem 1\n"
#define NAME_LIMIT 4096

/* --- digest ------------------------------------------------------------------- */

/* FNV-1a: it tells mistakes, not lies. */
static uint64_t add_bytes(uint64_t hash, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
	return hash;
}

/* In any order; never 0. */
uint64_t parcel_digest(const struct map *files)
{
	uint64_t sum = 1;

	for (size_t i = 0; i < files->count; i++) {
		const struct item *item = &files->items[i];
		uint64_t hash = UINT64_C(0xcbf29ce484222325);

		hash = add_bytes(hash, item->key, strlen(item->key) + 1);
		sum += add_bytes(hash, text_get(&item->value), item->value.length);
	}
	return sum ? sum : 1;
}

/* --- writing ------------------------------------------------------------------- */

static void add_number(struct text *out, uint64_t number)
{
	char bytes[8];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(number >> 8 * i);
	text_add(out, bytes, sizeof(bytes));
}

static void add_string(struct text *out, const char *bytes, size_t length)
{
	add_number(out, length);
	text_add(out, bytes, length);
}

static bool is_same(const struct map *base, const struct item *item)
{
	const struct text *before = base ? map_get(base, item->key) : NULL;

	return before && before->length == item->value.length &&
	       memcmp(text_get(before), text_get(&item->value), before->length) == 0;
}

void parcel_encode(const struct map *base, const struct map *files, struct text *out)
{
	text_add_string(out, MAGIC);
	add_number(out, base ? parcel_digest(base) : 0);
	for (size_t i = 0; i < files->count; i++) {
		const struct item *item = &files->items[i];

		if (is_same(base, item))
			continue;
		text_add_string(out, "=");
		add_string(out, item->key, strlen(item->key));
		add_string(out, text_get(&item->value), item->value.length);
	}
	for (size_t i = 0; base && i < base->count; i++) {
		if (map_get(files, base->items[i].key))
			continue;
		text_add_string(out, "-");
		add_string(out, base->items[i].key, strlen(base->items[i].key));
	}
	text_add_string(out, ".");
	add_number(out, parcel_digest(files));
}

/* --- reading --------------------------------------------------------------------- */

struct rest {
	const char *bytes;
	size_t length;
};

/* NULL when there are not so many. */
static const char *take(struct rest *rest, uint64_t length)
{
	const char *bytes = rest->bytes;

	if (length > rest->length)
		return NULL;
	rest->bytes += length;
	rest->length -= (size_t)length;
	return bytes;
}

static bool take_number(struct rest *rest, uint64_t *ret)
{
	const char *bytes = take(rest, 8);

	*ret = 0;
	for (size_t i = 0; bytes && i < 8; i++)
		*ret |= (uint64_t)(unsigned char)bytes[i] << 8 * i;
	return bytes != NULL;
}

static const char *take_string(struct rest *rest, size_t *ret)
{
	uint64_t length;

	if (!take_number(rest, &length))
		return NULL;
	*ret = (size_t)length;
	return take(rest, length);
}

static bool take_name(struct rest *rest, char name[static NAME_LIMIT])
{
	size_t length;
	const char *bytes = take_string(rest, &length);

	if (!bytes || length == 0 || length >= NAME_LIMIT || memchr(bytes, '\0', length))
		return false;
	memcpy(name, bytes, length);
	name[length] = '\0';
	return true;
}

/* One file; false for what is none. */
static bool apply(struct rest *rest, char what, struct map *files)
{
	char name[NAME_LIMIT];
	const char *bytes;
	size_t length;

	if (!take_name(rest, name))
		return false;
	if (what == '-') {
		map_remove(files, name);
		return true;
	}
	bytes = take_string(rest, &length);
	if (bytes)
		map_set(files, name, bytes, length);
	return bytes != NULL;
}

/* To the end and its digest; false where it breaks off before. */
static bool apply_all(struct rest *rest, struct map *files)
{
	const char *what;
	uint64_t digest;

	while ((what = take(rest, 1)) && (*what == '=' || *what == '-'))
		if (!apply(rest, *what, files))
			return false;
	return what && *what == '.' && take_number(rest, &digest) && digest == parcel_digest(files);
}

static int fail_damaged(struct fl_error *err)
{
	return fl_fail(err, FL_CORRUPT, "the stream is damaged or incomplete");
}

int parcel_decode(const struct text *parcel, const struct map *base, struct map *ret,
		  struct fl_error *err)
{
	struct rest rest = { text_get(parcel), parcel->length };
	own(map_done) struct map files = { 0 };
	const char *magic = take(&rest, strlen(MAGIC));
	uint64_t wanted;

	if (parcel->length < strlen(MAGIC) + sizeof(wanted))
		return fail_damaged(err);
	if (!magic || memcmp(magic, MAGIC, strlen(MAGIC)) != 0 || !take_number(&rest, &wanted))
		return fl_fail(err, FL_INVALID, "this is no stream of the memory driver");
	if (wanted != (base ? parcel_digest(base) : 0))
		return fl_fail(err, FL_INVALID, "the stream was made from another snapshot");
	if (base)
		map_copy(&files, base);
	if (!apply_all(&rest, &files))
		return fail_damaged(err);
	*ret = files;
	files = (struct map){ 0 };
	return 0;
}
