#pragma once

/*
 * The deny list of a cluster goes from link to link: who has the newer one gives it to the other
 * (repl/wire.h, DENIED).  It is signed by the CA (trust/store.h), so that whoever passes it on can
 * neither change it nor hold anybody else off by an older one.
 */

#include "engine/serve.h"

/* Over a link that is up.  What fails is logged: the next link brings it. */
void denied_exchange(struct engine *engine, struct link *link);

must_check int serve_denied(const struct serving *serving, const void *request, size_t length,
			    struct fl_error *err);
