#include "engine/transfer-run.h"

#include <string.h>

#include "engine/internal.h"
#include "engine/past.h"

#define RETRY_FIRST (CLOCK_SECOND / 4)
#define RETRY_MOST (8 * CLOCK_SECOND)

struct cutting {
	const struct dialogue *dialogue;
	struct channel *channel;
};

static void cut(void *arg)
{
	const struct cutting *cutting = arg;

	if (cutting->dialogue->sending)
		sending_cancel(cutting->dialogue->sending);
	channel_cut(cutting->channel);
}

bool dialogue_was_cut(const struct dialogue *dialogue)
{
	return dialogue->sending ? sending_was_cut(dialogue->sending)
				 : receiving_was_cut(dialogue->receiving);
}

/* The peer's word for it: a link that was cut while a daemon stops says so too, and is replaced. */
static void note_cancelled(const struct dialogue *dialogue, struct running *running,
			   struct channel *channel, struct fl_error *err)
{
	if (!fl_is_cancelled(err) || dialogue_was_cut(dialogue))
		return;
	fl_add_wrap(err, "at '%s'", link_peer(channel_link(channel))->name);
	operation_cancelled_there(running, err);
}

int dialogue_run(const struct dialogue *dialogue, struct running *running, struct channel *channel,
		 struct fl_error *err)
{
	struct cutting cutting = { dialogue, channel };
	int r;

	operation_on_cancel(running, cut, &cutting);
	if (dialogue->sending)
		r = sending_run(dialogue->sending, channel, err);
	else
		r = receiving_run(dialogue->receiving, channel, dialogue->want, err);
	operation_on_cancel(running, NULL, NULL);
	if (r < 0) {
		struct fl_error broken = *err;

		/* That it was cancelled is why the channel broke. */
		if (operation_check(running, err) == 0) {
			*err = broken;
			note_cancelled(dialogue, running, channel, err);
		}
		return fl_failed(err);
	}
	return 0;
}

static uint64_t progress_of(const struct dialogue *dialogue)
{
	if (dialogue->sending) {
		struct sent sent;

		sending_tell(dialogue->sending, &sent);
		return sent.wire;
	} else {
		struct received received;

		receiving_tell(dialogue->receiving, &received);
		return received.wire;
	}
}

/* --- waiting, until somebody cancels ------------------------------------------------------- */

struct pause {
	pthread_mutex_t mutex;
	pthread_cond_t over;
	bool cancelled;
};

static void end_pause(void *arg)
{
	struct pause *pause = arg;
	own_lock(guard, &pause->mutex);

	pause->cancelled = true;
	pthread_cond_signal(&pause->over);
}

static void rest(struct running *running, int64_t duration)
{
	struct pause pause = { .mutex = PTHREAD_MUTEX_INITIALIZER };
	int64_t when = clock_monotonic() + duration;
	const struct timespec until = { when / CLOCK_SECOND, when % CLOCK_SECOND };
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&pause.over, &monotonic);
	pthread_condattr_destroy(&monotonic);
	operation_on_cancel(running, end_pause, &pause);
	pthread_mutex_lock(&pause.mutex);
	while (!pause.cancelled &&
	       pthread_cond_timedwait(&pause.over, &pause.mutex, &until) != ETIMEDOUT)
		;
	pthread_mutex_unlock(&pause.mutex);
	operation_on_cancel(running, NULL, NULL);
	pthread_cond_destroy(&pause.over);
}

/* --- by who dials ------------------------------------------------------------------------------
 */

/*
 * `*ret_begun`: the peer was reached.  By where it is reached now: that may be another address than
 * before, and who is no peer any more is not dialled again.
 */
static int attempt(struct engine *engine, const struct dialogue *dialogue, struct running *running,
		   const struct peer_row *peer, enum wire_verb verb, const struct text *request,
		   bool *ret_begun, struct fl_error *err)
{
	own_peer_row struct peer_row now = { 0 };
	struct contact contact = { 0 };
	int r;

	if (find_peer(engine, peer->name, &now, err) < 0)
		return fl_failed(err);
	now.instance = peer->instance;
	if (reach_open(engine->reach, &now, verb, request, &contact, err) < 0)
		return fl_failed(err);
	*ret_begun = true;
	r = dialogue_run(dialogue, running, contact.channel, err);
	contact_close(&contact, r < 0 ? err : NULL);
	return r;
}

