#pragma once

/*
 * An archive on its way in or out: the operation that it is for the daemon, how
 * far it is, and what the user does meanwhile.
 *
 * The command chooses the operation's id, so that it can ask for it afterwards:
 * why a stream broke off, and to cancel it when the user does not want to wait
 * any more.  A signal only sets a flag, which the library asks for several times
 * a second; everything is then undone in the ordinary way, and the command ends
 * as that signal ends it.  One at a time.
 */

#include "base/uuid.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "lib/flocker.h"
#include "lib/value.h"

struct transfer {
	struct invocation *in;
	char id[UUID_TEXT]; /* of the operation */
	struct fl_stream stream;
	struct progress progress;
};

/* From signals_catch(true) to signals_catch(false) SIGINT and SIGTERM only set a flag, which this
 * tells: the number, or 0. */
void signals_catch(bool on);
int signals_caught(void);

/* Connects.  `fd` and `length` are the stream's, as in struct fl_stream. */
must_check int transfer_begin(struct transfer *transfer, struct invocation *in, int fd,
			      int64_t length, struct fl_error *err);
/*
 * What came of it, once its file is settled: `r`, with what the operation says of
 * an error.  Does not return after a failure that a signal was the cause of: the
 * shell is to see that the command ended by it (130 for SIGINT).
 */
must_check int transfer_end(struct transfer *transfer, int r, struct fl_error *err);
/* The operation as the daemon knows it now; heap. */
must_check int transfer_operation(struct transfer *transfer, struct value **ret,
				  struct fl_error *err);
