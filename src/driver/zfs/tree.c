#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "driver/zfs/pool.h"

/* Finding, making, renaming and deleting what an index has items of. */

#define PAUSE (20 * 1000 * 1000)
#define ATTEMPTS 25

struct item *item_get(struct zfs_pool *pool, const struct tree *tree, struct fl_error *err)
{
	own_lock(guard, &pool->mutex);
	struct item *item = index_find(&pool->index, tree);
	char name[TREE_TEXT];

	if (!item)
		fl_fail(err, FL_NOT_FOUND, "the pool has no %s", tree_format(tree, name));
	return item;
}

int item_check_free(struct zfs_pool *pool, const struct tree *tree, struct fl_error *err)
{
	own_lock(guard, &pool->mutex);
	char name[TREE_TEXT];

	if (index_find(&pool->index, tree))
		return fl_fail(err, FL_EXISTS, "the pool has %s already", tree_format(tree, name));
	return 0;
}

static struct item *add_item(struct zfs_pool *pool, const struct item *item)
{
	own_lock(guard, &pool->mutex);

	return index_add(&pool->index, item);
}

static void property_of(const struct label *label, char text[static LABEL_TEXT + 16])
{
	char value[LABEL_TEXT];

	snprintf(text, LABEL_TEXT + 16, TREE_PROPERTY "=%s", label_format(label, value));
}

char *dataset_name(const struct zfs_pool *pool, const struct item *item, char name[static ZFS_NAME])
{
	char component[COMPONENT_TEXT], group[GROUP_TEXT];

	component_format(&item->tree, item->id, component);
	if (item->received)
		snprintf(name, ZFS_NAME, "%.100s/" RECEIVED "/%s", pool->dataset, component);
	else if (item->group)
		snprintf(name, ZFS_NAME, "%.100s/%s/%s", pool->dataset,
			 group_format(item->group, group), component);
	else
		snprintf(name, ZFS_NAME, "%.100s/%s", pool->dataset, component);
	return name;
}

/* Whole seconds, as ZFS will tell it after the next opening. */
static int64_t creation_now(void)
{
	return clock_now() / CLOCK_SECOND * CLOCK_SECOND;
}

/*
 * A program that failed, or that was killed at its deadline, may have done what it
 * was asked for: the state tells.  `label` is what the item says then; NULL: it is
 * gone, or going.
 */
static bool is_done(const struct item *item, const struct label *label)
{
	own_text struct text value = { 0 };
	char name[ZFS_NAME], wanted[LABEL_TEXT];
	struct fl_error err;
	int rc;

	rc = property_get(item_name(item, name), label ? TREE_PROPERTY : "defer_destroy", label,
			  &value, &err);
	if (!label)
		return rc == -FL_NOT_FOUND || (rc == 0 && strcmp(text_get(&value), "on") == 0);
	return rc == 0 && strcmp(text_get(&value), label_format(label, wanted)) == 0;
}

static int run_and_confirm(const struct item *item, const struct label *label,
			   const char *const arguments[], struct fl_error *err)
{
	if (zfs_run(PROGRAM_ZFS, arguments, 0, NULL, err) == 0)
		return 0;
	if (!label && err->code == FL_NOT_FOUND)
		return 0;
	if (!is_done(item, label))
		return fl_failed(err);
	log_warning("a ZFS program failed, but did its work", "verb=%s error=%s", arguments[0],
		    err->text);
	return 0;
}

/* --- making ------------------------------------------------------------------------------ */

/* As options for the call that makes it. */
static size_t add_carried(const struct birth *birth, const char **arguments, size_t n)
{
	for (size_t i = 0; i < birth->pieces.count; i++) {
		arguments[n++] = "-o";
		arguments[n++] = birth->pieces.properties[i];
	}
	return n;
}

static int run_making(struct zfs_pool *pool, const struct making *making, const struct item *made,
		      const struct birth *birth, struct fl_error *err)
{
	const char *arguments[16 + 2 * PIECES];
	char property[LABEL_TEXT + 16], from[ZFS_NAME], account[ACCOUNT_ARGUMENT];
	size_t n = 0;

	property_of(&making->label, property);
	arguments[n++] = making->from ? "clone" : "create";
	arguments[n++] = "-o";
	arguments[n++] = property;
	if (made->counted) {
		arguments[n++] = "-o";
		arguments[n++] = account_argument(
			&(struct account_name){ ACCOUNT_BRANCH, made->account }, account);
	}
	if (!pool->features.kernel) {
		arguments[n++] = "-o";
		arguments[n++] = "canmount=noauto";
	}
	if (making->read_only && pool->features.kernel) { /* else its mount is: see place.c */
		arguments[n++] = "-o";
		arguments[n++] = "readonly=on";
	}
	n = add_carried(birth, arguments, n);
	if (making->from)
		arguments[n++] = item_name(making->from, from);
	arguments[n++] = made->name;
	arguments[n] = NULL;
	return run_and_confirm(made, &making->label, arguments, err);
}

