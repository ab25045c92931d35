/*
 * Peers that do not answer.
 *
 * Whoever dials one says how it went (reach.c), so that `flocker status` has those that did not
 * answer when they were last needed; and so that this is not told of one that is back, they are
 * looked for now and then.  A link that is up is told by its keepalive, and needs none of that.
 *
 * For a log-in by ssh there may be somebody who counts those that fail, and shuts the door: so
 * such a peer is looked for only while it fails without having refused us.
 *
 * A certificate that ends is the other reason why hosts that went on well for a year do not any
 * more, so that is told a month before.
 */

#include <string.h>

#include "engine/dial.h"
#include "engine/internal.h"
#include "engine/peers.h"
#include "engine/reach.h"
#include "engine/transfer-run.h"
#include "trust/store.h"

#define ENDS_SOON (30 * CLOCK_DAY) /* of a certificate's year */

/* The first look comes when that time has passed once: who starts together need not be up yet. */
static int64_t until_due(struct engine *engine)
{
	int64_t every = config_duration(engine->config, CONFIG_PEER_CHECK), now = clock_boot();
	own_lock(guard, &engine->care_mutex);

	if (engine->peers_looked_for == 0)
		engine->peers_looked_for = now;
	return every ? engine->peers_looked_for + every - now : 0;
}

static bool may_ask(struct engine *engine, const struct peer *peer)
{
	struct address address;
	struct fl_error ignored;
	enum fl_code code = failing_code(engine, FAILING_PEER, peer->name);

	if (peer->connected || address_parse(peer->address, &address, &ignored) < 0)
		return false;
	return address.kind != ADDRESS_SSH || code == FL_UNREACHABLE;
}

/* How it went is noted by whoever dials; also of one that is removed meanwhile. */
static void ask(struct engine *engine, const char *name)
{
	own_peer_row struct peer_row row = { 0 }, again = { 0 };
	struct reached reached;
	struct fl_error err;

	if (peer_find(engine, name, &row, &err) < 0 ||
	    reach_ask(engine->reach, &row, &reached, &err) < 0)
		log_debug("a peer does not answer", "peer=%s error=\"%s\"", name, err.text);
	if (peer_find(engine, name, &again, &err) == -FL_NOT_FOUND)
		failing_forget(engine, FAILING_PEER, name);
}

void certificate_look(struct engine *engine)
{
	struct trust_identity self;
	char when[CLOCK_TEXT];
	struct fl_error err;

	if (!engine->trust || trust_self(engine->trust, &self, &err) < 0 ||
	    self.expires - clock_now() > ENDS_SOON) {
		failing_clear(engine, FAILING_CERTIFICATE, NULL);
		return;
	}
	fl_fail(&err, FL_DENIED, "after %s no other host lets this one in",
		time_text(self.expires, when));
	if (self.expires <= clock_now())
		fl_add_hint(&err, "%s", TRUST_RENEW);
	failing_set(engine, FAILING_CERTIFICATE, NULL, &err);
}

int64_t engine_peers_care(struct engine *engine)
{
	own(peer_list_done) struct peer_list list = { 0 };
	int64_t left = until_due(engine);
	struct fl_error ignored;

	certificate_look(engine);
	if (left > 0 || config_duration(engine->config, CONFIG_PEER_CHECK) == 0)
		return left;
	if (engine_peers(engine, &list, &ignored) == 0)
		for (size_t i = 0; i < list.count; i++)
			if (may_ask(engine, &list.items[i]))
				ask(engine, list.items[i].name);
	own_lock(guard, &engine->care_mutex);
	engine->peers_looked_for = clock_boot();
	return config_duration(engine->config, CONFIG_PEER_CHECK);
}
