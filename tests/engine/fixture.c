#include "tests/engine/fixture.h"

#include <unistd.h>

#include "base/text.h"
#include "engine/rollback.h"
#include "tests/engine/place.h"

static void open_engine(struct fixture *fixture)
{
	struct engine_options options = {
		.state = fixture->directory,
		.mount_root = fixture->directory,
		.instance = fixture->instance,
		.name = fixture->name ? fixture->name : "here",
		.host = "host",
	};
	struct fl_error err;

	check_ok(engine_open(&options, &fixture->engine, &err));
}

static void make_directory(struct fixture *fixture, const char *name)
{
	*fixture = (struct fixture){ .instance = uuid_new(), .name = name };
	snprintf(fixture->directory, sizeof(fixture->directory), "/tmp/" PLACE_PREFIX "%d.XXXXXX",
		 (int)getpid());
	check(mkdtemp(fixture->directory));
}

static void make_pool(struct fixture *fixture, const struct pool_spec *spec)
{
	struct fl_error err;

	open_engine(fixture);
	check_ok(engine_pool_create(fixture->engine, spec, &err));
}

void fixture_begin(struct fixture *fixture)
{
	struct pool_spec spec;

	log_set_level(getenv("FLOCKER_TEST_LOG") ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR);
	place_enter();
	make_directory(fixture, NULL);
	place_prepare(fixture->directory, &spec);
	make_pool(fixture, &spec);
}

void fixture_begin_beside(struct fixture *fixture, const char *name)
{
	struct pool_spec spec;

	make_directory(fixture, name);
	place_prepare_beside(fixture->directory, &spec);
	make_pool(fixture, &spec);
}

void fixture_restart(struct fixture *fixture)
{
	engine_close(fixture->engine);
	open_engine(fixture);
}

void fixture_end(struct fixture *fixture)
{
	engine_close(fixture->engine);
	fixture->engine = NULL;
	place_clear(fixture->directory);
}

struct ref reference(const char *text)
{
	struct fl_error err;
	struct ref ref;

	check_ok(ref_parse(text, &ref, &err));
	check(!ref.path);
	return ref;
}

struct tree tree_of(struct fixture *fixture, const char *text)
{
	own_target struct target target = { 0 };
	struct ref ref = reference(text);
	struct fl_error err;

	check_ok(resolve_now(fixture->engine, &ref, &target, &err));
	return target.is_snapshot ? snapshot_tree(&target.snapshot)
				  : tree_head(&target.branch.uuid);
}

void write_tree(struct pool *pool, const struct tree *tree, const char *contents)
{
	struct fl_error err;

	check_ok(place_write(pool, tree, contents, &err));
}

void write_head(struct fixture *fixture, const char *branch, const char *contents)
{
	struct tree tree = tree_of(fixture, branch);

	write_tree(fixture->engine->pool, &tree, contents);
}

static void check_tree(struct fixture *fixture, const char *text, const char *contents)
{
	struct tree tree = tree_of(fixture, text);
	own_free char *found = NULL;
	struct fl_error err;

	check_ok(place_read(fixture->engine->pool, &tree, &found, &err));
	check_string(contents, found);
}

void check_head(struct fixture *fixture, const char *branch, const char *contents)
{
	check_tree(fixture, branch, contents);
}

void check_contents(struct fixture *fixture, const char *snapshot, const char *contents)
{
	check_tree(fixture, snapshot, contents);
}

/* --- verbs -------------------------------------------------------------------- */

int make_volume(struct engine *engine, const char *name, const char *from, struct fl_error *err)
{
	struct ref ref = from ? reference(from) : (struct ref){ 0 };
	const struct create_options options = { .name = name, .from = from ? &ref : NULL };
	struct volume volume = { 0 };
	int r = engine_create(engine, &options, &volume, err);

	volume_done(&volume);
	return r;
}

int make_branch(struct engine *engine, const char *name, const char *from, struct fl_error *err)
{
	struct ref ref = reference(name), source = from ? reference(from) : (struct ref){ 0 };
	struct branch branch = { 0 };
	int r = engine_branch(engine, &ref, from ? &source : NULL, NULL, &branch, err);

	branch_done(&branch);
	return r;
}

