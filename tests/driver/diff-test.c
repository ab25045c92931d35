/*
 * diff: against a reference that walks both trees.
 *
 * Where a clone keeps the inodes the reference knows a file by its inode, which a snapshot keeps
 * and Btrfs never gives twice (ZFS does, with another generation, which is taken along), and a
 * name by the inode of its directory; so what lies in a directory that was renamed has not
 * changed for it either.  A report is right when it has each
 * name that differs exactly once, with the right file behind it, and each file that differs in
 * itself, and nothing else.
 */

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "suite.h"

#include "../unit/random.h"

#define NAMES 4096
/* Each snapshot that is read costs zfs-fuse a mount. */
#define ROUNDS (walks() ? 12 : 40)

/* Does the driver find out by walking, though clones keep their inodes? */
static bool walks(void)
{
	return strcmp(bench_driver()->name, "zfs") == 0;
}

static const struct uuid branch = { { 1, 1, [15] = 10 } };

/* --- a tree as the reference sees it ------------------------------------------------ */

struct name {
	ino_t dir, file;
	char name[64];
	char path[1024];
	struct stat st;
	uint64_t contents, attributes; /* digests */
	bool told;
};

struct walk {
	struct name names[NAMES];
	size_t count;
};

static uint64_t mix(uint64_t digest, const void *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		digest = (digest ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3;
	return digest;
}

static uint64_t digest_contents(int dir, const char *name, const struct stat *st)
{
	uint64_t digest = mix(0xcbf29ce484222325, &st->st_size, S_ISREG(st->st_mode) ? 8 : 0);
	char block[4096];
	ssize_t n;
	int fd;

	if (S_ISLNK(st->st_mode)) {
		n = readlinkat(dir, name, block, sizeof(block));
		check(n >= 0);
		return mix(digest, block, (size_t)n);
	}
	if (!S_ISREG(st->st_mode))
		return digest;
	fd = openat(dir, name, O_RDONLY);
	check(fd >= 0);
	while ((n = read(fd, block, sizeof(block))) > 0)
		digest = mix(digest, block, (size_t)n);
	close(fd);
	return digest;
}

static uint64_t digest_attributes(int dir, const char *name, const struct stat *st)
{
	uint64_t digest = mix(0xcbf29ce484222325, &st->st_mode, sizeof(st->st_mode));
	char value[64];
	ssize_t n = -1;
	int fd;

	digest = mix(digest, &st->st_uid, sizeof(st->st_uid));
	digest = mix(digest, &st->st_gid, sizeof(st->st_gid));
	if (!S_ISDIR(st->st_mode))
		digest = mix(digest, &st->st_mtim, sizeof(st->st_mtim));
	if (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode)) {
		fd = openat(dir, name, O_RDONLY);
		check(fd >= 0);
		n = fgetxattr(fd, "user.note", value, sizeof(value));
		close(fd);
	}
	return n < 0 ? digest : mix(mix(digest, "x", 1), value, (size_t)n);
}

/* The number that a file has and no other ever had. */
static ino_t number_of(int dir, const char *name, const struct stat *st)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} it = { .handle.handle_bytes = MAX_HANDLE_SZ };
	uint32_t fuse[3];
	int mount;

	if (!walks())
		return st->st_ino;
	check(name_to_handle_at(dir, name, &it.handle, &mount, 0) == 0);
	check(it.handle.handle_bytes == sizeof(fuse));
	memcpy(fuse, it.handle.f_handle, sizeof(fuse));
	return (ino_t)fuse[1] << 32 | fuse[2];
}

