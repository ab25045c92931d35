#include "container/freeze.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fsat.h"
#include "base/log.h"
#include "base/spawn.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/uuid.h"
#include "container/frozen.h"

/*
 * What is slow comes first: files are opened, the guard is started and has opened its own,
 * and a thread that minds the guard runs, before anything is frozen.  Then all groups are
 * told to freeze before any is waited for, so that ten take hardly longer than one.
 *
 * The guard is told which of the groups are to be thawed by one write, just before the first is
 * frozen: from then on the end of its pipe makes it thaw them.  If it hears the last word
 * instead, they run already and it ends.  The same is noted in a file before that; whoever thaws
 * all, this process or the guard, removes it.
 *
 * The kernel tells of version 2 groups by an event that may be 10 ms late, and of version 1
 * groups not at all (what is read there is found out by reading): so both are asked again
 * after a short nap.  A version 1 group in which processes are born while it freezes is told
 * again to freeze now and then.
 */
#define GUARD_PATIENCE (5 * CLOCK_SECOND) /* to be ready, and to end */
#define GUARD_LIFETIME 60		  /* seconds; it says itself that it has none */
#define NAP 50000L			  /* ns */
#define LONG_NAP 1000000L
#define SHORT_WAIT (CLOCK_SECOND / 50) /* naps are short for so long */

struct group {
	const struct cgroup *cgroup;
	int control; /* cgroup.freeze, freezer.state */
	int look;    /* cgroup.events, freezer.self_freezing */
	bool gone;
	bool others; /* somebody else has frozen it */
	bool held;   /* to be thawed */
};

struct freeze {
	struct freeze_options options;
	struct group *groups;
	size_t count;
	char *note; /* path of the file; "": none is made */
	struct spawned guard;
	int to, from; /* the guard's standard input and output */
	int wake;     /* eventfd: the minder is to end */
	pthread_t minder;
	bool minding;

	pthread_mutex_t mutex; /* of what follows, and of all writing to groups */
	bool broken;	       /* the guard is gone too early */
	int64_t began, ended;  /* clock_monotonic(); 0: not yet */

	int64_t stilled; /* clock_monotonic() when all stood still */
};

/* --- one group ------------------------------------------------------------------------ */

static const char *const look_at[] = {
	[CGROUP_FREEZER] = "freezer.self_freezing", [CGROUP_UNIFIED] = "cgroup.events"
};
static const char *const freeze_words[] = { [CGROUP_FREEZER] = "FROZEN", [CGROUP_UNIFIED] = "1" };

static bool is_gone(int sys)
{
	return sys == ENOENT || sys == ENODEV;
}

static int open_group(struct group *group, struct fl_error *err)
{
	own_fd int dir = -1;
	enum cgroup_kind kind = group->cgroup->kind;

	if (fsat_open_dir(AT_FDCWD, group->cgroup->directory, &dir, err) < 0 ||
	    fsat_open(dir, cgroup_switch[kind], O_RDWR, 0, &group->control, err) < 0 ||
	    fsat_open(dir, look_at[kind], O_RDONLY, 0, &group->look, err) < 0) {
		group->gone = is_gone(err->sys);
		return group->gone ? 0 : fl_wrap(err, "cgroup '%s'", group->cgroup->path);
	}
	return 0;
}

/* What the file says now, without the end of its last line; "" when the group is gone. */
static const char *read_now(int fd, char text[static 128])
{
	ssize_t n = pread(fd, text, 127, 0);

	text[n > 0 ? n : 0] = '\0';
	if (n > 0 && text[n - 1] == '\n')
		text[n - 1] = '\0';
	return text;
}

/* By its own switch: below one that is frozen it can be frozen and thawed as well. */
static bool is_switched(const struct group *group)
{
	char text[128];

	return strcmp(read_now(group->cgroup->kind == CGROUP_UNIFIED ? group->control : group->look,
			       text),
		      "1") == 0;
}

static bool stands_still(const struct group *group)
{
	char text[128];

	if (group->cgroup->kind == CGROUP_FREEZER)
		return strcmp(read_now(group->control, text), "FROZEN") == 0 || !text[0];
	return strstr(read_now(group->look, text), "frozen 1") || !text[0];
}

static int set(struct group *group, const char *word)
{
	ssize_t n = TEMP_FAILURE_RETRY(pwrite(group->control, word, strlen(word), 0));

	if (n < 0 && is_gone(errno))
		group->gone = true;
	return n < 0 && !group->gone ? -1 : 0;
}

