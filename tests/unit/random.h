#pragma once

/*
 * Random cases that can be had again: a fixed seed, printed, or the one in
 * FLOCKER_SEED.  SplitMix64: one word of state, good enough to choose cases.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t random_state;

static inline void random_begin(uint64_t seed)
{
	const char *wanted = getenv("FLOCKER_SEED");

	random_state = wanted ? strtoull(wanted, NULL, 0) : seed;
	printf("# FLOCKER_SEED=%" PRIu64 "\n", random_state);
}

static inline uint64_t random_next(void)
{
	uint64_t z = (random_state += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* From 0 to `bound` - 1. */
static inline size_t random_below(size_t bound)
{
	return (size_t)(random_next() % bound);
}

static inline char random_of(const char *characters, size_t count)
{
	return characters[random_below(count)];
}

/* A valid name of 1 to 63 characters, mostly short. */
static inline char *random_name(char name[64])
{
	static const char all[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t length = 1 + random_below(random_below(8) ? 9 : 63);

	name[0] = random_of(all, sizeof(all) - 4);
	for (size_t i = 1; i < length; i++)
		name[i] = random_of(all, sizeof(all) - 1);
	name[length] = '\0';
	return name;
}

/* Changes, adds or removes one byte of `text`, which has room for one more. */
static inline void random_mutate(char *text, size_t length)
{
	static const char likely[] = "@{}:/-. 0a\xc3\n";
	char byte = random_below(4) ? random_of(likely, sizeof(likely) - 1)
				    : (char)(1 + random_below(255));
	size_t at = random_below(length + 1);

	switch (at < length ? random_below(3) : 1) {
	case 0:
		text[at] = byte;
		break;
	case 1:
		for (size_t i = length + 1; i > at; i--)
			text[i] = text[i - 1];
		text[at] = byte;
		break;
	default:
		for (size_t i = at; i < length; i++)
			text[i] = text[i + 1];
		break;
	}
}
