#include "driver/dir/links.h"

#include <stdint.h>
#include <stdlib.h>

struct link {
	struct link *next;
	dev_t device;
	ino_t inode;
	bool ready;
	char *path;
};

void links_done(struct links *links)
{
	for (size_t i = 0; i < links->capacity; i++)
		while (links->slots[i]) {
			struct link *link = links->slots[i];

			links->slots[i] = link->next;
			free(link->path);
			free(link);
		}
	free(links->slots);
	pthread_cond_destroy(&links->changed);
	pthread_mutex_destroy(&links->mutex);
}

/* Consecutive inode numbers go far apart: the constant is 2^64 divided by the golden ratio. */
static struct link **slot_of(const struct links *links, dev_t device, ino_t inode)
{
	uint64_t hash = ((uint64_t)inode ^ ((uint64_t)device << 32)) * UINT64_C(0x9e3779b97f4a7c15);

	return &links->slots[(size_t)(hash >> 32) & (links->capacity - 1)];
}

static void grow(struct links *links)
{
	struct links bigger = { .capacity = links->capacity ? links->capacity * 2 : 64 };

	bigger.slots = xcalloc(bigger.capacity, sizeof(struct link *));
	for (size_t i = 0; i < links->capacity; i++)
		while (links->slots[i]) {
			struct link *link = links->slots[i];
			struct link **slot = slot_of(&bigger, link->device, link->inode);

			links->slots[i] = link->next;
			link->next = *slot;
			*slot = link;
		}
	free(links->slots);
	links->slots = bigger.slots;
	links->capacity = bigger.capacity;
}

static struct link *find(const struct links *links, const struct stat *file)
{
	struct link *link = links->capacity ? *slot_of(links, file->st_dev, file->st_ino) : NULL;

	while (link && (link->device != file->st_dev || link->inode != file->st_ino))
		link = link->next;
	return link;
}

static void add(struct links *links, const struct stat *file, const char *path)
{
	struct link *link = xcalloc(1, sizeof(*link));
	struct link **slot;

	if (links->count++ >= links->capacity)
		grow(links);
	slot = slot_of(links, file->st_dev, file->st_ino);
	*link = (struct link){ *slot, file->st_dev, file->st_ino, false, xstrdup(path) };
	*slot = link;
}

const char *links_meet(struct links *links, const struct stat *file, const char *path)
{
	own_lock(guard, &links->mutex);
	const struct link *link = find(links, file);

	if (!link) {
		add(links, file, path);
		return NULL;
	}
	while (!link->ready && !links->failed)
		pthread_cond_wait(&links->changed, &links->mutex);
	return link->ready ? link->path : NULL;
}

void links_ready(struct links *links, const struct stat *file)
{
	own_lock(guard, &links->mutex);

	find(links, file)->ready = true;
	pthread_cond_broadcast(&links->changed);
}

void links_fail(struct links *links)
{
	own_lock(guard, &links->mutex);

	links->failed = true;
	pthread_cond_broadcast(&links->changed);
}
