#include "container/docker.h"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/text.h"
#include "tests/check.h"

/*
 * An engine that says what the test wants it to, one answer for each request, whatever that is.
 * After an answer that says X-Hang-Up it closes the connection; an answer that is
 * SILENCE never comes, and GONE closes the connection instead.
 */
#define SILENCE "(silence)"
#define GONE "(gone)"

struct engine {
	char directory[40];
	char path[64];
	int fd;
	pthread_t thread;
	const char *const *answers;
	int connections;
	char requests[8192]; /* one after another */
};

static struct fl_error err;
static struct engine engine;

static bool read_request(struct engine *to, int fd)
{
	char request[4096] = "";
	size_t n = 0, body = 0;
	char *end = NULL;

	while (!end || n < (size_t)(end + 4 - request) + body) {
		ssize_t got = read(fd, request + n, sizeof(request) - 1 - n);
		const char *length;

		if (got <= 0)
			return false;
		n += (size_t)got;
		end = memmem(request, n, "\r\n\r\n", 4);
		length = end ? strstr(request, "Content-Length: ") : NULL;
		body = length ? strtoul(length + 16, NULL, 10) : 0;
	}
	strncat(to->requests, request, sizeof(to->requests) - strlen(to->requests) - 1);
	return true;
}

/* Until the other side goes: a test ends it by freeing what it asks with. */
static void wait_for_end(int fd)
{
	char byte;

	while (read(fd, &byte, 1) > 0)
		;
}

static void serve_connection(struct engine *to, int fd)
{
	while (*to->answers && read_request(to, fd)) {
		const char *answer = *to->answers++;

		if (strcmp(answer, SILENCE) == 0) {
			wait_for_end(fd);
			return;
		}
		if (strcmp(answer, GONE) == 0 ||
		    send(fd, answer, strlen(answer), MSG_NOSIGNAL) < 0 ||
		    strstr(answer, "X-Hang-Up"))
			return;
	}
}

static void *serve(void *arg)
{
	struct engine *to = arg;

	for (;;) {
		int fd = accept(to->fd, NULL, NULL);

		if (fd < 0)
			return NULL;
		to->connections++;
		serve_connection(to, fd);
		close(fd);
	}
}

