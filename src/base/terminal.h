#pragma once

/*
 * Terminals: one that is made for a program (a pair of descriptors), and the user's, whose
 * keys are to reach a program somewhere else one by one.
 */

#include <stdbool.h>
#include <termios.h>

#include "base/error.h"
#include "base/own.h"

struct terminal_size {
	unsigned rows, columns; /* 0: not known */
};

/* What a program writes to `slave` is read from `master`, and the other way round.  It is the
 * controlling terminal of nobody. */
must_check int terminal_open(int *ret_master, int *ret_slave, struct fl_error *err);

/* Either end; zeros when it is no terminal. */
struct terminal_size terminal_size(int fd);
must_check int terminal_resize(int fd, const struct terminal_size *size, struct fl_error *err);

/*
 * From now on each key is a byte to be read, and nothing that is typed is shown or means
 * anything.  `ret_before` is what terminal_restore() takes.
 */
must_check int terminal_make_raw(int fd, struct termios *ret_before, struct fl_error *err);
/* From signal handlers too. */
void terminal_restore(int fd, const struct termios *before);
