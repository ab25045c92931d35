#include "driver/told.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fsat.h"
#include "base/text.h"

void told_done(struct told *told)
{
	for (size_t i = 0; i < told->count; i++) {
		free(told->items[i].path);
		free(told->items[i].from);
	}
	free(told->items);
	free(told->moves);
}

int told_add(void *arg, const struct change *change, struct fl_error *err)
{
	struct told *told = arg;
	struct told_item *item;

	(void)err;
	if (change->kind == CHANGE_REMOVED)
		return 0;
	item = array_add(told->items, told->count);
	*item = (struct told_item){ .kind = change->kind,
				    .what = change->what,
				    .path = xstrdup(change->path) };
	if (change->kind == CHANGE_RENAMED)
		item->from = xstrdup(change->from);
	return 0;
}

/* --- moves ------------------------------------------------------------------------------------ */

static int stat_far(int tree, const char *path, struct stat *ret, struct fl_error *err)
{
	const char *slash = strrchr(path, '/');
	own_text struct text parent = { 0 };
	own_fd int dir = -1;

	if (slash)
		text_add(&parent, path, (size_t)(slash - path));
	if (fsat_open_far(tree, text_get(&parent), &dir, err) < 0)
		return fl_failed(err);
	return fsat_stat(dir, slash ? slash + 1 : path, ret, err);
}

/* A file with several names is found by them, and not by one that it lost. */
static bool can_move(const struct stat *was, const struct stat *is)
{
	if ((was->st_mode & S_IFMT) != (is->st_mode & S_IFMT))
		return false;
	return S_ISDIR(was->st_mode) || (was->st_nlink == 1 && is->st_nlink == 1);
}

static int backwards(const void *a, const void *b)
{
	const struct told_item *x = *(struct told_item *const *)a,
			       *y = *(struct told_item *const *)b;

	return strcmp(y->from, x->from);
}

int told_end(struct told *told, const int trees[static 2], struct fl_error *err)
{
	for (size_t i = 0; i < told->count; i++) {
		struct told_item *item = &told->items[i];
		struct stat was, is;

		if (!item->from || strcmp(item->from, item->path) == 0)
			continue;
		if (stat_far(trees[0], item->from, &was, err) < 0 ||
		    stat_far(trees[1], item->path, &is, err) < 0)
			return fl_wrap(err, "'%.200s'", item->path);
		item->moved = can_move(&was, &is);
		if (item->moved)
			*array_add(told->moves, told->move_count) = item;
	}
	array_sort(told->moves, told->move_count, backwards);
	for (size_t i = 0; i < told->move_count; i++)
		told->moves[i]->number = i;
	return 0;
}

/* --- looking up ------------------------------------------------------------------------------- */

static int compare_path(const void *key, const void *item)
{
	return strcmp(key, ((const struct told_item *)item)->path);
}

static const struct told_item *find(const struct told *told, const char *path)
{
	return told->count
		       ? bsearch(path, told->items, told->count, sizeof(*told->items), compare_path)
		       : NULL;
}

unsigned told_what(const struct told *told, const char *path)
{
	const struct told_item *item = find(told, path);

	if (!item)
		return 0;
	return item->kind == CHANGE_ADDED ? CHANGE_CONTENTS | CHANGE_ATTRIBUTES : item->what;
}

const struct told_item *told_move_to(const struct told *told, const char *path)
{
	const struct told_item *item = find(told, path);

	return item && item->moved ? item : NULL;
}

static int compare_from(const void *key, const void *item)
{
	return strcmp((*(struct told_item *const *)item)->from, key);
}

const struct told_item *told_move_from(const struct told *told, const char *from)
{
	struct told_item **found = NULL;

	if (told->move_count)
		found = bsearch(from, told->moves, told->move_count, sizeof(struct told_item *),
				compare_from);
	return found ? *found : NULL;
}
