#include "model/change.h"

#include <limits.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

const char *const change_kind_names[CHANGE_KINDS] = { "added", "removed", "modified", "renamed" };
const char *const change_what_names[CHANGE_WHATS] = { "contents", "attributes", "type" };

struct slot {
	struct node *dir;
	struct label *before, *now; /* NULL: nobody */
	char name[];
};

struct label {
	struct node *node;
	struct slot *before, *now; /* NULL: it was not, it is no more */
	struct label *next;	   /* of the node */
	bool told;
};

struct node {
	struct label *labels;
	unsigned what;
	bool made;	   /* by a command: it has no names that were not spoken of */
	struct node *next; /* of all */
};

struct changes {
	struct node root;
	struct node *nodes; /* all others */
	void *slots;	    /* tsearch(3), by directory and name */
	struct slot *spare; /* for looking up; of NAME_MAX */
	size_t count, most; /* names */
};

struct changes *changes_new(size_t most)
{
	struct changes *changes = xcalloc(1, sizeof(*changes));

	changes->most = most;
	changes->spare = xcalloc(1, sizeof(*changes->spare) + NAME_MAX + 1);
	return changes;
}

void changes_free(struct changes *changes)
{
	if (!changes)
		return;
	tdestroy(changes->slots, free);
	for (struct node *node = changes->nodes, *next; node; node = next) {
		next = node->next;
		for (struct label *label = node->labels, *after; label; label = after) {
			after = label->next;
			free(label);
		}
		free(node);
	}
	free(changes->spare);
	free(changes);
}

/* --- names --------------------------------------------------------------------- */

static int compare_slots(const void *a, const void *b)
{
	const struct slot *x = a, *y = b;

	if (x->dir != y->dir)
		return (uintptr_t)x->dir < (uintptr_t)y->dir ? -1 : 1;
	return strcmp(x->name, y->name);
}

static struct label *add_label(struct node *node, struct slot *before, struct slot *now)
{
	struct label *label = xcalloc(1, sizeof(*label));

	*label = (struct label){ .node = node, .before = before, .now = now, .next = node->labels };
	node->labels = label;
	if (before)
		before->before = label;
	if (now)
		now->now = label;
	return label;
}

static struct node *add_node(struct changes *changes, bool made)
{
	struct node *node = xcalloc(1, sizeof(*node));

	node->made = made;
	node->next = changes->nodes;
	changes->nodes = node;
	return node;
}

/* The slot for what `spare` says; *ret_new when it was not spoken of before. */
static struct slot *get_slot(struct changes *changes, bool *ret_new)
{
	struct slot **found = tfind(changes->spare, &changes->slots, compare_slots);
	size_t size = sizeof(struct slot) + strlen(changes->spare->name) + 1;
	struct slot *slot;

	*ret_new = !found;
	if (found)
		return *found;
	changes->count++;
	slot = xcalloc(1, size);
	memcpy(slot, changes->spare, size);
	if (!tsearch(slot, &changes->slots, compare_slots))
		abort();
	return slot;
}

/* The last label of a directory that is there now is its only one. */
static struct slot *place_of(const struct node *dir, bool before)
{
	for (const struct label *label = dir->labels; label; label = label->next) {
		struct slot *slot = before ? label->before : label->now;

		if (slot)
			return slot;
	}
	return NULL;
}

static int fail_command(const char *path, const char *why, struct fl_error *err)
{
	return fl_fail(err, FL_CORRUPT, "the file system tells of '%.200s', which %s", path, why);
}

/* The next name of `*at` into the spare slot; *at is past it and its slashes. */
static int next_name(struct changes *changes, struct node *dir, const char *path, const char **at,
		     struct fl_error *err)
{
	size_t length = strcspn(*at, "/");

	if (length == 0 || length > NAME_MAX)
		return fail_command(path, "is no path", err);
	changes->spare->dir = dir;
	memcpy(changes->spare->name, *at, length);
	changes->spare->name[length] = '\0';
	*at += length + strspn(*at + length, "/");
	return 0;
}

