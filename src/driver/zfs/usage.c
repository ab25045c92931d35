#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "driver/zfs/pool.h"

/*
 * What is used, by branch and by group.
 *
 * Who asks about one is answered by a run of `zfs` for the datasets of that one.  Who asks about
 * several, or again within a tenth of a second, as lists do, by one run for all, whose
 * answer is good for so long, unless we change something meanwhile or sync: so a list costs two
 * runs at most, whatever is in it.  ZFS itself counts what is on the disk, which is some seconds
 * behind what is written.
 *
 * A group has `used` of its dataset.  A branch has the sum of its own datasets, with
 * their snapshots.
 */

#define FRESH (CLOCK_SECOND / 10)
#define SINGLES 1 /* run before it is a list */
#define MOST 20
#define OUTPUT_LIMIT (64ul << 20)

struct figure {
	struct account_name name;
	uint64_t bytes, limit;
};

/* What ZFS says of one dataset. */
struct line {
	uint64_t id, used, quota;
};

struct lines {
	struct line *items;
	size_t count;
};

static void lines_done(struct lines *lines)
{
	free(lines->items);
}

void figures_forget(struct zfs_pool *pool)
{
	own_lock(guard, &pool->mutex);

	free(pool->figures.items);
	pool->figures = (struct figures){ 0 };
}

