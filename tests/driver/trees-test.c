/* Trees: heads, snapshots, swaps, retiring, deleting, listing, "has it changed?". */

#include "suite.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

static void a_new_head_is_empty(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new();
	struct tree head = tree_head(&branch);
	struct stat st;
	int fd = -1, r;

	check_ok(call(pool, head_create, &branch, &err));
	check_code(FL_EXISTS, call(pool, head_create, &branch, &err));
	CHECK_LISTS(pool, &head);
	r = call(pool, tree_open, &head, &fd, &err);
	if (r == -FL_UNSUPPORTED)
		return;
	check_ok(r);
	r = fstat(fd, &st);
	close(fd);
	check(r == 0 && S_ISDIR(st.st_mode) && (st.st_mode & 07777) == 0755 &&
	      st.st_uid == geteuid());
}

static void the_device_tells_a_tree_from_others(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid a = uuid_new(), b = uuid_new();
	struct tree head_a = tree_head(&a), head_b = tree_head(&b);
	struct tree_info info_a, info_b;
	struct stat st;
	int fd = -1, r;

	check_ok(call(pool, head_create, &a, &err));
	check_ok(call(pool, head_create, &b, &err));
	check_ok(call(pool, tree_info, &head_a, &info_a, &err));
	check_ok(call(pool, tree_info, &head_b, &info_b, &err));
	if (info_a.device == 0) /* this driver cannot tell */
		return;
	check(info_a.device != info_b.device);
	check_ok(call(pool, tree_open, &head_a, &fd, &err));
	r = fstat(fd, &st);
	close(fd);
	check(r == 0 && st.st_dev == info_a.device);
}

static void a_snapshot_stands_still(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new();
	struct tree head = tree_head(&branch);
	struct tree first = snapshot_number(&branch, 1), second = snapshot_number(&branch, 2);

	check_ok(call(pool, head_create, &branch, &err));
	write_to(&head, "file", "one");
	write_to(&head, "gone", "soon");
	check_ok(call(pool, snapshot, &head, &first, &err));
	write_to(&head, "file", "two");
	write_to(&head, "gone", NULL);
	write_to(&head, "new", "three");
	check_ok(call(pool, snapshot, &head, &second, &err));
	check_holds(pool, &first, "file", "one");
	check_holds(pool, &first, "gone", "soon");
	check_holds(pool, &first, "new", NULL);
	check_holds(pool, &second, "file", "two");
	check_holds(pool, &second, "gone", NULL);
	check_holds(pool, &second, "new", "three");
	if (geteuid() != 0) /* and no mount to protect it */
		return;
	check(bench_write(&first, "file", "tampered", &err) < 0);
	check_holds(pool, &first, "file", "one");
}

static void a_snapshot_says_what_is_wrong(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new(), missing = uuid_new();
	struct tree head = tree_head(&branch), no_head = tree_head(&missing);
	struct tree first = snapshot_number(&branch, 1), second = snapshot_number(&branch, 2);

	check_ok(call(pool, head_create, &branch, &err));
	check_ok(call(pool, snapshot, &head, &first, &err));
	check_code(FL_EXISTS, call(pool, snapshot, &head, &first, &err));
	check_code(FL_NOT_FOUND, call(pool, snapshot, &no_head, &second, &err));
	CHECK_LISTS(pool, &head, &first);
}

static void a_snapshot_goes_into_another_branch_and_from_a_retired_head(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new(), other = uuid_new(), operation = uuid_new();
	struct tree head = tree_head(&branch), retired = tree_retired(&operation);
	struct tree first = snapshot_number(&branch, 1), second = snapshot_number(&other, 2);

	check_ok(call(pool, head_create, &branch, &err));
	write_to(&head, "file", "one");
	check_ok(call(pool, snapshot, &head, &first, &err));
	check_ok(call(pool, head_swap, &branch, &first, &operation, &err));
	write_to(&retired, "file", "late");
	check_ok(call(pool, snapshot, &retired, &second, &err));
	check_holds(pool, &second, "file", "late");
	check_holds(pool, &head, "file", "one");
	CHECK_LISTS(pool, &head, &retired, &first, &second);
}

