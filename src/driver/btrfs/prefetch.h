#pragma once

/*
 * Reads a tree ahead of who is about to read all of it, file by file, alone and in one thread,
 * as the kernel's send does.  Only to be faster: nothing depends on it, and it tells of no failure.
 */

/* Starts threads that read below the directory `root` (borrowed until prefetch_stop()).  NULL:
 * there are none to be had. */
struct prefetch *prefetch_start(int root);

/* Ends them wherever they are.  NULL is fine. */
void prefetch_stop(struct prefetch *prefetch);
