#include "catalog/catalog.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/fsat.h"
#include "base/log.h"
#include "catalog/checksum-vfs.h"
#include "catalog/internal.h"

#define GENERATION "generation" /* key of the setting */

/*
 * Writing.  There is one connection that writes.  A writer puts its request at
 * the end of a queue and waits; whoever finds itself first while nobody leads
 * takes the whole queue as a batch, runs every request in a savepoint of its
 * own, commits once, and wakes the others.  While it does, the next batch
 * gathers.  So a lone writer pays for one transaction and nothing else, and a
 * hundred share one fsync.
 *
 * One durable request makes its whole batch durable: the WAL is synced at the
 * commit (synchronous = FULL), which also syncs everything that lazy commits
 * (synchronous = NORMAL) had left in it.
 *
 * A commit that fails for want of space or memory is undone and reported.  Any
 * other failure ends the program: after a failed fsync the kernel has dropped
 * the pages and calls them clean, so a second fsync would succeed without
 * anything having been written.  Only a new process that reads the disk again
 * knows what is there.  A checkpoint that fails to sync is the same case.
 *
 * The WAL is copied into the database (checkpoint) by the leader, after its
 * batch was answered.  On a clean end the last connection does it and removes
 * the -wal file.  So a catalogue that was not closed cleanly consists of two
 * files, and one whose -wal is lost is what it was at the last checkpoint:
 * consistent, but older; the pool tells the rest.
 *
 * Reading.  A few connections are kept, opened when first needed.  When all are
 * taken a reader waits a moment and then opens one more, closed again after
 * use: so holders that wait for something else cannot starve the others.
 */

enum {
	WRITER_CACHE = 1024, /* KiB */
	READER_CACHE = 256,
	READER_WAIT_MS = 20,
	CHECKPOINT_PAGES = 1000,
};

struct request {
	enum durability durability;
	catalog_fn fn;
	void *arg;
	struct fl_error *err;
	int result;
	bool done;
	pthread_cond_t wake;
	struct request *next;
};

/* --- opening and closing ------------------------------------------------- */

static int count_wal_pages(void *arg, sqlite3 *db, const char *schema_name, int pages)
{
	struct catalog *catalog = arg;

	catalog->wal_pages = pages;
	return SQLITE_OK;
}

static int quick_check(struct connection *connection, struct fl_error *err)
{
	sqlite3_stmt *statement = NULL;
	const char *answer;
	int result;
	int r = 0;

	result = sqlite3_prepare_v2(connection->db, "PRAGMA quick_check(1)", -1, &statement, NULL);
	if (result == SQLITE_OK)
		result = sqlite3_step(statement);
	if (result != SQLITE_ROW) {
		r = connection_fail(connection->db, result, "checking", err);
	} else {
		answer = (const char *)sqlite3_column_text(statement, 0);
		if (!answer || strcmp(answer, "ok") != 0)
			r = fl_fail(err, FL_CORRUPT, "the catalogue is inconsistent: %s",
				    answer ? answer : "no answer");
	}
	sqlite3_finalize(statement);
	return r;
}

/* Copies the WAL into the database.  Without room for that the WAL stays, and answers as well. */
static int empty_wal(struct connection *connection, bool *ret_empty, struct fl_error *err)
{
	int result = sqlite3_wal_checkpoint_v2(connection->db, "main", SQLITE_CHECKPOINT_TRUNCATE,
					       NULL, NULL);

	*ret_empty = result == SQLITE_OK;
	if (result == SQLITE_OK || result == SQLITE_FULL || result == SQLITE_BUSY)
		return 0;
	return connection_fail(connection->db, result, "copying the log into the database", err);
}

static int verify(struct connection *connection, struct fl_error *err)
{
	bool empty;

	if (empty_wal(connection, &empty, err) < 0)
		return fl_failed(err);
	if (empty && checksum_verify(connection->db, err) < 0)
		return fl_failed(err);
	return quick_check(connection, err);
}