static void start(const char *const *answers)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	engine = (struct engine){ .directory = "/tmp/flocker-unit-XXXXXX", .answers = answers };
	check(mkdtemp(engine.directory));
	snprintf(engine.path, sizeof(engine.path), "%s/s", engine.directory);
	memcpy(address.sun_path, engine.path, strlen(engine.path) + 1);
	engine.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	check(bind(engine.fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
	check(listen(engine.fd, 5) == 0);
	check(pthread_create(&engine.thread, NULL, serve, &engine) == 0);
}

/* After what was asked with is freed. */
static void stop(void)
{
	shutdown(engine.fd, SHUT_RDWR);
	pthread_join(engine.thread, NULL);
	close(engine.fd);
	unlink(engine.path);
	rmdir(engine.directory);
}

#define ANSWERS(...) ((const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })
#define OK "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
#define JSON(length, body) OK "Content-Length: " #length "\r\n\r\n" body
/* To the end of the connection: for tests that would rather not count. */
#define WHOLE(body) OK "X-Hang-Up: 1\r\nConnection: close\r\n\r\n" body
#define NO_CONTENT "HTTP/1.1 204 No Content\r\n\r\n"
#define PING                                                                               \
	"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nServer: Libpod/4.3.1 (linux)\r\nContent-" \
	"Length: 2\r\n\r\nOK"
#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct docker *ask(void)
{
	return docker_new(engine.path, CLOCK_MINUTE);
}

static void it_says_what_it_is(void)
{
	own_docker struct docker *docker = NULL;
	struct docker_version version;
	int r;

	start(ANSWERS(PING));
	docker = ask();
	r = docker_version(docker, &version, &err);
	docker_free(docker);
	docker = NULL;
	stop();
	check_ok(r);
	check_string("Podman", version.name);
	check_string("4.3.1", version.version);
	check_string("1.41", version.api);
}

static void connections_are_kept(void)
{
	struct docker *docker;
	struct docker_version version;

	start(ANSWERS(PING, PING, PING));
	docker = ask();
	check_ok(docker_version(docker, &version, &err));
	check_ok(docker_version(docker, &version, &err));
	check_ok(docker_version(docker, &version, &err));
	docker_free(docker);
	stop();
	check(engine.connections == 1);
}

/* The engine was restarted between two requests, and in the middle of the second. */
static void a_stale_connection_is_no_failure(void)
{
	struct docker *docker;
	struct docker_version version;

	start(ANSWERS(PING, GONE, PING));
	docker = ask();
	check_ok(docker_version(docker, &version, &err));
	check_ok(docker_version(docker, &version, &err));
	docker_free(docker);
	stop();
	check(engine.connections == 2);
}

/* What may have been done already is not done twice. */
static void a_creation_is_not_repeated(void)
{
	const struct docker_data data = { .name = "n", .volume = "v", .driver = "d", .path = "/" };
	struct docker *docker;
	struct docker_version version;
	char id[DOCKER_ID];
	int r;

	start(ANSWERS(PING, GONE, PING));
	docker = ask();
	check_ok(docker_version(docker, &version, &err));
	r = docker_create_data(docker, &data, id, &err);
	docker_free(docker);
	stop();
	check(r == -FL_UNREACHABLE);
	check(strstr(err.text, "ended the connection"));
	check(engine.connections == 1);
}

#define LISTED                                                                                    \
	"[{\"Id\":\"" ID "\",\"Names\":[\"/web/db\",\"/db\"],\"Image\":\"postgres\",\"State\":"   \
	"\"paused\",\"Labels\":{\"flocker.branch\":\"data/trunk\",\"a b\":\"unfit\"},\"Mounts\":" \
	"[{\"Type\":\"tmpfs\",\"Destination\":\"/tmp\"},{\"Type\":\"bind\",\"Source\":\"/srv\","  \
	"\"Destination\":\"/srv\",\"RW\":true},{\"Type\":\"volume\",\"Name\":\"data/test\","      \
	"\"Driver\":\"flocker\",\"Source\":\"/x\",\"Destination\":\"/data\",\"RW\":false}]}]"

static void containers_are_listed(void)
{
	own_docker_containers struct docker_containers found = { 0 };
	const struct docker_filter filter = { .running = true, .label = "flocker.branch" };
	struct docker *docker;
	int r;

	start(ANSWERS(WHOLE(LISTED)));
	docker = ask();
	r = docker_containers(docker, &filter, &found, &err);
	docker_free(docker);
	stop();
	check_ok(r);
	check(strstr(engine.requests, "all=0&filters=%7B%22label%22%3A%5B%22flocker.branch%22%5D"));
	check(found.count == 1 && found.items[0].running && found.items[0].paused);
	check_string("db", found.items[0].name);
	check_string("data/trunk", metadata_get(&found.items[0].labels, "flocker.branch"));
	check(found.items[0].labels.count == 1 && found.items[0].mount_count == 2);
	check_string("", found.items[0].mounts[0].volume);
	check_string("/srv", found.items[0].mounts[0].source);
	check(found.items[0].mounts[0].writable && !found.items[0].mounts[1].writable);
	check_string("flocker", found.items[0].mounts[1].driver);
}

static size_t count_with(const char *volume)
{
	own_docker_containers struct docker_containers found = { 0 };
	const struct docker_filter filter = { .volume = volume };
	struct docker *docker;
	int r;

	start(ANSWERS(WHOLE(LISTED)));
	docker = ask();
	r = docker_containers(docker, &filter, &found, &err);
	docker_free(docker);
	stop();
	check_ok(r);
	return found.count;
}

static void the_engine_s_filter_is_not_believed(void)
{
	check(count_with("data/test") == 1);
	check(count_with("data") == 0);
	check(count_with("/data") == 0);
}

/* Each of these where a list of containers should be. */
static void nonsense_is_survived(void)
{
	static const char *const bad[] = {
		"no JSON",
		"{}",
		"[7]",
		"[{}]",
		"null",
		"[{\"Id\":\"short\",\"Names\":[\"/x\"]}]",
		"[{\"Id\":7,\"Names\":[\"/x\"]}]",
		"[{\"Id\":\"" ID "\",\"Names\":\"/x\"}]",
		"[{\"Id\":\"" ID "\",\"Names\":[]}]",
		"[{\"Id\":\"" ID "\",\"Names\":[7]}]",
		"[{\"Id\":\"" ID "\",\"Names\":[\"/x\"],\"Mounts\":{}}]",
		"[{\"Id\":\"" ID "\",\"Names\":[\"/x\"],\"Mounts\":[7]}]",
		"[{\"Id\":\"" ID "\",\"Names\":[\"/x\"],\"Mounts\":[{\"Type\":\"bind\","
		"\"Source\":7}]}]",
		"[{\"Id\":\"" ID "\",\"Names\":[\"/x\"],\"Id\":\"" ID "\"}]",
		"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
	};

	for (size_t i = 0; i < array_size(bad); i++) {
		own_docker_containers struct docker_containers found = { 0 };
		own_free char *answer = NULL;
		struct docker *docker;
		int r;

		check(asprintf(&answer, OK "Content-Length: %zu\r\n\r\n%s", strlen(bad[i]),
			       bad[i]) > 0);
		start(ANSWERS(answer));
		docker = ask();
		r = docker_containers(docker, &(struct docker_filter){ 0 }, &found, &err);
		docker_free(docker);
		stop();
		check(r == -FL_UNREACHABLE);
		check(strstr(err.text, "does not speak Docker's API"));
		check(err.hint[0]);
	}
}

static void what_is_no_engine_is_told(void)
{
	static const char *const bad[] = {
		"SSH-2.0-OpenSSH_9.2\r\nX-Hang-Up\r\n\r\n",
		"220 mail ready X-Hang-Up\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", /* a web server */
		"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
		"HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nServer: /\r\nApi-Version: 1\r\nContent-Length: 0\r\n\r\n",
	};

	for (size_t i = 0; i < array_size(bad); i++) {
		struct docker_version version;
		struct docker *docker;
		int r;

		start(ANSWERS(bad[i]));
		docker = ask();
		r = docker_version(docker, &version, &err);
		docker_free(docker);
		stop();
		check(r == -FL_UNREACHABLE);
		check(strstr(err.text, "does not speak Docker's API"));
	}
}

static void refusals_have_codes(void)
{
#define REFUSAL(status, message)                                                                  \
	"HTTP/1.1 " status "\r\nX-Hang-Up: 1\r\nConnection: close\r\n\r\n{\"message\":\"" message \
	"\"}"
	static const struct {
		const char *answer;
		enum fl_code code;
	} cases[] = {
		{ REFUSAL("400 Bad Request", "m\\nn"), FL_INVALID },
		{ REFUSAL("404 Not Found", "m"), FL_NOT_FOUND },
		{ REFUSAL("409 Conflict", "The container name is already in use by"), FL_EXISTS },
		{ REFUSAL("409 Conflict", "it is paused"), FL_BUSY },
		{ REFUSAL("500 Oh", "m"), FL_SYSTEM },
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		own_docker_container struct docker_container one = { 0 };
		struct docker *docker;
		int r;

		start(ANSWERS(cases[i].answer));
		docker = ask();
		r = docker_inspect(docker, "web.1_x-y", &one, &err);
		docker_free(docker);
		stop();
		check(r == -(int)cases[i].code);
		check(strstr(err.text, "container 'web.1_x-y': the engine says: "));
		check(!strchr(err.text, '\n'));
		check(strstr(engine.requests, "GET /containers/web.1_x-y/json HTTP/1.1"));
	}
}

static void names_lead_nowhere_else(void)
{
	static const char *const bad[] = { "",	"../images", "a/b",    "a?b",
					   ".", "-a",	     "a\r\nb", "a%2f" };
	struct docker *docker = docker_new("/nonesuch", CLOCK_SECOND);
	struct docker_container one;

	for (size_t i = 0; i < array_size(bad); i++) {
		check_code(FL_INVALID, docker_inspect(docker, bad[i], &one, &err));
		check_code(FL_INVALID, docker_start(docker, bad[i], &err));
		check_code(FL_INVALID, docker_stop(docker, bad[i], 1, &err));
		check_code(FL_INVALID, docker_remove(docker, bad[i], &err));
	}
	docker_free(docker);
}

static void it_sends_nobody_elsewhere(void)
{
	struct docker *docker;
	int r;

	start(ANSWERS("HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"));
	docker = ask();
	r = docker_start(docker, "db", &err);
	docker_free(docker);
	stop();
	check(r == -FL_UNREACHABLE);
}

static void one_that_is_slow_is_not_waited_for(void)
{
	struct docker_version version;
	struct docker *docker;
	int r;

	start(ANSWERS(SILENCE));
	docker = docker_new(engine.path, CLOCK_SECOND / 20);
	r = docker_version(docker, &version, &err);
	docker_free(docker);
	stop();
	check(r == -FL_UNREACHABLE);
	check_string("the container engine did not answer within 0.05 s", err.text);
}

/* It accepts nobody: its backlog is full. */
static void one_that_does_not_accept_is_not_waited_for(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX,
				       .sun_path = "/tmp/flocker-unit-full" };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), waiting[2], r;
	struct docker_version version;
	struct docker *docker;

	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/flocker-unit-full.%d", getpid());
	unlink(address.sun_path); /* of one that was killed, and had this number */
	check(bind(listener, (const struct sockaddr *)&address, sizeof(address)) == 0);
	check(listen(listener, 0) == 0);
	for (size_t i = 0; i < array_size(waiting); i++) {
		waiting[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(waiting[i], (const struct sockaddr *)&address, sizeof(address));
	}
	docker = docker_new(address.sun_path, CLOCK_SECOND / 20);
	r = docker_version(docker, &version, &err);
	docker_free(docker);
	close(waiting[0]);
	close(waiting[1]);
	close(listener);
	unlink(address.sun_path);
	check(r == -FL_UNREACHABLE);
	check(strstr(err.text, "did not answer within"));
}

