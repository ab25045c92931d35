#pragma once

/* Appends a delta's header and commands to a text.  Pure. */

#include "base/text.h"
#include "delta/command.h"

void delta_put_header(struct text *out);
/* Of `command` the fields that its verb has.  They are within the format's limits: see command.h.
 */
void delta_put(const struct delta_command *command, struct text *out);
