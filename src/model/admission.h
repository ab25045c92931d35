#pragma once

/*
 * What a link that came by ssh may be used for: the line that flocker-volume says to the daemon
 * (flockerd/peering.h) before the link's own bytes.
 *
 *	serve\n					whatever a peer may ask
 *	limit volume=VOLUME[ from=INSTANCE]\n	a push of that one volume, and nothing else
 *
 * VOLUME and INSTANCE are names or UUIDs; what reads as a UUID is one.  The daemon answers nothing.
 * It is flocker-volume that limits the peer, as the command of its key: who may open the
 * socket himself may say what he likes, and may talk to the daemon anyway.
 */

#include <stdbool.h>

#include "base/uuid.h"
#include "model/name.h"

/* Zero: whatever a peer may ask. */
struct admission {
	char volume[NAME_TEXT]; /* "" = not limited */
	char from[NAME_TEXT];	/* "" = any instance; only with a volume */
};

#define ADMISSION_TEXT (2 * NAME_TEXT + 24) /* bytes of the line, with its '\n' and a NUL */

bool admission_is_limited(const struct admission *admission);
/* Returns `text`. */
char *admission_format(const struct admission *admission, char text[static ADMISSION_TEXT]);
/* The line without its '\n'.  FL_INVALID. */
must_check int admission_parse(const char *line, struct admission *ret, struct fl_error *err);

/* Is the thing of this name and UUID what `wanted` says? */
bool admission_means(const char *wanted, const char *name, const struct uuid *uuid);