static void no_engine_is_told_from_none_that_answers(void)
{
	struct docker_version version;
	struct docker *docker = docker_new("/nonesuch/docker.sock", CLOCK_SECOND);

	check_code(FL_UNREACHABLE, docker_version(docker, &version, &err));
	check(err.sys == ENOENT && !docker_has_answered(docker));
	check_string("no container engine at /nonesuch/docker.sock: there is no such socket",
		     err.text);
	docker_free(docker);
	docker = docker_new("/etc/passwd", CLOCK_SECOND);
	check_code(FL_UNREACHABLE, docker_version(docker, &version, &err));
	check_string("no container engine at /etc/passwd: nobody listens there", err.text);
	docker_free(docker);
}

static void an_answer_has_a_limit(void)
{
	own_docker_containers struct docker_containers found = { 0 };
	struct docker *docker;
	int r;

	start(ANSWERS(OK "Content-Length: 9999999999\r\n\r\n["));
	docker = ask();
	r = docker_containers(docker, &(struct docker_filter){ 0 }, &found, &err);
	docker_free(docker);
	stop();
	check(r == -FL_UNSUPPORTED);
}

#define INSPECTED(state)                                                                           \
	WHOLE("{\"Id\":\"" ID "\",\"Name\":\"/db\",\"State\":" state                               \
	      ",\"Config\":{\"Image\":\"postgres\",\"Labels\":null,\"StopTimeout\":1},\"Mounts\":" \
	      "[]}")
