/*
 * In a pool that was taken over, the branches and volumes of the former instance
 * become this one's, with the next epoch.  Those of others stay theirs.
 *
 * What the former instance had of this one's branches is this one's again, as it was when it last
 * came there: it has lost its own pool, else it would not take over another.  Their heads
 * are made anew (missing.c).  A branch of the former that is called like one of these gets
 * another name.
 */

#include <string.h>

#include "base/text.h"
#include "engine/internal.h"

struct takeover {
	struct engine *engine;
	struct tx *tx;
	struct volume_row *volumes;
	size_t volume_count;
	struct branch_row *branches;
	size_t branch_count;
};

static int take_volume(void *arg, const struct volume_row *row, struct fl_error *err)
{
	struct takeover *takeover = arg;
	struct volume_row *mine;

	if (!uuid_equal(&row->owner, &takeover->engine->former))
		return 0;
	mine = array_add(takeover->volumes, takeover->volume_count);
	return tx_volume_get(takeover->tx, &row->uuid, mine, err);
}

static int take_branch(void *arg, const struct branch_row *row, struct fl_error *err)
{
	struct takeover *takeover = arg;

	if (!uuid_equal(&row->instance, &takeover->engine->former))
		return 0;
	*array_add(takeover->branches, takeover->branch_count) = *row;
	return 0;
}

static int find_former(struct takeover *takeover, struct fl_error *err)
{
	struct tx *tx = takeover->tx;

	if (tx_volume_each(tx, "", SIZE_MAX, take_volume, takeover, err) < 0 ||
	    tx_volume_each_destroyed(tx, take_volume, takeover, err) < 0 ||
	    tx_branch_each(tx, NULL, false, take_branch, takeover, err) < 0)
		return fl_failed(err);
	return each_destroyed_branch(tx, take_branch, takeover, err);
}

static int write_branch(struct tx *tx, struct branch_row *row, struct fl_error *err)
{
	char uuid[UUID_TEXT], name[NAME_TEXT];
	int r = tx_branch_update(tx, row, err);

	if (r != -FL_EXISTS)
		return r;
	snprintf(name, sizeof(name), "%.54s-%.8s", row->name, uuid_format(&row->uuid, uuid));
	memcpy(row->name, name, NAME_TEXT);
	return tx_branch_update(tx, row, err);
}

static int write_takeover(struct takeover *takeover, struct fl_error *err)
{
	for (size_t i = 0; i < takeover->volume_count; i++) {
		takeover->volumes[i].owner = takeover->engine->instance;
		takeover->volumes[i].epoch++;
		if (tx_volume_update(takeover->tx, &takeover->volumes[i], err) < 0)
			return fl_failed(err);
	}
	for (size_t i = 0; i < takeover->branch_count; i++) {
		takeover->branches[i].instance = takeover->engine->instance;
		if (write_branch(takeover->tx, &takeover->branches[i], err) < 0)
			return fl_failed(err);
	}
	/* What was kept for us. */
	return tx_pin_delete_peer(takeover->tx, &takeover->engine->instance, err);
}

static int take_former(struct tx *tx, void *arg, struct fl_error *err)
{
	struct takeover takeover = { .engine = arg, .tx = tx };
	int r = find_former(&takeover, err);

	if (r == 0)
		r = write_takeover(&takeover, err);
	for (size_t i = 0; i < takeover.volume_count; i++)
		volume_row_done(&takeover.volumes[i]);
	free(takeover.volumes);
	free(takeover.branches);
	return r;
}

int take_over_rows(struct engine *engine, struct fl_error *err)
{
	if (!uuid_is_none(&engine->former) &&
	    catalog_write(engine->catalog, CATALOG_LAZY, take_former, engine, err) < 0)
		return fl_failed(err);
	engine->former = (struct uuid){ 0 };
	return 0;
}
