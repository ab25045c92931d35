/* The audit log by its files: what is written there, and what is found when that is changed. */
#include "audit/audit.h"

#include <fcntl.h>
#include <inttypes.h>
#include <nettle/sha2.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fsat.h"
#include "base/log.h"
#include "tests/check.h"

static char place[] = "/tmp/flocker-audit-test.XXXXXX";
static int state = -1;
static struct audit *audit;

static const struct audit_mark no_anchor;

static void open_log(const struct audit_limits *limits)
{
	audit_close(audit);
	audit = audit_open(state, limits);
}

static void begin_with(const struct audit_limits *limits)
{
	struct fl_error err = { 0 };

	audit_close(audit);
	audit = NULL;
	own_fdp(&state);
	state = -1;
	check_ok(fsat_remove_tree(AT_FDCWD, place, &err));
	check_ok(fsat_mkdir(AT_FDCWD, place, 0700, &err));
	check_ok(fsat_open_dir(AT_FDCWD, place, &state, &err));
	open_log(limits);
}

static void begin(void)
{
	begin_with(&audit_limits);
}

static void append(const char *verb, const char *object)
{
	struct audit_entry entry = {
		.uid = 1000, .pid = 42, .request = "abc-1", .verb = verb, .object = object
	};

	audit_append(audit, &entry);
}

static void append_many(int count)
{
	for (int i = 0; i < count; i++)
		append("snapshot", "data");
}

static void read_segment(const char *name, struct text *ret)
{
	struct fl_error err = { 0 };

	check_ok(fsat_read(state, name, 1 << 20, ret, &err));
}

static void write_segment(const char *name, const char *bytes, size_t length)
{
	struct fl_error err = { 0 };

	check_ok(fsat_write(state, name, bytes, length, 0600, false, &err));
}

static struct audit_report verify(const struct audit_mark *anchor)
{
	struct audit_report report;
	struct fl_error err = { 0 };

	check_ok(audit_verify(audit, anchor, &report, &err));
	return report;
}

static void check_intact(uint64_t first, uint64_t last)
{
	struct audit_report report = verify(&no_anchor);

	check_string("", report.problem);
	check(report.intact);
	check(report.first == first && report.last == last && report.records == last - first + 1);
}

/* Of the line's bytes before ,"hash": as the header says, by other means than the log's own. */
static void check_hash(const char *line, size_t length)
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha;
	char hex[3];

	sha256_init(&sha);
	sha256_update(&sha, length - 75, (const uint8_t *)line);
	sha256_digest(&sha, sizeof(digest), digest);
	for (size_t i = 0; i < sizeof(digest); i++) {
		snprintf(hex, sizeof(hex), "%02x", digest[i]);
		check(strncmp(hex, line + length - 66 + 2 * i, 2) == 0);
	}
}

static void a_line_is_as_its_header_says(void)
{
	static const char begins[] =
		"{\"previous\":\"0000000000000000000000000000000000000000000000000000000000000000\""
		",\"number\":1,\"time\":\"2";
	static const char members[] = "Z\",\"uid\":1000,\"pid\":42,\"request\":\"abc-1\",\"verb\":"
				      "\"snapshot\",\"object\":\"a\\\"b\",\"outcome\":\"done\","
				      "\"message\":null,\"hash\":\"";
	own_text struct text text = { 0 };
	const char *second;

	begin();
	append("snapshot", "a\"b");
	append("tag", NULL);
	read_segment("audit/000001.log", &text);
	check(strncmp(text.bytes, begins, sizeof(begins) - 1) == 0);
	check(strstr(text.bytes, members));
	second = strchr(text.bytes, '\n') + 1;
	check_hash(text.bytes, (size_t)(second - text.bytes) - 1);
	check_hash(second, strlen(second) - 1);
	/* The hash of the first is the second's `previous`. */
	check(strncmp(second + 13, second - 1 - 66, 64) == 0);
	check(strstr(second, "\"object\":null"));
}

static void an_untouched_log_is_intact(void)
{
	struct audit_report report;

	begin();
	report = verify(&no_anchor);
	check(report.intact && report.records == 0 && report.first == 0 && report.last == 0);
	append_many(3);
	check_intact(1, 3);
	open_log(&audit_limits);
	check_intact(1, 3);
	append_many(2);
	check_intact(1, 5);
}

