#include "base/xattrs.h"
#include "tests/check.h"

#include <string.h>

static void what_is_added_comes_again(void)
{
	own_text struct text xattrs = { 0 };
	struct xattr x;
	size_t at = 0;

	check(!xattrs_next(&xattrs, &at, &x));
	xattrs_add(&xattrs, "user.empty", "", 0);
	xattrs_add(&xattrs, "user.bytes", "a\0b", 3);
	check(xattrs_next(&xattrs, &at, &x) && x.size == 0);
	check_string("user.empty", x.name);
	check(xattrs_next(&xattrs, &at, &x) && x.size == 3 && memcmp(x.value, "a\0b", 3) == 0);
	check_string("user.bytes", x.name);
	check(!xattrs_next(&xattrs, &at, &x));
}

static void only_the_users_are_kept(void)
{
	check(xattrs_keep("user.note") && xattrs_keep("trusted.note"));
	check(xattrs_keep("security.capability") && xattrs_keep("system.posix_acl_default"));
	check(!xattrs_keep("trusted.SGI_ACL_FILE") && !xattrs_keep("trusted.SGI_ACL_DEFAULT"));
	check(!xattrs_keep("btrfs.compression") && !xattrs_keep("system.nfs4_acl"));
}

/* A file system lists them in the order in which they were set, or in none. */
static void equal_are_the_same_in_any_order(void)
{
	own_text struct text a = { 0 }, b = { 0 };

	check(xattrs_equal(&a, &b));
	xattrs_add(&a, "user.a", "1", 1);
	check(!xattrs_equal(&a, &b) && !xattrs_equal(&b, &a));
	xattrs_add(&a, "user.b", "2", 1);
	xattrs_add(&b, "user.b", "2", 1);
	xattrs_add(&b, "user.a", "1", 1);
	check(xattrs_equal(&a, &b));
	text_clear(&b);
	xattrs_add(&b, "user.a", "2", 1);
	xattrs_add(&b, "user.b", "1", 1);
	check(!xattrs_equal(&a, &b));
	text_clear(&b);
	xattrs_add(&b, "user.a", "1", 1);
	xattrs_add(&b, "user.c", "2", 1);
	check(!xattrs_equal(&a, &b));
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(what_is_added_comes_again),
				  CHECK(only_the_users_are_kept),
				  CHECK(equal_are_the_same_in_any_order),
				  CHECK_END,
			  });
}
