#pragma once

/*
 * What a comparison of two trees told, to be looked up by paths; and of it the *moves*: the
 * directories and files of one name that are called otherwise in the later tree.  For portable.c.
 */

#include "base/own.h"
#include "model/change.h"

struct told_item {
	enum change_kind kind;
	unsigned what;
	char *path, *from; /* heap; as in struct change */
	bool moved;
	size_t number; /* among the moves */
};

struct told {
	struct told_item *items; /* by path */
	size_t count;
	struct told_item **moves; /* by `from`, the last first: whatever lies in a directory comes
				     before it */
	size_t move_count;
};

void told_done(struct told *told);

/* A change_each for the comparison; `arg` is the struct told, zeroed before. */
int told_add(void *arg, const struct change *change, struct fl_error *err);
/* Finds the moves; `trees`: the directories of the earlier and of the later one. */
must_check int told_end(struct told *told, const int trees[static 2], struct fl_error *err);

/* In what the file at this path of the later tree may differ from what it is made out of; all,
 * where that is not told. */
unsigned told_what(const struct told *told, const char *path);
/* The move that leads to this path of the later tree, or away from this one of the earlier; NULL.
 */
const struct told_item *told_move_to(const struct told *told, const char *path);
const struct told_item *told_move_from(const struct told *told, const char *from);
