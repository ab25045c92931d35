#pragma once

/*
 * The nouns of DESIGN section 1 as values, in the shapes of section 11.  What
 * the engine answers with, what the API encodes.  Each owns its strings: the
 * _done function of each releases them; arrays by the _free of a list.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/uuid.h"
#include "model/metadata.h"
#include "model/name.h"
#include "model/snapname.h"

#define TRUNK "trunk"		       /* the first branch of every volume */
#define REF_SHORT (3 * NAME_TEXT + 64) /* a reference without a path */

/* Why a snapshot was taken. */
enum reason {
	REASON_USER,	  /* somebody asked: "user" */
	REASON_BRANCH,	  /* the beginning of a branch made from live contents: "branch" */
	REASON_TAG,	  /* a tag of live contents: "tag" */
	REASON_ROLLBACK,  /* what a rollback replaced: "rollback" */
	REASON_CHANGE,	  /* the contents had changed: "change" */
	REASON_SCHEDULE,  /* a policy's interval: "schedule" */
	REASON_RECOVERED, /* found in the pool, its reason unknown: "recovered" */
	REASON_IMPORT,	  /* the beginning of a branch that was imported: "import" */
	REASON_PUSH,	  /* what was pushed had changed: "push" */
	REASON_MAX,
};
extern const char *const reason_names[REASON_MAX];

/* Why a snapshot must stay: bits. */
enum pin {
	PIN_TAG = 1 << 0,   /* "tag" */
	PIN_TIP = 1 << 1,   /* a branch's head continues from it: "tip" */
	PIN_STASH = 1 << 2, /* a stash's tip: "stash" */
	PIN_BRANCH =
		1 << 3, /* a branch or a rolled-back line began from it, and is there: "branch" */
	PIN_PEER = 1 << 4, /* what a peer has in common with us: the next transfer's base: "peer" */
	PIN_TRANSFER = 1 << 5, /* a transfer under way needs it: "transfer" */
	PIN_MOUNT = 1 << 6,    /* mounted: "mount" */
};
#define PIN_COUNT 7
extern const char *const pin_names[PIN_COUNT];

/* Why thinning leaves a snapshot where it is, the strongest first. */
enum stay {
	STAY_UNKNOWN,  /* nobody asked, or its branch is not thinned here */
	STAY_PINNED,   /* see its pins: "pinned" */
	STAY_NEWEST,   /* of its branch: "newest" */
	STAY_OLDEST,   /* of its branch: "oldest" */
	STAY_YOUNG,    /* younger than the policy's keep-all: "young" */
	STAY_CALENDAR, /* the last of a period that the policy's keep counts: "calendar" */
	STAY_ROOM,     /* nothing makes it go: "room" */
	STAY_NOT,      /* it goes: "goes" */
	STAYS,
};
extern const char *const stay_names[STAYS];

/* A number of bytes that may not be known. */
struct amount {
	bool known;
	uint64_t bytes;
};

struct origin {		     /* of a volume made from another's snapshot, or of a branch */
	char ref[REF_SHORT]; /* as it was named then; "" = none */
	uint64_t snapshot;   /* id */
};

struct volume {
	struct uuid uuid;
	char name[NAME_TEXT];
	char owner[NAME_TEXT]; /* instance name */
	struct uuid owner_uuid;
	uint64_t epoch;
	char *description; /* never NULL in an answer; "" = none */
	struct metadata metadata;
	char *mount_path;	 /* where a container sees it; NULL = none */
	uint64_t quota;		 /* bytes that its branches may allocate; 0 = no limit */
	struct amount allocated; /* by its branches, and held since */
	struct origin origin;
	int64_t created;
	char (*branches)[NAME_TEXT];
	size_t branch_count;
};

struct branch {
	struct uuid uuid;
	char volume[NAME_TEXT];
	char name[NAME_TEXT];
	char instance[NAME_TEXT];
	bool local;
	char *path; /* where it is mounted; NULL = not mounted */
	bool mounted;
	int64_t changed_since;	/* when what waits for a snapshot by itself was changed first; 0 =
				   nothing waits */
	char *snapshot_failure; /* why the last of these could not be taken; NULL = it could */
	uint64_t tip;		/* id of the snapshot that the head continues from; 0 = none */
	struct origin origin;
	uint64_t snapshots; /* that this branch took and that still exist */
	int64_t created;
	struct amount allocated; /* by writing to it, and held since, also by snapshots */
	struct amount live;	 /* that the files of its head take now */
	struct amount history;	 /* of what is allocated, what the head has no more */
	struct metadata policy;	 /* what it has of its own (model/policy.h) */
};

struct snapshot {
	uint64_t id;
	char volume[NAME_TEXT];
	char branch[NAME_TEXT]; /* the branch that took it, as it is called now; a destroyed one:
				   its uuid */
	struct uuid branch_uuid;
	char writer[NAME_TEXT];	  /* whose branch it is; "" = this instance's */
	char instance[NAME_TEXT]; /* that took it */
	struct uuid instance_uuid;
	char host[NAME_TEXT]; /* name of the host when it was taken */
	int64_t time;
	uint64_t sequence;
	uint64_t parent; /* id; 0 = none */
	enum reason reason;
	char name[NAME_TEXT]; /* "" = none */
	char *message;	      /* NULL = none */
	struct metadata metadata;
	char (*tags)[NAME_TEXT];
	size_t tag_count;
	unsigned pins; /* enum pin */
	bool began;    /* in a log: the branch asked about began from here; what follows is older */
	enum stay stay;
	double score; /* of STAY_ROOM and STAY_NOT: the lowest goes first (model/thinning.h) */
};

