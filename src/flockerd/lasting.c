#include "flockerd/lasting.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/socket.h"
#include "base/spawn.h"
#include "base/text.h"

#define HANDED_NAME "flocker-plugin" /* FileDescriptorName= of the socket unit */
#define HANDED_FIRST 3		     /* sd_listen_fds(3) */
#define HANDED_MAX 16
#define PATIENCE 10 /* seconds: a keeper answers at once */

/* --- from the service manager --------------------------------------------------------- */

/* How many descriptors the service manager gave to this very process. */
static int handed_count(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	int64_t number;

	if (!pid || !count || !number_parse(pid, &number) || number != getpid() ||
	    !number_parse(count, &number) || number > HANDED_MAX)
		return 0;
	return (int)number;
}

/* Moves on behind the name, and the colon behind that. */
static bool next_is_wanted(const char **names)
{
	size_t length = strcspn(*names, ":");
	bool wanted = length == strlen(HANDED_NAME) && memcmp(*names, HANDED_NAME, length) == 0;

	*names += length + ((*names)[length] == ':');
	return wanted;
}

/* -1: none.  The environment is told once, so this is called once. */
static int take_handed(const char *path)
{
	const char *names = getenv("LISTEN_FDNAMES");
	int count = handed_count(), found = -1;

	for (int fd = HANDED_FIRST; fd < HANDED_FIRST + count; fd++) {
		bool wanted = names && next_is_wanted(&names);

		/* No program that is started here is to have them. */
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && wanted && found < 0 &&
		    socket_is_at(fd, path)) {
			found = fd;
			continue;
		}
		if (wanted)
			log_warning("the socket of the service manager is not the one that is set",
				    "set=%s", path);
		close(fd);
	}
	return found;
}

/* --- from a keeper ----------------------------------------------------------------------- */

/* `*ret_fd` -1: it has none for us, and is gone.  FL_NOT_FOUND: there is no keeper. */
static int ask(const char *control, const char *question, int *ret_fd, struct fl_error *err)
{
	own_fd int fd = -1;
	char answer[16];
	uid_t peer;

	if (socket_connect(control, &fd, err) < 0)
		return fl_failed(err);
	peer = socket_peer(fd);
	if (peer != 0 && peer != geteuid())
		return fl_fail(err, FL_DENIED, "user %d listens there", (int)peer);
	socket_set_patience(fd, PATIENCE);
	if (socket_send(fd, question, -1, err) < 0)
		return fl_failed(err);
	return socket_receive(fd, answer, sizeof(answer), ret_fd, err);
}

static int ask_for(const struct lasting_options *options, int *ret_fd, struct fl_error *err)
{
	own_text struct text question = { 0 };

	text_add_format(&question, "take %s", options->path);
	if (ask(options->control, text_get(&question), ret_fd, err) < 0)
		return err->code == FL_NOT_FOUND
			       ? -FL_NOT_FOUND
			       : fl_wrap(err, "asking for the socket at %s", options->control);
	return 0;
}

/* It goes into the background by itself, and the program that is waited for ends. */
static int start_keeper(const struct lasting_options *options, struct fl_error *err)
{
	const char *const argv[] = { options->program, "socket", options->control, options->path,
				     NULL };
	own(spawn_result_done) struct spawn_result result = { 0 };

	if (!options->program)
		return fl_fail(err, FL_UNSUPPORTED, "flocker-keeper is not installed");
	if (spawn_run(argv, PATIENCE * CLOCK_SECOND, &result, err) < 0)
		return fl_failed(err);
	if (result.status == 0)
		return 0;
	return fl_fail(err, FL_SYSTEM, "%.*s", (int)strcspn(text_get(&result.err), "\n"),
		       text_get(&result.err));
}

static int take_kept(const struct lasting_options *options, int *ret_fd, struct fl_error *err)
{
	int fd = -1;
	int r = ask_for(options, &fd, err);

	if (r < 0 && r != -FL_NOT_FOUND)
		return r;
	if (fd < 0) {
		if (start_keeper(options, err) < 0 || ask_for(options, &fd, err) < 0)
			return fl_failed(err);
		if (fd < 0)
			return fl_fail(err, FL_SYSTEM, "flocker-keeper did not hand it over");
	}
	*ret_fd = fd;
	return 0;
}

int lasting_release(const char *control, struct fl_error *err)
{
	own_fd int fd = -1;
	int r = ask(control, "end", &fd, err);

	return r == -FL_NOT_FOUND ? 0 : r;
}

int lasting_take(const struct lasting_options *options, int *ret_fd, struct fl_error *err)
{
	int fd = take_handed(options->path);

	if (options->path[0] && fd < 0)
		return take_kept(options, ret_fd, err);
	/* One from another time: the path is not its to keep any more. */
	if (lasting_release(options->control, err) < 0) {
		own_fdp(&fd);
		return fl_wrap(err, "ending the keeper at %s", options->control);
	}
	*ret_fd = fd;
	return 0;
}
