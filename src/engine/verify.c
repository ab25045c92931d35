#include "engine/verify.h"

#include <string.h>

#include "engine/internal.h"
#include "engine/outgoing.h"
#include "engine/transfer-run.h"
#include "engine/worker.h"

#define DIGEST 32

/* A snapshot that stays while it is read. */
struct subject {
	struct engine *engine;
	struct running *running;
	struct tree tree;
	struct uuid volume;
	uint64_t id;
	char name[REF_SHORT];
};

static void subject_end(struct subject *subject)
{
	if (subject->running)
		reading_end(subject->engine, &subject->tree);
}

/* In a claim or a transaction that keeps the row. */
static int begin(struct subject *subject, const struct snapshot_row *row, const char *name,
		 const struct uuid *operation, struct fl_error *err)
{
	struct operation wanted = { .verb = "verify" };

	snprintf(wanted.object, sizeof(wanted.object), "%s", name);
	snprintf(subject->name, sizeof(subject->name), "%s", name);
	if (operation)
		wanted.id = *operation;
	if (worker_check(subject->engine, "digest", err) < 0 ||
	    operation_begin(subject->engine, &wanted, &subject->running, err) < 0)
		return fl_failed(err);
	subject->id = row->id;
	subject->tree = snapshot_tree(row);
	reading_begin(subject->engine, &subject->tree);
	return 0;
}

uint32_t verify_grain(const struct engine *engine, uint32_t theirs)
{
	const uint32_t ours = engine->pool->grain;

	return ours > theirs ? ours : theirs;
}

struct digesting {
	uint32_t grain;
	const struct asker *asker; /* who waits for it, or NULL */
	bool quiet; /* what is read is no progress of the operation, which counts other bytes */
};

static int digest_hex(struct engine *engine, struct running *running, const struct tree *tree,
		      const struct digesting *how, char ret[static 2 * DIGEST + 1],
		      struct fl_error *err)
{
	char nanoseconds[16];
	const char *const arguments[] = { "digest", "--grain", nanoseconds, NULL };
	own_fd int root = -1;
	struct worker worker;

	snprintf(nanoseconds, sizeof(nanoseconds), "%" PRIu32, how->grain);
	if (driver_of(engine)->tree_open(engine->pool, tree, &root, err) < 0 ||
	    worker_start(engine, running, arguments, &(struct spawn_fd){ root, WORKER_TREE }, 1,
			 &worker, err) < 0)
		return fl_failed(err);
	if (how->asker) {
		worker.is_wanted = how->asker->waits;
		worker.arg = how->asker->arg;
	}
	worker.quiet = how->quiet;
	worker_follow(&worker);
	if (worker_end(&worker, err) < 0)
		return fl_failed(err);
	if (strlen(worker.digest) != 2 * DIGEST)
		return fl_fail(err, FL_SYSTEM, "flocker-tree told no digest");
	memcpy(ret, worker.digest, 2 * DIGEST + 1);
	return 0;
}

static int digest(const struct subject *subject, uint32_t grain, char ret[static 2 * DIGEST + 1],
		  struct fl_error *err)
{
	const struct digesting how = { .grain = grain };

	operation_expect(subject->running, outgoing_weigh(subject->engine, NULL, &subject->tree));
	return digest_hex(subject->engine, subject->running, &subject->tree, &how, ret, err);
}

static void decode_hex(const char *hex, uint8_t ret[static DIGEST])
{
	for (size_t i = 0; i < DIGEST; i++) {
		const char two[] = { hex[2 * i], hex[2 * i + 1], '\0' };

		ret[i] = (uint8_t)strtoul(two, NULL, 16);
	}
}

int verify_tree(struct engine *engine, struct running *running, const struct tree *tree,
		uint32_t grain, uint8_t ret[static DIGEST], struct fl_error *err)
{
	char hex[2 * DIGEST + 1];

	const struct digesting how = { .grain = grain, .quiet = true };

	if (worker_check(engine, "digest", err) < 0 ||
	    digest_hex(engine, running, tree, &how, hex, err) < 0)
		return fl_failed(err);
	decode_hex(hex, ret);
	return 0;
}

