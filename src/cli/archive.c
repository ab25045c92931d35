#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/fsat.h"
#include "base/uuid.h"
#include "cli/progress.h"
#include "cli/talk.h"
#include "cli/verbs.h"
#include "model/nouns.h"

/*
 * Contents in and out, as archives.
 *
 * The command chooses the operation's id, so that it can ask for it afterwards:
 * why a stream broke off, and to cancel it when the user does not want to wait
 * any more.  A signal only sets a flag, which the library asks for several times
 * a second (go_on); everything is then undone in the ordinary way, and the
 * command ends as that signal ends it.
 */

#define ENDED_TRIES 100
#define ENDED_PAUSE 50 /* ms */

static volatile sig_atomic_t caught;

static void catch_signal(int number)
{
	caught = number;
}

static void catch_signals(bool on)
{
	struct sigaction action = { .sa_handler = on ? catch_signal : SIG_DFL };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

struct transfer {
	struct invocation *in;
	char id[UUID_TEXT]; /* of the operation */
	struct fl_stream stream;
	struct progress progress;
};

/*
 * The stream's connection is closed by now, and the daemon stops when it sees
 * that; but it does not look when it has all of an archive and is about to put
 * the contents in place.
 */
static void cancel(struct transfer *transfer)
{
	own_free struct value *answer = NULL;
	own_body struct body *body = body_new();
	struct fl_error err;

	body_string(body, "id", transfer->id);
	if (talk(transfer->in, "POST", "/v1/operation/cancel", NULL, body, &answer, &err) < 0 &&
	    err.code != FL_NOT_FOUND)
		fprintf(stderr, "flocker: cancelling operation %s: %s\n", transfer->id, err.text);
}

static bool go_on(void *arg, uint64_t bytes)
{
	struct transfer *transfer = arg;

	progress_update(&transfer->progress, bytes);
	return !caught;
}

static int transfer_begin(struct transfer *transfer, struct invocation *in, int fd, int64_t length,
			  struct fl_error *err)
{
	struct uuid id = uuid_new();

	*transfer = (struct transfer){ .in = in };
	uuid_format(&id, transfer->id);
	transfer->stream = (struct fl_stream){ fd, length, go_on, transfer };
	progress_begin(&transfer->progress, !option_given(in, OPT_JSON),
		       length > 0 ? (uint64_t)length : 0);
	catch_signals(true);
	return talk_connect(in, err);
}

static int get_operation(struct transfer *transfer, struct value **ret, struct fl_error *err)
{
	int r = talk_send(transfer->in, "GET", fl_target("/v1/operation", "id", transfer->id, NULL),
			  NULL, err);

	return r < 0 ? r : talk_receive(transfer->in, ret, err);
}

/*
 * The same, when it has ended.  A connection that is cut may be seen to end a
 * moment before the record is written: when the daemon has cleaned up.
 */
static int get_ended_operation(struct transfer *transfer, struct value **ret, struct fl_error *err)
{
	for (int tries = 1;; tries++) {
		own_free struct value *operation = NULL;

		if (get_operation(transfer, &operation, err) < 0)
			return fl_failed(err);
		if (tries == ENDED_TRIES || strcmp(field(operation, "state"), "running") != 0) {
			*ret = take_ptr(operation);
			return 0;
		}
		(void)poll(NULL, 0, ENDED_PAUSE);
	}
}

/* A stream that broke off does not say why; its operation does, if there is one. */
static int explain(struct transfer *transfer, struct fl_error *err)
{
	own_free struct value *operation = NULL;
	struct fl_error other = { 0 };
	struct value *error;

	if (err->code != FL_UNREACHABLE && err->code != FL_CORRUPT)
		return fl_failed(err);
	if (get_ended_operation(transfer, &operation, &other) < 0)
		return fl_failed(err);
	error = value_get(operation, "error");
	if (!value_is(error, VALUE_OBJECT))
		return fl_failed(err);
	fl_fail(err, fl_code_parse(field(error, "code")), "%s", field(error, "message"));
	return *field(error, "hint") ? fl_hint(err, "%s", field(error, "hint")) : fl_failed(err);
}

/*
 * What came of a transfer, once its file is settled.  Does not return after a
 * signal: the shell is to see that the command ended by it (130 for SIGINT).
 */
static int transfer_end(struct transfer *transfer, int r, struct fl_error *err)
{
	int number = caught;

	progress_end(&transfer->progress);
	catch_signals(false);
	if (r < 0 && number) {
		cancel(transfer);
		raise(number);
	}
	return r < 0 ? explain(transfer, err) : 0;
}

/* --- import ---------------------------------------------------------------------- */

/* Standard input, or a file; how many bytes it has, -1 where that is not known. */
static int open_archive(const char *name, int *ret_fd, int64_t *ret_length, struct fl_error *err)
{
	bool standard = strcmp(name, "-") == 0;
	own_fd int fd = -1;
	struct stat st;
	off_t at;

	if (standard && isatty(STDIN_FILENO)) {
		fl_fail(err, FL_INVALID, "standard input is a terminal, not an archive");
		return fl_hint(err, "for example: tar -C DIR -c . | flocker import NAME -");
	}
	if (standard) {
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
		if (fd < 0)
			return fl_fail_errno(err, "standard input");
	} else if (fsat_open_named(name, O_RDONLY, &fd, err) < 0) {
		return fl_hint(err, "the archive comes second: flocker import NAME ARCHIVE");
	}
	if (fstat(fd, &st) < 0)
		return fl_fail_errno(err, "'%s'", name);
	if (S_ISDIR(st.st_mode)) {
		fl_fail(err, FL_INVALID, "'%s' is a directory, not an archive", name);
		return fl_hint(err, "for example: tar -C DIR -c . | flocker import NAME -; or: "
				    "flocker create NAME --from-directory DIR");
	}
	at = S_ISREG(st.st_mode) ? lseek(fd, 0, SEEK_CUR) : -1;
	*ret_length = at >= 0 && at <= st.st_size ? st.st_size - at : -1;
	*ret_fd = take_fd(fd);
	return 0;
}

/* The new branch: REF, or the trunk of the volume that it names. */
static void add_branch(struct text *out, const struct ref *ref)
{
	ref_format(ref, out);
	if (ref->kind == REF_VOLUME)
		text_add_string(out, "/" TRUNK);
}

static int set_metadata(struct invocation *in, struct fl_error *err)
{
	own_free struct value *answer = NULL;
	own_body struct body *body = body_new();
	int r = put_metadata(body, in->settings, in->setting_count, err);

	if (r == 0 && in->setting_count > 0)
		r = talk(in, "PATCH", "/v1/volume", in->operands[0], body, &answer, err);
	return r < 0 ? fl_wrap(err, "the volume is there, but setting its metadata") : 0;
}

/* As `create` does: where the contents are. */
static int print_place(struct invocation *in, const struct ref *ref, struct fl_error *err)
{
	own_free struct value *branch = NULL;
	own_text struct text name = { 0 };
	int r;

	add_branch(&name, ref);
	r = talk(in, "GET", "/v1/branch", text_get(&name), NULL, &branch, err);
	if (r < 0)
		return fl_wrap(err, "the contents are there, but asking where");
	printf("%s\n", field(branch, "path"));
	return 0;
}

/* What can be wrong without a daemon, before gigabytes are sent to one. */
static int check_import(const struct invocation *in, struct ref *ref, struct fl_error *err)
{
	own_body struct body *body = body_new();

	if (take_ref(in->operands[0], ref, err) < 0)
		return fl_failed(err);
	if ((ref->kind != REF_VOLUME && ref->kind != REF_BRANCH) || ref->point != POINT_NONE)
		return fl_fail(err, FL_INVALID,
			       "'%s' names a past: give the new volume, or VOLUME/BRANCH",
			       in->operands[0]);
	if (ref->kind == REF_BRANCH && (in->setting_count > 0 || option_given(in, OPT_QUOTA)))
		return fl_fail(err, FL_INVALID,
			       "--set and --quota are of volumes, and '%s' is a branch",
			       in->operands[0]);
	return put_metadata(body, in->settings, in->setting_count, err);
}

/* The contents are what `fd` holds or, with it -1, the directory on the daemon's host. */
static int import(struct invocation *in, int fd, int64_t length, const char *directory,
		  struct fl_error *err)
{
	own(fl_answer_done) struct fl_answer answer = { 0 };
	own_free struct value *operation = NULL;
	own_ref struct ref ref = { 0 };
	own_free char *target = NULL;
	struct transfer transfer;
	uint64_t quota = 0;
	char bytes[24];
	int r = check_import(in, &ref, err);

	if (r == 0 && option_given(in, OPT_QUOTA))
		r = quota_option(in, &quota, err);
	if (r == 0)
		r = transfer_begin(&transfer, in, fd, length, err);
	if (r < 0)
		return r;
	snprintf(bytes, sizeof(bytes), "%" PRIu64, quota);
	target = fl_target("/v1/imports", "ref", in->operands[0], "operation", transfer.id,
			   "description", in->options[OPT_DESCRIPTION], "mount_path",
			   in->options[OPT_MOUNT_PATH], "quota", quota ? bytes : NULL, "devices",
			   option_given(in, OPT_DEVICES) ? "true" : NULL, "setuid",
			   option_given(in, OPT_SETUID) ? "true" : NULL, "directory", directory,
			   NULL);
	if (!target)
		return fl_fail(err, FL_SYSTEM, "no memory for a request");
	r = fl_client_upload(in->client, "POST", target, "application/x-tar", &transfer.stream,
			     &answer, err);
	r = transfer_end(&transfer, r, err);
	if (r == 0)
		r = set_metadata(in, err);
	if (r < 0)
		return r;
	if (!option_given(in, OPT_JSON))
		return print_place(in, &ref, err);
	r = value_parse(answer.bytes, answer.length, &operation, err);
	if (r < 0)
		return fl_wrap(err, "the daemon's answer");
	print_json(operation);
	return 0;
}

int verb_import(struct invocation *in, struct fl_error *err)
{
	own_fd int fd = -1;
	int64_t length;

	if (open_archive(in->operands[1], &fd, &length, err) < 0)
		return fl_failed(err);
	return import(in, fd, length, NULL, err);
}

int import_directory(struct invocation *in, struct fl_error *err)
{
	/* Where branches appear are symbolic links, and the daemon follows none.  What is not there
	 * is the daemon's to say. */
	own_free char *real = NULL;
	own_text struct text path = { 0 };

	if (option_given(in, OPT_FROM))
		return fl_fail(err, FL_INVALID, "--from and --from-directory: give one of them");
	real = realpath(in->options[OPT_FROM_DIRECTORY], NULL);
	if (absolute_path(real ? real : in->options[OPT_FROM_DIRECTORY], &path, err) < 0)
		return fl_failed(err);
	return import(in, -1, 0, text_get(&path), err);
}

/* --- export ---------------------------------------------------------------------- */

static bool ends_with(const char *name, const char *tail)
{
	size_t length = strlen(name), end = strlen(tail);

	return length > end && strcmp(name + length - end, tail) == 0;
}

/* A name that promises what is not written would only be found out when it is needed. */
static int check_name(const struct invocation *in, struct fl_error *err)
{
	static const struct {
		const char *end, *program;
	} others[] = {
		{ ".gz", "gzip" },   { ".tgz", "gzip" },   { ".xz", "xz" },   { ".txz", "xz" },
		{ ".bz2", "bzip2" }, { ".tbz2", "bzip2" }, { ".lz4", "lz4" },
	};

	for (size_t i = 0; i < array_size(others); i++) {
		if (!ends_with(in->operands[1], others[i].end))
			continue;
		fl_fail(err, FL_INVALID, "'%.200s': an archive is plain or compressed by zstd",
			in->operands[1]);
		return fl_hint(err,
			       "name it .tar or .tar.zst; or: flocker export REF - | %s > FILE",
			       others[i].program);
	}
	return 0;
}

static int fetch(struct transfer *transfer, struct fl_error *err)
{
	struct invocation *in = transfer->in;
	const char *name = in->operands[1];
	bool zstd = option_given(in, OPT_ZSTD) || ends_with(name, ".zst") ||
		    ends_with(name, ".tzst");
	own_free char *target = fl_target("/v1/export", "ref", in->operands[0], "operation",
					  transfer->id, "compression", zstd ? "zstd" : NULL, NULL);

	if (!target)
		return fl_fail(err, FL_SYSTEM, "no memory for a request");
	return fl_client_download(in->client, target, &transfer->stream, err);
}

static int export_standard(struct invocation *in, struct transfer *transfer, struct fl_error *err)
{
	if (isatty(STDOUT_FILENO)) {
		fl_fail(err, FL_INVALID, "an archive is nothing for a terminal");
		return fl_hint(err, "name a file, or lead standard output elsewhere");
	}
	in->broken = true; /* nothing but the archive goes there, errors neither */
	if (transfer_begin(transfer, in, STDOUT_FILENO, -1, err) < 0)
		return fl_failed(err);
	return transfer_end(transfer, fetch(transfer, err), err);
}

static int fail_there(const char *name, struct fl_error *err)
{
	fl_fail(err, FL_EXISTS, "'%s' is there already", name);
	fl_hint(err, "--force replaces it");
	return fl_object(err, "%s", name);
}

/* Only a file is replaced: a device or a pipe is there to be written to, not to be removed. */
static int check_place(const char *name, bool force, struct fl_error *err)
{
	struct stat st;

	if (fsat_stat(AT_FDCWD, name, &st, err) < 0)
		return err->code == FL_NOT_FOUND ? 0 : fl_failed(err);
	if (!S_ISREG(st.st_mode)) {
		fl_fail(err, FL_INVALID, "'%s' is no regular file", name);
		return fl_hint(err, "to write into it: flocker export REF - > '%.100s'", name);
	}
	return force ? 0 : fail_there(name, err);
}

/* A name is durable with its directory. */
static int sync_parent(const char *name, struct fl_error *err)
{
	const char *slash = strrchr(name, '/');
	own_text struct text parent = { 0 };
	own_fd int fd = -1;

	if (slash)
		text_add(&parent, name, (size_t)(slash - name) + 1);
	if (fsat_open_named(slash ? text_get(&parent) : ".", O_RDONLY | O_DIRECTORY, &fd, err) < 0)
		return fl_failed(err);
	return fsat_sync(fd, err);
}

static int settle(int fd, const char *temporary, const char *name, bool force, struct fl_error *err)
{
	if (fsat_sync(fd, err) < 0)
		return fl_failed(err);
	if (force) {
		if (fsat_rename(AT_FDCWD, temporary, AT_FDCWD, name, err) < 0)
			return fl_failed(err);
	} else if (fsat_rename_new(AT_FDCWD, temporary, AT_FDCWD, name, err) < 0) {
		return err->code == FL_EXISTS ? fail_there(name, err) : fl_failed(err);
	}
	return sync_parent(name, err);
}

/*
 * Under another name beside its own until it is whole, so that what has the
 * name is never half an archive.  Readable for its owner alone: it holds what
 * the volume keeps from others.
 */
static int export_file(struct invocation *in, struct transfer *transfer, struct fl_error *err)
{
	const char *name = in->operands[1];
	bool force = option_given(in, OPT_FORCE);
	own_text struct text temporary = { 0 };
	struct fl_error other;
	own_fd int fd = -1;
	int r = check_place(name, force, err);

	if (r == 0)
		r = transfer_begin(transfer, in, -1, -1, err);
	if (r < 0)
		return r;
	text_add_format(&temporary, "%s.%.8s.part", name, transfer->id);
	r = fsat_open(AT_FDCWD, text_get(&temporary), O_WRONLY | O_CREAT | O_EXCL, 0600, &fd, err);
	if (r < 0)
		return fl_wrap(err, "writing '%.300s'", name);
	transfer->stream.fd = fd;
	r = fetch(transfer, err);
	if (r == 0)
		r = settle(fd, text_get(&temporary), name, force, err);
	if (r < 0 && fsat_unlink(AT_FDCWD, text_get(&temporary), &other) < 0)
		fprintf(stderr, "flocker: %s\n", other.text);
	return transfer_end(transfer, r, err);
}

int verb_export(struct invocation *in, struct fl_error *err)
{
	own_free struct value *operation = NULL;
	own_ref struct ref ref = { 0 };
	struct transfer transfer;
	bool standard = strcmp(in->operands[1], "-") == 0;
	int r;

	if (take_ref(in->operands[0], &ref, err) < 0 || check_name(in, err) < 0 ||
	    (standard ? export_standard : export_file)(in, &transfer, err) < 0)
		return fl_failed(err);
	/* Asked on the same connection, so behind its end: whoever looks then finds it done. */
	r = get_operation(&transfer, &operation, err);
	if (r < 0)
		return fl_wrap(err, "the archive is there, but asking for its operation");
	if (option_given(in, OPT_JSON) && !standard)
		print_json(operation);
	return 0;
}
