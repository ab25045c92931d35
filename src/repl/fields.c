#include "repl/fields.h"

#include <string.h>

#include "base/utf8.h"
#include "repl/offer.h"

void field_trouble(struct wire_view *view, const char *what)
{
	if (!view->trouble)
		view->trouble = what;
	view->left = 0;
}

void field_put_position(struct text *out, const struct position *position)
{
	wire_put_uuid(out, &position->branch);
	wire_put_i64(out, position->time);
}

struct position field_position(struct wire_view *view)
{
	struct position position = { .branch = wire_uuid(view) };

	position.time = wire_i64(view);
	if (position.time >= 0 && uuid_is_none(&position.branch) == (position.time == 0))
		return position;
	field_trouble(view, "a position that is none");
	return (struct position){ 0 };
}

struct position field_place(struct wire_view *view)
{
	struct position position = field_position(view);

	if (position_is_none(&position))
		field_trouble(view, "a position is missing");
	return position;
}

void field_name(struct wire_view *view, char ret[static NAME_TEXT], bool may_lack)
{
	struct fl_error err;

	wire_text(view, ret, NAME_TEXT);
	if ((ret[0] == '\0' && may_lack) || name_check("any", ret, &err) == 0)
		return;
	field_trouble(view, "a name that is none");
	ret[0] = '\0';
}

/* Does it hold nothing that switches a terminal, but, with `lines`, line ends and tabs? */
static bool is_plain(const char *string, bool lines)
{
	size_t n;

	for (const char *at = string; *at; at += n) {
		n = utf8_length(at);
		if (!utf8_is_plain(at, n) && !(lines && (*at == '\n' || *at == '\t')))
			return false;
	}
	return true;
}

void field_line(struct wire_view *view, char *ret, size_t size)
{
	wire_text(view, ret, size);
	if (is_plain(ret, false))
		return;
	field_trouble(view, "a text with control characters");
	ret[0] = '\0';
}

char *field_words(struct wire_view *view)
{
	char *words = wire_string(view);

	if (strlen(words) > OFFER_TEXT)
		field_trouble(view, "a text that is too long");
	else if (!is_plain(words, true))
		field_trouble(view, "a text with control characters");
	if (view->trouble)
		words[0] = '\0';
	return words;
}

void field_put_metadata(struct text *out, const struct metadata *metadata)
{
	wire_put_u32(out, (uint32_t)metadata->count);
	for (size_t i = 0; i < metadata->count; i++) {
		wire_put_text(out, metadata->pairs[i].key);
		wire_put_text(out, metadata->pairs[i].value);
	}
}

void field_metadata(struct wire_view *view, struct metadata *ret)
{
	size_t count = field_count(view, 4, METADATA_PAIRS);

	for (size_t i = 0; i < count; i++) {
		own_free char *key = wire_string(view), *value = wire_string(view);
		struct fl_error err;

		if (view->trouble)
			return;
		if (metadata_get(ret, key) || metadata_set(ret, key, value, &err) < 0)
			field_trouble(view, "metadata that cannot be");
	}
}

void field_put_origin(struct text *out, const struct origin *origin)
{
	wire_put_text(out, origin->ref);
	wire_put_u64(out, origin->snapshot);
}

void field_origin(struct wire_view *view, struct origin *ret)
{
	field_line(view, ret->ref, sizeof(ret->ref));
	ret->snapshot = wire_u64(view);
}

uint32_t field_grain(struct wire_view *view)
{
	uint32_t grain = wire_u32(view);

	if (grain >= 1 && grain <= WIRE_COARSEST)
		return grain;
	field_trouble(view, "a grain of times that is none");
	return 0;
}

size_t field_count(struct wire_view *view, size_t least, size_t most)
{
	size_t count = wire_count(view, least);

	if (count <= most)
		return count;
	field_trouble(view, "a list that is too long");
	return 0;
}
