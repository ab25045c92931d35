#include "catalog-fixture.h"

/* Snapshots: what is kept of them, and the ways to find them. */

static struct fl_error err;

static int see_snapshot(void *arg, const struct snapshot_row *row, struct fl_error *e)
{
	return see_number(row->position.time);
}

static void insert(struct tx *tx, const struct uuid *branch, int64_t time)
{
	struct snapshot_row row = snapshot_row(branch, time);

	check_ok(tx_snapshot_insert(tx, &row, &err));
}

static void snapshots(struct tx *tx)
{
	own_snapshot_row struct snapshot_row row = snapshot_row(&fixture_trunk, 10);
	own_snapshot_row struct snapshot_row got = {};
	struct snapshot_row twin = snapshot_row(&fixture_trunk, 20), none = {};
	struct branch_row trunk;
	uint64_t count;

	strcpy(row.name, "before");
	row.message = xstrdup("the upgrade");
	check_ok(metadata_set(&row.metadata, "k", "v", &err));
	check_ok(tx_snapshot_insert(tx, &row, &err));
	check_code(FL_EXISTS, tx_snapshot_insert(tx, &row, &err));
	strcpy(twin.name, "before");
	check_code(FL_EXISTS, tx_snapshot_insert(tx, &twin, &err));
	check(strstr(err.text, "'before'"));
	check_ok(tx_branch_get(tx, &fixture_trunk, &trunk, &err));
	check(trunk.last_sequence == 1 && trunk.last_time == 10);
	check_ok(tx_snapshot_get_name(tx, &fixture_trunk, "before", &got, &err));
	check(position_equal(&got.position, &row.position) && got.id == row.id);
	check(uuid_equal(&got.storage.instance, &fixture_instance) && got.storage.time == 10);
	check(got.sequence == 1 && got.reason == REASON_CHANGE);
	check_string("host", got.host);
	check_string("the upgrade", got.message);
	check_string("v", metadata_get(&got.metadata, "k"));
	check_ok(tx_snapshot_get_id(tx, row.id, &none, &err));
	snapshot_row_done(&none);
	check_code(FL_NOT_FOUND, tx_snapshot_get_id(tx, row.id + 1, &none, &err));
	check_code(FL_NOT_FOUND, tx_snapshot_get(tx, &twin.position, &none, &err));
	check_code(FL_NOT_FOUND, tx_snapshot_get_name(tx, &fixture_trunk, "", &none, &err));
	check_code(FL_NOT_FOUND, tx_snapshot_delete(tx, &twin.position, &err));
	check_code(FL_EXISTS, tx_snapshot_annotate(tx, &twin, &err));
	twin.name[0] = '\0';
	check_code(FL_NOT_FOUND, tx_snapshot_annotate(tx, &twin, &err));

	/* Renamed, the name is free for another. */
	strcpy(got.name, "after");
	check_ok(tx_snapshot_annotate(tx, &got, &err));
	strcpy(twin.name, "before");
	check_ok(tx_snapshot_insert(tx, &twin, &err));
	strcpy(got.name, "before");
	check_code(FL_EXISTS, tx_snapshot_annotate(tx, &got, &err));
	check_ok(tx_snapshot_count(tx, &count, &err));
	check(count == 2);
	check_ok(tx_snapshot_delete(tx, &twin.position, &err));
	check_code(FL_NOT_FOUND, tx_snapshot_get_name(tx, &fixture_trunk, "before", &none, &err));

	/* The number of the last one does not fall when it is gone. */
	check_ok(tx_branch_get(tx, &fixture_trunk, &trunk, &err));
	check(trunk.last_sequence == 2 && trunk.last_time == 20);
	twin.position.branch = uuid_new();
	check_code(FL_NOT_FOUND, tx_snapshot_insert(tx, &twin, &err));
}

static void snapshots_are_kept(void)
{
	in_write("snapshots", snapshots);
}

static void stretches(struct tx *tx)
{
	struct stretch all = { fixture_trunk, 1, INT64_MAX }, some = { fixture_trunk, 20, 49 };
	own_snapshot_row struct snapshot_row row = {};
	int64_t five = 5, time;
	uint64_t count = 0;

	check_ok(fixture_snapshots(tx, &five, &err));
	check_seen("50 40 30 20 10", tx_snapshot_each(tx, &all, 99, see_snapshot, NULL, &err));
	check_seen("40 30 20", tx_snapshot_each(tx, &some, 99, see_snapshot, NULL, &err));
	check_seen("40 30", tx_snapshot_each(tx, &some, 2, see_snapshot, NULL, &err));
	stop_after = 2;
	check_code(FL_BUSY, tx_snapshot_each(tx, &all, SIZE_MAX, see_snapshot, NULL, &err));
	check_ok(tx_snapshot_nth(tx, &some, 2, &row, NULL, &err));
	check(row.position.time == 20);
	check_code(FL_NOT_FOUND, tx_snapshot_nth(tx, &some, 3, &row, &count, &err));
	check(count == 3);
	check_code(FL_NOT_FOUND, tx_snapshot_nth(tx, &some, UINT64_MAX, &row, NULL, &err));
	check_ok(tx_snapshot_at(tx, &some, 39, &row, &err));
	check(row.position.time == 30);
	check_ok(tx_snapshot_at(tx, &some, INT64_MAX, &row, &err));
	check(row.position.time == 40);
	check_code(FL_NOT_FOUND, tx_snapshot_at(tx, &some, 19, &row, &err));
	check_ok(tx_snapshot_floor(tx, &fixture_trunk, 39, &time, &err));
	check(time == 30);
	check_ok(tx_snapshot_floor(tx, &fixture_trunk, 9, &time, &err));
	check(time == 0);
}

