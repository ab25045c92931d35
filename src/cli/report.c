#include "cli/report.h"

#include <stdio.h>

#include "base/json.h"
#include "cli/hint.h"
#include "cli/print.h"

/* The form of DESIGN section 11, as the daemon gives it. */
static void report_json(const struct invocation *in, const struct fl_error *err)
{
	const char *operation = in->client ? fl_client_operation(in->client) : "";
	own_text struct text out = { 0 };
	struct json json;

	json_init(&json, &out);
	json_put_object(&json, NULL);
	json_put_object(&json, "error");
	json_put_string(&json, "code", fl_codes[err->code].name);
	json_put_string(&json, "message", err->text);
	json_put_string(&json, "object", *err->object ? err->object : NULL);
	json_put_string(&json, "hint", *err->hint ? err->hint : NULL);
	json_put_string(&json, "operation", *operation ? operation : NULL);
	json_end(&json);
	json_end(&json);
	puts(text_get(&out));
	fflush(stdout);
}

static void report_text(const struct invocation *in, const struct fl_error *err)
{
	own_text struct text out = { 0 };

	text_add_string(&out, "flocker: ");
	add_clean(&out, err->text);
	if (*err->hint) {
		text_add_string(&out, "\n  hint: ");
		add_hint(&out, in, err->hint);
	}
	fflush(stdout);
	fprintf(stderr, "%s\n", text_get(&out));
}

void report_error(const struct invocation *in, const struct fl_error *err)
{
	/* A list that broke off is no JSON any more: the error then goes where it can be seen. */
	if (option_given(in, OPT_JSON) && !in->broken)
		report_json(in, err);
	else
		report_text(in, err);
}
