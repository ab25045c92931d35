/*
 * send, receive, staging_commit, of drivers with streams of their own form.  A bench has one pool
 * at a time: streams are kept in memory and received in the same pool, as another branch, or in one
 * that was made after it.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "suite.h"

#include "driver/decorators.h"

static const struct uuid ours = { { 1, 1, [15] = 10 } }, theirs = { { 2, 2, [15] = 20 } };
static const struct uuid third = { { 3, 3, [15] = 30 } };
static const struct uuid operation = { { 7, 7, [15] = 70 } }, another = { { 8, 8, [15] = 80 } };

/* What zfs-fuse has time for in every run, and what only in long ones. */
static bool is_long(void)
{
	return strcmp(bench_driver()->name, "zfs") != 0 || getenv("FLOCKER_TEST_LONG");
}

/* --- streams --------------------------------------------------------------------- */

struct stream {
	char *bytes;
	size_t length;
};

static void stream_done(struct stream *stream)
{
	free(stream->bytes);
}
#define own_stream own(stream_done)

static struct stream read_back(int fd)
{
	struct stat st;
	struct stream stream = { 0 };

	check(fstat(fd, &st) == 0);
	stream.length = (size_t)st.st_size;
	stream.bytes = malloc(stream.length + 1);
	check(pread(fd, stream.bytes, stream.length, 0) == (ssize_t)stream.length);
	return stream;
}

static int try_send(struct pool *pool, const struct tree *base, const struct tree *tree,
		    struct stream *ret, struct fl_error *err)
{
	int fd = memfd_create("stream", MFD_CLOEXEC);
	int rc = call(pool, send, base, tree, fd, err);

	if (rc == 0)
		*ret = read_back(fd);
	close(fd);
	return rc;
}

static struct stream sent(struct pool *pool, const struct tree *base, const struct tree *tree)
{
	struct stream stream = { 0 };
	struct fl_error err = { 0 };

	check_ok(try_send(pool, base, tree, &stream, &err));
	check(stream.length > 0);
	return stream;
}

static int receive_part(struct pool *pool, const struct uuid *staging, const struct tree *base,
			const struct stream *stream, size_t length, struct fl_error *err)
{
	int fd = memfd_create("stream", MFD_CLOEXEC), rc;

	check(write(fd, stream->bytes, length) == (ssize_t)length && lseek(fd, 0, SEEK_SET) == 0);
	rc = call(pool, receive, staging, base, fd, err);
	close(fd);
	return rc;
}

static int try_receive(struct pool *pool, const struct tree *base, const struct stream *stream,
		       struct fl_error *err)
{
	return receive_part(pool, &operation, base, stream, stream->length, err);
}

static void arrive(struct pool *pool, const struct tree *base, const struct stream *stream,
		   const struct tree *target)
{
	struct fl_error err = { 0 };

	check_ok(try_receive(pool, base, stream, &err));
	check_ok(call(pool, staging_commit, &operation, target, &err));
}

static void discard(struct pool *pool)
{
	const struct tree staging = tree_staging(&operation);
	struct fl_error err = { 0 };

	check_ok(call(pool, tree_delete, &staging, &err));
}

/* --- what is compared -------------------------------------------------------------- */

static bool has_files(struct pool *pool, const struct tree *tree)
{
	struct fl_error err = { 0 };
	int fd = -1, rc = call(pool, tree_open, tree, &fd, &err);

	if (rc == 0)
		close(fd);
	else
		check_code(FL_UNSUPPORTED, rc);
	return rc == 0;
}

static void describe_contents(int dir, const char *name, struct text *out)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	unsigned char block[16384];
	ssize_t n;

	check(fd >= 0);
	while ((n = read(fd, block, sizeof(block))) > 0)
		for (ssize_t i = 0; i < n; i++)
			hash = (hash ^ block[i]) * UINT64_C(0x100000001b3);
	check(n == 0);
	text_add_format(out, " contents=%016llx", (unsigned long long)hash);
	n = fgetxattr(fd, "user.flocker-test", block, sizeof(block));
	if (n >= 0)
		text_add_format(out, " xattr=%.*s", (int)n, block);
	close(fd);
}