/* --- for a peer ------------------------------------------------------------------------- */

static int claim_id(struct subject *subject, const struct uuid *volume, uint64_t id,
		    const char *who, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_target struct target target = { .is_snapshot = true };
	struct branch_row *branch = &target.branch;
	own_text struct text object = { 0 };
	own_tx struct tx *tx = NULL;
	char text[SNAPID_TEXT], name[REF_SHORT];

	if (gate_enter(subject->engine, &inside, err) < 0 ||
	    tx_begin(subject->engine->catalog, &tx, err) < 0 ||
	    tx_snapshot_get_id(tx, id, &target.snapshot, err) < 0 ||
	    tx_branch_get(tx, &target.snapshot.position.branch, branch, err) < 0 ||
	    tx_volume_get(tx, &branch->volume, &target.volume, err) < 0)
		return fl_failed(err);
	if (!uuid_equal(&branch->volume, volume))
		return fl_fail(err, FL_NOT_FOUND, "no snapshot of that volume has the id %s",
			       snapid_format(id, text));
	if (is_remote(subject->engine, branch))
		answer_instance(subject->engine, tx, &branch->instance, target.instance);
	target_format(&target, name);
	text_add_format(&object, "%s for %s", name, who);
	return begin(subject, &target.snapshot, text_get(&object), NULL, err);
}

static int take_place(struct engine *engine, const struct asker *asker, struct uuid **ret,
		      struct fl_error *err)
{
	own_lock(guard, &engine->care_mutex);
	struct uuid *free = NULL;
	size_t theirs = 0;

	for (size_t i = 0; i < VERIFY_FOR_PEERS; i++) {
		theirs += uuid_equal(&engine->verifying[i], &asker->peer);
		if (uuid_is_none(&engine->verifying[i]))
			free = &engine->verifying[i];
	}
	if (!free || theirs >= VERIFY_FOR_PEER) {
		fl_fail(err, FL_BUSY, "'%s' makes %d digests for %s already", engine->name,
			free ? VERIFY_FOR_PEER : VERIFY_FOR_PEERS,
			free ? "this instance" : "others");
		return fl_hint(err, "wait until one is done");
	}
	*free = asker->peer;
	*ret = free;
	return 0;
}

static void leave_place(struct engine *engine, struct uuid *place)
{
	own_lock(guard, &engine->care_mutex);

	*place = (struct uuid){ 0 };
}

static int digest_for(struct engine *engine, const struct digest_question *question,
		      const struct asker *asker, struct digest_answer *ret, struct fl_error *err)
{
	own(subject_end) struct subject subject = { .engine = engine };
	struct digest_answer answer = { 0 };
	char hex[2 * DIGEST + 1];
	int r;

	const struct digesting how = { .grain = verify_grain(engine, question->grain),
				       .asker = asker };

	if (claim_id(&subject, &question->volume, question->snapshot, asker->name, err) < 0)
		return fl_failed(err);
	answer.grain = how.grain;
	r = digest_hex(engine, subject.running, &subject.tree, &how, hex, err);
	if (r == 0) {
		decode_hex(hex, answer.digest);
		*ret = answer;
	} else if (!asker->waits(asker->arg)) {
		(void)fl_fail(err, FL_UNREACHABLE, "'%s' waits for it no more", asker->name);
	}
	operation_end(subject.running, r < 0 ? err : NULL, NULL);
	return r;
}

int verify_here(struct engine *engine, const struct digest_question *question,
		const struct asker *asker, struct digest_answer *ret, struct fl_error *err)
{
	struct uuid *place;
	int r;

	if (take_place(engine, asker, &place, err) < 0)
		return fl_failed(err);
	r = digest_for(engine, question, asker, ret, err);
	leave_place(engine, place);
	return r;
}

/* --- of people ------------------------------------------------------------------------------ */