static int prepare_database(struct catalog *catalog, bool create,
			    const struct migrations *migrations, struct fl_error *err)
{
	struct connection *writer = &catalog->writer;
	int64_t version;

	if (connection_run(writer, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", err) <
		    0 ||
	    connection_ask(writer, "PRAGMA user_version", &version, err) < 0)
		return fl_failed(err);
	if (version == 0 && !create)
		return fl_fail(err, FL_CORRUPT, "the file is empty");
	if (version > 0 && verify(writer, err) < 0)
		return fl_failed(err);
	return schema_migrate(writer, catalog->path, migrations, err);
}

static int check_there(const char *path, struct fl_error *err)
{
	struct stat st;

	if (fsat_stat(AT_FDCWD, path, &st, err) < 0)
		return fl_wrap(err, "catalogue");
	if (!S_ISREG(st.st_mode))
		return fl_fail(err, FL_INVALID, "catalogue '%s' is not a file", path);
	return 0;
}

static struct catalog *catalog_new(const char *path)
{
	struct catalog *catalog = xcalloc(1, sizeof(*catalog));

	catalog->path = xstrdup(path);
	catalog->queue_end = &catalog->queue;
	pthread_mutex_init(&catalog->mutex, NULL);
	pthread_mutex_init(&catalog->turn, NULL);
	pthread_cond_init(&catalog->reader_back, NULL);
	return catalog;
}

int catalog_open_at(const char *path, bool create, const struct migrations *migrations,
		    struct catalog **ret, struct fl_error *err)
{
	struct catalog *catalog;

	if (!create && check_there(path, err) < 0)
		return fl_failed(err);
	catalog = catalog_new(path);
	if (connection_open(path, create ? ACCESS_CREATE : ACCESS_WRITE, WRITER_CACHE,
			    &catalog->writer, err) < 0 ||
	    prepare_database(catalog, create, migrations, err) < 0) {
		catalog_close(catalog);
		(void)fl_wrap(err, "opening the catalogue '%s'", path);
		if (err->code == FL_CORRUPT)
			return fl_hint(err, "the catalogue is damaged, the data is not: run "
					    "`flocker pool recover`");
		return fl_failed(err);
	}
	catalog->writer.tx = (struct tx){ catalog, &catalog->writer };
	catalog->synced = true;
	sqlite3_wal_hook(catalog->writer.db, count_wal_pages, catalog);
	*ret = catalog;
	return 0;
}

static int read_generation(struct catalog *catalog, struct fl_error *err)
{
	int64_t generation;

	if (connection_ask(&catalog->writer,
			   "SELECT coalesce((SELECT CAST(value AS INTEGER) FROM setting "
			   "WHERE key = '" GENERATION "'), 0)",
			   &generation, err) < 0)
		return fl_failed(err);
	catalog->generation = (uint64_t)generation;
	return 0;
}

int catalog_open(const char *path, bool create, struct catalog **ret, struct fl_error *err)
{
	struct catalog *catalog;

	if (catalog_open_at(path, create, &schema, &catalog, err) < 0)
		return fl_failed(err);
	if (read_generation(catalog, err) < 0) {
		catalog_close(catalog);
		return fl_wrap(err, "opening the catalogue '%s'", path);
	}
	*ret = catalog;
	return 0;
}

uint64_t catalog_generation(struct catalog *catalog)
{
	own_lock(guard, &catalog->turn);

	return catalog->generation;
}

uint64_t catalog_commits(struct catalog *catalog)
{
	return catalog->commits;
}

void catalog_close(struct catalog *catalog)
{
	struct connection *reader;

	if (!catalog)
		return;
	backup_stop(catalog);
	while ((reader = catalog->readers)) {
		catalog->readers = reader->next;
		connection_close(reader);
		free(reader);
	}
	connection_close(&catalog->writer);
	pthread_cond_destroy(&catalog->reader_back);
	pthread_mutex_destroy(&catalog->turn);
	pthread_mutex_destroy(&catalog->mutex);
	free(catalog->path);
	free(catalog);
}

int catalog_put_aside(const char *path, struct fl_error *err)
{
	/*
	 * The database first: a log without a database is never read, but a
	 * database without its log would be, and would lack what was acknowledged.
	 */
	static const char *const suffixes[] = { "", "-wal", "-shm" };
	char time[CLOCK_TEXT];

	clock_format_storage(clock_now(), time);
	for (size_t i = 0; i < array_size(suffixes); i++) {
		own_text struct text from = {};
		own_text struct text to = {};
		int r;

		text_add_format(&from, "%s%s", path, suffixes[i]);
		text_add_format(&to, "%s.lost-%s%s", path, time, suffixes[i]);
		r = fsat_rename(AT_FDCWD, text_get(&from), AT_FDCWD, text_get(&to), err);
		if (r < 0 && r != -FL_NOT_FOUND)
			return fl_wrap(err, "putting the catalogue aside");
	}
	return 0;
}

/* --- reading --------------------------------------------------------------- */

static void wait_for_reader(struct catalog *catalog)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += READER_WAIT_MS * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	pthread_cond_timedwait(&catalog->reader_back, &catalog->mutex, &until);
}

