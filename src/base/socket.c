#include "base/socket.h"

#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/fsat.h"
#include "base/log.h"

static int fill_address(const char *path, struct sockaddr_un *ret, struct fl_error *err)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(ret->sun_path))
		return fl_fail(err, FL_INVALID, "the socket's path is longer than %zu bytes: %s",
			       sizeof(ret->sun_path) - 1, path);
	memcpy(ret->sun_path, path, strlen(path));
	return 0;
}

static int make_socket(int *ret_fd, struct fl_error *err)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fl_fail_errno(err, "cannot make a socket");
	*ret_fd = fd;
	return 0;
}

/* The path may be anybody's: what is there is removed only if nobody answers. */
static int remove_stale(const struct sockaddr_un *address, struct fl_error *err)
{
	const char *path = address->sun_path;
	own_fd int fd = -1;
	struct stat st;
	int r = fsat_stat(AT_FDCWD, path, &st, err);

	if (r == -FL_NOT_FOUND)
		return 0;
	if (r < 0)
		return r;
	if (!S_ISSOCK(st.st_mode))
		return fl_fail(err, FL_EXISTS, "'%s' is there already and is no socket", path);
	r = make_socket(&fd, err);
	if (r < 0)
		return r;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
		return fl_fail(err, FL_BUSY, "another program listens on '%s'", path);
	if (errno != ECONNREFUSED)
		return fl_fail_errno(err, "the socket '%s'", path);
	return fsat_unlink(AT_FDCWD, path, err);
}

static void hand_to_group(const char *path, const char *name)
{
	struct group group, *found = NULL;
	char buffer[4096];

	if (getgrnam_r(name, &group, buffer, sizeof(buffer), &found) != 0 || !found)
		return;
	if (fchownat(AT_FDCWD, path, (uid_t)-1, group.gr_gid, AT_SYMLINK_NOFOLLOW) < 0)
		log_warning("socket not given to the group", "group=%s error=\"%s\"", name,
			    strerrordesc_np(errno));
}

/* Connections are possible only after listen(), when mode and group are right. */
static int bind_and_listen(int fd, const struct sockaddr_un *address, const char *group,
			   struct fl_error *err)
{
	mode_t mask = umask(group ? 0117 : 0177);
	int r = bind(fd, (const struct sockaddr *)address, sizeof(*address));

	umask(mask);
	if (r < 0)
		return fl_fail_errno(err, "cannot bind the socket '%s'", address->sun_path);
	if (group)
		hand_to_group(address->sun_path, group);
	if (listen(fd, SOMAXCONN) < 0)
		return fl_fail_errno(err, "cannot listen on the socket '%s'", address->sun_path);
	return 0;
}

int socket_listen(const char *path, const char *group, int *ret_fd, struct fl_error *err)
{
	struct sockaddr_un address;
	own_fd int fd = -1;
	int r = fill_address(path, &address, err);

	if (r == 0)
		r = remove_stale(&address, err);
	if (r == 0)
		r = make_socket(&fd, err);
	if (r == 0)
		r = bind_and_listen(fd, &address, group, err);
	if (r < 0)
		return r;
	*ret_fd = take_fd(fd);
	return 0;
}

void socket_remove(const char *path)
{
	struct fl_error err;

	if (fsat_unlink(AT_FDCWD, path, &err) < 0)
		log_warning("socket not removed", "error=\"%s\"", err.text);
}

int socket_connect(const char *path, int *ret_fd, struct fl_error *err)
{
	struct sockaddr_un address;
	own_fd int fd = -1;

	if (fill_address(path, &address, err) < 0 || make_socket(&fd, err) < 0)
		return fl_failed(err);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0) {
		*ret_fd = take_fd(fd);
		return 0;
	}
	if (errno == ECONNREFUSED)
		return fl_fail(err, FL_NOT_FOUND, "nobody listens on '%s'", path);
	return fl_fail_errno(err, "the socket '%s'", path);
}

bool socket_is_at(int fd, const char *path)
{
	struct sockaddr_un address = { 0 };
	socklen_t length = sizeof(address);
	socklen_t size = sizeof(int);
	int listens = 0;

	return getsockname(fd, (struct sockaddr *)&address, &length) == 0 &&
	       address.sun_family == AF_UNIX &&
	       strncmp(address.sun_path, path, sizeof(address.sun_path)) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens;
}

uid_t socket_peer(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.uid : (uid_t)-1;
}

/* What is refused leaves a socket that may take for ever: the other side is one of ours. */
void socket_set_patience(int fd, unsigned seconds)
{
	const struct timeval patience = { .tv_sec = seconds };

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

int socket_send(int fd, const char *text, struct fl_error *err)
{
	ssize_t length = (ssize_t)strlen(text);

	if (TEMP_FAILURE_RETRY(send(fd, text, (size_t)length, MSG_NOSIGNAL)) != length)
		return fl_fail_errno(err, "sending over a socket");
	return 0;
}

int socket_receive(int fd, char *text, size_t size, struct fl_error *err)
{
	ssize_t n = TEMP_FAILURE_RETRY(recv(fd, text, size - 1, 0));

	if (n < 0)
		return fl_fail_errno(err, "receiving over a socket");
	text[n] = '\0';
	return 0;
}
