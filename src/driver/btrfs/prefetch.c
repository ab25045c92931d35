#include "driver/btrfs/prefetch.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>

#include "base/fsat.h"
#include "base/text.h"
#include "base/thread.h"

/*
 * The kernel sends one file after the other, and of a file that nobody has read yet it waits for
 * the disk two or three times: for its inode, its extents, its contents.  A hundred thousand small
 * files of 4 KiB took 22 seconds, of which it worked for four.  (Measured with this, 50,000 of them
 * on a loop device: 4 seconds, and 3 once they are in memory; without it more than 30.)
 *
 * So one thread goes through the directories, in the order in which they were filled, which is
 * about that of the inodes and so of the send, and up to fifteen others open what it finds and
 * ask the kernel to read the contents.  They run ahead of the send, and the disk gets many
 * requests at once.  Large files are left out: the kernel reads ahead in them by itself.
 *
 * Bounded are the names that wait, the directories that are open, and what is read:
 * a part of the machine's memory, for what is pushed out before its turn was read in vain.  All
 * of it is without effect on the tree: it is read-only, and mounted noatime.
 */

#define READERS_MOST 15
#define QUEUE 1024	   /* names that wait */
#define WORTH_A_READER 8   /* names that wait when another reader is started */
#define DEEPEST 256	   /* directories that are open below each other */
#define SMALL (128 * 1024) /* bytes; the kernel's own reading ahead */
#define MEMORY_PART 8

/* A directory, open as long as a name in it waits. */
struct folder {
	int fd;
	unsigned uses;
};

struct name {
	struct folder *folder;
	char text[NAME_MAX + 1];
};

struct prefetch {
	int root;
	pthread_t walker, readers[READERS_MOST];
	unsigned reader_count; /* the walker's own, and after it has ended */
	atomic_bool stopped;
	atomic_llong left;	   /* bytes */
	pthread_mutex_t mutex;	   /* for what follows */
	pthread_cond_t more, room; /* names, room for names: one waiter each is woken for one */
	bool walked;
	size_t first, count;
	struct name names[QUEUE];
};

/* --- the readers ----------------------------------------------------------------------------- */

/* With the mutex. */
static void let_go(struct folder *folder)
{
	if (--folder->uses > 0)
		return;
	close(folder->fd);
	free(folder);
}

/* False: there will be no more. */
static bool take(struct prefetch *prefetch, struct name *ret)
{
	own_lock(guard, &prefetch->mutex);

	while (prefetch->count == 0 && !prefetch->walked)
		pthread_cond_wait(&prefetch->more, &prefetch->mutex);
	if (prefetch->count == 0)
		return false;
	*ret = prefetch->names[prefetch->first];
	prefetch->first = (prefetch->first + 1) % QUEUE;
	prefetch->count--;
	pthread_cond_signal(&prefetch->room);
	return true;
}

/* The call returns when the requests are made, not when they are answered. */
static void read_one(struct prefetch *prefetch, const struct name *name)
{
	struct fl_error ignored;
	own_fd int fd = -1;
	struct stat st;

	if (fsat_open(name->folder->fd, name->text, O_RDONLY | O_NONBLOCK, 0, &fd, &ignored) < 0 ||
	    fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > SMALL)
		return;
	(void)!posix_fadvise(fd, 0, st.st_size, POSIX_FADV_WILLNEED);
	prefetch->left -= st.st_size;
}

static void *read_names(void *arg)
{
	struct prefetch *prefetch = arg;
	struct name name;

	while (take(prefetch, &name)) {
		if (!prefetch->stopped && prefetch->left > 0)
			read_one(prefetch, &name);
		own_lock(guard, &prefetch->mutex);
		let_go(name.folder);
	}
	return NULL;
}

/* --- the walker ------------------------------------------------------------------------------ */

/* With the mutex.  False: nobody wants any more. */
static bool await_room(struct prefetch *prefetch)
{
	while (prefetch->count == QUEUE && !prefetch->stopped)
		pthread_cond_wait(&prefetch->room, &prefetch->mutex);
	return !prefetch->stopped && prefetch->left > 0;
}

static bool add_name(struct prefetch *prefetch, struct folder *folder, const char *text)
{
	own_lock(guard, &prefetch->mutex);
	struct name *name;

	if (!await_room(prefetch))
		return false;
	name = &prefetch->names[(prefetch->first + prefetch->count++) % QUEUE];
	name->folder = folder;
	strncpy(name->text, text, sizeof(name->text) - 1);
	folder->uses++;
	pthread_cond_signal(&prefetch->more);
	return true;
}

