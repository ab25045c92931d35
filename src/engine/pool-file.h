#pragma once

/*
 * STATE/pool.json: where the pool of this instance is.  It is there from when the pool was made or
 * adopted, whether or not it can be opened now; engine_has_pool() tells.  Behind the gate, alone.
 */

#include "engine/internal.h"

must_check int pool_file_save(struct engine *engine, const struct pool_spec *spec,
			      struct fl_error *err);
/* FL_NOT_FOUND: there is none, and how one is made.  FL_CORRUPT. */
must_check int pool_file_load(struct engine *engine, struct pool_spec *ret, struct fl_error *err);
