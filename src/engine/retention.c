/*
 * The retention clock of the instance: where model/retention.h meets the
 * system's clocks and the catalogue.
 *
 * While the machine runs it needs no keeping, since it follows the boot clock;
 * what is kept counts after the next start of the machine.  So it is written
 * seldom, and lazily.
 */

#include <fcntl.h>
#include <string.h>

#include "base/fsat.h"
#include "base/text.h"
#include "engine/internal.h"

#define RETENTION_SETTING "retention"
#define RETENTION_SAVE_EVERY CLOCK_HOUR
#define RETENTION_LOOK (10 * CLOCK_MINUTE)
#define RETENTION_AFTER_ERROR (30 * CLOCK_SECOND)

/* None if the kernel does not say: then every start counts as a new run. */
static struct uuid read_boot(void)
{
	own_text struct text text = { 0 };
	struct uuid none = { 0 }, boot;
	char line[UUID_TEXT];
	struct fl_error err;

	if (fsat_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 256, &text, &err) < 0)
		return none;
	snprintf(line, sizeof(line), "%.*s", (int)strcspn(text_get(&text), "\n"), text_get(&text));
	return uuid_parse(line, &boot, &err) == 0 ? boot : none;
}

/* Once for each jump: the clock that is set next knows nothing of it. */
static void tell_jump(struct engine *engine, int64_t jump)
{
	int64_t hours = ((jump < 0 ? -jump : jump) + CLOCK_HOUR / 2) / CLOCK_HOUR;
	char text[96];

	snprintf(text, sizeof(text),
		 "%" PRId64 " days and %" PRId64 " hours %s: snapshots grow older as time passes, "
		 "not by that",
		 hours / 24, hours % 24, jump < 0 ? "back" : "ahead");
	log_warning("the host's clock jumped: thinning does not go by it", "seconds=%" PRId64,
		    jump / CLOCK_SECOND);
	events_add(&engine->events, "clock-jumped", NULL, text);
}

int64_t retention_now(struct engine *engine)
{
	own_lock(guard, &engine->retention_mutex);
	int64_t wall = clock_now(), boot = clock_boot(),
		jump = retention_jump(&engine->retention, wall, boot, &engine->boot);

	if (jump) {
		engine->clock_jumped = jump;
		tell_jump(engine, jump);
	}
	return retention_tick(&engine->retention, wall, boot, &engine->boot);
}

int64_t retention_late(struct engine *engine, int64_t time)
{
	return (time - retention_now(engine)) / CLOCK_SECOND;
}

int64_t retention_jumped(struct engine *engine)
{
	own_lock(guard, &engine->retention_mutex);

	return engine->clock_jumped;
}

int64_t retention_saved_at(struct engine *engine)
{
	own_lock(guard, &engine->retention_mutex);

	return engine->retention_saved;
}

int retention_load(struct engine *engine, struct fl_error *err)
{
	own_text struct text text = { 0 };
	own_tx struct tx *tx = NULL;
	struct retention kept = { 0 };

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	if (tx_setting_get(tx, RETENTION_SETTING, &text, err) < 0 && err->code != FL_NOT_FOUND)
		return fl_failed(err);
	/* Empty: an older program wanted it to begin anew, at the wall clock. */
	if (text.length > 0 && retention_parse(text_get(&text), &kept, err) < 0)
		return fl_wrap(err, "reading the retention clock");
	pthread_mutex_lock(&engine->retention_mutex);
	engine->boot = read_boot();
	engine->retention = kept;
	engine->retention_saved = 0;
	pthread_mutex_unlock(&engine->retention_mutex);
	return 0;
}

static int write_clock(struct tx *tx, void *arg, struct fl_error *err)
{
	return tx_setting_set(tx, RETENTION_SETTING, arg, err);
}

static int write_anew(struct tx *tx, void *arg, struct fl_error *err)
{
	const struct retention *retention = arg;
	char text[RETENTION_TEXT];

	if (tx_setting_set(tx, RETENTION_SETTING, retention_format(retention, text), err) < 0)
		return fl_failed(err);
	return tx_date_destroyed(tx, retention->value, err);
}

int retention_restart(struct engine *engine, int64_t newest, struct fl_error *err)
{
	struct retention anew = { .wall = clock_now(), .boot = clock_boot(), .run = read_boot() };

	anew.value = newest && newest + CLOCK_DAY < anew.wall ? newest + CLOCK_DAY : anew.wall;
	return catalog_write(engine->catalog, CATALOG_LAZY, write_anew, &anew, err);
}

int retention_save(struct engine *engine, struct fl_error *err)
{
	char text[RETENTION_TEXT];

	(void)retention_now(engine);
	pthread_mutex_lock(&engine->retention_mutex);
	retention_format(&engine->retention, text);
	pthread_mutex_unlock(&engine->retention_mutex);
	if (catalog_write(engine->catalog, CATALOG_LAZY, write_clock, text, err) < 0)
		return fl_failed(err);
	pthread_mutex_lock(&engine->retention_mutex);
	engine->retention_saved = clock_boot();
	pthread_mutex_unlock(&engine->retention_mutex);
	return 0;
}

int64_t care_for_retention(struct engine *engine)
{
	int64_t saved = retention_saved_at(engine);
	struct fl_error err;

	if (saved && clock_boot() - saved < RETENTION_SAVE_EVERY)
		return RETENTION_LOOK;
	if (failing_note(engine, FAILING_CLOCK, NULL, retention_save(engine, &err), &err) < 0)
		return RETENTION_AFTER_ERROR;
	return RETENTION_LOOK;
}
