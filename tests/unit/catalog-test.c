#include "catalog-fixture.h"

/*
 * Every function on a transaction, as a caller sees it.  Each test does its work
 * inside one write transaction.
 */

static struct fl_error err;

static int see_volume(void *arg, const struct volume_row *row, struct fl_error *e)
{
	return note_seen(row->name);
}

static int see_branch(void *arg, const struct branch_row *row, struct fl_error *e)
{
	return note_seen(row->name);
}

static int see_tag(void *arg, const struct tag_row *row, struct fl_error *e)
{
	return note_seen(row->name);
}

static int see_stash(void *arg, const struct stash_row *row, struct fl_error *e)
{
	return see_number(row->number);
}

static int see_retired(void *arg, const struct retired_row *row, struct fl_error *e)
{
	return see_number(row->stash);
}

static int see_intent(void *arg, const struct intent_row *row, struct fl_error *e)
{
	return note_seen(row->verb);
}

/* --- the nouns ------------------------------------------------------------------- */

static void settings(struct tx *tx)
{
	own_text struct text value = {};

	check_code(FL_NOT_FOUND, tx_setting_get(tx, "pool.uuid", &value, &err));
	check_ok(tx_setting_set(tx, "pool.uuid", "a", &err));
	check_ok(tx_setting_set(tx, "pool.uuid", "b", &err));
	check_ok(tx_setting_get(tx, "pool.uuid", &value, &err));
	check_string("b", text_get(&value));
	text_clear(&value);
	check_ok(tx_setting_set(tx, "instance.1", "h1", &err));
	check_ok(tx_setting_set(tx, "other.2", "h1", &err));
	check_ok(tx_setting_find(tx, "instance.", "h1", &value, &err));
	check_string("1", text_get(&value));
	check_code(FL_NOT_FOUND, tx_setting_find(tx, "instance.", "h2", &value, &err));
}

static void settings_are_kept(void)
{
	in_write("settings", settings);
}

static void volumes(struct tx *tx)
{
	struct uuid a = uuid_new(), b = uuid_new();
	own_volume_row struct volume_row row = volume_row(&a, "alpha");
	own_volume_row struct volume_row got = {};
	struct volume_row twin = volume_row(&b, "alpha");

	row.description = xstrdup("a website");
	row.mount_path = xstrdup("/data");
	row.epoch = UINT64_MAX;
	row.origin.snapshot = UINT64_MAX - 1;
	strcpy(row.origin.ref, "v1@mydata");
	check_ok(metadata_set(&row.metadata, "key", "value", &err));
	check_ok(tx_volume_insert(tx, &row, &err));
	check_code(FL_EXISTS, tx_volume_insert(tx, &twin, &err));
	check(strstr(err.text, "'alpha'"));
	check_ok(tx_volume_find(tx, "alpha", &got, &err));
	check(uuid_equal(&got.uuid, &a) && uuid_equal(&got.owner, &fixture_instance));
	check(got.epoch == UINT64_MAX && got.origin.snapshot == UINT64_MAX - 1 && got.created == 5);
	check_string("a website", got.description);
	check_string("/data", got.mount_path);
	check_string("v1@mydata", got.origin.ref);
	check_string("value", metadata_get(&got.metadata, "key"));
	check_code(FL_NOT_FOUND, tx_volume_find(tx, "nobody", &twin, &err));
	check_code(FL_NOT_FOUND, tx_volume_get(tx, &b, &twin, &err));
	check_code(FL_NOT_FOUND, tx_volume_update(tx, &twin, &err));
	check_code(FL_NOT_FOUND, tx_volume_delete(tx, &b, &err));
	check_seen("alpha mydata", tx_volume_each(tx, "", 10, see_volume, NULL, &err));
	check_seen("mydata", tx_volume_each(tx, "alpha", 10, see_volume, NULL, &err));
	check_seen("alpha", tx_volume_each(tx, "", 1, see_volume, NULL, &err));

	/* In the trash its name is free, until somebody else has it. */
	got.destroyed = 77;
	check_ok(tx_volume_update(tx, &got, &err));
	check_code(FL_NOT_FOUND, tx_volume_find(tx, "alpha", &twin, &err));
	check_ok(tx_volume_insert(tx, &twin, &err));
	check_seen("alpha", tx_volume_each_destroyed(tx, see_volume, NULL, &err));
	got.destroyed = 0;
	check_code(FL_EXISTS, tx_volume_update(tx, &got, &err));
	check_ok(tx_volume_delete(tx, &b, &err));
	check_ok(tx_volume_update(tx, &got, &err));
}