static void a_clone_goes_its_own_way(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new(), clone = uuid_new(), other = uuid_new();
	struct tree head = tree_head(&branch), cloned = tree_head(&clone);
	struct tree first = snapshot_number(&branch, 1), missing = snapshot_number(&branch, 2);

	check_ok(call(pool, head_create, &branch, &err));
	write_to(&head, "file", "one");
	check_ok(call(pool, snapshot, &head, &first, &err));
	check_ok(call(pool, head_clone, &clone, &first, &err));
	check_code(FL_EXISTS, call(pool, head_clone, &clone, &first, &err));
	check_code(FL_NOT_FOUND, call(pool, head_clone, &other, &missing, &err));
	write_to(&cloned, "file", "mine");
	check_holds(pool, &cloned, "file", "mine");
	check_holds(pool, &head, "file", "one");
	check_holds(pool, &first, "file", "one");
	CHECK_LISTS(pool, &head, &cloned, &first);
}

static void a_swap_puts_the_old_head_aside(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new(), operation = uuid_new();
	struct tree head = tree_head(&branch), retired = tree_retired(&operation);
	struct tree first = snapshot_number(&branch, 1);
	uint64_t old_id, new_id;

	check_ok(call(pool, head_create, &branch, &err));
	write_to(&head, "file", "one");
	check_ok(call(pool, snapshot, &head, &first, &err));
	write_to(&head, "file", "two");
	old_id = id_of(pool, &head);
	check_ok(call(pool, head_swap, &branch, &first, &operation, &err));
	new_id = id_of(pool, &head);
	check(new_id != old_id && id_of(pool, &retired) == old_id);
	check_holds(pool, &head, "file", "one");
	check_holds(pool, &retired, "file", "two");
	CHECK_LISTS(pool, &head, &retired, &first);
	/* an answer that was lost: once more changes nothing */
	write_to(&head, "file", "three");
	check_ok(call(pool, head_swap, &branch, &first, &operation, &err));
	check(id_of(pool, &head) == new_id && id_of(pool, &retired) == old_id);
	check_holds(pool, &head, "file", "three");
	CHECK_LISTS(pool, &head, &retired, &first);
}

static void a_swap_that_cannot_be_changes_nothing(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new(), missing = uuid_new(), operation = uuid_new();
	struct tree head = tree_head(&branch);
	struct tree first = snapshot_number(&branch, 1), second = snapshot_number(&branch, 2);
	uint64_t id;

	check_ok(call(pool, head_create, &branch, &err));
	check_ok(call(pool, snapshot, &head, &first, &err));
	id = id_of(pool, &head);
	check_code(FL_NOT_FOUND, call(pool, head_swap, &branch, &second, &operation, &err));
	check_code(FL_NOT_FOUND, call(pool, head_swap, &missing, &first, &operation, &err));
	check(id_of(pool, &head) == id);
	CHECK_LISTS(pool, &head, &first);
}

