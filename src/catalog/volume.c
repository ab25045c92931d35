#include "catalog/catalog.h"
#include "catalog/statement.h"

void volume_row_done(struct volume_row *row)
{
	free(row->description);
	free(row->mount_path);
	metadata_done(&row->metadata);
	*row = (struct volume_row){};
}

static int read_row(struct query *q, struct volume_row *ret, struct fl_error *err)
{
	struct volume_row row = {
		.uuid = query_uuid(q, 0),
		.owner = query_uuid(q, 2),
		.epoch = (uint64_t)query_int(q, 3),
		.origin.snapshot = (uint64_t)query_int(q, 8),
		.created = query_int(q, 9),
		.destroyed = query_int(q, 10),
		.last_stash = (uint32_t)query_int(q, 11),
		.quota = (uint64_t)query_int(q, 12),
		.late = query_int(q, 13),
	};

	query_string(q, 1, row.name, sizeof(row.name));
	query_string(q, 7, row.origin.ref, sizeof(row.origin.ref));
	if (query_metadata(q, 5, &row.metadata, err) < 0)
		return fl_wrap(err, "volume '%s'", row.name);
	row.description = query_text_copy(q, 4);
	row.mount_path = query_text_copy(q, 6);
	*ret = row;
	return 0;
}

/* Values 1 to 14 of the statements that write a row; `metadata` must live as long as the query. */
static void bind_row(struct query *q, const struct volume_row *row, struct text *metadata)
{
	metadata_encode(&row->metadata, metadata);
	query_bind_uuid(q, 1, &row->uuid);
	query_bind_text(q, 2, row->name);
	query_bind_uuid(q, 3, &row->owner);
	query_bind_int(q, 4, (int64_t)row->epoch);
	query_bind_text(q, 5, row->description);
	query_bind_text(q, 6, text_get(metadata));
	query_bind_text(q, 7, row->mount_path);
	query_bind_text(q, 8, row->origin.ref);
	query_bind_int(q, 9, (int64_t)row->origin.snapshot);
	query_bind_int(q, 10, row->created);
	query_bind_int(q, 11, row->destroyed);
	query_bind_int(q, 12, row->last_stash);
	query_bind_int(q, 13, (int64_t)row->quota);
	query_bind_int(q, 14, row->late);
}

static int no_such_volume(const struct uuid *uuid, struct fl_error *err)
{
	char text[UUID_TEXT];

	return fl_fail(err, FL_NOT_FOUND, "no volume %s", uuid_format(uuid, text));
}

int tx_volume_find(struct tx *tx, const char *name, struct volume_row *ret, struct fl_error *err)
{
	own_query struct query q = {};
	int r;

	if (query_begin(&q, tx, SQL_VOLUME_FIND, err) < 0)
		return fl_failed(err);
	query_bind_text(&q, 1, name);
	r = query_step(&q, err);
	if (r == 0)
		return fl_fail(err, FL_NOT_FOUND, "no volume '%s'", name);
	return r < 0 ? r : read_row(&q, ret, err);
}

int tx_volume_get(struct tx *tx, const struct uuid *uuid, struct volume_row *ret,
		  struct fl_error *err)
{
	own_query struct query q = {};
	int r;

	if (query_begin(&q, tx, SQL_VOLUME_GET, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, uuid);
	r = query_step(&q, err);
	if (r == 0)
		return no_such_volume(uuid, err);
	return r < 0 ? r : read_row(&q, ret, err);
}

static int write_row(struct tx *tx, enum sql sql, const struct volume_row *row,
		     struct fl_error *err)
{
	own_text struct text metadata = {};
	own_query struct query q = {};
	int64_t changed;
	int r;

	if (query_begin(&q, tx, sql, err) < 0)
		return fl_failed(err);
	bind_row(&q, row, &metadata);
	r = query_run(&q, &changed, err);
	if (r == -FL_EXISTS)
		return fl_fail(err, FL_EXISTS, "volume '%s' exists already", row->name);
	if (r < 0)
		return r;
	return changed ? 0 : no_such_volume(&row->uuid, err);
}

int tx_volume_insert(struct tx *tx, const struct volume_row *row, struct fl_error *err)
{
	return write_row(tx, SQL_VOLUME_INSERT, row, err);
}

int tx_volume_update(struct tx *tx, const struct volume_row *row, struct fl_error *err)
{
	return write_row(tx, SQL_VOLUME_UPDATE, row, err);
}

/* One at a time, asked anew each time: rows must not be deleted under a running query. */
static int delete_branches(struct tx *tx, const struct uuid *volume, struct fl_error *err)
{
	for (;;) {
		own_query struct query q = {};
		struct uuid branch;
		int r;

		if (query_begin(&q, tx, SQL_VOLUME_BRANCHES, err) < 0)
			return fl_failed(err);
		query_bind_uuid(&q, 1, volume);
		r = query_step(&q, err);
		if (r <= 0)
			return r;
		branch = query_uuid(&q, 0);
		query_end(&q);
		if (tx_branch_delete(tx, &branch, err) < 0)
			return fl_failed(err);
	}
}

int tx_volume_delete(struct tx *tx, const struct uuid *uuid, struct fl_error *err)
{
	int64_t count;

	if (query_do_uuid(tx, SQL_VOLUME_DELETE_TAGS, uuid, NULL, err) < 0 ||
	    query_do_uuid(tx, SQL_VOLUME_DELETE_STASHES, uuid, NULL, err) < 0 ||
	    delete_branches(tx, uuid, err) < 0 ||
	    query_do_uuid(tx, SQL_VOLUME_DELETE, uuid, &count, err) < 0)
		return fl_failed(err);
	return count ? 0 : no_such_volume(uuid, err);
}

static int each_row(struct query *q,
		    int (*each)(void *arg, const struct volume_row *row, struct fl_error *err),
		    void *arg, struct fl_error *err)
{
	int r = 0;

	while (query_next(q, &r, err)) {
		own_volume_row struct volume_row row = {};

		r = read_row(q, &row, err);
		if (r == 0)
			r = each(arg, &row, err);
	}
	return r;
}

int tx_volume_each(struct tx *tx, const char *after, size_t limit,
		   int (*each)(void *arg, const struct volume_row *row, struct fl_error *err),
		   void *arg, struct fl_error *err)
{
	own_query struct query q = {};

	if (query_begin(&q, tx, SQL_VOLUME_EACH, err) < 0)
		return fl_failed(err);
	query_bind_text(&q, 1, after);
	query_bind_limit(&q, 2, limit);
	return each_row(&q, each, arg, err);
}

static int date_destroyed(struct tx *tx, enum sql sql, int64_t now, struct fl_error *err)
{
	own_query struct query q = {};

	if (query_begin(&q, tx, sql, err) < 0)
		return fl_failed(err);
	query_bind_int(&q, 1, now);
	return query_run(&q, NULL, err);
}

int tx_date_destroyed(struct tx *tx, int64_t now, struct fl_error *err)
{
	if (date_destroyed(tx, SQL_VOLUME_DATE_DESTROYED, now, err) < 0)
		return fl_failed(err);
	return date_destroyed(tx, SQL_BRANCH_DATE_DESTROYED, now, err);
}

int tx_volume_each_destroyed(struct tx *tx,
			     int (*each)(void *arg, const struct volume_row *row,
					 struct fl_error *err),
			     void *arg, struct fl_error *err)
{
	own_query struct query q = {};

	if (query_begin(&q, tx, SQL_VOLUME_EACH_DESTROYED, err) < 0)
		return fl_failed(err);
	return each_row(&q, each, arg, err);
}
