/* watch_root, watch_handle, watch_heads, motion: what a driver tells of changes, and the kernel of
 * its pools. */

#include <fcntl.h>
#include <sys/fanotify.h>
#include <unistd.h>

#include "suite.h"

static const struct uuid branch_a = { { 1, 1, [15] = 10 } }, branch_b = { { 2, 2, [15] = 20 } };

/* The kernel's handle of a file in a tree, with room behind it. */
struct file {
	struct file_handle handle;
	uint8_t bytes[MAX_HANDLE_SZ];
};

static struct file handle_of(struct pool *pool, const struct tree *tree, const char *name)
{
	struct file file = { .handle = { .handle_bytes = MAX_HANDLE_SZ } };
	struct fl_error err = { 0 };
	int fd, mount, r;

	check_ok(call(pool, tree_open, tree, &fd, &err));
	r = name_to_handle_at(fd, name, &file.handle, &mount, 0);
	close(fd);
	check(r == 0);
	return file;
}

static uint64_t number_of(struct pool *pool, const struct file *file)
{
	return pool->driver->watch_handle(file->handle.handle_type, file->handle.f_handle,
					  file->handle.handle_bytes);
}

static struct motion motion_of(struct pool *pool, const struct tree *tree, const struct tree *since)
{
	struct fl_error err = { 0 };
	struct motion motion = { 0 };

	check_ok(call(pool, motion, tree, since, &motion, &err));
	return motion;
}

/* Once what was written is on disk. */
static bool moved(struct pool *pool, const struct tree *tree, const struct tree *since)
{
	struct fl_error err = { 0 };
	struct motion motion;

	check_ok(call(pool, sync, &err));
	motion = motion_of(pool, tree, since);
	check(motion.touched >= motion.contents);
	return motion.bound == 0 || motion.touched > motion.bound;
}

/* --- watch_heads as lines ------------------------------------------------------- */

struct seen {
	const struct uuid *branch;
	unsigned times;
	struct moved_tree last;
};

static int note(void *arg, const struct moved_tree *moved, struct fl_error *err)
{
	struct seen *seen = arg;

	if (moved->head && uuid_equal(&moved->branch, seen->branch)) {
		seen->times++;
		seen->last = *moved;
	}
	return 0;
}

static struct seen look(struct pool *pool, struct watch_since *since, const struct uuid *branch)
{
	struct seen seen = { .branch = branch };
	struct fl_error err = { 0 };

	check_ok(call(pool, watch_heads, since, note, &seen, &err));
	return seen;
}

/* --- tests ---------------------------------------------------------------------- */

static void a_handle_tells_the_tree(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	const struct tree a = tree_head(&branch_a), b = tree_head(&branch_b);
	struct file in_a, in_b;

	check_ok(call(pool, head_create, &branch_a, &err));
	check_ok(call(pool, head_create, &branch_b, &err));
	write_to(&a, "file", "one");
	write_to(&b, "file", "one");
	in_a = handle_of(pool, &a, "file");
	in_b = handle_of(pool, &b, "file");
	check(number_of(pool, &in_a) == motion_of(pool, &a, NULL).number);
	check(number_of(pool, &in_b) == motion_of(pool, &b, NULL).number);
	check(number_of(pool, &in_a) != number_of(pool, &in_b));
}

static void what_is_no_handle_tells_nothing(void)
{
	uint64_t (*number)(int, const uint8_t *, size_t) = bench_driver()->watch_handle;
	uint8_t *bytes = malloc(32);

	memset(bytes, 0xff, 32);
	for (int type = 0; type < 0x4d; type++)
		check(number(type, bytes, 32) == 0);
	check(number(0xff, bytes, 32) == 0 && number(-1, bytes, 32) == 0);
	free(bytes);
	for (size_t length = 0; length < 20; length++) {
		bytes = malloc(length + !length);
		check(number(0x4d, bytes, length) == 0);
		free(bytes);
	}
}

