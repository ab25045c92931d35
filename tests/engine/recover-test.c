/*
 * A catalogue that is lost or old: what a recovery makes of it, with its backup
 * and without.
 */

#include "tests/engine/fixture.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/fsat.h"
#include "base/text.h"
#include "tests/engine/place.h"

static struct fixture fixture;
static struct fl_error err;

/* --- verbs --------------------------------------------------------------------- */

static void rename_to(const char *text, const char *name)
{
	struct ref ref = reference(text);

	check_ok(engine_rename(fixture.engine, &ref, name, &err));
}

static void set_metadata(const char *text, const char *key, const char *value)
{
	own(metadata_done) struct metadata metadata = { 0 };
	struct set_options options = { .description = "of people", .metadata = &metadata };
	struct ref ref = reference(text);
	struct volume volume = { 0 };

	check_ok(metadata_set(&metadata, key, value, &err));
	check_ok(engine_set_volume(fixture.engine, &ref, &options, &volume, &err));
	volume_done(&volume);
}

/* --- a world, and its end --------------------------------------------------------- */

/* Something of everything; the caretaker has passed. */
static void begin(void)
{
	fixture_begin(&fixture);
	check_ok(make_volume(fixture.engine, "data", NULL, &err));
	snap(&fixture, "data", "a", "the first");
	snap(&fixture, "data", "b", NULL);
	snap(&fixture, "data", "c", NULL);
	check_ok(make_branch(fixture.engine, "data/test", "data@{b}", &err));
	snap(&fixture, "data/test", "d", NULL);
	check_ok(make_branch(fixture.engine, "data/gone", "data@{a}", &err));
	snap(&fixture, "data/gone", "e", NULL);
	check_ok(make_tag(fixture.engine, "v1@data", "data@{b}", &err));
	check_ok(roll_back(fixture.engine, "data", "data@{a}", &err));
	snap(&fixture, "data", "f", NULL);
	check_ok(roll_back(fixture.engine, "data", "v1@data", &err));
	snap(&fixture, "data", "g", "the last");
	check_ok(destroy(fixture.engine, "data/gone", &err));
	check_ok(make_volume(fixture.engine, "copy", "v1@data", &err));
	snap(&fixture, "copy", "h", NULL);
	check_ok(make_volume(fixture.engine, "empty", NULL, &err));
	check_ok(make_volume(fixture.engine, "away", NULL, &err));
	check_ok(destroy(fixture.engine, "away", &err));
	set_metadata("data", "color", "blue");
	rename_to("data", "base");
	write_head(&fixture, "base", "not in a snapshot");
	engine_care(fixture.engine);
}

static int remove_catalog_file(void *arg, const char *name, unsigned char type, uint64_t inode,
			       struct fl_error *failure)
{
	int directory = *(const int *)arg;

	if (strncmp(name, "catalog.db", strlen("catalog.db")) != 0)
		return 0;
	return fsat_unlink(directory, name, failure);
}

static void remove_catalog(void)
{
	own_fd int directory = -1;

	check_ok(fsat_open_dir(AT_FDCWD, fixture.directory, &directory, &err));
	check_ok(fsat_each(directory, remove_catalog_file, &directory, &err));
}

static void lose_catalog(void)
{
	struct volume_list list = { 0 };

	engine_close(fixture.engine);
	fixture.engine = NULL;
	remove_catalog();
	fixture_restart(&fixture);
	check_code(FL_CORRUPT, engine_volumes(fixture.engine, "", 1, &list, &err));
}

static void lose_backup(void)
{
	struct pool *pool = fixture.engine->pool;

	check_ok(pool->driver->file_write(pool, "catalog.backup", "", 0, &err));
}

static struct recovery recover(void)
{
	struct recovery recovery = { 0 };

	check_ok(engine_pool_recover(fixture.engine, &recovery, &err));
	return recovery;
}

/* The state as it is, and again after a restart, must be the one wanted. */
static void check_state(const char *wanted, const char *when)
{
	own_free char *found = describe(&fixture), *again = NULL;

	check_same_state(wanted, found, when);
	fixture_restart(&fixture);
	again = describe(&fixture);
	check_same_state(found, again, "after a restart");
}

