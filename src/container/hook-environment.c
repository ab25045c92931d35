#include "container/hook-environment.h"

#include <ctype.h>
#include <stdio.h>

#include "base/spawn.h"
#include "base/text.h"

void hook_environment_done(struct hook_environment *environment)
{
	for (size_t i = 0; i < environment->count; i++)
		free(environment->words[i]);
}

static void add_word(struct hook_environment *environment, const char *key, const char *value)
{
	struct text text = { 0 };

	text_add_format(&text, "FLOCKER_%s=%s", key, value);
	environment->words[environment->count++] = text_take(&text);
}

static void add_setting(struct hook_environment *environment, const struct metadata_pair *pair)
{
	own_text struct text key = { 0 };

	text_add_format(&key, "SET_%s", pair->key);
	for (char *at = key.bytes; *at; at++)
		*at = *at == '-' ? '_' : (char)toupper((unsigned char)*at);
	add_word(environment, text_get(&key), pair->value);
}

void hook_environment_fill(const struct hook_call *call, struct hook_environment *ret)
{
	static const char *const plain[] = { SPAWN_ENVIRONMENT };     /* LC_ALL first */
	size_t plain_count = call->container ? 1 : array_size(plain); /* PATH is the image's */
	char timeout[24];

	for (size_t i = 0; i < plain_count; i++)
		ret->words[ret->count++] = xstrdup(plain[i]);
	if (call->container)
		add_word(ret, "CONTAINER", call->container->name);
	snprintf(timeout, sizeof(timeout), "%lld", (long long)(call->timeout / CLOCK_SECOND));
	add_word(ret, "HOOK", call->name);
	add_word(ret, "EVENT", call->event);
	add_word(ret, "BRANCH", call->branch);
	add_word(ret, "PATH", call->tree);
	add_word(ret, "REASON", call->reason);
	add_word(ret, "TIMEOUT", timeout);
	for (size_t i = 0; i < call->settings->count; i++)
		add_setting(ret, &call->settings->pairs[i]);
}
