#include "cli/body.h"

#include "base/json.h"

struct body {
	struct json json;
	struct text text;
};

struct body *body_new(void)
{
	struct body *body = xcalloc(1, sizeof(*body));

	json_init(&body->json, &body->text);
	json_put_object(&body->json, NULL);
	return body;
}

void body_free(struct body *body)
{
	if (!body)
		return;
	text_done(&body->text);
	free(body);
}

void body_string(struct body *body, const char *key, const char *value)
{
	json_put_string(&body->json, key, value);
}

void body_int(struct body *body, const char *key, int64_t value)
{
	json_put_int(&body->json, key, value);
}

void body_true(struct body *body, const char *key)
{
	json_put_bool(&body->json, key, true);
}

void body_raw(struct body *body, const char *key, const char *value)
{
	json_put_raw(&body->json, key, value ? value : "null");
}

void body_array(struct body *body, const char *key)
{
	json_put_array(&body->json, key);
}

void body_object(struct body *body, const char *key)
{
	json_put_object(&body->json, key);
}

void body_end(struct body *body)
{
	json_end(&body->json);
}

bool body_is_empty(const struct body *body)
{
	return body->text.length == 1;
}

const char *body_finish(struct body *body)
{
	while (body->json.depth > 0)
		json_end(&body->json);
	return text_get(&body->text);
}
