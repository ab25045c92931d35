/*
 * Deltas: what a tree becomes by one is what was sent, contents and all attributes, whichever
 * driver made it and whichever one's tree it is applied to; and trees in staging, which it is
 * applied to: staging_clone, staging_commit.
 *
 * A bench has one pool; deltas are applied there, and in another pool of another driver beside it:
 * of plain directories, or of Btrfs where the bench's own are plain directories.
 */

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "suite.h"

#include "../unit/random.h"
#include "applier.h"
#include "driver/portable.h"

static const struct uuid ours = { { 1, 1, [15] = 10 } }, theirs = { { 2, 2, [15] = 20 } };
static const struct uuid operation = { { 7, 7, [15] = 70 } };

static bool is_root(void)
{
	return geteuid() == 0;
}

static bool is_slow(void)
{
	return strcmp(bench_driver()->name, "zfs") == 0;
}

/* --- trees as text ---------------------------------------------------------------------------- */

struct describing {
	struct text out;
	struct {
		ino_t inode;
		char path[256];
	} files[4096]; /* with several names */
	size_t count;
};

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static void describe_contents(int dir, const char *name, struct text *out)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	static char block[65536];
	ssize_t n;

	check(fd >= 0);
	while ((n = read(fd, block, sizeof(block))) > 0)
		hash = hash_bytes(hash, block, (size_t)n);
	check(n == 0);
	close(fd);
	text_add_format(out, " contents=%016llx", (unsigned long long)hash);
}

/* Their sum, for they have no order. */
static void describe_xattrs(int dir, const char *name, struct text *out)
{
	char path[1100], list[4096], value[4096];
	uint64_t sum = 0;
	ssize_t length, size;

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%.1000s", dir, name);
	length = llistxattr(path, list, sizeof(list));
	for (const char *x = list; length > 0 && x < list + length; x += strlen(x) + 1) {
		if (strncmp(x, "user.", 5) != 0 && strncmp(x, "system.posix", 12) != 0)
			continue;
		size = lgetxattr(path, x, value, sizeof(value));
		check(size >= 0);
		sum += hash_bytes(hash_bytes(1, x, strlen(x)), value, (size_t)size);
	}
	text_add_format(out, " xattrs=%016llx", (unsigned long long)sum);
}

static void describe_links(struct describing *d, const char *path, const struct stat *st)
{
	size_t i = 0;

	if (S_ISDIR(st->st_mode) || st->st_nlink < 2)
		return;
	while (i < d->count && d->files[i].inode != st->st_ino)
		i++;
	check(i < array_size(d->files));
	if (i == d->count) {
		d->files[d->count].inode = st->st_ino;
		snprintf(d->files[d->count++].path, 256, "%.255s", path);
	}
	text_add_format(&d->out, " links=%lu same=%s", (unsigned long)st->st_nlink,
			d->files[i].path);
}

