#include <string.h>

#include "base/log.h"
#include "driver/zfs/pool.h"

#define OUTPUT_LIMIT (64ul << 20)

/*
 * What is hidden goes.
 *
 * A hidden dataset without snapshots, and a hidden snapshot without clones, are
 * destroyed.  A hidden dataset with snapshots can go if a clone of its newest
 * snapshot takes them all over: promoting it moves to it every snapshot up to the one
 * that it was made from.  If the newest has no clone, snapshots of ours lie in the
 * dataset that nothing else could hold, and it stays with them.
 *
 * Nothing here is needed for anybody's answer: what fails is tried again when
 * something is deleted next, and when the pool is opened.
 */

static bool has_visible_snapshots(const struct index *index, const struct item *dataset)
{
	for (size_t i = 0; i < index->count; i++)
		if (index->items[i]->home == dataset && !index->items[i]->hidden)
			return true;
	return false;
}

/*
 * A clone that may take over; none through which a snapshot is only read.  To one in
 * another group nothing goes that is still to be seen: it would count there.
 */
static struct item *find_heir(struct zfs_pool *pool, const struct item *dataset)
{
	const struct item *newest = index_newest(&pool->index, dataset);
	struct item *heir = NULL;

	for (size_t i = 0; newest && i < pool->index.count; i++) {
		struct item *item = pool->index.items[i];

		if (item->home || item->origin != newest->id || item->stuck || item->receiving ||
		    index_is_mirror(&pool->index, item))
			continue;
		if (item->group == dataset->group)
			return item;
		heir = item;
	}
	return heir && has_visible_snapshots(&pool->index, dataset) ? NULL : heir;
}

enum way { NO_WAY, DESTROY, PROMOTE };

static enum way way_of(struct zfs_pool *pool, struct item *item, struct item **ret_heir)
{
	if (!item->hidden || item->stuck || item->receiving || item->sending)
		return NO_WAY;
	if (item->home)
		return index_find_clone(&pool->index, item) ? NO_WAY : DESTROY;
	if (index_is_mirror(&pool->index, item))
		return NO_WAY;
	if (!index_has_snapshots(&pool->index, item))
		return DESTROY;
	if (index_is_sending(&pool->index, item))
		return NO_WAY;
	*ret_heir = find_heir(pool, item);
	return *ret_heir ? PROMOTE : NO_WAY;
}

static enum way find_way(struct zfs_pool *pool, struct item **ret_item, struct item **ret_heir)
{
	own_lock(guard, &pool->mutex);

	for (size_t i = 0; i < pool->index.count; i++) {
		enum way way = way_of(pool, pool->index.items[i], ret_heir);

		*ret_item = pool->index.items[i];
		if (way != NO_WAY)
			return way;
	}
	return NO_WAY;
}

/* Those up to the one that `to` was made from. */
static void move_snapshots(struct zfs_pool *pool, struct item *from, struct item *to)
{
	own_lock(guard, &pool->mutex);
	uint64_t origin = to->origin;
	const struct item *last = index_find_id(&pool->index, origin);

	for (size_t i = 0; last && i < pool->index.count; i++) {
		struct item *item = pool->index.items[i];

		if (item->home == from && item->order <= last->order)
			item->home = to;
	}
	to->origin = from->origin;
	from->origin = origin;
}

/* A program that failed may have done its work: then the heir's origin is another one. */
static bool is_promoted(const struct item *heir)
{
	own_text struct text value = { 0 };
	struct fl_error err;
	uint64_t origin = 0;

	if (property_get(heir->name, "origin", false, &value, &err) < 0)
		return false;
	(void)component_id(text_get(&value), &origin);
	return origin != heir->origin;
}

/* Not ours are those that the index does not know. */
static bool is_foreign(const struct zfs_pool *pool, const struct item *dataset, const char *line)
{
	const char *at = strchr(line, '@');
	const struct item *item;
	uint64_t id;

	if (!at)
		return false;
	item = component_id(at, &id) ? index_find_id(&pool->index, id) : NULL;
	return !item || item->home != dataset || strcmp(item->name, at + 1) != 0;
}

