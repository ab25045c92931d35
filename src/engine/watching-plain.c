/*
 * Which branches have changed, where nobody tells: they are asked about one
 * after the other, by changed_since(), in a hundredth of the time.  Those that
 * are only snapshotted by hand are not asked about.
 */

#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fsat.h"
#include "engine/internal.h"

#define TURN (CLOCK_SECOND / 20) /* so long is asked at a time, */
#define REST 99			 /* and this many times as long it rests */

static int add_branch(void *arg, const struct branch_row *row, struct fl_error *err)
{
	struct engine *engine = arg;
	struct watching *watching = engine->watching;

	if (is_remote(engine, row)) /* it has no head */
		return 0;
	*array_add(watching->plain, watching->plain_count) = row->uuid;
	return 0;
}

static int list_branches(struct engine *engine, struct fl_error *err)
{
	struct watching *watching = engine->watching;
	own_tx struct tx *tx = NULL;

	watching->plain_count = watching->plain_at = 0;
	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	return tx_branch_each(tx, NULL, false, add_branch, engine, err);
}

/* Has nobody given the root of a new head another owner, mode or attribute? */
static bool root_is_as_made(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0755 && st.st_uid == geteuid() &&
	       st.st_gid == getegid() && flistxattr(fd, NULL, 0) <= 0;
}

/* Of a head that no snapshot came before: does it hold anything? */
static int head_is_filled(struct engine *engine, const struct tree *head, bool *ret,
			  struct fl_error *err)
{
	own_fd int fd = -1;
	bool empty = false;
	int r = driver_of(engine)->tree_open(engine->pool, head, &fd, err);

	if (r == 0)
		r = fsat_is_empty(fd, &empty, err);
	if (r < 0 && r != -FL_UNSUPPORTED) /* a driver without files: better once too often */
		return r;
	*ret = !empty || !root_is_as_made(fd);
	return 0;
}

int head_changed(struct engine *engine, const struct uuid *branch, bool *ret, struct fl_error *err)
{
	struct tree head = tree_head(branch), tip;
	own_tx struct tx *tx = NULL;
	bool known;

	if (tx_begin(engine->catalog, &tx, err) < 0 || tip_tree(tx, branch, &tip, &known, err) < 0)
		return fl_failed(err);
	tx_end(take_ptr(tx));
	if (!known)
		return head_is_filled(engine, &head, ret, err);
	return driver_of(engine)->changed_since(engine->pool, &head, &tip, ret, err);
}

static int ask(struct round *round, const struct uuid *branch, struct fl_error *err)
{
	struct policy policy;
	own_tx struct tx *tx = NULL;
	bool changed = false;
	int r;

	if (tx_begin(round->engine->catalog, &tx, err) < 0 ||
	    policy_of(round->engine, tx, branch, &policy, err) < 0)
		return fl_failed(err);
	tx_end(take_ptr(tx));
	if (policy.when == POLICY_MANUAL)
		return 0;
	r = head_changed(round->engine, branch, &changed, err);
	if (r < 0 && r != -FL_NOT_FOUND) /* deleted meanwhile */
		return r;
	if (changed)
		round->each(round->arg, branch, true);
	return 0;
}

int look_plainly(struct round *round, struct fl_error *err)
{
	struct watching *watching = round->watching;
	int64_t began = clock_monotonic(), spent = 0;

	if (began < watching->rests_until)
		return 0;
	if (watching->plain_at == watching->plain_count && list_branches(round->engine, err) < 0)
		return fl_failed(err);
	while (watching->plain_at < watching->plain_count && spent < TURN) {
		if (ask(round, &watching->plain[watching->plain_at++], err) < 0)
			return fl_failed(err);
		spent = clock_monotonic() - began;
	}
	watching->rests_until = began + spent * (REST + 1);
	if (watching->plain_at == watching->plain_count &&
	    watching->rests_until < began + WATCHING_TICK)
		watching->rests_until = began + WATCHING_TICK;
	return 0;
}
