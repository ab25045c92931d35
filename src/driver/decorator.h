#pragma once

/*
 * What the decorators have in common: a pool whose entries forward to a pool
 * inside, with a hook before and a hook after each call.  The forwarding is
 * written once, in decorator.c; a decorator is two hooks and their state.
 *
 * Hooks run in the caller's thread, several at a time.
 */

#include "driver/driver.h"

/* One call under way.  At most one of tree, uuid and file says what it is about. */
struct call {
	const char *entry; /* "head_swap" */
	bool changes;	   /* it changes the pool, or what is visible of it */
	const struct tree *tree;
	const struct uuid *uuid; /* a branch; an operation */
	const char *file;
	uint64_t mark; /* the hooks' own, from enter to leave */
};

struct hooks {
	/* Negative: that is the outcome, and neither the inner pool nor leave is called. */
	int (*enter)(void *state, struct call *call, struct fl_error *err);
	/*
	 * Gets the inner pool's outcome and returns the caller's.  To turn
	 * success into failure it fills `err`; what the call gave out is
	 * released again.
	 */
	int (*leave)(void *state, struct call *call, int outcome, struct fl_error *err);
	/* Releases `state`; NULL where it is the caller's. */
	void (*release)(void *state);
};

/* Takes `inner`; closing the new pool closes it. */
struct pool *decorate(struct pool *inner, const struct hooks *hooks, void *state);
