#pragma once

/*
 * The tables, and how they came to be: a list of migrations, each a piece of
 * SQL that leads from one version to the next.  The version stands in the
 * database (PRAGMA user_version).
 */

#include "catalog/statement.h"

struct migrations {
	const char *const *steps; /* step i leads from version i to i + 1 */
	int count;		  /* the version that this program writes */
};

extern const struct migrations schema;

/*
 * Brings the database up to `migrations`, all steps in one transaction.  Before
 * it touches a catalogue that is not new it copies it to PATH.before-VERSION.
 * FL_UNSUPPORTED when the database is newer than the program.
 */
must_check int schema_migrate(struct connection *connection, const char *path,
			      const struct migrations *migrations, struct fl_error *err);
