#include "tests/fuzz/world.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fsat.h"
#include "base/mount.h"
#include "tree/place.h"
#include "tree/verbs.h"
#include "tree/walk.h"

#define FILE_LIMIT (4 << 20)

void require(bool condition)
{
	if (!condition)
		abort();
}

/* Before anything else can have opened them: the descriptors that flocker-tree is given. */
__attribute__((constructor)) static void reserve_descriptors(void)
{
	static const int reserved[] = { PLACE_ROOT_FD, REPORT_FD, TREE_SOURCE_FD };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	bool among = false;

	for (size_t i = 0; i < array_size(reserved); i++) {
		require(dup2(null, reserved[i]) == reserved[i]);
		among = among || null == reserved[i];
	}
	if (!among)
		close(null);
}

/* Some bytes of an archive can stand for gigabytes of contents. */
static void set_limits(void)
{
	const struct rlimit size = { FILE_LIMIT, FILE_LIMIT };
	static bool done;
	struct rlimit files;

	if (done)
		return;
	require(setrlimit(RLIMIT_FSIZE, &size) == 0 && signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	require(getrlimit(RLIMIT_NOFILE, &files) == 0);
	files.rlim_cur = files.rlim_max;
	require(setrlimit(RLIMIT_NOFILE, &files) == 0);
	done = true;
}

/* --- the file system ------------------------------------------------------------- */

static void watch(const struct world *world, const char *dir, const char *path, struct watched *ret)
{
	struct fl_error err;

	require(fsat_mkdir(world->root, dir, 0755, &err) == 0);
	require(fsat_write(world->root, path, "quiet", 5, 0644, false, &err) == 0);
	require(fsat_open(world->root, path, O_RDONLY, 0, &ret->fd, &err) == 0);
	require(fstat(ret->fd, &ret->before) == 0);
}

void world_open(struct world *ret)
{
	static const struct mount_option options[] = { { "size", "32m" }, { "nr_inodes", "5000" } };
	struct fl_error err;

	set_limits();
	if (mount_detached("tmpfs", "fuzz", options, array_size(options), &ret->root, &err) < 0) {
		fprintf(stderr, "cannot have a file system of its own (as root?): %s\n", err.text);
		exit(1);
	}
	ret->tree = -1;
	world_renew(ret);
	watch(ret, "canary", "canary/file", &ret->canary);
	watch(ret, "base", "base/file", &ret->source);
	require(fsat_open_dir(ret->root, "base", &ret->base, &err) == 0);
}

void world_renew(struct world *world)
{
	struct fl_error err;

	if (world->tree >= 0) {
		close(world->tree);
		require(fsat_remove_tree(world->root, "tree", &err) == 0);
	}
	require(fsat_mkdir(world->root, "tree", 0755, &err) == 0);
	require(fsat_open_dir(world->root, "tree", &world->tree, &err) == 0);
}

void world_close(struct world *world)
{
	close(world->canary.fd);
	close(world->source.fd);
	close(world->base);
	close(world->tree);
	close(world->root);
}

/* --- what must not have changed ---------------------------------------------------- */

static int check_root(void *arg, const char *name, unsigned char type, uint64_t inode,
		      struct fl_error *err)
{
	require(type == DT_DIR && (strcmp(name, "tree") == 0 || strcmp(name, "base") == 0 ||
				   strcmp(name, "canary") == 0));
	return 0;
}

static int check_alone(void *arg, const char *name, unsigned char type, uint64_t inode,
		       struct fl_error *err)
{
	const struct watched *watched = arg;

	require(strcmp(name, "file") == 0 && inode == watched->before.st_ino);
	return 0;
}

static void check_watched(const struct world *world, const char *name, struct watched *watched)
{
	own_fd int dir = -1;
	struct fl_error err;
	struct stat now;

	require(fsat_open_dir(world->root, name, &dir, &err) == 0);
	require(fsat_each(dir, check_alone, watched, &err) == 0);
	require(fstat(watched->fd, &now) == 0);
	require(memcmp(&now.st_ctim, &watched->before.st_ctim, sizeof(now.st_ctim)) == 0);
}

static void check_outside(struct world *world)
{
	own_fd int root = -1;
	struct fl_error err;

	require(fsat_open_dir(world->root, ".", &root, &err) == 0);
	require(fsat_each(root, check_root, NULL, &err) == 0);
	check_watched(world, "canary", &world->canary);
	check_watched(world, "base", &world->source);
}

struct allowed {
	bool devices, setuid;
};

static int check_entry(void *arg, const struct walk_entry *entry, struct fl_error *err)
{
	const struct allowed *allowed = arg;
	mode_t mode = entry->st.st_mode;
	bool whiteout = S_ISCHR(mode) && entry->st.st_rdev == makedev(0, 0);

	require(allowed->devices || whiteout || (!S_ISCHR(mode) && !S_ISBLK(mode)));
	require(allowed->setuid || S_ISDIR(mode) || !(mode & (S_ISUID | S_ISGID)));
	return 0;
}

void world_check_tree(const struct world *world, bool devices, bool setuid)
{
	static const struct walk_verbs verbs = { check_entry, NULL };
	struct allowed allowed = { devices, setuid };
	struct fl_error err;

	require(walk(world->tree, &verbs, &allowed, &err) == 0);
}

/* --- work --------------------------------------------------------------------------- */

struct job {
	const struct world *world;
	world_work *work;
	void *arg;
	int rc;
};

/* In a thread whose root directory and working directory are its own. */
static void *run_job(void *arg)
{
	struct job *job = arg;
	struct fl_error err = { 0 };

	require(unshare(CLONE_FS) == 0 && fchdir(job->world->root) == 0 && chroot(".") == 0);
	umask(0);
	job->rc = job->work(job->arg, &err);
	require(job->rc == 0 || (job->rc == -(int)err.code && err.text[0]));
	return NULL;
}

int world_run(struct world *world, const uint8_t *input, size_t size, world_work *work, void *arg)
{
	struct job job = { world, work, arg, 0 };
	own_fd int file = memfd_create("input", MFD_CLOEXEC);
	pthread_t thread;

	require(file >= 0 && write(file, input, size) == (ssize_t)size);
	require(lseek(file, 0, SEEK_SET) == 0);
	require(dup2(file, STDIN_FILENO) == STDIN_FILENO);
	require(dup2(world->tree, PLACE_ROOT_FD) == PLACE_ROOT_FD);
	require(dup2(world->base, TREE_SOURCE_FD) == TREE_SOURCE_FD);
	require(pthread_create(&thread, NULL, run_job, &job) == 0);
	require(pthread_join(thread, NULL) == 0);
	require(dup2(REPORT_FD, PLACE_ROOT_FD) == PLACE_ROOT_FD);
	require(dup2(REPORT_FD, TREE_SOURCE_FD) == TREE_SOURCE_FD);
	check_outside(world);
	return job.rc;
}