static void whoever_holds_the_old_head_keeps_it(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new(), operation = uuid_new();
	struct tree head = tree_head(&branch), retired = tree_retired(&operation);
	struct tree first = snapshot_number(&branch, 1);
	int fd = -1, file, r;

	check_ok(call(pool, head_create, &branch, &err));
	check_ok(call(pool, snapshot, &head, &first, &err));
	r = call(pool, tree_open, &head, &fd, &err);
	if (r == -FL_UNSUPPORTED)
		return;
	check_ok(r);
	check_ok(call(pool, head_swap, &branch, &first, &operation, &err));
	file = openat(fd, "late", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	close(fd);
	check(file >= 0);
	r = (int)write(file, "held", 4);
	close(file);
	check(r == 4);
	check_holds(pool, &retired, "late", "held");
	check_holds(pool, &head, "late", NULL);
}

static void a_retired_head_comes_back(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new(), operation = uuid_new(), other = uuid_new();
	struct tree head = tree_head(&branch), retired = tree_retired(&operation);
	struct tree missing = tree_retired(&other);
	uint64_t id;

	check_ok(call(pool, head_create, &branch, &err));
	write_to(&head, "file", "one");
	id = id_of(pool, &head);
	check_ok(call(pool, head_retire, &branch, &operation, &err));
	check_ok(call(pool, head_retire, &branch, &operation, &err));
	CHECK_LISTS(pool, &retired);
	check_missing(pool, &head);
	check_holds(pool, &retired, "file", "one");
	check_ok(call(pool, head_restore, &retired, &branch, &err));
	check_ok(call(pool, head_restore, &retired, &branch, &err));
	CHECK_LISTS(pool, &head);
	check(id_of(pool, &head) == id);
	check_holds(pool, &head, "file", "one");
	check_code(FL_NOT_FOUND, call(pool, head_retire, &other, &operation, &err));
	check_code(FL_NOT_FOUND, call(pool, head_restore, &missing, &other, &err));
	CHECK_LISTS(pool, &head);
}

static void a_restore_never_replaces_a_head(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new(), operation = uuid_new();
	struct tree head = tree_head(&branch), retired = tree_retired(&operation);

	check_ok(call(pool, head_create, &branch, &err));
	check_ok(call(pool, head_retire, &branch, &operation, &err));
	check_ok(call(pool, head_create, &branch, &err));
	write_to(&head, "file", "new");
	check_code(FL_EXISTS, call(pool, head_restore, &retired, &branch, &err));
	check_holds(pool, &head, "file", "new");
	CHECK_LISTS(pool, &head, &retired);
}

static void a_staging_tree_is_empty_and_becomes_a_head(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new(), operation = uuid_new();
	struct tree head = tree_head(&branch), staging = tree_staging(&operation);
	struct tree first = snapshot_number(&branch, 1);
	struct stat st;
	uint64_t id;
	int fd = -1, r;

	check_ok(call(pool, staging_create, &operation, NULL, &err));
	check_code(FL_EXISTS, call(pool, staging_create, &operation, NULL, &err));
	CHECK_LISTS(pool, &staging);
	r = call(pool, tree_open, &staging, &fd, &err);
	if (r != -FL_UNSUPPORTED) {
		check_ok(r);
		r = fstat(fd, &st);
		close(fd);
		check(r == 0 && S_ISDIR(st.st_mode) && (st.st_mode & 07777) == 0755);
	}
	write_to(&staging, "file", "one");
	id = id_of(pool, &staging);
	check_ok(call(pool, head_restore, &staging, &branch, &err));
	check_ok(call(pool, head_restore, &staging, &branch, &err));
	CHECK_LISTS(pool, &head);
	check(id_of(pool, &head) == id);
	check_ok(call(pool, snapshot, &head, &first, &err));
	write_to(&head, "file", "two");
	check_holds(pool, &first, "file", "one");
	check_holds(pool, &head, "file", "two");
}

static void a_staging_tree_never_replaces_a_head(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new(), operation = uuid_new(), other = uuid_new();
	struct tree head = tree_head(&branch), staging = tree_staging(&operation);
	struct tree missing = tree_staging(&other);

	check_ok(call(pool, head_create, &branch, &err));
	write_to(&head, "file", "mine");
	check_ok(call(pool, staging_create, &operation, NULL, &err));
	check_code(FL_EXISTS, call(pool, head_restore, &staging, &branch, &err));
	check_code(FL_NOT_FOUND, call(pool, head_restore, &missing, &other, &err));
	check_holds(pool, &head, "file", "mine");
	CHECK_LISTS(pool, &head, &staging);
}

/* What an export reads: of heads, snapshots and half-made trees, and of nobody else's business. */
static void a_snapshot_into_staging_stands_still_and_goes(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new(), live = uuid_new(), old = uuid_new(), again = uuid_new();
	struct tree head = tree_head(&branch), first = snapshot_number(&branch, 1);
	struct tree of_head = tree_staging(&live), of_snapshot = tree_staging(&old);
	struct tree of_staging = tree_staging(&again);

	check_ok(call(pool, head_create, &branch, &err));
	write_to(&head, "file", "one");
	check_ok(call(pool, snapshot, &head, &first, &err));
	write_to(&head, "file", "two");
	check_ok(call(pool, snapshot, &head, &of_head, &err));
	check_ok(call(pool, snapshot, &first, &of_snapshot, &err));
	check_ok(call(pool, snapshot, &of_head, &of_staging, &err));
	check_code(FL_EXISTS, call(pool, snapshot, &first, &of_head, &err));
	write_to(&head, "file", "three");
	check_ok(call(pool, tree_delete, &first, &err));
	check_holds(pool, &of_head, "file", "two");
	check_holds(pool, &of_snapshot, "file", "one");
	check_holds(pool, &of_staging, "file", "two");
	CHECK_LISTS(pool, &head, &of_head, &of_snapshot, &of_staging);
	check_ok(call(pool, tree_delete, &of_head, &err));
	check_ok(call(pool, tree_delete, &of_snapshot, &err));
	check_ok(call(pool, tree_delete, &of_staging, &err));
	CHECK_LISTS(pool, &head);
}

static void every_kind_of_tree_is_deleted(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new(), operation = uuid_new();
	struct tree head = tree_head(&branch), retired = tree_retired(&operation);
	struct tree first = snapshot_number(&branch, 1), staging = tree_staging(&operation);

	check_ok(call(pool, head_create, &branch, &err));
	write_to(&head, "file", "one");
	check_ok(call(pool, snapshot, &head, &first, &err));
	check_ok(call(pool, head_swap, &branch, &first, &operation, &err));
	check_ok(call(pool, tree_delete, &retired, &err));
	CHECK_LISTS(pool, &head, &first);
	check_ok(call(pool, tree_delete, &first, &err));
	check_holds(pool, &head, "file", "one");
	check_ok(call(pool, tree_delete, &head, &err));
	CHECK_LISTS(pool, NULL);
	check_ok(call(pool, tree_delete, &retired, &err));
	check_ok(call(pool, tree_delete, &first, &err));
	check_ok(call(pool, tree_delete, &head, &err));
	check_ok(call(pool, tree_delete, &staging, &err));
	pool = reopened();
	CHECK_LISTS(pool, NULL);
}

static void what_is_missing_is_not_found(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new();
	struct tree head = tree_head(&branch), first = snapshot_number(&branch, 1);
	struct tree_info info;
	bool changed;
	int fd = -1;

	check_code(FL_NOT_FOUND, call(pool, tree_info, &head, &info, &err));
	check_code(FL_NOT_FOUND, call(pool, tree_info, &first, &info, &err));
	check_code(FL_NOT_FOUND, call(pool, tree_open, &head, &fd, &err));
	check_code(FL_NOT_FOUND, call(pool, changed_since, &head, &first, &changed, &err));
	check_ok(call(pool, head_create, &branch, &err));
	check_code(FL_NOT_FOUND, call(pool, changed_since, &head, &first, &changed, &err));
	check(fd == -1);
}

static void an_id_is_never_given_again(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new();
	struct tree head = tree_head(&branch), snapshot = snapshot_number(&branch, 1);
	uint64_t seen[24];
	size_t count = 0;

	for (int round = 0; round < 12; round++) {
		check_ok(call(pool, head_create, &branch, &err));
		check_ok(call(pool, snapshot, &head, &snapshot, &err));
		seen[count++] = id_of(pool, &head);
		seen[count++] = id_of(pool, &snapshot);
		check_ok(call(pool, tree_delete, &snapshot, &err));
		check_ok(call(pool, tree_delete, &head, &err));
		if (round == 6)
			pool = reopened();
	}
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < i; j++)
			check(seen[i] != seen[j]);
}

