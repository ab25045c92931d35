#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fsat.h"
#include "driver/dir/pool.h"
#include "driver/kept.h"

/* Making a pool: only with its identity, which comes last, it is one. */

struct creation {
	const struct pool_spec *spec;
	int dir;
	bool made; /* the directory is ours to remove */
	bool committed;
};

static void creation_end(struct creation *creation)
{
	struct fl_error ignored;

	if (creation->made && !creation->committed)
		(void)!fsat_remove_tree(AT_FDCWD, creation->spec->path, &ignored);
	own_fdp(&creation->dir);
}

static int check_empty(const struct creation *creation, struct fl_error *err)
{
	struct stat st;
	bool empty;

	if (fsat_stat(creation->dir, "flocker.json", &st, err) == 0) {
		fl_fail(err, FL_EXISTS, "'%s' is a Flocker pool already", creation->spec->path);
		return fl_hint(err, "use it with 'flocker pool adopt', or remove it first");
	}
	if (fsat_is_empty(creation->dir, &empty, err) < 0)
		return fl_failed(err);
	if (empty || creation->spec->force)
		return 0;
	fl_fail(err, FL_BUSY, "'%s' holds files", creation->spec->path);
	return fl_hint(err, "choose another place, or overwrite it with --force");
}

static int fill(struct creation *creation, const struct pool_identity *identity,
		struct fl_error *err)
{
	if (layout_make(creation->dir, err) < 0 ||
	    identity_write(creation->dir, identity, err) < 0 ||
	    fsat_sync_all(creation->dir, err) < 0)
		return fl_failed(err);
	creation->committed = true;
	return 0;
}

static int check_spec(const struct pool_spec *spec, struct fl_error *err)
{
	if (spec->kind != POOL_DIRECTORY)
		return fl_fail(err, FL_UNSUPPORTED, "the dir driver makes no pool in a %s",
			       pool_kind_names[spec->kind]);
	if (spec->compress)
		return fl_fail(err, FL_UNSUPPORTED, "the dir driver does not compress");
	return 0;
}

int dir_create(const struct pool_spec *spec, const struct pool_identity *identity,
	       struct fl_error *err)
{
	own(creation_end) struct creation creation = { .spec = spec, .dir = -1 };

	if (check_spec(spec, err) < 0)
		return fl_failed(err);
	creation.made = fsat_make_dir(AT_FDCWD, spec->path, 0711, err) == 0;
	if (!creation.made && err->code != FL_EXISTS)
		return fl_failed(err);
	if (dir_take(spec->path, &creation.dir, err) < 0)
		return fl_failed(err);
	if (!creation.made && check_empty(&creation, err) < 0)
		return fl_failed(err);
	return fill(&creation, identity, err);
}
