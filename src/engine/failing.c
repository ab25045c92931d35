#include "engine/failing.h"

#include <string.h>

#include "base/text.h"
#include "engine/internal.h"

struct kind {
	const char *name;  /* the event of its beginning */
	const char *ended; /* and of its end */
	const char *title;
	const char *again; /* for the log */
	const char *hint;  /* where the error has none */
	enum log_level level;
	bool grave; /* for engine_health() */
	bool note;  /* where it is FL_UNREACHABLE: see struct failure */
};

#define BY_ITSELF "it is tried again by itself; the daemon's log says more"

static const struct kind kinds[FAILINGS] = {
	[FAILING_POOL] = { "no-pool", "pool-opened", "the pool is not open", "the pool is open",
			   "to make one: flocker pool create", LOG_LEVEL_WARNING, true },
	[FAILING_HOST] = { "host-full", "host-free", "the host is full: the pool is read-only",
			   "the pool is writable again", "free space on the host", LOG_LEVEL_ERROR,
			   true },
	[FAILING_SYNC] = { "not-synced", "synced-again", "the pool could not be synced",
			   "the pool is synced again", BY_ITSELF, LOG_LEVEL_WARNING, true },
	[FAILING_SNAPSHOT] = { "not-saved", "saved-again",
			       "a branch can't be snapshotted by itself",
			       "a branch is snapshotted by itself again",
			       "it is tried again and again; flocker snapshot says the same at "
			       "once",
			       LOG_LEVEL_WARNING, true },
	[FAILING_STOPPED] = { "not-started", "started-again",
			      "what a rollback stopped is not started again yet",
			      "what a rollback stopped runs again", BY_ITSELF, LOG_LEVEL_WARNING,
			      true },
	[FAILING_OLD_HEAD] = { "old-head", "new-head",
			       "what runs still has contents that a rollback replaced",
			       "nothing has contents any more that a rollback replaced",
			       "restart it", LOG_LEVEL_WARNING, true },
	[FAILING_SYSTEM] = { "system-failed", "system-runs", "a user system does not stay up",
			     "a user system runs again, or is not wanted any more",
			     "flocker system console SYSTEM shows what it said", LOG_LEVEL_WARNING,
			     true },
	[FAILING_HOOK] = { "hook-failed", "hook-works", "a hook of a branch fails",
			   "the hooks of a branch work again",
			   "snapshots may not be consistent; look at: flocker hook list",
			   LOG_LEVEL_WARNING, false },
	[FAILING_AUDIT] = { "not-recorded", "recorded-again",
			    "changes are not recorded in the audit log",
			    "the audit log is written again",
			    "make the state directory writable or free space there",
			    LOG_LEVEL_ERROR, true },
	[FAILING_AUDIT_LOG] = { "audit-broken", "audit-whole",
				"the audit log is not as it was written", "the audit log is whole",
				"look at it with: flocker audit verify", LOG_LEVEL_ERROR, false },
	[FAILING_AUDIT_SYNC] = { "audit-not-synced", "audit-synced",
				 "the audit log could not be synced",
				 "the audit log is synced again", BY_ITSELF, LOG_LEVEL_WARNING,
				 false },
	[FAILING_SHADOW] = { "shadowed", "not-shadowed",
			     "the container engine has a volume of its own with a branch's name",
			     "no other volume has the branch's name",
			     "remove that one: docker volume rm NAME", LOG_LEVEL_WARNING, true },
	[FAILING_SPACE] = { "no-space", "space-again",
			    "the pool has too little space, and none can be made",
			    "the pool has space again",
			    "make it larger (flocker pool grow), or destroy what nobody needs",
			    LOG_LEVEL_WARNING, true },
	[FAILING_WATCHING] = { "not-watched", "watched-again", "changes can't be looked for",
			       "changes are looked for again", BY_ITSELF, LOG_LEVEL_WARNING, true },
	[FAILING_THINNING] = { "not-thinned", "thinned-again", "snapshots could not be thinned",
			       "snapshots are thinned again", BY_ITSELF, LOG_LEVEL_WARNING, false },
	[FAILING_CLOCK] = { "clock-not-kept", "clock-kept", "the retention clock could not be kept",
			    "the retention clock is kept again", BY_ITSELF, LOG_LEVEL_WARNING,
			    false },
	[FAILING_FACTS] = { "facts-not-written", "facts-written", "facts could not be written",
			    "facts are written again", BY_ITSELF, LOG_LEVEL_WARNING, false },
	[FAILING_RESERVE] = { "no-reserve", "reserve-again", "deletions have no reserve",
			      "deletions have a reserve again",
			      "free space where the state directory lies", LOG_LEVEL_WARNING,
			      false },
	[FAILING_TRASH] = { "trash-stays", "trash-goes", "the trash could not be emptied",
			    "the trash is emptied again", BY_ITSELF, LOG_LEVEL_WARNING, false },
	[FAILING_DELETION] = { "not-deleted", "deleted-again",
			       "what was deleted while it was read stays",
			       "what was deleted while it was read is gone", BY_ITSELF,
			       LOG_LEVEL_WARNING, false },
	[FAILING_RETIRED] = { "head-stays", "head-gone", "a replaced head could not be let go",
			      "replaced heads are let go again", BY_ITSELF, LOG_LEVEL_WARNING,
			      false },
	[FAILING_HOST_WATCH] = { "host-unknown", "host-known",
				 "the space below the pool can't be watched",
				 "the space below the pool is watched again", BY_ITSELF,
				 LOG_LEVEL_ERROR, true },
	[FAILING_STATS] = { "space-unknown", "space-known",
			    "the space in the pool can't be asked for",
			    "the space in the pool is known again", BY_ITSELF, LOG_LEVEL_WARNING,
			    false },
	[FAILING_POLICY] = { "policy-ignored", "policy-counts",
			     "a branch's policy contradicts the instance's, which does not count "
			     "for it",
			     "policies agree again",
			     "compare: flocker policy show BRANCH, and flocker config list",
			     LOG_LEVEL_WARNING, false },
	[FAILING_ENGINE] = { "engine-lost", "engine-back", "the container engine does not answer",
			     "the container engine answers again",
			     "start it; or, if there is none any more: flocker config set "
			     "docker.socket ''",
			     LOG_LEVEL_WARNING, false },
	[FAILING_CONTAINER] = { "no-data-container", "data-container-again",
				"a data container is not as it should be",
				"a data container is as it should be again", BY_ITSELF,
				LOG_LEVEL_WARNING, false },
	[FAILING_LISTENING] = { "peers-locked-out", "peers-may-connect", "peers cannot connect",
				"peers can connect again",
				"end what listens there, or: flocker config set peer.listen "
				"ADDRESS",
				LOG_LEVEL_ERROR, false },
	[FAILING_CERTIFICATE] = { "certificate-ends", "certificate-good",
				  "this host's certificate ends soon, or has ended",
				  "this host's certificate is good for long",
				  "flocker ca renew where the CA is; elsewhere flocker ca renew "
				  "--peer PEER, with the one that has it",
				  LOG_LEVEL_WARNING, false },
	[FAILING_PEER] = { "peer-away", "peer-back", "a peer is not reached",
			   "a peer is reached again",
			   "it is looked for by itself; flocker peer show PEER asks it at once",
			   LOG_LEVEL_INFO, false, true },
};

