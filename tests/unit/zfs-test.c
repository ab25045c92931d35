/* What the ZFS driver makes of names, properties and output, and of programs that misbehave. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

#include "base/clock.h"
#include "driver/zfs/header.h"
#include "driver/zfs/index.h"
#include "driver/zfs/pieces.h"
#include "driver/zfs/run.h"

#define BRANCH "0a000000-0000-4000-8000-000000000001"
#define OTHER "0b000000-0000-4000-8000-000000000002"
#define OPERATION "0c000000-0000-4000-8000-000000000003"
#define SNAPNAME "0d000000-0000-4000-8000-000000000004.20261121T080000.123456789Z"

/* --- labels and names --------------------------------------------------------------------- */

static void a_label_is_read_as_it_was_written(void)
{
	static const char *const texts[] = {
		"hidden",
		"heads/" BRANCH,
		"heads/" BRANCH "+" OPERATION,
		"snaps/" BRANCH "/" SNAPNAME,
		"staging/" OPERATION,
		"retired/" OPERATION,
	};
	char again[LABEL_TEXT];
	struct label label;

	for (size_t i = 0; i < array_size(texts); i++) {
		check(label_parse(texts[i], &label));
		check_string(texts[i], label_format(&label, again));
	}
}

static void anything_else_is_no_label(void)
{
	static const char *const texts[] = {
		"",
		"-",
		"heads/",
		"heads/" BRANCH "/",
		"heads/" BRANCH "+",
		"heads/" BRANCH "+" OPERATION "+",
		"heads/0A000000-0000-4000-8000-000000000001",
		"retired/" OPERATION "+" OPERATION,
		"snaps/" BRANCH,
		"snaps/" BRANCH "/x",
		"snaps/" BRANCH "/" SNAPNAME "x",
		"Hidden",
		"hidden\n",
		"tails/" BRANCH,
	};
	struct label label;

	for (size_t i = 0; i < array_size(texts); i++)
		check(!label_parse(texts[i], &label));
}

static void a_name_tells_its_id(void)
{
	struct label label;
	char text[COMPONENT_TEXT];
	uint64_t id = 0;

	check(label_parse("snaps/" BRANCH "/" SNAPNAME, &label));
	component_format(&label.tree, 0x1234, text);
	check_string(SNAPNAME ".0000000000001234", text);
	check(component_id(text, &id) && id == 0x1234);
	check(component_id("pool/a.0000000000000001@b.00000000000000ff", &id) && id == 0xff);
	check(!component_id("pool/data", &id) && !component_id("pool/v1.2", &id));
	check(!component_id("a.000000000000000g", &id) && !component_id("a.0000000000000000", &id));
	for (int i = 0; i < 1000; i++) {
		id = zfs_new_id();
		check(id > 0 && id <= INT64_MAX);
	}
}

static void names_of_datasets_are_checked(void)
{
	static const char *const good[] = { "tank", "tank/a", "tank/a-b_c.d:e/F0" };
	static const char *const bad[] = { "",	      "/tank",	"tank/",    "tank//a", "tank/-a",
					   "tank/.a", "tank@s", "tank/a b", "tank\n",  "-tank" };
	struct fl_error err;
	char endless[300];

	for (size_t i = 0; i < array_size(good); i++)
		check_ok(dataset_check(good[i], &err));
	for (size_t i = 0; i < array_size(bad); i++)
		check_code(FL_INVALID, dataset_check(bad[i], &err));
	memset(endless, 'a', sizeof(endless) - 1);
	endless[sizeof(endless) - 1] = '\0';
	check_code(FL_INVALID, dataset_check(endless, &err));
}