static void describe_one(struct describing *d, int dir, const char *path, const char *name,
			 const struct stat *st)
{
	char target[256] = "";

	text_add_format(&d->out, "%s mode=%o owner=%u:%u time=%lld.%09ld", path, st->st_mode,
			st->st_uid, st->st_gid, (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
	if (S_ISREG(st->st_mode))
		text_add_format(&d->out, " size=%lld", (long long)st->st_size);
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		text_add_format(&d->out, " device=%lx", (unsigned long)st->st_rdev);
	if (S_ISLNK(st->st_mode) && readlinkat(dir, name, target, sizeof(target) - 1) > 0)
		text_add_format(&d->out, " to=%s", target);
	if (S_ISREG(st->st_mode))
		describe_contents(dir, name, &d->out);
	describe_xattrs(dir, name, &d->out);
	describe_links(d, path, st);
	text_add_string(&d->out, "\n");
}

static void describe_directory(struct describing *d, int fd, const char *path)
{
	struct dirent **names = NULL;
	char own[64], below[1100];
	int count;

	snprintf(own, sizeof(own), "/proc/self/fd/%d", fd);
	count = scandir(own, &names, NULL, alphasort);
	check(count >= 0);
	for (int i = 0; i < count; i++) {
		const char *name = names[i]->d_name;
		struct stat st;

		snprintf(below, sizeof(below), "%.800s/%.255s", path, name);
		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
			check(fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0);
			describe_one(d, fd, below, name, &st);
			if (S_ISDIR(st.st_mode)) {
				int inner = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

				describe_directory(d, inner, below);
				close(inner);
			}
		}
		free(names[i]);
	}
	free(names);
}

/* Heap. */
static char *description_of(struct pool *pool, const struct tree *tree)
{
	struct describing *d = calloc(1, sizeof(*d));
	struct fl_error err = { 0 };
	struct stat st;
	char *text;
	int fd = -1;

	check_ok(call(pool, tree_open, tree, &fd, &err));
	check(fstat(fd, &st) == 0);
	describe_one(d, fd, "", ".", &st);
	describe_directory(d, fd, "");
	close(fd);
	text = text_take(&d->out);
	free(d);
	return text;
}

/* --- deltas ----------------------------------------------------------------------------------- */

struct delta {
	char *bytes;
	size_t length;
};

static void delta_done(struct delta *delta)
{
	free(delta->bytes);
}
#define own_delta own(delta_done)

typedef int sender(struct pool *pool, const struct tree *base, const struct tree *tree, int fd,
		   struct fl_error *err);

static struct delta sent_by(sender *send, struct pool *pool, const struct tree *base,
			    const struct tree *tree)
{
	int fd = memfd_create("delta", MFD_CLOEXEC);
	struct fl_error err = { 0 };
	struct delta delta = { 0 };
	struct stat st;

	check_ok(send(pool, base, tree, fd, &err));
	check(fstat(fd, &st) == 0 && st.st_size > 0);
	delta.length = (size_t)st.st_size;
	delta.bytes = malloc(delta.length);
	check(pread(fd, delta.bytes, delta.length, 0) == st.st_size);
	close(fd);
	return delta;
}

/* Into a tree in staging, which becomes `target`; all of it. */
static struct applier arrive(struct pool *pool, const struct tree *base, const struct delta *delta,
			     const struct tree *target)
{
	const struct tree staging = tree_staging(&operation);
	struct applier applier = {
		.root = -1, .base = -1, .bytes = delta->bytes, .length = delta->length
	};
	struct fl_error err = { 0 };
	bool good;

	if (base)
		check_ok(call(pool, staging_clone, &operation, NULL, base, &err));
	else
		check_ok(call(pool, staging_create, &operation, NULL, &err));
	check_ok(call(pool, tree_open, &staging, &applier.root, &err));
	if (base)
		check_ok(call(pool, tree_open, base, &applier.base, &err));
	good = apply_delta(&applier);
	close(applier.root);
	if (base)
		close(applier.base);
	text_done(&applier.stable);
	check(good && applier.at == applier.length);
	check_ok(call(pool, staging_commit, &operation, target, &err));
	return applier;
}

static char *stable_of(const struct delta *delta)
{
	struct applier applier = {
		.root = -1, .base = -1, .bytes = delta->bytes, .length = delta->length
	};

	check(apply_delta(&applier));
	return text_take(&applier.stable);
}

static bool same_description(struct pool *a, const struct tree *one, struct pool *b,
			     const struct tree *other)
{
	char *first = description_of(a, one), *second = description_of(b, other);
	bool same = strcmp(first, second) == 0;
	char *rest = first, *at = second, *x, *y;

	while (!same && (x = strsep(&rest, "\n")) && (y = strsep(&at, "\n")))
		if (strcmp(x, y) != 0)
			printf("# wanted %s\n# got    %s\n", x, y);
	free(first);
	free(second);
	return same;
}

/* All ways that there are here; the first is the driver's own. */
static size_t senders(sender *ret[static 3])
{
	size_t count = 0;

	ret[count++] = driver_send_delta;
	if (bench_driver()->form == FORM_DELTA &&
	    !(bench_driver()->capabilities & DRIVER_MUST_READ))
		ret[count++] = portable_send;
	if (!(bench_driver()->capabilities & DRIVER_MUST_READ))
		ret[count++] = portable_send_by_path;
	return count;
}

static const char *const sender_names[] = { "native", "portable", "by path" };

/* --- another pool ----------------------------------------------------------------------------- */

static struct pool *other_pool(void)
{
	bool plain = strcmp(bench_driver()->name, "dir") == 0;
	struct pool_identity identity = { POOL_FORMAT, uuid_new(), uuid_new() };
	const struct driver *driver = NULL;
	struct fl_error err = { 0 };
	struct pool_spec spec = { 0 };
	struct pool *pool = NULL;

	if (!is_root())
		return NULL;
	strcpy(spec.driver, plain ? "btrfs" : "dir");
	snprintf(spec.path, sizeof(spec.path), "%s/other", bench_directory());
	spec.kind = plain ? POOL_FILE : POOL_DIRECTORY;
	spec.size = plain ? UINT64_C(256) << 20 : 0;
	spec.sparse = plain;
	check_ok(driver_find(spec.driver, &driver, &err));
	check_ok(driver->create(&spec, &identity, &err));
	check_ok(driver->open(&spec, &pool, &err));
	return pool;
}

static void close_other(struct pool *pool)
{
	if (pool)
		pool->driver->close(pool);
}

/* --- what happens to a tree ------------------------------------------------------------------- */

/* One of few paths, so that they meet; up to three deep. */
static void some_path(char path[static 64])
{
	size_t depth = 1 + random_below(3);

	path[0] = '\0';
	for (size_t i = 0; i < depth; i++)
		snprintf(path + strlen(path), 64 - strlen(path), "%s%c", i ? "/" : "",
			 (int)('a' + random_below(5)));
}

static void write_some(int root, const char *path, bool new)
{
	int fd = openat(root, path,
			O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC |
				(new ? O_CREAT | O_EXCL : 0),
			0644);
	uint64_t bytes[512];

	if (fd < 0)
		return;
	for (size_t i = 0; i < array_size(bytes); i++)
		bytes[i] = random_next();
	for (size_t i = random_below(4); i > 0; i--)
		check(pwrite(fd, bytes, 1 + random_below(sizeof(bytes)),
			     (off_t)random_below(random_below(2) ? 300000 : 3000)) > 0);
	if (random_below(4) == 0)
		check(ftruncate(fd, (off_t)random_below(400000)) == 0);
	close(fd);
}

/* user::rwx, user:1000:r-x, group::r-x, mask::rwx, other::--- */
static const uint8_t acl[] = { 2,    0,	   0,	 0,    1,    0,	   7,  0,    0xff, 0xff, 0xff,
			       0xff, 2,	   0,	 5,    0,    0xe8, 3,  0,    0,	   4,	 0,
			       5,    0,	   0xff, 0xff, 0xff, 0xff, 16, 0,    7,	   0,	 0xff,
			       0xff, 0xff, 0xff, 32,   0,    0,	   0,  0xff, 0xff, 0xff, 0xff };

static void set_some_xattr(int root, const char *path)
{
	static const char *const names[] = { "user.one", "user.two", "system.posix_acl_access",
					     "system.posix_acl_default" };
	size_t which = random_below(is_slow() ? 2 : array_size(names));
	char full[128];

	snprintf(full, sizeof(full), "/proc/self/fd/%d/%s", root, path);
	if (random_below(3) == 0)
		(void)lremovexattr(full, names[which]);
	else if (which < 2)
		(void)lsetxattr(full, names[which], "value", random_below(6), 0);
	else
		(void)lsetxattr(full, names[which], acl, sizeof(acl), 0);
}

static void exchange(int root, const char *a, const char *b)
{
	(void)syscall(SYS_renameat2, root, a, root, b, 2 /* RENAME_EXCHANGE */);
}

static void make_some_node(int root, const char *path)
{
	static const mode_t types[] = { S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK };

	(void)mknodat(root, path, types[random_below(is_root() ? 4 : 2)] | 0640,
		      (dev_t)(0x100 + random_below(3)));
}

/* Any of these may fail, as for a name that is taken: then nothing happens. */
static void do_something(int root)
{
	const struct timespec times[2] = { { 5, 5 }, { (time_t)random_below(9), 7 } };
	char a[64], b[64];

	some_path(a);
	some_path(b);
	switch (random_below(19)) {
	case 0:
	case 1:
	case 2:
		write_some(root, a, true);
		break;
	case 3:
	case 4:
	case 5:
		(void)mkdirat(root, a, 0755);
		break;
	case 6:
		(void)!symlinkat(random_below(2) ? "to/nowhere" : "b", root, a);
		break;
	case 7:
		make_some_node(root, a);
		break;
	case 8:
	case 9:
		write_some(root, a, false);
		break;
	case 10:
	case 11:
		(void)!linkat(root, a, root, b, 0);
		break;
	case 12:
		(void)renameat(root, a, root, b);
		break;
	case 13:
		exchange(root, a, b);
		break;
	case 14:
		if (unlinkat(root, a, 0) < 0)
			(void)unlinkat(root, a, AT_REMOVEDIR);
		break;
	case 15:
		(void)!fchmodat(root, a,
				0700 + (mode_t)random_below(0100) + (random_below(4) ? 0 : 04000),
				0);
		break;
	case 16:
		if (is_root())
			(void)!fchownat(root, a, (uid_t)random_below(3), (gid_t)random_below(2),
					AT_SYMLINK_NOFOLLOW);
		break;
	case 17:
		(void)utimensat(root, a, times, AT_SYMLINK_NOFOLLOW);
		break;
	default:
		set_some_xattr(root, a);
	}
}

static void let_happen(struct pool *pool, const struct tree *head, size_t steps)
{
	struct fl_error err = { 0 };
	int root = -1;

	check_ok(call(pool, tree_open, head, &root, &err));
	for (size_t i = 0; i < steps; i++)
		do_something(root);
	close(root);
}

static struct pool *planted(struct tree *ret_head)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();

	umask(0);
	*ret_head = tree_head(&ours);
	check_ok(call(pool, head_create, &ours, &err));
	return pool;
}