struct tag {
	char name[NAME_TEXT];
	char volume[NAME_TEXT];
	uint64_t snapshot;
	int64_t snapshot_time;
	int64_t created;
};

struct stash {
	uint32_t number;
	char volume[NAME_TEXT];
	char branch[NAME_TEXT];
	uint64_t snapshot; /* the tip that was put aside */
	uint64_t target;   /* what was rolled back to */
	int64_t created;
	bool held; /* the replaced head is still in use; what is written there is added when it is
		      released */
};

/* What thinning takes away. */
struct thinned {
	char ref[REF_SHORT];
	uint64_t id;
	int64_t time;
	double score; /* when its turn came; INFINITY: it is as young as can be */
	bool held;    /* a process uses it, so it stays */
};

struct trash_item {
	struct uuid uuid;    /* of the volume or branch */
	char ref[REF_SHORT]; /* what it was called */
	bool volume;	     /* a whole volume; else one branch */
	int64_t destroyed;
	int64_t expires; /* when it is emptied by itself, by the wall clock as it is now */
	int64_t left;	 /* ns until then */
};

enum operation_state {
	OPERATION_RUNNING,   /* "running" */
	OPERATION_DONE,	     /* "done" */
	OPERATION_FAILED,    /* "failed" */
	OPERATION_CANCELLED, /* "cancelled" */
	OPERATION_STATES,
};
extern const char *const operation_state_names[OPERATION_STATES];

/* Something that takes long: an import, an export.  Plain value. */
struct operation {
	struct uuid id;
	char verb[16];		/* "import" */
	char object[REF_SHORT]; /* the reference that it is about */
	enum operation_state state;
	uint64_t done_bytes;  /* of an import's archive; else of file contents */
	uint64_t total_bytes; /* as its caller said; 0 = unknown */
	int64_t started;
	int64_t ended; /* 0: it runs */
	struct fl_error
		error; /* of one that failed; code, text and hint only, once it is recorded */
};

void volume_done(struct volume *volume);
void branch_done(struct branch *branch);
void snapshot_done(struct snapshot *snapshot);

/* Lists: an array that grows, elements released with it. */
struct volume_list {
	struct volume *items;
	size_t count;
};
struct branch_list {
	struct branch *items;
	size_t count;
};
struct snapshot_list {
	struct snapshot *items;
	size_t count;
};
struct tag_list {
	struct tag *items;
	size_t count;
};
struct stash_list {
	struct stash *items;
	size_t count;
};
struct thinned_list {
	struct thinned *items;
	size_t count;
};
struct trash_list {
	struct trash_item *items;
	size_t count;
};

struct operation_list {
	struct operation *items;
	size_t count;
};

/* Something in a tree. */
struct file {
	char *name;   /* owned; the last part of its path, "" for the root of a tree */
	char *target; /* owned; of a symbolic link, else NULL */
	mode_t mode;
	uint64_t size; /* bytes; 0 of what is no file */
	uid_t uid;
	gid_t gid;
	int64_t modified;
};
void file_done(struct file *file);

struct file_list {
	struct file *items;
	size_t count;
};

/* Contents that a file had in one snapshot or several that follow each other. */
struct file_version {
	uint64_t oldest, newest; /* ids of the first and the last of them */
	int64_t oldest_time, newest_time;
	uint64_t snapshots; /* how many hold it */
	bool live;	    /* the live file is the same */
	struct file file;
};

struct file_version_list {
	struct file_version *items;
	size_t count;
};

/* Something that happened. */
#define EVENT_TEXT 200
struct event {
	uint64_t number; /* from 1 in each run of the daemon */
	int64_t time;
	char kind[24];		/* a verb, or what the daemon did by itself */
	char object[REF_SHORT]; /* cut where it is longer; "" = none */
	char text[EVENT_TEXT];	/* the same; "" = none */
};

struct event_list {
	struct event *items;
	size_t count;
};

void event_list_done(struct event_list *list);
void file_list_done(struct file_list *list);
void file_version_list_done(struct file_version_list *list);
void volume_list_done(struct volume_list *list);
void branch_list_done(struct branch_list *list);
void snapshot_list_done(struct snapshot_list *list);
void tag_list_done(struct tag_list *list);
void stash_list_done(struct stash_list *list);
void thinned_list_done(struct thinned_list *list);
void trash_list_done(struct trash_list *list);
void operation_list_done(struct operation_list *list);

/*
 * Each adds a zeroed element at the end and returns it (valid until the next).
 * Only these make a list grow: how much is allocated follows from the count.
 */
struct volume *volume_list_add(struct volume_list *list);
struct branch *branch_list_add(struct branch_list *list);
struct snapshot *snapshot_list_add(struct snapshot_list *list);
struct tag *tag_list_add(struct tag_list *list);
struct stash *stash_list_add(struct stash_list *list);
struct thinned *thinned_list_add(struct thinned_list *list);
struct trash_item *trash_list_add(struct trash_list *list);
struct operation *operation_list_add(struct operation_list *list);
struct event *event_list_add(struct event_list *list);
struct file *file_list_add(struct file_list *list);
struct file_version *file_version_list_add(struct file_version_list *list);
