#include "catalog-fixture.h"

#include "base/clock.h"
#include "catalog/backup.h"

/*
 * The backup: written beside random work, restored into an empty catalogue,
 * and compared with the first one as a text of everything that is in it.
 */

static struct fl_error err;

/* --- a sink that keeps the log in memory ---------------------------------------------- */

struct log {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct text bytes;
	int appended;
	int replaced;
	bool broken;
};

static void log_begin(struct log *log)
{
	*log = (struct log){ .mutex = PTHREAD_MUTEX_INITIALIZER,
			     .changed = PTHREAD_COND_INITIALIZER };
}

static int log_append(void *arg, const void *bytes, size_t length, struct fl_error *e)
{
	struct log *log = arg;
	own_lock(guard, &log->mutex);

	if (log->broken)
		return fl_fail(e, FL_NO_SPACE, "no room for the backup");
	text_add(&log->bytes, bytes, length);
	log->appended++;
	return 0;
}

static int log_replace(void *arg, const void *bytes, size_t length, struct fl_error *e)
{
	struct log *log = arg;
	own_lock(guard, &log->mutex);

	if (log->broken)
		return fl_fail(e, FL_NO_SPACE, "no room for the backup");
	text_clear(&log->bytes);
	text_add(&log->bytes, bytes, length);
	log->replaced++;
	pthread_cond_broadcast(&log->changed);
	return 0;
}

static void log_set_broken(struct log *log, bool broken)
{
	own_lock(guard, &log->mutex);

	log->broken = broken;
}

/* Waits until the log was replaced `count` times; false after two minutes. */
static bool log_wait(struct log *log, int count)
{
	own_lock(guard, &log->mutex);
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += 120;
	while (log->replaced < count)
		if (pthread_cond_clockwait(&log->changed, &log->mutex, CLOCK_MONOTONIC, &until) !=
		    0)
			return false;
	return true;
}

/* What is in the log now. */
static void log_copy(struct log *log, struct text *ret)
{
	own_lock(guard, &log->mutex);

	text_clear(ret);
	text_add(ret, log->bytes.bytes, log->bytes.length);
}

static void start(struct catalog *catalog, struct log *log)
{
	struct backup_sink sink = { log, log_append, log_replace };

	log_begin(log);
	check_ok(catalog_backup_start(catalog, &sink, &err));
}

/* --- everything that is in a catalogue, as a text --------------------------------------- */

static struct text *described;
static struct tx *describing;

static int describe_tag(void *arg, const struct tag_row *row, struct fl_error *e)
{
	text_add_format(described, " tag %s %lld %lld\n", row->name, (long long)row->snapshot.time,
			(long long)row->created);
	return 0;
}

static int describe_stash(void *arg, const struct stash_row *row, struct fl_error *e)
{
	text_add_format(described, " stash %u %lld %lld %llu\n", row->number,
			(long long)row->snapshot.time, (long long)row->target.time,
			(unsigned long long)row->target_id);
	return 0;
}

static int describe_hook(void *arg, const struct hook_row *row, struct fl_error *e)
{
	text_add_format(described, "  hook %s %lld %d\n", row->name, (long long)row->timeout,
			row->required);
	metadata_encode(&row->settings, described);
	return 0;
}

static int describe_branch(void *arg, const struct branch_row *row, struct fl_error *e)
{
	own_metadata struct metadata policy = { 0 };
	own_free struct line *lines = NULL;
	char uuid[UUID_TEXT];
	size_t count;

	if (tx_branch_policy_get(describing, &row->uuid, &policy, e) < 0)
		return fl_failed(e);
	text_add_format(described, " branch %s %s %d %llu %lld\n", uuid_format(&row->uuid, uuid),
			row->name, row->mounted, (unsigned long long)row->last_sequence,
			(long long)row->last_time);
	metadata_encode(&policy, described);
	if (tx_hook_each(describing, &row->uuid, describe_hook, NULL, e) < 0)
		return fl_failed(e);
	if (tx_line_list(describing, &row->uuid, &lines, &count, e) < 0)
		return fl_failed(e);
	for (size_t i = 0; i < count; i++)
		text_add_format(described, "  line %lld %lld\n", (long long)lines[i].start,
				(long long)lines[i].parent.time);
	return 0;
}

