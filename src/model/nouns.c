#include "model/nouns.h"

#include <string.h>

const char *const reason_names[REASON_MAX] = {
	[REASON_USER] = "user",
	[REASON_BRANCH] = "branch",
	[REASON_TAG] = "tag",
	[REASON_ROLLBACK] = "rollback",
	[REASON_CHANGE] = "change",
	[REASON_SCHEDULE] = "schedule",
	[REASON_RECOVERED] = "recovered",
	[REASON_IMPORT] = "import",
};

const char *const operation_state_names[OPERATION_STATES] = {
	[OPERATION_RUNNING] = "running",
	[OPERATION_DONE] = "done",
	[OPERATION_FAILED] = "failed",
	[OPERATION_CANCELLED] = "cancelled",
};

const char *const pin_names[PIN_COUNT] = { "tag", "tip", "stash", "branch", "mount" };

void volume_done(struct volume *volume)
{
	free(volume->description);
	metadata_done(&volume->metadata);
	free(volume->mount_path);
	free(volume->branches);
	*volume = (struct volume){ 0 };
}

void branch_done(struct branch *branch)
{
	free(branch->path);
	*branch = (struct branch){ 0 };
}

void snapshot_done(struct snapshot *snapshot)
{
	free(snapshot->message);
	metadata_done(&snapshot->metadata);
	free(snapshot->tags);
	*snapshot = (struct snapshot){ 0 };
}

/*
 * Room for one more after `count` items, zeroed.  A list keeps no capacity: it
 * is full whenever its count is a power of two, and then doubles.
 */
static void *grow(void *items, size_t count, size_t size)
{
	if ((count & (count - 1)) == 0)
		items = xrealloc(items, count ? count * 2 : 1, size);
	memset((char *)items + count * size, 0, size);
	return items;
}

struct volume *volume_list_add(struct volume_list *list)
{
	list->items = grow(list->items, list->count, sizeof(*list->items));
	return &list->items[list->count++];
}

struct branch *branch_list_add(struct branch_list *list)
{
	list->items = grow(list->items, list->count, sizeof(*list->items));
	return &list->items[list->count++];
}

struct snapshot *snapshot_list_add(struct snapshot_list *list)
{
	list->items = grow(list->items, list->count, sizeof(*list->items));
	return &list->items[list->count++];
}

struct tag *tag_list_add(struct tag_list *list)
{
	list->items = grow(list->items, list->count, sizeof(*list->items));
	return &list->items[list->count++];
}

struct stash *stash_list_add(struct stash_list *list)
{
	list->items = grow(list->items, list->count, sizeof(*list->items));
	return &list->items[list->count++];
}

struct trash_item *trash_list_add(struct trash_list *list)
{
	list->items = grow(list->items, list->count, sizeof(*list->items));
	return &list->items[list->count++];
}

struct operation *operation_list_add(struct operation_list *list)
{
	list->items = grow(list->items, list->count, sizeof(*list->items));
	return &list->items[list->count++];
}

void volume_list_done(struct volume_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		volume_done(&list->items[i]);
	free(list->items);
	*list = (struct volume_list){ 0 };
}

void branch_list_done(struct branch_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		branch_done(&list->items[i]);
	free(list->items);
	*list = (struct branch_list){ 0 };
}

void snapshot_list_done(struct snapshot_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		snapshot_done(&list->items[i]);
	free(list->items);
	*list = (struct snapshot_list){ 0 };
}

void tag_list_done(struct tag_list *list)
{
	free(list->items);
	*list = (struct tag_list){ 0 };
}

void stash_list_done(struct stash_list *list)
{
	free(list->items);
	*list = (struct stash_list){ 0 };
}

void trash_list_done(struct trash_list *list)
{
	free(list->items);
	*list = (struct trash_list){ 0 };
}

void operation_list_done(struct operation_list *list)
{
	free(list->items);
	*list = (struct operation_list){ 0 };
}
