#pragma once

/* Lists of the daemon, followed over all their pages. */

#include "cli/talk.h"

struct listing {
	const char *path; /* "/v1/snapshots" */
	const char *ref;  /* NULL: of everything */
	const char *peer; /* NULL: of all */
	const char *flag; /* a query parameter that is to be true; or NULL */
	bool paged;	  /* the daemon takes a page's length */
	int64_t limit;	  /* items at most; 0 = all */
	const char *none; /* what to say on a terminal when there are none */
	void (*row)(struct table *table, struct value *item);
	const struct column *columns;
};

/* As a table, page by page as they come; under --json as one array. */
must_check int list_print(struct invocation *in, const struct listing *listing,
			  struct fl_error *err);

/* All items as one array; for lists that are short. */
must_check int list_items(struct invocation *in, const char *path, const char *ref,
			  struct value **ret, struct fl_error *err);
