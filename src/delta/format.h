#pragma once

/*
 * Within this layer: the attributes of a delta's commands, and which command has which.  The
 * reader and the writer go by the same two tables.
 */

#include "delta/command.h"

/* The numbers are the format's. */
enum delta_attribute {
	DELTA_A_UUID = 1,
	DELTA_A_TRANSID = 2,
	DELTA_A_INODE = 3, /* of the sender; says nothing */
	DELTA_A_SIZE = 4,
	DELTA_A_MODE = 5,
	DELTA_A_UID = 6,
	DELTA_A_GID = 7,
	DELTA_A_DEVICE = 8,
	DELTA_A_CTIME = 9,
	DELTA_A_MTIME = 10,
	DELTA_A_ATIME = 11,
	DELTA_A_XATTR_NAME = 13,
	DELTA_A_XATTR_DATA = 14,
	DELTA_A_PATH = 15,
	DELTA_A_PATH_TO = 16,
	DELTA_A_PATH_LINK = 17,
	DELTA_A_OFFSET = 18,
	DELTA_A_DATA = 19,
	DELTA_A_CLONE_UUID = 20,
	DELTA_A_CLONE_TRANSID = 21,
	DELTA_A_CLONE_PATH = 22,
	DELTA_A_CLONE_OFFSET = 23,
	DELTA_A_CLONE_LENGTH = 24,
	DELTA_ATTRIBUTES = 25,
};

enum delta_kind {
	DELTA_NOTHING, /* no such attribute */
	DELTA_IGNORED, /* a number that nobody needs */
	DELTA_NUMBER,
	DELTA_DEVICE, /* as the kernel keeps it: new_encode_dev() in linux/kdev_t.h */
	DELTA_ID,
	DELTA_TIME,
	DELTA_STRING, /* at least `least`, at most `most` bytes, none of them NUL */
	DELTA_BYTES,  /* at most UINT16_MAX */
};

struct delta_field {
	const char *name; /* for messages */
	enum delta_kind kind;
	uint16_t at; /* where in struct delta_command it goes */
	uint16_t least, most;
};

/* Sets of attributes, a bit each. */
struct delta_rule {
	const char *name;
	uint32_t needs, may;
};

extern const struct delta_field delta_fields[DELTA_ATTRIBUTES];
extern const struct delta_rule delta_rules[DELTA_VERBS];

#define DELTA_ATTRIBUTE_HEAD 4
#define DELTA_TIME_SIZE 12
#define DELTA_XATTR_NAME_MAX 255
