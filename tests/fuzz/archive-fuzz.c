#include <dirent.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fsat.h"
#include "base/mount.h"
#include "tests/fuzz/fuzz.h"
#include "tree/place.h"
#include "tree/verbs.h"
#include "tree/walk.h"

/*
 * An archive of any bytes, unpacked as flocker-tree does it, but without its
 * sandbox: whatever the sandbox would hold back must not even be tried.  Each
 * archive has a file system of its own, in memory and visible nowhere:
 *
 *	tree/		where it is unpacked
 *	canary/file	what must not change
 *
 * Its root is the root of the thread that unpacks, so that absolute paths and
 * ".." have only the canary to reach.  Afterwards nothing new may lie beside the
 * two, the canary's inode may not have changed (a further link, an attribute, a
 * byte: each sets its ctime), and the tree may hold neither devices nor set-uid
 * files unless they were allowed.  What is refused has a reason.
 *
 * Nearly every change of a header breaks its checksum, and the reader looks no
 * further.  So each input is tried as it is, and once more with right checksums.
 */

#define BLOCK 512
#define FILE_LIMIT (4 << 20)

struct world {
	int root, tree, canary;
	struct stat before;
};

struct job {
	const struct world *world;
	struct options options;
};

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* Before anything else can have opened them: the descriptors that flocker-tree is given. */
__attribute__((constructor)) static void reserve_descriptors(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	require(dup2(null, PLACE_ROOT_FD) == PLACE_ROOT_FD && dup2(null, REPORT_FD) == REPORT_FD);
	if (null != PLACE_ROOT_FD && null != REPORT_FD)
		close(null);
}

/* Some bytes of an archive can stand for gigabytes of contents. */
static void set_limits(void)
{
	const struct rlimit size = { FILE_LIMIT, FILE_LIMIT };
	struct rlimit files;

	require(setrlimit(RLIMIT_FSIZE, &size) == 0 && signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	require(getrlimit(RLIMIT_NOFILE, &files) == 0);
	files.rlim_cur = files.rlim_max;
	require(setrlimit(RLIMIT_NOFILE, &files) == 0);
}

static void open_world(struct world *world)
{
	static const struct mount_option options[] = { { "size", "32m" }, { "nr_inodes", "5000" } };
	struct fl_error err;

	if (mount_detached("tmpfs", "fuzz", options, array_size(options), &world->root, &err) < 0) {
		fprintf(stderr, "cannot have a file system of its own (as root?): %s\n", err.text);
		exit(1);
	}
	require(fsat_mkdir(world->root, "tree", 0755, &err) == 0);
	require(fsat_mkdir(world->root, "canary", 0755, &err) == 0);
	require(fsat_write(world->root, "canary/file", "quiet", 5, 0644, false, &err) == 0);
	require(fsat_open_dir(world->root, "tree", &world->tree, &err) == 0);
	require(fsat_open(world->root, "canary/file", O_RDONLY, 0, &world->canary, &err) == 0);
	require(fstat(world->canary, &world->before) == 0);
}

static int check_root(void *arg, const char *name, unsigned char type, uint64_t inode,
		      struct fl_error *err)
{
	require(type == DT_DIR && (strcmp(name, "tree") == 0 || strcmp(name, "canary") == 0));
	return 0;
}

static int check_canary(void *arg, const char *name, unsigned char type, uint64_t inode,
			struct fl_error *err)
{
	const struct world *world = arg;

	require(strcmp(name, "file") == 0 && inode == world->before.st_ino);
	return 0;
}

static int check_entry(void *arg, const struct walk_entry *entry, struct fl_error *err)
{
	const struct options *allowed = arg;
	mode_t mode = entry->st.st_mode;

	require(allowed->devices || (!S_ISCHR(mode) && !S_ISBLK(mode)));
	require(allowed->setuid || S_ISDIR(mode) || !(mode & (S_ISUID | S_ISGID)));
	return 0;
}

static void check_world(struct world *world, struct options *options)
{
	static const struct walk_verbs verbs = { check_entry, NULL };
	own_fd int root = -1, canary = -1;
	struct fl_error err;
	struct stat now;

	require(fsat_open_dir(world->root, ".", &root, &err) == 0);
	require(fsat_open_dir(world->root, "canary", &canary, &err) == 0);
	require(fsat_each(root, check_root, NULL, &err) == 0);
	require(fsat_each(canary, check_canary, world, &err) == 0);
	require(fstat(world->canary, &now) == 0);
	require(memcmp(&now.st_ctim, &world->before.st_ctim, sizeof(now.st_ctim)) == 0);
	require(walk(world->tree, &verbs, options, &err) == 0);
}

static void close_world(struct world *world)
{
	close(world->canary);
	close(world->tree);
	close(world->root);
}

/* In a thread whose root directory and working directory are its own. */
static void *unpack(void *arg)
{
	struct job *job = arg;
	struct report report = { 0 };
	struct fl_error err = { 0 };
	int rc;

	require(unshare(CLONE_FS) == 0 && fchdir(job->world->root) == 0 && chroot(".") == 0);
	umask(0);
	rc = tree_unpack(&job->options, &report, &err);
	require(rc == 0 || (rc == -(int)err.code && err.text[0]));
	return NULL;
}

static void try_archive(const uint8_t *data, size_t size)
{
	struct world world;
	struct job job = { .world = &world };
	own_fd int archive = memfd_create("archive", MFD_CLOEXEC);
	pthread_t thread;

	require(archive >= 0 && write(archive, data, size) == (ssize_t)size);
	require(lseek(archive, 0, SEEK_SET) == 0);
	job.options.devices = size & 1;
	job.options.setuid = size & 2;
	open_world(&world);
	require(dup2(archive, STDIN_FILENO) == STDIN_FILENO);
	require(dup2(world.tree, PLACE_ROOT_FD) == PLACE_ROOT_FD);
	require(pthread_create(&thread, NULL, unpack, &job) == 0);
	require(pthread_join(thread, NULL) == 0);
	check_world(&world, &job.options);
	require(dup2(REPORT_FD, PLACE_ROOT_FD) == PLACE_ROOT_FD);
	close_world(&world);
}

/* Of every block that says it is a header. */
static bool mend_checksums(uint8_t *data, size_t size)
{
	bool any = false;

	for (size_t at = 0; at + BLOCK <= size; at += BLOCK) {
		uint8_t *header = data + at, *field = header + 148;
		unsigned sum = 0;
		char digits[8];

		if (memcmp(header + 257, "ustar", 5) != 0)
			continue;
		memset(field, ' ', 8);
		for (size_t i = 0; i < BLOCK; i++)
			sum += header[i];
		snprintf(digits, sizeof(digits), "%06o", sum);
		memcpy(field, digits, 7);
		any = true;
	}
	return any;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool limited;
	own_free uint8_t *mended = xcalloc(size + 1, 1);

	if (!limited)
		set_limits();
	limited = true;
	try_archive(data, size);
	memcpy(mended, data, size);
	if (mend_checksums(mended, size) && memcmp(mended, data, size) != 0)
		try_archive(mended, size);
	return 0;
}
