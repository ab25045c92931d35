#include "container/runtime.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fsat.h"
#include "base/process.h"
#include "base/spawn.h"
#include "model/words.h"

#define PROGRAM_FILE "program" /* of the runtime that made it */
#define MARK_FILE "ending"
#define ID_PREFIX "flocker-"
#define ID_TEXT (sizeof(ID_PREFIX) + UUID_TEXT)
#define ANSWER_LIMIT (KEEPER_WORDS + 1)
#define START_TIMEOUT (90 * CLOCK_SECOND) /* the keeper has one of its own, which is shorter */
#define CLEAN_TIMEOUT (30 * CLOCK_SECOND)
#define KILL_TIMEOUT (60 * CLOCK_SECOND)

void runtime_places_done(struct runtime_places *places)
{
	free(places->run);
	free(places->state);
	free(places->keeper);
	free(places->cgroup);
	*places = (struct runtime_places){ 0 };
}

void runtime_run_done(struct runtime_run *run)
{
	own_fdp(&run->init);
	own_fdp(&run->keeper);
	*run = (struct runtime_run)RUNTIME_RUN_NONE;
}

/* --- the program ------------------------------------------------------------------------ */

static bool is_program(int dir, const char *path)
{
	struct fl_error missing;
	own_fd int fd = -1;
	struct stat st;

	return fsat_open_in_root(dir, path, O_PATH, &fd, &missing) == 0 && fstat(fd, &st) == 0 &&
	       S_ISREG(st.st_mode) && (st.st_mode & 0111);
}

static int find_first(int root, char **ret, struct fl_error *err)
{
	static const char *const usual[] = {
		"/usr/sbin/runc", "/usr/bin/runc",  "/usr/local/sbin/runc", "/usr/local/bin/runc",
		"/usr/bin/crun",  "/usr/sbin/crun", "/usr/local/bin/crun",
	};

	for (size_t i = 0; i < array_size(usual); i++) {
		if (!is_program(root, usual[i]))
			continue;
		*ret = xstrdup(usual[i]);
		return 0;
	}
	fl_fail(err, FL_NOT_FOUND,
		"there is no OCI runtime to run a system with: neither runc nor crun");
	return fl_hint(err,
		       "install runc, or say where one is: flocker config set system.runtime PATH");
}

int runtime_find(const struct runtime_places *places, const char *wanted, char **ret,
		 struct fl_error *err)
{
	own_fd int root = -1;

	if (!places->keeper)
		return fl_fail(err, FL_UNSUPPORTED,
			       "flocker-keeper is not installed, without which no system runs");
	if (fsat_open_dir(AT_FDCWD, "/", &root, err) < 0)
		return fl_failed(err);
	if (!*wanted)
		return find_first(root, ret, err);
	if (!is_program(root, wanted)) {
		fl_fail(err, FL_NOT_FOUND, "the OCI runtime '%s' is missing, or is no program",
			wanted);
		return fl_hint(err, "flocker config set system.runtime PATH, or \"\" for the one "
				    "that is found");
	}
	*ret = xstrdup(wanted);
	return 0;
}

/* --- the files ---------------------------------------------------------------------------- */

static char *place_of(const char *place, const struct uuid *branch, const char *name)
{
	struct text text = { 0 };
	char uuid[UUID_TEXT];

	text_add_format(&text, "%s/%s%s%s", place, uuid_format(branch, uuid), *name ? "/" : "",
			name);
	return text_take(&text);
}

static int open_place(const char *place, const struct uuid *branch, int *ret_fd,
		      struct fl_error *err)
{
	own_free char *path = place_of(place, branch, "");

	return fsat_open_dir(AT_FDCWD, path, ret_fd, err);
}

static int make_place(const char *place, const struct uuid *branch, int *ret_fd,
		      struct fl_error *err)
{
	own_free char *path = place_of(place, branch, "");

	/* The console tells what the system says, and the FIFO would let others say it. */
	if (fsat_mkdir_parents(AT_FDCWD, place, 0700, err) < 0 ||
	    fsat_mkdir(AT_FDCWD, path, 0700, err) < 0)
		return fl_failed(err);
	return fsat_open_dir(AT_FDCWD, path, ret_fd, err);
}

static void format_id(const struct uuid *branch, char id[static ID_TEXT])
{
	char uuid[UUID_TEXT];

	snprintf(id, ID_TEXT, ID_PREFIX "%s", uuid_format(branch, uuid));
}

