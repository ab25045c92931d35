#pragma once

/*
 * What a runtime's log says of a command that it could not run, as a shell would say it: the log
 * is what `runc --log-format json` writes, an object on each line, and holds an error only if
 * the runtime has failed itself.  Pure.
 */

#include <stdbool.h>

#include "base/text.h"

/*
 * False: the runtime has not failed.  Else `*ret_status` is 127 (there is no such program) or
 * 126, and `words` gets a line, without its end, that names the program and `place` ("the system
 * web/trunk").
 */
bool exec_failure_parse(const char *log, const char *program, const char *place, int *ret_status,
			struct text *words);
