#include "driver/sides.h"

#include <stdlib.h>
#include <string.h>

#include "base/fsat.h"
#include "delta/command.h"

/*
 * What waits is a stack: a directory's subdirectories, turned round, so that the first is
 * on top, on those that wait above.  Directories are opened by their paths when it is
 * their turn: neither depth nor breadth costs descriptors.
 */

/* --- paths and names -------------------------------------------------------------------------- */

char *path_join(const char *dir, const char *name)
{
	struct text path = { 0 };

	text_add_format(&path, "%s%s%s", dir, *dir ? "/" : "", name);
	return text_take(&path);
}

static int check_path(const char *path, struct fl_error *err)
{
	if (strlen(path) <= DELTA_PATH_MAX)
		return 0;
	fl_fail(err, FL_UNSUPPORTED, "a path of %zu bytes is too long to be sent", strlen(path));
	return fl_hint(err, "move it up, or shorten the names above it");
}

void names_done(struct names *names)
{
	text_done(&names->bytes);
	free(names->items);
	*names = (struct names){ 0 };
}

static int add_name(void *arg, const char *name, unsigned char type, uint64_t inode,
		    struct fl_error *err)
{
	struct names *names = arg;

	text_add(&names->bytes, name, strlen(name) + 1);
	names->count++;
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int names_read(int dir, struct names *ret, struct fl_error *err)
{
	const char *at;

	if (fsat_each(dir, add_name, ret, err) < 0)
		return fl_failed(err);
	ret->items = xcalloc(ret->count + 1, sizeof(*ret->items));
	at = text_get(&ret->bytes);
	for (size_t i = 0; i < ret->count; i++, at += strlen(at) + 1)
		ret->items[i] = at;
	array_sort(ret->items, ret->count, compare_names);
	return 0;
}

/* --- one directory ---------------------------------------------------------------------------- */

void level_done(struct level *level)
{
	own_fdp(&level->dirs[0]);
	own_fdp(&level->dirs[1]);
}

int level_open(const struct sides *sides, const struct folder *folder, struct level *ret,
	       struct fl_error *err)
{
	own(level_done) struct level level = { .folder = folder, .dirs = { -1, -1 } };

	if (fsat_open_far(sides->trees[1], folder->path, &level.dirs[1], err) < 0 ||
	    (folder->from && fsat_open_far(sides->trees[0], folder->from, &level.dirs[0], err) < 0))
		return fl_wrap(err, "'%.200s'", folder->path);
	*ret = level;
	level.dirs[0] = level.dirs[1] = -1;
	return 0;
}

static void place_done(struct place *place)
{
	free(place->path);
	free(place->from);
}

/* `side`: below 0 the name is in the earlier one alone, above in the later. */
static int show(struct level *level, const char *name, int side, level_place *each, void *arg,
		struct fl_error *err)
{
	const struct folder *folder = level->folder;
	own(place_done) struct place place = {
		.name = name,
		.path = path_join(folder->path, name),
		.from = folder->from ? path_join(folder->from, name) : NULL,
		.was = side <= 0,
		.is = side >= 0,
	};

	if (check_path(place.path, err) < 0 || each(arg, level, &place, err) < 0)
		return fl_wrap(err, "'%.200s'", place.path);
	return 0;
}

int level_each(struct level *level, level_place *each, void *arg, struct fl_error *err)
{
	own(names_done) struct names was = { 0 }, is = { 0 };

	if ((level->dirs[0] >= 0 && names_read(level->dirs[0], &was, err) < 0) ||
	    names_read(level->dirs[1], &is, err) < 0)
		return fl_failed(err);
	for (size_t i = 0, j = 0; i < was.count || j < is.count;) {
		int side = i == was.count  ? 1
			   : j == is.count ? -1
					   : strcmp(was.items[i], is.items[j]);
		const char *name = side > 0 ? is.items[j] : was.items[i];

		i += side <= 0;
		j += side >= 0;
		if (show(level, name, side, each, arg, err) < 0)
			return fl_failed(err);
	}
	return 0;
}

/* --- all of them ------------------------------------------------------------------------------ */

void sides_done(struct sides *sides)
{
	for (size_t i = 0; i < sides->folder_count; i++) {
		free(sides->folders[i].path);
		free(sides->folders[i].from);
	}
	free(sides->folders);
}

void sides_add(struct sides *sides, const char *path, const char *from)
{
	*array_add(sides->folders, sides->folder_count) =
		(struct folder){ xstrdup(path), from ? xstrdup(from) : NULL };
}

static void turn_round(struct sides *sides, size_t first)
{
	for (size_t i = first, j = sides->folder_count; i + 1 < j; i++) {
		struct folder folder = sides->folders[i];

		sides->folders[i] = sides->folders[--j];
		sides->folders[j] = folder;
	}
}

int sides_walk(struct sides *sides, const char *from, sides_folder *each, void *arg,
	       struct fl_error *err)
{
	sides_add(sides, "", from);
	while (sides->folder_count > 0) {
		struct folder folder = sides->folders[--sides->folder_count];
		size_t first = sides->folder_count;
		int rc = each(arg, &folder, err);

		free(folder.path);
		free(folder.from);
		if (rc < 0)
			return fl_failed(err);
		turn_round(sides, first);
	}
	return 0;
}