/* --- tests: what arrives is what was sent ----------------------------------------------------- */

static void send_and_compare(struct pool *pool, const struct tree *base, const struct tree *tree,
			     const char *what)
{
	const struct tree staged = snapshot_number(&theirs, 99);
	struct fl_error err = { 0 };
	sender *ways[3];
	size_t count = senders(ways);

	for (size_t i = 0; i < count; i++) {
		own_delta struct delta delta = sent_by(ways[i], pool, base, tree);
		bool same;

		(void)arrive(pool, base, &delta, &staged);
		same = same_description(pool, tree, pool, &staged);
		if (!same)
			printf("# %s, %s\n", what, sender_names[i]);
		check(same);
		check_ok(call(pool, tree_delete, &staged, &err));
	}
}

static void random_trees_arrive_as_they_were_sent(void)
{
	int rounds = is_slow() ? 4 : 25;
	struct fl_error err = { 0 };
	struct tree head, last;
	struct pool *pool = planted(&head);

	random_begin(20261122);
	for (int round = 1; round <= rounds; round++) {
		const struct tree next = snapshot_number(&ours, round);
		char what[32];

		snprintf(what, sizeof(what), "round %d", round);
		let_happen(pool, &head, round == 1 ? 400 : 1 + random_below(200));
		check_ok(call(pool, snapshot, &head, &next, &err));
		if (round == 1 || round % 5 == 0)
			send_and_compare(pool, NULL, &next, what);
		if (round > 1)
			send_and_compare(pool, &last, &next, what);
		if (round % 5 == 0) {
			const struct tree far = snapshot_number(&ours, round / 2);

			send_and_compare(pool, &far, &next, what);
			send_and_compare(pool, &next, &far, what);
		}
		last = next;
	}
}

