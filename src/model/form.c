#include "model/form.h"

/* In the order of their bits. */
static const char *const descriptions[] = {
	"a volume (VOLUME)",	    "a branch (VOLUME/BRANCH)", "a tag (TAG@VOLUME)",
	"a stash (stash/N@VOLUME)", "a snapshot (REF@{POINT})",
};

enum ref_form form_of(const struct ref *ref)
{
	static const enum ref_form forms[] = {
		[REF_VOLUME] = FORM_VOLUME,
		[REF_BRANCH] = FORM_BRANCH,
		[REF_TAG] = FORM_TAG,
		[REF_STASH] = FORM_STASH,
	};

	return ref->point == POINT_NONE ? forms[ref->kind] : FORM_SNAPSHOT;
}

void form_describe(unsigned forms, struct text *out)
{
	const char *between = "";

	for (size_t i = 0; i < array_size(descriptions); i++)
		if (forms & 1u << i) {
			text_add_format(out, "%s%s", between, descriptions[i]);
			between = " or ";
		}
}
