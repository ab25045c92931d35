#include "engine/users.h"

#include "api/encode.h"
#include "api/routes.h"

static void put_container(struct json *json, const struct container_user *user)
{
	json_put_object(json, NULL);
	json_put_string(json, "ref", user->ref);
	json_put_string(json, "id", user->id);
	json_put_string(json, "name", user->name);
	json_put_string(json, "destination", user->destination);
	json_put_bool(json, "running", user->running);
	json_put_bool(json, "data", user->data);
	json_end(json);
}

int get_users(struct call *call, struct fl_error *err)
{
	own_users struct users users = { 0 };
	struct json *json = call->json;
	int r = engine_users(call->engine, call->input->ref, &users, err);

	if (r < 0)
		return r;
	json_put_object(json, NULL);
	json_put_array(json, "containers");
	for (size_t i = 0; i < users.container_count; i++)
		put_container(json, &users.containers[i]);
	json_end(json);
	json_put_string(json, "trouble", users.trouble.code != FL_OK ? users.trouble.text : NULL);
	encode_holders(json, &users.processes);
	json_end(json);
	return 0;
}