static void volumes_are_kept(void)
{
	in_write("volumes", volumes);
}

static void branches(struct tx *tx)
{
	struct uuid a = uuid_new(), b = uuid_new(), nobody = uuid_new();
	struct branch_row row = branch_row(&a, "alpha"), got = {};
	struct branch_row twin = branch_row(&b, "alpha");
	uint64_t count;

	row.retired = nobody;
	row.last_sequence = 7;
	row.last_time = 70;
	check_ok(tx_branch_insert(tx, &row, &err));
	check_code(FL_EXISTS, tx_branch_insert(tx, &twin, &err));
	check_ok(tx_branch_find(tx, &fixture_volume, &fixture_instance, "alpha", &got, &err));
	check(memcmp(&got.uuid, &a, sizeof(a)) == 0 && uuid_equal(&got.retired, &nobody));
	check(got.mounted && got.last_sequence == 7 && got.last_time == 70 && got.created == 6);
	check_code(FL_NOT_FOUND,
		   tx_branch_find(tx, &fixture_volume, &fixture_instance, "beta", &got, &err));
	check_code(FL_NOT_FOUND, tx_branch_get(tx, &nobody, &got, &err));
	check_code(FL_NOT_FOUND, tx_branch_delete(tx, &nobody, &err));
	twin.volume = nobody;
	check_code(FL_NOT_FOUND, tx_branch_insert(tx, &twin, &err));
	check_seen("trunk alpha",
		   tx_branch_each(tx, &fixture_volume, false, see_branch, NULL, &err));
	check_seen("trunk alpha", tx_branch_each(tx, NULL, false, see_branch, NULL, &err));
	got.destroyed = 9;
	check_ok(tx_branch_update(tx, &got, &err));
	twin.volume = fixture_volume;
	check_ok(tx_branch_insert(tx, &twin, &err));
	check_seen("alpha", tx_branch_each(tx, &fixture_volume, true, see_branch, NULL, &err));
	got.destroyed = 0;
	check_code(FL_EXISTS, tx_branch_update(tx, &got, &err));
	check_ok(tx_branch_snapshots(tx, &a, &count, &err));
	check(count == 0);
}

/* Each instance names its branches for itself. */
static void names_of_instances(struct tx *tx)
{
	struct uuid a = uuid_new(), b = uuid_new(), other = uuid_new();
	struct branch_row mine = branch_row(&a, "alpha"), theirs = branch_row(&b, "alpha"), got;

	theirs.instance = other;
	check_ok(tx_branch_insert(tx, &mine, &err));
	check_ok(tx_branch_insert(tx, &theirs, &err));
	check_ok(tx_branch_find(tx, &fixture_volume, &fixture_instance, "alpha", &got, &err));
	check(uuid_equal(&got.uuid, &a));
	check_ok(tx_branch_find(tx, &fixture_volume, &other, "alpha", &got, &err));
	check(uuid_equal(&got.uuid, &b));
	check_code(FL_NOT_FOUND, tx_branch_find(tx, &fixture_volume, &other, "trunk", &got, &err));
	theirs.instance = fixture_instance;
	check_code(FL_EXISTS, tx_branch_update(tx, &theirs, &err));
}

static void instances_have_names_of_their_own(void)
{
	in_write("instances", names_of_instances);
}

static int see_pin(void *arg, const struct pin_row *row, struct fl_error *e)
{
	check(row->kind == PIN_PEER || row->kind == PIN_TRANSFER);
	return see_number((uint32_t)row->snapshot.time);
}

