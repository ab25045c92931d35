#pragma once

/*
 * How far a delta was carried out, so that a cut transfer goes on instead of beginning anew.
 *
 * A delta that is made once more is not the same bytes: contents come in other pieces.  The same
 * are the commands that delta_is_stable() names, in their order.  So a point is how many of
 * those were carried out, a digest that only the same ones lead to, and behind them the file
 * whose contents came last, and up to where.  It counts on what command.h says: between
 * two stable commands a file's contents come in ascending order.  END is not counted.
 *
 * The digest is a chain: of the bytes of each command together with the digest before it, so that
 * it is whole after each one, and to go on takes nothing else.
 *
 * Pure, but that struct delta_points is meant to lie in a file that is mapped.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"
#include "base/text.h"
#include "base/uuid.h"
#include "delta/command.h"

#define DELTA_DIGEST 32 /* SHA-256 */

/* Zero is the start of any delta. */
struct delta_point {
	uint64_t commands;
	uint8_t digest[DELTA_DIGEST];
	uint64_t offset; /* of `path`, what lies below it has come */
	char path[DELTA_PATH_MAX + 1];
};

/* A further command was carried out, whose bytes these are (delta_raw()). */
void delta_point_add(struct delta_point *point, const struct delta_command *command,
		     const void *raw, size_t length);

/*
 * For the wire: version 1 (a byte), commands (le64), digest (32 bytes), offset (le64), and to the
 * end the path, at most DELTA_PATH_MAX bytes.
 */
void delta_point_encode(const struct delta_point *point, struct text *out);
/* FL_CORRUPT: it is none. */
must_check int delta_point_decode(const void *bytes, size_t length, struct delta_point *ret,
				  struct fl_error *err);

/*
 * Points in a file that the one who applies has mapped, shared: so they outlive it however it is
 * killed, as what it did to the tree does.  After a power cut neither can be relied on, so another
 * run of the machine (kernel.random.boot_id) has no point.  There are two places, which take turns,
 * and `count` says which one holds: it is written last.  In the machine's own byte order.
 */
struct delta_points {
	struct uuid boot;
	uint64_t count;
	struct delta_point places[2];
};

void delta_points_begin(struct delta_points *points, const struct uuid *boot);
void delta_points_put(struct delta_points *points, const struct delta_point *point);
/* Of the file's bytes.  False: there is none, or of another run of the machine. */
bool delta_points_get(const void *bytes, size_t length, const struct uuid *boot,
		      struct delta_point *ret);
