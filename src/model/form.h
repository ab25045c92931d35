#pragma once

/* The forms that a reference can have, as sets: what a verb or a route takes, and what it was
 * given. */

#include "model/ref.h"

enum ref_form {
	FORM_VOLUME = 1 << 0,	/* VOLUME */
	FORM_BRANCH = 1 << 1,	/* VOLUME/BRANCH */
	FORM_TAG = 1 << 2,	/* TAG@VOLUME */
	FORM_STASH = 1 << 3,	/* stash/N@VOLUME */
	FORM_SNAPSHOT = 1 << 4, /* a volume or branch with @{POINT} */
	FORM_PATH = 1 << 5,	/* any of the others that are wanted, with :PATH */
	FORM_ANY = FORM_VOLUME | FORM_BRANCH | FORM_TAG | FORM_STASH | FORM_SNAPSHOT,
};

/* The one form of this reference; a path in it does not count. */
enum ref_form form_of(const struct ref *ref);

/* Appends "a volume (VOLUME) or a tag (TAG@VOLUME)". */
void form_describe(unsigned forms, struct text *out);