#define RUNNING                                                                          \
	"{\"Running\":true,\"Paused\":false,\"Pid\":4711,\"StartedAt\":\"2026-11-20T10:" \
	"00:00.5Z\"}"
#define ENDED \
	"{\"Running\":false,\"Paused\":false,\"Pid\":0,\"StartedAt\":\"0001-01-01T00:00:00Z\"}"

static void one_is_inspected(void)
{
	own_docker_container struct docker_container one = { 0 }, other = { 0 };
	struct docker *docker;
	int r, s;

	start(ANSWERS(INSPECTED(RUNNING), INSPECTED(ENDED)));
	docker = ask();
	r = docker_inspect(docker, "db", &one, &err);
	s = docker_inspect(docker, "db", &other, &err);
	docker_free(docker);
	stop();
	check(r == 0 && s == 0);
	check(one.running && one.pid == 4711 && one.started % CLOCK_SECOND == CLOCK_SECOND / 2);
	check_string("postgres", one.image);
	check(!other.running && other.pid == 0 && other.started == 0);
}

static int stop_with(const char *const *answers, int seconds)
{
	struct docker *docker;
	int r;

	start(answers);
	docker = ask();
	r = docker_stop(docker, "db", seconds, &err);
	docker_free(docker);
	stop();
	return r;
}

