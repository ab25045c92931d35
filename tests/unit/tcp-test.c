#include "base/tcp.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "tests/check.h"

static void addresses_are_read_as_people_write_them(void)
{
	static const struct {
		const char *text, *host;
		uint16_t port;
		const char *written;
	} rows[] = {
		{ "a.example", "a.example", 7, "a.example:7" },
		{ "a.example:80", "a.example", 80, "a.example:80" },
		{ "host_1:0", "host_1", 0, "host_1:0" },
		{ "192.0.2.1:65535", "192.0.2.1", 65535, "192.0.2.1:65535" },
		{ "[2001:db8::1]:80", "2001:db8::1", 80, "[2001:db8::1]:80" },
		{ "[::]", "::", 7, "[::]:7" },
		{ "2001:db8::1", "2001:db8::1", 7, "[2001:db8::1]:7" },
		{ "fe80::1%eth0", "fe80::1%eth0", 7, "[fe80::1%eth0]:7" },
		{ "*", "*", 7, "*:7" },
		{ "*:9", "*", 9, "*:9" },
	};

	for (size_t i = 0; i < array_size(rows); i++) {
		struct tcp_address address;
		char text[TCP_ADDRESS];
		struct fl_error err;

		check_ok(tcp_parse(rows[i].text, 7, &address, &err));
		check_string(rows[i].host, address.host);
		check(address.port == rows[i].port);
		check_string(rows[i].written, tcp_format(&address, text));
	}
}

static void what_is_no_address_is_refused(void)
{
	static const char *const texts[] = {
		"",
		":80",
		"a:",
		"a:x",
		"a:65536",
		"a:-1",
		"a b:1",
		"a/b",
		"[::1",
		"[::1]x",
		"[::1]80",
		"[]:1",
		"-a:1",
		"**:1",
		"a:1 ",
		"user@a:1",
		"[a b]:1",
		"[::1]:",
		"a:999999999999999999999",
	};
	char longest[TCP_HOST + 10];
	struct tcp_address address;
	struct fl_error err;

	for (size_t i = 0; i < array_size(texts); i++)
		check_code(FL_INVALID, tcp_parse(texts[i], 7, &address, &err));
	memset(longest, 'a', sizeof(longest));
	longest[TCP_HOST] = '\0';
	check_code(FL_INVALID, tcp_parse(longest, 7, &address, &err));
	longest[TCP_HOST - 1] = '\0';
	check_ok(tcp_parse(longest, 7, &address, &err));
}

static int option(int fd, int level, int name)
{
	socklen_t size = sizeof(int);
	int value = -1;

	check(getsockopt(fd, level, name, &value, &size) == 0);
	return value;
}

static void check_options(int fd)
{
	check(option(fd, IPPROTO_TCP, TCP_NODELAY) == 1);
	check(option(fd, SOL_SOCKET, SO_KEEPALIVE) == 1);
	check(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT) == 30000);
	check((fcntl(fd, F_GETFL) & O_NONBLOCK) && (fcntl(fd, F_GETFD) & FD_CLOEXEC));
}

static void two_ends_meet(void)
{
	static const char *const hosts[][2] = { { "127.0.0.1", "127.0.0.1" },
						{ "*", "localhost" },
						{ "*", "127.0.0.1" } };

	for (size_t i = 0; i < array_size(hosts); i++) {
		own_fd int listener = -1, near = -1, far = -1, second = -1;
		struct tcp_address address = { 0 };
		char from[TCP_ADDRESS];
		struct fl_error err;

		strcpy(address.host, hosts[i][0]);
		check_ok(tcp_listen(&address, &listener, &err));
		check_ok(tcp_local(listener, &address, &err));
		check(address.port != 0);
		check_code(FL_BUSY, tcp_listen(&address, &second, &err));
		strcpy(address.host, hosts[i][1]);
		check_ok(tcp_dial(&address, clock_monotonic() + CLOCK_MINUTE, -1, &near, &err));
		check_ok(tcp_accept(listener, -1, &far, from, &err));
		check(strstr(from, "127.0.0.1") || strstr(from, "::1"));
		check_options(near);
		check_options(far);
	}
}

/* The port is kept from others, and from the dialling end itself. */
static void nobody_there_is_unreachable(void)
{
	struct tcp_address address = { .host = "127.0.0.1" };
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	own_fd int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct fl_error err;
	int fd = -1;

	check(bind(silent, (const struct sockaddr *)&any, sizeof(any)) == 0);
	check_ok(tcp_local(silent, &address, &err));
	strcpy(address.host, "127.0.0.1");
	check_code(FL_UNREACHABLE, tcp_dial(&address, 0, -1, &fd, &err));
	check(err.sys == ECONNREFUSED && err.hint[0] && strstr(err.text, "127.0.0.1:"));
	strcpy(address.host, "no-such-host.invalid");
	check_code(FL_UNREACHABLE, tcp_dial(&address, 0, -1, &fd, &err));
	check(strstr(err.text, "no-such-host.invalid") && fd == -1);
}

static void waiting_ends_by_the_deadline_or_when_it_is_cancelled(void)
{
	own_fd int cancel = eventfd(0, EFD_CLOEXEC), listener = -1;
	struct tcp_address address = { .host = "127.0.0.1" };
	char from[TCP_ADDRESS];
	struct fl_error err;
	int fd;

	check_ok(tcp_listen(&address, &listener, &err));
	check_code(FL_UNREACHABLE, tcp_wait(listener, POLLIN, clock_monotonic(), cancel, &err));
	check(err.sys == ETIMEDOUT);
	check(eventfd_write(cancel, 1) == 0);
	check(tcp_accept(listener, cancel, &fd, from, &err) < 0 && fl_is_cancelled(&err));
	check_ok(tcp_local(listener, &address, &err));
	strcpy(address.host, "127.0.0.1");
	check(tcp_wait(listener, POLLIN, 0, cancel, &err) < 0 && fl_is_cancelled(&err));
}

int main(int argc, char **argv)
{
	return check_main(
		argc, argv,
		(struct check[]){ CHECK(addresses_are_read_as_people_write_them),
				  CHECK(what_is_no_address_is_refused), CHECK(two_ends_meet),
				  CHECK(nobody_there_is_unreachable),
				  CHECK(waiting_ends_by_the_deadline_or_when_it_is_cancelled),
				  CHECK_END });
}
