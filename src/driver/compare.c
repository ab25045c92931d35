#include "driver/compare.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fsat.h"
#include "base/text.h"
#include "base/walk.h"
#include "driver/pair.h"

/*
 * Each tree is walked beside the other: the earlier one for what was removed or modified, the
 * later one for what was added.  A path that leads to the same file in both is compared on the
 * spot and needs no memory.
 *
 * Where files have identities, a path that leads to another file, or to nothing, in the other
 * tree is a *name* that waits for the end of both walks: lost by the earlier tree, or new in the
 * later.  A name belongs to a place, which is (directory, last component): a directory that was
 * renamed takes its places along.  Then, as model/change.h has it,
 *
 *	lost and new of one place and one file	it stayed; a directory above it was renamed
 *	lost and new of one file		renamed
 *	lost and new of one place		another file in its place
 *	any other				removed, added
 *
 * in this order, each name once.  A name that is lost because a file was renamed over it is not
 * told of by itself.
 */

struct name {
	struct file_id dir, file;
	struct stat st;
	char *path; /* heap */
	const char *last;
	struct name *place; /* the other side's name in the same place */
	bool done;
};

struct names {
	struct name **items;
	size_t count;
};

struct found {
	struct change change;
	char *path, *from;   /* heap; the change's */
	struct file_id file; /* of one that has several names and differs */
	bool linked;
};

struct work {
	const struct comparison *comparison;
	pthread_mutex_t mutex; /* for what follows */
	struct names names[2];
	struct found *found;
	size_t count;
};

static void work_done(struct work *work)
{
	for (int side = 0; side < 2; side++) {
		for (size_t i = 0; i < work->names[side].count; i++) {
			free(work->names[side].items[i]->path);
			free(work->names[side].items[i]);
		}
		free(work->names[side].items);
	}
	for (size_t i = 0; i < work->count; i++) {
		free(work->found[i].path);
		free(work->found[i].from);
	}
	free(work->found);
	pthread_mutex_destroy(&work->mutex);
}

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_ids(const struct file_id *a, const struct file_id *b)
{
	int order = compare_numbers(a->object, b->object);

	if (order == 0)
		order = compare_numbers(a->generation, b->generation);
	return order ? order : compare_numbers(a->apart, b->apart);
}

/* Takes the paths. */
static struct found *add(struct work *work, const struct change *change, char *path, char *from)
{
	own_lock(guard, &work->mutex);
	struct found *found;

	found = array_add(work->found, work->count);
	*found = (struct found){ .change = *change, .path = path, .from = from };
	return found;
}

static char *path_at(const struct walk_node *node, const char *name)
{
	struct text path = { 0 };

	walk_path(node, name, &path);
	return path.bytes ? text_take(&path) : xstrdup("");
}

/* --- the two walks -------------------------------------------------------------------------- */

static int stat_at(int dir, const char *name, struct stat *ret, bool *ret_there,
		   struct fl_error *err)
{
	*ret_there = false;
	if (dir < 0)
		return 0;
	if (fsat_stat(dir, name, ret, err) < 0)
		return walk_is_gone(err) ? 0 : fl_failed(err);
	*ret_there = true;
	return 0;
}

static int identify(const struct work *work, enum compare_side side, int dir, const char *name,
		    struct file_id *ret, struct fl_error *err)
{
	const struct comparison *c = work->comparison;

	return c->identify(c->arg, side, dir, name, ret, err);
}

/* A name that waits for the end. */
static int keep(struct work *work, enum compare_side side, const struct visit *visit,
		const char *name, const struct stat *st, struct fl_error *err)
{
	struct file_id dir, file;
	struct name *kept;
	const char *slash;
	struct names *names = &work->names[side];

	if (identify(work, side, visit->dir, "", &dir, err) < 0 ||
	    identify(work, side, visit->dir, name, &file, err) < 0)
		return fl_failed(err);
	kept = xcalloc(1, sizeof(*kept));
	*kept = (struct name){ .dir = dir, .file = file, .st = *st };
	kept->path = path_at(visit->node, name);
	slash = strrchr(kept->path, '/');
	kept->last = slash ? slash + 1 : kept->path;
	own_lock(guard, &work->mutex);
	*array_add(names->items, names->count) = kept;
	return 0;
}

