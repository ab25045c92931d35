#pragma once

/*
 * How it goes, at one look and cheaply: no snapshot is looked at, and of the
 * branches one column.
 */

#include "container/docker.h"
#include "engine/engine.h"
#include "engine/failing.h"
#include "model/forecast.h"

/* So many of the branches that wait are named: those that wait longest. */
#define STATUS_UNSAVED 100

/* A branch that was changed and waits for a snapshot by itself. */
struct waiting {
	char ref[REF_SHORT];
	int64_t since;
	int64_t last_snapshot; /* 0 = it has none */
};

/* What thinning is at. */
enum thin_state {
	THIN_STATE_IDLE,     /* what the policies do not keep is gone */
	THIN_STATE_MORE,     /* there is more to delete than one pass may */
	THIN_STATE_SPACE,    /* too little is free: what scores lowest is given up */
	THIN_STATE_CLEANING, /* it waits for the file system, which cleans up what was deleted */
};
#define THIN_STATES (THIN_STATE_CLEANING + 1)
extern const char *const thin_state_names[THIN_STATES];

struct thin_status {
	enum thin_state state;
	uint64_t thinned;     /* snapshots, in the last 24 hours, since the daemon was started */
	int64_t last;	      /* when the last of them went; 0 = none did */
	int64_t clock_behind; /* ns that the retention clock is behind the host's: all snapshots
				 count as younger by that; negative: ahead */
	int64_t clock_jumped; /* ns by which the host's clock jumped when it did last, by more than
				 a day and since the daemon was started; 0: it did not */
	uint64_t uncleaned;   /* deleted trees that the file system still cleans up behind (struct
				 pool_stats) */
	uint64_t min_free;    /* percent of the pool; 0 = nothing is given up for space */
};

/* The container engine that is configured. */
struct container_report {
	bool configured;
	char socket[128];
	bool answers;
	struct docker_version version; /* if it answers */
	struct fl_error trouble;       /* else why not */
};

struct status {
	int64_t time;
	uint64_t branches;     /* of this instance; of thousands, as of the last seconds */
	int64_t last_snapshot; /* of all; 0 = there was none */
	uint64_t unsaved_count;
	struct waiting *unsaved; /* heap; the longest first */
	size_t named;		 /* of these */
	struct thin_status thinning;
	struct failure *failing; /* heap; the gravest first */
	size_t failing_count;
	bool failing_more;		  /* than are listed */
	struct operation_list operations; /* that run */
	bool has_pool;
	struct pool_report pool;
	enum forecast_state forecast;
	int64_t full_in; /* ns; FORECAST_FILLING */
	struct container_report containers;
};

void status_done(struct status *status);

/* Also where there is no pool, which is in `failing` then. */
must_check int engine_status(struct engine *engine, struct status *ret, struct fl_error *err);
