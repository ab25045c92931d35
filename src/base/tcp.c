#include "base/tcp.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/text.h"

/* Seconds without a word, and between questions; and milliseconds that written bytes may wait. */
#define KEEP_IDLE 15
#define KEEP_INTERVAL 5
#define KEEP_COUNT 3
#define USER_TIMEOUT 30000

static bool is_host_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '-' || c == '_';
}

static bool is_host(const char *text, size_t length, bool numeric6)
{
	for (size_t i = 0; i < length; i++)
		if (!is_host_letter(text[i]) && !(numeric6 && (text[i] == ':' || text[i] == '%')))
			return false;
	return length > 0 && length < TCP_HOST && text[0] != '-';
}

/*
 * Where the host begins and how long it is; `*ret_port` is behind the colon, NULL without one.
 * More than one colon without brackets: an IPv6 address alone.
 */
static bool split(const char *text, const char **ret_host, size_t *ret_length, bool *ret_six,
		  const char **ret_port)
{
	const char *colon = strchr(text, ':');
	const char *end = text[0] == '[' ? strchr(text, ']') : NULL;

	*ret_six = end || (colon && strchr(colon + 1, ':'));
	*ret_host = end ? text + 1 : text;
	*ret_port = NULL;
	if (end) {
		*ret_length = (size_t)(end - text - 1);
		*ret_port = end[1] == ':' ? end + 2 : NULL;
		return end[1] == ':' || end[1] == '\0';
	}
	if (colon && !*ret_six)
		*ret_port = colon + 1;
	*ret_length = *ret_port ? (size_t)(colon - text) : strlen(text);
	return true;
}

static int parse_port(const char *text, uint16_t *ret, struct fl_error *err)
{
	int64_t port;

	if (!number_parse(text, &port) || port > UINT16_MAX)
		return fl_fail(err, FL_INVALID, "a port is a number from 0 to 65535");
	*ret = (uint16_t)port;
	return 0;
}

int tcp_parse(const char *text, uint16_t port, struct tcp_address *ret, struct fl_error *err)
{
	struct tcp_address address = { .port = port };
	const char *host, *port_text;
	size_t length;
	bool six;

	if (!split(text, &host, &length, &six, &port_text) ||
	    !(is_host(host, length, six) || (length == 1 && host[0] == '*'))) {
		fl_fail(err, FL_INVALID, "this is no address: '%.80s'", text);
		return fl_hint(err, "an address is HOST:PORT, as 192.0.2.1:4524 or "
				    "[2001:db8::1]:4524");
	}
	if (port_text && parse_port(port_text, &address.port, err) < 0)
		return fl_wrap(err, "the address '%.80s'", text);
	memcpy(address.host, host, length);
	*ret = address;
	return 0;
}

char *tcp_format(const struct tcp_address *address, char text[static TCP_ADDRESS])
{
	bool six = strchr(address->host, ':');

	snprintf(text, TCP_ADDRESS, "%s%s%s:%u", six ? "[" : "", address->host, six ? "]" : "",
		 address->port);
	return text;
}

int tcp_wait(int fd, short events, int64_t deadline, int cancel, struct fl_error *err)
{
	struct pollfd polled[] = { { .fd = fd, .events = events },
				   { .fd = cancel, .events = POLLIN } };

	for (;;) {
		int timeout = deadline ? clock_milliseconds_until(deadline) : -1;

		if (poll(polled, array_size(polled), timeout) < 0) {
			if (errno == EINTR)
				continue;
			return fl_fail_errno(err, "waiting for a connection");
		}
		if (polled[1].revents)
			return fl_fail_cancelled(err, "nobody waits for it any more");
		if (polled[0].revents)
			return 0;
		if (deadline && clock_monotonic() >= deadline) {
			errno = ETIMEDOUT;
			return fl_fail_unreachable(err, "no answer");
		}
	}
}

static int set_options(int fd, struct fl_error *err)
{
	static const struct {
		int level, name, value;
	} rows[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE },
		{ IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL },
		{ IPPROTO_TCP, TCP_KEEPCNT, KEEP_COUNT },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT },
	};

	for (size_t i = 0; i < array_size(rows); i++)
		if (setsockopt(fd, rows[i].level, rows[i].name, &rows[i].value,
			       sizeof(rows[i].value)) < 0)
			return fl_fail_errno(err, "cannot prepare a connection");
	return 0;
}

static int resolve(const struct tcp_address *address, bool passive, struct addrinfo **ret,
		   struct fl_error *err)
{
	const struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0),
	};
	const char *host = passive && strcmp(address->host, "*") == 0 ? NULL : address->host;
	char port[8];
	int r;

	snprintf(port, sizeof(port), "%u", address->port);
	r = getaddrinfo(host, port, &hints, ret);
	if (r == EAI_SYSTEM)
		return fl_fail_unreachable(err, "the name '%s'", address->host);
	if (r != 0)
		return fl_fail(err, FL_UNREACHABLE, "the name '%s': %s", address->host,
			       gai_strerror(r));
	return 0;
}

static void free_resolved(struct addrinfo **info)
{
	if (*info)
		freeaddrinfo(*info);
}

static int make_socket(const struct addrinfo *info, int *ret_fd, struct fl_error *err)
{
	int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fl_fail_errno(err, "cannot make a socket");
	*ret_fd = fd;
	return 0;
}

