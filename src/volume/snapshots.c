#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "lib/flocker.h"
#include "lib/value.h"
#include "model/ref.h"
#include "volume/verbs.h"

#define PAGE "1000"

/* Storage names, the newest first, as the daemon lists them. */
struct names {
	char **items; /* heap, and each */
	size_t count;
};

static void names_done(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->items[i]);
	free(names->items);
}

static int check_ref(const char *text, struct fl_error *err)
{
	own_ref struct ref ref = { 0 };

	if (ref_parse(text, &ref, err) < 0)
		return fl_failed(err);
	if ((ref.kind == REF_VOLUME || ref.kind == REF_BRANCH) && ref.point == POINT_NONE &&
	    !ref.path)
		return 0;
	return fl_fail(err, FL_INVALID, "'%.200s' is no volume and no branch", text);
}

/* `*next`: heap; NULL after the last page. */
static int take_page(const struct fl_answer *answer, struct names *names, char **next,
		     struct fl_error *err)
{
	own_free struct value *page = NULL;
	const char *cursor;

	if (value_parse(answer->bytes, answer->length, &page, err) < 0)
		return fl_wrap(err, "the daemon's answer");
	value_each(value_get(page, "items"), item)
	{
		const char *name = value_string(value_get(item, "storage_name"));

		if (!name)
			return fl_fail(err, FL_UNSUPPORTED,
				       "the daemon does not say what snapshots are called in its "
				       "storage: it is older than this program");
		*array_add(names->items, names->count) = xstrdup(name);
	}
	cursor = value_string(value_get(page, "next"));
	*next = cursor ? xstrdup(cursor) : NULL;
	return 0;
}

static int ask_page(struct fl_client *client, const char *ref, char **cursor, struct names *names,
		    struct fl_error *err)
{
	own(fl_answer_done) struct fl_answer answer = { 0 };
	own_free char *after = take_ptr(*cursor);
	own_free char *target = fl_target("/v1/snapshots", "ref", ref, "after", after, "limit",
					  PAGE, NULL);

	if (!target)
		return fl_fail(err, FL_SYSTEM, "there is no memory");
	if (fl_client_call(client, "GET", target, NULL, &answer, err) < 0)
		return fl_failed(err);
	return take_page(&answer, names, cursor, err);
}

static int ask(const struct request *request, struct names *names, struct fl_error *err)
{
	char socket[FL_SOCKET_TEXT];
	own_free char *cursor = NULL;
	struct fl_client *client;
	int r;

	if (fl_socket_path(request->root, request->socket, socket, err) < 0 ||
	    fl_client_open(socket, &client, err) < 0)
		return fl_failed(err);
	do
		r = ask_page(client, request->operand, &cursor, names, err);
	while (r == 0 && cursor);
	fl_client_close(client);
	return r;
}

static void print_json(const struct names *names)
{
	own_text struct text out = { 0 };
	struct json json;

	json_init(&json, &out);
	json_put_array(&json, NULL);
	for (size_t i = names->count; i-- > 0;)
		json_put_string(&json, NULL, names->items[i]);
	json_end(&json);
	puts(text_get(&out));
}

int volume_snapshots(const struct request *request, struct fl_error *err)
{
	own(names_done) struct names names = { 0 };

	if (check_ref(request->operand, err) < 0 || ask(request, &names, err) < 0)
		return fl_failed(err);
	if (request->json)
		print_json(&names);
	else
		for (size_t i = names.count; i-- > 0;)
			puts(names.items[i]);
	return 0;
}