/* An idle reader, or NULL when the caller is to open one (it is counted already). */
static struct connection *take_reader(struct catalog *catalog)
{
	own_lock(guard, &catalog->mutex);
	struct connection *reader;

	if (!catalog->readers && catalog->reader_count >= READERS_KEPT)
		wait_for_reader(catalog);
	reader = catalog->readers;
	if (reader)
		catalog->readers = reader->next;
	else
		catalog->reader_count++;
	return reader;
}

/* NULL: one that could not be opened. */
static void give_back_reader(struct catalog *catalog, struct connection *reader)
{
	bool keep;

	pthread_mutex_lock(&catalog->mutex);
	keep = reader && catalog->reader_count <= READERS_KEPT;
	if (keep) {
		reader->next = catalog->readers;
		catalog->readers = reader;
		pthread_cond_signal(&catalog->reader_back);
	} else {
		catalog->reader_count--;
	}
	pthread_mutex_unlock(&catalog->mutex);
	if (reader && !keep) {
		connection_close(reader);
		free(reader);
	}
}

static int open_reader(struct catalog *catalog, struct connection **ret, struct fl_error *err)
{
	struct connection *reader = xcalloc(1, sizeof(*reader));

	if (connection_open(catalog->path, ACCESS_READ, READER_CACHE, reader, err) < 0) {
		free(reader);
		return fl_failed(err);
	}
	reader->tx = (struct tx){ catalog, reader };
	*ret = reader;
	return 0;
}

int tx_begin(struct catalog *catalog, struct tx **ret, struct fl_error *err)
{
	struct connection *reader = take_reader(catalog);

	if (!reader && open_reader(catalog, &reader, err) < 0) {
		give_back_reader(catalog, NULL);
		return fl_failed(err);
	}
	if (query_do(&reader->tx, SQL_BEGIN_READ, err) < 0) {
		give_back_reader(catalog, reader);
		return fl_failed(err);
	}
	*ret = &reader->tx;
	return 0;
}

void tx_end(struct tx *tx)
{
	struct fl_error ignored;

	/* Ending a transaction that only read cannot lose anything. */
	(void)!query_do(tx, SQL_COMMIT, &ignored);
	give_back_reader(tx->catalog, tx->connection);
}

/* --- a batch of writers ------------------------------------------------------ */

static void fail_all(struct request *batch, const struct fl_error *err)
{
	for (struct request *r = batch; r; r = r->next) {
		if (r->result == 0)
			*r->err = *err;
		r->result = -(int)r->err->code;
	}
}

static int set_synced(struct catalog *catalog, bool synced, struct fl_error *err)
{
	if (catalog->synced == synced)
		return 0;
	if (connection_run(&catalog->writer,
			   synced ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
			   err) < 0)
		return fl_failed(err);
	catalog->synced = synced;
	return 0;
}

static int run_member(struct tx *tx, struct request *r, struct fl_error *err)
{
	if (query_do(tx, SQL_SAVEPOINT, err) < 0)
		return fl_failed(err);
	r->result = r->fn(tx, r->arg, r->err);
	/* SQLite undoes the whole transaction by itself when it runs out of space or memory. */
	if (r->result < 0 && sqlite3_get_autocommit(tx->connection->db)) {
		*err = *r->err;
		return fl_failed(err);
	}
	if (r->result < 0 && query_do(tx, SQL_UNDO, err) < 0)
		return fl_failed(err);
	return query_do(tx, SQL_RELEASE, err);
}

static bool can_go_on(const struct fl_error *err, int result)
{
	return err->code == FL_NO_SPACE || err->code == FL_BUSY || (result & 0xff) == SQLITE_NOMEM;
}

static int commit(struct catalog *catalog, struct fl_error *err)
{
	int result;

	if (query_do(&catalog->writer.tx, SQL_COMMIT, err) == 0)
		return 0;
	result = sqlite3_extended_errcode(catalog->writer.db);
	if (!can_go_on(err, result) || result == SQLITE_IOERR_SHMSIZE) {
		log_error("catalogue cannot commit", "error=\"%s\"", err->text);
		abort();
	}
	return fl_failed(err);
}