static void another_driver_goes_on_from_what_arrived(void)
{
	struct fl_error err = { 0 };
	struct tree head;
	struct pool *pool = planted(&head), *other = other_pool();

	if (!other)
		return;
	random_begin(7);
	for (int round = 1; round <= (is_slow() ? 3 : 8); round++) {
		const struct tree next = snapshot_number(&ours, round),
				  last = snapshot_number(&ours, round - 1),
				  *base = round > 1 ? &last : NULL;
		own_delta struct delta delta = { 0 };
		own_delta struct delta back = { 0 };
		const struct tree there = snapshot_number(&theirs, round),
				  there_last = snapshot_number(&theirs, round - 1);

		let_happen(pool, &head, 150);
		check_ok(call(pool, snapshot, &head, &next, &err));
		delta = sent_by(driver_send_delta, pool, base, &next);
		(void)arrive(other, base, &delta, &next);
		check(same_description(pool, &next, other, &next));
		/* and back, from what was received there */
		back = sent_by(driver_send_delta, other, base, &next);
		(void)arrive(pool, base ? &there_last : NULL, &back, &there);
		check(same_description(pool, &next, pool, &there));
	}
	close_other(other);
}

static void the_order_is_the_same_each_time(void)
{
	struct fl_error err = { 0 };
	struct tree head, one = snapshot_number(&ours, 1), two = snapshot_number(&ours, 2);
	struct pool *pool = planted(&head);
	sender *ways[3];
	size_t count = senders(ways);

	random_begin(11);
	let_happen(pool, &head, 300);
	check_ok(call(pool, snapshot, &head, &one, &err));
	let_happen(pool, &head, 100);
	check_ok(call(pool, snapshot, &head, &two, &err));
	for (size_t i = 0; i < 2 * count; i++) {
		const struct tree *base = i % 2 ? &one : NULL;
		own_delta struct delta a = sent_by(ways[i / 2], pool, base, &two),
				       b = sent_by(ways[i / 2], pool, base, &two);
		own_free char *first = stable_of(&a), *second = stable_of(&b);

		check(first[0] && same_text(first, second));
	}
}

