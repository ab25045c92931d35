#include "catalog/statement.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "catalog/checksum-vfs.h"

#define VOLUME                                                                      \
	"uuid, name, owner, epoch, description, metadata, mount_path, origin_ref, " \
	"origin_snapshot, created, destroyed, last_stash, quota, late"
#define BRANCH                                                                               \
	"b.uuid, b.volume, b.instance, b.name, b.origin_ref, b.origin_snapshot, b.created, " \
	"b.destroyed, b.retired, b.mounted, b.last_sequence, b.last_time, b.late"
#define OPERATION                                                                               \
	"SELECT id, verb, object, state, done, total, started, ended, error_code, error_text, " \
	"error_hint FROM operation "
#define SNAPSHOT \
	"SELECT n.uuid, s.time, s.id, s.sequence, s.reason, s.noted, t.instance, t.host, s.late "
/* CROSS JOIN keeps SQLite to the order written: from what is given to what is looked up. */
/*
 * A line `l` that counts: the head goes on in the last, and in others there are
 * snapshots, or come to be while a replaced head waits for its last one.  One whose
 * snapshots have all gone keeps nothing.
 */
#define LINE_COUNTS                                                         \
	"(l.start = (SELECT max(start) FROM line WHERE branch = l.branch) " \
	"OR EXISTS (SELECT 1 FROM retired WHERE branch = l.branch) "        \
	"OR EXISTS (SELECT 1 FROM branch_number m "                         \
	"CROSS JOIN snapshot o ON o.branch = m.number "                     \
	"WHERE m.uuid = l.branch AND o.time >= l.start AND o.time < "       \
	"(SELECT min(start) FROM line WHERE branch = l.branch AND start > l.start)))"

#define BY_BRANCH                                                            \
	"FROM branch_number n CROSS JOIN snapshot s ON s.branch = n.number " \
	"CROSS JOIN taker t ON t.number = s.taker "
#define BY_ID                                                                \
	"FROM snapshot s CROSS JOIN branch_number n ON n.number = s.branch " \
	"CROSS JOIN taker t ON t.number = s.taker "
#define OF_VOLUME "(SELECT uuid FROM branch WHERE volume = ?1)"

