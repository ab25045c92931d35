/*
 * Snapshots: in the pool first, durable there, then in the catalogue.
 *
 * Several at once are taken in parallel: each goes into its own branch's
 * directory, so that the file system joins them in one commit, and all their
 * rows go into one transaction.  Rows without a name, message or metadata need
 * no sync of their own: the storage name in the pool says it all.
 *
 * At one instant: what uses the branches stands still from just before the first
 * of them to just after the last (together.h).
 */

#include <string.h>

#include "base/thread.h"
#include "engine/hooks.h"
#include "engine/note.h"
#include "engine/together.h"

#define SNAPSHOT_THREADS 64

struct tree snapshot_tree(const struct snapshot_row *row)
{
	return tree_snapshot(&row->position.branch, &row->storage);
}

/* Later than every snapshot of the branch, whatever the clock says. */
static int64_t next_time(const struct branch_row *branch)
{
	int64_t now = clock_now();

	return now > branch->last_time + 1 ? now : branch->last_time + 2;
}

static void fill_row(struct engine *engine, const struct branch_row *branch,
		     const struct snapshot_options *options, struct snapshot_row *row)
{
	*row = (struct snapshot_row){ .sequence = branch->last_sequence + 1,
				      .reason = options->reason };
	row->storage = (struct snapname){ engine->instance, next_time(branch) };
	row->position = (struct position){ branch->uuid, row->storage.time };
	row->late = retention_late(engine, row->storage.time);
	row->id = snapname_id(&row->storage);
	snprintf(row->host, sizeof(row->host), "%s", engine->host);
	if (options->name)
		snprintf(row->name, sizeof(row->name), "%s", options->name);
	if (options->message && options->message[0])
		row->message = xstrdup(options->message);
	if (options->metadata)
		metadata_copy(options->metadata, &row->metadata);
}

void snapshot_abort(struct engine *engine, const struct snapshot_row *row)
{
	struct tree tree = snapshot_tree(row);
	struct fl_error err;
	char text[TREE_TEXT];

	if (driver_of(engine)->tree_delete(engine->pool, &tree, &err) < 0)
		log_warning("a snapshot that nobody asked for stays", "tree=%s error=\"%s\"",
			    tree_format(&tree, text), err.text);
}

int snapshot_take(struct engine *engine, const struct branch_row *branch,
		  const struct snapshot_options *options, struct snapshot_row *ret,
		  struct fl_error *err)
{
	own_snapshot_row struct snapshot_row row = { 0 };
	const struct tree head = tree_head(&branch->uuid);

	fill_row(engine, branch, options, &row);
	if (hooks_before(options->hooks, branch, &row, err) < 0)
		return fl_failed(err);
	if (note_snapshot(engine, &head, &row, err) < 0) {
		/* An error after the fact must not leave one that the next start would adopt. */
		if (err->code != FL_EXISTS)
			snapshot_abort(engine, &row);
		return fl_wrap(err, "taking a snapshot of branch '%s'", branch->name);
	}
	if (hooks_after(options->hooks, branch, &row, err) < 0) {
		snapshot_abort(engine, &row);
		return fl_failed(err);
	}
	thin_soon(engine, false);
	*ret = row;
	row = (struct snapshot_row){ 0 };
	return 0;
}

/* --- several at once ---------------------------------------------------------- */

struct batch {
	struct engine *engine;
	const struct claim *claim;
	const struct snapshot_options *options;
	struct snapshot_row *rows;
	struct fl_error *errors; /* one for each; code 0: taken */
	size_t next;		 /* atomic: what no thread has begun yet */
	struct snapshot_list answer;
	pthread_mutex_t start; /* who holds it keeps them from beginning */
	pthread_t threads[SNAPSHOT_THREADS];
	size_t started;
};

static void batch_work(struct batch *batch)
{
	for (;;) {
		size_t i = __atomic_fetch_add(&batch->next, 1, __ATOMIC_RELAXED);

		if (i >= batch->claim->count)
			return;
		if (snapshot_take(batch->engine, &batch->claim->targets[i].branch, batch->options,
				  &batch->rows[i], &batch->errors[i]) == 0)
			batch->errors[i].code = FL_OK;
	}
}

