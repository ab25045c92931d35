#include "catalog/catalog.h"
#include "catalog/statement.h"

static void read_row(struct query *q, struct tag_row *ret)
{
	*ret = (struct tag_row){
		.volume = query_uuid(q, 0),
		.snapshot = query_position(q, 2),
		.created = query_int(q, 4),
	};
	query_string(q, 1, ret->name, sizeof(ret->name));
}

int tx_tag_insert(struct tx *tx, const struct tag_row *row, struct fl_error *err)
{
	own_query struct query q = {};
	int r;

	if (query_begin(&q, tx, SQL_TAG_INSERT, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, &row->volume);
	query_bind_text(&q, 2, row->name);
	query_bind_position(&q, 3, &row->snapshot);
	query_bind_int(&q, 5, row->created);
	r = query_run(&q, NULL, err);
	if (r == -FL_EXISTS)
		return fl_fail(err, FL_EXISTS, "tag '%s' exists already in this volume", row->name);
	if (r == -FL_NOT_FOUND)
		return fl_fail(err, FL_NOT_FOUND, "the volume of tag '%s' does not exist",
			       row->name);
	return r;
}

int tx_tag_find(struct tx *tx, const struct uuid *volume, const char *name, struct tag_row *ret,
		struct fl_error *err)
{
	own_query struct query q = {};
	int r;

	if (query_begin(&q, tx, SQL_TAG_GET, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, volume);
	query_bind_text(&q, 2, name);
	r = query_step(&q, err);
	if (r == 0)
		return fl_fail(err, FL_NOT_FOUND, "no tag '%s' in this volume", name);
	if (r < 0)
		return r;
	read_row(&q, ret);
	return 0;
}

int tx_tag_delete(struct tx *tx, const struct uuid *volume, const char *name, struct fl_error *err)
{
	own_query struct query q = {};
	int64_t changed;

	if (query_begin(&q, tx, SQL_TAG_DELETE, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, volume);
	query_bind_text(&q, 2, name);
	if (query_run(&q, &changed, err) < 0)
		return fl_failed(err);
	if (changed == 0)
		return fl_fail(err, FL_NOT_FOUND, "no tag '%s' in this volume", name);
	return 0;
}

int tx_tag_each(struct tx *tx, const struct uuid *volume, const struct position *at,
		int (*each)(void *arg, const struct tag_row *row, struct fl_error *err), void *arg,
		struct fl_error *err)
{
	own_query struct query q = {};
	struct tag_row row;
	int r = 0;

	if (query_begin(&q, tx, at ? SQL_TAG_EACH_AT : SQL_TAG_EACH, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, volume);
	if (at)
		query_bind_position(&q, 2, at);
	while (query_next(&q, &r, err)) {
		read_row(&q, &row);
		r = each(arg, &row, err);
	}
	return r;
}
