#pragma once

/*
 * TCP: addresses as people write them, connecting and listening.
 *
 * "HOST", "HOST:PORT", "192.0.2.1:4524", "[2001:db8::1]:4524", "2001:db8::1";
 * to listen also "*" and "*:PORT" for all addresses of the machine.
 *
 * The sockets are close-on-exec and non-blocking, send at once (TCP_NODELAY),
 * and find out within 30 s that the other side is gone (keep-alive,
 * TCP_USER_TIMEOUT).  Any thread may call anything.
 */

#include <stdint.h>

#include "base/error.h"
#include "base/own.h"

#define TCP_HOST 256
#define TCP_ADDRESS (TCP_HOST + 8) /* "HOST:PORT", "[IPv6]:PORT" */

struct tcp_address {
	char host[TCP_HOST]; /* without brackets; "*": any */
	uint16_t port;
};

/* FL_INVALID says what is wrong.  Without a port it is `port`.  Only grammar: no name is resolved.
 */
must_check int tcp_parse(const char *text, uint16_t port, struct tcp_address *ret,
			 struct fl_error *err);
char *tcp_format(const struct tcp_address *address, char text[static TCP_ADDRESS]);

/*
 * Waits until `fd` is ready for `events` of poll(2), until the `deadline` (of clock_monotonic();
 * 0: none), or until the descriptor `cancel` (-1: none) can be read.  FL_UNREACHABLE with
 * ETIMEDOUT, or fl_fail_cancelled().
 */
must_check int tcp_wait(int fd, short events, int64_t deadline, int cancel, struct fl_error *err);

/*
 * Tries all addresses of the host, one after the other, each for a fair part of the time that is
 * left.  Names are resolved by the system, which may take its own time before that.
 * FL_UNREACHABLE with what the last address said.
 */
must_check int tcp_dial(const struct tcp_address *address, int64_t deadline, int cancel,
			int *ret_fd, struct fl_error *err);

/*
 * Port 0: any that is free; tcp_local() tells.  FL_BUSY when somebody listens there already.
 */
must_check int tcp_listen(const struct tcp_address *address, int *ret_fd, struct fl_error *err);
/* The next connection and who it comes from.  Waits as tcp_wait() does. */
must_check int tcp_accept(int listener, int cancel, int *ret_fd, char from[static TCP_ADDRESS],
			  struct fl_error *err);
/* The address that `fd` is bound to. */
must_check int tcp_local(int fd, struct tcp_address *ret, struct fl_error *err);