static void any_bytes_survive_a_property(void)
{
	struct text bytes = { 0 }, encoded = { 0 }, decoded = { 0 };
	bool same;

	for (int i = 0; i < 256; i++)
		text_add(&bytes, (const char[]){ (char)i }, 1);
	text_add_string(&bytes, "\ttab\nnewline \xc3\xa4%41");
	property_encode(text_get(&bytes), bytes.length, &encoded);
	check(!strpbrk(text_get(&encoded), "\t\n ,="));
	same = property_decode(text_get(&encoded), &decoded) && decoded.length == bytes.length &&
	       memcmp(decoded.bytes, bytes.bytes, bytes.length) == 0;
	text_done(&bytes);
	text_done(&encoded);
	text_clear(&decoded);
	check(same);
	check(!property_decode("%4", &decoded) && !property_decode("%zz", &decoded));
	check(!property_decode("%41", &decoded)); /* written as "A" */
	check(!property_decode("a b", &decoded) && !property_decode("a\tb", &decoded));
	text_done(&decoded);
}

/* --- what there is ------------------------------------------------------------------------- */

/* As zfs-fuse 0.7.0 prints it. */
#define LINES(name, type, txg, origin, tree, source)                                             \
	name "\ttype\t" type "\t-\n" name "\tcreation\t1795277230\t-\n" name "\tcreatetxg\t" txg \
	     "\t-\n" name "\torigin\t" origin "\t-\n" name "\treadonly\toff\tdefault\n" name     \
	     "\tdefer_destroy\t-\t-\n" name "\tflocker:tree\t" tree "\t" source "\n"
#define HEAD "tank/f/" BRANCH ".0000000000000001"
#define SNAP HEAD "@" SNAPNAME ".0000000000000002"
#define CLONE "tank/f/" BRANCH ".0000000000000003"

static struct index read_text(const char *text)
{
	struct index index = { 0 };
	char *copy = xstrdup(text);

	index_read(&index, "tank/f", copy);
	free(copy);
	return index;
}

static size_t count_of(const char *text)
{
	struct index index = read_text(text);
	size_t count = index.count;

	index_done(&index);
	return count;
}

static void what_is_ours_is_found(void)
{
	struct index index = read_text(
		LINES("tank/f", "filesystem", "3", "-", "-",
		      "-") LINES("tank/f/state", "filesystem", "4", "-", "-",
				 "-") LINES(HEAD, "filesystem", "5", "-", "heads/" BRANCH, "local")
			LINES(SNAP, "snapshot", "6", "-", "snaps/" BRANCH "/" SNAPNAME, "local"));
	const struct item *head = index_find_id(&index, 1), *snapshot = index_find_id(&index, 2);
	char name[ZFS_NAME] = "", branch_name[ZFS_NAME] = "";
	bool good = index.count == 2 && head && snapshot && snapshot->home == head &&
		    !head->hidden && head->created == 1795277230 * CLOCK_SECOND &&
		    index_has_snapshots(&index, head) &&
		    index_branch_has_snapshots(&index, &head->tree.uuid);

	if (good) {
		item_name(snapshot, name);
		item_name(head, branch_name);
	}
	index_done(&index);
	check(good);
	check_string(SNAP, name);
	check_string(HEAD, branch_name);
}

static void what_only_looks_like_ours_is_not(void)
{
	/* inherited and received, and a snapshot that has it from its dataset */
	check(count_of(LINES(HEAD, "filesystem", "5", "-", "heads/" BRANCH,
			     "inherited from tank")) == 0);
	check(count_of(LINES(HEAD, "filesystem", "5", "-", "heads/" BRANCH, "received")) == 0);
	check(count_of(LINES(HEAD, "filesystem", "5", "-", "heads/" BRANCH, "local") LINES(
		      SNAP, "snapshot", "6", "-", "heads/" BRANCH, "inherited from " HEAD)) == 1);
	/* another's names, places and values */
	check(count_of(LINES("tank/f/mine", "filesystem", "5", "-", "heads/" BRANCH, "local")) ==
	      0);
	check(count_of(LINES("tank/g/a.0000000000000001", "filesystem", "5", "-", "heads/" BRANCH,
			     "local")) == 0);
	check(count_of(LINES("tank/f/x/a.0000000000000001", "filesystem", "5", "-", "heads/" BRANCH,
			     "local")) == 0);
	check(count_of(LINES(HEAD, "filesystem", "5", "-", "something", "local")) == 0);
	/* a snapshot of ours in a dataset that is not */
	check(count_of(LINES("tank/f/mine@" SNAPNAME ".0000000000000002", "snapshot", "6", "-",
			     "snaps/" BRANCH "/" SNAPNAME, "local")) == 0);
}