static void *batch_thread(void *arg)
{
	struct batch *batch = arg;

	pthread_mutex_lock(&batch->start);
	pthread_mutex_unlock(&batch->start);
	batch_work(batch);
	return NULL;
}

static void batch_start(struct batch *batch)
{
	size_t wanted = batch->claim->count - 1;
	struct fl_error fewer;

	while (batch->started < wanted && batch->started < SNAPSHOT_THREADS &&
	       thread_start(&batch->threads[batch->started], THREAD_STACK, batch_thread, batch,
			    &fewer) == 0)
		batch->started++;
}

/* This thread works too, so it gets done even where no other could be started. */
static void batch_finish(struct batch *batch)
{
	batch_work(batch);
	while (batch->started > 0)
		pthread_join(batch->threads[--batch->started], NULL);
}

static int batch_first_error(const struct batch *batch, struct fl_error *err)
{
	for (size_t i = 0; i < batch->claim->count; i++)
		if (batch->errors[i].code != FL_OK) {
			*err = batch->errors[i];
			return fl_failed(err);
		}
	return 0;
}

static void batch_abort(const struct batch *batch)
{
	for (size_t i = 0; i < batch->claim->count; i++)
		if (batch->errors[i].code == FL_OK)
			snapshot_abort(batch->engine, &batch->rows[i]);
}

/*
 * What is answered is read where the rows are written: that connection has all
 * of it at hand, another would have to read the changed pages first.
 */
static int batch_insert(struct tx *tx, void *arg, struct fl_error *err)
{
	struct batch *batch = arg;

	for (size_t i = 0; i < batch->claim->count; i++)
		if (tx_snapshot_insert(tx, &batch->rows[i], err) < 0 ||
		    answer_snapshot(batch->engine, tx, &batch->claim->targets[i].volume,
				    &batch->rows[i], snapshot_list_add(&batch->answer), err) < 0)
			return fl_failed(err);
	return 0;
}

static void batch_done(struct batch *batch)
{
	for (size_t i = 0; i < batch->claim->count; i++)
		snapshot_row_done(&batch->rows[i]);
	snapshot_list_done(&batch->answer);
	pthread_mutex_destroy(&batch->start);
	free(batch->rows);
	free(batch->errors);
}

/* Does any row say what its storage name does not? */
static bool is_noted(const struct batch *batch)
{
	bool noted = batch->options->name || batch->options->message;

	for (size_t i = 0; i < batch->claim->count; i++)
		noted |= batch->rows[i].metadata.count > 0;
	return noted;
}

/*
 * Nothing else is done while applications stand still: the threads are there already, and
 * begin together, so that fewer of them miss the commit that the first one asks for.
 */
static int batch_run_together(struct batch *batch, struct holding *holding, struct fl_error *err)
{
	int r;

	pthread_mutex_lock(&batch->start);
	batch_start(batch);
	r = together_hold(holding, batch->claim, err);
	for (size_t i = 0; i < batch->claim->count && r < 0; i++)
		batch->errors[i] = *err; /* none is to be taken */
	if (r < 0)
		batch->next = batch->claim->count;
	pthread_mutex_unlock(&batch->start);
	batch_finish(batch);
	return r < 0 ? r : together_release(holding, err);
}

static int batch_run(struct batch *batch, struct fl_error *err)
{
	if (batch->options->holding)
		return batch_run_together(batch, batch->options->holding, err);
	batch_start(batch);
	batch_finish(batch);
	return 0;
}

static int snapshot_batch(struct batch *batch, struct snapshot_list *ret, struct fl_error *err)
{
	if (batch_run(batch, err) < 0 || batch_first_error(batch, err) < 0 ||
	    catalog_write(batch->engine->catalog, is_noted(batch) ? CATALOG_DURABLE : CATALOG_LAZY,
			  batch_insert, batch, err) < 0) {
		batch_abort(batch);
		return fl_failed(err);
	}
	for (size_t i = 0; i < batch->claim->count; i++)
		status_taken(batch->engine, batch->rows[i].position.time);
	*ret = batch->answer;
	batch->answer = (struct snapshot_list){ 0 };
	return 0;
}

/* --- the verb -------------------------------------------------------------------- */

static int check_options(const struct snapshot_options *options, struct fl_error *err)
{
	if (options->message && check_message(options->message, err) < 0)
		return fl_failed(err);
	return options->name ? ref_check_snapshot_name(options->name, err) : 0;
}

