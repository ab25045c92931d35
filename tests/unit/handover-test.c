#include "base/handover.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "tests/check.h"

static struct fl_error err;

static void close_both(const int ends[static 2])
{
	close(ends[0]);
	close(ends[1]);
}

static void a_descriptor_of_the_same_file_is_taken(void)
{
	struct stat given, taken;
	int ends[2], fd, got = -1;

	check_ok(handover_pair(ends, &err));
	fd = open("/dev/null", O_RDONLY);
	check_ok(handover_give(ends[0], fd, &err));
	check_ok(handover_take(ends[1], &got, &err));
	check(got != fd && fstat(fd, &given) == 0 && fstat(got, &taken) == 0);
	check(given.st_ino == taken.st_ino && given.st_dev == taken.st_dev);
	check(fcntl(got, F_GETFD) == FD_CLOEXEC && fcntl(ends[0], F_GETFD) == FD_CLOEXEC);
	close(got);
	close(fd);
	close_both(ends);
}

static void who_waits_hears_when_nothing_comes(void)
{
	int ends[2], got = -1;

	check_ok(handover_pair(ends, &err));
	close(ends[0]);
	check_code(FL_NOT_FOUND, handover_take(ends[1], &got, &err));
	check(got == -1);
	close(ends[1]);
}

static void nothing_else_is_taken(void)
{
	int ends[2], got = -1;

	check_ok(handover_pair(ends, &err));
	check(send(ends[0], "x", 1, 0) == 1);
	check_code(FL_SYSTEM, handover_take(ends[1], &got, &err));
	check(got == -1);
	close_both(ends);
}

static void who_gives_hears_that_nobody_takes(void)
{
	int ends[2];

	check_ok(handover_pair(ends, &err));
	close(ends[1]);
	check_code(FL_SYSTEM, handover_give(ends[0], STDIN_FILENO, &err));
	check(err.sys == EPIPE);
	close(ends[0]);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(a_descriptor_of_the_same_file_is_taken),
				  CHECK(who_waits_hears_when_nothing_comes),
				  CHECK(nothing_else_is_taken),
				  CHECK(who_gives_hears_that_nobody_takes),
				  CHECK_END,
			  });
}
