#include <string.h>

#include "base/fsat.h"
#include "driver/portable-internal.h"

/* Removing a directory of the base, the deepest first. */

/* A directory of the base, where it is now, and whether what is in it was removed. */
struct doomed {
	char *path, *from;
	bool empty;
};

struct removal {
	struct doomed *stack;
	size_t count;
};

static void removal_done(struct removal *removal)
{
	for (size_t i = 0; i < removal->count; i++) {
		free(removal->stack[i].path);
		free(removal->stack[i].from);
	}
	free(removal->stack);
}

static void doom(struct removal *removal, const char *path, const char *from)
{
	*array_add(removal->stack, removal->count) = (struct doomed){ .path = xstrdup(path),
								      .from = xstrdup(from) };
}

static int remove_one(struct sending *sending, struct removal *removal, int dir, const char *name,
		      const struct doomed *parent, struct fl_error *err)
{
	own_free char *path = path_join(parent->path, name), *from = path_join(parent->from, name);
	struct stat st;

	if (told_move_from(&sending->told, from))
		return 0;
	if (fsat_stat(dir, name, &st, err) < 0)
		return fl_failed(err);
	if (!S_ISDIR(st.st_mode))
		return sending_put(sending, DELTA_UNLINK, path, NULL, err);
	doom(removal, path, from);
	return 0;
}

static int empty_directory(struct sending *sending, struct removal *removal, struct fl_error *err)
{
	const struct doomed parent = removal->stack[removal->count - 1];
	own(names_done) struct names names = { 0 };
	own_fd int dir = -1;

	removal->stack[removal->count - 1].empty = true;
	if (fsat_open_far(sending->base, parent.from, &dir, err) < 0 ||
	    names_read(dir, &names, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < names.count; i++)
		if (remove_one(sending, removal, dir, names.items[i], &parent, err) < 0)
			return fl_failed(err);
	return 0;
}

static int remove_directory(struct sending *sending, const char *path, const char *from,
			    struct fl_error *err)
{
	own(removal_done) struct removal removal = { 0 };

	doom(&removal, path, from);
	while (removal.count > 0) {
		struct doomed *last = &removal.stack[removal.count - 1];

		if (!last->empty) {
			if (empty_directory(sending, &removal, err) < 0)
				return fl_failed(err);
			continue;
		}
		if (sending_put(sending, DELTA_RMDIR, last->path, NULL, err) < 0)
			return fl_failed(err);
		free(last->path);
		free(last->from);
		removal.count--;
	}
	return 0;
}

int sending_remove(struct sending *sending, const struct place *place, mode_t mode,
		   struct fl_error *err)
{
	if (S_ISDIR(mode))
		return remove_directory(sending, place->path, place->from, err);
	return sending_put(sending, DELTA_UNLINK, place->path, NULL, err);
}
