#include "flockerd/socket.h"

#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/fsat.h"
#include "base/log.h"

#define GROUP "flocker"

static int fill_address(const char *path, struct sockaddr_un *ret, struct fl_error *err)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(ret->sun_path)) {
		fl_fail(err, FL_INVALID, "the socket's path is longer than %zu bytes: %s",
			sizeof(ret->sun_path) - 1, path);
		return fl_hint(err, "give a shorter one: --socket PATH");
	}
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

/*
 * The lock on the run directory says that no daemon of this instance runs; but
 * --socket may name any path, so that one is removed only if nobody answers.
 */
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

static void hand_to_group(const char *path)
{
	struct group group, *found = NULL;
	char buffer[4096];

	if (getgrnam_r(GROUP, &group, buffer, sizeof(buffer), &found) != 0 || !found)
		return;
	if (fchownat(AT_FDCWD, path, (uid_t)-1, group.gr_gid, AT_SYMLINK_NOFOLLOW) < 0)
		log_warning("socket not given to the group", "group=%s error=\"%s\"", GROUP,
			    strerrordesc_np(errno));
}

/* Connections are possible only after listen(), when mode and group are right. */
static int bind_and_listen(int fd, const struct sockaddr_un *address, struct fl_error *err)
{
	mode_t mask = umask(0117);
	int r = bind(fd, (const struct sockaddr *)address, sizeof(*address));

	umask(mask);
	if (r < 0)
		return fl_fail_errno(err, "cannot bind the socket '%s'", address->sun_path);
	hand_to_group(address->sun_path);
	if (listen(fd, SOMAXCONN) < 0)
		return fl_fail_errno(err, "cannot listen on the socket '%s'", address->sun_path);
	return 0;
}

int socket_listen(const char *path, int *ret_fd, struct fl_error *err)
{
	struct sockaddr_un address;
	own_fd int fd = -1;
	int r = fill_address(path, &address, err);

	if (r == 0)
		r = remove_stale(&address, err);
	if (r == 0)
		r = make_socket(&fd, err);
	if (r == 0)
		r = bind_and_listen(fd, &address, err);
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