/* --- all of them ------------------------------------------------------------------------ */

/* With the mutex. */
static void thaw_all(struct freeze *freeze)
{
	bool failed = false;

	for (size_t i = 0; i < freeze->count; i++) {
		struct group *group = &freeze->groups[i];

		if (group->held && set(group, cgroup_thaw[group->cgroup->kind]) < 0) {
			log_error("a cgroup can't be thawed", "cgroup=%s error=\"%s\"",
				  group->cgroup->directory, strerror(errno));
			failed = true;
		}
		group->held = false;
	}
	freeze->ended = clock_monotonic();
	if (!failed && freeze->note[0])
		frozen_forget(freeze->note);
}

static bool is_broken(struct freeze *freeze)
{
	own_lock(guard, &freeze->mutex);

	return freeze->broken;
}

static void *mind(void *arg)
{
	struct freeze *freeze = arg;
	struct pollfd fds[] = { { .fd = freeze->guard.pidfd, .events = POLLIN },
				{ .fd = freeze->wake, .events = POLLIN } };

	while (TEMP_FAILURE_RETRY(poll(fds, array_size(fds), -1)) <= 0)
		;
	if (!fds[0].revents)
		return NULL;
	pthread_mutex_lock(&freeze->mutex);
	freeze->broken = !freeze->ended;
	if (freeze->began && !freeze->ended)
		thaw_all(freeze);
	pthread_mutex_unlock(&freeze->mutex);
	return NULL;
}

/* --- the guard ------------------------------------------------------------------------ */

static int fail_guard(const char *what, struct fl_error *err)
{
	fl_fail(err, FL_BUSY, "the guard that would thaw what is frozen %s", what);
	return fl_hint(err, "try again");
}

/* Until the descriptor is ready, or the guard has ended, or it is too late. */
static bool await(const struct freeze *freeze, int fd, short events)
{
	struct pollfd fds[] = { { .fd = fd, .events = events },
				{ .fd = freeze->guard.pidfd, .events = POLLIN } };
	int64_t deadline = clock_monotonic() + GUARD_PATIENCE;

	do {
		if (poll(fds, array_size(fds), clock_milliseconds_until(deadline)) > 0)
			return fds[0].revents & events;
	} while (clock_monotonic() < deadline);
	return false;
}

