#pragma once

/*
 * The retention clock: how old snapshots are for thinning (DESIGN section 7).
 *
 * The wall clock may be set, by a person or by a broken time server, and
 * thinning by it would then take a year's snapshots for old ones and delete
 * them.  This clock never runs backwards, and never faster than time passes:
 * while the machine runs it follows CLOCK_BOOTTIME.  That may jump, too, where a
 * sleep or a hypervisor counts into it: more than a day at once is believed only
 * where the wall clock says the same, and then as one day.  Between two runs
 * nobody but the wall clock knows how long it was, which is believed up to a day.
 * What goes beyond that makes all snapshots younger than they are, and so keeps
 * more.
 *
 * It begins at the wall clock's time and is kept in the catalogue.  Pure: no
 * I/O, no clock is read here.
 */

#include <stdint.h>

#include "base/error.h"
#include "base/uuid.h"

struct retention {
	int64_t value;	 /* ns; of the same kind as a wall clock's.  0: never set */
	int64_t wall;	 /* when it was set last: the wall clock, */
	int64_t boot;	 /* CLOCK_BOOTTIME, */
	struct uuid run; /* and of which run of the machine (kernel.random.boot_id) */
};

/*
 * By how much the host's clocks have jumped since it was set last, ns: what the
 * wall clock did beyond what the retention clock is going to believe, or beyond
 * the boot clock (less than 0: it fell behind).  0 for less than a day, which
 * leap seconds, time servers and time zones account for.
 */
int64_t retention_jump(const struct retention *retention, int64_t wall, int64_t boot,
		       const struct uuid *run);

/* Moves it to now; returns its value. */
int64_t retention_tick(struct retention *retention, int64_t wall, int64_t boot,
		       const struct uuid *run);

#define RETENTION_TEXT 112 /* room for the text form */
char *retention_format(const struct retention *retention, char text[static RETENTION_TEXT]);
/* FL_INVALID for anything that retention_format() does not write. */
must_check int retention_parse(const char *text, struct retention *ret, struct fl_error *err);
