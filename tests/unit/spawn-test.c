#include "base/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "tests/check.h"

#define LONG (60 * CLOCK_SECOND)

static struct spawn_result result;

static int run(const char *script, int64_t timeout, struct fl_error *err)
{
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };

	spawn_result_done(&result);
	result = (struct spawn_result){ 0 };
	return spawn_run(argv, timeout, &result, err);
}

static void both_streams_and_the_status_come_back(void)
{
	struct fl_error err = { 0 };

	check_ok(run("echo out; echo err >&2; exit 3", LONG, &err));
	check(result.status == 3);
	check_string("out\n", text_get(&result.out));
	check_string("err\n", text_get(&result.err));
}

static void nothing_is_inherited(void)
{
	struct fl_error err = { 0 };
	int fd = open("/dev/null", O_RDONLY); /* not close-on-exec, on purpose */

	setenv("FLOCKER_SPAWN_TEST", "seen", 1);
	signal(SIGPIPE, SIG_IGN);
	check(fd >= 0);
	check_ok(
		run("echo $FLOCKER_SPAWN_TEST$LC_ALL; cat; for i in /proc/self/fd/*; do echo; done;"
		    "trap 2>&1; kill -PIPE $$; echo alive",
		    LONG, &err));
	signal(SIGPIPE, SIG_DFL);
	close(fd);
	/* The environment, the end of an empty input, and one line for each descriptor: 0, 1, 2
	 * and the one that the listing itself needs. */
	check_string("C\n\n\n\n\n", text_get(&result.out));
	check(result.status == 128 + SIGPIPE);
}

static void a_missing_program_is_named(void)
{
	const char *const argv[] = { "/nowhere/program", NULL };
	struct fl_error err = { 0 };

	check_code(FL_NOT_FOUND, spawn_run(argv, LONG, &result, &err));
	check(strstr(err.text, "/nowhere/program") != NULL);
}

static void a_program_that_may_not_run_is_denied(void)
{
	const char *const argv[] = { "/etc/passwd", NULL };
	struct fl_error err = { 0 };

	check_code(FL_DENIED, spawn_run(argv, LONG, &result, &err));
}

static void the_end_by_a_signal_is_a_status(void)
{
	struct fl_error err = { 0 };

	check_ok(run("kill -TERM $$", LONG, &err));
	check(result.status == 128 + SIGTERM);
}

static void a_flood_is_read_and_bounded(void)
{
	struct fl_error err = { 0 };

	check_ok(run("dd if=/dev/zero bs=65536 count=64 2>/dev/null; echo end >&2", LONG, &err));
	check(result.status == 0);
	check(result.out.length == SPAWN_OUTPUT);
	check_string("end\n", text_get(&result.err));
}

static void the_deadline_ends_it(void)
{
	struct fl_error err = { 0 };

	check_code(FL_SYSTEM, run("sleep 1000", CLOCK_SECOND / 5, &err));
	check(strstr(err.text, "killed") != NULL);
	check_code(FL_SYSTEM, run("exec >&- 2>&-; sleep 1000", CLOCK_SECOND / 5, &err));
}

static void what_it_left_behind_holds_nobody_up(void)
{
	struct fl_error err = { 0 };
	int status;

	check(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	check_ok(run("sleep 1000 & echo $!", LONG, &err));
	check(result.status == 0);
	/* It was killed; as its new parent we hear of that. */
	check(waitpid(atoi(text_get(&result.out)), &status, 0) > 0);
	check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* --- the second form ----------------------------------------------------------- */

static void make_pipe(int ends[2])
{
	check(pipe2(ends, O_CLOEXEC) == 0);
}

static void a_program_gets_its_descriptors_and_no_others(void)
{
	const char *const argv[] = {
		"/bin/sh", "-c",
		"exec >&4; cat <&3; for i in /proc/self/fd/*; do echo ${i##*/}; done;"
		" cat; exit 7",
		NULL
	};
	struct spawned child = SPAWNED_NONE;
	struct fl_error err = { 0 };
	int in[2], out[2], status = -1, stray = open("/dev/null", O_RDONLY);
	char got[256] = "";
	ssize_t n;

	make_pipe(in);
	make_pipe(out);
	check_ok(spawn_start(argv, (struct spawn_fd[]){ { in[0], 3 }, { out[1], 4 } }, 2, &child,
			     &err));
	close(in[0]);
	close(out[1]);
	check(write(in[1], "hello\n", 6) == 6);
	close(in[1]);
	spawn_wait(&child, &status);
	n = read(out[0], got, sizeof(got) - 1);
	close(out[0]);
	close(stray);
	spawned_done(&child);
	check(status == 7 && n > 0);
	/* 0 to 4, and the one that the listing needs. */
	check_string("hello\n0\n1\n2\n3\n4\n5\n", got);
}

static void what_cannot_be_started_says_so_at_once(void)
{
	const char *const argv[] = { "/nowhere/program", NULL };
	struct spawned child = SPAWNED_NONE;
	struct fl_error err = { 0 };

	check_code(FL_NOT_FOUND, spawn_start(argv, NULL, 0, &child, &err));
	check(strstr(err.text, "/nowhere/program") != NULL);
	check(child.pid == 0 && child.pidfd == -1);
}

static void a_kill_ends_it_and_a_late_one_harms_nobody(void)
{
	const char *const argv[] = { "/bin/sh", "-c", "exec sleep 1000", NULL };
	struct spawned child = SPAWNED_NONE;
	struct fl_error err = { 0 };
	int status = -1;

	check_ok(spawn_start(argv, NULL, 0, &child, &err));
	spawn_kill(&child);
	spawn_wait(&child, &status);
	check(status == 128 + SIGKILL);
	spawn_kill(&child);
	spawned_done(&child);
	spawn_kill(&child);
}

static void letting_go_of_one_that_runs_ends_it(void)
{
	const char *const argv[] = { "/bin/sh", "-c", "exec sleep 1000", NULL };
	struct spawned child = SPAWNED_NONE;
	struct fl_error err = { 0 };
	pid_t pid;

	check_ok(spawn_start(argv, NULL, 0, &child, &err));
	pid = child.pid;
	spawned_done(&child);
	check(kill(pid, 0) < 0 && errno == ESRCH);
}

int main(int argc, char **argv)
{
	int status = check_main(argc, argv,
				(struct check[]){
					CHECK(both_streams_and_the_status_come_back),
					CHECK(nothing_is_inherited),
					CHECK(a_missing_program_is_named),
					CHECK(a_program_that_may_not_run_is_denied),
					CHECK(the_end_by_a_signal_is_a_status),
					CHECK(a_flood_is_read_and_bounded),
					CHECK(the_deadline_ends_it),
					CHECK(what_it_left_behind_holds_nobody_up),
					CHECK(a_program_gets_its_descriptors_and_no_others),
					CHECK(what_cannot_be_started_says_so_at_once),
					CHECK(a_kill_ends_it_and_a_late_one_harms_nobody),
					CHECK(letting_go_of_one_that_runs_ends_it),
					CHECK_END,
				});

	spawn_result_done(&result);
	return status;
}