/* Each branch once: the second of the same would only wait for the first. */
static int check_refs(const struct claim *claim, struct fl_error *err)
{
	for (size_t i = 0; i < claim->count; i++)
		for (size_t j = 0; j < i; j++)
			if (uuid_equal(&claim->targets[i].branch.uuid,
				       &claim->targets[j].branch.uuid))
				return fl_fail(err, FL_INVALID, "%s/%s is named twice",
					       claim->targets[i].volume.name,
					       claim->targets[i].branch.name);
	return 0;
}

static int check_name_free(struct engine *engine, const struct claim *claim, const char *name,
			   struct fl_error *err)
{
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < claim->count; i++) {
		own_snapshot_row struct snapshot_row row = { 0 };
		const struct target *target = &claim->targets[i];
		int r = tx_snapshot_get_name(tx, &target->branch.uuid, name, &row, err);

		if (r == 0)
			return fl_fail(err, FL_EXISTS, "%s/%s has a snapshot called '%s' already",
				       target->volume.name, target->branch.name, name);
		if (r != -FL_NOT_FOUND)
			return r;
	}
	return 0;
}

static int snapshot_heads(struct engine *engine, const struct ref *refs, size_t count,
			  const struct snapshot_options *options, struct snapshot_list *ret,
			  struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_claim struct claim claim = { 0 };
	struct batch batch = { .engine = engine,
			       .claim = &claim,
			       .options = options,
			       .start = PTHREAD_MUTEX_INITIALIZER };
	int r;

	if (gate_enter(engine, &inside, err) < 0 ||
	    claim_take(engine, refs, count, CLAIM_HEAD, &claim, err) < 0 ||
	    check_refs(&claim, err) < 0 ||
	    (options->name && check_name_free(engine, &claim, options->name, err) < 0))
		return fl_failed(err);
	batch.rows = xcalloc(count, sizeof(*batch.rows));
	batch.errors = xcalloc(count, sizeof(*batch.errors));
	r = snapshot_batch(&batch, ret, err);
	batch_done(&batch);
	return r;
}

static int check(const struct ref *refs, size_t count, const struct snapshot_options *options,
		 struct fl_error *err)
{
	if (count < 1 || count > SNAPSHOT_REFS)
		return fl_fail(err, FL_INVALID, "a snapshot takes 1 to %d references, not %zu",
			       SNAPSHOT_REFS, count);
	for (size_t i = 0; i < count; i++)
		if (check_form(&refs[i], FORM_VOLUME | FORM_BRANCH, "snapshot", err) < 0)
			return fl_failed(err);
	return check_options(options, err);
}

/* Hooks first: they take their time, and who is found now is to be held soon after. */
static int snapshot_together(struct engine *engine, const struct ref *refs, size_t count,
			     const struct snapshot_options *options, struct snapshot_list *ret,
			     struct fl_error *err)
{
	struct snapshot_options held = *options;
	own_holding struct holding *holding = NULL;
	own_metadata struct metadata metadata = { 0 };

	if (options->metadata)
		metadata_copy(options->metadata, &metadata);
	if (together_begin(engine, refs, count, options->together, &holding, err) < 0 ||
	    together_note(options->together, count, &metadata, err) < 0)
		return fl_failed(err);
	held.holding = holding;
	held.metadata = &metadata;
	if (snapshot_heads(engine, refs, count, &held, ret, err) < 0)
		return fl_failed(err);
	together_name(engine, options->together);
	return 0;
}

int engine_snapshot(struct engine *engine, const struct ref *refs, size_t count,
		    const struct snapshot_options *options, struct snapshot_list *ret,
		    struct fl_error *err)
{
	struct snapshot_options held = *options;
	struct hooking hooking;
	int r;

	if (check(refs, count, options, err) < 0 ||
	    hooks_begin(engine, refs, count, HOOK_SNAPSHOT, options->reason, &hooking, err) < 0)
		return fl_failed(err);
	held.hooks = &hooking;
	if (held.together)
		r = snapshot_together(engine, refs, count, &held, ret, err);
	else
		r = snapshot_heads(engine, refs, count, &held, ret, err);
	hooks_end(&hooking, r == 0);
	return r;
}
