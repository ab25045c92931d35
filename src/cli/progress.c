#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

#define FIRST CLOCK_SECOND /* nothing is said of what is over before */
#define EVERY (CLOCK_SECOND / 5)

void progress_begin(struct progress *progress, bool wanted, uint64_t total)
{
	*progress = (struct progress){
		.wanted = wanted && isatty(STDERR_FILENO),
		.total = total,
		.began = clock_monotonic(),
	};
}

static void show_time(double seconds)
{
	static const struct {
		double least, length;
		const char *name;
	} units[] = { { 2 * 86400.0, 86400, "days" },
		      { 2 * 3600.0, 3600, "h" },
		      { 120, 60, "min" },
		      { 0, 1, "s" } };
	size_t i = 0;

	while (seconds < units[i].least)
		i++;
	fprintf(stderr, ", %.0f %s left", seconds / units[i].length, units[i].name);
}

static void show_left(const struct progress *progress, uint64_t bytes, double rate)
{
	uint64_t left = progress->total > bytes ? progress->total - bytes : 0;

	fprintf(stderr, ", %" PRIu64 "%%",
		(uint64_t)(100.0 * (double)(progress->total - left) / (double)progress->total));
	if (left > 0 && rate > 0)
		show_time((double)left / rate);
}

void progress_update(struct progress *progress, uint64_t bytes)
{
	int64_t now = clock_monotonic(), elapsed = now - progress->began;
	char done[SIZE_TEXT], speed[SIZE_TEXT];
	double rate;

	if (!progress->wanted || elapsed < FIRST || now - progress->updated < EVERY)
		return;
	progress->updated = now;
	progress->shown = true;
	rate = (double)bytes / ((double)elapsed / CLOCK_SECOND);
	fprintf(stderr, "\r\033[K%s, %s/s", size_text(bytes, done),
		size_text((uint64_t)rate, speed));
	if (progress->total > 0)
		show_left(progress, bytes, rate);
	fflush(stderr);
}

void progress_end(struct progress *progress)
{
	if (progress->shown)
		fputs("\r\033[K", stderr);
	progress->shown = false;
}
