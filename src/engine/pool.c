/*
 * The pool's life in an instance: made, opened, shown, grown, taken over.
 *
 * Where it is, pool-file.h says.  Opening has two steps with a state each:
 * the pool (it is there, it is ours, nobody else has it), then the catalogue
 * (it is there, whole, and this pool's).  Where one fails the engine keeps what
 * it has, and the error that every verb will answer.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/fsat.h"
#include "base/text.h"
#include "catalog/backup.h"
#include "driver/decorators.h"
#include "engine/pins.h"
#include "engine/pool-file.h"
#include "engine/quota.h"
#include "engine/systems.h"

#define CATALOG_FILE "catalog.db"
#define BACKUP_FILE "catalog.backup"
#define REBUILDING_FILE "rebuilding" /* there while the catalogue is not whole */
#define MEBIBYTE (UINT64_C(1) << 20)

static char *catalog_path(struct engine *engine)
{
	struct text path = { 0 };

	text_add_format(&path, "%s/%s", engine->state, CATALOG_FILE);
	return text_take(&path);
}

/* --- opening ---------------------------------------------------------------------- */

static int open_pool(const struct pool_spec *spec, struct pool **ret, struct fl_error *err)
{
	const struct driver *driver;
	struct pool *pool;

	if (driver_find(spec->driver, &driver, err) < 0 || driver->open(spec, &pool, err) < 0)
		return fl_wrap(err, "opening the pool %s", spec->path);
	*ret = crash_wrap_from_environment(pool);
	return 0;
}

static int check_owner(struct engine *engine, const struct pool *pool, struct fl_error *err)
{
	char uuid[UUID_TEXT];

	if (uuid_equal(&pool->identity.instance, &engine->instance))
		return 0;
	fl_fail(err, FL_DENIED, "the pool %s belongs to another instance (%s)", pool->spec.path,
		uuid_format(&pool->identity.instance, uuid));
	return fl_hint(err, "to take it over, volumes and all: flocker pool adopt");
}

static int check_catalog(struct engine *engine, struct catalog *catalog, struct fl_error *err)
{
	own_text struct text known = { 0 };
	own_tx struct tx *tx = NULL;
	char uuid[UUID_TEXT];

	if (tx_begin(catalog, &tx, err) < 0)
		return fl_failed(err);
	if (tx_setting_get(tx, "pool.uuid", &known, err) < 0 && err->code != FL_NOT_FOUND)
		return fl_failed(err);
	if (strcmp(text_get(&known), uuid_format(&engine->pool->identity.pool, uuid)) == 0)
		return 0;
	return fl_fail(err, FL_CORRUPT, "the catalogue belongs to another pool (%s)",
		       known.length ? text_get(&known) : "none");
}

static int append_backup(void *arg, const void *bytes, size_t length, struct fl_error *err)
{
	struct pool *pool = arg;

	return pool->driver->file_append(pool, BACKUP_FILE, bytes, length, err);
}

static int replace_backup(void *arg, const void *bytes, size_t length, struct fl_error *err)
{
	struct pool *pool = arg;

	return pool->driver->file_write(pool, BACKUP_FILE, bytes, length, err);
}

/* A catalogue that lost its newest writes (a log torn or gone) must not overwrite the backup that
 * has them. */
static int check_generation(struct engine *engine, struct fl_error *err)
{
	own_text struct text backup = { 0 };
	uint64_t mine = catalog_generation(engine->catalog), saved;
	int r = driver_of(engine)->file_read(engine->pool, BACKUP_FILE, &backup, err);

	if (r < 0)
		return r == -FL_NOT_FOUND ? 0 : r;
	saved = catalog_backup_generation(backup.bytes, backup.length);
	if (saved <= mine)
		return 0;
	fl_fail(err, FL_CORRUPT,
		"the catalogue is older than its backup: it lacks the last %" PRIu64 " changes",
		saved - mine);
	return fl_hint(err, "rebuild it from the pool: flocker pool recover");
}

/* Makes pool, catalogue and links agree, and begins the backup.  `engine->catalog` is set. */
static int start(struct engine *engine, struct fl_error *err)
{
	struct backup_sink sink = { engine->pool, append_backup, replace_backup };
	const struct driver *driver = driver_of(engine);

	if (retention_load(engine, err) < 0)
		return fl_failed(err);
	thin_soon(engine, true);
	if (reconcile(engine, err) < 0)
		return fl_wrap(err, "comparing the catalogue with the pool");
	operations_recover(engine);
	pins_recover(engine);
	if (facts_refresh_all(engine, err) < 0)
		note_facts_unwritten(engine, err);
	if (quota_restore_all(engine, err) < 0)
		return fl_wrap(err, "setting the quotas");
	if ((driver->capabilities & DRIVER_CAN_EXPOSE) &&
	    driver->expose(engine->pool, engine->mount_root, err) < 0)
		return fl_wrap(err, "making the branches visible");
	if (links_refresh_all(engine, err) < 0)
		return fl_wrap(err, "making the branches visible");
	if (catalog_backup_start(engine->catalog, &sink, err) < 0)
		return fl_failed(err);
	watching_begin(engine);
	if (systems_adopt(engine, err) < 0)
		return fl_wrap(err, "looking for systems that run");
	return 0;
}

