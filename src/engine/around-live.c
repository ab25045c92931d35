/*
 * The new head under containers that run on: where they have a mount of a head that was
 * replaced, be it just now or by an earlier rollback that left them alone, it is replaced too
 * (container/remount.h).
 */

#include <fcntl.h>
#include <string.h>

#include "base/fsat.h"
#include "base/text.h"
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
