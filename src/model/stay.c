#include "model/stay.h"

static enum stay judge(const struct thinning_point *points, size_t count, size_t i, int64_t now,
		       int64_t keep_all)
{
	if (i + 1 == count)
		return STAY_NEWEST;
	if (i == 0)
		return STAY_OLDEST;
	if (now - points[i].time < keep_all)
		return STAY_YOUNG;
	return points[i].pinned ? STAY_CALENDAR : STAY_ROOM;
}

void stay_judge(struct thinning_point *points, size_t count, int64_t now, int64_t keep_all,
		const struct thinning_calendar *calendar, enum stay *ret)
{
	for (size_t i = 0; i < count; i++)
		ret[i] = points[i].pinned ? STAY_PINNED : STAY_UNKNOWN;
	thinning_pin_calendar(points, count, calendar);
	for (size_t i = 0; i < count; i++)
		if (ret[i] != STAY_PINNED)
			ret[i] = judge(points, count, i, now, keep_all);
}

void stay_score(const struct thinning_point *points, size_t count, int64_t now,
		const enum stay *stays, double *ret)
{
	size_t before = SIZE_MAX, middle = SIZE_MAX;

	for (size_t i = 0; i < count; i++) {
		if (stays[i] == STAY_NOT)
			continue;
		if (before != SIZE_MAX && stays[middle] == STAY_ROOM)
			ret[middle] = thinning_score(points[before].time, points[i].time, now);
		before = middle;
		middle = i;
	}
}