/* zfs-fuse mounts a clone that it makes, whatever the properties say: that must not stay visible.
 */
static int hide_mount(struct zfs_pool *pool, struct item *item, struct fl_error *err)
{
	int mount;

	return place_get(pool, item, &mount, err);
}

static int make(struct zfs_pool *pool, const struct making *making, struct item **ret,
		struct fl_error *err)
{
	struct item made = {
		.id = zfs_new_id(),
		.hidden = making->label.hidden,
		.tree = making->label.tree,
		.replaces = making->label.replaces,
		.operation = making->label.operation,
		.origin = making->from ? making->from->id : 0,
		.created = creation_now(),
		.read_only = making->read_only,
	};
	own_birth struct birth birth = { 0 };
	char name[ZFS_NAME];
	struct fl_error ignored;
	struct item *item;

	if (making->account)
		count_for(pool, &made, making->account);
	made.name = dataset_name(pool, &made, name);
	if (making->from)
		place_await_quiet(pool);
	carry_begin(pool, &making->label, making->note, &birth);
	if (run_making(pool, making, &made, &birth, err) < 0)
		return fl_failed(err);
	made.name = xstrdup(name);
	item = add_item(pool, &made);
	carry_end(pool, item, &birth);
	if (making->from && !pool->features.kernel && hide_mount(pool, item, err) < 0) {
		(void)!item_destroy(pool, item, &ignored);
		return fl_failed(err);
	}
	*ret = item;
	return 0;
}

/* Where making is mounting, it waits its turn: see place.c. */
int dataset_make(struct zfs_pool *pool, const struct making *making, struct item **ret,
		 struct fl_error *err)
{
	own_places(guard, pool->features.kernel ? NULL : pool);

	return make(pool, making, ret, err);
}

static int run_snapshot(const struct item *made, const struct label *label,
			const struct birth *birth, struct fl_error *err)
{
	const char *arguments[8 + 2 * PIECES] = { "snapshot", "-o" };
	char name[ZFS_NAME], property[LABEL_TEXT + 16];
	size_t n = 2;

	property_of(label, property);
	arguments[n++] = property;
	n = add_carried(birth, arguments, n);
	arguments[n++] = item_name(made, name);
	arguments[n] = NULL;
	return run_and_confirm(made, label, arguments, err);
}

int snapshot_make(struct zfs_pool *pool, struct item *dataset, const struct label *label,
		  const char *note, struct item **ret, struct fl_error *err)
{
	own_birth struct birth birth = { 0 };
	struct item made = {
		.id = zfs_new_id(),
		.hidden = label->hidden,
		.tree = label->tree,
		.home = dataset,
		.created = creation_now(),
	};
	char component[COMPONENT_TEXT];

	made.name = component_format(&made.tree, made.id, component);
	carry_begin(pool, label, note, &birth);
	if (run_snapshot(&made, label, &birth, err) < 0)
		return fl_failed(err);
	made.name = xstrdup(component);
	*ret = add_item(pool, &made);
	carry_end(pool, *ret, &birth);
	return 0;
}

/* --- renaming ---------------------------------------------------------------------------- */

int item_relabel(struct zfs_pool *pool, struct item *item, const struct tree *tree,
		 struct fl_error *err)
{
	struct label label = { .hidden = !tree };
	char property[LABEL_TEXT + 16], name[ZFS_NAME];

	if (tree)
		label.tree = *tree;
	property_of(&label, property);
	if (run_and_confirm(item, &label,
			    (const char *[]){ "set", property, item_name(item, name), NULL },
			    err) < 0)
		return fl_failed(err);
	own_lock(guard, &pool->mutex);
	item->hidden = label.hidden;
	item->tree = tree ? *tree : item->tree;
	item->replaces = item->unwritten = false;
	return 0;
}

/* --- deleting ---------------------------------------------------------------------------- */

static bool is_counted(const struct index *index, const struct uuid *branch)
{
	for (size_t i = 0; i < index->count; i++)
		if (index->items[i]->counted && uuid_equal(&index->items[i]->account, branch))
			return true;
	return false;
}

/* With its last dataset a branch's account ends. */
static void forget(struct zfs_pool *pool, struct item *item)
{
	own_lock(guard, &pool->mutex);
	const struct uuid branch = item->account;
	bool counted = item->counted;

	carry_gone(pool, item->id);
	index_remove(&pool->index, item);
	if (counted && !is_counted(&pool->index, &branch))
		accounts_set(&pool->index.accounts, &branch, 0);
}

