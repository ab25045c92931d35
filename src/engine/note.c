#include "engine/note.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

#define NOTE_FORMAT 1
#define ROWS_AT_ONCE 1000

/* Held from reading the catalogue to writing the note: what was read earlier is never written
 * later. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static bool can_note(struct engine *engine)
{
	return driver_of(engine)->capabilities & DRIVER_CAN_NOTE;
}

/* --- what points at snapshots of a volume ---------------------------------------------- */

struct marks {
	struct tag_row *tags;
	size_t tag_count;
	struct stash_row *stashes;
	size_t stash_count;
};

static void marks_done(struct marks *marks)
{
	free(marks->tags);
	free(marks->stashes);
	*marks = (struct marks){ 0 };
}

static int add_tag(void *arg, const struct tag_row *row, struct fl_error *err)
{
	struct marks *marks = arg;

	*array_add(marks->tags, marks->tag_count) = *row;
	return 0;
}

static int add_stash(void *arg, const struct stash_row *row, struct fl_error *err)
{
	struct marks *marks = arg;

	*array_add(marks->stashes, marks->stash_count) = *row;
	return 0;
}

static int load_marks(struct tx *tx, const struct uuid *branch, struct marks *ret,
		      struct fl_error *err)
{
	struct branch_row row;

	marks_done(ret);
	if (tx_branch_get(tx, branch, &row, err) < 0 ||
	    tx_tag_each(tx, &row.volume, NULL, add_tag, ret, err) < 0)
		return fl_failed(err);
	return tx_stash_each(tx, &row.volume, add_stash, ret, err);
}

static bool same_position(const struct position *a, const struct position *b)
{
	return uuid_equal(&a->branch, &b->branch) && a->time == b->time;
}

/* --- writing ------------------------------------------------------------------------------ */

static bool put_tags(struct json *json, const struct marks *marks, const struct position *at)
{
	bool any = false;

	json_put_array(json, "tags");
	for (size_t i = 0; i < marks->tag_count; i++) {
		if (!same_position(&marks->tags[i].snapshot, at))
			continue;
		any = true;
		json_put_object(json, NULL);
		json_put_string(json, "name", marks->tags[i].name);
		json_put_int(json, "created", marks->tags[i].created);
		json_end(json);
	}
	json_end(json);
	return any;
}

static bool put_stashes(struct json *json, const struct marks *marks, const struct position *at)
{
	char id[SNAPID_TEXT];
	bool any = false;

	json_put_array(json, "stashes");
	for (size_t i = 0; i < marks->stash_count; i++) {
		const struct stash_row *row = &marks->stashes[i];

		if (!same_position(&row->snapshot, at))
			continue;
		any = true;
		json_put_object(json, NULL);
		json_put_int(json, "number", row->number);
		json_put_uuid(json, "branch", &row->branch);
		json_put_uuid(json, "target_branch", &row->target.branch);
		json_put_int(json, "target_time", row->target.time);
		json_put_string(json, "target_id", snapid_format(row->target_id, id));
		json_put_int(json, "created", row->created);
		json_end(json);
	}
	json_end(json);
	return any;
}

/* True when it tells something that users wrote. */
static bool encode(const struct snapshot_row *row, const struct marks *marks, struct text *out)
{
	bool any = row->name[0] || row->message || row->metadata.count > 0;
	struct json json;

	text_clear(out);
	json_init(&json, out);
	json_put_object(&json, NULL);
	json_put_int(&json, "format", NOTE_FORMAT);
	json_put_int(&json, "sequence", (int64_t)row->sequence);
	json_put_string(&json, "reason", reason_names[row->reason]);
	json_put_string(&json, "host", row->host);
	json_put_string(&json, "name", row->name[0] ? row->name : NULL);
	json_put_string(&json, "message", row->message);
	json_put_object(&json, "metadata");
	for (size_t i = 0; i < row->metadata.count; i++)
		json_put_string(&json, row->metadata.pairs[i].key, row->metadata.pairs[i].value);
	json_end(&json);
	any |= put_tags(&json, marks, &row->position);
	any |= put_stashes(&json, marks, &row->position);
	json_end(&json);
	return any;
}

void note_encode(const struct snapshot_row *row, struct text *out)
{
	const struct marks none = { 0 };

	encode(row, &none, out);
}

int note_snapshot(struct engine *engine, const struct tree *source, const struct snapshot_row *row,
		  struct fl_error *err)
{
	const struct driver *driver = driver_of(engine);
	const struct tree target = snapshot_tree(row);
	own_text struct text text = { 0 };

