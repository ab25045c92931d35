/*
 * Writes 4 KiB at random places of a file, past the page cache, for so long:
 *
 *	direct-writer FILE MIB SECONDS
 *
 * FILE is made and filled first unless it has that size.  Prints how many writes
 * there were and how long they took, in nanoseconds: {"writes": 1234, "ns": 5678}.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/own.h"

#define BLOCK 4096
#define FILL (1 << 20)

static void must(bool fine, const char *what)
{
	if (fine)
		return;
	perror(what);
	exit(1);
}

/* Xorshift: places are to be spread, not to be secret. */
static uint64_t next_number(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void fill(int fd, char *buffer, uint64_t size)
{
	struct stat st;

	must(fstat(fd, &st) == 0, "fstat");
	if ((uint64_t)st.st_size == size)
		return;
	for (uint64_t at = 0; at < size; at += FILL)
		must(pwrite(fd, buffer, FILL, (off_t)at) == FILL, "filling the file");
	must(fsync(fd) == 0, "fsync");
}

int main(int argc, char **argv)
{
	uint64_t state = 88172645463325252, size, writes = 0;
	int64_t began, end, limit;
	own_fd int fd = -1;
	char *buffer;

	if (argc != 4)
		return 2;
	size = strtoull(argv[2], NULL, 10) << 20;
	limit = atoi(argv[3]) * CLOCK_SECOND;
	must(size > 0 && limit > 0, "numbers");
	buffer = aligned_alloc(BLOCK, FILL);
	must(buffer, "memory");
	fd = open(argv[1], O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
	must(fd >= 0, argv[1]);
	for (size_t i = 0; i < FILL; i += sizeof(uint64_t))
		memcpy(buffer + i, &(uint64_t){ next_number(&state) }, sizeof(uint64_t));
	fill(fd, buffer, size);
	began = clock_monotonic();
	/* Each run writes elsewhere. */
	state ^= (uint64_t)began;
	do {
		off_t at = (off_t)(next_number(&state) % (size / BLOCK) * BLOCK);

		must(pwrite(fd, buffer + writes % (FILL / BLOCK) * BLOCK, BLOCK, at) == BLOCK,
		     "writing");
		writes++;
		end = clock_monotonic();
	} while (end - began < limit);
	printf("{\"writes\": %" PRIu64 ", \"ns\": %" PRId64 "}\n", writes, end - began);
	free(buffer);
	return 0;
}
