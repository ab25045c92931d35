#include "driver/zfs/index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

/* --- the table --------------------------------------------------------------------- */

static void item_free(struct item *item)
{
	own_fdp(&item->mount);
	free(item->name);
	free(item->note);
	free(item);
}

void index_done(struct index *index)
{
	for (size_t i = 0; i < index->count; i++)
		item_free(index->items[i]);
	free(index->items);
	accounts_done(&index->accounts);
	*index = (struct index){ 0 };
}

struct item *index_add(struct index *index, const struct item *item)
{
	struct item *copy = xcalloc(1, sizeof(*copy));

	*copy = *item;
	copy->mount = -1;
	if (!copy->order)
		copy->order = index->last_order + 1;
	if (copy->order > index->last_order)
		index->last_order = copy->order;
	*array_add(index->items, index->count) = copy;
	return copy;
}

void index_remove(struct index *index, struct item *item)
{
	for (size_t i = 0; i < index->count; i++) {
		if (index->items[i]->mirror == item)
			index->items[i]->mirror = NULL;
		if (index->items[i] != item)
			continue;
		index->items[i--] = index->items[--index->count];
	}
	item_free(item);
}

struct item *index_find(const struct index *index, const struct tree *tree)
{
	for (size_t i = 0; i < index->count; i++)
		if (!index->items[i]->hidden && tree_equal(&index->items[i]->tree, tree))
			return index->items[i];
	return NULL;
}

struct item *index_find_id(const struct index *index, uint64_t id)
{
	for (size_t i = 0; i < index->count; i++)
		if (index->items[i]->id == id)
			return index->items[i];
	return NULL;
}

bool index_has_snapshots(const struct index *index, const struct item *dataset)
{
	for (size_t i = 0; i < index->count; i++)
		if (index->items[i]->home == dataset)
			return true;
	return false;
}

struct item *index_find_clone(const struct index *index, const struct item *snapshot)
{
	for (size_t i = 0; i < index->count; i++)
		if (!index->items[i]->home && index->items[i]->origin == snapshot->id)
			return index->items[i];
	return NULL;
}

struct item *index_newest(const struct index *index, const struct item *dataset)
{
	struct item *newest = NULL;

	for (size_t i = 0; i < index->count; i++) {
		struct item *item = index->items[i];

		if (item->home == dataset && (!newest || item->order > newest->order))
			newest = item;
	}
	return newest;
}

bool index_is_sending(const struct index *index, const struct item *dataset)
{
	for (size_t i = 0; i < index->count; i++)
		if (index->items[i]->home == dataset && index->items[i]->sending)
			return true;
	return false;
}

bool index_is_mirror(const struct index *index, const struct item *dataset)
{
	for (size_t i = 0; i < index->count; i++)
		if (index->items[i]->mirror == dataset)
			return true;
	return false;
}

bool index_branch_has_snapshots(const struct index *index, const struct uuid *branch)
{
	for (size_t i = 0; i < index->count; i++) {
		const struct item *item = index->items[i];

		if (!item->hidden && item->tree.kind == TREE_SNAPSHOT &&
		    uuid_equal(&item->tree.uuid, branch))
			return true;
	}
	return false;
}

char *item_name(const struct item *item, char name[static ZFS_NAME])
{
	if (item->home)
		snprintf(name, ZFS_NAME, "%s@%s", item->home->name, item->name);
	else
		snprintf(name, ZFS_NAME, "%s", item->name);
	return name;
}

/* --- reading what there is ------------------------------------------------------------ */

/* What the lines about one name say. */
struct found {
	char name[ZFS_NAME];
	struct item item;
	bool labelled, twice, snapshot;
	char home[ZFS_NAME]; /* of a snapshot */
	bool says_account;
	struct account_name account;
};

struct reading {
	struct index *index;
	const char *dataset;
	struct found *found; /* all that are ours */
	size_t count;
};