/* Does a keeper live?  Looked at by trying its lock. */
static int has_keeper(int run, bool *ret, struct fl_error *err)
{
	own_fd int lock = -1;
	int r = fsat_open(run, KEEPER_LOCK, O_RDWR, 0, &lock, err);

	if (r == 0)
		r = fsat_lock(lock, err);
	*ret = r == -FL_BUSY;
	return r == -FL_BUSY || r == -FL_NOT_FOUND ? 0 : r;
}

int runtime_open_state(const struct runtime_places *places, const struct uuid *branch, int *ret_fd,
		       struct fl_error *err)
{
	return make_place(places->state, branch, ret_fd, err);
}

int runtime_last(const struct runtime_places *places, const struct uuid *branch,
		 struct keeper_exit *ret, struct fl_error *err)
{
	own_fd int state = -1;

	if (open_place(places->state, branch, &state, err) < 0)
		return fl_failed(err);
	return keeper_exit_load(state, ret, err);
}

int runtime_mark(const struct runtime_places *places, const struct uuid *branch,
		 struct fl_error *err)
{
	own_fd int run = -1;

	if (make_place(places->run, branch, &run, err) < 0)
		return fl_failed(err);
	return fsat_write(run, MARK_FILE, "", 0, 0600, false, err);
}

bool runtime_marked(const struct runtime_places *places, const struct uuid *branch)
{
	struct fl_error missing;
	own_fd int run = -1;
	struct stat st;

	return open_place(places->run, branch, &run, &missing) == 0 &&
	       fsat_stat(run, MARK_FILE, &st, &missing) == 0;
}

void runtime_unmark(const struct runtime_places *places, const struct uuid *branch)
{
	struct fl_error missing;
	own_fd int run = -1;

	if (open_place(places->run, branch, &run, &missing) == 0)
		(void)!fsat_unlink(run, MARK_FILE, &missing);
}

/* --- is the tree one that can be run? -------------------------------------------------------- */

static int check_directory(int root, const char *tree, const char *path, struct fl_error *err)
{
	own_fd int fd = -1;

	if (fsat_open_in_root(root, path, O_PATH | O_DIRECTORY, &fd, err) == 0)
		return 0;
	fl_fail(err, FL_INVALID, "the tree has no directory %s, which a system needs", path);
	return fl_hint(err, "make it, and nothing in it: mkdir %s%s", tree, path);
}

static int check_init(int root, const char *init, struct fl_error *err)
{
	own_fd int fd = -1;
	struct stat st;

	if (fsat_open_in_root(root, init, O_PATH, &fd, err) < 0)
		fl_fail(err, FL_INVALID, "the tree has no %s, which is to be its init", init);
	else if (fstat(fd, &st) < 0)
		return fl_fail_errno(err, "cannot look at %s", init);
	else if (!S_ISREG(st.st_mode) || !(st.st_mode & 0111))
		fl_fail(err, FL_INVALID, "%s, which is to be its init, is not an executable file",
			init);
	else
		return 0;
	return fl_hint(err, "another one: the setting init");
}

int runtime_check(const struct runtime_start *start, struct fl_error *err)
{
	own_fd int root = -1;

	if (fsat_open_dir(AT_FDCWD, start->tree, &root, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; oci_directories[i]; i++)
		if (check_directory(root, start->tree, oci_directories[i], err) < 0)
			return fl_failed(err);
	if (check_directory(root, start->tree, start->settings->directory, err) < 0)
		return fl_failed(err);
	return check_init(root, start->settings->init[0], err);
}

static bool has_run(const char *tree)
{
	struct fl_error missing;
	own_fd int root = -1, run = -1;

	return fsat_open_dir(AT_FDCWD, tree, &root, &missing) == 0 &&
	       fsat_open_in_root(root, "/run", O_PATH | O_DIRECTORY, &run, &missing) == 0;
}

/* --- start --------------------------------------------------------------------------------- */

/* As many as systems are built for, if this process may give that many. */
static int64_t files_allowed(void)
{
	const int64_t usual = 524288;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_max > (rlim_t)usual)
		return usual;
	return (int64_t)limit.rlim_max;
}