#define VOLUME "0e000000-0000-4000-8000-000000000005"
#define GROUP "tank/f/v.0000000000000005"
#define COUNTED GROUP "/" BRANCH ".0000000000000001"
#define ACCOUNT(name, value, source) name "\tflocker:account\t" value "\t" source "\n"

static void an_account_is_read_as_it_was_written(void)
{
	static const char *const good[] = { "groups/" VOLUME, "branches/" BRANCH };
	static const char *const bad[] = { "",
					   "groups",
					   "groups/",
					   "group/" VOLUME,
					   "branches/" BRANCH "/",
					   "branches/0A000000-0000-4000-8000-000000000001",
					   "branches/" BRANCH "\n" };
	struct account_name account;
	char again[ACCOUNT_TEXT];

	for (size_t i = 0; i < array_size(good); i++) {
		check(account_parse(good[i], &account));
		check_string(good[i], account_format(&account, again));
	}
	for (size_t i = 0; i < array_size(bad); i++)
		check(!account_parse(bad[i], &account));
}

/* The group and the head in it, with these sources of what they say; the group that the branch
 * counts in then, 0: none. */
static uint64_t group_found(const char *group, const char *of_group, const char *of_head)
{
	char text[4096];
	struct fl_error err = { 0 };
	struct index index;
	struct uuid branch;
	uint64_t id;

	check_ok(uuid_parse(BRANCH, &branch, &err));
	snprintf(text, sizeof(text),
		 "%s\ttype\tfilesystem\t-\n%s\tflocker:account\tgroups/" VOLUME "\t%s\n%s" COUNTED
		 "\tflocker:account\tbranches/" BRANCH "\t%s\n",
		 group, group, of_group,
		 LINES(COUNTED, "filesystem", "5", "-", "heads/" BRANCH, "local"), of_head);
	index = read_text(text);
	id = index.count == 1 ? accounts_group_of(&index.accounts, &branch) : UINT64_MAX;
	index_done(&index);
	return id;
}

static void what_counts_is_in_the_dataset_of_its_group(void)
{
	check(group_found(GROUP, "local", "local") == 5);
	/* others' properties say nothing; and in what is no group nothing is ours */
	check(group_found(GROUP, "local", "received") == 0);
	check(group_found(GROUP, "local", "inherited from " GROUP) == 0);
	check(group_found(GROUP, "received", "local") == UINT64_MAX);
	check(group_found(GROUP, "inherited from tank/f", "local") == UINT64_MAX);
	check(group_found("tank/f/v.0000000000000007", "local", "local") == UINT64_MAX);
	check(group_found("tank/f/x/v.0000000000000005", "local", "local") == UINT64_MAX);
	check(group_found(GROUP "@v.0000000000000005", "local", "local") == UINT64_MAX);
}

/* With the longest dataset that a pool may be given. */
static void the_longest_names_have_room(void)
{
	char group[GROUP_TEXT], head[COMPONENT_TEXT], snapshot[COMPONENT_TEXT];
	struct label label;
	size_t length;

	check(label_parse("heads/" BRANCH, &label));
	length = strlen(component_format(&label.tree, INT64_MAX, head)) +
		 strlen(group_format(INT64_MAX, group));
	check(label_parse("snaps/" BRANCH "/" SNAPNAME, &label));
	length += strlen(component_format(&label.tree, INT64_MAX, snapshot));
	check(DATASET_LENGTH + strlen("/flocker") + strlen("///@") + length < ZFS_NAME);
}

