/*
 * What is in the trash are rows with the time of their destruction.  How long
 * they have been there goes by the retention clock: a wall clock that jumps ahead
 * empties nothing, now or at the next start.  Restoring
 * moves the head back first and then clears the row; a crash in between finds a
 * row that says "destroyed" and retires the head again.
 */

#include <string.h>

#include "base/text.h"
#include "engine/internal.h"
#include "engine/trash.h"

struct destroyed_walk {
	struct tx *tx;
	int (*each)(void *arg, const struct branch_row *row, struct fl_error *err);
	void *arg;
};

static int walk_destroyed_volume(void *arg, const struct volume_row *row, struct fl_error *err)
{
	const struct destroyed_walk *walk = arg;

	return tx_branch_each(walk->tx, &row->uuid, true, walk->each, walk->arg, err);
}

int each_destroyed_branch(struct tx *tx,
			  int (*each)(void *arg, const struct branch_row *row,
				      struct fl_error *err),
			  void *arg, struct fl_error *err)
{
	struct destroyed_walk walk = { tx, each, arg };

	if (tx_branch_each(tx, NULL, true, each, arg, err) < 0)
		return fl_failed(err);
	return tx_volume_each_destroyed(tx, walk_destroyed_volume, &walk, err);
}

struct trash_scan {
	struct engine *engine;
	struct tx *tx;
	int64_t keep; /* ns */
	int64_t now;  /* of the retention clock */
	int64_t late; /* seconds that it is behind the wall clock now */
	struct trash_list list;
};

/* By the wall clock, and the seconds that the retention clock was behind it. */
struct moment {
	int64_t time, late;
};

static void add_item(struct trash_scan *scan, const struct uuid *uuid, bool volume,
		     const struct moment *destroyed, const char *volume_name,
		     const char *branch_name)
{
	struct trash_item *item = trash_list_add(&scan->list);

	item->uuid = *uuid;
	item->volume = volume;
	item->destroyed = destroyed->time;
	item->left = destroyed->time - destroyed->late * CLOCK_SECOND + scan->keep - scan->now;
	item->expires = destroyed->time + scan->keep +
			(scan->late - destroyed->late) * CLOCK_SECOND;
	snprintf(item->ref, sizeof(item->ref), "%s%s%s", volume_name, branch_name ? "/" : "",
		 branch_name ? branch_name : "");
}

static int add_volume(void *arg, const struct volume_row *row, struct fl_error *err)
{
	add_item(arg, &row->uuid, true, &(struct moment){ row->destroyed, row->late }, row->name,
		 NULL);
	return 0;
}

/* Branches that went with their volume are part of that item. */
static int add_branch(void *arg, const struct branch_row *row, struct fl_error *err)
{
	own_volume_row struct volume_row volume = { 0 };
	struct trash_scan *scan = arg;

	if (tx_volume_get(scan->tx, &row->volume, &volume, err) < 0)
		return fl_failed(err);
	if (!volume.destroyed)
		add_item(scan, &row->uuid, false, &(struct moment){ row->destroyed, row->late },
			 volume.name, row->name);
	return 0;
}

static int compare_items(const void *a, const void *b)
{
	const struct trash_item *x = a, *y = b;

	return x->left < y->left ? 1 : x->left > y->left ? -1 : 0;
}

int trash_load(struct engine *engine, struct trash_list *ret, struct fl_error *err)
{
	struct trash_scan scan = {
		.engine = engine,
		.keep = config_duration(engine->config, CONFIG_TRASH_KEEP),
		.now = retention_now(engine),
		.late = retention_late(engine, clock_now()),
	};
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	scan.tx = tx;
	if (tx_volume_each_destroyed(tx, add_volume, &scan, err) < 0 ||
	    each_destroyed_branch(tx, add_branch, &scan, err) < 0) {
		trash_list_done(&scan.list);
		return fl_failed(err);
	}
	array_sort(scan.list.items, scan.list.count, compare_items);
	*ret = scan.list;
	return 0;
}

int engine_trash(struct engine *engine, struct trash_list *ret, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;

	if (gate_enter(engine, &inside, err) < 0)
		return fl_failed(err);
	return trash_load(engine, ret, err);
}

static int fail_ambiguous(const struct trash_list *list, const char *item, struct fl_error *err)
{
	own_text struct text text = { 0 };
	char uuid[UUID_TEXT], time[CLOCK_TEXT];

	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i].ref, item) == 0)
			text_add_format(&text, "%s%s (destroyed %s)", text.length ? ", " : "",
					uuid_format(&list->items[i].uuid, uuid),
					time_text(list->items[i].destroyed, time));
	fl_fail(err, FL_INVALID, "the trash holds several of the name '%s': %s", item,
		text_get(&text));
	return fl_hint(err, "name one by its UUID");
}

