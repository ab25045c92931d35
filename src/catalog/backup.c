#include "catalog/backup.h"

#include <endian.h>
#include <string.h>

#include <nettle/sha2.h>

#include "base/log.h"
#include "base/thread.h"
#include "catalog/internal.h"

/*
 * How it works.  A session on the writing connection notes which rows of the
 * backed-up tables change.  After a durable commit its changeset becomes a
 * record, goes to the sink, and the session begins anew.  Lazy commits leave
 * their changes in the session (rows that change again are noted once), so
 * that the next record brings them along.  All this happens in the turn of the
 * batch (catalog.c), so records have the order of the commits.
 *
 * Writing anew.  In the turn, a thread begins a read transaction on a
 * connection of its own and clears the session: what was committed until then
 * will be in the new piece.  Outside the turn it makes one record per table, by
 * comparing the table with an empty one of the same shape.  Records that are
 * written meanwhile go to the old log as ever, and into `since` as well.  In
 * the turn again, the new piece with `since` behind it replaces the log.
 *
 * When the sink fails, the log has a gap or a torn end, and nothing after that
 * could be read: `stale` is set, appending stops, and each durable write asks
 * the thread for a new piece until one arrives.
 */

enum {
	REWRITE_FACTOR = 4,
	REWRITE_MINIMUM = 1024 * 1024,
	RECORD_HEADER = 24,
	RECORD_SUMMED = 16, /* of the header, what the checksum covers */
	RECORD_LIMIT = 1024 * 1024 * 1024,
};

/* Those that are referred to before those that refer. */
static const char *const tables[] = {
	"setting", "volume", "branch", "line", "note",	  "tag",    "stash",
	"hook",	   "system", "pin",    "peer", "retired", "intent",
};

struct backup {
	struct catalog *catalog;
	struct backup_sink sink;

	/* All below: in the turn. */
	sqlite3_session *session;
	size_t whole;  /* length of the piece that the log began with */
	size_t length; /* of the log */
	bool stale;
	bool complained;
	bool rewriting;
	struct text since;
	pthread_t thread;
	pthread_cond_t wake;
	bool wanted;
	bool stop;
};

/* --- records -------------------------------------------------------------- */

static void record_checksum(const void *header, const void *bytes, size_t length, uint8_t ret[8])
{
	struct sha256_ctx sha;

	sha256_init(&sha);
	sha256_update(&sha, RECORD_SUMMED, header);
	if (length)
		sha256_update(&sha, length, bytes);
	sha256_digest(&sha, 8, ret);
}

static void record_add(struct text *out, uint64_t generation, const void *changeset, size_t length)
{
	uint8_t header[RECORD_HEADER] = { 'F', 'l', 'B', (uint8_t)schema.count };
	uint32_t size = htole32((uint32_t)length);

	generation = htole64(generation);
	memcpy(header + 4, &size, sizeof(size));
	memcpy(header + 8, &generation, sizeof(generation));
	record_checksum(header, changeset, length, header + RECORD_SUMMED);
	text_add(out, (const char *)header, sizeof(header));
	if (length)
		text_add(out, changeset, length);
}

struct record {
	int version;
	uint64_t generation;
	const uint8_t *changeset; /* borrowed */
	size_t length;
};

/* Cuts one record off the front; false when it is cut or damaged. */
static bool record_take(const uint8_t **bytes, size_t *length, struct record *ret)
{
	const uint8_t *header = *bytes;
	uint8_t checksum[8];
	uint64_t generation;
	uint32_t size;

	if (*length < RECORD_HEADER || memcmp(header, "FlB", 3) != 0)
		return false;
	memcpy(&size, header + 4, sizeof(size));
	size = le32toh(size);
	if (size > *length - RECORD_HEADER)
		return false;
	record_checksum(header, header + RECORD_HEADER, size, checksum);
	if (memcmp(checksum, header + RECORD_SUMMED, sizeof(checksum)) != 0)
		return false;
	memcpy(&generation, header + 8, sizeof(generation));
	*ret = (struct record){ header[3], le64toh(generation), header + RECORD_HEADER, size };
	*bytes += RECORD_HEADER + size;
	*length -= RECORD_HEADER + size;
	return true;
}

/* --- sessions ---------------------------------------------------------------- */

static void session_endp(sqlite3_session **session)
{
	if (*session)
		sqlite3session_delete(*session);
}
#define own_session own(session_endp)

