#pragma once

/*
 * The settings of a user system: how the operating system that a branch holds is
 * run (DESIGN section 8).
 *
 * As with policies (model/policy.h), they are written as text by people and kept
 * as text; what was not set has the default of the table here.  A further setting is a
 * row there.  What a branch or a host knows better (the host's name, the cgroup)
 * is left to whoever runs the system.
 *
 * Pure; no I/O.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "model/metadata.h"

#define SYSTEM_HOSTNAME 65 /* a host's name at most, with NUL: HOST_NAME_MAX of Linux */

enum system_restart {
	SYSTEM_RESTART_NO,
	SYSTEM_RESTART_ON_FAILURE, /* when init ended with another status than 0, or by a signal */
	SYSTEM_RESTART_ALWAYS,
};

enum system_network {
	SYSTEM_NETWORK_NONE, /* a loopback interface of its own */
	SYSTEM_NETWORK_HOST, /* that of the host */
};

/* Zero is the empty value; whatever system_read() gives is complete. */
struct system_settings {
	char **init; /* heap: the program (an absolute path) and its arguments; NULL at the end */
	char **environment; /* heap: "NAME=value", with a PATH; NULL at the end */
	uid_t uid;
	gid_t gid;
	char *directory;		/* heap, absolute */
	char hostname[SYSTEM_HOSTNAME]; /* "": none was set; see system_hostname() */
	int stop_signal;
	int64_t stop_timeout; /* ns */
	enum system_restart restart;
	uint64_t memory; /* bytes; 0: no limit */
	unsigned cpus;	 /* thousandths of a processor; 0: no limit */
	unsigned pids;	 /* 0: no limit */
	enum system_network network;
};

void system_settings_done(struct system_settings *settings);
#define own_system_settings own(system_settings_done)

enum system_key {
	SYSTEM_KEY_INIT,
	SYSTEM_KEY_ENVIRONMENT, /* of which there are many: "env.NAME" */
	SYSTEM_KEY_USER,
	SYSTEM_KEY_DIRECTORY,
	SYSTEM_KEY_HOSTNAME,
	SYSTEM_KEY_STOP_SIGNAL,
	SYSTEM_KEY_STOP_TIMEOUT,
	SYSTEM_KEY_RESTART,
	SYSTEM_KEY_MEMORY,
	SYSTEM_KEY_CPUS,
	SYSTEM_KEY_PIDS,
	SYSTEM_KEY_NETWORK,
	SYSTEM_KEYS,
};

struct system_row {
	const char *name;    /* "stop-signal"; "env." is how the names of many begin */
	const char *initial; /* "SIGTERM"; NULL: nothing, and system_read() does without */
	const char *takes;   /* for messages: "the name or the number of a signal" */
	const char *description;
	/* False: not such a value.  `name`: as it was set, which tells one of many. */
	bool (*read)(const char *name, const char *value, struct system_settings *settings);
};

extern const struct system_row system_rows[SYSTEM_KEYS];

/* FL_NOT_FOUND with the names that there are. */
must_check int system_find(const char *name, enum system_key *ret, struct fl_error *err);

/*
 * All of it, as values.  FL_INVALID for a value that its key does not take, and for
 * an unknown key: says which and why.
 */
must_check int system_read(const struct metadata *texts, struct system_settings *ret,
			   struct fl_error *err);

/* The name that its host has: the one that was set, or the branch's: "mydata-test". */
void system_hostname(const struct system_settings *settings, const char *volume, const char *branch,
		     char ret[static SYSTEM_HOSTNAME]);
