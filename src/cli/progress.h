#pragma once

/*
 * One line on standard error that says how far a long transfer is; only on a
 * terminal, only when it takes more than a second, never with --json.
 */

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool wanted, shown;
	uint64_t total; /* bytes; 0: unknown */
	int64_t began, updated;
};

void progress_begin(struct progress *progress, bool wanted, uint64_t total);
void progress_update(struct progress *progress, uint64_t bytes);
/* Wipes the line away, before anything else is printed. */
void progress_end(struct progress *progress);
