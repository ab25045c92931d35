#pragma once

/*
 * What the tests of the catalogue share: a directory that is gone when the
 * program ends, however it ends; a catalogue with one volume and its trunk;
 * rows with sensible contents; tests that run inside a write transaction; and
 * a record of what an each gave.
 */

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "catalog/catalog.h"
#include "tests/check.h"

#define maybe_unused __attribute__((unused))

static char fixture_directory[64];
static struct uuid fixture_volume, fixture_trunk, fixture_instance;

static const char *fixture_path(const char *name)
{
	static char paths[4][256];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", fixture_directory, name);
	return path;
}

static void fixture_remove_files(void)
{
	DIR *directory = opendir(fixture_directory);
	struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		unlinkat(dirfd(directory), entry->d_name, 0);
	if (directory)
		closedir(directory);
}

static void fixture_end(void)
{
	umount2(fixture_path("half"), MNT_DETACH);
	umount2(fixture_path("full"), MNT_DETACH);
	rmdir(fixture_path("full"));
	fixture_remove_files();
	rmdir(fixture_directory);
}

/*
 * The tests run in a child, so that whoever cleans up outlives them, also where all are told to
 * end.  In memory if that is possible: there are hundreds of commits, each of which would wait for
 * the disk, and none of them is about that.  A million snapshots may be too much for it.
 */
static void fixture_begin(void)
{
	const bool in_memory = !getenv("FLOCKER_TEST_LONG") && access("/dev/shm", W_OK) == 0;
	int status = 0;
	pid_t child;

	snprintf(fixture_directory, sizeof(fixture_directory), "%s/flocker-catalog.XXXXXX",
		 in_memory ? "/dev/shm" : "/tmp");
	if (!mkdtemp(fixture_directory))
		abort();
	child = fork();
	if (child != 0) {
		signal(SIGTERM, SIG_IGN);
		waitpid(child, &status, 0);
		fixture_end();
		exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fixture_volume = uuid_new();
	fixture_trunk = uuid_new();
	fixture_instance = uuid_new();
}

static maybe_unused struct volume_row volume_row(const struct uuid *uuid, const char *name)
{
	struct volume_row row = {
		.uuid = *uuid, .owner = fixture_instance, .epoch = 1, .created = 5
	};

	snprintf(row.name, sizeof(row.name), "%s", name);
	return row;
}

static maybe_unused struct branch_row branch_row(const struct uuid *uuid, const char *name)
{
	struct branch_row row = { .uuid = *uuid,
				  .volume = fixture_volume,
				  .instance = fixture_instance,
				  .created = 6,
				  .mounted = true };

	snprintf(row.name, sizeof(row.name), "%s", name);
	return row;
}

/* The snapshot that `branch` took at `time`. */
static maybe_unused struct snapshot_row snapshot_row(const struct uuid *branch, int64_t time)
{
	struct snapshot_row row = {
		.position = { *branch, time },
		.storage = { fixture_instance, time },
		.sequence = (uint64_t)time / 10,
		.host = "host",
		.reason = REASON_CHANGE,
	};

	/* Times repeat between branches here; ids must not. */
	memcpy(&row.id, branch->bytes, sizeof(row.id));
	row.id = snapname_id(&row.storage) ^ row.id;
	return row;
}

static int fixture_fill(struct tx *tx, void *arg, struct fl_error *err)
{
	struct volume_row volume = volume_row(&fixture_volume, "mydata");
	struct branch_row trunk = branch_row(&fixture_trunk, TRUNK);
	struct line line = { .branch = fixture_trunk, .start = 1 };

	if (tx_volume_insert(tx, &volume, err) < 0 || tx_branch_insert(tx, &trunk, err) < 0)
		return -(int)err->code;
	return tx_line_insert(tx, &line, err);
}

/* A new catalogue with volume "mydata", its trunk and the trunk's line. */
static maybe_unused struct catalog *fixture_open(const char *name)
{
	struct catalog *catalog;
	struct fl_error err = {};

	check_ok(catalog_open(fixture_path(name), true, &catalog, &err));
	check_ok(catalog_write(catalog, CATALOG_DURABLE, fixture_fill, NULL, &err));
	return catalog;
}

/* Snapshots of the trunk at times 10, 20, ... 10 * *arg. */
static maybe_unused int fixture_snapshots(struct tx *tx, void *arg, struct fl_error *err)
{
	for (int64_t i = 1; i <= *(const int64_t *)arg; i++) {
		struct snapshot_row row = snapshot_row(&fixture_trunk, 10 * i);

		if (tx_snapshot_insert(tx, &row, err) < 0)
			return -(int)err->code;
	}
	return 0;
}

/* Runs a test's body in a write transaction; a check that fails must not jump out of it. */
struct body {
	void (*run)(struct tx *tx);
};

static jmp_buf outer_end_of_test;

static int run_body(struct tx *tx, void *arg, struct fl_error *e)
{
	const struct body *body = arg;
	int failed;

	memcpy(outer_end_of_test, check_end_of_test, sizeof(jmp_buf));
	failed = setjmp(check_end_of_test);
	if (!failed)
		body->run(tx);
	memcpy(check_end_of_test, outer_end_of_test, sizeof(jmp_buf));
	return failed ? fl_fail(e, FL_SYSTEM, "see above") : 0;
}

static maybe_unused void in_write(const char *name, void (*run)(struct tx *tx))
{
	struct catalog *catalog = fixture_open(name);
	struct body body = { run };
	struct fl_error failed = {};
	int r;

	r = catalog_write(catalog, CATALOG_LAZY, run_body, &body, &failed);
	catalog_close(catalog);
	check(r == 0);
}

/* --- what an each gave -------------------------------------------------------- */

static char seen[512];
static maybe_unused int stop_after;

static maybe_unused int note_seen(const char *what)
{
	size_t n = strlen(seen);

	snprintf(seen + n, sizeof(seen) - n, "%s%s", n ? " " : "", what);
	return stop_after && --stop_after == 0 ? -FL_BUSY : 0;
}

static maybe_unused int see_number(int64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)number);
	return note_seen(text);
}

#define check_seen(wanted, call)            \
	do {                                \
		seen[0] = '\0';             \
		check_ok(call);             \
		check_string(wanted, seen); \
	} while (0)
