#pragma once

/*
 * Notes of the control groups that are about to be frozen: for the one case in which both who
 * froze them and the guard (freeze.h) are killed while they stand still.
 *
 * A note is a file in a directory that nobody but root can reach.  It holds the paths of the files
 * that freeze, each with a NUL.  It is written before the first of them is frozen, and goes after
 * the last is thawed, so whatever is noted when the daemon starts may stand still for ever.  It is
 * not synced: no control group outlives a power cut.
 */

#include "base/error.h"
#include "base/text.h"
#include "container/cgroup.h"

/* Adds the path of the file that freezes the group, and a NUL. */
void frozen_add(struct text *paths, const struct cgroup *cgroup);
/* `path` of the note.  A file that is there is replaced, in one step. */
must_check int frozen_note(const char *path, const struct text *paths, struct fl_error *err);
/* A note that stays, which is logged, has what runs already thawed once more. */
void frozen_forget(const char *path);
/*
 * Thaws all that is noted in `directory`, which may be missing, and forgets it.  What can't be
 * thawed is logged and stays noted.  Nothing may be freezing meanwhile.
 */
void frozen_thaw(const char *directory);