/* What moved takes its contents along, and what was changed in little is sent in little. */
static void only_what_differs_is_sent(void)
{
	struct fl_error err = { 0 };
	struct tree head, one = snapshot_number(&ours, 1), two = snapshot_number(&ours, 2),
			  there = snapshot_number(&theirs, 1);
	struct pool *pool = planted(&head);
	const size_t size = 1000000;
	char *bytes = malloc(size);
	int root = -1, fd;

	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)random_next();
	check_ok(call(pool, tree_open, &head, &root, &err));
	fd = openat(root, "large", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	check(write(fd, bytes, size) == (ssize_t)size);
	check_ok(call(pool, snapshot, &head, &one, &err));
	check(pwrite(fd, "other", 5, 500000) == 5);
	check(linkat(root, "large", root, "again", 0) == 0);
	close(fd);
	if (bench_driver()->capabilities & DRIVER_CAN_SHARE) {
		check(mkdirat(root, "dir", 0755) == 0);
		check(unlinkat(root, "again", 0) == 0);
		check(renameat(root, "large", root, "dir/moved") == 0);
	}
	close(root);
	free(bytes);
	check_ok(call(pool, snapshot, &head, &two, &err));
	{
		own_delta struct delta delta = sent_by(driver_send_delta, pool, &one, &two);
		const struct applier applier = arrive(pool, &one, &delta, &there);

		check(applier.written <= 131072 && delta.length < 140000);
		check(same_description(pool, &two, pool, &there));
	}
}

