#pragma once

/*
 * The body of a request: one JSON object, written member by member, in one
 * piece with the text that it is written into.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/own.h"

struct body;

struct body *body_new(void);
void body_free(struct body *body);
OWN_FREEP(body, body_free)
#define own_body own(body_freep)

/* `key` is NULL in an array. */
void body_string(struct body *body, const char *key, const char *value);
void body_int(struct body *body, const char *key, int64_t value);
void body_true(struct body *body, const char *key);
/* A value that is JSON already; NULL is null. */
void body_raw(struct body *body, const char *key, const char *value);
void body_array(struct body *body, const char *key);
void body_object(struct body *body, const char *key);
/* Ends the innermost array or object that was begun. */
void body_end(struct body *body);

bool body_is_empty(const struct body *body);
/* Ends the whole and returns it; borrowed. */
const char *body_finish(struct body *body);
