#include "model/policy.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "model/name.h"

#define DUTY_WHOLE 1000000
#define RESOLUTION_FINEST 10000

static int fail_value(const struct policy_row *row, const char *value, struct fl_error *err)
{
	char shown[NAME_SHOWN];

	fl_fail(err, FL_INVALID, "'%s' is no value of %s", name_show(value, shown), row->name);
	return fl_hint(err, "it takes %s", row->takes);
}

/* --- values ------------------------------------------------------------------------ */

static int read_duration(const struct policy_row *row, const char *value, int64_t least,
			 int64_t most, int64_t *ret, struct fl_error *err)
{
	int64_t duration;
	struct fl_error unused;

	if (clock_parse_duration(value, &duration, &unused) < 0 || duration < least ||
	    duration > most)
		return fail_value(row, value, err);
	*ret = duration;
	return 0;
}

static int read_snapshot(const struct policy_row *row, const char *value, struct policy *policy,
			 struct fl_error *err)
{
	static const char every[] = "every ";

	policy->every = 0;
	if (strcmp(value, "change") == 0)
		policy->when = POLICY_CHANGE;
	else if (strcmp(value, "manual") == 0)
		policy->when = POLICY_MANUAL;
	else if (strncmp(value, every, strlen(every)) == 0)
		policy->when = POLICY_EVERY;
	else
		return fail_value(row, value, err);
	if (policy->when != POLICY_EVERY)
		return 0;
	return read_duration(row, value + strlen(every), CLOCK_SECOND, 366 * CLOCK_DAY,
			     &policy->every, err);
}

static int read_settle(const struct policy_row *row, const char *value, struct policy *policy,
		       struct fl_error *err)
{
	return read_duration(row, value, 0, CLOCK_DAY, &policy->settle, err);
}

static int read_max_lag(const struct policy_row *row, const char *value, struct policy *policy,
			struct fl_error *err)
{
	return read_duration(row, value, 0, CLOCK_DAY, &policy->max_lag, err);
}

static int read_min_interval(const struct policy_row *row, const char *value, struct policy *policy,
			     struct fl_error *err)
{
	return read_duration(row, value, 0, CLOCK_DAY, &policy->min_interval, err);
}

/* "0.5%", up to four digits behind the point. */
static int read_duty(const struct policy_row *row, const char *value, struct policy *policy,
		     struct fl_error *err)
{
	size_t whole = strspn(value, "0123456789"), part = 0;
	const char *rest = value + whole;
	unsigned long duty;

	if (*rest == '.')
		part = strspn(++rest, "0123456789");
	if (whole < 1 || whole > 3 || part > 4 || (value[whole] == '.' && part == 0) ||
	    strcmp(rest + part, "%") != 0)
		return fail_value(row, value, err);
	duty = strtoul(value, NULL, 10) * 10000;
	for (size_t i = 0, weight = 1000; i < part; i++, weight /= 10)
		duty += (unsigned long)(rest[i] - '0') * weight;
	if (duty < 1 || duty > DUTY_WHOLE)
		return fail_value(row, value, err);
	policy->duty = (unsigned)duty;
	return 0;
}

static bool read_number(const char *value, size_t least, size_t most, size_t *ret)
{
	size_t length = strlen(value);

	if (length < 1 || length > 9 || strspn(value, "0123456789") != length)
		return false;
	*ret = strtoul(value, NULL, 10);
	return *ret >= least && *ret <= most;
}

static int read_max_count(const struct policy_row *row, const char *value, struct policy *policy,
			  struct fl_error *err)
{
	if (strcmp(value, "none") == 0)
		policy->limits.count = 0;
	else if (!read_number(value, 2, 100000000, &policy->limits.count))
		return fail_value(row, value, err);
	return 0;
}

/* "1/8" */
static int read_resolution(const struct policy_row *row, const char *value, struct policy *policy,
			   struct fl_error *err)
{
	size_t parts;

	policy->limits.resolution = 0;
	if (strcmp(value, "none") == 0)
		return 0;
	if (strncmp(value, "1/", 2) != 0 || !read_number(value + 2, 1, RESOLUTION_FINEST, &parts))
		return fail_value(row, value, err);
	policy->limits.resolution = 1.0 / (double)parts;
	return 0;
}

