#include "container/inside.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fsat.h"
#include "base/text.h"

#define DIGITS "0123456789abcdef"
#define CONMON "libpod-conmon-"
#define MOST (64 * 1024) /* bytes of a list of control groups */

bool container_id_in_part(const char *part, size_t length, char ret[static CONTAINER_ID])
{
	size_t run = 0;

	/* The keeper of one of Podman's containers is outside of it. */
	if (strncmp(part, CONMON, strlen(CONMON)) == 0)
		return false;
	for (size_t i = 0; i <= length; i++) {
		if (i < length && part[i] && strchr(DIGITS, part[i])) {
			run++;
			continue;
		}
		if (run == CONTAINER_ID - 1) {
			memcpy(ret, part + i - run, run);
			ret[run] = '\0';
			return true;
		}
		run = 0;
	}
	return false;
}

void container_id_in(const char *cgroups, char ret[static CONTAINER_ID])
{
	ret[0] = '\0';
	for (const char *part = cgroups; *part;) {
		size_t length = strcspn(part, "/\n");

		if (container_id_in_part(part, length, ret))
			return;
		part += length;
		part += strspn(part, "/\n");
	}
}

void container_id_of(pid_t pid, char ret[static CONTAINER_ID])
{
	own_text struct text cgroups = { 0 };
	struct fl_error ended;
	char path[64];

	ret[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	if (fsat_read(AT_FDCWD, path, MOST, &cgroups, &ended) == 0)
		container_id_in(text_get(&cgroups), ret);
}
