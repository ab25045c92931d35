#include "driver/dir/print.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/fsat.h"
#include "base/walk.h"

/*
 * The files come in any order, from several threads: the sum of what each adds
 * is the same.  The hash has to spread, not to withstand an enemy, who would
 * have to choose times of change to the nanosecond.
 */

#define PATIENCE 100 /* milliseconds for a whole tree */

/* --- settling --------------------------------------------------------------- */

static int read_clock(struct print *print, struct fl_error *err)
{
	struct stat st;

	if (futimens(print->clock, NULL) < 0 || fstat(print->clock, &st) < 0)
		return fl_fail_errno(err, "cannot read the file system's clock");
	print->tick = st.st_ctim;
	return 0;
}

int print_begin(struct print *print, int clock, struct fl_error *err)
{
	*print = (struct print){ .clock = clock,
				 .mutex = PTHREAD_MUTEX_INITIALIZER,
				 .patience = PATIENCE };
	return clock < 0 ? 0 : read_clock(print, err);
}

void print_end(struct print *print)
{
	pthread_mutex_destroy(&print->mutex);
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

static struct timespec tick_of(struct print *print)
{
	own_lock(guard, &print->mutex);

	return print->tick;
}

/* Lets the clock go on until `time` is past; false in `ret` when patience ends before. */
static int wait_past(struct print *print, const struct timespec *time, bool *ret,
		     struct fl_error *err)
{
	static const struct timespec millisecond = { .tv_nsec = 1000000 };
	own_lock(guard, &print->mutex);

	while (!is_before(time, &print->tick) && print->patience > 0) {
		if (read_clock(print, err) < 0)
			return fl_failed(err);
		if (is_before(time, &print->tick))
			break;
		nanosleep(&millisecond, NULL);
		print->patience--;
	}
	*ret = is_before(time, &print->tick);
	return 0;
}

/*
 * Right is a look that began in a later tick than the change it saw: the clock
 * is read before each.  Who is always changed again uses up the patience.
 */
int print_settle(struct print *print, int (*look)(void *arg, struct stat *st, struct fl_error *err),
		 void *arg, struct stat *st, struct fl_error *err)
{
	for (int looks = 0;; looks++) {
		struct timespec tick = tick_of(print);
		bool past;

		if (look(arg, st, err) < 0)
			return fl_failed(err);
		if (print->clock < 0 || print->unsure || is_before(&st->st_ctim, &tick))
			return 0;
		if (wait_past(print, &st->st_ctim, &past, err) < 0)
			return fl_failed(err);
		if (!past || looks >= PATIENCE)
			print->unsure = true;
	}
}

/* --- the sum ------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	hash ^= hash >> 32;
	hash *= UINT64_C(0xd6e8feb86659fd93);
	return hash ^ hash >> 29;
}

void print_add(struct print *print, const char *name, const struct stat *st)
{
	const uint64_t values[] = {
		st->st_ino,
		st->st_mode,
		(uint64_t)st->st_uid << 32 | st->st_gid,
		S_ISDIR(st->st_mode) ? 0 : (uint64_t)st->st_size,
		(uint64_t)st->st_mtim.tv_sec,
		(uint64_t)st->st_mtim.tv_nsec,
		(uint64_t)st->st_ctim.tv_sec,
		(uint64_t)st->st_ctim.tv_nsec,
	};

	for (uint64_t i = 0; i < 2; i++) {
		uint64_t hash = mix(i, strlen(name));

		for (const char *c = name; *c; c++)
			hash = mix(hash, (unsigned char)*c);
		for (size_t v = 0; v < array_size(values); v++)
			hash = mix(hash, values[v]);
		atomic_fetch_add(&print->sums[i], hash);
	}
}

char *print_format(const struct print *print, char text[static PRINT_TEXT_SIZE])
{
	if (print->unsure)
		text[0] = '\0';
	else
		snprintf(text, PRINT_TEXT_SIZE, "%016" PRIx64 "%016" PRIx64,
			 atomic_load(&print->sums[0]), atomic_load(&print->sums[1]));
	return text;
}

/* --- a whole tree ----------------------------------------------------------------- */

struct look {
	int dir;
	const char *name; /* NULL: the directory itself */
};

static int look(void *arg, struct stat *st, struct fl_error *err)
{
	const struct look *at = arg;

	if (at->name)
		return fsat_stat(at->dir, at->name, st, err);
	return fstat(at->dir, st) < 0 ? fl_fail_errno(err, "cannot look at it") : 0;
}

static int add(struct print *print, struct look *at, const char *name, struct fl_error *err)
{
	struct stat st;

	if (print_settle(print, look, at, &st, err) == 0) {
		print_add(print, name, &st);
		return 0;
	}
	if (!walk_is_gone(err))
		return fl_failed(err);
	print->unsure = true; /* somebody is changing the tree */
	return 0;
}

static int enter(void *arg, const struct visit *visit, struct fl_error *err)
{
	struct look at = { visit->dir, NULL };

	return add(arg, &at, visit->node->name, err);
}

/* No snapshot of such a tree can be taken, nor can it be told whether it has changed. */
static int found(void *arg, const struct visit *visit, const char *name, struct fl_error *err)
{
	struct print *print = arg;

	if (visit->node->depth < WALK_DEEPEST)
		return 0;
	print->unsure = true;
	return 1;
}

static int entry(void *arg, const struct visit *visit, const char *name, struct fl_error *err)
{
	struct look at = { visit->dir, name };

	return add(arg, &at, name, err);
}

/* A directory that was found and is gone now. */
static int leave(void *arg, struct walk_node *node, struct fl_error *err)
{
	struct print *print = arg;

	if (!node->entered)
		print->unsure = true;
	return 0;
}

int print_tree(struct print *print, int root, struct fl_error *err)
{
	const struct walk walk = {
		.root = root,
		.twin = -1,
		.live = true,
		.enter = enter,
		.found = found,
		.entry = entry,
		.leave = leave,
		.arg = print,
	};

	return walk_tree(&walk, err);
}