static int open_catalog(struct engine *engine, struct catalog **ret, struct fl_error *err)
{
	own_free char *path = catalog_path(engine);
	struct stat st;

	if (fsat_stat(engine->state_fd, REBUILDING_FILE, &st, err) == 0)
		return fl_fail(err, FL_CORRUPT, "the catalogue %s was not rebuilt to its end",
			       path);
	if (err->code != FL_NOT_FOUND)
		return fl_failed(err);

	if (catalog_open(path, false, ret, err) == 0)
		return 0;
	if (err->code == FL_NOT_FOUND)
		fl_fail(err, FL_CORRUPT, "the catalogue %s is missing", path);
	return fl_failed(err);
}

static void close_catalog(struct engine *engine)
{
	thin_forget(engine);
	catalog_close(take_ptr(engine->catalog));
}

/* Only damage is mended by that: a full disk or a lack of memory is not. */
static int hint_rebuild(struct fl_error *err)
{
	if (err->code != FL_CORRUPT)
		return fl_failed(err);
	return fl_hint(err, "rebuild it from the pool: flocker pool recover");
}

/* The second step: leaves engine->catalog set, or NULL and the error. */
static int start_catalog(struct engine *engine, struct fl_error *err)
{
	struct catalog *catalog;

	if (open_catalog(engine, &catalog, err) < 0)
		return hint_rebuild(err);
	if (check_catalog(engine, catalog, err) < 0) {
		catalog_close(catalog);
		return hint_rebuild(err);
	}
	engine->catalog = catalog;
	if (check_generation(engine, err) == 0 && start(engine, err) == 0)
		return 0;
	close_catalog(engine);
	return fl_failed(err);
}

static int open_all(struct engine *engine, struct fl_error *err)
{
	struct pool_spec spec;
	struct pool *pool;

	if (pool_file_load(engine, &spec, err) < 0 || open_pool(&spec, &pool, err) < 0)
		return fl_failed(err);
	if (check_owner(engine, pool, err) < 0) {
		pool->driver->close(pool);
		return fl_failed(err);
	}
	engine->pool = pool;
	return start_catalog(engine, err);
}

/* After what opens it, or fails to and says so in engine->trouble. */
static int note_trouble(struct engine *engine, int outcome)
{
	return failing_note(engine, FAILING_POOL, NULL, outcome, &engine->trouble);
}

void engine_pool_open(struct engine *engine)
{
	char uuid[UUID_TEXT];

	if (note_trouble(engine, open_all(engine, &engine->trouble)) == 0)
		log_info("pool opened", "path=%s pool=%s", engine->pool->spec.path,
			 uuid_format(&engine->pool->identity.pool, uuid));
	data_containers_look(engine, ANY_PATH);
}

/* The next one's is another. */
static void forget_use(struct engine *engine)
{
	own_lock(guard, &engine->care_mutex);

	engine->forecast = (struct forecast){ 0 };
	engine->forecast_due = 0;
	engine->summary = (struct branch_summary){ 0 };
}

void engine_pool_close(struct engine *engine)
{
	struct fl_error err;

	if (engine->catalog && intents_settle(engine, &err) < 0)
		log_warning("what was deleted is deleted once more at the next start",
			    "reason=\"%s\"", err.text);
	if (engine->catalog && retention_save(engine, &err) < 0)
		log_warning("the retention clock could not be kept", "error=\"%s\"", err.text);
	if (engine->catalog)
		close_catalog(engine);
	if (!engine->pool)
		return;
	watching_end(engine->watching);
	forget_use(engine);
	if ((driver_of(engine)->capabilities & DRIVER_CAN_EXPOSE) &&
	    driver_of(engine)->conceal(engine->pool, engine->mount_root, &err) < 0)
		log_info("branches stay visible", "reason=\"%s\"", err.text);
	driver_of(engine)->close(take_ptr(engine->pool));
}

/* --- the gate, alone ------------------------------------------------------------------ */

static void gate_open(struct engine **alone)
{
	if (*alone)
		pthread_rwlock_unlock(&(*alone)->gate);
}
#define own_gate_alone own(gate_open)

static struct engine *gate_shut(struct engine *engine)
{
	pthread_rwlock_wrlock(&engine->gate);
	return engine;
}

/* --- create ------------------------------------------------------------------------------- */