static void walk_dir(struct walk *walk, int dir, ino_t inode, const char *path)
{
	DIR *stream = fdopendir(dir);
	struct dirent *found;

	check(stream != NULL);
	while ((found = readdir(stream))) {
		struct name *name = &walk->names[walk->count];

		if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0)
			continue;
		check(walk->count < NAMES);
		walk->count++;
		check(fstatat(dir, found->d_name, &name->st, AT_SYMLINK_NOFOLLOW) == 0);
		name->told = false;
		name->dir = inode;
		name->file = number_of(dir, found->d_name, &name->st);
		snprintf(name->name, sizeof(name->name), "%.63s", found->d_name);
		snprintf(name->path, sizeof(name->path), "%s%s%s", path, *path ? "/" : "",
			 found->d_name);
		name->contents = digest_contents(dir, name->name, &name->st);
		name->attributes = digest_attributes(dir, name->name, &name->st);
		if (S_ISDIR(name->st.st_mode))
			walk_dir(walk, openat(dir, found->d_name, O_RDONLY | O_DIRECTORY),
				 name->file, name->path);
	}
	closedir(stream);
}

static void walk_tree(struct pool *pool, const struct tree *tree, struct walk *ret)
{
	struct fl_error err = { 0 };
	int fd;

	check_ok(call(pool, tree_open, tree, &fd, &err));
	ret->count = 0;
	walk_dir(ret, fd, 256, "");
}

static struct name *by_path(struct walk *walk, const char *path)
{
	for (size_t i = 0; i < walk->count; i++) {
		if (strcmp(walk->names[i].path, path) == 0)
			return &walk->names[i];
	}
	return NULL;
}

static struct name *by_place(struct walk *walk, const struct name *name)
{
	for (size_t i = 0; i < walk->count; i++) {
		if (walk->names[i].dir == name->dir && strcmp(walk->names[i].name, name->name) == 0)
			return &walk->names[i];
	}
	return NULL;
}

static struct name *by_file(struct walk *walk, ino_t file)
{
	for (size_t i = 0; i < walk->count; i++) {
		if (walk->names[i].file == file)
			return &walk->names[i];
	}
	return NULL;
}

/* --- the two compared ------------------------------------------------------------------ */

struct comparison {
	struct walk before, after;
	unsigned what[NAMES]; /* told of the file of after.names[i]; under its first name there */
	char last[1024];
};

static size_t first_of(struct comparison *c, ino_t file)
{
	return (size_t)(by_file(&c->after, file) - c->after.names);
}

static bool failed(const char *why, const struct change *change)
{
	printf("# %s: %s %s%s%s what=%u\n", why, change_kind_names[change->kind],
	       change->from ? change->from : "", change->from ? " -> " : "", change->path,
	       change->what);
	return false;
}

static bool take_new(struct comparison *c, const struct change *change)
{
	struct name *now = by_path(&c->after, change->path);
	struct name *was = now ? by_place(&c->before, now) : NULL;

	if (!now || now->told)
		return failed("not there, or told twice", change);
	now->told = true;
	if (now->st.st_mode != change->after.mode)
		return failed("another mode", change);
	if (change->kind == CHANGE_ADDED && was && !by_file(&c->after, was->file))
		return failed("another file was there", change);
	if (change->kind == CHANGE_MODIFIED) {
		if (!was)
			return failed("was not there", change);
		if (was->file != now->file)
			return ((change->what & CHANGE_TYPE) != 0) ==
				       ((was->st.st_mode & S_IFMT) != (now->st.st_mode & S_IFMT)) ||
			       failed("type", change);
	}
	c->what[first_of(c, now->file)] |= change->what;
	return true;
}

static bool take_old(struct comparison *c, const char *path, const struct change *change)
{
	struct name *was = by_path(&c->before, path);

	if (!was || was->told)
		return failed("was not there, or told twice", change);
	was->told = true;
	if (change->kind == CHANGE_RENAMED && by_path(&c->after, change->path)->file != was->file)
		return failed("another file", change);
	return true;
}