/* Cuts out of a state what only the backup knows: tags, stashes, and names, messages and pins of
 * snapshots. */
static char *without_notes(const char *state)
{
	struct text out = { 0 };

	for (const char *line = state; *line; line += strcspn(line, "\n") + 1) {
		size_t length = strcspn(line, "\n");
		const char *name = memmem(line, length, " name=", 6);

		if (strncmp(line, " tag ", 5) == 0 || strncmp(line, " stash ", 7) == 0)
			continue;
		text_add(&out, line, name ? (size_t)(name - line) : length);
		text_add_string(&out, "\n");
	}
	return text_take(&out);
}

/* --- drivers that stop in the middle --------------------------------------------- */

static int no_sync(struct pool *pool, struct fl_error *failure)
{
	return fl_fail(failure, FL_SYSTEM, "broken");
}

static int no_swap(struct pool *pool, const struct uuid *branch, const struct tree *from,
		   const struct uuid *operation, struct fl_error *failure)
{
	return fl_fail(failure, FL_SYSTEM, "broken");
}

static int no_retire(struct pool *pool, const struct uuid *branch, const struct uuid *operation,
		     struct fl_error *failure)
{
	return fl_fail(failure, FL_SYSTEM, "broken");
}

static int no_delete(struct pool *pool, const struct tree *tree, struct fl_error *failure)
{
	return fl_fail(failure, FL_SYSTEM, "broken");
}

/* --- a lost catalogue --------------------------------------------------------------- */

static void the_backup_brings_everything_back(void)
{
	own_free char *before = NULL;
	struct recovery recovery;

	begin();
	before = describe(&fixture);
	lose_catalog();
	recovery = recover();
	check(recovery.backup_used && recovery.backup_complete);
	check(recovery.volumes == 3 && recovery.branches == 4);
	check(recovery.tags == 1 && recovery.stashes == 2);
	check_state(before, "after a recovery");
	fixture_end(&fixture);
}

static bool keeps_notes(void)
{
	return fixture.engine->pool->driver->capabilities & DRIVER_CAN_NOTE;
}

static void the_pool_tells_the_rest(void)
{
	own_free char *before = NULL, *after = NULL, *wanted = NULL, *found = NULL;
	struct recovery recovery;

	begin();
	before = describe(&fixture);
	wanted = without_notes(before);
	lose_catalog();
	lose_backup();
	recovery = recover();
	check(!recovery.backup_complete && recovery.volumes == 3);
	if (keeps_notes()) {
		check(recovery.tags == 1 && recovery.stashes == 2 && recovery.notes_used);
		check_state(before, "after a recovery from notes");
		fixture_end(&fixture);
		return;
	}
	check(recovery.tags == 0);
	after = describe(&fixture);
	found = without_notes(after);
	check_same_state(wanted, found, "after a recovery without backup");
	check(!strstr(after, " tag ") && !strstr(after, " stash "));
	fixture_end(&fixture);
}

/* Other branches know the volume as it was when they changed last. */
static void the_trunk_says_what_its_volume_is(void)
{
	char name[REF_SHORT];

	fixture_begin(&fixture);
	check_ok(make_volume(fixture.engine, "old", NULL, &err));
	snap(&fixture, "old", "a", NULL);
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "old/b%d", i);
		check_ok(make_branch(fixture.engine, name, "old@{a}", &err));
	}
	rename_to("old", "new");
	set_metadata("new", "color", "red");
	lose_catalog();
	lose_backup();
	check(recover().branches == 41);
	check_head(&fixture, "new", "a");
	check_head(&fixture, "new/b39", "a");
	fixture_end(&fixture);
}

