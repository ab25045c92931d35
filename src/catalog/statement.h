#pragma once

/*
 * Statements: the SQL of sql.h, prepared once per connection and kept, and the few calls that bind
 * values and read columns.  What is asked once, of a connection, is not among
 * them (connection.h).
 *
 *	own_query struct query q = {};
 *
 *	if (query_begin(&q, tx, SQL_TAG_GET, err) < 0)
 *		return -(int)err->code;
 *	query_bind_uuid(&q, 1, volume);
 *	r = query_step(&q, err);		1: a row, 0: no more, negative: an error
 *
 * A statement that is running already (a function called from its own `each`)
 * is prepared a second time, so nesting is safe.  A connection belongs to one
 * thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"
#include "base/uuid.h"
#include "catalog/connection.h"
#include "catalog/sql.h"
#include "model/lineage.h"
#include "model/metadata.h"

struct query {
	struct connection *connection;
	enum sql sql;
	sqlite3_stmt *statement;
	int failed; /* the first result of a bind that was not SQLITE_OK */
};

must_check int query_begin(struct query *query, struct tx *tx, enum sql sql, struct fl_error *err);
void query_end(struct query *query);
#define own_query own(query_end)

/* 1: a row is there, 0: no more, negative: an error. */
must_check int query_step(struct query *query, struct fl_error *err);
/*
 * For all rows, with `r` 0 before the first: false when there are no more, and when `r` is
 * negative, be it by this call or by what was done with the last row.
 *
 *	while (query_next(&q, &r, err))
 *		r = each(arg, read_row(&q), err);
 *	return r;
 */
must_check bool query_next(struct query *query, int *r, struct fl_error *err);
/* For one that counts: the number in its one row. */
must_check int query_count(struct query *query, uint64_t *ret, struct fl_error *err);
/* For statements that give no rows; `ret_changed` (may be NULL): rows inserted, changed, deleted.
 */
must_check int query_run(struct query *query, int64_t *ret_changed, struct fl_error *err);
/* The same for one that has nothing to bind. */
must_check int query_do(struct tx *tx, enum sql sql, struct fl_error *err);
/* The same for one that binds a UUID and nothing else; `ret_changed` as above. */
must_check int query_do_uuid(struct tx *tx, enum sql sql, const struct uuid *uuid,
			     int64_t *ret_changed, struct fl_error *err);

/* Positions from 1, as in the SQL. */
void query_bind_int(struct query *query, int at, int64_t value);
void query_bind_uuid(struct query *query, int at, const struct uuid *uuid);
/* The zero UUID becomes NULL. */
void query_bind_uuid_or_null(struct query *query, int at, const struct uuid *uuid);
/* NULL stays NULL.  The string must live until the query ends. */
void query_bind_text(struct query *query, int at, const char *text);
/* Two columns, branch and time; none is NULL, NULL. */
void query_bind_position(struct query *query, int at, const struct position *position);
void query_bind_limit(struct query *query, int at, size_t limit);

/* Positions from 0. */
int64_t query_int(struct query *query, int at);
/* Borrowed until the next step; NULL for NULL. */
const char *query_text(struct query *query, int at);
/* Heap, or NULL. */
char *query_text_copy(struct query *query, int at);
/* Into an array; "" for NULL. */
void query_string(struct query *query, int at, char *ret, size_t size);
struct uuid query_uuid(struct query *query, int at);
struct position query_position(struct query *query, int at);
must_check int query_metadata(struct query *query, int at, struct metadata *ret,
			      struct fl_error *err);