static int take(void *arg, const struct change *change, struct fl_error *err)
{
	struct comparison *c = arg;

	check(strcmp(c->last, change->path) <= 0);
	snprintf(c->last, sizeof(c->last), "%s", change->path);
	if (change->path[0] == '\0')
		return 0;
	check(change->kind == CHANGE_REMOVED || take_new(c, change));
	if (change->kind == CHANGE_REMOVED)
		check(take_old(c, change->path, change));
	else if (change->kind == CHANGE_RENAMED)
		check(take_old(c, change->from, change));
	return 0;
}

/* Who walks says nothing of a path that leads to one file in both, though the directory above it
 * is another one. */
static bool stays(struct walk *other, const struct name *name)
{
	const struct name *there = by_path(other, name->path);

	return walks() && there && there->file == name->file;
}

/* A name is new when nobody had it, or another file. */
static bool names_are_right(struct comparison *c)
{
	bool good = true;

	for (size_t i = 0; i < c->after.count; i++) {
		struct name *now = &c->after.names[i];
		const struct name *was = by_place(&c->before, now);
		bool differs = !was || was->file != now->file;

		/* One directory in another's place: the names in them tell. */
		bool same = was && S_ISDIR(was->st.st_mode) && S_ISDIR(now->st.st_mode);

		if (differs && !same && !now->told && !stays(&c->before, now)) {
			printf("# not told: %s\n", now->path);
			good = false;
		}
		if (!differs && now->told && !c->what[first_of(c, now->file)]) {
			printf("# told for nothing: %s\n", now->path);
			good = false;
		}
	}
	for (size_t i = 0; i < c->before.count; i++) {
		struct name *was = &c->before.names[i];

		if (!by_place(&c->after, was) && !was->told && !stays(&c->after, was)) {
			printf("# its loss is not told: %s\n", was->path);
			good = false;
		}
	}
	return good;
}

static bool files_are_right(struct comparison *c)
{
	bool good = true;

	for (size_t i = 0; i < c->after.count; i++) {
		const struct name *now = &c->after.names[i];
		const struct name *was = by_file(&c->before, now->file);
		unsigned wanted = 0;

		if (!was || first_of(c, now->file) != i)
			continue;
		if (was->contents != now->contents)
			wanted |= CHANGE_CONTENTS;
		if (was->attributes != now->attributes)
			wanted |= CHANGE_ATTRIBUTES;
		/* What writes also sets the time: that it does need not be told. */
		if ((c->what[i] | CHANGE_ATTRIBUTES) != (wanted | CHANGE_ATTRIBUTES) ||
		    (wanted == CHANGE_ATTRIBUTES && c->what[i] != wanted) ||
		    (!wanted && c->what[i])) {
			printf("# %s: wanted %u, told %u\n", now->path, wanted, c->what[i]);
			good = false;
		}
	}
	return good;
}

/* Where copies have inodes of their own a file is known by its path, and nothing is renamed. */
static int take_by_path(void *arg, const struct change *change, struct fl_error *err)
{
	struct comparison *c = arg;
	struct name *was = by_path(&c->before, change->path),
		    *now = by_path(&c->after, change->path);
	static const bool wanted[CHANGE_KINDS][2] = {
		[CHANGE_ADDED] = { false, true },
		[CHANGE_REMOVED] = { true, false },
		[CHANGE_MODIFIED] = { true, true },
	};

	check(strcmp(c->last, change->path) < 0 || change->path[0] == '\0');
	snprintf(c->last, sizeof(c->last), "%s", change->path);
	if (change->path[0] == '\0')
		return 0;
	check((was && wanted[change->kind][0]) || (!was && !wanted[change->kind][0]) ||
	      failed("was", change));
	check((now && wanted[change->kind][1]) || (!now && !wanted[change->kind][1]) ||
	      failed("is", change));
	if (was)
		was->told = true;
	if (now) {
		now->told = true;
		c->what[now - c->after.names] = change->what;
	}
	return 0;
}