static void stretches_are_read(void)
{
	in_write("stretches", stretches);
}

/* Ids on both sides of the sign of SQLite's integers. */
static void id_ranges(struct tx *tx)
{
	static const uint64_t ids[] = { 0, 1, INT64_MAX, UINT64_C(1) << 63, UINT64_MAX };
	struct uuid other = uuid_new();

	for (size_t i = 0; i < array_size(ids); i++) {
		struct snapshot_row row = snapshot_row(&fixture_trunk, 10 * (int64_t)(i + 1));

		row.id = ids[i];
		check_ok(tx_snapshot_insert(tx, &row, &err));
	}
	check_seen("10 20 30 40 50", tx_snapshot_each_id(tx, &fixture_volume, 0, UINT64_MAX, 9,
							 see_snapshot, NULL, &err));
	check_seen("30 40", tx_snapshot_each_id(tx, &fixture_volume, 2, UINT64_MAX - 1, 9,
						see_snapshot, NULL, &err));
	check_seen("40", tx_snapshot_each_id(tx, &fixture_volume, UINT64_C(1) << 63, UINT64_MAX - 1,
					     9, see_snapshot, NULL, &err));
	check_seen("10", tx_snapshot_each_id(tx, &fixture_volume, 0, UINT64_MAX, 1, see_snapshot,
					     NULL, &err));
	check_seen("", tx_snapshot_each_id(tx, &other, 0, UINT64_MAX, 9, see_snapshot, NULL, &err));
}

static void id_ranges_cross_the_sign(void)
{
	in_write("ids", id_ranges);
}

static void pages(struct tx *tx)
{
	struct uuid other = fixture_trunk;
	struct branch_row branch;
	struct position after = {};

	other.bytes[0] ^= 0x80;
	branch = branch_row(&other, "other");
	check_ok(tx_branch_insert(tx, &branch, &err));
	for (int64_t time = 10; time <= 30; time += 10) {
		insert(tx, &fixture_trunk, time);
		insert(tx, &other, time + 5);
	}
	if (fixture_trunk.bytes[0] < other.bytes[0])
		check_seen("10 20 30 15 25 35",
			   tx_snapshot_each_all(tx, &after, 99, see_snapshot, NULL, &err));
	else
		check_seen("15 25 35 10 20 30",
			   tx_snapshot_each_all(tx, &after, 99, see_snapshot, NULL, &err));
	after = fixture_trunk.bytes[0] < other.bytes[0] ? (struct position){ fixture_trunk, 20 }
							: (struct position){ other, 25 };
	check_seen(after.time == 20 ? "30 15" : "35 10",
		   tx_snapshot_each_all(tx, &after, 2, see_snapshot, NULL, &err));
	check_seen(after.time == 20 ? "30" : "35",
		   tx_snapshot_each_all(tx, &after, 1, see_snapshot, NULL, &err));
}

static void all_snapshots_are_paged(void)
{
	in_write("pages", pages);
}

static void check_pins(struct tx *tx, int64_t time, unsigned wanted)
{
	struct position position = { fixture_trunk, time };
	unsigned pins;

	check_ok(tx_snapshot_pins(tx, &position, &pins, &err));
	check(pins == wanted);
}

static int sum_pins(void *arg, const struct kept_row *row, struct fl_error *e)
{
	*(unsigned *)arg |= row->pins;
	return 0;
}

