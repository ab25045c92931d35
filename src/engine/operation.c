#include "engine/operation.h"

#include <string.h>

#include "engine/internal.h"

/*
 * Under the table's mutex nothing blocks: no catalogue, no waiting for a child.
 * A record that says "running" without an entry in the table belongs to one that
 * is just ending.
 */

struct running {
	struct engine *engine;
	struct operation operation;
	bool estimated;		     /* its total_bytes */
	const struct spawned *child; /* NULL: none */
	void (*cut)(void *arg);	     /* NULL: nothing to be cut */
	void *cut_arg;
	bool cancelled;
	struct fl_error why; /* FL_OK: it was cancelled here */
	struct running *next;
};

void operation_table_init(struct operation_table *table)
{
	pthread_mutex_init(&table->mutex, NULL);
	pthread_cond_init(&table->ended, NULL);
}

void operation_table_done(struct operation_table *table)
{
	for (struct running *running = table->unrecorded, *next; running; running = next) {
		next = running->next;
		free(running);
	}
	pthread_cond_destroy(&table->ended);
	pthread_mutex_destroy(&table->mutex);
}

/* --- records ------------------------------------------------------------------- */

static int insert_row(struct tx *tx, void *arg, struct fl_error *err)
{
	return tx_operation_insert(tx, arg, err);
}

static int update_row(struct tx *tx, void *arg, struct fl_error *err)
{
	if (tx_operation_update(tx, arg, err) < 0)
		return fl_failed(err);
	return tx_operation_prune(tx, OPERATIONS_KEPT, err);
}

static int interrupt_rows(struct tx *tx, void *arg, struct fl_error *err)
{
	struct fl_error why;

	fl_fail_at(&why, __FILE__, __LINE__, FL_SYSTEM, 0, "the daemon ended while it ran");
	fl_add_hint(&why, "see whether it had come to its end: flocker list; else begin anew");
	return tx_operation_interrupt(tx, clock_now(), &why, err);
}

void operations_recover(struct engine *engine)
{
	struct fl_error err;

	if (catalog_write(engine->catalog, CATALOG_LAZY, interrupt_rows, NULL, &err) < 0)
		log_warning("operations that were cut off still count as running", "error=\"%s\"",
			    err.text);
}

/* --- the table -------------------------------------------------------------------- */

/* Under the mutex. */
static struct running *find(struct running *running, const struct uuid *id)
{
	while (running && !uuid_equal(&running->operation.id, id))
		running = running->next;
	return running;
}

/* Under the mutex. */
static void cancel(struct running *running)
{
	running->cancelled = true;
	if (running->child)
		spawn_kill(running->child);
	if (running->cut)
		running->cut(running->cut_arg);
}

static int table_add(struct operation_table *table, struct running *running, struct fl_error *err)
{
	own_lock(guard, &table->mutex);

	if (table->draining) {
		fl_fail(err, FL_BUSY, "the pool is being closed");
		return fl_hint(err, "try again when it is open again");
	}
	running->next = table->running;
	table->running = running;
	return 0;
}

/* Under the mutex. */
static void unlink_running(struct operation_table *table, struct running *running)
{
	struct running **link = &table->running;

	while (*link != running)
		link = &(*link)->next;
	*link = running->next;
	pthread_cond_broadcast(&table->ended);
}

static void table_remove(struct operation_table *table, struct running *running)
{
	own_lock(guard, &table->mutex);

	unlink_running(table, running);
}

static void keep_unrecorded(struct operation_table *table, struct running *running,
			    const struct operation *row)
{
	own_lock(guard, &table->mutex);

	unlink_running(table, running);
	running->operation = *row;
	running->next = table->unrecorded;
	table->unrecorded = running;
}

static struct running *take_unrecorded(struct operation_table *table)
{
	own_lock(guard, &table->mutex);
	struct running *running = table->unrecorded;

	if (running)
		table->unrecorded = running->next;
	return running;
}

int operation_begin(struct engine *engine, const struct operation *wanted, struct running **ret,
		    struct fl_error *err)
{
	own_free struct running *running = xcalloc(1, sizeof(*running));
	struct operation row = *wanted;

	if (uuid_is_none(&row.id))
		row.id = uuid_new();
	row.state = OPERATION_RUNNING;
	row.started = clock_now();
	*running = (struct running){ .engine = engine, .operation = row };
	if (table_add(&engine->operations, running, err) < 0)
		return fl_failed(err);
	if (catalog_write(engine->catalog, CATALOG_LAZY, insert_row, &row, err) < 0) {
		table_remove(&engine->operations, running);
		return fl_failed(err);
	}
	*ret = take_ptr(running);
	return 0;
}

