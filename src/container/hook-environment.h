#pragma once

/*
 * What a hook is told in its environment: which call it is, and its settings.  The words are
 * documented in docs/hooks.md.
 */

#include "container/hook.h"

#define HOOK_ENVIRONMENT (METADATA_PAIRS + 14) /* the most words, and the NULL */

struct hook_environment {
	char *words[HOOK_ENVIRONMENT]; /* heap; NULL at the end */
	size_t count;
};

/* `ret` is zero.  In a container the host's PATH is not told: the image has its own. */
void hook_environment_fill(const struct hook_call *call, struct hook_environment *ret);
void hook_environment_done(struct hook_environment *environment);
