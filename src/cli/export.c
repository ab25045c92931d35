#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/fsat.h"
#include "cli/part.h"
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

static int write_file(struct transfer *transfer, const char *name, bool force, struct fl_error *err)
{
	own_part struct part part = PART_NONE;

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
	int r = part_check(name, force, err);

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
	struct transfer transfer = { .in = in };
	bool standard = strcmp(in->operands[1], "-") == 0;
	int r;

	if (ref_parse(in->operands[0], &ref, err) < 0 || check_name(in, err) < 0 ||
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