static void sqlite_freep(void **p)
{
	sqlite3_free(*p);
}

/* A record of what the session noted.  `ret_any` (may be NULL): was there anything? */
static int session_record(sqlite3_session *session, uint64_t generation, struct text *out,
			  bool *ret_any)
{
	own(sqlite_freep) void *changeset = NULL;
	int length = 0;
	int result = sqlite3session_changeset(session, &length, &changeset);

	if (result == SQLITE_OK && length > RECORD_LIMIT)
		result = SQLITE_TOOBIG;
	if (result != SQLITE_OK)
		return result;
	record_add(out, generation, changeset, (size_t)length);
	if (ret_any)
		*ret_any = length > 0;
	return SQLITE_OK;
}

/* In the turn.  The session begins anew, with nothing noted. */
static int session_restart(struct backup *backup)
{
	own_session sqlite3_session *session = NULL;
	int result = sqlite3session_create(backup->catalog->writer.db, "main", &session);

	for (size_t i = 0; result == SQLITE_OK && i < array_size(tables); i++)
		result = sqlite3session_attach(session, tables[i]);
	session_endp(&backup->session);
	backup->session = result == SQLITE_OK ? take_ptr(session) : NULL;
	return result;
}

/* --- after a commit ------------------------------------------------------------ */

static void gone_stale(struct backup *backup, const char *why)
{
	backup->stale = true;
	if (!backup->complained)
		log_error("backup of the catalogue failed", "error=\"%s\"", why);
	backup->complained = true;
}

static void ask_for_rewrite(struct backup *backup)
{
	backup->wanted = true;
	pthread_cond_signal(&backup->wake);
}

static void append(struct backup *backup, const struct text *record)
{
	struct fl_error err;

	if (backup->rewriting)
		text_add(&backup->since, record->bytes, record->length);
	if (backup->stale)
		return;
	if (backup->sink.append(backup->sink.arg, record->bytes, record->length, &err) < 0)
		gone_stale(backup, err.text);
	else
		backup->length += record->length;
}

static bool has_grown(const struct backup *backup)
{
	return backup->length > REWRITE_MINIMUM && backup->length > REWRITE_FACTOR * backup->whole;
}

void backup_committed(struct catalog *catalog)
{
	struct backup *backup = catalog->backup;
	own_text struct text record = {};
	int result = SQLITE_NOMEM;
	bool any = false;

	if (backup->session)
		result = session_record(backup->session, catalog->generation, &record, &any);
	if (result == SQLITE_OK && any)
		append(backup, &record);
	if (result == SQLITE_OK && any)
		result = session_restart(backup);
	if (result != SQLITE_OK) {
		/* What was noted is lost; a piece that is being written may lack it. */
		backup->rewriting = false;
		gone_stale(backup, sqlite3_errstr(result));
	}
	if (!backup->rewriting && (backup->stale || has_grown(backup)))
		ask_for_rewrite(backup);
}

/* --- writing anew ----------------------------------------------------------------- */

/* An empty table `blank.NAME` of the same shape as `main.NAME`: the text that made it, with another
 * name. */
static int make_empty_twin(struct connection *connection, const char *table, struct fl_error *err)
{
	static const char begin[] = "CREATE TABLE ";
	own_text struct text sql = {};
	sqlite3_stmt *statement = NULL;
	const char *made = NULL;
	int result;

	result = sqlite3_prepare_v2(connection->db,
				    "SELECT sql FROM main.sqlite_schema "
				    "WHERE type = 'table' AND name = ?1",
				    -1, &statement, NULL);
	if (result == SQLITE_OK)
		result = sqlite3_bind_text(statement, 1, table, -1, SQLITE_STATIC);
	if (result == SQLITE_OK)
		result = sqlite3_step(statement);
	if (result == SQLITE_ROW)
		made = (const char *)sqlite3_column_text(statement, 0);
	if (made && strncmp(made, begin, strlen(begin)) == 0)
		text_add_format(&sql, "%sblank.%s", begin, made + strlen(begin));
	sqlite3_finalize(statement);
	if (!sql.length)
		return connection_fail(connection->db, result, "reading the schema", err);
	return connection_run(connection, text_get(&sql), err);
}

