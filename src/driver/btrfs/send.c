#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/stream.h"
#include "delta/write.h"
#include "driver/btrfs/ioctl.h"
#include "driver/btrfs/pool.h"
#include "driver/btrfs/prefetch.h"

/*
 * Sending is the kernel's: it writes a delta (delta/command.h) by itself.
 *
 * Between two snapshots it compares the two trees of metadata and skips what they share, so it
 * costs what differs.  All that it wants of the two is that they are read-only and stay; UUIDs
 * it only writes down.  It knows a file by its number and the transaction that made it, though:
 * where base and tree each went their own way after they had parted, two files that were
 * made with one number in one transaction pass for one, and if they are links or
 * devices, or of different types, it sends them wrong.  From a predecessor of the tree, which
 * has nothing that the tree did not begin with, that cannot be.  Contents that are in the base
 * already it names by CLONE: from the base, or from what was sent before, and from nothing else.
 *
 * Whole trees are read ahead of it: see prefetch.h.
 *
 * The end is written here.  The kernel gives new files provisional names at the top and sets the
 * top's time before the last of them has gone, so whoever carries that out has another time there
 * than the snapshot: it is said once more.
 */

#define FLAGS BTRFS_SEND_FLAG_OMIT_END_CMD
#define READER "whoever reads the stream"

/* A signal would break it off; that nobody reads any more it says by EPIPE. */
static int send_undisturbed(int tree, struct btrfs_ioctl_send_args *args)
{
	sigset_t all, before;
	int sys;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	sys = ioctl(tree, BTRFS_IOC_SEND, args) < 0 ? errno : 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return sys;
}

static int run_send(int tree, struct btrfs_ioctl_send_args *args, struct fl_error *err)
{
	int sys = send_undisturbed(tree, args);

	if (sys == 0)
		return 0;
	/* A socket says so where something was not read yet. */
	if (sys == ECONNRESET)
		sys = EPIPE;
	errno = sys;
	return fl_fail_errno(err, sys == EPIPE ? READER : "the kernel cannot send it");
}

static int send_end(int tree, int fd, struct fl_error *err)
{
	struct delta_command times = { .verb = DELTA_UTIMES, .path = "" };
	const struct delta_command end = { .verb = DELTA_END };
	own_text struct text commands = { 0 };
	struct stat st;

	if (fstat(tree, &st) < 0)
		return fl_fail_errno(err, "cannot look at the tree");
	times.atime = st.st_atim;
	times.mtime = st.st_mtim;
	times.ctime = st.st_ctim;
	delta_put(&times, &commands);
	delta_put(&end, &commands);
	(void)lseek(fd, 0, SEEK_END); /* into a file the kernel writes, but leaves its offset */
	return stream_write(fd, READER, text_get(&commands), commands.length, err);
}

static int send_whole(int tree, int fd, struct fl_error *err)
{
	struct btrfs_ioctl_send_args args = { .send_fd = fd, .flags = FLAGS };
	struct prefetch *prefetch = prefetch_start(tree);
	int rc = run_send(tree, &args, err);

	prefetch_stop(prefetch);
	return rc;
}

static int send_increment(int base, int tree, int fd, struct fl_error *err)
{
	struct btrfs_ioctl_get_subvol_info_args info;
	struct btrfs_ioctl_send_args args = { .send_fd = fd,
					      .flags = FLAGS,
					      .clone_sources_count = 1 };
	__u64 parent;

	if (subvol_info(base, &info, err) < 0)
		return fl_failed(err);
	parent = args.parent_root = info.treeid;
	args.clone_sources = &parent;
	return run_send(tree, &args, err);
}

int btrfs_send(struct pool *pool, const struct tree *base, const struct tree *tree, int fd,
	       struct fl_error *err)
{
	own_fd int from = -1;
	own_fd int to = -1;
	int rc;

	if (btrfs_tree_open(pool, tree, &to, err) < 0 ||
	    (base && btrfs_tree_open(pool, base, &from, err) < 0))
		return fl_failed(err);
	rc = base ? send_increment(from, to, fd, err) : send_whole(to, fd, err);
	return rc < 0 ? rc : send_end(to, fd, err);
}
