#pragma once

/*
 * The backup of what users wrote, in the pool.
 *
 * A log of changesets (SQLite's session extension), one record per durable
 * write: what only the catalogue knows, namely settings, volumes, branches,
 * lines, tags, stashes, notes of snapshots (name, message, metadata), and what
 * was under way: retired heads and intents.  Of these it may hold one that has
 * been carried out already, until that is forgotten.  Rows of snapshots
 * without notes are not in it: the pool tells them, and there may be a million.
 * The catalogue hands each record to a sink (the pool's file_append), after the
 * commit and before the writer is answered, so the cost of a write does not
 * depend on how much there is.  When the log has grown to several times what a
 * fresh one would be, it is written anew in one piece (file_write) by a
 * background thread, which blocks no writer for longer than the sink takes for
 * that piece.
 *
 * A changeset names a row by its primary key.  The keys of these tables are
 * therefore such as mean the same in every catalogue: UUIDs, names, positions,
 * never numbers that SQLite gave (schema.c).  References to snapshots are
 * positions too, without a foreign key, so a backup can be applied before any
 * snapshot has been found in the pool, and over what was found already.
 *
 * A record, little endian:
 *
 *	3 bytes   "FlB"
 *	1 byte    version of the schema (PRAGMA user_version) that the changeset fits
 *	4 bytes   length of the changeset
 *	8 bytes   generation: how many durable writes the catalogue had seen with it
 *	8 bytes   the first 8 of the SHA-256 of the 16 bytes above and the changeset
 *	          the changeset; an empty one is allowed
 *
 * Reading stops at the first record that is cut or damaged and says so.  A
 * changeset of an older schema applies as long as migrations only add columns
 * with defaults; a migration that does more has to convert it.
 */

#include "catalog/catalog.h"

struct backup_sink {
	void *arg;
	/* Both are called by one thread at a time, while writers wait; they must not use the
	 * catalogue. */
	int (*append)(void *arg, const void *bytes, size_t length, struct fl_error *err);
	int (*replace)(void *arg, const void *bytes, size_t length, struct fl_error *err);
};

/*
 * From now on every durable write goes to `sink` (copied; its `arg` must live
 * until catalog_close()); begins by writing a whole backup.  A sink that fails
 * does not fail the write (the catalogue has it), nor the start: it is logged
 * once, and a whole backup is tried again after the next write.
 * FL_EXISTS when it was started before.
 */
must_check int catalog_backup_start(struct catalog *catalog, const struct backup_sink *sink,
				    struct fl_error *err);

/*
 * Applies a backup to a catalogue without volumes (else FL_EXISTS), durably and
 * as a whole.  Settings that are there already are replaced.  Notes of
 * snapshots wait in the catalogue until tx_snapshot_insert() brings their
 * snapshot (by position).  `ret_complete`: false when the end was cut or
 * damaged, and what stands before it was used.  FL_UNSUPPORTED when a newer
 * program made it.
 */
must_check int catalog_backup_restore(struct catalog *catalog, const void *bytes, size_t length,
				      bool *ret_complete, struct fl_error *err);

/*
 * The generation that the last whole record of a backup brings; 0 for none.  A
 * catalogue whose own (catalog_generation) is smaller has lost durable writes.
 */
uint64_t catalog_backup_generation(const void *bytes, size_t length);
