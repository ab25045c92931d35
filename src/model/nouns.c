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
	[REASON_PUSH] = "push",
};

const char *const operation_state_names[OPERATION_STATES] = {
	[OPERATION_RUNNING] = "running",
	[OPERATION_DONE] = "done",
	[OPERATION_FAILED] = "failed",
	[OPERATION_CANCELLED] = "cancelled",
};

const char *const stay_names[STAYS] = {
	[STAY_UNKNOWN] = NULL,	  [STAY_PINNED] = "pinned", [STAY_NEWEST] = "newest",
	[STAY_OLDEST] = "oldest", [STAY_YOUNG] = "young",   [STAY_CALENDAR] = "calendar",
	[STAY_ROOM] = "room",	  [STAY_NOT] = "goes",
};

const char *const pin_names[PIN_COUNT] = { "tag",  "tip",      "stash", "branch",
					   "peer", "transfer", "mount" };

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
	free(branch->snapshot_failure);
	metadata_done(&branch->policy);
	*branch = (struct branch){ 0 };
}

void snapshot_done(struct snapshot *snapshot)
{
	free(snapshot->message);
	metadata_done(&snapshot->metadata);
	free(snapshot->tags);
	*snapshot = (struct snapshot){ 0 };
}

void file_done(struct file *file)
{
	free(file->name);
	free(file->target);
}

static void version_done(struct file_version *version)
{
	file_done(&version->file);
}

/* NAME_add() and NAME_done() of one list; `item_done` releases what an item owns. */
#define LIST(name, item, item_done)                         \
	struct item *name##_add(struct name *list)          \
	{                                                   \
		return array_add(list->items, list->count); \
	}                                                   \
                                                            \
	void name##_done(struct name *list)                 \
	{                                                   \
		for (size_t i = 0; i < list->count; i++)    \
			item_done(&list->items[i]);         \
		free(list->items);                          \
		*list = (struct name){ 0 };                 \
	}

#define OWNS_NOTHING(item) ((void)(item))

LIST(volume_list, volume, volume_done)
LIST(branch_list, branch, branch_done)
LIST(snapshot_list, snapshot, snapshot_done)
LIST(tag_list, tag, OWNS_NOTHING)
LIST(stash_list, stash, OWNS_NOTHING)
LIST(thinned_list, thinned, OWNS_NOTHING)
LIST(trash_list, trash_item, OWNS_NOTHING)
LIST(operation_list, operation, OWNS_NOTHING)
LIST(event_list, event, OWNS_NOTHING)
LIST(file_list, file, file_done)
LIST(file_version_list, file_version, version_done)
