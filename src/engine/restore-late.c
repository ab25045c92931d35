#include "engine/restore.h"

#include <fcntl.h>
#include <inttypes.h>
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

int restore_mark(struct restore *restore, struct fl_error *err)
{
	struct stat st;

	if (fsat_stat(restore->private_fd, restore->from.name, &st, err) < 0)
		return fl_failed(err);
	restore->copy = st.st_ino;
	clock_gettime(CLOCK_REALTIME_COARSE, &restore->stashed);
	return 0;
}

/* --- after a crash ------------------------------------------------------------ */

/*
 * "BRANCH" before the branch is stashed, then "BRANCH INODE SECONDS NANOSECONDS NAME/PATH":
 * the copy's inode, the mark, the copy's name in the private directory, and where it goes to.
 */
char *restore_note(const struct restore *restore)
{
	struct text note = { 0 };
	char branch[UUID_TEXT];

	text_add_string(&note, uuid_format(&restore->branch.uuid, branch));
	if (restore->copy)
		text_add_format(&note, " %" PRIu64 " %" PRId64 " %ld %s/%s", restore->copy,
				(int64_t)restore->stashed.tv_sec, restore->stashed.tv_nsec,
				restore->from.name, restore_path(restore));
	return text_take(&note);
}

static bool read_mark(const char *mark, struct restore *ret)
{
	struct text name = { 0 };
	int64_t seconds;
	int length = 0;
	const char *slash;

	if (sscanf(mark, " %" SCNu64 " %" SCNd64 " %ld %n", &ret->copy, &seconds,
		   &ret->stashed.tv_nsec, &length) != 3)
		return false;
	ret->stashed.tv_sec = seconds;
	slash = strchr(mark + length, '/');
	if (!slash || slash == mark + length || !slash[1])
		return false;
	text_add(&name, mark + length, (size_t)(slash - mark - length));
	ret->from.parent = text_take(&name); /* of the copy only the name counts: it owns it */
	ret->from.name = ret->from.parent;
	ret->to = restore_split(slash + 1);
	return true;
}

int restore_read_note(const char *note, struct restore *ret, struct fl_error *err)
{
	own_free char *branch = xstrdup(note);
	size_t length = strcspn(note, " ");

	branch[length] = 0;
	if (uuid_parse(branch, &ret->branch.uuid, err) < 0 ||
	    (note[length] && !read_mark(note + length, ret)))
		return fl_fail(err, FL_CORRUPT, "the note of an interrupted restore can't be read");
	return 0;
}

int restore_keep_noted(struct restore *restore, struct fl_error *err)
{
	own_fd int parent = -1;
	struct stat st;
	int r;

	if (!restore->copy)
		return 0;
	r = fsat_stat(restore->private_fd, restore->from.name, &st, err);
	if (r < 0 || st.st_ino == restore->copy)
		return r == -FL_NOT_FOUND ? 0 : r;
	restore->replaces = true;
	/* Its directory may be gone meanwhile; then it is kept at the root. */
	r = fsat_open_far(restore->root, restore->to.parent, &parent, err);
	if (r < 0) {
		free(take_ptr(restore->to.parent));
		restore->to.parent = xstrdup("");
	}
	return restore_keep_late(restore, r < 0 ? restore->root : parent, err);
}

/* --- was anything written late? ------------------------------------------------- */

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
