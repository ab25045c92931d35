#include "catalog/catalog.h"
#include "catalog/statement.h"

/* As they are stored: part of the format. */
enum { STORED_PEER, STORED_TRANSFER };

static struct pin_row read_row(struct query *q)
{
	return (struct pin_row){
		.kind = query_int(q, 0) == STORED_PEER ? PIN_PEER : PIN_TRANSFER,
		.peer = query_uuid(q, 1),
		.served = query_uuid(q, 2),
		.operation = query_uuid(q, 3),
		.snapshot = query_position(q, 4),
		.since = query_int(q, 6),
	};
}

/* Values 1 to 6: what a pin is. */
static int run(struct tx *tx, enum sql sql, const struct pin_row *row, struct fl_error *err)
{
	own_query struct query q = {};

	if (query_begin(&q, tx, sql, err) < 0)
		return fl_failed(err);
	query_bind_int(&q, 1, row->kind == PIN_PEER ? STORED_PEER : STORED_TRANSFER);
	query_bind_uuid(&q, 2, &row->peer);
	query_bind_uuid(&q, 3, &row->served);
	query_bind_uuid(&q, 4, &row->operation);
	query_bind_position(&q, 5, &row->snapshot);
	if (sql == SQL_PIN_SET)
		query_bind_int(&q, 7, row->since);
	return query_run(&q, NULL, err);
}

int tx_pin_set(struct tx *tx, const struct pin_row *row, struct fl_error *err)
{
	return run(tx, SQL_PIN_SET, row, err);
}

int tx_pin_delete(struct tx *tx, const struct pin_row *row, struct fl_error *err)
{
	return run(tx, SQL_PIN_DELETE, row, err);
}

int tx_pin_delete_operation(struct tx *tx, const struct uuid *operation, struct fl_error *err)
{
	return query_do_uuid(tx, SQL_PIN_DELETE_OPERATION, operation, NULL, err);
}

int tx_pin_delete_peer(struct tx *tx, const struct uuid *peer, struct fl_error *err)
{
	return query_do_uuid(tx, SQL_PIN_DELETE_PEER, peer, NULL, err);
}

int tx_pin_each(struct tx *tx, const struct pin_filter *filter,
		int (*each)(void *arg, const struct pin_row *row, struct fl_error *err), void *arg,
		struct fl_error *err)
{
	own_query struct query q = {};
	int r = 0;

	if (query_begin(&q, tx, SQL_PIN_EACH, err) < 0)
		return fl_failed(err);
	if (filter->peer)
		query_bind_uuid(&q, 1, filter->peer);
	if (filter->served)
		query_bind_uuid(&q, 2, filter->served);
	if (filter->snapshot)
		query_bind_position(&q, 3, filter->snapshot);
	if (filter->operation)
		query_bind_uuid(&q, 5, filter->operation);
	while (query_next(&q, &r, err)) {
		struct pin_row row = read_row(&q);

		r = each(arg, &row, err);
	}
	return r;
}
