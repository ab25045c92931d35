/*
 * flocker-keeper thaw LIMIT NOTE: thaws control groups when nobody else does.
 *
 *	daemon                               guard
 *	starts it; LIMIT: milliseconds;
 *	NOTE: a file, or nothing
 *	paths, each with a NUL; then a NUL
 *	                                     opens them: "ready\n"
 *	for each path '1', or '0' for those
 *	that are to be left as they are
 *	(freezes, works, thaws)
 *	'd'                                  ends
 *
 * After the '1's and '0's the end of the pipe instead of 'd', which is the end of
 * the daemon, or LIMIT: it writes to each file what thaws, removes the NOTE of what stands still,
 * and ends.  It holds the files open,
 * so that then nothing needs to be found, and takes no signal but SIGKILL: a service that is
 * stopped sends SIGTERM to all of its processes, and this one has to be the last.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fsat.h"
#include "base/text.h"
#include "keeper/verbs.h"

#define PATHS_LIMIT (8 << 20)
#define DONE 'd'

struct thaw {
	const char *word; /* what thaws */
	int fd;		  /* -1: the group is gone */
	bool held;
};

struct thaws {
	struct thaw *items;
	size_t count;
};

static void thaws_done(struct thaws *thaws)
{
	for (size_t i = 0; i < thaws->count; i++)
		own_fdp(&thaws->items[i].fd);
	free(thaws->items);
}

/* By the file's name, so that nothing else can ever be written to. */
static const char *word_for(const char *path)
{
	const char *name = strrchr(path, '/');

	if (path[0] != '/')
		return NULL;
	if (strcmp(name, "/cgroup.freeze") == 0)
		return "0";
	return strcmp(name, "/freezer.state") == 0 ? "THAWED" : NULL;
}

static int add_path(struct thaws *thaws, const char *path, struct fl_error *err)
{
	struct thaw *thaw = array_add(thaws->items, thaws->count);

	*thaw = (struct thaw){ .word = word_for(path), .fd = -1 };
	if (!thaw->word)
		return fl_fail(err, FL_INVALID, "'%s' thaws nothing", path);
	if (fsat_open(AT_FDCWD, path, O_WRONLY, 0, &thaw->fd, err) < 0 && err->sys != ENOENT &&
	    err->sys != ENODEV)
		return fl_failed(err);
	return 0;
}

/* One byte; 0 at the end of the pipe. */
static int read_byte(char *ret, struct fl_error *err)
{
	ssize_t n = TEMP_FAILURE_RETRY(read(STDIN_FILENO, ret, 1));

	return n < 0 ? fl_fail_errno(err, "cannot read what is to be thawed") : (int)n;
}

/* Until the empty path.  Whoever ends before that has frozen nothing. */
static int read_paths(struct thaws *thaws, bool *ret_any, struct fl_error *err)
{
	own_text struct text path = { 0 };
	char byte;
	int n;

	for (size_t all = 0; all < PATHS_LIMIT; all++) {
		n = read_byte(&byte, err);
		if (n < 0)
			return fl_failed(err);
		*ret_any = n > 0;
		if (n == 0 || (!byte && path.length == 0))
			return 0;
		if (byte) {
			text_add(&path, &byte, 1);
			continue;
		}
		if (add_path(thaws, text_get(&path), err) < 0)
			return fl_failed(err);
		text_clear(&path);
	}
	return fl_fail(err, FL_INVALID, "there is too much to thaw");
}

/* Which are held; `*ret_any` false: the daemon ended, or does not need us any more. */
static int read_flags(struct thaws *thaws, bool *ret_any, struct fl_error *err)
{
	char byte = 0;

	*ret_any = true;
	for (size_t i = 0; i < thaws->count && *ret_any; i++) {
		int n = read_byte(&byte, err);

		if (n < 0)
			return fl_failed(err);
		*ret_any = n > 0 && byte != DONE;
		thaws->items[i].held = byte == '1';
	}
	return 0;
}

/* True: the daemon has thawed all. */
static bool await_end(int64_t deadline)
{
	struct pollfd fd = { .fd = STDIN_FILENO, .events = POLLIN };
	char byte;

	while (clock_monotonic() < deadline)
		if (poll(&fd, 1, clock_milliseconds_until(deadline)) > 0)
			return TEMP_FAILURE_RETRY(read(STDIN_FILENO, &byte, 1)) == 1 &&
			       byte == DONE;
	return false;
}

static int thaw_all(const struct thaws *thaws, struct fl_error *err)
{
	int r = 0;

	for (size_t i = 0; i < thaws->count; i++) {
		const struct thaw *thaw = &thaws->items[i];

		if (!thaw->held || thaw->fd < 0 ||
		    TEMP_FAILURE_RETRY(write(thaw->fd, thaw->word, strlen(thaw->word))) >= 0 ||
		    errno == ENODEV)
			continue;
		r = fl_fail_errno(err, "cannot thaw a cgroup");
	}
	return r;
}

static void take_no_signal(void)
{
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_IGN);
	alarm(0); /* whoever started it has set one, lest it stays for ever */
}

int keep_thawed(char *const arguments[], struct fl_error *err)
{
	own(thaws_done) struct thaws thaws = { 0 };
	int64_t limit;
	bool any;

	if (!number_parse(arguments[0], &limit))
		return fl_fail(err, FL_INVALID, "'%s' is no number of milliseconds", arguments[0]);
	take_no_signal();
	if (read_paths(&thaws, &any, err) < 0)
		return fl_failed(err);
	if (!any)
		return 0;
	if (TEMP_FAILURE_RETRY(write(STDOUT_FILENO, "ready\n", 6)) != 6)
		return fl_fail_errno(err, "cannot say that all is ready");
	if (read_flags(&thaws, &any, err) < 0)
		return fl_failed(err);
	if (!any || await_end(clock_monotonic() + limit * (CLOCK_SECOND / 1000)))
		return 0;
	if (thaw_all(&thaws, err) < 0)
		return fl_failed(err);
	return arguments[1][0] ? fsat_unlink(AT_FDCWD, arguments[1], err) : 0;
}
