#include "tree/spool.h"

#include <fcntl.h>
#include <string.h>

#include "base/fsat.h"
#include "base/uuid.h"

struct record {
	struct attrs attrs; /* its pointers mean nothing in the file */
	size_t path;	    /* bytes that follow */
	size_t xattrs;	    /* and behind them */
};

void spool_done(struct spool *spool)
{
	if (spool->file)
		fclose(spool->file);
	spool->file = NULL;
}

/* Where files cannot be made without a name (FUSE), it has one for a moment. */
static int open_named(int dir, int *ret_fd, struct fl_error *err)
{
	const struct uuid random = uuid_new();
	char name[UUID_TEXT + 16], uuid[UUID_TEXT];
	own_fd int fd = -1;

	snprintf(name, sizeof(name), ".flocker-%s", uuid_format(&random, uuid));
	if (fsat_open(dir, name, O_RDWR | O_CREAT | O_EXCL, 0600, &fd, err) < 0 ||
	    fsat_unlink(dir, name, err) < 0)
		return fl_failed(err);
	*ret_fd = take_fd(fd);
	return 0;
}

static int open_spool(struct spool *spool, int dir, struct fl_error *err)
{
	own_fd int fd = -1;
	int rc;

	rc = fsat_open(dir, ".", O_RDWR | O_TMPFILE, 0600, &fd, err);
	if (rc < 0 && err->sys == EOPNOTSUPP)
		rc = open_named(dir, &fd, err);
	if (rc < 0)
		return fl_wrap(err, "keeping the directories' attributes");
	spool->file = fdopen(fd, "w+");
	if (!spool->file)
		return fl_fail_errno(err, "cannot keep the directories' attributes");
	take_fd(fd);
	return 0;
}

int spool_add(struct spool *spool, int dir, const char *path, const struct attrs *attrs,
	      struct fl_error *err)
{
	struct record record = { .attrs = *attrs,
				 .path = strlen(path),
				 .xattrs = attrs->xattrs.length };

	if (!spool->file && open_spool(spool, dir, err) < 0)
		return fl_failed(err);
	record.attrs.xattrs = (struct text){ 0 };
	if (fwrite(&record, sizeof(record), 1, spool->file) != 1 ||
	    fwrite(path, 1, record.path, spool->file) != record.path ||
	    fwrite(text_get(&attrs->xattrs), 1, record.xattrs, spool->file) != record.xattrs)
		return fl_fail_errno(err, "cannot keep the directories' attributes");
	return 0;
}

static int read_bytes(FILE *file, size_t length, struct text *ret)
{
	text_clear(ret);
	text_add(ret, "", 0); /* so that the empty path is a string too */
	if (length > 0 && fread(text_reserve(ret, length), 1, length, file) != length)
		return -1;
	ret->length = length;
	if (length > 0)
		ret->bytes[length] = '\0';
	return 0;
}

int spool_each(struct spool *spool,
	       int (*each)(void *arg, const char *path, const struct attrs *attrs,
			   struct fl_error *err),
	       void *arg, struct fl_error *err)
{
	own_text struct text path = { 0 };
	own_text struct text xattrs = { 0 };
	struct record record;

	if (!spool->file)
		return 0;
	if (fflush(spool->file) != 0)
		return fl_fail_errno(err, "cannot keep the directories' attributes");
	rewind(spool->file);
	while (fread(&record, sizeof(record), 1, spool->file) == 1) {
		if (read_bytes(spool->file, record.path, &path) < 0 ||
		    read_bytes(spool->file, record.xattrs, &xattrs) < 0)
			return fl_fail_errno(err, "cannot read the directories' attributes again");
		record.attrs.xattrs = xattrs; /* lent */
		if (each(arg, text_get(&path), &record.attrs, err) < 0)
			return fl_failed(err);
	}
	if (ferror(spool->file))
		return fl_fail_errno(err, "cannot read the directories' attributes again");
	return 0;
}
