#pragma once

/*
 * Files of one copy that have several names.  The first thread that meets such
 * a file copies it; those that meet another name of it meanwhile wait for that,
 * and link to its copy.
 */

#include <pthread.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "base/own.h"
#include "base/text.h"

struct link;

struct links {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct link **slots; /* chained */
	size_t capacity, count;
	bool failed;
};

#define LINKS_NONE                                                                       \
	{                                                                                \
		.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, \
	}

void links_done(struct links *links);

/*
 * NULL: this is the first name, and the caller copies the file and then calls
 * links_ready(); also NULL when the copy has failed, and nothing matters any
 * more.  Else the path of the copy, borrowed.
 */
const char *links_meet(struct links *links, const struct stat *file, const char *path);
void links_ready(struct links *links, const struct stat *file);
/* Nobody waits any more. */
void links_fail(struct links *links);
