#include "tree/apply.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "base/fsat.h"
#include "base/stream.h"
#include "delta/point.h"
#include "delta/read.h"
#include "tree/place.h"

/*
 * Carrying a delta out
 *
 * Most of what a delta does is to make files, and for each the sender first makes one
 * under a provisional name and then renames it.  So what makes something waits for the next command
 * and, when that renames it, is made under its final name at once.
 *
 * How far it came is written into a mapped file after each command (delta/point.h).
 * Who goes on after it was killed may find that the first command was carried out
 * already; that one alone is allowed to find its work done.  Contents that are written
 * again are the same.
 *
 * Nothing is synced here, and nothing limits the time: the sender is known, and the caller can
 * stop it.
 */

#define INPUT_FD 0

/* A command that waits for the next. */
struct held {
	bool any;
	struct delta_command command; /* its strings are these: */
	struct text path, to;
};

struct run {
	struct apply apply;
	struct delta_reader *reader;
	struct held held;
	struct delta_point point;    /* all commands that were read and carried out, or are held */
	struct delta_points *points; /* mapped, or NULL */
};

/* --- files that stay open ----------------------------------------------------------- */

void open_file_close(struct open_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

void open_file_set(struct open_file *file, int fd, const char *path)
{
	open_file_close(file);
	file->fd = fd;
	file->known = false;
	file->from = file->to = 0;
	text_clear(&file->path);
	text_add_string(&file->path, path);
}

bool open_file_is(const struct open_file *file, const char *path)
{
	return file->fd >= 0 && strcmp(text_get(&file->path), path) == 0;
}

int apply_misfit(struct fl_error *err)
{
	static const int misfits[] = { ENOENT,	EEXIST, ENOTDIR, EISDIR, ENOTEMPTY, ENXIO,
				       ENODATA, EINVAL, ELOOP,	 EXDEV,	 EBUSY,	    ENAMETOOLONG };

	for (size_t i = 0; i < array_size(misfits); i++) {
		if (err->sys != misfits[i])
			continue;
		err->code = FL_CORRUPT;
		return fl_hint(err, "the delta does not fit the tree: transfer all of it anew");
	}
	return fl_failed(err);
}

/* Looked at before it is opened: to open a device may do something by itself. */
int apply_open_contents(const struct spot *spot, int flags, struct stat *ret_st, int *ret_fd,
			struct fl_error *err)
{
	if (fstatat(spot->dir, spot->name, ret_st, AT_SYMLINK_NOFOLLOW) < 0)
		return fl_fail_errno(err, "cannot look at '%.150s'", spot->name);
	if (!S_ISREG(ret_st->st_mode))
		return fl_fail(err, FL_CORRUPT, "'%.150s' is no file that has contents",
			       spot->name);
	return fsat_open(spot->dir, spot->name, flags, 0, ret_fd, err);
}

int apply_open(struct apply *apply, const char *path, struct fl_error *err)
{
	struct spot spot;
	struct stat st;
	own_fd int fd = -1;

	if (open_file_is(&apply->file, path))
		return 0;
	if (!*path || spot_find(&apply->spots, path, &spot, err) < 0)
		return *path ? fl_failed(err)
			     : fl_fail(err, FL_CORRUPT, "the root of the tree is no file");
	if (apply_open_contents(&spot, O_WRONLY, &st, &fd, err) < 0)
		return fl_failed(err);
	open_file_set(&apply->file, take_fd(fd), path);
	apply->file.known = true;
	apply->file.uid = st.st_uid;
	apply->file.gid = st.st_gid;
	apply->file.mode = st.st_mode;
	return 0;
}

/* --- the point ------------------------------------------------------------------------ */

static int read_boot(struct uuid *ret, struct fl_error *err)
{
	own_text struct text text = { 0 };

	if (fsat_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 256, &text, err) < 0)
		return fl_failed(err);
	text.bytes[strcspn(text.bytes, "\n")] = '\0';
	return uuid_parse(text.bytes, ret, err);
}

static struct delta_points *mapped_points; /* by tree_apply_prepare(), before the sandbox */
static struct uuid boot;

