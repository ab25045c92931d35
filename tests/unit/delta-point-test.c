#include "delta/point.h"

#include <string.h>

#include "delta/skip.h"
#include "delta/write.h"
#include "tests/check.h"
#include "tests/delta-bytes.h"

static const struct uuid boot = { { 1 } }, other_boot = { { 2 } };

/* --- a point by itself --------------------------------------------------------------- */

static void same_point(const struct delta_point *a, const struct delta_point *b)
{
	check(a->commands == b->commands && a->offset == b->offset);
	check(memcmp(a->digest, b->digest, sizeof(a->digest)) == 0);
	check_string(a->path, b->path);
}

static void points_travel(void)
{
	struct delta_point point = { .commands = 1ULL << 40, .digest = { 1, 2 }, .offset = 7 };
	struct delta_point back;
	own_text struct text text = { 0 };
	struct fl_error err;

	strcpy(point.path, "dir/file");
	delta_point_encode(&point, &text);
	check_ok(delta_point_decode(text.bytes, text.length, &back, &err));
	same_point(&point, &back);
	check_code(FL_CORRUPT, delta_point_decode(text.bytes, 48, &back, &err));
	text.bytes[text.length - 1] = '\0';
	check_code(FL_CORRUPT, delta_point_decode(text.bytes, text.length, &back, &err));
	text.bytes[text.length - 1] = 'x';
	text.bytes[0] = 2;
	check_code(FL_CORRUPT, delta_point_decode(text.bytes, text.length, &back, &err));
	text_clear(&text);
	memset(text_reserve(&text, 5000), 'p', 5000);
	check_code(FL_CORRUPT, delta_point_decode(text.bytes, 49 + 4096, &back, &err));
}

static void points_are_kept(void)
{
	static struct delta_points points;
	struct delta_point point = { .commands = 1 }, back = { .commands = 9 };

	delta_points_begin(&points, &boot);
	check(!delta_points_get(&points, sizeof(points), &boot, &back));
	for (int i = 0; i < 3; i++) {
		point.commands++;
		snprintf(point.path, sizeof(point.path), "file%d", i);
		delta_points_put(&points, &point);
		check(delta_points_get(&points, sizeof(points), &boot, &back));
		same_point(&point, &back);
	}
	check(!delta_points_get(&points, sizeof(points) - 1, &boot, &back));
	check(!delta_points_get(&points, sizeof(points), &other_boot, &back));
	/* Half a put: the one before holds. */
	points.places[(points.count + 1) % 2].commands = 77;
	check(delta_points_get(&points, sizeof(points), &boot, &back));
	same_point(&point, &back);
	memset(points.places[points.count % 2].path, 'x', sizeof(point.path));
	check(!delta_points_get(&points, sizeof(points), &boot, &back));
}

/* --- a delta that is cut and made anew -------------------------------------------------- */

#define FILE_SIZE 1000

static const char *contents(void)
{
	static char bytes[FILE_SIZE];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 7);
	return bytes;
}

/* The contents of "f" in pieces of this size, and what is cloned in others of the same. */
static void put_delta(struct text *out, size_t piece, const char *last)
{
	struct delta_command command = { .verb = DELTA_SUBVOL, .path = "tree" };

	delta_put_header(out);
	delta_put(&command, out);
	delta_put(&(struct delta_command){ .verb = DELTA_MKFILE, .path = "f" }, out);
	for (size_t at = 0; at < FILE_SIZE; at += piece) {
		size_t size = FILE_SIZE - at < piece ? FILE_SIZE - at : piece;

		command = (struct delta_command){ .verb = DELTA_WRITE,
						  .path = "f",
						  .offset = at,
						  .data = contents() + at,
						  .data_length = size };
		delta_put(&command, out);
	}
	delta_put(&(struct delta_command){ .verb = DELTA_UTIMES, .path = "f" }, out);
	for (size_t at = 0; at < FILE_SIZE; at += piece) {
		size_t size = FILE_SIZE - at < piece ? FILE_SIZE - at : piece;

		command = (struct delta_command){ .verb = DELTA_CLONE,
						  .path = "g",
						  .to = "f",
						  .offset = at,
						  .from_offset = at + 5,
						  .size = size };
		delta_put(&command, out);
	}
	delta_put(&(struct delta_command){ .verb = DELTA_UNLINK, .path = last }, out);
	delta_put(&(struct delta_command){ .verb = DELTA_END }, out);
}

