/*
 * The intent of a step: all that its transaction is to write, since the offer that it comes from is
 * gone after a crash.
 *
 *	{"peer", "peer_name", "owner_name", "fetched", "late", "tagged",
 *	 "pointer", "target": {"branch", "time"}, "base": {"branch", "time"},
 *	 "snapshot": {"branch", "instance", "time"}, "note": {...}, "facts": [{...}]}
 *
 * `note` and `facts` as they stand in the pool (note.h, facts.c).
 *
 * Whether it is finished or undone is told by the pool: the tree is in its place, or not.  One that
 * is still in staging was complete, but after a power cut that is no longer sure: it
 * is swept with the rest, and sent once more.
 */

#include <jansson.h>
#include <string.h>

#include "base/json.h"
#include "engine/arrive-rows.h"
#include "engine/note.h"

#define VERB "receive"

static void put_position(struct json *json, const char *key, const struct position *position)
{
	json_put_object(json, key);
	json_put_uuid(json, "branch", &position->branch);
	json_put_int(json, "time", position->time);
	json_end(json);
}

static void put_snapshot(struct json *json, const struct snapshot_row *row)
{
	own_text struct text note = { 0 };

	json_put_object(json, "snapshot");
	json_put_uuid(json, "branch", &row->position.branch);
	json_put_uuid(json, "instance", &row->storage.instance);
	json_put_int(json, "time", row->position.time);
	json_end(json);
	note_encode(row, &note);
	json_put_raw(json, "note", text_get(&note));
}

static void put_facts(struct json *json, const struct arrival *arrival)
{
	json_put_array(json, "facts");
	for (size_t i = 0; i < arrival->count; i++) {
		own_text struct text text = { 0 };

		facts_encode(&arrival->branches[i], &text);
		json_put_raw(json, NULL, text_get(&text));
	}
	json_end(json);
}

struct intent_row arrive_intend(const struct arrival *arrival)
{
	struct intent_row intent = { .operation = arrival->operation, .verb = VERB };
	struct text text = { 0 };
	struct json json;

	json_init(&json, &text);
	json_put_object(&json, NULL);
	json_put_uuid(&json, "peer", &arrival->peer);
	json_put_string(&json, "peer_name", arrival->peer_name);
	json_put_string(&json, "owner_name", arrival->owner_name);
	json_put_bool(&json, "fetched", arrival->fetched);
	json_put_int(&json, "late", arrival->late);
	json_put_bool(&json, "tagged", arrival->tagged);
	json_put_bool(&json, "pointer", arrival->pointer);
	put_position(&json, "target", &arrival->target);
	put_position(&json, "base", &arrival->base);
	put_snapshot(&json, &arrival->row);
	put_facts(&json, arrival);
	json_end(&json);
	intent.body = text_take(&text);
	return intent;
}

/* --- reading ------------------------------------------------------------------------ */

static bool read_uuid(const json_t *object, const char *key, struct uuid *ret)
{
	const char *text = json_string_value(json_object_get(object, key));
	struct fl_error err;

	*ret = (struct uuid){ 0 };
	return !text || uuid_parse(text, ret, &err) == 0; /* none is null */
}

static bool read_position(const json_t *object, struct position *ret)
{
	ret->time = json_integer_value(json_object_get(object, "time"));
	return read_uuid(object, "branch", &ret->branch);
}

static void read_name(const json_t *object, const char *key, char name[static NAME_TEXT])
{
	const char *text = json_string_value(json_object_get(object, key));

	snprintf(name, NAME_TEXT, "%s", text ? text : "");
}

static bool read_snapshot(json_t *root, struct snapshot_row *ret)
{
	const json_t *object = json_object_get(root, "snapshot");

	if (!note_read(json_object_get(root, "note"), ret) ||
	    !read_position(object, &ret->position) ||
	    !read_uuid(object, "instance", &ret->storage.instance) ||
	    position_is_none(&ret->position))
		return false;
	ret->storage.time = ret->position.time;
	ret->id = snapname_id(&ret->storage);
	return true;
}

static bool read_facts(const json_t *array, struct arrival *ret)
{
	ret->branches = xcalloc(json_array_size(array) + 1, sizeof(*ret->branches));
	for (size_t i = 0; i < json_array_size(array); i++)
		if (!facts_read(json_array_get(array, i), &ret->branches[ret->count++]))
			return false;
	return ret->count > 0;
}

static bool read_arrival(json_t *root, struct arrival *ret)
{
	read_name(root, "peer_name", ret->peer_name);
	read_name(root, "owner_name", ret->owner_name);
	ret->fetched = json_is_true(json_object_get(root, "fetched"));
	ret->tagged = json_is_true(json_object_get(root, "tagged"));
	ret->pointer = json_is_true(json_object_get(root, "pointer"));
	ret->late = json_integer_value(json_object_get(root, "late"));
	return read_uuid(root, "peer", &ret->peer) &&
	       read_position(json_object_get(root, "target"), &ret->target) &&
	       read_position(json_object_get(root, "base"), &ret->base) &&
	       read_snapshot(root, &ret->row) && read_facts(json_object_get(root, "facts"), ret);
}

static int decode(const struct intent_row *intent, struct arrival *ret, struct fl_error *err)
{
	json_error_t where;
	json_t *root = json_loads(intent->body, JSON_REJECT_DUPLICATES, &where);
	bool good = root && read_arrival(root, ret);

	json_decref(root);
	ret->operation = intent->operation;
	ret->has_row = good;
	if (good)
		return 0;
	return fl_fail(err, FL_CORRUPT, "the note of an interrupted receive can't be read");
}

/* --- after a crash -------------------------------------------------------------------- */

static int forget(struct tx *tx, void *arg, struct fl_error *err)
{
	return tx_intent_delete(tx, arg, err);
}

static int undo(struct engine *engine, const struct arrival *arrival, struct fl_error *err)
{
	struct uuid operation = arrival->operation;

	log_info("an interrupted receive is undone", "branch=%s", arrival->branches[0].branch.name);
	return catalog_write(engine->catalog, CATALOG_DURABLE, forget, &operation, err);
}

int arrive_finish_intent(struct engine *engine, const struct intent_row *intent,
			 struct fl_error *err)
{
	own(arrival_clear) struct arrival arrival = { .engine = engine };
	struct tree_info info;
	struct tree tree;
	int r;

	if (decode(intent, &arrival, err) < 0)
		return fl_failed(err);
	tree = snapshot_tree(&arrival.row);
	r = driver_of(engine)->tree_info(engine->pool, &tree, &info, err);
	if (r == -FL_NOT_FOUND)
		return undo(engine, &arrival, err);
	if (r < 0 ||
	    catalog_write(engine->catalog, CATALOG_DURABLE, arrive_rows, &arrival, err) < 0)
		return fl_failed(err);
	log_info("an interrupted receive is finished", "volume=%s branch=%s",
		 arrival.branches[0].volume.name, arrival.branches[0].branch.name);
	return 0;
}
