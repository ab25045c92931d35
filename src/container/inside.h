#pragma once

/*
 * Which container a process is in, as its control groups tell: engines name those
 * by the container's id.  Says nothing of containers that have no cgroup of their own.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

#define CONTAINER_ID 65 /* 64 hexadecimal digits and NUL */

/*
 * The id in one part of a group's path, `length` bytes: "ID" (cgroupfs), "docker-ID.scope"
 * (systemd), "libpod-ID": a run of exactly that many digits.  False: there is none.
 */
bool container_id_in_part(const char *part, size_t length, char ret[static CONTAINER_ID]);
/*
 * The id in the text of /proc/PID/cgroup; "" when there is none.  Of containers within each other
 * the outermost: that is the one which the host's engine knows.
 */
void container_id_in(const char *cgroups, char ret[static CONTAINER_ID]);
/* Of a process; "" also when it has ended. */
void container_id_of(pid_t pid, char ret[static CONTAINER_ID]);
