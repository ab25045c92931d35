#pragma once

/* What the parts of the plugin share.  For src/plugin alone. */

#include <jansson.h>

#include "base/json.h"
#include "plugin/plugin.h"

struct asking {
	struct engine *engine;
	const json_t *body; /* an object; NULL: there was none */
	const char *name;   /* of the volume, as the engine calls it; NULL: the verb takes none */
	struct ref ref;	    /* the same */
	struct json *json;  /* the answer's object is open */
	const char *did;   /* what a verb of the engine that was tried is called in the audit log */
	struct text facts; /* the same: what it was told, "key=value, ..." */
};

/* A failure answers nothing but the error. */
typedef int plugin_verb(struct asking *asking, struct fl_error *err);

must_check plugin_verb volume_create, volume_get, volume_list, volume_mount, volume_path,
	volume_remove;

/* What container engines may call a branch: VOLUME or VOLUME/BRANCH.  FL_INVALID says so. */
must_check int volume_name_parse(const char *name, struct ref *ret, struct fl_error *err);
/* "mydata" of mydata/trunk, "mydata/test". */
char *volume_name_format(const char *volume, const char *branch, char ret[static REF_SHORT]);
