#include "cli/list.h"

#include <stdio.h>

/*
 * A page is asked for as soon as the one before it has told its cursor, before
 * that one is printed: so the daemon works on the next page while this one is
 * shown.  Pages are short, so that there is something to overlap.
 */

#define PAGE 250 /* items */

/* `limit` 0: as many as the daemon likes.  `cursor` "": the first page. */
static int ask_page(struct invocation *in, const struct listing *listing, int64_t limit,
		    const struct text *cursor, struct fl_error *err)
{
	const char *after = cursor->length ? text_get(cursor) : NULL;
	char count[24];

	snprintf(count, sizeof(count), "%lld", (long long)limit);
	return talk_send(in, "GET",
			 fl_target(listing->path, "ref", listing->ref, "after", after, "limit",
				   limit ? count : NULL, "peer", listing->peer, listing->flag,
				   "true", NULL),
			 NULL, err);
}

/* `ret_items` lies in `ret`; `cursor` becomes that of the next page, "" after the last. */
static int take_page(struct invocation *in, struct text *cursor, struct value **ret,
		     struct value **ret_items, struct fl_error *err)
{
	own_free struct value *page = NULL;
	struct value *items;
	const char *next;
	int r = talk_receive(in, &page, err);

	if (r < 0)
		return r;
	items = value_get(page, "items");
	if (!value_is(items, VALUE_ARRAY))
		return fl_fail(err, FL_CORRUPT, "the daemon's answer is not a list");
	next = value_string(value_get(page, "next"));
	text_clear(cursor);
	/* A page without items that names a next one would never end. */
	if (next && value_first(items))
		text_add_string(cursor, next);
	*ret = take_ptr(page);
	*ret_items = items;
	return 0;
}

struct output {
	struct table table;
	bool json;
	int64_t received;
	int64_t printed;
};

static void print_page(struct output *output, const struct listing *listing, struct value *items)
{
	value_each(items, item)
	{
		if (listing->limit && output->printed == listing->limit)
			break;
		if (output->json)
			print_item(item, output->printed == 0);
		else
			listing->row(&output->table, item);
		output->printed++;
	}
	if (!output->json)
		table_flush(&output->table);
}

/* How many to ask for next: no more than are wanted. */
static int64_t page_size(const struct listing *listing, int64_t received)
{
	if (!listing->paged)
		return 0;
	if (listing->limit && listing->limit - received < PAGE)
		return listing->limit - received;
	return PAGE;
}

static int print_pages(struct invocation *in, const struct listing *listing, struct output *output,
		       struct fl_error *err)
{
	own_text struct text cursor = { 0 };
	int r = ask_page(in, listing, page_size(listing, 0), &cursor, err);
	bool more = true;

	while (r == 0 && more) {
		own_free struct value *page = NULL;
		struct value *items;

		r = take_page(in, &cursor, &page, &items, err);
		if (r < 0)
			return r;
		output->received += (int64_t)value_count(items);
		more = cursor.length && (!listing->limit || output->received < listing->limit);
		if (more)
			r = ask_page(in, listing, page_size(listing, output->received), &cursor,
				     err);
		print_page(output, listing, items);
	}
	return r;
}

int list_print(struct invocation *in, const struct listing *listing, struct fl_error *err)
{
	struct output output = {
		.table = { .columns = listing->columns },
		.json = option_given(in, OPT_JSON),
	};
	int r = print_pages(in, listing, &output, err);

	table_done(&output.table);
	if (r < 0) {
		in->broken = output.json && output.printed > 0;
		return r;
	}
	if (output.json)
		puts(output.printed ? "\n]" : "[]");
	else if (output.printed == 0 && printing.terminal && listing->none)
		fprintf(stderr, "%s\n", listing->none);
	return 0;
}

int list_items(struct invocation *in, const char *path, const char *ref, struct value **ret,
	       struct fl_error *err)
{
	own_text struct text cursor = { 0 }, all = { 0 };
	const struct listing listing = { .path = path, .ref = ref };

	text_add(&all, "[", 1);
	do {
		own_free struct value *page = NULL;
		struct value *items;
		const char *written;
		size_t length;

		if (ask_page(in, &listing, 0, &cursor, err) < 0 ||
		    take_page(in, &cursor, &page, &items, err) < 0)
			return fl_failed(err);
		written = value_written(items, &length);
		if (value_first(items) && all.length > 1)
			text_add(&all, ",", 1);
		if (value_first(items))
			text_add(&all, written + 1, length - 2);
	} while (cursor.length);
	text_add(&all, "]", 1);
	return value_parse(text_get(&all), all.length, ret, err);
}