static void note_value(struct found *found, const struct get_line *line)
{
	struct item *item = &found->item;
	struct label label;

	if (strcmp(line->property, "type") == 0) {
		found->snapshot = strcmp(line->value, "snapshot") == 0;
	} else if (strcmp(line->property, "creation") == 0) {
		item->created = strtoll(line->value, NULL, 10) * CLOCK_SECOND;
	} else if (strcmp(line->property, "createtxg") == 0) {
		item->order = strtoull(line->value, NULL, 10);
	} else if (strcmp(line->property, "origin") == 0) {
		(void)component_id(line->value, &item->origin);
	} else if (strcmp(line->property, "readonly") == 0) {
		item->read_only = strcmp(line->source, "local") == 0 &&
				  strcmp(line->value, "on") == 0;
	} else if (strcmp(line->property, "defer_destroy") == 0) {
		item->hidden |= strcmp(line->value, "on") == 0;
	} else if (strcmp(line->property, TREE_PROPERTY) == 0 &&
		   strcmp(line->source, "local") == 0 && label_parse(line->value, &label)) {
		found->twice |= found->labelled;
		found->labelled = true;
		item->hidden |= label.hidden;
		item->tree = label.tree;
		item->replaces = label.replaces;
		item->operation = label.operation;
	} else if (strcmp(line->property, ACCOUNT_PROPERTY) == 0 &&
		   strcmp(line->source, "local") == 0) {
		found->twice |= found->says_account;
		found->says_account = account_parse(line->value, &found->account);
	}
}

/* "v.ID": the dataset of a group. */
static bool is_group_name(const char *component, uint64_t *ret)
{
	char again[GROUP_TEXT];

	return component_id(component, ret) && strcmp(group_format(*ret, again), component) == 0;
}

/* Of "v.ID/NAME" the name; whether there is such a group shows later. */
static const char *pass_group(const char *rest, uint64_t *ret_group)
{
	char component[GROUP_TEXT];
	size_t length = strcspn(rest, "/");

	*ret_group = 0;
	if (rest[length] != '/' || length >= sizeof(component))
		return rest;
	memcpy(component, rest, length);
	component[length] = '\0';
	return is_group_name(component, ret_group) ? rest + length + 1 : rest;
}

/* Of "received/NAME" the name. */
static const char *pass_received(const char *rest, bool *ret)
{
	const size_t length = strlen(RECEIVED);

	*ret = strncmp(rest, RECEIVED, length) == 0 && rest[length] == '/';
	return *ret ? rest + length + 1 : rest;
}

static bool is_group(const struct reading *reading, const struct found *found)
{
	size_t length = strlen(reading->dataset);
	uint64_t id;

	return !found->twice && !found->snapshot && found->says_account &&
	       found->account.account == ACCOUNT_GROUP &&
	       strncmp(found->name, reading->dataset, length) == 0 && found->name[length] == '/' &&
	       is_group_name(found->name + length + 1, &id) && id == group_id(&found->account.uuid);
}

/*
 * Ours: a name that we would give, directly below our dataset or that of a group, with a
 * property of its own that says what it is, once.  A value with newlines could forge lines,
 * but whoever can set it there can do all of this to the datasets themselves.
 *
 * Among what was received only what is committed has such a property; everything else with such a
 * name is hidden, and so goes when it can.
 */
static bool is_ours(const struct reading *reading, struct found *found)
{
	size_t length = strlen(reading->dataset);
	const char *rest;
	char *at;

	if (found->twice || !component_id(found->name, &found->item.id))
		return false;
	if (strncmp(found->name, reading->dataset, length) != 0 || found->name[length] != '/')
		return false;
	rest = pass_received(found->name + length + 1, &found->item.received);
	if (!found->item.received)
		rest = pass_group(rest, &found->item.group);
	if (strchr(rest, '/') || (!found->labelled && !found->item.received))
		return false;
	found->item.hidden |= !found->labelled;
	at = strchr(found->name, '@');
	if ((at != NULL) != found->snapshot)
		return false;
	if (at)
		snprintf(found->home, sizeof(found->home), "%.*s", (int)(at - found->name),
			 found->name);
	return true;
}

