#include "engine/peers.h"

#include "api/encode.h"
#include "api/routes.h"

int get_peers(struct call *call, struct fl_error *err)
{
	own(peer_list_done) struct peer_list list = { 0 };

	if (engine_peers(call->engine, &list, err) < 0)
		return fl_failed(err);
	encode_list_begin(call->json);
	for (size_t i = 0; i < list.count; i++)
		encode_peer(call->json, NULL, &list.items[i]);
	encode_list_end(call->json, NULL);
	return 0;
}

/* A peer is believed, and one at an ssh:// address makes the daemon, which is root, log in there.
 */
static int check_right(const struct call *call, const char *verb, struct fl_error *err)
{
	if (is_root(call))
		return 0;
	fl_fail(err, FL_DENIED, "only root may say who is a peer");
	return fl_hint(err, "sudo flocker peer %s", verb);
}

int post_peers(struct call *call, struct fl_error *err)
{
	const struct peer_options options = { .name = call->input->name,
					      .address = call->input->address,
					      .limit = call->input->limit,
					      .limited = call->input->given & IN_LIMIT };
	struct peer peer;

	if (check_right(call, "add", err) < 0 ||
	    engine_peer_add(call->engine, &options, &peer, err) < 0)
		return fl_failed(err);
	encode_peer(call->json, NULL, &peer);
	return 0;
}

int get_peer(struct call *call, struct fl_error *err)
{
	own(peer_state_done) struct peer_state state = { 0 };

	if (engine_peer_show(call->engine, call->input->name, &state, err) < 0)
		return fl_failed(err);
	encode_peer_state(call->json, NULL, &state);
	return 0;
}

int delete_peer(struct call *call, struct fl_error *err)
{
	if (check_right(call, "remove", err) < 0)
		return fl_failed(err);
	return engine_peer_remove(call->engine, call->input->name, err);
}

int get_remotes(struct call *call, struct fl_error *err)
{
	own(branch_list_done) struct branch_list list = { 0 };

	if (engine_branches(call->engine, call->input->ref, &list, err) < 0)
		return fl_failed(err);
	encode_list_begin(call->json);
	for (size_t i = 0; i < list.count; i++)
		if (!list.items[i].local)
			encode_branch(call->json, NULL, &list.items[i]);
	encode_list_end(call->json, NULL);
	return 0;
}