int trash_find(const struct trash_list *list, const char *item, struct trash_item *ret,
	       struct fl_error *err)
{
	char uuid[UUID_TEXT];
	size_t found = 0;

	for (size_t i = 0; i < list->count; i++) {
		const struct trash_item *each = &list->items[i];

		if (strcmp(uuid_format(&each->uuid, uuid), item) == 0) {
			*ret = *each;
			return 0;
		}
		if (strcmp(each->ref, item) == 0 && found++ == 0)
			*ret = *each;
	}
	if (found > 1)
		return fail_ambiguous(list, item, err);
	if (found == 1)
		return 0;
	fl_fail(err, FL_NOT_FOUND, "the trash holds no '%.100s'", item);
	return fl_hint(err, "flocker trash list shows what it holds");
}

/* --- locked ------------------------------------------------------------------ */

void load_done(struct load *load)
{
	lock_drop(&load->locks);
	volume_row_done(&load->volume);
	free(load->branches);
}

static int collect_branch(void *arg, const struct branch_row *row, struct fl_error *err)
{
	struct load *load = arg;

	/* A branch that was destroyed before its volume is an item of its own when that is back. */
	if (load->item.volume && !load->whole && row->destroyed != load->item.destroyed)
		return 0;
	if (!load->item.volume && !uuid_equal(&row->uuid, &load->item.uuid))
		return 0;
	*array_add(load->branches, load->count) = *row;
	return 0;
}

static int volume_of(struct tx *tx, const struct trash_item *item, struct uuid *ret,
		     struct fl_error *err)
{
	struct branch_row branch;

	*ret = item->uuid;
	if (item->volume)
		return 0;
	if (tx_branch_get(tx, &item->uuid, &branch, err) < 0)
		return fl_failed(err);
	*ret = branch.volume;
	return 0;
}

static int read_load(struct engine *engine, const struct uuid *volume, struct load *load,
		     struct fl_error *err)
{
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0 ||
	    tx_volume_get(tx, volume, &load->volume, err) < 0)
		return fl_failed(err);
	return tx_branch_each(tx, volume, true, collect_branch, load, err);
}

/* The item was picked without locks: it may have been restored since, or destroyed once more. */
static bool is_still_there(const struct load *load)
{
	if (load->item.volume)
		return load->volume.destroyed == load->item.destroyed;
	return load->volume.destroyed == 0 && load->count == 1 &&
	       load->branches[0].destroyed == load->item.destroyed;
}

int load_take(struct engine *engine, const struct trash_item *item, bool whole, struct load *ret,
	      struct fl_error *err)
{
	own(load_done) struct load load = { .item = *item, .whole = whole };
	struct lock_want want = { LOCK_VOLUME, true, { { 0 } } };
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0 || volume_of(tx, item, &want.uuid, err) < 0)
		return fl_failed(err);
	tx_end(take_ptr(tx));
	lock_take(&engine->locks, &want, 1, &load.locks);
	if (read_load(engine, &want.uuid, &load, err) < 0)
		return fl_failed(err);
	if (!is_still_there(&load))
		return fl_fail(err, FL_NOT_FOUND, "'%s' is no longer in the trash", item->ref);
	*ret = load;
	load = (struct load){ 0 };
	return 0;
}

/* --- restore --------------------------------------------------------------------- */

static int write_restored(struct tx *tx, void *arg, struct fl_error *err)
{
	struct load *load = arg;

	for (size_t i = 0; i < load->count; i++)
		if (tx_branch_update(tx, &load->branches[i], err) < 0)
			return fl_failed(err);
	return load->item.volume ? tx_volume_update(tx, &load->volume, err) : 0;
}

static int restore_heads(struct engine *engine, const struct load *load, struct fl_error *err)
{
	for (size_t i = 0; i < load->count; i++) {
		struct tree retired = tree_retired(&load->branches[i].retired);

		if (is_remote(engine, &load->branches[i])) /* it has none */
			continue;
		if (driver_of(engine)->head_restore(engine->pool, &retired, &load->branches[i].uuid,
						    err) < 0)
			return fl_failed(err);
	}
	return driver_of(engine)->sync(engine->pool, err);
}

