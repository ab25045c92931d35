#include "base/stream.h"

int stream_write(int fd, const char *name, const void *bytes, size_t length, struct fl_error *err)
{
	const char *from = bytes;

	while (length > 0) {
		ssize_t n = TEMP_FAILURE_RETRY(write(fd, from, length));

		if (n < 0)
			return fl_fail_errno(err, "cannot write to %s", name);
		from += n;
		length -= (size_t)n;
	}
	return 0;
}

int stream_read(int fd, const char *name, void *bytes, size_t length, size_t *ret,
		struct fl_error *err)
{
	ssize_t n = TEMP_FAILURE_RETRY(read(fd, bytes, length));

	if (n < 0)
		return fl_fail_errno(err, "cannot read from %s", name);
	*ret = (size_t)n;
	return 0;
}

int stream_fill(int fd, const char *name, void *bytes, size_t length, size_t *ret,
		struct fl_error *err)
{
	size_t done = 0, n = 1;

	while (done < length && n > 0) {
		if (stream_read(fd, name, (char *)bytes + done, length - done, &n, err) < 0)
			return fl_failed(err);
		done += n;
	}
	*ret = done;
	return 0;
}