/* More than fit into one transaction of the recovery. */
static void many_snapshots_keep_their_order(void)
{
	const int64_t count = place_is_slow() ? 500 : 20500;
	struct ref newest = reference("data"), oldest = newest;
	struct uuid instance = uuid_new();
	struct snapshot snapshot = { 0 };
	struct pool *pool;
	struct tree head;

	oldest.point = POINT_BACK;
	oldest.number = (unsigned)count - 1;
	fixture_begin(&fixture);
	check_ok(make_volume(fixture.engine, "data", NULL, &err));
	head = tree_of(&fixture, "data");
	pool = fixture.engine->pool;
	for (int64_t i = 1; i <= count; i++) {
		struct snapname name = { instance, i * CLOCK_SECOND };
		struct tree tree = tree_snapshot(&head.uuid, &name);

		check_ok(pool->driver->snapshot(pool, &head, &tree, &err));
	}
	lose_catalog();
	check(recover().snapshots == (uint64_t)count);
	check_ok(engine_snapshot_show(fixture.engine, &newest, &snapshot, &err));
	check(snapshot.sequence == (uint64_t)count);
	snapshot_done(&snapshot);
	check_ok(engine_snapshot_show(fixture.engine, &oldest, &snapshot, &err));
	check(snapshot.sequence == 1);
	snapshot_done(&snapshot);
	fixture_end(&fixture);
}

/* --- what was under way ---------------------------------------------------------------- */

static int find_retired(void *arg, const struct tree *tree, const struct tree_info *info,
			struct fl_error *failure)
{
	struct tree *ret = arg;

	if (tree->kind == TREE_RETIRED)
		*ret = *tree;
	return 0;
}

/* As a process does that had the head open. */
static void write_replaced_head(const char *contents)
{
	struct pool *pool = fixture.engine->pool;
	struct tree retired = { .kind = TREE_HEAD };

	check_ok(pool->driver->list(pool, find_retired, &retired, &err));
	check(retired.kind == TREE_RETIRED);
	write_tree(pool, &retired, contents);
}

static void late_writes_reach_their_stash(void)
{
	fixture_begin(&fixture);
	check_ok(make_volume(fixture.engine, "data", NULL, &err));
	snap(&fixture, "data", "a", NULL);
	snap(&fixture, "data", "b", NULL);
	check_ok(roll_back(fixture.engine, "data", "data@{a}", &err));
	write_replaced_head("late");
	lose_catalog();
	recover();
	check_contents(&fixture, "stash/1@data", "b");
	engine_care(fixture.engine);
	check_contents(&fixture, "stash/1@data", "late");
	check_head(&fixture, "data", "a");
	fixture_end(&fixture);
}

/* Swapped, in the facts, and then nothing works any more, undoing it neither. */
static void a_rollback_that_was_swapped_is_finished(void)
{
	own_free char *after = NULL;
	struct driver *driver;

	begin();
	driver = break_driver(&fixture);
	driver->sync = no_sync;
	driver->head_retire = no_retire;
	check_code(FL_SYSTEM, roll_back(fixture.engine, "base", "base@{a}", &err));
	mend_driver(&fixture);
	lose_catalog();
	recover();
	check_head(&fixture, "base", "a");
	check_contents(&fixture, "base@{latest}", "a");
	check_contents(&fixture, "stash/3@base", "not in a snapshot");
	engine_care(fixture.engine);
	after = describe(&fixture);
	check(strstr(after, "staging=0 retired=2\n")); /* the trash */
	check_state(after, "after a recovery");
	lose_catalog();
	recover();
	check_state(after, "after another recovery");
	fixture_end(&fixture);
}

static void check_undone(void (*stop)(struct driver *driver))
{
	own_free char *before = NULL;

	begin();
	before = describe(&fixture);
	stop(break_driver(&fixture));
	check_code(FL_SYSTEM, roll_back(fixture.engine, "base", "base@{a}", &err));
	mend_driver(&fixture);
	lose_catalog();
	recover();
	engine_care(fixture.engine);
	check_state(before, "after a recovery");
	fixture_end(&fixture);
}

static void stop_before_swap(struct driver *driver)
{
	driver->head_swap = no_swap;
	driver->sync = no_sync;
}

