#include <stdio.h>
#include <string.h>

#include "cli/list.h"
#include "cli/talk.h"
#include "cli/verbs.h"
#include "model/form.h"

/*
 * `show` prints what is known of one thing.  The form of the reference says
 * what kind it is, so one request is enough, but for a tag: what it is comes
 * from the volume's tags, what it points at is a snapshot.
 */

/* Nothing where it is not known. */
static void fact_time(const char *label, int64_t time)
{
	char when[PRINT_TEXT], ago[PRINT_TEXT], line[2 * PRINT_TEXT + 4];

	if (!time)
		return;
	print_time(time, when);
	snprintf(line, sizeof(line), "%s (%s)", when, print_ago(time, ago));
	print_fact(label, printing.terminal ? line : when);
}

static void fact_int(const char *label, int64_t value)
{
	char text[PRINT_TEXT];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	print_fact(label, text);
}

static void fact_list(const char *label, struct value *object, const char *key)
{
	own_free char *joined = field_joined(object, key, ", ");

	print_fact(label, joined);
}

static void fact_metadata(struct value *object)
{
	struct value *pairs = value_get(object, "metadata");

	for (struct value *key = value_first(pairs); key; key = value_next(pairs, key + 1)) {
		own_text struct text pair = { 0 };
		const char *value = value_string(key + 1);

		text_add_format(&pair, "%s=%s", value_string(key), value ? value : "");
		print_fact("metadata", text_get(&pair));
	}
}

static void fact_origin(struct value *object)
{
	print_fact("from", field(value_get(object, "origin"), "ref"));
}

/* Unknown: no line. */
static void fact_size(const char *label, struct value *object, const char *key)
{
	char text[PRINT_TEXT];

	print_fact(label, field_size(object, key, text));
}

/* What it takes; for people also how much of its quota that is. */
static void fact_used(struct value *volume)
{
	struct value *usage = value_get(volume, "usage");
	int64_t quota = field_int(volume, "quota");
	char text[PRINT_TEXT], line[PRINT_TEXT + 32];

	if (!printing.terminal || quota <= 0 || !field_size(usage, "allocated", text)) {
		fact_size("used", usage, "allocated");
		return;
	}
	snprintf(line, sizeof(line), "%s (%.0f %% of the quota)", text,
		 100.0 * (double)field_int(usage, "allocated") / (double)quota);
	print_fact("used", line);
}

static void print_volume(struct value *volume)
{
	print_fact("volume", field(volume, "name"));
	print_fact("description", field(volume, "description"));
	print_fact("owner", field(volume, "owner"));
	fact_int("epoch", field_int(volume, "epoch"));
	fact_time("created", field_time(volume, "created"));
	fact_origin(volume);
	print_fact("mount path", field(volume, "mount_path"));
	fact_size("quota", volume, "quota");
	fact_used(volume);
	fact_list("branches", volume, "branches");
	fact_metadata(volume);
	print_fact("uuid", field(volume, "uuid"));
}

static void print_branch(struct value *branch)
{
	struct value *usage = value_get(branch, "usage");

	print_fact("branch", field(branch, "ref"));
	print_fact("instance", field(branch, "instance"));
	print_fact("path", field(branch, "path"));
	print_fact("mounted", field_bool(branch, "mounted") ? "yes" : "no");
	print_fact("tip", field(branch, "tip"));
	fact_int("snapshots", field_int(branch, "snapshots"));
	fact_time("unsaved since", field_time(branch, "head_changed_since"));
	print_fact("unsaved because", field(branch, "snapshot_failure"));
	fact_size("used", usage, "allocated");
	fact_size("live", usage, "live");
	fact_size("history", usage, "history");
	fact_time("created", field_time(branch, "created"));
	fact_origin(branch);
	print_fact("uuid", field(branch, "uuid"));
}

/* --- who uses it --------------------------------------------------------------- */

static void print_container(struct value *container)
{
	own_text struct text line = { 0 };

	text_add_format(&line, "%s, %s, at %s of %s", field(container, "name"),
			field_bool(container, "running") ? "running" : "not running",
			field(container, "destination"), field(container, "ref"));
	if (field_bool(container, "data"))
		text_add_string(&line, " (its data container)");
	print_fact("container", text_get(&line));
}

static void print_process(struct value *holder)
{
	own_text struct text line = { 0 };
	const char *container = field(holder, "container");

	text_add_format(&line, "%s (%lld: %s)", field(holder, "command"),
			(long long)field_int(holder, "pid"), field(holder, "what"));
	if (*container)
		text_add_format(&line, " in %s", container);
	print_fact("process", text_get(&line));
}

