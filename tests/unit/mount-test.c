/* In mount namespaces of its own: each test is a child, which goes with what it mounted. */

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/mount.h"
#include "base/own.h"
#include "tests/check.h"
#include "tests/unit/own-mounts.h"

static char place[] = "/tmp/flocker-mount-test.XXXXXX";

/* Ends with 0 where it found what it looks for. */
static int in_child(int (*run)(void))
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(own_mounts() == 0 ? run() : 99);
	waitpid(pid, &status, 0);
	return status;
}

static bool is_mounted(void)
{
	struct stat here, above;

	return stat(place, &here) == 0 && stat("/tmp", &above) == 0 && here.st_dev != above.st_dev;
}

static int retreat(void)
{
	own_fd int outside = -1;
	struct fl_error err;

	if (mount_retreat(&outside, &err) < 0 || mount("none", place, "tmpfs", 0, NULL) < 0 ||
	    !is_mounted())
		return 1;
	return mount_return(outside, &err) < 0 || is_mounted();
}

static void what_is_mounted_on_a_retreat_stays_there(void)
{
	check(in_child(retreat) == 0);
}

static int retreat_in_chroot(void)
{
	own_fd int outside = -1;
	struct fl_error err;
	struct stat before, after;

	/* Another root than the host's: a file system of its own, with what a retreat looks at. */
	if (mount("none", place, "tmpfs", 0, NULL) < 0 || chdir(place) < 0 ||
	    mkdir("proc", 0755) < 0 || mount("/proc", "proc", NULL, MS_BIND | MS_REC, NULL) < 0 ||
	    chroot(".") < 0 || stat("/", &before) < 0)
		return 98;
	if (mount_retreat(&outside, &err) != -FL_UNSUPPORTED || !strstr(err.text, "chroot"))
		return 1;
	return stat("/", &after) < 0 || before.st_dev != after.st_dev;
}

static void a_chroot_is_refused_and_not_left(void)
{
	check(in_child(retreat_in_chroot) == 0);
}

int main(int argc, char **argv)
{
	int r;

	if (geteuid() != 0) {
		puts("1..0 # SKIP needs root");
		return 0;
	}
	if (!mkdtemp(place))
		return 1;
	r = check_main(argc, argv,
		       (struct check[]){ CHECK(what_is_mounted_on_a_retreat_stays_there),
					 CHECK(a_chroot_is_refused_and_not_left), CHECK_END });
	rmdir(place);
	return r;
}
