#include "base/text.h"
#include "tests/check.h"
#include "tests/unit/random.h"

#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

static struct fl_error err;

static void an_empty_text_is_an_empty_string(void)
{
	own_text struct text text = { 0 };
	own_free char *taken = NULL;

	check_string("", text_get(&text));
	taken = text_take(&text);
	check_string("", taken);
	text_clear(&text);
	check_string("", text_get(&text));
}

static void end_with_7(void)
{
	_exit(7);
}

static void the_end_of_memory_is_told(void)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		text_no_memory = end_with_7;
		_exit(xcalloc(SIZE_MAX / 4, 2) ? 0 : 1);
	}
	check(waitpid(child, &status, 0) == child);
	check(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void what_is_added_stands_in_order(void)
{
	own_text struct text text = { 0 };

	text_add(&text, "abc", 2);
	text_add_string(&text, "c");
	text_add_format(&text, "-%d-%s", 42, "x");
	text_add(&text, "", 0);
	check_string("abc-42-x", text_get(&text));
	check(text.length == 8 && text.capacity > text.length);
	text_clear(&text);
	check(text.length == 0);
	check_string("", text_get(&text));
	text_add_format(&text, "%200s", "y");
	check(text.length == 200 && strlen(text_get(&text)) == 200);
}

static void bytes_may_be_nul(void)
{
	own_text struct text text = { 0 };

	text_add(&text, "a\0b", 3);
	check(text.length == 3 && memcmp(text_get(&text), "a\0b", 4) == 0);
}

static void taking_leaves_nothing(void)
{
	own_text struct text text = { 0 };
	own_free char *taken = NULL;

	text_add_string(&text, "mine");
	taken = text_take(&text);
	check_string("mine", taken);
	check(!text.bytes && text.length == 0 && text.capacity == 0);
	text_done(&text);
}

static void reserved_room_does_not_move(void)
{
	own_text struct text text = { 0 };
	const char *before;

	text_add_string(&text, "head");
	check(text_reserve(&text, 1000) == text.bytes + 4);
	before = text.bytes;
	for (int i = 0; i < 1000; i++)
		text_add(&text, "z", 1);
	check(text.bytes == before && text.length == 1004);
}

static void it_grows_like_a_plain_array(void)
{
	own_text struct text text = { 0 };
	static char plain[200000];
	size_t length = 0;

	random_begin(31);
	while (length < sizeof(plain) - 300) {
		char piece[300];
		size_t n = random_below(300);

		memset(piece, (int)('a' + random_below(26)), n);
		memcpy(plain + length, piece, n);
		length += n;
		text_add(&text, piece, n);
		check(text.length == length && text.bytes[length] == '\0');
	}
	check(memcmp(plain, text.bytes, length) == 0);
}

static void allocations_are_zeroed_and_grow(void)
{
	own_free int *numbers = xcalloc(10, sizeof(int));
	own_free char *copy = xstrdup("copy");

	check_string("copy", copy);
	for (int i = 0; i < 10; i++)
		check(numbers[i] == 0);
	numbers[9] = 9;
	numbers = xrealloc(numbers, 1000, sizeof(int));
	check(numbers[9] == 9);
	free(xcalloc(0, 1));
}

/* Also one that has become shorter in between. */
static void an_array_grows_by_one(void)
{
	own_free int *numbers = NULL;
	size_t count = 0;

	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 2 * round; i++) {
			int *added = array_add(numbers, count);

			check(added == &numbers[count - 1] && *added == 0);
			*added = (int)count;
		}
		for (size_t i = 0; i < count; i++)
			check(numbers[i] == (int)i + 1);
		count -= (size_t)round;
	}
	check(count == 49 * 50 / 2);
}

static void a_number_has_digits_alone(void)
{
	static const char *const wrong[] = { "",    "-1", "+1",
					     " 1",  "1 ", "0x1",
					     "1.0", "1k", "1000000000000000000" };
	int64_t number = -1;

	for (size_t i = 0; i < array_size(wrong); i++)
		check(!number_parse(wrong[i], &number) && number == -1);
	check(number_parse("0", &number) && number == 0);
	check(number_parse("007", &number) && number == 7);
	check(number_parse("999999999999999999", &number) && number == 999999999999999999);
}

static void sizes_are_parsed(void)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "0", 0 },
		{ "4096", 4096 },
		{ "1K", 1024 },
		{ "512M", UINT64_C(512) << 20 },
		{ "20g", UINT64_C(20) << 30 },
		{ "1TiB", UINT64_C(1) << 40 },
		{ "7B", 7 },
	};
	static const char *const bad[] = {
		"", "x", "-1", "1X", "1KK", "1.5G", " 1", "1 ", "99999999999999999999", "9E"
	};
	uint64_t bytes;

	for (size_t i = 0; i < array_size(good); i++) {
		check_ok(size_parse(good[i].text, &bytes, &err));
		check(bytes == good[i].bytes);
	}
	for (size_t i = 0; i < array_size(bad); i++)
		if (size_parse(bad[i], &bytes, &err) != -FL_INVALID)
			check_failed(__FILE__, __LINE__, "accepted", bad[i]);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(an_empty_text_is_an_empty_string),
				  CHECK(the_end_of_memory_is_told),
				  CHECK(what_is_added_stands_in_order),
				  CHECK(bytes_may_be_nul),
				  CHECK(taking_leaves_nothing),
				  CHECK(reserved_room_does_not_move),
				  CHECK(it_grows_like_a_plain_array),
				  CHECK(allocations_are_zeroed_and_grow),
				  CHECK(an_array_grows_by_one),
				  CHECK(a_number_has_digits_alone),
				  CHECK(sizes_are_parsed),
				  CHECK_END,
			  });
}