/* Who is at the spare slot's place now; one that was not spoken of yet is where it was. */
static struct label *label_here(struct changes *changes)
{
	bool fresh;
	struct slot *slot = get_slot(changes, &fresh);

	if (fresh && !slot->dir->made)
		add_label(add_node(changes, false), slot, slot);
	return slot->now;
}

/* The directory of the last name of `path`; that name is then in the spare slot. */
static int find_parent(struct changes *changes, const char *path, struct fl_error *err)
{
	struct node *dir = &changes->root;
	const char *at = path;

	if (changes->count >= changes->most) {
		fl_fail(err, FL_UNSUPPORTED, "more than %zu names differ", changes->most);
		return fl_hint(err, "compare moments that lie closer together");
	}
	for (;;) {
		struct label *label;

		if (next_name(changes, dir, path, &at, err) < 0)
			return fl_failed(err);
		if (*at == '\0')
			return 0;
		label = label_here(changes);
		if (!label)
			return fail_command(path, "is in no directory", err);
		dir = label->node;
	}
}

static int find_label(struct changes *changes, const char *path, struct label **ret,
		      struct fl_error *err)
{
	if (find_parent(changes, path, err) < 0)
		return fl_failed(err);
	*ret = label_here(changes);
	return *ret ? 0 : fail_command(path, "is not there", err);
}

/* A slot that nobody is in.  One that was not spoken of is free: the command says so. */
static int find_free(struct changes *changes, const char *path, struct slot **ret,
		     struct fl_error *err)
{
	bool fresh;

	if (find_parent(changes, path, err) < 0)
		return fl_failed(err);
	*ret = get_slot(changes, &fresh);
	return (*ret)->now ? fail_command(path, "is there already", err) : 0;
}

static void leave(struct label *label)
{
	if (label->now)
		label->now->now = NULL;
	label->now = NULL;
}

/* --- the commands ---------------------------------------------------------------- */

int changes_make(struct changes *changes, const char *path, struct fl_error *err)
{
	struct slot *slot;

	if (find_free(changes, path, &slot, err) < 0)
		return fl_failed(err);
	add_label(add_node(changes, true), NULL, slot);
	return 0;
}

int changes_link(struct changes *changes, const char *path, const char *to, struct fl_error *err)
{
	struct label *label;
	struct slot *slot;

	if (find_label(changes, to, &label, err) < 0 || find_free(changes, path, &slot, err) < 0)
		return fl_failed(err);
	add_label(label->node, NULL, slot);
	return 0;
}

/* A tree whose directories lie in one another has no paths. */
static bool lies_within(const struct node *node, const struct node *outer)
{
	while (node != outer) {
		const struct slot *slot = place_of(node, false);

		if (!slot)
			return false;
		node = slot->dir;
	}
	return true;
}

int changes_rename(struct changes *changes, const char *from, const char *to, struct fl_error *err)
{
	struct label *label;
	struct slot *slot;

	if (find_label(changes, from, &label, err) < 0 || find_free(changes, to, &slot, err) < 0)
		return fl_failed(err);
	if (lies_within(slot->dir, label->node))
		return fail_command(to, "is within itself", err);
	leave(label);
	label->now = slot;
	slot->now = label;
	return 0;
}

int changes_remove(struct changes *changes, const char *path, struct fl_error *err)
{
	struct label *label;

	if (find_label(changes, path, &label, err) < 0)
		return fl_failed(err);
	leave(label);
	return 0;
}

int changes_touch(struct changes *changes, const char *path, unsigned what, struct fl_error *err)
{
	struct label *label;

	if (*path == '\0') {
		changes->root.what |= what;
		return 0;
	}
	if (find_label(changes, path, &label, err) < 0)
		return fl_failed(err);
	label->node->what |= what;
	return 0;
}

/* --- what they amount to ------------------------------------------------------------ */

struct told {
	struct change change;
	char *path, *from; /* heap; what the change borrows */
};

struct telling {
	struct told *items;
	size_t count;
};

static void telling_done(struct telling *telling)
{
	for (size_t i = 0; i < telling->count; i++) {
		free(telling->items[i].path);
		free(telling->items[i].from);
	}
	free(telling->items);
}