/* What was done to "f" and "g": contents, and where each byte of the other came from. */
struct state {
	char f[FILE_SIZE];
	uint64_t g[FILE_SIZE];
	struct delta_point point;
	unsigned stable, writes;
};

static void apply(struct state *state, const struct delta_command *command)
{
	if (command->verb == DELTA_WRITE)
		memcpy(state->f + command->offset, command->data, command->data_length);
	for (uint64_t i = 0; command->verb == DELTA_CLONE && i < command->size; i++)
		state->g[command->offset + i] = command->from_offset + i;
	state->writes += command->verb == DELTA_WRITE;
	state->stable += delta_is_stable(command->verb);
}

/* At most `most` commands. */
static int run(struct state *state, delta_fill *fill, void *arg, unsigned most,
	       struct fl_error *err)
{
	own(delta_reader_freep) struct delta_reader *reader = delta_reader_new(fill, arg);
	struct delta_command command = { 0 };

	while (most-- > 0 && command.verb != DELTA_END) {
		const void *raw;
		size_t length;

		if (delta_next(reader, &command, err) < 0)
			return fl_failed(err);
		apply(state, &command);
		delta_raw(reader, &raw, &length);
		delta_point_add(&state->point, &command, raw, length);
	}
	return 0;
}

static void go_on(struct state *state, const struct text *anew)
{
	struct delta_bytes source = { anew->bytes, anew->length };
	own(delta_skip_freep) struct delta_skip *skip = delta_skip_new(&state->point,
								       delta_bytes_give, &source);
	struct fl_error err;

	check_ok(run(state, delta_skip_read, skip, 1000, &err));
	check(delta_skip_saved(skip) < anew->length);
}

static void a_cut_anywhere_is_gone_on_from(void)
{
	own_text struct text first = { 0 }, anew = { 0 };
	static struct state whole;
	struct fl_error err;
	unsigned cut;

	put_delta(&first, 100, "old");
	put_delta(&anew, 77, "old");
	check_ok(run(&whole, delta_bytes_give, &(struct delta_bytes){ first.bytes, first.length },
		     1000, &err));
	for (cut = 0; cut < 25; cut++) {
		static struct state state;

		memset(&state, 0, sizeof(state));
		check_ok(run(&state, delta_bytes_give,
			     &(struct delta_bytes){ first.bytes, first.length }, cut, &err));
		go_on(&state, &anew);
		check(memcmp(state.f, whole.f, sizeof(whole.f)) == 0);
		check(memcmp(state.g, whole.g, sizeof(whole.g)) == 0);
		check(state.stable == whole.stable);
		same_point(&state.point, &whole.point);
		if (cut == 7) /* 500 of 1,000 bytes were there */
			check(state.writes == 5 + 7);
	}
}

static void another_delta_is_found_out(void)
{
	own_text struct text first = { 0 }, anew = { 0 };
	struct delta_point point = { 0 };
	static struct state state;
	struct fl_error err;

	put_delta(&first, 100, "old");
	put_delta(&anew, 100, "other");
	check_ok(run(&state, delta_bytes_give, &(struct delta_bytes){ first.bytes, first.length },
		     1000, &err));
	check(state.point.commands == 3);
	for (int i = 0; i < 2; i++) {
		const struct text *text = i == 0 ? &anew : &first;
		struct delta_bytes source = { text->bytes, text->length };
		own(delta_skip_freep) struct delta_skip *skip =
			delta_skip_new(&state.point, delta_bytes_give, &source);
		size_t n;

		check_code(FL_DIVERGED, delta_skip_read(skip, &point, 10, &n, &err));
		check(err.hint[0]);
		state.point.commands = 4; /* and one that ends before the point */
	}
	delta_skip_free(NULL);
}

static void contents_beyond_all_numbers_are_no_point(void)
{
	struct delta_point point = { 0 };
	struct delta_command command = {
		.verb = DELTA_CLONE, .path = "f", .offset = UINT64_MAX - 1, .size = 10
	};

	delta_point_add(&point, &command, "", 0);
	check(point.offset == UINT64_MAX);
	command = (struct delta_command){ .verb = DELTA_END };
	delta_point_add(&point, &command, "", 0);
	check(point.commands == 0);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(points_travel),
				  CHECK(points_are_kept),
				  CHECK(a_cut_anywhere_is_gone_on_from),
				  CHECK(another_delta_is_found_out),
				  CHECK(contents_beyond_all_numbers_are_no_point),
				  CHECK_END,
			  });
}
