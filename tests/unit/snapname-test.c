#include "model/snapname.h"
#include "tests/check.h"
#include "tests/unit/random.h"

#define NAME "01234567-89ab-4def-8123-456789abcdef.20261121T080000.123456789Z"

static struct snapname random_snapname(void)
{
	struct snapname name = { .time = (int64_t)(random_next() %
						   (9200 * UINT64_C(1000000000000000))) };

	for (size_t i = 0; i < sizeof(name.instance.bytes); i++)
		name.instance.bytes[i] = (uint8_t)random_next();
	return name;
}

static void a_known_name_has_a_known_id(void)
{
	struct fl_error err = { 0 };
	struct snapname name;
	char text[SNAPNAME_TEXT], id[SNAPID_TEXT];

	check_ok(snapname_parse(NAME, &name, &err));
	check(name.time == INT64_C(1795248000123456789));
	check_string(NAME, snapname_format(&name, text));
	/* printf NAME | sha256sum | cut -c 1-16 */
	check_string("7053a17ed66cc0ec", snapid_format(snapname_id(&name), id));
	check_string("00000000000000ff", snapid_format(255, id));
}

static void parse_undoes_format(void)
{
	char text[SNAPNAME_TEXT], again[SNAPNAME_TEXT];
	struct fl_error err = { 0 };
	struct snapname parsed;

	random_begin(11);
	for (int i = 0; i < 20000; i++) {
		struct snapname name = random_snapname();

		check_ok(snapname_parse(snapname_format(&name, text), &parsed, &err));
		check(uuid_equal(&parsed.instance, &name.instance) && parsed.time == name.time);
		check(snapname_id(&parsed) == snapname_id(&name));
		check_string(text, snapname_format(&parsed, again));
	}
}

static void names_of_an_instance_sort_by_time(void)
{
	char a[SNAPNAME_TEXT], b[SNAPNAME_TEXT];

	random_begin(12);
	for (int i = 0; i < 20000; i++) {
		struct snapname x = random_snapname(), y = x;
		int order;

		y.time = random_below(2) ? x.time + (int64_t)random_below(3)
					 : random_snapname().time;
		order = strcmp(snapname_format(&x, a), snapname_format(&y, b));
		check((order < 0) == (x.time < y.time) && (order == 0) == (x.time == y.time));
	}
}

static void only_the_exact_spelling_is_a_name(void)
{
	static const char expected[] = "is not a snapshot's storage name: ";
	static const struct {
		const char *text, *reason;
	} cases[] = {
		{ "", "expected a UUID, '.' and a time" },
		{ "facts", "expected a UUID, '.' and a time" },
		{ "01234567-89ab-4def-8123-456789abcdef", "expected a UUID, '.' and a time" },
		{ "01234567-89ab-4def-8123-456789abcdef_20261121T080000.123456789Z",
		  "expected a UUID, '.' and a time" },
		{ "g1234567-89ab-4def-8123-456789abcdef.20261121T080000.123456789Z",
		  "'g1234567-89ab-4def-8123-456789abcdef' is not a UUID" },
		{ "01234567-89AB-4def-8123-456789abcdef.20261121T080000.123456789Z",
		  "a UUID in lower case is expected" },
		{ "01234567-89ab-4def-8123-456789abcdef.", "'' is not a storage time" },
		{ "01234567-89ab-4def-8123-456789abcdef.20261121T080000.12345678Z",
		  "'20261121T080000.12345678Z' is not a storage time" },
		{ "01234567-89ab-4def-8123-456789abcdef.20260229T080000.123456789Z",
		  "'20260229T080000.123456789Z' is not a storage time" },
		{ NAME "x", "'20261121T080000.123456789Zx' is not a storage time" },
	};
	struct snapname name = { .time = 7 };
	struct fl_error err;
	char wanted[256];

	for (size_t i = 0; i < array_size(cases); i++) {
		check_code(FL_INVALID, snapname_parse(cases[i].text, &name, &err));
		snprintf(wanted, sizeof(wanted), "'%s' %s%s", cases[i].text, expected,
			 cases[i].reason);
		check_string(wanted, err.text);
		check(name.time == 7);
	}
}

static void a_changed_byte_is_refused_or_another_name(void)
{
	char text[SNAPNAME_TEXT + 1], again[SNAPNAME_TEXT];
	struct snapname parsed;
	struct fl_error err;
	int accepted = 0;

	random_begin(13);
	for (int i = 0; i < 20000; i++) {
		struct snapname name = random_snapname();

		snapname_format(&name, text);
		random_mutate(text, strlen(text));
		if (snapname_parse(text, &parsed, &err) == 0) {
			check_string(text, snapname_format(&parsed, again));
			accepted++;
		} else {
			check(err.code == FL_INVALID);
		}
	}
	check(accepted > 100);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(a_known_name_has_a_known_id),
				  CHECK(parse_undoes_format),
				  CHECK(names_of_an_instance_sort_by_time),
				  CHECK(only_the_exact_spelling_is_a_name),
				  CHECK(a_changed_byte_is_refused_or_another_name),
				  CHECK_END,
			  });
}