/* The facts have the new line, the head is the old one again. */
static void stop_in_undo(struct driver *driver)
{
	driver->sync = no_sync;
}

static void a_rollback_that_was_not_swapped_is_undone(void)
{
	check_undone(stop_before_swap);
	check_undone(stop_in_undo);
}

static void what_was_destroyed_does_not_come_back(void)
{
	own_free char *before = NULL, *unclean = NULL;
	uint64_t count;

	begin();
	snap(&fixture, "base", "doomed", NULL);
	snap(&fixture, "base", "kept", NULL);
	unclean = describe(&fixture);
	break_driver(&fixture)->tree_delete = no_delete;
	check_ok(destroy(fixture.engine, "base@{doomed}", &err));
	check_ok(engine_trash_empty(fixture.engine, NULL, &count, &err));
	check(count == 2);
	mend_driver(&fixture);
	lose_catalog();
	recover();
	before = describe(&fixture);
	check(strstr(unclean, "name=doomed") && strstr(unclean, "trash away"));
	check(!strstr(before, "doomed") && !strstr(before, "trash"));
	check(strstr(before, "heads=4") && strstr(before, "retired=0"));
	check_state(before, "after a recovery");
	fixture_end(&fixture);
}

/* --- an old catalogue --------------------------------------------------------------------- */

static void copy_catalog(const char *from, const char *to)
{
	own_text struct text bytes = { 0 };
	own_fd int directory = -1;

	check_ok(fsat_open_dir(AT_FDCWD, fixture.directory, &directory, &err));
	check_ok(fsat_read(directory, from, 64 << 20, &bytes, &err));
	check_ok(fsat_write(directory, to, text_get(&bytes), bytes.length, 0600, true, &err));
}

static void an_old_catalogue_is_refused(void)
{
	struct volume_list list = { 0 };
	own_free char *newest = NULL;

	begin();
	engine_close(fixture.engine);
	fixture.engine = NULL;
	copy_catalog("catalog.db", "old");
	fixture_restart(&fixture);
	check_ok(make_tag(fixture.engine, "v2@base", "base@{g}", &err));
	snap(&fixture, "base", "i", NULL);
	newest = describe(&fixture);
	engine_close(fixture.engine);
	fixture.engine = NULL;
	remove_catalog();
	copy_catalog("old", "catalog.db");
	fixture_restart(&fixture);
	check_code(FL_CORRUPT, engine_volumes(fixture.engine, "", 1, &list, &err));
	check(strstr(err.text, "older than its backup"));
	check(recover().tags == 2);
	check_state(newest, "after a recovery");
	fixture_end(&fixture);
}

/* --- a recovery that was killed ------------------------------------------------------------- */

static void a_half_made_catalogue_is_refused(void)
{
	struct volume_list list = { 0 };
	own_free char *before = NULL;
	own_fd int directory = -1;

	begin();
	before = describe(&fixture);
	engine_close(fixture.engine);
	fixture.engine = NULL;
	check_ok(fsat_open_dir(AT_FDCWD, fixture.directory, &directory, &err));
	check_ok(fsat_write(directory, "rebuilding", "", 0, 0600, true, &err));
	fixture_restart(&fixture);
	check_code(FL_CORRUPT, engine_volumes(fixture.engine, "", 1, &list, &err));
	check(strstr(err.hint, "flocker pool recover"));
	recover();
	check_state(before, "after a recovery");
	fixture_end(&fixture);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(the_backup_brings_everything_back),
				  CHECK(the_pool_tells_the_rest),
				  CHECK(the_trunk_says_what_its_volume_is),
				  CHECK(many_snapshots_keep_their_order),
				  CHECK(late_writes_reach_their_stash),
				  CHECK(a_rollback_that_was_swapped_is_finished),
				  CHECK(a_rollback_that_was_not_swapped_is_undone),
				  CHECK(what_was_destroyed_does_not_come_back),
				  CHECK(an_old_catalogue_is_refused),
				  CHECK(a_half_made_catalogue_is_refused),
				  CHECK_END,
			  });
}