int make_tag(struct engine *engine, const char *name, const char *target, struct fl_error *err)
{
	struct ref tag = reference(name), at = reference(target);
	struct tag made = { 0 };

	return engine_tag(engine, &tag, &at, &made, err);
}

int roll_back(struct engine *engine, const char *branch, const char *target, struct fl_error *err)
{
	struct ref ref = reference(branch), to = reference(target);
	struct rollback rollback = { 0 };
	int r = engine_rollback(engine, &ref, &to, AROUND_RESTART, &rollback, err);

	rollback_done(&rollback);
	return r;
}

int destroy(struct engine *engine, const char *text, struct fl_error *err)
{
	struct ref ref = reference(text);

	return engine_destroy(engine, &ref, NULL, err);
}

static int snapshot_with(struct engine *engine, const char *branch,
			 const struct snapshot_options *options, uint64_t *ret_id,
			 struct fl_error *err)
{
	struct snapshot_list list = { 0 };
	struct ref ref = reference(branch);

	if (engine_snapshot(engine, &ref, 1, options, &list, err) < 0)
		return fl_failed(err);
	*ret_id = list.items[0].id;
	snapshot_list_done(&list);
	return 0;
}

int take_snapshot(struct engine *engine, const char *branch, const char *name, struct fl_error *err)
{
	const struct snapshot_options options = { .name = name, .reason = REASON_USER };
	uint64_t id;

	return snapshot_with(engine, branch, &options, &id, err);
}

uint64_t snap(struct fixture *fixture, const char *branch, const char *name, const char *message)
{
	const struct snapshot_options options = { .name = name,
						  .message = message,
						  .reason = REASON_USER };
	struct fl_error err;
	uint64_t id;

	write_head(fixture, branch, name);
	check_ok(snapshot_with(fixture->engine, branch, &options, &id, &err));
	return id;
}

/* --- a driver that fails ---------------------------------------------------------- */

struct driver *break_driver(struct fixture *fixture)
{
	fixture->whole = fixture->engine->pool->driver;
	fixture->broken = *fixture->whole;
	fixture->engine->pool->driver = &fixture->broken;
	return &fixture->broken;
}

void mend_driver(struct fixture *fixture)
{
	fixture->engine->pool->driver = fixture->whole;
}

/* --- the state as a text ---------------------------------------------------- */

static void add_log(struct fixture *fixture, const struct branch *branch, struct text *out)
{
	struct snapshot_list list = { 0 };
	char text[REF_SHORT], id[SNAPID_TEXT];
	struct fl_error err;
	struct ref ref;

	snprintf(text, sizeof(text), "%s/%s", branch->volume, branch->name);
	ref = reference(text);
	check_ok(engine_log(fixture->engine, &ref, 0, 10000, &list, &err));
	for (size_t i = 0; i < list.count; i++) {
		const struct snapshot *snapshot = &list.items[i];

		text_add_format(out,
				"  %s %s/%s seq=%d parent=%x name=%s pins=%x tags=%zu msg=%s\n",
				snapid_format(snapshot->id, id), snapshot->volume, snapshot->branch,
				(int)snapshot->sequence, (unsigned)snapshot->parent, snapshot->name,
				snapshot->pins, snapshot->tag_count,
				snapshot->message ? snapshot->message : "");
	}
	snapshot_list_done(&list);
}

static void add_head(struct fixture *fixture, const struct branch *branch, struct text *out)
{
	struct tree tree = tree_head(&branch->uuid);
	own_free char *found = NULL;
	struct fl_error err;
	int r = place_read(fixture->engine->pool, &tree, &found, &err);

	check(r == 0 || r == -FL_NOT_FOUND);
	text_add_format(out, "  head: %s\n", r == 0 ? found : "(no file)");
}