static void values_with_tabs_and_newlines_do_not_disturb(void)
{
	char text[4096], endless[1001];

	memset(endless, 'x', 1000);
	endless[1000] = '\0';
	snprintf(
		text, sizeof(text), "%s%s%s\xc3\xa4%s%s%s",
		LINES("tank/f/mine", "filesystem", "5", "-", "a\tb\nc\td\te\nheads/x\t\n", "local"),
		"tank/f/mine\tflocker:tree\t", endless, "\tlocal\n",
		LINES(HEAD, "filesystem", "5", "-", "heads/" BRANCH, "local"), "\t\n\t\t\t\t\nx");
	check(count_of(text) == 1);
	check(count_of("") == 0);
	/* lines that a value forged: the name says two things, and so nothing */
	check(count_of(LINES(HEAD, "filesystem", "5", "-", "heads/" BRANCH, "local") HEAD
		       "\tflocker:tree\thidden\tlocal\n") == 0);
}

/* A swap of which the second half is missing: the newer one is the head. */
static void a_swap_is_completed_from_what_the_clone_says(void)
{
	struct index index = read_text(
		LINES(CLONE, "filesystem", "9", SNAP, "heads/" BRANCH "+" OPERATION,
		      "local") LINES(HEAD, "filesystem", "5", "-", "heads/" BRANCH, "local")
			LINES(SNAP, "snapshot", "6", "-", "snaps/" BRANCH "/" SNAPNAME, "local"));
	struct tree head = { .kind = TREE_HEAD }, retired = { .kind = TREE_RETIRED };
	const struct item *now, *before;
	struct fl_error err = { 0 };
	bool good;

	check_ok(uuid_parse(BRANCH, &head.uuid, &err));
	check_ok(uuid_parse(OPERATION, &retired.uuid, &err));
	now = index_find(&index, &head);
	before = index_find(&index, &retired);
	good = now && before && now->id == 3 && now->origin == 2 && before->id == 1 &&
	       before->unwritten && !now->unwritten && uuid_equal(&before->branch, &head.uuid);
	index_done(&index);
	check(good);
}

static void a_deferred_snapshot_is_hidden(void)
{
	struct index index = read_text(
		LINES(HEAD, "filesystem", "5", "-", "heads/" BRANCH, "local")
			LINES(SNAP, "snapshot", "6", "-", "snaps/" BRANCH "/" SNAPNAME, "local")
				SNAP "\tdefer_destroy\ton\t-\n");
	const struct item *snapshot = index_find_id(&index, 2);
	bool hidden = snapshot && snapshot->hidden;

	index_done(&index);
	check(hidden);
}

/* --- the programs ---------------------------------------------------------------------------- */

static char directory[] = "/tmp/flocker-zfs-test.XXXXXX";

