#include "catalog/catalog.h"
#include "catalog/statement.h"

void system_record_done(struct system_record *row)
{
	metadata_done(&row->settings);
	*row = (struct system_record){ 0 };
}

static int read_row(struct query *q, struct system_record *ret, struct fl_error *err)
{
	struct system_record row = { .branch = query_uuid(q, 0), .wanted = query_int(q, 1) != 0 };

	if (query_metadata(q, 2, &row.settings, err) < 0)
		return fl_failed(err);
	*ret = row;
	return 0;
}

/* Inserts or updates. */
static int write_row(struct tx *tx, enum sql sql, const struct system_record *row,
		     int64_t *ret_changed, struct fl_error *err)
{
	own_text struct text settings = {};
	own_query struct query q = {};

	metadata_encode(&row->settings, &settings);
	if (query_begin(&q, tx, sql, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, &row->branch);
	query_bind_int(&q, 2, row->wanted);
	query_bind_text(&q, 3, text_get(&settings));
	return query_run(&q, ret_changed, err);
}

int tx_system_insert(struct tx *tx, const struct system_record *row, struct fl_error *err)
{
	int r = write_row(tx, SQL_SYSTEM_INSERT, row, NULL, err);

	if (r == -FL_EXISTS)
		return fl_fail(err, FL_EXISTS, "the branch is a system already");
	if (r == -FL_NOT_FOUND)
		return fl_fail(err, FL_NOT_FOUND, "the branch of the system does not exist");
	return r;
}

int tx_system_update(struct tx *tx, const struct system_record *row, struct fl_error *err)
{
	int64_t changed = 0;

	if (write_row(tx, SQL_SYSTEM_UPDATE, row, &changed, err) < 0)
		return fl_failed(err);
	return changed ? 0 : fl_fail(err, FL_NOT_FOUND, "the branch is no system");
}

int tx_system_get(struct tx *tx, const struct uuid *branch, struct system_record *ret,
		  struct fl_error *err)
{
	own_query struct query q = {};
	int r;

	if (query_begin(&q, tx, SQL_SYSTEM_GET, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, branch);
	r = query_step(&q, err);
	if (r == 0)
		return fl_fail(err, FL_NOT_FOUND, "the branch is no system");
	return r < 0 ? r : read_row(&q, ret, err);
}

int tx_system_delete(struct tx *tx, const struct uuid *branch, struct fl_error *err)
{
	own_query struct query q = {};
	int64_t changed;

	if (query_begin(&q, tx, SQL_SYSTEM_DELETE, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, branch);
	if (query_run(&q, &changed, err) < 0)
		return fl_failed(err);
	return changed ? 0 : fl_fail(err, FL_NOT_FOUND, "the branch is no system");
}

int tx_system_each(struct tx *tx,
		   int (*each)(void *arg, const struct system_record *row, struct fl_error *err),
		   void *arg, struct fl_error *err)
{
	own_query struct query q = {};
	int r = 0;

	if (query_begin(&q, tx, SQL_SYSTEM_EACH, err) < 0)
		return fl_failed(err);
	while (query_next(&q, &r, err)) {
		own_system_record struct system_record row = {};

		r = read_row(&q, &row, err);
		if (r == 0)
			r = each(arg, &row, err);
	}
	return r;
}
