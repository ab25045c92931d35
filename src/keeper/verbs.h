#pragma once

/* The verbs of flocker-keeper, one file each. */

#include "base/error.h"
#include "base/own.h"

/*
 * Takes the arguments behind the verb, as many as the table says.  Returns when the
 * work is done; a verb that goes on in the background does so in a child.
 */
typedef int keeper_verb(char *const arguments[], struct fl_error *err);

must_check keeper_verb keep_socket;
must_check keeper_verb keep_system; /* never returns */
must_check keeper_verb keep_thawed;