static int describe_retired(void *arg, const struct retired_row *row, struct fl_error *e)
{
	char uuid[UUID_TEXT];

	text_add_format(described, "retired %s %u %lld\n", uuid_format(&row->operation, uuid),
			row->stash, (long long)row->snapshot.time);
	return 0;
}

static int describe_pin(void *arg, const struct pin_row *row, struct fl_error *e)
{
	text_add_format(described, "pin %u %lld %lld\n", row->kind, (long long)row->snapshot.time,
			(long long)row->since);
	return 0;
}

static int describe_peer(void *arg, const struct peer_row *row, struct fl_error *e)
{
	char uuid[UUID_TEXT];

	text_add_format(described, "peer %s %s %s %llu\n", row->name, row->address,
			uuid_format(&row->instance, uuid), (unsigned long long)row->limit);
	return 0;
}

static int describe_intent(void *arg, const struct intent_row *row, struct fl_error *e)
{
	char uuid[UUID_TEXT];

	text_add_format(described, "intent %s %s %s\n", uuid_format(&row->operation, uuid),
			row->verb, row->body);
	return 0;
}

static int describe_volume(void *arg, const struct volume_row *row, struct fl_error *e)
{
	text_add_format(described, "volume %s '%s' %u\n", row->name,
			row->description ? row->description : "", row->last_stash);
	metadata_encode(&row->metadata, described);
	if (tx_branch_each(describing, &row->uuid, false, describe_branch, NULL, e) < 0 ||
	    tx_branch_each(describing, &row->uuid, true, describe_branch, NULL, e) < 0 ||
	    tx_tag_each(describing, &row->uuid, NULL, describe_tag, NULL, e) < 0 ||
	    tx_stash_each(describing, &row->uuid, describe_stash, NULL, e) < 0)
		return fl_failed(e);
	return 0;
}

static int describe_snapshot(void *arg, const struct snapshot_row *row, struct fl_error *e)
{
	text_add_format(described, "snapshot %lld '%s' '%s'\n", (long long)row->position.time,
			row->name, row->message ? row->message : "");
	metadata_encode(&row->metadata, described);
	return 0;
}

static void describe(struct catalog *catalog, struct text *ret)
{
	struct position none = {};
	struct text value = {};

	described = ret;
	check_ok(tx_begin(catalog, &describing, &err));
	check_ok(tx_volume_each(describing, "", SIZE_MAX, describe_volume, NULL, &err));
	check_ok(tx_volume_each_destroyed(describing, describe_volume, NULL, &err));
	check_ok(tx_snapshot_each_all(describing, &none, SIZE_MAX, describe_snapshot, NULL, &err));
	check_ok(tx_retired_each(describing, describe_retired, NULL, &err));
	check_ok(tx_intent_each(describing, describe_intent, NULL, &err));
	check_ok(tx_pin_each(describing, &(struct pin_filter){ 0 }, describe_pin, NULL, &err));
	check_ok(tx_peer_each(describing, describe_peer, NULL, &err));
	if (tx_setting_get(describing, "name", &value, &err) == 0)
		text_add_format(ret, "name %s\n", text_get(&value));
	text_done(&value);
	tx_end(describing);
}

/* --- work ------------------------------------------------------------------------------------- */

static int copy_snapshot(void *arg, const struct snapshot_row *row, struct fl_error *e)
{
	struct snapshot_row bare = *row;

	/* What the pool tells: no name, no message. */
	bare.name[0] = '\0';
	bare.message = NULL;
	bare.metadata = (struct metadata){};
	return tx_snapshot_insert(arg, &bare, e);
}

