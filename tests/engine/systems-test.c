/*
 * Systems over Btrfs, with a real OCI runtime and a tree of busybox.
 *
 * The tests run in a child, so that whoever cleans up outlives them, and ends what they left
 * running.
 */

#include "engine/rollback.h"
#include "tests/engine/fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fsat.h"
#include "base/process.h"
#include "base/program.h"
#include "base/text.h"
#include "engine/around.h"
#include "engine/systems.h"

static char directory[128];
static struct engine *engine;
static struct fl_error err;

/* Says something, and from then on ends when it is told to. */
#define POLITE "trap 'echo bye; exit 0' TERM; echo hello; while :; do sleep 0.1; done"
/* As init it gets no signal that it does not want. */
#define STUBBORN "sleep 1000 & exec sleep 1000"
/* Nor does this one, and it ends when there is a file. */
#define AWAITS_GO "while [ ! -e /go ]; do sleep 0.05; done; echo gone; exit 7"

static char *path_of(const char *name)
{
	static char paths[8][192];
	static unsigned next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
	return path;
}

static void shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void shell(const char *fmt, ...)
{
	char command[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	check(system(command) == 0);
}

/* --- the engine ------------------------------------------------------------------------- */

static int open_engine_in(const char *place, struct uuid *instance, struct engine **ret)
{
	char state[160], root[160], run[160];
	own_free char *keeper = program_find("../src/keeper", "flocker-keeper");
	struct engine_options options = {
		.state = state,
		.mount_root = root,
		.run = run,
		.keeper_program = keeper,
		.name = "here",
		.host = "host",
	};

	if (uuid_is_none(instance))
		*instance = uuid_new();
	options.instance = *instance;
	snprintf(state, sizeof(state), "%s/lib", place);
	snprintf(root, sizeof(root), "%s/mnt", place);
	snprintf(run, sizeof(run), "%s/run", place);
	return engine_open(&options, ret, &err);
}

static struct uuid instance;

static void open_engine(void)
{
	check_ok(open_engine_in(directory, &instance, &engine));
}

static void make_pool(const char *place, struct engine **ret, struct uuid *uuid)
{
	struct pool_spec spec = {
		.driver = "btrfs", .kind = POOL_FILE, .sparse = true, .size = UINT64_C(256) << 20
	};

	shell("mkdir -p %s/lib %s/mnt %s/run", place, place, place);
	snprintf(spec.path, sizeof(spec.path), "%s/pool.img", place);
	check_ok(open_engine_in(place, uuid, ret));
	check_ok(engine_pool_create(*ret, &spec, &err));
}

static void begin(void)
{
	static bool made;

	if (!engine && made)
		open_engine();
	else if (!engine)
		make_pool(directory, &engine, &instance);
	made = true;
}

static void fill_tree(const char *root, const char *name)
{
	shell("cd %s/mnt/%s/trunk/ && mkdir -p bin sbin etc proc sys dev run tmp && "
	      "cp /bin/busybox bin/busybox && for a in sh sleep cat ls id echo grep poweroff; do "
	      "ln -sf busybox bin/$a; done && ln -sf /bin/busybox sbin/init",
	      root, name);
}

static void write_init(const char *name, const char *script)
{
	own_text struct text text = { 0 };
	char path[256];

	text_add_format(&text, "#!/bin/sh\n%s\n", script);
	snprintf(path, sizeof(path), "%s/mnt/%s/trunk/init", directory, name);
	check_ok(fsat_write(AT_FDCWD, path, text_get(&text), text.length, 0755, false, &err));
}

static int create(const char *name, const char *const settings[])
{
	own_system_report struct system_report report = { 0 };
	own_metadata struct metadata metadata = { 0 };
	struct ref ref = reference(name);

	for (size_t i = 0; settings[i]; i += 2)
		check_ok(metadata_set(&metadata, settings[i], settings[i + 1], &err));
	return engine_system_create(engine, &ref, &metadata, &report, &err);
}

/* A volume with a system whose init is this script, and has so long to end when it is told to. */
static void make_system_that_has(const char *timeout, const char *name, const char *script,
				 const char *restart)
{
	const char *const settings[] = { "init",  "/init", "stop-timeout", timeout, "restart",
					 restart, NULL };

	begin();
	check_ok(make_volume(engine, name, NULL, &err));
	fill_tree(directory, name);
	write_init(name, script);
	check_ok(create(name, settings));
}

/* How it ends when it is told to has no part in the test. */
static void make_system(const char *name, const char *script, const char *restart)
{
	make_system_that_has("1s", name, script, restart);
}

static struct uuid uuid_of(const char *name)
{
	struct ref ref = reference(name);
	struct uuid branch;

	check_ok(system_resolve(engine, &ref, &branch, &err));
	return branch;
}

/* As the verb, without the two seconds in which it looks what becomes of it. */
static void start(const char *name)
{
	own_system_plan struct system_plan plan = { 0 };
	own_system_hold struct system_hold hold = { 0 };
	struct ref ref = reference(name);

	check_ok(system_hold_ref(engine, &ref, "start", &hold, &plan, &err));
	check_ok(system_begin(&hold, &plan, &err));
	check_ok(system_set_wanted(engine, &hold.entry->branch, true, &err));
}

static void stop(const char *name)
{
	own_system_report struct system_report report = { 0 };
	struct ref ref = reference(name);

	check_ok(engine_system_stop(engine, &ref, &report, &err));
	check(report.pid == 0 && report.state == SYSTEM_STOPPED && !report.wanted);
}

static struct system_report show(const char *name)
{
	struct system_report report = { 0 };
	struct ref ref = reference(name);

	check_ok(engine_system_show(engine, &ref, &report, &err));
	free(take_ptr(report.last_words));
	metadata_done(&report.settings);
	return report;
}

/* A zombie does not; who is to reap an orphan here is not ours to say. */
static bool lives(pid_t pid)
{
	own_fd int fd = -1;

	return pid > 0 && process_open(pid, &fd, &err) == 0 && !process_ended(fd);
}

/* What a thread does with a system is over a moment after the system is as it should be. */
static bool is_held(const char *name)
{
	struct uuid branch = uuid_of(name);
	struct system_entry entry;

	system_look(engine, &branch, &entry);
	free(entry.last_words);
	return entry.verb != NULL;
}

/* Lets the engine care until the system is as it should be, and free for the next verb. */
static void care_until(const char *name, enum system_state state)
{
	int64_t deadline = clock_monotonic() + 60 * CLOCK_SECOND, next;

	while (show(name).state != state || is_held(name)) {
		check(clock_monotonic() < deadline);
		check_ok(engine_systems_care(engine, &next, &err));
		/* Who waits looks again: what a thread does may end without a word to this one. */
		engine_systems_wait(engine, clock_boot() + CLOCK_SECOND / 10);
	}
}

/* All of the console. */
static char *console_of(const char *name, uint64_t tail)
{
	struct ref ref = reference(name);
	struct text text = { 0 };
	own_fd int fd = -1;
	char bytes[4096];
	ssize_t n;

	check_ok(engine_system_console(engine, &ref, tail, false, &fd, &err));
	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		text_add(&text, bytes, (size_t)n);
	return text_take(&text);
}

static void await_console(const char *name, const char *wanted)
{
	int64_t deadline = clock_monotonic() + 60 * CLOCK_SECOND;

	for (;;) {
		own_free char *text = console_of(name, 0);

		if (strstr(text, wanted))
			return;
		if (clock_monotonic() > deadline)
			printf("# the console: %s\n", text);
		check(clock_monotonic() <= deadline);
		poll(NULL, 0, 10);
	}
}

static void end_system(const char *name)
{
	struct ref ref = reference(name);

	check_ok(engine_system_destroy(engine, &ref, &err));
}

/* --- start and stop ------------------------------------------------------------------------ */

static void a_system_starts_says_and_stops(void)
{
	own_system_report struct system_report report = { 0 }, again = { 0 };
	struct ref ref = reference("first");
	pid_t pid;

	make_system_that_has("2m", "first", POLITE, "no");
	shell("cd %s/mnt/first/trunk && find . | sort > %s", directory, path_of("before"));
	check_ok(engine_system_start(engine, &ref, &report, &err));
	pid = report.pid;
	check(report.state == SYSTEM_RUNNING && report.wanted && lives(pid) && report.started > 0);
	check_ok(engine_system_start(engine, &ref, &again, &err));
	check(again.pid == pid);
	await_console("first", "hello\n");
	stop("first");
	check(!lives(pid) && show("first").exit_status == 0);
	await_console("first", "hello\nbye\n");
	/* Nothing but the system writes to its tree. */
	shell("cd %s/mnt/first/trunk && find . | sort | cmp - %s", directory, path_of("before"));
	end_system("first");
}

static void a_stubborn_one_is_killed_with_all_its_children(void)
{
	own_free char *cgroup = NULL;
	struct text path = { 0 };
	char uuid[UUID_TEXT];
	struct uuid branch;
	pid_t pid;

	make_system("stubborn", STUBBORN, "always");
	start("stubborn");
	pid = show("stubborn").pid;
	branch = uuid_of("stubborn");
	text_add_format(&path, "/flocker/%s.", uuid_format(&instance, uuid));
	text_add_string(&path, uuid_format(&branch, uuid));
	cgroup = text_take(&path);
	shell("grep -q '%s' /proc/%d/cgroup", cgroup, pid);
	stop("stubborn");
	check(!lives(pid) && show("stubborn").exit_status == 128 + SIGKILL);
	shell("! grep -qs '%s' /proc/[0-9]*/cgroup", cgroup);
	/* Nor is an empty group of the instance left. */
	shell("! ls /sys/fs/cgroup/flocker /sys/fs/cgroup/*/flocker 2>/dev/null | grep -q %s",
	      uuid_format(&instance, uuid));
	end_system("stubborn");
}

static void an_init_that_ends_at_once_fails_with_its_last_words(void)
{
	own_system_report struct system_report report = { 0 };
	struct ref ref = reference("brief");

	make_system("brief", "echo there is no database; exit 3", "always");
	check_code(FL_SYSTEM, engine_system_start(engine, &ref, &report, &err));
	check(strstr(err.text, "there is no database") && strstr(err.text, "status 3"));
	report = show("brief");
	check(!report.wanted && report.state == SYSTEM_STOPPED && report.exit_status == 3);
	end_system("brief");
}

static void a_tree_that_cannot_be_run_is_refused(void)
{
	static const char *const none[] = { NULL };
	static const char *const missing[] = { "init", "/sbin/nothing", NULL };
	static const char *const no_program[] = { "init", "/etc/passwd", NULL };
	static const char *const unknown[] = { "colour", "red", NULL };

	begin();
	check_ok(make_volume(engine, "bad", NULL, &err));
	check_code(FL_INVALID, create("bad", none));
	check(strstr(err.text, "/dev"));
	fill_tree(directory, "bad");
	shell("echo root > %s/mnt/bad/trunk/etc/passwd", directory);
	check_code(FL_INVALID, create("bad", missing));
	check(strstr(err.text, "/sbin/nothing"));
	check_code(FL_INVALID, create("bad", no_program));
	check_code(FL_INVALID, create("bad", unknown));
	check_code(FL_NOT_FOUND, system_fill(engine, &(struct uuid){ { 0 } },
					     &(struct system_report){ 0 }, &err));
	/* An absolute link leads to where the tree's own root is. */
	check_ok(create("bad", none));
	check_code(FL_EXISTS, create("bad", none));
	end_system("bad");
}

static void the_runtime_says_what_it_does_not_like(void)
{
	own_system_report struct system_report report = { 0 };
	struct ref ref = reference("odd");

	make_system("odd", POLITE, "no");
	shell("printf '#!/bin/missing\\n' > %s/mnt/odd/trunk/init", directory);
	check_code(FL_SYSTEM, engine_system_start(engine, &ref, &report, &err));
	check(strstr(err.text, "/init") && !strstr(err.text, "level="));
	check(show("odd").state == SYSTEM_STOPPED);
	end_system("odd");
}

/* --- what it is given ---------------------------------------------------------------------------
 */

static void a_system_is_kept_apart(void)
{
	static const char *const settings[] = { "init",		"/init",     "stop-timeout",
						"1s",		"hostname",  "apart.example",
						"env.GREETING", "good day",  "user",
						"1000:1000",	"directory", "/tmp",
						"pids",		"77",	     NULL };

	begin();
	check_ok(make_volume(engine, "apart", NULL, &err));
	fill_tree(directory, "apart");
	shell("chmod 4755 %s/mnt/apart/trunk/bin/busybox", directory);
	write_init("apart", "cat /proc/sys/kernel/hostname; echo $GREETING; /bin/busybox pwd\n"
			    "grep CapBnd /proc/self/status\n"
			    "/bin/busybox ls /sys/class/net\n"
			    "grep -q ' / [a-z,]*nosuid' /proc/self/mountinfo && echo no setuid\n"
			    "grep -q ' / [a-z,]*nodev' /proc/self/mountinfo && echo no devices\n"
			    "echo x 2>&1 > /proc/sys/kernel/hostname\n"
			    "cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max\n"
			    "/bin/busybox unshare -U true 2>&1\n"
			    "echo to the console > /dev/console; echo ready; exec sleep 1000");
	check_ok(create("apart", settings));
	start("apart");
	await_console("apart", "ready");
	await_console("apart", "apart.example\ngood day\n/tmp\n");
	await_console("apart", "lo\n");
	await_console("apart", "\n77\n");
	await_console("apart", "to the console\n");
	/* Its setuid programs count, unlike where the host sees them. */
	await_console("apart", "no devices\n");
	{
		own_free char *console = console_of("apart", 0);

		check(!strstr(console, "no setuid"));
	}
	/* Without SYS_ADMIN, SYS_MODULE, SYS_TIME... */
	await_console("apart", "CapBnd:\t00000000a84425fb\n");
	await_console("apart", "unshare(0x10000000): Operation not permitted");
	stop("apart");
	end_system("apart");
}

/* --- what survives -----------------------------------------------------------------------------
 */

static void a_system_outlives_the_daemon(void)
{
	pid_t pid;

	make_system("lasting", POLITE, "no");
	start("lasting");
	pid = show("lasting").pid;
	engine_close(take_ptr(engine));
	check(lives(pid));
	open_engine();
	check(show("lasting").pid == pid && show("lasting").state == SYSTEM_RUNNING);
	stop("lasting");
	check(!lives(pid));
	end_system("lasting");
}

/* Returns when the keeper of the system, too, has ended. */
static void await_end(const char *name)
{
	struct uuid branch = uuid_of(name);
	own_runtime_run struct runtime_run run = RUNTIME_RUN_NONE;

	if (runtime_adopt(&engine->systems->places, &branch, &run, &err) == 0)
		check(process_await(run.keeper, clock_monotonic() + 60 * CLOCK_SECOND));
}

static void an_end_that_nobody_saw_is_known(void)
{
	struct uuid branch;
	struct runtime_run run = RUNTIME_RUN_NONE;

	make_system("unseen", AWAITS_GO, "no");
	start("unseen");
	branch = uuid_of("unseen");
	check_ok(runtime_adopt(&engine->systems->places, &branch, &run, &err));
	engine_close(take_ptr(engine));
	shell("touch /proc/%d/root/go", run.pid);
	check(process_await(run.keeper, clock_monotonic() + 60 * CLOCK_SECOND));
	runtime_run_done(&run);
	open_engine();
	check(show("unseen").state == SYSTEM_FAILED && show("unseen").exit_status == 7);
	end_system("unseen");
}

static void what_is_wanted_is_started_with_the_daemon(void)
{
	char uuid[UUID_TEXT];
	struct uuid branch;

	make_system("wanted", POLITE, "no");
	check_ok(system_set_wanted(engine, (branch = uuid_of("wanted"), &branch), true, &err));
	engine_close(take_ptr(engine));
	open_engine();
	care_until("wanted", SYSTEM_RUNNING);
	/* A stop that was cut off goes on: it runs, and nobody wants it. */
	check_ok(system_set_wanted(engine, &branch, false, &err));
	care_until("wanted", SYSTEM_STOPPED);
	end_system("wanted");
	shell("! test -e %s/run/systems/%s", directory, uuid_format(&branch, uuid));
}

static void one_that_fails_is_started_again(void)
{
	pid_t pid;

	make_system("again", POLITE, "on-failure");
	start("again");
	pid = show("again").pid;
	kill(pid, SIGKILL);
	await_end("again");
	care_until("again", SYSTEM_RESTARTING);
	check(show("again").exit_status == 128 + SIGKILL && show("again").restarts == 1);
	care_until("again", SYSTEM_RUNNING);
	check(show("again").pid != pid && show("again").restarts == 1);
	stop("again");
	check(show("again").restarts == 0);
	end_system("again");
}

static void one_that_is_shut_down_from_within_rests(void)
{
	static const char *const settings[] = { "init", "/sbin/init", NULL };

	begin();
	check_ok(make_volume(engine, "off", NULL, &err));
	fill_tree(directory, "off");
	shell("printf '::sysinit:/bin/echo up\\n::once:/bin/poweroff -f\\n' > "
	      "%s/mnt/off/trunk/etc/inittab",
	      directory);
	check_ok(create("off", settings));
	start("off");
	await_end("off");
	care_until("off", SYSTEM_STOPPED);
	check(show("off").exit_status == 128 + SIGINT && show("off").wanted);
	await_console("off", "up\n");
	end_system("off");
}

/* Its init is so fast that there was never anything of it to watch (runtime_start). */
static void one_that_ends_before_it_is_watched_is_seen(void)
{
	own_system_plan struct system_plan plan = { 0 };
	own_system_hold struct system_hold hold = { 0 };
	struct ref ref = reference("fast");
	struct system_entry *entry;

	make_system("fast", "exit 3", "no");
	check_ok(system_hold_ref(engine, &ref, "start", &hold, &plan, &err));
	check_ok(system_begin(&hold, &plan, &err));
	entry = hold.entry;
	if (entry->run.pid) {
		check(process_await(entry->run.keeper, clock_monotonic() + 60 * CLOCK_SECOND));
		runtime_run_done(&entry->run);
	}
	check(entry->state == SYSTEM_RUNNING && !entry->run.pid);
	check_ok(system_set_wanted(engine, &entry->branch, true, &err));
	system_release(&hold);
	care_until("fast", SYSTEM_FAILED);
	check(show("fast").exit_status == 3);
	end_system("fast");
}

static void a_keeper_that_is_killed_takes_its_system_along(void)
{
	struct keeper_running running;
	struct uuid branch;
	char path[256], uuid[UUID_TEXT];
	own_fd int run = -1;

	make_system("orphan", POLITE, "no");
	start("orphan");
	branch = uuid_of("orphan");
	snprintf(path, sizeof(path), "%s/run/systems/%s", directory, uuid_format(&branch, uuid));
	check_ok(fsat_open_dir(AT_FDCWD, path, &run, &err));
	check_ok(keeper_running_load(run, &running, &err));
	kill(running.keeper, SIGKILL);
	care_until("orphan", SYSTEM_FAILED);
	check(show("orphan").exit_status == -1 && !lives(running.init));
	/* And it can be started again. */
	start("orphan");
	await_console("orphan", "hello\n");
	stop("orphan");
	end_system("orphan");
}

/* --- two at once
 * ---------------------------------------------------------------------------------- */

static void *stop_it(void *arg)
{
	own_system_report struct system_report report = { 0 };
	struct ref ref = reference(arg);
	struct fl_error *failure = xcalloc(1, sizeof(*failure));

	if (engine_system_stop(engine, &ref, &report, failure) == 0)
		failure->code = FL_OK;
	return failure;
}

static void two_verbs_at_once_are_refused(void)
{
	own_system_report struct system_report report = { 0 };
	static char name[] = "twice";
	struct ref ref = reference(name);
	own_free struct fl_error *outcome = NULL;
	struct system_entry entry;
	struct uuid branch;
	pthread_t thread;

	make_system_that_has("2m", name, AWAITS_GO, "no");
	start(name);
	branch = uuid_of(name);
	check(pthread_create(&thread, NULL, stop_it, name) == 0);
	do {
		system_look(engine, &branch, &entry);
		free(entry.last_words);
	} while (!entry.verb && sched_yield() == 0);
	check_code(FL_BUSY, engine_system_start(engine, &ref, &report, &err));
	check_code(FL_BUSY, destroy(engine, name, &err));
	shell("touch %s/mnt/%s/trunk/go", directory, name);
	pthread_join(thread, (void **)&outcome);
	check(outcome->code == FL_OK);
	end_system(name);
}

static void a_branch_that_runs_is_not_taken_away(void)
{
	struct ref ref = reference("held");

	make_system("held", POLITE, "no");
	start("held");
	check_code(FL_BUSY, destroy(engine, "held", &err));
	check(strstr(err.text, "held/trunk is a system that runs"));
	check_code(FL_BUSY, engine_unmount(engine, &ref, &err));
	check(strstr(err.text, "a system that runs"));
	check_code(FL_BUSY, engine_rename(engine, &ref, "free", &err));
	check(strstr(err.text, "held/trunk is a system that runs"));
	stop("held");
	check_ok(engine_rename(engine, &ref, "free", &err));
	check_ok(destroy(engine, "free", &err));
}

static int roll_back_around(const char *branch, const char *target, struct rollback *ret)
{
	struct ref refs[2] = { reference(branch), reference(target) };

	return engine_rollback(engine, &refs[0], &refs[1], AROUND_RESTART, ret, &err);
}

static void a_rollback_stops_and_starts_the_system(void)
{
	own(rollback_done) struct rollback rollback = { 0 }, idle = { 0 };
	pid_t pid;

	make_system("swapped", "cat /data; " POLITE, "on-failure");
	shell("echo old > %s/mnt/swapped/trunk/data", directory);
	check_ok(make_tag(engine, "before@swapped", "swapped", &err));
	shell("echo new > %s/mnt/swapped/trunk/data", directory);
	check_ok(roll_back_around("swapped", "before@swapped", &idle));
	check(idle.around.count == 0 && show("swapped").state == SYSTEM_STOPPED);
	shell("echo new > %s/mnt/swapped/trunk/data", directory);
	start("swapped");
	await_console("swapped", "new\nhello\n");
	pid = show("swapped").pid;
	check_ok(roll_back_around("swapped", "before@swapped", &rollback));
	check(!lives(pid) && show("swapped").state == SYSTEM_RUNNING);
	check(rollback.around.count == 1 && rollback.around.items[0].outcome == AROUND_RESTARTED);
	check_string("swapped/trunk", rollback.around.items[0].name);
	await_console("swapped", "old\nhello\n");
	stop("swapped");
	end_system("swapped");
}

static void a_rollback_that_is_cut_off_leaves_no_system_stopped(void)
{
	struct uuid branch;
	char id[UUID_TEXT];

	make_system_that_has("2m", "cut", POLITE, "on-failure");
	start("cut");
	await_console("cut", "hello\n");
	branch = uuid_of("cut");
	check_ok(around_systems.stop(engine, uuid_format(&branch, id), &err));
	check(show("cut").state == SYSTEM_STOPPED && show("cut").exit_status == 0);
	/* Nobody else starts it meanwhile: that it has ended well is no reason to. */
	engine_close(take_ptr(engine));
	open_engine();
	care_until("cut", SYSTEM_RUNNING);
	await_console("cut", "bye\nhello\n");
	/* What was asked for before the head was exchanged is started anew. */
	{
		pid_t pid = show("cut").pid;

		check_ok(around_systems.start(engine, id, 0, &err));
		check(show("cut").pid == pid);
		check_ok(around_systems.start(engine, id, clock_now(), &err));
		check(show("cut").pid != pid && show("cut").state == SYSTEM_RUNNING);
		await_console("cut", "bye\nhello\nbye\nhello\n");
	}
	stop("cut");
	check_ok(around_systems.start(engine, id, 0, &err));
	check(show("cut").state == SYSTEM_STOPPED);
	end_system("cut");
	check_code(FL_NOT_FOUND, around_systems.start(engine, id, 0, &err));
}

/* --- the console
 * -------------------------------------------------------------------------------------- */

static void a_console_has_its_bounds(void)
{
	own_free char *all = NULL, *last = NULL;
	size_t length;

	make_system("loud",
		    "cat /bin/busybox /bin/busybox /bin/busybox /bin/busybox /bin/busybox "
		    "/bin/busybox /bin/busybox /bin/busybox; echo; echo the end; exec sleep 1000",
		    "no");
	start("loud");
	for (;;) {
		free(take_ptr(last));
		last = console_of("loud", 9);
		if (strcmp(last, "the end\n") == 0 || strcmp(last, "\nthe end\n") == 0)
			break;
		poll(NULL, 0, 10);
	}
	check_string("\nthe end\n", last);
	shell("test $(cat %s/lib/systems/*/log* | wc -c) -le %d", directory, 2 * KEEPER_LOG);
	all = console_of("loud", 0);
	length = strlen(all);
	check(length > 0); /* there are NULs in it */
	stop("loud");
	end_system("loud");
}

static void a_console_can_be_followed(void)
{
	struct ref ref = reference("followed");
	own_text struct text text = { 0 };
	own_fd int fd = -1;
	char bytes[256];
	ssize_t n;

	make_system_that_has("2m", "followed", POLITE, "no");
	check_ok(engine_system_console(engine, &ref, 0, true, &fd, &err));
	start("followed");
	while (!strstr(text_get(&text), "hello\n") && (n = read(fd, bytes, sizeof(bytes))) > 0)
		text_add(&text, bytes, (size_t)n);
	stop("followed");
	while (!strstr(text_get(&text), "bye\n") && (n = read(fd, bytes, sizeof(bytes))) > 0)
		text_add(&text, bytes, (size_t)n);
	check_string("hello\nbye\n", text_get(&text));
	end_system("followed");
	check(read(fd, bytes, sizeof(bytes)) == 0);
}

/* --- many --------------------------------------------------------------------------------- */

#define MANY 20

static void many_systems_start_and_stop_at_once(void)
{
	pthread_t threads[MANY];
	static char names[MANY][16];
	pid_t pids[MANY];
	struct uuid branch;

	begin();
	for (size_t i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "many%zu", i);
		make_system(names[i], STUBBORN, "no");
		branch = uuid_of(names[i]);
		check_ok(system_set_wanted(engine, &branch, true, &err));
	}
	engine_close(take_ptr(engine));
	open_engine();
	for (size_t i = 0; i < MANY; i++) {
		care_until(names[i], SYSTEM_RUNNING);
		pids[i] = show(names[i]).pid;
	}
	for (size_t i = 0; i < MANY; i++)
		check(pthread_create(&threads[i], NULL, stop_it, names[i]) == 0);
	for (size_t i = 0; i < MANY; i++) {
		own_free struct fl_error *outcome = NULL;

		pthread_join(threads[i], (void **)&outcome);
		if (outcome->code != FL_OK)
			printf("# %s\n", outcome->text);
		check(outcome->code == FL_OK && !lives(pids[i]));
	}
	for (size_t i = 0; i < MANY; i++)
		end_system(names[i]);
}

