#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/own.h"

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

static void show_size(double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t unit = 0;

	for (; bytes >= 1023.95 && unit + 1 < array_size(units); unit++)
		bytes /= 1024;
	fprintf(stderr, "%.*f %s", unit ? 1 : 0, bytes, units[unit]);
}

static void show_left(const struct progress *progress, uint64_t bytes, double rate)
{
	uint64_t left = progress->total > bytes ? progress->total - bytes : 0;

	fprintf(stderr, ", %" PRIu64 "%%",
		(uint64_t)(100.0 * (double)(progress->total - left) / (double)progress->total));
	if (left > 0 && rate > 0)
		fprintf(stderr, ", %.0f s left", (double)left / rate);
}

void progress_update(struct progress *progress, uint64_t bytes)
{
	int64_t now = clock_monotonic(), elapsed = now - progress->began;
	double rate;

	if (!progress->wanted || elapsed < FIRST || now - progress->updated < EVERY)
		return;
	progress->updated = now;
	progress->shown = true;
	rate = (double)bytes / ((double)elapsed / CLOCK_SECOND);
	fputs("\r\033[K", stderr);
	show_size((double)bytes);
	fputs(", ", stderr);
	show_size(rate);
	fputs("/s", stderr);
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
