#include <inttypes.h>

#include "catalog/catalog.h"
#include "catalog/statement.h"

static void read_row(struct query *q, struct stash_row *ret)
{
	*ret = (struct stash_row){
		.volume = query_uuid(q, 0),
		.number = (uint32_t)query_int(q, 1),
		.branch = query_uuid(q, 2),
		.snapshot = query_position(q, 3),
		.target = query_position(q, 5),
		.target_id = (uint64_t)query_int(q, 7),
		.created = query_int(q, 8),
	};
}

static int no_such_stash(uint32_t number, struct fl_error *err)
{
	return fl_fail(err, FL_NOT_FOUND, "no stash %" PRIu32 " in this volume", number);
}

static int raise_last(struct tx *tx, const struct stash_row *row, struct fl_error *err)
{
	own_query struct query q = {};

	if (query_begin(&q, tx, SQL_STASH_RAISE, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, &row->volume);
	query_bind_int(&q, 2, row->number);
	return query_run(&q, NULL, err);
}

int tx_stash_insert(struct tx *tx, const struct stash_row *row, struct fl_error *err)
{
	own_query struct query q = {};
	int r;

	if (query_begin(&q, tx, SQL_STASH_INSERT, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, &row->volume);
	query_bind_int(&q, 2, row->number);
	query_bind_uuid(&q, 3, &row->branch);
	query_bind_position(&q, 4, &row->snapshot);
	query_bind_position(&q, 6, &row->target);
	query_bind_int(&q, 8, (int64_t)row->target_id);
	query_bind_int(&q, 9, row->created);
	r = query_run(&q, NULL, err);
	if (r == -FL_EXISTS)
		return fl_fail(err, FL_EXISTS, "stash %" PRIu32 " exists already in this volume",
			       row->number);
	if (r == -FL_NOT_FOUND)
		return fl_fail(err, FL_NOT_FOUND, "the volume of stash %" PRIu32 " does not exist",
			       row->number);
	return r < 0 ? r : raise_last(tx, row, err);
}

int tx_stash_find(struct tx *tx, const struct uuid *volume, uint32_t number, struct stash_row *ret,
		  struct fl_error *err)
{
	own_query struct query q = {};
	int r;

	if (query_begin(&q, tx, SQL_STASH_GET, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, volume);
	query_bind_int(&q, 2, number);
	r = query_step(&q, err);
	if (r == 0)
		return no_such_stash(number, err);
	if (r < 0)
		return r;
	read_row(&q, ret);
	return 0;
}

int tx_stash_update(struct tx *tx, const struct stash_row *row, struct fl_error *err)
{
	own_query struct query q = {};
	int64_t changed;

	if (query_begin(&q, tx, SQL_STASH_UPDATE, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, &row->volume);
	query_bind_int(&q, 2, row->number);
	query_bind_position(&q, 3, &row->snapshot);
	if (query_run(&q, &changed, err) < 0)
		return fl_failed(err);
	return changed ? 0 : no_such_stash(row->number, err);
}

int tx_stash_delete(struct tx *tx, const struct uuid *volume, uint32_t number, struct fl_error *err)
{
	own_query struct query q = {};
	int64_t changed;

	if (query_begin(&q, tx, SQL_STASH_DELETE, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, volume);
	query_bind_int(&q, 2, number);
	if (query_run(&q, &changed, err) < 0)
		return fl_failed(err);
	return changed ? 0 : no_such_stash(number, err);
}

int tx_stash_each(struct tx *tx, const struct uuid *volume,
		  int (*each)(void *arg, const struct stash_row *row, struct fl_error *err),
		  void *arg, struct fl_error *err)
{
	own_query struct query q = {};
	struct stash_row row;
	int r = 0;

	if (query_begin(&q, tx, SQL_STASH_EACH, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, volume);
	while (query_next(&q, &r, err)) {
		read_row(&q, &row);
		r = each(arg, &row, err);
	}
	return r;
}
