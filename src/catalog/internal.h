#pragma once

/* What catalog.c and backup.c know of each other. */

#include <pthread.h>

#include "catalog/catalog.h"
#include "catalog/schema.h"
#include "catalog/statement.h"

enum { READERS_KEPT = 16 }; /* connections for reading that stay open */

struct backup;
struct request;

struct catalog {
	char *path;

	pthread_mutex_t mutex; /* over `queue`, `busy` and the readers' list */
	struct request *queue; /* writers that wait for a turn, in order */
	struct request **queue_end;
	bool busy; /* some thread leads a batch */

	pthread_mutex_t turn; /* over what follows; held by the leader of a batch */
	struct connection writer;
	bool synced; /* the writer's commits are synced (PRAGMA synchronous = FULL) */
	int wal_pages;
	struct backup *backup;	  /* NULL until catalog_backup_start() */
	uint64_t generation;	  /* durable writes so far; in the turn */
	_Atomic uint64_t commits; /* since it was opened; counted behind each */

	pthread_cond_t reader_back;
	struct connection *readers; /* open and idle */
	size_t reader_count;	    /* open */
};

/* catalog_open() with other migrations, for tests. */
must_check int catalog_open_at(const char *path, bool create, const struct migrations *migrations,
			       struct catalog **ret, struct fl_error *err);

/* --- backup.c ------------------------------------------------------------ */

/* After a durable commit, in the turn: hands what was written to the sink. */
void backup_committed(struct catalog *catalog);
/* Ends the thread and frees everything. */
void backup_stop(struct catalog *catalog);
