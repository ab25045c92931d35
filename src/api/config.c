#include "api/encode.h"
#include "api/routes.h"

static void answer(struct call *call, enum config_key key)
{
	own_config_setting struct config_setting setting = { 0 };

	config_get(call->api->config, key, &setting);
	encode_setting(call->json, NULL, &setting);
}

int get_config(struct call *call, struct fl_error *err)
{
	encode_list_begin(call->json);
	for (size_t i = 0; i < CONFIG_KEYS; i++)
		answer(call, (enum config_key)i);
	encode_list_end(call->json, NULL);
	return 0;
}

int get_setting(struct call *call, struct fl_error *err)
{
	enum config_key key;

	if (config_find(call->input->key, &key, err) < 0)
		return fl_failed(err);
	answer(call, key);
	return 0;
}

/* Where the daemon listens, whom it believes and what it runs is not for all who may use it. */
static int check_right(const struct call *call, enum config_key key, struct fl_error *err)
{
	const enum config_type type = config_rows[key].type;

	if ((type != CONFIG_PATH && type != CONFIG_ADDRESS) || is_root(call))
		return 0;
	fl_fail(err, FL_DENIED, "%s can be set by root alone", config_rows[key].name);
	return fl_hint(err, "sudo flocker config set %s %s", config_rows[key].name,
		       type == CONFIG_PATH ? "PATH" : "ADDRESS");
}

int patch_setting(struct call *call, struct fl_error *err)
{
	enum config_key key;

	if (config_find(call->input->key, &key, err) < 0 || check_right(call, key, err) < 0 ||
	    config_set(call->api->config, key, call->input->value, err) < 0)
		return fl_failed(err);
	answer(call, key);
	return 0;
}

int delete_setting(struct call *call, struct fl_error *err)
{
	enum config_key key;

	if (config_find(call->input->key, &key, err) < 0 || check_right(call, key, err) < 0 ||
	    config_set(call->api->config, key, NULL, err) < 0)
		return fl_failed(err);
	answer(call, key);
	return 0;
}
