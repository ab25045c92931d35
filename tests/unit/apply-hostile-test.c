/* What `flocker-tree apply` does with deltas that mean harm. */

#include "tests/unit/apply-world.h"

#include "tests/check.h"

#include <fcntl.h>

#include "base/fsat.h"
#include "tests/delta-bytes.h"
#include "tests/unit/random.h"

static const struct uuid foreign = { { 3 } };

enum { MOST = 8 };

static const struct hostile {
	const char *what;
	struct delta_command commands[MOST];
	enum fl_code code;
	const char *object; /* the path that is named; NULL: any */
} hostile[] = {
	/* paths */
	{ "up", { MKFILE("../canary/new") }, FL_INVALID, "../canary/new" },
	{ "up from within", { MKDIR("d"), MKFILE("d/../../x") }, FL_INVALID, "d/../../x" },
	{ "up at the end", { MKDIR("d/..") }, FL_INVALID, "d/.." },
	{ "itself", { MKDIR("d/.") }, FL_INVALID, "d/." },
	{ "absolute", { WRITE("/canary/file", 0) }, FL_INVALID, "/canary/file" },
	{ "empty component", { MKFILE("d//f") }, FL_INVALID, "d//f" },
	{ "slash at the end", { MKDIR("d/") }, FL_INVALID, "d/" },
	{ "rename out", { MKFILE("f"), RENAME("f", "../f") }, FL_INVALID, "f" },
	{ "rename in", { RENAME("../canary/file", "f") }, FL_INVALID, "../canary/file" },
	{ "link out", { LINK("f", "../canary/file") }, FL_INVALID, "f" },
	{ "link from outside", { LINK("../canary/l", "f") }, FL_INVALID, "../canary/l" },
	{ "unlink outside", { UNLINK("../canary/file") }, FL_INVALID, "../canary/file" },
	{ "rmdir outside", { RMDIR("../base") }, FL_INVALID, "../base" },
	/* symbolic links that the delta itself makes */
	{ "write through", { SYMLINK("l", "../canary/file"), WRITE("l", 0) }, FL_CORRUPT, "l" },
	{ "write through, absolute", { SYMLINK("l", "/canary/file"), WRITE("l", 0) }, FL_CORRUPT },
	{ "truncate through", { SYMLINK("l", "../canary/file"), TRUNCATE("l", 0) }, FL_CORRUPT },
	{ "chmod through", { SYMLINK("l", "../canary/file"), CHMOD("l", 0777) }, FL_CORRUPT },
	{ "chown the link", { SYMLINK("l", "../canary/file"), CHOWN("l", 7) }, FL_OK },
	{ "utimes of the link", { SYMLINK("l", "../canary/file"), UTIMES("l") }, FL_OK },
	{ "attribute of the link",
	  { SYMLINK("l", "../canary/file"), XATTR("l", "trusted.x") },
	  FL_OK },
	{ "into a linked directory", { SYMLINK("l", "../canary"), MKFILE("l/new") }, FL_INVALID },
	{ "into one, absolute", { SYMLINK("l", "/canary"), MKDIR("l/new") }, FL_INVALID },
	{ "remove in one", { SYMLINK("l", "../canary"), UNLINK("l/file") }, FL_INVALID },
	{ "out of one", { SYMLINK("l", "../canary"), RENAME("l/file", "f") }, FL_INVALID },
	{ "link in one", { SYMLINK("l", "../canary"), LINK("f", "l/file") }, FL_INVALID },
	{ "hard link to a link",
	  { SYMLINK("l", "../canary/file"), LINK("h", "l"), WRITE("h", 0) },
	  FL_CORRUPT },
	{ "a link in a directory's place",
	  { MKDIR("d"), MKFILE("d/f"), UNLINK("d/f"), RMDIR("d"), SYMLINK("d", "../canary"),
	    WRITE("d/file", 0) },
	  FL_INVALID },
	{ "a link renamed over a directory's name",
	  { MKDIR("d"), MKFILE("d/f"), RENAME("d", "e"), SYMLINK("x", "../canary"),
	    RENAME("x", "d"), WRITE("d/file", 0) },
	  FL_INVALID },
	{ "a file in another's place",
	  { MKFILE("f"), WRITE("f", 0), UNLINK("f"), SYMLINK("f", "../canary/file"),
	    WRITE("f", 0) },
	  FL_CORRUPT },
	{ "a link renamed over an open file",
	  { MKFILE("f"), WRITE("f", 0), SYMLINK("x", "../canary/file"), RENAME("x", "f"),
	    WRITE("f", 0) },
	  FL_CORRUPT },
	/* the root */
	{ "remove the root", { RMDIR("") }, FL_CORRUPT },
	{ "rename the root", { RENAME("", "x") }, FL_CORRUPT },
	{ "write to the root", { WRITE("", 0) }, FL_CORRUPT },
	{ "make the root", { MKDIR("") }, FL_CORRUPT },
	{ "attributes of the root", { CHMOD("", 0700), CHOWN("", 5), UTIMES("") }, FL_OK },
	/* devices and modes */
	{ "a disk", { MKNOD("n", S_IFBLK | 0666, 8 << 8) }, FL_INVALID, "n" },
	{ "memory", { MKNOD("n", S_IFCHR | 0666, 1 << 8 | 1) }, FL_INVALID, "n" },
	{ "a block device 0:0", { MKNOD("n", S_IFBLK, 0) }, FL_INVALID, "n" },
	{ "a file as a device", { MKNOD("n", S_IFREG | 0666, 0) }, FL_CORRUPT, "n" },
	{ "a whiteout", { MKNOD("n", S_IFCHR, 0) }, FL_OK },
	{ "write to a whiteout", { MKNOD("n", S_IFCHR, 0), WRITE("n", 0) }, FL_CORRUPT },
	{ "write to a FIFO", { { .verb = DELTA_MKFIFO, .path = "p" }, WRITE("p", 0) }, FL_CORRUPT },
	{ "write to a socket",
	  { { .verb = DELTA_MKSOCK, .path = "s" }, WRITE("s", 0) },
	  FL_CORRUPT },
	{ "set-uid", { MKFILE("f"), CHMOD("f", 06755) }, FL_OK },
	{ "mode with a type", { MKFILE("f"), CHMOD("f", S_IFDIR | 0755) }, FL_CORRUPT },
	{ "nobody's", { MKFILE("f"), CHOWN("f", UINT32_MAX) }, FL_INVALID },
	{ "user beyond numbers", { MKFILE("f"), CHOWN("f", 1ULL << 32) }, FL_INVALID },
	/* sizes */
	{ "2^63", { MKFILE("f"), TRUNCATE("f", 1ULL << 63) }, FL_INVALID, "f" },
	{ "2^64 - 1", { MKFILE("f"), WRITE("f", UINT64_MAX) }, FL_INVALID, "f" },
	{ "the end beyond", { MKFILE("f"), WRITE("f", INT64_MAX - 2) }, FL_INVALID, "f" },
	{ "2^60", { MKFILE("f"), TRUNCATE("f", 1ULL << 60) }, FL_OK },
	/* names that contradict */
	{ "rename onto itself", { MKFILE("f"), WRITE("f", 0), RENAME("f", "f") }, FL_OK },
	{ "a new one onto itself", { MKFILE("f"), RENAME("f", "f") }, FL_OK },
	{ "into itself", { MKDIR("d"), UTIMES("d"), RENAME("d", "d/d") }, FL_CORRUPT, "d" },
	{ "a new one into itself", { MKDIR("d"), RENAME("d", "d/d") }, FL_CORRUPT, "d" },
	{ "twice", { MKFILE("f"), MKFILE("f") }, FL_CORRUPT, "f" },
	{ "what is not there", { UNLINK("f") }, FL_CORRUPT, "f" },
	{ "a directory as a file", { MKDIR("d"), UNLINK("d") }, FL_CORRUPT },
	{ "a file as a directory", { MKFILE("f"), MKFILE("f/g") }, FL_CORRUPT },
	{ "not empty", { MKDIR("d"), MKFILE("d/f"), RMDIR("d") }, FL_CORRUPT },
	{ "link to a directory", { MKDIR("d"), LINK("h", "d") }, FL_CORRUPT },
	{ "a link to nothing", { SYMLINK("l", "") }, FL_CORRUPT },
	/* attributes */
	{ "one of a file system", { MKFILE("f"), XATTR("f", "btrfs.compression") }, FL_OK },
	{ "of no kind", { MKFILE("f"), XATTR("f", "nonsense") }, FL_OK },
	{ "an ACL that is none",
	  { MKFILE("f"), XATTR("f", "system.posix_acl_access") },
	  FL_INVALID },
	{ "one that is not there",
	  { MKFILE("f"), { .verb = DELTA_REMOVE_XATTR, .path = "f", .name = "user.x" } },
	  FL_CORRUPT },
	/* others */
	{ "no contents",
	  { MKFILE("f"), { .verb = DELTA_UPDATE_EXTENT, .path = "f", .size = 1 } },
	  FL_INVALID },
};