static const char *const texts[SQL_COUNT] = {
	[SQL_BEGIN_READ] = "BEGIN",
	[SQL_BEGIN_WRITE] = "BEGIN IMMEDIATE",
	[SQL_COMMIT] = "COMMIT",
	[SQL_ROLLBACK] = "ROLLBACK",
	[SQL_SAVEPOINT] = "SAVEPOINT member",
	[SQL_RELEASE] = "RELEASE member",
	[SQL_UNDO] = "ROLLBACK TO member",

	[SQL_SETTING_GET] = "SELECT value FROM setting WHERE key = ?1",
	[SQL_SETTING_SET] = "INSERT INTO setting (key, value) VALUES (?1, ?2) "
			    "ON CONFLICT DO UPDATE SET value = ?2",

	[SQL_VOLUME_FIND] = "SELECT " VOLUME " FROM volume WHERE name = ?1 AND destroyed = 0",
	[SQL_VOLUME_GET] = "SELECT " VOLUME " FROM volume WHERE uuid = ?1",
	[SQL_VOLUME_INSERT] = "INSERT INTO volume (" VOLUME ") VALUES "
			      "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
	[SQL_VOLUME_UPDATE] = "UPDATE volume SET name = ?2, owner = ?3, epoch = ?4, "
			      "description = ?5, metadata = ?6, mount_path = ?7, origin_ref = ?8, "
			      "origin_snapshot = ?9, created = ?10, destroyed = ?11, "
			      "last_stash = ?12, quota = ?13, late = ?14 WHERE uuid = ?1",
	[SQL_VOLUME_DELETE] = "DELETE FROM volume WHERE uuid = ?1",
	[SQL_VOLUME_DELETE_STASHES] = "DELETE FROM stash WHERE volume = ?1",
	[SQL_VOLUME_DELETE_TAGS] = "DELETE FROM tag WHERE volume = ?1",
	[SQL_VOLUME_EACH] = "SELECT " VOLUME " FROM volume WHERE name > ?1 AND destroyed = 0 "
			    "ORDER BY name LIMIT ?2",
	[SQL_VOLUME_EACH_DESTROYED] = "SELECT " VOLUME " FROM volume WHERE destroyed <> 0 "
				      "ORDER BY destroyed, uuid",
	[SQL_VOLUME_DATE_DESTROYED] = "UPDATE volume SET late = max(min(late, 0), "
				      "(destroyed - ?1) / 1000000000) "
				      "WHERE destroyed <> 0",
	[SQL_VOLUME_BRANCHES] = "SELECT uuid FROM branch WHERE volume = ?1",

	[SQL_BRANCH_FIND] = "SELECT " BRANCH " FROM branch b "
			    "WHERE b.volume = ?1 AND b.name = ?2 AND b.destroyed = 0",
	[SQL_BRANCH_GET] = "SELECT " BRANCH " FROM branch b WHERE b.uuid = ?1",
	[SQL_BRANCH_INSERT] =
		"INSERT INTO branch (uuid, volume, instance, name, origin_ref, origin_snapshot, "
		"created, destroyed, retired, mounted, last_sequence, last_time, late) VALUES "
		"(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
	[SQL_BRANCH_UPDATE] = "UPDATE branch SET volume = ?2, instance = ?3, name = ?4, "
			      "origin_ref = ?5, origin_snapshot = ?6, created = ?7, "
			      "destroyed = ?8, retired = ?9, mounted = ?10, last_sequence = ?11, "
			      "last_time = ?12, late = ?13 WHERE uuid = ?1",
	[SQL_BRANCH_DATE_DESTROYED] = "UPDATE branch SET late = max(min(late, 0), "
				      "(destroyed - ?1) / 1000000000) "
				      "WHERE destroyed <> 0",
	[SQL_BRANCH_RAISE] = "UPDATE branch SET last_sequence = max(last_sequence, ?2), "
			     "last_time = max(last_time, ?3) WHERE uuid = ?1",
	[SQL_BRANCH_DELETE] = "DELETE FROM branch WHERE uuid = ?1",
	[SQL_BRANCH_DELETE_HOOKS] = "DELETE FROM hook WHERE branch = ?1",
	[SQL_BRANCH_DELETE_SYSTEM] = "DELETE FROM system WHERE branch = ?1",
	[SQL_BRANCH_DELETE_LINES] = "DELETE FROM line WHERE branch = ?1",
	[SQL_BRANCH_DELETE_NOTES] = "DELETE FROM note WHERE branch = ?1",
	[SQL_BRANCH_DELETE_NUMBER] = "DELETE FROM branch_number WHERE uuid = ?1",
	[SQL_BRANCH_DELETE_SNAPSHOTS] =
		"DELETE FROM snapshot "
		"WHERE branch = (SELECT number FROM branch_number WHERE uuid = ?1)",
	[SQL_BRANCH_EACH] = "SELECT " BRANCH " FROM branch b "
			    "WHERE b.volume = ?1 AND (b.destroyed <> 0) = ?2 "
			    "ORDER BY b.name <> 'trunk', b.name, b.uuid",
	[SQL_BRANCH_EACH_ALL] = "SELECT " BRANCH
				" FROM volume v CROSS JOIN branch b ON b.volume = v.uuid "
				"WHERE v.destroyed = 0 AND (b.destroyed <> 0) = ?1 "
				"ORDER BY v.name, b.name <> 'trunk', b.name, b.uuid",
	[SQL_BRANCH_POLICY_GET] = "SELECT policy FROM branch WHERE uuid = ?1",
	[SQL_BRANCH_POLICY_SET] = "UPDATE branch SET policy = ?2 WHERE uuid = ?1",
	[SQL_BRANCH_COUNT] = "SELECT count(*) FROM branch WHERE instance = ?1 AND destroyed = 0",
	[SQL_BRANCH_SUMMARY] = "SELECT count(*), "
			       "coalesce(max(CASE WHEN last_sequence > 0 THEN last_time END), 0) "
			       "FROM branch WHERE instance = ?1 AND destroyed = 0",
	[SQL_BRANCH_SNAPSHOTS] =
		"SELECT count(*) FROM snapshot "
		"WHERE branch = (SELECT number FROM branch_number WHERE uuid = ?1)",

	[SQL_LINE_INSERT] = "INSERT INTO line (branch, start, parent_branch, parent_time) "
			    "VALUES (?1, ?2, ?3, ?4)",
	[SQL_LINE_LIST] = "SELECT branch, start, parent_branch, parent_time "
			  "FROM line WHERE branch = ?1 ORDER BY start",
	[SQL_LINE_AT] = "SELECT branch, start, parent_branch, parent_time "
			"FROM line WHERE branch = ?1 AND start <= ?2 ORDER BY start DESC LIMIT 1",
	[SQL_LINE_CHILDREN] =
		"SELECT branch, start, parent_branch, parent_time "
		"FROM line l WHERE parent_branch = ?1 AND parent_time BETWEEN ?2 AND ?3 "
		"AND (?4 OR " LINE_COUNTS ")",
	[SQL_LINE_REPOINT] = "UPDATE line SET parent_branch = ?3, parent_time = ?4 "
			     "WHERE parent_branch = ?1 AND parent_time = ?2",

	[SQL_NUMBER_GET] = "SELECT number FROM branch_number WHERE uuid = ?1",
	[SQL_NUMBER_INSERT] = "INSERT INTO branch_number (uuid) VALUES (?1)",
	[SQL_TAKER_GET] = "SELECT number FROM taker WHERE instance = ?1 AND host = ?2",
	[SQL_TAKER_INSERT] = "INSERT INTO taker (instance, host) VALUES (?1, ?2)",

	[SQL_SNAPSHOT_INSERT] =
		"INSERT INTO snapshot (branch, time, id, sequence, taker, reason, noted, late) "
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[SQL_SNAPSHOT_GET] = SNAPSHOT BY_BRANCH "WHERE n.uuid = ?1 AND s.time = ?2",
	[SQL_SNAPSHOT_GET_ID] = SNAPSHOT BY_ID "WHERE s.id = ?1",
	[SQL_SNAPSHOT_GET_NAME] = SNAPSHOT BY_BRANCH
	"WHERE n.uuid = ?1 AND s.time = "
	"(SELECT time FROM note WHERE branch = ?1 AND name = ?2 AND name <> '')",
	[SQL_SNAPSHOT_SET_NOTED] =
		"UPDATE snapshot SET noted = ?3 WHERE time = ?2 "
		"AND branch = (SELECT number FROM branch_number WHERE uuid = ?1)",
	[SQL_SNAPSHOT_DELETE] = "DELETE FROM snapshot WHERE time = ?2 "
				"AND branch = (SELECT number FROM branch_number WHERE uuid = ?1)",
	[SQL_SNAPSHOT_EACH] = SNAPSHOT BY_BRANCH
	"WHERE n.uuid = ?1 AND s.time BETWEEN ?2 AND ?3 ORDER BY s.time DESC LIMIT ?4",
	[SQL_SNAPSHOT_EACH_ID] = SNAPSHOT BY_ID
	"WHERE s.id BETWEEN ?2 AND ?3 AND n.uuid IN " OF_VOLUME " ORDER BY s.id LIMIT ?4",
	[SQL_SNAPSHOT_EACH_AFTER] = SNAPSHOT BY_BRANCH
	"WHERE n.uuid = ?1 AND s.time > ?2 ORDER BY s.time LIMIT ?3",
	[SQL_SNAPSHOT_EACH_BRANCH_AFTER] = SNAPSHOT BY_BRANCH
	"WHERE n.uuid > ?1 ORDER BY n.uuid, s.time LIMIT ?2",
	[SQL_SNAPSHOT_NTH] = SNAPSHOT BY_BRANCH "WHERE n.uuid = ?1 AND s.time BETWEEN ?2 AND ?3 "
						"ORDER BY s.time DESC LIMIT 1 OFFSET ?4",
	[SQL_SNAPSHOT_AGED] = SNAPSHOT BY_BRANCH "WHERE n.uuid = ?1 AND s.time BETWEEN ?2 AND ?3 "
						 "AND s.time - s.late * 1000000000 <= ?4 "
						 "ORDER BY s.time DESC LIMIT 1",
	[SQL_SNAPSHOT_STRETCH_COUNT] = "SELECT count(*) FROM branch_number n "
				       "CROSS JOIN snapshot s ON s.branch = n.number "
				       "WHERE n.uuid = ?1 AND s.time BETWEEN ?2 AND ?3",
	[SQL_SNAPSHOT_FLOOR] = "SELECT s.time FROM branch_number n "
			       "CROSS JOIN snapshot s ON s.branch = n.number "
			       "WHERE n.uuid = ?1 AND s.time <= ?2 ORDER BY s.time DESC LIMIT 1",
	[SQL_SNAPSHOT_COUNT] = "SELECT count(*) FROM snapshot",
	[SQL_SNAPSHOT_EACH_KEPT] =
		"SELECT s.time, s.late, s.id, t.instance, "
		"EXISTS (SELECT 1 FROM tag WHERE branch = ?1 AND time = s.time), "
		"EXISTS (SELECT 1 FROM stash WHERE tip_branch = ?1 AND tip_time = s.time), "
		"EXISTS (SELECT 1 FROM line l WHERE parent_branch = ?1 AND parent_time = "
		"s.time AND " LINE_COUNTS ") " BY_BRANCH "WHERE n.uuid = ?1 ORDER BY s.time",
	/* See snapshot.c: tag, stash, a line that began here, the two ways to be a tip. */
	[SQL_SNAPSHOT_PINS] =
		"SELECT EXISTS (SELECT 1 FROM tag WHERE branch = ?1 AND time = ?2), "
		"EXISTS (SELECT 1 FROM stash WHERE tip_branch = ?1 AND tip_time = ?2), "
		"EXISTS (SELECT 1 FROM line l WHERE parent_branch = ?1 AND parent_time = ?2 "
		"AND " LINE_COUNTS "), "
		"?2 >= (SELECT max(start) FROM line WHERE branch = ?1) "
		"AND NOT EXISTS (SELECT 1 FROM branch_number n "
		"CROSS JOIN snapshot s ON s.branch = n.number "
		"WHERE n.uuid = ?1 AND s.time > ?2), "
		"EXISTS (SELECT 1 FROM line l "
		"WHERE l.parent_branch = ?1 AND l.parent_time = ?2 "
		"AND l.start = (SELECT max(start) FROM line WHERE branch = l.branch) "
		"AND NOT EXISTS (SELECT 1 FROM branch_number n "
		"CROSS JOIN snapshot s ON s.branch = n.number "
		"WHERE n.uuid = l.branch AND s.time >= l.start))",

	[SQL_NOTE_GET] = "SELECT name, message, metadata FROM note WHERE branch = ?1 AND time = ?2",
	[SQL_NOTE_SET] = "INSERT INTO note (branch, time, name, message, metadata) "
			 "VALUES (?1, ?2, ?3, ?4, ?5) "
			 "ON CONFLICT (branch, time) DO UPDATE "
			 "SET name = ?3, message = ?4, metadata = ?5",
	[SQL_NOTE_DELETE] = "DELETE FROM note WHERE branch = ?1 AND time = ?2",
	[SQL_NOTE_NAMED] = "SELECT o.time, EXISTS (SELECT 1 FROM branch_number n "
			   "CROSS JOIN snapshot s ON s.branch = n.number "
			   "WHERE n.uuid = o.branch AND s.time = o.time) "
			   "FROM note o WHERE o.branch = ?1 AND o.name = ?2 AND o.name <> ''",

	[SQL_TAG_INSERT] = "INSERT INTO tag (volume, name, branch, time, created) "
			   "VALUES (?1, ?2, ?3, ?4, ?5)",
	[SQL_TAG_GET] = "SELECT volume, name, branch, time, created FROM tag "
			"WHERE volume = ?1 AND name = ?2",
	[SQL_TAG_DELETE] = "DELETE FROM tag WHERE volume = ?1 AND name = ?2",
	[SQL_TAG_EACH] = "SELECT volume, name, branch, time, created FROM tag "
			 "WHERE volume = ?1 ORDER BY name",
	[SQL_TAG_EACH_AT] = "SELECT volume, name, branch, time, created FROM tag "
			    "WHERE branch = ?2 AND time = ?3 AND volume = ?1 ORDER BY name",

	[SQL_HOOK_SET] = "INSERT INTO hook (branch, name, settings, timeout, required, container) "
			 "VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (branch, name) DO UPDATE SET "
			 "settings = ?3, timeout = ?4, required = ?5, container = ?6",
	[SQL_HOOK_DELETE] = "DELETE FROM hook WHERE branch = ?1 AND name = ?2",
	[SQL_HOOK_EACH] = "SELECT branch, name, settings, timeout, required, container "
			  "FROM hook WHERE branch = ?1 ORDER BY name",
	[SQL_HOOK_EACH_ALL] = "SELECT branch, name, settings, timeout, required, container "
			      "FROM hook ORDER BY branch, name",

	[SQL_SYSTEM_INSERT] = "INSERT INTO system (branch, wanted, settings) VALUES (?1, ?2, ?3)",
	[SQL_SYSTEM_UPDATE] = "UPDATE system SET wanted = ?2, settings = ?3 WHERE branch = ?1",
	[SQL_SYSTEM_GET] = "SELECT branch, wanted, settings FROM system WHERE branch = ?1",
	[SQL_SYSTEM_DELETE] = "DELETE FROM system WHERE branch = ?1",
	[SQL_SYSTEM_EACH] = "SELECT branch, wanted, settings FROM system ORDER BY branch",

	[SQL_STASH_INSERT] = "INSERT INTO stash (volume, number, branch, tip_branch, tip_time, "
			     "target_branch, target_time, target_id, created) "
			     "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	[SQL_STASH_RAISE] = "UPDATE volume SET last_stash = ?2 WHERE uuid = ?1 AND last_stash < ?2",
	[SQL_STASH_GET] = "SELECT volume, number, branch, tip_branch, tip_time, target_branch, "
			  "target_time, target_id, created FROM stash "
			  "WHERE volume = ?1 AND number = ?2",
	[SQL_STASH_UPDATE] = "UPDATE stash SET tip_branch = ?3, tip_time = ?4 "
			     "WHERE volume = ?1 AND number = ?2",
	[SQL_STASH_DELETE] = "DELETE FROM stash WHERE volume = ?1 AND number = ?2",
	[SQL_STASH_EACH] = "SELECT volume, number, branch, tip_branch, tip_time, target_branch, "
			   "target_time, target_id, created FROM stash "
			   "WHERE volume = ?1 ORDER BY number DESC",

	[SQL_RETIRED_INSERT] = "INSERT INTO retired (operation, volume, branch, stash, tip_branch, "
			       "tip_time) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[SQL_RETIRED_DELETE] = "DELETE FROM retired WHERE operation = ?1",
	[SQL_RETIRED_EACH] = "SELECT operation, volume, branch, stash, tip_branch, tip_time "
			     "FROM retired ORDER BY operation",

	[SQL_STOPPED_INSERT] = "INSERT INTO stopped (branch, container) VALUES (?1, ?2) "
			       "ON CONFLICT (branch, container) DO NOTHING",
	[SQL_STOPPED_DELETE] = "DELETE FROM stopped WHERE branch = ?1 AND container = ?2",
	[SQL_STOPPED_EACH] = "SELECT branch, container FROM stopped ORDER BY number DESC",

	[SQL_INTENT_INSERT] = "INSERT INTO intent (operation, number, verb, body) VALUES "
			      "(?1, (SELECT coalesce(max(number), 0) + 1 FROM intent), ?2, ?3)",
	[SQL_INTENT_DELETE] = "DELETE FROM intent WHERE operation = ?1",
	[SQL_INTENT_EACH] = "SELECT operation, verb, body FROM intent ORDER BY number",

	[SQL_OPERATION_INSERT] = "INSERT INTO operation (id, verb, object, state, done, total, "
				 "started, ended, error_code, error_text, error_hint) "
				 "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
	[SQL_OPERATION_UPDATE] = "UPDATE operation SET verb = ?2, object = ?3, state = ?4, "
				 "done = ?5, total = ?6, started = ?7, ended = ?8, "
				 "error_code = ?9, error_text = ?10, error_hint = ?11 "
				 "WHERE id = ?1",
	[SQL_OPERATION_GET] = OPERATION "WHERE id = ?1",
	[SQL_OPERATION_EACH] = OPERATION "ORDER BY number DESC LIMIT ?1",
	[SQL_OPERATION_INTERRUPT] =
		"UPDATE operation SET state = 'failed', ended = max(started, ?1), error_code = ?2, "
		"error_text = ?3, error_hint = ?4 WHERE state = 'running'",
	[SQL_OPERATION_PRUNE] = "DELETE FROM operation WHERE state <> 'running' AND number <= "
				"(SELECT number FROM operation WHERE state <> 'running' "
				"ORDER BY number DESC LIMIT 1 OFFSET ?1)",
};

