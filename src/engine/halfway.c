#include "engine/halfway.h"

#include <fcntl.h>
#include <jansson.h>
#include <string.h>

#include "base/fsat.h"
#include "base/json.h"
#include "base/text.h"
#include "engine/internal.h"

#define DIRECTORY "receiving"
#define RECORD ".json"
#define POINT ".point"
#define RECORD_LIMIT 4096
#define NAME_SIZE (sizeof(DIRECTORY) + UUID_TEXT + sizeof(POINT))

static const char *name_of(const struct uuid *tree, const char *suffix, char ret[static NAME_SIZE])
{
	char text[UUID_TEXT];

	snprintf(ret, NAME_SIZE, DIRECTORY "/%s%s", uuid_format(tree, text), suffix);
	return ret;
}

/* --- the record ------------------------------------------------------------------------- */

static void put_position(struct json *json, const char *branch, const char *time,
			 const struct position *position)
{
	json_put_uuid(json, branch, &position->branch);
	json_put_int(json, time, position->time);
}

static int write_record(struct engine *engine, const struct halfway *halfway, struct fl_error *err)
{
	own_text struct text text = { 0 };
	char name[NAME_SIZE];
	struct json json;

	json_init(&json, &text);
	json_put_object(&json, NULL);
	json_put_uuid(&json, "boot", &engine->boot);
	json_put_uuid(&json, "peer", &halfway->peer);
	json_put_uuid(&json, "branch", &halfway->branch);
	json_put_string(&json, "name", halfway->name);
	put_position(&json, "target_branch", "target_time", &halfway->target);
	put_position(&json, "base_branch", "base_time", &halfway->base);
	json_put_int(&json, "since", halfway->since);
	json_end(&json);
	text_add_string(&text, "\n");
	/* Not durable: what it speaks of is not either. */
	return fsat_write(engine->state_fd, name_of(&halfway->tree, RECORD, name), text_get(&text),
			  text.length, 0600, false, err);
}

static bool take_uuids(json_t *root, struct uuid *boot, struct halfway *ret)
{
	const struct {
		const char *key;
		struct uuid *to;
	} wanted[] = { { "boot", boot },
		       { "peer", &ret->peer },
		       { "branch", &ret->branch },
		       { "target_branch", &ret->target.branch },
		       { "base_branch", &ret->base.branch } };
	struct fl_error ignored;

	for (size_t i = 0; i < array_size(wanted); i++) {
		const json_t *value = json_object_get(root, wanted[i].key);
		const char *text = json_string_value(value);

		if (json_is_null(value)) /* nobody's; as the base of all of a tree */
			continue;
		if (!text || uuid_parse(text, wanted[i].to, &ignored) < 0)
			return false;
	}
	return true;
}

static bool decode(const char *text, struct uuid *boot, struct halfway *ret)
{
	json_error_t where;
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &where);
	json_int_t target, base, since;
	const char *name;
	bool good = root && take_uuids(root, boot, ret) &&
		    json_unpack(root, "{s:s, s:I, s:I, s:I}", "name", &name, "target_time", &target,
				"base_time", &base, "since", &since) == 0;

	if (good)
		snprintf(ret->name, sizeof(ret->name), "%s", name);
	json_decref(root);
	if (!good)
		return false;
	ret->target.time = target;
	ret->base.time = base;
	ret->since = since;
	return true;
}

/* False: there is none, or it is of another run of the machine. */
static bool read_record(struct engine *engine, const struct uuid *tree, struct halfway *ret)
{
	struct halfway halfway = { .tree = *tree };
	own_text struct text text = { 0 };
	char name[NAME_SIZE];
	struct fl_error ignored;
	struct uuid boot = { 0 };

	if (fsat_read(engine->state_fd, name_of(tree, RECORD, name), RECORD_LIMIT, &text,
		      &ignored) < 0 ||
	    !decode(text_get(&text), &boot, &halfway) || uuid_is_none(&boot) ||
	    !uuid_equal(&boot, &engine->boot))
		return false;
	*ret = halfway;
	return true;
}

static bool read_point(struct engine *engine, const struct uuid *tree, struct delta_point *ret)
{
	own_text struct text bytes = { 0 };
	char name[NAME_SIZE];
	struct fl_error ignored;

	return fsat_read(engine->state_fd, name_of(tree, POINT, name),
			 2 * sizeof(struct delta_points), &bytes, &ignored) == 0 &&
	       delta_points_get(bytes.bytes, bytes.length, &engine->boot, ret);
}

