#pragma once

/*
 * Times of one thing, measured again and again, and how a program of bench/
 * hands them on: one line of JSON on standard output for each series,
 *
 *	{"name": "snapshot", "of": "flocker", "ns": [812345, ...]}
 *
 * in the order in which they were taken.  Medians and ratios are the business
 * of `run`.  Single-threaded.
 */

#include <stddef.h>
#include <stdint.h>

#define SAMPLES 4096

struct sample {
	size_t count;
	int64_t ns[SAMPLES];
};

/* Ends the program when there is no room. */
void sample_add(struct sample *sample, int64_t ns);
/* `of`: whose time it is ("flocker", "ioctl"). */
void sample_print(const struct sample *sample, const char *name, const char *of);
