/*
 * The new head under containers that run on: where they have a mount of a head that was
 * replaced, be it just now or by an earlier rollback that left them alone, it is replaced too
 * (container/remount.h).
 *
 * It is noted before the swap, with the time at which the branch's line began then: if the daemon
 * dies, the restarter of the next one finds the note, and by the line whether the head was
 * swapped.  There the note stays for as long as anything has a replaced head.
 */

#include <fcntl.h>
#include <string.h>

#include "base/fsat.h"
#include "base/text.h"
#include "container/inside.h"
#include "container/remount.h"
#include "engine/around.h"
#include "engine/rollback.h"

struct olds {
	const struct uuid *branch;
	struct uuid *operations; /* heap: retired heads of the branch */
	size_t operation_count;
	struct remount_old *items; /* heap */
	struct tree_info *infos;
	char (*parts)[UUID_TEXT + 1];
	size_t count;
};

static void olds_done(struct olds *olds)
{
	for (size_t i = 0; i < olds->count; i++)
		own_fdp(&olds->items[i].root);
	free(olds->operations);
	free(olds->items);
	free(olds->infos);
	free(olds->parts);
}

static int collect(void *arg, const struct retired_row *row, struct fl_error *err)
{
	struct olds *olds = arg;

	if (uuid_equal(&row->branch, olds->branch))
		*array_add(olds->operations, olds->operation_count) = row->operation;
	return 0;
}

static int list_olds(struct engine *engine, struct olds *olds, struct fl_error *err)
{
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	return tx_retired_each(tx, collect, olds, err);
}

/* One that is let go meanwhile is mounted nowhere. */
static int open_old(struct engine *engine, const struct uuid *operation, struct olds *olds,
		    struct fl_error *err)
{
	struct tree tree = tree_retired(operation);
	struct tree_info *info = &olds->infos[olds->count];
	struct remount_old *old = &olds->items[olds->count];
	char uuid[UUID_TEXT];
	int r = driver_of(engine)->tree_info(engine->pool, &tree, info, err);

	if (r == 0)
		r = driver_of(engine)->tree_open(engine->pool, &tree, &old->root, err);
	if (r < 0)
		return r == -FL_NOT_FOUND ? 0 : r;
	snprintf(olds->parts[olds->count], sizeof(olds->parts[0]), "/%s",
		 uuid_format(operation, uuid));
	old->tree = (struct held_tree){ info->device, info->mount, NULL };
	old->part = olds->parts[olds->count++];
	return 0;
}

static int open_olds(struct engine *engine, const struct uuid *branch, struct olds *ret,
		     struct fl_error *err)
{
	ret->branch = branch;
	if (list_olds(engine, ret, err) < 0)
		return fl_failed(err);
	ret->items = xcalloc(ret->operation_count, sizeof(*ret->items));
	ret->infos = xcalloc(ret->operation_count, sizeof(*ret->infos));
	ret->parts = xcalloc(ret->operation_count, sizeof(*ret->parts));
	for (size_t i = 0; i < ret->operation_count; i++)
		if (open_old(engine, &ret->operations[i], ret, err) < 0)
			return fl_failed(err);
	return 0;
}

static const char *container_of(const struct around *around, uint64_t namespace)
{
	for (size_t i = 0; i < around->users.count; i++)
		if (around->users.items[i].pid &&
		    remount_namespace(around->users.items[i].pid) == namespace)
			return around->users.items[i].name;
	return NULL;
}

static int note_result(void *arg, const struct remount *result, struct fl_error *err)
{
	struct around *around = arg;
	const char *name = container_of(around, result->namespace);
	struct around_item *item = around_report_add(&around->report, name ? name : result->command,
						     result->replaced ? AROUND_REPLACED
								      : AROUND_KEPT);

	item->path = xstrdup(result->path);
	item->pid = name ? 0 : result->pid;
	if (!result->replaced)
		item->why = *result->why;
	return 0;
}

/* The head where others see it: what is mounted nowhere can't be mounted elsewhere. */
static int open_head(struct engine *engine, const struct uuid *branch, int *ret_fd,
		     struct fl_error *err)
{
	struct tree head = tree_head(branch);
	own_text struct text path = { 0 };

