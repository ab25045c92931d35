/*
 * Quotas and usage.
 *
 * A quota is a volume's: a limit of what its branches allocate, together with
 * what snapshots hold of it.  The catalogue has the number and the pool keeps
 * to it.  The pool is told first: where the catalogue then fails it is told
 * again, and where a crash comes between, the next start makes the two agree.
 *
 * A branch counts for its volume from the moment its head is made, quota or
 * not, so that a quota can be set at any time and the usage is always known.  What
 * is imported counts from its first byte, so that it is stopped at the quota and
 * not by the end of the pool; when it fails, it does not count from then on,
 * though its space comes back later.
 */

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "engine/internal.h"
#include "engine/quota.h"

#define MEBIBYTE (UINT64_C(1) << 20)

static bool can_limit(struct engine *engine)
{
	return driver_of(engine)->capabilities & DRIVER_CAN_LIMIT;
}

int quota_check_size(uint64_t quota, struct fl_error *err)
{
	if (quota >= MEBIBYTE && quota <= INT64_MAX)
		return 0;
	return fl_fail(err, FL_INVALID, "a quota of %" PRIu64 " byte%s: it must be %s", quota,
		       quota == 1 ? "" : "s",
		       quota < MEBIBYTE ? "at least 1 MiB" : "less than 8 EiB");
}

int quota_account(struct engine *engine, const struct branch_row *branch, struct fl_error *err)
{
	if (!can_limit(engine))
		return 0;
	return driver_of(engine)->account(engine->pool, &branch->uuid, &branch->volume, err);
}

/* The pool keeps the volume to the quota in its row. */
static int set_limit(struct engine *engine, const struct volume_row *volume, struct fl_error *err)
{
	if (can_limit(engine))
		return driver_of(engine)->limit(engine->pool, &volume->uuid, volume->quota, err);
	if (volume->quota == 0)
		return 0;
	return fl_fail(err, FL_UNSUPPORTED, "the driver '%s' has no quotas",
		       driver_of(engine)->name);
}

static int get_usage(struct engine *engine, enum account account, const struct uuid *uuid,
		     struct amount *ret, struct fl_error *err)
{
	struct usage usage = { 0 };

	if (can_limit(engine) &&
	    driver_of(engine)->usage(engine->pool, account, uuid, &usage, err) < 0)
		return fl_failed(err);
	*ret = (struct amount){ usage.known, usage.bytes };
	return 0;
}

/* What was written a moment ago is counted when it is on the disk. */
static int refuse_below_use(struct engine *engine, const struct volume_row *volume,
			    struct fl_error *err)
{
	char used_text[SIZE_TEXT], quota_text[SIZE_TEXT];
	struct amount used;

	if (driver_of(engine)->sync(engine->pool, err) < 0 ||
	    get_usage(engine, ACCOUNT_GROUP, &volume->uuid, &used, err) < 0)
		return fl_failed(err);
	if (!used.known || used.bytes <= volume->quota)
		return 0;
	fl_fail(err, FL_INVALID, "volume '%s' uses %s (%" PRIu64 " bytes): a quota of %s is less",
		volume->name, size_text(used.bytes, used_text), used.bytes,
		size_text(volume->quota, quota_text));
	fl_hint(err, "destroy snapshots that nobody needs, or give it at least %" PRIu64 "M",
		(used.bytes + MEBIBYTE - 1) / MEBIBYTE);
	return fl_object(err, "%s", volume->name);
}

int quota_change(struct engine *engine, const struct volume_row *volume, struct fl_error *err)
{
	if (volume->quota &&
	    (quota_check_size(volume->quota, err) < 0 || refuse_below_use(engine, volume, err) < 0))
		return fl_failed(err);
	if (set_limit(engine, volume, err) < 0)
		return fl_object(err, "%s", volume->name);
	sync_soon(engine);
	return 0;
}

void quota_put_back(struct engine *engine, const struct volume_row *volume, uint64_t former)
{
	const struct volume_row row = { .uuid = volume->uuid, .quota = former };
	struct fl_error err;

	if (set_limit(engine, &row, &err) < 0)
		log_error("a quota that was not to be changed is put back at the next start",
			  "volume=%s error=\"%s\"", volume->name, err.text);
}

/* --- at start ----------------------------------------------------------------- */

/*
 * The pool is asked about all accounts at once.  So the rows are walked twice, in
 * one transaction and therefore in the same order: to name their accounts, and
 * to make right what is not.
 */
struct restoring {
	struct engine *engine;
	struct account_name *names;
	struct usage *usages;
	size_t count;
	size_t next;	     /* in the second walk */
	struct fl_error why; /* the first failure to count a branch */
};

static void restoring_done(struct restoring *restoring)
{
	free(restoring->names);
	free(restoring->usages);
}

static int add_name(struct restoring *restoring, enum account account, const struct uuid *uuid)
{
	*array_add(restoring->names, restoring->count) = (struct account_name){ account, *uuid };
	return 0;
}

static int name_branch(void *arg, const struct branch_row *row, struct fl_error *err)
{
	return add_name(arg, ACCOUNT_BRANCH, &row->uuid);
}

static int name_volume(void *arg, const struct volume_row *row, struct fl_error *err)
{
	return add_name(arg, ACCOUNT_GROUP, &row->uuid);
}

/* A branch that can't be counted is no reason to serve nobody. */
static int restore_branch(void *arg, const struct branch_row *row, struct fl_error *err)
{
	struct restoring *restoring = arg;
	struct engine *engine = restoring->engine;
	const struct usage *usage = &restoring->usages[restoring->next++];

	if (!usage->known && uuid_equal(&row->instance, &engine->instance) &&
	    quota_account(engine, row, err) < 0 && restoring->why.code == FL_OK)
		restoring->why = *err;
	return 0;
}

