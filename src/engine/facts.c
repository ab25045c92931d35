/*
 * Facts: what the pool tells about a branch when there is no catalogue.
 *
 *	{"format": 1,
 *	 "volume": {"uuid", "name", "owner", "epoch", "description", "mount_path",
 *	            "metadata", "quota", "origin_ref", "origin_id", "created", "destroyed"},
 *	 "branch": {"uuid", "name", "instance", "instance_name", "origin_ref",
 *	            "origin_id", "created", "destroyed", "retired", "mounted"},
 *	 "lines": [{"start", "parent_branch", "parent_time"}]}
 *
 * Times are integers, nanoseconds UTC; ids are 16 hexadecimal digits; UUIDs and
 * texts that are not there are null.  Every branch carries its volume's part;
 * the trunk's is kept up to date, the others' as it was when they changed last.
 *
 * Facts are durable with the pool's next sync, not with each write: they matter
 * only when the catalogue, which is synced, is lost, and the caretaker syncs
 * the pool right after.
 */

#include <jansson.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "engine/internal.h"
#include "engine/note.h"

#define FACTS_FORMAT 1

void facts_done(struct facts *facts)
{
	volume_row_done(&facts->volume);
	free(facts->lines);
	*facts = (struct facts){ 0 };
}

/* --- writing ---------------------------------------------------------------- */

static void add_origin(struct json *json, const struct origin *origin)
{
	char id[SNAPID_TEXT];

	json_put_string(json, "origin_ref", origin->ref[0] ? origin->ref : NULL);
	json_put_string(json, "origin_id",
			origin->ref[0] ? snapid_format(origin->snapshot, id) : NULL);
}

static void add_volume(struct json *json, const struct volume_row *row)
{
	json_put_object(json, "volume");
	json_put_uuid(json, "uuid", &row->uuid);
	json_put_string(json, "name", row->name);
	json_put_uuid(json, "owner", &row->owner);
	json_put_int(json, "epoch", (int64_t)row->epoch);
	json_put_string(json, "description", row->description);
	json_put_string(json, "mount_path", row->mount_path);
	json_put_int(json, "quota", (int64_t)row->quota);
	json_put_object(json, "metadata");
	for (size_t i = 0; i < row->metadata.count; i++)
		json_put_string(json, row->metadata.pairs[i].key, row->metadata.pairs[i].value);
	json_end(json);
	add_origin(json, &row->origin);
	json_put_int(json, "created", row->created);
	json_put_int(json, "destroyed", row->destroyed);
	json_end(json);
}

static void add_branch(struct json *json, const struct branch_row *row, const char *instance)
{
	json_put_object(json, "branch");
	json_put_uuid(json, "uuid", &row->uuid);
	json_put_string(json, "name", row->name);
	json_put_uuid(json, "instance", &row->instance);
	json_put_string(json, "instance_name", instance);
	add_origin(json, &row->origin);
	json_put_int(json, "created", row->created);
	json_put_int(json, "destroyed", row->destroyed);
	json_put_uuid(json, "retired", &row->retired);
	json_put_bool(json, "mounted", row->mounted);
	json_end(json);
}

static void add_line(struct json *json, const struct line *line)
{
	json_put_object(json, NULL);
	json_put_int(json, "start", line->start);
	json_put_uuid(json, "parent_branch", &line->parent.branch);
	json_put_int(json, "parent_time", line->parent.time);
	json_end(json);
}

void facts_encode(const struct facts *facts, struct text *out)
{
	struct json json;

	json_init(&json, out);
	json_put_object(&json, NULL);
	json_put_int(&json, "format", FACTS_FORMAT);
	add_volume(&json, &facts->volume);
	add_branch(&json, &facts->branch, facts->instance_name);
	json_put_array(&json, "lines");
	for (size_t i = 0; i < facts->line_count; i++)
		add_line(&json, &facts->lines[i]);
	json_end(&json);
	json_end(&json);
	text_add_string(out, "\n");
}