	if (!(driver_of(engine)->capabilities & DRIVER_CAN_EXPOSE))
		return fl_fail(err, FL_UNSUPPORTED, "the pool's driver shows no heads");
	driver_of(engine)->locate(engine->pool, &head, &path);
	return fsat_open_strict(engine->root_fd, text_get(&path), O_PATH | O_DIRECTORY, false,
				ret_fd, err);
}

static int replace(struct around *around, struct fl_error *err)
{
	own(olds_done) struct olds olds = { 0 };
	own_fd int head = -1;
	struct remount_query query;

	if (open_olds(around->engine, &around->branch.uuid, &olds, err) < 0 ||
	    open_head(around->engine, &around->branch.uuid, &head, err) < 0)
		return fl_failed(err);
	query = (struct remount_query){ .olds = olds.items, .count = olds.count, .head = head };
	return remount(&query, note_result, around, err);
}

/* --- the note ---------------------------------------------------------------------------- */

static int write_note(struct tx *tx, void *arg, struct fl_error *err)
{
	const struct around *around = arg;
	own_stopped_row struct stopped_row row = around_note(&around->branch, &around->live);

	return tx_stopped_insert(tx, &row, err);
}

static int delete_note(struct tx *tx, void *arg, struct fl_error *err)
{
	const struct around *around = arg;
	own_stopped_row struct stopped_row row = around_note(&around->branch, &around->live);

	return tx_stopped_delete(tx, &row.branch, row.container, err);
}

/* "UUID.START": the branch, and when its newest line began. */
static void live_id(const struct uuid *branch, int64_t start, struct around_user *ret)
{
	char uuid[UUID_TEXT];

	snprintf(ret->id, sizeof(ret->id), "%s.%" PRId64, uuid_format(branch, uuid), start);
}

static int note(struct around *around, struct fl_error *err)
{
	struct around_user *live = &around->live;
	own_gate struct engine *inside = NULL;
	int64_t start;

	if (around_last_swap(around->engine, &around->branch.uuid, &start, err) < 0)
		return fl_failed(err);
	*live = (struct around_user){ .kind = &around_lives };
	live_id(&around->branch.uuid, start, live);
	snprintf(live->name, sizeof(live->name), "%s/%s", around->branch.volume,
		 around->branch.name);
	if (gate_enter(around->engine, &inside, err) < 0)
		return fl_failed(err);
	return catalog_write(around->engine->catalog, CATALOG_DURABLE, write_note, around, err);
}

/* Mounts are found without it; only what their containers are called is not. */
static void list_names(struct around *around, enum log_level level)
{
	static const struct around_kind *const kinds[] = { &around_containers, &around_systems };
	struct fl_error unknown;

	for (size_t i = 0; i < array_size(kinds); i++)
		if (kinds[i]->list(around->engine, &around->branch, false, &around->users,
				   &unknown) < 0)
			log_line(level, "the names of containers can't be told", "error=\"%s\"",
				 unknown.text);
}

int around_live_begin(struct around *around, struct fl_error *err)
{
	list_names(around, LOG_LEVEL_WARNING);
	if (note(around, err) < 0)
		return fl_failed(err);
	around->noted = true;
	return 0;
}

void around_live_end(struct around *around)
{
	own_gate struct engine *inside = NULL;
	struct fl_error err;

	if (!around->noted)
		return;
	around->noted = false;
	if (gate_enter(around->engine, &inside, &err) < 0 ||
	    catalog_write_deletion(around->engine, delete_note, around, &err) < 0)
		log_warning("a rollback under what runs stays noted",
			    "volume=%s branch=%s error=\"%s\"", around->branch.volume,
			    around->branch.name, err.text);
}

/* --- the moment -------------------------------------------------------------------------- */

void around_live(struct around *around)
{
	struct fl_error err;
	struct around_item *item;

	if (around->mode != AROUND_LIVE || replace(around, &err) == 0)
		return;
	item = around_report_add(&around->report, "", AROUND_KEPT);
	item->path = xstrdup("/");
	item->why = err;
}

/* --- after a crash ----------------------------------------------------------------------- */