static void describe_one(int dir, const char *path, const char *name, struct text *out)
{
	char target[256] = "";
	struct stat st;

	check(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0);
	text_add_format(out, "%s mode=%o owner=%u:%u", path, st.st_mode, st.st_uid, st.st_gid);
	if (!S_ISDIR(st.st_mode))
		text_add_format(out, " size=%lld links=%lu", (long long)st.st_size,
				(unsigned long)st.st_nlink);
	text_add_format(out, " time=%lld.%09ld", (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	if (S_ISLNK(st.st_mode) && readlinkat(dir, name, target, sizeof(target) - 1) > 0)
		text_add_format(out, " to=%s", target);
	if (S_ISREG(st.st_mode))
		describe_contents(dir, name, out);
	text_add_string(out, "\n");
}

/* Takes `fd`.  In the order of names. */
static void describe_directory(int fd, const char *path, struct text *out)
{
	DIR *dir = fdopendir(fd);
	struct dirent *entry;
	char *names[256], below[512];
	size_t count = 0;

	check(dir != NULL);
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    count < array_size(names))
			names[count++] = xstrdup(entry->d_name);
	for (size_t i = 0; i < count; i++)
		for (size_t j = i + 1; j < count; j++)
			if (strcmp(names[i], names[j]) > 0) {
				char *name = names[i];

				names[i] = names[j];
				names[j] = name;
			}
	for (size_t i = 0; i < count; i++) {
		struct stat st;

		snprintf(below, sizeof(below), "%s/%s", path, names[i]);
		describe_one(fd, below, names[i], out);
		if (fstatat(fd, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
			describe_directory(openat(fd, names[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC),
					   below, out);
		free(names[i]);
	}
	closedir(dir);
}

/* Contents and attributes of all files; of a tree without files, of those that fill() makes. */
static char *description_of(struct pool *pool, const struct tree *tree)
{
	static const char *const names[] = { "kept", "changed", "new", "gone", "more", "seed" };
	struct text out = { 0 };
	struct fl_error err = { 0 };
	int fd = -1;

	if (has_files(pool, tree)) {
		check_ok(call(pool, tree_open, tree, &fd, &err));
		describe_directory(fd, "", &out);
		return text_take(&out);
	}
	for (size_t i = 0; i < array_size(names); i++) {
		char *contents = NULL;

		if (bench_read(tree, names[i], &contents, &err) == 0)
			text_add_format(&out, "%s=%s\n", names[i], contents);
		free(contents);
	}
	return text_take(&out);
}

static void check_same(struct pool *pool, const struct tree *a, const struct tree *b)
{
	char *first = description_of(pool, a), *second = description_of(pool, b);
	bool same = first[0] && same_text(first, second);

	free(first);
	free(second);
	check(same);
}

/* --- what is sent -------------------------------------------------------------------- */

static void write_noise(int dir, const char *name, size_t length, unsigned seed)
{
	char *bytes = malloc(length);
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

	for (size_t i = 0; i < length; i++)
		bytes[i] = (char)((seed = seed * 1103515245 + 12345) >> 16);
	check(fd >= 0 && write(fd, bytes, length) == (ssize_t)length);
	close(fd);
	free(bytes);
}

/* What only trees with files can hold. */
static void fill_files(struct pool *pool, const struct tree *head)
{
	const struct timespec times[2] = { { 1234567890, 987654321 }, { 1111111111, 123456789 } };
	struct fl_error err = { 0 };
	int dir = -1, fd;

	check_ok(call(pool, tree_open, head, &dir, &err));
	check(mkdirat(dir, "folder", 0751) == 0 && mkdirat(dir, "folder/inner", 0700) == 0);
	write_noise(dir, "folder/noise", 300000, 1);
	write_noise(dir, "folder/inner/small", 10, 2);
	check(linkat(dir, "folder/noise", dir, "hard", 0) == 0);
	check(symlinkat("../nowhere", dir, "symbolic") == 0);
	check(mkfifoat(dir, "fifo", 0600) == 0);
	fd = openat(dir, "sparse", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	check(fd >= 0 && pwrite(fd, "end", 3, 1 << 20) == 3);
	check(fsetxattr(fd, "user.flocker-test", "value", 5, 0) == 0);
	close(fd);
	check(fchownat(dir, "kept", 1000, 1001, 0) == 0 && fchmodat(dir, "kept", 04755, 0) == 0);
	check(utimensat(dir, "folder/inner/small", times, 0) == 0);
	close(dir);
}

static void change_files(struct pool *pool, const struct tree *head)
{
	struct fl_error err = { 0 };
	int dir = -1, fd;

	check_ok(call(pool, tree_open, head, &dir, &err));
	check(renameat(dir, "folder/inner", dir, "moved") == 0);
	check(unlinkat(dir, "hard", 0) == 0 && unlinkat(dir, "symbolic", 0) == 0);
	check(fchmodat(dir, "folder", 0700, 0) == 0);
	fd = openat(dir, "folder/noise", O_WRONLY | O_CLOEXEC);
	check(fd >= 0 && pwrite(fd, "changed", 7, 150000) == 7 && ftruncate(fd, 290000) == 0);
	close(fd);
	close(dir);
}

/* Three snapshots of `ours`. */
static struct pool *sending(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	const struct tree head = tree_head(&ours), s1 = snapshot_number(&ours, 1),
			  s2 = snapshot_number(&ours, 2), s3 = snapshot_number(&ours, 3);

	check_ok(call(pool, head_create, &ours, &err));
	write_to(&head, "kept", "the same");
	write_to(&head, "changed", "one");
	write_to(&head, "gone", "soon");
	if (has_files(pool, &head))
		fill_files(pool, &head);
	check_ok(call(pool, snapshot, &head, &s1, &err));
	write_to(&head, "changed", "two, which is longer");
	write_to(&head, "new", "new");
	write_to(&head, "gone", NULL);
	if (has_files(pool, &head))
		change_files(pool, &head);
	check_ok(call(pool, snapshot, &head, &s2, &err));
	write_to(&head, "changed", "three");
	write_to(&head, "more", "more");
	check_ok(call(pool, snapshot, &head, &s3, &err));
	return pool;
}

/* --- arriving -------------------------------------------------------------------------- */

static void a_snapshot_arrives_whole_and_is_seen_when_committed(void)
{
	if (!is_long())
		return;
	struct fl_error err = { 0 };
	struct pool *pool = sending();
	const struct tree head = tree_head(&ours), s1 = snapshot_number(&ours, 1),
			  s2 = snapshot_number(&ours, 2), s3 = snapshot_number(&ours, 3),
			  copy = snapshot_number(&theirs, 1), staging = tree_staging(&operation);
	own_stream struct stream full = sent(pool, NULL, &s1);

	check_ok(try_receive(pool, NULL, &full, &err));
	CHECK_LISTS(pool, &head, &s1, &s2, &s3, &staging);
	check_code(FL_EXISTS, try_receive(pool, NULL, &full, &err));
	check_code(FL_EXISTS, call(pool, staging_commit, &operation, &s2, &err));
	CHECK_LISTS(pool, &head, &s1, &s2, &s3, &staging);
	check_ok(call(pool, staging_commit, &operation, &copy, &err));
	check_ok(call(pool, staging_commit, &operation, &copy, &err));
	CHECK_LISTS(pool, &head, &s1, &s2, &s3, &copy);
	check_same(pool, &s1, &copy);
	pool = reopened();
	CHECK_LISTS(pool, &head, &s1, &s2, &s3, &copy);
	check_same(pool, &s1, &copy);
	check(id_of(pool, &copy) != id_of(pool, &s1));
	check_code(FL_NOT_FOUND, call(pool, staging_commit, &operation,
				      &(struct tree){ .kind = TREE_SNAPSHOT }, &err));
}

static void increments_arrive_one_upon_the_other(void)
{
	if (!is_long())
		return;
	struct fl_error err = { 0 };
	struct pool *pool = sending();
	const struct tree head = tree_head(&ours);
	struct tree s[4], c[4];

	for (int i = 1; i <= 3; i++) {
		s[i] = snapshot_number(&ours, i);
		c[i] = snapshot_number(&theirs, i);
	}
	for (int i = 1; i <= 3; i++) {
		own_stream struct stream stream = sent(pool, i > 1 ? &s[i - 1] : NULL, &s[i]);

		arrive(pool, i > 1 ? &c[i - 1] : NULL, &stream, &c[i]);
		for (int j = 1; j <= i; j++)
			check_same(pool, &s[j], &c[j]);
	}
	pool = reopened();
	CHECK_LISTS(pool, &head, &s[1], &s[2], &s[3], &c[1], &c[2], &c[3]);
	check_ok(call(pool, tree_delete, &c[1], &err));
	check_ok(call(pool, tree_delete, &s[1], &err));
	pool = reopened();
	CHECK_LISTS(pool, &head, &s[2], &s[3], &c[2], &c[3]);
	check_same(pool, &s[2], &c[2]);
	check_same(pool, &s[3], &c[3]);
}

static void the_base_may_be_an_older_one(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = sending();
	const struct tree s1 = snapshot_number(&ours, 1), s2 = snapshot_number(&ours, 2),
			  s3 = snapshot_number(&ours, 3), c1 = snapshot_number(&theirs, 1),
			  c2 = snapshot_number(&theirs, 2), c3 = snapshot_number(&theirs, 3),
			  c4 = snapshot_number(&theirs, 4), head = tree_head(&ours);
	own_stream struct stream full = sent(pool, NULL, &s1), second = sent(pool, &s1, &s2),
				 third_one = sent(pool, &s1, &s3);

	arrive(pool, NULL, &full, &c1);
	arrive(pool, &c1, &second, &c2);
	arrive(pool, &c1, &third_one, &c3);
	arrive(pool, &c1, &third_one, &c4);
	pool = reopened();
	CHECK_LISTS(pool, &head, &s1, &s2, &s3, &c1, &c2, &c3, &c4);
	check_same(pool, &s1, &c1);
	check_same(pool, &s2, &c2);
	check_same(pool, &s3, &c3);
	check_same(pool, &s3, &c4);
	/* and what became of them can be sent on, from what is their base there */
	{
		own_stream struct stream on = sent(pool, &c1, &c4);
		const struct tree t1 = snapshot_number(&third, 1), t4 = snapshot_number(&third, 4);

		arrive(pool, NULL, &full, &t1);
		arrive(pool, &t1, &on, &t4);
		check_same(pool, &s3, &t4);
	}
	check_ok(call(pool, tree_delete, &c1, &err));
	check_ok(call(pool, tree_delete, &c3, &err));
	check_same(pool, &s2, &c2);
	check_same(pool, &s3, &c4);
}

static void nothing_arrives_too(void)
{
	if (!is_long())
		return;
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	const struct tree head = tree_head(&ours), s1 = snapshot_number(&ours, 1),
			  s2 = snapshot_number(&ours, 2), c1 = snapshot_number(&theirs, 1),
			  c2 = snapshot_number(&theirs, 2);

	check_ok(call(pool, head_create, &ours, &err));
	check_ok(call(pool, snapshot, &head, &s1, &err));
	check_ok(call(pool, snapshot, &head, &s2, &err));
	{
		own_stream struct stream empty = sent(pool, NULL, &s1), same = sent(pool, &s1, &s2);

		arrive(pool, NULL, &empty, &c1);
		arrive(pool, &c1, &same, &c2);
	}
	pool = reopened();
	check_holds(pool, &c1, "kept", NULL);
	check_holds(pool, &c2, "kept", NULL);
	CHECK_LISTS(pool, &head, &s1, &s2, &c1, &c2);
}

static void another_pool_goes_on_from_what_arrived(void)
{
	if (!is_long())
		return;
	struct fl_error err = { 0 };
	struct pool *pool = sending();
	const struct tree s1 = snapshot_number(&ours, 1), s2 = snapshot_number(&ours, 2),
			  s3 = snapshot_number(&ours, 3), local = tree_head(&third),
			  t1 = snapshot_number(&third, 1);
	own_stream struct stream full = sent(pool, NULL, &s1), second = sent(pool, &s1, &s2),
				 last = sent(pool, &s2, &s3);

	pool = fresh();
	arrive(pool, NULL, &full, &s1);
	check_ok(call(pool, head_clone, &third, &s1, &err));
	check_holds(pool, &local, "changed", "one");
	write_to(&local, "changed", "ours now");
	arrive(pool, &s1, &second, &s2);
	check_ok(call(pool, snapshot, &local, &t1, &err));
	arrive(pool, &s2, &last, &s3);
	pool = reopened();
	CHECK_LISTS(pool, &local, &s1, &s2, &s3, &t1);
	check_holds(pool, &s1, "changed", "one");
	check_holds(pool, &s2, "changed", "two, which is longer");
	check_holds(pool, &s2, "gone", NULL);
	check_holds(pool, &s3, "changed", "three");
	check_holds(pool, &t1, "changed", "ours now");
	check_ok(call(pool, tree_delete, &s1, &err));
	check_ok(call(pool, tree_delete, &s2, &err));
	check_ok(call(pool, tree_delete, &s3, &err));
	check_holds(pool, &local, "changed", "ours now");
	CHECK_LISTS(pool, &local, &t1);
}

/* What the other side makes of it comes back upon what was sent. */
static void a_branch_goes_there_and_back(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = sending();
	const struct tree head = tree_head(&ours), s1 = snapshot_number(&ours, 1),
			  s2 = snapshot_number(&ours, 2), there = snapshot_number(&theirs, 2),
			  away = tree_head(&theirs), after = snapshot_number(&theirs, 3),
			  back = snapshot_number(&third, 3);

	{
		own_stream struct stream stream = sent(pool, NULL, &s2);

		arrive(pool, NULL, &stream, &there);
	}
	check_ok(call(pool, head_clone, &theirs, &there, &err));
	write_to(&away, "changed", "away");
	check_ok(call(pool, snapshot, &away, &after, &err));
	{
		own_stream struct stream stream = sent(pool, &there, &after);

		check_code(FL_INVALID, try_receive(pool, &s1, &stream, &err));
		check_code(FL_INVALID, try_receive(pool, NULL, &stream, &err));
		arrive(pool, &s2, &stream, &back);
	}
	check_holds(pool, &back, "changed", "away");
	check_same(pool, &after, &back);
	check_holds(pool, &head, "changed", "three");
	write_to(&head, "changed", "four");
	pool = reopened();
	check_holds(pool, &head, "changed", "four");
	check_holds(pool, &s2, "changed", "two, which is longer");
	check_same(pool, &after, &back);
}

/* After a rollback each predecessor is a base, also one before the point gone back to. */
static void what_comes_after_a_rollback_is_sent_from_its_predecessors(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = sending();
	const struct tree head = tree_head(&ours), s1 = snapshot_number(&ours, 1),
			  s2 = snapshot_number(&ours, 2), s3 = snapshot_number(&ours, 3),
			  s4 = snapshot_number(&ours, 4), c1 = snapshot_number(&theirs, 1),
			  c3 = snapshot_number(&theirs, 3), c4 = snapshot_number(&theirs, 4),
			  c5 = snapshot_number(&theirs, 5), retired = tree_retired(&another);
	struct stream across = { 0 };
	int rc;

	check_ok(call(pool, head_swap, &ours, &s2, &another, &err));
	write_to(&head, "changed", "another way");
	check_ok(call(pool, snapshot, &head, &s4, &err));
	{
		own_stream struct stream full = sent(pool, NULL, &s1), left = sent(pool, &s1, &s3),
					 way = sent(pool, &s1, &s4), near = sent(pool, &s2, &s4);

		arrive(pool, NULL, &full, &c1);
		arrive(pool, &c1, &left, &c3);
		arrive(pool, &c1, &way, &c4);
		check_ok(call(pool, tree_delete, &retired, &err));
		arrive(pool, &s2, &near, &c5);
	}
	check_same(pool, &s4, &c4);
	check_same(pool, &s4, &c5);
	rc = try_send(pool, &s3, &s4, &across, &err);
	stream_done(&across);
	check(rc == 0 || rc == -FL_UNSUPPORTED);
	pool = reopened();
	CHECK_LISTS(pool, &head, &s1, &s2, &s3, &s4, &c1, &c3, &c4, &c5);
	check_same(pool, &s3, &c3);
	check_same(pool, &s4, &c4);
	check_holds(pool, &head, "changed", "another way");
}

/* --- what is refused --------------------------------------------------------------------- */

static void a_stream_that_breaks_off_leaves_nothing(void)
{
	if (!is_long())
		return;
	struct fl_error err = { 0 };
	struct pool *pool = sending();
	const struct tree head = tree_head(&ours), s1 = snapshot_number(&ours, 1),
			  s2 = snapshot_number(&ours, 2), s3 = snapshot_number(&ours, 3),
			  c1 = snapshot_number(&theirs, 1), c2 = snapshot_number(&theirs, 2);
	own_stream struct stream full = sent(pool, NULL, &s1), second = sent(pool, &s1, &s2);

	for (size_t i = 0; i < 6; i++) {
		size_t length = i == 5 ? full.length - 1 : full.length * i / 5;

		check_code(FL_CORRUPT, receive_part(pool, &operation, NULL, &full, length, &err));
		CHECK_LISTS(pool, &head, &s1, &s2, &s3);
	}
	arrive(pool, NULL, &full, &c1);
	for (size_t i = 0; i < 6; i++) {
		size_t length = i == 5 ? second.length - 1 : second.length * i / 5;

		check_code(FL_CORRUPT, receive_part(pool, &operation, &c1, &second, length, &err));
		CHECK_LISTS(pool, &head, &s1, &s2, &s3, &c1);
	}
	check_same(pool, &s1, &c1);
	arrive(pool, &c1, &second, &c2);
	check_same(pool, &s2, &c2);
}

/* Of a byte that was changed the driver need not know: the digest does.  Nothing else changes. */
static void a_changed_byte_does_no_harm(void)
{
	if (!is_long())
		return;
	struct fl_error err = { 0 };
	struct pool *pool = sending();
	const struct tree head = tree_head(&ours), s1 = snapshot_number(&ours, 1),
			  s2 = snapshot_number(&ours, 2), s3 = snapshot_number(&ours, 3),
			  c1 = snapshot_number(&theirs, 1);
	own_stream struct stream full = sent(pool, NULL, &s1);
	int refused = 0;

	for (size_t i = 1; i < 8; i++) {
		char *place = full.bytes + full.length * i / 8;
		int rc;

		*place = (char)(*place ^ 0x10);
		rc = try_receive(pool, NULL, &full, &err);
		*place = (char)(*place ^ 0x10);
		check(rc == 0 || rc == -FL_CORRUPT || rc == -FL_INVALID);
		refused += rc != 0;
		discard(pool);
		CHECK_LISTS(pool, &head, &s1, &s2, &s3);
	}
	printf("# %d of 7 refused by the driver itself\n", refused);
	arrive(pool, NULL, &full, &c1);
	check_same(pool, &s1, &c1);
}

static void what_does_not_follow_the_base_is_refused(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = sending();
	const struct tree head = tree_head(&ours), s1 = snapshot_number(&ours, 1),
			  s2 = snapshot_number(&ours, 2), s3 = snapshot_number(&ours, 3),
			  c1 = snapshot_number(&theirs, 1), missing = snapshot_number(&theirs, 9);
	own_stream struct stream full = sent(pool, NULL, &s1), last = sent(pool, &s2, &s3);
	char rubbish[400] = "rubbish";
	struct stream none = { rubbish, sizeof(rubbish) };

	arrive(pool, NULL, &full, &c1);
	check_code(FL_INVALID, try_receive(pool, &c1, &last, &err));
	check_code(FL_INVALID, try_receive(pool, &s3, &last, &err));
	check_code(FL_INVALID, try_receive(pool, NULL, &last, &err));
	check_code(FL_INVALID, try_receive(pool, &c1, &full, &err));
	check_code(FL_INVALID, try_receive(pool, NULL, &none, &err));
	check_code(FL_INVALID, try_receive(pool, &c1, &none, &err));
	check_code(FL_NOT_FOUND, try_receive(pool, &missing, &last, &err));
	check_code(FL_NOT_FOUND, try_send(pool, NULL, &missing, &none, &err));
	check_code(FL_NOT_FOUND, try_send(pool, &missing, &s1, &none, &err));
	CHECK_LISTS(pool, &head, &s1, &s2, &s3, &c1);
	check_same(pool, &s1, &c1);
}

static uint64_t stream_number(struct pool *pool, const struct tree *tree)
{
	struct fl_error err = { 0 };
	uint64_t number = 0;

	check_ok(call(pool, stream_number, tree, &number, &err));
	return number;
}

static void a_number_tells_what_streams_can_be_received_upon(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = sending();
	const struct tree s1 = snapshot_number(&ours, 1), s2 = snapshot_number(&ours, 2),
			  c1 = snapshot_number(&theirs, 1), other = snapshot_number(&theirs, 2),
			  missing = snapshot_number(&theirs, 9);
	own_stream struct stream full = sent(pool, NULL, &s1);
	uint64_t number;

	arrive(pool, NULL, &full, &c1);
	check_ok(call(pool, staging_clone, &operation, NULL, &s2, &err));
	check_ok(call(pool, staging_commit, &operation, &other, &err));
	for (int again = 0; again < 2; again++, pool = reopened()) {
		number = stream_number(pool, &s1);
		check(number != 0 && stream_number(pool, &c1) == number);
		check(stream_number(pool, &s2) != number);
		/* it has the contents of the second, and for ZFS it is none of the two */
		check(stream_number(pool, &other) != number);
	}
	check_code(FL_NOT_FOUND, call(pool, stream_number, &missing, &number, &err));
}

static void what_is_not_committed_is_swept(void)
{
	if (!is_long())
		return;
	struct fl_error err = { 0 };
	struct pool *pool = sending();
	const struct tree head = tree_head(&ours), s1 = snapshot_number(&ours, 1),
			  s2 = snapshot_number(&ours, 2), s3 = snapshot_number(&ours, 3),
			  c1 = snapshot_number(&theirs, 1), c2 = snapshot_number(&theirs, 2);
	own_stream struct stream full = sent(pool, NULL, &s1), second = sent(pool, &s1, &s2);

	check_ok(try_receive(pool, NULL, &full, &err));
	pool = reopened();
	discard(pool); /* missing is success */
	CHECK_LISTS(pool, &head, &s1, &s2, &s3);
	arrive(pool, NULL, &full, &c1);
	check_ok(try_receive(pool, &c1, &second, &err));
	pool = reopened();
	discard(pool);
	CHECK_LISTS(pool, &head, &s1, &s2, &s3, &c1);
	check_ok(try_receive(pool, &c1, &second, &err));
	discard(pool);
	CHECK_LISTS(pool, &head, &s1, &s2, &s3, &c1);
	arrive(pool, &c1, &second, &c2);
	check_same(pool, &s1, &c1);
	check_same(pool, &s2, &c2);
}

/* --- at once --------------------------------------------------------------------------------- */

struct sending {
	struct pool *pool;
	struct tree tree;
	int fd;
	int rc;
	struct fl_error err;
};

static void *send_here(void *arg)
{
	struct sending *sending = arg;

	sending->rc = call(sending->pool, send, NULL, &sending->tree, sending->fd, &sending->err);
	close(sending->fd);
	return NULL;
}

static void who_stops_reading_ends_it(void)
{
	if (!is_long())
		return;
	struct fl_error err;
	struct pool *pool = sending();
	const struct tree s1 = snapshot_number(&ours, 1), s2 = snapshot_number(&ours, 2),
			  s3 = snapshot_number(&ours, 3), head = tree_head(&ours);
	struct sending sending = { .pool = pool, .tree = s1 };
	pthread_t thread;
	int ends[2];
	char byte;

	check(pipe2(ends, O_CLOEXEC) == 0 && fcntl(ends[1], F_SETPIPE_SZ, 4096) >= 0);
	sending.fd = ends[1];
	if (!has_files(pool, &s1)) { /* so little that it fits into the pipe */
		close(ends[0]);
		send_here(&sending);
	} else {
		check(pthread_create(&thread, NULL, send_here, &sending) == 0);
		check(read(ends[0], &byte, 1) == 1);
		close(ends[0]);
		pthread_join(thread, NULL);
	}
	err = sending.err;
	check_code(FL_SYSTEM, sending.rc);
	check(err.sys == EPIPE);
	CHECK_LISTS(pool, &head, &s1, &s2, &s3);
}

/* A deletion meanwhile ends it, or is told to wait, or neither notices. */
static void a_snapshot_may_be_deleted_while_it_is_sent(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = sending();
	const struct tree s1 = snapshot_number(&ours, 1), s2 = snapshot_number(&ours, 2),
			  s3 = snapshot_number(&ours, 3), head = tree_head(&ours),
			  c1 = snapshot_number(&theirs, 1);
	struct sending sending = { .pool = pool, .tree = s1 };
	own_text struct text got = { 0 };
	char block[4096];
	int ends[2], rc;
	ssize_t n;
	pthread_t thread;

	if (!has_files(pool, &s1))
		return;
	check(pipe2(ends, O_CLOEXEC) == 0);
	sending.fd = ends[1];
	check(pthread_create(&thread, NULL, send_here, &sending) == 0);
	n = read(ends[0], block, sizeof(block));
	check(n > 0);
	text_add(&got, block, (size_t)n);
	rc = call(pool, tree_delete, &s1, &err);
	check(rc == 0 || rc == -FL_BUSY);
	while ((n = read(ends[0], block, sizeof(block))) > 0)
		text_add(&got, block, (size_t)n);
	pthread_join(thread, NULL);
	close(ends[0]);
	check_ok(call(pool, tree_delete, &s1, &err));
	CHECK_LISTS(pool, &head, &s2, &s3);
	if (sending.rc == 0) {
		const struct stream stream = { got.bytes, got.length };

		arrive(pool, NULL, &stream, &c1);
		check_holds(pool, &c1, "gone", "soon");
	}
	pool = reopened();
	check_missing(pool, &s1);
	check_holds(pool, &s2, "new", "new");
}

static void two_arrive_at_once(void)
{
	if (!is_long())
		return;
	struct fl_error err = { 0 };
	struct pool *pool = sending();
	const struct tree s1 = snapshot_number(&ours, 1), s2 = snapshot_number(&ours, 2),
			  s3 = snapshot_number(&ours, 3), head = tree_head(&ours),
			  c1 = snapshot_number(&theirs, 1), c2 = snapshot_number(&theirs, 2),
			  c3 = snapshot_number(&theirs, 3);
	own_stream struct stream full = sent(pool, NULL, &s1), second = sent(pool, &s1, &s2),
				 last = sent(pool, &s1, &s3);

	arrive(pool, NULL, &full, &c1);
	check_ok(receive_part(pool, &operation, &c1, &second, second.length, &err));
	check_ok(receive_part(pool, &another, &c1, &last, last.length, &err));
	check_ok(call(pool, tree_delete, &s1, &err)); /* cleans up, but nothing of these */
	check_ok(call(pool, staging_commit, &another, &c3, &err));
	check_ok(call(pool, staging_commit, &operation, &c2, &err));
	pool = reopened();
	CHECK_LISTS(pool, &head, &s2, &s3, &c1, &c2, &c3);
	check_same(pool, &s2, &c2);
	check_same(pool, &s3, &c3);
}

/* The whole program is killed while half of it has arrived. */
static void a_killed_receiver_leaves_nothing(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = sending();
	const struct tree head = tree_head(&ours), s1 = snapshot_number(&ours, 1),
			  s2 = snapshot_number(&ours, 2), s3 = snapshot_number(&ours, 3),
			  c1 = snapshot_number(&theirs, 1), c2 = snapshot_number(&theirs, 2);
	own_stream struct stream full = sent(pool, NULL, &s1), second = sent(pool, &s1, &s2);

	if (!has_files(pool, &s1)) /* what is in memory dies with the program */
		return;
	for (int round = 0; round < 2; round++) {
		const struct stream *stream = round ? &second : &full;
		int ends[2], status;
		pid_t pid;

		bench_close();
		check(pipe2(ends, O_CLOEXEC) == 0);
		pid = fork();
		if (pid == 0) {
			close(ends[1]);
			pool = NULL;
			if (bench_reopen(&pool, &err) == 0)
				(void)!call(pool, receive, &operation, round ? &c1 : NULL, ends[0],
					    &err);
			_exit(1);
		}
		close(ends[0]);
		check(write(ends[1], stream->bytes, stream->length / 2) ==
		      (ssize_t)(stream->length / 2));
		usleep(100000); /* whatever it has come to by then is as good as anything else */
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		close(ends[1]);
		check(WIFSIGNALED(status));
		pool = reopened();
		discard(pool);
		if (round == 0) {
			CHECK_LISTS(pool, &head, &s1, &s2, &s3);
			arrive(pool, NULL, &full, &c1);
		}
	}
	CHECK_LISTS(pool, &head, &s1, &s2, &s3, &c1);
	arrive(pool, &c1, &second, &c2);
	check_same(pool, &s2, &c2);
}

static int count_note(void *arg, const struct tree *tree, const char *note, struct fl_error *err)
{
	*(int *)arg += strcmp(note, "said") == 0 && tree->kind == TREE_SNAPSHOT;
	return 0;
}

static void a_note_is_committed_with_it(void)
{
	if (!is_long())
		return;
	struct fl_error err = { 0 };
	struct pool *pool = sending();
	const struct tree s1 = snapshot_number(&ours, 1), c1 = snapshot_number(&theirs, 1),
			  staging = tree_staging(&operation);
	own_stream struct stream full = sent(pool, NULL, &s1);
	int notes = 0;

	if (!(bench_driver()->capabilities & DRIVER_CAN_NOTE))
		return;
	check_ok(try_receive(pool, NULL, &full, &err));
	check_ok(call(pool, note_write, &staging, "said", &err));
	check_ok(call(pool, sync, &err));
	check_ok(call(pool, staging_commit, &operation, &c1, &err));
	pool = reopened();
	check_ok(call(pool, note_each, count_note, &notes, &err));
	check(notes == 1);
}

static struct pool *wrap_fault(struct pool *inner, void *arg)
{
	return fault_wrap(inner, arg);
}

static void each_call_may_fail_before_it_is_done_and_after(void)
{
	if (!is_long())
		return;
	struct fl_error err = { 0 };
	struct pool *pool = sending();
	const struct tree s1 = snapshot_number(&ours, 1), c1 = snapshot_number(&theirs, 1);
	own_stream struct stream full = sent(pool, NULL, &s1);
	struct stream none = { 0 };

	for (int before = 0; before < 2; before++) {
		struct fault_plan plan = { .fail_at = 1, .before = before };

		pool = bench_wrap(wrap_fault, &plan);
		check_code(FL_SYSTEM, try_send(pool, NULL, &s1, &none, &err));
		plan.fail_at = 2;
		check_code(FL_SYSTEM, try_receive(pool, NULL, &full, &err));
		check(try_receive(pool, NULL, &full, &err) == (before ? 0 : -FL_EXISTS));
		plan.fail_at = 4;
		check_code(FL_SYSTEM, call(pool, staging_commit, &operation, &c1, &err));
		check_ok(call(pool, staging_commit, &operation, &c1, &err));
		check(plan.fired == 3);
		check_same(pool, &s1, &c1);
		check_ok(call(pool, tree_delete, &c1, &err));
		pool = reopened();
		check_missing(pool, &c1);
	}
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	return suite_main(argc, argv, DRIVER_CAN_SEND | DRIVER_CAN_RECEIVE,
			  (struct check[]){
				  CHECK(a_snapshot_arrives_whole_and_is_seen_when_committed),
				  CHECK(increments_arrive_one_upon_the_other),
				  CHECK(the_base_may_be_an_older_one),
				  CHECK(nothing_arrives_too),
				  CHECK(another_pool_goes_on_from_what_arrived),
				  CHECK(a_branch_goes_there_and_back),
				  CHECK(what_comes_after_a_rollback_is_sent_from_its_predecessors),
				  CHECK(a_stream_that_breaks_off_leaves_nothing),
				  CHECK(a_changed_byte_does_no_harm),
				  CHECK(what_does_not_follow_the_base_is_refused),
				  CHECK(a_number_tells_what_streams_can_be_received_upon),
				  CHECK(what_is_not_committed_is_swept),
				  CHECK(who_stops_reading_ends_it),
				  CHECK(a_snapshot_may_be_deleted_while_it_is_sent),
				  CHECK(two_arrive_at_once),
				  CHECK(a_killed_receiver_leaves_nothing),
				  CHECK(a_note_is_committed_with_it),
				  CHECK(each_call_may_fail_before_it_is_done_and_after),
				  CHECK_END,
			  });
}