static int write_config(const struct runtime_places *places, const struct uuid *branch,
			const struct runtime_start *start, int run, struct fl_error *err)
{
	own_free char *root = place_of(places->run, branch, KEEPER_ROOT);
	own_free char *console = place_of(places->run, branch, KEEPER_CONSOLE);
	own_free char *cgroup = place_of(places->cgroup, branch, "");
	own_text struct text text = { 0 };
	const struct oci_options options = {
		.settings = start->settings,
		.hostname = start->hostname,
		.root = root,
		.console = console,
		.cgroup = cgroup,
		.files = files_allowed(),
		.empty_run = oci_wants_empty_run(start->settings) && has_run(start->tree),
	};

	oci_format(&options, &text);
	return fsat_write(run, KEEPER_CONFIG, text_get(&text), text.length, 0600, false, err);
}

/* The bundle, and what the keeper wants beside it. */
static int prepare(const struct runtime_places *places, const struct uuid *branch,
		   const struct runtime_start *start, struct fl_error *err)
{
	own_fd int run = -1, state = -1;

	if (make_place(places->run, branch, &run, err) < 0 ||
	    make_place(places->state, branch, &state, err) < 0 ||
	    fsat_mkdir(run, KEEPER_ROOT, 0700, err) < 0 ||
	    fsat_mkdir(run, KEEPER_RUNTIME, 0700, err) < 0 ||
	    /* A new one: what was written to the last, and not read, belongs to that run. */
	    fsat_unlink(run, KEEPER_CONSOLE, err) < 0 ||
	    fsat_make_node(run, KEEPER_CONSOLE, S_IFIFO | 0600, 0, err) < 0 ||
	    fsat_write(run, PROGRAM_FILE, start->program, strlen(start->program), 0600, false,
		       err) < 0)
		return fl_failed(err);
	return write_config(places, branch, start, run, err);
}

/* Until its end; what is beyond the limit is dropped. */
static void read_answer(int fd, struct text *answer)
{
	int64_t deadline = clock_monotonic() + START_TIMEOUT;
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	while (clock_monotonic() < deadline) {
		char bytes[512];
		ssize_t n;

		if (poll(&wait, 1, clock_milliseconds_until(deadline)) <= 0)
			continue;
		n = TEMP_FAILURE_RETRY(read(fd, bytes, sizeof(bytes)));
		if (n <= 0)
			return;
		if (answer->length + (size_t)n < ANSWER_LIMIT)
			text_add(answer, bytes, (size_t)n);
	}
}

static int run_keeper(const struct runtime_places *places, const struct uuid *branch,
		      const struct runtime_start *start, struct text *answer, struct fl_error *err)
{
	own_free char *run = place_of(places->run, branch, "");
	own_free char *state = place_of(places->state, branch, "");
	own_fd int ours = -1, its = -1;
	struct spawned spawned = SPAWNED_NONE;
	char id[ID_TEXT];
	const char *const argv[] = { places->keeper, "system",	     run, state,
				     start->tree,    start->program, id,  NULL };
	int ends[2], status;

	format_id(branch, id);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return fl_fail_errno(err, "cannot make a pipe");
	ours = ends[0];
	its = ends[1];
	const struct spawn_fd fds[] = { { its, 1 } };

	if (spawn_start(argv, fds, array_size(fds), &spawned, err) < 0)
		return fl_failed(err);
	close(take_fd(its));
	read_answer(ours, answer);
	spawn_wait(&spawned, &status); /* it ended when it had detached itself */
	spawned_done(&spawned);
	return 0;
}

/* time="..." level=error msg="..." is for machines: of the last line what is in `msg`. */
static void shorten_answer(char *answer)
{
	char *message = NULL, *end;

	for (char *at = strstr(answer, "msg=\""); at; at = strstr(at + 1, "msg=\""))
		message = at + strlen("msg=\"");
	if (!message)
		message = answer;
	end = message;
	for (char *at = message; *at && *at != '"' && *at != '\n'; at++) {
		at += *at == '\\' && at[1];
		*end++ = *at;
	}
	*end = '\0';
	memmove(answer, message, strlen(message) + 1);
}

static int fail_start(const struct runtime_start *start, struct text *answer, struct fl_error *err)
{
	own_free char *words = text_take(answer);

	shorten_answer(words);
	return fl_fail(err, FL_SYSTEM, "%s can't run it: %s", start->program,
		       *words ? words : "it does not say why");
}

int runtime_start(const struct runtime_places *places, const struct uuid *branch,
		  const struct runtime_start *start, struct runtime_run *ret, struct fl_error *err)
{
	own_text struct text answer = { 0 };
	int r;

	if (runtime_check(start, err) < 0 || runtime_clean(places, branch, err) < 0 ||
	    prepare(places, branch, start, err) < 0 ||
	    run_keeper(places, branch, start, &answer, err) < 0)
		return fl_failed(err);
	if (strcmp(text_get(&answer), KEEPER_ANSWER) != 0)
		return fail_start(start, &answer, err);
	r = runtime_adopt(places, branch, ret, err);
	if (r != -FL_NOT_FOUND)
		return r;
	*ret = (struct runtime_run)RUNTIME_RUN_NONE;
	return 0;
}

