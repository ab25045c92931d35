#include <limits.h>
#include <string.h>

#include "base/fsat.h"
#include "driver/portable-internal.h"

/* Step 2 of portable.c: both trees side by side, name by name. */

int sending_same_kind(const struct pair *pair, bool *ret, struct fl_error *err)
{
	const struct stat *was = &pair->st[0], *is = &pair->st[1];
	char targets[2][PATH_MAX];

	*ret = (was->st_mode & S_IFMT) == (is->st_mode & S_IFMT);
	if (S_ISBLK(is->st_mode) || S_ISCHR(is->st_mode))
		*ret = *ret && was->st_rdev == is->st_rdev;
	if (!*ret || !S_ISLNK(is->st_mode))
		return 0;
	for (int i = 0; i < 2; i++)
		if (fsat_read_link(pair->dirs[i], pair->names[i], targets[i], err) < 0)
			return fl_failed(err);
	*ret = strcmp(targets[0], targets[1]) == 0;
	return 0;
}

static int prepare_to_make(struct sending *sending, struct level *level, struct fl_error *err)
{
	const struct delta_command take = { .verb = DELTA_REMOVE_XATTR,
					    .path = level->folder->path,
					    .name = PATCH_DEFAULT_ACL };
	bool inherits;

	if (level->dirs[0] < 0 || sending->how->retouched)
		return 0;
	if (patch_has_default(level->dirs[0], ".", &inherits, err) < 0)
		return fl_failed(err);
	sending->how->retouched = inherits;
	return inherits ? patch_put(&sending->patch, &take, err) : 0;
}

static int make_file(struct sending *sending, const struct place *place, const struct pair *pair,
		     struct fl_error *err)
{
	sending->how->touched = true;
	return patch_make(&sending->patch, place->path, pair, err);
}

static int make_linked(struct sending *sending, const struct place *place, const struct pair *pair,
		       struct fl_error *err)
{
	struct linked_file *inode = linked_get(&sending->linked, pair->st[1].st_ino);

	if (inode->path)
		return sending_put(sending, DELTA_LINK, place->path, inode->path, err);
	if (inode->heir) {
		*array_add(sending->late, sending->late_count) =
			(struct late){ xstrdup(place->path), inode->number };
		return 0;
	}
	inode->path = xstrdup(place->path);
	return make_file(sending, place, pair, err);
}

static int make_place(struct sending *sending, struct level *level, const struct place *place,
		      const struct pair *pair, struct fl_error *err)
{
	const struct stat *st = &pair->st[1];

	if (prepare_to_make(sending, level, err) < 0)
		return fl_failed(err);
	if (S_ISDIR(st->st_mode)) {
		sides_add(&sending->sides, place->path, NULL);
		return sending_put(sending, DELTA_MKDIR, place->path, NULL, err);
	}
	return st->st_nlink > 1 ? make_linked(sending, place, pair, err)
				: make_file(sending, place, pair, err);
}

/* A name that both trees have, of files of which one has several. */
static int keep_linked(struct sending *sending, struct level *level, const struct place *place,
		       const struct pair *pair, struct fl_error *err)
{
	struct linked_file *inode = linked_get(&sending->linked, pair->st[1].st_ino);

	if (inode->heir != pair->st[0].st_ino) {
		if (sending_remove(sending, place, pair->st[0].st_mode, err) < 0)
			return fl_failed(err);
		return make_place(sending, level, place, pair, err);
	}
	if (inode->path)
		return 0;
	inode->path = xstrdup(place->path);
	return patch_change(&sending->patch, place->path, pair, CHANGE_CONTENTS | CHANGE_ATTRIBUTES,
			    err);
}

/* What is at the place, and was at `from` in the base, becomes what it is in the later tree. */
static int keep_place(struct sending *sending, struct level *level, const struct place *place,
		      const char *from, const struct pair *pair, struct fl_error *err)
{
	const struct stat *was = &pair->st[0], *is = &pair->st[1];

	if (S_ISDIR(is->st_mode)) {
		sides_add(&sending->sides, place->path, from);
		return 0;
	}
	if (was->st_nlink > 1 || is->st_nlink > 1)
		return keep_linked(sending, level, place, pair, err);
	return patch_change(&sending->patch, place->path, pair,
			    told_what(&sending->told, place->path), err);
}