static int connect_to(const struct addrinfo *info, int64_t deadline, int cancel, int *ret_fd,
		      struct fl_error *err)
{
	own_fd int fd = -1;
	socklen_t size = sizeof(int);
	int failed = 0;

	if (make_socket(info, &fd, err) < 0 || set_options(fd, err) < 0)
		return fl_failed(err);
	if (connect(fd, info->ai_addr, info->ai_addrlen) < 0) {
		if (errno != EINPROGRESS)
			return fl_fail_unreachable(err, "connecting");
		if (tcp_wait(fd, POLLOUT, deadline, cancel, err) < 0)
			return fl_failed(err);
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) < 0)
			return fl_fail_errno(err, "connecting");
		errno = failed;
		if (failed)
			return fl_fail_unreachable(err, "connecting");
	}
	*ret_fd = take_fd(fd);
	return 0;
}

/* The last of several addresses may take all that is left. */
static int64_t share_of(int64_t deadline, int rest)
{
	int64_t now = clock_monotonic();

	if (!deadline)
		return 0;
	return deadline > now ? now + (deadline - now) / rest : deadline;
}

static int count_of(const struct addrinfo *info)
{
	int count = 0;

	for (; info; info = info->ai_next)
		count++;
	return count;
}

int tcp_dial(const struct tcp_address *address, int64_t deadline, int cancel, int *ret_fd,
	     struct fl_error *err)
{
	own(free_resolved) struct addrinfo *found = NULL;
	char text[TCP_ADDRESS];
	int r = resolve(address, false, &found, err);

	for (struct addrinfo *each = found; r == 0 && each; each = each->ai_next) {
		int64_t until = share_of(deadline, count_of(each));

		if (connect_to(each, until, cancel, ret_fd, err) == 0)
			return 0;
		if (fl_is_cancelled(err) || !each->ai_next)
			break;
	}
	fl_add_wrap(err, "%s", tcp_format(address, text));
	return fl_hint(err, "see whether that host is up, its daemon listens there, and no "
			    "firewall is in between");
}

static int start_listening(int fd, const struct addrinfo *info, struct fl_error *err)
{
	const int yes = 1, no = 0;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0)
		return fl_fail_errno(err, "cannot prepare to listen");
	/* "*" is all of IPv4 as well. */
	if (info->ai_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no)) < 0)
		return fl_fail_errno(err, "cannot prepare to listen");
	if (bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, SOMAXCONN) < 0) {
		if (errno == EADDRINUSE)
			return fl_fail(err, FL_BUSY, "another program listens there");
		return fl_fail_errno(err, "cannot listen");
	}
	return 0;
}

/* Of "*": IPv6, which takes IPv4 too, where the machine has it. */
static int listen_on_any(const struct addrinfo *found, int family, int *ret_fd,
			 struct fl_error *err)
{
	own_fd int fd = -1;

	while (found && found->ai_family != family)
		found = found->ai_next;
	if (!found)
		return fl_fail(err, FL_UNREACHABLE, "this machine has no such address");
	if (make_socket(found, &fd, err) < 0 || start_listening(fd, found, err) < 0)
		return fl_failed(err);
	*ret_fd = take_fd(fd);
	return 0;
}

int tcp_listen(const struct tcp_address *address, int *ret_fd, struct fl_error *err)
{
	own(free_resolved) struct addrinfo *found = NULL;
	char text[TCP_ADDRESS];
	int r = resolve(address, true, &found, err);

	if (r == 0)
		r = listen_on_any(found, AF_INET6, ret_fd, err);
	if (r < 0 && r != -FL_BUSY && found)
		r = listen_on_any(found, AF_INET, ret_fd, err);
	return r < 0 ? fl_wrap(err, "%s", tcp_format(address, text)) : 0;
}

static void to_address(const struct sockaddr_storage *from, socklen_t length,
		       struct tcp_address *ret)
{
	char port[8];
	int64_t number;

	*ret = (struct tcp_address){ .host = "?" };
	if (getnameinfo((const struct sockaddr *)from, length, ret->host, sizeof(ret->host), port,
			sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return;
	if (number_parse(port, &number))
		ret->port = (uint16_t)number;
}

int tcp_accept(int listener, int cancel, int *ret_fd, char from[static TCP_ADDRESS],
	       struct fl_error *err)
{
	struct sockaddr_storage peer;
	struct tcp_address address;
	own_fd int fd = -1;
	socklen_t length;

	do {
		length = sizeof(peer);
		if (tcp_wait(listener, POLLIN, 0, cancel, err) < 0)
			return fl_failed(err);
		fd = accept4(listener, (struct sockaddr *)&peer, &length,
			     SOCK_NONBLOCK | SOCK_CLOEXEC);
		/* Those who hung up before they were looked at are no concern of ours. */
	} while (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED));
	if (fd < 0)
		return fl_fail_errno(err, "cannot accept a connection");
	if (set_options(fd, err) < 0)
		return fl_failed(err);
	to_address(&peer, length, &address);
	tcp_format(&address, from);
	*ret_fd = take_fd(fd);
	return 0;
}

int tcp_local(int fd, struct tcp_address *ret, struct fl_error *err)
{
	struct sockaddr_storage local;
	socklen_t length = sizeof(local);

	if (getsockname(fd, (struct sockaddr *)&local, &length) < 0)
		return fl_fail_errno(err, "cannot tell a socket's address");
	to_address(&local, length, ret);
	return 0;
}