/* Does the name lead to one file in both trees?  By its path alone it does. */
static int is_one_file(const struct work *work, const struct pair *pair, bool *ret,
		       struct file_id *ret_file, struct fl_error *err)
{
	struct file_id ids[2];

	*ret = true;
	if (!work->comparison->identify)
		return 0;
	for (int side = 0; side < 2; side++)
		if (identify(work, (enum compare_side)side, pair->dirs[side], pair->names[side],
			     &ids[side], err) < 0)
			return fl_failed(err);
	*ret = compare_ids(&ids[0], &ids[1]) == 0;
	*ret_file = ids[0];
	return 0;
}

static int look(const struct work *work, const struct pair *pair, unsigned *ret,
		struct fl_error *err)
{
	const struct comparison *c = work->comparison;
	bool same = c->identify && c->untouched(c->arg, &pair->st[0], &pair->st[1]);

	return pair_look(pair, same, ret, err);
}

/* A file under several names is told of under one. */
static void note_links(const struct work *work, struct found *found, const struct stat st[2],
		       const struct file_id *file)
{
	if (!work->comparison->identify || S_ISDIR(st[1].st_mode) || st[1].st_nlink < 2)
		return;
	found->linked = true;
	found->file = *file;
}

static int tell_modified(struct work *work, const struct pair *pair, const struct visit *visit,
			 const struct file_id *file, struct fl_error *err)
{
	struct change change = { .kind = CHANGE_MODIFIED,
				 .before = change_side_of(&pair->st[0]),
				 .after = change_side_of(&pair->st[1]) };

	if (look(work, pair, &change.what, err) < 0)
		return work->comparison->live && walk_is_gone(err)
			       ? 0
			       : fl_wrap(err, "comparing '%.100s'", pair->names[0]);
	if (change.what)
		note_links(work,
			   add(work, &change, path_at(visit->node, pair->names[0]),
			       path_at(visit->node, pair->names[0])),
			   pair->st, file);
	return 0;
}

/* A name of the earlier tree, and what the later one has there. */
static int look_back(void *arg, const struct visit *visit, const char *name, struct fl_error *err)
{
	struct work *work = arg;
	struct pair pair = { .dirs = { visit->dir, visit->twin }, .names = { name, name } };
	struct change removed = { .kind = CHANGE_REMOVED };
	struct file_id file = { 0 };
	bool was, is, one = false;

	if (stat_at(visit->dir, name, &pair.st[0], &was, err) < 0 ||
	    stat_at(visit->twin, name, &pair.st[1], &is, err) < 0)
		return fl_failed(err);
	if (!was)
		return 0;
	if (is && is_one_file(work, &pair, &one, &file, err) < 0)
		return fl_failed(err);
	if (one)
		return tell_modified(work, &pair, visit, &file, err);
	if (work->comparison->identify)
		return keep(work, COMPARE_EARLIER, visit, name, &pair.st[0], err);
	removed.before = change_side_of(&pair.st[0]);
	add(work, &removed, path_at(visit->node, name), path_at(visit->node, name));
	return 0;
}

/* A name of the later tree: new, or told of already. */
static int look_ahead(void *arg, const struct visit *visit, const char *name, struct fl_error *err)
{
	struct work *work = arg;
	struct pair pair = { .dirs = { visit->twin, visit->dir }, .names = { name, name } };
	struct change added = { .kind = CHANGE_ADDED };
	struct file_id file = { 0 };
	bool was, is, one = false;

	if (stat_at(visit->twin, name, &pair.st[0], &was, err) < 0 ||
	    stat_at(visit->dir, name, &pair.st[1], &is, err) < 0)
		return fl_failed(err);
	if (!is)
		return 0;
	if (was && is_one_file(work, &pair, &one, &file, err) < 0)
		return fl_failed(err);
	if (one)
		return 0;
	if (work->comparison->identify)
		return keep(work, COMPARE_LATER, visit, name, &pair.st[1], err);
	added.after = change_side_of(&pair.st[1]);
	add(work, &added, path_at(visit->node, name), NULL);
	return 0;
}

