#pragma once

/*
 * What the driver keeps beside a tree: the file "record", JSON of one line.
 *
 *	{"id":1,"created":ns,"of":2,"boot":"...","print":"...","head":"uuid","operation":"uuid"}
 *
 * Written once, before the tree gets its name.  `of` is the tree that it is a
 * copy of; `print` is, for a snapshot, that of the tree it was taken from, at
 * that moment, and for a clone its own when it was made.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"
#include "base/uuid.h"
#include "driver/dir/print.h"

#define BOOT_TEXT 40
#define RECORD "record"

struct record {
	uint64_t id;
	int64_t created;
	uint64_t of;		     /* 0: of none */
	char boot[BOOT_TEXT];	     /* the run of the machine in which `print` was taken */
	char print[PRINT_TEXT_SIZE]; /* "": not known */
	struct uuid head, operation; /* made to replace this head, in this operation; or none */
};

/* A new id, and now. */
struct record record_new(void);
must_check int record_read(int dir, struct record *ret, struct fl_error *err);
/* In one step and synced. */
must_check int record_write(int dir, const struct record *record, struct fl_error *err);