static void pins(struct tx *tx)
{
	struct uuid peer = uuid_new(), other = uuid_new(), transfer = uuid_new();
	struct pin_row pin = { PIN_PEER, peer, fixture_trunk, { fixture_trunk, 10 }, { { 0 } }, 1 };
	struct pin_row moving = { PIN_TRANSFER,		 peer,	   fixture_trunk,
				  { fixture_trunk, 30 }, transfer, 2 };
	const struct pin_filter all = { 0 }, of_peer = { .peer = &peer },
				of_other = { .peer = &other },
				served = { .served = &fixture_trunk };
	const struct pin_filter at = { .snapshot = &moving.snapshot };

	check_ok(tx_pin_set(tx, &pin, &err));
	check_ok(tx_pin_set(tx, &pin, &err));
	check_ok(tx_pin_set(tx, &moving, &err));
	pin.snapshot.time = 20;
	check_ok(tx_pin_set(tx, &pin, &err));
	check_seen("10 20 30", tx_pin_each(tx, &all, see_pin, NULL, &err));
	check_seen("10 20 30", tx_pin_each(tx, &of_peer, see_pin, NULL, &err));
	check_seen("10 20 30", tx_pin_each(tx, &served, see_pin, NULL, &err));
	check_seen("30", tx_pin_each(tx, &at, see_pin, NULL, &err));
	check_seen("", tx_pin_each(tx, &of_other, see_pin, NULL, &err));
	pin.peer = other;
	pin.snapshot.time = 40;
	check_ok(tx_pin_set(tx, &pin, &err));
	check_ok(tx_pin_delete_operation(tx, &transfer, &err));
	check_ok(tx_pin_delete_peer(tx, &peer, &err));
	check_seen("40", tx_pin_each(tx, &all, see_pin, NULL, &err));
	check_ok(tx_pin_delete(tx, &pin, &err));
	check_ok(tx_pin_delete(tx, &pin, &err));
	check_seen("", tx_pin_each(tx, &all, see_pin, NULL, &err));
}

static void pins_are_kept(void)
{
	in_write("pins", pins);
}

static int see_peer(void *arg, const struct peer_row *row, struct fl_error *e)
{
	return note_seen(row->name);
}

static void peers(struct tx *tx)
{
	struct peer_row one = { .name = "one", .address = (char[]){ "h1:7771" }, .added = 5 };
	struct peer_row two = { .name = "two",
				.address = (char[]){ "ssh://h2" },
				.limit = UINT64_MAX };
	own_peer_row struct peer_row got = { 0 };

	check_ok(tx_peer_insert(tx, &two, &err));
	check_ok(tx_peer_insert(tx, &one, &err));
	check_code(FL_EXISTS, tx_peer_insert(tx, &one, &err));
	check(strstr(err.text, "'one'"));
	one.instance = uuid_new();
	one.seen = 9;
	check_ok(tx_peer_update(tx, &one, &err));
	two.instance = one.instance;
	check_code(FL_EXISTS, tx_peer_update(tx, &two, &err));
	check(strstr(err.text, "as peer 'one'"));
	check_seen("one two", tx_peer_each(tx, see_peer, NULL, &err));
	check_ok(tx_peer_of(tx, &one.instance, &got, &err));
	check_string("h1:7771", got.address);
	check(got.seen == 9 && got.added == 5 && uuid_is_none(&got.cluster));
	peer_row_done(&got);
	check_ok(tx_peer_find(tx, "two", &got, &err));
	check(got.limit == UINT64_MAX && uuid_is_none(&got.instance));
	check_ok(tx_peer_delete(tx, "one", &err));
	check_code(FL_NOT_FOUND, tx_peer_delete(tx, "one", &err));
	check_code(FL_NOT_FOUND, tx_peer_update(tx, &one, &err));
	check_code(FL_NOT_FOUND, tx_peer_find(tx, "one", &one, &err));
	check_code(FL_NOT_FOUND, tx_peer_of(tx, &two.instance, &one, &err));
}

static void peers_are_kept(void)
{
	in_write("peers", peers);
}

static void branches_are_kept(void)
{
	in_write("branches", branches);
}

