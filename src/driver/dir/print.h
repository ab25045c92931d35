#pragma once

/*
 * A tree's print: one number over what the kernel says of each of its files
 * and directories (name, inode, mode, owner, size, time of modification, time
 * of change).  Every change of a file moves its time of change, which no
 * program can set, and every change of a directory's entries moves the
 * directory's: two equal prints of one tree mean that nothing was changed in
 * between.  It costs one stat for each file and reads no contents.
 *
 * That holds only for times that are in the past.  Two changes within one tick
 * of the file system's clock leave the same time, so a print is only taken from
 * a file whose time of change lies before a tick that has begun: print_settle()
 * waits for it, a few milliseconds at most in all.  What goes on being written
 * would never settle; then the print is unsure, and compares equal to none.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/own.h"

struct print {
	_Atomic uint64_t sums[2];
	atomic_bool unsure;
	int clock; /* a file of ours on the same file system, touched to read its clock */
	pthread_mutex_t mutex;
	struct timespec tick; /* begun: what is changed from now on gets this time or a later one */
	int patience;	      /* milliseconds left to wait */
};

#define PRINT_TEXT_SIZE 33

/*
 * `clock`: a writable file on the file system of the trees, borrowed; -1 for a
 * print that is only to be compared with one that was settled.
 */
must_check int print_begin(struct print *print, int clock, struct fl_error *err);
void print_end(struct print *print);

/*
 * Looks at a file with `look`, again and again until its time of change lies in
 * the past; `st` is the last look.
 */
must_check int print_settle(struct print *print,
			    int (*look)(void *arg, struct stat *st, struct fl_error *err),
			    void *arg, struct stat *st, struct fl_error *err);
/* Any thread. */
void print_add(struct print *print, const char *name, const struct stat *st);

/* "" when it is unsure. */
char *print_format(const struct print *print, char text[static PRINT_TEXT_SIZE]);

/* The print of all below `root`, `root` included. */
must_check int print_tree(struct print *print, int root, struct fl_error *err);
