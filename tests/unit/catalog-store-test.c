#include "catalog-fixture.h"

#include "base/clock.h"
#include "catalog/checksum-vfs.h"
#include "catalog/internal.h"

/*
 * The catalogue as a file: opening, migrations, the queue of writers, crashes,
 * damage, a full file system.  FLOCKER_TEST_LONG=1 flips every byte instead of
 * some, and adds a million snapshots, whose figures are printed.
 */

static struct fl_error err;

static uint64_t count_snapshots(struct catalog *catalog)
{
	struct tx *tx;
	uint64_t count = 0;

	check_ok(tx_begin(catalog, &tx, &err));
	check_ok(tx_snapshot_count(tx, &count, &err));
	tx_end(tx);
	return count;
}

static bool is_long(void)
{
	return getenv("FLOCKER_TEST_LONG") != NULL;
}

/* --- opening ------------------------------------------------------------------ */

static void what_is_no_catalogue_is_refused(void)
{
	struct catalog *catalog;
	const char *path = fixture_path("refused");
	FILE *file;

	check_code(FL_NOT_FOUND, catalog_open(path, false, &catalog, &err));
	file = fopen(path, "w");
	check_code(FL_CORRUPT, catalog_open(path, false, &catalog, &err));
	for (int i = 0; i < 3000; i++)
		fputs("no database", file);
	fclose(file);
	check_code(FL_CORRUPT, catalog_open(path, false, &catalog, &err));
	check(strstr(err.hint, "flocker pool recover"));
	check_code(FL_CORRUPT, catalog_open(path, true, &catalog, &err));
	check_code(FL_NOT_FOUND, catalog_open("/nowhere/at/all", false, &catalog, &err));
	check(catalog_open("/nowhere/at/all", true, &catalog, &err) < 0);
}

static void a_catalogue_can_be_put_aside(void)
{
	const char *path = fixture_path("aside");
	struct catalog *catalog = fixture_open("aside");

	catalog_close(catalog);
	check_ok(catalog_put_aside(path, &err));
	check_code(FL_NOT_FOUND, catalog_open(path, false, &catalog, &err));
	check_ok(catalog_put_aside(path, &err));
	catalog = fixture_open("aside");
	catalog_close(catalog);
}

/* The migrations of this program, and more of a program to come. */
static struct migrations with_more(const char *steps[static 64], const char *first,
				   const char *second)
{
	int count = schema.count;

	memcpy(steps, schema.steps, (size_t)count * sizeof(*steps));
	steps[count++] = first;
	if (second)
		steps[count++] = second;
	return (struct migrations){ steps, count };
}

static void older_is_migrated_and_newer_refused(void)
{
	const char *steps[64];
	const struct migrations newer = with_more(steps, "ALTER TABLE volume ADD COLUMN more TEXT",
						  NULL);
	const char *path = fixture_path("migrated");
	char before[300];
	struct catalog *catalog = fixture_open("migrated");
	int64_t three = 3;

	check_ok(catalog_write(catalog, CATALOG_LAZY, fixture_snapshots, &three, &err));
	catalog_close(catalog);
	snprintf(before, sizeof(before), "%s.before-%d", path, schema.count);
	fclose(fopen(before, "w"));
	check_ok(catalog_open_at(path, false, &newer, &catalog, &err));
	check(count_snapshots(catalog) == 3);
	catalog_close(catalog);
	check_code(FL_UNSUPPORTED, catalog_open(path, false, &catalog, &err));
	check(err.hint[0]);
	check_ok(catalog_open(before, false, &catalog, &err));
	check(count_snapshots(catalog) == 3);
	catalog_close(catalog);
	check_ok(catalog_open_at(path, false, &newer, &catalog, &err));
	catalog_close(catalog);
}

static int insert_before_retention(struct tx *tx, void *arg, struct fl_error *e)
{
	static const char sql[] = "INSERT INTO volume VALUES (x'01', 'v', x'02', 1, NULL, '', "
				  "NULL, '', 0, 5, 0, 0, 0);"
				  "INSERT INTO branch VALUES (zeroblob(16), x'01', x'02', 'trunk', "
				  "'', 0, 5, 0, NULL, 1, 3, 30);"
				  "INSERT INTO branch_number VALUES (1, zeroblob(16));"
				  "INSERT INTO taker VALUES (1, x'02', 'host');"
				  "INSERT INTO snapshot VALUES (1, 30, 77, 3, 1, 0, 0)";

	return connection_run(tx->connection, sql, e);
}

