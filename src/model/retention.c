#include "model/retention.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

static int64_t passed_since(const struct retention *retention, int64_t wall, int64_t boot,
			    const struct uuid *run)
{
	int64_t passed;

	if (uuid_equal(run, &retention->run))
		return boot > retention->boot ? boot - retention->boot : 0;
	passed = wall > retention->wall ? wall - retention->wall : 0;
	return passed < CLOCK_DAY ? passed : CLOCK_DAY;
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
