#include "container/freeze.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fsat.h"
#include "base/program.h"
#include "base/text.h"
#include "container/frozen.h"
#include "tests/check.h"

/*
 * Groups are directories with the files of a control group, which here do nothing by
 * themselves: what stands in them was written by the test, by freeze.c, or by the guard.
 * tests/scenario/test_together.py has real ones.
 */

#define GROUPS 3
#define PATIENT CLOCK_MINUTE

static struct fl_error err;
static char place[] = "/tmp/flocker-freeze-test.XXXXXX";
static char *keeper, *notes;

static void make_file(const char *group, const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s/%s", place, group, name);
	file = fopen(path, "w");
	check(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static bool holds(const char *group, const char *name, const char *text)
{
	char path[128], found[64] = "";
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s/%s", place, group, name);
	file = fopen(path, "r");
	check(file && fgets(found, sizeof(found), file));
	fclose(file);
	return strcmp(found, text) == 0;
}

/* A deadline: that of the test. */
static void await(const char *group, const char *name, const char *text)
{
	while (!holds(group, name, text))
		usleep(1000);
}

static void make_directory(const char *group)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", place, group);
	check(mkdir(path, 0755) == 0 || errno == EEXIST);
}

/* "still" and "old" stand still when they are told to, "moving" never does. */
static void make_groups(struct cgroup groups[static GROUPS])
{
	static const char *const names[] = { "still", "old", "moving" };

	for (size_t i = 0; i < GROUPS; i++) {
		struct text directory = { 0 };

		make_directory(names[i]);
		text_add_format(&directory, "%s/%s", place, names[i]);
		groups[i] = (struct cgroup){ .kind = i == 1 ? CGROUP_FREEZER : CGROUP_UNIFIED,
					     .path = xstrdup(names[i]),
					     .directory = text_take(&directory) };
	}
	make_file("still", "cgroup.freeze", "0");
	make_file("still", "cgroup.events", "populated 1\nfrozen 1\n");
	make_file("old", "freezer.state", "THAWED");
	make_file("old", "freezer.self_freezing", "0\n");
	make_file("moving", "cgroup.freeze", "0");
	make_file("moving", "cgroup.events", "populated 1\nfrozen 0\n");
}

/* What each test begins with; of the one before nothing is left then. */
static struct cgroup groups[GROUPS];
static struct freeze *freeze;
static struct freeze_times times;

static void end(void)
{
	freeze_free(take_ptr(freeze));
	for (size_t i = 0; i < GROUPS; i++)
		cgroup_done(&groups[i]);
}

static void begin(void)
{
	end();
	make_groups(groups);
}

static struct freeze_options options(int64_t patience, int64_t limit)
{
	return (struct freeze_options){
		.keeper = keeper, .notes = notes, .patience = patience, .limit = limit
	};
}

/* The guard has a few seconds to begin; where the machine is too busy for that, a user tries again.
 */
static void prepare_with(const struct freeze_options *given, size_t count)
{
	int r;

	do {
		r = freeze_prepare(given, groups, count, &freeze, &err);
	} while (r == -FL_BUSY && strstr(err.text, "did not get ready"));
	check_ok(r);
}

/* The first two of them. */
static void prepare(int64_t limit)
{
	const struct freeze_options given = options(PATIENT, limit);

	prepare_with(&given, 2);
}

static int count_one(void *arg, const char *name, unsigned char type, uint64_t inode,
		     struct fl_error *error)
{
	++*(size_t *)arg;
	return 0;
}

static size_t count_notes(void)
{
	own_fd int dir = -1;
	size_t count = 0;

	if (fsat_open_dir(AT_FDCWD, notes, &dir, &err) == 0)
		check_ok(fsat_each(dir, count_one, &count, &err));
	return count;
}

/* The only child that there is. */
static pid_t guard(void)
{
	char path[64];
	int pid = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	file = fopen(path, "r");
	check(file && fscanf(file, "%d", &pid) == 1);
	fclose(file);
	return pid;
}

static void groups_stand_still_until_they_are_released(void)
{
	begin();
	prepare(PATIENT);
	check(holds("still", "cgroup.freeze", "0") && holds("old", "freezer.state", "THAWED"));
	check_ok(freeze_hold(freeze, &err));
	check(holds("still", "cgroup.freeze", "1") && holds("old", "freezer.state", "FROZEN"));
	check_ok(freeze_release(freeze, &times, &err));
	check(holds("still", "cgroup.freeze", "0") && holds("old", "freezer.state", "THAWED"));
	check(times.stilled > 0 && times.held >= times.stilled);
}

static void one_that_does_not_stand_still_is_named(void)
{
	const struct freeze_options given = options(CLOCK_SECOND / 10, PATIENT);

	begin();
	prepare_with(&given, GROUPS);
	check_code(FL_BUSY, freeze_hold(freeze, &err));
	check_string("moving", err.object);
	check(strstr(err.text, "100 ms"));
	check(holds("still", "cgroup.freeze", "0") && holds("old", "freezer.state", "THAWED") &&
	      holds("moving", "cgroup.freeze", "0"));
}

static void what_others_have_frozen_stays_so(void)
{
	begin();
	prepare(PATIENT);
	make_file("still", "cgroup.freeze", "1\n");
	check_ok(freeze_hold(freeze, &err));
	check_ok(freeze_release(freeze, &times, &err));
	check(freeze_was_frozen(freeze, 0) && !freeze_was_frozen(freeze, 1));
	check(holds("still", "cgroup.freeze", "1\n") && holds("old", "freezer.state", "THAWED"));
}

static void one_that_others_thaw_is_told(void)
{
	begin();
	prepare(PATIENT);
	check_ok(freeze_hold(freeze, &err));
	make_file("old", "freezer.state", "THAWED");
	check_code(FL_BUSY, freeze_release(freeze, &times, &err));
	check(strstr(err.text, "'old'"));
	check(holds("still", "cgroup.freeze", "0"));
}

static void they_go_on_when_the_guard_is_killed(void)
{
	begin();
	prepare(PATIENT);
	check_ok(freeze_hold(freeze, &err));
	check(kill(guard(), SIGKILL) == 0);
	await("still", "cgroup.freeze", "0");
	await("old", "freezer.state", "THAWED");
	check_code(FL_BUSY, freeze_release(freeze, &times, &err));
	check(strstr(err.text, "guard"));
}

static void without_a_guard_nothing_is_frozen(void)
{
	begin();
	prepare(PATIENT);
	check(kill(guard(), SIGKILL) == 0);
	while (freeze_hold(freeze, &err) == 0) { /* until its end is known */
		(void)!freeze_release(freeze, &times, &err);
		freeze_free(take_ptr(freeze));
		prepare(PATIENT);
		check(kill(guard(), SIGKILL) == 0);
	}
	check(err.code == FL_BUSY);
	check(holds("still", "cgroup.freeze", "0") && holds("old", "freezer.state", "THAWED"));
}

static void no_signal_but_that_one_ends_the_guard(void)
{
	begin();
	prepare(PATIENT);
	check_ok(freeze_hold(freeze, &err));
	check(kill(guard(), SIGTERM) == 0 && kill(guard(), SIGINT) == 0 &&
	      kill(guard(), SIGALRM) == 0 && kill(guard(), SIGHUP) == 0);
	check_ok(freeze_release(freeze, &times, &err));
}

/* So short a limit that the test is too, and long enough to hold them on a busy machine. */
static int64_t hold_for_a_moment(void)
{
	for (int64_t limit = CLOCK_SECOND / 2;; limit *= 2) {
		begin();
		prepare(limit);
		if (freeze_hold(freeze, &err) == 0)
			return limit;
		check(err.code == FL_BUSY && strstr(err.text, "guard"));
	}
}

static void they_go_on_at_the_limit(void)
{
	const int64_t limit = hold_for_a_moment();
	char says[32];

	await("still", "cgroup.freeze", "0");
	await("old", "freezer.state", "THAWED");
	check_code(FL_BUSY, freeze_release(freeze, &times, &err));
	snprintf(says, sizeof(says), " %lld ms", (long long)(limit / (CLOCK_SECOND / 1000)));
	check(strstr(err.text, says));
	check(times.held >= limit);
}

static void they_go_on_when_who_froze_them_is_killed(void)
{
	pid_t child;
	int status;

	begin();
	child = fork();
	check(child >= 0);
	if (child == 0) {
		prepare(PATIENT);
		if (freeze_hold(freeze, &err) == 0 && holds("still", "cgroup.freeze", "1") &&
		    holds("old", "freezer.state", "FROZEN"))
			raise(SIGKILL);
		_exit(1);
	}
	check(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
	await("still", "cgroup.freeze", "0");
	await("old", "freezer.state", "THAWED");
	while (count_notes() > 0) /* the guard has */
		usleep(1000);
}

static void what_both_leave_frozen_is_thawed_by_the_note(void)
{
	int ends[2], status;
	pid_t child, pid = 0;

	begin();
	check(pipe(ends) == 0);
	child = fork();
	check(child >= 0);
	if (child == 0) {
		make_file("still", "cgroup.freeze", "1"); /* somebody else's */
		prepare(PATIENT);
		check_ok(freeze_hold(freeze, &err));
		pid = guard();
		check(write(ends[1], &pid, sizeof(pid)) == sizeof(pid));
		raise(SIGSTOP); /* lest it thaws when it sees the guard's end */
	}
	check(read(ends[0], &pid, sizeof(pid)) == sizeof(pid));
	check(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
	check(kill(pid, SIGKILL) == 0 && kill(child, SIGKILL) == 0);
	check(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
	close(ends[0]);
	close(ends[1]);
	check(holds("old", "freezer.state", "FROZEN") && count_notes() == 1);
	frozen_thaw(notes);
	check(holds("old", "freezer.state", "THAWED") && holds("still", "cgroup.freeze", "1"));
	check(count_notes() == 0);
}

static void what_is_thawed_is_noted_no_more(void)
{
	begin();
	prepare(PATIENT);
	check(count_notes() == 0);
	check_ok(freeze_hold(freeze, &err));
	check(count_notes() == 1);
	check_ok(freeze_release(freeze, &times, &err));
	check(count_notes() == 0);
}

static void a_note_has_nothing_else_written_to(void)
{
	own_text struct text path = { 0 }, lines = { 0 };

	begin();
	make_file("still", "memory.max", "1");
	make_file("old", "freezer.state", "FROZEN");
	make_directory("notes");
	text_add_format(&lines, "%s/still/memory.max%c%s/gone/cgroup.freeze%c", place, 0, place, 0);
	text_add_format(&lines, "%s/old/freezer.state%c", place, 0);
	text_add_format(&path, "%s/odd", notes);
	check_ok(frozen_note(text_get(&path), &lines, &err));
	frozen_thaw(notes);
	check(holds("still", "memory.max", "1") && holds("old", "freezer.state", "THAWED"));
	check(count_notes() == 1); /* what can't be thawed stays noted */
	frozen_forget(text_get(&path));
	check(count_notes() == 0);
	frozen_thaw("/nowhere/notes");
}

static void who_has_frozen_nothing_leaves_them(void)
{
	begin();
	make_file("still", "cgroup.freeze", "1");
	prepare(PATIENT);
	freeze_free(take_ptr(freeze));
	check(holds("still", "cgroup.freeze", "1"));
}

static void one_that_is_gone_is_no_failure(void)
{
	begin();
	check_ok(fsat_remove_tree(AT_FDCWD, groups[0].directory, &err));
	prepare(PATIENT);
	check_ok(freeze_hold(freeze, &err));
	check(holds("old", "freezer.state", "FROZEN"));
	check_ok(freeze_release(freeze, &times, &err));
	check(holds("old", "freezer.state", "THAWED"));
}

static void a_guard_that_can_not_be_started_is_told(void)
{
	const struct freeze_options given = { .keeper = "/nowhere/flocker-keeper",
					      .patience = CLOCK_SECOND,
					      .limit = CLOCK_SECOND };
	const struct freeze_options useless = { .keeper = "/bin/true",
						.patience = CLOCK_SECOND,
						.limit = CLOCK_SECOND };

	begin();
	check_code(FL_NOT_FOUND, freeze_prepare(&given, groups, 2, &freeze, &err));
	check_code(FL_BUSY, freeze_prepare(&useless, groups, 2, &freeze, &err));
	check(holds("still", "cgroup.freeze", "0"));
}

int main(int argc, char **argv)
{
	struct text path = { 0 };
	int r;

	signal(SIGPIPE, SIG_IGN);
	keeper = program_find("../src/keeper", "flocker-keeper");
	if (!keeper || !mkdtemp(place))
		return 1;
	text_add_format(&path, "%s/notes", place);
	notes = text_take(&path);
	r = check_main(argc, argv,
		       (struct check[]){ CHECK(groups_stand_still_until_they_are_released),
					 CHECK(one_that_does_not_stand_still_is_named),
					 CHECK(what_others_have_frozen_stays_so),
					 CHECK(one_that_others_thaw_is_told),
					 CHECK(they_go_on_when_the_guard_is_killed),
					 CHECK(without_a_guard_nothing_is_frozen),
					 CHECK(no_signal_but_that_one_ends_the_guard),
					 CHECK(they_go_on_at_the_limit),
					 CHECK(they_go_on_when_who_froze_them_is_killed),
					 CHECK(what_both_leave_frozen_is_thawed_by_the_note),
					 CHECK(what_is_thawed_is_noted_no_more),
					 CHECK(a_note_has_nothing_else_written_to),
					 CHECK(who_has_frozen_nothing_leaves_them),
					 CHECK(one_that_is_gone_is_no_failure),
					 CHECK(a_guard_that_can_not_be_started_is_told),
					 CHECK_END });
	end();
	(void)!fsat_remove_tree(AT_FDCWD, place, &err);
	free(keeper);
	free(notes);
	return r;
}