/* Both as a daemon that runs sees it, and as one that is started after it. */
static void check_found(const char *what, size_t where)
{
	char place_of[64];

	snprintf(place_of, sizeof(place_of), "%s at %zu", what, where);
	if (verify(&no_anchor).intact)
		check_failed(__FILE__, __LINE__, "it was found", place_of);
}

static void each_changed_byte_is_found(void)
{
	own_text struct text text = { 0 };

	begin();
	append_many(3);
	read_segment("audit/000001.log", &text);
	for (size_t i = 0; i < text.length; i++) {
		text.bytes[i] ^= 1;
		write_segment("audit/000001.log", text.bytes, text.length);
		check_found("a changed byte", i);
		text.bytes[i] ^= 1 ^ 0x20;
		write_segment("audit/000001.log", text.bytes, text.length);
		check_found("a changed case", i);
		text.bytes[i] ^= 0x20;
	}
	write_segment("audit/000001.log", text.bytes, text.length);
	check_intact(1, 3);
}

/* But for the last newline, without which the line is taken for torn, and its loss is said. */
static void a_changed_byte_is_found_after_a_restart_too(void)
{
	own_text struct text text = { 0 };

	begin();
	append_many(2);
	read_segment("audit/000001.log", &text);
	for (size_t i = 0; i + 1 < text.length; i++) {
		text.bytes[i] ^= 1;
		write_segment("audit/000001.log", text.bytes, text.length);
		open_log(&audit_limits);
		append("tag", NULL);
		check_found("a changed byte", i);
		text.bytes[i] ^= 1;
	}
}

static void the_place_of_a_problem_is_told(void)
{
	own_text struct text text = { 0 };
	struct audit_report report;

	begin();
	append_many(5);
	read_segment("audit/000001.log", &text);
	*strstr(strstr(text.bytes, "\"number\":3"), "data") = 'D';
	write_segment("audit/000001.log", text.bytes, text.length);
	report = verify(&no_anchor);
	check(!report.intact && report.problem_number == 3 && report.records == 5);
	check_string("it was changed: its hash is not that of its contents", report.problem);
}

static void a_line_taken_out_is_found(void)
{
	own_text struct text text = { 0 };
	char *second, *third;
	struct audit_report report;

	begin();
	append_many(3);
	read_segment("audit/000001.log", &text);
	second = strchr(text.bytes, '\n') + 1;
	third = strchr(second, '\n') + 1;
	memmove(second, third, strlen(third) + 1);
	write_segment("audit/000001.log", text.bytes, strlen(text.bytes));
	report = verify(&no_anchor);
	check(!report.intact && report.problem_number == 2);
	/* The beginning, too: nothing says that it was removed for its age. */
	write_segment("audit/000001.log", second, strlen(second));
	report = verify(&no_anchor);
	check(!report.intact && report.problem_number == 1);
}

/* Each line is right by itself; but the second is that of another log. */
static void a_line_put_in_is_found(void)
{
	own_text struct text other = { 0 }, text = { 0 }, mixed = { 0 };
	const char *second, *third;
	struct audit_report report;

	begin();
	append_many(3);
	read_segment("audit/000001.log", &other);
	begin();
	append_many(3);
	read_segment("audit/000001.log", &text);
	second = strchr(text.bytes, '\n') + 1;
	third = strchr(second, '\n') + 1;
	text_add(&mixed, text.bytes, (size_t)(second - text.bytes));
	second = strchr(other.bytes, '\n') + 1;
	text_add(&mixed, second, (size_t)(strchr(second, '\n') + 1 - second));
	text_add_string(&mixed, third);
	check(mixed.length == text.length);
	write_segment("audit/000001.log", mixed.bytes, mixed.length);
	report = verify(&no_anchor);
	check(!report.intact && report.problem_number == 2);
	check_string("it does not continue the record before it", report.problem);
}

static void a_cut_end_is_found_by_what_was_kept_elsewhere(void)
{
	own_text struct text text = { 0 };
	struct audit_mark anchor;
	struct audit_report report;
	struct fl_error err = { 0 };
	size_t first;

	begin();
	append_many(3);
	check_ok(audit_sync(audit, &anchor, &err));
	check(anchor.number == 3);
	append_many(1);
	check(verify(&anchor).intact);
	read_segment("audit/000001.log", &text);
	first = (size_t)(strchr(text.bytes, '\n') + 1 - text.bytes);
	write_segment("audit/000001.log", text.bytes, first);
	report = verify(&no_anchor);
	check(!report.intact && report.problem_number == 2);
	open_log(&audit_limits);
	check(verify(&no_anchor).intact);
	report = verify(&anchor);
	check(!report.intact && report.problem_number == 2);
	/* Also when it has grown over it since. */
	append_many(5);
	check(verify(&no_anchor).intact);
	report = verify(&anchor);
	check(!report.intact && report.problem_number == 3);
}

