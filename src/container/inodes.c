#include "container/inodes.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/fsat.h"
#include "base/text.h"
#include "base/walk.h"

struct collection {
	pthread_mutex_t mutex;
	struct inodes inodes;
};

void inodes_done(struct inodes *inodes)
{
	free(inodes->numbers);
}

static void add(struct collection *collection, ino_t number)
{
	own_lock(guard, &collection->mutex);
	struct inodes *inodes = &collection->inodes;

	*array_add(inodes->numbers, inodes->count) = number;
}

static int enter(void *arg, const struct visit *visit, struct fl_error *err)
{
	struct stat st;

	if (fstat(visit->dir, &st) < 0)
		return fl_fail_errno(err, "cannot look at it");
	add(arg, st.st_ino);
	return 0;
}

static int entry(void *arg, const struct visit *visit, const char *name, struct fl_error *err)
{
	struct stat st;

	if (fsat_stat(visit->dir, name, &st, err) < 0)
		return err->code == FL_NOT_FOUND ? 0 : fl_failed(err);
	add(arg, st.st_ino);
	return 0;
}

static int compare(const void *a, const void *b)
{
	const ino_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int inodes_collect(int root, struct inodes *ret, struct fl_error *err)
{
	struct collection collection = { .mutex = PTHREAD_MUTEX_INITIALIZER };
	const struct walk walk = { .root = root,
				   .twin = -1,
				   .live = true,
				   .enter = enter,
				   .entry = entry,
				   .arg = &collection };
	struct inodes *inodes = &collection.inodes;
	struct stat st;

	if (fstat(root, &st) < 0)
		return fl_fail_errno(err, "cannot look at a tree");
	if (walk_tree(&walk, err) < 0) {
		inodes_done(inodes);
		return fl_failed(err);
	}
	array_sort(inodes->numbers, inodes->count, compare);
	inodes->device = st.st_dev;
	*ret = *inodes;
	return 0;
}

bool inodes_hold(const struct inodes *inodes, dev_t device, ino_t number)
{
	return inodes->count > 0 && device == inodes->device &&
	       bsearch(&number, inodes->numbers, inodes->count, sizeof(number), compare);
}