/* --- errors ------------------------------------------------------------- */

static enum fl_code code_of_primary(int result)
{
	switch (result & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return FL_CORRUPT;
	case SQLITE_FULL:
		return FL_NO_SPACE;
	case SQLITE_CONSTRAINT:
		return FL_EXISTS;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return FL_DENIED;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return FL_BUSY;
	default:
		return FL_SYSTEM;
	}
}

static enum fl_code code_of(int result)
{
	switch (result) {
	case SQLITE_IOERR_DATA: /* a checksum of ours */
	case SQLITE_IOERR_SHORT_READ:
	case SQLITE_IOERR_CORRUPTFS:
	case SQLITE_CONSTRAINT_DATATYPE:
		return FL_CORRUPT;
	case SQLITE_IOERR_SHMSIZE: /* the file system has no room for the index of the WAL */
		return FL_NO_SPACE;
	case SQLITE_CONSTRAINT_FOREIGNKEY:
		return FL_NOT_FOUND;
	default:
		return code_of_primary(result);
	}
}

int connection_fail(sqlite3 *db, int result, const char *doing, struct fl_error *err)
{
	enum fl_code code = code_of(result);
	const char *why = db ? sqlite3_errmsg(db) : sqlite3_errstr(result);

	(void)fl_fail(err, code, "catalogue: %s: %s (%d)", doing, why, result);
	if (code == FL_CORRUPT)
		return fl_hint(err, "the catalogue is damaged, the data is not: run "
				    "`flocker pool recover`");
	if (code == FL_NO_SPACE)
		return fl_hint(err, "make room on the file system that holds the state directory");
	return -(int)code;
}