/* --- one of them ------------------------------------------------------------------------------ */

int halfway_take(struct engine *engine, const struct uuid *tree, int *ret_point,
		 struct fl_error *err)
{
	char name[NAME_SIZE];
	own_fd int fd = -1;

	if (fsat_open(engine->state_fd, name_of(tree, POINT, name), O_RDWR, 0, &fd, err) < 0 ||
	    fsat_lock(fd, err) < 0)
		return fl_wrap(err, "going on with a half-received tree");
	*ret_point = take_fd(fd);
	return 0;
}

static bool has_tree(struct engine *engine, const struct uuid *tree)
{
	const struct tree staging = tree_staging(tree);
	struct tree_info info;
	struct fl_error ignored;

	return driver_of(engine)->tree_info(engine->pool, &staging, &info, &ignored) == 0;
}

bool halfway_is_good(struct engine *engine, const struct uuid *tree)
{
	struct delta_point point = { 0 };
	struct halfway halfway;

	return read_record(engine, tree, &halfway) && read_point(engine, tree, &point) &&
	       (point.commands > 0 || point.offset > 0) && has_tree(engine, tree);
}

void halfway_forget(struct engine *engine, const struct uuid *tree)
{
	char name[NAME_SIZE];
	struct fl_error err;

	if (fsat_unlink(engine->state_fd, name_of(tree, RECORD, name), &err) < 0 ||
	    fsat_unlink(engine->state_fd, name_of(tree, POINT, name), &err) < 0)
		log_warning("the record of a half-received tree stays", "error=\"%s\"", err.text);
}

/* With the tree; false: somebody works on it, or it can't be deleted. */
static bool drop(struct engine *engine, const struct uuid *tree, const char *why)
{
	const struct tree staging = tree_staging(tree);
	struct halfway halfway = { 0 };
	own_fd int point = -1;
	char text[TREE_TEXT], said[96];
	struct fl_error err;

	(void)read_record(engine, tree, &halfway); /* for its name, if it has one */
	if (halfway_take(engine, tree, &point, &err) < 0 && err.code != FL_NOT_FOUND)
		return false;
	if (driver_of(engine)->tree_delete(engine->pool, &staging, &err) < 0) {
		log_warning("a half-received tree stays", "tree=%s error=\"%s\"",
			    tree_format(&staging, text), err.text);
		return false;
	}
	halfway_forget(engine, tree);
	sync_soon(engine);
	log_info("a half-received tree was dropped", "branch=%s tree=%s reason=\"%s\"",
		 halfway.name, tree_format(&staging, text), why);
	snprintf(said, sizeof(said), "dropped: %s", why);
	events_add(&engine->events, "half-received", halfway.name, said);
	return true;
}

/* --- all of them --------------------------------------------------------------------------- */

struct names {
	struct uuid *trees; /* heap; of each file */
	size_t count;
};

static int collect(void *arg, const char *name, unsigned char type, uint64_t inode,
		   struct fl_error *err)
{
	struct names *names = arg;
	char text[UUID_TEXT];
	struct fl_error ignored;
	struct uuid tree;

	snprintf(text, sizeof(text), "%.*s", (int)strcspn(name, "."), name);
	if (uuid_parse(text, &tree, &ignored) == 0)
		*array_add(names->trees, names->count) = tree;
	return 0;
}

/* Each once; heap. */
static size_t list(struct engine *engine, struct uuid **ret)
{
	struct names names = { 0 };
	struct fl_error err;
	own_fd int dir = -1;
	size_t count = 0;

	*ret = NULL;
	if (fsat_open_dir(engine->state_fd, DIRECTORY, &dir, &err) < 0)
		return 0; /* nothing ever came */
	if (fsat_each(dir, collect, &names, &err) < 0)
		log_warning("half-received trees cannot be listed", "error=\"%s\"", err.text);
	array_sort(names.trees, names.count, uuid_compare);
	for (size_t i = 0; i < names.count; i++)
		if (i == 0 || !uuid_equal(&names.trees[i], &names.trees[i - 1]))
			names.trees[count++] = names.trees[i];
	*ret = names.trees;
	return count;
}

