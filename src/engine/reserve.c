/*
 * Deletions, and how operations ended, are recorded even where the catalogue's
 * file system is full.
 *
 * A file of a few MiB lies beside the catalogue for nothing but this.  When a
 * deletion can't be written for want of space the file goes and the write is
 * tried again; the caretaker makes it anew when there is space.  The two take
 * turns: a reserve made anew in between would leave the write nothing.
 */

#include <fcntl.h>

#include "base/fsat.h"
#include "engine/internal.h"

#define RESERVE_FILE "reserve"
#define RESERVE_SIZE (4 << 20)

int reserve_fill(struct engine *engine, struct fl_error *err)
{
	own_fd int fd = -1;
	struct stat st;
	own_lock(turn, &engine->reserve_mutex);

	if (fsat_open(engine->state_fd, RESERVE_FILE, O_RDWR | O_CREAT, 0600, &fd, err) < 0)
		return fl_failed(err);
	if (fstat(fd, &st) == 0 && st.st_size >= RESERVE_SIZE)
		return 0;
	/* Blocks, not a size: an empty promise would be no reserve. */
	if (posix_fallocate(fd, 0, RESERVE_SIZE) == 0)
		return 0;
	if (fsat_unlink(engine->state_fd, RESERVE_FILE, err) < 0)
		return fl_failed(err);
	return fl_fail(err, FL_NO_SPACE, "no space for the catalogue's reserve in %s",
		       engine->state);
}

static int write_with_reserve(struct engine *engine, catalog_fn fn, void *arg, struct fl_error *err)
{
	own_lock(turn, &engine->reserve_mutex);

	log_warning("the catalogue's file system is full: its reserve is taken", "state=%s",
		    engine->state);
	if (fsat_unlink(engine->state_fd, RESERVE_FILE, err) < 0)
		return fl_failed(err);
	return catalog_write(engine->catalog, CATALOG_DURABLE, fn, arg, err);
}

int catalog_write_deletion(struct engine *engine, catalog_fn fn, void *arg, struct fl_error *err)
{
	int r = catalog_write(engine->catalog, CATALOG_DURABLE, fn, arg, err);

	if (r != -FL_NO_SPACE)
		return r;
	r = write_with_reserve(engine, fn, arg, err);
	/* Where even that was not enough a pass would only find no room for another. */
	if (r == 0)
		care_soon(engine);
	return r;
}
