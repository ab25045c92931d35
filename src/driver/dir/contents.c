#include "driver/dir/contents.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fsat.h"
#include "base/text.h"

#define CHUNK (256 * 1024)
#define AT_ONCE ((size_t)1 << 30) /* for copy_file_range() */

static bool cannot_share(int sys)
{
	return sys == EOPNOTSUPP || sys == EINVAL || sys == EXDEV || sys == ENOTTY ||
	       sys == ENOSYS || sys == ETXTBSY;
}

/* By hand, where the kernel cannot. */
static int copy_bytes(int from, int to, off_t at, off_t end, struct fl_error *err)
{
	own_free char *buffer = xcalloc(1, CHUNK);

	while (at < end) {
		size_t want = end - at < CHUNK ? (size_t)(end - at) : CHUNK;
		ssize_t n = TEMP_FAILURE_RETRY(pread(from, buffer, want, at));

		if (n < 0)
			return fl_fail_errno(err, "cannot read it");
		if (n == 0)
			break; /* truncated meanwhile */
		for (ssize_t done = 0; done < n;) {
			ssize_t w = TEMP_FAILURE_RETRY(
				pwrite(to, buffer + done, (size_t)(n - done), at + done));

			if (w < 0)
				return fl_fail_errno(err, "cannot write its copy");
			done += w;
		}
		at += n;
	}
	return 0;
}

static int copy_range(int from, int to, off_t at, off_t end, struct fl_error *err)
{
	while (at < end) {
		off_t in = at, out = at;
		size_t want = (uint64_t)(end - at) < AT_ONCE ? (size_t)(end - at) : AT_ONCE;
		ssize_t n = copy_file_range(from, &in, to, &out, want, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && cannot_share(errno))
			return copy_bytes(from, to, at, end, err);
		if (n < 0)
			return fl_fail_errno(err, "cannot copy its contents");
		if (n == 0)
			return 0; /* truncated meanwhile */
		at += n;
	}
	return 0;
}

static int copy_data(int from, int to, off_t size, struct fl_error *err)
{
	for (off_t at = 0, end; at < size; at = end) {
		off_t data = lseek(from, at, SEEK_DATA);

		if (data < 0 && errno == ENXIO)
			break; /* nothing but a hole */
		if (data < 0)
			return copy_range(from, to, at, size, err);
		end = lseek(from, data, SEEK_HOLE);
		if (end < 0 || end > size)
			end = size;
		if (data < end && copy_range(from, to, data, end, err) < 0)
			return fl_failed(err);
	}
	if (ftruncate(to, size) < 0)
		return fl_fail_errno(err, "cannot give its copy %lld bytes", (long long)size);
	return 0;
}

int contents_copy(int from, int to, off_t size, bool share, struct fl_error *err)
{
	if (size == 0)
		return 0;
	if (share) {
		if (ioctl(to, FICLONE, from) == 0)
			return 0;
		if (!cannot_share(errno))
			return fl_fail_errno(err, "cannot share its blocks");
	}
	return copy_data(from, to, size, err);
}

int contents_probe(int dir, bool *ret, struct fl_error *err)
{
	static const char block[4096] = "flocker";
	own_fd int from = -1, to = -1;

	*ret = false;
	/* A file system without such files has no FICLONE either. */
	if (fsat_open(dir, ".", O_TMPFILE | O_RDWR, 0600, &from, err) < 0 ||
	    fsat_open(dir, ".", O_TMPFILE | O_RDWR, 0600, &to, err) < 0)
		return err->sys == EOPNOTSUPP || err->sys == EISDIR || err->sys == ENOENT ||
				       err->sys == EROFS
			       ? 0
			       : fl_wrap(err, "trying whether files can share blocks");
	if (write(from, block, sizeof(block)) != (ssize_t)sizeof(block))
		return errno == ENOSPC || errno == EDQUOT
			       ? 0
			       : fl_fail_errno(err, "cannot write to the pool");
	*ret = ioctl(to, FICLONE, from) == 0;
	return 0;
}