/* Two terabytes of holes. */
static void holes_are_not_sent(void)
{
	struct fl_error err = { 0 };
	struct tree head, one = snapshot_number(&ours, 1), two = snapshot_number(&ours, 2),
			  there = snapshot_number(&theirs, 1), also = snapshot_number(&theirs, 2);
	struct pool *pool = planted(&head);
	off_t size = is_slow() ? (off_t)1 << 21 : (off_t)1 << 41;
	int root = -1, fd;
	struct stat st;

	check_ok(call(pool, tree_open, &head, &root, &err));
	fd = openat(root, "sparse", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	check(ftruncate(fd, size) == 0 && pwrite(fd, "x", 1, size / 2) == 1);
	check_ok(call(pool, snapshot, &head, &one, &err));
	check(pwrite(fd, "y", 1, size / 4) == 1);
	check_ok(call(pool, snapshot, &head, &two, &err));
	close(fd);
	close(root);
	{
		own_delta struct delta whole = sent_by(driver_send_delta, pool, NULL, &one),
				       more = sent_by(driver_send_delta, pool, &one, &two);

		(void)arrive(pool, NULL, &whole, &there);
		(void)arrive(pool, &there, &more, &also);
		check(whole.length < 200000 && more.length < 200000);
	}
	check_ok(call(pool, tree_open, &also, &root, &err));
	check(fstatat(root, "sparse", &st, 0) == 0 && st.st_size == size);
	close(root);
}

/* --- tests: who reads ------------------------------------------------------------------------- */

struct sending {
	struct pool *pool;
	struct tree tree;
	int fd, rc;
	struct fl_error err;
};

static void *send_here(void *arg)
{
	struct sending *sending = arg;

	sending->rc = driver_send_delta(sending->pool, NULL, &sending->tree, sending->fd,
					&sending->err);
	close(sending->fd);
	return NULL;
}

static struct pool *with_much(struct tree *ret)
{
	struct fl_error err = { 0 };
	struct tree head;
	struct pool *pool = planted(&head);
	char name[32];
	int root = -1;

	*ret = snapshot_number(&ours, 1);
	check_ok(call(pool, tree_open, &head, &root, &err));
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "%d", i);
		if (i % 100 == 0)
			check(mkdirat(root, name, 0755) == 0);
		else
			write_some(root, name, true);
	}
	close(root);
	check_ok(call(pool, snapshot, &head, ret, &err));
	return pool;
}

static void check_ends(struct pool *pool, const struct tree *tree, const int ends[static 2])
{
	struct sending sending = { .pool = pool, .tree = *tree, .fd = ends[1] };
	struct fl_error err;
	pthread_t thread;
	char byte;

	check(pthread_create(&thread, NULL, send_here, &sending) == 0);
	check(read(ends[0], &byte, 1) == 1);
	close(ends[0]);
	pthread_join(thread, NULL);
	err = sending.err;
	check_code(FL_SYSTEM, sending.rc);
	check(err.sys == EPIPE);
}

static void who_stops_reading_ends_it(void)
{
	struct fl_error err = { 0 };
	struct tree tree;
	struct pool *pool = with_much(&tree);
	int ends[2];

	check(pipe2(ends, O_CLOEXEC) == 0 && fcntl(ends[1], F_SETPIPE_SZ, 4096) >= 0);
	check_ends(pool, &tree, ends);
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	check(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &(int){ 4096 }, sizeof(int)) == 0);
	check_ends(pool, &tree, ends);
	check_ok(call(pool, tree_delete, &tree, &err)); /* nobody holds it any more */
	check_missing(pool, &tree);
}

static void a_snapshot_may_be_deleted_while_it_is_sent(void)
{
	struct fl_error err = { 0 };
	struct tree tree;
	struct pool *pool = with_much(&tree);
	struct sending sending = { .pool = pool, .tree = tree };
	static char block[65536];
	pthread_t thread;
	int ends[2], rc;

	check(pipe2(ends, O_CLOEXEC) == 0 && fcntl(ends[1], F_SETPIPE_SZ, 4096) >= 0);
	sending.fd = ends[1];
	check(pthread_create(&thread, NULL, send_here, &sending) == 0);
	check(read(ends[0], block, 1) == 1);
	rc = call(pool, tree_delete, &tree, &err);
	check(rc == 0 || rc == -FL_BUSY);
	while (read(ends[0], block, sizeof(block)) > 0)
		;
	pthread_join(thread, NULL);
	close(ends[0]);
	check_ok(call(pool, tree_delete, &tree, &err));
	check_missing(pool, &tree);
}

/* --- tests: trees in staging ------------------------------------------------------------------ */

static bool refuses_writing(const struct tree *tree)
{
	struct fl_error err = { 0 };

	return bench_write(tree, "intruder", "x", &err) < 0;
}

