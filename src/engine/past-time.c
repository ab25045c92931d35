/*
 * Snapshots by their age.  Times are those of the wall clock, which people type; where the host's
 * clock was ahead when a snapshot was taken, its time says nothing, and the retention clock does.
 */

#include "engine/past.h"

static int find_newest_time(const struct past *past, int64_t *ret, struct fl_error *err)
{
	own_snapshot_row struct snapshot_row newest = { 0 };

	if (past_back(past, 0, &newest, err) < 0)
		return fl_failed(err);
	*ret = newest.position.time;
	return 0;
}

/* Says what the time asked for misses, and the snapshot that is nearest to it. */
static int fail_time(const struct past *past, int64_t time, bool future, struct fl_error *err)
{
	own_snapshot_row struct snapshot_row nearest = { 0 };
	char asked[CLOCK_TEXT], found[CLOCK_TEXT], id[SNAPID_TEXT];

	if (future ? past_back(past, 0, &nearest, err) : past_oldest(past, &nearest, err))
		return fl_failed(err);
	time_text(time, asked);
	time_text(nearest.position.time, found);
	snapid_format(nearest.id, id);
	if (future)
		fl_fail(err, FL_NOT_FOUND,
			"%s lies in the future; the newest snapshot of %s is %.8s of %s", asked,
			past->branch, id, found);
	else
		fl_fail(err, FL_NOT_FOUND,
			"%s has no snapshot as old as %s; the nearest is %.8s of %s", past->branch,
			asked, id, found);
	return fl_hint(err, "%s@{%.8s}", past->branch, id);
}

/* A date alone stands for its end (ref.h), so today's may lie ahead. */
static bool is_future(int64_t time, int64_t now)
{
	bool whole_day = time % CLOCK_DAY == CLOCK_DAY - 1;

	return time > now && !(whole_day && time - CLOCK_DAY < now);
}

/* A snapshot that was taken while the host's clock was ahead has a time that lies in the future. */
int past_at(const struct past *past, int64_t time, struct snapshot_row *ret, struct fl_error *err)
{
	int64_t newest = 0;

	if (is_future(time, clock_now())) {
		if (find_newest_time(past, &newest, err) < 0)
			return fl_failed(err);
		if (time > newest)
			return fail_time(past, time, true, err);
	}
	for (size_t i = 0; i < past->count; i++) {
		int r = tx_snapshot_at(past->tx, &past->stretches[i], time, ret, err);

		if (r != -FL_NOT_FOUND)
			return r;
	}
	return fail_time(past, time, false, err);
}

/* In the part of a stretch that lies after `now`. */
static int find_aged(const struct past *past, struct stretch stretch, int64_t now, int64_t stamp,
		     struct snapshot_row *ret, struct fl_error *err)
{
	if (stretch.to <= now)
		return -FL_NOT_FOUND;
	if (stretch.from <= now)
		stretch.from = now + 1;
	return tx_snapshot_aged(past->tx, &stretch, stamp, ret, err);
}

/*
 * How long ago: by the wall clock.  The time of a snapshot that was taken while
 * that was ahead, and of those that came after it, says nothing of it: for them
 * the retention clock does.
 */
int past_ago(struct engine *engine, const struct past *past, int64_t ago, struct snapshot_row *ret,
	     struct fl_error *err)
{
	int64_t now = clock_now(), stamp = retention_now(engine) - ago;

	for (size_t i = 0; i < past->count; i++) {
		const struct stretch *stretch = &past->stretches[i];
		int r = find_aged(past, *stretch, now, stamp, ret, err);

		if (r == -FL_NOT_FOUND)
			r = tx_snapshot_at(past->tx, stretch, now - ago, ret, err);
		if (r != -FL_NOT_FOUND)
			return r;
	}
	return fail_time(past, now - ago, false, err);
}
