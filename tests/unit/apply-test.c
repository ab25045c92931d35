/* What `flocker-tree apply` makes of a delta, and how it goes on after it was killed. */

#include "tests/unit/apply-world.h"

#include "tests/check.h"

#include <fcntl.h>
#include <sys/xattr.h>

#include "base/fsat.h"
#include "delta/skip.h"
#include "tests/delta-bytes.h"

static void a_delta_is_carried_out(void)
{
	own_text struct text text = { 0 };
	struct stat st;
	size_t commands;
	char bytes[5000];
	int fd;

	begin();
	commands = put_plain(&text);
	apply(text.bytes, text.length, &(struct options){ 0 });
	check_string("", outcome->text);
	check(outcome->report.entries == commands + 2);
	check(outcome->report.bytes == text.length);
	check(fstatat(tree, "moved/file", &st, 0) == 0);
	check(st.st_size == 1 << 20 && st.st_mode == (S_IFREG | 04750) && st.st_uid == 1000);
	check(st.st_mtim.tv_sec == 1 && st.st_mtim.tv_nsec == 2);
	check(st.st_blocks * 512 <= 8192); /* sparse */
	check_ok(fsat_open(tree, "moved/file", O_RDONLY, 0, &fd, &err));
	check(read(fd, bytes, sizeof(bytes)) == 5000 &&
	      memcmp(bytes, plain_contents, sizeof(plain_contents)) == 0);
	check(fgetxattr(fd, "trusted.note", bytes, 10) == 1);
	close(fd);
	check(fstatat(tree, "moved", &st, 0) == 0 && st.st_mode == (S_IFDIR | 02755));
	check(st.st_mtim.tv_sec == 1 && fstat(tree, &st) == 0 && st.st_mtim.tv_sec == 1);
	check(fstatat(tree, "moved/second", &st, 0) == 0 && st.st_nlink == 1);
	check(st.st_mode == (S_IFREG | 0640) && st.st_size == 3010);
	check(fstatat(tree, "gone", &st, 0) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == 0);
	check(fstatat(tree, "link", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode));
	check(fstatat(tree, "old", &st, 0) < 0 && fstatat(tree, "third", &st, 0) < 0);
}

/* In an empty tree. */
static void apply_commands(const struct delta_command *commands, size_t count)
{
	own_text struct text text = { 0 };

	begin();
	put_start(&text, true);
	for (size_t i = 0; i < count; i++)
		delta_put(&commands[i], &text);
	put_end(&text);
	apply(text.bytes, text.length, &(struct options){ 0 });
}

/* A directory hands its ACL, its group and its mode on, but not to what a delta makes in it. */
static void nothing_is_handed_on(void)
{
	static const char acl[] =
		"\2\0\0\0\1\0\7\0\xff\xff\xff\xff\2\0\7\0\x64\0\0\0\4\0\5\0\xff\xff"
		"\xff\xff\x10\0\7\0\xff\xff\xff\xff\x20\0\5\0\xff\xff\xff\xff";
	const struct delta_command commands[] = {
		MKDIR("d"),
		CHOWN("d", 5),
		CHMOD("d", 02755),
		MKDIR("a"),
		{ .verb = DELTA_SET_XATTR,
		  .path = "a",
		  .name = "system.posix_acl_default",
		  .data = acl,
		  .data_length = sizeof(acl) - 1 },
		MKFILE("a/f"),
		CHMOD("a/f", 0600),
		{ .verb = DELTA_SET_XATTR,
		  .path = "d",
		  .name = "system.posix_acl_default",
		  .data = acl,
		  .data_length = sizeof(acl) - 1 },
		MKFILE("d/f"),
		CHMOD("d/f", 0600),
		{ .verb = DELTA_CHOWN, .path = "d/f" },
		MKDIR("d/e"),
		{ .verb = DELTA_CHOWN, .path = "d/e" },
		CHMOD("d/e", 0755),
	};
	own_fd int fd = -1;
	char value[200];
	struct stat st;

	apply_commands(commands, array_size(commands));
	check_string("", outcome->text);
	check(fstatat(tree, "d/f", &st, 0) == 0 && st.st_mode == (S_IFREG | 0600));
	check(st.st_gid == 0);
	check(fstatat(tree, "d/e", &st, 0) == 0 && st.st_mode == (S_IFDIR | 0755));
	check(st.st_gid == 0);
	check_ok(fsat_open(tree, "d/f", O_RDONLY, 0, &fd, &err));
	check(fgetxattr(fd, "system.posix_acl_access", value, sizeof(value)) < 0);
	close(take_fd(fd));
	check_ok(fsat_open(tree, "a/f", O_RDONLY, 0, &fd, &err));
	check(fgetxattr(fd, "system.posix_acl_access", value, sizeof(value)) < 0);
	close(take_fd(fd));
	check_ok(fsat_open_dir(tree, "d/e", &fd, &err));
	check(fgetxattr(fd, "system.posix_acl_access", value, sizeof(value)) < 0);
	check(fgetxattr(fd, "system.posix_acl_default", value, sizeof(value)) < 0);
}

