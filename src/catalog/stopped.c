#include "catalog/catalog.h"
#include "catalog/statement.h"

void stopped_row_done(struct stopped_row *row)
{
	free(row->container);
	*row = (struct stopped_row){ 0 };
}

int tx_stopped_insert(struct tx *tx, const struct stopped_row *row, struct fl_error *err)
{
	own_query struct query q = {};

	if (query_begin(&q, tx, SQL_STOPPED_INSERT, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, &row->branch);
	query_bind_text(&q, 2, row->container);
	return query_run(&q, NULL, err);
}

int tx_stopped_delete(struct tx *tx, const struct uuid *branch, const char *container,
		      struct fl_error *err)
{
	own_query struct query q = {};

	if (query_begin(&q, tx, SQL_STOPPED_DELETE, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, branch);
	query_bind_text(&q, 2, container);
	return query_run(&q, NULL, err);
}

int tx_stopped_each(struct tx *tx,
		    int (*each)(void *arg, const struct stopped_row *row, struct fl_error *err),
		    void *arg, struct fl_error *err)
{
	own_query struct query q = {};
	int r = 0;

	if (query_begin(&q, tx, SQL_STOPPED_EACH, err) < 0)
		return fl_failed(err);
	while (query_next(&q, &r, err)) {
		own_stopped_row struct stopped_row row = {
			.branch = query_uuid(&q, 0),
			.container = query_text_copy(&q, 1),
		};

		r = each(arg, &row, err);
	}
	return r;
}