struct copy {
	struct tx *from;
};

static int copy_snapshots(struct tx *tx, void *arg, struct fl_error *e)
{
	struct copy *copy = arg;
	struct position none = {};

	return tx_snapshot_each_all(copy->from, &none, SIZE_MAX, copy_snapshot, tx, e);
}

/* A catalogue restored from the log without its last `cut` bytes, with the snapshots of the first.
 */
static struct catalog *restored(const char *name, struct catalog *first, struct log *log,
				size_t cut, bool *ret_complete)
{
	own_text struct text bytes = {};
	struct catalog *second;
	struct copy copy;

	log_copy(log, &bytes);
	check_ok(catalog_open(fixture_path(name), true, &second, &err));
	check_ok(catalog_backup_restore(second, bytes.bytes, bytes.length - cut, ret_complete,
					&err));
	check_ok(tx_begin(first, &copy.from, &err));
	check_ok(catalog_write(second, CATALOG_LAZY, copy_snapshots, &copy, &err));
	tx_end(copy.from);
	return second;
}

static void check_same(struct catalog *a, struct catalog *b)
{
	own_text struct text one = {};
	own_text struct text two = {};

	describe(a, &one);
	describe(b, &two);
	check(one.length > 0);
	if (strcmp(text_get(&one), text_get(&two)) != 0)
		printf("# first:\n%s# second:\n%s", text_get(&one), text_get(&two));
	check(strcmp(text_get(&one), text_get(&two)) == 0);
}

/* An intent whose key sorts by the letter, made in the order of the calls. */
static int intend(struct tx *tx, char letter, struct fl_error *e)
{
	struct intent_row row = { .operation = { { (uint8_t)letter } }, .verb = "delete-snapshot" };
	char body[] = { letter, '\0' };

	row.body = body;
	return tx_intent_insert(tx, &row, e);
}

static int do_what_is_under_way(struct tx *tx, void *arg, struct fl_error *e)
{
	struct retired_row held = { .operation = uuid_new(),
				    .volume = fixture_volume,
				    .branch = fixture_trunk,
				    .stash = 2,
				    .snapshot = { fixture_trunk, 50 } };
	struct retired_row released = held;

	released.operation = uuid_new();
	if (tx_retired_insert(tx, &held, e) < 0 || tx_retired_insert(tx, &released, e) < 0 ||
	    tx_retired_delete(tx, &released.operation, e) < 0)
		return -(int)e->code;
	return intend(tx, 'z', e) < 0 || intend(tx, 'm', e) < 0 ? -(int)e->code : 0;
}

