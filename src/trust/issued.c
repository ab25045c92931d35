/*
 * ca/issued: what this CA has signed, oldest first, a line for each:
 *
 *	SERIAL ROLE ID BEGINS EXPIRES NAME
 *
 * with times as RFC 3339.  A certificate stands here before anybody has it, so
 * that all can be revoked that are out.
 */

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "trust/ca.h"
#include "trust/internal.h"

void ca_list_done(struct ca_list *list)
{
	free(list->items);
	*list = (struct ca_list){ 0 };
}

/* The words of a line, as long as they may be; what is longer fails the next. */
static bool parse_line(const char *line, struct trust_identity *ret)
{
	char role[16], begins[CLOCK_TEXT], expires[CLOCK_TEXT];
	struct fl_error err;

	return sscanf(line, "%40s %15s %63s %35s %35s %63s", ret->serial, role, ret->id, begins,
		      expires, ret->name) == 6 &&
	       trust_role_parse(role, &ret->role, &err) == 0 &&
	       (ret->role != TRUST_NODE || uuid_parse(ret->id, &ret->instance, &err) == 0) &&
	       clock_parse(begins, &ret->begins, &err) == 0 &&
	       clock_parse(expires, &ret->expires, &err) == 0;
}

static int parse(char *text, struct ca_list *ret, struct fl_error *err)
{
	char *rest = text;

	for (char *line; (line = strsep(&rest, "\n"));) {
		struct ca_record *record;

		if (!*line)
			continue;
		record = array_add(ret->items, ret->count);
		if (!parse_line(line, &record->identity)) {
			fl_fail(err, FL_CORRUPT, "line %zu of '" ISSUED "' is damaged", ret->count);
			return fl_hint(err, "put back a copy of the file: without it certificates "
					    "can be revoked by their serial numbers alone");
		}
	}
	return 0;
}

int issued_read(struct trust *trust, struct ca_list *ret, struct fl_error *err)
{
	own(ca_list_done) struct ca_list list = { 0 };
	own_text struct text text = { 0 };
	own_free char *contents = NULL;
	int r = file_read(trust->etc, ISSUED, LIST_LIMIT, &text, err);

	if (r < 0 && r != -FL_NOT_FOUND)
		return r;
	contents = text_take(&text);
	if (parse(contents, &list, err) < 0)
		return fl_failed(err);
	*ret = take_struct(list);
	return 0;
}

static void write_line(const struct trust_identity *identity, struct text *out)
{
	char begins[CLOCK_TEXT], expires[CLOCK_TEXT];

	text_add_format(out, "%s %s %s %s %s %s\n", identity->serial,
			trust_role_name(identity->role), identity->id,
			clock_format(identity->begins, begins),
			clock_format(identity->expires, expires), identity->name);
}

int issued_add(struct trust *trust, const struct trust_identity *identity, struct fl_error *err)
{
	own(ca_list_done) struct ca_list list = { 0 };
	own_text struct text out = { 0 };
	const int64_t forgotten = clock_now() - CA_YEAR;

	if (issued_read(trust, &list, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < list.count; i++)
		if (list.items[i].identity.expires > forgotten)
			write_line(&list.items[i].identity, &out);
	write_line(identity, &out);
	return file_write(trust->etc, ISSUED, text_get(&out), err);
}

int issued_count(struct trust *trust, const struct uuid *instance, size_t *ret,
		 struct fl_error *err)
{
	const struct x509_denied *denied = &trust->membership->denied;
	own(ca_list_done) struct ca_list list = { 0 };
	const int64_t now = clock_now();

	if (issued_read(trust, &list, err) < 0)
		return fl_failed(err);
	*ret = 0;
	for (size_t i = 0; i < list.count; i++) {
		const struct trust_identity *identity = &list.items[i].identity;

		*ret += identity->role == TRUST_NODE && identity->expires > now &&
			uuid_equal(&identity->instance, instance) &&
			!x509_denied_has(denied, identity->serial);
	}
	return 0;
}
