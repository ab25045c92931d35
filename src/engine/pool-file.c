#include "engine/pool-file.h"

#include <jansson.h>
#include <string.h>

#include "base/fsat.h"
#include "base/json.h"
#include "base/text.h"

#define SPEC_FILE "pool.json"
#define SPEC_LIMIT (16 * 1024)

int pool_file_save(struct engine *engine, const struct pool_spec *spec, struct fl_error *err)
{
	own_text struct text text = { 0 };
	struct json json;

	json_init(&json, &text);
	json_put_object(&json, NULL);
	json_put_string(&json, "driver", spec->driver);
	json_put_string(&json, "kind", pool_kind_names[spec->kind]);
	json_put_string(&json, "path", spec->path);
	json_put_bool(&json, "sparse", spec->sparse);
	json_put_bool(&json, "compress", spec->compress);
	json_end(&json);
	text_add_string(&text, "\n");
	return fsat_write(engine->state_fd, SPEC_FILE, text_get(&text), text.length, 0600, true,
			  err);
}

static int decode_spec(const char *text, struct pool_spec *ret)
{
	json_error_t where;
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &where);
	const char *driver, *kind, *path;
	int sparse, compress, r = -1;

	if (root &&
	    json_unpack(root, "{s:s, s:s, s:s, s:b, s:b}", "driver", &driver, "kind", &kind, "path",
			&path, "sparse", &sparse, "compress", &compress) == 0 &&
	    strlen(driver) < sizeof(ret->driver) && strlen(path) < sizeof(ret->path)) {
		*ret = (struct pool_spec){ .sparse = sparse, .compress = compress };
		strcpy(ret->driver, driver);
		strcpy(ret->path, path);
		r = pool_kind_parse(kind, &ret->kind) ? 0 : -1;
	}
	json_decref(root);
	return r;
}

/* An example that works here: with root a file, without what any directory can do. */
static int hint_create(const struct engine *engine, struct fl_error *err)
{
	struct pool_spec file = { .kind = POOL_FILE };
	const struct driver *driver;
	struct fl_error unused;

	if (driver_find(driver_choose(&file), &driver, &unused) == 0 &&
	    (!driver->available || driver->available(&unused) == 0))
		return fl_hint(err, "make one: flocker pool create --file %s/pool.img --size 20G",
			       engine->state);
	return fl_hint(err, "make one: flocker pool create --directory %s/pool", engine->state);
}

int pool_file_load(struct engine *engine, struct pool_spec *ret, struct fl_error *err)
{
	own_text struct text text = { 0 };

	if (fsat_read(engine->state_fd, SPEC_FILE, SPEC_LIMIT, &text, err) < 0) {
		if (err->code != FL_NOT_FOUND)
			return fl_failed(err);
		fl_fail(err, FL_NOT_FOUND, "there is no pool yet");
		return hint_create(engine, err);
	}
	if (decode_spec(text_get(&text), ret) == 0)
		return 0;
	fl_fail(err, FL_CORRUPT, "%s/%s can't be read", engine->state, SPEC_FILE);
	return fl_hint(err, "remove it, then take the pool over again: flocker pool adopt");
}

bool engine_has_pool(const struct engine *engine)
{
	struct fl_error err;
	struct stat st;

	return fsat_stat(engine->state_fd, SPEC_FILE, &st, &err) != -FL_NOT_FOUND;
}
