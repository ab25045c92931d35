#include "delta/skip.h"

#include <string.h>

#include "delta/write.h"

enum state { BEFORE, AT_POINT, BEHIND, ENDED };

struct delta_skip {
	struct delta_reader *reader;
	struct delta_point point, here;
	enum state state;
	struct text first; /* the header and the first command, until the point is reached */
	struct text out;
	size_t given; /* bytes of `out` */
	uint64_t put; /* bytes that `out` ever had */
};

struct delta_skip *delta_skip_new(const struct delta_point *point, delta_fill *fill, void *arg)
{
	struct delta_skip *skip = xcalloc(1, sizeof(*skip));

	skip->reader = delta_reader_new(fill, arg);
	skip->point = *point;
	return skip;
}

void delta_skip_free(struct delta_skip *skip)
{
	if (!skip)
		return;
	delta_reader_free(skip->reader);
	text_done(&skip->first);
	text_done(&skip->out);
	free(skip);
}

static void put_raw(const struct delta_skip *skip, struct text *out)
{
	const void *raw;
	size_t length;

	delta_raw(skip->reader, &raw, &length);
	text_add(out, raw, length);
}

/* What comes of contents that the receiver has up to the point. */
static void put_rest(struct delta_skip *skip, const struct delta_command *command)
{
	struct delta_command rest = *command;
	bool writes = command->verb == DELTA_WRITE;
	uint64_t size = writes ? command->data_length : command->size;
	uint64_t has = 0;

	if (strcmp(command->path, skip->point.path) == 0 && command->offset < skip->point.offset)
		has = skip->point.offset - command->offset;
	if (has == 0) {
		put_raw(skip, &skip->out);
		return;
	}
	if (has >= size)
		return;
	rest.offset += has;
	rest.size -= writes ? 0 : has;
	rest.from_offset += has;
	if (writes) {
		rest.data = (const char *)rest.data + has;
		rest.data_length -= has;
	}
	delta_put(&rest, &skip->out);
}

static int differs(struct fl_error *err)
{
	fl_fail(err, FL_DIVERGED, "the delta made anew does not begin as the one that was cut");
	return fl_hint(err, "send all of it");
}

static int pass_before(struct delta_skip *skip, const struct delta_command *command,
		       struct fl_error *err)
{
	const void *raw;
	size_t length;

	if (command->verb == DELTA_END)
		return differs(err);
	delta_raw(skip->reader, &raw, &length);
	if (delta_is_stable(command->verb))
		delta_point_add(&skip->here, command, raw, length);
	return 0;
}

/* The point may be the start. */
static int look_whether_there(struct delta_skip *skip, struct fl_error *err)
{
	if (skip->here.commands < skip->point.commands)
		return 0;
	if (memcmp(skip->here.digest, skip->point.digest, sizeof(skip->here.digest)) != 0)
		return differs(err);
	text_add(&skip->out, skip->first.bytes, skip->first.length);
	skip->state = AT_POINT;
	return 0;
}

static int pass(struct delta_skip *skip, const struct delta_command *command, struct fl_error *err)
{
	if (command->verb == DELTA_SUBVOL || command->verb == DELTA_SNAPSHOT) {
		delta_put_header(&skip->first);
		put_raw(skip, &skip->first);
		return look_whether_there(skip, err);
	}
	if (skip->state == BEFORE) {
		if (pass_before(skip, command, err) < 0)
			return fl_failed(err);
		return look_whether_there(skip, err);
	}
	if (delta_is_stable(command->verb))
		skip->state = command->verb == DELTA_END ? ENDED : BEHIND;
	if (skip->state == AT_POINT)
		put_rest(skip, command);
	else
		put_raw(skip, &skip->out);
	return 0;
}

static int advance(struct delta_skip *skip, struct fl_error *err)
{
	struct delta_command command = { 0 };

	text_clear(&skip->out);
	skip->given = 0;
	if (delta_next(skip->reader, &command, err) < 0 || pass(skip, &command, err) < 0)
		return fl_failed(err);
	skip->put += skip->out.length;
	return 0;
}

int delta_skip_read(void *arg, void *bytes, size_t length, size_t *ret, struct fl_error *err)
{
	struct delta_skip *skip = arg;

	while (skip->given == skip->out.length && skip->state != ENDED) {
		if (advance(skip, err) < 0)
			return fl_failed(err);
	}
	if (length > skip->out.length - skip->given)
		length = skip->out.length - skip->given;
	memcpy(bytes, text_get(&skip->out) + skip->given, length);
	skip->given += length;
	*ret = length;
	return 0;
}

uint64_t delta_skip_saved(const struct delta_skip *skip)
{
	return delta_position(skip->reader) - skip->put;
}
