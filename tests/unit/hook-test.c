#include "container/hook.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fsat.h"
#include "base/text.h"
#include "container/hook-file.h"
#include "tests/check.h"

/*
 * Hooks are small scripts in a directory of the test's.  What they did is told by
 * files beside them.  Nothing here waits for a time to pass but the hooks that are to
 * be late.  Those have time enough to come so far as they are to: on a busy machine,
 * where it was not, they begin anew with twice as much.
 */

#define PATIENT CLOCK_MINUTE
#define SHORT (CLOCK_SECOND / 5)

static struct fl_error err;
static char place[] = "/tmp/flocker-hook-test.XXXXXX";
static struct metadata none;

/* --- the place ---------------------------------------------------------------------------- */

static char *path_of(const char *name)
{
	static char path[4][128];
	static unsigned next;
	char *ret = path[next++ % 4];

	snprintf(ret, sizeof(path[0]), "%s/%s", place, name);
	return ret;
}

static bool is_there(const char *name)
{
	return access(path_of(name), F_OK) == 0;
}

static void write_hook(const char *body)
{
	FILE *file = fopen(path_of("hook"), "w");

	check(file);
	fprintf(file, "#!/bin/sh\ncd %s\n%s\n", place, body);
	check(fclose(file) == 0 && chmod(path_of("hook"), 0755) == 0);
}

static struct hook *start(const char *body, int64_t timeout)
{
	const struct hook_call call = {
		.name = "test",
		.path = path_of("hook"),
		.event = "snapshot",
		.branch = "data/trunk",
		.tree = "/flocker/data/trunk",
		.reason = "user",
		.settings = &none,
		.timeout = timeout,
	};
	struct hook *hook = NULL;

	write_hook(body);
	check_ok(hook_start(&call, &hook, &err));
	return hook;
}

static bool says(const char *words)
{
	if (!strstr(err.text, words))
		printf("# it says: %s\n", err.text);
	return strstr(err.text, words) && strstr(err.text, "'test'");
}

/* The hook is never ready; why. */
static bool refuses(const char *body, int64_t timeout, const char *words)
{
	own_hook struct hook *hook = start(body, timeout);

	return hook_await_ready(hook, &err) == -FL_SYSTEM && says(words);
}

/* It is ready, or was, and fails before it is told to go on or after that. */
static bool fails_somewhere(const char *body, const char *words)
{
	own_hook struct hook *hook = start(body, PATIENT);

	return (hook_await_ready(hook, &err) < 0 || hook_go(hook, &err) < 0) && says(words);
}

/* It is ready, and fails after it was told to go on. */
static bool fails_after(const char *body, const char *words)
{
	own_hook struct hook *hook = start(body, PATIENT);

	return hook_await_ready(hook, &err) == 0 && hook_go(hook, &err) == -FL_SYSTEM &&
	       says(words);
}

static void forget(const char *file)
{
	check(unlink(path_of(file)) == 0 || errno == ENOENT);
}

/* Does it come so far as to make `file`, and is then not ready in time? */
static bool is_late_after(const char *file, const char *body)
{
	forget(file);
	for (int64_t timeout = SHORT;; timeout *= 2) {
		bool late = refuses(body, timeout, "was not ready within");

		if (!late || is_there(file))
			return late;
	}
}

/* Is it late where `words` say, and not before? */
static bool is_late(const char *body, const char *words)
{
	static const char *const stages[] = { "was not ready within", "nobody told it to go on",
					      "was not done within" };

	for (int64_t timeout = SHORT;; timeout *= 2) {
		own_hook struct hook *hook = start(body, timeout);
		bool before = false;

		if (hook_await_ready(hook, &err) == 0 && hook_go(hook, &err) == 0)
			return false;
		for (size_t i = 0; i < array_size(stages) && strcmp(stages[i], words) != 0; i++)
			before = before || strstr(err.text, stages[i]);
		if (!before)
			return err.code == FL_SYSTEM && says(words);
	}
}

/* Ready, however long that takes, with little time for the rest. */
static struct hook *start_ready(const char *body)
{
	for (int64_t timeout = SHORT;; timeout *= 2) {
		struct hook *hook = start(body, timeout);

		if (hook_await_ready(hook, &err) == 0)
			return hook;
		hook_free(hook);
		check(strstr(err.text, " within ")); /* perhaps as nobody told it to go on */
	}
}

