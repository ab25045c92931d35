#pragma once

/*
 * The names of things in ZFS, the values of our properties, and what `zfs get -Hp`
 * prints.  Pure: no I/O, no state.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driver/driver.h"

#define ZFS_NAME 256		     /* ZFS_MAX_DATASET_NAME_LEN, with the final NUL */
#define TREE_PROPERTY "flocker:tree" /* what a dataset or snapshot is */
#define POOL_PROPERTY "flocker:pool" /* the identity, on POOL/DATASET */
#define STOP_PROPERTY "flocker:stopped"
#define RECEIVED "received"		   /* the dataset in which those lie that streams make */
#define LIMIT_PROPERTY "flocker:limit"	   /* of a group, while its quota has to be larger */
#define ACCOUNT_PROPERTY "flocker:account" /* what a dataset counts for; on a group's: which */

/* The value of TREE_PROPERTY. */
struct label {
	bool hidden; /* no tree any more: "hidden" */
	struct tree tree;
	bool replaces; /* a head that was made by a swap: "...+OPERATION" */
	struct uuid operation;
};
#define LABEL_TEXT (TREE_TEXT + UUID_TEXT + 1)
char *label_format(const struct label *label, char text[static LABEL_TEXT]);
/* False for anything that label_format() would not write. */
bool label_parse(const char *text, struct label *ret);

/* The value of ACCOUNT_PROPERTY: "branches/UUID", "groups/UUID". */
#define ACCOUNT_TEXT (UUID_TEXT + 10)
char *account_format(const struct account_name *account, char text[static ACCOUNT_TEXT]);
/* False for anything that account_format() would not write. */
bool account_parse(const char *text, struct account_name *ret);

/* A new tree_info.id. */
uint64_t zfs_new_id(void);
/*
 * The last component of a dataset for `tree`, or the part behind the "@" of a
 * snapshot: readable, and the id.
 */
#define COMPONENT_TEXT (SNAPNAME_TEXT + 20)
char *component_format(const struct tree *tree, uint64_t id, char text[static COMPONENT_TEXT]);
/* The id at the end of a name; false when there is none. */
bool component_id(const char *name, uint64_t *ret);

/*
 * The last component of the dataset of a group, and the id that it ends in, which is made
 * of the group's UUID: so there is no table to keep.
 */
#define GROUP_TEXT 20
uint64_t group_id(const struct uuid *group);
char *group_format(uint64_t id, char text[static GROUP_TEXT]);

/*
 * Values that ZFS and its output carry as they are: all but letters, digits and
 * "-._:/" is written %XX.  Decoding is exact; false for what encoding never writes.
 */
void property_encode(const char *bytes, size_t length, struct text *out);
bool property_decode(const char *text, struct text *out);

/* Is it the name of a dataset that ZFS could have, "pool/a/b", and below which ours have room?
 * FL_INVALID says why not. */
#define DATASET_LENGTH 90
must_check int dataset_check(const char *name, struct fl_error *err);

/*
 * One line of `zfs get -H -p -o name,property,value,source`.  The pointers lead into
 * the text, which is cut up.  A value may hold tabs; one that holds a newline is
 * several lines, of which the pieces that are no whole line are passed over.
 */
struct get_line {
	const char *name, *property, *value, *source;
};
/* The next line; false at the end.  `rest` moves on. */
bool get_line_next(char **rest, struct get_line *ret);