/* --- one that runs ---------------------------------------------------------------------------- */

/*
 * A keeper that has the lock and says nothing yet is starting a system for a daemon that is dead:
 * it will say something, or end.
 */
static int await_running(int run, struct keeper_running *ret, struct fl_error *err)
{
	int64_t deadline = clock_monotonic() + START_TIMEOUT;
	bool lives = true;

	while (clock_monotonic() < deadline) {
		int r = keeper_running_load(run, ret, err);

		if (r != -FL_NOT_FOUND)
			return r;
		if (has_keeper(run, &lives, err) < 0)
			return fl_failed(err);
		if (!lives)
			return fl_fail(err, FL_NOT_FOUND, "the system does not run");
		poll(NULL, 0, 10);
	}
	return fl_fail(err, FL_SYSTEM, "the keeper of a system neither starts it nor gives up");
}

/* Both numbers are right as long as there is no `exit` and the lock is held (keeper/files.h). */
static int watch(const struct runtime_places *places, const struct uuid *branch, int run_fd,
		 const struct keeper_running *running, struct runtime_run *ret,
		 struct fl_error *err)
{
	own_runtime_run struct runtime_run run = RUNTIME_RUN_NONE;
	own_keeper_exit struct keeper_exit end = { 0 };
	bool lives = false;
	int r;

	run.pid = running->init;
	run.started = running->started;
	if (process_open(running->keeper, &run.keeper, err) < 0 ||
	    process_open(running->init, &run.init, err) < 0 || has_keeper(run_fd, &lives, err) < 0)
		return fl_failed(err);
	r = runtime_last(places, branch, &end, err);
	if (r < 0 && r != -FL_NOT_FOUND)
		return r;
	if (r == 0) /* it has ended just now, and the keeper is about to */
		(void)!process_await(run.keeper, clock_monotonic() + CLEAN_TIMEOUT);
	if (r == 0 || !lives)
		return fl_fail(err, FL_NOT_FOUND, "the system does not run");
	*ret = run;
	run = (struct runtime_run)RUNTIME_RUN_NONE;
	return 0;
}

int runtime_adopt(const struct runtime_places *places, const struct uuid *branch,
		  struct runtime_run *ret, struct fl_error *err)
{
	struct keeper_running running;
	own_fd int run = -1;
	bool lives = false;

	if (open_place(places->run, branch, &run, err) < 0 || has_keeper(run, &lives, err) < 0)
		return fl_failed(err);
	if (!lives)
		return fl_fail(err, FL_NOT_FOUND, "the system does not run");
	if (await_running(run, &running, err) < 0)
		return fl_failed(err);
	return watch(places, branch, run, &running, ret, err);
}

int runtime_stop(const struct runtime_run *run, int number, int64_t timeout, struct fl_error *err)
{
	int64_t deadline = clock_monotonic() + timeout;

	if (process_signal(run->init, number, err) < 0)
		return fl_failed(err);
	(void)!process_await(run->keeper, deadline);
	/* The kernel ends all of a PID namespace with its init, and init last: it is whole or
	 * gone. */
	if (process_signal(run->init, SIGKILL, err) < 0)
		return fl_failed(err);
	deadline = clock_monotonic() + KILL_TIMEOUT;
	if (process_await(run->init, deadline) && process_await(run->keeper, deadline))
		return 0;
	fl_fail(err, FL_SYSTEM, "process %d was killed and has not ended yet", run->pid);
	return fl_hint(err, "it waits for a device or a file system; try again when that answers");
}

/* --- what is left ------------------------------------------------------------------------- */

static int delete_container(const char *run_path, const struct uuid *branch, int run,
			    struct fl_error *err)
{
	own(spawn_result_done) struct spawn_result result = { 0 };
	own_text struct text program = { 0 }, root = { 0 };
	own_free char *words = NULL;
	char id[ID_TEXT];

	format_id(branch, id);
	text_add_format(&root, "%s/" KEEPER_RUNTIME, run_path);
	if (fsat_read(run, PROGRAM_FILE, PATH_MAX, &program, err) < 0)
		return fl_failed(err);
	const char *const argv[] = {
		text_get(&program), "--root", text_get(&root), "delete", "--force", id, NULL
	};

