#include "cli/part.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fsat.h"
#include "base/text.h"

static int fail_there(const char *name, struct fl_error *err)
{
	fl_fail(err, FL_EXISTS, "'%s' is there already", name);
	fl_hint(err, "--force replaces it");
	return fl_object(err, "%s", name);
}

int part_check(const char *name, bool force, struct fl_error *err)
{
	struct stat st;

	if (fsat_stat(AT_FDCWD, name, &st, err) < 0)
		return err->code == FL_NOT_FOUND ? 0 : fl_failed(err);
	if (!S_ISREG(st.st_mode)) {
		fl_fail(err, FL_INVALID, "'%s' is no regular file", name);
		return fl_hint(err, "to write into it, give - and lead standard output there");
	}
	return force ? 0 : fail_there(name, err);
}

void part_done(struct part *part)
{
	struct fl_error err;

	if (part->named && fsat_unlink(part->dir, part->name, &err) < 0)
		fprintf(stderr, "flocker: %s\n", err.text);
	own_fdp(&part->dir);
	own_fdp(&part->fd);
}

int part_open(struct part *part, const char *place, const char *id, struct fl_error *err)
{
	const char *slash = strrchr(place, '/');
	own_text struct text parent = { 0 };

	snprintf(part->name, sizeof(part->name), "%.200s.%.8s.part", slash ? slash + 1 : place, id);
	if (slash)
		text_add(&parent, place, (size_t)(slash - place) + 1);
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

static int replace(struct part *part, const char *place, struct fl_error *err)
{
	if (!part->named && fsat_give_name(part->fd, part->dir, part->name, err) < 0)
		return fl_failed(err);
	part->named = true;
	if (fsat_rename(part->dir, part->name, AT_FDCWD, place, err) < 0)
		return fl_failed(err);
	part->named = false;
	return 0;
}

/* Where nothing is yet; NFS has no such rename. */
static int appear(struct part *part, const char *place, struct fl_error *err)
{
	if (!part->named)
		return fsat_give_name(part->fd, AT_FDCWD, place, err);
	if (fsat_rename_new(part->dir, part->name, AT_FDCWD, place, err) == 0) {
		part->named = false;
		return 0;
	}
	if (err->sys != EINVAL && err->sys != ENOSYS)
		return fl_failed(err);
	return fsat_link(part->dir, part->name, AT_FDCWD, place, err);
}

int part_settle(struct part *part, const char *place, bool force, struct fl_error *err)
{
	if (fsat_sync(part->fd, err) < 0)
		return fl_failed(err);
	if ((force ? replace : appear)(part, place, err) < 0)
		return !force && err->code == FL_EXISTS ? fail_there(place, err) : fl_failed(err);
	return fsat_sync(part->dir, err);
}