/* It says that it has stopped it: that is looked at. */
static void a_stop_is_checked(void)
{
	check(stop_with(ANSWERS(NO_CONTENT, INSPECTED(ENDED)), 3) == 0);
	check(strstr(engine.requests, "POST /containers/db/stop?t=3 "));
	check(stop_with(ANSWERS(INSPECTED(RUNNING), NO_CONTENT, INSPECTED(ENDED)), -1) == 0);
	check(strstr(engine.requests, "POST /containers/db/stop HTTP"));
	check(stop_with(ANSWERS(NO_CONTENT, INSPECTED(RUNNING)), 3) == -FL_BUSY);
	check(strstr(err.text, "'db' still runs"));
	check(stop_with(ANSWERS(REFUSAL("500 Oh", "cannot kill"), INSPECTED(RUNNING)), 3) ==
	      -FL_BUSY);
	check(strstr(err.text, "cannot kill") && strstr(err.text, "still runs"));
	check(stop_with(ANSWERS(REFUSAL("500 Oh", "no such process"), INSPECTED(ENDED)), 3) == 0);
	check(stop_with(ANSWERS(REFUSAL("404 No", "no such container")), 3) == -FL_NOT_FOUND);
}

static void a_data_container_brings_its_image(void)
{
	const struct docker_data data = {
		.name = "flocker-data-data", .volume = "data", .driver = "flocker", .path = "/data"
	};
	struct docker *docker;
	char id[DOCKER_ID];
	int r;

	start(ANSWERS(REFUSAL("404 No", "No such image: localhost/flocker-data:latest"),
		      WHOLE("{\"status\":\"sha256:1\"}"), WHOLE("{\"Id\":\"" ID "\"}")));
	docker = ask();
	r = docker_create_data(docker, &data, id, &err);
	docker_free(docker);
	stop();
	check_ok(r);
	check_string(ID, id);
	check(strstr(engine.requests, "POST /images/create?fromSrc=-&repo=localhost/flocker-data"));
	check(strstr(engine.requests, "\"Source\":\"data\",\"Target\":\"/data\""));
}

#define EVENT(action)                                                                          \
	"{\"Type\":\"container\",\"Action\":\"" action "\",\"Actor\":{\"ID\":\"" ID            \
	"\",\"Attributes\":{\"name\":\"db\",\"flocker.branch\":\"data/trunk\"}},\"timeNano\":" \
	"12}\n"