static int compare_lines(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static const struct line *find_line(const struct lines *lines, uint64_t id)
{
	const struct line key = { .id = id };

	if (lines->count == 0)
		return NULL;
	return bsearch(&key, lines->items, lines->count, sizeof(key), compare_lines);
}

/* The properties of a dataset come one after the other. */
static void note(struct lines *lines, const struct get_line *line)
{
	struct line *last = lines->count ? &lines->items[lines->count - 1] : NULL;
	uint64_t id, value = strtoull(line->value, NULL, 10);

	if (strchr(line->name, '@') || !component_id(line->name, &id))
		return;
	if (!last || last->id != id) {
		last = array_add(lines->items, lines->count);
		last->id = id;
	}
	if (strcmp(line->property, "used") == 0)
		last->used = value;
	else
		last->quota = value;
}

static int run_get(const char *const arguments[], struct lines *ret, struct fl_error *err)
{
	own_text struct text text = { 0 };
	own_free char *all = NULL;
	struct get_line line;
	char *rest;

	if (zfs_run(PROGRAM_ZFS, arguments, OUTPUT_LIMIT, &text, err) < 0)
		return fl_wrap(err, "asking what is used");
	if (text.length >= OUTPUT_LIMIT)
		return fl_fail(err, FL_INVALID, "there is too much to tell what is used");
	all = text_take(&text);
	rest = all;
	while (get_line_next(&rest, &line))
		note(ret, &line);
	if (ret->count > 0)
		qsort(ret->items, ret->count, sizeof(*ret->items), compare_lines);
	return 0;
}

/* Two levels deep are groups and heads, and not the snapshots of either. */
static int read_lines(const struct zfs_pool *pool, struct lines *ret, struct fl_error *err)
{
	const char *const arguments[] = {
		"get",	      "-H",	     "-p", "-d", "2", "-o", "name,property,value,source",
		"used,quota", pool->dataset, NULL,
	};

	return run_get(arguments, ret, err);
}

/* --- figures -------------------------------------------------------------------------------- */

static int compare_figures(const void *a, const void *b)
{
	const struct figure *x = a, *y = b;

	if (x->name.account != y->name.account)
		return x->name.account < y->name.account ? -1 : 1;
	return memcmp(&x->name.uuid, &y->name.uuid, sizeof(x->name.uuid));
}

static void add(struct figures *figures, enum account account, const struct uuid *uuid,
		const struct line *line)
{
	figures->items[figures->count++] = (struct figure){
		.name = { account, *uuid },
		.bytes = line ? line->used : 0,
		.limit = line && account == ACCOUNT_GROUP ? line->quota : 0,
	};
}

/* Of several with one name the sum. */
static void sum_up(struct figures *figures)
{
	size_t count = 0;

	if (figures->count == 0)
		return;
	qsort(figures->items, figures->count, sizeof(*figures->items), compare_figures);
	for (size_t i = 1; i < figures->count; i++) {
		if (compare_figures(&figures->items[count], &figures->items[i]) == 0)
			figures->items[count].bytes += figures->items[i].bytes;
		else
			figures->items[++count] = figures->items[i];
	}
	figures->count = count + 1;
}

/* A branch that has nothing yet is known, too. */
static void make_figures(const struct index *index, const struct lines *lines,
			 struct figures *figures)
{
	const struct accounts *accounts = &index->accounts;
	const size_t most = accounts->group_count + accounts->branch_count + index->count;

	figures->items = xcalloc(most + 1, sizeof(*figures->items));
	for (size_t i = 0; i < accounts->group_count; i++) {
		const struct group *group = &accounts->groups[i];

		add(figures, ACCOUNT_GROUP, &group->uuid, find_line(lines, group->id));
		if (group->wanted)
			figures->items[figures->count - 1].limit = group->wanted;
	}
	for (size_t i = 0; i < accounts->branch_count; i++)
		add(figures, ACCOUNT_BRANCH, &accounts->branches[i].branch, NULL);
	for (size_t i = 0; i < index->count; i++)
		if (index->items[i]->counted)
			add(figures, ACCOUNT_BRANCH, &index->items[i]->account,
			    find_line(lines, index->items[i]->id));
	sum_up(figures);
}

/* Under the mutex. */
static void look_up(const struct figures *figures, const struct account_name *names, size_t count,
		    struct usage *ret)
{
	for (size_t i = 0; i < count; i++) {
		const struct figure key = { .name = names[i] };
		const struct figure *figure = figures->count == 0
						      ? NULL
						      : bsearch(&key, figures->items,
								figures->count, sizeof(key),
								compare_figures);

		ret[i] = figure ? (struct usage){ true, figure->bytes, figure->limit }
				: (struct usage){ 0 };
	}
}

static bool find_kept(struct zfs_pool *pool, const struct account_name *names, size_t count,
		      struct usage *ret)
{
	own_lock(guard, &pool->mutex);

	if (clock_monotonic() >= pool->figures.until)
		return false;
	look_up(&pool->figures, names, count, ret);
	return true;
}

int zfs_usages(struct pool *pool, const struct account_name *names, size_t count, struct usage *ret,
	       struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	own(lines_done) struct lines lines = { 0 };
	own_shape(shape, read_shape(p));

	if (find_kept(p, names, count, ret))
		return 0;
	if (read_lines(p, &lines, err) < 0)
		return fl_failed(err);
	own_lock(guard, &p->mutex);
	free(p->figures.items);
	p->figures = (struct figures){ .until = clock_monotonic() + FRESH };
	make_figures(&p->index, &lines, &p->figures);
	look_up(&p->figures, names, count, ret);
	return 0;
}

/* --- one ------------------------------------------------------------------------------------- */

/* The datasets that count for one name.  Copied, as others may destroy them meanwhile. */
struct datasets {
	char *names[MOST];
	size_t count;
	uint64_t wanted;
	bool known, too_many;
};

static void datasets_done(struct datasets *datasets)
{
	for (size_t i = 0; i < datasets->count; i++)
		free(datasets->names[i]);
}

static void add_dataset(struct datasets *datasets, const char *name)
{
	if (datasets->count == MOST)
		datasets->too_many = true;
	else
		datasets->names[datasets->count++] = xstrdup(name);
}

static void find_group_dataset(struct zfs_pool *pool, const struct uuid *uuid,
			       struct datasets *datasets)
{
	own_lock(guard, &pool->mutex);
	const struct group *group = accounts_find_group(&pool->index.accounts, group_id(uuid));
	char name[ZFS_NAME];

	if (!group)
		return;
	datasets->known = true;
	datasets->wanted = group->wanted;
	if (group->state != GROUP_GONE)
		add_dataset(datasets, group_name(pool, group->id, name));
}

static void find_branch_datasets(struct zfs_pool *pool, const struct uuid *uuid,
				 struct datasets *datasets)
{
	own_lock(guard, &pool->mutex);
	const struct index *index = &pool->index;

	datasets->known = accounts_group_of(&index->accounts, uuid) != 0;
	for (size_t i = 0; i < index->count && datasets->known; i++)
		if (index->items[i]->counted && uuid_equal(&index->items[i]->account, uuid))
			add_dataset(datasets, index->items[i]->name);
}

static int read_datasets(const struct datasets *datasets, enum account account, struct usage *ret,
			 struct fl_error *err)
{
	const char *arguments[MOST + 8] = {
		"get", "-H", "-p", "-o", "name,property,value,source", "used,quota"
	};
	struct usage usage = { .known = datasets->known, .limit = datasets->wanted };
	own(lines_done) struct lines lines = { 0 };

	for (size_t i = 0; i < datasets->count; i++)
		arguments[6 + i] = datasets->names[i];
	if (datasets->count > 0 && run_get(arguments, &lines, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < lines.count; i++) {
		usage.bytes += lines.items[i].used;
		if (account == ACCOUNT_GROUP && !datasets->wanted)
			usage.limit = lines.items[i].quota;
	}
	*ret = usage;
	return 0;
}

/* Whoever asks again and again is making a list. */
static bool is_list(struct zfs_pool *pool)
{
	own_lock(guard, &pool->mutex);
	const int64_t now = clock_monotonic();

	if (now >= pool->asked_until)
		pool->asked = 0;
	pool->asked_until = now + FRESH;
	return pool->asked++ >= SINGLES;
}

int zfs_usage(struct pool *pool, enum account account, const struct uuid *uuid, struct usage *ret,
	      struct fl_error *err)
{
	const struct account_name name = { account, *uuid };
	struct zfs_pool *p = zfs_pool(pool);
	own(datasets_done) struct datasets datasets = { 0 };
	struct fl_error gone;

	if (find_kept(p, &name, 1, ret))
		return 0;
	{
		own_shape(shape, read_shape(p));

		if (account == ACCOUNT_GROUP)
			find_group_dataset(p, uuid, &datasets);
		else
			find_branch_datasets(p, uuid, &datasets);
		if (!datasets.too_many && !is_list(p) &&
		    read_datasets(&datasets, account, ret, &gone) == 0)
			return 0;
	}
	return zfs_usages(pool, &name, 1, ret, err);
}

/* --- a tree ----------------------------------------------------------------------------------- */

/* What the tree refers to on the disk, after compression, and its metadata. */
int zfs_occupied(struct pool *pool, const struct tree *tree, uint64_t *ret, struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	own_text struct text value = { 0 };
	own_shape(shape, read_shape(p));
	struct item *item = item_get(p, tree, err);
	char name[ZFS_NAME];

	if (!item || property_get(item_name(item, name), "referenced", false, &value, err) < 0)
		return fl_failed(err);
	*ret = strtoull(text_get(&value), NULL, 10);
	return 0;
}
