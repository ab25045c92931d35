#include "driver/zfs/run.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mount.h"
#include "base/spawn.h"
#include "base/stream.h"

#define PATIENCE (5 * CLOCK_MINUTE) /* a pool under load takes its time for one commit */
#define CHECK_PATIENCE (10 * CLOCK_SECOND)
#define ARGUMENTS 96
#define PATH 256

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char paths[2][PATH];
static char test_directory[PATH - 16];
static int64_t test_patience;
static _Atomic uint64_t runs;

static const char *const names[] = { [PROGRAM_ZFS] = "zfs", [PROGRAM_ZPOOL] = "zpool" };

void zfs_use(const char *directory, int64_t patience)
{
	own_lock(guard, &mutex);

	snprintf(test_directory, sizeof(test_directory), "%s", directory ? directory : "");
	test_patience = patience;
	memset(paths, 0, sizeof(paths));
}

uint64_t zfs_runs(void)
{
	return runs;
}

static bool find_in(const char *directory, enum zfs_program program)
{
	snprintf(paths[program], PATH, "%s/%s", directory, names[program]);
	return access(paths[program], X_OK) == 0;
}

static bool find_anywhere(enum zfs_program program)
{
	static const char *const places[] = { "/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin" };

	if (test_directory[0])
		return find_in(test_directory, program);
	for (size_t i = 0; i < array_size(places); i++)
		if (find_in(places[i], program))
			return true;
	return false;
}

/* Copied out under the lock. */
static int find_program(enum zfs_program program, char path[static PATH], int64_t *ret_patience,
			struct fl_error *err)
{
	own_lock(guard, &mutex);

	if (!paths[program][0] && !find_anywhere(program)) {
		paths[program][0] = '\0';
		fl_fail(err, FL_UNSUPPORTED,
			"the program '%s' is missing (package zfsutils-linux or zfs-fuse)",
			names[program]);
		return fl_hint(err, "install the package zfsutils-linux (with the kernel module of "
				    "zfs-dkms), or zfs-fuse");
	}
	memcpy(path, paths[program], PATH);
	*ret_patience = test_patience ? test_patience : PATIENCE;
	return 0;
}

int zfs_probe(struct zfs_features *ret, struct fl_error *err)
{
	struct fl_error no_kernel;
	char path[PATH];
	int64_t patience;

	if (find_program(PROGRAM_ZFS, path, &patience, err) < 0 ||
	    find_program(PROGRAM_ZPOOL, path, &patience, err) < 0)
		return fl_failed(err);
	ret->kernel = mount_check_type("zfs", &no_kernel) == 0;
	return 0;
}

/* The first that is found counts. */
enum fl_code zfs_classify(const char *text)
{
	static const struct {
		const char *part;
		enum fl_code code;
	} meanings[] = {
		{ "does not exist", FL_NOT_FOUND },
		{ "no such pool", FL_NOT_FOUND },
		{ "could not find any snapshots", FL_NOT_FOUND },
		{ "already exists", FL_EXISTS },
		{ "out of space", FL_NO_SPACE },
		{ "No space left", FL_NO_SPACE },
		{ "quota exceeded", FL_NO_SPACE },
		{ "invalid backup stream", FL_CORRUPT },
		{ "invalid stream", FL_CORRUPT },
		{ "incomplete stream", FL_CORRUPT },
		{ "failed to read from stream", FL_CORRUPT },
		{ "match incremental source", FL_INVALID },
		{ "less than the minimum", FL_INVALID },
		{ "is too small", FL_INVALID },
		{ "busy", FL_BUSY },
		{ "has dependent clones", FL_BUSY },
		{ "has children", FL_BUSY },
		{ "is currently imported", FL_BUSY },
		{ "ermission denied", FL_DENIED },
		{ "insufficient privileges", FL_DENIED },
		{ "failed to initialize ZFS library", FL_UNREACHABLE },
		{ "Unable to open /dev/zfs", FL_UNREACHABLE },
		{ "ZFS modules are not loaded", FL_UNREACHABLE },
		{ "Connection refused", FL_UNREACHABLE },
		{ "connect", FL_UNREACHABLE },
	};

	for (size_t i = 0; i < array_size(meanings); i++)
		if (strstr(text, meanings[i].part))
			return meanings[i].code;
	return FL_SYSTEM;
}

/* Of what it said the first line, which is the reason; the others are advice about options. */
static int fail_as_told(const char *path, const char *verb, int status, const char *text,
			struct fl_error *err)
{
	enum fl_code code = zfs_classify(text);
	int length = (int)strcspn(text, "\n");

	if (length == 0)
		return fl_fail(err, FL_SYSTEM, "'%s %s' ended with status %d and said nothing",
			       path, verb, status);
	if (code != FL_UNREACHABLE)
		return fl_fail(err, code, "%.*s", length, text);
	fl_fail(err, code, "no ZFS runs here: %.*s", length, text);
	return fl_hint(err, "start ZFS: load the kernel module 'zfs' (package zfs-dkms), or start "
			    "the service zfs-fuse");
}

/* What zfs_run() does, at most for so long; `most` 0: as long as usual. */
static int run(enum zfs_program program, const char *const arguments[], int64_t most, size_t limit,
	       struct text *ret, struct fl_error *err)
{
	own(spawn_result_done) struct spawn_result result = { 0 };
	const char *argv[ARGUMENTS] = { 0 }, *verb = arguments[0] ? arguments[0] : "";
	char path[PATH];
	int64_t patience;
	size_t count = 1;
	int rc;