static int read_stamp(void *arg, const struct kept_row *row, struct fl_error *e)
{
	*(int64_t *)arg = row->stamp;
	return 0;
}

/* Rows that were written before there was a retention clock, or a policy. */
static void older_rows_get_no_lateness_and_no_policy(void)
{
	const struct migrations older = { schema.steps, 3 };
	const char *path = fixture_path("unstamped");
	own_metadata struct metadata policy = { 0 };
	const struct uuid branch = { 0 };
	struct catalog *catalog;
	struct tx *tx;
	int64_t stamp = 0;

	check_ok(catalog_open_at(path, true, &older, &catalog, &err));
	check_ok(catalog_write(catalog, CATALOG_LAZY, insert_before_retention, NULL, &err));
	catalog_close(catalog);
	check_ok(catalog_open(path, false, &catalog, &err));
	check_ok(tx_begin(catalog, &tx, &err));
	check_ok(tx_snapshot_each_kept(tx, &branch, read_stamp, &stamp, &err));
	check(stamp == 30);
	check_ok(tx_branch_policy_get(tx, &branch, &policy, &err));
	check(policy.count == 0);
	tx_end(tx);
	catalog_close(catalog);
}

static void a_migration_that_fails_changes_nothing(void)
{
	const char *steps[64];
	const struct migrations newer = with_more(steps, "ALTER TABLE volume ADD COLUMN more TEXT",
						  "ALTER TABLE nobody ADD COLUMN more TEXT");
	struct catalog *catalog = fixture_open("unmigrated");

	catalog_close(catalog);
	check(catalog_open_at(fixture_path("unmigrated"), false, &newer, &catalog, &err) < 0);
	check_ok(catalog_open(fixture_path("unmigrated"), false, &catalog, &err));
	catalog_close(catalog);
}

/* --- readers ---------------------------------------------------------------------- */

static void many_can_read_at_once(void)
{
	struct catalog *catalog = fixture_open("readers");
	struct tx *tx[READERS_KEPT + 6];
	int64_t four = 4;
	uint64_t count;

	for (size_t i = 0; i < array_size(tx); i++) {
		check_ok(tx_begin(catalog, &tx[i], &err));
		check_ok(tx_snapshot_count(tx[i], &count, &err));
	}
	check_ok(catalog_write(catalog, CATALOG_LAZY, fixture_snapshots, &four, &err));
	for (size_t i = 0; i < array_size(tx); i++) {
		check_ok(tx_snapshot_count(tx[i], &count, &err));
		check(count == 0);
		check(tx_setting_set(tx[i], "key", "value", &err) < 0);
		tx_end(tx[i]);
	}
	check(count_snapshots(catalog) == 4);
	check(catalog->reader_count == READERS_KEPT);
	catalog_close(catalog);
}

/* --- the queue of writers ------------------------------------------------------------ */

enum { WRITERS = 16, WRITES = 40 };

struct writer {
	struct catalog *catalog;
	pthread_t thread;
	int number;
	int wrong;
};

struct write {
	int64_t time;
	bool fail;
};

static int write_one(struct tx *tx, void *arg, struct fl_error *e)
{
	const struct write *w = arg;
	struct snapshot_row row = snapshot_row(&fixture_trunk, w->time);

	if (tx_snapshot_insert(tx, &row, e) < 0)
		return -(int)e->code;
	return w->fail ? fl_fail(e, FL_BUSY, "time %lld", (long long)w->time) : 0;
}

/* Every third fails after it has written. */
static void *write_many(void *arg)
{
	struct writer *writer = arg;
	struct fl_error e;

	for (int i = 0; i < WRITES; i++) {
		struct write w = { 1 + writer->number + WRITERS * i, i % 3 == 2 };
		char wanted[48];
		int r = catalog_write(writer->catalog, i % 2 ? CATALOG_DURABLE : CATALOG_LAZY,
				      write_one, &w, &e);

		snprintf(wanted, sizeof(wanted), "time %lld", (long long)w.time);
		if (r != (w.fail ? -FL_BUSY : 0) || (w.fail && strcmp(e.text, wanted) != 0))
			writer->wrong++;
	}
	return NULL;
}