static void what_others_append_is_found(void)
{
	struct fl_error err = { 0 };

	begin();
	append_many(1);
	check_ok(fsat_append(state, "audit/000001.log", "{}\n", 3, 0600, &err));
	check(!verify(&no_anchor).intact);
	open_log(&audit_limits);
	append_many(2);
	check(!verify(&no_anchor).intact);
	check(verify(&no_anchor).problem_number == 2);
}

static void check_record(size_t at, const char *verb, const char *outcome, const char *says)
{
	own(audit_list_done) struct audit_list list = { 0 };
	struct fl_error err = { 0 };

	check_ok(audit_list(audit, 0, at + 1, &list, &err));
	check(list.count == at + 1);
	check_string(verb, list.items[at].verb);
	check_string(outcome, list.items[at].outcome);
	if (says && !strstr(list.items[at].message, says))
		check_string(says, list.items[at].message);
}

static void a_torn_line_is_cut_off_and_told(void)
{
	own_text struct text text = { 0 };

	begin();
	append_many(3);
	read_segment("audit/000001.log", &text);
	write_segment("audit/000001.log", text.bytes, text.length - 20);
	open_log(&audit_limits);
	check_record(0, "audit", "corrupt", "unfinished record");
	append("tag", "v1@data");
	check_record(0, "tag", "done", NULL);
	/* 1, 2, the one about it, the tag. */
	check_intact(1, 4);
	/* Nothing whole is left of the only line. */
	write_segment("audit/000001.log", text.bytes, 30);
	open_log(&audit_limits);
	check_intact(1, 1);
}

static void segments_turn_and_the_oldest_go(void)
{
	static const struct audit_limits small = { .segment = 1000, .segments = 3 };
	struct audit_report report;
	struct audit_mark mark;
	struct fl_error err = { 0 };
	struct stat st;

	begin_with(&small);
	append_many(8);
	check_ok(fsat_stat(state, "audit/000003.log", &st, &err));
	check_intact(1, 8);
	append_many(20);
	report = verify(&no_anchor);
	check_string("", report.problem);
	check(report.intact && report.first > 8 && report.last == 28);
	check_code(FL_NOT_FOUND, fsat_stat(state, "audit/000001.log", &st, &err));
	open_log(&small);
	append_many(1);
	check(verify(&no_anchor).intact);
	check_ok(audit_sync(audit, &mark, &err));
	check(mark.number == 29);
}

static void a_missing_segment_is_found(void)
{
	static const struct audit_limits small = { .segment = 1000, .segments = 16 };
	struct fl_error err = { 0 };

	begin_with(&small);
	append_many(12);
	check_intact(1, 12);
	check_ok(fsat_unlink(state, "audit/000002.log", &err));
	check(!verify(&no_anchor).intact);
	open_log(&small);
	check(!verify(&no_anchor).intact);
}

static void a_beginning_that_was_not_old_is_missed(void)
{
	static const struct audit_limits small = { .segment = 1000, .segments = 4 };
	struct fl_error err = { 0 };

	begin_with(&small);
	append_many(40);
	check(verify(&no_anchor).intact);
	open_log(&small);
	check(verify(&no_anchor).intact);
	for (int i = 1; i < 30; i++) {
		char name[32];
		struct stat st;

		snprintf(name, sizeof(name), "audit/%06d.log", i);
		if (fsat_stat(state, name, &st, &err) < 0)
			continue;
		check_ok(fsat_unlink(state, name, &err));
		break;
	}
	check(!verify(&no_anchor).intact);
	open_log(&small);
	check(!verify(&no_anchor).intact);
}

static void lists_are_paged_newest_first(void)
{
	static const struct audit_limits small = { .segment = 1000, .segments = 16 };
	struct fl_error err = { 0 };
	uint64_t after = 0, wanted = 17;

	begin_with(&small);
	append_many(17);
	for (;;) {
		own(audit_list_done) struct audit_list list = { 0 };

		check_ok(audit_list(audit, after, 5, &list, &err));
		for (size_t i = 0; i < list.count; i++)
			check(list.items[i].number == wanted--);
		if (list.count < 5)
			break;
		after = list.items[4].number;
	}
	check(wanted == 0);
}

