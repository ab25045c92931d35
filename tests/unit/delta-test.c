#include "delta/read.h"
#include "delta/write.h"

#include <endian.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "delta/crc32c.h"
#include "tests/check.h"
#include "tests/delta-bytes.h"
#include "tests/unit/random.h"

/* The codes that reading these bytes to their end gives. */
static int read_all(const struct text *text, struct fl_error *err)
{
	struct delta_bytes source = { text_get(text), text->length, 0 };
	own(delta_reader_freep) struct delta_reader *reader = delta_reader_new(delta_bytes_give,
									       &source);
	struct delta_command command;

	do {
		if (delta_next(reader, &command, err) < 0)
			return fl_failed(err);
	} while (command.verb != DELTA_END);
	return 0;
}

/* --- commands of each kind ------------------------------------------------------------- */

static const struct uuid here = { { 1, 2, 3 } }, there = { { 9, 8, 7 } };

static const struct delta_command commands[] = {
	{ .verb = DELTA_SNAPSHOT, .path = "tree", .from_transid = 4, .transid = 5 },
	{ .verb = DELTA_MKFILE, .path = "o257-7-0" },
	{ .verb = DELTA_MKDIR, .path = "dir" },
	{ .verb = DELTA_MKNOD, .path = "node", .mode = S_IFCHR | 0644, .device = 0x12345678 },
	{ .verb = DELTA_MKFIFO, .path = "fifo" },
	{ .verb = DELTA_MKSOCK, .path = "sock" },
	{ .verb = DELTA_SYMLINK, .path = "link", .to = "../anywhere" },
	{ .verb = DELTA_RENAME, .path = "o257-7-0", .to = "dir/file" },
	{ .verb = DELTA_LINK, .path = "second", .to = "dir/file" },
	{ .verb = DELTA_UNLINK, .path = "second" },
	{ .verb = DELTA_RMDIR, .path = "old" },
	{ .verb = DELTA_SET_XATTR, .path = "dir", .name = "user.empty", .data = "" },
	{ .verb = DELTA_SET_XATTR,
	  .path = "dir",
	  .name = "user.x",
	  .data = "a\0b",
	  .data_length = 3 },
	{ .verb = DELTA_REMOVE_XATTR, .path = "", .name = "user.x" },
	{ .verb = DELTA_WRITE,
	  .path = "dir/file",
	  .data = "contents",
	  .data_length = 8,
	  .offset = 1ULL << 40 },
	{ .verb = DELTA_CLONE, .path = "a", .to = "b", .offset = 1, .size = 2, .from_offset = 3 },
	{ .verb = DELTA_TRUNCATE, .path = "dir/file", .size = UINT64_MAX },
	{ .verb = DELTA_CHMOD, .path = "dir/file", .mode = 04755 },
	{ .verb = DELTA_CHOWN, .path = "dir/file", .uid = 1000, .gid = 4294967294 },
	{ .verb = DELTA_UTIMES,
	  .path = "",
	  .atime = { 1, 0 },
	  .mtime = { -1, 999999999 },
	  .ctime = { 3, 4 } },
	{ .verb = DELTA_UPDATE_EXTENT, .path = "dir/file", .offset = 6, .size = 7 },
	{ .verb = DELTA_END },
};

static void put_all(struct text *out)
{
	delta_put_header(out);
	for (size_t i = 0; i < array_size(commands); i++) {
		struct delta_command command = commands[i];

		if (command.verb == DELTA_SNAPSHOT || command.verb == DELTA_CLONE)
			command.from_uuid = there;
		if (command.verb == DELTA_SNAPSHOT)
			command.uuid = here;
		if (command.verb == DELTA_MKNOD)
			command.device = makedev(0xfff, 0xabcde);
		delta_put(&command, out);
	}
}

