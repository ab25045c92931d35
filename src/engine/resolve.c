/*
 * From references to rows: the volume, the branch, the tag or the stash by its name; what a point
 * of a branch stands for is found by point.c.
 */

#include <string.h>

#include "engine/internal.h"
#include "engine/point.h"

void target_done(struct target *target)
{
	volume_row_done(&target->volume);
	if (target->is_snapshot)
		snapshot_row_done(&target->snapshot);
	*target = (struct target){ 0 };
}

int check_form(const struct ref *ref, unsigned forms, const char *verb, struct fl_error *err)
{
	own_text struct text text = { 0 }, wanted = { 0 };

	ref_format(ref, &text);
	if (ref->path && !(forms & FORM_PATH))
		return fl_fail(err, FL_INVALID, "%s takes no path: '%s'", verb, text_get(&text));
	if (forms & form_of(ref))
		return 0;
	text_add_format(&wanted, "%s takes ", verb);
	form_describe(forms, &wanted);
	text_add_string(&wanted, ", not ");
	form_describe(form_of(ref), &wanted);
	return fl_fail(err, FL_INVALID, "%s: '%s'", text_get(&wanted), text_get(&text));
}

void target_format(const struct target *target, char text[static REF_SHORT])
{
	const char *instance = target->instance, *slash = instance[0] ? "/" : "";
	char id[SNAPID_TEXT];

	if (target->is_snapshot)
		snprintf(text, REF_SHORT, "%s%s%s/%s@{%s}", instance, slash, target->volume.name,
			 target->branch.name, snapid_format(target->snapshot.id, id));
	else
		snprintf(text, REF_SHORT, "%s%s%s/%s", instance, slash, target->volume.name,
			 target->branch.name);
}

/* --- names ------------------------------------------------------------------ */

/* VOLUME@X, where X@VOLUME or VOLUME@{X} was meant. */
static void hint_turned(struct tx *tx, const struct ref *ref, struct fl_error *err)
{
	struct volume_row meant;
	struct fl_error unused;

	if (tx_volume_find(tx, ref->tag, &meant, &unused) == 0)
		fl_add_hint(err, "a snapshot of '%s' is written '%s@{%s}', a tag %s@%s", ref->tag,
			    ref->tag, ref->volume, ref->volume, ref->tag);
}

static int find_volume(struct tx *tx, const struct ref *ref, struct volume_row *ret,
		       struct fl_error *err)
{
	if (tx_volume_find(tx, ref->volume, ret, err) == 0)
		return 0;
	if (err->code == FL_NOT_FOUND && ref->tag[0])
		hint_turned(tx, ref, err);
	return fl_hint(err, "flocker list shows the volumes");
}

/* Another instance's that has the name: its reference is the hint. */
struct namesake {
	struct engine *engine;
	struct tx *tx;
	const char *name;
	char instance[NAME_TEXT];
};

static int find_namesake(void *arg, const struct branch_row *row, struct fl_error *err)
{
	struct namesake *namesake = arg;

	if (!namesake->instance[0] && strcmp(row->name, namesake->name) == 0)
		answer_instance(namesake->engine, namesake->tx, &row->instance, namesake->instance);
	return 0;
}

static int fail_no_branch(struct engine *engine, struct tx *tx, const struct target *target,
			  const char *name, struct fl_error *err)
{
	struct namesake namesake = { .engine = engine, .tx = tx, .name = name };

	if (tx_branch_each(tx, &target->volume.uuid, false, find_namesake, &namesake, err) < 0)
		return fl_failed(err);
	fl_fail(err, FL_NOT_FOUND, "volume '%s' has no branch called '%s'%s%s%s",
		target->volume.name, name, target->instance[0] ? " of '" : "", target->instance,
		target->instance[0] ? "'" : "");
	if (namesake.instance[0])
		return fl_hint(err, "there is %s/%s/%s", namesake.instance, target->volume.name,
			       name);
	return fl_hint(err, "flocker show %s lists its branches", target->volume.name);
}

