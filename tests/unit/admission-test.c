#include "model/admission.h"
#include "tests/check.h"

#define UUID "01234567-89ab-4def-8123-456789abcdef"

static void zero_lets_in_whatever_a_peer_asks(void)
{
	struct admission admission = { .volume = "left over" };
	char text[ADMISSION_TEXT];
	struct fl_error err;

	check_ok(admission_parse("serve", &admission, &err));
	check(!admission_is_limited(&admission));
	check_string("serve\n", admission_format(&admission, text));
}

static void a_limit_is_read_as_it_was_written(void)
{
	static const char *const lines[] = {
		"limit volume=mydata",
		"limit volume=" UUID,
		"limit volume=mydata from=alpha",
		"limit volume=my-data.2 from=" UUID,
	};
	struct admission admission;
	char text[ADMISSION_TEXT];
	struct fl_error err;

	for (size_t i = 0; i < array_size(lines); i++) {
		check_ok(admission_parse(lines[i], &admission, &err));
		check(admission_is_limited(&admission));
		admission_format(&admission, text);
		check(text[strlen(text) - 1] == '\n');
		text[strlen(text) - 1] = '\0';
		check_string(lines[i], text);
	}
}

static void the_longest_names_fit(void)
{
	struct admission admission = { 0 }, again;
	char text[ADMISSION_TEXT];
	struct fl_error err;

	memset(admission.volume, 'v', NAME_MAX_LENGTH);
	memset(admission.from, 'f', NAME_MAX_LENGTH);
	admission_format(&admission, text);
	check(text[strlen(text) - 1] == '\n');
	text[strlen(text) - 1] = '\0';
	check_ok(admission_parse(text, &again, &err));
	check(memcmp(&admission, &again, sizeof(again)) == 0);
}

static void anything_else_is_refused(void)
{
	static const char *const lines[] = {
		"",
		"serve ",
		"Serve",
		"limit",
		"limit volume=",
		"limit volume= from=a",
		"limit volume=a from=",
		"limit volume=a from=b from=c",
		"limit volume=a b",
		"limit volume=../a",
		"limit volume=a/b",
		"limit volume=mydata\t",
		"limit volume=vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv",
	};
	struct admission admission = { .volume = "kept" };
	struct fl_error err;

	for (size_t i = 0; i < array_size(lines); i++)
		check_code(FL_INVALID, admission_parse(lines[i], &admission, &err));
	check_string("kept", admission.volume);
}

static void a_uuid_means_a_uuid_and_a_name_a_name(void)
{
	struct uuid uuid, other = { { 1 } };
	struct fl_error err;

	check_ok(uuid_parse(UUID, &uuid, &err));
	check(admission_means("mydata", "mydata", &uuid));
	check(!admission_means("mydata", "other", &uuid));
	check(admission_means(UUID, "mydata", &uuid));
	/* Who calls his volume like another's UUID gets nowhere. */
	check(!admission_means(UUID, UUID, &other));
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(zero_lets_in_whatever_a_peer_asks),
				  CHECK(a_limit_is_read_as_it_was_written),
				  CHECK(the_longest_names_fit),
				  CHECK(anything_else_is_refused),
				  CHECK(a_uuid_means_a_uuid_and_a_name_a_name),
				  CHECK_END,
			  });
}