static unsigned what_differs(const struct name *was, const struct name *now)
{
	if ((was->st.st_mode & S_IFMT) != (now->st.st_mode & S_IFMT))
		return CHANGE_CONTENTS | CHANGE_TYPE;
	return (was->contents != now->contents ? CHANGE_CONTENTS : 0U) |
	       (was->attributes != now->attributes ? CHANGE_ATTRIBUTES : 0U);
}

static bool paths_are_right(struct comparison *c)
{
	bool good = true;

	for (size_t i = 0; i < c->after.count; i++) {
		struct name *now = &c->after.names[i], *was = by_path(&c->before, now->path);
		unsigned wanted = was ? what_differs(was, now) : 0;

		if (c->what[i] == wanted && now->told == (!was || wanted))
			continue;
		printf("# %s: wanted %u, told %u\n", now->path, wanted, c->what[i]);
		good = false;
	}
	for (size_t i = 0; i < c->before.count; i++) {
		if (c->before.names[i].told || by_path(&c->after, c->before.names[i].path))
			continue;
		printf("# its loss is not told: %s\n", c->before.names[i].path);
		good = false;
	}
	return good;
}

/* Clones that share their blocks keep the inodes, too. */
static bool keeps_inodes(void)
{
	return bench_driver()->capabilities & DRIVER_CAN_SHARE;
}

static bool diff_is_right(struct pool *pool, const struct tree *before, const struct tree *after)
{
	struct comparison *c = calloc(1, sizeof(*c));
	struct fl_error err = { 0 };
	bool good;

	walk_tree(pool, before, &c->before);
	walk_tree(pool, after, &c->after);
	check_ok(call(pool, diff, before, after, keeps_inodes() ? take : take_by_path, c, &err));
	good = keeps_inodes() ? names_are_right(c) && files_are_right(c) : paths_are_right(c);
	free(c);
	return good;
}

/* --- what happens to a tree ---------------------------------------------------------------- */

struct garden {
	int root;
	struct walk walk;
};

/* A path of some kind (a mask of S_IF*); "" for the root among directories, NULL when there is
 * none. */
static const char *some(struct garden *garden, mode_t type)
{
	size_t matching = type == S_IFDIR, chosen;

	for (size_t i = 0; i < garden->walk.count; i++)
		matching += !type || (garden->walk.names[i].st.st_mode & S_IFMT) == type;
	if (matching == 0)
		return NULL;
	chosen = random_below(matching);
	if (type == S_IFDIR && chosen-- == 0)
		return "";
	for (size_t i = 0; i < garden->walk.count; i++) {
		if ((!type || (garden->walk.names[i].st.st_mode & S_IFMT) == type) && chosen-- == 0)
			return garden->walk.names[i].path;
	}
	return NULL;
}

/* One of few, so that they meet. */
static void new_path(struct garden *garden, char path[static 1100])
{
	const char *dir = some(garden, S_IFDIR);

	snprintf(path, 1100, "%.900s%s%c%c", dir, *dir ? "/" : "", (int)('a' + random_below(6)),
		 (int)('a' + random_below(3)));
}

static void write_some(struct garden *garden, const char *path, int flags)
{
	uint64_t bytes[16];
	/* What was a file when we looked may be a FIFO by now. */
	int fd = openat(garden->root, path, O_WRONLY | O_NONBLOCK | flags, 0644);

	if (fd < 0)
		return;
	for (size_t i = 0; i < 16; i++)
		bytes[i] = random_next();
	check(pwrite(fd, bytes, sizeof(bytes), (off_t)random_below(20000)) > 0);
	close(fd);
}