void tree_apply_use_points(struct delta_points *points)
{
	mapped_points = points;
}

int tree_apply_prepare(const struct options *options, struct fl_error *err)
{
	void *map;

	if (!options->point)
		return 0;
	if (read_boot(&boot, err) < 0)
		return fl_failed(err);
	if (ftruncate(TREE_POINT_FD, sizeof(*mapped_points)) < 0)
		return fl_fail_errno(err, "cannot make room for the point");
	map = mmap(NULL, sizeof(*mapped_points), PROT_READ | PROT_WRITE, MAP_SHARED, TREE_POINT_FD,
		   0);
	if (map == MAP_FAILED)
		return fl_fail_errno(err, "cannot map the point");
	mapped_points = map;
	return 0;
}

static int begin_points(struct run *run, struct fl_error *err)
{
	run->points = mapped_points;
	if (!run->points)
		return 0;
	if (!run->apply.options->resume) {
		delta_points_begin(run->points, &boot);
		return 0;
	}
	if (!delta_points_get(run->points, sizeof(*run->points), &boot, &run->point)) {
		fl_fail(err, FL_INVALID, "there is no point to go on from");
		return fl_hint(err, "transfer all of it anew");
	}
	run->apply.again = true;
	return 0;
}

static void add_to_point(struct run *run, const struct delta_command *command)
{
	const void *raw;
	size_t length;

	if (!run->points)
		return;
	delta_raw(run->reader, &raw, &length);
	delta_point_add(&run->point, command, raw, length);
}

/* All that was added to the point is done. */
static void put_point(struct run *run)
{
	if (run->points)
		delta_points_put(run->points, &run->point);
}

/* --- commands that wait ------------------------------------------------------------------- */

static void hold(struct held *held, const struct delta_command *command)
{
	held->any = true;
	held->command = *command;
	text_clear(&held->path);
	text_add_string(&held->path, command->path);
	text_clear(&held->to);
	text_add_string(&held->to, command->to ? command->to : "");
	held->command.path = text_get(&held->path);
	held->command.to = text_get(&held->to);
}

static bool waits_for(const struct held *held, const struct delta_command *command)
{
	return held->any && command->verb == DELTA_RENAME &&
	       strcmp(held->command.path, command->path) == 0;
}

/* What is in the way may be meant to be replaced, as a rename does. */
static int make_renamed(struct run *run, const struct delta_command *command, struct fl_error *err)
{
	const struct delta_command *held = &run->held.command;
	int rc = apply_make(&run->apply, held, command->to, err);

	run->held.any = false;
	if (rc == 0 || err->sys != EEXIST)
		return rc;
	if (apply_make(&run->apply, held, held->path, err) < 0)
		return fl_failed(err);
	return apply_rename(&run->apply, command, err);
}

/* It waited in vain. */
static int let_go(struct run *run, struct fl_error *err)
{
	if (!run->held.any)
		return 0;
	run->held.any = false;
	if (apply_make(&run->apply, &run->held.command, run->held.command.path, err) < 0) {
		(void)apply_misfit(err);
		(void)fl_object(err, "%.150s", run->held.command.path);
		return fl_wrap(err, "%s '%.150s'", delta_verb_name(run->held.command.verb),
			       run->held.command.path);
	}
	run->apply.again = false;
	put_point(run);
	return 0;
}

/* --- commands ----------------------------------------------------------------------------- */

static int refuse(struct apply *apply, const struct delta_command *command, struct fl_error *err)
{
	return fl_fail(err, FL_INVALID, "the delta was made without contents");
}

/* Those that make something wait and are not here. */
static apply_verb *const verbs[DELTA_VERBS] = {
	[DELTA_RENAME] = apply_rename,	     [DELTA_LINK] = apply_link,
	[DELTA_UNLINK] = apply_unlink,	     [DELTA_RMDIR] = apply_rmdir,
	[DELTA_SET_XATTR] = apply_set_xattr, [DELTA_REMOVE_XATTR] = apply_remove_xattr,
	[DELTA_WRITE] = apply_write,	     [DELTA_CLONE] = apply_clone,
	[DELTA_TRUNCATE] = apply_truncate,   [DELTA_CHMOD] = apply_chmod,
	[DELTA_CHOWN] = apply_chown,	     [DELTA_UTIMES] = apply_utimes,
	[DELTA_UPDATE_EXTENT] = refuse,
};