static void end_of_lines(struct reading *reading, struct found *found)
{
	if (found->name[0] == '\0')
		return;
	if (is_group(reading, found)) {
		accounts_add_group(&reading->index->accounts, &found->account.uuid);
		return;
	}
	if (is_ours(reading, found))
		*array_add(reading->found, reading->count) = *found;
}

static void collect(struct reading *reading, char *text)
{
	struct found found = { 0 };
	struct get_line line;

	while (get_line_next(&text, &line)) {
		if (strlen(line.name) >= ZFS_NAME)
			continue;
		if (strcmp(line.name, found.name) != 0) {
			end_of_lines(reading, &found);
			found = (struct found){ 0 };
			snprintf(found.name, sizeof(found.name), "%s", line.name);
		}
		note_value(&found, &line);
	}
	end_of_lines(reading, &found);
}

static struct item *find_dataset(const struct index *index, const char *name)
{
	uint64_t id;
	struct item *item = component_id(name, &id) ? index_find_id(index, id) : NULL;

	return item && !item->home && strcmp(item->name, name) == 0 ? item : NULL;
}

/* False for what lies in the dataset of a group that is none. */
static bool note_account(const struct index *index, struct found *found)
{
	struct item *item = &found->item;

	if (!item->group)
		return true;
	item->counted = found->says_account && found->account.account == ACCOUNT_BRANCH;
	if (item->counted)
		item->account = found->account.uuid;
	return accounts_find_group(&index->accounts, item->group) != NULL;
}

/* In the order of their making: a branch counts where its latest dataset lies. */
static void read_accounts(struct index *index)
{
	for (size_t i = 0; i < index->count; i++) {
		const struct item *item = index->items[i];

		if (item->counted)
			accounts_set(&index->accounts, &item->account, item->group);
	}
}

/* Datasets first, then what lies in them. */
static void add_found(struct reading *reading, bool snapshots)
{
	for (size_t i = 0; i < reading->count; i++) {
		struct found *found = &reading->found[i];
		struct item *home = NULL;

		if (found->snapshot != snapshots)
			continue;
		if (snapshots) {
			home = find_dataset(reading->index, found->home);
			if (!home)
				continue;
		}
		if (!snapshots && !note_account(reading->index, found))
			continue;
		found->item.home = home;
		found->item.name = xstrdup(home ? strchr(found->name, '@') + 1 : found->name);
		if (home) {
			found->item.origin = found->item.group = 0;
			found->item.received = false;
		}
		if (!home && found->item.tree.kind == TREE_SNAPSHOT)
			found->item.read_only = true;
		index_add(reading->index, &found->item);
	}
}

static struct item *find_later_head(const struct index *index, const struct item *head)
{
	struct item *next = NULL;

	for (size_t i = 0; i < index->count; i++) {
		struct item *item = index->items[i];

		if (item != head && !item->hidden && item->tree.kind == TREE_HEAD &&
		    uuid_equal(&item->tree.uuid, &head->tree.uuid) && item->order > head->order &&
		    item->replaces && (!next || item->order < next->order))
			next = item;
	}
	return next;
}

static int compare_orders(const void *a, const void *b)
{
	const struct item *x = *(struct item *const *)a, *y = *(struct item *const *)b;

	return (x->order > y->order) - (x->order < y->order);
}

/* In the order of their making, so that each is looked at before its successor changes. */
static void settle_heads(struct index *index)
{
	qsort(index->items, index->count, sizeof(struct item *), compare_orders);
	for (size_t i = 0; i < index->count; i++) {
		struct item *item = index->items[i], *next;

		if (item->hidden || item->tree.kind != TREE_HEAD)
			continue;
		next = find_later_head(index, item);
		if (!next)
			continue;
		item->branch = item->tree.uuid;
		item->tree = tree_retired(&next->operation);
		item->replaces = false;
		item->unwritten = true;
	}
}

void index_read(struct index *index, const char *dataset, char *text)
{
	struct reading reading = { .index = index, .dataset = dataset };

	collect(&reading, text);
	add_found(&reading, false);
	add_found(&reading, true);
	free(reading.found);
	if (index->count > 0)
		settle_heads(index);
	read_accounts(index);
}
