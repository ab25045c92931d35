#pragma once

/*
 * The audit log: who changed what, and what came of it.  It only grows, and
 * each record carries the hash of the one before it, so that what was changed,
 * taken out or put in afterwards is found.  What it proves and what not is in
 * SECURITY.md.
 *
 * The format.  STATE/audit/ holds segments 000001.log, 000002.log, ...: lines
 * that end with a newline, one record each, oldest first.  A segment that
 * would outgrow 4 MiB is followed by the next; of more than 16 the oldest is
 * removed.  A record is one JSON object without spaces between its members,
 * in this order:
 *
 *	{"previous":"HASH","number":N,"time":"TIME","uid":N,"pid":N,
 *	"request":"ID","verb":"...","object":"...","outcome":"...",
 *	"message":"...","hash":"HASH"}
 *
 *	previous  the hash of the record before it; 64 zeros in the first
 *	number    counts from 1, without a gap, over all segments
 *	time      when it was written: RFC 3339 UTC, nanoseconds
 *	uid, pid  of who asked, as the kernel told; null: it did not
 *	request   as in X-Request-Id and the daemon's log; null: no request
 *	verb      what was asked of the daemon; "audit": the log about itself
 *	object    the reference or name that was given, or null
 *	outcome   "done", or the code of the error (base/error.h)
 *	message   details, or the error's text, or null
 *	hash      SHA-256, 64 lower-case hexadecimal digits, of the line's bytes
 *	          from its first up to the comma before "hash", that comma not
 *	          included
 *
 * So the hash covers `previous`, and with it all that came before.  To check a
 * segment with nothing of Flocker's:
 *
 *	import hashlib, sys
 *	last = None
 *	for line in open(sys.argv[1], "rb"):
 *		hash, previous = line[-67:-3].decode(), line[13:77].decode()
 *		assert hashlib.sha256(line[:-76]).hexdigest() == hash
 *		assert previous == (last or previous)
 *		last = hash
 *
 * Losses.  A record is written with one write(), which survives the process;
 * audit_sync() makes it survive a power cut.  What a power cut left of a last
 * line is cut off when the log is opened, and a record says so.  A record that
 * could not be written (the file system is full) is counted; the next that can
 * be is preceded by one that says how many are missing.  The change itself has
 * happened then and is not taken back.  A last segment that somebody removed or
 * replaced is gone on with under its name, and a record says so.
 *
 * Any thread may call anything.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"

#define AUDIT_HASH 65 /* as text, with the final NUL */

struct audit;

struct audit_limits {
	uint64_t segment;  /* bytes */
	unsigned segments; /* kept */
};
extern const struct audit_limits audit_limits; /* 4 MiB, 16 */

/*
 * Below the directory `state` (borrowed).  Does not fail: what is wrong is in
 * audit_trouble(), and is tried again with every record.
 */
struct audit *audit_open(int state, const struct audit_limits *limits);
void audit_close(struct audit *audit);

struct audit_entry {
	int64_t uid;	      /* -1: not known */
	int64_t pid;	      /* 0: not known */
	const char *request;  /* NULL: none */
	const char *verb;     /* as the command is called */
	const char *object;   /* NULL: none */
	enum fl_code outcome; /* FL_OK: done */
	const char *message;  /* NULL: none */
};

/* Adds a record.  One that can't be written is counted and logged. */
void audit_append(struct audit *audit, const struct audit_entry *entry);

/* 0: records are written.  Else why the last could not be. */
must_check int audit_trouble(struct audit *audit, struct fl_error *err);

/* A place in the chain.  Number 0: before the first record. */
struct audit_mark {
	uint64_t number;
	char hash[AUDIT_HASH];
};

/* Makes all records so far durable; `ret`: the last of them.  Blocks nobody who appends. */
must_check int audit_sync(struct audit *audit, struct audit_mark *ret, struct fl_error *err);

struct audit_record {
	void *document; /* which the strings lie in */
	uint64_t number;
	int64_t uid, pid; /* -1: not known */
	const char *previous, *time, *request, *verb, *object, *outcome, *message, *hash;
};

struct audit_list {
	struct audit_record *items;
	size_t count;
	bool more; /* there are older ones */
};
void audit_list_done(struct audit_list *list);

/*
 * Newest first: the `limit` records before number `after` (0: from the newest);
 * fewer where a line behind them is no record, with which FL_CORRUPT answers
 * the next page.  `after` of that line's number goes on behind it.
 */
must_check int audit_list(struct audit *audit, uint64_t after, size_t limit, struct audit_list *ret,
			  struct fl_error *err);

struct audit_report {
	uint64_t records;     /* lines that are there */
	uint64_t first, last; /* numbers; 0: none */
	uint64_t unrecorded;  /* changes after them that could not be recorded */
	bool intact;
	uint64_t problem_number; /* of the first record that is not as it was written */
	char problem[200];
};

/*
 * Reads all of it.  `anchor`: a mark that was kept elsewhere, which the log
 * must contain or be younger than; number 0: none.  A beginning that was
 * removed for its age is no problem, any other is.
 */
must_check int audit_verify(struct audit *audit, const struct audit_mark *anchor,
			    struct audit_report *ret, struct fl_error *err);
