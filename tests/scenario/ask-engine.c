/*
 * Asks a container engine as the daemon does, for test_engine.py: each line of standard input is
 * a verb and its words, each line of standard output what came of it.
 *
 *	ask-engine SOCKET SECONDS
 */

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "container/docker.h"

static struct docker *docker;
static struct docker_events *events;

static int fail(const struct fl_error *err)
{
	printf("error %s %s\n", fl_codes[err->code].name, err->text);
	return -1;
}

static void show(const struct docker_container *one)
{
	printf("%s %s %s %s", one->name, one->id, one->image, one->running ? "running" : "ended");
	for (size_t i = 0; i < one->mount_count; i++)
		printf(" %s|%s|%s|%s", one->mounts[i].volume, one->mounts[i].driver,
		       one->mounts[i].source, one->mounts[i].destination);
	printf("\n");
}

static int version(const char *word, struct fl_error *err)
{
	struct docker_version found;

	if (docker_version(docker, &found, err) < 0)
		return fail(err);
	return printf("%s %s %s\n", found.name, found.version, found.api);
}

static int list(const char *word, struct fl_error *err)
{
	own_docker_containers struct docker_containers found = { 0 };
	const struct docker_filter filter = {
		.running = strcmp(word, "running") == 0,
		.volume = strncmp(word, "volume=", 7) == 0 ? word + 7 : NULL,
		.label = strncmp(word, "label=", 6) == 0 ? word + 6 : NULL,
	};

	if (docker_containers(docker, &filter, &found, err) < 0)
		return fail(err);
	for (size_t i = 0; i < found.count; i++)
		show(&found.items[i]);
	return printf(".\n");
}

static int inspect(const char *word, struct fl_error *err)
{
	own_docker_container struct docker_container one = { 0 };

	if (docker_inspect(docker, word, &one, err) < 0)
		return fail(err);
	return printf("%s %s %d %lld\n", one.name, one.running ? "running" : "ended", one.pid,
		      (long long)one.started);
}

static int start(const char *word, struct fl_error *err)
{
	return docker_start(docker, word, err) < 0 ? fail(err) : printf("started\n");
}

static int stop(const char *word, struct fl_error *err)
{
	return docker_stop(docker, word, -1, err) < 0 ? fail(err) : printf("stopped\n");
}

static int create(const char *word, struct fl_error *err)
{
	const struct docker_data data = {
		.name = word, .volume = "some-volume", .driver = "local", .path = "/data"
	};
	char id[DOCKER_ID];

	return docker_create_data(docker, &data, id, err) < 0 ? fail(err) : printf("%s\n", id);
}

static int destroy(const char *word, struct fl_error *err)
{
	return docker_remove(docker, word, err) < 0 ? fail(err) : printf("removed\n");
}

static int volumes(const char *word, struct fl_error *err)
{
	own_docker_volumes struct docker_volumes found = { 0 };

	if (docker_volumes(docker, word, &found, err) < 0)
		return fail(err);
	for (size_t i = 0; i < found.count; i++)
		printf("%s %s\n", found.items[i].name, found.items[i].driver);
	return printf(".\n");
}

/* Says a line to a program, and then no more; shows the bytes that come back, frames and all. */
static int run(const char *word, struct fl_error *err)
{
	static const char script[] = "read a; echo \"got $a $WORD\"; cat; echo oh >&2; exit 7";
	own(docker_exec_done) struct docker_exec exec = DOCKER_EXEC_NONE;
	const char *const argv[] = { "sh", "-c", script, NULL };
	const char *const environment[] = { "WORD=there", NULL };
	unsigned char bytes[256];
	int status = -1, r;
	ssize_t n;

	if (docker_exec_start(docker, word, argv, environment, &exec, err) < 0)
		return fail(err);
	dprintf(exec.fd, "hello\n");
	shutdown(exec.fd, SHUT_WR);
	while ((n = read(exec.fd, bytes, sizeof(bytes))) > 0)
		for (ssize_t i = 0; i < n; i++)
			printf(bytes[i] < ' ' ? "<%d>" : "%c", bytes[i]);
	do
		r = docker_exec_status(docker, &exec, &status, err);
	while (r == -FL_BUSY);
	return r < 0 ? fail(err) : printf(" %d\n", status);
}

static int watch(const char *word, struct fl_error *err)
{
	docker_events_free(events);
	events = NULL;
	return docker_events_open(docker, &events, err) < 0 ? fail(err) : printf("watching\n");
}

/* The next event of which `word` is the action. */
static int await(const char *word, struct fl_error *err)
{
	struct docker_event event = { 0 };
	bool any;

	do {
		struct pollfd fd = { .fd = docker_events_fd(events), .events = POLLIN };

		if (docker_events_next(events, &event, &any, err) < 0)
			return fail(err);
		if (!any && poll(&fd, 1, 60000) <= 0)
			return printf("none\n");
	} while (!any || strcmp(event.action, word) != 0);
	return printf("%s %s %s %s\n", event.type, event.action, event.name, event.branch);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *verb;
		int (*run)(const char *word, struct fl_error *err);
	} verbs[] = {
		{ "version", version }, { "list", list },   { "inspect", inspect },
		{ "start", start },	{ "stop", stop },   { "create", create },
		{ "remove", destroy },	{ "run", run },	    { "volumes", volumes },
		{ "watch", watch },	{ "await", await },
	};
	char line[512], verb[32], word[400];
	struct fl_error err;

	if (argc != 3)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	docker = docker_new(argv[1], (int64_t)(atof(argv[2]) * 1e9));
	while (fgets(line, sizeof(line), stdin)) {
		word[0] = '\0';
		if (sscanf(line, "%31s %399s", verb, word) < 1)
			continue;
		for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
			if (strcmp(verbs[i].verb, verb) == 0)
				verbs[i].run(word, &err);
	}
	docker_events_free(events);
	docker_free(docker);
	return 0;
}
