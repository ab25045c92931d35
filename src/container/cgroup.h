#pragma once

/*
 * Control groups: where the kernel shows them on this host, which of them a process is in,
 * and whether that one may be frozen.
 *
 * There are two kinds, and a host may have both at once: the freezer's own hierarchy (version
 * 1), with freezer.state, and the unified one (version 2), where each group but the root has
 * cgroup.freeze.  A process that is in a group of its own in both is frozen by the first, as
 * engines pause containers there: what that has frozen never stands still for the second, which it
 * does the other way round.
 *
 * A group is frozen whole.  So none may be that other things depend on: see
 * cgroup_choose().
 */

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/own.h"
#include "container/inside.h"

enum cgroup_kind { CGROUP_FREEZER, CGROUP_UNIFIED, CGROUP_KINDS };

/* Where the hierarchies are mounted. */
struct cgroup_mounts {
	struct {
		char *place; /* heap; NULL: it isn't mounted */
		char *root;  /* heap: the group that is seen there: "/", but in containers */
	} kinds[CGROUP_KINDS];
};

void cgroup_mounts_done(struct cgroup_mounts *mounts);
#define own_cgroup_mounts own(cgroup_mounts_done)
/* From what /proc/self/mountinfo says. */
void cgroup_mounts_parse(const char *mountinfo, struct cgroup_mounts *ret);
must_check int cgroup_mounts_read(struct cgroup_mounts *ret, struct fl_error *err);

#define CGROUP_NAME 128

struct cgroup {
	enum cgroup_kind kind;
	char *path;		/* heap: in its hierarchy: "/docker/5f2e..." */
	char *directory;	/* heap: absolute */
	char id[CONTAINER_ID];	/* of the container whose group it is; "": of none */
	char name[CGROUP_NAME]; /* the last part of its path, or the id's first 12 digits */
};

void cgroup_done(struct cgroup *cgroup);
#define own_cgroup own(cgroup_done)

/* Why the group of a process is not to be frozen. */
enum cgroup_verdict {
	CGROUP_FITS,
	CGROUP_NONE,   /* there is no freezer on this host */
	CGROUP_ROOT,   /* it has no group of its own */
	CGROUP_OURS,   /* the daemon would be frozen with it */
	CGROUP_LOGIN,  /* somebody's session */
	CGROUP_HOST,   /* the host, or the engine of containers, needs it */
	CGROUP_HIDDEN, /* not to be seen from here */
	CGROUP_DENIED, /* the daemon may not */
	CGROUP_GONE,   /* the process has ended */
	CGROUP_VERDICTS,
};

extern const char *const cgroup_verdict_words[CGROUP_VERDICTS];

/*
 * Pure: the group of one kind, where /proc/PID/cgroup of the process says `text` and that
 * of the daemon `ours`.  Of a process in a container or a user system it is the whole of that,
 * whatever groups that makes within.  Never the root of a hierarchy, one that the daemon is in or
 * below, a session's, or one that keeps the host running.
 */
enum cgroup_verdict cgroup_choose(const struct cgroup_mounts *mounts, enum cgroup_kind kind,
				  const char *text, const char *ours, struct cgroup *ret);

/* That of a process, which can be frozen as things are if it is CGROUP_FITS; `ret` only then. */
must_check int cgroup_of_process(const struct cgroup_mounts *mounts, pid_t pid, struct cgroup *ret,
				 enum cgroup_verdict *ret_verdict, struct fl_error *err);

/* The file that freezes, and what thaws when written to it. */
extern const char *const cgroup_switch[CGROUP_KINDS];
extern const char *const cgroup_thaw[CGROUP_KINDS];