static int read_keep_all(const struct policy_row *row, const char *value, struct policy *policy,
			 struct fl_error *err)
{
	return read_duration(row, value, 0, 3660 * CLOCK_DAY, &policy->limits.keep_all, err);
}

/* "24h 14d 12m": each period once. */
static int read_keep(const struct policy_row *row, const char *value, struct policy *policy,
		     struct fl_error *err)
{
	struct thinning_calendar *calendar = &policy->calendar;
	const struct {
		char letter;
		unsigned *count;
	} periods[] = { { 'h', &calendar->hours },
			{ 'd', &calendar->days },
			{ 'w', &calendar->weeks },
			{ 'm', &calendar->months },
			{ 'y', &calendar->years } };
	const char *at = value;

	*calendar = (struct thinning_calendar){ 0 };
	if (strcmp(value, "none") == 0)
		return 0;
	while (*at) {
		size_t digits = strspn(at, "0123456789"), i = 0;

		while (i < array_size(periods) && periods[i].letter != at[digits])
			i++;
		if (digits < 1 || digits > 4 || i == array_size(periods) || *periods[i].count ||
		    (*periods[i].count = (unsigned)strtoul(at, NULL, 10)) == 0)
			return fail_value(row, value, err);
		at += digits + 1;
		if (*at && (*at++ != ' ' || !*at))
			return fail_value(row, value, err);
	}
	return at == value ? fail_value(row, value, err) : 0;
}

/* --- the table ---------------------------------------------------------------------- */

#define AS_ROW(KEY, word, value, values, says, reader) \
	[POLICY_##KEY] = { word, value, values, says, reader },
const struct policy_row policy_rows[POLICY_KEYS] = { POLICY_TABLE(AS_ROW) };
#undef AS_ROW

int policy_find(const char *name, enum policy_key *ret, struct fl_error *err)
{
	own_text struct text names = { 0 };
	char shown[NAME_SHOWN];

	for (size_t i = 0; i < POLICY_KEYS; i++) {
		if (strcmp(policy_rows[i].name, name) == 0) {
			*ret = (enum policy_key)i;
			return 0;
		}
		text_add_format(&names, "%s%s", i ? ", " : "", policy_rows[i].name);
	}
	fl_fail(err, FL_NOT_FOUND, "there is no setting '%s' in a policy", name_show(name, shown));
	return fl_hint(err, "there are %s", text_get(&names));
}

const char *policy_text(enum policy_key key, const struct metadata *own,
			const struct metadata *common)
{
	const struct policy_row *row = &policy_rows[key];
	const char *text = own ? metadata_get(own, row->name) : NULL;

	if (!text && common)
		text = metadata_get(common, row->name);
	return text ? text : row->initial;
}

static int check_keys(const struct metadata *texts, struct fl_error *err)
{
	enum policy_key ignored;

	for (size_t i = 0; texts && i < texts->count; i++)
		if (policy_find(texts->pairs[i].key, &ignored, err) < 0) {
			err->code = FL_INVALID;
			return fl_failed(err);
		}
	return 0;
}

/* Each alone is fine; together they would never do what they say. */
static int check_together(const struct policy *policy, struct fl_error *err)
{
	if (policy->when == POLICY_MANUAL)
		return 0;
	if (policy->max_lag < policy->settle) {
		fl_fail(err, FL_INVALID, "settle is longer than max-lag, so it would never count");
		return fl_hint(err, "make settle shorter or max-lag longer");
	}
	if (policy->when == POLICY_EVERY && policy->every < policy->min_interval) {
		fl_fail(err, FL_INVALID,
			"snapshots are wanted more often than min-interval allows");
		return fl_hint(err, "make min-interval shorter");
	}
	return 0;
}

int policy_read(const struct metadata *own, const struct metadata *common, struct policy *ret,
		struct fl_error *err)
{
	struct policy policy = { 0 };

	if (check_keys(own, err) < 0 || check_keys(common, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < POLICY_KEYS; i++)
		if (policy_rows[i].read(&policy_rows[i],
					policy_text((enum policy_key)i, own, common), &policy,
					err) < 0)
			return fl_failed(err);
	if (check_together(&policy, err) < 0)
		return fl_failed(err);
	*ret = policy;
	return 0;
}
