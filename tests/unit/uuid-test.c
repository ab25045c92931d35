#include "base/uuid.h"
#include "tests/check.h"
#include "tests/unit/random.h"

static void new_ones_are_version_4_and_differ(void)
{
	struct uuid previous = { 0 };

	for (int i = 0; i < 1000; i++) {
		struct uuid uuid = uuid_new();

		check((uuid.bytes[6] & 0xf0) == 0x40);
		check((uuid.bytes[8] & 0xc0) == 0x80);
		check(!uuid_equal(&uuid, &previous) && !uuid_is_none(&uuid));
		previous = uuid;
	}
}

static void parse_undoes_format(void)
{
	struct fl_error err = { 0 };
	char text[UUID_TEXT];
	struct uuid parsed;

	random_begin(21);
	for (int i = 0; i < 20000; i++) {
		struct uuid uuid;

		for (size_t k = 0; k < sizeof(uuid.bytes); k++)
			uuid.bytes[k] = (uint8_t)random_next();
		check_ok(uuid_parse(uuid_format(&uuid, text), &parsed, &err));
		check(uuid_equal(&uuid, &parsed));
	}
}

static void either_case_is_read_and_lower_case_written(void)
{
	struct fl_error err = { 0 };
	char text[UUID_TEXT];
	struct uuid uuid;

	check_ok(uuid_parse("01234567-89AB-4DEF-8123-456789abcDEF", &uuid, &err));
	check_string("01234567-89ab-4def-8123-456789abcdef", uuid_format(&uuid, text));
	check_ok(uuid_parse("00000000-0000-0000-0000-000000000000", &uuid, &err));
	check(uuid_is_none(&uuid));
}

static void everything_else_is_refused(void)
{
	static const char *const cases[] = {
		"",
		"01234567",
		"0123456789ab4def8123456789abcdef",
		"01234567-89ab-4def-8123-456789abcde",
		"01234567-89ab-4def-8123-456789abcdef0",
		"01234567-89ab-4def-8123_456789abcdef",
		"01234567-89ab-4def-8123-456789abcdeg",
		"01234567-89ab-4def-8123-456789abcdg0",
		" 1234567-89ab-4def-8123-456789abcdef",
		"{1234567-89ab-4def-8123-456789abcdef}",
	};
	struct uuid uuid = { { 1 } };
	struct fl_error err;
	char wanted[80];

	for (size_t i = 0; i < array_size(cases); i++) {
		check_code(FL_INVALID, uuid_parse(cases[i], &uuid, &err));
		snprintf(wanted, sizeof(wanted), "'%s' is not a UUID", cases[i]);
		check_string(wanted, err.text);
		check(uuid.bytes[0] == 1);
	}
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(new_ones_are_version_4_and_differ),
				  CHECK(parse_undoes_format),
				  CHECK(either_case_is_read_and_lower_case_written),
				  CHECK(everything_else_is_refused),
				  CHECK_END,
			  });
}