void failing_init(struct failing_table *table, struct events *events)
{
	*table = (struct failing_table){ .events = events };
	pthread_mutex_init(&table->mutex, NULL);
}

void failing_done(struct failing_table *table)
{
	free(table->rows);
	pthread_mutex_destroy(&table->mutex);
}

/* --- rows; under the mutex ------------------------------------------------------------ */

static struct failure *find(struct failing_table *table, enum failing what, const char *object)
{
	for (size_t i = 0; i < table->count; i++) {
		struct failure *row = &table->rows[i];

		if (row->what == what &&
		    strncmp(row->object, object ? object : "", sizeof(row->object) - 1) == 0)
			return row;
	}
	return NULL;
}

static size_t count_of(const struct failing_table *table, enum failing what)
{
	size_t count = 0;

	for (size_t i = 0; i < table->count; i++)
		count += table->rows[i].what == what;
	return count;
}

/* NULL: there are so many that this one is not kept.  It is tried again, when there may be room. */
static struct failure *add(struct failing_table *table, enum failing what, const char *object)
{
	struct failure *row;

	if (count_of(table, what) >= FAILING_OBJECTS) {
		if (!table->more[what])
			log_line(kinds[what].level, kinds[what].title,
				 "objects=\"more than %d; not each is told\"", FAILING_OBJECTS);
		table->more[what] = true;
		return NULL;
	}
	row = array_add(table->rows, table->count);
	*row = (struct failure){
		.what = what,
		.name = kinds[what].name,
		.title = kinds[what].title,
		.since = clock_now(),
	};
	snprintf(row->object, sizeof(row->object), "%s", object ? object : "");
	return row;
}