static void run_hostile(const struct hostile *test)
{
	own_text struct text text = { 0 };

	new_tree();
	put_start(&text, true);
	for (int i = 0; i < MOST && test->commands[i].verb; i++)
		delta_put(&test->commands[i], &text);
	put_end(&text);
	apply(text.bytes, text.length, &(struct options){ 0 });
	if (outcome->code != test->code || (test->object && strcmp(test->object, outcome->object)))
		printf("# %s: %s, about '%s'\n", test->what, outcome->text, outcome->object);
	check_string(test->code ? fl_codes[test->code].name : "",
		     outcome->code ? fl_codes[outcome->code].name : "");
	if (test->object)
		check_string(test->object, outcome->object);
	check(!outcome->code || outcome->object[0] || strstr(outcome->text, "''"));
}

static void what_means_harm_is_refused(void)
{
	begin();
	for (size_t i = 0; i < array_size(hostile); i++)
		run_hostile(&hostile[i]);
}

/* --- contents from elsewhere ------------------------------------------------------------- */

static void clone_into_f(const struct uuid *from, const char *path, uint64_t at, uint64_t size,
			 const struct options *options)
{
	own_text struct text text = { 0 };
	struct delta_command command = CLONE("f", path, size);

	new_tree();
	put_start(&text, !options->base);
	delta_put(&(struct delta_command)MKFILE("f"), &text);
	delta_put(&(struct delta_command)WRITE("f", 0), &text);
	command.from_uuid = *from;
	command.from_offset = at;
	command.offset = 4;
	delta_put(&command, &text);
	put_end(&text);
	apply(text.bytes, text.length, options);
}

