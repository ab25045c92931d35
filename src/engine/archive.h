#pragma once

/*
 * Archives: imports make a volume or a branch of one (import.c), exports make one of a tree
 * (export.c).  Both are operations (engine_operations), and block.
 */

#include "engine/engine.h"

struct import_options {
	const struct ref *ref;	 /* VOLUME: a new volume; VOLUME/BRANCH: a new branch of one that is
				    there */
	const char *description; /* new volumes; NULL = none */
	const char *mount_path;	 /* new volumes; absolute, or NULL */
	const struct metadata *metadata; /* new volumes; NULL = none */
	uint64_t quota;			 /* new volumes; bytes; 0 = none */
	bool devices, setuid;		 /* take device nodes; keep set-user-ID bits */
	int fd;		       /* the archive, read to its end; borrowed.  -1 with `directory` */
	const char *directory; /* absolute: its files are copied instead; or NULL */
	/*
	 * Asked when no more is read of `fd`: had it ended before its time, as its sender
	 * went away?  That cancels the import, whatever the archive looked like.  NULL =
	 * no.  Calls no verb.
	 */
	bool (*cut)(void *arg);
	void *arg;
	uint64_t total;		      /* bytes to come; 0 = unknown */
	const struct uuid *operation; /* its id, chosen by the caller; NULL = a new one */
};

/*
 * Makes a volume or a branch with the contents of an archive and a first
 * snapshot of it.  Blocks.  Durable on return; a failure leaves nothing but the
 * record.  FL_EXISTS for a name, or an operation's id, that is taken; what the
 * archive holds wrong is FL_INVALID or FL_CORRUPT; FL_NO_SPACE where it does not
 * fit into the volume's quota or into the pool.
 */
must_check int engine_import(struct engine *engine, const struct import_options *options,
			     struct operation *ret, struct fl_error *err);

struct export;

/*
 * An archive of a branch's live contents at one instant, or of a snapshot, tag
 * or stash, to be read from export_fd(); with REF:PATH of that directory alone,
 * as if it were the root.  Nothing is locked meanwhile.
 *
 * At its end the reader calls export_finish(), whose failure means that the
 * archive is not whole; and then, or at any time before to stop it, export_end(),
 * which writes the record and releases it.  `taken`: whom it is for has all of it;
 * a whole archive that was not taken counts as cancelled.
 */
must_check int engine_export(struct engine *engine, const struct ref *ref, bool zstd,
			     const struct uuid *operation, struct export **ret,
			     struct fl_error *err);
int export_fd(const struct export *export);
/*
 * Who cancels the operation calls cut(arg) too, at once if it was cancelled before:
 * to wake a reader that waits for something else than export_fd().  It must not
 * block, and is not called any more once export_end() has begun.
 */
void export_on_cancel(struct export *export, void (*cut)(void *arg), void *arg);
must_check int export_finish(struct export *export, struct fl_error *err);
void export_end(struct export *export, bool taken);