static int do_everything(struct tx *tx, void *arg, struct fl_error *e)
{
	own_metadata struct metadata policy = { 0 };
	own_volume_row struct volume_row volume = {};
	struct uuid side = uuid_new(), gone = uuid_new();
	struct branch_row branch = branch_row(&side, "side"), doomed = branch_row(&gone, "doomed");
	struct line line = { side, 1, { fixture_trunk, 20 } };
	struct tag_row tag = { fixture_volume, "v1", { fixture_trunk, 30 }, 4 };
	struct stash_row stash = { .volume = fixture_volume,
				   .number = 2,
				   .branch = fixture_trunk,
				   .snapshot = { fixture_trunk, 50 },
				   .target_id = UINT64_MAX };
	struct snapshot_row named = snapshot_row(&fixture_trunk, 900);
	own_hook_row struct hook_row hook = { .branch = side, .name = "mysql", .timeout = 30 };
	struct pin_row pin = { PIN_TRANSFER, gone, side, { fixture_trunk, 20 }, gone, 3 };
	struct peer_row peer = {
		.name = "h2", .address = (char[]){ "ssh://h2" }, .instance = gone, .limit = 7
	};
	int64_t five = 5;

	strcpy(named.name, "named");
	if (tx_pin_set(tx, &pin, e) < 0 || tx_peer_insert(tx, &peer, e) < 0)
		return -(int)e->code;
	if (tx_volume_get(tx, &fixture_volume, &volume, e) < 0 ||
	    metadata_set(&volume.metadata, "k", "v", e) < 0)
		return -(int)e->code;
	volume.description = xstrdup("a website");
	if (tx_volume_update(tx, &volume, e) < 0 || fixture_snapshots(tx, &five, e) < 0 ||
	    tx_branch_insert(tx, &branch, e) < 0 || tx_branch_insert(tx, &doomed, e) < 0 ||
	    tx_line_insert(tx, &line, e) < 0 || tx_branch_delete(tx, &gone, e) < 0 ||
	    tx_tag_insert(tx, &tag, e) < 0 || tx_stash_insert(tx, &stash, e) < 0 ||
	    tx_snapshot_insert(tx, &named, e) < 0 || do_what_is_under_way(tx, NULL, e) < 0)
		return -(int)e->code;
	check_ok(metadata_set(&hook.settings, "socket", "/run/x", e));
	if (tx_hook_set(tx, &hook, e) < 0)
		return -(int)e->code;
	check_ok(metadata_set(&policy, "keep", "14d", e));
	if (tx_branch_policy_set(tx, &fixture_trunk, &policy, e) < 0)
		return -(int)e->code;
	return tx_setting_set(tx, "name", "host", e);
}

/* What the number says to do; some of it fails, which must leave no trace. */
static int do_something(struct tx *tx, void *arg, struct fl_error *e)
{
	int n = *(const int *)arg;
	struct snapshot_row snapshot = snapshot_row(&fixture_trunk, 1000 + n);
	struct tag_row tag = { fixture_volume, "", { fixture_trunk, 1000 + n }, n };
	struct uuid uuid = uuid_new();
	struct volume_row volume = volume_row(&uuid, "");

	snprintf(tag.name, sizeof(tag.name), "t%d", n / 3);
	snprintf(snapshot.name, sizeof(snapshot.name), "s%d", n);
	snprintf(volume.name, sizeof(volume.name), "v%d", n % 7);
	switch (n % 5) {
	case 0:
		return tx_snapshot_insert(tx, &snapshot, e);
	case 1:
		return tx_tag_insert(tx, &tag, e);
	case 2:
		return tx_tag_delete(tx, &fixture_volume, tag.name, e);
	case 3:
		return tx_volume_insert(tx, &volume, e);
	default:
		if (tx_setting_set(tx, "name", tag.name, e) < 0)
			return -(int)e->code;
		return n % 2 ? fl_fail(e, FL_BUSY, "not today") : 0;
	}
}

static void work(struct catalog *catalog, int from, int to)
{
	struct fl_error e;

	for (int n = from; n < to; n++)
		(void)!catalog_write(catalog, n % 4 ? CATALOG_DURABLE : CATALOG_LAZY, do_something,
				     &n, &e);
}

/* A durable write brings along what lazy ones left. */
static void write_last(struct catalog *catalog)
{
	int setting = 4;

	check_ok(catalog_write(catalog, CATALOG_DURABLE, do_something, &setting, &err));
}

/* --- the tests ---------------------------------------------------------------- */

static void a_backup_brings_everything_back(void)
{
	struct catalog *first = fixture_open("first"), *second;
	struct log log;
	bool complete = false;

	check_ok(catalog_write(first, CATALOG_DURABLE, do_everything, NULL, &err));
	start(first, &log);
	check(log.replaced == 1 && log.appended == 0);
	second = restored("second", first, &log, 0, &complete);
	check(complete);
	check_same(first, second);
	catalog_close(second);
	work(first, 0, 100);
	write_last(first);
	check(log.appended > 0 && log.replaced == 1);
	second = restored("third", first, &log, 0, &complete);
	check(complete);
	check_same(first, second);
	check_code(FL_EXISTS, catalog_backup_restore(second, log.bytes.bytes, log.bytes.length,
						     &complete, &err));
	catalog_close(second);
	check_code(FL_EXISTS, catalog_backup_start(first, &(struct backup_sink){}, &err));
	catalog_close(first);
	text_done(&log.bytes);
}

