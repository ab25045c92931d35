#include "catalog/schema.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/fsat.h"
#include "base/text.h"

/*
 * Two kinds of tables.
 *
 * What only users know (setting, volume, branch, line, note, tag, stash, hook, pin, peer) and
 * what is under way (retired, intent) has keys that mean something outside this
 * file: UUIDs, names, positions.  These tables travel in the backup (backup.h),
 * row by row, and must fit into any other catalogue.  They refer to snapshots
 * by position and without a foreign key, because they may be restored before
 * the snapshots are found.  The number of an intent is one more than the
 * greatest there is, so that the order of those that wait is the same wherever
 * they are restored.
 *
 * The rest is this catalogue's own.  `snapshot` can have a million rows, so it
 * is narrow: the branch is a small number (branch_number), the instance and
 * host that took it another (taker), and what few have stands in `note`.
 * `noted` saves looking there.  Its key is the order in which it is read.
 *
 * Snapshot ids are unsigned; stored with the top bit flipped, so that SQLite's
 * signed order is theirs (snapshot.c).
 */
static const char version_1[] =
	"CREATE TABLE setting (\n"
	"	key TEXT PRIMARY KEY NOT NULL,\n"
	"	value TEXT NOT NULL\n"
	") STRICT, WITHOUT ROWID;\n"

	"CREATE TABLE volume (\n"
	"	uuid BLOB PRIMARY KEY NOT NULL,\n"
	"	name TEXT NOT NULL,\n"
	"	owner BLOB NOT NULL,\n"
	"	epoch INTEGER NOT NULL,\n"
	"	description TEXT,\n"
	"	metadata TEXT NOT NULL,\n"
	"	mount_path TEXT,\n"
	"	origin_ref TEXT NOT NULL,\n"
	"	origin_snapshot INTEGER NOT NULL,\n"
	"	created INTEGER NOT NULL,\n"
	"	destroyed INTEGER NOT NULL,\n"
	"	last_stash INTEGER NOT NULL\n"
	") STRICT, WITHOUT ROWID;\n"
	"CREATE UNIQUE INDEX volume_name ON volume (name) WHERE destroyed = 0;\n"
	"CREATE INDEX volume_destroyed ON volume (destroyed) WHERE destroyed <> 0;\n"

	"CREATE TABLE branch (\n"
	"	uuid BLOB PRIMARY KEY NOT NULL,\n"
	"	volume BLOB NOT NULL REFERENCES volume,\n"
	"	instance BLOB NOT NULL,\n"
	"	name TEXT NOT NULL,\n"
	"	origin_ref TEXT NOT NULL,\n"
	"	origin_snapshot INTEGER NOT NULL,\n"
	"	created INTEGER NOT NULL,\n"
	"	destroyed INTEGER NOT NULL,\n"
	"	retired BLOB,\n"
	"	mounted INTEGER NOT NULL,\n"
	"	last_sequence INTEGER NOT NULL,\n"
	"	last_time INTEGER NOT NULL\n"
	") STRICT, WITHOUT ROWID;\n"
	"CREATE UNIQUE INDEX branch_name ON branch (volume, name) WHERE destroyed = 0;\n"
	"CREATE INDEX branch_volume ON branch (volume);\n"

	"CREATE TABLE line (\n"
	"	branch BLOB NOT NULL REFERENCES branch,\n"
	"	start INTEGER NOT NULL,\n"
	"	parent_branch BLOB,\n"
	"	parent_time INTEGER,\n"
	"	PRIMARY KEY (branch, start)\n"
	") STRICT, WITHOUT ROWID;\n"
	"CREATE INDEX line_parent ON line (parent_branch, parent_time)\n"
	"	WHERE parent_branch IS NOT NULL;\n"

	"CREATE TABLE note (\n"
	"	branch BLOB NOT NULL,\n"
	"	time INTEGER NOT NULL,\n"
	"	name TEXT NOT NULL,\n"
	"	message TEXT,\n"
	"	metadata TEXT NOT NULL,\n"
	"	PRIMARY KEY (branch, time)\n"
	") STRICT, WITHOUT ROWID;\n"
	"CREATE UNIQUE INDEX note_name ON note (branch, name) WHERE name <> '';\n"

	"CREATE TABLE tag (\n"
	"	volume BLOB NOT NULL REFERENCES volume,\n"
	"	name TEXT NOT NULL,\n"
	"	branch BLOB NOT NULL,\n"
	"	time INTEGER NOT NULL,\n"
	"	created INTEGER NOT NULL,\n"
	"	PRIMARY KEY (volume, name)\n"
	") STRICT, WITHOUT ROWID;\n"
	"CREATE INDEX tag_at ON tag (branch, time);\n"

	"CREATE TABLE stash (\n"
	"	volume BLOB NOT NULL REFERENCES volume,\n"
	"	number INTEGER NOT NULL,\n"
	"	branch BLOB NOT NULL,\n"
	"	tip_branch BLOB NOT NULL,\n"
	"	tip_time INTEGER NOT NULL,\n"
	"	target_branch BLOB,\n"
	"	target_time INTEGER,\n"
	"	target_id INTEGER NOT NULL,\n"
	"	created INTEGER NOT NULL,\n"
	"	PRIMARY KEY (volume, number)\n"
	") STRICT, WITHOUT ROWID;\n"
	"CREATE INDEX stash_tip ON stash (tip_branch, tip_time);\n"

	"CREATE TABLE retired (\n"
	"	operation BLOB PRIMARY KEY NOT NULL,\n"
	"	volume BLOB NOT NULL,\n"
	"	branch BLOB NOT NULL,\n"
	"	stash INTEGER NOT NULL,\n"
	"	tip_branch BLOB,\n"
	"	tip_time INTEGER\n"
	") STRICT, WITHOUT ROWID;\n"

	"CREATE TABLE intent (\n"
	"	operation BLOB PRIMARY KEY NOT NULL,\n"
	"	number INTEGER NOT NULL,\n"
	"	verb TEXT NOT NULL,\n"
	"	body TEXT NOT NULL\n"
	") STRICT, WITHOUT ROWID;\n"
	"CREATE INDEX intent_order ON intent (number);\n"

	"CREATE TABLE branch_number (\n"
	"	number INTEGER PRIMARY KEY,\n"
	"	uuid BLOB NOT NULL UNIQUE REFERENCES branch\n"
	") STRICT;\n"

	"CREATE TABLE taker (\n"
	"	number INTEGER PRIMARY KEY,\n"
	"	instance BLOB NOT NULL,\n"
	"	host TEXT NOT NULL,\n"
	"	UNIQUE (instance, host)\n"
	") STRICT;\n"

	"CREATE TABLE snapshot (\n"
	"	branch INTEGER NOT NULL REFERENCES branch_number,\n"
	"	time INTEGER NOT NULL,\n"
	"	id INTEGER NOT NULL,\n"
	"	sequence INTEGER NOT NULL,\n"
	"	taker INTEGER NOT NULL,\n"
	"	reason INTEGER NOT NULL,\n"
	"	noted INTEGER NOT NULL,\n"
	"	PRIMARY KEY (branch, time)\n"
	") STRICT, WITHOUT ROWID;\n"
	"CREATE UNIQUE INDEX snapshot_id ON snapshot (id);\n";

