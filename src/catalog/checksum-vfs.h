#pragma once

/*
 * A SQLite VFS that keeps a checksum at the end of every page of a database
 * file and checks it whenever the page is read.  It lies over the default VFS
 * and changes nothing else: WAL frames have SQLite's own checksums.
 */

#include <sqlite3.h>

#include "base/error.h"
#include "base/own.h"

#define CHECKSUM_PAGE 4096
#define CHECKSUM_BYTES 8 /* of each page, to be reserved before the database is made */

/* The name to open a database with.  Registers the VFS at the first call; any thread. */
const char *checksum_vfs(void);

/*
 * Reads every page of the file under `db` once, in order, and checks it: also
 * those that no table uses.  To be called when the WAL is empty.  FL_CORRUPT names the first bad
 * page.
 */
must_check int checksum_verify(sqlite3 *db, struct fl_error *err);
