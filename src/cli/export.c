#include <fcntl.h>
#include <limits.h>
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

/* What is written to until it is whole, so that what has the archive's name is never half of one.
 */
struct part {
	int dir; /* that the archive is to be in */
	int fd;
	bool named;
	char name[NAME_MAX + 1]; /* beside the archive's */
};

#define PART_NONE                   \
	{                           \
		.dir = -1, .fd = -1 \
	}

static void part_done(struct part *part)
{
	struct fl_error err;

	if (part->named && fsat_unlink(part->dir, part->name, &err) < 0)
		fprintf(stderr, "flocker: %s\n", err.text);
	own_fdp(&part->dir);
	own_fdp(&part->fd);
}

/*
 * A file without a name, where there can be one, is gone with the process, even a
 * killed one.  Readable for its owner alone: it holds what the volume keeps from
 * others.
 */
static int part_open(struct part *part, const char *archive, const char *id, struct fl_error *err)
{
	const char *slash = strrchr(archive, '/');
	own_text struct text parent = { 0 };

	snprintf(part->name, sizeof(part->name), "%.200s.%.8s.part", slash ? slash + 1 : archive,
		 id);
	if (slash)
		text_add(&parent, archive, (size_t)(slash - archive) + 1);
	if (fsat_open_named(slash ? text_get(&parent) : ".", O_RDONLY | O_DIRECTORY, &part->dir,
			    err) < 0)
		return fl_failed(err);
	if (fsat_open_unnamed(part->dir, 0600, &part->fd, err) == 0)
		return 0;
	if (err->code != FL_UNSUPPORTED)
		return fl_failed(err);
	if (fsat_open(part->dir, part->name, O_WRONLY | O_CREAT | O_EXCL, 0600, &part->fd, err) < 0)
		return fl_failed(err);
	part->named = true;
	return 0;
}

static int replace(struct part *part, const char *archive, struct fl_error *err)
{
	if (!part->named && fsat_give_name(part->fd, part->dir, part->name, err) < 0)
		return fl_failed(err);
	part->named = true;
	if (fsat_rename(part->dir, part->name, AT_FDCWD, archive, err) < 0)
		return fl_failed(err);
	part->named = false;
	return 0;
}

/* Where nothing is yet; NFS has no such rename. */
static int appear(struct part *part, const char *archive, struct fl_error *err)
{
	if (!part->named)
		return fsat_give_name(part->fd, AT_FDCWD, archive, err);
	if (fsat_rename_new(part->dir, part->name, AT_FDCWD, archive, err) == 0) {
		part->named = false;
		return 0;
	}
	if (err->sys != EINVAL && err->sys != ENOSYS)
		return fl_failed(err);
	return fsat_link(part->dir, part->name, AT_FDCWD, archive, err);
}

/* It is whole: gives it the archive's name, durably. */
static int part_settle(struct part *part, const char *archive, bool force, struct fl_error *err)
{
	if (fsat_sync(part->fd, err) < 0)
		return fl_failed(err);
	if ((force ? replace : appear)(part, archive, err) < 0)
		return !force && err->code == FL_EXISTS ? fail_there(archive, err) : fl_failed(err);
	return fsat_sync(part->dir, err);
}

static int write_file(struct transfer *transfer, const char *name, bool force, struct fl_error *err)
{
	own(part_done) struct part part = PART_NONE;

	if (part_open(&part, name, transfer->id, err) < 0)
		return fl_wrap(err, "writing '%.300s'", name);
	transfer->stream.fd = part.fd;
	if (fetch(transfer, err) < 0)
		return fl_failed(err);
	return part_settle(&part, name, force, err);
}

static int export_file(struct invocation *in, struct transfer *transfer, struct fl_error *err)
{
	const char *name = in->operands[1];
	bool force = option_given(in, OPT_FORCE);
	int r = check_place(name, force, err);

	if (r == 0)
		r = transfer_begin(transfer, in, -1, -1, err);
	if (r < 0)
		return r;
	return transfer_end(transfer, write_file(transfer, name, force, err), err);
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
	r = transfer_operation(&transfer, &operation, err);
	if (r < 0)
		return fl_wrap(err, "the archive is there, but asking for its operation");
	if (option_given(in, OPT_JSON) && !standard)
		print_json(operation);
	return 0;
}