static int destroy_mirror(struct zfs_pool *pool, struct item *snapshot, struct fl_error *err)
{
	struct item *mirror = snapshot->mirror;

	return mirror ? item_destroy(pool, mirror, err) : 0;
}

static bool is_gone(const char *name)
{
	own_text struct text value = { 0 };
	struct fl_error err;

	return property_get(name, "type", false, &value, &err) == -FL_NOT_FOUND;
}

/* zfs-fuse lets go of a mount some time after the kernel did. */
static int destroy_patiently(const struct item *item, struct fl_error *err)
{
	const struct timespec pause = { .tv_nsec = PAUSE };
	char name[ZFS_NAME];
	const char *const arguments[] = { "destroy", item_name(item, name), NULL };
	int rc = -FL_BUSY;

	for (int i = 0; i < ATTEMPTS && rc == -FL_BUSY; i++) {
		if (i > 0)
			nanosleep(&pause, NULL);
		rc = zfs_run(PROGRAM_ZFS, arguments, 0, NULL, err);
		if (rc < 0 && (rc == -FL_NOT_FOUND || is_gone(name)))
			rc = 0;
		/* What others hold, cloned or put into it takes longer than that. */
		if (rc < 0 && ((item->home && item->hidden) || !strstr(err->text, "is busy")))
			break;
	}
	if (rc < 0)
		name_users(item->device, err);
	return rc;
}

int item_destroy(struct zfs_pool *pool, struct item *item, struct fl_error *err)
{
	own_places(guard, pool);

	if (place_await_readers(pool, item, err) < 0)
		return fl_failed(err);
	place_await_closings(pool);
	unshow_tree(pool, item);
	place_release(pool, item);
	if (destroy_mirror(pool, item, err) < 0)
		return fl_failed(err);
	if (destroy_patiently(item, err) < 0)
		return fl_failed(err);
	if (item->device)
		place_ended(pool);
	forget(pool, item);
	return 0;
}

static bool is_cloned(struct zfs_pool *pool, const struct item *snapshot)
{
	own_lock(guard, &pool->mutex);

	return index_find_clone(&pool->index, snapshot) != NULL;
}

static bool is_sending(struct zfs_pool *pool, const struct item *snapshot)
{
	own_lock(guard, &pool->mutex);

	return snapshot->sending > 0;
}

/*
 * Clones, or what others hold, keep it: then it goes with the last of them.  What is being sent
 * goes by the reap() that follows: ZFS would wait.
 */
static int delete_snapshot(struct zfs_pool *pool, struct item *item, struct fl_error *err)
{
	own_places(guard, pool);
	char name[ZFS_NAME];

	if (place_await_readers(pool, item, err) < 0)
		return fl_failed(err);
	place_await_closings(pool);
	unshow_tree(pool, item);
	place_release(pool, item);
	if (destroy_mirror(pool, item, err) < 0)
		return fl_failed(err);
	if (is_sending(pool, item))
		return item_relabel(pool, item, NULL, err);
	if (!is_cloned(pool, item)) {
		int rc = item_destroy(pool, item, err);

		if (rc != -FL_BUSY)
			return rc;
	}
	if (run_and_confirm(item, NULL,
			    (const char *[]){ "destroy", "-d", item_name(item, name), NULL },
			    err) < 0)
		return fl_failed(err);
	own_lock(index_guard, &pool->mutex);
	item->hidden = true;
	return 0;
}

static bool has_snapshots(struct zfs_pool *pool, const struct item *dataset)
{
	own_lock(guard, &pool->mutex);

	return index_has_snapshots(&pool->index, dataset);
}

/*
 * The property says first that it is deleted; what is left of it goes when it can.
 * Without snapshots, and with nobody using it, that is at once.
 */
static int delete_dataset(struct zfs_pool *pool, struct item *item, struct fl_error *err)
{
	if (item->tree.kind == TREE_HEAD)
		unshow_head(pool, &item->tree.uuid);
	if (!has_snapshots(pool, item) && item_destroy(pool, item, err) == 0)
		return 0;
	return item_relabel(pool, item, NULL, err);
}

int zfs_tree_delete(struct pool *pool, const struct tree *tree, struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	struct fl_error missing;
	int rc = 0;

	if (check_writable(p, err) < 0)
		return fl_failed(err);
	{
		own_shape(shape, read_shape(p));
		struct item *item = item_get(p, tree, &missing);

		if (item && item->home)
			rc = delete_snapshot(p, item, err);
		else if (item)
			rc = delete_dataset(p, item, err);
	}
	if (rc == 0)
		reap(p);
	return rc;
}
