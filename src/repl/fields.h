#pragma once

/*
 * Fields that several payloads of repl/offer.h have, upon those of repl/wire.h.  Reading
 * one that cannot be fails the view for good, as wire.h has it.
 */

#include "model/lineage.h"
#include "model/metadata.h"
#include "model/name.h"
#include "model/nouns.h"
#include "repl/wire.h"

#define FIELD_POSITION 24 /* bytes */

/* Nothing once there was trouble. */
void field_trouble(struct wire_view *view, const char *what);

void field_put_position(struct text *out, const struct position *position);
struct position field_position(struct wire_view *view);
/* One that is not none. */
struct position field_place(struct wire_view *view);

/* A name of NAME_TEXT bytes (model/name.h); `may_lack`: or "". */
void field_name(struct wire_view *view, char ret[static NAME_TEXT], bool may_lack);
/* Of one line, for people: nothing in it switches a terminal. */
void field_line(struct wire_view *view, char *ret, size_t size);
/* Heap, never NULL; at most OFFER_TEXT bytes; with line ends and tabs. */
char *field_words(struct wire_view *view);

void field_put_metadata(struct text *out, const struct metadata *metadata);
/* `ret` is good, and to be released, also after trouble. */
void field_metadata(struct wire_view *view, struct metadata *ret);

void field_put_origin(struct text *out, const struct origin *origin);
void field_origin(struct wire_view *view, struct origin *ret);

/* Of times: nanoseconds, 1 to WIRE_COARSEST. */
uint32_t field_grain(struct wire_view *view);

/* Of a list of at most `most` elements of `least` bytes or more. */
size_t field_count(struct wire_view *view, size_t least, size_t most);
