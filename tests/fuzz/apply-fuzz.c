#include <string.h>

#include "base/own.h"
#include "delta/command.h"
#include "delta/skip.h"
#include "tests/delta-bytes.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/world.h"
#include "tree/verbs.h"

/*
 * A delta of any bytes, carried out as flocker-tree does it (world.h): as it is, and once more with
 * right checksums.  The tree may hold no devices unless they were allowed.  What is refused has a
 * reason.
 *
 * Then what is left of it from a point somewhere before its end is carried out in the
 * tree that came of the part before, as after a cut.
 */

static const struct uuid this_boot; /* any will do */

static int apply(void *arg, struct fl_error *err)
{
	struct report report = { 0 };

	return tree_apply(arg, &report, err);
}

/* What a sender would send to who has come so far; false: it would begin anew. */
static bool take_rest(const uint8_t *data, size_t size, const struct delta_point *point,
		      struct text *ret)
{
	struct delta_bytes whole = { data, size, 0 };
	own(delta_skip_freep) struct delta_skip *skip = delta_skip_new(point, delta_bytes_give,
								       &whole);
	struct fl_error err;
	char bytes[4096];
	size_t n;

	do {
		if (delta_skip_read(skip, bytes, sizeof(bytes), &n, &err) < 0)
			return ret->length > 0;
		text_add(ret, bytes, n);
	} while (n > 0);
	return true;
}

static void try_resumed(struct world *world, const uint8_t *data, size_t size,
			struct options options)
{
	own_text struct text rest = { 0 };
	struct delta_points points;
	struct delta_point point;

	world_renew(world);
	delta_points_begin(&points, &this_boot);
	tree_apply_use_points(&points);
	options.point = true;
	(void)world_run(world, data, size - size / 3, apply, &options);
	options.resume = true;
	if (delta_points_get(&points, sizeof(points), &this_boot, &point) &&
	    take_rest(data, size, &point, &rest))
		(void)world_run(world, (const uint8_t *)rest.bytes, rest.length, apply, &options);
	tree_apply_use_points(NULL);
}

static void try_delta(const uint8_t *data, size_t size)
{
	/* The low byte of the first command's verb says whether it builds on a base. */
	const size_t verb = DELTA_HEADER + sizeof(uint32_t);
	struct options options = { .devices = size & 1,
				   .base = size > verb && data[verb] == DELTA_SNAPSHOT };
	struct world world;

	world_open(&world);
	(void)world_run(&world, data, size, apply, &options);
	world_check_tree(&world, options.devices, true);
	try_resumed(&world, data, size, options);
	world_check_tree(&world, options.devices, true);
	world_close(&world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own_free uint8_t *mended = xcalloc(size + 1, 1);

	try_delta(data, size);
	memcpy(mended, data, size);
	delta_bytes_mend(mended, size);
	if (memcmp(mended, data, size) != 0)
		try_delta(mended, size);
	return 0;
}
