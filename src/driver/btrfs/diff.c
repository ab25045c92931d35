#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fsat.h"
#include "base/stream.h"
#include "base/thread.h"
#include "delta/read.h"
#include "driver/btrfs/ioctl.h"
#include "driver/btrfs/pool.h"

/*
 * What differs, by the kernel's own comparison
 *
 * The kernel can send the difference between two read-only trees, and without
 * the contents of files: it compares the two metadata trees and skips whatever
 * they share, so the cost is that of the changes and not of the trees.  It does
 * so on a thread here that writes the commands into a pipe; the reader takes
 * them off and gives them to model/change.h, which finds out what they amount
 * to.
 *
 * Send tells nothing of a changed time or flag but to set all times anew, which
 * it also does for files where nothing changed but a neighbour.  So after such a
 * command both files are looked at.
 */

#define PIPE (1024 * 1024)
#define GATHER_MS 1

/* --- the kernel's side ------------------------------------------------------------ */

struct sender {
	int tree;	 /* borrowed */
	uint64_t parent; /* subvolume */
	int pipe;	 /* its own */
	int sys;	 /* errno, once joined */
};

static void *run_sender(void *arg)
{
	struct sender *sender = arg;
	struct btrfs_ioctl_send_args args = {
		.send_fd = sender->pipe,
		.parent_root = sender->parent,
		.flags = BTRFS_SEND_FLAG_NO_FILE_DATA,
	};

	sender->sys = ioctl(sender->tree, BTRFS_IOC_SEND, &args) < 0 ? errno : 0;
	close(sender->pipe);
	return NULL;
}

/* A reader who stops early is told to the sender by EPIPE, not by a signal: the thread takes none.
 */
static int start_sender(struct sender *sender, pthread_t *ret, struct fl_error *err)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = thread_start(ret, 0, run_sender, sender, err);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

/* --- the reader's ------------------------------------------------------------------- */

enum effect { NOTHING, MAKE, MOVE, LINK, REMOVE, TOUCH };

static const struct {
	enum effect effect;
	unsigned what;
} effects[DELTA_VERBS] = {
	[DELTA_MKFILE] = { MAKE },
	[DELTA_MKDIR] = { MAKE },
	[DELTA_MKNOD] = { MAKE },
	[DELTA_MKFIFO] = { MAKE },
	[DELTA_MKSOCK] = { MAKE },
	[DELTA_SYMLINK] = { MAKE },
	[DELTA_RENAME] = { MOVE },
	[DELTA_LINK] = { LINK },
	[DELTA_UNLINK] = { REMOVE },
	[DELTA_RMDIR] = { REMOVE },
	[DELTA_SET_XATTR] = { TOUCH, CHANGE_ATTRIBUTES },
	[DELTA_REMOVE_XATTR] = { TOUCH, CHANGE_ATTRIBUTES },
	[DELTA_WRITE] = { TOUCH, CHANGE_CONTENTS },
	[DELTA_CLONE] = { TOUCH, CHANGE_CONTENTS },
	[DELTA_UPDATE_EXTENT] = { TOUCH, CHANGE_CONTENTS },
	[DELTA_TRUNCATE] = { TOUCH, CHANGE_CONTENTS },
	[DELTA_CHMOD] = { TOUCH, CHANGE_ATTRIBUTES },
	[DELTA_CHOWN] = { TOUCH, CHANGE_ATTRIBUTES },
	[DELTA_UTIMES] = { TOUCH, CHANGE_UNSURE },
};

static int apply(struct changes *changes, const struct delta_command *command, struct fl_error *err)
{
	switch (effects[command->verb].effect) {
	case MAKE:
		return changes_make(changes, command->path, err);
	case MOVE:
		return changes_rename(changes, command->path, command->to, err);
	case LINK:
		return changes_link(changes, command->path, command->to, err);
	case REMOVE:
		return changes_remove(changes, command->path, err);
	case TOUCH:
		return changes_touch(changes, command->path, effects[command->verb].what, err);
	default:
		return 0;
	}
}

/*
 * The kernel writes each command by itself, and waking a reader for each takes
 * longer than to find it.  So what comes within a moment is read together: until
 * then, or until the kernel is done, the pipe has room for it.
 */
struct gathering {
	int fd;
	bool full; /* the last read left something behind */
};

static int gather(void *arg, void *bytes, size_t length, size_t *ret, struct fl_error *err)
{
	struct gathering *gathering = arg;
	struct pollfd end = { .fd = gathering->fd };

	if (!gathering->full)
		poll(&end, 1, GATHER_MS);
	if (stream_read(gathering->fd, "the kernel's list of changes", bytes, length, ret, err) < 0)
		return fl_failed(err);
	gathering->full = *ret == length;
	return 0;
}

static int read_all(int fd, struct changes *changes, struct fl_error *err)
{
	struct gathering gathering = { fd };
	own(delta_reader_freep) struct delta_reader *reader = delta_reader_new(gather, &gathering);
	struct delta_command command = { 0 };

	do {
		if (delta_next(reader, &command, err) < 0)
			return fl_wrap(err, "the kernel's list of changes");
		if (apply(changes, &command, err) < 0)
			return fl_failed(err);
	} while (command.verb != DELTA_END);
	return 0;
}

