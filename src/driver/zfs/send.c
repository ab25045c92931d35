#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/stream.h"
#include "driver/zfs/pool.h"

/*
 * Sending is `zfs send`, without properties: those are said of what is here.
 *
 * ZFS knows the way to a snapshot from an earlier one of the same dataset, and from the one that
 * its dataset was cloned from.  After a rollback the predecessors may lie in the dataset of the
 * former head; then the new one takes them over first, by a promotion, which nobody notices.
 *
 * What is sent passes through here, so that who stops reading ends the program at once.
 *
 * A destruction or promotion of what is being sent would wait for the stream's end, and whatever
 * else changes the pool then for that: so such snapshots are counted (`sending`), and stay where
 * they are until then.
 */

#define CHUNK (256ul << 10)

/* --- the way ------------------------------------------------------------------------------ */

static bool is_direct(const struct item *from, const struct item *to)
{
	return (from->home == to->home && from->order < to->order) || to->home->origin == from->id;
}

/* Where the datasets of `to` were cloned from, back to that in which `from` lies. */
static bool is_ancestor(struct zfs_pool *pool, const struct item *from, const struct item *to)
{
	own_lock(guard, &pool->mutex);
	const struct item *home = to->home;
	uint64_t before = to->order;

	for (size_t i = 0; i <= pool->index.count; i++) {
		const struct item *origin;

		if (from->home == home)
			return from->order < before;
		origin = index_find_id(&pool->index, home->origin);
		if (!origin)
			return false;
		if (origin == from)
			return true;
		home = origin->home;
		before = origin->order + 1;
	}
	return false;
}

/* The next dataset's snapshots come to the one of `to`. */
static int come_nearer(struct zfs_pool *pool, const struct item *to, struct fl_error *err)
{
	struct item *heir = to->home, *origin;

	{
		own_lock(guard, &pool->mutex);
		origin = index_find_id(&pool->index, heir->origin);
	}
	if (!origin || origin->home->group != heir->group)
		return fl_fail(err, FL_UNSUPPORTED, "the snapshots lie in different volumes");
	return promote(pool, origin->home, heir, err);
}

static int fail_no_way(const struct tree *base, const struct tree *tree, struct fl_error *err)
{
	char from[TREE_TEXT], to[TREE_TEXT];

	fl_fail(err, FL_UNSUPPORTED, "ZFS knows no way from %s to %s", tree_format(base, from),
		tree_format(tree, to));
	return fl_hint(err, "send what changed since a snapshot that it came from, or all of it");
}

/* Under `shape`, for writing. */
static int find_way(struct zfs_pool *pool, const struct tree *base, const struct tree *tree,
		    struct fl_error *err)
{
	struct item *from = item_get(pool, base, err),
		    *to = from ? item_get(pool, tree, err) : NULL;

	if (!to)
		return fl_failed(err);
	if (!from->home || !to->home || !is_ancestor(pool, from, to))
		return fail_no_way(base, tree, err);
	while (!is_direct(from, to))
		if (come_nearer(pool, to, err) < 0)
			return fl_failed(err);
	return 0;
}

/* Is there a way already?  Under `shape`. */
static int look_for_way(struct zfs_pool *pool, const struct tree *base, const struct tree *tree,
			bool *ret, struct fl_error *err)
{
	const struct item *from = base ? item_get(pool, base, err) : NULL;
	const struct item *to = from || !base ? item_get(pool, tree, err) : NULL;

	if (!to)
		return fl_failed(err);
	*ret = !base || (from->home && to->home && is_direct(from, to));
	return 0;
}

/* --- what is sent stays ------------------------------------------------------------------------
 */

/* What a stream is made of. */
struct parcel {
	uint64_t from, to; /* ids of snapshots; 0: none */
	char from_name[ZFS_NAME], to_name[ZFS_NAME];
};

