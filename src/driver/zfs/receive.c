#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/stream.h"
#include "driver/zfs/header.h"
#include "driver/zfs/pool.h"

/*
 * Receiving is `zfs receive -u` into a dataset that nobody sees:
 *
 *	POOL/DATASET/received		mountpoint=none, readonly=on, inherited by what is in it
 *	POOL/DATASET/received/UUID.ID	where streams go; hidden, without a property
 *	...@UUID.ID			what one made; hidden, until it has one
 *
 * So the commit is one `zfs set` of the snapshot's flocker:tree, and what has none when the pool
 * is opened was never committed: reap() destroys it.  Nothing is ever mounted by it, and neither
 * -F nor a property of the sender's is used.
 *
 * ZFS takes an increment only into a dataset whose newest snapshot is the base, and unchanged
 * since.  Where the base is that, in a dataset of ours that was received, it goes there, after a
 * rollback to it: what an earlier stream left that came to nothing is gone then.  Anywhere else
 * (it is older, or a head's) a new dataset is cloned from the base and promoted, so that the base
 * is its newest; what it came from goes on as a clone of it.  (A clone alone will not do: neither
 * zfs-fuse nor OpenZFS looks for the base beyond the dataset.)  A stream that was sent from a clone
 * makes a new dataset by itself, and finds its base by number.
 *
 * Meanwhile `receiving` keeps reap() off the dataset, and another stream too.
 */

#define CHUNK (256ul << 10)

struct receipt {
	struct zfs_pool *pool;
	struct tree staging;
	const struct tree *base; /* or NULL */
	struct header header;
	uint8_t beginning[HEADER_LENGTH];
	struct item *dataset; /* `receiving` */
};

/* --- what the stream says that it is ---------------------------------------------------------- */

static int read_beginning(struct receipt *receipt, int fd, struct fl_error *err)
{
	size_t length = 0;

	if (stream_fill(fd, "the stream", receipt->beginning, HEADER_LENGTH, &length, err) < 0)
		return fl_failed(err);
	if (length < HEADER_LENGTH)
		return fl_fail(err, FL_CORRUPT, "the stream ends before it has begun");
	if (!header_parse(receipt->beginning, &receipt->header))
		return fl_fail(err, FL_INVALID, "this is no stream of one snapshot of ZFS");
	return 0;
}

static int check_base(const struct receipt *receipt, const struct item *base, struct fl_error *err)
{
	char name[ZFS_NAME], text[TREE_TEXT];
	uint64_t guid = 0;

	if (number_get(item_name(base, name), "guid", &guid, err) < 0)
		return fl_failed(err);
	if (receipt->header.from == guid)
		return 0;
	return fl_fail(err, FL_INVALID, "the stream was not made from %s",
		       tree_format(receipt->base, text));
}

/* --- where it goes ---------------------------------------------------------------------------- */

static int make_place(struct zfs_pool *pool, struct fl_error *err)
{
	char name[ZFS_NAME + 16];

	if (pool->receives)
		return 0;
	snprintf(name, sizeof(name), "%s/" RECEIVED, pool->dataset);
	if (zfs_do(err, "create", "-o", "mountpoint=none", "-o", "canmount=off", "-o",
		   "readonly=on", name) < 0 &&
	    err->code != FL_EXISTS)
		return fl_wrap(err, "making the place for what is received");
	pool->receives = true;
	return 0;
}

/* In the index only. */
static struct item *add_dataset(const struct receipt *receipt, const struct item *origin)
{
	struct item made = {
		.id = zfs_new_id(),
		.hidden = true,
		.tree = receipt->staging,
		.origin = origin ? origin->id : 0,
		.created = clock_now(),
		.received = true,
		.receiving = true,
	};
	char name[ZFS_NAME];

	made.name = xstrdup(dataset_name(receipt->pool, &made, name));
	own_lock(guard, &receipt->pool->mutex);
	return index_add(&receipt->pool->index, &made);
}