static void two_instances_do_not_see_each_others(void)
{
	struct engine *first, *second = NULL;
	struct uuid other = { { 0 } };
	pid_t here, there;
	char saved[sizeof(directory) - 2];

	make_system("common", STUBBORN, "no");
	start("common");
	here = show("common").pid;
	first = engine;
	memcpy(saved, directory, sizeof(saved));
	snprintf(directory, sizeof(directory), "%s/2", saved);
	make_pool(directory, &second, &other);
	engine = second;
	make_system("common", STUBBORN, "no");
	start("common");
	there = show("common").pid;
	check(here != there && lives(here) && lives(there));
	stop("common");
	check(lives(here));
	end_system("common");
	engine_close(second);
	umount2(path_of("mnt/.heads"), MNT_DETACH);
	umount2(path_of("mnt/.snaps"), MNT_DETACH);
	snprintf(directory, sizeof(directory), "%s", saved);
	engine = first;
	stop("common");
	end_system("common");
}

static int run(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(a_system_starts_says_and_stops),
				  CHECK(a_stubborn_one_is_killed_with_all_its_children),
				  CHECK(an_init_that_ends_at_once_fails_with_its_last_words),
				  CHECK(a_tree_that_cannot_be_run_is_refused),
				  CHECK(the_runtime_says_what_it_does_not_like),
				  CHECK(a_system_is_kept_apart),
				  CHECK(a_system_outlives_the_daemon),
				  CHECK(an_end_that_nobody_saw_is_known),
				  CHECK(what_is_wanted_is_started_with_the_daemon),
				  CHECK(one_that_fails_is_started_again),
				  CHECK(one_that_is_shut_down_from_within_rests),
				  CHECK(one_that_ends_before_it_is_watched_is_seen),
				  CHECK(a_keeper_that_is_killed_takes_its_system_along),
				  CHECK(two_verbs_at_once_are_refused),
				  CHECK(a_branch_that_runs_is_not_taken_away),
				  CHECK(a_rollback_stops_and_starts_the_system),
				  CHECK(a_rollback_that_is_cut_off_leaves_no_system_stopped),
				  CHECK(a_console_has_its_bounds),
				  CHECK(a_console_can_be_followed),
				  CHECK(many_systems_start_and_stop_at_once),
				  CHECK(two_instances_do_not_see_each_others),
				  CHECK_END,
			  });
}