static void events_come_in_pieces(void)
{
	own_docker_events struct docker_events *events = NULL;
	struct docker_event event;
	struct docker *docker;
	bool any = false;
	int r;

	start(ANSWERS(OK "X-Hang-Up: 1\r\n\r\n" EVENT("start") "\n" EVENT("die") "{\"Type\":"));
	docker = ask();
	r = docker_events_open(docker, &events, &err);
	stop(); /* all of it has come, and its end */
	docker_free(docker);
	check_ok(r);
	check(strstr(engine.requests, "HTTP/1.0\r\n"));
	check_ok(docker_events_next(events, &event, &any, &err));
	check(any && event.time == 12);
	check_string("start", event.action);
	check_string(ID, event.id);
	check_string("db", event.name);
	check_string("data/trunk", event.branch);
	check_ok(docker_events_next(events, &event, &any, &err));
	check_string("die", event.action);
	check_code(FL_UNREACHABLE, docker_events_next(events, &event, &any, &err));
}

static void events_that_are_none(void)
{
	static const char *const bad[] = { "[]\n", "{\n", "{\"Type\":7}\n", "{}\n",
					   "{\"Type\":\"container\",\"Actor\":[]}\n" };

	for (size_t i = 0; i < array_size(bad); i++) {
		own_docker_events struct docker_events *events = NULL;
		own_free char *answer = NULL;
		struct docker_event event;
		struct docker *docker;
		bool any;
		int r;

		check(asprintf(&answer, OK "X-Hang-Up: 1\r\n\r\n%s", bad[i]) > 0);
		start(ANSWERS(answer));
		docker = ask();
		r = docker_events_open(docker, &events, &err);
		stop();
		docker_free(docker);
		check_ok(r);
		check_code(FL_UNREACHABLE, docker_events_next(events, &event, &any, &err));
	}
}

/* What follows the header at once is the program's, to the last byte. */
static void a_program_has_the_connection(void)
{
	own(docker_exec_done) struct docker_exec exec = DOCKER_EXEC_NONE;
	const char *const argv[] = { "sh", "-c", "true", NULL };
	struct docker *docker;
	char bytes[32] = "";
	int r;

	start(ANSWERS(WHOLE("{\"Id\":\"" ID "\"}"),
		      "HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\nX-Hang-Up: 1\r\n\r\nfirst bytes"));
	docker = ask();
	r = docker_exec_start(docker, "db", argv, NULL, &exec, &err);
	stop();
	docker_free(docker);
	check_ok(r);
	check(strstr(engine.requests, "\"Cmd\":[\"sh\",\"-c\",\"true\"]"));
	check(read(exec.fd, bytes, sizeof(bytes) - 1) == 11);
	check_string("first bytes", bytes);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(it_says_what_it_is),
				  CHECK(connections_are_kept),
				  CHECK(a_stale_connection_is_no_failure),
				  CHECK(a_creation_is_not_repeated),
				  CHECK(containers_are_listed),
				  CHECK(the_engine_s_filter_is_not_believed),
				  CHECK(nonsense_is_survived),
				  CHECK(what_is_no_engine_is_told),
				  CHECK(refusals_have_codes),
				  CHECK(names_lead_nowhere_else),
				  CHECK(it_sends_nobody_elsewhere),
				  CHECK(one_that_is_slow_is_not_waited_for),
				  CHECK(one_that_does_not_accept_is_not_waited_for),
				  CHECK(no_engine_is_told_from_none_that_answers),
				  CHECK(an_answer_has_a_limit),
				  CHECK(one_is_inspected),
				  CHECK(a_stop_is_checked),
				  CHECK(a_data_container_brings_its_image),
				  CHECK(events_come_in_pieces),
				  CHECK(events_that_are_none),
				  CHECK(a_program_has_the_connection),
				  CHECK_END,
			  });
}
