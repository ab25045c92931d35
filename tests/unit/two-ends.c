#include "tests/unit/two-ends.h"

#include <pthread.h>
#include <string.h>

#include "base/text.h"
#include "base/thread.h"
#include "tests/check.h"

#define PARTS 8

struct work {
	struct transport *end;
	ends_between *between;
	char *bytes;
	size_t done;
	int r;
	struct fl_error err;
};

static void *write_all(void *arg)
{
	struct work *work = arg;
	const size_t part = ENDS_LARGE / PARTS;

	for (int i = 0; i < PARTS && work->r == 0; i++) {
		size_t length = i < PARTS - 1 ? part : ENDS_LARGE - (PARTS - 1) * part;

		work->r = transport_write(work->end, work->bytes + (size_t)i * part, length,
					  &work->err);
		if (work->r == 0 && work->between)
			work->r = work->between(work->end, i, &work->err);
	}
	if (work->r == 0)
		work->r = transport_finish(work->end, &work->err);
	return NULL;
}

static void *read_all(void *arg)
{
	struct work *work = arg;

	work->r = transport_fill(work->end, work->bytes, ENDS_LARGE + 1, &work->done, &work->err);
	return NULL;
}

static char *some_bytes(unsigned seed)
{
	char *bytes = xcalloc(1, ENDS_LARGE);

	for (size_t i = 0; i < ENDS_LARGE; i++)
		bytes[i] = (char)((i * 2654435761U + seed) >> 13);
	return bytes;
}

static void check_same(const struct work *read, const struct work *written)
{
	check(read->done == ENDS_LARGE && memcmp(read->bytes, written->bytes, ENDS_LARGE) == 0);
}

void ends_talk_both_ways(struct transport *ends[static 2], ends_between *between)
{
	struct work works[4] = { 0 };
	pthread_t threads[4];
	struct fl_error err;

	for (unsigned i = 0; i < 4; i++) {
		works[i].end = ends[i / 2];
		works[i].between = between;
		works[i].bytes = i % 2 ? xcalloc(1, ENDS_LARGE + 1) : some_bytes(i);
		check_ok(thread_start(&threads[i], 0, i % 2 ? read_all : write_all, &works[i],
				      &err));
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		err = works[i].err;
		check_ok(works[i].r);
	}
	check_same(&works[1], &works[2]);
	check_same(&works[3], &works[0]);
	for (int i = 0; i < 4; i++)
		free(works[i].bytes);
}

void ends_wake_when_shut(struct transport *ends[static 2])
{
	struct work works[2] = { { .end = ends[0], .bytes = some_bytes(0) },
				 { .end = ends[0], .bytes = xcalloc(1, ENDS_LARGE + 1) } };
	pthread_t threads[2];
	struct fl_error err;
	char byte;
	size_t n;

	check_ok(thread_start(&threads[0], 0, write_all, &works[0], &err));
	check_ok(thread_start(&threads[1], 0, read_all, &works[1], &err));
	/* The writer is under way, and nobody takes the rest. */
	check_ok(transport_read(ends[1], &byte, 1, &n, &err));
	transport_shut(ends[0]);
	transport_shut(ends[0]);
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		check(works[i].r < 0 && fl_is_cancelled(&works[i].err));
		free(works[i].bytes);
	}
	check(transport_read(ends[0], &byte, 1, &n, &err) < 0 && fl_is_cancelled(&err));
	check(transport_write(ends[0], &byte, 1, &err) < 0 && fl_is_cancelled(&err));
}

void ends_finish_one_way(struct transport *ends[static 2])
{
	struct fl_error err;
	char bytes[8];
	size_t n;

	check_ok(transport_write(ends[0], "last", 4, &err));
	check_ok(transport_finish(ends[0], &err));
	check_ok(transport_finish(ends[0], &err));
	check_ok(transport_fill(ends[1], bytes, sizeof(bytes), &n, &err));
	check(n == 4 && memcmp(bytes, "last", 4) == 0);
	check_ok(transport_read(ends[1], bytes, sizeof(bytes), &n, &err));
	check(n == 0);
	check_ok(transport_write(ends[1], "answer", 6, &err));
	check_ok(transport_fill(ends[0], bytes, 6, &n, &err));
	check(n == 6 && memcmp(bytes, "answer", 6) == 0);
}
