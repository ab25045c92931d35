#include "catalog/statement.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* --- queries ------------------------------------------------------------ */

int query_begin(struct query *query, struct tx *tx, enum sql sql, struct fl_error *err)
{
	struct connection *connection = tx->connection;
	sqlite3_stmt *statement = take_ptr(connection->idle[sql]);
	int result = SQLITE_OK;

	if (!statement)
		result = sqlite3_prepare_v3(connection->db, sql_texts[sql], -1,
					    SQLITE_PREPARE_PERSISTENT, &statement, NULL);
	if (result != SQLITE_OK)
		return connection_fail(connection->db, result, "preparing SQL", err);
	*query = (struct query){ .connection = connection, .sql = sql, .statement = statement };
	return 0;
}

void query_end(struct query *query)
{
	struct connection *connection = query->connection;

	if (!query->statement)
		return;
	sqlite3_reset(query->statement);
	sqlite3_clear_bindings(query->statement);
	if (connection->idle[query->sql])
		sqlite3_finalize(query->statement);
	else
		connection->idle[query->sql] = query->statement;
	*query = (struct query){};
}

int query_step(struct query *query, struct fl_error *err)
{
	int result = query->failed;

	assert(query->connection); /* begun */
	if (result == SQLITE_OK)
		result = sqlite3_step(query->statement);
	if (result == SQLITE_ROW)
		return 1;
	if (result == SQLITE_DONE)
		return 0;
	return connection_fail(query->connection->db, result, "running SQL", err);
}

bool query_next(struct query *query, int *r, struct fl_error *err)
{
	if (*r >= 0)
		*r = query_step(query, err);
	return *r > 0;
}

int query_count(struct query *query, uint64_t *ret, struct fl_error *err)
{
	if (query_step(query, err) < 0)
		return fl_failed(err);
	*ret = (uint64_t)query_int(query, 0);
	return 0;
}

int query_run(struct query *query, int64_t *ret_changed, struct fl_error *err)
{
	int r = query_step(query, err);

	if (r < 0)
		return r;
	if (ret_changed)
		*ret_changed = sqlite3_changes64(query->connection->db);
	return 0;
}

int query_do(struct tx *tx, enum sql sql, struct fl_error *err)
{
	own_query struct query q = {};

	if (query_begin(&q, tx, sql, err) < 0)
		return fl_failed(err);
	return query_run(&q, NULL, err);
}

int query_do_uuid(struct tx *tx, enum sql sql, const struct uuid *uuid, int64_t *ret_changed,
		  struct fl_error *err)
{
	own_query struct query q = {};

	if (query_begin(&q, tx, sql, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, uuid);
	return query_run(&q, ret_changed, err);
}

/* --- binding ------------------------------------------------------------ */

static void bound(struct query *query, int result)
{
	if (query->failed == SQLITE_OK)
		query->failed = result;
}

void query_bind_int(struct query *query, int at, int64_t value)
{
	bound(query, sqlite3_bind_int64(query->statement, at, value));
}

void query_bind_uuid(struct query *query, int at, const struct uuid *uuid)
{
	bound(query, sqlite3_bind_blob(query->statement, at, uuid->bytes, sizeof(uuid->bytes),
				       SQLITE_TRANSIENT));
}

void query_bind_uuid_or_null(struct query *query, int at, const struct uuid *uuid)
{
	if (uuid_is_none(uuid))
		bound(query, sqlite3_bind_null(query->statement, at));
	else
		query_bind_uuid(query, at, uuid);
}

void query_bind_text(struct query *query, int at, const char *text)
{
	bound(query, sqlite3_bind_text(query->statement, at, text, -1, SQLITE_STATIC));
}

void query_bind_position(struct query *query, int at, const struct position *position)
{
	if (position_is_none(position)) {
		bound(query, sqlite3_bind_null(query->statement, at));
		bound(query, sqlite3_bind_null(query->statement, at + 1));
		return;
	}
	query_bind_uuid(query, at, &position->branch);
	query_bind_int(query, at + 1, position->time);
}

void query_bind_limit(struct query *query, int at, size_t limit)
{
	query_bind_int(query, at, limit > INT64_MAX ? INT64_MAX : (int64_t)limit);
}

/* --- columns ------------------------------------------------------------ */

int64_t query_int(struct query *query, int at)
{
	return sqlite3_column_int64(query->statement, at);
}

const char *query_text(struct query *query, int at)
{
	return (const char *)sqlite3_column_text(query->statement, at);
}

char *query_text_copy(struct query *query, int at)
{
	const char *text = query_text(query, at);

	return text ? xstrdup(text) : NULL;
}

void query_string(struct query *query, int at, char *ret, size_t size)
{
	const char *text = query_text(query, at);

	snprintf(ret, size, "%s", text ? text : "");
}

struct uuid query_uuid(struct query *query, int at)
{
	struct uuid uuid = {};

	if (sqlite3_column_bytes(query->statement, at) == (int)sizeof(uuid.bytes))
		memcpy(uuid.bytes, sqlite3_column_blob(query->statement, at), sizeof(uuid.bytes));
	return uuid;
}

struct position query_position(struct query *query, int at)
{
	return (struct position){ query_uuid(query, at), query_int(query, at + 1) };
}

int query_metadata(struct query *query, int at, struct metadata *ret, struct fl_error *err)
{
	const char *text = query_text(query, at);

	if (!text || text[0] == '\0') {
		*ret = (struct metadata){};
		return 0;
	}
	if (metadata_decode(text, ret, err) < 0)
		return fl_wrap(err, "catalogue: reading metadata");
	return 0;
}