const struct uuid *operation_id(const struct running *running)
{
	return &running->operation.id;
}

const char *operation_object(const struct running *running)
{
	return running->operation.object;
}

void operation_name(struct running *running, const char *object)
{
	own_lock(guard, &running->engine->operations.mutex);

	snprintf(running->operation.object, sizeof(running->operation.object), "%s", object);
}

void operation_progress(struct running *running, uint64_t bytes)
{
	own_lock(guard, &running->engine->operations.mutex);

	running->operation.done_bytes = bytes;
	if (running->estimated && running->operation.total_bytes < bytes)
		running->operation.total_bytes = bytes;
}

void operation_expect(struct running *running, uint64_t bytes)
{
	own_lock(guard, &running->engine->operations.mutex);

	running->operation.total_bytes = bytes;
	running->estimated = bytes > 0;
}

void operation_child(struct running *running, const struct spawned *child)
{
	own_lock(guard, &running->engine->operations.mutex);

	running->child = child;
	if (child && running->cancelled)
		spawn_kill(child);
}

void operation_on_cancel(struct running *running, void (*cut)(void *arg), void *arg)
{
	own_lock(guard, &running->engine->operations.mutex);

	running->cut = cut;
	running->cut_arg = arg;
	if (cut && running->cancelled)
		cut(arg);
}

void operation_cancel(struct running *running)
{
	own_lock(guard, &running->engine->operations.mutex);

	cancel(running);
}

void operation_cancelled_there(struct running *running, const struct fl_error *why)
{
	own_lock(guard, &running->engine->operations.mutex);

	if (!running->cancelled)
		running->why = *why;
	cancel(running);
}

bool operation_twin(const struct running *running, struct uuid *ret)
{
	const struct operation_table *table = &running->engine->operations;
	own_lock(guard, &running->engine->operations.mutex);

	for (const struct running *other = table->running; other; other = other->next) {
		if (other == running ||
		    strcmp(other->operation.object, running->operation.object) != 0)
			continue;
		*ret = other->operation.id;
		return true;
	}
	return false;
}

static bool is_transfer(const struct running *running)
{
	static const char *const verbs[] = { "push", "fetch", "pull", "send", "receive", "verify" };

	for (size_t i = 0; i < array_size(verbs); i++)
		if (strcmp(running->operation.verb, verbs[i]) == 0)
			return true;
	return false;
}

int operation_check(struct running *running, struct fl_error *err)
{
	const struct operation_table *table = &running->engine->operations;
	own_lock(guard, &running->engine->operations.mutex);

	if (!running->cancelled)
		return 0;
	if (running->why.code != FL_OK) {
		*err = running->why;
		return fl_failed(err);
	}
	if (!table->stopping || !is_transfer(running))
		return fl_fail_cancelled(err, "it was cancelled");
	(void)!fl_fail_cancelled(err, "the daemon of '%s' was stopped", running->engine->name);
	return fl_hint(err, "when it runs again, the same command goes on where this was");
}

struct operation operation_outcome(struct running *running)
{
	struct operation row;
	own_lock(guard, &running->engine->operations.mutex);

	row = running->operation;
	row.state = OPERATION_DONE;
	if (running->estimated)
		row.total_bytes = row.done_bytes;
	/* The host's clock may have been set back meanwhile. */
	row.ended = clock_now();
	if (row.ended < row.started)
		row.ended = row.started;
	return row;
}

/* What the record says after a failure. */
static struct operation failed_row(struct running *running, const struct fl_error *failure)
{
	struct operation row = operation_outcome(running);
	own_lock(guard, &running->engine->operations.mutex);

	row.state = running->cancelled ? OPERATION_CANCELLED : OPERATION_FAILED;
	row.total_bytes = running->operation.total_bytes;
	row.error = *failure;
	return row;
}

/* A record that went on saying "running" would be a lie until the next start: it may take the
 * reserve. */
static int record_end(struct engine *engine, struct operation *row, struct fl_error *err)
{
	int r = catalog_write(engine->catalog, CATALOG_LAZY, update_row, row, err);

	return r == -FL_NO_SPACE ? catalog_write_deletion(engine, update_row, row, err) : r;
}