static int encode(struct engine *engine, struct tx *tx, const struct volume_row *volume,
		  const struct branch_row *branch, const struct line *add, struct text *out,
		  struct fl_error *err)
{
	struct facts facts = { .volume = *volume, .branch = *branch }; /* borrows */
	own_free struct line *lines = NULL;

	if (tx_line_list(tx, &branch->uuid, &lines, &facts.line_count, err) < 0)
		return fl_failed(err);
	if (add)
		*array_add(lines, facts.line_count) = *add;
	facts.lines = lines;
	answer_instance(engine, tx, &branch->instance, facts.instance_name);
	facts_encode(&facts, out);
	return 0;
}

int facts_save(struct engine *engine, struct tx *tx, const struct volume_row *volume,
	       const struct branch_row *branch, const struct line *add, struct fl_error *err)
{
	own_text struct text text = { 0 };

	if (encode(engine, tx, volume, branch, add, &text, err) < 0 ||
	    driver_of(engine)->facts_write(engine->pool, &branch->uuid, text_get(&text), err) < 0)
		return fl_failed(err);
	sync_soon(engine);
	return 0;
}

static int save_branch(struct engine *engine, struct tx *tx, const struct uuid *branch,
		       struct fl_error *err)
{
	own_volume_row struct volume_row volume = { 0 };
	struct branch_row row;

	if (tx_branch_get(tx, branch, &row, err) < 0 ||
	    tx_volume_get(tx, &row.volume, &volume, err) < 0)
		return fl_failed(err);
	return facts_save(engine, tx, &volume, &row, NULL, err);
}

void facts_refresh(struct engine *engine, const struct uuid *branch)
{
	own_tx struct tx *tx = NULL;
	struct fl_error err;

	if (tx_begin(engine->catalog, &tx, &err) == 0 && save_branch(engine, tx, branch, &err) == 0)
		return;
	note_facts_unwritten(engine, &err);
}

/* --- at start -------------------------------------------------------------------- */

struct comparison {
	struct engine *engine;
	struct tx *tx;
};

static int compare_branch(void *arg, const struct branch_row *row, struct fl_error *err)
{
	const struct comparison *comparison = arg;
	struct engine *engine = comparison->engine;
	own_volume_row struct volume_row volume = { 0 };
	own_text struct text wanted = { 0 }, found = { 0 };
	int r;

	if (tx_volume_get(comparison->tx, &row->volume, &volume, err) < 0 ||
	    encode(engine, comparison->tx, &volume, row, NULL, &wanted, err) < 0)
		return fl_failed(err);
	r = driver_of(engine)->facts_read(engine->pool, &row->uuid, &found, err);
	if (r < 0 && r != -FL_NOT_FOUND)
		return r;
	if (strcmp(text_get(&wanted), text_get(&found)) == 0)
		return 0;
	if (driver_of(engine)->facts_write(engine->pool, &row->uuid, text_get(&wanted), err) < 0)
		return fl_failed(err);
	sync_soon(engine);
	return 0;
}

static int compare_facts(struct engine *engine, struct fl_error *err)
{
	struct comparison comparison = { .engine = engine };
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	comparison.tx = tx;
	if (tx_branch_each(tx, NULL, false, compare_branch, &comparison, err) < 0)
		return fl_failed(err);
	return each_destroyed_branch(tx, compare_branch, &comparison, err);
}

int facts_refresh_all(struct engine *engine, struct fl_error *err)
{
	if (compare_facts(engine, err) < 0)
		return fl_failed(err);
	return notes_refresh_all(engine, err);
}

/* --- reading ------------------------------------------------------------------------ */

static bool read_uuid(const json_t *object, const char *key, struct uuid *ret)
{
	const char *text = json_string_value(json_object_get(object, key));
	struct fl_error err;

	*ret = (struct uuid){ 0 };
	return !text || uuid_parse(text, ret, &err) == 0;
}

static bool read_name(const json_t *object, char name[static NAME_TEXT])
{
	const char *text = json_string_value(json_object_get(object, "name"));
	struct fl_error err;

	if (!text || name_check("name", text, &err) < 0)
		return false;
	snprintf(name, NAME_TEXT, "%s", text);
	return true;
}