/* What nobody has reaped yet is gone too. */
static bool process_is_gone(const char *file)
{
	own_text struct text number = { 0 };
	own_text struct text stat = { 0 };
	char path[64];

	if (fsat_read(AT_FDCWD, path_of(file), 32, &number, &err) < 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/stat", atoi(text_get(&number)));
	return fsat_read(AT_FDCWD, path, 1024, &stat, &err) < 0 || strstr(text_get(&stat), ") Z ");
}

/* --- what is right --------------------------------------------------------------------------- */

static void a_dialogue(void)
{
	own_hook struct hook *hook = start("echo ready\nread word\n"
					   "[ \"$word\" = go ] && touch went && echo done",
					   PATIENT);

	check_ok(hook_await_ready(hook, &err));
	check_ok(hook_is_holding(hook, &err));
	check(!is_there("went"));
	check_ok(hook_go(hook, &err));
	check(is_there("went"));
}

static void the_environment_is_clean(void)
{
	own_metadata struct metadata settings = { 0 };
	own_text struct text text = { 0 };
	struct hook *hook = NULL;
	struct hook_call call = { "test", path_of("hook"), "rollback", "a/b",
				  "/x",	  "user",	   &settings,  PATIENT };

	check_ok(metadata_set(&settings, "defaults-file", "/a b;c", &err));
	write_hook("/usr/bin/env >environment; ls -l /proc/self/fd >descriptors\n"
		   "echo ready; read word; echo done");
	setenv("SECRET", "1", 1);
	check_ok(hook_start(&call, &hook, &err));
	check_ok(hook_await_ready(hook, &err));
	check_ok(hook_go(hook, &err));
	hook_free(hook);
	check_ok(fsat_read(AT_FDCWD, path_of("environment"), 4096, &text, &err));
	check(!strstr(text_get(&text), "SECRET"));
	check(strstr(text_get(&text), "FLOCKER_SET_DEFAULTS_FILE=/a b;c\n"));
	check(strstr(text_get(&text), "FLOCKER_EVENT=rollback\n"));
	check(strstr(text_get(&text), "FLOCKER_HOOK=test\n"));
	check(strstr(text_get(&text), "FLOCKER_BRANCH=a/b\n"));
	check(strstr(text_get(&text), "FLOCKER_PATH=/x\n"));
	check(strstr(text_get(&text), "FLOCKER_TIMEOUT=60\n"));
}

/* Its input ends, and it lets go by itself: nothing kills it. */
static void one_that_is_given_up_lets_go(void)
{
	struct hook *hook = start("touch flag; echo ready; read word || { rm flag; touch freed; }",
				  PATIENT);

	check_ok(hook_await_ready(hook, &err));
	check(is_there("flag"));
	hook_free(hook);
	check(!is_there("flag") && is_there("freed"));
}

static void one_may_be_given_up_before_it_is_ready(void)
{
	hook_free(start("cat >/dev/null; touch heard-the-end", PATIENT));
	check(is_there("heard-the-end"));
}

/* --- what is wrong --------------------------------------------------------- */

static void it_says_why_it_failed(void)
{
	check(refuses("echo failed the table is locked", PATIENT, "failed: the table is locked"));
	check(refuses("echo 'cannot connect' >&2; exit 3", PATIENT, "cannot connect"));
	check(refuses("printf 'failed \\033[31mred\\200\\n'", PATIENT, "failed: ?[31mred?"));
	check(fails_after("echo ready; read word; echo failed to unlock", "failed: to unlock"));
}

static void one_that_dies_is_noticed(void)
{
	check(refuses("kill -KILL $$", PATIENT, "before it was ready"));
	check(fails_after("echo ready; read word; kill -KILL $$", "before it was done"));
	check(fails_after("echo ready; read word; echo done; exit 1", "ended with a failure"));
	check(refuses("exit 0", PATIENT, "before it was ready"));
}

static void death_while_it_holds_is_noticed(void)
{
	own_hook struct hook *hook = start("echo ready; until [ -e die ]; do sleep 0.01; done",
					   PATIENT);

	check_ok(hook_await_ready(hook, &err));
	check(close(creat(path_of("die"), 0600)) == 0);
	while (hook_is_holding(hook, &err) == 0) /* the test's alarm ends it */
		usleep(1000);
	check(says("before it was done"));
	check_code(FL_SYSTEM, hook_go(hook, &err));
}

/* However late its thread comes to hear of it: a snapshot that was taken meanwhile must not count
 * as held. */
static void one_that_let_go_is_known_when_it_is_asked(void)
{
	own_hook struct hook *hook =
		start("echo $$ >pid; echo ready; until [ -e let-go ]; do sleep 0.01; done\n"
		      "exec >&-; touch closed; read word",
		      PATIENT);

	check_ok(hook_await_ready(hook, &err));
	check(close(creat(path_of("let-go"), 0600)) == 0);
	while (!is_there("closed") && !process_is_gone("pid")) /* it is killed for it */
		usleep(1000);
	check_code(FL_SYSTEM, hook_is_holding(hook, &err));
	check(says("before it was done"));
}

static void nonsense_is_a_failure(void)
{
	check(refuses("echo READY; read word", PATIENT, "said 'READY'"));
	check(refuses("echo done; read word", PATIENT, "said 'done'"));
	check(refuses("head -c 100 /dev/urandom | tr '\\n' x; echo; read word", PATIENT, "said '"));
	check(fails_after("echo ready; read word; echo ready; read word", "said 'ready'"));
	check(fails_somewhere("printf 'ready\\nready\\n'; read word; echo done", "said 'ready'"));
	check(fails_somewhere("printf 'ready\\ndone\\n'; read word", "said 'done'"));
}

static void a_flood_is_a_failure(void)
{
	check(refuses("exec yes", PATIENT, "said 'y'"));
	check(refuses("exec tr '\\0' x </dev/zero", PATIENT, "more than a hook has to say"));
	check(refuses("yes >&2; read word", PATIENT, "flooded its standard error"));
}

static void closed_pipes_are_a_failure(void)
{
	check(refuses("exec >&- 2>&- <&-; exec sleep 600", PATIENT, "closed its output"));
	check(fails_after("exec <&-; echo ready; exec sleep 600",
			  "did not hear that it may go on"));
}

static void one_that_hangs_is_late(void)
{
	check(is_late_after("pid", "echo $$ >pid; exec sleep 600"));
	check(process_is_gone("pid"));
	check(is_late("echo ready; read word; exec sleep 600", "was not done within"));
	check(is_late("echo ready; read word; echo done; exec sleep 600", "did not end"));
}

static void one_that_ignores_sigterm_is_killed(void)
{
	check(is_late_after("pid", "trap '' TERM; echo $$ >pid; while :; do sleep 600; done"));
	check(process_is_gone("pid"));
}

static void sigterm_comes_first(void)
{
	check(is_late_after("listens", "trap 'echo >told; exit' TERM; echo >listens;"
				       "while :; do sleep 0.05; done"));
	check(is_there("told"));
}

/* What it started holds its pipes, and is killed with the group. */
static void a_grandchild_is_nothing_to_wait_for(void)
{
	own_hook struct hook *hook =
		start("sleep 600 & echo $! >pid; echo ready; read word; echo done", PATIENT);
	int64_t began = clock_monotonic();

	check_ok(hook_await_ready(hook, &err));
	check_ok(hook_go(hook, &err));
	check(clock_monotonic() - began < PATIENT);
	while (!process_is_gone("pid")) /* killed, and to be reaped by whoever adopted it */
		usleep(1000);
}

/* Nobody waits for it, and still its time is up. */
static void its_time_is_up_whatever_others_do(void)
{
	own_hook struct hook *hook = start_ready("echo $$ >pid; echo ready; exec sleep 600");

	while (hook_is_holding(hook, &err) == 0)
		usleep(1000);
	check(says("nobody told it to go on"));
	while (!process_is_gone("pid"))
		usleep(1000);
}

/* The hook's starter dies at once; the hook hears the end of its input. */
static void it_survives_its_starter_to_let_go(void)
{
	pid_t child = fork();

	if (child == 0) {
		struct hook *hook = start("trap 'touch freed-late' EXIT\necho ready; read word",
					  PATIENT);

		if (hook_await_ready(hook, &err) == 0)
			kill(getpid(), SIGKILL);
		_exit(1);
	}
	check(waitpid(child, NULL, 0) == child);
	while (!is_there("freed-late"))
		usleep(1000);
}

/* One that does not listen is ended by its alarm. */
static void it_does_not_survive_its_time(void)
{
	pid_t child = fork();

	if (child == 0) {
		start_ready("echo $$ >deaf; echo ready; exec sleep 600");
		kill(getpid(), SIGKILL);
		_exit(1);
	}
	check(waitpid(child, NULL, 0) == child);
	while (!process_is_gone("deaf"))
		usleep(1000);
}

static void a_program_that_is_missing(void)
{
	struct hook *hook = NULL;
	const struct hook_call call = {
		"test", path_of("missing"), "snapshot", "a/b", "", "user", &none, PATIENT
	};

	check_code(FL_NOT_FOUND, hook_start(&call, &hook, &err));
	check(!hook);
}

/* --- files ----------------------------------------------------------------- */

static void make_file(const char *name, mode_t mode)
{
	int fd = open(path_of(name), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	check(fd >= 0 && write(fd, "#!/bin/sh\n", 10) == 10 && close(fd) == 0);
	check(chmod(path_of(name), mode) == 0);
}

static void hooks_are_found_and_trusted(void)
{
	own_free char *own_place = xstrdup(path_of("own"));
	own_free char *shipped_place = xstrdup(path_of("shipped"));
	const struct hook_places places = { own_place, shipped_place };
	struct hook_files files = { 0 };
	own_hook_file struct hook_file found = { 0 };

	check(mkdir(places.own, 0755) == 0 && mkdir(places.shipped, 0755) == 0);
	make_file("own/both", 0755);
	make_file("shipped/both", 0755);
	make_file("shipped/alone", 0700);
	make_file("shipped/functions.sh", 0644);
	make_file("own/open", 0775);
	check(symlink("both", path_of("own/link")) == 0);
	check_ok(hook_find(&places, "both", &found, &err));
	check(!found.shipped && strstr(found.path, "/own/both"));
	hook_file_done(&found);
	check_ok(hook_find(&places, "alone", &found, &err));
	check(found.shipped);
	check_code(FL_NOT_FOUND, hook_find(&places, "nobody", &found, &err));
	check(strstr(err.hint, "alone, both;"));
	check_code(FL_DENIED, hook_find(&places, "open", &found, &err));
	check(strstr(err.text, "0775") && strstr(err.hint, "chmod go-w"));
	check_code(FL_DENIED, hook_find(&places, "link", &found, &err));
	check_code(FL_DENIED, hook_find(&places, "functions.sh", &found, &err));
	check_code(FL_INVALID, hook_find(&places, "../own/both", &found, &err));
	check_ok(hook_list(&places, &files, &err));
	check(files.count == 2 && strcmp(files.items[0].name, "alone") == 0 &&
	      strcmp(files.items[1].name, "both") == 0 && !files.items[1].shipped);
	hook_files_done(&files);
	if (geteuid() == 0) {
		check(chown(path_of("shipped/alone"), 12345, 0) == 0);
		check_code(FL_DENIED, hook_find(&places, "alone", &found, &err));
	}
	check(chmod(places.own, 0777) == 0);
	check_code(FL_DENIED, hook_find(&places, "both", &found, &err));
}

static void settings_and_timeouts_are_checked(void)
{
	static const char *const bad[] = { "Key", "1a", "a_b", "a.b",
					   "abcdefghijklmnopqrstuvwxyzabcdef" };
	own_metadata struct metadata good = { 0 };

	check_ok(metadata_set(&good, "defaults-file", "x", &err));
	check_ok(hook_check_settings(&good, &err));
	for (size_t i = 0; i < array_size(bad); i++) {
		own_metadata struct metadata settings = { 0 };

		check_ok(metadata_set(&settings, bad[i], "x", &err));
		check_code(FL_INVALID, hook_check_settings(&settings, &err));
	}
	check_ok(hook_check_timeout(CLOCK_SECOND, &err));
	check_code(FL_INVALID, hook_check_timeout(CLOCK_SECOND - 1, &err));
	check_code(FL_INVALID, hook_check_timeout(11 * CLOCK_MINUTE, &err));
}

int main(int argc, char **argv)
{
	int status;

	signal(SIGPIPE, SIG_IGN); /* as in the daemon */
	if (!mkdtemp(place))
		return 1;
	status = check_main(argc, argv,
			    (struct check[]){ CHECK(a_dialogue),
					      CHECK(the_environment_is_clean),
					      CHECK(one_that_is_given_up_lets_go),
					      CHECK(one_may_be_given_up_before_it_is_ready),
					      CHECK(it_says_why_it_failed),
					      CHECK(one_that_dies_is_noticed),
					      CHECK(death_while_it_holds_is_noticed),
					      CHECK(one_that_let_go_is_known_when_it_is_asked),
					      CHECK(nonsense_is_a_failure),
					      CHECK(a_flood_is_a_failure),
					      CHECK(closed_pipes_are_a_failure),
					      CHECK(one_that_hangs_is_late),
					      CHECK(one_that_ignores_sigterm_is_killed),
					      CHECK(sigterm_comes_first),
					      CHECK(a_grandchild_is_nothing_to_wait_for),
					      CHECK(its_time_is_up_whatever_others_do),
					      CHECK(it_survives_its_starter_to_let_go),
					      CHECK(it_does_not_survive_its_time),
					      CHECK(a_program_that_is_missing),
					      CHECK(hooks_are_found_and_trusted),
					      CHECK(settings_and_timeouts_are_checked),
					      CHECK_END });
	(void)!fsat_remove_tree(AT_FDCWD, place, &err);
	return status;
}
