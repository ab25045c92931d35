#pragma once

/*
 * One search of holders_find(): what holders.c and holders-mounts.c share.  It belongs to the one
 * thread that searches.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "container/holders.h"

#define WHAT 512
#define VIEWS 256
#define BUFFER (64 * 1024)

/* A mount namespace, seen from a root directory. */
struct view {
	uint64_t namespace, mount, device, root;
};

#define SEEN 128
struct seen {
	struct view view;
	char what[SEEN]; /* the first mount of a tree in it; "": there is none */
};

/* Parts of a thread, which it may share with others. */
enum part { DIRECTORIES, FILES, MAPPINGS, MOUNTS, PARTS };

struct search {
	const struct holders_query *query;
	int (*each)(void *arg, pid_t pid, const char *command, const char *what,
		    struct fl_error *err);
	void *arg;
	int proc;
	dev_t device;  /* of the file system, as mountinfo and maps show it; 0: not known */
	bool by_inode; /* some trees are told by their inodes */
	struct seen views[VIEWS];
	size_t view_count;
	uint64_t shared[2];  /* mount namespaces of the host, and ours; 0: any counts */
	bool may_look;	     /* whoever is still hidden, is so from every root like us */
	pid_t pid;	     /* the present process */
	pid_t looked[PARTS]; /* the last of its threads whose part was looked at */
	bool mapped;	     /* it maps something of the file system */
	char what[WHAT];     /* how it holds a tree; "" = it holds none */
	char buffer[BUFFER]; /* for search_each_line() */
};

/*
 * Asks for nothing but the device, from memory: a server of a network or FUSE
 * file system that does not answer cannot hold us up, and FUSE then refuses
 * nobody.
 */
int search_look(int dir, const char *path, struct statx *ret);

/* Is it the device of one of the trees? */
bool search_is_tree(const struct search *search, dev_t device);

/* Calls `each` with every line of a file, however large, until it answers true. */
must_check int search_each_line(struct search *search, int dir, const char *path,
				bool (*each)(void *arg, const char *line), void *arg,
				struct fl_error *err);
/* The "MAJOR:MINOR" after `skip` fields of a line; 0 when there is none. */
dev_t search_device_in(const char *line, int skip, int base);

/* A part of a thread: sets `what` where a mount of its namespace is one of a tree. */
must_check int holders_look_at_mounts(struct search *search, int thread, struct fl_error *err);
/* Before the first: the file system's device, and which mounts tell of nobody. */
must_check int holders_find_device(struct search *search, struct fl_error *err);
void holders_find_shared(struct search *search);