static void a_tree_knows_when_it_was_made(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new();
	struct tree head = tree_head(&branch);
	int64_t before = clock_now();
	struct tree_info info;

	check_ok(call(pool, head_create, &branch, &err));
	check_ok(call(pool, tree_info, &head, &info, &err));
	/* the kernel's clock for files is a tick behind the wall clock */
	check(info.created == 0 || (info.created >= before - CLOCK_SECOND &&
				    info.created <= clock_now() + CLOCK_SECOND));
}

static bool changed(struct pool *pool, const struct tree *tree, const struct tree *since)
{
	struct fl_error err = { 0 };
	bool answer = false;

	check_ok(call(pool, changed_since, tree, since, &answer, &err));
	return answer;
}

static void a_change_is_always_seen(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new();
	struct tree head = tree_head(&branch), snapshot;

	check_ok(call(pool, head_create, &branch, &err));
	for (int i = 1; i <= 8; i++) {
		snapshot = snapshot_number(&branch, i);
		write_to(&head, "file", i % 2 ? "odd" : "even");
		check_ok(call(pool, snapshot, &head, &snapshot, &err));
		check(!changed(pool, &head, &snapshot));
		write_to(&head, "file", "more");
		check(changed(pool, &head, &snapshot));
	}
	snapshot = snapshot_number(&branch, 1);
	check(changed(pool, &head, &snapshot));
	pool = reopened();
	check(changed(pool, &head, &snapshot));
}

