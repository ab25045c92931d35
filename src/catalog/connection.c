#include "catalog/connection.h"

#include <stdio.h>
#include <string.h>

#include "catalog/checksum-vfs.h"

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
