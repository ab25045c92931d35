#pragma once

/*
 * Is a system started again that has ended by itself, and when?
 *
 * Pure; no clock.
 */

#include <stdbool.h>
#include <stdint.h>

#include "model/system.h"

/*
 * What init ends with, in a PID namespace of its own, when the system was shut down from
 * within: reboot(2) ends it as by these signals, which reach it by no other way.
 */
#define REVIVE_REBOOTED (128 + 1)    /* SIGHUP: it wants to be started again */
#define REVIVE_POWERED_OFF (128 + 2) /* SIGINT: it has ended well */

enum revival {
	REVIVE_NOT,    /* it has ended well, and rests */
	REVIVE_FAILED, /* it should not have ended, and stays as it is */
	REVIVE_AGAIN,
};

/* `status`: exit status, 128 + signal, or -1: not known, which is no good end. */
enum revival revive_after(enum system_restart policy, int status);

/* How long to wait before the next start, ns; `restarts`: how many there were in a row. */
int64_t revive_delay(uint64_t restarts);

/* Was it up for so long that the next end is the first of a new row? */
bool revive_is_stable(int64_t up);