static void unchanged_is_told_after_other_work_and_a_swap(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new(), other = uuid_new(), operation = uuid_new();
	struct tree head = tree_head(&branch), other_head = tree_head(&other);
	struct tree retired = tree_retired(&operation), first = snapshot_number(&branch, 1);
	struct tree elsewhere = snapshot_number(&other, 2);

	check_ok(call(pool, head_create, &branch, &err));
	check_ok(call(pool, head_create, &other, &err));
	write_to(&head, "file", "one");
	check_ok(call(pool, snapshot, &head, &first, &err));
	write_to(&other_head, "file", "x");
	check_ok(call(pool, snapshot, &other_head, &elsewhere, &err));
	check_ok(call(pool, sync, &err));
	check(!changed(pool, &head, &first));
	check_ok(call(pool, head_swap, &branch, &first, &operation, &err));
	check(!changed(pool, &head, &first));
	check(!changed(pool, &retired, &first));
	write_to(&retired, "file", "late");
	check(changed(pool, &retired, &first));
	check(!changed(pool, &head, &first));
	write_to(&head, "file", "two");
	check(changed(pool, &head, &first));
}

static int stop_at_second(void *arg, const struct tree *tree, const struct tree_info *info,
			  struct fl_error *err)
{
	int *calls = arg;

	return ++*calls == 2 ? fl_fail(err, FL_DENIED, "enough") : 0;
}

static void a_list_stops_when_told(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	int calls = 0;

	for (int i = 0; i < 4; i++) {
		struct uuid branch = uuid_new();

		check_ok(call(pool, head_create, &branch, &err));
	}
	check_code(FL_DENIED, call(pool, list, stop_at_second, &calls, &err));
	check(calls == 2);
}

static int delete_it(void *arg, const struct tree *tree, const struct tree_info *info,
		     struct fl_error *err)
{
	struct pool *pool = arg;
	struct tree_info same;

	if (call(pool, tree_info, tree, &same, err) < 0)
		return fl_failed(err);
	if (same.id != info->id)
		return fl_fail(err, FL_CORRUPT, "list and tree_info disagree");
	return call(pool, tree_delete, tree, err);
}

static void trees_can_be_deleted_while_they_are_listed(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();

	for (int i = 0; i < 6; i++) {
		struct uuid branch = uuid_new();
		struct tree head = tree_head(&branch), first = snapshot_number(&branch, 1);

		check_ok(call(pool, head_create, &branch, &err));
		check_ok(call(pool, snapshot, &head, &first, &err));
	}
	check_ok(call(pool, list, delete_it, pool, &err));
	CHECK_LISTS(pool, NULL);
}

