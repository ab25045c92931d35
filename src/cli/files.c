#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fsat.h"
#include "base/uuid.h"
#include "cli/copy-tree.h"
#include "cli/list.h"
#include "cli/part.h"
#include "cli/talk.h"
#include "cli/verbs.h"

/* --- ls ------------------------------------------------------------------------- */

static const struct column file_columns[] = {
	{ "MODE", PAINT_NONE, false },
	{ "UID", PAINT_NONE, true },
	{ "GID", PAINT_NONE, true },
	{ "SIZE", PAINT_NONE, true },
	{ "MODIFIED", PAINT_NONE, false },
	{ "NAME", PAINT_NAME, false },
	{ 0 },
};

static char letter_of(const char *type)
{
	static const struct {
		const char *type;
		char letter;
	} letters[] = {
		{ "file", '-' }, { "directory", 'd' }, { "symlink", 'l' },
		{ "fifo", 'p' }, { "socket", 's' },    { "block device", 'b' },
	};

	for (size_t i = 0; i < array_size(letters); i++)
		if (strcmp(letters[i].type, type) == 0)
			return letters[i].letter;
	return 'c';
}

/* As ls writes it: "-rwsr-x--T". */
static void format_mode(struct value *file, char text[static 11])
{
	static const char bits[] = "rwxrwxrwx";
	static const struct {
		int bit, at;
		char with, without; /* the right to execute that stands there too */
	} special[] = { { 04000, 3, 's', 'S' }, { 02000, 6, 's', 'S' }, { 01000, 9, 't', 'T' } };
	int64_t mode = field_int(file, "mode");

	text[0] = letter_of(field(file, "type"));
	for (int i = 0; i < 9; i++)
		text[i + 1] = mode & 0400 >> i ? bits[i] : '-';
	for (size_t i = 0; i < array_size(special); i++)
		if (mode & special[i].bit)
			text[special[i].at] = text[special[i].at] == 'x' ? special[i].with
									 : special[i].without;
	text[10] = '\0';
}

static void add_number(struct table *table, struct value *file, const char *key)
{
	char text[PRINT_TEXT];

	snprintf(text, sizeof(text), "%" PRId64, field_int(file, key));
	table_add(table, text);
}

static void add_file(struct table *table, struct value *file)
{
	own_text struct text name = { 0 };
	const char *target = field(file, "target");
	char text[PRINT_TEXT];

	format_mode(file, text);
	table_add(table, text);
	add_number(table, file, "uid");
	add_number(table, file, "gid");
	table_add(table, print_size((uint64_t)field_int(file, "size"), text));
	table_add(table, print_time(field_time(file, "modified"), text));
	text_add_string(&name, *field(file, "name") ? field(file, "name") : ".");
	if (*target)
		text_add_format(&name, " -> %s", target);
	table_add(table, text_get(&name));
}

int verb_ls(struct invocation *in, struct fl_error *err)
{
	own_ref struct ref ref = { 0 };
	const struct listing listing = {
		.path = "/v1/files",
		.ref = in->operands[0],
		.none = "nothing in it",
		.row = add_file,
		.columns = file_columns,
	};

	if (ref_parse(in->operands[0], &ref, err) < 0)
		return fl_failed(err);
	return list_print(in, &listing, err);
}

/* --- cat ------------------------------------------------------------------------ */

static int check_path(const char *text, struct fl_error *err)
{
	own_ref struct ref ref = { 0 };

	if (ref_parse(text, &ref, err) < 0)
		return fl_failed(err);
	if (ref.path && ref.path[0])
		return 0;
	fl_fail(err, FL_INVALID, "'%s' names no file", text);
	return fl_hint(err, "a file is REF:PATH: %s:etc/hosts", text);
}

int verb_cat(struct invocation *in, struct fl_error *err)
{
	const struct fl_stream stream = { .fd = STDOUT_FILENO, .length = -1 };

	for (size_t i = 0; i < in->operand_count; i++)
		if (check_path(in->operands[i], err) < 0)
			return fl_failed(err);
	if (talk_connect(in, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < in->operand_count; i++) {
		own_free char *target = fl_target("/v1/file", "ref", in->operands[i], NULL);

		if (!target)
			return fl_fail(err, FL_SYSTEM, "no memory for a request");
		if (fl_client_download(in->client, target, &stream, err) < 0)
			return fl_failed(err);
	}
	return 0;
}

/* --- cp ------------------------------------------------------------------------- */

static int fetch_file(struct invocation *in, int fd, struct fl_error *err)
{
	const struct fl_stream stream = { .fd = fd, .length = -1 };
	own_free char *target = fl_target("/v1/file", "ref", in->operands[0], NULL);

	if (!target)
		return fl_fail(err, FL_SYSTEM, "no memory for a request");
	if (talk_connect(in, err) < 0)
		return fl_failed(err);
	return fl_client_download(in->client, target, &stream, err);
}

/*
 * Rights to read, write and execute alone: set-user-ID is about an owner, and the
 * file gets another.
 */
static int keep_attributes(struct invocation *in, int fd, struct fl_error *err)
{
	own_free struct value *list = NULL;
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };
	struct value *file;
	int64_t modified;

	if (talk_to(in, "GET",
		    fl_target("/v1/files", "ref", in->operands[0], "itself", "true", NULL), NULL,
		    &list, err) < 0)
		return fl_failed(err);
	file = value_first(value_get(list, "items"));
	if (!file || strcmp(field(file, "type"), "file") != 0)
		return 0;
	modified = field_time(file, "modified");
	times[1].tv_sec = (time_t)(modified / CLOCK_SECOND);
	times[1].tv_nsec = (long)(modified % CLOCK_SECOND);
	if (fchmod(fd, (mode_t)field_int(file, "mode") & 0777) < 0 || futimens(fd, times) < 0)
		return fl_fail_errno(err, "cannot set the permissions and the time");
	return 0;
}

