#include "base/json.h"
#include "cli/content.h"

static void add_text_line(void *arg, enum textdiff_mark mark, const char *line, size_t length)
{
	static const char marks[] = " -+";
	own_text struct text out = { 0 };
	bool ends = line[length - 1] == '\n';

	text_add(&out, &marks[mark], 1);
	text_add(&out, line, length - ends);
	json_put_string(arg, NULL, text_get(&out));
	if (!ends)
		json_put_string(arg, NULL, CONTENT_NO_NEWLINE);
}

static void add_hunks(struct json *json, const struct textdiff *diff)
{
	struct textdiff_hunk hunk = { 0 };

	json_put_array(json, "hunks");
	while (textdiff_next(diff, CONTENT_CONTEXT, &hunk)) {
		json_put_object(json, NULL);
		json_put_int(json, "before", (int64_t)(hunk.before + (hunk.before_count > 0)));
		json_put_int(json, "before_lines", (int64_t)hunk.before_count);
		json_put_int(json, "after", (int64_t)(hunk.after + (hunk.after_count > 0)));
		json_put_int(json, "after_lines", (int64_t)hunk.after_count);
		json_put_array(json, "lines");
		textdiff_each(diff, &hunk, add_text_line, json);
		json_end(json);
		json_end(json);
	}
	json_end(json);
}

static const char *state_of(const struct contents *contents)
{
	static const char *const names[] = {
		[CONTENT_TEXT] = "text",     [CONTENT_EMPTY] = "text",
		[CONTENT_BINARY] = "binary", [CONTENT_LARGE] = "large",
		[CONTENT_GONE] = "gone",     [CONTENT_UNREADABLE] = "unreadable",
	};
	enum content worse = contents->files[0] > contents->files[1] ? contents->files[0]
								     : contents->files[1];

	return contents->same ? "same" : names[worse];
}

void contents_add_json(const struct contents *contents, struct text *change)
{
	own_text struct text content = { 0 };
	struct json json;

	while (change->length > 0 && change->bytes[--change->length] != '}')
		;
	text_add_string(change, ",\"content\":");
	if (!contents->files[0] && !contents->files[1]) {
		text_add_string(change, "null}");
		return;
	}
	json_init(&json, &content);
	json_put_object(&json, NULL);
	json_put_string(&json, "state", state_of(contents));
	json_put_string(&json, "message", contents->why.code ? contents->why.text : NULL);
	add_hunks(&json, &contents->diff);
	json_end(&json);
	text_add_format(change, "%s}", text_get(&content));
}