/* A lazy write costs the sink nothing, and nor does one that changes no row of the backup. */
static void only_durable_writes_are_appended(void)
{
	struct catalog *catalog = fixture_open("lazy");
	struct log log;
	int64_t five = 5;

	start(catalog, &log);
	check_ok(catalog_write(catalog, CATALOG_LAZY, fixture_snapshots, &five, &err));
	check(log.appended == 0);
	write_last(catalog);
	check(log.appended == 1);
	catalog_close(catalog);
	text_done(&log.bytes);
}

static int finish_first(struct tx *tx, void *arg, struct fl_error *e)
{
	struct uuid operation = { { 'z' } };

	return tx_intent_delete(tx, &operation, e);
}

static int intend_another(struct tx *tx, void *arg, struct fl_error *e)
{
	return intend(tx, *(const char *)arg, e);
}

/* Made, carried out lazily, made again: the order of those that wait is that of their making. */
static void intents_come_back_in_their_order(void)
{
	static char letters[] = "ba";
	struct catalog *first = fixture_open("intents"), *second;
	own_text struct text text = {};
	struct log log;
	bool complete;

	start(first, &log);
	check_ok(catalog_write(first, CATALOG_DURABLE, do_what_is_under_way, NULL, &err));
	check_ok(catalog_write(first, CATALOG_LAZY, finish_first, NULL, &err));
	second = restored("intents-early", first, &log, 0, &complete);
	describe(second, &text);
	check(strstr(text_get(&text), "delete-snapshot z"));
	catalog_close(second);
	check_ok(catalog_write(first, CATALOG_DURABLE, intend_another, &letters[0], &err));
	second = restored("intents-late", first, &log, 0, &complete);
	check_same(first, second);
	check_ok(catalog_write(second, CATALOG_DURABLE, intend_another, &letters[1], &err));
	text_clear(&text);
	describe(second, &text);
	check(!strstr(text_get(&text), "delete-snapshot z"));
	check(strstr(text_get(&text), "delete-snapshot m") <
	      strstr(text_get(&text), "delete-snapshot b"));
	check(strstr(text_get(&text), "delete-snapshot b") <
	      strstr(text_get(&text), "delete-snapshot a"));
	catalog_close(second);
	catalog_close(first);
	text_done(&log.bytes);
}

/* Every cut and every damaged byte: noticed, and what stands before it restored. */
static void damage_ends_the_backup_there(void)
{
	struct catalog *first = fixture_open("hurt"), *second;
	struct log log;
	size_t length, step;
	bool complete;

	check_ok(catalog_write(first, CATALOG_DURABLE, do_everything, NULL, &err));
	start(first, &log);
	work(first, 0, 20);
	length = log.bytes.length;
	check(length > 24);
	step = length / 40 + 1;
	check_ok(catalog_open(fixture_path("hurt-restored"), true, &second, &err));
	for (size_t at = 0; at < length; at += at < 24 ? 1 : step) {
		own_free char *bytes = xcalloc(1, length);

		memcpy(bytes, log.bytes.bytes, length);
		bytes[at] ^= 4;
		catalog_close(second);
		unlink(fixture_path("hurt-restored"));
		check_ok(catalog_open(fixture_path("hurt-restored"), true, &second, &err));
		complete = true;
		check_ok(catalog_backup_restore(second, bytes, length, &complete, &err));
		check(!complete);
	}
	catalog_close(second);
	second = restored("hurt-cut", first, &log, 1, &complete);
	check(!complete);
	catalog_close(second);
	check_ok(catalog_open(fixture_path("hurt-nothing"), true, &second, &err));
	check_ok(catalog_backup_restore(second, "", 0, &complete, &err));
	check(!complete);
	catalog_close(second);
	catalog_close(first);
	text_done(&log.bytes);
}

