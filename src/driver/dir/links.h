#pragma once

/*
 * Files of one copy that have several names.  The first thread that meets such
 * a file copies it; those that meet another name of it meanwhile wait for that,
 * and link to its copy.
 *
 * A file is known by its handle (name_to_handle_at), not by its inode's number
 * alone: in a live tree it may be removed after it was copied, and the next file
 * that is made gets its number at once, but another generation.  Where the file
 * system gives no handles, the number has to do.
 */

#include <pthread.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "base/own.h"
#include "base/text.h"

#define LINKS_HANDLE 128 /* MAX_HANDLE_SZ of the kernel */

/* A file, whatever its names are. */
struct links_file {
	dev_t device;
	ino_t inode;
	int type;	 /* of its handle */
	unsigned length; /* bytes of it; 0: there is none */
	unsigned char handle[LINKS_HANDLE];
};

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

/* What `fd`, of any kind, is open on; `st` is of it. */
struct links_file links_identify(int fd, const struct stat *st);

/*
 * NULL: this is the first name, and the caller copies the file and then calls
 * links_ready() or links_forget(); also NULL when the copy has failed, and
 * nothing matters any more.  Else the path of the copy, borrowed.
 */
const char *links_meet(struct links *links, const struct links_file *file, const char *path);
void links_ready(struct links *links, const struct links_file *file);
/* It was not copied: the next name that is met is the first. */
void links_forget(struct links *links, const struct links_file *file);
/* Nobody waits any more. */
void links_fail(struct links *links);
