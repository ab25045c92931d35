#include "model/revive.h"

#include "base/clock.h"
#include "tests/check.h"

static void policies_tell_ends_apart(void)
{
	static const struct {
		enum system_restart policy;
		int status;
		enum revival wanted;
	} cases[] = {
		{ SYSTEM_RESTART_NO, 0, REVIVE_NOT },
		{ SYSTEM_RESTART_NO, 1, REVIVE_FAILED },
		{ SYSTEM_RESTART_NO, -1, REVIVE_FAILED },
		{ SYSTEM_RESTART_NO, 129, REVIVE_NOT },
		{ SYSTEM_RESTART_NO, 130, REVIVE_NOT },
		{ SYSTEM_RESTART_ON_FAILURE, 0, REVIVE_NOT },
		{ SYSTEM_RESTART_ON_FAILURE, 1, REVIVE_AGAIN },
		{ SYSTEM_RESTART_ON_FAILURE, -1, REVIVE_AGAIN },
		{ SYSTEM_RESTART_ON_FAILURE, 137, REVIVE_AGAIN },
		{ SYSTEM_RESTART_ON_FAILURE, 129, REVIVE_AGAIN }, /* reboot */
		{ SYSTEM_RESTART_ON_FAILURE, 130, REVIVE_NOT },	  /* poweroff */
		{ SYSTEM_RESTART_ALWAYS, 0, REVIVE_AGAIN },
		{ SYSTEM_RESTART_ALWAYS, 130, REVIVE_AGAIN },
		{ SYSTEM_RESTART_ALWAYS, 1, REVIVE_AGAIN },
	};

	for (size_t i = 0; i < array_size(cases); i++)
		check(revive_after(cases[i].policy, cases[i].status) == cases[i].wanted);
}

/* A system that fails at once, by a clock of our own: how many starts in an hour. */
static void patience_grows_to_a_minute(void)
{
	static const int64_t seconds[] = { 1, 2, 4, 8, 16, 32, 60, 60, 60 };
	int64_t now = 0;
	uint64_t restarts = 0;

	for (size_t i = 0; i < array_size(seconds); i++)
		check(revive_delay(i) == seconds[i] * CLOCK_SECOND);
	check(revive_delay(UINT64_MAX) == 60 * CLOCK_SECOND);
	while (now < CLOCK_HOUR)
		now += revive_delay(restarts++);
	check(restarts == 65);
}

static void a_minute_of_life_is_stable(void)
{
	check(!revive_is_stable(60 * CLOCK_SECOND - 1));
	check(revive_is_stable(60 * CLOCK_SECOND));
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(policies_tell_ends_apart),
				  CHECK(patience_grows_to_a_minute),
				  CHECK(a_minute_of_life_is_stable),
				  CHECK_END,
			  });
}