/* The kernel takes set-user-ID away with the owner, and the delta does not bring it again. */
static void a_new_owner_leaves_the_mode(void)
{
	const struct delta_command commands[] = { MKFILE("f"),	 CHMOD("f", 06755), MKFILE("g"),
						  CHOWN("f", 9), CHMOD("g", 04711), CHOWN("g", 9) };
	struct stat st;

	apply_commands(commands, array_size(commands));
	check(fstatat(tree, "f", &st, 0) == 0 && st.st_mode == (S_IFREG | 06755));
	check(st.st_uid == 9);
	check(fstatat(tree, "g", &st, 0) == 0 && st.st_mode == (S_IFREG | 04711));
}

/* --- going on ------------------------------------------------------------------------------- */

static void take_rest(const struct delta_point *point, const struct text *whole, struct text *ret)
{
	struct delta_bytes source = { whole->bytes, whole->length };
	own(delta_skip_freep) struct delta_skip *skip = delta_skip_new(point, delta_bytes_give,
								       &source);
	char bytes[1000];
	size_t n;

	do {
		check_ok(delta_skip_read(skip, bytes, sizeof(bytes), &n, &err));
		text_add(ret, bytes, n);
	} while (n > 0);
}

/* Carries out so many bytes; what was done is one command more than the point says. */
static void cut_at(const struct text *text, size_t length, bool late)
{
	struct delta_points behind;

	new_tree();
	tree_apply_use_points(points);
	apply(text->bytes, length, &(struct options){ .point = true });
	behind = *points;
	if (late && behind.count > 1)
		points->count--; /* as if it was killed before it could say so */
}

static void one_that_is_killed_goes_on(void)
{
	own_text struct text text = { 0 };
	uint8_t whole[DIGEST_SIZE], now[DIGEST_SIZE];
	struct delta_point point;
	struct uuid boot = { 0 };
	const size_t step = getenv("FLOCKER_TEST_LONG") ? 23 : 61;

	begin();
	put_plain(&text);
	apply(text.bytes, text.length, &(struct options){ 0 });
	take_digest(whole);
	for (size_t length = 200; length < text.length; length += step) {
		for (int late = 0; late < 2; late++) {
			own_text struct text rest = { 0 };

			cut_at(&text, length, late);
			if (points->count == 0)
				continue;
			check(delta_points_get(points, sizeof(*points), &boot, &point));
			take_rest(&point, &text, &rest);
			apply(rest.bytes, rest.length,
			      &(struct options){ .point = true, .resume = true });
			check_string("", outcome->text);
			take_digest(now);
			check(memcmp(whole, now, sizeof(whole)) == 0);
		}
	}
	delta_points_begin(points, &boot);
	apply(text.bytes, text.length, &(struct options){ .point = true, .resume = true });
	check(outcome->code == FL_INVALID && strstr(outcome->text, "no point"));
	tree_apply_use_points(NULL);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(a_delta_is_carried_out),
				  CHECK(nothing_is_handed_on),
				  CHECK(a_new_owner_leaves_the_mode),
				  CHECK(one_that_is_killed_goes_on),
				  CHECK_END,
			  });
}
