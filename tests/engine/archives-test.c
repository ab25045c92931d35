/*
 * Imports and exports over Btrfs, with a stand-in for both programs: a shell
 * script whose archive is one file, so that it can be told to fail, to crash,
 * and to wait.  The first word of the archive says what it does.
 *
 * The tests run in a child, so that whoever cleans up outlives them.
 */

#include "engine/archive.h"
#include "engine/worker.h"
#include "tests/engine/fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fsat.h"
#include "base/text.h"

static const char script[] =
	"#!/bin/sh\n"
	"case \"$1\" in\n"
	"pack)	cat /proc/self/fd/3/f; read word < /proc/self/fd/3/f\n"
	"	[ \"$word\" = endless ] && exec cat /dev/zero;;\n"
	"unpack) echo progress 1 3 >&4; cat > /proc/self/fd/3/f; read word < /proc/self/fd/3/f;;\n"
	"copy)	cp /proc/self/fd/5/f /proc/self/fd/3/f;;\n"
	"esac\n"
	"case \"$word\" in\n"
	"bad)	printf 'failed corrupt\\t0\\tnot an archive\\tlook at it\\tsome/file\\n' >&4; exit "
	"0;;\n"
	"crash)	kill -SEGV $$;;\n"
	"wait)	exec sleep 1000;;\n"
	"chatter) exec cat /dev/zero >&4;;\n"
	"esac\n"
	"echo done 1 9 >&4\n";

static char directory[64];
static struct engine *engine;
static struct fl_error err;

static char *path_of(const char *name)
{
	static char paths[4][128];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
	return path;
}

static void open_engine(void)
{
	static char program[128], root[128];
	static struct uuid instance;
	struct engine_options options = {
		.state = directory,
		.mount_root = root,
		.name = "here",
		.host = "host",
		.tree_program = program,
		.archive_program = program,
	};

	if (uuid_is_none(&instance))
		instance = uuid_new();
	options.instance = instance;
	snprintf(program, sizeof(program), "%s", path_of("worker"));
	snprintf(root, sizeof(root), "%s", path_of("mnt"));
	check_ok(engine_open(&options, &engine, &err));
}

static void begin(void)
{
	struct pool_spec spec = {
		.driver = "btrfs", .kind = POOL_FILE, .sparse = true, .size = UINT64_C(256) << 20
	};
	static bool made;

	if (made)
		return;
	made = true;
	check_ok(
		fsat_write(AT_FDCWD, path_of("worker"), script, strlen(script), 0755, false, &err));
	check(mkdir(path_of("mnt"), 0755) == 0);
	snprintf(spec.path, sizeof(spec.path), "%s", path_of("pool.img"));
	open_engine();
	check_ok(engine_pool_create(engine, &spec, &err));
}

/* --- importing -------------------------------------------------------------------- */

struct archive {
	const char *contents;
	bool (*cut)(void *arg);
	const struct uuid *operation;
	const char *directory;
};

static int import(const char *name, const struct archive *archive, struct operation *ret)
{
	struct ref ref = reference(name);
	struct import_options options = { .ref = &ref,
					  .fd = -1,
					  .cut = archive->cut,
					  .operation = archive->operation,
					  .directory = archive->directory };
	own_fd int fd = -1;

	if (archive->contents) {
		check_ok(fsat_write(AT_FDCWD, path_of("archive"), archive->contents,
				    strlen(archive->contents), 0600, false, &err));
		check_ok(fsat_open(AT_FDCWD, path_of("archive"), O_RDONLY, 0, &fd, &err));
		options.fd = fd;
	}
	return engine_import(engine, &options, ret, &err);
}

static int count_staging(void *arg, const struct tree *tree, const struct tree_info *info,
			 struct fl_error *failure)
{
	*(size_t *)arg += tree->kind == TREE_STAGING;
	return 0;
}

