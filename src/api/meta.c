#include "api/encode.h"
#include "api/routes.h"

int get_version(struct call *call, struct fl_error *err)
{
	struct uuid instance = engine_instance(call->engine);

	json_put_object(call->json, NULL);
	json_put_string(call->json, "version", FLOCKER_VERSION);
	json_put_string(call->json, "api", "v1");
	json_put_object(call->json, "instance");
	json_put_uuid(call->json, "uuid", &instance);
	json_put_string(call->json, "name", engine_name(call->engine));
	json_end(call->json);
	json_put_string(call->json, "host", call->api->host);
	json_end(call->json);
	return 0;
}

/* That something is wrong is this route's answer, not its failure. */
int get_health(struct call *call, struct fl_error *err)
{
	struct fl_error trouble = { 0 };
	bool ok = engine_health(call->engine, &trouble) == 0;

	json_put_object(call->json, NULL);
	json_put_string(call->json, "status", ok ? "ok" : "degraded");
	json_put_string(call->json, "reason", ok ? NULL : trouble.text);
	json_put_string(call->json, "hint", trouble.hint[0] ? trouble.hint : NULL);
	json_end(call->json);
	return 0;
}

int get_contract(struct call *call, struct fl_error *err)
{
	json_put_raw(call->json, NULL, openapi_json);
	return 0;
}
