#include <string.h>

#include "catalog/catalog.h"
#include "catalog/statement.h"

void peer_row_done(struct peer_row *row)
{
	free(row->address);
	*row = (struct peer_row){ 0 };
}

static void read_row(struct query *q, struct peer_row *ret)
{
	*ret = (struct peer_row){
		.address = query_text_copy(q, 1),
		.instance = query_uuid(q, 2),
		.cluster = query_uuid(q, 3),
		.added = query_int(q, 4),
		.seen = query_int(q, 5),
		.limit = (uint64_t)query_int(q, 6),
	};
	query_string(q, 0, ret->name, sizeof(ret->name));
}

static int no_such_peer(const char *name, struct fl_error *err)
{
	return fl_fail(err, FL_NOT_FOUND, "no peer called '%s'", name);
}

/* Which of the two that are unique is in the way? */
static int fail_taken(struct tx *tx, const struct peer_row *row, struct fl_error *err)
{
	own_peer_row struct peer_row other = {};

	if (!uuid_is_none(&row->instance) && tx_peer_of(tx, &row->instance, &other, err) == 0 &&
	    strcmp(other.name, row->name) != 0)
		return fl_fail(err, FL_EXISTS, "the instance is known already, as peer '%s'",
			       other.name);
	return fl_fail(err, FL_EXISTS, "peer '%s' exists already", row->name);
}

static int write_row(struct tx *tx, enum sql sql, const struct peer_row *row, struct fl_error *err)
{
	own_query struct query q = {};
	int64_t changed;
	int r;

	if (query_begin(&q, tx, sql, err) < 0)
		return fl_failed(err);
	query_bind_text(&q, 1, row->name);
	query_bind_text(&q, 2, row->address);
	query_bind_uuid_or_null(&q, 3, &row->instance);
	query_bind_uuid_or_null(&q, 4, &row->cluster);
	query_bind_int(&q, 5, row->added);
	query_bind_int(&q, 6, row->seen);
	query_bind_int(&q, 7, (int64_t)row->limit);
	r = query_run(&q, &changed, err);
	if (r == -FL_EXISTS)
		return fail_taken(tx, row, err);
	if (r < 0)
		return r;
	return changed ? 0 : no_such_peer(row->name, err);
}

int tx_peer_insert(struct tx *tx, const struct peer_row *row, struct fl_error *err)
{
	return write_row(tx, SQL_PEER_INSERT, row, err);
}

int tx_peer_update(struct tx *tx, const struct peer_row *row, struct fl_error *err)
{
	return write_row(tx, SQL_PEER_UPDATE, row, err);
}

int tx_peer_find(struct tx *tx, const char *name, struct peer_row *ret, struct fl_error *err)
{
	own_query struct query q = {};
	int r;

	if (query_begin(&q, tx, SQL_PEER_FIND, err) < 0)
		return fl_failed(err);
	query_bind_text(&q, 1, name);
	r = query_step(&q, err);
	if (r == 0)
		return no_such_peer(name, err);
	if (r < 0)
		return r;
	read_row(&q, ret);
	return 0;
}

int tx_peer_of(struct tx *tx, const struct uuid *instance, struct peer_row *ret,
	       struct fl_error *err)
{
	own_query struct query q = {};
	char text[UUID_TEXT];
	int r;

	if (query_begin(&q, tx, SQL_PEER_OF, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, instance);
	r = query_step(&q, err);
	if (r == 0)
		return no_such_peer(uuid_format(instance, text), err);
	if (r < 0)
		return r;
	read_row(&q, ret);
	return 0;
}

int tx_peer_delete(struct tx *tx, const char *name, struct fl_error *err)
{
	own_query struct query q = {};
	int64_t changed;

	if (query_begin(&q, tx, SQL_PEER_DELETE, err) < 0)
		return fl_failed(err);
	query_bind_text(&q, 1, name);
	if (query_run(&q, &changed, err) < 0)
		return fl_failed(err);
	return changed ? 0 : no_such_peer(name, err);
}

int tx_peer_each(struct tx *tx,
		 int (*each)(void *arg, const struct peer_row *row, struct fl_error *err),
		 void *arg, struct fl_error *err)
{
	own_query struct query q = {};
	int r = 0;

	if (query_begin(&q, tx, SQL_PEER_EACH, err) < 0)
		return fl_failed(err);
	while (query_next(&q, &r, err)) {
		own_peer_row struct peer_row row = {};

		read_row(&q, &row);
		r = each(arg, &row, err);
	}
	return r;
}