/* --- connections -------------------------------------------------------- */

/* The last bytes of every page hold its checksum; must be said before the first page is written. */
static void reserve_checksum(sqlite3 *db)
{
	int bytes = CHECKSUM_BYTES;

	sqlite3_file_control(db, "main", SQLITE_FCNTL_RESERVE_BYTES, &bytes);
}

static int connection_set_up(struct connection *connection, enum access access, int cache,
			     struct fl_error *err)
{
	char pragmas[320];

	sqlite3_extended_result_codes(connection->db, 1);
	sqlite3_busy_timeout(connection->db, 10000);
	sqlite3_wal_autocheckpoint(connection->db, 0);
	if (access == ACCESS_CREATE)
		reserve_checksum(connection->db);
	snprintf(pragmas, sizeof(pragmas),
		 "PRAGMA cache_size = -%d; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; "
		 "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; %s",
		 cache, access == ACCESS_READ ? "PRAGMA query_only = ON" : "");
	return connection_run(connection, pragmas, err);
}

int connection_open(const char *path, enum access access, int cache, struct connection *ret,
		    struct fl_error *err)
{
	struct connection connection = {};
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
	int result;

	if (access == ACCESS_CREATE)
		flags |= SQLITE_OPEN_CREATE;
	result = sqlite3_open_v2(path, &connection.db, flags, checksum_vfs());
	if (result != SQLITE_OK) {
		(void)connection_fail(connection.db, result, "opening", err);
		connection_close(&connection);
		return fl_wrap(err, "'%s'", path);
	}
	if (connection_set_up(&connection, access, cache, err) < 0) {
		connection_close(&connection);
		return fl_wrap(err, "'%s'", path);
	}
	*ret = connection;
	return 0;
}

