#include "base/terminal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>

int terminal_open(int *ret_master, int *ret_slave, struct fl_error *err)
{
	own_fd int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	own_fd int slave = -1;

	if (master < 0 || unlockpt(master) < 0)
		return fl_fail_errno(err, "cannot make a terminal");
	/* By the master, not by a path, which could lead to that of another mount of devpts. */
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return fl_fail_errno(err, "cannot open the terminal that was made");
	*ret_master = take_fd(master);
	*ret_slave = take_fd(slave);
	return 0;
}

struct terminal_size terminal_size(int fd)
{
	struct winsize size = { 0 };

	if (ioctl(fd, TIOCGWINSZ, &size) < 0)
		return (struct terminal_size){ 0 };
	return (struct terminal_size){ size.ws_row, size.ws_col };
}

int terminal_resize(int fd, const struct terminal_size *size, struct fl_error *err)
{
	const struct winsize winsize = {
		.ws_row = (unsigned short)size->rows,
		.ws_col = (unsigned short)size->columns,
	};

	if (ioctl(fd, TIOCSWINSZ, &winsize) < 0)
		return fl_fail_errno(err, "cannot set the size of a terminal");
	return 0;
}

int terminal_make_raw(int fd, struct termios *ret_before, struct fl_error *err)
{
	struct termios before, raw;

	if (tcgetattr(fd, &before) < 0)
		return fl_fail_errno(err, "asking the terminal how it is set");
	raw = before;
	cfmakeraw(&raw);
	if (tcsetattr(fd, TCSANOW, &raw) < 0)
		return fl_fail_errno(err, "setting the terminal");
	*ret_before = before;
	return 0;
}

void terminal_restore(int fd, const struct termios *before)
{
	(void)!tcsetattr(fd, TCSADRAIN, before);
}
