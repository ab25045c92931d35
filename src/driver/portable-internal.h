#pragma once

/* What the files of portable.c share. */

#include "driver/linked.h"
#include "driver/patch.h"
#include "driver/sides.h"
#include "driver/told.h"

/* A name that had to wait for the one that it is linked to. */
struct late {
	char *path;
	ino_t inode;
};

struct sending {
	struct sides sides;
	int base, tree;
	struct patch patch;
	struct told told;
	struct linked_files linked; /* of the later tree; `heir`: out of which of the base */
	struct linked_files taken;  /* of the base; `heir`: by which of the later tree */
	struct late *late;
	size_t late_count;
	unsigned series;	     /* of provisional names */
	struct patch_directory *how; /* the directory under way */
	struct patch_directory top;
};

/* A command that changes the names in the directory under way. */
must_check int sending_put(struct sending *sending, enum delta_verb verb, const char *path,
			   const char *to, struct fl_error *err);

/* What is under this name goes, with all below it; but not what moved. */
must_check int sending_remove(struct sending *sending, const struct place *place, mode_t mode,
			      struct fl_error *err);

/* The provisional name of what moved. */
#define PROVISIONAL 64
void sending_provisional(const struct sending *sending, const struct told_item *move,
			 char name[static PROVISIONAL]);

/* Can the later of the two be made out of the earlier? */
must_check int sending_same_kind(const struct pair *pair, bool *ret, struct fl_error *err);

/* Step 2 of portable.c, for one directory; `arg` is the struct sending. */
int sending_folder(void *arg, const struct folder *folder, struct fl_error *err);
/* Its attributes. */
must_check int sending_attributes(struct sending *sending, const struct level *level,
				  const struct patch_directory *how, struct fl_error *err);