/* The systems of this test's instances. */
static void end_all(const char *place)
{
	char command[768];

	snprintf(command, sizeof(command),
		 "for d in %s/run/systems/*/; do [ -e \"$d/running\" ] || continue; "
		 "read init keeper rest < \"$d/running\"; kill -9 $init $keeper 2>/dev/null; "
		 "program=$(cat \"$d/program\"); id=$(ls \"$d/runtime\"); "
		 "[ -z \"$id\" ] || \"$program\" --root \"$d/runtime\" delete --force \"$id\"; "
		 "done",
		 place);
	(void)!system(command);
}

static void clean_up(void)
{
	static const char *const mounts[] = { "mnt/.heads",   "mnt/.snaps",   "mnt",
					      "2/mnt/.heads", "2/mnt/.snaps", "2/mnt" };

	end_all(directory);
	end_all(path_of("2"));
	for (size_t i = 0; i < array_size(mounts); i++)
		umount2(path_of(mounts[i]), MNT_DETACH);
	umount2(directory, MNT_DETACH);
	(void)!fsat_remove_tree(AT_FDCWD, directory, &err);
}

int main(int argc, char **argv)
{
	int status = 0;
	pid_t child;

	if (geteuid() != 0 || access("/bin/busybox", X_OK) < 0 ||
	    (access("/usr/sbin/runc", X_OK) < 0 && access("/usr/bin/runc", X_OK) < 0)) {
		printf("1..0 # SKIP needs to be root, busybox-static and runc\n");
		return 0;
	}
	log_set_level(LOG_LEVEL_ERROR);
	snprintf(directory, sizeof(directory), "/tmp/flocker-systems.XXXXXX");
	/* In memory: how slow the machine's own disk is has no part in it. */
	if (!mkdtemp(directory) || mount("none", directory, "tmpfs", 0, "size=2g,mode=700") < 0)
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
