#pragma once

/*
 * Why an ssh that was to be a link ended: from its exit status and the end of what it said.
 *
 * 255 is ssh's own failure, in its own words.  Every other status is the remote command's: 127 from
 * a shell that has not found flocker-volume, else what flocker-volume said (src/volume/main.c).
 */

#include "base/error.h"
#include "base/own.h"

#define SSH_WORDS 1024 /* bytes that are kept of what it says, with a NUL */

struct ssh_end {
	const char *destination; /* [USER@]HOST */
	const char *port;	 /* "" = as ssh's settings say */
	int status;		 /* 128 + signal where it was killed */
	const char *words;
};

/* Always fails: FL_DENIED as flocker-volume says so, else FL_UNREACHABLE. */
must_check int ssh_explain(const struct ssh_end *end, struct fl_error *err);
