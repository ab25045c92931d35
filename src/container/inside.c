#include "container/inside.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fsat.h"
#include "base/text.h"

#define DIGITS "0123456789abcdef"
#define MOST (64 * 1024) /* bytes of a list of control groups */

/*
 * "/docker/ID" (cgroupfs), "docker-ID.scope" (systemd), "libpod-ID": the first run of
 * exactly that many digits.
 */
void container_id_in(const char *cgroups, char ret[static CONTAINER_ID])
{
	ret[0] = '\0';
	for (const char *p = cgroups; *p;) {
		size_t length = strspn(p, DIGITS);

		if (length == CONTAINER_ID - 1) {
			memcpy(ret, p, length);
			ret[length] = '\0';
			return;
		}
		p += length;
		p += strcspn(p, DIGITS);
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