/* The third of six is no record any more: what is newer is listed, then what is older. */
static void lists_go_on_around_damage(void)
{
	own(audit_list_done) struct audit_list newer = { 0 }, none = { 0 }, older = { 0 };
	own_text struct text text = { 0 };
	struct fl_error err = { 0 };
	char *line;

	begin();
	append_many(6);
	read_segment("audit/000001.log", &text);
	line = text.bytes;
	for (int i = 0; i < 2; i++)
		line = strchr(line, '\n') + 1;
	memset(line, 'x', 20);
	write_segment("audit/000001.log", text.bytes, text.length);
	check_ok(audit_list(audit, 0, 10, &newer, &err));
	check(newer.count == 3 && newer.items[2].number == 4 && newer.more);
	check_code(FL_CORRUPT, audit_list(audit, 4, 10, &none, &err));
	check_ok(audit_list(audit, 3, 10, &older, &err));
	check(older.count == 2 && older.items[0].number == 2 && !older.more);
}

static void a_page_that_holds_all_is_the_last(void)
{
	own(audit_list_done) struct audit_list all = { 0 }, one = { 0 };
	struct fl_error err = { 0 };

	begin();
	append_many(3);
	check_ok(audit_list(audit, 0, 3, &all, &err));
	check(all.count == 3 && !all.more);
	check_ok(audit_list(audit, 0, 2, &one, &err));
	check(one.count == 2 && one.more);
}

static void a_record_comes_back_as_it_was_given(void)
{
	struct audit_entry entry = { .uid = -1,
				     .verb = "destroy",
				     .object = "d\n\xc3\xa4",
				     .outcome = FL_BUSY,
				     .message = "in use" };
	own(audit_list_done) struct audit_list list = { 0 };
	struct fl_error err = { 0 };

	begin();
	audit_append(audit, &entry);
	check_ok(audit_list(audit, 0, 10, &list, &err));
	check(list.count == 1 && list.items[0].uid == -1 && list.items[0].pid == -1);
	check(!list.items[0].request);
	check_string("d\n\xc3\xa4", list.items[0].object);
	check_string("busy", list.items[0].outcome);
	check_string("in use", list.items[0].message);
}

