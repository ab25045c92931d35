/*
 * Which branches wait for a snapshot by itself, and since when: as those know who
 * take them (sched/snapshotter.c), for answers.
 */

#include "engine/internal.h"
#include "engine/save.h"

void engine_on_unsaved(struct engine *engine, const struct unsaved_source *source)
{
	own_lock(guard, &engine->care_mutex);

	engine->unsaved = source;
}

void unsaved_each(struct engine *engine, unsaved_told *told, void *context)
{
	own_lock(guard, &engine->care_mutex);

	if (engine->unsaved)
		engine->unsaved->each(engine->unsaved->arg, told, context);
}

void answer_unsaved(struct engine *engine, struct branch *ret)
{
	own_lock(guard, &engine->care_mutex);
	struct unsaved unsaved = { 0 };

	if (!engine->unsaved)
		return;
	engine->unsaved->tell(engine->unsaved->arg, &ret->uuid, &unsaved);
	ret->changed_since = unsaved.since;
	ret->snapshot_failure = unsaved.failure;
}
