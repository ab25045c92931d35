#include "model/policy.h"

#include "base/clock.h"
#include "tests/check.h"

static struct fl_error err;

static void the_defaults_are_those_of_the_design(void)
{
	struct policy policy;

	check_ok(policy_read(NULL, NULL, &policy, &err));
	check(policy.when == POLICY_CHANGE && policy.settle == CLOCK_SECOND);
	check(policy.max_lag == 5 * CLOCK_SECOND && policy.min_interval == CLOCK_SECOND);
	check(policy.duty == 5000);
	check(policy.limits.count == THINNING_COUNT && policy.limits.resolution == 0);
	check(policy.limits.keep_all == THINNING_KEEP_ALL);
	check(policy.calendar.hours == 0 && policy.calendar.years == 0);
}

/* Reads one setting. */
static int set(const char *key, const char *value, struct policy *ret)
{
	own_metadata struct metadata own = { 0 };

	check_ok(metadata_set(&own, key, value, &err));
	return policy_read(&own, NULL, ret, &err);
}

static void settings_are_read(void)
{
	struct policy policy;

	check_ok(set("snapshot", "every 10m", &policy));
	check(policy.when == POLICY_EVERY && policy.every == 10 * CLOCK_MINUTE);
	check_ok(set("snapshot", "manual", &policy));
	check(policy.when == POLICY_MANUAL);
	check_ok(set("duty", "12.5%", &policy));
	check(policy.duty == 125000);
	check_ok(set("duty", "0.0001%", &policy));
	check(policy.duty == 1);
	check_ok(set("duty", "100%", &policy));
	check(policy.duty == 1000000);
	check_ok(set("max-count", "none", &policy));
	check(policy.limits.count == 0);
	check_ok(set("resolution", "1/8", &policy));
	check(policy.limits.resolution == 0.125);
	check_ok(set("keep", "24h 14d 12m", &policy));
	check(policy.calendar.hours == 24 && policy.calendar.days == 14 &&
	      policy.calendar.weeks == 0 && policy.calendar.months == 12);
	check_ok(set("keep", "1y", &policy));
	check(policy.calendar.years == 1);
}

static void nonsense_is_refused(void)
{
	static const struct {
		const char *key, *value;
	} cases[] = {
		{ "snapshot", "" },
		{ "snapshot", "always" },
		{ "snapshot", "every" },
		{ "snapshot", "every 0s" },
		{ "snapshot", "every 400d" },
		{ "settle", "2d" },
		{ "settle", "-1s" },
		{ "settle", "1" },
		{ "max-lag", "soon" },
		{ "duty", "0%" },
		{ "duty", "101%" },
		{ "duty", "5" },
		{ "duty", "1.%" },
		{ "duty", ".5%" },
		{ "duty", "0.00001%" },
		{ "duty", "0.5%x" },
		{ "max-count", "1" },
		{ "max-count", "4k" },
		{ "resolution", "0.125" },
		{ "resolution", "1/0" },
		{ "resolution", "1/" },
		{ "resolution", "1/10001" },
		{ "keep", "" },
		{ "keep", "24" },
		{ "keep", "24h14d" },
		{ "keep", "24h  14d" },
		{ "keep", "24h " },
		{ "keep", "0h" },
		{ "keep", "1h 2h" },
		{ "keep", "12345d" },
		{ "colour", "blue" },
	};
	struct policy policy = { .duty = 7 };

	for (size_t i = 0; i < array_size(cases); i++) {
		check_code(FL_INVALID, set(cases[i].key, cases[i].value, &policy));
		check(strstr(err.text, cases[i].key) && err.hint[0] && policy.duty == 7);
	}
}

static void what_contradicts_itself_is_refused(void)
{
	struct policy policy;
	own_metadata struct metadata own = { 0 };

	check_code(FL_INVALID, set("settle", "10s", &policy));
	check(strstr(err.text, "max-lag"));
	check_code(FL_INVALID, set("max-lag", "0s", &policy));
	check_ok(metadata_set(&own, "settle", "10s", &err));
	check_ok(metadata_set(&own, "snapshot", "manual", &err));
	check_ok(policy_read(&own, NULL, &policy, &err));
	check_ok(metadata_set(&own, "settle", "0s", &err));
	check_ok(metadata_set(&own, "snapshot", "every 1m", &err));
	check_ok(metadata_set(&own, "min-interval", "1h", &err));
	check_code(FL_INVALID, policy_read(&own, NULL, &policy, &err));
	check(strstr(err.text, "min-interval"));
}

static void a_branchs_own_setting_is_stronger(void)
{
	own_metadata struct metadata own = { 0 }, common = { 0 };
	struct policy policy;

	check_ok(metadata_set(&common, "settle", "2s", &err));
	check_ok(metadata_set(&common, "max-count", "100", &err));
	check_ok(metadata_set(&own, "settle", "3s", &err));
	check_ok(policy_read(&own, &common, &policy, &err));
	check(policy.settle == 3 * CLOCK_SECOND && policy.limits.count == 100);
	check(strcmp(policy_text(POLICY_SETTLE, &own, &common), "3s") == 0);
	check(strcmp(policy_text(POLICY_SETTLE, NULL, &common), "2s") == 0);
	check(strcmp(policy_text(POLICY_SETTLE, NULL, NULL), "1s") == 0);
}

static void the_table_is_whole(void)
{
	enum policy_key key;

	for (size_t i = 0; i < POLICY_KEYS; i++) {
		const struct policy_row *row = &policy_rows[i];

		check(row->name && row->initial && row->takes && row->description && row->read);
		check_ok(policy_find(row->name, &key, &err));
		check(key == i);
	}
	check_code(FL_NOT_FOUND, policy_find("sett", &key, &err));
	check(strstr(err.hint, "max-lag"));
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(the_defaults_are_those_of_the_design),
				  CHECK(settings_are_read),
				  CHECK(nonsense_is_refused),
				  CHECK(what_contradicts_itself_is_refused),
				  CHECK(a_branchs_own_setting_is_stronger),
				  CHECK(the_table_is_whole),
				  CHECK_END,
			  });
}