/* Is the base the newest of a dataset that streams go into?  Then it is taken. */
static bool take_home(const struct receipt *receipt, const struct item *base)
{
	own_lock(guard, &receipt->pool->mutex);

	if (!base->home->received || base->home->receiving ||
	    index_newest(&receipt->pool->index, base->home) != base)
		return false;
	base->home->receiving = true;
	return true;
}

static void let_go(const struct receipt *receipt)
{
	own_lock(guard, &receipt->pool->mutex);

	if (receipt->dataset)
		receipt->dataset->receiving = false;
}

/* Fails, and does no harm, where somebody else's snapshot is newer. */
static int roll_back(const struct item *base, struct fl_error *err)
{
	char name[ZFS_NAME];

	return zfs_do(err, "rollback", item_name(base, name));
}

static int clone_base(struct receipt *receipt, struct item *base, struct fl_error *err)
{
	struct item *home = base->home;
	char name[ZFS_NAME];

	receipt->dataset = add_dataset(receipt, base);
	if (zfs_do(err, "clone", item_name(base, name), receipt->dataset->name) < 0)
		return fl_failed(err);
	return promote(receipt->pool, home, receipt->dataset, err);
}

static int choose_for_increment(struct receipt *receipt, struct item *base, struct fl_error *err)
{
	struct fl_error why;

	if (receipt->header.clone) {
		receipt->dataset = add_dataset(receipt, base);
		return 0;
	}
	if (take_home(receipt, base)) {
		receipt->dataset = base->home;
		if (roll_back(base, &why) == 0)
			return 0;
		log_info("a stream goes into a dataset of its own", "error=\"%s\"", why.text);
		let_go(receipt);
		receipt->dataset = NULL;
	}
	if (base->home->receiving) {
		fl_fail(err, FL_BUSY, "'%s' is receiving another stream", base->home->name);
		return fl_hint(err, "try again when that is through");
	}
	return clone_base(receipt, base, err);
}

/* Which snapshots lie where changes by it, so `shape` is held for writing. */
static int choose_dataset(struct receipt *receipt, struct fl_error *err)
{
	own_shape(shape, write_shape(receipt->pool));
	struct item *base;

	if (item_check_free(receipt->pool, &receipt->staging, err) < 0)
		return fl_failed(err);
	if (!receipt->base) {
		if (receipt->header.from)
			return fl_fail(err, FL_INVALID, "the stream needs a base");
		receipt->dataset = add_dataset(receipt, NULL);
		return 0;
	}
	base = item_get(receipt->pool, receipt->base, err);
	if (!base)
		return fl_failed(err);
	if (!base->home)
		return fl_fail(err, FL_UNSUPPORTED, "'%s' is a copy of a snapshot: no base",
			       base->name);
	if (check_base(receipt, base, err) < 0)
		return fl_failed(err);
	return choose_for_increment(receipt, base, err);
}

/* --- what passes through ------------------------------------------------------------------------
 */

/* As fast as the program takes it.  FL_SYSTEM with EPIPE: it reads no more. */
static int feed(const struct zfs_running *running, const char *bytes, size_t length,
		struct fl_error *err)
{
	while (length > 0) {
		const int64_t deadline = clock_monotonic() + running->patience;
		struct pollfd end = { .fd = running->stream, .events = POLLOUT };
		ssize_t n = write(running->stream, bytes, length);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return fl_fail_errno(err, "%s receive", running->path);
		if (n > 0) {
			bytes += n;
			length -= (size_t)n;
		} else if (poll(&end, 1, clock_milliseconds_until(deadline)) <= 0 &&
			   clock_monotonic() >= deadline) {
			return fl_fail(err, FL_SYSTEM, "'%s receive' took nothing and was killed",
				       running->path);
		}
	}
	return 0;
}

static int feed_all(const struct receipt *receipt, const struct zfs_running *running, int fd,
		    struct fl_error *err)
{
	own_free char *chunk = xcalloc(1, CHUNK);
	size_t n = HEADER_LENGTH;

