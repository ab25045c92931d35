#pragma once

/*
 * A mount namespace of the test's own, which goes with it.  A new one is a copy, and whatever is in
 * it stays mounted as long as it lives: so the file systems of the tests that run beside this one,
 * which all lie below /tmp, are taken out of it at once.
 */

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

/* "\040" is a space, in the table. */
static inline void own_mounts_unescape(char *path)
{
	char *to = path;
	unsigned code;

	for (; *path; path++)
		if (*path == '\\' && sscanf(path + 1, "%3o", &code) == 1) {
			*to++ = (char)code;
			path += 3;
		} else {
			*to++ = *path;
		}
	*to = '\0';
}

static inline int own_mounts(void)
{
	char line[8192], path[8192];
	FILE *table;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	table = fopen("/proc/self/mountinfo", "re");
	if (!table)
		return -1;
	while (fgets(line, sizeof(line), table)) {
		if (sscanf(line, "%*s %*s %*s %*s %s", path) != 1)
			continue;
		own_mounts_unescape(path);
		if (strncmp(path, "/tmp/", 5) == 0)
			(void)!umount2(path, MNT_DETACH); /* it may lie in one that has gone */
	}
	fclose(table);
	return 0;
}