/* The rows still say "destroyed": so do the heads again. */
static void retire_again(struct engine *engine, const struct load *load)
{
	struct fl_error err;

	for (size_t i = 0; i < load->count; i++)
		if (!is_remote(engine, &load->branches[i]) &&
		    driver_of(engine)->head_retire(engine->pool, &load->branches[i].uuid,
						   &load->branches[i].retired, &err) < 0)
			log_warning("a destroyed branch keeps its head until the next start",
				    "error=\"%s\"", err.text);
}

static void mark_restored(struct load *load, const char *as)
{
	for (size_t i = 0; i < load->count; i++) {
		load->branches[i].destroyed = 0;
		load->branches[i].retired = (struct uuid){ 0 };
	}
	if (load->item.volume)
		load->volume.destroyed = 0;
	if (as && load->item.volume)
		snprintf(load->volume.name, sizeof(load->volume.name), "%s", as);
	else if (as)
		snprintf(load->branches[0].name, sizeof(load->branches[0].name), "%s", as);
}

static int check_name_free(struct engine *engine, const struct load *load, const char *as,
			   struct fl_error *err)
{
	const char *volume = load->item.volume && as ? as : load->volume.name;
	const char *branch = load->item.volume ? TRUNK : as ? as : load->branches[0].name;
	own_volume_row struct volume_row other = { 0 };
	own_tx struct tx *tx = NULL;
	struct branch_row row;
	int r;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	r = load->item.volume ? tx_volume_find(tx, volume, &other, err)
			      : tx_branch_find(tx, &load->volume.uuid, &load->branches[0].instance,
					       branch, &row, err);
	if (r == -FL_NOT_FOUND)
		return link_check(engine, volume, branch, err);
	if (r < 0)
		return r;
	if (load->item.volume)
		fl_fail(err, FL_EXISTS, "there is a volume called '%s' now", volume);
	else
		fl_fail(err, FL_EXISTS, "volume '%s' has a branch called '%s' now", volume, branch);
	return fl_hint(err, "restore it under another name: --as NAME");
}

static void link_restored(struct engine *engine, const struct load *load)
{
	struct fl_error err;

	for (size_t i = 0; i < load->count; i++) {
		const struct branch_row *branch = &load->branches[i];

		if (branch->mounted && link_branch(engine, load->volume.name, branch, &err) < 0)
			log_warning("a restored branch is not visible until the next start",
				    "branch=%s error=\"%s\"", branch->name, err.text);
		facts_refresh(engine, &branch->uuid);
	}
}

static int restore_load(struct engine *engine, struct load *load, const char *as,
			struct fl_error *err)
{
	struct load before = *load; /* for the heads' places in retired/ */
	own_free struct branch_row *branches = xcalloc(load->count, sizeof(*branches));

	memcpy(branches, load->branches, load->count * sizeof(*branches));
	before.branches = branches;
	if (restore_heads(engine, &before, err) < 0) {
		retire_again(engine, &before);
		return fl_failed(err);
	}
	mark_restored(load, as);
	if (catalog_write(engine->catalog, CATALOG_DURABLE, write_restored, load, err) < 0) {
		retire_again(engine, &before);
		return fl_failed(err);
	}
	link_restored(engine, load);
	return 0;
}

static int pick_item(struct engine *engine, const char *item, struct trash_item *ret,
		     struct fl_error *err)
{
	own(trash_list_done) struct trash_list list = { 0 };

	if (trash_load(engine, &list, err) < 0)
		return fl_failed(err);
	return trash_find(&list, item, ret, err);
}

int engine_trash_restore(struct engine *engine, const char *item, const char *as,
			 struct trash_item *ret, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_locks struct lock_set locks = { 0 };
	own(load_done) struct load load = { 0 };
	struct trash_item found;
	const char *names[1];

	if (gate_enter(engine, &inside, err) < 0 || pick_item(engine, item, &found, err) < 0 ||
	    (as && name_check(found.volume ? "volume" : "branch", as, err) < 0))
		return fl_failed(err);
	names[0] = as ? as : found.ref;
	if (found.volume)
		lock_take_names(&engine->locks, names, 1, &locks);
	if (load_take(engine, &found, false, &load, err) < 0 ||
	    check_name_free(engine, &load, as, err) < 0 || restore_load(engine, &load, as, err) < 0)
		return fl_failed(err);
	*ret = found;
	if (found.volume)
		snprintf(ret->ref, sizeof(ret->ref), "%s", load.volume.name);
	else
		snprintf(ret->ref, sizeof(ret->ref), "%s/%s", load.volume.name,
			 load.branches[0].name);
	care_soon(engine);
	data_containers_look(engine, load.volume.mount_path);
	return 0;
}