/* With each durable write the catalogue gets older, and says so in the same transaction. */
static int write_generation(struct catalog *catalog, struct fl_error *err)
{
	char value[24];

	snprintf(value, sizeof(value), "%" PRIu64, catalog->generation + 1);
	return tx_setting_set(&catalog->writer.tx, GENERATION, value, err);
}

static int run_members(struct catalog *catalog, struct request *batch, bool durable,
		       struct fl_error *err)
{
	bool any = false;

	for (struct request *r = batch; r; r = r->next) {
		if (run_member(&catalog->writer.tx, r, err) < 0)
			return fl_failed(err);
		any = any || r->result == 0;
	}
	if (!any)
		return query_do(&catalog->writer.tx, SQL_ROLLBACK, err);
	if (durable && write_generation(catalog, err) < 0)
		return fl_failed(err);
	if (commit(catalog, err) < 0)
		return fl_failed(err);
	catalog->generation += durable;
	catalog->commits++;
	return 0;
}

static void undo(struct catalog *catalog)
{
	struct fl_error err;

	if (sqlite3_get_autocommit(catalog->writer.db))
		return;
	if (query_do(&catalog->writer.tx, SQL_ROLLBACK, &err) < 0) {
		log_error("catalogue cannot undo a transaction", "error=\"%s\"", err.text);
		abort();
	}
}

static void run_batch(struct catalog *catalog, struct request *batch)
{
	own_lock(guard, &catalog->turn);
	struct fl_error err;
	bool durable = false;

	for (struct request *r = batch; r; r = r->next)
		durable = durable || r->durability == CATALOG_DURABLE;
	if (set_synced(catalog, durable, &err) < 0 ||
	    query_do(&catalog->writer.tx, SQL_BEGIN_WRITE, &err) < 0 ||
	    run_members(catalog, batch, durable, &err) < 0) {
		undo(catalog);
		fail_all(batch, &err);
		return;
	}
	if (durable && catalog->backup)
		backup_committed(catalog);
}

static void checkpoint(struct catalog *catalog)
{
	own_lock(guard, &catalog->turn);
	int result;

	if (catalog->wal_pages < CHECKPOINT_PAGES)
		return;
	result = sqlite3_wal_checkpoint_v2(catalog->writer.db, "main", SQLITE_CHECKPOINT_PASSIVE,
					   NULL, NULL);
	catalog->wal_pages = 0;
	if (result == SQLITE_OK || result == SQLITE_BUSY)
		return;
	if (result == SQLITE_IOERR_FSYNC) {
		log_error("catalogue cannot sync", "error=\"%s\"",
			  sqlite3_errmsg(catalog->writer.db));
		abort();
	}
	log_warning("catalogue cannot copy its log into the database", "error=\"%s\"",
		    sqlite3_errmsg(catalog->writer.db));
}

/* Wakes all of the batch but the leader.  A request lives on its thread's stack: not touched after
 * `done`. */
static void answer(struct catalog *catalog, struct request *batch, const struct request *leader)
{
	own_lock(guard, &catalog->mutex);
	struct request *next;

	for (struct request *r = batch; r; r = next) {
		next = r->next;
		r->done = true;
		if (r != leader)
			pthread_cond_signal(&r->wake);
	}
}

/* Called and returns with the mutex held, which it gives up in between. */
static void lead(struct catalog *catalog, struct request *leader)
{
	struct request *batch = catalog->queue;

	catalog->queue = NULL;
	catalog->queue_end = &catalog->queue;
	catalog->busy = true;
	pthread_mutex_unlock(&catalog->mutex);
	run_batch(catalog, batch);
	answer(catalog, batch, leader);
	checkpoint(catalog);
	pthread_mutex_lock(&catalog->mutex);
	catalog->busy = false;
	if (catalog->queue)
		pthread_cond_signal(&catalog->queue->wake);
}

int catalog_write(struct catalog *catalog, enum durability durability, catalog_fn fn, void *arg,
		  struct fl_error *err)
{
	struct request request = {
		.durability = durability,
		.fn = fn,
		.arg = arg,
		.err = err,
		.wake = PTHREAD_COND_INITIALIZER,
	};

	pthread_mutex_lock(&catalog->mutex);
	*catalog->queue_end = &request;
	catalog->queue_end = &request.next;
	while (!request.done && (catalog->busy || catalog->queue != &request))
		pthread_cond_wait(&request.wake, &catalog->mutex);
	if (!request.done)
		lead(catalog, &request);
	pthread_mutex_unlock(&catalog->mutex);
	pthread_cond_destroy(&request.wake);
	return request.result;
}
