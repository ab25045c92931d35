#include <stdio.h>
#include <string.h>

#include "cli/complete.h"
#include "cli/list.h"

/*
 * Names for completion, as the daemon has them at this moment.  What begins
 * the word says which lists can hold its end: "my" a volume or a tag, "my/" a
 * branch, "my@{" a snapshot.  Lists that the daemon has for each volume alone
 * (tags, stashes) are asked of the first few volumes only.
 */

#define VOLUMES_ASKED 32
#define SNAPSHOTS "60" /* the newest */

/* What the daemon has there; NULL when it cannot be had, for which a shell has no place. */
static struct value *list(struct completion *c, const char *path, const char *ref)
{
	struct fl_error unused;
	struct value *items;

	return list_items(&c->typed, path, ref, &items, &unused) == 0 ? items : NULL;
}

static void offer_joined(struct completion *c, const char *first, size_t length, const char *second,
			 const char *description)
{
	own_text struct text whole = { 0 };

	text_add(&whole, first, length);
	text_add_string(&whole, second);
	complete_offer(c, text_get(&whole), description);
}

/* --- volumes and branches ---------------------------------------------------------------- */

static const char *describe_volume(struct value *volume)
{
	return *field(volume, "description") ? field(volume, "description") : "volume";
}

/* Each volume, between what stands before it and `after`. */
static void offer_volumes(struct completion *c, struct value *volumes, const char *before,
			  size_t length, const char *after)
{
	value_each(volumes, volume)
	{
		own_text struct text name = { 0 };

		text_add_format(&name, "%s%s", field(volume, "name"), after);
		offer_joined(c, before, length, text_get(&name), describe_volume(volume));
	}
}

void names_volumes(struct completion *c)
{
	own_free struct value *volumes = list(c, "/v1/volumes", NULL);

	offer_volumes(c, volumes, "", 0, "");
}

void names_volume_slash(struct completion *c)
{
	own_free struct value *volumes = list(c, "/v1/volumes", NULL);

	offer_volumes(c, volumes, "", 0, "/");
}

static void offer_branches(struct completion *c, struct value *volume)
{
	struct value *branches = value_get(volume, "branches");
	own_text struct text before = { 0 };

	text_add_format(&before, "%s/", field(volume, "name"));
	value_each(branches, branch)
	{
		const char *name = value_string(branch);

		if (name)
			offer_joined(c, text_get(&before), before.length, name, "branch");
	}
}

/* "VOLUME/...": the branches of that one. */
static void offer_branches_of(struct completion *c, struct value *volumes, const char *slash)
{
	size_t length = (size_t)(slash - c->word);

	value_each(volumes, volume)
	{
		const char *name = field(volume, "name");

		if (strlen(name) == length && strncmp(name, c->word, length) == 0)
			offer_branches(c, volume);
	}
}

/* The only volume that begins as the word does, if it has more branches than trunk; or NULL. */
static struct value *only_volume(const struct completion *c, struct value *volumes)
{
	struct value *only = NULL;

	value_each(volumes, volume)
	{
		if (strncmp(field(volume, "name"), c->word, strlen(c->word)) != 0)
			continue;
		if (only)
			return NULL;
		only = volume;
	}
	return only && value_count(value_get(only, "branches")) > 1 ? only : NULL;
}

/* --- tags, stashes, snapshots --------------------------------------------------------------- */

/* The items of a list that the volume has. */
static void offer_of_volume(struct completion *c, const char *volume, const char *path,
			    const char *label)
{
	own_free struct value *items = list(c, path, volume);

	value_each(items, item)
	{
		own_text struct text description = { 0 };

		text_add_format(&description, "%s of %.19s", label, field(item, "created"));
		complete_offer(c, field(item, "ref"), text_get(&description));
	}
}

/* The same of each volume that can be what the word ends with. */
static void offer_of_volumes(struct completion *c, struct value *volumes, const char *path,
			     const char *label)
{
	const char *at = strchr(c->word, '@');
	const char *wanted = at ? at + 1 : "";
	int left = VOLUMES_ASKED;

	value_each(volumes, volume)
	{
		if (strncmp(field(volume, "name"), wanted, strlen(wanted)) != 0 || left-- == 0)
			continue;
		offer_of_volume(c, field(volume, "name"), path, label);
	}
}

static void offer_tags(struct completion *c, struct value *volumes)
{
	offer_of_volumes(c, volumes, "/v1/tags", "tag");
}

static void offer_stashes(struct completion *c, struct value *volumes)
{
	offer_of_volumes(c, volumes, "/v1/stashes", "stash");
}

