#include "base/path.h"

#include <string.h>

#include "base/own.h"
#include "tests/check.h"

static void a_directory_holds_what_is_beneath_it(void)
{
	check(path_is_in("/a/b", "/a") && path_is_in("/a", "/a") && path_is_in("/a/", "/a"));
	check(!path_is_in("/ab", "/a") && !path_is_in("/", "/a") && !path_is_in("", "/a"));
	check(!path_is_in("/a", "/a/b") && !path_is_in("a", ""));
}

static void fields_of_mount_tables_are_read(void)
{
	static const char *const cases[][2] = {
		{ "", "" },
		{ "/plain", "/plain" },
		{ "/with\\040a\\011tab", "/with a\ttab" },
		{ "\\134040", "\\040" },
		{ "\\377", "\377" },
		{ "/a\\04", "/a\\04" }, /* is none, and nothing is read behind it */
		{ "/a\\", "/a\\" },
		{ "\\089\\101", "\\089A" },
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		char field[40];

		check_string(cases[i][1],
			     (path_unescape(strcpy(field, cases[i][0])), (const char *)field));
	}
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(a_directory_holds_what_is_beneath_it),
				  CHECK(fields_of_mount_tables_are_read),
				  CHECK_END,
			  });
}
