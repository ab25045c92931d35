#include "catalog/sql.h"

#define VOLUME                                                                      \
	"uuid, name, owner, epoch, description, metadata, mount_path, origin_ref, " \
	"origin_snapshot, created, destroyed, last_stash, quota, late"
#define BRANCH                                                                               \
	"b.uuid, b.volume, b.instance, b.name, b.origin_ref, b.origin_snapshot, b.created, " \
	"b.destroyed, b.retired, b.mounted, b.last_sequence, b.last_time, b.late"
#define OPERATION                                                                               \
	"SELECT id, verb, object, state, done, total, started, ended, error_code, error_text, " \
	"error_hint FROM operation "
#define PEER "SELECT name, address, instance, cluster, added, seen, speed FROM peer "
#define SNAPSHOT \
	"SELECT n.uuid, s.time, s.id, s.sequence, s.reason, s.noted, t.instance, t.host, s.late "

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

/* CROSS JOIN keeps SQLite to the order written: from what is given to what is looked up. */
#define BY_BRANCH                                                            \
	"FROM branch_number n CROSS JOIN snapshot s ON s.branch = n.number " \
	"CROSS JOIN taker t ON t.number = s.taker "
#define BY_ID                                                                \
	"FROM snapshot s CROSS JOIN branch_number n ON n.number = s.branch " \
	"CROSS JOIN taker t ON t.number = s.taker "
#define OF_VOLUME "(SELECT uuid FROM branch WHERE volume = ?1)"

const char *const sql_texts[SQL_COUNT] = {
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

	[SQL_SETTING_KEY] = "SELECT key FROM setting WHERE value = ?2 "
			    "AND substr(key, 1, length(?1)) = ?1 ORDER BY key",

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
			    "WHERE b.volume = ?1 AND b.instance = ?2 AND b.name = ?3 "
			    "AND b.destroyed = 0",
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
	[SQL_BRANCH_DELETE_PINS] = "DELETE FROM pin WHERE branch = ?1 OR served = ?1",
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
	[SQL_LINE_SET] = "INSERT INTO line (branch, start, parent_branch, parent_time) "
			 "VALUES (?1, ?2, ?3, ?4) ON CONFLICT (branch, start) DO UPDATE "
			 "SET parent_branch = ?3, parent_time = ?4 "
			 "WHERE parent_branch IS NOT ?3 OR parent_time IS NOT ?4",
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
		"s.time AND " LINE_COUNTS "), "
		"EXISTS (SELECT 1 FROM pin WHERE branch = ?1 AND time = s.time AND kind = 0), "
		"EXISTS (SELECT 1 FROM pin WHERE branch = ?1 AND time = s.time AND kind = "
		"1) " BY_BRANCH "WHERE n.uuid = ?1 ORDER BY s.time",
	[SQL_SNAPSHOT_DATE] = "UPDATE snapshot SET late = ?2 "
			      "WHERE branch = (SELECT number FROM branch_number WHERE uuid = ?1)",
	/* See snapshot.c: tag, stash, a line that began here, the two ways to be a tip, pins. */
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
		"WHERE n.uuid = l.branch AND s.time >= l.start)), "
		"EXISTS (SELECT 1 FROM pin WHERE branch = ?1 AND time = ?2 AND kind = 0), "
		"EXISTS (SELECT 1 FROM pin WHERE branch = ?1 AND time = ?2 AND kind = 1)",

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

	[SQL_PIN_SET] = "INSERT INTO pin (kind, peer, served, operation, branch, time, since) "
			"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
	[SQL_PIN_DELETE] = "DELETE FROM pin WHERE kind = ?1 AND peer = ?2 AND served = ?3 "
			   "AND operation = ?4 AND branch = ?5 AND time = ?6",
	[SQL_PIN_DELETE_OPERATION] = "DELETE FROM pin WHERE kind = 1 AND operation = ?1",
	[SQL_PIN_DELETE_PEER] = "DELETE FROM pin WHERE peer = ?1",
	[SQL_PIN_EACH] = "SELECT kind, peer, served, operation, branch, time, since FROM pin "
			 "WHERE (?1 IS NULL OR peer = ?1) AND (?2 IS NULL OR served = ?2) "
			 "AND (?3 IS NULL OR (branch = ?3 AND time = ?4)) "
			 "AND (?5 IS NULL OR operation = ?5) "
			 "ORDER BY kind, peer, served, operation, branch, time",

	[SQL_PEER_INSERT] =
		"INSERT INTO peer (name, address, instance, cluster, added, seen, speed) "
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[SQL_PEER_UPDATE] =
		"UPDATE peer SET address = ?2, instance = ?3, cluster = ?4, added = ?5, "
		"seen = ?6, speed = ?7 WHERE name = ?1",
	[SQL_PEER_DELETE] = "DELETE FROM peer WHERE name = ?1",
	[SQL_PEER_FIND] = PEER "WHERE name = ?1",
	[SQL_PEER_OF] = PEER "WHERE instance = ?1",
	[SQL_PEER_EACH] = PEER "ORDER BY name",

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
	[SQL_INTENT_HAS] = "SELECT 1 FROM intent WHERE operation = ?1",
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
