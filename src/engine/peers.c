#include "engine/peers.h"

#include <string.h>

#include "engine/dial.h"
#include "engine/halfway.h"
#include "engine/internal.h"
#include "engine/listing.h"
#include "engine/transfer-run.h"
#include "trust/store.h"

#define STOP_PATIENCE CLOCK_SECOND /* for peers to hear that what is under way ends */

void peer_list_done(struct peer_list *list)
{
	free(list->items);
	*list = (struct peer_list){ 0 };
}

void peer_state_done(struct peer_state *state)
{
	listed_done(&state->listed);
	*state = (struct peer_state){ 0 };
}

static void answer_peer(struct engine *engine, const struct peer_row *row, struct peer *ret)
{
	*ret = (struct peer){ .uuid = row->instance,
			      .cluster = row->cluster,
			      .limit = row->limit,
			      .added = row->added,
			      .connected = reach_is_up(engine->reach, row->name) };
	memcpy(ret->name, row->name, NAME_TEXT);
	snprintf(ret->address, sizeof(ret->address), "%s", row->address);
}

/* --- add -------------------------------------------------------------------------------- */

static int check_options(const struct engine *engine, const struct peer_options *options,
			 struct fl_error *err)
{
	struct address address;

	if (name_check("peer", options->name, err) < 0 ||
	    address_parse(options->address, &address, err) < 0)
		return fl_failed(err);
	if (strlen(options->address) >= PEER_ADDRESS)
		return fl_fail(err, FL_INVALID, "the address is too long: %d bytes at most",
			       PEER_ADDRESS - 1);
	if (strcmp(options->name, engine->name) == 0)
		return fl_fail(err, FL_INVALID, "'%s' is this instance itself", options->name);
	return 0;
}

static int check_name(const struct peer_options *options, const struct wire_hello *hello,
		      struct fl_error *err)
{
	if (strcmp(options->name, hello->name) == 0)
		return 0;
	fl_fail(err, FL_INVALID, "the instance at '%s' is called '%s', not '%s'", options->address,
		hello->name, options->name);
	return fl_hint(err, "an instance has one name everywhere: flocker peer add %s %s",
		       hello->name, options->address);
}

/* What a peer is to be, and what is found there. */
struct addition {
	struct peer_row row; /* owned */
	bool limited;	     /* row.limit counts, also for one that is there */
	bool may_be_known;   /* else one that is there stays as it is: FL_EXISTS */
	bool known, moved;   /* it was a peer before; at another address */
};

static void addition_done(struct addition *addition)
{
	peer_row_done(&addition->row);
}

static int fail_known(const struct addition *addition, const struct peer_row *old,
		      struct fl_error *err)
{
	const char *name = old->name;

	if (uuid_equal(&old->instance, &addition->row.instance))
		return fl_fail(err, FL_EXISTS, "'%s' is a peer already, at '%s'", name,
			       old->address);
	fl_fail(err, FL_EXISTS, "'%s' is a peer already, and another instance than the one at '%s'",
		name, addition->row.address);
	return fl_hint(
		err,
		"if this one has taken its place: flocker peer remove %s, then add it again; "
		"that lets go of all its pins, and of what was half received from it",
		name);
}

/* The same instance: only how it is reached is another. */
static int renew(struct tx *tx, struct addition *addition, const struct peer_row *old,
		 struct fl_error *err)
{
	struct peer_row *row = &addition->row;

	if (!addition->may_be_known || !uuid_equal(&old->instance, &row->instance))
		return fail_known(addition, old, err);
	row->added = old->added;
	if (!addition->limited)
		row->limit = old->limit;
	addition->known = true;
	addition->moved = strcmp(old->address, row->address) != 0;
	return tx_peer_update(tx, row, err);
}

static int put(struct tx *tx, void *arg, struct fl_error *err)
{
	own_peer_row struct peer_row old = { 0 };
	struct addition *addition = arg;
	const struct peer_row *row = &addition->row;
	int r = tx_peer_find(tx, row->name, &old, err);

	if (r == 0)
		return renew(tx, addition, &old, err);
	if (r != -FL_NOT_FOUND)
		return r;
	if (tx_peer_insert(tx, row, err) < 0)
		return fl_failed(err);
	return instance_remember(tx, &row->instance, row->name, err);
}

static int keep(struct engine *engine, struct addition *addition, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;

	if (gate_enter(engine, &inside, err) < 0)
		return fl_failed(err);
	return catalog_write(engine->catalog, CATALOG_DURABLE, put, addition, err);
}

/* Who is there by `hello`, under that name. */
static int add(struct engine *engine, const struct peer_options *options,
	       const struct wire_hello *hello, bool may_be_known, struct peer *ret,
	       struct fl_error *err)
{
	own(addition_done) struct addition addition = {
		.row = { .limit = options->limit, .added = clock_now() },
		.limited = options->limited,
		.may_be_known = may_be_known,
	};
	struct peer_row *row = &addition.row;

	memcpy(row->name, hello->name, NAME_TEXT);
	row->address = xstrdup(options->address);
	row->instance = hello->instance;
	row->cluster = hello->cluster;
	row->seen = row->added;
	if (keep(engine, &addition, err) < 0)
		return fl_failed(err);
	/* The next who needs a link dials the address that counts now. */
	if (addition.moved)
		reach_forget(engine->reach, row->name);
	answer_peer(engine, row, ret);
	events_add(&engine->events, "peer", row->name, addition.known ? "changed" : "added");
	return 0;
}

