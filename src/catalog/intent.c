#include "catalog/catalog.h"
#include "catalog/statement.h"

static int delete_operation(struct tx *tx, enum sql sql, const char *what,
			    const struct uuid *operation, struct fl_error *err)
{
	char text[UUID_TEXT];
	int64_t changed;

	if (query_do_uuid(tx, sql, operation, &changed, err) < 0)
		return fl_failed(err);
	if (changed == 0)
		return fl_fail(err, FL_NOT_FOUND, "no %s of operation %s", what,
			       uuid_format(operation, text));
	return 0;
}

void intent_row_done(struct intent_row *row)
{
	free(row->body);
	*row = (struct intent_row){};
}

int tx_intent_insert(struct tx *tx, const struct intent_row *row, struct fl_error *err)
{
	own_query struct query q = {};
	char text[UUID_TEXT];
	int r;

	if (query_begin(&q, tx, SQL_INTENT_INSERT, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, &row->operation);
	query_bind_text(&q, 2, row->verb);
	query_bind_text(&q, 3, row->body ? row->body : "");
	r = query_run(&q, NULL, err);
	if (r == -FL_EXISTS)
		return fl_fail(err, FL_EXISTS, "operation %s has an intent already",
			       uuid_format(&row->operation, text));
	return r;
}

int tx_intent_delete(struct tx *tx, const struct uuid *operation, struct fl_error *err)
{
	return delete_operation(tx, SQL_INTENT_DELETE, "intent", operation, err);
}

int tx_intent_has(struct tx *tx, const struct uuid *operation, bool *ret, struct fl_error *err)
{
	own_query struct query q = {};
	int r;

	if (query_begin(&q, tx, SQL_INTENT_HAS, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, operation);
	r = query_step(&q, err);
	if (r < 0)
		return r;
	*ret = r > 0;
	return 0;
}

int tx_intent_each(struct tx *tx,
		   int (*each)(void *arg, const struct intent_row *row, struct fl_error *err),
		   void *arg, struct fl_error *err)
{
	own_query struct query q = {};
	int r = 0;

	if (query_begin(&q, tx, SQL_INTENT_EACH, err) < 0)
		return fl_failed(err);
	while (query_next(&q, &r, err)) {
		own_intent_row struct intent_row row = { .operation = query_uuid(&q, 0) };

		query_string(&q, 1, row.verb, sizeof(row.verb));
		row.body = query_text_copy(&q, 2);
		r = each(arg, &row, err);
	}
	return r;
}

/* --- retired heads ------------------------------------------------------ */

int tx_retired_insert(struct tx *tx, const struct retired_row *row, struct fl_error *err)
{
	own_query struct query q = {};
	char text[UUID_TEXT];
	int r;

	if (query_begin(&q, tx, SQL_RETIRED_INSERT, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, &row->operation);
	query_bind_uuid(&q, 2, &row->volume);
	query_bind_uuid(&q, 3, &row->branch);
	query_bind_int(&q, 4, row->stash);
	query_bind_position(&q, 5, &row->snapshot);
	r = query_run(&q, NULL, err);
	if (r == -FL_EXISTS)
		return fl_fail(err, FL_EXISTS, "operation %s has retired a head already",
			       uuid_format(&row->operation, text));
	return r;
}

int tx_retired_delete(struct tx *tx, const struct uuid *operation, struct fl_error *err)
{
	return delete_operation(tx, SQL_RETIRED_DELETE, "retired head", operation, err);
}

int tx_retired_each(struct tx *tx,
		    int (*each)(void *arg, const struct retired_row *row, struct fl_error *err),
		    void *arg, struct fl_error *err)
{
	own_query struct query q = {};
	int r = 0;

	if (query_begin(&q, tx, SQL_RETIRED_EACH, err) < 0)
		return fl_failed(err);
	while (query_next(&q, &r, err)) {
		struct retired_row row = {
			.operation = query_uuid(&q, 0),
			.volume = query_uuid(&q, 1),
			.branch = query_uuid(&q, 2),
			.stash = (uint32_t)query_int(&q, 3),
			.snapshot = query_position(&q, 4),
		};

		r = each(arg, &row, err);
	}
	return r;
}