/* A connection that has, beside the catalogue, empty twins of the tables. */
static int open_beside(struct catalog *catalog, struct connection *ret, struct fl_error *err)
{
	struct connection connection = {};

	/* Not ACCESS_READ: that would forbid making the twins, too. */
	if (connection_open(catalog->path, ACCESS_WRITE, 256, &connection, err) < 0)
		return fl_failed(err);
	*ret = connection;
	if (connection_run(ret, "ATTACH ':memory:' AS blank", err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < array_size(tables); i++)
		if (make_empty_twin(ret, tables[i], err) < 0)
			return fl_failed(err);
	return 0;
}

/* Begins reading at a moment between two batches, and notes from there on. */
static int begin_whole(struct backup *backup, struct connection *beside, uint64_t *ret_generation,
		       struct fl_error *err)
{
	own_lock(guard, &backup->catalog->turn);
	int64_t count;
	int result;

	/* The view is fixed by the first thing that is read. */
	if (connection_run(beside, "BEGIN", err) < 0 ||
	    connection_ask(beside, "SELECT count(*) FROM main.setting", &count, err) < 0)
		return fl_failed(err);
	result = session_restart(backup);
	if (result != SQLITE_OK)
		return connection_fail(backup->catalog->writer.db, result, "noting changes", err);
	text_done(&backup->since);
	backup->rewriting = true;
	backup->wanted = false;
	*ret_generation = backup->catalog->generation;
	return 0;
}

static int read_whole(struct connection *beside, uint64_t generation, struct text *out,
		      struct fl_error *err)
{
	for (size_t i = 0; i < array_size(tables); i++) {
		own_session sqlite3_session *session = NULL;
		int result = sqlite3session_create(beside->db, "main", &session);

		if (result == SQLITE_OK)
			result = sqlite3session_attach(session, tables[i]);
		if (result == SQLITE_OK)
			result = sqlite3session_diff(session, "blank", tables[i], NULL);
		if (result == SQLITE_OK)
			result = session_record(session, generation, out, NULL);
		if (result != SQLITE_OK)
			return connection_fail(beside->db, result, "reading for the backup", err);
	}
	return connection_run(beside, "COMMIT", err);
}

static int replace_log(struct backup *backup, struct text *whole, struct fl_error *err)
{
	own_lock(guard, &backup->catalog->turn);
	size_t base = whole->length;

	if (!backup->rewriting)
		return fl_fail(err, FL_SYSTEM, "changes were missed while the backup was written");
	backup->rewriting = false;
	if (backup->since.length)
		text_add(whole, backup->since.bytes, backup->since.length);
	text_done(&backup->since);
	if (backup->sink.replace(backup->sink.arg, whole->bytes, whole->length, err) < 0)
		return fl_failed(err);
	backup->whole = base;
	backup->length = whole->length;
	backup->stale = false;
	backup->complained = false;
	return 0;
}

static int write_whole(struct backup *backup, struct fl_error *err)
{
	own(connection_close) struct connection beside = {};
	own_text struct text whole = {};
	uint64_t generation = 0;

	if (open_beside(backup->catalog, &beside, err) < 0 ||
	    begin_whole(backup, &beside, &generation, err) < 0 ||
	    read_whole(&beside, generation, &whole, err) < 0 ||
	    replace_log(backup, &whole, err) < 0)
		return fl_failed(err);
	return 0;
}

static void rewrite(struct backup *backup)
{
	struct fl_error err;

	if (write_whole(backup, &err) == 0)
		return;
	pthread_mutex_lock(&backup->catalog->turn);
	backup->rewriting = false;
	text_done(&backup->since);
	gone_stale(backup, err.text);
	pthread_mutex_unlock(&backup->catalog->turn);
}

static void *rewrite_when_asked(void *arg)
{
	struct backup *backup = arg;
	bool stop;

	for (;;) {
		pthread_mutex_lock(&backup->catalog->turn);
		while (!backup->wanted && !backup->stop)
			pthread_cond_wait(&backup->wake, &backup->catalog->turn);
		backup->wanted = false;
		stop = backup->stop;
		pthread_mutex_unlock(&backup->catalog->turn);
		if (stop)
			return NULL;
		rewrite(backup);
	}
}

/* --- beginning and end ---------------------------------------------------------------- */

static struct backup *backup_new(struct catalog *catalog, const struct backup_sink *sink)
{
	struct backup *backup = xcalloc(1, sizeof(*backup));

	backup->catalog = catalog;
	backup->sink = *sink;
	pthread_cond_init(&backup->wake, NULL);
	return backup;
}

static void backup_free(struct backup *backup)
{
	session_endp(&backup->session);
	text_done(&backup->since);
	pthread_cond_destroy(&backup->wake);
	free(backup);
}

int catalog_backup_start(struct catalog *catalog, const struct backup_sink *sink,
			 struct fl_error *err)
{
	struct backup *backup;

	pthread_mutex_lock(&catalog->turn);
	if (catalog->backup) {
		pthread_mutex_unlock(&catalog->turn);
		return fl_fail(err, FL_EXISTS, "the catalogue's backup was started before");
	}
	backup = catalog->backup = backup_new(catalog, sink);
	pthread_mutex_unlock(&catalog->turn);
	rewrite(backup);
	if (thread_start(&backup->thread, 0, rewrite_when_asked, backup, err) == 0)
		return 0;
	pthread_mutex_lock(&catalog->turn);
	catalog->backup = NULL;
	pthread_mutex_unlock(&catalog->turn);
	backup_free(backup);
	return fl_wrap(err, "the catalogue's backup");
}

void backup_stop(struct catalog *catalog)
{
	struct backup *backup = catalog->backup;

	if (!backup)
		return;
	pthread_mutex_lock(&catalog->turn);
	backup->stop = true;
	pthread_cond_signal(&backup->wake);
	pthread_mutex_unlock(&catalog->turn);
	pthread_join(backup->thread, NULL);
	catalog->backup = NULL;
	backup_free(backup);
}

/* --- restoring ---------------------------------------------------------------------------- */

/* The backup is right: it was written later than whatever a rebuilt catalogue holds already. */
static int on_conflict(void *arg, int kind, sqlite3_changeset_iter *iterator)
{
	switch (kind) {
	case SQLITE_CHANGESET_DATA:
	case SQLITE_CHANGESET_CONFLICT:
		return SQLITE_CHANGESET_REPLACE;
	case SQLITE_CHANGESET_NOTFOUND:
		return SQLITE_CHANGESET_OMIT;
	default:
		return SQLITE_CHANGESET_ABORT;
	}
}

struct restore {
	const uint8_t *bytes;
	size_t length;
	bool complete;
};

static int check_empty(struct tx *tx, struct fl_error *err)
{
	int64_t volumes;

	if (connection_ask(tx->connection, "SELECT count(*) FROM volume", &volumes, err) < 0)
		return fl_failed(err);
	if (volumes > 0)
		return fl_fail(err, FL_EXISTS, "the catalogue holds volumes already");
	return 0;
}

static int apply(struct tx *tx, const struct record *record, struct fl_error *err)
{
	/* The API takes the changeset without const but does not write it. */
	void *changeset = (void *)(uintptr_t)record->changeset;
	int result;

	if (record->version > schema.count)
		return fl_fail(err, FL_UNSUPPORTED,
			       "the backup has schema version %d, this program knows %d",
			       record->version, schema.count);
	if (record->length == 0)
		return 0;
	result = sqlite3changeset_apply(tx->connection->db, (int)record->length, changeset, NULL,
					on_conflict, NULL);
	if (result != SQLITE_OK)
		return connection_fail(tx->connection->db, result, "applying the backup", err);
	return 0;
}

static int restore(struct tx *tx, void *arg, struct fl_error *err)
{
	struct restore *r = arg;
	const uint8_t *bytes = r->bytes;
	size_t left = r->length;
	struct record record;

	if (check_empty(tx, err) < 0)
		return fl_failed(err);
	r->complete = left > 0;
	while (left > 0) {
		if (!record_take(&bytes, &left, &record)) {
			r->complete = false;
			return 0;
		}
		if (apply(tx, &record, err) < 0)
			return fl_failed(err);
		tx->catalog->generation = record.generation;
	}
	return 0;
}

int catalog_backup_restore(struct catalog *catalog, const void *bytes, size_t length,
			   bool *ret_complete, struct fl_error *err)
{
	struct restore r = { bytes, length, false };

	if (catalog_write(catalog, CATALOG_DURABLE, restore, &r, err) < 0)
		return fl_wrap(err, "restoring the catalogue's backup");
	*ret_complete = r.complete;
	return 0;
}

uint64_t catalog_backup_generation(const void *bytes, size_t length)
{
	const uint8_t *rest = bytes;
	struct record record = {};

	while (length > 0 && record_take(&rest, &length, &record))
		continue;
	return record.generation;
}
