#include "model/retention.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

static int64_t between(int64_t low, int64_t value, int64_t high)
{
	return value < low ? low : value > high ? high : value;
}

static int64_t passed_since(const struct retention *retention, int64_t wall, int64_t boot,
			    const struct uuid *run)
{
	int64_t by_boot = boot - retention->boot, by_wall = wall - retention->wall;

	if (uuid_equal(run, &retention->run) && by_boot <= CLOCK_DAY)
		return by_boot > 0 ? by_boot : 0;
	return between(0, by_wall, CLOCK_DAY);
}

static bool is_jump(int64_t by)
{
	return by > CLOCK_DAY || by < -CLOCK_DAY;
}

int64_t retention_jump(const struct retention *retention, int64_t wall, int64_t boot,
		       const struct uuid *run)
{
	int64_t by_wall = wall - retention->wall, apart = by_wall - (boot - retention->boot),
		unbelieved = by_wall - passed_since(retention, wall, boot, run);

	if (!retention->value)
		return 0;
	if (uuid_equal(run, &retention->run) && is_jump(apart))
		return apart;
	return is_jump(unbelieved) ? unbelieved : 0;
}

int64_t retention_tick(struct retention *retention, int64_t wall, int64_t boot,
		       const struct uuid *run)
{
	int64_t value = retention->value
				? retention->value + passed_since(retention, wall, boot, run)
				: wall;

	*retention = (struct retention){ value, wall, boot, *run };
	return value;
}

char *retention_format(const struct retention *retention, char text[static RETENTION_TEXT])
{
	char run[UUID_TEXT];

	snprintf(text, RETENTION_TEXT, "%" PRId64 " %" PRId64 " %" PRId64 " %s", retention->value,
		 retention->wall, retention->boot, uuid_format(&retention->run, run));
	return text;
}

int retention_parse(const char *text, struct retention *ret, struct fl_error *err)
{
	struct retention retention;
	char run[UUID_TEXT], again[RETENTION_TEXT];

	if (sscanf(text, "%" SCNd64 " %" SCNd64 " %" SCNd64 " %36s", &retention.value,
		   &retention.wall, &retention.boot, run) == 4 &&
	    uuid_parse(run, &retention.run, err) == 0 &&
	    strcmp(retention_format(&retention, again), text) == 0) {
		*ret = retention;
		return 0;
	}
	return fl_fail(err, FL_INVALID, "'%.100s' is no time of the retention clock", text);
}
