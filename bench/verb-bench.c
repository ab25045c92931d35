/*
 * One verb of a running daemon and, turn by turn, what the file system alone
 * takes for it.
 *
 *	verb-bench SOCKET RAW VERB VOLUME COUNT
 *
 * RAW is a directory of a Btrfs that was made as the pool was; in it lie a
 * subvolume VOLUME, a snapshot VOLUME.base of it, and what this program makes.
 * VERB is a row of the table below.  The trunk of VOLUME must have a snapshot
 * called `base`.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/own.h"
#include "base/text.h"
#include "call.h"
#include "raw.h"
#include "sample.h"

struct bench {
	struct fl_client *client;
	const char *volume;
	int count;
	int raw;      /* directory for what the ioctl makes */
	int source;   /* subvolume in it, the volume's counterpart */
	char *head;   /* path of the trunk */
	unsigned run; /* so that a second run finds other names free */
	struct sample ours, bare;
};

static int64_t since(int64_t began)
{
	return clock_monotonic() - began;
}

static void take_bare_snapshot(struct bench *bench, unsigned i)
{
	int64_t began = clock_monotonic();

	raw_snapshot(bench->source, bench->raw, raw_name("snapshot", bench->run + i), true);
	sample_add(&bench->bare, since(began));
}

static void take_snapshot(struct bench *bench)
{
	sample_add(&bench->ours, call_timed(bench->client, "POST", "/v1/snapshots",
					    "{\"refs\":[\"%s\"]}", bench->volume));
}

/* Each of the two goes first every other time. */
static void run_snapshot(struct bench *bench, bool dirty)
{
	own_fd int head = raw_open(bench->head);

	for (int i = 0; i < bench->count; i++)
		for (int side = 0; side < 2; side++) {
			bool ours = side == i % 2;

			if (dirty)
				raw_dirty(ours ? head : bench->source);
			if (ours)
				take_snapshot(bench);
			else
				take_bare_snapshot(bench, (unsigned)i);
		}
}

static void snapshot_idle(struct bench *bench)
{
	run_snapshot(bench, false);
}

static void snapshot_dirty(struct bench *bench)
{
	run_snapshot(bench, true);
}

/* Until a file in the new branch is written. */
static void make_branch(struct bench *bench, const char *from, unsigned i)
{
	int64_t began = clock_monotonic();
	char body[256];
	char *path;
	own_fd int fd = -1;

	snprintf(body, sizeof(body), "{\"ref\":\"%s/b%u\",\"from\":\"%s\"}", bench->volume,
		 bench->run + i, from);
	call_for(bench->client, "POST", "/v1/branches", body, "path", &path);
	fd = raw_open(path);
	raw_use(fd);
	sample_add(&bench->ours, since(began));
	free(path);
}