static void writers_share_commits_but_not_failures(void)
{
	struct catalog *catalog = fixture_open("writers");
	struct writer writers[WRITERS] = {};
	struct snapshot_row row;
	struct tx *tx;

	for (int i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){ .catalog = catalog, .number = i };
		check(pthread_create(&writers[i].thread, NULL, write_many, &writers[i]) == 0);
	}
	for (int i = 0; i < WRITERS; i++)
		pthread_join(writers[i].thread, NULL);
	check_ok(tx_begin(catalog, &tx, &err));
	for (int i = 0; i < WRITERS; i++) {
		check(writers[i].wrong == 0);
		for (int n = 0; n < WRITES; n++) {
			struct position at = { fixture_trunk, 1 + i + WRITERS * n };

			check_code(n % 3 == 2 ? FL_NOT_FOUND : FL_OK,
				   tx_snapshot_get(tx, &at, &row, &err));
		}
	}
	tx_end(tx);
	catalog_close(catalog);
}

/* --- crashes --------------------------------------------------------------------------- */

struct acknowledger {
	struct catalog *catalog;
	int fd;
	int64_t first;
};

static void *write_and_acknowledge(void *arg)
{
	struct acknowledger *a = arg;
	struct fl_error e;

	for (int64_t time = a->first;; time += 4) {
		struct write w = { time, false };

		if (catalog_write(a->catalog, CATALOG_DURABLE, write_one, &w, &e) < 0 ||
		    write(a->fd, &time, sizeof(time)) != sizeof(time))
			_exit(1);
	}
	return NULL;
}

static void write_until_killed(const char *path, int64_t first, int fd)
{
	struct acknowledger a[4];
	struct catalog *catalog;
	pthread_t thread;

	if (catalog_open(path, false, &catalog, &err) < 0)
		_exit(2);
	for (int i = 0; i < 4; i++) {
		a[i] = (struct acknowledger){ catalog, fd, first + i };
		pthread_create(&thread, NULL, write_and_acknowledge, &a[i]);
	}
	for (;;)
		pause();
}

/* Kills a writing child after `enough` acknowledgements; returns the greatest time written. */
static int64_t kill_a_writer(const char *path, int64_t first, int enough, int64_t *times,
			     size_t *count)
{
	int64_t time, last = first;
	int fds[2];
	pid_t child;

	check(pipe2(fds, O_CLOEXEC) == 0);
	child = fork();
	if (child == 0)
		write_until_killed(path, first, fds[1]);
	close(fds[1]);
	for (int n = 0; read(fds[0], &time, sizeof(time)) == sizeof(time); n++) {
		if (n == enough)
			kill(child, SIGKILL);
		if (time > last)
			last = time;
		if (*count < 4096)
			times[(*count)++] = time;
	}
	close(fds[0]);
	waitpid(child, NULL, 0);
	return last;
}

static void what_was_acknowledged_survives_a_kill(void)
{
	static int64_t times[4096];
	struct catalog *catalog = fixture_open("killed");
	struct snapshot_row row;
	struct tx *tx;
	int64_t next = 1;
	size_t count = 0;

	catalog_close(catalog);
	for (int round = 0; round < 8; round++)
		next = kill_a_writer(fixture_path("killed"), next + 100, 7 * round + 1, times,
				     &count);
	check(count > 8);
	check_ok(catalog_open(fixture_path("killed"), false, &catalog, &err));
	check_ok(tx_begin(catalog, &tx, &err));
	for (size_t i = 0; i < count; i++) {
		struct position at = { fixture_trunk, times[i] };

		check_ok(tx_snapshot_get(tx, &at, &row, &err));
	}
	tx_end(tx);
	catalog_close(catalog);
}

/* A mount on the database stops its rename; its log must then be where it was. */
static void putting_aside_leaves_no_database_without_its_log(void)
{
	static int64_t times[4096];
	const char *path = fixture_path("half");
	struct catalog *catalog = fixture_open("half");
	struct snapshot_row row;
	struct tx *tx;
	size_t count = 0;
	int r;

	catalog_close(catalog);
	if (geteuid() != 0)
		return;
	kill_a_writer(path, 1, 20, times, &count);
	check(count > 20 && mount(path, path, NULL, MS_BIND, NULL) == 0);
	r = catalog_put_aside(path, &err);
	check(umount2(path, MNT_DETACH) == 0);
	check_code(FL_BUSY, r);
	check_ok(catalog_open(path, false, &catalog, &err));
	check_ok(tx_begin(catalog, &tx, &err));
	for (size_t i = 0; i < count; i++) {
		struct position at = { fixture_trunk, times[i] };

		check_ok(tx_snapshot_get(tx, &at, &row, &err));
	}
	tx_end(tx);
	catalog_close(catalog);
}