/* The directories of the trees themselves. */
static int look_at_roots(struct work *work, struct fl_error *err)
{
	const int *trees = work->comparison->trees;
	struct pair pair = { .dirs = { trees[0], trees[1] }, .names = { ".", "." } };
	struct change change = { .kind = CHANGE_MODIFIED };

	if (fstat(trees[0], &pair.st[0]) < 0 || fstat(trees[1], &pair.st[1]) < 0)
		return fl_fail_errno(err, "cannot look at a tree");
	if (pair_look(&pair, false, &change.what, err) < 0)
		return fl_failed(err);
	change.before = change_side_of(&pair.st[0]);
	change.after = change_side_of(&pair.st[1]);
	if (change.what)
		add(work, &change, xstrdup(""), xstrdup(""));
	return 0;
}

/* --- names that waited ------------------------------------------------------------------------ */

static int open_parent(int tree, const struct name *name, int *ret_fd, struct fl_error *err)
{
	own_text struct text path = { 0 };

	if (name->last > name->path)
		text_add(&path, name->path, (size_t)(name->last - name->path) - 1);
	return fsat_open_far(tree, text_get(&path), ret_fd, err);
}

/* In both trees: `kind` says how they belong together. */
static int tell_pair(struct work *work, enum change_kind kind, bool replaced, struct name *was,
		     struct name *is, struct fl_error *err)
{
	struct change change = { .kind = kind,
				 .before = change_side_of(&was->st),
				 .after = change_side_of(&is->st) };
	struct pair pair = { .names = { was->last, is->last }, .st = { was->st, is->st } };
	own_fd int earlier = -1;
	own_fd int later = -1;
	struct found *found;

	was->done = is->done = true;
	if (open_parent(work->comparison->trees[0], was, &earlier, err) < 0 ||
	    open_parent(work->comparison->trees[1], is, &later, err) < 0)
		return fl_failed(err);
	pair.dirs[0] = earlier;
	pair.dirs[1] = later;
	if ((replaced ? pair_look_replaced(&pair, &change.what, err)
		      : look(work, &pair, &change.what, err)) < 0)
		return fl_wrap(err, "comparing '%.200s'", is->path);
	if (kind == CHANGE_MODIFIED && change.what == 0)
		return 0;
	found = add(work, &change, xstrdup(is->path), xstrdup(was->path));
	if (!replaced && change.what)
		note_links(work, found, pair.st, &is->file);
	return 0;
}

static int by_place(const void *a, const void *b)
{
	const struct name *x = *(struct name *const *)a, *y = *(struct name *const *)b;
	int order = compare_ids(&x->dir, &y->dir);

	return order ? order : strcmp(x->last, y->last);
}

static int by_file(const void *a, const void *b)
{
	const struct name *x = *(struct name *const *)a, *y = *(struct name *const *)b;
	int order = compare_ids(&x->file, &y->file);

	return order ? order : strcmp(x->path, y->path);
}

typedef int order_of(const void *a, const void *b);
typedef int meet(struct work *work, struct name *was, struct name *is, struct fl_error *err);

static void sort_names(struct work *work, order_of *order)
{
	for (int side = 0; side < 2; side++)
		array_sort(work->names[side].items, work->names[side].count, order);
}

/* A place is there once in each tree, so each name meets at most one. */
static int meet_in_places(struct work *work, meet *each, struct fl_error *err)
{
	const struct names *lost = &work->names[0], *new = &work->names[1];

	sort_names(work, by_place);
	for (size_t i = 0, j = 0; i < lost->count && j < new->count;) {
		int order = by_place(&lost->items[i], &new->items[j]);

		if (order == 0 && each(work, lost->items[i], new->items[j], err) < 0)
			return fl_failed(err);
		i += order <= 0;
		j += order >= 0;
	}
	return 0;
}

static int meet_at_home(struct work *work, struct name *was, struct name *is, struct fl_error *err)
{
	was->place = is;
	is->place = was;
	if (compare_ids(&was->file, &is->file) != 0)
		return 0;
	return tell_pair(work, CHANGE_MODIFIED, false, was, is, err);
}