int dialogue_drive(struct engine *engine, const struct dialogue *dialogue, struct running *running,
		   const struct peer_row *peer, enum wire_verb verb, const struct text *request,
		   struct fl_error *err)
{
	int64_t progressed = clock_monotonic(), pause = RETRY_FIRST;
	uint64_t before = 0;
	bool begun = false;

	while (attempt(engine, dialogue, running, peer, verb, request, &begun, err) < 0) {
		const bool away = err->code == FL_UNREACHABLE && begun && !fl_is_cancelled(err);
		struct fl_error why = *err;

		if (operation_check(running, err) < 0)
			return fl_failed(err);
		*err = why;
		if (!dialogue_was_cut(dialogue) || !away)
			return fl_failed(err);
		if (progress_of(dialogue) > before) {
			before = progress_of(dialogue);
			progressed = clock_monotonic();
			pause = RETRY_FIRST;
		}
		if (clock_monotonic() - progressed > TRANSFER_PATIENCE)
			return fl_failed(err);
		log_info("a transfer was cut and is tried again", "peer=%s error=\"%s\"",
			 peer->name, err->text);
		rest(running, pause);
		pause = pause * 2 > RETRY_MOST ? RETRY_MOST : pause * 2;
	}
	return 0;
}

int find_peer(struct engine *engine, const char *name, struct peer_row *ret, struct fl_error *err)
{
	own_tx struct tx *tx = NULL;
	int r;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	r = tx_peer_find(tx, name, ret, err);
	if (r != -FL_NOT_FOUND)
		return r;
	if (strcmp(name, engine->name) == 0) {
		fl_fail(err, FL_NOT_FOUND, "'%s' is this instance itself, and no peer of its own",
			name);
		return fl_hint(err, "a volume is copied within an instance by `flocker create NEW "
				    "--from OLD`");
	}
	fl_fail(err, FL_NOT_FOUND, "no peer is called '%s'", name);
	return fl_hint(err,
		       "flocker peer list shows them; flocker peer add %s ADDRESS makes it one",
		       name);
}

/* `*ret_live`: there are live contents to save. */
static int look_at(struct engine *engine, const struct ref *ref, struct uuid *ret_branch,
		   bool *ret_own, bool *ret_live, struct fl_error *err)
{
	own_target struct target target = { 0 };
	own_gate struct engine *inside = NULL;

	if (gate_enter(engine, &inside, err) < 0 || resolve_now(engine, ref, &target, err) < 0)
		return fl_failed(err);
	*ret_branch = target.branch.uuid;
	*ret_own = uuid_equal(&target.branch.instance, &engine->instance);
	*ret_live = *ret_own && !target.is_snapshot;
	return 0;
}

/* A volume that nobody has written to has no snapshot yet, and nothing new for one. */
static int take_first(struct engine *engine, const struct ref *ref, const struct uuid *branch,
		      struct fl_error *err)
{
	const struct snapshot_options options = { .reason = REASON_PUSH };
	own(snapshot_list_done) struct snapshot_list list = { 0 };
	struct position tip;

	{
		own_gate struct engine *inside = NULL;
		own_tx struct tx *tx = NULL;

		if (gate_enter(engine, &inside, err) < 0 ||
		    tx_begin(engine->catalog, &tx, err) < 0 ||
		    head_position(tx, branch, &tip, err) < 0)
			return fl_failed(err);
	}
	if (!position_is_none(&tip))
		return 0;
	return engine_snapshot(engine, ref, 1, &options, &list, err);
}

int save_before_sending(struct engine *engine, const struct ref *ref, bool *ret_own,
			struct fl_error *err)
{
	struct saving saving;
	struct uuid branch;
	bool live;

	if (look_at(engine, ref, &branch, ret_own, &live, err) < 0)
		return fl_failed(err);
	if (!live)
		return 0;
	if (engine_save(engine, &branch, REASON_PUSH, 0, &saving, err) < 0)
		return fl_failed(err);
	return take_first(engine, ref, &branch, err);
}