/*
 * Operations: what takes long and can be looked at while it runs.  Of no use in
 * another catalogue, so not in the backup.  `number` is the order in which they
 * began.
 */
static const char version_2[] = "CREATE TABLE operation (\n"
				"	number INTEGER PRIMARY KEY,\n"
				"	id BLOB NOT NULL UNIQUE,\n"
				"	verb TEXT NOT NULL,\n"
				"	object TEXT NOT NULL,\n"
				"	state TEXT NOT NULL,\n"
				"	done INTEGER NOT NULL,\n"
				"	total INTEGER NOT NULL,\n"
				"	started INTEGER NOT NULL,\n"
				"	ended INTEGER NOT NULL,\n"
				"	error_code TEXT,\n"
				"	error_text TEXT,\n"
				"	error_hint TEXT\n"
				") STRICT;\n"
				"CREATE INDEX operation_running ON operation (number)\n"
				"	WHERE state = 'running';\n";

/* Bytes; 0: none. */
static const char version_3[] = "ALTER TABLE volume ADD COLUMN quota INTEGER NOT NULL DEFAULT 0;\n";

/*
 * `late`: seconds by which the retention clock was behind the snapshot's time;
 * mostly 0, which takes no byte of its own.  `policy` is the branch's own
 * settings, in the text form of metadata.
 */
static const char version_4[] = "ALTER TABLE snapshot ADD COLUMN late INTEGER NOT NULL DEFAULT 0;\n"
				"ALTER TABLE branch ADD COLUMN policy TEXT NOT NULL DEFAULT '';\n";

/* `late`: the same, of the time at which it was destroyed. */
static const char version_5[] = "ALTER TABLE volume ADD COLUMN late INTEGER NOT NULL DEFAULT 0;\n"
				"ALTER TABLE branch ADD COLUMN late INTEGER NOT NULL DEFAULT 0;\n";

/* `settings` is in the text form of metadata, `timeout` in ns. */
static const char version_6[] = "CREATE TABLE hook (\n"
				"	branch BLOB NOT NULL REFERENCES branch,\n"
				"	name TEXT NOT NULL,\n"
				"	settings TEXT NOT NULL,\n"
				"	timeout INTEGER NOT NULL,\n"
				"	required INTEGER NOT NULL,\n"
				"	PRIMARY KEY (branch, name)\n"
				") STRICT, WITHOUT ROWID;\n";

/*
 * `container`: where the hook runs; '' is the host.  `wanted`: the system is to run.
 * Containers that a rollback has stopped are to be started again whatever happens to
 * the daemon; `number` is the order in which they were stopped.  That belongs to this
 * host, not to the pool: it is not in the backup.
 */
