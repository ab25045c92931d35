#pragma once

/* What flocker-volume does: one function for each verb of main.c's table. */

#include <stdbool.h>

#include "base/error.h"
#include "base/own.h"

struct request {
	const char *operand; /* NULL: the verb takes none */
	const char *root;    /* each NULL where it is not given */
	const char *socket;
	const char *from;
	bool json;
};

/* link.c */
must_check int volume_serve(const struct request *request, struct fl_error *err);
must_check int volume_receive(const struct request *request, struct fl_error *err);
/* snapshots.c */
must_check int volume_snapshots(const struct request *request, struct fl_error *err);
