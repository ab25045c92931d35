#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fsat.h"
#include "cli/talk.h"
#include "cli/transfer.h"
#include "cli/verbs.h"

static bool ends_with(const char *name, const char *tail)
{
	size_t length = strlen(name), end = strlen(tail);

	return length > end && strcmp(name + length - end, tail) == 0;
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

	if (take_ref(in->operands[0], &ref, err) < 0 ||
	    (standard ? export_standard : export_file)(in, &transfer, err) < 0)
		return fl_failed(err);
	/* Asked on the same connection, so behind its end: whoever looks then finds it done. */
	r = transfer_operation(&transfer, &operation, err);
	if (r < 0)
		return fl_wrap(err, "the archive is there, but asking for its operation");
	if (option_given(in, OPT_JSON) && !standard)
		print_json(operation);
	return 0;
}
