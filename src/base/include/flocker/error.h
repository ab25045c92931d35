#pragma once

/*
 * Errors as values: what all of Flocker goes by, and what callers of the client
 * library see.  Installed beside flocker.h.
 *
 * A function that can fail returns int and takes a `struct fl_error *` as its
 * last argument.  It returns 0, or the negative of an `enum fl_code` after it
 * has filled the error, which need not be initialized.  The error is a plain
 * value of bounded size: it owns nothing, needs no release, may cross threads,
 * and making it cannot fail.
 */

enum fl_code {
	FL_OK,
	FL_INVALID, /* the request itself makes no sense */
	FL_NOT_FOUND,
	FL_EXISTS,
	FL_BUSY,      /* in use, or another operation holds it */
	FL_NOT_OWNER, /* the volume belongs to another instance */
	FL_DIVERGED,  /* two lineages of one trunk */
	FL_NO_SPACE,
	FL_UNSUPPORTED, /* this driver or peer cannot do that */
	FL_DENIED,
	FL_UNREACHABLE, /* a peer, the engine, the cluster store or the daemon */
	FL_CORRUPT,	/* data failed its own check */
	FL_SYSTEM,	/* the operating system said no: see fl_error.sys */
	FL_CODES,
};

struct fl_error {
	enum fl_code code;
	int sys;	  /* errno, or 0 */
	const char *file; /* where it began; static storage */
	int line;
	char text[480];	  /* "outer: inner: reason" */
	char hint[240];	  /* what to do next, or "" */
	char object[160]; /* the reference, path or name it is about, or "" */
};
