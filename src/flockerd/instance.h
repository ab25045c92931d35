#pragma once

/*
 * Who this daemon is: the UUID in volume.json (DESIGN section 13), made at the
 * first start, and a name for people.
 */

#include "base/error.h"
#include "base/own.h"
#include "base/uuid.h"
#include "model/name.h"

struct instance {
	struct uuid uuid;
	char name[NAME_TEXT];
	char host[NAME_TEXT];
};

/*
 * The host's name, and the instance's where nothing sets another: that of the
 * host, followed by the last part of `root` unless that is NULL.
 */
must_check int instance_default_name(const char *root, struct instance *instance,
				     struct fl_error *err);

/* The UUID in the directory `config`, made there if there is none. */
must_check int instance_load(const char *config, struct instance *instance, struct fl_error *err);