int engine_peer_add(struct engine *engine, const struct peer_options *options, struct peer *ret,
		    struct fl_error *err)
{
	struct reached reached;

	if (check_options(engine, options, err) < 0 ||
	    reach_try(engine->reach, options->address, &reached, err) < 0 ||
	    check_name(options, &reached.hello, err) < 0 ||
	    add(engine, options, &reached.hello, true, ret, err) < 0)
		return fl_failed(err);
	failing_clear(engine, FAILING_PEER, options->name);
	return 0;
}

/* It was a peer before, and is the same instance. */
static bool find_known(struct engine *engine, const struct wire_hello *hello, struct peer *ret)
{
	own_peer_row struct peer_row row = { 0 };
	struct fl_error ignored;

	if (peer_find(engine, hello->name, &row, &ignored) < 0 ||
	    !uuid_equal(&row.instance, &hello->instance))
		return false;
	answer_peer(engine, &row, ret);
	return true;
}

int peer_add_unnamed(struct engine *engine, const char *address, struct peer *ret,
		     struct fl_error *err)
{
	struct peer_options options = { .address = address };
	struct reached reached;

	if (reach_try(engine->reach, address, &reached, err) < 0)
		return fl_failed(err);
	if (find_known(engine, &reached.hello, ret))
		return 0;
	return add(engine, &options, &reached.hello, false, ret, err);
}

int peer_note(struct engine *engine, const struct peer_options *options,
	      const struct uuid *instance, struct peer *ret, struct fl_error *err)
{
	struct wire_hello hello = { .instance = *instance };
	struct trust_identity self;

	snprintf(hello.name, sizeof(hello.name), "%s", options->name);
	if (check_options(engine, options, err) < 0 || trust_self(engine->trust, &self, err) < 0)
		return fl_failed(err);
	hello.cluster = self.cluster;
	return add(engine, options, &hello, false, ret, err);
}

/* --- list and show ------------------------------------------------------------------------- */

struct listing {
	struct engine *engine;
	struct peer_list *list;
};

static int add_peer(void *arg, const struct peer_row *row, struct fl_error *err)
{
	const struct listing *listing = arg;

	answer_peer(listing->engine, row, array_add(listing->list->items, listing->list->count));
	return 0;
}

int engine_peers(struct engine *engine, struct peer_list *ret, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own(peer_list_done) struct peer_list list = { 0 };
	struct listing listing = { engine, &list };
	own_tx struct tx *tx = NULL;

	if (gate_enter(engine, &inside, err) < 0 || tx_begin(engine->catalog, &tx, err) < 0 ||
	    tx_peer_each(tx, add_peer, &listing, err) < 0)
		return fl_failed(err);
	*ret = list;
	list = (struct peer_list){ 0 };
	return 0;
}

int peer_find(struct engine *engine, const char *name, struct peer_row *ret, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;

	if (gate_enter(engine, &inside, err) < 0)
		return fl_failed(err);
	return find_peer(engine, name, ret, err);
}

static int ask(struct engine *engine, const struct peer_row *row, struct peer_state *ret,
	       struct fl_error *err)
{
	struct reached reached;

	if (reach_ask(engine->reach, row, &reached, err) < 0 ||
	    listing_ask(engine, row, "", &ret->listed, err) < 0)
		return fl_failed(err);
	memcpy(ret->program, reached.hello.program, NAME_TEXT);
	ret->round_trip = reached.round_trip;
	ret->ahead = reached.ahead;
	return 0;
}

int engine_peer_show(struct engine *engine, const char *name, struct peer_state *ret,
		     struct fl_error *err)
{
	own_peer_row struct peer_row row = { 0 };

	if (peer_find(engine, name, &row, err) < 0)
		return fl_failed(err);
	*ret = (struct peer_state){ 0 };
	if (ask(engine, &row, ret, err) < 0)
		ret->trouble = *err;
	answer_peer(engine, &row, &ret->peer);
	return 0;
}

/* --- remove ----------------------------------------------------------------------------------- */

static int delete (struct tx *tx, void *arg, struct fl_error *err)
{
	const struct peer_row *row = arg;

	if (tx_peer_delete(tx, row->name, err) < 0)
		return fl_failed(err);
	return tx_pin_delete_peer(tx, &row->instance, err);
}

int engine_peer_remove(struct engine *engine, const char *name, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_peer_row struct peer_row row = { 0 };

	if (gate_enter(engine, &inside, err) < 0 || find_peer(engine, name, &row, err) < 0 ||
	    catalog_write_deletion(engine, delete, &row, err) < 0)
		return fl_failed(err);
	failing_forget(engine, FAILING_PEER, name);
	reach_forget(engine->reach, name);
	if (!uuid_is_none(&row.instance))
		halfway_drop(engine, NULL, &row.instance);
	events_add(&engine->events, "peer", name, "removed");
	return 0;
}

/* --- who has dialled ----------------------------------------------------------------------------
 */

void engine_peer_serve(struct engine *engine, struct transport *transport,
		       const struct admission *admission)
{
	reach_serve(engine->reach, transport, admission);
}

void engine_peers_stop(struct engine *engine)
{
	operations_cancel_transfers(engine, STOP_PATIENCE);
	reach_settle(engine->reach, STOP_PATIENCE / 4);
	reach_stop(engine->reach);
}