	if (find_program(program, path, &patience, err) < 0)
		return fl_failed(err);
	if (most && most < patience)
		patience = most;
	argv[0] = path;
	for (; arguments[count - 1]; count++) {
		if (count == ARGUMENTS - 1)
			return fl_fail(err, FL_INVALID, "too many arguments for '%s'", path);
		argv[count] = arguments[count - 1];
	}
	runs++;
	rc = ret ? spawn_run_limited(argv, patience, limit, &result, err)
		 : spawn_run(argv, patience, &result, err);
	if (rc < 0)
		return fl_wrap(err, "%s %s", names[program], verb);
	if (result.status != 0 && !(ret && result.out.length >= limit))
		return fail_as_told(path, verb, result.status, text_get(&result.err), err);
	if (ret) {
		text_done(ret);
		*ret = result.out;
		result.out = (struct text){ 0 };
	}
	return 0;
}

int zfs_run(enum zfs_program program, const char *const arguments[], size_t limit, struct text *ret,
	    struct fl_error *err)
{
	return run(program, arguments, 0, limit, ret, err);
}

int zfs_check(struct fl_error *err)
{
	static const char *const list[] = { "list", "-H", "-o", "name", NULL };
	struct zfs_features features;
	struct fl_error why;

	if (zfs_probe(&features, err) < 0)
		return fl_failed(err);
	if (run(PROGRAM_ZPOOL, list, CHECK_PATIENCE, 0, NULL, &why) == 0)
		return 0;
	fl_fail(err, FL_UNSUPPORTED, "%s%s",
		why.code == FL_UNREACHABLE ? "" : "no ZFS runs here: ", why.text);
	return fl_hint(err, features.kernel ? "see what 'zpool list' says"
					    : "load the kernel module 'zfs' (package zfs-dkms), or "
					      "start the service zfs-fuse");
}

/* --- programs with a stream ------------------------------------------------------------------ */

static int make_pipe(int ends[2], struct fl_error *err)
{
	return pipe2(ends, O_CLOEXEC) < 0 ? fl_fail_errno(err, "cannot make a pipe") : 0;
}

static void close_ends(int ends[2])
{
	own_fdp(&ends[0]);
	own_fdp(&ends[1]);
}

/* The child's ends are closed here; ours are `running`'s. */
static int start_with(const char *const argv[], bool reads, int stream[2], int said[2],
		      struct zfs_running *running, struct fl_error *err)
{
	const struct spawn_fd fds[] = {
		{ stream[reads ? 0 : 1], reads ? 0 : 1 },
		{ said[1], 2 },
	};

	runs++;
	if (spawn_start(argv, fds, array_size(fds), &running->spawned, err) < 0)
		return fl_wrap(err, "zfs %s", argv[1]);
	running->stream = take_fd(stream[reads ? 1 : 0]);
	running->said = take_fd(said[0]);
	return 0;
}

int zfs_start(const char *const arguments[], bool reads, struct zfs_running *ret,
	      struct fl_error *err)
{
	struct zfs_running running = ZFS_RUNNING_NONE;
	int stream[2] = { -1, -1 }, said[2] = { -1, -1 }, rc;
	const char *argv[ARGUMENTS] = { running.path };

	if (find_program(PROGRAM_ZFS, running.path, &running.patience, err) < 0)
		return fl_failed(err);
	snprintf(running.verb, sizeof(running.verb), "%s", arguments[0]);
	for (size_t i = 0; arguments[i] && i < ARGUMENTS - 2; i++)
		argv[i + 1] = arguments[i];
	rc = make_pipe(stream, err);
	if (rc == 0)
		rc = make_pipe(said, err);
	if (rc == 0)
		rc = start_with(argv, reads, stream, said, &running, err);
	close_ends(stream);
	close_ends(said);
	if (rc == 0)
		*ret = running;
	return rc;
}

/* False when it was killed for taking too long. */
static bool await_end(const struct zfs_running *running)
{
	struct pollfd end = { .fd = running->spawned.pidfd, .events = POLLIN };
	const int64_t deadline = clock_monotonic() + running->patience;

	while (poll(&end, 1, clock_milliseconds_until(deadline)) <= 0) {
		if (clock_monotonic() < deadline)
			continue;
		spawn_kill(&running->spawned);
		return false;
	}
	return true;
}

int zfs_finish(struct zfs_running *running, struct fl_error *err)
{
	char text[4096];
	size_t length = 0;
	bool ended;
	int status;

	own_fdp(&running->stream);
	running->stream = -1;
	ended = await_end(running);
	spawn_wait(&running->spawned, &status);
	if (!ended)
		return fl_fail(err, FL_SYSTEM, "'%s %s' did not end and was killed", running->path,
			       running->verb);
	if (status == 0)
		return 0;
	if (stream_read(running->said, running->path, text, sizeof(text) - 1, &length, err) < 0)
		return fl_failed(err);
	text[length] = '\0';
	return fail_as_told(running->path, running->verb, status, text, err);
}

void zfs_running_done(struct zfs_running *running)
{
	own_fdp(&running->stream); /* a zfs that writes to it is killed by that sooner */
	own_fdp(&running->said);
	spawned_done(&running->spawned);
	running->stream = running->said = -1;
}