/* What the kernel found wrong says more than that its list ended too early. */
static int compare(int later, uint64_t earlier, struct changes *changes, struct fl_error *err)
{
	struct sender sender = { .tree = later, .parent = earlier };
	pthread_t thread;
	int ends[2], r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return fl_fail_errno(err, "cannot make a pipe");
	(void)fcntl(ends[1], F_SETPIPE_SZ, PIPE); /* a smaller one is slower and no less right */
	sender.pipe = ends[1];
	if (start_sender(&sender, &thread, err) < 0) {
		close(ends[0]);
		close(ends[1]);
		return fl_failed(err);
	}
	r = read_all(ends[0], changes, err);
	close(ends[0]);
	pthread_join(thread, NULL);
	if (sender.sys != 0 && sender.sys != EPIPE) {
		errno = sender.sys;
		return fl_fail_errno(err, "the kernel cannot compare the two");
	}
	return r;
}

/* --- looking at both -------------------------------------------------------------------- */

struct look {
	int earlier, later;
	change_each *each;
	void *arg;
};

static int stat_in(int tree, const char *path, struct statx *ret, struct fl_error *err)
{
	const unsigned wanted = STATX_BASIC_STATS;

	if (statx(tree, path, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, wanted, ret) < 0)
		return fl_fail_errno(err, "cannot look at '%.200s'", path);
	return 0;
}

static struct change_side side_of(const struct statx *stat)
{
	bool directory = S_ISDIR(stat->stx_mode);

	return (struct change_side){
		.mode = stat->stx_mode,
		.size = directory ? 0 : stat->stx_size,
		.uid = stat->stx_uid,
		.gid = stat->stx_gid,
		.modified = stat->stx_mtime.tv_sec * CLOCK_SECOND + stat->stx_mtime.tv_nsec,
	};
}

static bool same_time(const struct statx *a, const struct statx *b)
{
	return a->stx_mtime.tv_sec == b->stx_mtime.tv_sec &&
	       a->stx_mtime.tv_nsec == b->stx_mtime.tv_nsec;
}

/* A directory's time moves with the names in it, which are told of by themselves. */
static bool same_attributes(const struct statx *a, const struct statx *b)
{
	return a->stx_mode == b->stx_mode && a->stx_uid == b->stx_uid && a->stx_gid == b->stx_gid &&
	       a->stx_attributes == b->stx_attributes && (S_ISDIR(a->stx_mode) || same_time(a, b));
}

static unsigned resolve(unsigned what, const struct statx *before, const struct statx *after)
{
	if ((before->stx_mode & S_IFMT) != (after->stx_mode & S_IFMT))
		return CHANGE_CONTENTS | CHANGE_TYPE;
	/* One directory in another's place: the names in them tell. */
	if ((what & CHANGE_REPLACED) && S_ISDIR(after->stx_mode))
		what = CHANGE_UNSURE;
	if ((what & (CHANGE_UNSURE | CHANGE_REPLACED)) && !same_attributes(before, after))
		what |= CHANGE_ATTRIBUTES;
	return what & ~(unsigned)(CHANGE_UNSURE | CHANGE_REPLACED);
}

static int tell(void *arg, const struct change *found, struct fl_error *err)
{
	const struct look *look = arg;
	struct change change = *found;
	struct statx before = { 0 }, after = { 0 };

	if (change.kind != CHANGE_ADDED) {
		if (stat_in(look->earlier, change.from, &before, err) < 0)
			return fl_failed(err);
		change.before = side_of(&before);
	}
	if (change.kind != CHANGE_REMOVED) {
		if (stat_in(look->later, change.path, &after, err) < 0)
			return fl_failed(err);
		change.after = side_of(&after);
	}
	if (change.kind == CHANGE_MODIFIED || change.kind == CHANGE_RENAMED)
		change.what = resolve(change.what, &before, &after);
	if (change.kind == CHANGE_MODIFIED && change.what == 0)
		return 0;
	return look->each(look->arg, &change, err);
}

int btrfs_diff(struct pool *pool, const struct tree *earlier, const struct tree *later,
	       change_each *each, void *arg, struct fl_error *err)
{
	own_changes struct changes *changes = changes_new(CHANGES_MOST);
	struct btrfs_ioctl_get_subvol_info_args info;
	struct look look = { .each = each, .arg = arg };
	own_fd int from = -1;
	own_fd int to = -1;

	if (btrfs_tree_open(pool, earlier, &from, err) < 0 ||
	    btrfs_tree_open(pool, later, &to, err) < 0 || subvol_info(from, &info, err) < 0 ||
	    compare(to, info.treeid, changes, err) < 0)
		return fl_failed(err);
	look.earlier = from;
	look.later = to;
	return changes_tell(changes, tell, &look, err);
}
