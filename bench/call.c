#include "call.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

static void end_with(const struct fl_error *err, const char *method, const char *target)
{
	fprintf(stderr, "%s %s: %s\n", method, target, err->text);
	exit(1);
}

struct fl_client *call_open(const char *socket)
{
	struct fl_client *client;
	struct fl_error err;

	if (fl_client_open(socket, &client, &err) < 0)
		end_with(&err, "connect", socket);
	return client;
}

/* Enough for answers that we know: the first "key":"value". */
static char *find_string(const char *bytes, const char *key)
{
	char pattern[64];
	const char *begin;

	snprintf(pattern, sizeof(pattern), "\"%s\":\"", key);
	begin = strstr(bytes, pattern);
	if (!begin) {
		fprintf(stderr, "no \"%s\" in the answer %.200s\n", key, bytes);
		exit(1);
	}
	begin += strlen(pattern);
	return strndup(begin, strcspn(begin, "\""));
}

int64_t call_for(struct fl_client *client, const char *method, const char *target, const char *body,
		 const char *key, char **ret)
{
	struct fl_answer answer = { 0 };
	struct fl_error err;
	int64_t began = clock_monotonic(), took;

	if (fl_client_call(client, method, target, *body ? body : NULL, &answer, &err) < 0)
		end_with(&err, method, target);
	took = clock_monotonic() - began;
	if (key)
		*ret = find_string(answer.bytes, key);
	fl_answer_done(&answer);
	return took;
}

int64_t call_timed(struct fl_client *client, const char *method, const char *target,
		   const char *format, ...)
{
	char body[CALL_BODY];
	va_list ap;

	va_start(ap, format);
	vsnprintf(body, sizeof(body), format, ap);
	va_end(ap);
	return call_for(client, method, target, body, NULL, NULL);
}