static void add_branches(struct fixture *fixture, const struct ref *volume, struct text *out)
{
	struct branch_list list = { 0 };
	struct fl_error err;

	check_ok(engine_branches(fixture->engine, volume, &list, &err));
	for (size_t i = 0; i < list.count; i++) {
		text_add_format(out, " branch %s mounted=%d origin=%s count=%d\n",
				list.items[i].name, list.items[i].mounted, list.items[i].origin.ref,
				(int)list.items[i].snapshots);
		add_log(fixture, &list.items[i], out);
		add_head(fixture, &list.items[i], out);
	}
	branch_list_done(&list);
}

static void add_pointers(struct fixture *fixture, const struct ref *volume, struct text *out)
{
	struct stash_list stashes = { 0 };
	struct tag_list tags = { 0 };
	char id[SNAPID_TEXT];
	struct fl_error err;

	check_ok(engine_tags(fixture->engine, volume, &tags, &err));
	for (size_t i = 0; i < tags.count; i++)
		text_add_format(out, " tag %s %s\n", tags.items[i].name,
				snapid_format(tags.items[i].snapshot, id));
	check_ok(engine_stashes(fixture->engine, volume, &stashes, &err));
	for (size_t i = 0; i < stashes.count; i++)
		text_add_format(out, " stash %u %s %s\n", stashes.items[i].number,
				stashes.items[i].branch,
				snapid_format(stashes.items[i].snapshot, id));
	tag_list_done(&tags);
	stash_list_done(&stashes);
}

static void add_trash(struct fixture *fixture, struct text *out)
{
	struct trash_list list = { 0 };
	struct fl_error err;

	check_ok(engine_trash(fixture->engine, &list, &err));
	for (size_t i = 0; i < list.count; i++)
		text_add_format(out, "trash %s\n", list.items[i].ref);
	trash_list_done(&list);
}

/* Everything in the pool must be known: what is left over makes a difference. */
static int count_tree(void *arg, const struct tree *tree, const struct tree_info *info,
		      struct fl_error *err)
{
	size_t *counts = arg;

	counts[tree->kind]++;
	return 0;
}

static void add_pool(struct fixture *fixture, struct text *out)
{
	size_t counts[4] = { 0 };
	struct fl_error err;

	check_ok(driver_of(fixture->engine)->list(fixture->engine->pool, count_tree, counts, &err));
	text_add_format(out, "pool heads=%zu snapshots=%zu staging=%zu retired=%zu\n",
			counts[TREE_HEAD], counts[TREE_SNAPSHOT], counts[TREE_STAGING],
			counts[TREE_RETIRED]);
}

char *describe(struct fixture *fixture)
{
	struct volume_list list = { 0 };
	struct text out = { 0 };
	struct fl_error err;

	check_ok(engine_volumes(fixture->engine, "", 1000, &list, &err));
	for (size_t i = 0; i < list.count; i++) {
		struct ref ref = reference(list.items[i].name);

		text_add_format(&out, "volume %s description=%s path=%s origin=%s\n",
				list.items[i].name, list.items[i].description,
				list.items[i].mount_path ? list.items[i].mount_path : "",
				list.items[i].origin.ref);
		metadata_encode(&list.items[i].metadata, &out);
		add_branches(fixture, &ref, &out);
		add_pointers(fixture, &ref, &out);
	}
	volume_list_done(&list);
	add_trash(fixture, &out);
	add_pool(fixture, &out);
	return text_take(&out);
}

static void print_lines(const char *title, const char *text)
{
	const char *line = text;

	printf("# %s:\n", title);
	for (int i = 0; i < 12 && *line; i++) {
		int length = (int)strcspn(line, "\n");

		printf("#   %.*s\n", length, line);
		line += length + (line[length] == '\n');
	}
}

void check_same_state(const char *wanted, const char *found, const char *when)
{
	size_t same = 0, line = 0;

	while (wanted[same] && wanted[same] == found[same])
		line = wanted[same++] == '\n' ? same : line;
	if (wanted[same] == found[same])
		return;
	printf("# the states differ %s\n", when);
	print_lines("wanted", wanted + line);
	print_lines("found", found + line);
	check(!"the states are the same");
}