static void check_file(const char *path, const char *contents)
{
	own_text struct text text = { 0 };

	check_ok(fsat_read(tree, path, 1000, &text, &err));
	check_string(contents, text_get(&text));
}

static void clones_come_from_named_trees(void)
{
	const struct options alone = { 0 }, with_base = { .base = true };

	begin();
	clone_into_f(&base, "file", 5, 8, &with_base);
	check_string("", outcome->text);
	check_file("f", "evilthe base");
	clone_into_f(&here, "f", 0, 4, &with_base);
	check_file("f", "evilevil");
	clone_into_f(&foreign, "file", 0, 4, &with_base);
	check(outcome->code == FL_INVALID && strstr(outcome->text, "neither this one nor"));
	clone_into_f(&base, "file", 0, 4, &alone);
	check(outcome->code == FL_INVALID);
	clone_into_f(&base, "../canary/file", 0, 4, &with_base);
	check(outcome->code == FL_INVALID);
	clone_into_f(&base, "", 0, 4, &with_base);
	check(outcome->code == FL_CORRUPT);
	clone_into_f(&base, "file", 5, 9, &with_base);
	check(outcome->code == FL_CORRUPT && strstr(outcome->text, "too short"));
	clone_into_f(&base, "file", UINT64_MAX - 1, 4, &with_base);
	check(outcome->code == FL_INVALID);
	clone_into_f(&base, "file", 0, UINT64_MAX, &with_base);
	check(outcome->code == FL_INVALID);
	clone_into_f(&base, "file", 0, 0, &with_base);
	check_file("f", "evil");
}

static void a_base_is_there_when_it_is_built_on(void)
{
	own_text struct text text = { 0 };

	begin();
	put_start(&text, true);
	put_end(&text);
	apply(text.bytes, text.length, &(struct options){ .base = true });
	check(outcome->code == FL_INVALID);
	text_clear(&text);
	put_start(&text, false);
	put_end(&text);
	apply(text.bytes, text.length, &(struct options){ 0 });
	check(outcome->code == FL_INVALID);
}

/* --- what was damaged ---------------------------------------------------------------------- */

static void every_cut_is_told(void)
{
	own_text struct text text = { 0 };

	begin();
	put_plain(&text);
	for (size_t length = 0; length < text.length; length += 1 + length / 50) {
		new_tree();
		apply(text.bytes, length, &(struct options){ 0 });
		check(outcome->code == FL_CORRUPT && strstr(outcome->text, "ends too soon"));
	}
}

/* With a checksum that agrees it is whatever it is; outside of the tree nothing happens. */
static void changed_bytes_change_nothing_outside(void)
{
	own_text struct text text = { 0 };

	begin();
	put_plain(&text);
	random_begin(11);
	for (int i = 0; i < 1000; i++) {
		own_text struct text changed = { 0 };
		size_t at = random_below(text.length);
		bool mends = i % 4;

		text_add(&changed, text.bytes, text.length);
		changed.bytes[at] ^= (char)(1 + random_below(255));
		if (mends)
			delta_bytes_mend(changed.bytes, changed.length);
		if (i % 10 == 0)
			new_tree();
		apply(changed.bytes, changed.length, &(struct options){ .base = i & 1 });
		check(mends || outcome->code == FL_CORRUPT || outcome->code == FL_INVALID);
	}
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(what_means_harm_is_refused),
				  CHECK(clones_come_from_named_trees),
				  CHECK(a_base_is_there_when_it_is_built_on),
				  CHECK(every_cut_is_told),
				  CHECK(changed_bytes_change_nothing_outside),
				  CHECK_END,
			  });
}
