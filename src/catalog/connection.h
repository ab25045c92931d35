#pragma once

/*
 * Connections to the catalogue's file: how they are set up, what SQLite's results mean, and the
 * statements that one keeps (statement.h).  A connection belongs to one thread at a time.
 */

#include <stdint.h>

#include <sqlite3.h>

#include "base/error.h"
#include "base/own.h"
#include "catalog/sql.h"

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
