#pragma once

/*
 * Tells the service manager how far the daemon is: a datagram to the socket
 * that NOTIFY_SOCKET names (sd_notify(3)).  Does nothing when it names none.
 */

/* `state` is "READY=1" or "STOPPING=1". */
void notify(const char *state);