	if (fcntl(running->stream, F_SETFL, O_NONBLOCK) < 0)
		return fl_fail_errno(err, "a pipe");
	memcpy(chunk, receipt->beginning, HEADER_LENGTH);
	while (n > 0)
		if (feed(running, chunk, n, err) < 0 ||
		    stream_read(fd, "the stream", chunk, CHUNK, &n, err) < 0)
			return fl_failed(err);
	return 0;
}

/* A program that reads no more has all that it needs, or says why it has not. */
static int run_receive(const struct receipt *receipt, const char *name, int fd,
		       struct fl_error *err)
{
	own(zfs_running_done) struct zfs_running running = ZFS_RUNNING_NONE;
	int rc;

	if (zfs_start((const char *[]){ "receive", "-u", name, NULL }, true, &running, err) < 0)
		return fl_failed(err);
	rc = feed_all(receipt, &running, fd, err);
	if (rc < 0 && err->sys != EPIPE)
		return rc;
	return zfs_finish(&running, err);
}

/* --- all of it -------------------------------------------------------------------------------- */

/* The base, or another snapshot of ours with its number, and so its contents. */
static bool note_origin(const struct receipt *receipt, uint64_t id)
{
	own_lock(guard, &receipt->pool->mutex);

	if (!index_find_id(&receipt->pool->index, id))
		return false;
	receipt->dataset->origin = id;
	return true;
}

/* What a stream that was sent from a clone has become a clone of, ZFS has found by itself. */
static int check_origin(const struct receipt *receipt, struct fl_error *err)
{
	own_text struct text origin = { 0 };
	uint64_t id = 0;

	if (!receipt->header.clone)
		return 0;
	if (property_get(receipt->dataset->name, "origin", false, &origin, err) < 0)
		return fl_failed(err);
	if (component_id(text_get(&origin), &id) && note_origin(receipt, id))
		return 0;
	return fl_fail(err, FL_INVALID, "the stream was received upon '%s', which is not Flocker's",
		       text_get(&origin));
}

static struct item *add_snapshot(const struct receipt *receipt, uint64_t id, bool hidden,
				 const char *name)
{
	const struct item made = {
		.id = id,
		.hidden = hidden,
		.tree = receipt->staging,
		.home = receipt->dataset,
		.name = xstrdup(name),
		.created = clock_now() / CLOCK_SECOND * CLOCK_SECOND,
	};
	own_lock(guard, &receipt->pool->mutex);

	return index_add(&receipt->pool->index, &made);
}

/* What the program has made nevertheless, or what is no good, is hidden, and goes with reap(). */
static int fill_dataset(const struct receipt *receipt, int fd, struct fl_error *err)
{
	char component[COMPONENT_TEXT], name[ZFS_NAME + COMPONENT_TEXT];
	uint64_t id = zfs_new_id();
	int rc;

	component_format(&receipt->staging, id, component);
	snprintf(name, sizeof(name), "%s@%s", receipt->dataset->name, component);
	rc = run_receive(receipt, name, fd, err);
	if (rc == 0)
		rc = check_origin(receipt, err);
	add_snapshot(receipt, id, rc < 0, component);
	return rc;
}

int zfs_receive(struct pool *pool, const struct uuid *operation, const struct tree *base, int fd,
		struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	struct receipt receipt = { .pool = p, .staging = tree_staging(operation), .base = base };
	int rc;

	if (check_writable(p, err) < 0 || read_beginning(&receipt, fd, err) < 0 ||
	    make_place(p, err) < 0)
		return fl_failed(err);
	rc = choose_dataset(&receipt, err);
	if (rc == 0)
		rc = fill_dataset(&receipt, fd, err);
	let_go(&receipt);
	if (rc < 0)
		reap(p);
	return rc;
}

/* Its guid, which a received one takes over.  A copy of a snapshot is no base. */
int zfs_stream_number(struct pool *pool, const struct tree *tree, uint64_t *ret,
		      struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	own_shape(shape, read_shape(p));
	const struct item *item = item_get(p, tree, err);
	char name[ZFS_NAME];

	if (!item)
		return fl_failed(err);
	*ret = 0;
	return item->home ? number_get(item_name(item, name), "guid", ret, err) : 0;
}
