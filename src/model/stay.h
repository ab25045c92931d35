#pragma once

/*
 * Why a snapshot stays where its branch is thinned (model/thinning.h), and what
 * would make it go: for those who ask.  What goes, thinning itself says.
 *
 * Pure rules over arrays, times in order (thinning_order_times()).
 */

#include "model/nouns.h"
#include "model/thinning.h"

/*
 * Why each can't go, the first of STAY_PINNED to STAY_CALENDAR that is so; STAY_ROOM: it can.
 * What is pinned is STAY_PINNED, then the calendar's pins are added (thinning_pin_calendar()).
 * `ret` has room for `count`.
 */
void stay_judge(struct thinning_point *points, size_t count, int64_t now, int64_t keep_all,
		const struct thinning_calendar *calendar, enum stay *ret);

/* The scores of those of STAY_ROOM, where those of STAY_NOT are gone.  The others' are not set. */
void stay_score(const struct thinning_point *points, size_t count, int64_t now,
		const enum stay *stays, double *ret);