/* A file size limit stands for a full file system: the write falls short, then fails. */
static void append_without_room(int count)
{
	struct rlimit old, limit;
	struct fl_error err = { 0 };
	struct stat st;

	check_ok(fsat_stat(state, "audit/000001.log", &st, &err));
	check(getrlimit(RLIMIT_FSIZE, &old) == 0);
	limit = (struct rlimit){ .rlim_cur = (rlim_t)st.st_size + 50, .rlim_max = old.rlim_max };
	check(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	append_many(count);
	check(setrlimit(RLIMIT_FSIZE, &old) == 0);
}

static void what_could_not_be_written_is_counted(void)
{
	struct fl_error err = { 0 };

	begin();
	append_many(2);
	append_without_room(3);
	check_code(FL_NO_SPACE, audit_trouble(audit, &err));
	check(err.hint[0]);
	check_intact(1, 2);
	append("tag", "v1@data");
	check_ok(audit_trouble(audit, &err));
	check_record(0, "tag", "done", NULL);
	check_record(1, "audit", "no-space", "3 records could not be written");
	check_intact(1, 4);
}

/* When there is room again only as the process ends. */
static void what_is_missing_at_the_end_is_told(void)
{
	begin();
	append_many(2);
	append_without_room(1);
	check(verify(&no_anchor).unrecorded == 1);
	open_log(&audit_limits);
	check_record(0, "audit", "no-space", "1 record could not be written");
	check_intact(1, 3);
	check(verify(&no_anchor).unrecorded == 0);
}

/* As editors and programs that turn logs do it. */
static void a_file_that_was_replaced_is_gone_on_with(void)
{
	own_text struct text text = { 0 };
	struct fl_error err = { 0 };

	begin();
	append_many(3);
	read_segment("audit/000001.log", &text);
	write_segment("audit/000001.log", text.bytes, text.length);
	append("tag", "v1@data");
	check_record(0, "tag", "done", NULL);
	check_record(1, "audit", "corrupt", "removed or replaced 000001.log");
	check_intact(1, 5);
	check_ok(fsat_rename(state, "audit/000001.log", state, "audit/000001.log.1", &err));
	append("tag", "v2@data");
	check_record(0, "tag", "done", NULL);
	check(verify(&no_anchor).problem_number == 1);
	append("tag", "v3@data");
	check_record(0, "tag", "done", NULL);
	check_record(1, "tag", "done", NULL);
}

static void a_directory_that_was_replaced_is_gone_on_with(void)
{
	struct fl_error err = { 0 };

	begin();
	append_many(3);
	check_ok(fsat_rename(state, "audit", state, "moved", &err));
	check(verify(&no_anchor).problem_number == 1); /* also before the next record */
	check_ok(fsat_rename(state, "moved", state, "audit", &err));
	check_intact(1, 3);
	check_ok(fsat_rename(state, "audit", state, "moved", &err));
	append("tag", "v1@data");
	check_record(0, "tag", "done", NULL);
	check_record(1, "audit", "corrupt", "removed or replaced the directory audit");
	check(verify(&no_anchor).problem_number == 1);
	/* And with the one that was there first, where no directory can be meanwhile. */
	check_ok(fsat_remove_tree(state, "audit", &err));
	write_segment("audit", "x", 1);
	append("tag", "v2@data");
	check(audit_trouble(audit, &err) < 0);
	check_ok(fsat_unlink(state, "audit", &err));
	check_ok(fsat_rename(state, "moved", state, "audit", &err));
	append("tag", "v3@data");
	check_ok(audit_trouble(audit, &err));
	check_record(0, "tag", "done", NULL);
	check_record(1, "audit", "exists", "1 record could not be written");
	check_record(2, "audit", "corrupt", "removed or replaced the directory audit");
	check_record(3, "snapshot", "done", NULL);
	check(verify(&no_anchor).problem_number == 4);
}

static void a_log_that_cannot_be_opened_is_tried_again(void)
{
	struct fl_error err = { 0 };

	begin();
	check_ok(fsat_remove_tree(state, "audit", &err));
	write_segment("audit", "x", 1);
	open_log(&audit_limits);
	check(audit_trouble(audit, &err) < 0);
	append_many(1);
	check_ok(fsat_unlink(state, "audit", &err));
	append_many(1);
	check_ok(audit_trouble(audit, &err));
	check_record(1, "audit", "exists", "1 record could not be written");
	check_intact(1, 2);
}

int main(int argc, char **argv)
{
	struct fl_error err;
	int status;

	if (!mkdtemp(place))
		return 1;
	log_set_level(LOG_LEVEL_ERROR);
	signal(SIGXFSZ, SIG_IGN);
	status = check_main(argc, argv,
			    (struct check[]){
				    CHECK(a_line_is_as_its_header_says),
				    CHECK(an_untouched_log_is_intact),
				    CHECK(each_changed_byte_is_found),
				    CHECK(a_changed_byte_is_found_after_a_restart_too),
				    CHECK(the_place_of_a_problem_is_told),
				    CHECK(a_line_taken_out_is_found),
				    CHECK(a_line_put_in_is_found),
				    CHECK(a_cut_end_is_found_by_what_was_kept_elsewhere),
				    CHECK(what_others_append_is_found),
				    CHECK(a_torn_line_is_cut_off_and_told),
				    CHECK(segments_turn_and_the_oldest_go),
				    CHECK(a_missing_segment_is_found),
				    CHECK(a_beginning_that_was_not_old_is_missed),
				    CHECK(lists_are_paged_newest_first),
				    CHECK(lists_go_on_around_damage),
				    CHECK(a_page_that_holds_all_is_the_last),
				    CHECK(a_record_comes_back_as_it_was_given),
				    CHECK(what_could_not_be_written_is_counted),
				    CHECK(what_is_missing_at_the_end_is_told),
				    CHECK(a_file_that_was_replaced_is_gone_on_with),
				    CHECK(a_directory_that_was_replaced_is_gone_on_with),
				    CHECK(a_log_that_cannot_be_opened_is_tried_again),
				    CHECK_END,
			    });
	audit_close(audit);
	own_fdp(&state);
	if (fsat_remove_tree(AT_FDCWD, place, &err) < 0)
		return 1;
	return status;
}
