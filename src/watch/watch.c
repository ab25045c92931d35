#include "watch/watch.h"

#include <fcntl.h>
#include <sys/fanotify.h>
#include <unistd.h>

#include "base/text.h"
#include "watch/events.h"

/*
 * Everything that fanotify can tell of a change.  Closing a file that was open
 * for writing is no change; that would call every start of a database one.
 */
#define CHANGES                                                                              \
	(FAN_MODIFY | FAN_ATTRIB | FAN_CREATE | FAN_DELETE | FAN_MOVED_FROM | FAN_MOVED_TO | \
	 FAN_ONDIR)

/* At an event of a Btrfs file, 64 bytes, a full queue is 1 MiB; this many reads empty it. */
#define BUFFER (64 * 1024)
#define MOST_READS 64

int watch_open(struct watch *ret, struct fl_error *err)
{
	int group = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_CLOEXEC | FAN_NONBLOCK,
				  O_RDONLY);

	if (group < 0 && (errno == ENOSYS || errno == EINVAL))
		return fl_fail(err, FL_UNSUPPORTED,
			       "this kernel's fanotify cannot tell of files by handles");
	if (group < 0)
		return fl_fail_errno(err, "cannot watch for changes");
	ret->group = group;
	return 0;
}

void watch_close(struct watch *watch)
{
	own_fdp(&watch->group);
}

int watch_mark(const struct watch *watch, int root, struct fl_error *err)
{
	if (fanotify_mark(watch->group, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, CHANGES, root, NULL) ==
	    0)
		return 0;
	if (errno == EXDEV || errno == ENODEV || errno == EOPNOTSUPP || errno == EINVAL)
		return fl_fail(err, FL_UNSUPPORTED,
			       "this file system does not tell of its changes");
	return fl_fail_errno(err, "cannot watch a file system");
}

void watch_unmark(const struct watch *watch)
{
	if (watch->group >= 0)
		(void)!fanotify_mark(watch->group, FAN_MARK_FLUSH | FAN_MARK_FILESYSTEM, 0,
				     AT_FDCWD, NULL);
}

int watch_drain(const struct watch *watch,
		void (*each)(void *arg, int type, const uint8_t *handle, size_t length), void *arg,
		bool *ret_lost, struct fl_error *err)
{
	own_free uint8_t *buffer = xcalloc(1, BUFFER);
	bool lost = false;

	/* Who writes faster than this reads must not keep it here. */
	for (int i = 0; i < MOST_READS; i++) {
		ssize_t length = read(watch->group, buffer, BUFFER);
		struct watch_event event;
		size_t at = 0;

		if (length < 0 && errno == EINTR)
			continue;
		if (length < 0 && errno != EAGAIN)
			return fl_fail_errno(err, "cannot read what was changed");
		if (length <= 0)
			break;
		while (watch_event_next(buffer, (size_t)length, &at, &event)) {
			lost |= event.lost;
			if (event.handle)
				each(arg, event.type, event.handle, event.length);
		}
	}
	*ret_lost = lost;
	return 0;
}