static void policies(struct tx *tx)
{
	own_metadata struct metadata policy = { 0 }, read = { 0 };
	struct branch_row row;
	struct uuid nobody = uuid_new();

	check_ok(tx_branch_policy_get(tx, &fixture_trunk, &read, &err));
	check(read.count == 0);
	check_ok(metadata_set(&policy, "max-count", "9", &err));
	check_ok(metadata_set(&policy, "keep", "24h 14d", &err));
	check_ok(tx_branch_policy_set(tx, &fixture_trunk, &policy, &err));
	/* Who writes the row knows nothing of it. */
	check_ok(tx_branch_get(tx, &fixture_trunk, &row, &err));
	check_ok(tx_branch_update(tx, &row, &err));
	check_ok(tx_branch_policy_get(tx, &fixture_trunk, &read, &err));
	check_string("9", metadata_get(&read, "max-count"));
	check_string("24h 14d", metadata_get(&read, "keep"));
	check_code(FL_NOT_FOUND, tx_branch_policy_get(tx, &nobody, &read, &err));
	check_code(FL_NOT_FOUND, tx_branch_policy_set(tx, &nobody, &policy, &err));
}

static void policies_are_kept(void)
{
	in_write("policies", policies);
}

static void lines(struct tx *tx)
{
	struct position parent = { fixture_trunk, 30 }, before = { fixture_trunk, 20 }, none = {};
	struct line line = { fixture_trunk, 40, parent };
	own_free struct line *list = NULL;
	size_t count;

	check_ok(tx_line_insert(tx, &line, &err));
	check_code(FL_EXISTS, tx_line_insert(tx, &line, &err));
	check_ok(tx_line_repoint(tx, &parent, &before, &err));
	check_ok(tx_line_list(tx, &fixture_trunk, &list, &count, &err));
	check(count == 2 && list[0].start == 1 && position_is_none(&list[0].parent));
	check(list[1].start == 40 && position_equal(&list[1].parent, &before));
	check_ok(tx_line_repoint(tx, &before, &none, &err));
	free(take_ptr(list));
	check_ok(tx_line_list(tx, &fixture_trunk, &list, &count, &err));
	check(count == 2 && position_is_none(&list[1].parent));
	line.branch = uuid_new();
	check_code(FL_NOT_FOUND, tx_line_insert(tx, &line, &err));
}

static void lines_are_kept(void)
{
	in_write("lines", lines);
}

static void tags(struct tx *tx)
{
	struct tag_row row = { fixture_volume, "v1", { fixture_trunk, 10 }, 8 }, got = {};
	struct tag_row other = { fixture_volume, "v0", { fixture_trunk, 20 }, 9 };

	check_ok(tx_tag_insert(tx, &row, &err));
	check_code(FL_EXISTS, tx_tag_insert(tx, &row, &err));
	check_ok(tx_tag_insert(tx, &other, &err));
	check_ok(tx_tag_find(tx, &fixture_volume, "v1", &got, &err));
	check(position_equal(&got.snapshot, &row.snapshot) && got.created == 8);
	check_seen("v0 v1", tx_tag_each(tx, &fixture_volume, NULL, see_tag, NULL, &err));
	check_seen("v1", tx_tag_each(tx, &fixture_volume, &row.snapshot, see_tag, NULL, &err));
	check_ok(tx_tag_delete(tx, &fixture_volume, "v1", &err));
	check_code(FL_NOT_FOUND, tx_tag_delete(tx, &fixture_volume, "v1", &err));
	check_code(FL_NOT_FOUND, tx_tag_find(tx, &fixture_volume, "v1", &got, &err));
	row.volume = uuid_new();
	check_code(FL_NOT_FOUND, tx_tag_insert(tx, &row, &err));
}

static void tags_are_kept(void)
{
	in_write("tags", tags);
}

