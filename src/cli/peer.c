#include <stdio.h>
#include <string.h>

#include "cli/list.h"
#include "cli/talk.h"
#include "cli/verbs.h"
#include "model/name.h"

static const struct column columns[] = {
	{ "PEER", PAINT_NAME, false }, { "ADDRESS", PAINT_NONE, false },
	{ "LIMIT", PAINT_NONE, true }, { "LINK", PAINT_NONE, false },
	{ "AGE", PAINT_DIM, true },    { 0 },
};

static void add_peer(struct table *table, struct value *peer)
{
	char text[PRINT_TEXT];

	table_add(table, field(peer, "name"));
	table_add(table, field(peer, "address"));
	table_add(table, field_size(peer, "limit", text));
	table_add(table, field_bool(peer, "connected") ? "up" : "");
	table_add(table, print_age(field_time(peer, "added"), text));
}

int verb_peer_list(struct invocation *in, struct fl_error *err)
{
	return list_print(in,
			  &(struct listing){
				  .path = "/v1/peers",
				  .none = "no peers",
				  .row = add_peer,
				  .columns = columns,
			  },
			  err);
}

int verb_peer_add(struct invocation *in, struct fl_error *err)
{
	own_free struct value *peer = NULL;
	own_body struct body *body = body_new();

	if (name_check("peer", in->operands[0], err) < 0)
		return fl_failed(err);
	body_string(body, "name", in->operands[0]);
	body_string(body, "address", in->operands[1]);
	if (put_limit(body, in, err) < 0 ||
	    talk(in, "POST", "/v1/peers", NULL, body, &peer, err) < 0)
		return fl_failed(err);
	if (option_given(in, OPT_JSON))
		print_json(peer);
	else
		printf("%s (%s) is a peer\n", field(peer, "name"), field(peer, "uuid"));
	return 0;
}

/* --- one of them --------------------------------------------------------------------- */

static void print_clock(struct value *peer)
{
	double ahead = field_seconds(peer, "clock_ahead");
	char text[PRINT_TEXT];

	if (ahead < 1 && ahead > -1)
		return;
	snprintf(text, sizeof(text), "%.0f s %s", ahead < 0 ? -ahead : ahead,
		 ahead < 0 ? "behind" : "ahead");
	print_bad_fact("its clock", text);
}

static void print_volumes(struct value *peer)
{
	value_each(value_get(peer, "volumes"), volume)
	{
		value_each(value_get(volume, "branches"), branch)
		{
			char text[2 * PRINT_TEXT + NAME_TEXT * 3], id[PRINT_TEXT];

			snprintf(text, sizeof(text), "%.200s  %s", field(branch, "ref"),
				 field_short_id(branch, "tip", id));
			print_fact("branch", text);
		}
	}
}

static void print_peer(struct value *peer)
{
	char text[PRINT_TEXT];

	print_fact("name", field(peer, "name"));
	print_fact("address", field(peer, "address"));
	print_fact("uuid", field(peer, "uuid"));
	print_fact("cluster", field(peer, "cluster"));
	print_fact("limit", field_size(peer, "limit", text));
	print_fact("added", field_when(peer, "added", text));
	print_bad_fact("trouble", field(peer, "trouble"));
	if (*field(peer, "trouble"))
		return;
	print_fact("version", field(peer, "version"));
	snprintf(text, sizeof(text), "%.2g ms", 1000 * field_seconds(peer, "round_trip"));
	print_fact("round trip", text);
	print_clock(peer);
	print_volumes(peer);
}

int verb_peer_show(struct invocation *in, struct fl_error *err)
{
	own_free struct value *peer = NULL;

	if (talk_to(in, "GET", fl_target("/v1/peer", "name", in->operands[0], NULL), NULL, &peer,
		    err) < 0)
		return fl_failed(err);
	if (option_given(in, OPT_JSON))
		print_json(peer);
	else
		print_peer(peer);
	return 0;
}

int verb_peer_remove(struct invocation *in, struct fl_error *err)
{
	own_free struct value *answer = NULL;

	if (talk_to(in, "DELETE", fl_target("/v1/peer", "name", in->operands[0], NULL), NULL,
		    &answer, err) < 0)
		return fl_failed(err);
	if (option_given(in, OPT_JSON))
		print_json(answer);
	return 0;
}
