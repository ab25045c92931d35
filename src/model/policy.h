#pragma once

/*
 * Policies: when a branch is snapshotted by itself, and what stays of that
 * (DESIGN section 7).
 *
 * A policy is a few settings, written as text by people and kept as text, so
 * that what they typed is what they are shown.  A branch has those of its own;
 * for the others the instance's count (its configuration), and then the
 * defaults of the table here.  A further setting is a row there.
 *
 * Pure; no I/O.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "model/metadata.h"
#include "model/thinning.h"

enum policy_when {
	POLICY_CHANGE, /* after a change */
	POLICY_EVERY,  /* the same, at most once in `every` */
	POLICY_MANUAL, /* never */
};

/* Durations in nanoseconds. */
struct policy {
	enum policy_when when;
	int64_t every;	      /* of POLICY_EVERY */
	int64_t settle;	      /* so long a branch has been quiet before it is snapshotted, */
	int64_t max_lag;      /* but so long after its first change at the latest */
	int64_t min_interval; /* from the beginning of one to that of the next */
	unsigned duty;	      /* the part of the time that snapshots may take: millionths */
	struct thinning_limits limits;
	struct thinning_calendar calendar;
};

enum policy_key {
	POLICY_SNAPSHOT,
	POLICY_SETTLE,
	POLICY_MAX_LAG,
	POLICY_MIN_INTERVAL,
	POLICY_DUTY,
	POLICY_MAX_COUNT,
	POLICY_RESOLUTION,
	POLICY_KEEP_ALL,
	POLICY_KEEP,
	POLICY_KEYS,
};

struct policy_row {
	const char *name;    /* "max-lag" */
	const char *initial; /* "5s" */
	const char *takes;   /* for messages: "a duration from 0s to 1d" */
	const char *description;
	int (*read)(const struct policy_row *row, const char *value, struct policy *policy,
		    struct fl_error *err);
};

/*
 * All settings: ROW(KEY, name, default, what it takes, description, reader).
 * The instance's defaults are made from it too (config/table.c), as policy.NAME.
 */
#define POLICY_TABLE(ROW)                                                                       \
	ROW(SNAPSHOT, "snapshot", "change",                                                     \
	    "change, manual, or every with a duration from 1s to 366d (every 10m)",             \
	    "when a snapshot is taken by itself", read_snapshot)                                \
	ROW(SETTLE, "settle", "1s", "a duration from 0s to 1d",                                 \
	    "how long a branch has been quiet before it is snapshotted", read_settle)           \
	ROW(MAX_LAG, "max-lag", "5s", "a duration from 0s to 1d",                               \
	    "when it is snapshotted at the latest, though it is not quiet", read_max_lag)       \
	ROW(MIN_INTERVAL, "min-interval", "1s", "a duration from 0s to 1d",                     \
	    "how far apart snapshots are at least", read_min_interval)                          \
	ROW(DUTY, "duty", "0.5%", "a part of the time from 0.0001% to 100%",                    \
	    "how much of the time snapshots may take", read_duty)                               \
	ROW(MAX_COUNT, "max-count", "4096", "a number from 2 to 100000000, or none",            \
	    "how many snapshots of the branch stay at most", read_max_count)                    \
	ROW(RESOLUTION, "resolution", "none", "1/1 to 1/10000 (1/8), or none",                  \
	    "gaps up to this part of their age are closed", read_resolution)                    \
	ROW(KEEP_ALL, "keep-all", "1h", "a duration from 0s to 3660d", "what is younger stays", \
	    read_keep_all)                                                                      \
	ROW(KEEP, "keep", "none",                                                               \
	    "numbers of hours, days, weeks, months, years (24h 14d 12m), or none",              \
	    "of so many periods the last snapshot stays", read_keep)

extern const struct policy_row policy_rows[POLICY_KEYS];

/* FL_NOT_FOUND with the names that there are. */
must_check int policy_find(const char *name, enum policy_key *ret, struct fl_error *err);

/* The text that counts for a key: `own`, else `common`, else the default.  Borrowed. */
const char *policy_text(enum policy_key key, const struct metadata *own,
			const struct metadata *common);

/*
 * All of it, as numbers.  FL_INVALID for a value that its key does not take, for
 * an unknown key, and for settings that contradict each other: says which and why.
 */
must_check int policy_read(const struct metadata *own, const struct metadata *common,
			   struct policy *ret, struct fl_error *err);