static int copy_to(struct invocation *in, const char *place, struct fl_error *err)
{
	bool force = option_given(in, OPT_FORCE);
	own_part struct part part = PART_NONE;
	struct uuid id = uuid_new();
	char text[UUID_TEXT];

	if (part_check(place, force, err) < 0)
		return fl_failed(err);
	if (part_open(&part, place, uuid_format(&id, text), err) < 0)
		return fl_wrap(err, "writing '%.300s'", place);
	if (fetch_file(in, part.fd, err) < 0 || keep_attributes(in, part.fd, err) < 0)
		return fl_failed(err);
	return part_settle(&part, place, force, err);
}

/* In a directory it is called as it was. */
static void name_place(const char *dest, const struct ref *ref, struct text *ret)
{
	const char *slash = strrchr(ref->path, '/');
	struct fl_error ignored;
	own_fd int dir = -1;

	text_add_string(ret, dest);
	if (fsat_open_named(dest, O_PATH | O_DIRECTORY, &dir, &ignored) == 0)
		text_add_format(ret, "/%s", slash ? slash + 1 : ref->path);
}

/* Whatever it turns out to be, or is not: who asks for it then says so. */
static bool is_directory(struct invocation *in, const struct ref *ref)
{
	own_free char *target = fl_target("/v1/files", "ref", in->operands[0], "itself", "true",
					  NULL);
	own_free struct value *list = NULL;
	struct fl_error ignored;

	if (!ref->path || !ref->path[0])
		return true;
	return talk_to(in, "GET", take_ptr(target), NULL, &list, &ignored) == 0 &&
	       strcmp(field(value_first(value_get(list, "items")), "type"), "directory") == 0;
}

int verb_cp(struct invocation *in, struct fl_error *err)
{
	own_text struct text place = { 0 };
	own_ref struct ref ref = { 0 };

	if (ref_parse(in->operands[0], &ref, err) < 0)
		return fl_failed(err);
	if (strcmp(in->operands[1], "-") == 0)
		return check_path(in->operands[0], err) < 0 ? fl_failed(err)
							    : fetch_file(in, STDOUT_FILENO, err);
	if (is_directory(in, &ref))
		return copy_tree(in, &ref, in->operands[1], err);
	name_place(in->operands[1], &ref, &place);
	return copy_to(in, text_get(&place), err);
}

/* --- versions ------------------------------------------------------------------- */

static const struct column version_columns[] = {
	{ "FROM", PAINT_ID, false },
	{ "TO", PAINT_ID, false },
	{ "SNAPSHOTS", PAINT_NONE, true },
	{ "SIZE", PAINT_NONE, true },
	{ "MODIFIED", PAINT_NONE, false },
	{ "LIVE", PAINT_NAME, false },
	{ 0 },
};

static void add_id(struct table *table, struct value *version, const char *key)
{
	struct value *snapshot = value_get(version, key);
	char text[PRINT_TEXT];

	table_add(table,
		  printing.terminal ? field_short_id(snapshot, "id", text) : field(snapshot, "id"));
}

static void add_version(struct table *table, struct value *version)
{
	struct value *file = value_get(version, "file");
	char text[PRINT_TEXT];

	add_id(table, version, "oldest");
	add_id(table, version, "newest");
	add_number(table, version, "snapshots");
	table_add(table, print_size((uint64_t)field_int(file, "size"), text));
	table_add(table, print_time(field_time(file, "modified"), text));
	table_add(table, field_bool(version, "live") ? "live" : NULL);
}

int verb_versions(struct invocation *in, struct fl_error *err)
{
	const struct listing listing = {
		.path = "/v1/versions",
		.ref = in->operands[0],
		.none = "no versions",
		.row = add_version,
		.columns = version_columns,
	};

	if (check_path(in->operands[0], err) < 0)
		return fl_failed(err);
	return list_print(in, &listing, err);
}
