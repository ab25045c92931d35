#pragma once

/* Showing an error: on standard error for people, on standard output under --json. */

#include "cli/command.h"

void report_error(const struct invocation *in, const struct fl_error *err);
