#pragma once

/*
 * The client library: one connection to a Flocker daemon, requests one after
 * another, and the daemon's errors as values (error.h).  Installed as
 * <flocker/flocker.h>, with -lflocker; pkg-config knows it as `flocker`.
 *
 * It never prints, never aborts, never exits, installs no signal handler and
 * keeps no global state.  A client may be used from any thread, by one at a
 * time.  All functions block: an answer is waited for as long as the daemon
 * works on it.  What the requests and answers are is the HTTP API, which the
 * daemon describes at /v1/openapi.json; bodies are JSON in UTF-8, sizes bytes,
 * times RFC 3339 in UTC.  Since 0.1.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <flocker/error.h>

#define FL_SOCKET_DEFAULT "/run/flocker/flocker.sock"
#define FL_SOCKET_TEXT 108 /* bytes of a socket's path with the final NUL: sockaddr_un */

#define FL_ANSWER_MAX (UINT64_C(256) << 20) /* bytes of an answer's body */

struct fl_client;

struct fl_answer {
	int status;    /* HTTP: 200 to 299 */
	char *bytes;   /* heap, NUL-terminated; "" when there is no body */
	size_t length; /* bytes without the NUL */
};

/*
 * Where the daemon listens: `socket` if given, else ROOT/run/flocker.sock if
 * `root` is given, else the environment's FLOCKER_SOCKET, else
 * FL_SOCKET_DEFAULT.  Either may be NULL.  FL_INVALID when both are given or
 * the path is too long for a socket.
 */
__attribute__((warn_unused_result)) int fl_socket_path(const char *root, const char *socket,
						       char ret[static FL_SOCKET_TEXT],
						       struct fl_error *err);

/*
 * Connects to the daemon at `socket`.  FL_UNREACHABLE when none listens there,
 * FL_DENIED when this user may not; both with the hint what to do.
 */
__attribute__((warn_unused_result)) int fl_client_open(const char *socket, struct fl_client **ret,
						       struct fl_error *err);
/* NULL is fine. */
void fl_client_close(struct fl_client *client);

/*
 * One request.  `method` is GET, POST, PATCH or DELETE; `target` begins with
 * "/v1/" (fl_target() makes one); `body` is JSON or NULL.  The connection is
 * kept between calls and made anew when the daemon has closed it meanwhile.
 *
 * An answer from 200 to 299 is written to `ret` (release it with
 * fl_answer_done); any other is returned as the error that the daemon names,
 * with its text, hint and object.  FL_UNREACHABLE also when the connection ends
 * before the answer: the request may then have been carried out or not.  Never
 * sent twice.
 */
__attribute__((warn_unused_result)) int fl_client_call(struct fl_client *client, const char *method,
						       const char *target, const char *body,
						       struct fl_answer *ret, struct fl_error *err);

/*
 * The two halves of fl_client_call(), for who has something to do while the
 * daemon works: each request that was sent must be received before the next is
 * sent.
 */
__attribute__((warn_unused_result)) int fl_client_send(struct fl_client *client, const char *method,
						       const char *target, const char *body,
						       struct fl_error *err);
__attribute__((warn_unused_result)) int fl_client_receive(struct fl_client *client,
							  struct fl_answer *ret,
							  struct fl_error *err);

/*
 * Has the daemon begun to answer what was sent?  Waits for it up to
 * `milliseconds`, less if a signal comes; true also where waiting has no use, as the
 * connection is gone.
 * Since 0.2.
 */
bool fl_client_wait(const struct fl_client *client, int milliseconds);

/*
 * A body of any length, which is not held in memory: where it is read from, or
 * written to.  The descriptor is borrowed and used from where it stands.
 */
struct fl_stream {
	int fd;
	int64_t length; /* bytes that an upload has; -1: up to the end of `fd` */
	/*
	 * Asked at least four times a second, with the bytes that have gone so far:
	 * false stops, within that time.  May be NULL.
	 */
	bool (*progress)(void *arg, uint64_t bytes);
	void *arg;
};

/*
 * One request with a stream as its body, of the media type `type`.  Answers and
 * errors as those of fl_client_call(); the daemon may answer before it has
 * taken everything, and nothing more is sent then.  FL_UNREACHABLE: the
 * connection ended without an answer.  FL_SYSTEM: `fd` could not be read, or had
 * less than `length` bytes, or (with the errno EINTR) progress() said stop.  A
 * daemon that sees the connection end before the body knows that it is not
 * whole.  Since 0.2.
 */
__attribute__((warn_unused_result)) int fl_client_upload(
	struct fl_client *client, const char *method, const char *target, const char *type,
	const struct fl_stream *stream, struct fl_answer *ret, struct fl_error *err);

/*
 * GET of `target`, whose answer's body is written to the stream.  Errors as
 * those of fl_client_call(), before anything was written.  FL_CORRUPT: the body
 * was cut, so what was written is not whole.  FL_SYSTEM: `fd` could not be
 * written, or (EINTR) progress() said stop.  `length` has no meaning.  Since 0.2.
 */
__attribute__((warn_unused_result)) int fl_client_download(struct fl_client *client,
							   const char *target,
							   const struct fl_stream *stream,
							   struct fl_error *err);

/*
 * The daemon's id of the last request that it refused, as in its log; "" when
 * there was none.  Borrowed until the next call.
 */
const char *fl_client_operation(const struct fl_client *client);

/* Releases the bytes and leaves the empty answer behind. */
void fl_answer_done(struct fl_answer *answer);

/*
 * A target: `path`, then pairs of a key and a value up to a NULL key.  Values
 * are percent-encoded; a NULL value leaves its pair out.  Heap; NULL when there
 * is no memory.
 *
 *	fl_target("/v1/snapshots", "ref", "mydata@{2h ago}", "limit", "10", NULL)
 */
char *fl_target(const char *path, ...) __attribute__((sentinel, malloc));
