#include "model/retention.h"

#include "base/clock.h"
#include "tests/check.h"
#include "tests/unit/random.h"

#define YEAR_2026 INT64_C(1795000000000000000)

static const struct uuid first = { { 1 } }, second = { { 2 } };

static void it_begins_with_the_wall_clock(void)
{
	struct retention clock = { 0 };

	check(retention_tick(&clock, YEAR_2026, 5, &first) == YEAR_2026);
	check(retention_tick(&clock, YEAR_2026 + 7, 12, &first) == YEAR_2026 + 7);
}

static void jumps_of_the_wall_clock_do_nothing(void)
{
	static const int64_t jumps[] = { CLOCK_HOUR, -CLOCK_HOUR, 400 * CLOCK_DAY, -400 * CLOCK_DAY,
					 4400 * CLOCK_DAY /* past 2038 */ };
	struct retention clock = { 0 };
	int64_t boot = 100, value = retention_tick(&clock, YEAR_2026, boot, &first);

	for (size_t i = 0; i < sizeof(jumps) / sizeof(*jumps); i++) {
		boot += CLOCK_SECOND;
		value += CLOCK_SECOND;
		check(retention_tick(&clock, YEAR_2026 + jumps[i], boot, &first) == value);
	}
}

static void a_machine_that_was_off_is_believed_a_day(void)
{
	static const struct {
		int64_t wall, passed;
	} cases[] = {
		{ CLOCK_HOUR, CLOCK_HOUR },
		{ CLOCK_DAY, CLOCK_DAY },
		{ 30 * CLOCK_DAY, CLOCK_DAY },
		{ 400 * CLOCK_DAY, CLOCK_DAY },
		{ -CLOCK_HOUR, 0 },
		{ -400 * CLOCK_DAY, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct retention clock = { 0 };

		retention_tick(&clock, YEAR_2026, CLOCK_DAY, &first);
		check(retention_tick(&clock, YEAR_2026 + cases[i].wall, 3, &second) ==
		      YEAR_2026 + cases[i].passed);
		/* And from there on as time passes. */
		check(retention_tick(&clock, YEAR_2026, 10, &second) ==
		      YEAR_2026 + cases[i].passed + 7);
	}
}

static void a_boot_clock_that_jumps_is_believed_a_day(void)
{
	static const struct {
		int64_t boot, wall, passed;
	} cases[] = {
		{ CLOCK_DAY, CLOCK_DAY, CLOCK_DAY },
		{ CLOCK_DAY, 0, CLOCK_DAY },
		{ 3 * CLOCK_DAY, 3 * CLOCK_DAY, CLOCK_DAY },
		{ 400 * CLOCK_DAY, 400 * CLOCK_DAY, CLOCK_DAY },
		{ 400 * CLOCK_DAY, CLOCK_SECOND, CLOCK_SECOND },
		{ 400 * CLOCK_DAY, -CLOCK_HOUR, 0 },
		{ -CLOCK_DAY, CLOCK_DAY, 0 },
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		struct retention clock = { 0 };

		retention_tick(&clock, YEAR_2026, 30 * CLOCK_DAY, &first);
		check(retention_tick(&clock, YEAR_2026 + cases[i].wall,
				     30 * CLOCK_DAY + cases[i].boot,
				     &first) == YEAR_2026 + cases[i].passed);
	}
}

static void a_jump_of_more_than_a_day_is_told(void)
{
	static const struct {
		const struct uuid *run;
		int64_t boot, wall, jump;
	} cases[] = {
		{ &first, CLOCK_HOUR, CLOCK_HOUR, 0 },
		{ &first, CLOCK_SECOND, CLOCK_HOUR, 0 },
		{ &first, CLOCK_SECOND, -CLOCK_DAY, -CLOCK_DAY - CLOCK_SECOND },
		{ &first, CLOCK_SECOND, 400 * CLOCK_DAY, 400 * CLOCK_DAY - CLOCK_SECOND },
		{ &first, 2 * CLOCK_DAY, 2 * CLOCK_DAY, 0 },
		{ &first, 30 * CLOCK_DAY, 30 * CLOCK_DAY, 29 * CLOCK_DAY },
		{ &first, 30 * CLOCK_DAY, CLOCK_SECOND, CLOCK_SECOND - 30 * CLOCK_DAY },
		{ &second, -CLOCK_HOUR, CLOCK_DAY, 0 },
		{ &second, -CLOCK_HOUR, 30 * CLOCK_DAY, 29 * CLOCK_DAY },
		{ &second, -CLOCK_HOUR, -30 * CLOCK_DAY, -30 * CLOCK_DAY },
	};
	struct retention never = { 0 };

	check(retention_jump(&never, YEAR_2026, 5, &first) == 0);
	for (size_t i = 0; i < array_size(cases); i++) {
		struct retention clock = { 0 };

		retention_tick(&clock, YEAR_2026, CLOCK_DAY, &first);
		check(retention_jump(&clock, YEAR_2026 + cases[i].wall, CLOCK_DAY + cases[i].boot,
				     cases[i].run) == cases[i].jump);
	}
}

static void it_is_never_faster_than_time_nor_backwards(void)
{
	struct retention clock = { 0 };
	int64_t boot = 0, real = YEAR_2026, last;
	struct uuid run = first;

	random_begin(81);
	last = retention_tick(&clock, real, boot, &run);
	for (int i = 0; i < 10000; i++) {
		int64_t passed = (int64_t)random_below(1 << 30), value;
		int64_t wall = real + (int64_t)random_below(1 << 30) * 4000000000 -
			       (int64_t)random_below(1 << 30) * 4000000000;

		boot += passed;
		real += passed;
		value = retention_tick(&clock, wall, boot, &run);
		check(value >= last && value - last <= passed);
		last = value;
	}
}

static void the_text_says_it_all(void)
{
	static const char *const wrong[] = { "",
					     "1",
					     "1 2 3",
					     "1 2 3 x",
					     "1 2 3 01000000-0000-0000-0000-000000000000 ",
					     "01 2 3 01000000-0000-0000-0000-000000000000" };
	struct retention clock = { 0 }, read;
	char text[RETENTION_TEXT];
	struct fl_error err;

	retention_tick(&clock, INT64_MAX, INT64_MAX, &first);
	check_ok(retention_parse(retention_format(&clock, text), &read, &err));
	check(read.value == clock.value && read.wall == clock.wall && read.boot == clock.boot &&
	      uuid_equal(&read.run, &clock.run));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		check_code(FL_INVALID, retention_parse(wrong[i], &read, &err));
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(it_begins_with_the_wall_clock),
				  CHECK(jumps_of_the_wall_clock_do_nothing),
				  CHECK(a_machine_that_was_off_is_believed_a_day),
				  CHECK(a_boot_clock_that_jumps_is_believed_a_day),
				  CHECK(a_jump_of_more_than_a_day_is_told),
				  CHECK(it_is_never_faster_than_time_nor_backwards),
				  CHECK(the_text_says_it_all),
				  CHECK_END,
			  });
}