/* Nothing half-made, and no volume of that name. */
static void check_nothing(const char *volume)
{
	struct ref ref = reference(volume);
	struct volume found = { 0 };
	size_t count = 0;

	check_ok(driver_of(engine)->list(engine->pool, count_staging, &count, &err));
	check(count == 0);
	check_code(FL_NOT_FOUND, engine_volume(engine, &ref, &found, &err));
}

static struct operation look(const struct uuid *id)
{
	struct operation found = { 0 };

	check_ok(engine_operation(engine, id, &found, &err));
	return found;
}

static void check_file(const char *branch, const char *wanted)
{
	own_text struct text text = { 0 };
	char path[128];

	snprintf(path, sizeof(path), "%s/%s/f", path_of("mnt"), branch);
	check_ok(fsat_read(AT_FDCWD, path, 4096, &text, &err));
	check_string(wanted, text_get(&text));
}

static void an_archive_becomes_a_volume_with_a_snapshot(void)
{
	struct ref ref = reference("first");
	struct snapshot_list log = { 0 };
	struct operation done;

	begin();
	check_ok(import("first", &(struct archive){ "hello" }, &done));
	check(done.state == OPERATION_DONE && done.done_bytes == 9);
	check_string("import", done.verb);
	check_string("first", done.object);
	check(look(&done.id).state == OPERATION_DONE);
	check_file("first/trunk", "hello");
	check_ok(engine_log(engine, &ref, 0, 10, &log, &err));
	check(log.count == 1 && log.items[0].reason == REASON_IMPORT);
	snapshot_list_done(&log);
	check_code(FL_EXISTS, import("first", &(struct archive){ "again" }, &done));
	check_file("first/trunk", "hello");
}

static void an_archive_becomes_a_branch_and_a_directory_a_volume(void)
{
	struct operation done;

	begin();
	check_ok(import("second", &(struct archive){ "trunk" }, &done));
	check_ok(import("second/side", &(struct archive){ "side" }, &done));
	check_string("second/side", done.object);
	check_file("second/side", "side");
	check_file("second/trunk", "trunk");
	check_code(FL_EXISTS, import("second/side", &(struct archive){ "again" }, &done));
	check_code(FL_NOT_FOUND, import("nowhere/side", &(struct archive){ "again" }, &done));
	check(mkdir(path_of("source"), 0755) == 0);
	check_ok(fsat_write(AT_FDCWD, path_of("source/f"), "copied", 6, 0644, false, &err));
	check_ok(import("third", &(struct archive){ .directory = path_of("source") }, &done));
	check_file("third/trunk", "copied");
	engine_close(engine);
	open_engine();
	check_file("second/side", "side");
	check_file("third/trunk", "copied");
}

static bool is_cut(void *arg)
{
	return true;
}

static void what_fails_leaves_a_record_alone(void)
{
	struct uuid bad = uuid_new(), crash = uuid_new();
	struct operation done;

	begin();
	check_code(FL_CORRUPT, import("x", &(struct archive){ "bad", .operation = &bad }, &done));
	check_string("importing 'x': not an archive", err.text);
	check_string("look at it", err.hint);
	check_nothing("x");
	check(look(&bad).state == OPERATION_FAILED && look(&bad).done_bytes == 3);
	check_string("importing 'x': not an archive", look(&bad).error.text);
	check_code(FL_SYSTEM,
		   import("x", &(struct archive){ "crash", .operation = &crash }, &done));
	check(strstr(err.text, "by signal 11") != NULL);
	check_nothing("x");
	check_code(FL_EXISTS, import("x", &(struct archive){ "some", .operation = &bad }, &done));
	check_code(FL_NOT_FOUND,
		   import("x", &(struct archive){ .directory = "/nowhere/at/all" }, &done));
	check_nothing("x");
}

static void follow(const char *report, struct worker *ret)
{
	int ends[2];

	*ret = (struct worker){ .told = false };
	check(pipe(ends) == 0);
	check(write(ends[1], report, strlen(report)) == (ssize_t)strlen(report));
	close(ends[1]);
	ret->report = ends[0];
	worker_follow(ret);
	close(ends[0]);
}

