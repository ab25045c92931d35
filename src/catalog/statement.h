#pragma once

/*
 * Statements: the table of all SQL that the catalogue runs, prepared once per
 * connection and kept, and the few calls that bind values and read columns.
 * Nothing else in the catalogue calls sqlite3_prepare or sqlite3_column.
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

#include <sqlite3.h>

#include "base/error.h"
#include "base/own.h"
#include "base/uuid.h"
#include "model/lineage.h"
#include "model/metadata.h"

enum sql {
	SQL_BEGIN_READ,
	SQL_BEGIN_WRITE,
	SQL_COMMIT,
	SQL_ROLLBACK,
	SQL_SAVEPOINT,
	SQL_RELEASE,
	SQL_UNDO,

	SQL_SETTING_GET,
	SQL_SETTING_SET,

	SQL_VOLUME_FIND,
	SQL_VOLUME_GET,
	SQL_VOLUME_INSERT,
	SQL_VOLUME_UPDATE,
	SQL_VOLUME_DELETE,
	SQL_VOLUME_DELETE_STASHES,
	SQL_VOLUME_DELETE_TAGS,
	SQL_VOLUME_EACH,
	SQL_VOLUME_EACH_DESTROYED,
	SQL_VOLUME_DATE_DESTROYED,
	SQL_VOLUME_BRANCHES,

	SQL_BRANCH_FIND,
	SQL_BRANCH_GET,
	SQL_BRANCH_INSERT,
	SQL_BRANCH_UPDATE,
	SQL_BRANCH_DATE_DESTROYED,
	SQL_BRANCH_RAISE,
	SQL_BRANCH_DELETE,
	SQL_BRANCH_DELETE_HOOKS,
	SQL_BRANCH_DELETE_SYSTEM,
	SQL_BRANCH_DELETE_LINES,
	SQL_BRANCH_DELETE_NOTES,
	SQL_BRANCH_DELETE_NUMBER,
	SQL_BRANCH_DELETE_SNAPSHOTS,
	SQL_BRANCH_EACH,
	SQL_BRANCH_EACH_ALL,
	SQL_BRANCH_SNAPSHOTS,
	SQL_BRANCH_POLICY_GET,
	SQL_BRANCH_POLICY_SET,
	SQL_BRANCH_COUNT,
	SQL_BRANCH_SUMMARY,

	SQL_LINE_INSERT,
	SQL_LINE_LIST,
	SQL_LINE_AT,
	SQL_LINE_CHILDREN,
	SQL_LINE_REPOINT,

	SQL_NUMBER_GET,
	SQL_NUMBER_INSERT,
	SQL_TAKER_GET,
	SQL_TAKER_INSERT,

	SQL_SNAPSHOT_INSERT,
	SQL_SNAPSHOT_GET,
	SQL_SNAPSHOT_GET_ID,
	SQL_SNAPSHOT_GET_NAME,
	SQL_SNAPSHOT_SET_NOTED,
	SQL_SNAPSHOT_DELETE,
	SQL_SNAPSHOT_EACH,
	SQL_SNAPSHOT_EACH_ID,
	SQL_SNAPSHOT_EACH_AFTER,
	SQL_SNAPSHOT_EACH_BRANCH_AFTER,
	SQL_SNAPSHOT_NTH,
	SQL_SNAPSHOT_AGED,
	SQL_SNAPSHOT_STRETCH_COUNT,
	SQL_SNAPSHOT_FLOOR,
	SQL_SNAPSHOT_COUNT,
	SQL_SNAPSHOT_EACH_KEPT,
	SQL_SNAPSHOT_PINS,

	SQL_NOTE_GET,
	SQL_NOTE_SET,
	SQL_NOTE_DELETE,
	SQL_NOTE_NAMED,

	SQL_TAG_INSERT,
	SQL_TAG_GET,
	SQL_TAG_DELETE,
	SQL_TAG_EACH,
	SQL_TAG_EACH_AT,

	SQL_STASH_INSERT,
	SQL_STASH_RAISE,
	SQL_STASH_GET,
	SQL_STASH_UPDATE,
	SQL_STASH_DELETE,
	SQL_STASH_EACH,

	SQL_HOOK_SET,
	SQL_HOOK_DELETE,
	SQL_HOOK_EACH,
	SQL_HOOK_EACH_ALL,

	SQL_SYSTEM_INSERT,
	SQL_SYSTEM_UPDATE,
	SQL_SYSTEM_GET,
	SQL_SYSTEM_DELETE,
	SQL_SYSTEM_EACH,

	SQL_RETIRED_INSERT,
	SQL_RETIRED_DELETE,
	SQL_RETIRED_EACH,

	SQL_STOPPED_INSERT,
	SQL_STOPPED_DELETE,
	SQL_STOPPED_EACH,

	SQL_INTENT_INSERT,
	SQL_INTENT_DELETE,
	SQL_INTENT_EACH,

	SQL_OPERATION_INSERT,
	SQL_OPERATION_UPDATE,
	SQL_OPERATION_GET,
	SQL_OPERATION_EACH,
	SQL_OPERATION_INTERRUPT,
	SQL_OPERATION_PRUNE,

	SQL_COUNT,
};

struct connection;

struct tx {
	struct catalog *catalog;
	struct connection *connection;
};

struct connection {
	sqlite3 *db;
	sqlite3_stmt *idle[SQL_COUNT]; /* prepared and not running */
	struct tx tx;
	struct connection *next; /* among the idle readers */
};

enum access { ACCESS_READ, ACCESS_WRITE, ACCESS_CREATE };

/* `cache` in KiB. */
must_check int connection_open(const char *path, enum access access, int cache,
			       struct connection *ret, struct fl_error *err);
void connection_close(struct connection *connection);

/* Runs SQL that gives no rows and is not worth keeping (pragmas, migrations). */
must_check int connection_run(struct connection *connection, const char *sql, struct fl_error *err);
/* The first column of the first row of such SQL. */
must_check int connection_ask(struct connection *connection, const char *sql, int64_t *ret,
			      struct fl_error *err);

/* Fills `err` from SQLite's result code and the connection's last message. */
int connection_fail(sqlite3 *db, int result, const char *doing, struct fl_error *err);

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
