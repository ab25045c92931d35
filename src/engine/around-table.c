#include "engine/around-table.h"

#include "base/text.h"
#include "engine/internal.h"
#include "engine/rollback.h"

void around_table_init(struct around_table *table)
{
	*table = (struct around_table){ 0 };
	pthread_mutex_init(&table->mutex, NULL);
	pthread_cond_init(&table->left, NULL);
}

void around_table_done(struct around_table *table)
{
	free(table->branches);
	pthread_cond_destroy(&table->left);
	pthread_mutex_destroy(&table->mutex);
}

/* Under the mutex; `count`: it is not in there. */
static size_t find(const struct around_table *table, const struct uuid *branch)
{
	size_t i = 0;

	while (i < table->count && !uuid_equal(&table->branches[i], branch))
		i++;
	return i;
}

static void add(struct around_table *table, const struct uuid *branch)
{
	/* Not by array_add(): these go again. */
	table->branches = xrealloc(table->branches, table->count + 1, sizeof(*table->branches));
	table->branches[table->count++] = *branch;
}

void around_table_enter(struct around_table *table, const struct uuid *branch)
{
	own_lock(guard, &table->mutex);

	while (find(table, branch) < table->count)
		pthread_cond_wait(&table->left, &table->mutex);
	add(table, branch);
}

bool around_table_try(struct around_table *table, const struct uuid *branch)
{
	own_lock(guard, &table->mutex);

	if (find(table, branch) < table->count)
		return false;
	add(table, branch);
	return true;
}

void around_table_leave(struct around_table *table, const struct uuid *branch)
{
	own_lock(guard, &table->mutex);
	size_t i = find(table, branch);

	table->branches[i] = table->branches[--table->count];
	pthread_cond_broadcast(&table->left);
}

void around_table_wake(struct around_table *table)
{
	own_lock(guard, &table->mutex);

	if (table->wake)
		table->wake(table->arg);
}

void engine_on_around(struct engine *engine, void (*wake)(void *arg), void *arg)
{
	own_lock(guard, &engine->around.mutex);

	engine->around.wake = wake;
	engine->around.arg = arg;
}