/* A tree of three files costs one of them. */
static void start_reader(struct prefetch *prefetch)
{
	struct fl_error ignored;
	size_t waiting;

	{
		own_lock(guard, &prefetch->mutex);
		waiting = prefetch->count;
	}
	if (prefetch->reader_count < READERS_MOST &&
	    waiting >= (size_t)WORTH_A_READER * prefetch->reader_count &&
	    thread_start(&prefetch->readers[prefetch->reader_count], THREAD_STACK, read_names,
			 prefetch, &ignored) == 0)
		prefetch->reader_count++;
}

struct walking {
	struct prefetch *prefetch;
	struct folder *folder;
	unsigned depth;
};

static void walk(struct prefetch *prefetch, int dir, const char *name, unsigned depth);

static int found(void *arg, const char *name, unsigned char type, uint64_t inode,
		 struct fl_error *err)
{
	const struct walking *walking = arg;
	struct prefetch *prefetch = walking->prefetch;

	if (prefetch->stopped)
		return fl_fail(err, FL_BUSY, "stopped");
	if (type == DT_DIR)
		walk(prefetch, walking->folder->fd, name, walking->depth + 1);
	if (type != DT_REG)
		return 0;
	if (!add_name(prefetch, walking->folder, name))
		return fl_fail(err, FL_BUSY, "enough");
	start_reader(prefetch);
	return 0;
}

/* What cannot be read the kernel will tell of. */
static void walk(struct prefetch *prefetch, int dir, const char *name, unsigned depth)
{
	struct walking walking = { .prefetch = prefetch, .depth = depth };
	struct fl_error ignored;
	own_fd int fd = -1;

	if (depth == DEEPEST || fsat_open_dir(dir, name, &fd, &ignored) < 0)
		return;
	walking.folder = xcalloc(1, sizeof(*walking.folder));
	*walking.folder = (struct folder){ take_fd(fd), 1 };
	(void)!fsat_each(walking.folder->fd, found, &walking, &ignored);
	own_lock(guard, &prefetch->mutex);
	let_go(walking.folder);
}

static void *walk_root(void *arg)
{
	struct prefetch *prefetch = arg;

	walk(prefetch, prefetch->root, ".", 0);
	own_lock(guard, &prefetch->mutex);
	prefetch->walked = true;
	pthread_cond_broadcast(&prefetch->more);
	return NULL;
}

/* --- beginning and end ------------------------------------------------------------------------ */

static long long memory_part(void)
{
	struct sysinfo info;

	if (sysinfo(&info) < 0)
		return 0;
	return (long long)info.totalram * info.mem_unit / MEMORY_PART;
}

static void release(struct prefetch *prefetch)
{
	for (size_t i = 0; i < prefetch->count; i++) /* without a reader some are left */
		let_go(prefetch->names[(prefetch->first + i) % QUEUE].folder);
	pthread_cond_destroy(&prefetch->more);
	pthread_cond_destroy(&prefetch->room);
	pthread_mutex_destroy(&prefetch->mutex);
	free(prefetch);
}

struct prefetch *prefetch_start(int root)
{
	struct prefetch *prefetch = xcalloc(1, sizeof(*prefetch));
	struct fl_error ignored;

	prefetch->root = root;
	prefetch->left = memory_part();
	pthread_mutex_init(&prefetch->mutex, NULL);
	pthread_cond_init(&prefetch->more, NULL);
	pthread_cond_init(&prefetch->room, NULL);
	/* Its stack is the system's default: it calls itself for each level. */
	if (thread_start(&prefetch->walker, 0, walk_root, prefetch, &ignored) == 0)
		return prefetch;
	release(prefetch);
	return NULL;
}

void prefetch_stop(struct prefetch *prefetch)
{
	if (!prefetch)
		return;
	prefetch->stopped = true;
	pthread_mutex_lock(&prefetch->mutex);
	pthread_cond_broadcast(&prefetch->more);
	pthread_cond_broadcast(&prefetch->room);
	pthread_mutex_unlock(&prefetch->mutex);
	pthread_join(prefetch->walker, NULL);
	for (unsigned i = 0; i < prefetch->reader_count; i++)
		pthread_join(prefetch->readers[i], NULL);
	release(prefetch);
}