/* --- damage --------------------------------------------------------------------------- */

static void flip(int fd, off_t at, uint8_t bit)
{
	uint8_t byte = 0;

	check(pread(fd, &byte, 1, at) == 1);
	byte ^= (uint8_t)(1 << bit);
	check(pwrite(fd, &byte, 1, at) == 1);
}

static void no_flipped_bit_is_overlooked(void)
{
	const char *path = fixture_path("flipped");
	struct catalog *catalog = fixture_open("flipped");
	int64_t some = 300;
	struct stat st;
	off_t bits;
	int fd;

	check_ok(catalog_write(catalog, CATALOG_LAZY, fixture_snapshots, &some, &err));
	catalog_close(catalog);
	fd = open(path, O_RDWR | O_CLOEXEC);
	check(fd >= 0 && fstat(fd, &st) == 0 && st.st_size % CHECKSUM_PAGE == 0);
	bits = 8 * (off_t)st.st_size;
	for (off_t bit = 0; bit < bits; bit += is_long() || bit < 8 * 100 ? 9 : 97 * 23) {
		flip(fd, bit / 8, bit % 8);
		check_code(FL_CORRUPT, catalog_open(path, false, &catalog, &err));
		flip(fd, bit / 8, bit % 8);
	}
	close(fd);
	check_ok(catalog_open(path, false, &catalog, &err));
	check(count_snapshots(catalog) == 300);
	catalog_close(catalog);
}

static void a_cut_file_is_not_overlooked(void)
{
	const char *path = fixture_path("cut");
	struct catalog *catalog = fixture_open("cut");
	struct stat st;

	catalog_close(catalog);
	check(stat(path, &st) == 0);
	for (off_t size = st.st_size - CHECKSUM_PAGE; size > 0; size -= 3 * CHECKSUM_PAGE + 1) {
		check(truncate(path, size) == 0);
		check_code(FL_CORRUPT, catalog_open(path, false, &catalog, &err));
	}
}

/* Pages are bound to their place: two that change places are noticed, though each is whole. */
static void misplaced_pages_are_not_overlooked(void)
{
	const char *path = fixture_path("misplaced");
	struct catalog *catalog = fixture_open("misplaced");
	uint8_t a[CHECKSUM_PAGE], b[CHECKSUM_PAGE];
	int fd;

	catalog_close(catalog);
	fd = open(path, O_RDWR | O_CLOEXEC);
	check(pread(fd, a, sizeof(a), 5 * CHECKSUM_PAGE) == CHECKSUM_PAGE);
	check(pread(fd, b, sizeof(b), 6 * CHECKSUM_PAGE) == CHECKSUM_PAGE);
	check(pwrite(fd, b, sizeof(b), 5 * CHECKSUM_PAGE) == CHECKSUM_PAGE);
	check(pwrite(fd, a, sizeof(a), 6 * CHECKSUM_PAGE) == CHECKSUM_PAGE);
	close(fd);
	check_code(FL_CORRUPT, catalog_open(path, false, &catalog, &err));
	check(strstr(err.text, "page 6")); /* by its checksum, before anything looks into it */
}

/* Damage that comes while the catalogue is open is met by whoever reads the page. */
static void damage_is_met_while_reading(void)
{
	const char *path = fixture_path("worn");
	struct catalog *catalog = fixture_open("worn");
	int64_t some = 2000;
	struct branch_row trunk;
	struct stat st;
	struct tx *tx;
	uint64_t count;
	int fd;

	check_ok(catalog_write(catalog, CATALOG_LAZY, fixture_snapshots, &some, &err));
	catalog_close(catalog);
	check_ok(catalog_open(path, false, &catalog, &err));
	check_ok(tx_begin(catalog, &tx, &err));
	check_ok(tx_branch_get(tx, &fixture_trunk, &trunk, &err)); /* the schema is read now */
	tx_end(tx);
	fd = open(path, O_RDWR | O_CLOEXEC);
	check(fd >= 0 && fstat(fd, &st) == 0);
	for (off_t at = CHECKSUM_PAGE + 99; at < st.st_size; at += CHECKSUM_PAGE)
		flip(fd, at, 3);
	close(fd);
	check_ok(tx_begin(catalog, &tx, &err));
	check_code(FL_CORRUPT, tx_snapshot_count(tx, &count, &err));
	check(strstr(err.hint, "flocker pool recover"));
	tx_end(tx);
	catalog_close(catalog);
}