static int resolve_branch(struct engine *engine, struct tx *tx, const struct ref *ref,
			  struct target *target, struct fl_error *err)
{
	struct uuid instance;

	if (instance_find(engine, tx, ref->instance[0] ? ref->instance : engine->name, &instance,
			  err) < 0)
		return fl_failed(err);
	if (tx_branch_find(tx, &target->volume.uuid, &instance, ref->branch, &target->branch,
			   err) == 0)
		return 0;
	if (err->code != FL_NOT_FOUND)
		return fl_failed(err);
	if (!uuid_equal(&instance, &engine->instance))
		answer_instance(engine, tx, &instance, target->instance);
	return fail_no_branch(engine, tx, target, ref->branch, err);
}

/*
 * The owner's trunk, as it is known here.  It may be that it is not, where all that is here of the
 * volume are branches of others: then the volume alone is answered, and `branch` is none.
 */
static int resolve_trunk(struct engine *engine, struct tx *tx, struct target *target,
			 struct fl_error *err)
{
	const struct volume_row *volume = &target->volume;
	bool ours = uuid_equal(&volume->owner, &engine->instance);

	if (tx_branch_find(tx, &volume->uuid, &volume->owner, TRUNK, &target->branch, err) == 0)
		return 0;
	if (err->code != FL_NOT_FOUND)
		return fl_failed(err);
	if (ours)
		return fail_no_branch(engine, tx, target, TRUNK, err);
	target->branch = (struct branch_row){ .volume = volume->uuid,
					      .instance = volume->owner,
					      .name = TRUNK };
	return 0;
}

/* The snapshot that a tag or a stash points at, and the branch that took it. */
static int resolve_position(struct tx *tx, const struct position *position, struct target *target,
			    struct fl_error *err)
{
	if (tx_branch_get(tx, &position->branch, &target->branch, err) < 0 ||
	    tx_snapshot_get(tx, position, &target->snapshot, err) < 0)
		return fl_failed(err);
	target->is_snapshot = true;
	return 0;
}

int fail_no_tag(const char *volume, const char *tag, struct fl_error *err)
{
	fl_fail(err, FL_NOT_FOUND, "volume '%s' has no tag called '%s'", volume, tag);
	return fl_hint(err, "flocker tags %s lists them", volume);
}

int fail_no_stash(const char *volume, uint32_t number, struct fl_error *err)
{
	fl_fail(err, FL_NOT_FOUND, "volume '%s' has no stash %u", volume, number);
	return fl_hint(err, "flocker stash list %s shows them", volume);
}

static int resolve_tag(struct tx *tx, const struct ref *ref, struct target *target,
		       struct fl_error *err)
{
	struct tag_row tag;

	if (tx_tag_find(tx, &target->volume.uuid, ref->tag, &tag, err) == 0)
		return resolve_position(tx, &tag.snapshot, target, err);
	if (err->code != FL_NOT_FOUND)
		return fl_failed(err);
	return fail_no_tag(target->volume.name, ref->tag, err);
}

static int resolve_stash(struct tx *tx, const struct ref *ref, struct target *target,
			 struct fl_error *err)
{
	struct stash_row stash;

	if (tx_stash_find(tx, &target->volume.uuid, ref->stash, &stash, err) == 0)
		return resolve_position(tx, &stash.snapshot, target, err);
	if (err->code != FL_NOT_FOUND)
		return fl_failed(err);
	return fail_no_stash(target->volume.name, ref->stash, err);
}

static int resolve_kind(struct engine *engine, struct tx *tx, const struct ref *ref,
			struct target *target, struct fl_error *err)
{
	switch (ref->kind) {
	case REF_VOLUME:
		return resolve_trunk(engine, tx, target, err);
	case REF_BRANCH:
		return resolve_branch(engine, tx, ref, target, err);
	case REF_TAG:
		return resolve_tag(tx, ref, target, err);
	case REF_STASH:
		break;
	}
	return resolve_stash(tx, ref, target, err);
}

