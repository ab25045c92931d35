#include <stdio.h>
#include <string.h>

#include "cli/list.h"
#include "cli/talk.h"
#include "cli/verbs.h"
#include "model/nouns.h"

int quota_option(const struct invocation *in, uint64_t *ret, struct fl_error *err)
{
	if (size_parse(in->options[OPT_QUOTA], ret, err) < 0)
		return fl_wrap(err, "--quota");
	return 0;
}

static int put_quota(struct body *body, const struct invocation *in, struct fl_error *err)
{
	uint64_t quota;

	if (!option_given(in, OPT_QUOTA))
		return 0;
	if (quota_option(in, &quota, err) < 0)
		return fl_failed(err);
	body_int(body, "quota", (int64_t)quota);
	return 0;
}

/* --- create ------------------------------------------------------------------- */

static int create_body(struct invocation *in, struct body *body, struct fl_error *err)
{
	own_ref struct ref from = { 0 };

	if (name_check("volume", in->operands[0], err) < 0)
		return fl_failed(err);
	if (option_given(in, OPT_FROM) && take_ref(in->options[OPT_FROM], &from, err) < 0)
		return fl_wrap(err, "--from");
	body_string(body, "name", in->operands[0]);
	put_option(body, in, OPT_FROM, "from");
	put_option(body, in, OPT_DESCRIPTION, "description");
	put_option(body, in, OPT_MOUNT_PATH, "mount_path");
	if (put_quota(body, in, err) < 0 ||
	    put_metadata(body, in->settings, in->setting_count, err) < 0)
		return fl_failed(err);
	return put_policy(body, in, err);
}

/* Where the contents are: the first thing that one wants to know of a new volume. */
int verb_create(struct invocation *in, struct fl_error *err)
{
	own_free struct value *volume = NULL, *branch = NULL;
	own_body struct body *body = body_new();
	own_text struct text trunk = { 0 };
	int r;

	if (option_given(in, OPT_FROM_DIRECTORY))
		return import_directory(in, err);
	r = create_body(in, body, err);
	if (r == 0)
		r = talk(in, "POST", "/v1/volumes", NULL, body, &volume, err);
	if (r < 0)
		return r;
	if (option_given(in, OPT_JSON)) {
		print_json(volume);
		return 0;
	}
	text_add_format(&trunk, "%s/" TRUNK, in->operands[0]);
	r = talk(in, "GET", "/v1/branch", text_get(&trunk), NULL, &branch, err);
	if (r < 0)
		return fl_wrap(err, "the volume is there, but asking for its trunk");
	printf("%s\n", field(branch, "path"));
	return 0;
}

/* --- list ---------------------------------------------------------------------- */

static const struct column volume_columns[] = {
	{ "NAME", PAINT_NAME, false },
	{ "OWNER", PAINT_NONE, false },
	{ "BRANCHES", PAINT_NONE, true },
	{ "SNAPSHOTS", PAINT_NONE, true },
	{ "USED", PAINT_NONE, true },
	{ "QUOTA", PAINT_NONE, true },
	{ "AGE", PAINT_NONE, true },
	{ "PATH", PAINT_NONE, false },
	{ "DESCRIPTION", PAINT_DIM, false, true },
	{ 0 },
};

struct holding { /* what a volume has, from its branches */
	const char *volume;
	const char *path; /* of its trunk */
	int64_t snapshots;
};

static int compare_holdings(const void *a, const void *b)
{
	return strcmp(((const struct holding *)a)->volume, ((const struct holding *)b)->volume);
}

/* One holding for each volume, sorted by its name.  Heap; strings are those of `branches`. */
static struct holding *add_up(struct value *branches, size_t *ret_count)
{
	struct holding *holdings = xcalloc(value_count(branches) + 1, sizeof(*holdings));
	size_t count = 0, all = 0;

