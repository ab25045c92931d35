#pragma once

/* What the files of src/container/runtime*.c share: where things are, and what they are called. */

#include "container/runtime.h"

#define RUNTIME_PROGRAM "program" /* in RUN: the runtime that made the container */
#define RUNTIME_ID (sizeof("flocker-") + UUID_TEXT)
#define RUNTIME_CLEAN_TIMEOUT (30 * CLOCK_SECOND) /* of what takes milliseconds */

/* PLACE/BRANCH, or below it where `name` is not "".  Heap. */
char *runtime_path(const char *place, const struct uuid *branch, const char *name);
must_check int runtime_open(const char *place, const struct uuid *branch, int *ret_fd,
			    struct fl_error *err);
/* The same, made if it is missing. */
must_check int runtime_make(const char *place, const struct uuid *branch, int *ret_fd,
			    struct fl_error *err);
/* What the runtime knows it as. */
void runtime_id(const struct uuid *branch, char id[static RUNTIME_ID]);
/* Does a keeper live?  Looked at by trying its lock. */
must_check int runtime_is_kept(int run, bool *ret, struct fl_error *err);
/* Of what a runtime says, in place: time="..." level=error msg="..." is for machines. */
void runtime_shorten(char *words);
/* Is there a directory in the tree? */
bool runtime_has_directory(const char *tree, const char *path);