	if (!can_note(engine))
		return driver->snapshot(engine->pool, source, &target, err);
	note_encode(row, &text);
	return driver->snapshot_noted(engine->pool, source, &target, text_get(&text), err);
}

static int refresh(struct engine *engine, const struct position *position, struct fl_error *err)
{
	own_lock(guard, &mutex);
	own_snapshot_row struct snapshot_row row = { 0 };
	own(marks_done) struct marks marks = { 0 };
	own_text struct text text = { 0 };
	own_tx struct tx *tx = NULL;
	struct tree tree;
	int r;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	r = tx_snapshot_get(tx, position, &row, err);
	if (r < 0)
		return r == -FL_NOT_FOUND ? 0 : r;
	if (load_marks(tx, &position->branch, &marks, err) < 0)
		return fl_failed(err);
	encode(&row, &marks, &text);
	tree = snapshot_tree(&row);
	r = driver_of(engine)->note_write(engine->pool, &tree, text_get(&text), err);
	if (r == 0)
		sync_soon(engine);
	return r == -FL_NOT_FOUND ? 0 : r;
}

void note_refresh(struct engine *engine, const struct position *position)
{
	struct fl_error err;

	if (can_note(engine) && refresh(engine, position, &err) < 0)
		note_facts_unwritten(engine, &err);
}

/* --- comparing all --------------------------------------------------------------------------- */

struct found {
	struct tree tree;
	char *text;
};

struct comparison {
	struct tx *tx;
	struct found *found; /* by branch and time */
	size_t count;
	struct marks marks; /* of the volume of `branch` */
	struct uuid branch;
	struct position last;
	size_t page; /* rows in it so far */
	struct position *differ;
	size_t differ_count;
};

static void comparison_done(struct comparison *comparison)
{
	for (size_t i = 0; i < comparison->count; i++)
		free(comparison->found[i].text);
	free(comparison->found);
	free(comparison->differ);
	marks_done(&comparison->marks);
}

static int collect_found(void *arg, const struct tree *tree, const char *note, struct fl_error *err)
{
	struct comparison *comparison = arg;

	*array_add(comparison->found, comparison->count) = (struct found){ *tree, xstrdup(note) };
	return 0;
}

static int by_tree_found(const void *a, const void *b)
{
	return compare_trees(&((const struct found *)a)->tree, &((const struct found *)b)->tree);
}

static int compare_row(void *arg, const struct snapshot_row *row, struct fl_error *err)
{
	struct comparison *comparison = arg;
	const struct found wanted = { .tree = snapshot_tree(row) };
	own_text struct text text = { 0 };
	const struct found *found;
	bool tells;

	comparison->last = row->position;
	comparison->page++;
	if (!uuid_equal(&comparison->branch, &row->position.branch) &&
	    load_marks(comparison->tx, &row->position.branch, &comparison->marks, err) < 0)
		return fl_failed(err);
	comparison->branch = row->position.branch;
	found = comparison->count ? bsearch(&wanted, comparison->found, comparison->count,
					    sizeof(*found), by_tree_found)
				  : NULL;
	tells = encode(row, &comparison->marks, &text);
	if (found ? strcmp(found->text, text_get(&text)) == 0 : !tells)
		return 0;
	*array_add(comparison->differ, comparison->differ_count) = row->position;
	return 0;
}

static int compare_all(struct engine *engine, struct comparison *comparison, struct fl_error *err)
{
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	comparison->tx = tx;
	do {
		const struct position after = comparison->last;

		comparison->page = 0;
		if (tx_snapshot_each_all(tx, &after, ROWS_AT_ONCE, compare_row, comparison, err) <
		    0)
			return fl_failed(err);
	} while (comparison->page == ROWS_AT_ONCE);
	return 0;
}