static void stashes(struct tx *tx)
{
	own_volume_row struct volume_row volume = {};
	struct stash_row got = {}, row = {
		.volume = fixture_volume,
		.number = 3,
		.branch = fixture_trunk,
		.snapshot = { fixture_trunk, 30 },
		.target = { fixture_trunk, 10 },
		.target_id = UINT64_MAX,
		.created = 8,
	};

	check_ok(tx_stash_insert(tx, &row, &err));
	check_code(FL_EXISTS, tx_stash_insert(tx, &row, &err));
	row.number = 1;
	row.target = (struct position){};
	check_ok(tx_stash_insert(tx, &row, &err));
	check_ok(tx_volume_get(tx, &fixture_volume, &volume, &err));
	check(volume.last_stash == 3);
	check_seen("3 1", tx_stash_each(tx, &fixture_volume, see_stash, NULL, &err));
	check_ok(tx_stash_find(tx, &fixture_volume, 3, &got, &err));
	check(got.target.time == 10 && got.target_id == UINT64_MAX && got.snapshot.time == 30);
	got.snapshot.time = 40;
	check_ok(tx_stash_update(tx, &got, &err));
	check_ok(tx_stash_find(tx, &fixture_volume, 3, &got, &err));
	check(got.snapshot.time == 40 && got.target.time == 10);
	check_ok(tx_stash_delete(tx, &fixture_volume, 3, &err));
	check_code(FL_NOT_FOUND, tx_stash_delete(tx, &fixture_volume, 3, &err));
	check_code(FL_NOT_FOUND, tx_stash_find(tx, &fixture_volume, 3, &got, &err));
	check_code(FL_NOT_FOUND, tx_stash_update(tx, &got, &err));
	check_ok(tx_stash_find(tx, &fixture_volume, 1, &got, &err));
	check(position_is_none(&got.target));
	row.volume = uuid_new();
	check_code(FL_NOT_FOUND, tx_stash_insert(tx, &row, &err));
}

static int see_hook(void *arg, const struct hook_row *row, struct fl_error *e)
{
	return see_number((uint32_t)(row->timeout + row->required));
}

static void hooks(struct tx *tx)
{
	struct uuid side = uuid_new();
	struct branch_row branch = { .uuid = side, .volume = fixture_volume, .name = "hooked" };
	own_hook_row struct hook_row row = { .branch = side, .name = "mysql", .timeout = 30 };

	check_ok(metadata_set(&row.settings, "socket", "/run/x", &err));
	check_code(FL_NOT_FOUND, tx_hook_set(tx, &row, &err));
	check_ok(tx_branch_insert(tx, &branch, &err));
	check_ok(tx_hook_set(tx, &row, &err));
	row.timeout = 40;
	row.required = true;
	check_ok(tx_hook_set(tx, &row, &err));
	check_seen("41", tx_hook_each(tx, &side, see_hook, NULL, &err));
	strcpy(row.name, "a");
	row.timeout = 10;
	check_ok(tx_hook_set(tx, &row, &err));
	check_seen("11 41", tx_hook_each(tx, &side, see_hook, NULL, &err));
	check_seen("11 41", tx_hook_each(tx, NULL, see_hook, NULL, &err));
	check_seen("", tx_hook_each(tx, &fixture_trunk, see_hook, NULL, &err));
	check_ok(tx_hook_delete(tx, &side, "a", &err));
	check_code(FL_NOT_FOUND, tx_hook_delete(tx, &side, "a", &err));
	check_ok(tx_branch_delete(tx, &side, &err));
	check_seen("", tx_hook_each(tx, NULL, see_hook, NULL, &err));
}

static void hooks_are_kept(void)
{
	in_write("hooks", hooks);
}

static void stashes_are_kept(void)
{
	in_write("stashes", stashes);
}

static void intents(struct tx *tx)
{
	struct retired_row head = {
		uuid_new(), fixture_volume, fixture_trunk, 4, { fixture_trunk, 9 }
	};
	char body[] = "{}";
	struct intent_row one = { uuid_new(), "snapshot", body },
			  two = { uuid_new(), "branch", body };
	bool there;

	check_ok(tx_intent_insert(tx, &one, &err));
	check_ok(tx_intent_insert(tx, &two, &err));
	check_code(FL_EXISTS, tx_intent_insert(tx, &two, &err));
	check_seen("snapshot branch", tx_intent_each(tx, see_intent, NULL, &err));
	check_ok(tx_intent_has(tx, &one.operation, &there, &err));
	check(there);
	check_ok(tx_intent_delete(tx, &one.operation, &err));
	check_code(FL_NOT_FOUND, tx_intent_delete(tx, &one.operation, &err));
	check_ok(tx_intent_has(tx, &one.operation, &there, &err));
	check(!there);
	check_seen("branch", tx_intent_each(tx, see_intent, NULL, &err));

	check_ok(tx_retired_insert(tx, &head, &err));
	check_code(FL_EXISTS, tx_retired_insert(tx, &head, &err));
	check_seen("4", tx_retired_each(tx, see_retired, NULL, &err));
	check_ok(tx_retired_delete(tx, &head.operation, &err));
	check_code(FL_NOT_FOUND, tx_retired_delete(tx, &head.operation, &err));
	check_seen("", tx_retired_each(tx, see_retired, NULL, &err));
}