/* Heap.  From the end: each directory knows where it is. */
static char *path_of(const struct slot *slot, bool before)
{
	size_t length = 0;
	char *path, *at;

	for (const struct slot *s = slot; s; s = place_of(s->dir, before))
		length += strlen(s->name) + 1;
	path = xcalloc(length, 1);
	at = path + length;
	for (const struct slot *s = slot; s; s = place_of(s->dir, before)) {
		size_t n = strlen(s->name);

		*--at = s == slot ? '\0' : '/';
		at -= n;
		memcpy(at, s->name, n);
	}
	return path;
}

static void tell(struct telling *telling, const struct change *change, const struct slot *slot,
		 const struct slot *from)
{
	struct told *told;

	told = array_add(telling->items, telling->count);
	told->path = path_of(slot, change->kind == CHANGE_REMOVED);
	told->from = from ? path_of(from, true) : NULL;
	told->change = (struct change){ change->kind, change->what, told->path, told->from };
}

/* From `label` on, a name that the node has lost and that no new one was matched with yet. */
static struct label *lost_name(struct label *label)
{
	while (label && !(label->before && !label->now && !label->told))
		label = label->next;
	return label;
}

/* Was who had the slot before renamed? */
static bool moved_away(const struct slot *slot)
{
	return slot->before && (slot->before->told || slot->before->now);
}

/*
 * Names that are new.  They come before those that are gone: a lost name is told by its match.
 * A file may have 65,000 names: what was looked at once is not looked at again.
 */
static void tell_new(struct telling *telling, struct node *node)
{
	struct label *lost = node->labels;

	for (struct label *label = node->labels; label; label = label->next) {
		struct slot *from = label->before;

		if (!label->now || label->now == label->before)
			continue;
		if (!from) {
			lost = lost_name(lost);
			if (!lost)
				continue;
			lost->told = true;
			from = lost->before;
		}
		label->told = true;
		tell(telling, &(struct change){ CHANGE_RENAMED, node->what }, label->now, from);
		node->what = 0;
	}
}

static void tell_added(struct telling *telling, struct node *node)
{
	for (struct label *label = node->labels; label; label = label->next) {
		if (!label->now || label->before || label->told)
			continue;
		if (label->now->before && !moved_away(label->now))
			tell(telling,
			     &(struct change){ CHANGE_MODIFIED, CHANGE_CONTENTS | CHANGE_REPLACED },
			     label->now, label->now);
		else
			tell(telling, &(struct change){ CHANGE_ADDED }, label->now, NULL);
	}
}

static void tell_rest(struct telling *telling, const struct node *node)
{
	unsigned what = node->made ? 0 : node->what;

	for (struct label *label = node->labels; label; label = label->next) {
		if (label->now && label->now == label->before && what) {
			tell(telling, &(struct change){ CHANGE_MODIFIED, what }, label->now,
			     label->now);
			what = 0;
		}
		if (label->before && !label->now && !label->told && !label->before->now)
			tell(telling, &(struct change){ CHANGE_REMOVED }, label->before,
			     label->before);
	}
}

static int compare_changes(const void *a, const void *b)
{
	const struct told *x = a, *y = b;

	return strcmp(x->path, y->path);
}

int changes_tell(struct changes *changes, change_each *each, void *arg, struct fl_error *err)
{
	own(telling_done) struct telling telling = { 0 };
	struct change root = {
		.kind = CHANGE_MODIFIED, .what = changes->root.what, .path = "", .from = ""
	};

	for (struct node *node = changes->nodes; node; node = node->next)
		tell_new(&telling, node);
	for (struct node *node = changes->nodes; node; node = node->next)
		tell_added(&telling, node);
	for (struct node *node = changes->nodes; node; node = node->next)
		tell_rest(&telling, node);
	array_sort(telling.items, telling.count, compare_changes);
	if (root.what && each(arg, &root, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < telling.count; i++) {
		if (each(arg, &telling.items[i].change, err) < 0)
			return fl_failed(err);
	}
	return 0;
}
