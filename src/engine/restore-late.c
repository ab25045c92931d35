#include "engine/restore.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "base/fsat.h"
#include "base/walk.h"

/*
 * What others write to what a restore replaces, after the snapshot that stashes it
 * and before both change places, is in no snapshot, and its place is gone.  So
 * what was replaced is looked through once it is out of everybody's way, and where
 * something was written late all of it stays in the branch, beside what was
 * restored, under a name of its own.
 *
 * Whatever writes to a file or a directory, renames it or gives it another name sets
 * its time of change, by the coarse clock of the kernel, and nobody can set it back.
 * So that clock, read before the snapshot, tells: what was changed in the same
 * tick of it, a few milliseconds, counts as late too.  The exchange itself sets the
 * time of what is exchanged, of which the time of its contents is looked at
 * instead.
 */

void restore_mark_time(struct restore *restore)
{
	clock_gettime(CLOCK_REALTIME_COARSE, &restore->stashed);
}

struct late {
	struct timespec since;
	atomic_bool found;
};

/* Some file systems keep whole seconds. */
static bool is_late(const struct late *late, const struct timespec *time)
{
	if (time->tv_sec != late->since.tv_sec)
		return time->tv_sec > late->since.tv_sec;
	return time->tv_nsec == 0 || time->tv_nsec >= late->since.tv_nsec;
}

static int look_at_entry(void *arg, const struct visit *visit, const char *name,
			 struct fl_error *err)
{
	struct late *late = arg;
	struct stat st;

	if (late->found)
		return 0;
	if (fsat_stat(visit->dir, name, &st, err) < 0)
		return err->code == FL_NOT_FOUND ? 0 : fl_failed(err);
	if (is_late(late, &st.st_ctim))
		late->found = true;
	return 0;
}

/* One that lies deeper than a walk goes is told by its own time alone. */
static int look_at_directory(void *arg, const struct visit *visit, const char *name,
			     struct fl_error *err)
{
	const struct late *late = arg;

	if (look_at_entry(arg, visit, name, err) < 0)
		return fl_failed(err);
	return late->found || visit->node->depth == WALK_DEEPEST;
}

static int look_below(int private, const char *name, struct late *late, struct fl_error *err)
{
	own_fd int root = -1;
	const struct walk walk = {
		.twin = -1,
		.live = true,
		.found = look_at_directory,
		.entry = look_at_entry,
		.arg = late,
	};
	struct walk here = walk;

	if (fsat_open_dir(private, name, &root, err) < 0)
		return fl_failed(err);
	here.root = root;
	return walk_tree(&here, err);
}

/* Where it cannot be exchanged but by losing it, it is not there. */
static int look(const struct restore *restore, bool *ret, struct fl_error *err)
{
	struct late late = { .since = restore->stashed };
	const char *name = restore->from.name;
	struct stat st;
	int r = fsat_stat(restore->private_fd, name, &st, err);

	if (r == 0 && is_late(&late, &st.st_mtim))
		late.found = true;
	else if (r == 0 && S_ISDIR(st.st_mode))
		r = look_below(restore->private_fd, name, &late, err);
	*ret = late.found;
	return r == -FL_NOT_FOUND ? 0 : r;
}

/* NAME.replaced-1a2b3c4d; what is too long of NAME is cut, not within a character. */
static void name_kept(const struct restore *restore, char ret[static NAME_MAX + 1])
{
	const char *id = restore->private + strlen(PRIVATE), *name = restore->to.name;
	size_t room = NAME_MAX - strlen(".replaced-") - 8, length = strlen(name);

	if (length > room)
		for (length = room; length > 0 && (name[length] & 0xc0) == 0x80;)
			length--;
	snprintf(ret, NAME_MAX + 1, "%.*s.replaced-%.8s", (int)length, name, id);
}

int restore_keep_late(struct restore *restore, int parent, struct fl_error *err)
{
	own_text struct text path = { 0 };
	char name[NAME_MAX + 1];
	bool late = false;

	if (!restore->replaces)
		return 0;
	if (look(restore, &late, err) < 0)
		return fl_failed(err);
	if (!late)
		return 0;
	name_kept(restore, name);
	if (fsat_rename_new(restore->private_fd, restore->from.name, parent, name, err) < 0)
		return fl_failed(err);
	text_add_format(&path, "%s%s%s", restore->to.parent, restore->to.parent[0] ? "/" : "",
			name);
	restore->kept = text_take(&path);
	log_info("what a restore replaced was written to meanwhile", "volume=%s branch=%s",
		 restore->volume.name, restore->branch.name);
	return 0;
}
