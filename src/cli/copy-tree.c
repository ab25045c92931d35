#include "cli/copy-tree.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/fsat.h"
#include "base/program.h"
#include "base/spawn.h"
#include "cli/talk.h"
#include "cli/transfer.h"

/* What flocker-archive takes and tells: src/tree/main.c, src/tree/report.h. */
#define TREE_ROOT 3
#define TREE_REPORT 4
#define REPORT_LIMIT (1 << 20) /* ten short lines in a second; more than that is not read */

struct copy {
	struct invocation *in;
	struct transfer transfer;
	struct text place; /* as a person reads it */
	int parent;	   /* the directory that it is to be in */
	const char *name;  /* there */
	char passing[NAME_MAX + 1];
	int dir;    /* of the passing name; -1: it was not made */
	int report; /* a file in memory: whoever writes it never waits for a reader */
	uint64_t left_out;
};

static void copy_done(struct copy *copy)
{
	text_done(&copy->place);
	own_fdp(&copy->parent);
	own_fdp(&copy->dir);
	own_fdp(&copy->report);
}

/* --- where to ---------------------------------------------------------------------------- */

static const char *name_of(const struct ref *ref)
{
	const char *slash = ref->path ? strrchr(ref->path, '/') : NULL;

	if (!ref->path || !ref->path[0])
		return ref->volume;
	return slash ? slash + 1 : ref->path;
}

/* In a directory it is called as it was; slashes at the end mean nothing. */
static void choose_place(const struct ref *ref, const char *dest, struct text *ret)
{
	struct fl_error ignored;
	own_fd int dir = -1;
	size_t length = strlen(dest);

	while (length > 1 && dest[length - 1] == '/')
		length--;
	text_add(ret, dest, length);
	if (fsat_open_named(text_get(ret), O_PATH | O_DIRECTORY, &dir, &ignored) == 0)
		text_add_format(ret, "/%s", name_of(ref));
}

static int fail_there(const struct copy *copy, struct fl_error *err)
{
	fl_fail(err, FL_EXISTS, "'%.300s' is there already", text_get(&copy->place));
	fl_hint(err, "give another name: directories are neither replaced nor merged");
	return fl_object(err, "%.300s", text_get(&copy->place));
}

static int open_place(struct copy *copy, struct fl_error *err)
{
	const char *place = text_get(&copy->place), *slash = strrchr(place, '/');
	own_text struct text parent = { 0 };
	struct stat st;

	if (slash)
		text_add(&parent, place, (size_t)(slash - place) + 1);
	copy->name = slash ? slash + 1 : place;
	if (fsat_open_named(slash ? text_get(&parent) : ".", O_RDONLY | O_DIRECTORY, &copy->parent,
			    err) < 0)
		return fl_wrap(err, "writing '%.300s'", place);
	if (fsat_stat(copy->parent, copy->name, &st, err) == 0)
		return fail_there(copy, err);
	return err->code == FL_NOT_FOUND ? 0 : fl_failed(err);
}

static int make_passing(struct copy *copy, struct fl_error *err)
{
	snprintf(copy->passing, sizeof(copy->passing), "%.200s.%.8s.part", copy->name,
		 copy->transfer.id);
	if (fsat_make_dir(copy->parent, copy->passing, 0700, err) < 0)
		return fl_wrap(err, "writing '%.300s'", text_get(&copy->place));
	return fsat_open_dir(copy->parent, copy->passing, &copy->dir, err);
}

/* --- the archive ------------------------------------------------------------------------- */

static int start_tree(struct copy *copy, int archive, struct spawned *ret, struct fl_error *err)
{
	own_free char *program = program_find("tree", "flocker-archive");
	const char *const argv[] = { program, "unpack", "--plain", NULL };
	const struct spawn_fd fds[] = { { archive, STDIN_FILENO },
					{ copy->dir, TREE_ROOT },
					{ copy->report, TREE_REPORT } };

	if (!program) {
		fl_fail(err, FL_UNSUPPORTED, "the program flocker-archive is missing");
		return fl_hint(err,
			       "install all of Flocker; or: flocker export REF:PATH - | tar -x");
	}
	return spawn_start(argv, fds, array_size(fds), ret, err);
}

static int fetch(struct copy *copy, int to, struct fl_error *err)
{
	own_free char *target = fl_target("/v1/export", "ref", copy->in->operands[0], "operation",
					  copy->transfer.id, NULL);

	if (!target)
		return fl_fail(err, FL_SYSTEM, "no memory for a request");
	copy->transfer.stream.fd = to;
	return fl_client_download(copy->in->client, target, &copy->transfer.stream, err);
}