/* --- many at once ------------------------------------------------------------ */

struct worker {
	pthread_t thread;
	struct pool *pool;
	struct uuid branch;
	struct fl_error err;
	int outcome;
};

static int work_once(struct worker *w, int round)
{
	struct tree head = tree_head(&w->branch), snapshot = snapshot_number(&w->branch, round);
	struct uuid operation = uuid_new();
	struct tree retired = tree_retired(&operation);
	struct tree_info info;
	struct text facts = { 0 };
	int r;

	if (bench_write(&head, "file", round % 2 ? "odd" : "even", &w->err) < 0 ||
	    call(w->pool, snapshot, &head, &snapshot, &w->err) < 0 ||
	    call(w->pool, facts_write, &w->branch, "facts", &w->err) < 0 ||
	    call(w->pool, head_swap, &w->branch, &snapshot, &operation, &w->err) < 0 ||
	    call(w->pool, tree_info, &retired, &info, &w->err) < 0 ||
	    call(w->pool, tree_delete, &retired, &w->err) < 0)
		return -(int)w->err.code;
	r = call(w->pool, facts_read, &w->branch, &facts, &w->err);
	text_done(&facts);
	return r;
}

static void *work(void *arg)
{
	struct worker *w = arg;

	w->outcome = call(w->pool, head_create, &w->branch, &w->err);
	for (int round = 1; round <= 8 && w->outcome == 0; round++)
		w->outcome = work_once(w, round);
	return NULL;
}

static int count_it(void *arg, const struct tree *tree, const struct tree_info *info,
		    struct fl_error *err)
{
	++*(int *)arg;
	return 0;
}

static void different_trees_are_worked_on_at_once(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	static struct worker workers[16];
	int trees = 0, listed = 0;

	for (size_t i = 0; i < array_size(workers); i++) {
		workers[i] = (struct worker){ .pool = pool, .branch = uuid_new() };
		check(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
	}
	for (int i = 0; i < 20 && listed == 0; i++) /* listing goes on meanwhile */
		listed = call(pool, list, count_it, &trees, &err);
	for (size_t i = 0; i < array_size(workers); i++)
		pthread_join(workers[i].thread, NULL);
	check_ok(listed);
	for (size_t i = 0; i < array_size(workers); i++) {
		err = workers[i].err;
		check_ok(workers[i].outcome);
	}
	trees = 0;
	check_ok(call(pool, list, count_it, &trees, &err));
	check(trees == 16 * (1 + 8));
}

int main(int argc, char **argv)
{
	return suite_main(
		argc, argv, 0,
		(struct check[]){
			CHECK(a_new_head_is_empty),
			CHECK(the_device_tells_a_tree_from_others),
			CHECK(a_snapshot_stands_still),
			CHECK(a_snapshot_says_what_is_wrong),
			CHECK(a_snapshot_goes_into_another_branch_and_from_a_retired_head),
			CHECK(a_clone_goes_its_own_way),
			CHECK(a_swap_puts_the_old_head_aside),
			CHECK(a_swap_that_cannot_be_changes_nothing),
			CHECK(whoever_holds_the_old_head_keeps_it),
			CHECK(a_retired_head_comes_back),
			CHECK(a_restore_never_replaces_a_head),
			CHECK(a_staging_tree_is_empty_and_becomes_a_head),
			CHECK(a_staging_tree_never_replaces_a_head),
			CHECK(a_snapshot_into_staging_stands_still_and_goes),
			CHECK(every_kind_of_tree_is_deleted),
			CHECK(what_is_missing_is_not_found),
			CHECK(an_id_is_never_given_again),
			CHECK(a_tree_knows_when_it_was_made),
			CHECK(a_change_is_always_seen),
			CHECK(unchanged_is_told_after_other_work_and_a_swap),
			CHECK(a_list_stops_when_told),
			CHECK(trees_can_be_deleted_while_they_are_listed),
			CHECK(different_trees_are_worked_on_at_once),
			CHECK_END,
		});
}
