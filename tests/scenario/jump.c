/*
 * Loaded into a daemon under test by LD_PRELOAD: its clocks are as much ahead as
 * the file says that FLOCKER_TEST_CLOCK names, two numbers of 64 bits, in
 * nanoseconds: CLOCK_REALTIME (time(), too) and CLOCK_BOOTTIME.  The test changes it while the
 * daemon runs (clocks.py).
 */

#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)

static _Atomic(int64_t) *ahead;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("FLOCKER_TEST_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *map = MAP_FAILED;

	if (fd >= 0) {
		map = mmap(NULL, 2 * sizeof(*ahead), PROT_READ, MAP_SHARED, fd, 0);
		close(fd);
	}
	if (map != MAP_FAILED)
		ahead = map;
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t id, struct timespec *ret)
{
	int r = (int)syscall(SYS_clock_gettime, id, ret);
	int64_t time;

	if (r < 0 || !ahead || (id != CLOCK_REALTIME && id != CLOCK_BOOTTIME))
		return r;
	time = ret->tv_sec * SECOND + ret->tv_nsec + atomic_load(&ahead[id == CLOCK_BOOTTIME]);
	ret->tv_sec = time / SECOND;
	ret->tv_nsec = time % SECOND;
	return r;
}

/* What certificates are judged by. */
__attribute__((visibility("default"))) time_t time(time_t *ret)
{
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now) < 0)
		return -1;
	if (ret)
		*ret = now.tv_sec;
	return now.tv_sec;
}
