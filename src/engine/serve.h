#pragma once

/*
 * What a peer may ask of this instance (repl/wire.h: the dialogues), each on a channel and a thread
 * of its own.  A stranger may ask to join, and nothing else; that is the link's to see to.  Who was
 * let in for one volume may push that, and nothing else.
 */

#include "model/admission.h"
#include "repl/link.h"
#include "trust/identity.h"

struct engine;

struct serving {
	struct engine *engine;
	const struct wire_hello *peer;
	const struct trust_identity *identity; /* NULL: it came by ssh */
	const struct admission *admission;
	struct channel *channel;
};

/* Bits 1 << enum stream_form that this instance can receive; 0: it has no pool.  Outside the gate.
 */
uint32_t serve_forms(struct engine *engine);

must_check int serve_channel(const struct serving *serving, enum wire_verb verb,
			     const void *request, size_t length, struct fl_error *err);