static void same_string(const char *a, const char *b)
{
	check((a == NULL) == (b == NULL));
	if (a)
		check_string(a, b);
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static void same_command(const struct delta_command *a, const struct delta_command *b)
{
	check_string(delta_verb_name(a->verb), delta_verb_name(b->verb));
	same_string(a->path, b->path);
	same_string(a->to, b->to);
	same_string(a->name, b->name);
	check(a->data_length == b->data_length && (a->data == NULL) == (b->data == NULL));
	check(!a->data || memcmp(a->data, b->data, a->data_length) == 0);
	check(a->offset == b->offset && a->size == b->size && a->mode == b->mode);
	check(a->uid == b->uid && a->gid == b->gid && a->transid == b->transid);
	check(a->from_offset == b->from_offset && a->from_transid == b->from_transid);
	check(same_time(&a->atime, &b->atime) && same_time(&a->mtime, &b->mtime));
	check(same_time(&a->ctime, &b->ctime));
}

static void read_back(const struct text *text, size_t piece)
{
	struct delta_bytes source = { text_get(text), text->length, piece };
	own(delta_reader_freep) struct delta_reader *reader = delta_reader_new(delta_bytes_give,
									       &source);
	uint64_t position = DELTA_HEADER;
	struct fl_error err;

	for (size_t i = 0; i < array_size(commands); i++) {
		struct delta_command command;
		const void *raw;
		size_t length;

		check_ok(delta_next(reader, &command, &err));
		same_command(&commands[i], &command);
		if (command.verb == DELTA_SNAPSHOT)
			check(uuid_equal(&command.uuid, &here));
		if (command.verb == DELTA_SNAPSHOT || command.verb == DELTA_CLONE)
			check(uuid_equal(&command.from_uuid, &there));
		if (command.verb == DELTA_MKNOD)
			check(command.device == makedev(0xfff, 0xabcde));
		delta_raw(reader, &raw, &length);
		check(memcmp(raw, text->bytes + position, length) == 0);
		position += length;
		check(delta_position(reader) == position);
	}
	check(position == text->length);
}

static void what_is_written_is_read(void)
{
	own_text struct text text = { 0 };

	put_all(&text);
	read_back(&text, 0);
	read_back(&text, 1);
	read_back(&text, 13);
}

static void large_ones_pass_through_a_small_buffer(void)
{
	static char contents[UINT16_MAX];
	own_text struct text text = { 0 };
	struct delta_command command = { .verb = DELTA_SUBVOL, .path = "tree" };
	struct fl_error err;

	delta_put_header(&text);
	delta_put(&command, &text);
	for (int i = 0; i < 50; i++) {
		command = (struct delta_command){ .verb = DELTA_WRITE,
						  .path = "file",
						  .data = contents,
						  .data_length = sizeof(contents) - (size_t)i };
		delta_put(&command, &text);
	}
	delta_put(&(struct delta_command){ .verb = DELTA_END }, &text);
	check_ok(read_all(&text, &err));
}

/* As the kernel writes it. */
static void the_format_is_btrfs(void)
{
	static const char header[] = "btrfs-stream\0\1\0\0\0";
	static const char unlink[] = "\5\0\0\0\x0b\0";
	static const char end[] = "\0\0\0\0\x15\0\x50\x6c\xc9\x9d";
	own_text struct text text = { 0 };

	delta_put_header(&text);
	check(text.length == DELTA_HEADER && memcmp(text.bytes, header, DELTA_HEADER) == 0);
	text_clear(&text);
	delta_put(&(struct delta_command){ .verb = DELTA_UNLINK, .path = "f" }, &text);
	check(text.length == DELTA_COMMAND_HEAD + 5 && memcmp(text.bytes, unlink, 6) == 0);
	check(memcmp(text.bytes + DELTA_COMMAND_HEAD, "\x0f\0\1\0f", 5) == 0);
	text_clear(&text);
	delta_put(&(struct delta_command){ .verb = DELTA_END }, &text);
	check(text.length == sizeof(end) - 1 && memcmp(text.bytes, end, sizeof(end) - 1) == 0);
}

static void verbs_have_names(void)
{
	check_string("mkfile", delta_verb_name(DELTA_MKFILE));
	check_string("update_extent", delta_verb_name(DELTA_UPDATE_EXTENT));
	check_string("unknown", delta_verb_name(0));
	check_string("unknown", delta_verb_name(DELTA_VERBS));
	check(delta_is_stable(DELTA_RENAME) && delta_is_stable(DELTA_END));
	check(!delta_is_stable(DELTA_WRITE) && !delta_is_stable(DELTA_SUBVOL));
}

/* --- what is refused -------------------------------------------------------------------- */

static void mend(struct text *text, size_t at)
{
	uint32_t length, crc = 0;

	memcpy(&length, text->bytes + at, sizeof(length));
	memcpy(text->bytes + at + 6, &crc, sizeof(crc));
	crc = htole32(crc32c(0, text->bytes + at, DELTA_COMMAND_HEAD + le32toh(length)));
	memcpy(text->bytes + at + 6, &crc, sizeof(crc));
}

/* A delta of one command in front, made of these attributes, and an end. */
static void put_raw(unsigned verb, const char *attributes, size_t length, struct text *out)
{
	char head[DELTA_COMMAND_HEAD] = { (char)length, (char)(length >> 8), 0, 0, (char)verb };
	size_t at;

	delta_put_header(out);
	if (verb != DELTA_SUBVOL && verb != DELTA_SNAPSHOT)
		delta_put(&(struct delta_command){ .verb = DELTA_SUBVOL, .path = "" }, out);
	at = out->length;
	text_add(out, head, sizeof(head));
	text_add(out, attributes, length);
	mend(out, at);
	delta_put(&(struct delta_command){ .verb = DELTA_END }, out);
}

#define ATTRIBUTES(string) (string), sizeof(string) - 1
#define PATH_F "\x0f\0\1\0f"
#define NUMBER "\1\2\3\4\5\6\7\x8"

static const struct {
	unsigned verb;
	const char *attributes;
	size_t length;
	const char *says; /* NULL: it is fine */
} cases[] = {
	{ DELTA_MKFILE, ATTRIBUTES(PATH_F), NULL },
	{ DELTA_MKFILE, ATTRIBUTES(PATH_F "\3\0\x8\0" NUMBER), NULL },
	{ DELTA_MKFIFO, ATTRIBUTES(PATH_F "\5\0\x8\0" NUMBER), NULL },
	{ DELTA_MKFILE, ATTRIBUTES(""), "has no path" },
	{ DELTA_MKFILE, ATTRIBUTES(PATH_F PATH_F), "path twice" },
	{ DELTA_MKFILE, ATTRIBUTES(PATH_F "\5\0\x8\0" NUMBER), "attribute 5, which is unknown" },
	{ DELTA_MKFILE, ATTRIBUTES(PATH_F "\0\0\0\0"), "attribute 0, which is unknown" },
	{ DELTA_MKFILE, ATTRIBUTES(PATH_F "\x0c\0\0\0"), "attribute 12, which is unknown" },
	{ DELTA_MKFILE, ATTRIBUTES(PATH_F "\x19\0\0\0"), "attribute 25, which is unknown" },
	{ DELTA_MKFILE, ATTRIBUTES(PATH_F "\x2f\0\0\0"), "attribute 47, which is unknown" },
	{ DELTA_MKFILE, ATTRIBUTES(PATH_F "\3\0\7\0abcdefg"), "inode has 7 bytes" },
	{ DELTA_MKFILE, ATTRIBUTES("\x0f\0\2\0f"), "half an attribute" },
	{ DELTA_MKFILE, ATTRIBUTES("\x0f\0\2"), "half an attribute" },
	{ DELTA_MKFILE, ATTRIBUTES("\x0f\0\2\0f\0"), "path holds a NUL" },
	{ DELTA_CHMOD, ATTRIBUTES(PATH_F "\5\0\x9\0" NUMBER "9"), "mode has 9 bytes" },
	{ DELTA_MKNOD, ATTRIBUTES(PATH_F "\5\0\x8\0" NUMBER "\x8\0\x8\0" NUMBER),
	  "device has no such number" },
	{ DELTA_MKNOD, ATTRIBUTES(PATH_F "\5\0\x8\0" NUMBER "\x8\0\2\0ab"), "device has 2 bytes" },
	{ DELTA_UTIMES, ATTRIBUTES(PATH_F "\x9\0\x8\0" NUMBER), "ctime has 8 bytes" },
	{ DELTA_UTIMES, ATTRIBUTES(PATH_F "\x9\0\x0c\0" NUMBER "\0\xca\x9a\x3b"),
	  "ctime is no time" },
	{ DELTA_REMOVE_XATTR, ATTRIBUTES(PATH_F "\x0d\0\0\0"), "attribute has 0 bytes" },
	{ DELTA_SUBVOL, ATTRIBUTES("\x0f\0\0\0\1\0\x8\0" NUMBER), "uuid has 8 bytes" },
	{ 0, ATTRIBUTES(""), "no command 0" },
	{ DELTA_VERBS, ATTRIBUTES(""), "no command 23" },
};

static void malformed_commands_are_refused(void)
{
	for (size_t i = 0; i < array_size(cases); i++) {
		own_text struct text text = { 0 };
		struct fl_error err = { 0 };

		put_raw(cases[i].verb, cases[i].attributes, cases[i].length, &text);
		if (!cases[i].says) {
			check_ok(read_all(&text, &err));
			continue;
		}
		check_code(FL_CORRUPT, read_all(&text, &err));
		if (!strstr(err.text, cases[i].says))
			check_string(cases[i].says, err.text);
		check(strstr(err.text, "of the delta, at byte") != NULL);
	}
}

static void long_strings_are_refused(void)
{
	static char path[DELTA_PATH_MAX + 2], name[257];
	own_text struct text text = { 0 };
	struct delta_command command = { .verb = DELTA_REMOVE_XATTR, .path = path, .name = name };
	struct fl_error err;

	memset(path, 'p', DELTA_PATH_MAX);
	memset(name, 'n', 255);
	delta_put_header(&text);
	delta_put(&(struct delta_command){ .verb = DELTA_SUBVOL, .path = "" }, &text);
	delta_put(&command, &text);
	path[DELTA_PATH_MAX] = 'p';
	delta_put(&command, &text);
	check_code(FL_CORRUPT, read_all(&text, &err));
	check(strstr(err.text, "command 2 of the delta") &&
	      strstr(err.text, "path has 4096 bytes"));
	path[DELTA_PATH_MAX] = '\0';
	name[255] = 'n';
	text_clear(&text);
	delta_put_header(&text);
	delta_put(&(struct delta_command){ .verb = DELTA_SUBVOL, .path = "" }, &text);
	delta_put(&command, &text);
	check_code(FL_CORRUPT, read_all(&text, &err));
	check(strstr(err.text, "has 256 bytes") != NULL);
}

static void the_first_comes_first_and_once(void)
{
	const struct delta_command first = { .verb = DELTA_SUBVOL, .path = "" };
	own_text struct text text = { 0 };
	struct fl_error err;

	delta_put_header(&text);
	delta_put(&(struct delta_command){ .verb = DELTA_END }, &text);
	check_code(FL_CORRUPT, read_all(&text, &err));
	check(strstr(err.text, "end cannot stand here") != NULL);
	text_clear(&text);
	delta_put_header(&text);
	delta_put(&first, &text);
	delta_put(&first, &text);
	check_code(FL_CORRUPT, read_all(&text, &err));
	check(strstr(err.text, "subvol cannot stand here") != NULL);
}

static void what_is_no_delta_is_invalid(void)
{
	own_text struct text text = { 0 };
	struct fl_error err;

	text_add_string(&text, "something of more than seventeen bytes");
	check_code(FL_INVALID, read_all(&text, &err));
	text_clear(&text);
	put_all(&text);
	text.bytes[13] = 2;
	check_code(FL_INVALID, read_all(&text, &err));
	check(strstr(err.text, "version 2, not 1") && err.hint[0]);
	text.bytes[13] = 1;
	text.bytes[DELTA_HEADER + 2] = 2; /* the length of the first command */
	check_code(FL_CORRUPT, read_all(&text, &err));
	check(strstr(err.text, "bytes") != NULL);
}

static int give_nothing(void *arg, void *bytes, size_t length, size_t *ret, struct fl_error *err)
{
	return fl_fail(err, FL_UNREACHABLE, "the source is gone");
}

static void a_source_that_fails_is_told(void)
{
	own(delta_reader_freep) struct delta_reader *reader = delta_reader_new(give_nothing, NULL);
	struct delta_command command;
	struct fl_error err;

	check_code(FL_UNREACHABLE, delta_next(reader, &command, &err));
	check_string("the source is gone", err.text);
}

static void every_cut_is_found(void)
{
	own_text struct text text = { 0 };
	struct fl_error err;

	put_all(&text);
	while (text.length-- > 0) {
		check_code(FL_CORRUPT, read_all(&text, &err));
		check(strstr(err.text, "ends too soon") != NULL);
	}
}

/* A checksum of 32 bits finds each change of one byte for certain. */
static void every_changed_byte_is_found(void)
{
	own_text struct text text = { 0 };
	struct fl_error err;

	put_all(&text);
	random_begin(1);
	for (size_t at = 0; at < text.length; at++) {
		char change = (char)(1 + random_below(255));
		int rc;

		text.bytes[at] ^= change;
		rc = read_all(&text, &err);
		check(rc == -FL_CORRUPT || rc == -FL_INVALID);
		text.bytes[at] ^= change;
	}
	check_ok(read_all(&text, &err));
}

/* --- the checksum ------------------------------------------------------------------------- */

static void checksums_agree(void)
{
	static char bytes[1000];

	/* RFC 3720, B.4: 32 zeros, there inverted at both ends. */
	check((uint32_t)~crc32c(UINT32_MAX, bytes, 32) == 0x8a9136aau);
	check((uint32_t)~crc32c_tables(UINT32_MAX, bytes, 32) == 0x8a9136aau);
	random_begin(2);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)random_next();
	for (int i = 0; i < 1000; i++) {
		size_t from = random_below(sizeof(bytes)), to = from;
		size_t middle;
		uint32_t crc;

		to += random_below(sizeof(bytes) - from + 1);
		middle = from + random_below(to - from + 1);
		crc = crc32c_tables(0, bytes + from, to - from);
		check(crc32c(0, bytes + from, to - from) == crc);
		check(crc32c(crc32c(0, bytes + from, middle - from), bytes + middle, to - middle) ==
		      crc);
	}
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(what_is_written_is_read),
				  CHECK(large_ones_pass_through_a_small_buffer),
				  CHECK(the_format_is_btrfs),
				  CHECK(verbs_have_names),
				  CHECK(malformed_commands_are_refused),
				  CHECK(long_strings_are_refused),
				  CHECK(the_first_comes_first_and_once),
				  CHECK(what_is_no_delta_is_invalid),
				  CHECK(a_source_that_fails_is_told),
				  CHECK(every_cut_is_found),
				  CHECK(every_changed_byte_is_found),
				  CHECK(checksums_agree),
				  CHECK_END,
			  });
}
