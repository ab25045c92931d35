#include "tests/unit/apply-world.h"

#include "tests/check.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/fsat.h"
#include "base/mount.h"
#include "tests/unit/random.h"
#include "tree/place.h"

struct fl_error err;
const struct uuid here = { { 1 } }, base = { { 2 } };

/* --- a world for a delta ---------------------------------------------------------------- */

int tree = -1;
static int root = -1, canary = -1;
static struct stat before;
struct delta_points *points;

void new_tree(void)
{
	if (tree >= 0)
		close(tree);
	check_ok(fsat_remove_tree(root, "tree", &err));
	check_ok(fsat_mkdir(root, "tree", 0755, &err));
	check_ok(fsat_open_dir(root, "tree", &tree, &err));
}

void begin(void)
{
	static const struct mount_option options[] = { { "size", "64m" }, { "nr_inodes", "9000" } };

	if (root < 0) {
		check_ok(mount_detached("tmpfs", "apply-test", options, array_size(options), &root,
					&err));
		check_ok(fsat_mkdir(root, "base", 0755, &err));
		check_ok(fsat_mkdir(root, "canary", 0755, &err));
		check_ok(fsat_write(root, "base/file", "from the base", 13, 0644, false, &err));
		check_ok(fsat_write(root, "canary/file", "quiet", 5, 0644, false, &err));
		check_ok(fsat_open(root, "canary/file", O_RDONLY, 0, &canary, &err));
		check(fstat(canary, &before) == 0);
		points = mmap(NULL, sizeof(*points), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		check(points != MAP_FAILED);
	}
	new_tree();
}

static int see(void *arg, const char *name, unsigned char type, uint64_t inode,
	       struct fl_error *failure)
{
	if (!strstr(arg, name))
		return fl_fail(failure, FL_EXISTS, "'%s' is there", name);
	return 0;
}

static void check_outside(void)
{
	own_fd int beside = -1, dir = -1;
	struct stat now;

	check_ok(fsat_open_dir(root, ".", &beside, &err));
	check_ok(fsat_each(beside, see, (char[]){ "tree base canary" }, &err));
	check_ok(fsat_open_dir(root, "canary", &dir, &err));
	check_ok(fsat_each(dir, see, (char[]){ "file" }, &err));
	check(fstat(canary, &now) == 0);
	check(memcmp(&now.st_ctim, &before.st_ctim, sizeof(now.st_ctim)) == 0);
	check(now.st_nlink == before.st_nlink && now.st_size == before.st_size);
}

struct outcome *outcome; /* shared */

static void move_fd(int *fd)
{
	*fd = fcntl(*fd, F_DUPFD_CLOEXEC, 20);
}

static void run_child(int input, const struct options *options)
{
	struct fl_error failure = { 0 };
	int report = open("/dev/null", O_WRONLY | O_CLOEXEC), source = -1, to = tree;

	if (fsat_open_dir(root, "base", &source, &failure) < 0)
		_exit(1);
	move_fd(&input);
	move_fd(&report);
	move_fd(&source);
	move_fd(&to);
	if (fchdir(root) < 0 || chroot(".") < 0 || dup2(input, 0) < 0 ||
	    dup2(to, PLACE_ROOT_FD) < 0 || dup2(report, REPORT_FD) < 0 ||
	    dup2(source, TREE_SOURCE_FD) < 0)
		_exit(1);
	umask(0);
	outcome->code = (enum fl_code) - tree_apply(options, &outcome->report, &failure);
	snprintf(outcome->text, sizeof(outcome->text), "%s", failure.text);
	snprintf(outcome->object, sizeof(outcome->object), "%s", failure.object);
	_exit(outcome->code == failure.code ? 0 : 1);
}

void apply(const void *bytes, size_t length, const struct options *options)
{
	own_fd int input = memfd_create("delta", MFD_CLOEXEC);
	pid_t child;
	int status;

	if (!outcome)
		outcome = mmap(NULL, sizeof(*outcome), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(outcome, 0, sizeof(*outcome));
	check(input >= 0 && write(input, bytes, length) == (ssize_t)length);
	check(lseek(input, 0, SEEK_SET) == 0);
	child = fork();
	if (child == 0)
		run_child(input, options);
	check(waitpid(child, &status, 0) == child);
	check(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	check_outside();
}

/* --- deltas ------------------------------------------------------------------------------- */

void put_start(struct text *out, bool whole)
{
	struct delta_command first = { .verb = whole ? DELTA_SUBVOL : DELTA_SNAPSHOT,
				       .path = "tree",
				       .uuid = here,
				       .from_uuid = base };

	delta_put_header(out);
	delta_put(&first, out);
}

void put_end(struct text *out)
{
	delta_put(&(struct delta_command){ .verb = DELTA_END }, out);
}

/* --- a delta of every kind ------------------------------------------ */

char plain_contents[5000];
static char zeros[8192];

static const struct delta_command plain[] = {
	MKDIR("o1"),
	RENAME("o1", "dir"),
	CHMOD("dir", 02755),
	MKFILE("o2"),
	RENAME("o2", "dir/file"),
	{ .verb = DELTA_WRITE,
	  .path = "dir/file",
	  .data = plain_contents,
	  .data_length = sizeof(plain_contents) },
	{ .verb = DELTA_WRITE,
	  .path = "dir/file",
	  .data = zeros,
	  .data_length = sizeof(zeros),
	  .offset = sizeof(plain_contents) },
	TRUNCATE("dir/file", 1 << 20),
	XATTR("dir/file", "trusted.note"),
	CHMOD("dir/file", 04750),
	CHOWN("dir/file", 1000),
	UTIMES("dir/file"),
	MKFILE("o3"),
	WRITE("o3", 0),
	RENAME("o3", "third"),
	CHMOD("third", 0640),
	LINK("dir/second", "third"),
	UTIMES("third"),
	SYMLINK("o4", "dir/file"),
	RENAME("o4", "link"),
	UTIMES("link"),
	{ .verb = DELTA_MKFIFO, .path = "fifo" },
	CHMOD("fifo", 0620),
	UTIMES("fifo"),
	MKNOD("gone", S_IFCHR, 0),
	CHMOD("gone", 0),
	UTIMES("gone"),
	MKDIR("old"),
	RMDIR("old"),
	RENAME("dir", "moved"),
	{ .verb = DELTA_CLONE,
	  .path = "moved/second",
	  .to = "moved/file",
	  .size = 3000,
	  .offset = 10 },
	XATTR("moved/second", "trusted.x"),
	{ .verb = DELTA_REMOVE_XATTR, .path = "moved/second", .name = "trusted.x" },
	UTIMES("moved/second"),
	UNLINK("third"),
	UTIMES("moved"),
	UTIMES(""),
};

size_t put_plain(struct text *out)
{
	random_begin(7);
	for (size_t i = 0; i < sizeof(plain_contents); i++)
		plain_contents[i] = (char)random_next();
	put_start(out, true);
	for (size_t i = 0; i < array_size(plain); i++) {
		struct delta_command command = plain[i];

		if (command.verb == DELTA_CLONE)
			command.from_uuid = here;
		delta_put(&command, out);
	}
	put_end(out);
	return array_size(plain);
}

void take_digest(uint8_t ret[static DIGEST_SIZE])
{
	struct report report = { .next = INT64_MAX };

	check_ok(digest_tree(tree, 1, &report, ret, &err));
}
