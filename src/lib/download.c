#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/flocker.h"
#include "lib/http.h"

/* Answers whose bodies are streams.  Who reads them may pause, and may want to stop meanwhile. */

struct receiving {
	const struct http_client *client;
	const struct fl_stream *stream;
	uint64_t bytes; /* written to it */
};

/* What can be written without waiting, once poll says so: a pipe promises no more than a page. */
static size_t room_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? SIZE_MAX : PIPE_BUF;
}

static int take(void *arg, const char *bytes, size_t length, struct fl_error *err)
{
	struct receiving *receiving = arg;
	int fd = receiving->stream->fd;
	size_t room = room_of(fd);

	while (length > 0) {
		struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };
		ssize_t n;

		if (http_wait_any(receiving->stream, receiving->bytes, &poll_fd, 1, err) < 0)
			return fl_failed(err);
		n = write(fd, bytes, length < room ? length : room);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return fl_fail_errno(err, "writing what came");
		if (n > 0) {
			receiving->bytes += (uint64_t)n;
			bytes += n;
			length -= (size_t)n;
		}
	}
	return 0;
}

static int wait_for_more(void *arg, struct fl_error *err)
{
	const struct receiving *receiving = arg;
	int r = http_wait(receiving->client, receiving->stream, receiving->bytes, POLLIN, -1, err);

	return r < 0 ? r : 0;
}

int http_download(struct http_client *client, const struct fl_stream *stream, size_t limit,
		  struct http_answer *ret, struct fl_error *err)
{
	struct receiving receiving = { client, stream, 0 };
	struct http_sink sink = { wait_for_more, take, &receiving };

	/* The daemon may think before it begins; to stop must be possible then too. */
	if (client->fd >= 0 && client->start == client->end && wait_for_more(&receiving, err) < 0) {
		http_close(client);
		return fl_failed(err);
	}
	return http_receive(client, limit, &sink, ret, err);
}
