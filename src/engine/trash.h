#pragma once

/* Items of the trash, for the verbs that restore and empty them (trash.c, empty.c). */

#include "engine/internal.h"

/* All, newest first. */
must_check int trash_load(struct engine *engine, struct trash_list *ret, struct fl_error *err);
/* By its UUID, or by a reference that only one has. */
must_check int trash_find(const struct trash_list *list, const char *item, struct trash_item *ret,
			  struct fl_error *err);

/* An item with its rows; its volume is locked. */
struct load {
	struct volume_row volume;
	struct branch_row *branches; /* of the item */
	size_t count;
	struct trash_item item;
	bool whole; /* of a volume: also branches that were in the trash before it */
	struct lock_set locks;
};
void load_done(struct load *load);
/* FL_NOT_FOUND when it has left the trash since it was picked.  `whole` as there. */
must_check int load_take(struct engine *engine, const struct trash_item *item, bool whole,
			 struct load *ret, struct fl_error *err);
