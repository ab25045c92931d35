#include "engine/worker.h"

#include <fcntl.h>
#include <string.h>

#include "base/text.h"
#include "engine/internal.h"

#define ARGUMENTS 5
#define LINE_LIMIT 4096 /* longer than any that the program writes */

struct tree_program {
	const char *name, *path; /* NULL: it is missing */
};

static struct tree_program program_of(const struct engine *engine, const char *verb)
{
	if (strcmp(verb, "pack") == 0 || strcmp(verb, "unpack") == 0)
		return (struct tree_program){ "flocker-archive", engine->archive_program };
	return (struct tree_program){ "flocker-tree", engine->tree_program };
}

int worker_check(const struct engine *engine, const char *verb, struct fl_error *err)
{
	const struct tree_program program = program_of(engine, verb);

	if (program.path)
		return 0;
	fl_fail(err, FL_UNSUPPORTED, "the program %s is missing", program.name);
	return fl_hint(err, "build and install all of Flocker, then restart flockerd");
}

int worker_start(struct engine *engine, struct running *running, const char *const arguments[],
		 const struct spawn_fd *fds, size_t count, struct worker *ret, struct fl_error *err)
{
	const struct tree_program program = program_of(engine, arguments[0]);
	const char *argv[ARGUMENTS + 2] = { program.path };
	struct spawn_fd all[SPAWN_FDS];
	int ends[2], r;

	for (size_t i = 0; i < ARGUMENTS && arguments[i]; i++)
		argv[i + 1] = arguments[i];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return fl_fail_errno(err, "cannot make a pipe");
	memcpy(all, fds, count * sizeof(*fds));
	all[count] = (struct spawn_fd){ ends[1], WORKER_REPORT };
	*ret = (struct worker){
		.running = running, .name = program.name, .child = SPAWNED_NONE, .report = ends[0]
	};
	r = spawn_start(argv, all, count + 1, &ret->child, err);
	close(ends[1]);
	if (r < 0) {
		close(ends[0]);
		return r;
	}
	operation_child(running, &ret->child);
	return 0;
}

/* --- the report ------------------------------------------------------------------ */

static void take_failure(char *line, struct fl_error *failure)
{
	const char *code = strsep(&line, "\t"), *number = strsep(&line, "\t");
	const char *text = strsep(&line, "\t"), *hint = strsep(&line, "\t");
	const char *object = strsep(&line, "\t");

	fl_fail_at(failure, __FILE__, __LINE__, fl_code_parse(code), 0, "%s", text ? text : code);
	failure->sys = number ? atoi(number) : 0; /* its description is in the text already */
	if (hint && hint[0])
		fl_add_hint(failure, "%s", hint);
	if (object && object[0])
		fl_add_object(failure, "%s", object);
}

static void take_digest(struct worker *worker, const char *digest)
{
	if (strlen(digest) == WORKER_DIGEST)
		memcpy(worker->digest, digest, WORKER_DIGEST + 1);
}

static void take_progress(struct worker *worker, uint64_t bytes)
{
	if (!worker->quiet)
		operation_progress(worker->running, bytes);
}

static void take_line(struct worker *worker, char *line)
{
	static const char failed[] = "failed ", digest[] = "digest ";
	unsigned long long entries, bytes;

	if (sscanf(line, "progress %llu %llu", &entries, &bytes) == 2) {
		take_progress(worker, bytes);
	} else if (sscanf(line, "done %llu %llu", &entries, &bytes) == 2) {
		take_progress(worker, bytes);
		worker->told = true;
	} else if (strncmp(line, digest, strlen(digest)) == 0) {
		take_digest(worker, line + strlen(digest));
	} else if (strncmp(line, failed, strlen(failed)) == 0) {
		take_failure(line + strlen(failed), &worker->failure);
		worker->told = true;
	}
}

static bool is_wanted(const struct worker *worker)
{
	return !worker->is_wanted || worker->is_wanted(worker->arg);
}

/* It may go on writing for ever, and would wait for a reader. */
static void stop_chatter(struct worker *worker)
{
	spawn_kill(&worker->child);
	fl_fail(&worker->failure, FL_SYSTEM,
		"%s was killed: it reported more than %d bytes that are no line", worker->name,
		LINE_LIMIT);
	worker->told = worker->killed = true;
}

void worker_follow(struct worker *worker)
{
	char bytes[LINE_LIMIT];
	size_t length = 0;
	ssize_t n;

	while ((n = TEMP_FAILURE_RETRY(
			read(worker->report, bytes + length, sizeof(bytes) - 1 - length))) > 0) {
		char *rest = bytes, *end;

		length += (size_t)n;
		bytes[length] = '\0';
		while ((end = strchr(rest, '\n'))) {
			*end = '\0';
			take_line(worker, rest);
			rest = end + 1;
		}
		if (!is_wanted(worker))
			spawn_kill(&worker->child);
		length -= (size_t)(rest - bytes);
		memmove(bytes, rest, length);
		if (length == sizeof(bytes) - 1) {
			stop_chatter(worker);
			return;
		}
	}
}

int worker_end(struct worker *worker, struct fl_error *err)
{
	int status;

	spawn_wait(&worker->child, &status);
	operation_child(worker->running, NULL);
	spawned_done(&worker->child);
	close(take_fd(worker->report));
	if (operation_check(worker->running, err) < 0)
		return fl_failed(err);
	if (!worker->told || (status != 0 && !worker->killed))
		return fl_fail(err, FL_SYSTEM, "%s ended before its work was done%s%d",
			       worker->name, status > 128 ? ", by signal " : ", with status ",
			       status > 128 ? status - 128 : status);
	if (worker->failure.code == FL_OK)
		return 0;
	*err = worker->failure;
	return fl_failed(err);
}
