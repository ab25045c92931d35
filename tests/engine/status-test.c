/* How it goes: what is told of branches that wait, of thinning and of the pool's use. */

#include "engine/save.h"
#include "tests/engine/fixture.h"

#include "base/text.h"

#define WAITING (STATUS_UNSAVED + 20)

static struct fixture fixture;
static struct fl_error err;

static struct status look(void)
{
	struct status status = { 0 };

	check_ok(engine_status(fixture.engine, &status, &err));
	return status;
}

/* --- branches that wait: those of the volume "data", the first for longest ------------ */

static struct uuid waiting[WAITING];

static void tell(void *arg, const struct uuid *branch, struct unsaved *ret)
{
}

static void each(void *arg, unsaved_told *told, void *context)
{
	for (size_t i = WAITING; i-- > 0;)
		told(context, &waiting[i], (int64_t)(i + 1) * CLOCK_SECOND);
}

static void those_that_wait_longest_are_named(void)
{
	static const struct unsaved_source source = { tell, each, NULL };
	struct status status;
	char name[32];

	fixture_begin(&fixture);
	check_ok(make_volume(fixture.engine, "data", NULL, &err));
	for (int i = 0; i < WAITING; i++) {
		snprintf(name, sizeof(name), "data/b%d", i);
		check_ok(make_branch(fixture.engine, name, NULL, &err));
		waiting[i] = tree_of(&fixture, name).uuid;
	}
	check_ok(destroy(fixture.engine, "data/b1", &err));
	engine_on_unsaved(fixture.engine, &source);
	status = look();
	engine_on_unsaved(fixture.engine, NULL);
	check(status.branches == WAITING);
	check(status.unsaved_count == WAITING - 1 && status.named == STATUS_UNSAVED);
	check_string("data/b0", status.unsaved[0].ref);
	check_string("data/b2", status.unsaved[1].ref); /* b1 is in the trash */
	check(status.unsaved[1].since == 3 * CLOCK_SECOND && !status.unsaved[1].last_snapshot);
	status_done(&status);
	fixture_end(&fixture);
}

static void the_newest_snapshot_is_told(void)
{
	struct status status;

	fixture_begin(&fixture);
	check_ok(make_volume(fixture.engine, "data", NULL, &err));
	status = look();
	check(status.last_snapshot == 0 && status.has_pool);
	status_done(&status);
	(void)snap(&fixture, "data", "one", NULL);
	status = look();
	check(status.last_snapshot > 0 && status.last_snapshot <= clock_now());
	status_done(&status);
	fixture_end(&fixture);
}

/* --- the pool's use ------------------------------------------------------------------------ */

static uint64_t used;

static int filling(struct pool *pool, struct pool_stats *ret, struct fl_error *failure)
{
	*ret = (struct pool_stats){ .size = 1000000, .free = 1000000 - used, .health = "ok" };
	return 0;
}

static int unknown(struct pool *pool, struct pool_stats *ret, struct fl_error *failure)
{
	return fl_fail(failure, FL_SYSTEM, "the disk is away");
}

static void a_sample_is_taken_now_and_then(void)
{
	struct status status;

	fixture_begin(&fixture);
	break_driver(&fixture)->stats = filling;
	used = 100000;
	check(care_for_forecast(fixture.engine) == FORECAST_EVERY);
	check(care_for_forecast(fixture.engine) <= FORECAST_EVERY);
	check(fixture.engine->forecast.count == 1); /* it was not due */
	status = look();
	check(status.forecast == FORECAST_UNKNOWN);
	status_done(&status);
	/* Two hours ago it was half of that. */
	fixture.engine->forecast = (struct forecast){ 0 };
	forecast_add(&fixture.engine->forecast, clock_boot() - 2 * CLOCK_HOUR, used / 2);
	fixture.engine->forecast_due = 0;
	(void)care_for_forecast(fixture.engine);
	status = look();
	check(status.forecast == FORECAST_FILLING);
	check(status.full_in > 35 * CLOCK_HOUR && status.full_in < 37 * CLOCK_HOUR);
	status_done(&status);
	mend_driver(&fixture);
	fixture_end(&fixture);
}

static void a_pool_that_tells_nothing_is_named(void)
{
	fixture_begin(&fixture);
	break_driver(&fixture)->stats = unknown;
	(void)care_for_forecast(fixture.engine);
	check(failing_is(fixture.engine, FAILING_STATS));
	mend_driver(&fixture);
	fixture.engine->forecast_due = 0;
	(void)care_for_forecast(fixture.engine);
	check(!failing_is(fixture.engine, FAILING_STATS));
	fixture_end(&fixture);
}

/* --- thinning -------------------------------------------------------------------------------- */

static void what_went_in_the_last_day_is_counted(void)
{
	struct thin_tally tally = { 0 };
	int64_t now = 100 * CLOCK_HOUR;

	check(thin_tally_read(&tally, now) == 0);
	for (int hour = 0; hour < 48; hour++)
		thin_tally_add(&tally, now + hour * CLOCK_HOUR, 10);
	thin_tally_add(&tally, now + 47 * CLOCK_HOUR, 1);
	now += 47 * CLOCK_HOUR;
	check(thin_tally_read(&tally, now) == 241);
	check(thin_tally_read(&tally, now + 23 * CLOCK_HOUR) == 11);
	check(thin_tally_read(&tally, now + 24 * CLOCK_HOUR) == 0);
}

static void a_clock_that_lags_is_told(void)
{
	struct status status;

	fixture_begin(&fixture);
	(void)retention_now(fixture.engine);
	status = look();
	check(status.thinning.clock_behind == 0);
	status_done(&status);
	fixture.engine->retention.value -= 2 * CLOCK_DAY;
	status = look();
	check(status.thinning.clock_behind > 47 * CLOCK_HOUR);
	check(status.thinning.clock_behind <= 48 * CLOCK_HOUR);
	status_done(&status);
	fixture_end(&fixture);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(those_that_wait_longest_are_named),
				  CHECK(the_newest_snapshot_is_told),
				  CHECK(a_sample_is_taken_now_and_then),
				  CHECK(a_pool_that_tells_nothing_is_named),
				  CHECK(what_went_in_the_last_day_is_counted),
				  CHECK(a_clock_that_lags_is_told),
				  CHECK_END,
			  });
}
