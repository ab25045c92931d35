/*
 * Create: a volume, or a branch where the name has a slash.
 *
 * An engine asks again when it did not hear the answer, so making what is there already, as it
 * is, succeeds.  Container engines never ask for a volume that they know; one with
 * other options is refused, because its user means something else.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/data-container.h"
#include "plugin/verbs.h"

struct creation {
	struct ref from;
	bool has_from;
	const char *mount_path, *description; /* NULL: not given */
	uint64_t quota;			      /* 0: not given, or none */
	struct metadata metadata, policy;
};

static void creation_done(struct creation *creation)
{
	ref_done(&creation->from);
	metadata_done(&creation->metadata);
	metadata_done(&creation->policy);
}

/* --- options ------------------------------------------------------------------------- */

static int take_from(struct creation *creation, const char *key, const char *value,
		     struct fl_error *err)
{
	creation->has_from = true;
	return ref_parse(value, &creation->from, err);
}

static int take_mount_path(struct creation *creation, const char *key, const char *value,
			   struct fl_error *err)
{
	creation->mount_path = value;
	return 0;
}

static int take_description(struct creation *creation, const char *key, const char *value,
			    struct fl_error *err)
{
	creation->description = value;
	return 0;
}

static int take_quota(struct creation *creation, const char *key, const char *value,
		      struct fl_error *err)
{
	return size_parse(value, &creation->quota, err);
}

static int take_policy(struct creation *creation, const char *key, const char *value,
		       struct fl_error *err)
{
	return metadata_set(&creation->policy, key, value, err);
}

static int take_metadata(struct creation *creation, const char *key, const char *value,
			 struct fl_error *err)
{
	return metadata_set(&creation->metadata, key, value, err);
}

#define OPTIONS "from, mount-path, quota, description, policy.NAME, meta.KEY"

static const struct create_option {
	const char *name; /* with a dot at its end: what follows is the key */
	bool branches;	  /* take it too; else it is their volume's */
	bool told;	  /* in the audit log; else it is the user's contents */
	int (*take)(struct creation *creation, const char *key, const char *value,
		    struct fl_error *err);
} create_options[] = {
	{ "from", true, true, take_from },	{ "mount-path", false, true, take_mount_path },
	{ "quota", false, true, take_quota },	{ "description", false, false, take_description },
	{ "policy.", true, true, take_policy }, { "meta.", false, false, take_metadata },
};

/* `*ret_key`: what follows the name. */
static const struct create_option *find_option(const char *name, const char **ret_key)
{
	for (size_t i = 0; i < array_size(create_options); i++) {
		const char *option = create_options[i].name;
		size_t length = strlen(option);
		bool family = option[length - 1] == '.';

		*ret_key = name + length;
		if (family ? strncmp(name, option, length) == 0 : strcmp(name, option) == 0)
			return &create_options[i];
	}
	return NULL;
}

static int take_option(struct asking *asking, struct creation *creation, const char *name,
		       const json_t *value, struct fl_error *err)
{
	const struct create_option *option;
	char shown[NAME_SHOWN];
	const char *key;

	option = find_option(name, &key);
	name_show(name, shown);
	if (!option) {
		fl_fail(err, FL_INVALID, "there is no option '%s'", shown);
		return fl_hint(err, "a volume takes " OPTIONS);
	}
	if (!json_is_string(value))
		return fl_fail(err, FL_INVALID, "the option '%s' is no text", shown);
	if (asking->ref.kind == REF_BRANCH && !option->branches) {
		fl_fail(err, FL_INVALID, "a branch has no '%s' of its own", shown);
		return fl_hint(err, "set it for its volume: flocker set %s", asking->ref.volume);
	}
	if (option->take(creation, key, json_string_value(value), err) < 0)
		return fl_wrap(err, "the option '%s'", shown);
	if (option->told)
		text_add_format(&asking->facts, "%s%s=%s", asking->facts.length ? ", " : "", name,
				json_string_value(value));
	return 0;
}