static int check_paths(const struct delta_command *command, struct fl_error *err)
{
	bool path_to = command->to && command->verb != DELTA_SYMLINK;

	if (spot_check(command->path, err) < 0)
		return fl_failed(err);
	return path_to ? spot_check(command->to, err) : 0;
}

static int begin(struct apply *apply, const struct delta_command *command, struct fl_error *err)
{
	bool from_base = command->verb == DELTA_SNAPSHOT;

	if (from_base != apply->options->base) {
		fl_fail(err, FL_INVALID,
			from_base ? "the delta is what changed since a base, and there is none"
				  : "the delta is all of a tree, and was expected to build on a "
				    "base");
		return fl_hint(err, "transfer it anew");
	}
	apply->tree = command->uuid;
	apply->base = command->from_uuid;
	return 0;
}

static int carry_out(struct run *run, const struct delta_command *command, struct fl_error *err)
{
	int rc;

	if (check_paths(command, err) < 0)
		return fl_failed(err);
	if (!verbs[command->verb]) {
		hold(&run->held, command);
		add_to_point(run, command);
		return 0;
	}
	rc = waits_for(&run->held, command) ? make_renamed(run, command, err)
					    : verbs[command->verb](&run->apply, command, err);
	if (rc < 0)
		return apply_misfit(err);
	if (delta_is_stable(command->verb))
		run->apply.again = false;
	add_to_point(run, command);
	put_point(run);
	return 0;
}

static int run_command(struct run *run, const struct delta_command *command, struct fl_error *err)
{
	if (!waits_for(&run->held, command) && let_go(run, err) < 0)
		return fl_failed(err);
	if (command->verb == DELTA_END)
		return 0;
	if (command->verb == DELTA_SUBVOL || command->verb == DELTA_SNAPSHOT)
		return begin(&run->apply, command, err);
	if (carry_out(run, command, err) < 0) {
		(void)fl_object(err, "%.150s", command->path);
		return fl_wrap(err, "%s '%.150s'", delta_verb_name(command->verb), command->path);
	}
	return 0;
}

static int fill(void *arg, void *bytes, size_t length, size_t *ret, struct fl_error *err)
{
	return stream_read(INPUT_FD, "the delta", bytes, length, ret, err);
}

static void run_begin(struct run *run, const struct options *options, struct report *report)
{
	run->apply = (struct apply){ .options = options,
				     .report = report,
				     .uid = geteuid(),
				     .gid = getegid(),
				     .usual = 0600 };
	run->apply.file.fd = run->apply.source.fd = -1;
	spots_init(&run->apply.spots, PLACE_ROOT_FD);
	spots_init(&run->apply.from, PLACE_ROOT_FD);
	spots_init(&run->apply.base_spots, TREE_SOURCE_FD);
	run->reader = delta_reader_new(fill, NULL);
}

static void run_done(struct run *run)
{
	delta_reader_free(run->reader);
	spots_done(&run->apply.spots);
	spots_done(&run->apply.from);
	spots_done(&run->apply.base_spots);
	open_file_close(&run->apply.file);
	open_file_close(&run->apply.source);
	text_done(&run->apply.file.path);
	text_done(&run->apply.source.path);
	text_done(&run->held.path);
	text_done(&run->held.to);
}

int tree_apply(const struct options *options, struct report *report, struct fl_error *err)
{
	own(run_done) struct run run = { 0 };
	struct delta_command command = { 0 };

	run_begin(&run, options, report);
	if (begin_points(&run, err) < 0)
		return fl_failed(err);
	do {
		if (delta_next(run.reader, &command, err) < 0)
			return fl_hint(err, "transfer it once more");
		if (run_command(&run, &command, err) < 0)
			return fl_failed(err);
		report->entries++;
		report_reached(report, delta_position(run.reader));
	} while (command.verb != DELTA_END);
	return delta_check_end(run.reader, err);
}