	value_each(branches, branch)
	{
		bool trunk = strcmp(field(branch, "name"), TRUNK) == 0;

		holdings[all++] = (struct holding){
			.volume = field(branch, "volume"),
			.path = trunk ? field(branch, "path") : "",
			.snapshots = field_int(branch, "snapshots"),
		};
	}
	qsort(holdings, all, sizeof(*holdings), compare_holdings);
	for (size_t j = 0; j < all; j++) {
		struct holding *last = count ? &holdings[count - 1] : NULL;

		if (!last || compare_holdings(last, &holdings[j]) != 0) {
			holdings[count++] = holdings[j];
			continue;
		}
		last->snapshots += holdings[j].snapshots;
		if (*holdings[j].path)
			last->path = holdings[j].path;
	}
	*ret_count = count;
	return holdings;
}

static void add_volume(struct table *table, struct value *volume, const struct holding *holding)
{
	char number[PRINT_TEXT];

	table_add(table, field(volume, "name"));
	table_add(table, field(volume, "owner"));
	snprintf(number, sizeof(number), "%zu", value_count(value_get(volume, "branches")));
	table_add(table, number);
	snprintf(number, sizeof(number), "%lld", holding ? (long long)holding->snapshots : 0);
	table_add(table, number);
	table_add(table, field_size(value_get(volume, "usage"), "allocated", number));
	table_add(table, field_size(volume, "quota", number));
	table_add(table, print_age(field_time(volume, "created"), number));
	table_add(table, holding ? holding->path : NULL);
	table_add(table, field(volume, "description"));
}

int verb_list(struct invocation *in, struct fl_error *err)
{
	own_table struct table table = { .columns = volume_columns };
	own_free struct value *volumes = NULL, *branches = NULL;
	own_free struct holding *holdings = NULL;
	size_t count;
	int r = list_items(in, "/v1/volumes", NULL, &volumes, err);

	if (r < 0)
		return r;
	if (option_given(in, OPT_JSON)) {
		print_json(volumes);
		return 0;
	}
	r = list_items(in, "/v1/branches", NULL, &branches, err);
	if (r < 0)
		return r;
	holdings = add_up(branches, &count);
	value_each(volumes, volume)
	{
		struct holding key = { .volume = field(volume, "name") };

		add_volume(&table, volume,
			   bsearch(&key, holdings, count, sizeof(key), compare_holdings));
	}
	table_flush(&table);
	if (!value_first(volumes) && printing.terminal)
		fputs("no volumes yet: make one with 'flocker create NAME'\n", stderr);
	return 0;
}

/* --- rename ----------------------------------------------------------------------- */

/* Where a thing that has a name is changed. */
static const char *path_of(const struct ref *ref)
{
	if (ref->point != POINT_NONE)
		return "/v1/snapshot";
	switch (ref->kind) {
	case REF_VOLUME:
		return "/v1/volume";
	case REF_BRANCH:
		return "/v1/branch";
	case REF_TAG:
		return "/v1/tag";
	default:
		return NULL;
	}
}

static int check_new_name(const struct invocation *in, struct fl_error *err)
{
	const char *name = in->operands[1];

	if (!strpbrk(name, "/@"))
		return name_check("new", name, err);
	fl_fail(err, FL_INVALID, "'%.100s' is a reference, not a name", name);
	return fl_hint(err, "the new name stands alone: flocker rename '%.100s' NAME",
		       in->operands[0]);
}

int verb_rename(struct invocation *in, struct fl_error *err)
{
	own_free struct value *answer = NULL;
	own_body struct body *body = body_new();
	own_ref struct ref ref = { 0 };
	int r = take_ref(in->operands[0], &ref, err);

	in->slow = SLOW_USERS;
	if (r < 0)
		return r;
	if (!path_of(&ref))
		return fl_fail(err, FL_INVALID, "a stash has a number, not a name: '%s'",
			       in->operands[0]);
	if (check_new_name(in, err) < 0)
		return fl_failed(err);
	body_string(body, "name", in->operands[1]);
	r = talk(in, "PATCH", path_of(&ref), in->operands[0], body, &answer, err);
	if (r < 0)
		return r;
	if (option_given(in, OPT_JSON))
		print_json(answer);
	return 0;
}

/* --- set and unset ------------------------------------------------------------------ */