/* Engines leave "Opts" out, or make it null, when there are none. */
static int take_options(struct asking *asking, struct creation *creation, struct fl_error *err)
{
	json_t *options = json_object_get(asking->body, "Opts"), *value;
	const char *name;

	if (!options || json_is_null(options))
		return 0;
	if (!json_is_object(options))
		return fl_fail(err, FL_INVALID, "the request's options are no JSON object");
	json_object_foreach(options, name, value) if (take_option(asking, creation, name, value,
								  err) < 0) return fl_failed(err);
	return 0;
}

/* --- what is there already -------------------------------------------------------------- */

static bool holds(const struct metadata *all, const struct metadata *some)
{
	for (size_t i = 0; i < some->count; i++) {
		const char *value = metadata_get(all, some->pairs[i].key);

		if (!value || strcmp(value, some->pairs[i].value) != 0)
			return false;
	}
	return true;
}

/* What was asked for and is otherwise; NULL: nothing. */
static const char *differs(const struct creation *creation, const struct volume *volume,
			   const struct branch *branch)
{
	const char *path = volume->mount_path ? volume->mount_path : "";
	const struct origin *origin = branch->origin.ref[0] ? &branch->origin : &volume->origin;
	const struct {
		const char *option;
		bool other;
	} rows[] = {
		{ "from", creation->has_from && !origin->ref[0] },
		{ "mount-path", creation->mount_path && strcmp(creation->mount_path, path) != 0 },
		{ "quota", creation->quota && creation->quota != volume->quota },
		{ "description", creation->description &&
					 strcmp(creation->description, volume->description) != 0 },
		{ "policy", !holds(&branch->policy, &creation->policy) },
		{ "meta", !holds(&volume->metadata, &creation->metadata) },
	};

	for (size_t i = 0; i < array_size(rows); i++)
		if (rows[i].other)
			return rows[i].option;
	return NULL;
}

static int accept_same(const struct asking *asking, const struct creation *creation,
		       struct fl_error *err)
{
	const struct ref volume_ref = { .kind = REF_VOLUME };
	own(volume_done) struct volume volume = { 0 };
	own(branch_done) struct branch branch = { 0 };
	struct ref of = volume_ref;
	const char *option;

	memcpy(of.volume, asking->ref.volume, sizeof(of.volume));
	if (engine_volume(asking->engine, &of, &volume, err) < 0 ||
	    engine_branch_show(asking->engine, &asking->ref, &branch, err) < 0)
		return fl_failed(err);
	option = differs(creation, &volume, &branch);
	if (!option)
		return 0;
	fl_fail(err, FL_EXISTS, "there is a volume '%s' already, and its '%s' is another",
		asking->name, option);
	return fl_hint(err, "leave the option out to use it as it is; flocker set and flocker "
			    "policy change it");
}

/* --- the verb -------------------------------------------------------------------------- */

static int create_volume(const struct asking *asking, const struct creation *creation,
			 struct fl_error *err)
{
	const struct create_options options = {
		.name = asking->ref.volume,
		.description = creation->description,
		.mount_path = creation->mount_path,
		.metadata = &creation->metadata,
		.from = creation->has_from ? &creation->from : NULL,
		.quota = creation->quota,
		.policy = &creation->policy,
	};
	own(volume_done) struct volume volume = { 0 };

	return engine_create(asking->engine, &options, &volume, err);
}

static int create_branch(const struct asking *asking, const struct creation *creation,
			 struct fl_error *err)
{
	own(branch_done) struct branch branch = { 0 };

	return engine_branch(asking->engine, &asking->ref,
			     creation->has_from ? &creation->from : NULL, &creation->policy,
			     &branch, err);
}

int volume_create(struct asking *asking, struct fl_error *err)
{
	own(creation_done) struct creation creation = { 0 };
	bool branch = asking->ref.kind == REF_BRANCH;
	int r;

	if (data_containers_makes(asking->engine, asking->name))
		return fl_fail(err, FL_NOT_FOUND, "there is no volume '%s' any more", asking->name);
	asking->did = branch ? "branch" : "create";
	if (take_options(asking, &creation, err) < 0)
		return fl_failed(err);
	r = branch ? create_branch(asking, &creation, err) : create_volume(asking, &creation, err);
	if (r != -FL_EXISTS)
		return r;
	r = accept_same(asking, &creation, err);
	if (r == 0)
		asking->did = NULL; /* nothing was done */
	return r;
}
