#pragma once

/*
 * cp of a directory.  The daemon sends it as an archive, of one instant; flocker-archive, shut in,
 * unpacks that into a directory of a passing name, which gets its own when it is whole.  Nothing
 * outside of that directory is written, whatever the archive says.
 */

#include "cli/command.h"
#include "model/ref.h"

/*
 * `ref` with its path ("" or NULL: the root) to `dest`: into it where that is a directory, else it
 * becomes `dest`.  FL_EXISTS: what is there is never replaced and nothing is merged.
 */
must_check int copy_tree(struct invocation *in, const struct ref *ref, const char *dest,
			 struct fl_error *err);