static void a_head_moves_when_it_is_written_to(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	const struct tree head = tree_head(&branch_a), first = snapshot_number(&branch_a, 1),
			  second = snapshot_number(&branch_a, 2);

	check_ok(call(pool, head_create, &branch_a, &err));
	check(!moved(pool, &head, NULL));
	write_to(&head, "file", "one");
	check(moved(pool, &head, NULL));
	check_ok(call(pool, snapshot, &head, &first, &err));
	check(!moved(pool, &head, &first));
	check_ok(call(pool, snapshot, &head, &second, &err)); /* holds nothing new */
	check(motion_of(pool, &second, NULL).contents <= motion_of(pool, &head, &first).bound);
	check(!moved(pool, &head, &second));
	write_to(&head, "file", "two");
	check(moved(pool, &head, &second));
	check(motion_of(pool, &head, NULL).made < motion_of(pool, &first, NULL).made);
	check_code(FL_NOT_FOUND, call(pool, motion, &(struct tree){ TREE_HEAD, branch_b }, NULL,
				      &(struct motion){ 0 }, &err));
}

static void a_clone_stands_to_where_it_came_from(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	const struct tree a = tree_head(&branch_a), b = tree_head(&branch_b),
			  first = snapshot_number(&branch_a, 1),
			  other = snapshot_number(&branch_a, 2);

	check_ok(call(pool, head_create, &branch_a, &err));
	write_to(&a, "file", "one");
	check_ok(call(pool, snapshot, &a, &first, &err));
	check_ok(call(pool, head_clone, &branch_b, &first, &err));
	check(!moved(pool, &b, &first));
	check_ok(call(pool, snapshot, &a, &other, &err));
	check(motion_of(pool, &b, &other).bound == 0); /* it has nothing to do with that one */
	write_to(&b, "file", "two");
	check(moved(pool, &b, &first));
}

static void heads_that_moved_are_found(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	const struct tree a = tree_head(&branch_a), retired = tree_retired(&branch_b);
	struct watch_since since = { 0 };
	struct seen seen;

	check_ok(call(pool, head_create, &branch_a, &err));
	seen = look(pool, &since, &branch_a);
	check(seen.times == 1 && seen.last.number == motion_of(pool, &a, NULL).number);
	check_ok(call(pool, head_create, &branch_b, &err)); /* not committed yet */
	check(look(pool, &since, &branch_b).times >= 1);
	check_ok(call(pool, sync, &err));
	look(pool, &since, &branch_a);
	write_to(&a, "file", "one");
	check_ok(call(pool, sync, &err));
	seen = look(pool, &since, &branch_a);
	check(seen.times >= 1 && seen.last.touched == motion_of(pool, &a, NULL).touched);
	check_ok(call(pool, sync, &err));
	look(pool, &since, &branch_a);
	check(look(pool, &since, &branch_a).times == 0 && since.settled);
	check_ok(call(pool, head_retire, &branch_a, &retired.uuid, &err));
	since = (struct watch_since){ 0 };
	check(look(pool, &since, &branch_a).times == 0);
	check(look(pool, &(struct watch_since){ 0 }, &branch_b).times == 1);
}

static void the_kernel_tells_of_the_pool(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	const struct tree head = tree_head(&branch_a);
	int group = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_CLOEXEC | FAN_NONBLOCK,
				  O_RDONLY);
	uint8_t buffer[4096];
	ssize_t length;
	int root;

	check(group >= 0);
	check_ok(call(pool, head_create, &branch_a, &err));
	check_ok(call(pool, watch_root, &root, &err));
	length = fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_MODIFY, root, NULL);
	close(root);
	check(length == 0);
	write_to(&head, "file", "one");
	length = read(group, buffer, sizeof(buffer));
	close(group);
	check(length > 0);
}

int main(int argc, char **argv)
{
	return suite_main(argc, argv, DRIVER_CAN_WATCH,
			  (struct check[]){
				  CHECK(a_handle_tells_the_tree),
				  CHECK(what_is_no_handle_tells_nothing),
				  CHECK(a_head_moves_when_it_is_written_to),
				  CHECK(a_clone_stands_to_where_it_came_from),
				  CHECK(heads_that_moved_are_found),
				  CHECK(the_kernel_tells_of_the_pool),
				  CHECK_END,
			  });
}