/* Of a branch, or of all branches of a volume. */
static int show_systems(struct invocation *in, const struct ref *ref, struct fl_error *err)
{
	own_free struct value *systems = NULL;
	own_text struct text of = { 0 };
	int r = talk(in, "GET", "/v1/systems", NULL, NULL, &systems, err);

	if (r < 0)
		return r;
	text_add_format(&of, "%s/%s", ref->volume, ref->kind == REF_BRANCH ? ref->branch : "");
	value_each(value_get(systems, "items"), system)
	{
		own_text struct text line = { 0 };
		const char *name = field(system, "ref");

		if (strncmp(name, text_get(&of), of.length) != 0 ||
		    (ref->kind == REF_BRANCH && name[of.length]))
			continue;
		text_add_format(&line, "%s, %s", name, field(system, "state"));
		print_fact("system", text_get(&line));
	}
	return 0;
}

static int show_users(struct invocation *in, const struct ref *ref, struct fl_error *err)
{
	own_free struct value *users = NULL;
	int64_t shown = 0;
	int r = show_systems(in, ref, err);

	if (r < 0 || (r = talk(in, "GET", "/v1/users", in->operands[0], NULL, &users, err)) < 0)
		return r;
	value_each(value_get(users, "containers"), container) print_container(container);
	print_fact("containers", field(users, "trouble"));
	value_each(value_get(users, "holders"), holder)
	{
		print_process(holder);
		shown++;
	}
	if (field_int(users, "holder_count") > shown)
		fact_int("more processes", field_int(users, "holder_count") - shown);
	return 0;
}

static void print_snapshot(struct value *snapshot)
{
	print_fact("snapshot", field(snapshot, "ref"));
	print_fact("name", field(snapshot, "name"));
	print_fact("message", field(snapshot, "message"));
	fact_time("time", field_time(snapshot, "time"));
	print_fact("reason", field(snapshot, "reason"));
	fact_list("tags", snapshot, "tags");
	fact_list("kept for", snapshot, "pins");
	fact_metadata(snapshot);
	print_fact("parent", field(snapshot, "parent"));
	fact_int("sequence", field_int(snapshot, "sequence"));
	print_fact("taken by", field(snapshot, "instance"));
	print_fact("on host", field(snapshot, "host"));
}

static void print_stash(struct value *stash)
{
	print_fact("stash", field(stash, "ref"));
	print_fact("branch", field(stash, "branch"));
	fact_time("put aside", field_time(stash, "created"));
	print_fact("snapshot", field(stash, "snapshot"));
	print_fact("went back to", field(stash, "target"));
	if (field_bool(stash, "held"))
		print_fact("in use", "yes: what is still written there is added to it");
}

static void print_tag(struct value *tag)
{
	print_fact("tag", field(tag, "ref"));
	fact_time("tagged", field_time(tag, "created"));
}

struct kind {
	const char *path;
	void (*print)(struct value *object);
};

static struct kind kind_of(const struct ref *ref)
{
	if (ref->kind == REF_STASH)
		return (struct kind){ "/v1/stash", print_stash };
	if (ref_is_snapshot(ref))
		return (struct kind){ "/v1/snapshot", print_snapshot };
	if (ref->kind == REF_BRANCH)
		return (struct kind){ "/v1/branch", print_branch };
	return (struct kind){ "/v1/volume", print_volume };
}

/* The tag itself, before the snapshot that it points at; under --json it alone. */
static int show_tag(struct invocation *in, const struct ref *ref, struct fl_error *err)
{
	own_free struct value *tags = NULL;
	int r = list_items(in, "/v1/tags", ref->volume, &tags, err);

	if (r < 0)
		return r;
	value_each(tags, tag)
	{
		if (!value_equals(value_get(tag, "name"), ref->tag))
			continue;
		if (option_given(in, OPT_JSON))
			print_json(tag);
		else
			print_tag(tag);
		return 0;
	}
	fl_fail(err, FL_NOT_FOUND, "no tag '%s' in volume '%s'", ref->tag, ref->volume);
	fl_hint(err, "'flocker tags %s' shows its tags", ref->volume);
	return fl_object(err, "%s", in->operands[0]);
}

int verb_show(struct invocation *in, struct fl_error *err)
{
	own_free struct value *object = NULL;
	own_ref struct ref ref = { 0 };
	struct kind kind;
	int r = take_ref(in->operands[0], &ref, err);

	if (r < 0)
		return r;
	kind = kind_of(&ref);
	r = talk(in, "GET", kind.path, in->operands[0], NULL, &object, err);
	if (r == 0 && ref.kind == REF_TAG)
		r = show_tag(in, &ref, err);
	if (r < 0 || (ref.kind == REF_TAG && option_given(in, OPT_JSON)))
		return r;
	if (option_given(in, OPT_JSON))
		print_json(object);
	else
		kind.print(object);
	if (!option_given(in, OPT_JSON) && (form_of(&ref) & (FORM_VOLUME | FORM_BRANCH)))
		return show_users(in, &ref, err);
	return 0;
}
