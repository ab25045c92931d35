#pragma once

/*
 * Heads and snapshots made visible by two mounts (driver.h, expose): for the
 * drivers whose pools are directories, heads/ and snaps/ in one file system.
 */

#include "driver/driver.h"

struct window_source {
	int root; /* the directory that holds heads/ and snaps/ */
	/*
	 * Another descriptor of it, of a mount made for this one call: kernels
	 * before 6.15 take parts of mounts only once they are attached
	 * somewhere, and use them up.
	 */
	int (*open)(void *arg, int *ret_fd, struct fl_error *err);
	void *arg;
};

must_check int windows_open(const struct window_source *source, const char *root,
			    struct fl_error *err);
must_check int windows_close(const struct window_source *source, const char *root,
			     struct fl_error *err);