static int take_failure(char *line, struct fl_error *err)
{
	const char *code = strsep(&line, "\t"), *number = strsep(&line, "\t");
	const char *text = strsep(&line, "\t"), *hint = strsep(&line, "\t");

	fl_fail(err, fl_code_parse(code), "%s", text ? text : code);
	if (number && strcmp(number, "0") != 0)
		return fl_failed(err); /* its hint is for imports */
	return hint && *hint ? fl_hint(err, "%s", hint) : fl_failed(err);
}

/* What the program said last. */
static int read_report(struct copy *copy, int status, struct fl_error *err)
{
	static const char failed[] = "failed ";
	own_text struct text report = { 0 };
	uint64_t entries, bytes;
	char *last, *end;

	if (lseek(copy->report, 0, SEEK_SET) < 0)
		return fl_fail_errno(err, "reading a report");
	if (fsat_read_fd(copy->report, "report", REPORT_LIMIT, &report, err) < 0)
		return fl_failed(err);
	text_add_string(&report, "");
	end = report.bytes ? strrchr(report.bytes, '\n') : NULL;
	if (end) {
		*end = '\0';
		last = strrchr(report.bytes, '\n');
		last = last ? last + 1 : report.bytes;
		if (strncmp(last, failed, strlen(failed)) == 0)
			return take_failure(last + strlen(failed), err);
		if (status == 0 && sscanf(last, "done %" SCNu64 " %" SCNu64 " %" SCNu64, &entries,
					  &bytes, &copy->left_out) == 3)
			return 0;
	}
	return fl_fail(err, FL_SYSTEM, "flocker-archive ended before its work was done (%d)",
		       status);
}

/*
 * Where the program ends first, for want of space perhaps, the download fails for want of a
 * reader: then the program knows why.  Else it only knows that the archive broke off.
 */
static int transport(struct copy *copy, struct fl_error *err)
{
	struct spawned child = SPAWNED_NONE;
	struct fl_error why = { 0 };
	int ends[2], r, status;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return fl_fail_errno(err, "cannot make a pipe");
	r = start_tree(copy, ends[0], &child, err);
	close(ends[0]);
	if (r < 0) {
		close(ends[1]);
		return r;
	}
	r = fetch(copy, ends[1], err);
	close(ends[1]);
	if (r < 0 && err->sys != EPIPE)
		spawn_kill(&child);
	spawn_wait(&child, &status);
	spawned_done(&child);
	if (r < 0 && err->sys != EPIPE)
		return r;
	if (read_report(copy, status, &why) < 0)
		*err = why;
	return why.code ? fl_failed(err) : r;
}

/* --- all of it --------------------------------------------------------------------------- */

static int settle(struct copy *copy, struct fl_error *err)
{
	if (fsat_sync_all(copy->dir, err) < 0)
		return fl_failed(err);
	if (fsat_rename_new(copy->parent, copy->passing, copy->parent, copy->name, err) < 0) {
		if (err->code == FL_EXISTS)
			return fail_there(copy, err);
		return fl_failed(err);
	}
	return fsat_sync(copy->parent, err);
}

static void clean_up(const struct copy *copy)
{
	struct fl_error err;

	if (fsat_remove_tree(copy->parent, copy->passing, &err) < 0)
		fprintf(stderr, "flocker: a part of the copy stays beside it, as '%s': %s\n",
			copy->passing, err.text);
}

static int run(struct copy *copy, struct fl_error *err)
{
	struct fl_error failure = { 0 };

	if (make_passing(copy, err) < 0)
		return fl_failed(err);
	if (fsat_open_memory("report", &copy->report, err) < 0 || transport(copy, err) < 0 ||
	    settle(copy, err) < 0)
		failure = *err;
	if (failure.code == FL_OK)
		return 0;
	clean_up(copy);
	*err = failure;
	return fl_failed(err);
}

int copy_tree(struct invocation *in, const struct ref *ref, const char *dest, struct fl_error *err)
{
	own(copy_done) struct copy copy = { .in = in, .parent = -1, .dir = -1, .report = -1 };

	choose_place(ref, dest, &copy.place);
	if (open_place(&copy, err) < 0)
		return fl_failed(err);
	/* The program may end before all has come. */
	signal(SIGPIPE, SIG_IGN);
	if (transfer_begin(&copy.transfer, in, -1, -1, err) < 0)
		return fl_failed(err);
	if (transfer_end(&copy.transfer, run(&copy, err), err) < 0)
		return fl_failed(err);
	if (copy.left_out > 0)
		fprintf(stderr,
			"flocker: left out: %" PRIu64 " devices, which only an export takes\n",
			copy.left_out);
	return 0;
}