	if (spawn_run(argv, CLEAN_TIMEOUT, &result, err) < 0)
		return fl_failed(err);
	if (result.status == 0)
		return 0;
	words = text_take(&result.err);
	shorten_answer(words);
	return fl_fail(err, FL_SYSTEM, "%s can't delete what is left of a system: %s",
		       text_get(&program), words);
}

static int clean(const struct runtime_places *places, const struct uuid *branch, int run,
		 struct fl_error *err)
{
	own_free char *path = place_of(places->run, branch, "");
	char container[ID_TEXT + sizeof(KEEPER_RUNTIME) + 1], id[ID_TEXT];
	struct stat st;
	int r;

	format_id(branch, id);
	snprintf(container, sizeof(container), KEEPER_RUNTIME "/%s", id);
	r = fsat_stat(run, container, &st, err);
	if (r == 0)
		r = delete_container(path, branch, run, err);
	if (r < 0 && r != -FL_NOT_FOUND)
		return r;
	return fsat_unlink(run, KEEPER_RUNNING, err);
}

int runtime_clean(const struct runtime_places *places, const struct uuid *branch,
		  struct fl_error *err)
{
	own_fd int run = -1;
	bool lives = false;
	int r = open_place(places->run, branch, &run, err);

	if (r < 0)
		return r == -FL_NOT_FOUND ? 0 : r;
	if (has_keeper(run, &lives, err) < 0)
		return fl_failed(err);
	if (lives)
		return fl_fail(err, FL_BUSY, "the system runs");
	return clean(places, branch, run, err);
}

int runtime_forget(const struct runtime_places *places, const struct uuid *branch,
		   struct fl_error *err)
{
	own_free char *run = place_of(places->run, branch, "");
	own_free char *state = place_of(places->state, branch, "");

	if (runtime_clean(places, branch, err) < 0 || fsat_remove_tree(AT_FDCWD, run, err) < 0)
		return fl_failed(err);
	return fsat_remove_tree(AT_FDCWD, state, err);
}

struct sweep {
	const struct runtime_places *places;
	bool (*known)(void *arg, const struct uuid *branch);
	void *arg;
};

static int sweep_one(void *arg, const char *name, unsigned char type, uint64_t inode,
		     struct fl_error *err)
{
	const struct sweep *sweep = arg;
	struct fl_error later;
	struct uuid branch;

	if (uuid_parse(name, &branch, &later) == 0 && !sweep->known(sweep->arg, &branch))
		(void)!runtime_forget(sweep->places, &branch, &later);
	return 0;
}

void runtime_sweep(const struct runtime_places *places,
		   bool (*known)(void *arg, const struct uuid *branch), void *arg)
{
	struct sweep sweep = { places, known, arg };
	const char *const roots[] = { places->run, places->state };
	struct fl_error later;

	for (size_t i = 0; i < array_size(roots); i++) {
		own_fd int dir = -1;

		if (fsat_open_dir(AT_FDCWD, roots[i], &dir, &later) == 0)
			(void)!fsat_each(dir, sweep_one, &sweep, &later);
	}
}

/* --- commands in it ------------------------------------------------------------------------ */

int runtime_exec(const struct runtime_places *places, const struct uuid *branch,
		 const struct runtime_exec *exec, char ***ret, struct fl_error *err)
{
	own_text struct text program = { 0 };
	own_words char **words = NULL;
	own_fd int run = -1;
	char id[ID_TEXT];

	format_id(branch, id);
	if (open_place(places->run, branch, &run, err) < 0 ||
	    fsat_read(run, PROGRAM_FILE, PATH_MAX, &program, err) < 0)
		return fl_failed(err);
	words_add(&words, text_take(&program));
	words_add(&words, xstrdup("--root"));
	words_add(&words, place_of(places->run, branch, KEEPER_RUNTIME));
	words_add(&words, xstrdup("exec"));
	if (exec->terminal) {
		words_add(&words, xstrdup("--tty"));
		words_add(&words, xstrdup("--env"));
		words_add(&words, xstrdup("TERM=xterm"));
	}
	if (exec->user) {
		words_add(&words, xstrdup("--user"));
		words_add(&words, xstrdup(exec->user));
	}
	words_add(&words, xstrdup(id));
	for (size_t i = 0; i < exec->count; i++)
		words_add(&words, xstrdup(exec->command[i]));
	*ret = take_ptr(words);
	return 0;
}
