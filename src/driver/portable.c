#include "driver/portable.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/fsat.h"
#include "driver/compare.h"
#include "driver/portable-internal.h"

/*
 * The base becomes the tree in three steps.
 *
 * 1. What moved is put aside: each file or directory that the comparison says is called otherwise
 *    now gets a provisional name at the top.  What lies in a directory comes before it, so
 *    that every path is still that of the base; after it, whatever swapped places, follows in a
 *    chain or lies in its own former contents is out of the way.
 *
 * 2. Both trees are walked side by side.  Of each name that the later tree has: what moved comes
 *    from its provisional name; what is in the base under the same name stays and is changed;
 *    anything else is made.  A name that only the base has, or with something of another type, is
 *    removed with all below it.  A directory's attributes come after its names, for those
 *    change its time; its subdirectories, which do not, come later.
 *
 * 3. Names that had to wait, and the top's own attributes.
 *
 * Files with several names.  Each of the later tree may be made out of one of the base: the first,
 * in the order of a walk before, that has a name in common with it and that none before it
 * took.  A name that both have stays; any other is removed and linked anew, in step 3 if the first
 * name that stays is yet to come.  Without one in the base the file is made where it is met first.
 *
 * New files in a directory with a default ACL would inherit it, so that is taken off before and
 * given back with the directory's attributes.
 */

static void sending_done(struct sending *sending)
{
	sides_done(&sending->sides);
	own_fdp(&sending->base);
	own_fdp(&sending->tree);
	patch_done(&sending->patch);
	told_done(&sending->told);
	linked_done(&sending->linked);
	linked_done(&sending->taken);
	for (size_t i = 0; i < sending->late_count; i++)
		free(sending->late[i].path);
	free(sending->late);
}

int sending_put(struct sending *sending, enum delta_verb verb, const char *path, const char *to,
		struct fl_error *err)
{
	if (sending->how)
		sending->how->touched = true;
	return patch_path(&sending->patch, verb, path, to, err);
}

/* --- step 1: what moved ----------------------------------------------------------------------- */

void sending_provisional(const struct sending *sending, const struct told_item *move,
			 char name[static PROVISIONAL])
{
	snprintf(name, PROVISIONAL, "flocker-moved-%u-%zu", sending->series, move->number);
}

/* A series of names that neither tree has at its top. */
static int choose_series(struct sending *sending, struct fl_error *err)
{
	const int tops[] = { sending->base, sending->tree };

	for (size_t i = 0; i < array_size(tops); i++) {
		own(names_done) struct names names = { 0 };
		unsigned series;

		if (names_read(tops[i], &names, err) < 0)
			return fl_failed(err);
		for (size_t j = 0; j < names.count; j++)
			if (sscanf(names.items[j], "flocker-moved-%u-", &series) == 1 &&
			    series >= sending->series && series < UINT_MAX)
				sending->series = series + 1;
	}
	return 0;
}

static int put_moves_aside(struct sending *sending, struct fl_error *err)
{
	char name[PROVISIONAL];

	if (sending->told.move_count > 0 && choose_series(sending, err) < 0)
		return fl_failed(err);
	sending->how = &sending->top;
	for (size_t i = 0; i < sending->told.move_count; i++) {
		sending_provisional(sending, sending->told.moves[i], name);
		if (sending_put(sending, DELTA_RENAME, sending->told.moves[i]->from, name, err) < 0)
			return fl_failed(err);
	}
	return 0;
}

/* --- which file is made out of which ---------------------------------------------------------- */

static int plan_place(void *arg, struct level *level, struct place *place, struct fl_error *err)
{
	struct sending *sending = arg;
	struct pair pair = { .dirs = { level->dirs[0], level->dirs[1] },
			     .names = { place->name, place->name } };
	const struct told_item *move = told_move_to(&sending->told, place->path);
	bool was = place->was && !move && !told_move_from(&sending->told, place->from);
	struct linked_file *inode, *heir;
	bool same;

	if (!place->is)
		return 0;
	if (fsat_stat(level->dirs[1], place->name, &pair.st[1], err) < 0 ||
	    (was && fsat_stat(level->dirs[0], place->name, &pair.st[0], err) < 0))
		return fl_failed(err);
	if (S_ISDIR(pair.st[1].st_mode)) {
		was = was && S_ISDIR(pair.st[0].st_mode);
		sides_add(&sending->sides, place->path,
			  move	? move->from
			  : was ? place->from
				: NULL);
		return 0;
	}
	if (!was || (pair.st[0].st_nlink < 2 && pair.st[1].st_nlink < 2))
		return 0;
	if (sending_same_kind(&pair, &same, err) < 0)
		return fl_failed(err);
	inode = linked_get(&sending->linked, pair.st[1].st_ino);
	heir = linked_get(&sending->taken, pair.st[0].st_ino);
	if (same && !inode->heir && !heir->heir) {
		inode->heir = heir->number;
		heir->heir = inode->number;
	}
	return 0;
}

static int plan_folder(void *arg, const struct folder *folder, struct fl_error *err)
{
	struct sending *sending = arg;
	own(level_done) struct level level = { .dirs = { -1, -1 } };

	if (level_open(&sending->sides, folder, &level, err) < 0)
		return fl_failed(err);
	return level_each(&level, plan_place, sending, err);
}

/* --- step 3: names that waited ---------------------------------------------------------------- */

