#include "driver/dir/links.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct link {
	struct link *next;
	dev_t device;
	ino_t inode;
	int type;
	unsigned length;
	unsigned char *handle;
	bool ready;
	char *path;
};

static void link_free(struct link *link)
{
	free(link->handle);
	free(link->path);
	free(link);
}

void links_done(struct links *links)
{
	for (size_t i = 0; i < links->capacity; i++)
		while (links->slots[i]) {
			struct link *link = links->slots[i];

			links->slots[i] = link->next;
			link_free(link);
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

struct links_file links_identify(int fd, const struct stat *st)
{
	struct links_file file = { .device = st->st_dev, .inode = st->st_ino };
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + LINKS_HANDLE];
	} got = { .handle.handle_bytes = LINKS_HANDLE };
	int mount;

	if (name_to_handle_at(fd, "", &got.handle, &mount, AT_EMPTY_PATH) < 0 ||
	    got.handle.handle_bytes > LINKS_HANDLE)
		return file;
	file.type = got.handle.handle_type;
	file.length = got.handle.handle_bytes;
	memcpy(file.handle, got.handle.f_handle, file.length);
	return file;
}

static bool is_of(const struct link *link, const struct links_file *file)
{
	return link->device == file->device && link->inode == file->inode &&
	       link->type == file->type && link->length == file->length &&
	       (file->length == 0 || memcmp(link->handle, file->handle, file->length) == 0);
}

/* Where the pointer to it is, or the end of its slot's chain; there are slots. */
static struct link **find(const struct links *links, const struct links_file *file)
{
	struct link **at = slot_of(links, file->device, file->inode);

	while (*at && !is_of(*at, file))
		at = &(*at)->next;
	return at;
}

static void add(struct links *links, const struct links_file *file, const char *path)
{
	struct link *link = xcalloc(1, sizeof(*link));
	struct link **slot = slot_of(links, file->device, file->inode);

	*link = (struct link){ .next = *slot,
			       .device = file->device,
			       .inode = file->inode,
			       .type = file->type,
			       .length = file->length,
			       .path = xstrdup(path) };
	if (file->length > 0) {
		link->handle = xcalloc(1, file->length);
		memcpy(link->handle, file->handle, file->length);
	}
	*slot = link;
	links->count++;
}

const char *links_meet(struct links *links, const struct links_file *file, const char *path)
{
	own_lock(guard, &links->mutex);

	while (!links->failed) {
		const struct link *link;

		if (links->count >= links->capacity)
			grow(links);
		link = *find(links, file);
		if (!link) {
			add(links, file, path);
			return NULL;
		}
		if (link->ready)
			return link->path;
		pthread_cond_wait(&links->changed, &links->mutex);
	}
	return NULL;
}

void links_ready(struct links *links, const struct links_file *file)
{
	own_lock(guard, &links->mutex);

	(*find(links, file))->ready = true;
	pthread_cond_broadcast(&links->changed);
}

void links_forget(struct links *links, const struct links_file *file)
{
	own_lock(guard, &links->mutex);
	struct link **at = find(links, file), *link = *at;

	if (!link)
		return;
	*at = link->next;
	link_free(link);
	links->count--;
	pthread_cond_broadcast(&links->changed);
}

void links_fail(struct links *links)
{
	own_lock(guard, &links->mutex);

	links->failed = true;
	pthread_cond_broadcast(&links->changed);
}