/* Programs that do this instead. */
static void stand_in(const char *script, int64_t patience)
{
	static const char *const names[] = { "zfs", "zpool" };
	char path[64], text[512];

	check(directory[sizeof(directory) - 2] != 'X' || mkdtemp(directory));
	snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", script);
	for (size_t i = 0; i < array_size(names); i++) {
		int fd;

		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
		check(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
		close(fd);
	}
	zfs_use(directory, patience);
}

static void clean_up(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/zfs", directory);
	unlink(path);
	snprintf(path, sizeof(path), "%s/zpool", directory);
	unlink(path);
	rmdir(directory);
}

static void missing_programs_are_named_with_their_package(void)
{
	struct zfs_features features;
	struct fl_error err = { 0 };

	zfs_use("/nowhere", 0);
	check_code(FL_UNSUPPORTED, zfs_probe(&features, &err));
	check(strstr(err.text, "'zfs'") && strstr(err.hint, "zfsutils-linux"));
	check(strstr(err.hint, "zfs-fuse"));
	check_code(FL_UNSUPPORTED, zfs_check(&err));
	check(strstr(err.hint, "zfsutils-linux"));
	check_code(FL_UNSUPPORTED, zpool_do(&err, "list"));
	check(strstr(err.text, "'zpool'"));
}

static void programs_that_no_zfs_answers_are_not_enough(void)
{
	struct fl_error err = { 0 };

	stand_in("echo 'connect: Connection refused' >&2; exit 1", 0);
	check_code(FL_UNSUPPORTED, zfs_check(&err));
	check(strstr(err.text, "no ZFS runs here") && strstr(err.text, "refused") && err.hint[0]);
	stand_in("exec sleep 1000", CLOCK_SECOND / 5);
	check_code(FL_UNSUPPORTED, zfs_check(&err));
	stand_in("exit 0", 0);
	check_ok(zfs_check(&err));
}

static void a_program_that_hangs_is_killed(void)
{
	struct fl_error err = { 0 };

	stand_in("exec sleep 1000", CLOCK_SECOND / 5);
	check_code(FL_SYSTEM, zfs_do(&err, "snapshot", "tank@x"));
	check(strstr(err.text, "zfs snapshot") && strstr(err.text, "killed"));
}

static void a_program_that_never_stops_printing_is_bounded(void)
{
	struct fl_error err = { 0 };
	struct text text = { 0 };
	size_t length;

	stand_in("exec cat /dev/zero", 0);
	check_ok(zfs_run(PROGRAM_ZFS, (const char *[]){ "get", NULL }, 100000, &text, &err));
	length = text.length;
	text_done(&text);
	check(length == 100000);
}

static void what_a_program_says_becomes_a_code(void)
{
	static const struct {
		const char *text;
		enum fl_code code;
	} sayings[] = {
		{ "cannot open 'a/b': dataset does not exist", FL_NOT_FOUND },
		{ "cannot open 'nonexist': no such pool", FL_NOT_FOUND },
		{ "cannot create snapshot 'a@b': dataset already exists", FL_EXISTS },
		{ "cannot destroy 'a': dataset is busy", FL_BUSY },
		{ "cannot mount 'a': mountpoint or dataset is busy", FL_BUSY },
		{ "cannot destroy 'a@s1': snapshot has dependent clones", FL_BUSY },
		{ "cannot create 'a/b': out of space", FL_NO_SPACE },
		{ "cannot create 'a/b': permission denied", FL_DENIED },
		{ "internal error: failed to initialize ZFS library", FL_UNREACHABLE },
		{ "The ZFS modules are not loaded.", FL_UNREACHABLE },
		{ "cannot do it", FL_SYSTEM },
		{ "", FL_SYSTEM },
	};
	struct fl_error err = { 0 };

	for (size_t i = 0; i < array_size(sayings); i++)
		check(zfs_classify(sayings[i].text) == sayings[i].code);
	stand_in("echo \"cannot open 'a': dataset does not exist\" >&2; echo advice >&2; exit 2",
		 0);
	check_code(FL_NOT_FOUND, zfs_do(&err, "get", "x", "a"));
	check_string("cannot open 'a': dataset does not exist", err.text);
	stand_in("exit 255", 0);
	check_code(FL_SYSTEM, zfs_do(&err, "promote", "a"));
	check(strstr(err.text, "promote") && strstr(err.text, "255"));
}

static void arguments_and_locale_arrive_as_they_are(void)
{
	struct fl_error err = { 0 };
	struct text text = { 0 };
	int same;

	stand_in("echo \"$LC_ALL:$1:$2:$#\"", 0);
	check_ok(zfs_run(PROGRAM_ZFS, (const char *[]){ "a b;$(id)", "*", NULL }, 4096, &text,
			 &err));
	same = strcmp(text_get(&text), "C:a b;$(id):*:2\n") == 0;
	text_done(&text);
	check(same);
}

/* --- texts in several properties ------------------------------------------------------------ */

/* Cuts "NAME=VALUE" where it is. */
static struct property cut(char *text)
{
	char *equals = strchr(text, '=');

	*equals = '\0';
	return (struct property){ text, equals + 1 };
}

static void a_text_is_joined_from_its_pieces(void)
{
	static const size_t lengths[] = { 0, 1, PIECE - 2, PIECE, 2 * PIECE, 5 * PIECE + 17 };

	for (size_t i = 0; i < array_size(lengths); i++) {
		own_pieces struct pieces pieces = { 0 };
		own_text struct text again = { 0 };
		own_free char *text = xcalloc(lengths[i] + 1, 1);
		struct property properties[PIECES];
		uint64_t serial = 0;

		for (size_t j = 0; j < lengths[i]; j++)
			text[j] = (char)(1 + j * 7 % 255);
		check(pieces_make("flocker:note", 41 + i, text, &pieces));
		check(pieces.count == 1 || lengths[i] > PIECE / 3);
		for (size_t j = 0; j < pieces.count; j++) {
			check(strlen(pieces.properties[j]) < 8192);
			check(!strpbrk(pieces.properties[j], "\t\n"));
			properties[pieces.count - 1 - j] = cut(pieces.properties[j]);
		}
		check(pieces_join("flocker:note", properties, pieces.count, &serial, &again));
		check(serial == 41 + i && strcmp(text, text_get(&again)) == 0);
		check(!pieces_join("flocker:not", properties, pieces.count, &serial, &again));
		/* The last one of them is missing. */
		check(pieces.count == 1 || !pieces_join("flocker:note", properties + 1,
							pieces.count - 1, &serial, &again));
	}
}

static void a_text_that_is_too_long_has_no_pieces(void)
{
	static char text[PIECES * PIECE + 1];
	own_pieces struct pieces pieces = { 0 };

	memset(text, 'x', sizeof(text) - 1);
	check(!pieces_make("flocker:note", 1, text, &pieces) && pieces.count == 0);
	text[PIECES * (PIECE - 2)] = '\0';
	check(pieces_make("flocker:note", 1, text, &pieces) && pieces.count == PIECES);
}

static void values_that_nobody_wrote_are_no_text(void)
{
	static const char *const values[] = {
		"",	   "1",	      "1.1",	 "1.1text",   ".1:text",   "1.:text",
		"x.1:y",   "1.0:x",   "1.99:x",	 "1.2:first", "1.1:a%0",   "1.1:a%zz",
		"1.1:%41", "1.1:%00", "1.1:%0a", "1.1:\xc3",  "1.1:\ttab", "-1.1:x",
	};
	own_text struct text text = { 0 };
	uint64_t serial;

	for (size_t i = 0; i < array_size(values); i++) {
		const struct property property = { "b", values[i] };

		check(!pieces_join("b", &property, 1, &serial, &text) && text.length == 0);
	}
}

/* A piece is of the text that the first one says, or none. */
static void pieces_of_two_texts_are_not_joined(void)
{
	const struct property good[] = { { "b.1.1", "3:end" }, { "b", "3.2:begin, " } };
	const struct property older[] = { { "b.1.1", "1:end" }, { "b", "3.2:begin, " } };
	const struct property next[] = { { "b.0.1", "4:new" },
					 { "b", "3.2:begin, " },
					 { "b.1.1", "3:end" } };
	own_text struct text text = { 0 };
	uint64_t serial;

	check(!pieces_join("b", older, 2, &serial, &text));
	check(pieces_join("b", good, 2, &serial, &text));
	check_string("begin, end", text_get(&text));
	check(pieces_join("b", next, 3, &serial, &text) && serial == 3);
	check_string("begin, end", text_get(&text));
}

/* --- streams ---------------------------------------------------------------------------------- */

static void set_long(uint8_t *bytes, size_t offset, uint64_t value, bool swapped)
{
	if (swapped)
		value = __builtin_bswap64(value);
	memcpy(bytes + offset, &value, sizeof(value));
}

static void the_beginning_of_a_stream_says_what_it_is(void)
{
	for (int swapped = 0; swapped < 2; swapped++) {
		uint8_t bytes[HEADER_LENGTH] = { 0 };
		struct header header = { 0 };

		set_long(bytes, 8, UINT64_C(0x2f5bacbac), swapped);
		set_long(bytes, 16, 1, swapped);
		bytes[swapped ? 35 : 32] = 2;
		set_long(bytes, 40, 0x1234567890, swapped);
		set_long(bytes, 48, 0x9876543210, swapped);
		check(header_parse(bytes, &header) && !header.clone);
		check(header.to == 0x1234567890 && header.from == 0x9876543210);
		bytes[swapped ? 39 : 36] = 1;
		check(header_parse(bytes, &header) && header.clone);
		set_long(bytes, 16, 2, swapped); /* a package */
		check(!header_parse(bytes, &header));
		set_long(bytes, 16, 1, swapped);
		bytes[swapped ? 35 : 32] = 3; /* a volume */
		check(!header_parse(bytes, &header));
		bytes[swapped ? 35 : 32] = 2;
		bytes[swapped ? 3 : 0] = 1; /* another record */
		check(!header_parse(bytes, &header));
		bytes[swapped ? 3 : 0] = 0;
		check(header_parse(bytes, &header));
		bytes[9] ^= 1;
		check(!header_parse(bytes, &header));
	}
}

static void what_was_received_is_ours_when_it_says_so(void)
{
#define INTO "tank/f/received/" OPERATION ".0000000000000005"
	struct index index = read_text(
		LINES(INTO, "filesystem", "5", "-", "-",
		      "-") LINES(INTO "@" OPERATION ".0000000000000006", "snapshot", "6", "-",
				 "snaps/" BRANCH "/" SNAPNAME, "local")
			LINES(INTO "@" OPERATION ".0000000000000007", "snapshot", "7", "-", "-",
			      "-") LINES(INTO "@daily", "snapshot", "8", "-", "-", "-")
				LINES("tank/f/received/theirs", "filesystem", "9", "-", "-", "-"));
	const struct item *into = index_find_id(&index, 5), *kept = index_find_id(&index, 6),
			  *never_committed = index_find_id(&index, 7);
	bool right = into && into->hidden && into->received && kept && !kept->hidden &&
		     kept->home == into && !kept->received && never_committed &&
		     never_committed->hidden && index.count == 3;

	index_done(&index);
	check(right);
}

int main(int argc, char **argv)
{
	atexit(clean_up);
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(a_label_is_read_as_it_was_written),
				  CHECK(anything_else_is_no_label),
				  CHECK(a_name_tells_its_id),
				  CHECK(names_of_datasets_are_checked),
				  CHECK(any_bytes_survive_a_property),
				  CHECK(what_is_ours_is_found),
				  CHECK(what_only_looks_like_ours_is_not),
				  CHECK(an_account_is_read_as_it_was_written),
				  CHECK(what_counts_is_in_the_dataset_of_its_group),
				  CHECK(the_longest_names_have_room),
				  CHECK(values_with_tabs_and_newlines_do_not_disturb),
				  CHECK(a_swap_is_completed_from_what_the_clone_says),
				  CHECK(a_deferred_snapshot_is_hidden),
				  CHECK(missing_programs_are_named_with_their_package),
				  CHECK(programs_that_no_zfs_answers_are_not_enough),
				  CHECK(a_program_that_hangs_is_killed),
				  CHECK(a_program_that_never_stops_printing_is_bounded),
				  CHECK(what_a_program_says_becomes_a_code),
				  CHECK(arguments_and_locale_arrive_as_they_are),
				  CHECK(a_text_is_joined_from_its_pieces),
				  CHECK(a_text_that_is_too_long_has_no_pieces),
				  CHECK(values_that_nobody_wrote_are_no_text),
				  CHECK(pieces_of_two_texts_are_not_joined),
				  CHECK(the_beginning_of_a_stream_says_what_it_is),
				  CHECK(what_was_received_is_ours_when_it_says_so),
				  CHECK_END,
			  });
}