void connection_close(struct connection *connection)
{
	for (int i = 0; i < SQL_COUNT; i++)
		sqlite3_finalize(connection->idle[i]);
	sqlite3_close(connection->db);
	*connection = (struct connection){};
}

int connection_run(struct connection *connection, const char *sql, struct fl_error *err)
{
	int result = sqlite3_exec(connection->db, sql, NULL, NULL, NULL);

	if (result != SQLITE_OK)
		return connection_fail(connection->db, result, "running SQL", err);
	return 0;
}

int connection_ask(struct connection *connection, const char *sql, int64_t *ret,
		   struct fl_error *err)
{
	sqlite3_stmt *statement = NULL;
	int result;

	result = sqlite3_prepare_v2(connection->db, sql, -1, &statement, NULL);
	if (result == SQLITE_OK)
		result = sqlite3_step(statement);
	if (result == SQLITE_ROW)
		*ret = sqlite3_column_int64(statement, 0);
	else
		(void)connection_fail(connection->db, result, "asking", err);
	sqlite3_finalize(statement);
	return result == SQLITE_ROW ? 0 : fl_failed(err);
}

/* --- queries ------------------------------------------------------------ */

int query_begin(struct query *query, struct tx *tx, enum sql sql, struct fl_error *err)
{
	struct connection *connection = tx->connection;
	sqlite3_stmt *statement = take_ptr(connection->idle[sql]);
	int result = SQLITE_OK;

	if (!statement)
		result = sqlite3_prepare_v3(connection->db, texts[sql], -1,
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