static int claim_ref(struct subject *subject, const struct ref *ref, const char *peer,
		     const struct uuid *operation, struct peer_row *ret_peer, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_claim struct claim claim = { 0 };
	struct ref point = *ref;
	char name[REF_SHORT];

	if (point.point == POINT_NONE && (point.kind == REF_VOLUME || point.kind == REF_BRANCH))
		point.point = POINT_LATEST;
	if (gate_enter(subject->engine, &inside, err) < 0 ||
	    (peer && find_peer(subject->engine, peer, ret_peer, err) < 0) ||
	    claim_take(subject->engine, &point, 1, CLAIM_USE, &claim, err) < 0)
		return fl_failed(err);
	subject->volume = claim.targets[0].volume.uuid;
	target_format(&claim.targets[0], name);
	return begin(subject, &claim.targets[0].snapshot, name, operation, err);
}

static int hear_peer(const struct contact *contact, struct digest_answer *ret, struct fl_error *err)
{
	struct frame frame;

	if (channel_expect(contact->channel, WIRE_DIGEST_IS, 0, &frame, err) < 0)
		return fl_failed(err);
	return digest_answer_decode(frame.payload, frame.length, ret, err);
}

/* Its answer; and ours once more, if its storage keeps times less finely. */
static int agree(const struct subject *subject, const struct contact *contact,
		 struct verification *verification, struct fl_error *err)
{
	struct digest_answer answer;

	if (hear_peer(contact, &answer, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < DIGEST; i++)
		snprintf(verification->theirs + 2 * i, 3, "%02x", answer.digest[i]);
	if (answer.grain <= verification->grain)
		return 0;
	verification->grain = answer.grain;
	return digest(subject, answer.grain, verification->digest, err);
}

static void cut(void *arg)
{
	channel_cut(arg);
}

/* Both read at the same time. */
static int compare(struct subject *subject, const struct peer_row *peer,
		   struct verification *verification, struct fl_error *err)
{
	const struct digest_question question = { subject->volume, subject->id,
						  verification->grain };
	own_text struct text request = { 0 };
	struct contact contact = { 0 };
	int r;

	digest_question_encode(&question, &request);
	if (reach_open(subject->engine->reach, peer, VERB_DIGEST, &request, &contact, err) < 0)
		return fl_failed(err);
	r = digest(subject, verification->grain, verification->digest, err);
	if (r == 0) {
		operation_on_cancel(subject->running, cut, contact.channel);
		r = agree(subject, &contact, verification, err);
		operation_on_cancel(subject->running, NULL, NULL);
	}
	contact_close(&contact, r < 0 ? err : NULL);
	if (r != -FL_NOT_FOUND)
		return r;
	fl_fail(err, FL_NOT_FOUND, "'%s' does not have this snapshot", peer->name);
	return fl_hint(err, "flocker peer show %s lists what it has", peer->name);
}

int engine_verify(struct engine *engine, const struct ref *ref, const char *peer,
		  const struct uuid *operation, struct verification *ret, struct fl_error *err)
{
	own(subject_end) struct subject subject = { .engine = engine };
	own_peer_row struct peer_row row = { 0 };
	struct verification verification = { .equal = true };
	int r;

	if (check_form(ref, FORM_ANY, "verify", err) < 0 ||
	    claim_ref(&subject, ref, peer, operation, &row, err) < 0)
		return fl_failed(err);
	verification.grain = verify_grain(engine, 1);
	if (peer)
		r = compare(&subject, &row, &verification, err);
	else
		r = digest(&subject, verification.grain, verification.digest, err);
	if (r < 0)
		fl_add_wrap(err, "verifying '%s'", subject.name);
	operation_end(subject.running, r < 0 ? err : NULL, &verification.operation);
	if (r < 0)
		return r;
	memcpy(verification.ref, subject.name, REF_SHORT);
	if (peer) {
		memcpy(verification.peer, row.name, NAME_TEXT);
		verification.equal = strcmp(verification.digest, verification.theirs) == 0;
	}
	*ret = verification;
	return 0;
}
