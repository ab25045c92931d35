#include "model/forecast.h"

#include "base/text.h"

const char *const forecast_names[FORECAST_STATES] = {
	[FORECAST_UNKNOWN] = "unknown",
	[FORECAST_STEADY] = "steady",
	[FORECAST_FILLING] = "filling",
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double slope(const struct forecast *forecast, size_t i, size_t j)
{
	double rise = (double)forecast->samples[j].used - (double)forecast->samples[i].used;

	return rise / (double)(forecast->samples[j].time - forecast->samples[i].time);
}

static double median_slope(const struct forecast *forecast, size_t count)
{
	own_free double *slopes = xcalloc(count * (count - 1) / 2, sizeof(*slopes));
	size_t found = 0;

	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < i; j++)
			if (forecast->samples[i].time != forecast->samples[j].time)
				slopes[found++] = slope(forecast, i, j);
	array_sort(slopes, found, compare);
	return found ? slopes[found / 2] : 0;
}

void forecast_add(struct forecast *forecast, int64_t time, uint64_t used)
{
	size_t at = forecast->count % FORECAST_SAMPLES, count, oldest;

	forecast->samples[at].time = time;
	forecast->samples[at].used = used;
	forecast->count++;
	count = forecast->count < FORECAST_SAMPLES ? forecast->count : FORECAST_SAMPLES;
	oldest = forecast->count <= FORECAST_SAMPLES ? 0 : (at + 1) % FORECAST_SAMPLES;
	forecast->known = time - forecast->samples[oldest].time >= FORECAST_LEAST;
	if (forecast->known)
		forecast->rate = median_slope(forecast, count);
}

enum forecast_state forecast_read(const struct forecast *forecast, uint64_t used, uint64_t size,
				  int64_t *ret_left)
{
	double left;

	*ret_left = 0;
	if (used >= size && size > 0)
		return FORECAST_FILLING;
	if (!forecast->known)
		return FORECAST_UNKNOWN;
	if (forecast->rate <= 0)
		return FORECAST_STEADY;
	left = (double)(size - used) / forecast->rate;
	if (left >= (double)FORECAST_FAR)
		return FORECAST_STEADY;
	*ret_left = (int64_t)left;
	return FORECAST_FILLING;
}