static int see_stopped(void *arg, const struct stopped_row *row, struct fl_error *e)
{
	return see_number(row->branch.bytes[0] * 10 + row->container[0] - '0');
}

/* The last that was stopped is the first to be started; twice the same is once. */
static void stopped_ones(struct tx *tx)
{
	static const struct {
		uint8_t branch;
		const char *container;
	} rows[] = { { 1, "3" }, { 1, "4" }, { 2, "3" }, { 1, "3" } };

	for (size_t i = 0; i < array_size(rows); i++) {
		own_stopped_row struct stopped_row row = {
			.branch = { { rows[i].branch } },
			.container = xstrdup(rows[i].container),
		};

		check_ok(tx_stopped_insert(tx, &row, &err));
	}
	check_seen("23 14 13", tx_stopped_each(tx, see_stopped, NULL, &err));
	check_ok(tx_stopped_delete(tx, &(struct uuid){ { 1 } }, "4", &err));
	check_ok(tx_stopped_delete(tx, &(struct uuid){ { 1 } }, "4", &err));
	check_seen("23 13", tx_stopped_each(tx, see_stopped, NULL, &err));
}

static void stopped_ones_come_back_in_order(void)
{
	in_write("stopped", stopped_ones);
}

static void intents_and_retired_heads_are_kept(void)
{
	in_write("intents", intents);
}

static void deletions(struct tx *tx)
{
	struct tag_row tag = { fixture_volume, "v1", { fixture_trunk, 30 }, 1 };
	struct stash_row stash = { .volume = fixture_volume,
				   .number = 1,
				   .branch = fixture_trunk,
				   .snapshot = { fixture_trunk, 50 } };
	struct pin_row pin = { .kind = PIN_PEER,
			       .served = fixture_trunk,
			       .snapshot = { fixture_trunk, 30 } };
	struct snapshot_row named = snapshot_row(&fixture_trunk, 60);
	int64_t five = 5;
	uint64_t count;

	check_ok(fixture_snapshots(tx, &five, &err));
	strcpy(named.name, "named");
	check_ok(tx_snapshot_insert(tx, &named, &err));
	check_ok(tx_tag_insert(tx, &tag, &err));
	check_ok(tx_stash_insert(tx, &stash, &err));
	check_ok(tx_pin_set(tx, &pin, &err));
	check_ok(tx_volume_delete(tx, &fixture_volume, &err));
	check_seen("", tx_pin_each(tx, &(struct pin_filter){ 0 }, see_pin, NULL, &err));
	check_ok(tx_snapshot_count(tx, &count, &err));
	check(count == 0);
	check_seen("", tx_volume_each(tx, "", 9, see_volume, NULL, &err));
	check_seen("", tx_branch_each(tx, &fixture_volume, false, see_branch, NULL, &err));
	check_seen("", tx_tag_each(tx, &fixture_volume, NULL, see_tag, NULL, &err));
	check_seen("", tx_stash_each(tx, &fixture_volume, see_stash, NULL, &err));

	/* Nothing of it is left that would be in the way of the same again. */
	check_ok(fixture_fill(tx, NULL, &err));
	check_ok(tx_snapshot_insert(tx, &named, &err));
}

static void a_deleted_volume_leaves_nothing(void)
{
	in_write("deletions", deletions);
}

int main(int argc, char **argv)
{
	fixture_begin();
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(settings_are_kept),
				  CHECK(volumes_are_kept),
				  CHECK(branches_are_kept),
				  CHECK(instances_have_names_of_their_own),
				  CHECK(pins_are_kept),
				  CHECK(peers_are_kept),
				  CHECK(policies_are_kept),
				  CHECK(lines_are_kept),
				  CHECK(tags_are_kept),
				  CHECK(hooks_are_kept),
				  CHECK(stashes_are_kept),
				  CHECK(intents_and_retired_heads_are_kept),
				  CHECK(stopped_ones_come_back_in_order),
				  CHECK(a_deleted_volume_leaves_nothing),
				  CHECK_END,
			  });
}