void operation_end(struct running *running, const struct fl_error *failure, struct operation *ret)
{
	struct engine *engine = running->engine;
	struct operation row = failure ? failed_row(running, failure) : operation_outcome(running);
	char id[UUID_TEXT];
	struct fl_error err;

	bool recorded = record_end(engine, &row, &err) == 0;

	if (!recorded)
		log_warning("the end of an operation is not recorded yet", "id=%s error=\"%s\"",
			    uuid_format(&row.id, id), err.text);
	log_info("operation ended", "id=%s verb=%s object=%s state=%s bytes=%" PRIu64,
		 uuid_format(&row.id, id), row.verb, row.object, operation_state_names[row.state],
		 row.done_bytes);
	if (recorded) {
		table_remove(&engine->operations, running);
		free(running);
	} else {
		keep_unrecorded(&engine->operations, running, &row);
	}
	if (ret)
		*ret = row;
}

void operations_record(struct engine *engine)
{
	struct operation_table *table = &engine->operations;
	struct running *running;
	struct fl_error err;

	while ((running = take_unrecorded(table))) {
		if (record_end(engine, &running->operation, &err) == 0) {
			free(running);
			continue;
		}
		own_lock(guard, &table->mutex);
		running->next = table->unrecorded;
		table->unrecorded = running;
		return;
	}
}

static void end_all(struct operation_table *table)
{
	own_lock(guard, &table->mutex);

	table->draining = true;
	for (struct running *running = table->running; running; running = running->next)
		cancel(running);
	while (table->running)
		pthread_cond_wait(&table->ended, &table->mutex);
}

/* With the mutex: cancels all, and tells whether there are any. */
static bool cancel_transfers(struct operation_table *table)
{
	bool any = false;

	for (struct running *running = table->running; running; running = running->next)
		if (is_transfer(running)) {
			cancel(running);
			any = true;
		}
	return any;
}

void operations_cancel_transfers(struct engine *engine, int64_t patience)
{
	struct operation_table *table = &engine->operations;
	const int64_t end = clock_monotonic() + patience;
	const struct timespec until = { end / CLOCK_SECOND, end % CLOCK_SECOND };
	own_lock(guard, &table->mutex);

	table->stopping = true;
	while (cancel_transfers(table) &&
	       pthread_cond_clockwait(&table->ended, &table->mutex, CLOCK_MONOTONIC, &until) == 0)
		;
}

void operations_drain(struct engine *engine)
{
	end_all(&engine->operations);
	if (engine->catalog)
		operations_record(engine);
}

void operations_resume(struct engine *engine)
{
	own_lock(guard, &engine->operations.mutex);

	engine->operations.draining = false;
}

/* --- the verbs ------------------------------------------------------------------------ */

/* How far one is that runs, or how one ended that the catalogue has no room for. */
static void overlay(struct engine *engine, struct operation *row)
{
	own_lock(guard, &engine->operations.mutex);
	const struct running *running = find(engine->operations.running, &row->id);
	const struct running *ended = find(engine->operations.unrecorded, &row->id);

	if (row->state == OPERATION_RUNNING && (running || ended))
		*row = (running ? running : ended)->operation;
}

static int add_row(void *arg, const struct operation *row, struct fl_error *err)
{
	*operation_list_add(arg) = *row;
	return 0;
}

int engine_operations(struct engine *engine, struct operation_list *ret, struct fl_error *err)
{
	own(operation_list_done) struct operation_list list = { 0 };
	own_gate struct engine *inside = NULL;
	own_tx struct tx *tx = NULL;

	if (gate_enter(engine, &inside, err) < 0 || tx_begin(engine->catalog, &tx, err) < 0 ||
	    tx_operation_each(tx, SIZE_MAX, add_row, &list, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < list.count; i++)
		overlay(engine, &list.items[i]);
	*ret = list;
	list = (struct operation_list){ 0 };
	return 0;
}

void operations_running(struct engine *engine, struct operation_list *ret)
{
	own_lock(guard, &engine->operations.mutex);

	for (const struct running *running = engine->operations.running; running;
	     running = running->next)
		*operation_list_add(ret) = running->operation;
}

int engine_operation(struct engine *engine, const struct uuid *id, struct operation *ret,
		     struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_tx struct tx *tx = NULL;

	if (gate_enter(engine, &inside, err) < 0 || tx_begin(engine->catalog, &tx, err) < 0 ||
	    tx_operation_get(tx, id, ret, err) < 0)
		return fl_failed(err);
	overlay(engine, ret);
	return 0;
}

int engine_operation_cancel(struct engine *engine, const struct uuid *id, struct fl_error *err)
{
	struct operation row;
	struct running *running;

	if (engine_operation(engine, id, &row, err) < 0)
		return fl_failed(err);
	own_lock(guard, &engine->operations.mutex);
	running = find(engine->operations.running, id);
	if (running)
		cancel(running);
	return 0;
}
