#pragma once

/*
 * What the two ends of a link say to each other first (HELLO, repl/wire.h), and whom this side lets
 * in: by what the other says, by the certificate that it shows, and by what the key of ssh that it
 * came with is good for.  Nothing is sent here, and nothing is kept.
 */

#include "engine/internal.h"
#include "model/admission.h"
#include "repl/wire.h"
#include "trust/identity.h"

/* Who is met: what is known before a word was said. */
struct greeted {
	struct engine *engine;
	char peer[NAME_TEXT]; /* what it is called here; "" = dialled by a peer, or to try an
				 address */
	struct uuid expect;   /* who must answer; none: anybody */
	const struct trust_identity *identity; /* what the certificate says, the transport's; NULL:
						  there is none */
	struct admission admission;	       /* what it may ask for, who dialled */
};

/* What this side says. */
struct wire_hello greeting_of(struct engine *engine);

/* FL_DENIED, or FL_INVALID where it is this instance itself. */
must_check int greeting_check(const struct greeted *who, const struct wire_hello *theirs,
			      struct fl_error *err);

/* A certificate may have been revoked since the link was made, or have expired. */
must_check int greeting_still_valid(const struct greeted *who, struct fl_error *err);
