#include "http/upload.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/thread.h"

#define PIPE (1024 * 1024) /* bytes on the way; the most that the kernel gives to anybody */

struct upload {
	const struct http_options *options; /* the server's */
	struct http_request request;
	struct http_response response; /* the handler's thread's until it is joined */
	void (*returned)(struct exchange *exchange, struct http_response *response);
	pthread_t thread;
	bool joined;
	int write_fd;
	_Atomic bool cut; /* set before the pipe ends, so whoever saw its end sees it */
};

/* Its end of the pipe is closed when the handler has returned: nobody reads any more. */
static void *run(void *arg)
{
	struct upload *upload = arg;

	upload->options->handle(upload->options->arg, &upload->request, &upload->response);
	close(upload->request.body_fd);
	upload->returned(upload->request.exchange, &upload->response);
	return NULL;
}

/* A handler that has returned is told by EPIPE, not by a signal. */
static void block_sigpipe(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

int upload_start(const struct http_options *options, const struct http_request *request,
		 void (*returned)(struct exchange *exchange, struct http_response *response),
		 struct upload **ret, struct fl_error *err)
{
	own_free struct upload *upload = xcalloc(1, sizeof(*upload));
	int ends[2];

	block_sigpipe();
	if (pipe2(ends, O_CLOEXEC) < 0)
		return fl_fail_errno(err, "making a pipe");
	/* A smaller one is slower and no less right. */
	(void)fcntl(ends[1], F_SETPIPE_SZ, PIPE);
	upload->options = options;
	upload->request = *request;
	upload->request.upload = upload;
	upload->returned = returned;
	upload->request.body_fd = ends[0];
	upload->write_fd = ends[1];
	if (thread_start(&upload->thread, 0, run, upload, err) < 0) {
		close(ends[0]);
		close(ends[1]);
		return fl_failed(err);
	}
	*ret = take_ptr(upload);
	return 0;
}

bool upload_write(struct upload *upload, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = write(upload->write_fd, bytes, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		bytes += n;
		length -= (size_t)n;
	}
	return true;
}

void upload_end(struct upload *upload, bool whole)
{
	if (upload->write_fd < 0)
		return;
	upload->cut = !whole;
	close(take_fd(upload->write_fd));
}

bool upload_is_cut(const struct upload *upload)
{
	return upload->cut;
}

struct http_response *upload_answer(struct upload *upload)
{
	upload_end(upload, false);
	if (!upload->joined)
		pthread_join(upload->thread, NULL);
	upload->joined = true;
	return &upload->response;
}

void upload_free(struct upload *upload)
{
	if (!upload)
		return;
	http_response_done(upload_answer(upload));
	free(upload);
}