/* Any of these may fail, as for a name that is taken: then nothing happens. */
static void do_something(struct garden *garden)
{
	int root = garden->root;
	const char *file = some(garden, S_IFREG), *any = some(garden, 0);
	char path[1100];
	int fd;

	new_path(garden, path);
	switch (random_below(file ? 16 : 4)) {
	case 0:
	case 1:
		write_some(garden, path, O_CREAT | O_EXCL);
		break;
	case 2:
		(void)mkdirat(root, path, 0755);
		break;
	case 3:
		(void)!symlinkat("to/nowhere", root, path);
		break;
	case 4:
		(void)mkfifoat(root, path, 0600);
		break;
	case 5:
	case 6:
		write_some(garden, file, 0);
		break;
	case 7:
		(void)!linkat(root, file, root, path, 0);
		break;
	case 8:
	case 9:
	case 10:
		(void)renameat(root, any, root, path);
		break;
	case 11:
		if (unlinkat(root, any, 0) < 0)
			(void)unlinkat(root, any, AT_REMOVEDIR);
		break;
	case 12:
		(void)!fchmodat(root, any, 0700 + (mode_t)random_below(0100), 0);
		break;
	case 13:
		(void)!fchownat(root, any, (uid_t)random_below(3), 0, AT_SYMLINK_NOFOLLOW);
		break;
	case 14:
		(void)utimensat(
			root, any,
			(const struct timespec[]){ { 1, 1 }, { (time_t)random_below(3), 5 } },
			AT_SYMLINK_NOFOLLOW);
		break;
	default:
		fd = openat(root, file, O_RDONLY | O_NONBLOCK);
		if (fd < 0)
			break;
		if (random_below(3) == 0)
			(void)fremovexattr(fd, "user.note");
		else
			(void)fsetxattr(fd, "user.note", random_below(2) ? "one" : "other", 3, 0);
		close(fd);
	}
}

static void look_around(struct garden *garden)
{
	garden->walk.count = 0;
	walk_dir(&garden->walk, openat(garden->root, ".", O_RDONLY | O_DIRECTORY), 256, "");
}

static void random_trees_are_told_exactly(void)
{
	static struct garden garden;
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	const struct tree head = tree_head(&branch);
	struct tree last;

	random_begin(20261121);
	check_ok(call(pool, head_create, &branch, &err));
	check_ok(call(pool, tree_open, &head, &garden.root, &err));
	last = snapshot_number(&branch, 0);
	check_ok(call(pool, snapshot, &head, &last, &err));
	for (int round = 1; round <= ROUNDS; round++) {
		const struct tree next = snapshot_number(&branch, round);
		size_t steps = round == 1 ? 300 : 1 + random_below(60);

		for (size_t i = 0; i < steps; i++) {
			if (i % 4 == 0)
				look_around(&garden);
			do_something(&garden);
		}
		check_ok(call(pool, snapshot, &head, &next, &err));
		if (!diff_is_right(pool, &last, &next)) {
			printf("# in round %d\n", round);
			check(false);
		}
		/* Two that are not neighbours, and backwards. */
		if (round % 10 == 0) {
			const struct tree far = snapshot_number(&branch, round / 2);

			check(diff_is_right(pool, &far, &next) && diff_is_right(pool, &next, &far));
		}
		last = next;
	}
	close(garden.root);
}

static int collect(void *arg, const struct change *change, struct fl_error *err)
{
	text_add_format(arg, "%s %s\n", change_kind_names[change->kind], change->path);
	return 0;
}

/*
 * Numbers of files are given alike in each of them.  Not on Btrfs: the kernel's send takes two
 * files for one that were made with one number in the same transaction.
 */
static void files_of_two_branches_are_told_apart(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	const struct uuid other = uuid_new();
	const struct tree head = tree_head(&branch), side = tree_head(&other),
			  one = snapshot_number(&branch, 1), two = snapshot_number(&branch, 2),
			  three = snapshot_number(&other, 3);
	struct text told = { 0 };
	bool same;

	if (keeps_inodes() && !walks())
		return;
	check_ok(call(pool, head_create, &branch, &err));
	write_to(&head, "common", "text");
	check_ok(call(pool, snapshot, &head, &one, &err));
	check_ok(call(pool, head_clone, &other, &one, &err));
	write_to(&head, "here", "text");
	write_to(&side, "there", "text");
	check_ok(call(pool, snapshot, &head, &two, &err));
	check_ok(call(pool, snapshot, &side, &three, &err));
	check_ok(call(pool, diff, &two, &three, collect, &told, &err));
	same = same_text("removed here\nadded there\n", text_get(&told));
	text_done(&told);
	check(same);
}