static int send_late(struct sending *sending, struct fl_error *err)
{
	sending->how = &sending->top;
	for (size_t i = 0; i < sending->late_count; i++) {
		const struct late *late = &sending->late[i];

		if (sending_put(sending, DELTA_LINK, late->path,
				linked_get(&sending->linked, late->inode)->path, err) < 0)
			return fl_failed(err);
	}
	return 0;
}

/* The times of the directories that these names are in. */
static int send_late_times(struct sending *sending, struct fl_error *err)
{
	for (size_t i = 0; i < sending->late_count; i++) {
		char *slash = strrchr(sending->late[i].path, '/');
		own_fd int dir = -1;
		struct stat st;

		if (!slash)
			continue;
		*slash = '\0';
		if (fsat_open_far(sending->tree, sending->late[i].path, &dir, err) < 0 ||
		    fsat_stat(dir, ".", &st, err) < 0 ||
		    patch_times(&sending->patch, sending->late[i].path, &st, err) < 0)
			return fl_failed(err);
	}
	return 0;
}

static int send_top(struct sending *sending, struct fl_error *err)
{
	char nothing[] = "";
	const struct folder top = { nothing, sending->base >= 0 ? nothing : NULL };
	own(level_done) struct level level = { .dirs = { -1, -1 } };

	sending->top.made = sending->base < 0;
	if (level_open(&sending->sides, &top, &level, err) < 0)
		return fl_failed(err);
	return sending_attributes(sending, &level, &sending->top, err);
}

/* --- all of it -------------------------------------------------------------------------------- */

static struct uuid uuid_of(uint64_t id)
{
	struct uuid uuid = { { 0 } };

	memcpy(uuid.bytes, &id, sizeof(id));
	return uuid;
}

/* Who receives it is told by others what it is made from: here are only numbers of this pool. */
static int send_beginning(struct sending *sending, struct pool *pool, const struct tree *base,
			  const struct tree *tree, struct fl_error *err)
{
	struct delta_command command = { .verb = DELTA_SUBVOL, .path = "tree" };
	struct tree_info info;

	if (pool->driver->tree_info(pool, tree, &info, err) < 0)
		return fl_failed(err);
	command.uuid = uuid_of(info.id);
	if (base) {
		if (pool->driver->tree_info(pool, base, &info, err) < 0)
			return fl_failed(err);
		command.verb = DELTA_SNAPSHOT;
		command.from_uuid = uuid_of(info.id);
	}
	return patch_put(&sending->patch, &command, err);
}

static int send_steps(struct sending *sending, struct fl_error *err)
{
	const char *from = sending->base < 0 ? NULL : "";
	const struct delta_command end = { .verb = DELTA_END };

	if (from && (sides_walk(&sending->sides, from, plan_folder, sending, err) < 0 ||
		     put_moves_aside(sending, err) < 0))
		return fl_failed(err);
	if (sides_walk(&sending->sides, from, sending_folder, sending, err) < 0 ||
	    send_late(sending, err) < 0 || send_late_times(sending, err) < 0 ||
	    send_top(sending, err) < 0 || patch_put(&sending->patch, &end, err) < 0)
		return fl_failed(err);
	return patch_flush(&sending->patch, err);
}

/* How the two are compared. */
typedef int comparing(struct pool *pool, const struct tree *const trees[static 2],
		      const struct sending *sending, struct told *told, struct fl_error *err);

static int compare_by_driver(struct pool *pool, const struct tree *const trees[static 2],
			     const struct sending *sending, struct told *told, struct fl_error *err)
{
	return pool->driver->diff(pool, trees[0], trees[1], told_add, told, err);
}

static int compare_by_path(struct pool *pool, const struct tree *const trees[static 2],
			   const struct sending *sending, struct told *told, struct fl_error *err)
{
	const struct comparison comparison = { .trees = { sending->base, sending->tree } };

	return compare_by_walking(&comparison, told_add, told, err);
}

static int send_compared(struct pool *pool, const struct tree *base, const struct tree *tree,
			 int fd, comparing *compare, struct fl_error *err)
{
	own(sending_done) struct sending sending = { .base = -1, .tree = -1 };
	const struct tree *const trees[] = { base, tree };
	const struct driver *driver = pool->driver;

	patch_init(&sending.patch, fd);
	if (driver->tree_open(pool, tree, &sending.tree, err) < 0 ||
	    (base && driver->tree_open(pool, base, &sending.base, err) < 0))
		return fl_failed(err);
	sending.sides.trees[0] = sending.base;
	sending.sides.trees[1] = sending.tree;
	if (base && (compare(pool, trees, &sending, &sending.told, err) < 0 ||
		     told_end(&sending.told, sending.sides.trees, err) < 0))
		return fl_failed(err);
	if (send_beginning(&sending, pool, base, tree, err) < 0)
		return fl_failed(err);
	return send_steps(&sending, err);
}

int portable_send(struct pool *pool, const struct tree *base, const struct tree *tree, int fd,
		  struct fl_error *err)
{
	return send_compared(pool, base, tree, fd,
			     pool->driver->diff ? compare_by_driver : compare_by_path, err);
}

int portable_send_by_path(struct pool *pool, const struct tree *base, const struct tree *tree,
			  int fd, struct fl_error *err)
{
	return send_compared(pool, base, tree, fd, compare_by_path, err);
}