static void a_clone_in_staging_becomes_a_snapshot(void)
{
	struct fl_error err = { 0 };
	struct tree head, one = snapshot_number(&ours, 1), two = snapshot_number(&theirs, 2),
			  three = snapshot_number(&theirs, 3), staging = tree_staging(&operation),
			  missing = snapshot_number(&theirs, 9);
	struct pool *pool = planted(&head);
	bool changed = false;

	write_to(&head, "file", "one");
	write_to(&head, "gone", "soon");
	check_ok(call(pool, snapshot, &head, &one, &err));
	check_code(FL_NOT_FOUND, call(pool, staging_clone, &operation, NULL, &missing, &err));
	check_code(FL_NOT_FOUND, call(pool, staging_commit, &operation, &two, &err));
	check_ok(call(pool, staging_clone, &operation, NULL, &one, &err));
	check_code(FL_EXISTS, call(pool, staging_clone, &operation, NULL, &one, &err));
	CHECK_LISTS(pool, &head, &one, &staging);
	write_to(&staging, "file", "two");
	write_to(&staging, "gone", NULL);
	check_holds(pool, &one, "file", "one");
	check_code(FL_EXISTS, call(pool, staging_commit, &operation, &one, &err));
	CHECK_LISTS(pool, &head, &one, &staging);
	check_ok(call(pool, staging_commit, &operation, &two, &err));
	check_ok(call(pool, staging_commit, &operation, &two, &err));
	CHECK_LISTS(pool, &head, &one, &two);
	pool = reopened();
	CHECK_LISTS(pool, &head, &one, &two);
	check(!is_root() || refuses_writing(&two));
	check_holds(pool, &one, "file", "one");
	check_holds(pool, &two, "file", "two");
	check_holds(pool, &two, "gone", NULL);
	/* It is a snapshot as others are: a head is made of it, and unchanged at first. */
	check_ok(call(pool, head_clone, &theirs, &two, &err));
	check_ok(call(pool, changed_since, &(struct tree){ TREE_HEAD, theirs }, &two, &changed,
		      &err));
	check(!changed || strcmp(bench_driver()->name, "dir") == 0);
	check_ok(call(pool, staging_create, &operation, NULL, &err));
	write_to(&staging, "only", "this");
	check_ok(call(pool, staging_commit, &operation, &three, &err));
	check_ok(call(pool, tree_delete, &two, &err));
	check_ok(call(pool, tree_delete, &one, &err));
	check_holds(pool, &three, "only", "this");
	check_holds(pool, &(struct tree){ TREE_HEAD, theirs }, "file", "two");
}

static int count_note(void *arg, const struct tree *tree, const char *note, struct fl_error *err)
{
	*(int *)arg += strcmp(note, "said") == 0 && tree->kind == TREE_SNAPSHOT;
	return 0;
}

static void its_note_comes_along(void)
{
	struct fl_error err = { 0 };
	struct tree head, one = snapshot_number(&ours, 1), two = snapshot_number(&theirs, 2),
			  staging = tree_staging(&operation);
	struct pool *pool = planted(&head);
	int notes = 0;

	if (!(bench_driver()->capabilities & DRIVER_CAN_NOTE))
		return;
	check_ok(call(pool, snapshot, &head, &one, &err));
	check_ok(call(pool, staging_clone, &operation, NULL, &one, &err));
	check_ok(call(pool, note_write, &staging, "said", &err));
	check_ok(call(pool, sync, &err));
	check_ok(call(pool, staging_commit, &operation, &two, &err));
	pool = reopened();
	check_ok(call(pool, note_each, count_note, &notes, &err));
	check(notes == 1);
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	return suite_main(argc, argv, DRIVER_CAN_EXPOSE | DRIVER_CAN_SEND,
			  (struct check[]){
				  CHECK(random_trees_arrive_as_they_were_sent),
				  CHECK(another_driver_goes_on_from_what_arrived),
				  CHECK(the_order_is_the_same_each_time),
				  CHECK(only_what_differs_is_sent),
				  CHECK(holes_are_not_sent),
				  CHECK(who_stops_reading_ends_it),
				  CHECK(a_snapshot_may_be_deleted_while_it_is_sent),
				  CHECK(a_clone_in_staging_becomes_a_snapshot),
				  CHECK(its_note_comes_along),
				  CHECK_END,
			  });
}
