#include "catalog/catalog.h"
#include "catalog/statement.h"

void hook_row_done(struct hook_row *row)
{
	metadata_done(&row->settings);
	*row = (struct hook_row){ 0 };
}

static int read_row(struct query *q, struct hook_row *ret, struct fl_error *err)
{
	struct hook_row row = { .branch = query_uuid(q, 0) };

	query_string(q, 1, row.name, sizeof(row.name));
	query_string(q, 5, row.container, sizeof(row.container));
	row.timeout = query_int(q, 3);
	row.required = query_int(q, 4) != 0;
	if (query_metadata(q, 2, &row.settings, err) < 0)
		return fl_failed(err);
	*ret = row;
	return 0;
}

int tx_hook_set(struct tx *tx, const struct hook_row *row, struct fl_error *err)
{
	own_text struct text settings = {};
	own_query struct query q = {};
	int r;

	metadata_encode(&row->settings, &settings);
	if (query_begin(&q, tx, SQL_HOOK_SET, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, &row->branch);
	query_bind_text(&q, 2, row->name);
	query_bind_text(&q, 3, text_get(&settings));
	query_bind_int(&q, 4, row->timeout);
	query_bind_int(&q, 5, row->required);
	query_bind_text(&q, 6, row->container);
	r = query_run(&q, NULL, err);
	if (r == -FL_NOT_FOUND)
		return fl_fail(err, FL_NOT_FOUND, "the branch of hook '%s' does not exist",
			       row->name);
	return r;
}

int tx_hook_delete(struct tx *tx, const struct uuid *branch, const char *name, struct fl_error *err)
{
	own_query struct query q = {};
	int64_t changed;

	if (query_begin(&q, tx, SQL_HOOK_DELETE, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, branch);
	query_bind_text(&q, 2, name);
	if (query_run(&q, &changed, err) < 0)
		return fl_failed(err);
	return changed ? 0 : fl_fail(err, FL_NOT_FOUND, "the branch has no hook '%s'", name);
}

int tx_hook_each(struct tx *tx, const struct uuid *branch,
		 int (*each)(void *arg, const struct hook_row *row, struct fl_error *err),
		 void *arg, struct fl_error *err)
{
	own_query struct query q = {};
	int r = 0;

	if (query_begin(&q, tx, branch ? SQL_HOOK_EACH : SQL_HOOK_EACH_ALL, err) < 0)
		return fl_failed(err);
	if (branch)
		query_bind_uuid(&q, 1, branch);
	while (query_next(&q, &r, err)) {
		own_hook_row struct hook_row row = {};

		r = read_row(&q, &row, err);
		if (r == 0)
			r = each(arg, &row, err);
	}
	return r;
}