static void a_digest_is_taken_from_the_report(void)
{
	static const char digest[] =
		"77ffe533a16ce5c8dde8b9818c69d32f88c4df70e1e92ef1a43fd0fc8b4f8b48";
	char line[200];
	struct worker worker;

	snprintf(line, sizeof(line), "digest %s\nfailed busy\t0\tbusy\t\t\n", digest);
	follow(line, &worker);
	check_string(digest, worker.digest);
	check(worker.told && worker.failure.code == FL_BUSY);
	snprintf(line, sizeof(line), "digest %.63s\ndigest %sa\n", digest, digest);
	follow(line, &worker);
	check_string("", worker.digest);
	check(!worker.told);
}

static void a_program_that_reports_without_end_is_killed(void)
{
	struct operation done;

	begin();
	check_code(FL_SYSTEM, import("x", &(struct archive){ "chatter" }, &done));
	check(strstr(err.text, "was killed") != NULL);
	check_nothing("x");
}

/* Whatever the program thinks of what came: neither good nor bad is what the sender meant. */
static void an_archive_that_was_cut_cancels_its_import(void)
{
	static const char *const archives[] = { "some", "bad", "crash" };
	struct operation done;

	begin();
	for (size_t i = 0; i < array_size(archives); i++) {
		struct uuid id = uuid_new();

		check_code(FL_SYSTEM,
			   import("x", &(struct archive){ archives[i], is_cut, &id }, &done));
		check(fl_is_cancelled(&err));
		check_string("importing 'x': the archive ended before all of it had come",
			     err.text);
		check_nothing("x");
		check(look(&id).state == OPERATION_CANCELLED);
	}
}

static void *cancel_soon(void *arg)
{
	struct operation found = { 0 };
	struct fl_error failure;

	/* Once it reports, its program runs. */
	while (engine_operation(engine, arg, &found, &failure) < 0 || found.done_bytes != 3)
		sched_yield();
	return engine_operation_cancel(engine, arg, &failure) < 0 ? arg : NULL;
}

static void an_import_is_cancelled(void)
{
	struct uuid id = uuid_new();
	struct operation done;
	pthread_t thread;
	void *failed = NULL;
	int r;

	begin();
	check(pthread_create(&thread, NULL, cancel_soon, &id) == 0);
	r = import("x", &(struct archive){ "wait", .operation = &id }, &done);
	pthread_join(thread, &failed);
	check_code(FL_SYSTEM, r);
	check(!failed && look(&id).state == OPERATION_CANCELLED);
	check_nothing("x");
}

/* --- exporting ---------------------------------------------------------------------- */

static struct export *start_export(const char *name, const struct uuid *id)
{
	struct export *export = NULL;
	struct ref ref = reference(name);

	check_ok(engine_export(engine, &ref, false, id, &export, &err));
	return export;
}

static char *read_all(int fd)
{
	struct text text = { 0 };
	char bytes[256];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		text_add(&text, bytes, (size_t)n);
	return text_take(&text);
}

static void an_export_is_one_instant_of_a_branch_or_a_snapshot(void)
{
	static const char *const names[] = { "out", "out@{-0}" };
	struct operation done;

	begin();
	check_ok(import("out", &(struct archive){ "content" }, &done));
	for (size_t i = 0; i < array_size(names); i++) {
		struct uuid id = uuid_new();
		struct export *export = start_export(names[i], &id);
		own_free char *got = NULL;

		check(look(&id).state == OPERATION_RUNNING);
		got = read_all(export_fd(export));
		check_ok(export_finish(export, &err));
		check(look(&id).state == OPERATION_RUNNING);
		export_end(export, true);
		check_string("content", got);
		check(look(&id).state == OPERATION_DONE);
		check_nothing("x");
	}
}

static void an_export_that_is_not_whole_says_so(void)
{
	struct operation done;
	struct uuid id = uuid_new();
	struct export *export;

	begin();
	check_ok(import("odd", &(struct archive){ "fine" }, &done));
	check_ok(fsat_write(AT_FDCWD, path_of("mnt/odd/trunk/f"), "bad", 3, 0644, false, &err));
	export = start_export("odd", &id);
	free(read_all(export_fd(export)));
	check_code(FL_CORRUPT, export_finish(export, &err));
	export_end(export, false);
	check(look(&id).state == OPERATION_FAILED);
	check_nothing("x");
}

