#pragma once

/*
 * What a system says, into two files of bounded size, and its last words.
 *
 * A file that can't be written (the disk is full) costs what was said meanwhile, and
 * nothing else: a system does not stand still for its console.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

struct console {
	int dir; /* STATE; borrowed */
	int fd;	 /* of the log; -1: it can't be written now */
	uint64_t size;
	struct text words;
};

/* Goes on in the log that is there. */
void console_open(struct console *console, int dir);
void console_done(struct console *console);

/* Takes what there is in `pipe`, which does not block; false: nothing. */
bool console_take(struct console *console, int pipe);
/* The last KEEPER_WORDS bytes of all that was taken. */
void console_words(const struct console *console, struct text *ret);