static void again_done(struct around *around)
{
	free(around->users.items);
	around_report_done(&around->report);
}

static int find_branch(struct around *around, struct uuid *ret_volume, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_tx struct tx *tx = NULL;
	own_volume_row struct volume_row volume = { 0 };
	struct branch_row branch;

	if (gate_enter(around->engine, &inside, err) < 0 ||
	    tx_begin(around->engine->catalog, &tx, err) < 0 ||
	    tx_branch_get(tx, &around->branch.uuid, &branch, err) < 0 ||
	    tx_volume_get(tx, &branch.volume, &volume, err) < 0)
		return fl_failed(err);
	if (branch.destroyed)
		return fl_fail(err, FL_NOT_FOUND, "%s/%s is in the trash", volume.name,
			       branch.name);
	memcpy(around->branch.volume, volume.name, NAME_TEXT);
	memcpy(around->branch.name, branch.name, NAME_TEXT);
	*ret_volume = volume.uuid;
	return 0;
}

static int replace_locked(struct around *around, const struct uuid *volume, struct fl_error *err)
{
	struct engine *engine = around->engine;
	struct lock_want wants[] = { { LOCK_VOLUME, false, *volume },
				     { LOCK_BRANCH, true, around->branch.uuid } };
	own_gate struct engine *inside = NULL;
	own(lock_drop) struct lock_set locks = { 0 };

	if (gate_enter(engine, &inside, err) < 0)
		return fl_failed(err);
	lock_take(&engine->locks, wants, array_size(wants), &locks);
	return replace(around, err);
}

/* "web", or, where no engine tells names, "sh (process 12, in the container 5f2e0a1b2c3d)". */
static void describe(const struct around_item *item, struct text *out)
{
	char container[CONTAINER_ID] = "";

	text_add_format(out, "%s", item->name[0] ? item->name : "?");
	if (!item->pid)
		return;
	container_id_of(item->pid, container);
	text_add_format(out, " (process %d%s%.12s)", (int)item->pid,
			container[0] ? ", in the container " : "", container);
}

/* Names the first. */
static int check_kept(const struct around *around, struct fl_error *err)
{
	const struct around_report *report = &around->report;

	for (size_t i = 0; i < report->count; i++) {
		const struct around_item *item = &report->items[i];

		own_text struct text who = { 0 };

		if (item->outcome != AROUND_KEPT)
			continue;
		describe(item, &who);
		fl_fail(err, FL_BUSY,
			"%.150s still has contents of %s/%s that were replaced, at '%.150s' "
			"(%.150s)",
			text_get(&who), around->branch.volume, around->branch.name, item->path,
			item->why.text);
		return fl_hint(err, "restart it: its old contents can't be replaced as it runs");
	}
	return 0;
}

/* `since`: when the newest line began. */
static int start(struct engine *engine, const char *id, int64_t since, struct fl_error *err)
{
	own(again_done) struct around around = { .engine = engine, .mode = AROUND_LIVE };
	struct around_user unchanged = { 0 };
	struct uuid volume;
	char uuid[UUID_TEXT];

	snprintf(uuid, sizeof(uuid), "%.*s", (int)strcspn(id, "."), id);
	if (uuid_parse(uuid, &around.branch.uuid, err) < 0)
		return fl_fail(err, FL_NOT_FOUND, "'%s' is no branch", id);
	live_id(&around.branch.uuid, since, &unchanged);
	if (strcmp(id, unchanged.id) == 0)
		return 0; /* the head was not swapped */
	if (find_branch(&around, &volume, err) < 0)
		return fl_failed(err);
	list_names(&around, LOG_LEVEL_DEBUG); /* again and again */
	if (replace_locked(&around, &volume, err) == 0)
		return check_kept(&around, err);
	/* It is the branch that would be gone, not what it takes to look. */
	if (err->code == FL_NOT_FOUND)
		err->code = FL_SYSTEM;
	return fl_failed(err);
}

const struct around_kind around_lives = {
	.word = "live",
	.done = "what a rollback replaced is replaced everywhere",
	.failing = FAILING_OLD_HEAD,
	.patience = 5 * CLOCK_SECOND,
	.start = start,
};