static int keep_or_replace(struct sending *sending, struct level *level, const struct place *place,
			   const char *from, const struct pair *pair, struct fl_error *err)
{
	bool same = false;

	if (sending_same_kind(pair, &same, err) < 0)
		return fl_failed(err);
	if (same)
		return keep_place(sending, level, place, from, pair, err);
	if (sending_remove(sending, place, pair->st[0].st_mode, err) < 0)
		return fl_failed(err);
	return make_place(sending, level, place, pair, err);
}

static int bring_moved(struct sending *sending, struct level *level, const struct place *place,
		       const struct told_item *move, struct pair *pair, struct fl_error *err)
{
	const char *slash = strrchr(move->from, '/');
	own_text struct text parent = { 0 };
	char name[PROVISIONAL];
	own_fd int dir = -1;

	if (slash)
		text_add(&parent, move->from, (size_t)(slash - move->from));
	if (fsat_open_far(sending->base, text_get(&parent), &dir, err) < 0)
		return fl_failed(err);
	pair->dirs[0] = dir;
	pair->names[0] = slash ? slash + 1 : move->from;
	if (fsat_stat(dir, pair->names[0], &pair->st[0], err) < 0)
		return fl_failed(err);
	sending_provisional(sending, move, name);
	if (sending_put(sending, DELTA_RENAME, name, place->path, err) < 0)
		return fl_failed(err);
	return keep_or_replace(sending, level, place, move->from, pair, err);
}

static int send_place(void *arg, struct level *level, struct place *place, struct fl_error *err)
{
	struct sending *sending = arg;
	struct pair pair = { .dirs = { level->dirs[0], level->dirs[1] },
			     .names = { place->name, place->name } };
	const struct told_item *move = told_move_to(&sending->told, place->path);
	bool was = place->was && !told_move_from(&sending->told, place->from);

	if (place->was && !was)
		sending->how->touched = true; /* it has been put aside */
	if (was && fsat_stat(level->dirs[0], place->name, &pair.st[0], err) < 0)
		return fl_failed(err);
	if (was && (!place->is || move) &&
	    sending_remove(sending, place, pair.st[0].st_mode, err) < 0)
		return fl_failed(err);
	if (!place->is)
		return 0;
	if (fsat_stat(level->dirs[1], place->name, &pair.st[1], err) < 0)
		return fl_failed(err);
	if (move)
		return bring_moved(sending, level, place, move, &pair, err);
	return was ? keep_or_replace(sending, level, place, place->from, &pair, err)
		   : make_place(sending, level, place, &pair, err);
}

int sending_attributes(struct sending *sending, const struct level *level,
		       const struct patch_directory *how, struct fl_error *err)
{
	struct pair pair = { .dirs = { level->dirs[0], level->dirs[1] }, .names = { ".", "." } };

	for (int i = 0; i < 2; i++)
		if (pair.dirs[i] >= 0 && fsat_stat(pair.dirs[i], ".", &pair.st[i], err) < 0)
			return fl_failed(err);
	return patch_directory(&sending->patch, level->folder->path, &pair, how, err);
}

int sending_folder(void *arg, const struct folder *folder, struct fl_error *err)
{
	struct sending *sending = arg;
	own(level_done) struct level level = { .dirs = { -1, -1 } };
	struct patch_directory how = { .made = !folder->from };

	if (level_open(&sending->sides, folder, &level, err) < 0)
		return fl_failed(err);
	sending->how = folder->path[0] ? &how : &sending->top;
	if (level_each(&level, send_place, sending, err) < 0)
		return fl_failed(err);
	return folder->path[0] ? sending_attributes(sending, &level, &how, err) : 0;
}