static const char version_7[] = "ALTER TABLE hook ADD COLUMN container TEXT NOT NULL DEFAULT '';\n"
				"CREATE TABLE system (\n"
				"	branch BLOB PRIMARY KEY NOT NULL REFERENCES branch,\n"
				"	wanted INTEGER NOT NULL,\n"
				"	settings TEXT NOT NULL\n"
				") STRICT, WITHOUT ROWID;\n"
				"CREATE TABLE stopped (\n"
				"	number INTEGER PRIMARY KEY,\n"
				"	container TEXT NOT NULL,\n"
				"	branch BLOB NOT NULL,\n"
				"	UNIQUE (branch, container)\n"
				") STRICT;\n";

/*
 * Several instances: each names its branches for itself.  `pin`: what a peer and we have in common
 * (kind 0), and what a transfer under way needs (kind 1), for the sake of the branch
 * `served`.  `peer`: those we talk with; `instance` and `cluster` once they are known.
 */
static const char version_8[] =
	"DROP INDEX branch_name;\n"
	"CREATE UNIQUE INDEX branch_name ON branch (volume, instance, name) WHERE destroyed = 0;\n"
	"CREATE TABLE pin (\n"
	"	kind INTEGER NOT NULL,\n"
	"	peer BLOB NOT NULL,\n"
	"	served BLOB NOT NULL,\n"
	"	operation BLOB NOT NULL,\n"
	"	branch BLOB NOT NULL,\n"
	"	time INTEGER NOT NULL,\n"
	"	since INTEGER NOT NULL,\n"
	"	PRIMARY KEY (kind, peer, served, operation, branch, time)\n"
	") STRICT, WITHOUT ROWID;\n"
	"CREATE INDEX pin_at ON pin (branch, time);\n"
	"CREATE TABLE peer (\n"
	"	name TEXT PRIMARY KEY NOT NULL,\n"
	"	address TEXT NOT NULL,\n"
	"	instance BLOB,\n"
	"	cluster BLOB,\n"
	"	added INTEGER NOT NULL,\n"
	"	seen INTEGER NOT NULL,\n"
	"	speed INTEGER NOT NULL\n"
	") STRICT, WITHOUT ROWID;\n"
	"CREATE UNIQUE INDEX peer_instance ON peer (instance) WHERE instance IS NOT NULL;\n";

static const char *const steps[] = {
	version_1, version_2, version_3, version_4, version_5, version_6, version_7, version_8,
};

const struct migrations schema = { steps, array_size(steps) };

/* A whole copy beside the catalogue, synced: a way back for whoever installs the older program
 * again. */
static int copy_before(struct connection *connection, const char *path, int version,
		       struct fl_error *err)
{
	own_text struct text copy = {};
	own_text struct text sql = {};
	own_fd int fd = -1;
	char *quoted;

	text_add_format(&copy, "%s.before-%d", path, version);
	if (fsat_unlink(AT_FDCWD, text_get(&copy), err) < 0)
		return fl_wrap(err, "copying the catalogue before its migration");
	quoted = sqlite3_mprintf("VACUUM INTO %Q", text_get(&copy));
	text_add_string(&sql, quoted ? quoted : "");
	sqlite3_free(quoted);
	if (connection_run(connection, text_get(&sql), err) < 0 ||
	    fsat_open(AT_FDCWD, text_get(&copy), O_RDONLY, 0, &fd, err) < 0 ||
	    fsat_sync(fd, err) < 0)
		return fl_wrap(err, "copying the catalogue to '%s' before its migration",
			       text_get(&copy));
	return 0;
}

static int run_steps(struct connection *connection, int from, const struct migrations *migrations,
		     struct fl_error *err)
{
	char version[48];

	for (int i = from; i < migrations->count; i++)
		if (connection_run(connection, migrations->steps[i], err) < 0)
			return fl_wrap(err, "migrating the catalogue from version %d", i);
	snprintf(version, sizeof(version), "PRAGMA user_version = %d", migrations->count);
	if (connection_run(connection, version, err) < 0)
		return fl_failed(err);
	return connection_run(connection, "COMMIT", err);
}

int schema_migrate(struct connection *connection, const char *path,
		   const struct migrations *migrations, struct fl_error *err)
{
	struct fl_error ignored;
	int64_t version;
	int r;

	if (connection_ask(connection, "PRAGMA user_version", &version, err) < 0)
		return fl_failed(err);
	if (version == migrations->count)
		return 0;
	if (version > migrations->count) {
		(void)fl_fail(err, FL_UNSUPPORTED,
			      "the catalogue '%s' has version %lld, this program knows %d", path,
			      (long long)version, migrations->count);
		return fl_hint(
			err, "install the newer Flocker again, or put '%s.before-%d' in its place",
			path, migrations->count);
	}
	if (version > 0 && copy_before(connection, path, (int)version, err) < 0)
		return fl_failed(err);
	if (connection_run(connection, "BEGIN IMMEDIATE", err) < 0)
		return fl_failed(err);
	r = run_steps(connection, (int)version, migrations, err);
	if (r < 0 && !sqlite3_get_autocommit(connection->db))
		(void)!connection_run(connection, "ROLLBACK", &ignored);
	return r;
}
