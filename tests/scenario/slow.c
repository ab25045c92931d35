/*
 * Loaded into a daemon under test by LD_PRELOAD: as long as the file is there that
 * FLOCKER_TEST_SLOW names, its pool takes no snapshot into its place; whoever waits for that makes
 * the file with
 * ".held" after its name (test_resume.py).
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void hold(void)
{
	const char *path = getenv("FLOCKER_TEST_SLOW");
	char held[512];
	int fd;

	if (!path || access(path, F_OK) < 0)
		return;
	snprintf(held, sizeof(held), "%s.held", path);
	fd = open(held, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
	while (access(path, F_OK) == 0)
		nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
}

__attribute__((visibility("default"))) int renameat2(int old_dir, const char *old_path, int new_dir,
						     const char *new_path, unsigned flags)
{
	hold();
	return (int)syscall(SYS_renameat2, old_dir, old_path, new_dir, new_path, flags);
}
