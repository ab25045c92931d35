#pragma once

/*
 * How much of the processor an archive may take.  Its sender decides what has to
 * be done to read it: an ACL of a megabyte takes ten seconds, as the library
 * looks for each of its entries among those before, and a megabyte that repeats
 * itself is a kilobyte when it is sent.  So an archive earns the time: so much
 * for each piece of it, without its compression, which is a hundred times what
 * any honest one takes.  Nothing else is counted: who sends slowly, or a disk
 * that is slow, costs no patience.
 */

#include <stdint.h>

#define PATIENCE_SECONDS 5		   /* of the processor's, to begin with */
#define PATIENCE_PIECE (UINT64_C(1) << 20) /* bytes that earn a further one */

/* From now on time is counted, and when it is up report_late() has the last word. */
void patience_begin(void);
/* `given`: bytes so far.  Nothing where it was not begun. */
void patience_earn(uint64_t given);
