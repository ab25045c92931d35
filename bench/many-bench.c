/*
 * Snapshots of 64 branches at once, in three ways that take turns:
 *
 *	clients	64 threads, each with its own connection, one branch each
 *	call	one connection, one request that names all 64
 *	ioctl	64 threads with the bare ioctl, one directory each
 *
 *	many-bench SOCKET RAW VOLUME REPETITIONS ROUNDS
 *
 * VOLUME has branches m0 to m63; RAW is a directory of a Btrfs of the same kind
 * as the pool.  A repetition is ROUNDS snapshots of each branch; its time is
 * printed as one sample.
 */

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "call.h"
#include "raw.h"
#include "sample.h"

#define BRANCHES 64

struct worker {
	pthread_t thread;
	unsigned number;
	struct fl_client *client;
	int source, directory;
};

static struct worker workers[BRANCHES];
static pthread_barrier_t barrier;
static const char *volume;
static unsigned rounds, repetition, run_name;

static void *work_clients(void *arg)
{
	struct worker *worker = arg;

	pthread_barrier_wait(&barrier);
	for (unsigned i = 0; i < rounds; i++)
		call_timed(worker->client, "POST", "/v1/snapshots", "{\"refs\":[\"%s/m%u\"]}",
			   volume, worker->number);
	return NULL;
}

static void *work_ioctl(void *arg)
{
	struct worker *worker = arg;

	pthread_barrier_wait(&barrier);
	for (unsigned i = 0; i < rounds; i++)
		raw_snapshot(worker->source, worker->directory,
			     raw_name("s", run_name + repetition * rounds + i), true);
	return NULL;
}

/* From the moment when all threads stand ready. */
static int64_t run_threads(void *(*work)(void *))
{
	int64_t began;

	for (unsigned i = 0; i < BRANCHES; i++)
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
			abort();
	pthread_barrier_wait(&barrier);
	began = clock_monotonic();
	for (unsigned i = 0; i < BRANCHES; i++)
		pthread_join(workers[i].thread, NULL);
	return clock_monotonic() - began;
}

static int64_t run_call(void)
{
	own_text struct text refs = { 0 };
	int64_t began;

	for (unsigned i = 0; i < BRANCHES; i++)
		text_add_format(&refs, "%s\"%s/m%u\"", i ? "," : "", volume, i);
	began = clock_monotonic();
	for (unsigned i = 0; i < rounds; i++)
		call_timed(workers[0].client, "POST", "/v1/snapshots", "{\"refs\":[%s]}",
			   text_get(&refs));
	return clock_monotonic() - began;
}

static void prepare(const char *socket, const char *raw)
{
	int top = raw_open(raw);

	raw_make_directory(top, "many");
	for (unsigned i = 0; i < BRANCHES; i++) {
		char name[32];

		snprintf(name, sizeof(name), "many/source%u", i);
		raw_make_subvolume(top, raw_name("source", i));
		raw_make_directory(top, name);
		workers[i] = (struct worker){ .number = i, .client = call_open(socket) };
		workers[i].source = openat(top, raw_name("source", i), O_RDONLY | O_CLOEXEC);
		workers[i].directory = openat(top, name, O_RDONLY | O_CLOEXEC);
		call_timed(workers[i].client, "GET", "/v1/version", "%s", "");
	}
	run_name = (unsigned)(clock_now() / 1000000 % 1000000000);
	pthread_barrier_init(&barrier, NULL, BRANCHES + 1);
}

int main(int argc, char **argv)
{
	static struct sample clients, call, bare;

	if (argc != 6) {
		fprintf(stderr, "usage: many-bench SOCKET RAW VOLUME REPETITIONS ROUNDS\n");
		return 2;
	}
	volume = argv[3];
	rounds = (unsigned)atoi(argv[5]);
	prepare(argv[1], argv[2]);
	for (unsigned end = (unsigned)atoi(argv[4]); repetition < end; repetition++) {
		sample_add(&bare, run_threads(work_ioctl));
		sample_add(&clients, run_threads(work_clients));
		sample_add(&call, run_call());
	}
	sample_print(&bare, "many", "ioctl");
	sample_print(&clients, "many", "clients");
	sample_print(&call, "many", "call");
	return 0;
}