static int fill_size(struct pool_spec *spec, struct fl_error *err)
{
	own_free char *directory = xstrdup(spec->path);
	struct statvfs st;

	*strrchr(directory, '/') = '\0';
	if (statvfs(directory[0] ? directory : "/", &st) < 0)
		return fl_fail_errno(err, "cannot look at '%s'", directory);
	spec->size = (uint64_t)st.f_bavail * st.f_frsize / 2 / MEBIBYTE * MEBIBYTE;
	return 0;
}

static int complete_spec(struct pool_spec *spec, struct fl_error *err)
{
	if (spec->driver[0] == '\0')
		strcpy(spec->driver, driver_choose(spec));
	if (spec->kind != POOL_MEMORY && spec->kind != POOL_DATASET && spec->path[0] != '/')
		return fl_fail(err, FL_INVALID, "the path '%.200s' is not absolute", spec->path);
	if (spec->kind == POOL_FILE && spec->size == 0)
		return fill_size(spec, err);
	return 0;
}

static int refuse_second_pool(struct engine *engine, struct fl_error *err)
{
	struct pool_spec present;

	if (pool_file_load(engine, &present, err) < 0)
		return err->code == FL_NOT_FOUND ? 0 : fl_failed(err);
	fl_fail(err, FL_EXISTS, "this instance has a pool: %s", present.path);
	return fl_hint(err, "an instance has one pool; a second instance: flockerd --root DIR");
}

static int write_identity(struct tx *tx, void *arg, struct fl_error *err)
{
	const struct engine *engine = arg;
	char uuid[UUID_TEXT];

	return tx_setting_set(tx, "pool.uuid", uuid_format(&engine->pool->identity.pool, uuid),
			      err);
}

/* An empty catalogue for the open pool; one that lies there is put aside. */
static int new_catalog(struct engine *engine, struct fl_error *err)
{
	own_free char *path = catalog_path(engine);
	struct catalog *catalog;

	if (catalog_put_aside(path, err) < 0 || catalog_open(path, true, &catalog, err) < 0)
		return fl_failed(err);
	engine->catalog = catalog;
	if (catalog_write(catalog, CATALOG_DURABLE, write_identity, engine, err) == 0)
		return 0;
	close_catalog(engine);
	return fl_failed(err);
}

static int start_new(struct engine *engine, const struct pool_spec *spec, struct fl_error *err)
{
	if (open_pool(spec, &engine->pool, err) < 0 || new_catalog(engine, err) < 0 ||
	    start(engine, err) < 0 || pool_file_save(engine, spec, err) < 0)
		return fl_failed(err);
	return 0;
}

static void forget_pool(struct engine *engine, const struct fl_error *why)
{
	engine_pool_close(engine);
	engine->trouble = *why;
	(void)note_trouble(engine, fl_failed(why));
}

int engine_pool_create(struct engine *engine, const struct pool_spec *wanted, struct fl_error *err)
{
	struct pool_identity identity = { POOL_FORMAT, uuid_new(), engine->instance };
	struct pool_spec spec = *wanted;
	const struct driver *driver;
	struct fl_error none;

	if (complete_spec(&spec, err) < 0 || driver_find(spec.driver, &driver, err) < 0)
		return fl_failed(err);
	own_gate_alone struct engine *alone = gate_shut(engine);

	(void)alone;
	if (refuse_second_pool(engine, err) < 0)
		return fl_failed(err);
	if (driver->create(&spec, &identity, err) < 0) {
		if (err->code == FL_EXISTS)
			fl_hint(err, "to use the pool that is there: flocker pool adopt");
		return fl_failed(err);
	}
	if (start_new(engine, &spec, err) == 0)
		return note_trouble(engine, 0);
	if (pool_file_load(engine, &spec, &none) < 0)
		forget_pool(engine, &none);
	return fl_hint(err, "the pool was made but could not be opened; try: flocker pool adopt");
}

/* --- drivers --------------------------------------------------------------------------- */

bool engine_driver_next(size_t *at, struct driver_report *ret)
{
	struct driver_report report = { .words = &storage_drivers[*at] };

	if (!report.words->name ||
	    driver_find(report.words->name, &report.driver, &report.trouble) < 0)
		return false;
	++*at;
	if (!report.driver->available || report.driver->available(&report.trouble) == 0)
		report.trouble = (struct fl_error){ 0 };
	*ret = report;
	return true;
}

/* --- show, grow ----------------------------------------------------------------------------- */

int pool_report(struct engine *engine, struct pool_report *ret, struct fl_error *err)
{
	struct pool_stats stats;

	if (driver_of(engine)->stats(engine->pool, &stats, err) < 0)
		return fl_failed(err);
	*ret = (struct pool_report){ engine->pool->spec, engine->pool->identity, stats };
	return 0;
}