/* The gravest first, then the longest. */
static int compare(const void *a, const void *b)
{
	const struct failure *x = a, *y = b;

	if (x->what != y->what)
		return x->what < y->what ? -1 : 1;
	return (x->since > y->since) - (x->since < y->since);
}

/* --- what is told ---------------------------------------------------------------------- */

static void tell_begin(struct failing_table *table, const struct failure *row)
{
	const char *object = row->object[0] ? row->object : NULL;

	log_line(kinds[row->what].level, row->title, "%s%s%serror=\"%s\" hint=\"%s\"",
		 object ? "object=" : "", row->object, object ? " " : "", row->why.text,
		 row->why.hint);
	events_add(table->events, row->name, object, row->why.text);
}

static void tell_end(struct failing_table *table, const struct failure *row)
{
	const struct kind *kind = &kinds[row->what];
	const char *object = row->object[0] ? row->object : NULL;
	int64_t seconds = (clock_now() - row->since) / CLOCK_SECOND;

	log_info(kind->again, "%s%s%sseconds=%" PRId64, object ? "object=" : "", row->object,
		 object ? " " : "", seconds);
	events_add(table->events, kind->ended, object, NULL);
}

/* --- the calls --------------------------------------------------------------------------- */

void failing_set(struct engine *engine, enum failing what, const char *object,
		 const struct fl_error *why)
{
	struct failing_table *table = &engine->failing;
	own_lock(guard, &table->mutex);
	struct failure *row = find(table, what, object);
	bool another = !row || row->why.code != why->code;

	if (!row)
		row = add(table, what, object);
	if (!row)
		return;
	row->why = *why;
	row->note = kinds[what].note && why->code == FL_UNREACHABLE;
	fl_add_hint(&row->why, "%s", kinds[what].hint);
	if (another)
		tell_begin(table, row);
}

static void remove_row(struct engine *engine, enum failing what, const char *object, bool tell)
{
	struct failing_table *table = &engine->failing;
	own_lock(guard, &table->mutex);
	struct failure *row = find(table, what, object);

	if (!row)
		return;
	if (tell)
		tell_end(table, row);
	*row = table->rows[--table->count];
	table->more[what] = false;
}

void failing_clear(struct engine *engine, enum failing what, const char *object)
{
	remove_row(engine, what, object, true);
}

void failing_forget(struct engine *engine, enum failing what, const char *object)
{
	remove_row(engine, what, object, false);
}

int failing_note(struct engine *engine, enum failing what, const char *object, int outcome,
		 const struct fl_error *why)
{
	if (outcome < 0)
		failing_set(engine, what, object, why);
	else
		failing_clear(engine, what, object);
	return outcome;
}

bool failing_is(struct engine *engine, enum failing what)
{
	own_lock(guard, &engine->failing.mutex);

	return count_of(&engine->failing, what) > 0;
}

enum fl_code failing_code(struct engine *engine, enum failing what, const char *object)
{
	own_lock(guard, &engine->failing.mutex);
	const struct failure *row = find(&engine->failing, what, object);

	return row ? row->why.code : FL_OK;
}

void failing_list(struct engine *engine, struct failure **ret, size_t *ret_count, bool *ret_more)
{
	const struct failing_table *table = &engine->failing;
	own_lock(guard, &engine->failing.mutex);

	*ret = xcalloc(table->count ? table->count : 1, sizeof(**ret));
	*ret_count = table->count;
	*ret_more = false;
	for (size_t i = 0; i < table->count; i++)
		(*ret)[i] = table->rows[i];
	for (size_t i = 0; i < FAILINGS; i++)
		*ret_more |= table->more[i];
	array_sort(*ret, *ret_count, compare);
}

int failing_health(struct engine *engine, struct fl_error *err)
{
	const struct failing_table *table = &engine->failing;
	own_lock(guard, &engine->failing.mutex);
	const struct failure *worst = NULL;

	for (size_t i = 0; i < table->count; i++) {
		const struct failure *row = &table->rows[i];

		if (kinds[row->what].grave && (!worst || compare(row, worst) < 0))
			worst = row;
	}
	if (!worst)
		return 0;
	*err = worst->why;
	return fl_wrap(err, "%s%s%s", worst->title, worst->object[0] ? ": " : "", worst->object);
}