/* --- a full file system ------------------------------------------------------------------ */

static int write_some(struct catalog *catalog, int64_t *next, enum durability durability)
{
	int r = 0;

	while (r == 0 && *next < 100000) {
		struct write w = { *next, false };

		r = catalog_write(catalog, durability, write_one, &w, &err);
		if (r == 0)
			(*next)++;
	}
	return r;
}

static void a_full_file_system_is_a_typed_error(void)
{
	const char *at = fixture_path("full");
	struct catalog *catalog;
	int64_t next = 1;

	if (geteuid() != 0)
		return;
	check(mkdir(at, 0700) == 0 && mount("none", at, "tmpfs", 0, "size=256k") == 0);
	catalog = fixture_open("full/catalog");
	for (int round = 0; round < 3; round++) {
		check_code(FL_NO_SPACE,
			   write_some(catalog, &next, round ? CATALOG_LAZY : CATALOG_DURABLE));
		check(err.hint[0]);
		check(count_snapshots(catalog) == (uint64_t)next - 1);
	}
	check(mount("none", at, "tmpfs", MS_REMOUNT, "size=1m") == 0);
	check_code(FL_NO_SPACE, write_some(catalog, &next, CATALOG_LAZY));
	check(count_snapshots(catalog) == (uint64_t)next - 1);
	catalog_close(catalog);
	check_ok(catalog_open(fixture_path("full/catalog"), false, &catalog, &err));
	check(count_snapshots(catalog) == (uint64_t)next - 1);
	catalog_close(catalog);
	check(umount2(at, 0) == 0 && rmdir(at) == 0);
}

/* --- size ---------------------------------------------------------------------------------- */

static int fill_page(struct tx *tx, void *arg, struct fl_error *e)
{
	int64_t *next = arg;

	for (int i = 0; i < 10000; i++) {
		struct write w = { (*next)++, false };

		if (write_one(tx, &w, e) < 0)
			return -(int)e->code;
	}
	return 0;
}

static int count_row(void *arg, const struct snapshot_row *row, struct fl_error *e)
{
	(*(int *)arg)++;
	return 0;
}

static void a_million_snapshots(void)
{
	struct catalog *catalog;
	struct stretch all = { fixture_trunk, 1, INT64_MAX };
	int64_t next = 1, began;
	int rows = 0;
	struct tx *tx;

	if (!is_long())
		return;
	catalog = fixture_open("million");
	while (next <= 1000000)
		check_ok(catalog_write(catalog, CATALOG_LAZY, fill_page, &next, &err));
	catalog_close(catalog);
	began = clock_monotonic();
	check_ok(catalog_open(fixture_path("million"), false, &catalog, &err));
	printf("# opened and verified in %lld us\n", (long long)(clock_monotonic() - began) / 1000);
	check_ok(tx_begin(catalog, &tx, &err));
	began = clock_monotonic();
	check_ok(tx_snapshot_each(tx, &all, 1000, count_row, &rows, &err));
	printf("# a page of %d in %lld us\n", rows, (long long)(clock_monotonic() - began) / 1000);
	tx_end(tx);
	catalog_close(catalog);
}

int main(int argc, char **argv)
{
	fixture_begin();
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(what_is_no_catalogue_is_refused),
				  CHECK(a_catalogue_can_be_put_aside),
				  CHECK(older_is_migrated_and_newer_refused),
				  CHECK(older_rows_get_no_lateness_and_no_policy),
				  CHECK(a_migration_that_fails_changes_nothing),
				  CHECK(many_can_read_at_once),
				  CHECK(writers_share_commits_but_not_failures),
				  CHECK(what_was_acknowledged_survives_a_kill),
				  CHECK(putting_aside_leaves_no_database_without_its_log),
				  CHECK(no_flipped_bit_is_overlooked),
				  CHECK(a_cut_file_is_not_overlooked),
				  CHECK(misplaced_pages_are_not_overlooked),
				  CHECK(damage_is_met_while_reading),
				  CHECK(a_full_file_system_is_a_typed_error),
				  CHECK(a_million_snapshots),
				  CHECK_END,
			  });
}
