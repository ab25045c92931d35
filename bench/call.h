#pragma once

/* Requests to a daemon from programs of bench/: what fails ends the program. */

#include <stdint.h>

#include "lib/flocker.h"

#define CALL_BODY 8192

struct fl_client *call_open(const char *socket);
/* One request with a JSON body (printf-like; "" for none); its answer is dropped.  Returns its ns.
 */
int64_t call_timed(struct fl_client *client, const char *method, const char *target,
		   const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The same, and the answer's first string member `key` in heap memory, when `key` is not NULL. */
int64_t call_for(struct fl_client *client, const char *method, const char *target, const char *body,
		 const char *key, char **ret);