/* Counts what is sent, by id: one that is deleted meanwhile may be gone already. */
static void count_sending(struct zfs_pool *pool, uint64_t id, int more)
{
	own_lock(guard, &pool->mutex);
	struct item *item = id ? index_find_id(&pool->index, id) : NULL;

	if (item)
		item->sending += (unsigned)more;
}

/* Both stay, under these names, until release().  Under `shape`. */
static int take_hold(struct zfs_pool *pool, const struct tree *base, const struct tree *tree,
		     struct parcel *ret, struct fl_error *err)
{
	struct item *to = NULL, *from = base ? item_get(pool, base, err) : NULL;

	if ((base && !from) || snapshot_get(pool, tree, &to, err) < 0)
		return fl_failed(err);
	ret->to = to->id;
	item_name(to, ret->to_name);
	if (from) {
		ret->from = from->id;
		item_name(from, ret->from_name);
	}
	count_sending(pool, ret->to, 1);
	count_sending(pool, ret->from, 1);
	return 0;
}

static void release(struct zfs_pool *pool, const struct parcel *parcel)
{
	count_sending(pool, parcel->to, -1);
	count_sending(pool, parcel->from, -1);
	reap(pool);
}

/* Most often there is a way, and nobody need wait. */
static int prepare(struct zfs_pool *pool, const struct tree *base, const struct tree *tree,
		   struct parcel *ret, struct fl_error *err)
{
	bool is_there = false;

	{
		own_shape(shape, read_shape(pool));

		if (look_for_way(pool, base, tree, &is_there, err) < 0)
			return fl_failed(err);
		if (is_there)
			return take_hold(pool, base, tree, ret, err);
	}
	own_shape(shape, write_shape(pool));
	if (find_way(pool, base, tree, err) < 0)
		return fl_failed(err);
	return take_hold(pool, base, tree, ret, err);
}

/* --- what passes through --------------------------------------------------------------------- */

/* Until there is something to read.  FL_SYSTEM: the reader is gone; or nothing comes at all. */
static int await_more(const struct zfs_running *running, int fd, struct fl_error *err)
{
	const int64_t deadline = clock_monotonic() + running->patience;
	struct pollfd fds[] = {
		{ .fd = running->stream, .events = POLLIN },
		{ .fd = fd },
	};

	while (poll(fds, array_size(fds), clock_milliseconds_until(deadline)) <= 0)
		if (clock_monotonic() >= deadline)
			return fl_fail(err, FL_SYSTEM, "'%s send' gave nothing and was killed",
				       running->path);
	if (!(fds[1].revents & (POLLERR | POLLHUP)))
		return 0;
	errno = EPIPE;
	return fl_fail_errno(err, "whoever reads the stream");
}

static int pass_on(const struct zfs_running *running, int fd, struct fl_error *err)
{
	own_free char *chunk = xcalloc(1, CHUNK);
	size_t n = 1;

	while (n > 0)
		if (await_more(running, fd, err) < 0 ||
		    stream_read(running->stream, running->path, chunk, CHUNK, &n, err) < 0 ||
		    stream_write(fd, "whoever reads the stream", chunk, n, err) < 0)
			return fl_failed(err);
	return 0;
}

static int run_send(const struct parcel *parcel, int fd, struct fl_error *err)
{
	const char *const whole[] = { "send", parcel->to_name, NULL };
	const char *const increment[] = { "send", "-i", parcel->from_name, parcel->to_name, NULL };
	own(zfs_running_done) struct zfs_running running = ZFS_RUNNING_NONE;

	if (zfs_start(parcel->from ? increment : whole, false, &running, err) < 0 ||
	    pass_on(&running, fd, err) < 0)
		return fl_failed(err);
	return zfs_finish(&running, err);
}

int zfs_send(struct pool *pool, const struct tree *base, const struct tree *tree, int fd,
	     struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	struct parcel parcel = { 0 };
	int rc;

	if (prepare(p, base, tree, &parcel, err) < 0)
		return fl_failed(err);
	rc = run_send(&parcel, fd, err);
	release(p, &parcel);
	return rc;
}