static void pins(struct tx *tx)
{
	struct uuid uuid = uuid_new();
	struct branch_row side = branch_row(&uuid, "side");
	struct line from_20 = { uuid, 1, { fixture_trunk, 20 } };
	struct line again = { fixture_trunk, 51, { fixture_trunk, 10 } };
	struct line once_more = { fixture_trunk, 52, { fixture_trunk, 40 } };
	struct tag_row tag = { fixture_volume, "v1", { fixture_trunk, 30 }, 1 };
	struct stash_row stash = { .volume = fixture_volume,
				   .number = 1,
				   .branch = fixture_trunk,
				   .snapshot = { fixture_trunk, 50 } };
	struct pin_row pin = { PIN_PEER, uuid, fixture_trunk, { fixture_trunk, 0 }, uuid, 1 };
	unsigned sum = 0;
	int64_t five = 5;

	check_ok(fixture_snapshots(tx, &five, &err));
	check_pins(tx, 40, 0);
	check_pins(tx, 50, PIN_TIP);
	check_ok(tx_branch_insert(tx, &side, &err));
	check_ok(tx_line_insert(tx, &from_20, &err));
	check_pins(tx, 20, PIN_BRANCH | PIN_TIP);
	insert(tx, &uuid, 60);
	check_pins(tx, 20, PIN_BRANCH);
	check_ok(tx_tag_insert(tx, &tag, &err));
	check_pins(tx, 30, PIN_TAG);

	/* A rollback to 10: 50 is the stash's, the head continues from 10. */
	check_ok(tx_stash_insert(tx, &stash, &err));
	check_ok(tx_line_insert(tx, &again, &err));
	check_pins(tx, 50, PIN_STASH);
	check_pins(tx, 10, PIN_BRANCH | PIN_TIP);

	/* And one to 40, before anything was taken: only the last line counts. */
	check_ok(tx_line_insert(tx, &once_more, &err));
	check_pins(tx, 10, 0);
	check_pins(tx, 40, PIN_BRANCH | PIN_TIP);
	insert(tx, &fixture_trunk, 60);
	check_pins(tx, 40, PIN_BRANCH);
	check_pins(tx, 60, PIN_TIP);

	/* What a peer has, too, and what is on its way. */
	pin.snapshot.time = 40;
	check_ok(tx_pin_set(tx, &pin, &err));
	check_pins(tx, 40, PIN_BRANCH | PIN_PEER);
	pin.kind = PIN_TRANSFER;
	pin.snapshot.time = 10;
	check_ok(tx_pin_set(tx, &pin, &err));
	check_pins(tx, 10, PIN_TRANSFER);
	check_ok(tx_snapshot_each_kept(tx, &fixture_trunk, sum_pins, &sum, &err));
	check(sum == (PIN_TRANSFER | PIN_TAG | PIN_BRANCH | PIN_PEER | PIN_STASH));
}

static void pins_are_found(void)
{
	in_write("pins", pins);
}

static int see_kept(void *arg, const struct kept_row *row, struct fl_error *e)
{
	struct text *text = arg;

	text_add_format(text, "%s%lld/%lld/%u", text->length ? " " : "", (long long)row->time,
			(long long)row->stamp, row->pins);
	check(uuid_equal(&row->instance, &fixture_instance));
	return 0;
}

static void check_kept(struct tx *tx, const char *wanted)
{
	own_text struct text text = { 0 };

	check_ok(tx_snapshot_each_kept(tx, &fixture_trunk, see_kept, &text, &err));
	check_string(wanted, text_get(&text));
}

/* One statement says what tx_snapshot_pins() says of each, but of tips. */
static void kept(struct tx *tx)
{
	struct snapshot_row late = snapshot_row(&fixture_trunk, 40 * CLOCK_SECOND + 7);
	struct tag_row tag = { fixture_volume, "v1", { fixture_trunk, 20 }, 1 };
	struct line line = { fixture_trunk, 35, { fixture_trunk, 20 } };
	struct stash_row stash = { .volume = fixture_volume,
				   .number = 1,
				   .branch = fixture_trunk,
				   .snapshot = { fixture_trunk, 30 } };
	int64_t three = 3;

	check_ok(fixture_snapshots(tx, &three, &err));
	check_kept(tx, "10/10/0 20/20/0 30/30/0");
	check_ok(tx_tag_insert(tx, &tag, &err));
	check_ok(tx_line_insert(tx, &line, &err));
	check_ok(tx_stash_insert(tx, &stash, &err));
	late.late = 39;
	check_ok(tx_snapshot_insert(tx, &late, &err));
	check_kept(tx, "10/10/0 20/20/9 30/30/4 40000000007/1000000007/0");
	check_ok(tx_snapshot_get(tx, &late.position, &late, &err));
	check(late.late == 39);
}

static void what_is_kept_is_read_in_one_statement(void)
{
	in_write("kept", kept);
}

/* Functions may be called from their own each. */
static int see_twice(void *arg, const struct snapshot_row *row, struct fl_error *e)
{
	struct stretch older = { row->position.branch, 1, row->position.time - 1 };

	if (note_seen("|") < 0)
		return -FL_BUSY;
	return tx_snapshot_each(arg, &older, 9, see_snapshot, NULL, e);
}

static void nesting(struct tx *tx)
{
	struct stretch all = { fixture_trunk, 1, INT64_MAX };
	int64_t three = 3;

	check_ok(fixture_snapshots(tx, &three, &err));
	check_seen("| 20 10 | 10 |", tx_snapshot_each(tx, &all, 9, see_twice, tx, &err));
}

static void an_each_can_be_nested(void)
{
	in_write("nesting", nesting);
}

int main(int argc, char **argv)
{
	fixture_begin();
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(snapshots_are_kept),
				  CHECK(stretches_are_read),
				  CHECK(id_ranges_cross_the_sign),
				  CHECK(all_snapshots_are_paged),
				  CHECK(pins_are_found),
				  CHECK(what_is_kept_is_read_in_one_statement),
				  CHECK(an_each_can_be_nested),
				  CHECK_END,
			  });
}