int resolve(struct engine *engine, struct tx *tx, const struct ref *ref, struct target *ret,
	    struct fl_error *err)
{
	own_target struct target target = { 0 };
	own_text struct text text = { 0 };

	if (find_volume(tx, ref, &target.volume, err) < 0 ||
	    resolve_kind(engine, tx, ref, &target, err) < 0) {
		ref_format(ref, &text);
		return fl_object(err, "%.150s", text_get(&text));
	}
	if (is_remote(engine, &target.branch))
		answer_instance(engine, tx, &target.branch.instance, target.instance);
	if ((ref->point != POINT_NONE && point_resolve(engine, tx, ref, &target, err) < 0)) {
		ref_format(ref, &text);
		return fl_object(err, "%.150s", text_get(&text));
	}
	*ret = target;
	target = (struct target){ 0 };
	return 0;
}

bool is_remote(const struct engine *engine, const struct branch_row *branch)
{
	return !uuid_equal(&branch->instance, &engine->instance);
}

int resolve_reading(struct engine *engine, struct tx *tx, const struct ref *ref, struct target *ret,
		    struct fl_error *err)
{
	own_target struct target target = { 0 };
	struct ref newest = *ref; /* borrows */

	if (resolve(engine, tx, ref, &target, err) < 0)
		return fl_failed(err);
	newest.point = POINT_LATEST;
	if (!target.is_snapshot && is_remote(engine, &target.branch) &&
	    point_resolve(engine, tx, &newest, &target, err) < 0)
		return fl_failed(err);
	*ret = target;
	target = (struct target){ 0 };
	return 0;
}

int refuse_remote(struct engine *engine, const struct target *target, struct fl_error *err)
{
	char name[REF_SHORT];

	if (!is_remote(engine, &target->branch))
		return 0;
	target_format(target, name);
	fl_fail(err, FL_NOT_OWNER, "%s belongs to '%s'", name, target->instance);
	fl_object(err, "%s", name);
	return fl_hint(err, "make a branch of your own: flocker branch %s/NAME --from %s",
		       target->volume.name, name);
}

int refuse_not_owner(struct engine *engine, const struct volume_row *volume, const char *what,
		     struct fl_error *err)
{
	char owner[NAME_TEXT];
	own_tx struct tx *tx = NULL;

	if (uuid_equal(&volume->owner, &engine->instance))
		return 0;
	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	answer_instance(engine, tx, &volume->owner, owner);
	fl_fail(err, FL_NOT_OWNER, "volume '%s' belongs to '%s', and with it its %s", volume->name,
		owner, what);
	fl_object(err, "%s", volume->name);
	return fl_hint(err, "change it there, and fetch it");
}

struct ref ref_of_volume(const struct ref *ref)
{
	struct ref volume = { .kind = REF_VOLUME };

	memcpy(volume.volume, ref->volume, NAME_TEXT);
	memcpy(volume.tag, ref->tag, NAME_TEXT); /* for the hint, if there is no such volume */
	return volume;
}

int resolve_now(struct engine *engine, const struct ref *ref, struct target *ret,
		struct fl_error *err)
{
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	return resolve(engine, tx, ref, ret, err);
}

int ref_of_branch(struct engine *engine, const struct uuid *branch, struct ref *ret,
		  struct fl_error *err)
{
	own_volume_row struct volume_row volume = { 0 };
	own_tx struct tx *tx = NULL;
	struct branch_row row;

	if (tx_begin(engine->catalog, &tx, err) < 0 || tx_branch_get(tx, branch, &row, err) < 0 ||
	    tx_volume_get(tx, &row.volume, &volume, err) < 0)
		return fl_failed(err);
	if (row.destroyed || volume.destroyed)
		return fl_fail(err, FL_NOT_FOUND, "%s/%s is in the trash", volume.name, row.name);
	*ret = (struct ref){ .kind = REF_BRANCH };
	if (is_remote(engine, &row))
		answer_instance(engine, tx, &row.instance, ret->instance);
	memcpy(ret->volume, volume.name, NAME_TEXT);
	memcpy(ret->branch, row.name, NAME_TEXT);
	return 0;
}