static int write_blob(struct tx *tx, void *arg, struct fl_error *e)
{
	static char value[32768];
	int n = *(const int *)arg;

	memset(value, 'a' + n % 26, sizeof(value) - 1);
	return tx_setting_set(tx, "blob", value, e);
}

static void a_log_that_grew_is_written_anew(void)
{
	struct catalog *first = fixture_open("grown"), *second;
	struct log log;
	bool complete;
	int n;

	start(first, &log);
	for (n = 0; n < 120; n++) {
		check_ok(catalog_write(first, CATALOG_DURABLE, write_blob, &n, &err));
		work(first, n, n + 1);
	}
	check(log_wait(&log, 2));
	write_last(first);
	second = restored("grown-restored", first, &log, 0, &complete);
	check(complete);
	check_same(first, second);
	catalog_close(second);
	catalog_close(first);
	check(log.bytes.length < 120 * 32768);
	text_done(&log.bytes);
}

static void a_sink_that_fails_is_tried_again(void)
{
	struct catalog *first = fixture_open("broken"), *second;
	struct log log;
	bool complete;

	start(first, &log);
	log_set_broken(&log, true);
	work(first, 0, 30);
	log_set_broken(&log, false);
	write_last(first);
	check(log_wait(&log, 2));
	write_last(first);
	catalog_close(first);
	check_ok(catalog_open(fixture_path("broken"), false, &first, &err));
	second = restored("broken-restored", first, &log, 0, &complete);
	check(complete);
	check_same(first, second);
	catalog_close(second);
	catalog_close(first);
	text_done(&log.bytes);
}

static int tag_anew(struct tx *tx, void *arg, struct fl_error *e)
{
	static int last; /* writers have turns */
	struct tag_row tag = { fixture_volume, "", { fixture_trunk, 10 }, 1 };

	snprintf(tag.name, sizeof(tag.name), "tag%d", ++last);
	return tx_tag_insert(tx, &tag, e);
}

/* Four threads write while the log is written anew again and again. */
static void *work_hard(void *arg)
{
	struct catalog *catalog = arg;
	struct fl_error e;

	for (int n = 0; n < 120; n++) {
		(void)!catalog_write(catalog, CATALOG_DURABLE, n % 4 ? tag_anew : write_blob, &n,
				     &e);
		(void)!catalog_write(catalog, CATALOG_DURABLE, tag_anew, NULL, &e);
	}
	return NULL;
}

static void nothing_is_missed_while_writing_anew(void)
{
	struct catalog *first = fixture_open("busy"), *second;
	pthread_t threads[4];
	struct log log;
	bool complete;

	start(first, &log);
	for (size_t i = 0; i < array_size(threads); i++)
		check(pthread_create(&threads[i], NULL, work_hard, first) == 0);
	for (size_t i = 0; i < array_size(threads); i++)
		pthread_join(threads[i], NULL);
	check(log_wait(&log, 2));
	write_last(first);
	catalog_close(first); /* waits for a piece that is being written */
	check_ok(catalog_open(fixture_path("busy"), false, &first, &err));
	second = restored("busy-restored", first, &log, 0, &complete);
	check(complete);
	check_same(first, second);
	catalog_close(second);
	catalog_close(first);
	text_done(&log.bytes);
}

int main(int argc, char **argv)
{
	fixture_begin();
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(a_backup_brings_everything_back),
				  CHECK(only_durable_writes_are_appended),
				  CHECK(intents_come_back_in_their_order),
				  CHECK(damage_ends_the_backup_there),
				  CHECK(a_log_that_grew_is_written_anew),
				  CHECK(a_sink_that_fails_is_tried_again),
				  CHECK(nothing_is_missed_while_writing_anew),
				  CHECK_END,
			  });
}