/* An option that fits only the other kind of thing. */
static int refuse_option(const struct invocation *in, enum option_id id, const char *name,
			 const char *only, struct fl_error *err)
{
	if (!option_given(in, id))
		return 0;
	fl_fail(err, FL_INVALID, "--%s is of %s, and '%s' is none", name, only, in->operands[0]);
	return fl_object(err, "%s", in->operands[0]);
}

static int check_settable(const struct invocation *in, const struct ref *ref, struct fl_error *err)
{
	int r;

	if (ref->kind == REF_BRANCH && ref->point == POINT_NONE) {
		fl_fail(err, FL_INVALID, "a branch has nothing to set");
		return fl_hint(err, "'%s' is its volume, '%s@{latest}' its newest snapshot",
			       ref->volume, in->operands[0]);
	}
	if (!ref_is_snapshot(ref)) {
		r = refuse_option(in, OPT_NAME, "name", "snapshots", err);
		if (r < 0)
			return fl_hint(err, "rename a volume with 'flocker rename %s NAME'",
				       in->operands[0]);
		return refuse_option(in, OPT_MESSAGE, "message", "snapshots", err);
	}
	r = refuse_option(in, OPT_DESCRIPTION, "description", "volumes", err);
	if (r == 0)
		r = refuse_option(in, OPT_MOUNT_PATH, "mount-path", "volumes", err);
	if (r == 0)
		r = refuse_option(in, OPT_QUOTA, "quota", "volumes", err);
	return r;
}

static int patch(struct invocation *in, const struct ref *ref, struct body *body,
		 struct fl_error *err)
{
	own_free struct value *answer = NULL;
	int r = talk(in, "PATCH", ref_is_snapshot(ref) ? "/v1/snapshot" : "/v1/volume",
		     in->operands[0], body, &answer, err);

	if (r < 0)
		return r;
	if (option_given(in, OPT_JSON))
		print_json(answer);
	return 0;
}

int verb_set(struct invocation *in, struct fl_error *err)
{
	own_body struct body *body = body_new();
	own_ref struct ref ref = { 0 };
	int r = take_ref(in->operands[0], &ref, err);

	if (r == 0)
		r = check_settable(in, &ref, err);
	if (r < 0)
		return r;
	put_option(body, in, OPT_DESCRIPTION, "description");
	put_option(body, in, OPT_MOUNT_PATH, "mount_path");
	put_option(body, in, OPT_NAME, "name");
	put_option(body, in, OPT_MESSAGE, "message");
	r = put_quota(body, in, err);
	if (r == 0)
		r = put_metadata(body, in->operands + 1, in->operand_count - 1, err);
	if (r < 0)
		return r;
	if (body_is_empty(body)) {
		fl_fail(err, FL_INVALID, "nothing to set");
		return fl_hint(err, "for example: flocker set %s KEY=VALUE", in->operands[0]);
	}
	return patch(in, &ref, body, err);
}

static void put_removal(struct body *body, const struct invocation *in, enum option_id id,
			const char *key)
{
	if (option_given(in, id))
		body_string(body, key, "");
}

int verb_unset(struct invocation *in, struct fl_error *err)
{
	own_body struct body *body = body_new();
	own_ref struct ref ref = { 0 };
	int r = take_ref(in->operands[0], &ref, err);

	if (r == 0)
		r = check_settable(in, &ref, err);
	if (r < 0)
		return r;
	put_removal(body, in, OPT_DESCRIPTION, "description");
	put_removal(body, in, OPT_MOUNT_PATH, "mount_path");
	put_removal(body, in, OPT_NAME, "name");
	put_removal(body, in, OPT_MESSAGE, "message");
	if (option_given(in, OPT_QUOTA))
		body_int(body, "quota", 0);
	if (in->operand_count > 1)
		body_array(body, "unset");
	for (size_t i = 1; i < in->operand_count; i++)
		body_string(body, NULL, in->operands[i]);
	if (in->operand_count > 1)
		body_end(body);
	if (body_is_empty(body)) {
		fl_fail(err, FL_INVALID, "nothing to unset");
		return fl_hint(err, "name keys of its metadata: flocker unset %s KEY...",
			       in->operands[0]);
	}
	return patch(in, &ref, body, err);
}
