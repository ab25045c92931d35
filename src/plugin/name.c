/*
 * Container engines hand on whatever their user typed, "../../x" and rubbish included, so
 * a name is a name only after this.  Each branch has one name: with two, an
 * engine would take it for two volumes.
 */

#include <stdio.h>
#include <string.h>

#include "plugin/verbs.h"

static int check(const char *name, struct ref *ref, struct fl_error *err)
{
	const char *slash = strchr(name, '/');
	own_text struct text volume = { 0 };

	text_add(&volume, name, slash ? (size_t)(slash - name) : strlen(name));
	if (name_check("volume", text_get(&volume), err) < 0 ||
	    (slash && name_check("branch", slash + 1, err) < 0))
		return fl_failed(err);
	snprintf(ref->volume, sizeof(ref->volume), "%s", text_get(&volume));
	if (!slash)
		return 0;
	if (strcmp(slash + 1, TRUNK) == 0)
		return fl_fail(err, FL_INVALID, "'%s' is called '%s' by container engines", name,
			       ref->volume);
	ref->kind = REF_BRANCH;
	snprintf(ref->branch, sizeof(ref->branch), "%s", slash + 1);
	return 0;
}

int volume_name_parse(const char *name, struct ref *ret, struct fl_error *err)
{
	struct ref ref = { .kind = REF_VOLUME };

	if (check(name, &ref, err) < 0) {
		err->hint[0] = '\0'; /* it says what one name is, and here may be two */
		return fl_hint(err, "a volume is called VOLUME or VOLUME/BRANCH, as in mydata and "
				    "mydata/test, each of up to 63 letters, digits, '_', '.' and "
				    "'-', a letter or a digit first");
	}
	*ret = ref;
	return 0;
}

char *volume_name_format(const char *volume, const char *branch, char ret[static REF_SHORT])
{
	bool trunk = strcmp(branch, TRUNK) == 0;

	snprintf(ret, REF_SHORT, "%s%s%s", volume, trunk ? "" : "/", trunk ? "" : branch);
	return ret;
}