bool halfway_give_up(struct engine *engine)
{
	own_free struct uuid *trees = NULL;
	size_t count = list(engine, &trees);
	struct halfway oldest = { .since = INT64_MAX };

	for (size_t i = 0; i < count; i++) {
		own_fd int point = -1;
		struct halfway halfway;
		struct fl_error ignored;

		if (read_record(engine, &trees[i], &halfway) && halfway.since < oldest.since &&
		    halfway_take(engine, &trees[i], &point, &ignored) == 0)
			oldest = halfway;
	}
	return oldest.since < INT64_MAX && drop(engine, &oldest.tree, "there is no room for it");
}

static void drop_those(struct engine *engine, const struct uuid *branch, const struct uuid *peer,
		       const char *why)
{
	own_free struct uuid *trees = NULL;
	size_t count = list(engine, &trees);
	struct halfway halfway;

	for (size_t i = 0; i < count; i++)
		if (read_record(engine, &trees[i], &halfway) &&
		    (!branch || uuid_equal(&halfway.branch, branch)) &&
		    (!peer || uuid_equal(&halfway.peer, peer)))
			(void)drop(engine, &trees[i], why);
}

void halfway_drop(struct engine *engine, const struct uuid *branch, const struct uuid *peer)
{
	drop_those(engine, branch, peer, "it is not wanted any more");
}

static void make_room(struct engine *engine, const struct uuid *branch)
{
	own_free struct uuid *trees = NULL;

	drop_those(engine, branch, NULL, "the branch is received anew");
	if (list(engine, &trees) >= HALFWAY_MOST)
		(void)halfway_give_up(engine);
}

int halfway_begin(struct engine *engine, struct halfway *halfway, int *ret_point,
		  struct fl_error *err)
{
	char name[NAME_SIZE];
	own_fd int fd = -1;

	make_room(engine, &halfway->branch);
	halfway->since = clock_boot();
	if (fsat_mkdir(engine->state_fd, DIRECTORY, 0700, err) < 0 ||
	    fsat_open(engine->state_fd, name_of(&halfway->tree, POINT, name),
		      O_RDWR | O_CREAT | O_EXCL, 0600, &fd, err) < 0 ||
	    fsat_lock(fd, err) < 0 || write_record(engine, halfway, err) < 0) {
		halfway_forget(engine, &halfway->tree);
		return fl_failed(err);
	}
	*ret_point = take_fd(fd);
	return 0;
}

bool halfway_find(struct engine *engine, const struct uuid *branch, const struct uuid *peer,
		  struct halfway *ret, struct delta_point *ret_point)
{
	own_free struct uuid *trees = NULL;
	size_t count = list(engine, &trees);

	for (size_t i = 0; i < count; i++) {
		own_fd int point = -1;
		struct fl_error ignored;

		if (read_record(engine, &trees[i], ret) && uuid_equal(&ret->branch, branch) &&
		    uuid_equal(&ret->peer, peer) &&
		    halfway_take(engine, &trees[i], &point, &ignored) == 0 &&
		    halfway_is_good(engine, &trees[i]))
			return read_point(engine, &trees[i], ret_point);
	}
	return false;
}

/* --- at start, and later ------------------------------------------------------------------ */

bool halfway_stays(struct engine *engine, const struct uuid *tree)
{
	struct delta_point point = { 0 };
	struct halfway halfway;

	return read_record(engine, tree, &halfway) && read_point(engine, tree, &point) &&
	       (point.commands > 0 || point.offset > 0);
}

void halfway_sweep(struct engine *engine)
{
	own_free struct uuid *trees = NULL;
	size_t count = list(engine, &trees);

	for (size_t i = 0; i < count; i++)
		if (!halfway_is_good(engine, &trees[i]))
			halfway_forget(engine, &trees[i]);
}

int64_t care_for_halfway(struct engine *engine)
{
	own_free struct uuid *trees = NULL;
	size_t count = list(engine, &trees);
	int64_t next = HALFWAY_KEPT;
	struct halfway halfway;

	for (size_t i = 0; i < count; i++) {
		int64_t left;

		if (!read_record(engine, &trees[i], &halfway))
			continue;
		left = halfway.since + HALFWAY_KEPT - clock_boot();
		/* Who works on it for longer than that may. */
		if (left <= 0 && !drop(engine, &trees[i], "nobody went on with it"))
			left = CLOCK_HOUR;
		if (left > 0 && left < next)
			next = left;
	}
	return next;
}