void names_tags(struct completion *c)
{
	own_free struct value *volumes = list(c, "/v1/volumes", NULL);
	const char *at = strchr(c->word, '@');

	offer_tags(c, volumes);
	if (at && c->found.length == 0)
		offer_volumes(c, volumes, c->word, (size_t)(at + 1 - c->word), "");
}

void names_stashes(struct completion *c)
{
	own_free struct value *volumes = list(c, "/v1/volumes", NULL);

	offer_stashes(c, volumes);
}

static void offer_snapshot(struct completion *c, const char *branch, size_t length,
			   struct value *snapshot, const char *point)
{
	own_text struct text candidate = { 0 }, description = { 0 };

	text_add_format(&candidate, "@{%s}", point);
	text_add_format(&description, "%.19s %s", field(snapshot, "time"),
			field(snapshot, "message"));
	offer_joined(c, branch, length, text_get(&candidate), text_get(&description));
}

/* "REF@{...": the newest snapshots of that branch, by name and by id. */
static void offer_points(struct completion *c, size_t length)
{
	own_free char *branch = strndup(c->word, length);
	own_free struct value *page = NULL;
	struct value *items;
	struct fl_error unused;
	char id[PRINT_TEXT];

	if (!branch || talk_to(&c->typed, "GET",
			       fl_target("/v1/snapshots", "ref", branch, "limit", SNAPSHOTS, NULL),
			       NULL, &page, &unused) < 0)
		return;
	items = value_get(page, "items");
	if (value_first(items))
		offer_snapshot(c, branch, length, value_first(items), "latest");
	value_each(items, snapshot)
	{
		if (*field(snapshot, "name"))
			offer_snapshot(c, branch, length, snapshot, field(snapshot, "name"));
	}
	value_each(items, snapshot)
	{
		offer_snapshot(c, branch, length, snapshot, field_short_id(snapshot, "id", id));
	}
}

/* --- references ----------------------------------------------------------------------------- */

static void offer_remotes(struct completion *c)
{
	own_free struct value *remotes = list(c, "/v1/remotes", NULL);

	value_each(remotes, branch) complete_offer(c, field(branch, "ref"), "remote branch");
}

static void offer_whole_names(struct completion *c, struct value *volumes)
{
	static const char stash[] = "stash/";
	struct value *only = only_volume(c, volumes);
	size_t length = strlen(c->word);

	offer_volumes(c, volumes, "", 0, "");
	if (only)
		offer_branches(c, only);
	if (length == 0)
		return; /* the volumes are enough of a choice */
	offer_tags(c, volumes);
	offer_remotes(c);
	if (strncmp(c->word, stash, length) == 0)
		offer_stashes(c, volumes);
}

/* Branches of this host, and remote ones. */
static void offer_slashed(struct completion *c, struct value *volumes, const char *slash)
{
	offer_branches_of(c, volumes, slash);
	offer_remotes(c);
}

void names_refs(struct completion *c)
{
	const char *at = strchr(c->word, '@'), *slash = strchr(c->word, '/');
	own_free struct value *volumes = NULL;

	if (at && (at[1] == '{' || at[1] == '\0'))
		offer_points(c, (size_t)(at - c->word));
	if (at && at[1] == '{')
		return;
	volumes = list(c, "/v1/volumes", NULL);
	if (strncmp(c->word, "stash/", 6) == 0)
		offer_stashes(c, volumes);
	if (at)
		offer_tags(c, volumes);
	else if (slash)
		offer_slashed(c, volumes, slash);
	else
		offer_whole_names(c, volumes);
}

/* Tags and stashes of the branch's volume; and the branch, for "@{" to follow.  Remote branches for
 * who has begun to type one. */
void names_targets(struct completion *c)
{
	const char *branch = c->typed.operand_count ? c->typed.operands[0] : "";
	own_ref struct ref ref = { 0 };
	struct fl_error unused;

	if (strstr(c->word, "@{") || ref_parse(branch, &ref, &unused) < 0) {
		names_refs(c);
		return;
	}
	complete_offer(c, branch, "its snapshots: @{");
	offer_of_volume(c, ref.volume, "/v1/tags", "tag");
	offer_of_volume(c, ref.volume, "/v1/stashes", "stash");
	if (*c->word)
		offer_remotes(c);
}

/* --- what is not in a volume, and metadata --------------------------------------------------- */

void names_settings(struct completion *c)
{
	own_free struct value *settings = list(c, "/v1/config", NULL);

	value_each(settings, setting)
		complete_offer(c, field(setting, "key"), field(setting, "description"));
}

