#pragma once

/*
 * What an OCI runtime is told of a user system: its config.json (OCI runtime
 * specification 1.0.2), as text.
 *
 * A user system is an operating system of its own, not one application: its init, its
 * users, its setuid programs.  It is kept apart from the host by namespaces, capabilities,
 * masked paths and a filter of system calls, as a container is; its root is the host's
 * root without most of what root may do.  What it is given and why: oci.c.
 *
 * Pure; no I/O.
 */

#include "base/text.h"
#include "model/system.h"

struct oci_options {
	const struct system_settings *settings;
	const char *hostname;
	const char *root;    /* of the tree: absolute, or below the bundle */
	const char *console; /* a FIFO on the host: its /dev/console */
	const char *cgroup;  /* "/flocker/<instance>.<branch>" */
	int64_t files;	     /* open at most that any of its processes may allow itself */
	bool empty_run;	     /* oci_wants_empty_run() and there is a directory /run */
};

/* Appends the document. */
void oci_format(const struct oci_options *options, struct text *out);

/*
 * Does the system expect /run to be empty when it starts?  The init of a whole distribution
 * does; one that is a single program (PostgreSQL) has directories there that nobody else makes.
 * Told by the program's name.
 */
bool oci_wants_empty_run(const struct system_settings *settings);

/* Directories that must be in the tree, since runtimes make them otherwise, and nothing but the
 * system itself is to write to its tree.  NULL at the end. */
extern const char *const oci_directories[];
