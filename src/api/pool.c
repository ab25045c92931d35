#include <stdio.h>
#include <string.h>

#include "api/encode.h"
#include "api/routes.h"

/* The kinds that people make; POOL_MEMORY is for tests. */
static int decode_kind(const char *name, enum pool_kind *ret, struct fl_error *err)
{
	if (pool_kind_parse(name, ret) && *ret != POOL_MEMORY)
		return 0;
	return fl_fail(err, FL_INVALID,
		       "'kind' must be file, device, directory or dataset, not '%.40s'", name);
}

static int decode_spec(const struct input *input, struct pool_spec *ret, struct fl_error *err)
{
	const char *driver = input->driver ? input->driver : "";
	int r = decode_kind(input->kind, &ret->kind, err);

	if (r < 0)
		return r;
	if (ret->kind != POOL_DATASET && input->path[0] != '/')
		return fl_fail(err, FL_INVALID, "'path' must be absolute: '%.200s'", input->path);
	if (strlen(input->path) >= sizeof(ret->path))
		return fl_fail(err, FL_INVALID, "'path' is longer than %zu bytes",
			       sizeof(ret->path) - 1);
	if (strlen(driver) >= sizeof(ret->driver))
		return fl_fail(err, FL_INVALID, "there is no driver '%.40s'", driver);
	snprintf(ret->path, sizeof(ret->path), "%s", input->path);
	snprintf(ret->driver, sizeof(ret->driver), "%s", driver);
	ret->size = input->size;
	ret->sparse = input->sparse;
	ret->compress = input->compress;
	ret->force = input->force;
	return 0;
}

int get_pool(struct call *call, struct fl_error *err)
{
	struct pool_report report = { 0 };
	int r = engine_pool_show(call->engine, &report, err);

	if (r < 0)
		return r;
	encode_pool(call->json, NULL, &report);
	return 0;
}

int get_drivers(struct call *call, struct fl_error *err)
{
	struct driver_report report;
	size_t at = 0;

	encode_list_begin(call->json);
	while (engine_driver_next(&at, &report))
		encode_driver(call->json, NULL, &report);
	encode_list_end(call->json, NULL);
	return 0;
}

int post_pool(struct call *call, struct fl_error *err)
{
	struct pool_spec spec = { 0 };
	int r = decode_spec(call->input, &spec, err);

	if (r == 0)
		r = engine_pool_create(call->engine, &spec, err);
	if (r < 0)
		return r;
	return get_pool(call, err);
}

int post_pool_grow(struct call *call, struct fl_error *err)
{
	struct pool_report report = { 0 };
	int r = engine_pool_grow(call->engine, call->input->size, &report, err);

	if (r < 0)
		return r;
	encode_pool(call->json, NULL, &report);
	return 0;
}

int post_pool_recover(struct call *call, struct fl_error *err)
{
	struct recovery recovery = { 0 };
	int r = engine_pool_recover(call->engine, &recovery, err);

	if (r < 0)
		return r;
	encode_recovery(call->json, NULL, &recovery);
	return 0;
}

/* Without inputs the pool that the instance was told of before; else the one that they describe. */
int post_pool_adopt(struct call *call, struct fl_error *err)
{
	const struct input *input = call->input;
	struct recovery recovery = { 0 };
	struct pool_spec spec = { 0 };
	int r;

	if (input->given && (!input->kind || !input->path))
		return fl_fail(err, FL_INVALID, "'%s' is missing", input->kind ? "path" : "kind");
	if (input->given) {
		r = decode_spec(input, &spec, err);
		if (r < 0)
			return r;
	}
	r = engine_pool_adopt(call->engine, input->given ? &spec : NULL, &recovery, err);
	if (r < 0)
		return r;
	encode_recovery(call->json, NULL, &recovery);
	return 0;
}
