#include "tree/links.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/text.h"

struct link {
	char *path;
	dev_t device;
	ino_t inode;
	int64_t born; /* nanoseconds; 0: not known */
	nlink_t left; /* names that were not met yet */
};

void links_done(struct links *links)
{
	for (size_t i = 0; i < links->capacity; i++)
		free(links->slots[i].path);
	free(links->slots);
	*links = (struct links){ 0 };
}

/* Consecutive inode numbers go far apart: the constant is 2^64 divided by the golden ratio. */
static size_t home(const struct links *links, dev_t device, ino_t inode)
{
	uint64_t hash = ((uint64_t)inode ^ ((uint64_t)device << 32)) * UINT64_C(0x9e3779b97f4a7c15);

	return (size_t)(hash >> 32) & (links->capacity - 1);
}

/* The file's slot, or the free one where it belongs. */
static size_t find(const struct links *links, const struct link *file)
{
	size_t i = home(links, file->device, file->inode);

	for (; links->slots[i].path; i = (i + 1) & (links->capacity - 1)) {
		const struct link *link = &links->slots[i];

		if (link->inode == file->inode && link->device == file->device &&
		    link->born == file->born)
			break;
	}
	return i;
}

static void grow(struct links *links)
{
	struct links bigger = { .capacity = links->capacity ? links->capacity * 2 : 64,
				.count = links->count };

	bigger.slots = xcalloc(bigger.capacity, sizeof(*bigger.slots));
	for (size_t i = 0; i < links->capacity; i++) {
		const struct link *link = &links->slots[i];

		if (link->path)
			bigger.slots[find(&bigger, link)] = *link;
	}
	free(links->slots);
	*links = bigger;
}

/* Frees a slot and moves the ones behind it that would not be found any more across the gap. */
static void drop(struct links *links, size_t gap)
{
	size_t mask = links->capacity - 1;

	links->count--;
	for (size_t i = (gap + 1) & mask; links->slots[i].path; i = (i + 1) & mask) {
		const struct link *link = &links->slots[i];
		size_t wanted = home(links, link->device, link->inode);

		if (((i - wanted) & mask) < ((i - gap) & mask))
			continue;
		links->slots[gap] = *link;
		gap = i;
	}
	links->slots[gap] = (struct link){ 0 };
}

static int64_t born(const struct walk_entry *entry)
{
	int dir = entry->fd >= 0 ? entry->fd : entry->dir;
	const char *name = entry->fd >= 0 ? "" : entry->name;
	struct statx stat;

	if (statx(dir, name, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_BTIME, &stat) < 0 ||
	    !(stat.stx_mask & STATX_BTIME))
		return 0;
	return stat.stx_btime.tv_sec * INT64_C(1000000000) + stat.stx_btime.tv_nsec;
}

char *links_meet(struct links *links, const struct walk_entry *entry, const char *path)
{
	struct link file = { .device = entry->st.st_dev, .inode = entry->st.st_ino };
	struct link *link;
	size_t slot;
	char *first;

	if (entry->st.st_nlink < 2)
		return NULL;
	if (links->count * 4 >= links->capacity * 3)
		grow(links);
	file.born = born(entry);
	slot = find(links, &file);
	link = &links->slots[slot];
	if (!link->path) {
		*link = file;
		link->path = xstrdup(path);
		link->left = entry->st.st_nlink - 1;
		links->count++;
		return NULL;
	}
	if (--link->left > 0)
		return xstrdup(link->path);
	first = link->path;
	drop(links, slot);
	return first;
}