static void an_export_is_done_when_it_was_taken(void)
{
	struct uuid id = uuid_new();
	struct operation done;
	struct export *export;

	begin();
	check_ok(import("left", &(struct archive){ "content" }, &done));
	export = start_export("left", &id);
	free(read_all(export_fd(export)));
	check_ok(export_finish(export, &err));
	export_end(export, false);
	check(look(&id).state == OPERATION_CANCELLED);
	check_string("its reader went away before its end", look(&id).error.text);
	check_nothing("x");
}

static void count_calls(void *arg)
{
	++*(int *)arg;
}

static void a_reader_that_goes_ends_an_export(void)
{
	struct operation done;
	struct uuid gone = uuid_new(), cancelled = uuid_new();
	struct export *export;
	int calls = 0;

	begin();
	check_ok(import("long", &(struct archive){ "fine" }, &done));
	check_ok(
		fsat_write(AT_FDCWD, path_of("mnt/long/trunk/f"), "endless", 7, 0644, false, &err));
	export = start_export("long", &gone);
	export_on_cancel(export, count_calls, &calls);
	export_end(export, false);
	check(look(&gone).state == OPERATION_CANCELLED && calls == 0);
	export = start_export("long", &cancelled);
	export_on_cancel(export, count_calls, &calls);
	check_ok(engine_operation_cancel(engine, &cancelled, &err));
	check(calls == 1);
	export_on_cancel(export, count_calls, &calls);
	check(calls == 2);
	free(read_all(export_fd(export)));
	check_code(FL_SYSTEM, export_finish(export, &err));
	check(fl_is_cancelled(&err));
	export_end(export, false);
	check_string("it was cancelled", look(&cancelled).error.text);
	check(look(&cancelled).state == OPERATION_CANCELLED);
	check_nothing("x");
}

/* --- around them ---------------------------------------------------------------------- */

static int run(int argc, char **argv)
{
	int status = check_main(argc, argv,
				(struct check[]){
					CHECK(an_archive_becomes_a_volume_with_a_snapshot),
					CHECK(an_archive_becomes_a_branch_and_a_directory_a_volume),
					CHECK(what_fails_leaves_a_record_alone),
					CHECK(a_digest_is_taken_from_the_report),
					CHECK(a_program_that_reports_without_end_is_killed),
					CHECK(an_archive_that_was_cut_cancels_its_import),
					CHECK(an_import_is_cancelled),
					CHECK(an_export_is_one_instant_of_a_branch_or_a_snapshot),
					CHECK(an_export_that_is_not_whole_says_so),
					CHECK(an_export_is_done_when_it_was_taken),
					CHECK(a_reader_that_goes_ends_an_export),
					CHECK_END,
				});

	engine_close(engine);
	return status;
}

static void clean_up(void)
{
	umount2(path_of("mnt/.heads"), MNT_DETACH);
	umount2(path_of("mnt/.snaps"), MNT_DETACH);
	umount2(path_of("mnt"), MNT_DETACH);
	umount2(directory, MNT_DETACH);
	(void)!fsat_remove_tree(AT_FDCWD, directory, &err);
}

int main(int argc, char **argv)
{
	int status = 0;
	pid_t child;

	if (geteuid() != 0) {
		printf("1..0 # SKIP needs to be root\n");
		return 0;
	}
	log_set_level(LOG_LEVEL_ERROR);
	snprintf(directory, sizeof(directory), "/tmp/flocker-archives.XXXXXX");
	/* In memory: how slow the machine's own disk is has no part in it. */
	if (!mkdtemp(directory) || mount("none", directory, "tmpfs", 0, "size=1g,mode=700") < 0)
		return 1;
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		exit(run(argc, argv));
	}
	waitpid(child, &status, 0);
	clean_up();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