/* Names of one file meet in the order of their paths. */
static int tell_renamed(struct work *work, struct fl_error *err)
{
	const struct names *lost = &work->names[0], *new = &work->names[1];

	sort_names(work, by_file);
	for (size_t i = 0, j = 0; i < lost->count && j < new->count;) {
		struct name *was = lost->items[i], *is = new->items[j];
		int order = compare_ids(&was->file, &is->file);

		if (was->done || order < 0)
			i++;
		else if (is->done || order > 0)
			j++;
		else if (tell_pair(work, CHANGE_RENAMED, false, was, is, err) < 0)
			return fl_failed(err);
	}
	return 0;
}

static int tell_new(struct work *work, struct fl_error *err)
{
	for (size_t i = 0; i < work->names[1].count; i++) {
		struct name *is = work->names[1].items[i];
		struct change change = { .kind = CHANGE_ADDED, .after = change_side_of(&is->st) };

		if (is->done)
			continue;
		if (is->place && !is->place->done) {
			if (tell_pair(work, CHANGE_MODIFIED, true, is->place, is, err) < 0)
				return fl_failed(err);
			continue;
		}
		add(work, &change, xstrdup(is->path), NULL);
	}
	return 0;
}

static void tell_lost(struct work *work)
{
	for (size_t i = 0; i < work->names[0].count; i++) {
		const struct name *was = work->names[0].items[i];
		struct change change = { .kind = CHANGE_REMOVED,
					 .before = change_side_of(&was->st) };

		if (!was->done && !was->place)
			add(work, &change, xstrdup(was->path), xstrdup(was->path));
	}
}

static int match_names(struct work *work, struct fl_error *err)
{
	if (meet_in_places(work, meet_at_home, err) < 0 || tell_renamed(work, err) < 0 ||
	    tell_new(work, err) < 0)
		return fl_failed(err);
	tell_lost(work);
	return 0;
}

/* --- telling --------------------------------------------------------------- */

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct found *)a)->path, ((const struct found *)b)->path);
}

static int by_linked_file(const void *a, const void *b)
{
	const struct found *x = *(struct found *const *)a, *y = *(struct found *const *)b;
	int order = compare_ids(&x->file, &y->file);

	return order ? order : strcmp(x->path, y->path);
}

/* What differs in a file with several names is told of under the first of them. */
static void tell_links_once(struct work *work)
{
	own_free struct found **linked = xcalloc(work->count + 1, sizeof(*linked));
	size_t count = 0;

	for (size_t i = 0; i < work->count; i++)
		if (work->found[i].linked)
			linked[count++] = &work->found[i];
	array_sort(linked, count, by_linked_file);
	for (size_t i = 1; i < count; i++)
		if (compare_ids(&linked[i]->file, &linked[i - 1]->file) == 0)
			linked[i]->change.what = 0;
}

static int tell(struct work *work, change_each *each, void *arg, struct fl_error *err)
{
	array_sort(work->found, work->count, by_path);
	for (size_t i = 0; i < work->count; i++) {
		struct change *change = &work->found[i].change;

		if (change->kind == CHANGE_MODIFIED && change->what == 0)
			continue;
		change->path = work->found[i].path;
		change->from = work->found[i].from;
		if (each(arg, change, err) < 0)
			return fl_failed(err);
	}
	return 0;
}

int compare_by_walking(const struct comparison *comparison, change_each *each, void *arg,
		       struct fl_error *err)
{
	own(work_done) struct work work = { comparison, .mutex = PTHREAD_MUTEX_INITIALIZER };

	if (look_at_roots(&work, err) < 0)
		return fl_failed(err);
	for (int side = 0; side < 2; side++) {
		const struct walk walk = {
			.root = comparison->trees[side],
			.twin = comparison->trees[!side],
			.apart = true,
			.live = comparison->live,
			.found = side ? look_ahead : look_back,
			.entry = side ? look_ahead : look_back,
			.arg = &work,
		};

		if (walk_tree(&walk, err) < 0)
			return fl_failed(err);
	}
	if (match_names(&work, err) < 0)
		return fl_failed(err);
	tell_links_once(&work);
	return tell(&work, each, arg, err);
}