void names_systems(struct completion *c)
{
	own_free struct value *systems = list(c, "/v1/systems", NULL);

	value_each(systems, system) complete_offer(c, field(system, "ref"), field(system, "state"));
}

void names_peers(struct completion *c)
{
	own_free struct value *peers = list(c, "/v1/peers", NULL);

	value_each(peers, peer) complete_offer(c, field(peer, "name"), field(peer, "address"));
}

void names_remotes(struct completion *c)
{
	own_free struct value *peers = list(c, "/v1/peers", NULL);

	offer_remotes(c);
	value_each(peers, peer)
	{
		own_text struct text before = { 0 };

		text_add_format(&before, "%s/", field(peer, "name"));
		complete_offer(c, text_get(&before), field(peer, "address"));
	}
}

void names_hooks(struct completion *c)
{
	own_free struct value *hooks = list(c, "/v1/hooks/available", NULL);

	value_each(hooks, hook) complete_offer(c, field(hook, "name"), field(hook, "path"));
}

/* Of the setting before it, if that is a choice. */
void names_setting_values(struct completion *c)
{
	own_free struct value *setting = NULL;
	struct value *choices;
	struct fl_error unused;

	if (c->typed.operand_count == 0 ||
	    talk_to(&c->typed, "GET", fl_target("/v1/setting", "key", c->typed.operands[0], NULL),
		    NULL, &setting, &unused) < 0)
		return;
	choices = value_get(setting, "choices");
	value_each(choices, choice)
	{
		const char *word = value_string(choice);

		if (word)
			complete_offer(c, word, c->typed.operands[0]);
	}
}

/* Who holds them; by serial number only for who has begun to type one. */
void names_certificates(struct completion *c)
{
	own_free struct value *cluster = NULL;
	struct fl_error unused;

	if (talk(&c->typed, "GET", "/v1/cluster", NULL, NULL, &cluster, &unused) < 0)
		return;
	value_each(value_get(cluster, "issued"), issued)
	{
		own_text struct text description = { 0 };

		if (field_bool(issued, "revoked"))
			continue;
		text_add_format(&description, "%s, until %.19s", field(issued, "role"),
				field(issued, "expires"));
		complete_offer(c, field(issued, "name"), text_get(&description));
		if (*c->word)
			complete_offer(c, field(issued, "serial"), field(issued, "name"));
	}
}

/* To be cancelled are only those that run. */
void names_operations(struct completion *c)
{
	own_free struct value *operations = list(c, "/v1/operations", NULL);
	const bool running = strcmp(c->typed.command->name, "operation cancel") == 0;

	value_each(operations, operation)
	{
		own_text struct text description = { 0 };

		if (running && strcmp(field(operation, "state"), "running") != 0)
			continue;
		text_add_format(&description, "%s %s, %s", field(operation, "verb"),
				field(operation, "object"), field(operation, "state"));
		complete_offer(c, field(operation, "id"), text_get(&description));
	}
}

/* By name; by UUID only for who has begun to type one. */
void names_trash(struct completion *c)
{
	own_free struct value *items = list(c, "/v1/trash", NULL);

	value_each(items, item)
	{
		own_text struct text description = { 0 };

		text_add_format(&description, "%s, destroyed %.19s", field(item, "kind"),
				field(item, "destroyed"));
		complete_offer(c, field(item, "ref"), text_get(&description));
		if (*c->word)
			complete_offer(c, field(item, "uuid"), field(item, "ref"));
	}
}

static void offer_keys(struct completion *c, const char *after)
{
	own_ref struct ref ref = { 0 };
	own_free struct value *answer = NULL;
	struct fl_error unused;
	struct value *metadata;
	bool key = false;

	if (c->typed.operand_count == 0 || ref_parse(c->typed.operands[0], &ref, &unused) < 0 ||
	    talk(&c->typed, "GET", ref_is_snapshot(&ref) ? "/v1/snapshot" : "/v1/volume",
		 c->typed.operands[0], NULL, &answer, &unused) < 0)
		return;
	metadata = value_get(answer, "metadata");
	value_each(metadata, member)
	{
		const char *name = value_string(member);

		key = !key; /* keys and values in turn */
		if (key && name)
			offer_joined(c, name, strlen(name), after, "metadata");
	}
}

void names_keys(struct completion *c)
{
	offer_keys(c, "");
}

void names_keys_equals(struct completion *c)
{
	offer_keys(c, "=");
}