/* A promotion would take along what others made in the dataset, or meet a name twice. */
static int check_foreign(struct zfs_pool *pool, const struct item *dataset, struct fl_error *err)
{
	const char *const arguments[] = { "list", "-H",	  "-d", "1",	       "-t", "snapshot",
					  "-o",	  "name", "-r", dataset->name, NULL };
	own_text struct text text = { 0 };
	own_free char *lines = NULL;
	char *rest, *line;

	if (zfs_run(PROGRAM_ZFS, arguments, OUTPUT_LIMIT, &text, err) < 0)
		return fl_failed(err);
	lines = text_take(&text);
	rest = lines;
	own_lock(guard, &pool->mutex);
	while ((line = strsep(&rest, "\n"))) {
		if (!is_foreign(pool, dataset, line))
			continue;
		fl_fail(err, FL_BUSY, "'%s' is not Flocker's", line);
		return fl_hint(err, "the space comes back once it is destroyed: zfs destroy %s",
			       line);
	}
	return 0;
}

static int run_promote(const struct item *heir, struct fl_error *err)
{
	if (zfs_do(err, "promote", heir->name) < 0 && !is_promoted(heir))
		return fl_failed(err);
	return 0;
}

/* What stays in its group needs no room there. */
static int promote_in_group(struct zfs_pool *pool, const struct item *heir, struct fl_error *err)
{
	struct fl_error full;
	uint64_t limit;
	int rc = run_promote(heir, err);

	if (rc != -FL_NO_SPACE || quota_lend(pool, heir->group, &limit, &full) < 0)
		return rc;
	rc = run_promote(heir, err);
	quota_take_back(pool, heir->group, limit);
	return rc;
}

/* ZFS would wait for the end of the stream, and others then for it. */
static int check_idle(struct zfs_pool *pool, const struct item *item, const struct item *heir,
		      struct fl_error *err)
{
	own_lock(guard, &pool->mutex);
	bool sending = index_is_sending(&pool->index, item) || index_is_sending(&pool->index, heir);

	/* What is promoted for a stream may be receiving it; what it comes from may not. */
	if (!sending && !item->receiving)
		return 0;
	fl_fail(err, FL_BUSY, "'%s' is %s a stream", item->name, sending ? "sending" : "receiving");
	return fl_hint(err, "try again when that is through");
}

int promote(struct zfs_pool *pool, struct item *item, struct item *heir, struct fl_error *err)
{
	int rc = check_idle(pool, item, heir, err);

	if (rc == 0)
		rc = check_foreign(pool, item, err);
	if (rc < 0)
		return rc;
	rc = heir->group && heir->group == item->group ? promote_in_group(pool, heir, err)
						       : run_promote(heir, err);

	if (rc == 0)
		move_snapshots(pool, item, heir);
	return rc;
}

static void forget_failures(struct zfs_pool *pool)
{
	own_lock(guard, &pool->mutex);

	for (size_t i = 0; i < pool->index.count; i++)
		pool->index.items[i]->stuck = false;
}

static void destroy_hidden(struct zfs_pool *pool)
{
	struct item *item = NULL, *heir = NULL;
	enum way way;

	forget_failures(pool);
	if (find_way(pool, &item, &heir) == NO_WAY)
		return;
	own_shape(shape, write_shape(pool));
	while ((way = find_way(pool, &item, &heir)) != NO_WAY) {
		struct fl_error err;
		char name[ZFS_NAME];
		int rc;

		item_name(item, name);
		rc = way == PROMOTE ? promote(pool, item, heir, &err)
				    : item_destroy(pool, item, &err);
		if (rc == 0)
			continue;
		item->stuck = true;
		if (!item->told)
			log_warning("what was deleted stays for now",
				    "dataset=%s error=\"%s\" hint=\"%s\"", name, err.text,
				    err.hint);
		item->told = true;
	}
}

void reap(struct zfs_pool *pool)
{
	if (pool->read_only)
		return;
	destroy_hidden(pool);
	remove_empty_groups(pool);
	quotas_follow(pool);
}