static int64_t read_int(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static char *read_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? xstrdup(text) : NULL;
}

static void read_origin(const json_t *object, struct origin *ret)
{
	const char *ref = json_string_value(json_object_get(object, "origin_ref"));
	const char *id = json_string_value(json_object_get(object, "origin_id"));

	if (!ref || !id)
		return;
	snprintf(ret->ref, sizeof(ret->ref), "%s", ref);
	ret->snapshot = strtoull(id, NULL, 16);
}

bool facts_read_metadata(json_t *object, struct metadata *ret)
{
	struct fl_error err;
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value) if (!json_is_string(value) ||
						    metadata_set(ret, key, json_string_value(value),
								 &err) < 0) return false;
	return true;
}

static bool read_volume(const json_t *object, struct volume_row *ret)
{
	ret->epoch = (uint64_t)read_int(object, "epoch");
	ret->description = read_text(object, "description");
	ret->mount_path = read_text(object, "mount_path");
	ret->quota = (uint64_t)read_int(object, "quota");
	ret->created = read_int(object, "created");
	ret->destroyed = read_int(object, "destroyed");
	read_origin(object, &ret->origin);
	return facts_read_metadata(json_object_get(object, "metadata"), &ret->metadata) &&
	       read_uuid(object, "uuid", &ret->uuid) && read_uuid(object, "owner", &ret->owner) &&
	       !uuid_is_none(&ret->uuid) && read_name(object, ret->name);
}

static bool read_branch(const json_t *object, struct facts *ret)
{
	const char *instance = json_string_value(json_object_get(object, "instance_name"));
	struct branch_row *row = &ret->branch;

	row->volume = ret->volume.uuid;
	row->created = read_int(object, "created");
	row->destroyed = read_int(object, "destroyed");
	row->mounted = json_is_true(json_object_get(object, "mounted"));
	read_origin(object, &row->origin);
	if (instance)
		name_sanitize(instance, ret->instance_name);
	return read_uuid(object, "uuid", &row->uuid) &&
	       read_uuid(object, "instance", &row->instance) &&
	       read_uuid(object, "retired", &row->retired) && read_name(object, row->name);
}

static bool read_lines(const json_t *array, struct facts *ret)
{
	size_t i;
	json_t *item;

	ret->lines = xcalloc(json_array_size(array), sizeof(*ret->lines));
	json_array_foreach(array, i, item)
	{
		struct line *line = &ret->lines[ret->line_count++];

		line->branch = ret->branch.uuid;
		line->start = read_int(item, "start");
		line->parent.time = read_int(item, "parent_time");
		if (line->start < 1 || !read_uuid(item, "parent_branch", &line->parent.branch))
			return false;
	}
	return ret->line_count > 0;
}

bool facts_read(const json_t *root, struct facts *ret)
{
	return read_int(root, "format") == FACTS_FORMAT &&
	       read_volume(json_object_get(root, "volume"), &ret->volume) &&
	       read_branch(json_object_get(root, "branch"), ret) &&
	       read_lines(json_object_get(root, "lines"), ret);
}

static bool decode(const char *text, const struct uuid *branch, struct facts *ret)
{
	json_error_t where;
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &where);
	bool good = facts_read(root, ret) && uuid_equal(&ret->branch.uuid, branch);

	json_decref(root);
	return good;
}

int facts_load(struct engine *engine, const struct uuid *branch, struct facts *ret,
	       struct fl_error *err)
{
	own_text struct text text = { 0 };
	own_facts struct facts facts = { 0 };
	char uuid[UUID_TEXT];

	if (driver_of(engine)->facts_read(engine->pool, branch, &text, err) < 0)
		return fl_failed(err);
	if (!decode(text_get(&text), branch, &facts))
		return fl_fail(err, FL_CORRUPT, "the facts of branch %s in the pool can't be read",
			       uuid_format(branch, uuid));
	*ret = facts;
	facts = (struct facts){ 0 };
	return 0;
}