/* Nor is a pool that can't keep to the quota (any more). */
static int restore_volume(void *arg, const struct volume_row *row, struct fl_error *err)
{
	struct restoring *restoring = arg;
	const struct usage *usage = &restoring->usages[restoring->next++];

	if (usage->limit != row->quota && set_limit(restoring->engine, row, err) < 0)
		log_error("a volume's quota has no effect", "volume=%s error=\"%s\"", row->name,
			  err->text);
	return 0;
}

static int walk(struct tx *tx,
		int (*branch)(void *arg, const struct branch_row *row, struct fl_error *err),
		int (*volume)(void *arg, const struct volume_row *row, struct fl_error *err),
		struct restoring *restoring, struct fl_error *err)
{
	if (tx_branch_each(tx, NULL, false, branch, restoring, err) < 0 ||
	    each_destroyed_branch(tx, branch, restoring, err) < 0 ||
	    tx_volume_each(tx, "", SIZE_MAX, volume, restoring, err) < 0)
		return fl_failed(err);
	return tx_volume_each_destroyed(tx, volume, restoring, err);
}

int quota_restore_all(struct engine *engine, struct fl_error *err)
{
	own(restoring_done) struct restoring restoring = { .engine = engine };
	own_tx struct tx *tx = NULL;
	struct pool_stats stats;

	if (!can_limit(engine))
		return 0;
	if (driver_of(engine)->stats(engine->pool, &stats, err) < 0 ||
	    tx_begin(engine->catalog, &tx, err) < 0 ||
	    walk(tx, name_branch, name_volume, &restoring, err) < 0)
		return fl_failed(err);
	restoring.usages = xcalloc(restoring.count + 1, sizeof(*restoring.usages));
	if (driver_of(engine)->usages(engine->pool, restoring.names, restoring.count,
				      restoring.usages, err) < 0 ||
	    walk(tx, restore_branch, restore_volume, &restoring, err) < 0)
		return fl_failed(err);
	if (restoring.why.code != FL_OK && !stats.read_only)
		log_error("the space of some branches is not counted", "error=\"%s\"",
			  restoring.why.text);
	return 0;
}

/* --- figures -------------------------------------------------------------------- */

/* A verb that is done must not be told as failed because a figure of its answer is missing. */
struct amount quota_told(struct engine *engine, enum account account, const struct uuid *uuid)
{
	struct amount amount = { 0 };
	char text[UUID_TEXT];
	struct fl_error err;

	if (get_usage(engine, account, uuid, &amount, &err) < 0)
		log_warning("what is used cannot be told", "uuid=%s error=\"%s\"",
			    uuid_format(uuid, text), err.text);
	return amount;
}

/*
 * A branch that began with the contents of another did not allocate all that its
 * head has, and which part it did nobody counts: then its history is unknown.
 */
int quota_live(struct engine *engine, const struct branch_row *row, struct branch *ret,
	       struct fl_error *err)
{
	const struct tree head = tree_head(&row->uuid);
	uint64_t live;
	int r;

	if (!can_limit(engine))
		return 0;
	r = driver_of(engine)->occupied(engine->pool, &head, &live, err);
	if (r < 0) /* a branch without a head can be shown too */
		return r == -FL_NOT_FOUND ? 0 : r;
	ret->live = (struct amount){ true, live };
	if (ret->allocated.known && row->origin.ref[0] == '\0') {
		uint64_t all = ret->allocated.bytes;

		ret->history = (struct amount){ true, all > live ? all - live : 0 };
	}
	return 0;
}

/* --- what is being made ----------------------------------------------------------- */

int quota_begin(struct engine *engine, const struct volume_row *volume, bool new_volume,
		const struct branch_row *branch, struct fl_error *err)
{
	if (new_volume && volume->quota && set_limit(engine, volume, err) < 0)
		return fl_failed(err);
	return quota_account(engine, branch, err);
}

void quota_abort(struct engine *engine, const struct tree *tree, const struct branch_row *branch,
		 bool new_volume)
{
	struct fl_error err;

	if (can_limit(engine) &&
	    driver_of(engine)->unaccount(engine->pool, tree, &branch->uuid,
					 new_volume ? &branch->volume : NULL, &err) < 0)
		log_warning("what could not be made counts until its space is free again",
			    "error=\"%s\"", err.text);
}

bool quota_explain(struct engine *engine, const struct volume_row *volume,
		   const struct branch_row *branch, struct fl_error *err)
{
	char quota_text[SIZE_TEXT], held_text[SIZE_TEXT];
	struct usage all = { 0 }, own = { 0 };
	struct fl_error ignored;
	uint64_t held;

	/* Without a limit (any more) there is nothing to tell: the system's own words stay. */
	if (err->sys != EDQUOT || !can_limit(engine) ||
	    driver_of(engine)->usage(engine->pool, ACCOUNT_GROUP, &volume->uuid, &all, &ignored) <
		    0 ||
	    driver_of(engine)->usage(engine->pool, ACCOUNT_BRANCH, &branch->uuid, &own, &ignored) <
		    0 ||
	    all.limit == 0)
		return false;
	held = all.bytes > own.bytes ? all.bytes - own.bytes : 0;
	fl_fail_at(err, __FILE__, __LINE__, FL_NO_SPACE, 0,
		   "it does not fit into the quota of volume '%s': that is %s, and %s of it "
		   "are in use",
		   volume->name, size_text(all.limit, quota_text), size_text(held, held_text));
	fl_add_object(err, "%s", volume->name);
	return true;
}
