/*
 * The daemon's end of the dialogue with its keeper (keeper/socket.c).  The connection
 * over which it took the socket stays open, and its end says that the keeper is gone:
 * killed, or told to end by somebody who does not know that we are here.
 */

#include "flockerd/lasting.h"

#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/socket.h"
#include "base/spawn.h"
#include "base/text.h"
#include "base/thread.h"

#define PATIENCE 10 /* seconds: a keeper answers at once */
#define REST 1000   /* ms between two attempts to replace one */

struct lasting {
	char *path, *control, *daemon, *program;
	int keeper_fd; /* the connection to the keeper; its thread's, once there is one */
	int wake_fd;
	pthread_t thread;
};

static void lasting_free(struct lasting *lasting)
{
	if (!lasting)
		return;
	own_fdp(&lasting->keeper_fd);
	own_fdp(&lasting->wake_fd);
	free(lasting->path);
	free(lasting->control);
	free(lasting->daemon);
	free(lasting->program);
	free(lasting);
}
OWN_FREEP(lasting, lasting_free)

/* `*ret_fd`: the connection, if the answer is "here"; -1: what was kept is gone.  FL_NOT_FOUND:
 * there is no keeper. */
static int ask(const char *control, const char *question, int *ret_fd, struct fl_error *err)
{
	own_fd int fd = -1;
	char answer[16];
	uid_t peer;

	if (socket_connect(control, &fd, err) < 0)
		return fl_failed(err);
	peer = socket_peer(fd);
	if (peer != 0 && peer != geteuid())
		return fl_fail(err, FL_DENIED, "user %d listens at %s", (int)peer, control);
	socket_set_patience(fd, PATIENCE);
	if (socket_send(fd, question, err) < 0 ||
	    socket_receive(fd, answer, sizeof(answer), err) < 0)
		return fl_wrap(err, "asking the keeper at %s", control);
	*ret_fd = strcmp(answer, "here") == 0 ? take_fd(fd) : -1;
	return 0;
}

static int ask_for(const struct lasting *lasting, int *ret_fd, struct fl_error *err)
{
	own_text struct text question = { 0 };

	text_add_format(&question, "take %s", lasting->path);
	return ask(lasting->control, text_get(&question), ret_fd, err);
}

/* It goes into the background by itself, and the program that is waited for ends. */
static int start_keeper(const struct lasting *lasting, struct fl_error *err)
{
	const char *const argv[] = { lasting->program, "socket",	lasting->control,
				     lasting->path,    lasting->daemon, NULL };
	own(spawn_result_done) struct spawn_result result = { 0 };

	if (!lasting->program)
		return fl_fail(err, FL_UNSUPPORTED, "flocker-keeper is not installed");
	if (spawn_run(argv, PATIENCE * CLOCK_SECOND, &result, err) < 0)
		return fl_failed(err);
	if (result.status == 0)
		return 0;
	return fl_fail(err, FL_SYSTEM, "%.*s", (int)strcspn(text_get(&result.err), "\n"),
		       text_get(&result.err));
}

static int take(struct lasting *lasting, struct fl_error *err)
{
	int r = ask_for(lasting, &lasting->keeper_fd, err);

	if (r < 0 && r != -FL_NOT_FOUND)
		return r;
	if (lasting->keeper_fd >= 0)
		return 0;
	if (start_keeper(lasting, err) < 0 || ask_for(lasting, &lasting->keeper_fd, err) < 0)
		return fl_failed(err);
	if (lasting->keeper_fd < 0)
		return fl_fail(err, FL_SYSTEM, "a new keeper did not keep %s", lasting->path);
	return 0;
}

/* --- while the daemon runs ------------------------------------------------------------ */

/* Without a keeper, for a while.  False when the daemon ends. */
static bool keeper_is_gone(const struct lasting *lasting)
{
	struct pollfd fds[] = {
		{ .fd = lasting->wake_fd, .events = POLLIN },
		{ .fd = lasting->keeper_fd, .events = POLLIN },
	};

	while (poll(fds, array_size(fds), lasting->keeper_fd < 0 ? REST : -1) < 0 && errno == EINTR)
		;
	return fds[0].revents == 0;
}

static void *watch(void *arg)
{
	struct lasting *lasting = arg;
	bool told = false;
	struct fl_error err;

	while (keeper_is_gone(lasting)) {
		own_fdp(&lasting->keeper_fd);
		lasting->keeper_fd = -1;
		if (take(lasting, &err) == 0)
			log_warning("the volume plugin's socket is kept by a new keeper",
				    "socket=%s", lasting->path);
		else if (!told)
			log_error("nobody keeps the volume plugin's socket",
				  "socket=%s error=\"%s\"", lasting->path, err.text);
		told = lasting->keeper_fd < 0;
	}
	return NULL;
}

static int start_watching(struct lasting *lasting, struct fl_error *err)
{
	lasting->wake_fd = eventfd(0, EFD_CLOEXEC);
	if (lasting->wake_fd < 0)
		return fl_fail_errno(err, "making an eventfd");
	return thread_start(&lasting->thread, THREAD_STACK, watch, lasting, err);
}

int lasting_open(const struct lasting_options *options, struct lasting **ret, struct fl_error *err)
{
	own(lasting_freep) struct lasting *lasting = NULL;

	if (!options->path[0])
		return lasting_release(options->control, err);
	lasting = xcalloc(1, sizeof(*lasting));
	*lasting = (struct lasting){
		.path = xstrdup(options->path),
		.control = xstrdup(options->control),
		.daemon = xstrdup(options->daemon),
		.program = options->program ? xstrdup(options->program) : NULL,
		.keeper_fd = -1,
		.wake_fd = -1,
	};
	if (take(lasting, err) < 0 || start_watching(lasting, err) < 0)
		return fl_failed(err);
	*ret = take_ptr(lasting);
	return 0;
}

void lasting_close(struct lasting *lasting)
{
	if (!lasting)
		return;
	(void)eventfd_write(lasting->wake_fd, 1);
	pthread_join(lasting->thread, NULL);
	lasting_free(lasting);
}

int lasting_release(const char *control, struct fl_error *err)
{
	int fd = -1;
	int r = ask(control, "end", &fd, err);

	own_fdp(&fd);
	return r == -FL_NOT_FOUND ? 0 : r;
}