static int tell(struct freeze *freeze, const char *bytes, size_t length, struct fl_error *err)
{
	while (length > 0) {
		ssize_t n = write(freeze->to, bytes, length);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return fail_guard("is gone", err);
		if (n < 0 && !await(freeze, freeze->to, POLLOUT))
			return fail_guard("does not listen", err);
		bytes += n > 0 ? n : 0;
		length -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int hear_ready(struct freeze *freeze, struct fl_error *err)
{
	char word[8] = "";

	if (!await(freeze, freeze->from, POLLIN) ||
	    TEMP_FAILURE_RETRY(read(freeze->from, word, sizeof(word) - 1)) != 6 ||
	    strcmp(word, "ready\n") != 0)
		return fail_guard("did not get ready", err);
	return 0;
}

static int introduce(struct freeze *freeze, struct fl_error *err)
{
	own_text struct text text = { 0 };

	for (size_t i = 0; i < freeze->count; i++)
		frozen_add(&text, freeze->groups[i].cgroup);
	text_add(&text, "", 1);
	if (tell(freeze, text.bytes, text.length, err) < 0)
		return fl_failed(err);
	return hear_ready(freeze, err);
}

static int start_guard(struct freeze *freeze, struct fl_error *err)
{
	char limit[24];
	const char *const argv[] = { freeze->options.keeper, "thaw", limit, freeze->note, NULL };
	const char *const environment[] = { SPAWN_ENVIRONMENT, NULL };
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, r;

	snprintf(limit, sizeof(limit), "%lld",
		 (long long)(freeze->options.limit / (CLOCK_SECOND / 1000)));
	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0) {
		r = fl_fail_errno(err, "cannot make a pipe");
		own_fdp(&in[0]);
		own_fdp(&in[1]);
		return r;
	}
	freeze->to = in[1];
	freeze->from = out[0];
	r = spawn_start_talker(argv, environment, GUARD_LIFETIME,
			       (struct spawn_fd[]){ { in[0], 0 }, { out[1], 1 }, { 2, 2 } },
			       &freeze->guard, err);
	close(in[0]);
	close(out[1]);
	if (r == 0 && fcntl(freeze->to, F_SETFL, O_NONBLOCK) < 0)
		r = fl_fail_errno(err, "cannot use a pipe");
	return r == 0 ? introduce(freeze, err) : r;
}

static int start_minder(struct freeze *freeze, struct fl_error *err)
{
	freeze->wake = eventfd(0, EFD_CLOEXEC);
	if (freeze->wake < 0)
		return fl_fail_errno(err, "cannot make an event descriptor");
	freeze->minding = thread_start(&freeze->minder, THREAD_STACK, mind, freeze, err) == 0;
	return freeze->minding ? 0 : fl_failed(err);
}

/* One that does not end by itself is ended: nothing is left to be thawed. */
static void dismiss_guard(struct freeze *freeze)
{
	struct fl_error gone;
	int status;

	if (freeze->guard.pid <= 0)
		return;
	(void)!tell(freeze, "d", 1, &gone);
	close(take_fd(freeze->to));
	if (!await(freeze, freeze->guard.pidfd, POLLIN))
		spawn_kill(&freeze->guard);
	spawn_wait(&freeze->guard, &status);
}

/* --- before --------------------------------------------------------------------------- */

static int prepare_note(struct freeze *freeze, struct fl_error *err)
{
	const char *directory = freeze->options.notes;
	struct text path = { 0 };
	const struct uuid uuid = uuid_new();
	char name[UUID_TEXT];

	if (!directory) {
		freeze->note = xstrdup("");
		return 0;
	}
	text_add_format(&path, "%s/%s", directory, uuid_format(&uuid, name));
	freeze->note = text_take(&path);
	return fsat_mkdir_parents(AT_FDCWD, directory, 0700, err);
}

int freeze_prepare(const struct freeze_options *options, const struct cgroup *groups, size_t count,
		   struct freeze **ret, struct fl_error *err)
{
	own_freeze struct freeze *freeze = xcalloc(1, sizeof(*freeze));

	*freeze = (struct freeze){ .options = *options, .guard = SPAWNED_NONE };
	freeze->to = freeze->from = freeze->wake = -1;
	pthread_mutex_init(&freeze->mutex, NULL);
	if (count > FREEZE_GROUPS)
		return fl_fail(err, FL_INVALID,
			       "%zu cgroups are more than the %d that can be "
			       "frozen at once",
			       count, FREEZE_GROUPS);
	freeze->groups = xcalloc(count, sizeof(*freeze->groups));
	for (; freeze->count < count; freeze->count++)
		freeze->groups[freeze->count] = (struct group){ .cgroup = &groups[freeze->count],
								.control = -1,
								.look = -1 };
	for (size_t i = 0; i < count; i++)
		if (open_group(&freeze->groups[i], err) < 0)
			return fl_failed(err);
	if (prepare_note(freeze, err) < 0 || start_guard(freeze, err) < 0 ||
	    start_minder(freeze, err) < 0)
		return fl_wrap(err, "getting ready to freeze");
	*ret = take_ptr(freeze);
	return 0;
}

/* --- the moment ------------------------------------------------------------------------- */

static int write_note(const struct freeze *freeze, struct fl_error *err)
{
	own_text struct text paths = { 0 };

	for (size_t i = 0; i < freeze->count; i++)
		if (freeze->groups[i].held)
			frozen_add(&paths, freeze->groups[i].cgroup);
	if (!freeze->note[0] || paths.length == 0)
		return 0;
	return frozen_note(freeze->note, &paths, err);
}

/* With the mutex.  From here on the guard thaws them if we die, and the note has it done if both
 * do.
 */
static int arm_guard(struct freeze *freeze, struct fl_error *err)
{
	char flags[FREEZE_GROUPS];

	for (size_t i = 0; i < freeze->count; i++) {
		struct group *group = &freeze->groups[i];

		group->others = !group->gone && is_switched(group);
		group->held = !group->gone && !group->others;
		flags[i] = group->held ? '1' : '0';
	}
	if (write_note(freeze, err) < 0)
		return fl_wrap(err, "noting what is about to be frozen");
	freeze->began = clock_monotonic();
	return tell(freeze, flags, freeze->count, err);
}

static int freeze_all(struct freeze *freeze, struct fl_error *err)
{
	own_lock(guard, &freeze->mutex);

	if (freeze->broken)
		return fail_guard("is gone", err);
	if (arm_guard(freeze, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < freeze->count; i++) {
		struct group *group = &freeze->groups[i];

		if (group->held && set(group, freeze_words[group->cgroup->kind]) < 0)
			return fl_fail_errno(err, "cannot freeze cgroup '%s'", group->cgroup->path);
	}
	return 0;
}

static void nap(long time)
{
	const struct timespec rest = { .tv_nsec = time };

	nanosleep(&rest, NULL);
}

/* Some processes may have been born behind its back; only one that we have frozen is told. */
static void freeze_again(struct freeze *freeze, struct group *group)
{
	own_lock(guard, &freeze->mutex);

	if (group->held && group->cgroup->kind == CGROUP_FREEZER)
		(void)!set(group, freeze_words[CGROUP_FREEZER]);
}

static int await_stillness(struct freeze *freeze, struct group *group, struct fl_error *err)
{
	int64_t deadline = freeze->began + freeze->options.patience;

	while (!group->gone && !stands_still(group)) {
		int64_t now = clock_monotonic();

		if (is_broken(freeze))
			return fail_guard("has ended", err);
		if (now >= deadline) {
			fl_fail(err, FL_BUSY,
				"the processes in cgroup '%s' did not all stand still "
				"within %lld ms",
				group->cgroup->path,
				(long long)(freeze->options.patience / (CLOCK_SECOND / 1000)));
			fl_object(err, "%s", group->cgroup->path);
			return fl_hint(err,
				       "one of them waits for a device or a server; try again, "
				       "or take the snapshot without it");
		}
		nap(now - freeze->began < SHORT_WAIT ? NAP : LONG_NAP);
		if (now - freeze->began >= SHORT_WAIT)
			freeze_again(freeze, group);
	}
	return 0;
}

int freeze_hold(struct freeze *freeze, struct fl_error *err)
{
	int r = freeze_all(freeze, err);

	for (size_t i = 0; i < freeze->count && r == 0; i++)
		r = await_stillness(freeze, &freeze->groups[i], err);
	freeze->stilled = clock_monotonic();
	if (r < 0) {
		own_lock(guard, &freeze->mutex);

		thaw_all(freeze);
	}
	return r;
}

/* With the mutex: does any run although we have not thawed it? */
static const struct group *find_thawed(const struct freeze *freeze)
{
	for (size_t i = 0; i < freeze->count; i++)
		if (!freeze->groups[i].gone && !stands_still(&freeze->groups[i]))
			return &freeze->groups[i];
	return NULL;
}

int freeze_release(struct freeze *freeze, struct freeze_times *ret, struct fl_error *err)
{
	const struct group *thawed = NULL;
	bool broken;

	pthread_mutex_lock(&freeze->mutex);
	if (!freeze->ended) {
		thawed = find_thawed(freeze);
		thaw_all(freeze);
	}
	broken = freeze->broken;
	pthread_mutex_unlock(&freeze->mutex);
	*ret = (struct freeze_times){ .held = freeze->ended - freeze->began,
				      .stilled = freeze->stilled - freeze->began };
	/* The guard thaws before it ends. */
	if (broken && ret->held < freeze->options.limit)
		return fail_guard("has ended", err);
	if (ret->held >= freeze->options.limit)
		return fl_fail(err, FL_BUSY,
			       "it took longer than the %lld ms that processes may be "
			       "held for",
			       (long long)(freeze->options.limit / (CLOCK_SECOND / 1000)));
	if (thawed) {
		fl_fail(err, FL_BUSY, "cgroup '%s' was thawed by somebody else",
			thawed->cgroup->path);
		return fl_hint(err, "try again");
	}
	return 0;
}

bool freeze_was_frozen(const struct freeze *freeze, size_t group)
{
	return freeze->groups[group].others;
}

void freeze_free(struct freeze *freeze)
{
	if (!freeze)
		return;
	if (freeze->began && !freeze->ended) {
		own_lock(guard, &freeze->mutex);

		thaw_all(freeze);
	}
	if (freeze->minding) {
		(void)!eventfd_write(freeze->wake, 1);
		pthread_join(freeze->minder, NULL);
	}
	dismiss_guard(freeze);
	spawned_done(&freeze->guard);
	for (size_t i = 0; i < freeze->count; i++) {
		own_fdp(&freeze->groups[i].control);
		own_fdp(&freeze->groups[i].look);
	}
	own_fdp(&freeze->to);
	own_fdp(&freeze->from);
	own_fdp(&freeze->wake);
	pthread_mutex_destroy(&freeze->mutex);
	free(freeze->note);
	free(freeze->groups);
	free(freeze);
}