/* A lost catalogue hides no pool: these two need the pool alone. */
static int enter_pool(struct engine *engine, struct engine **ret, struct fl_error *err)
{
	pthread_rwlock_rdlock(&engine->gate);
	if (!engine->pool) {
		*err = engine->trouble;
		pthread_rwlock_unlock(&engine->gate);
		return fl_failed(err);
	}
	*ret = engine;
	return 0;
}

int engine_pool_show(struct engine *engine, struct pool_report *ret, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;

	if (enter_pool(engine, &inside, err) < 0)
		return fl_failed(err);
	return pool_report(engine, ret, err);
}

int engine_pool_grow(struct engine *engine, uint64_t size, struct pool_report *ret,
		     struct fl_error *err)
{
	own_gate struct engine *inside = NULL;

	if (enter_pool(engine, &inside, err) < 0)
		return fl_failed(err);
	if (!(driver_of(engine)->capabilities & DRIVER_CAN_GROW))
		return fl_fail(err, FL_UNSUPPORTED, "the driver '%s' can't grow a pool",
			       driver_of(engine)->name);
	if (driver_of(engine)->grow(engine->pool, size, err) < 0)
		return fl_wrap(err, "growing the pool %s", engine->pool->spec.path);
	return pool_report(engine, ret, err);
}

/* --- recover, adopt --------------------------------------------------------------------------- */

/* A new catalogue with what the pool tells; one that a crash left half-made is not opened. */
static int rebuild_whole(struct engine *engine, struct recovery *ret, struct fl_error *err)
{
	if (fsat_write(engine->state_fd, REBUILDING_FILE, "", 0, 0600, true, err) < 0 ||
	    new_catalog(engine, err) < 0 || rebuild(engine, ret, err) < 0)
		return fl_failed(err);
	return fsat_unlink(engine->state_fd, REBUILDING_FILE, err);
}

static int rebuild_catalog(struct engine *engine, struct recovery *ret, struct fl_error *err)
{
	if (engine->catalog)
		close_catalog(engine);
	if (rebuild_whole(engine, ret, err) < 0)
		return fl_failed(err);
	return start(engine, err);
}

/* Imports and exports work on the pool without holding the gate: they are ended first. */
static void drain_end(struct engine **engine)
{
	operations_resume(*engine);
}

int engine_pool_recover(struct engine *engine, struct recovery *ret, struct fl_error *err)
{
	own(drain_end) struct engine *drained = engine;

	operations_drain(drained);
	own_gate_alone struct engine *alone = gate_shut(engine);

	(void)alone;
	if (!engine->pool) {
		*err = engine->trouble;
		return fl_failed(err);
	}
	if (rebuild_catalog(engine, ret, err) == 0)
		return note_trouble(engine, 0);
	fl_wrap(err, "rebuilding the catalogue");
	if (engine->catalog)
		close_catalog(engine);
	engine->trouble = *err;
	(void)note_trouble(engine, fl_failed(err));
	return fl_hint(err, "the pool is untouched; when the cause is gone: flocker pool recover");
}

/*
 * The pool's own word comes last: a crash before it leaves a pool of the former
 * instance, and taking it over is begun anew.
 */
static int take_over(struct engine *engine, const struct pool_spec *spec, struct recovery *ret,
		     struct fl_error *err)
{
	struct pool_identity identity;
	struct pool *pool;

	if (open_pool(spec, &pool, err) < 0)
		return fl_failed(err);
	engine->pool = pool;
	identity = pool->identity;
	engine->former = identity.instance;
	identity.instance = engine->instance;
	if (rebuild_whole(engine, ret, err) < 0 ||
	    driver_of(engine)->identify(engine->pool, &identity, err) < 0 ||
	    pool_file_save(engine, spec, err) < 0)
		return fl_failed(err);
	pool->identity = identity;
	return start(engine, err);
}

int engine_pool_adopt(struct engine *engine, const struct pool_spec *wanted, struct recovery *ret,
		      struct fl_error *err)
{
	struct pool_spec spec;
	own_gate_alone struct engine *alone = gate_shut(engine);

	(void)alone;
	if (engine->pool)
		return fl_fail(err, FL_EXISTS, "this instance has opened its pool: %s",
			       engine->pool->spec.path);
	if (wanted)
		spec = *wanted;
	else if (pool_file_load(engine, &spec, err) < 0)
		return fl_hint(err, "say which pool: flocker pool adopt --file PATH");
	if (complete_spec(&spec, err) < 0)
		return fl_failed(err);
	if (take_over(engine, &spec, ret, err) == 0)
		return note_trouble(engine, 0);
	if (engine->pool) /* else nothing was opened, and what was wrong before still is */
		forget_pool(engine, err);
	return fl_wrap(err, "taking over the pool %s", spec.path);
}
