/*
 * Sixty-four clients at once, different verbs on the same few volumes and
 * branches.  What may fail fails with an expected code; nothing hangs; and at
 * the end a restart finds the same state, so catalogue and pool agree.
 */

#include "engine/rollback.h"
#include "tests/engine/fixture.h"

#include "base/text.h"

#define CLIENTS 64
#define ROUNDS 40
#define VOLUMES 3

struct client {
	struct engine *engine;
	pthread_t thread;
	unsigned seed;
	unsigned long done, refused;
	char failure[512]; /* the first error that should not be */
};

static struct ref random_branch(struct client *client)
{
	static const char *const branches[] = { "", "/a", "/b" };
	char text[64];

	snprintf(text, sizeof(text), "v%d%s", rand_r(&client->seed) % VOLUMES,
		 branches[rand_r(&client->seed) % 3]);
	return reference(text);
}

static struct ref snapshot_of(struct ref branch)
{
	branch.point = POINT_LATEST;
	return branch;
}

static int do_snapshot(struct client *client, struct fl_error *err)
{
	const struct snapshot_options options = { .reason = REASON_USER };
	struct snapshot_list list = { 0 };
	struct ref refs[] = { random_branch(client), random_branch(client) };
	int r = engine_snapshot(client->engine, refs, 1 + client->seed % 2, &options, &list, err);

	snapshot_list_done(&list);
	return r;
}

static int do_rollback(struct client *client, struct fl_error *err)
{
	struct ref branch = random_branch(client), target = snapshot_of(branch);
	struct rollback rollback = { 0 };
	int r;

	target.point = POINT_BACK;
	target.number = rand_r(&client->seed) % 3;
	r = engine_rollback(client->engine, &branch, &target, AROUND_RESTART, &rollback, err);
	rollback_done(&rollback);
	return r;
}

static int do_branch(struct client *client, struct fl_error *err)
{
	struct ref from = random_branch(client), ref = from;
	struct branch branch = { 0 };
	int r;

	ref.kind = REF_BRANCH;
	snprintf(ref.branch, sizeof(ref.branch), "%c", 'a' + rand_r(&client->seed) % 4);
	r = engine_branch(client->engine, &ref, &from, NULL, &branch, err);
	branch_done(&branch);
	return r;
}

static int do_log(struct client *client, struct fl_error *err)
{
	struct ref ref = random_branch(client);
	struct snapshot_list list = { 0 };
	int r = engine_log(client->engine, &ref, 0, 100, &list, err);

	snapshot_list_done(&list);
	return r;
}

static int do_destroy(struct client *client, struct fl_error *err)
{
	struct ref ref = random_branch(client);

	/* Seldom, so that the others have something to work on. */
	if (rand_r(&client->seed) % 6)
		return do_log(client, err);
	return engine_destroy(client->engine, &ref, NULL, err);
}

static int do_destroy_snapshot(struct client *client, struct fl_error *err)
{
	struct ref ref = snapshot_of(random_branch(client));

	ref.point = POINT_BACK;
	ref.number = 1;
	return engine_destroy(client->engine, &ref, NULL, err);
}

static int do_trash(struct client *client, struct fl_error *err)
{
	char name[8];
	struct trash_item item;
	uint64_t count;

	snprintf(name, sizeof(name), "v%d", rand_r(&client->seed) % VOLUMES);
	if (rand_r(&client->seed) % 8 == 0)
		return engine_trash_empty(client->engine, NULL, &count, err);
	return engine_trash_restore(client->engine, name, NULL, &item, err);
}

static int do_create(struct client *client, struct fl_error *err)
{
	char name[8];
	struct create_options options = { .name = name };
	struct volume volume = { 0 };
	int r;

	snprintf(name, sizeof(name), "v%d", rand_r(&client->seed) % VOLUMES);
	r = engine_create(client->engine, &options, &volume, err);
	volume_done(&volume);
	return r;
}

static int do_tag(struct client *client, struct fl_error *err)
{
	struct ref target = random_branch(client), ref = { .kind = REF_TAG };
	struct tag tag = { 0 };

	memcpy(ref.volume, target.volume, NAME_TEXT);
	snprintf(ref.tag, sizeof(ref.tag), "t%d", rand_r(&client->seed) % 5);
	if (rand_r(&client->seed) % 2)
		return engine_untag(client->engine, &ref, err);
	return engine_tag(client->engine, &ref, &target, &tag, err);
}

static int do_care(struct client *client, struct fl_error *err)
{
	engine_care(client->engine);
	return 0;
}

static int (*const actions[])(struct client *client, struct fl_error *err) = {
	do_snapshot,
	do_snapshot,
	do_snapshot,
	do_rollback,
	do_branch,
	do_destroy,
	do_destroy_snapshot,
	do_trash,
	do_create,
	do_tag,
	do_log,
	do_log,
	do_care,
};

static bool may_happen(const struct fl_error *err)
{
	return err->code == FL_NOT_FOUND || err->code == FL_EXISTS || err->code == FL_BUSY ||
	       err->code == FL_INVALID;
}

static void *run_client(void *arg)
{
	struct client *client = arg;
	struct fl_error err;

	for (int i = 0; i < ROUNDS && !client->failure[0]; i++) {
		size_t which = (size_t)rand_r(&client->seed) % array_size(actions);

		if (actions[which](client, &err) == 0)
			client->done++;
		else if (may_happen(&err))
			client->refused++;
		else
			snprintf(client->failure, sizeof(client->failure), "action %zu: %s", which,
				 err.text);
	}
	return NULL;
}

static void run_clients(struct fixture *fixture)
{
	static struct client clients[CLIENTS];
	unsigned long done = 0, refused = 0;

	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = (struct client){ .engine = fixture->engine, .seed = (unsigned)i + 1 };
		check(pthread_create(&clients[i].thread, NULL, run_client, &clients[i]) == 0);
	}
	for (int i = 0; i < CLIENTS; i++) {
		pthread_join(clients[i].thread, NULL);
		done += clients[i].done;
		refused += clients[i].refused;
	}
	printf("# %lu done, %lu refused\n", done, refused);
	for (int i = 0; i < CLIENTS; i++)
		check_string("", clients[i].failure);
	check(done > CLIENTS * ROUNDS / 8);
}

static void sixty_four_clients_leave_an_agreeing_state(void)
{
	own_free char *before = NULL, *after = NULL;
	struct fixture fixture;

	fixture_begin(&fixture);
	run_clients(&fixture);
	engine_care(fixture.engine);
	before = describe(&fixture);
	fixture_restart(&fixture);
	engine_care(fixture.engine);
	after = describe(&fixture);
	check_same_state(before, after, "after a restart");
	fixture_end(&fixture);
}

int main(int argc, char **argv)
{
	return check_main(
		argc, argv,
		(struct check[]){ CHECK(sixty_four_clients_leave_an_agreeing_state), CHECK_END });
}