static int count(void *arg, const struct change *change, struct fl_error *err)
{
	++*(size_t *)arg;
	return 0;
}

static int refuse(void *arg, const struct change *change, struct fl_error *err)
{
	return fl_fail(err, FL_BUSY, "enough");
}

static void a_tree_does_not_differ_from_itself(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	const struct tree head = tree_head(&branch), one = snapshot_number(&branch, 1),
			  two = snapshot_number(&branch, 2), nowhere = snapshot_number(&branch, 9);
	size_t told = 0;

	check_ok(call(pool, head_create, &branch, &err));
	write_to(&head, "file", "text");
	check_ok(call(pool, snapshot, &head, &one, &err));
	check_ok(call(pool, snapshot, &head, &two, &err));
	check_ok(call(pool, diff, &one, &one, count, &told, &err));
	check_ok(call(pool, diff, &one, &two, count, &told, &err));
	check(told == 0);
	check_code(FL_NOT_FOUND, call(pool, diff, &one, &nowhere, count, &told, &err));
}

static void it_stops_when_told_to(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	const struct tree head = tree_head(&branch), one = snapshot_number(&branch, 1),
			  two = snapshot_number(&branch, 2);

	check_ok(call(pool, head_create, &branch, &err));
	check_ok(call(pool, snapshot, &head, &one, &err));
	write_to(&head, "file", "text");
	check_ok(call(pool, snapshot, &head, &two, &err));
	check_code(FL_BUSY, call(pool, diff, &one, &two, refuse, NULL, &err));
	check_string("enough", err.text);
}

/* A byte at one half or one quarter of a sparse file, which is small where holes are not told. */
static void write_far(struct pool *pool, const struct tree *tree, int shift)
{
	struct fl_error err = { 0 };
	own_fd int root = -1;
	own_fd int fd = -1;
	off_t size = (off_t)1 << 41;

	check_ok(call(pool, tree_open, tree, &root, &err));
	fd = openat(root, "sparse", O_WRONLY | O_CREAT, 0644);
	check(fd >= 0 && ftruncate(fd, size) == 0);
	if (lseek(fd, 0, SEEK_HOLE) != 0) /* zfs-fuse: it passes for data */
		size = (off_t)1 << 21;
	check(ftruncate(fd, size) == 0 && pwrite(fd, "x", 1, size >> shift) == 1);
}

/* Two terabytes of holes: who reads them does not come to an end. */
static void holes_are_not_read(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	const struct tree head = tree_head(&branch), one = snapshot_number(&branch, 1),
			  two = snapshot_number(&branch, 2), three = snapshot_number(&branch, 3);
	size_t told = 0;

	check_ok(call(pool, head_create, &branch, &err));
	write_far(pool, &head, 1);
	check_ok(call(pool, snapshot, &head, &one, &err));
	check_ok(call(pool, snapshot, &head, &two, &err));
	write_far(pool, &head, 2);
	check_ok(call(pool, snapshot, &head, &three, &err));
	check_ok(call(pool, diff, &one, &two, count, &told, &err));
	check(told == 0);
	check_ok(call(pool, diff, &two, &three, count, &told, &err));
	check(told == 1);
}

int main(int argc, char **argv)
{
	return suite_main(argc, argv, DRIVER_CAN_DIFF,
			  (struct check[]){
				  CHECK(a_tree_does_not_differ_from_itself),
				  CHECK(it_stops_when_told_to),
				  CHECK(holes_are_not_read),
				  CHECK(files_of_two_branches_are_told_apart),
				  CHECK(random_trees_are_told_exactly),
				  CHECK_END,
			  });
}