int notes_refresh_all(struct engine *engine, struct fl_error *err)
{
	own(comparison_done) struct comparison comparison = { 0 };

	if (!can_note(engine))
		return 0;
	if (driver_of(engine)->note_each(engine->pool, collect_found, &comparison, err) < 0)
		return fl_failed(err);
	array_sort(comparison.found, comparison.count, by_tree_found);
	if (compare_all(engine, &comparison, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < comparison.differ_count; i++)
		if (refresh(engine, &comparison.differ[i], err) < 0)
			return fl_failed(err);
	return 0;
}

/* --- reading --------------------------------------------------------------- */

static void note_done(struct note *note)
{
	snapshot_row_done(&note->row);
	free(note->tags);
	free(note->stashes);
}

void note_list_done(struct note_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		note_done(&list->items[i]);
	free(list->items);
	*list = (struct note_list){ 0 };
}

static bool read_reason(const char *name, enum reason *ret)
{
	for (int i = 0; i < REASON_MAX; i++)
		if (strcmp(reason_names[i], name) == 0) {
			*ret = (enum reason)i;
			return true;
		}
	return false;
}

bool note_read(json_t *root, struct snapshot_row *ret)
{
	const char *name = json_string_value(json_object_get(root, "name"));
	const char *message = json_string_value(json_object_get(root, "message"));
	const char *reason, *host;
	json_int_t format, sequence;
	struct fl_error err;

	if (json_unpack(root, "{s:I, s:I, s:s, s:s}", "format", &format, "sequence", &sequence,
			"reason", &reason, "host", &host) < 0 ||
	    format != NOTE_FORMAT || sequence < 1 || !read_reason(reason, &ret->reason))
		return false;
	ret->sequence = (uint64_t)sequence;
	name_sanitize(host, ret->host);
	if (name && ref_check_snapshot_name(name, &err) < 0)
		return false;
	snprintf(ret->name, sizeof(ret->name), "%s", name ? name : "");
	ret->message = message ? xstrdup(message) : NULL;
	return facts_read_metadata(json_object_get(root, "metadata"), &ret->metadata);
}

static bool read_tag(json_t *object, struct tag_row *ret)
{
	json_int_t created;
	struct fl_error err;
	const char *name;

	if (json_unpack(object, "{s:s, s:I}", "name", &name, "created", &created) < 0 ||
	    name_check("tag", name, &err) < 0)
		return false;
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	ret->created = created;
	return true;
}

static bool read_stash(json_t *object, struct stash_row *ret)
{
	const char *branch, *target, *id;
	json_int_t number, time, created;
	struct fl_error err;

	if (json_unpack(object, "{s:I, s:s, s:s, s:I, s:s, s:I}", "number", &number, "branch",
			&branch, "target_branch", &target, "target_time", &time, "target_id", &id,
			"created", &created) < 0 ||
	    number < 1 || number > UINT32_MAX || uuid_parse(branch, &ret->branch, &err) < 0 ||
	    uuid_parse(target, &ret->target.branch, &err) < 0)
		return false;
	ret->number = (uint32_t)number;
	ret->target.time = time;
	ret->target_id = strtoull(id, NULL, 16);
	ret->created = created;
	return true;
}

static bool read_marks(json_t *root, struct note *ret)
{
	json_t *tags = json_object_get(root, "tags"), *stashes = json_object_get(root, "stashes");
	const struct position at = { ret->tree.uuid, ret->tree.snapshot.time };

	ret->tags = xcalloc(json_array_size(tags) + 1, sizeof(*ret->tags));
	ret->stashes = xcalloc(json_array_size(stashes) + 1, sizeof(*ret->stashes));
	for (size_t i = 0; i < json_array_size(tags); i++) {
		ret->tags[i].snapshot = at;
		if (!read_tag(json_array_get(tags, i), &ret->tags[i]))
			return false;
		ret->tag_count++;
	}
	for (size_t i = 0; i < json_array_size(stashes); i++) {
		ret->stashes[i].snapshot = at;
		if (!read_stash(json_array_get(stashes, i), &ret->stashes[i]))
			return false;
		ret->stash_count++;
	}
	return true;
}

static int collect_note(void *arg, const struct tree *tree, const char *text, struct fl_error *err)
{
	struct note_list *list = arg;
	struct note note = { .tree = *tree };
	json_error_t where;
	json_t *root;
	char name[TREE_TEXT];

	if (tree->kind != TREE_SNAPSHOT)
		return 0;
	root = json_loads(text, JSON_REJECT_DUPLICATES, &where);
	if (!root || !note_read(root, &note.row) || !read_marks(root, &note)) {
		log_warning("a snapshot's note can't be read", "tree=%s", tree_format(tree, name));
		note_done(&note);
		json_decref(root);
		return 0;
	}
	json_decref(root);
	*array_add(list->items, list->count) = note;
	return 0;
}

static int by_tree(const void *a, const void *b)
{
	return compare_trees(&((const struct note *)a)->tree, &((const struct note *)b)->tree);
}

int notes_load(struct engine *engine, struct note_list *ret, struct fl_error *err)
{
	if (!can_note(engine))
		return 0;
	if (driver_of(engine)->note_each(engine->pool, collect_note, ret, err) < 0)
		return fl_failed(err);
	array_sort(ret->items, ret->count, by_tree);
	return 0;
}

const struct note *note_find(const struct note_list *list, const struct tree *tree)
{
	const struct note wanted = { .tree = *tree };

	return list->count ? bsearch(&wanted, list->items, list->count, sizeof(wanted), by_tree)
			   : NULL;
}