static void make_bare_branch(struct bench *bench, int source, unsigned i)
{
	const char *name = raw_name("branch", bench->run + i);
	int64_t began = clock_monotonic();
	own_fd int fd = -1;

	raw_snapshot(source, bench->raw, name, false);
	fd = openat(bench->raw, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	raw_use(fd);
	sample_add(&bench->bare, since(began));
}

static void run_branch(struct bench *bench, const char *from, int source)
{
	for (int i = 0; i < bench->count; i++)
		for (int side = 0; side < 2; side++)
			if (side == i % 2)
				make_branch(bench, from, (unsigned)i);
			else
				make_bare_branch(bench, source, (unsigned)i);
}

static void branch_live(struct bench *bench)
{
	run_branch(bench, bench->volume, bench->source);
}

static void branch_snapshot(struct bench *bench)
{
	own_fd int base = -1;
	char from[128], name[128];

	snprintf(from, sizeof(from), "%s@{base}", bench->volume);
	snprintf(name, sizeof(name), "%s.base", bench->volume);
	base = openat(bench->raw, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	run_branch(bench, from, base);
}

/* What a rollback can't do without: a snapshot of the present and a clone of the past. */
static void make_bare_rollback(struct bench *bench, unsigned i)
{
	int64_t began = clock_monotonic();

	raw_snapshot(bench->source, bench->raw, raw_name("rollback-from", bench->run + i), true);
	raw_snapshot(bench->source, bench->raw, raw_name("rollback-to", bench->run + i), false);
	sample_add(&bench->bare, since(began));
}

static void rollback(struct bench *bench)
{
	for (int i = 0; i < bench->count; i++) {
		own_fd int head = raw_open(bench->head);

		raw_dirty(head);
		raw_dirty(bench->source);
		sample_add(&bench->ours, call_timed(bench->client, "POST", "/v1/rollbacks",
						    "{\"ref\":\"%s/trunk\",\"to\":\"%s@{latest}\"}",
						    bench->volume, bench->volume));
		make_bare_rollback(bench, (unsigned)i);
	}
}

static void run_page(struct bench *bench, int limit)
{
	char target[256];

	snprintf(target, sizeof(target), "/v1/snapshots?ref=%s&limit=%d", bench->volume, limit);
	for (int i = 0; i < bench->count; i++)
		sample_add(&bench->ours, call_timed(bench->client, "GET", target, "%s", ""));
}

static void page(struct bench *bench)
{
	run_page(bench, 1000);
}

static void page_short(struct bench *bench)
{
	run_page(bench, 20);
}

/* Between the snapshots `base` and `changed`. */
static void diff(struct bench *bench)
{
	char target[256], name[128];
	own_fd int base = -1;
	own_fd int changed = -1;

	snprintf(target, sizeof(target), "/v1/diff?ref=%1$s@%%7Bbase%%7D&to=%1$s@%%7Bchanged%%7D",
		 bench->volume);
	snprintf(name, sizeof(name), "%s.base", bench->volume);
	base = openat(bench->raw, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(name, sizeof(name), "%s.changed", bench->volume);
	changed = openat(bench->raw, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < bench->count; i++)
		for (int side = 0; side < 2; side++) {
			int64_t began = clock_monotonic();

			if (side == i % 2) {
				sample_add(&bench->ours,
					   call_timed(bench->client, "GET", target, "%s", ""));
				continue;
			}
			raw_compare(base, changed);
			sample_add(&bench->bare, since(began));
		}
}

/* Not measured: the snapshots that a measurement is to find, here and there. */
static void fill(struct bench *bench)
{
	for (int i = 0; i < bench->count; i++) {
		call_timed(bench->client, "POST", "/v1/snapshots", "{\"refs\":[\"%s\"]}",
			   bench->volume);
		raw_snapshot(bench->source, bench->raw, raw_name("fill", bench->run + (unsigned)i),
			     true);
	}
}

static void fill_branches(struct bench *bench)
{
	for (int i = 0; i < bench->count; i++) {
		call_timed(bench->client, "POST", "/v1/branches",
			   "{\"ref\":\"%s/f%u\",\"from\":\"%s@{base}\"}", bench->volume,
			   bench->run + (unsigned)i, bench->volume);
		raw_snapshot(bench->source, bench->raw,
			     raw_name("fill-branch", bench->run + (unsigned)i), false);
	}
}

static const struct {
	const char *name;
	void (*run)(struct bench *bench);
} verbs[] = {
	{ "snapshot-idle", snapshot_idle }, { "snapshot-dirty", snapshot_dirty },
	{ "branch-live", branch_live },	    { "branch-snapshot", branch_snapshot },
	{ "rollback", rollback },	    { "page", page },
	{ "page-short", page_short },	    { "fill", fill },
	{ "fill-branches", fill_branches }, { "diff", diff },
};

static void prepare(struct bench *bench, char **argv)
{
	char target[256];

	bench->client = call_open(argv[1]);
	bench->raw = raw_open(argv[2]);
	bench->volume = argv[4];
	bench->count = atoi(argv[5]);
	bench->run = (unsigned)(clock_now() / 1000000 % 1000000000);
	bench->source = openat(bench->raw, bench->volume, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(target, sizeof(target), "/v1/branch?ref=%s", bench->volume);
	call_for(bench->client, "GET", target, "", "path", &bench->head);
	/* The first request of a connection pays for its thread. */
	call_timed(bench->client, "GET", "/v1/version", "%s", "");
}

int main(int argc, char **argv)
{
	static struct bench bench;

	for (size_t i = 0; argc == 6 && i < array_size(verbs); i++) {
		if (strcmp(verbs[i].name, argv[3]) != 0)
			continue;
		prepare(&bench, argv);
		verbs[i].run(&bench);
		if (bench.ours.count)
			sample_print(&bench.ours, argv[3], "flocker");
		if (bench.bare.count)
			sample_print(&bench.bare, argv[3], "ioctl");
		return 0;
	}
	fprintf(stderr, "usage: verb-bench SOCKET RAW VERB VOLUME COUNT\n");
	return 2;
}
