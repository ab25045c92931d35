/*
 * Files in snapshots and heads, by path.
 *
 * Everything goes by the tree's own descriptor: no mount is needed, and paths
 * are resolved beneath its root, so no symbolic link leads out.
 *
 * A listing holds a claim, for it takes no longer than its answer.  A file that
 * is read may take hours: its snapshot is noted as being read (reading.c).
 */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fsat.h"
#include "engine/internal.h"
#include "engine/past.h"

/* The path within the tree, as fsat_open_beneath() takes it. */
static const char *path_of(const struct ref *ref)
{
	return ref->path && ref->path[0] ? ref->path : ".";
}

static const char *name_of(const struct ref *ref)
{
	const char *slash = ref->path ? strrchr(ref->path, '/') : NULL;

	return slash ? slash + 1 : ref->path ? ref->path : "";
}

static struct tree tree_of(const struct target *target)
{
	return target->is_snapshot ? snapshot_tree(&target->snapshot)
				   : tree_head(&target->branch.uuid);
}

/* The words of who asked, where the kernel's are about a path within the tree. */
static int fail_at(const struct ref *ref, struct fl_error *err)
{
	own_text struct text text = { 0 }, whole = { 0 };
	struct ref root = *ref; /* shares the path */

	root.path = NULL;
	ref_format(ref, &text);
	ref_format(&root, &whole);
	/* Also through what is no directory. */
	if ((err->code == FL_NOT_FOUND || err->sys == ENOTDIR) && ref->path) {
		fl_fail(err, FL_NOT_FOUND, "there is no '%s'", text_get(&text));
		fl_add_hint(err,
			    "flocker ls '%s' lists what is there; flocker versions '%s' says which "
			    "snapshots hold it",
			    text_get(&whole), text_get(&text));
	}
	return fl_object(err, "%s", text_get(&text));
}

/* --- listing ------------------------------------------------------------------------ */

static int64_t time_of(const struct timespec *time)
{
	return (int64_t)time->tv_sec * CLOCK_SECOND + time->tv_nsec;
}

/* `dir` and `name` for the target of a symbolic link; `name` is what it is called. */
static int fill_file(int dir, const char *name, const struct stat *st, struct file *ret,
		     struct fl_error *err)
{
	char target[PATH_MAX];

	*ret = (struct file){
		.mode = st->st_mode,
		.size = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.modified = time_of(&st->st_mtim),
	};
	if (S_ISLNK(st->st_mode)) {
		if (fsat_read_link(dir, name, target, err) < 0)
			return fl_failed(err);
		ret->target = xstrdup(target);
	}
	ret->name = xstrdup(name);
	return 0;
}

#define LOOKS 16

/* In a live tree another thing may take the name between the two looks that a link needs. */
static int look_by_name(int dir, const char *name, struct file *ret, struct fl_error *err)
{
	struct stat st;
	int r, looks = 0;

	do {
		r = fsat_stat(dir, name, &st, err);
		if (r == 0)
			r = fill_file(dir, name, &st, ret, err);
	} while (r < 0 && err->sys == EINVAL && ++looks < LOOKS); /* no link any more */
	return r;
}

struct listing {
	int dir;
	struct file_list *list;
};

/* In a live tree what was there a moment ago may be gone. */
static int add_entry(void *arg, const char *name, unsigned char type, uint64_t inode,
		     struct fl_error *err)
{
	const struct listing *listing = arg;
	struct file file;
	int r = look_by_name(listing->dir, name, &file, err);

	if (r < 0)
		return r == -FL_NOT_FOUND ? 0 : r;
	*file_list_add(listing->list) = file;
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

static int list_directory(int dir, struct file_list *list, struct fl_error *err)
{
	struct listing listing = { dir, list };

	if (fsat_each(dir, add_entry, &listing, err) < 0)
		return fl_failed(err);
	array_sort(list->items, list->count, compare_names);
	return 0;
}

/* The directory that holds the last part of the path, and that part. */
static int open_parent(int root, const struct ref *ref, int *ret, struct fl_error *err)
{
	size_t length = (size_t)(name_of(ref) - ref->path);
	own_text struct text parent = { 0 };

	text_add(&parent, ref->path, length > 1 ? length - 1 : 0);
	return fsat_open_beneath(root, length > 1 ? text_get(&parent) : ".", O_RDONLY | O_DIRECTORY,
				 ret, err);
}

static int list_one(int root, const struct ref *ref, struct file_list *list, struct fl_error *err)
{
	own_fd int parent = -1;

	if (open_parent(root, ref, &parent, err) < 0)
		return fl_failed(err);
	return look_by_name(parent, name_of(ref), file_list_add(list), err);
}

/* What the path leads to, and no more of it. */
static int look_at(int root, const struct ref *ref, struct file_list *list, struct fl_error *err)
{
	own_fd int fd = -1;
	struct stat st;

	if (fsat_open_beneath(root, path_of(ref), O_PATH, &fd, err) < 0)
		return fl_failed(err);
	if (fstat(fd, &st) < 0)
		return fl_fail_errno(err, "cannot look at it");
	return fill_file(fd, name_of(ref), &st, file_list_add(list), err);
}

/* A symbolic link is shown itself. */
static int list_at(int root, const struct ref *ref, struct file_list *list, struct fl_error *err)
{
	own_fd int fd = -1;
	int r = fsat_open_beneath(root, path_of(ref), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, &fd,
				  err);

	if (r == 0)
		return list_directory(fd, list, err);
	return ref->path && ref->path[0] && r != -FL_DENIED ? list_one(root, ref, list, err) : r;
}

int engine_files(struct engine *engine, const struct ref *ref, bool itself, struct file_list *ret,
		 struct fl_error *err)
{
	own(file_list_done) struct file_list list = { 0 };
	own_gate struct engine *inside = NULL;
	own_claim struct claim claim = { 0 };
	own_fd int root = -1;
	struct tree tree;

	if (check_form(ref, FORM_ANY | FORM_PATH, "ls", err) < 0 ||
	    gate_enter(engine, &inside, err) < 0 ||
	    claim_take(engine, ref, 1, CLAIM_USE, &claim, err) < 0)
		return fl_failed(err);
	tree = tree_of(&claim.targets[0]);
	if (driver_of(engine)->tree_open(engine->pool, &tree, &root, err) < 0)
		return fl_failed(err);
	if ((itself ? look_at : list_at)(root, ref, &list, err) < 0)
		return fail_at(ref, err);
	*ret = list;
	list = (struct file_list){ 0 };
	return 0;
}

/* --- reading ------------------------------------------------------------------------ */

struct open_file {
	struct engine *engine;
	struct tree tree;
	bool reading; /* the tree is a snapshot */
	int fd;
};

int open_file_fd(const struct open_file *file)
{
	return file->fd;
}

void open_file_close(struct open_file *file)
{
	if (!file)
		return;
	own_fdp(&file->fd);
	if (file->reading)
		reading_end(file->engine, &file->tree);
	free(file);
}

static void open_file_closep(struct open_file **file)
{
	open_file_close(*file);
}

static int check_regular(int fd, const struct ref *ref, struct fl_error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fl_fail_errno(err, "cannot look at the file");
	if (S_ISDIR(st.st_mode)) {
		fl_fail(err, FL_INVALID, "'%s' is a directory", path_of(ref));
		return fl_hint(err, "list it: flocker ls; copy it: flocker cp REF:PATH DEST");
	}
	if (S_ISREG(st.st_mode))
		return 0;
	return fl_fail(err, FL_UNSUPPORTED, "'%s' is no regular file", path_of(ref));
}

/* Looked at before it is opened for reading: that alone does something to a device. */
static int open_regular(int root, const struct ref *ref, int *ret, struct fl_error *err)
{
	own_fd int node = -1;
	own_fd int fd = -1;

	if (fsat_open_beneath(root, path_of(ref), O_PATH, &node, err) < 0 ||
	    check_regular(node, ref, err) < 0 ||
	    fsat_open_beneath(root, path_of(ref), O_RDONLY | O_NONBLOCK | O_NOCTTY, &fd, err) < 0 ||
	    check_regular(fd, ref, err) < 0)
		return fl_failed(err);
	*ret = take_fd(fd);
	return 0;
}

static int open_at(struct engine *engine, const struct ref *ref, const struct target *target,
		   struct open_file *file, struct fl_error *err)
{
	own_fd int root = -1;

	file->tree = tree_of(target);
	if (driver_of(engine)->tree_open(engine->pool, &file->tree, &root, err) < 0)
		return fl_failed(err);
	if (open_regular(root, ref, &file->fd, err) < 0)
		return fail_at(ref, err);
	file->reading = target->is_snapshot;
	if (file->reading)
		reading_begin(engine, &file->tree);
	return 0;
}

int engine_file_open(struct engine *engine, const struct ref *ref, struct open_file **ret,
		     struct fl_error *err)
{
	own(open_file_closep) struct open_file *file = xcalloc(1, sizeof(*file));
	own_gate struct engine *inside = NULL;
	own_claim struct claim claim = { 0 };

	*file = (struct open_file){ .engine = engine, .fd = -1 };
	if (check_form(ref, FORM_ANY | FORM_PATH, "cat", err) < 0 ||
	    gate_enter(engine, &inside, err) < 0 ||
	    claim_take(engine, ref, 1, CLAIM_USE, &claim, err) < 0 ||
	    open_at(engine, ref, &claim.targets[0], file, err) < 0)
		return fl_failed(err);
	*ret = take_ptr(file);
	return 0;
}

/* --- versions ----------------------------------------------------------------------- */

/* What has to be equal in two snapshots for the file to count as the same. */
struct state {
	mode_t mode;
	uid_t uid;
	gid_t gid;
	off_t size;
	int64_t modified, changed;
};

struct moment {
	struct tree tree;
	uint64_t id;
	int64_t time;
};

struct search {
	struct engine *engine;
	const struct ref *ref;
	struct moment *moments; /* newest first; heap */
	size_t count;
	struct state last; /* of the version that was found last */
	bool any;	   /* and the moment before this one held it */
	struct file_version_list *versions;
};

static void search_done(struct search *search)
{
	free(search->moments);
}

static int add_moment(void *arg, const struct snapshot_row *row, struct fl_error *err)
{
	struct search *search = arg;

	*array_add(search->moments, search->count) = (struct moment){ snapshot_tree(row), row->id,
								      row->position.time };
	return 0;
}

/* Everything that the reference came from. */
static int collect_moments(struct search *search, struct target *ret, struct fl_error *err)
{
	own_free struct stretch *stretches = NULL;
	own_tx struct tx *tx = NULL;
	struct position at;
	size_t count;

	if (tx_begin(search->engine->catalog, &tx, err) < 0 ||
	    resolve_reading(search->engine, tx, search->ref, ret, err) < 0)
		return fl_failed(err);
	at = ret->snapshot.position;
	if (!ret->is_snapshot && head_position(tx, &ret->branch.uuid, &at, err) < 0)
		return fl_failed(err);
	if (position_is_none(&at))
		return 0;
	if (past_of(tx, &at, &stretches, &count, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < count; i++)
		if (tx_snapshot_each(tx, &stretches[i], SIZE_MAX, add_moment, search, err) < 0)
			return fl_failed(err);
	return 0;
}

static struct state state_of(const struct engine *engine, const struct stat *st)
{
	bool shared = driver_of(engine)->capabilities & DRIVER_CAN_SHARE;

	return (struct state){ .mode = st->st_mode,
			       .uid = st->st_uid,
			       .gid = st->st_gid,
			       .size = st->st_size,
			       .modified = time_of(&st->st_mtim),
			       .changed = shared ? time_of(&st->st_ctim) : 0 };
}

static bool same_state(const struct state *a, const struct state *b)
{
	return a->mode == b->mode && a->uid == b->uid && a->gid == b->gid && a->size == b->size &&
	       a->modified == b->modified && a->changed == b->changed;
}

/* The last part of the path itself, also if it is a symbolic link. */
static int look(const struct search *search, const struct tree *tree, struct stat *ret,
		struct file *ret_file, struct fl_error *err)
{
	own_fd int root = -1;
	own_fd int parent = -1;

	if (driver_of(search->engine)->tree_open(search->engine->pool, tree, &root, err) < 0 ||
	    open_parent(root, search->ref, &parent, err) < 0 ||
	    fsat_stat(parent, name_of(search->ref), ret, err) < 0)
		return fl_failed(err);
	if (S_ISDIR(ret->st_mode))
		return fl_fail(err, FL_UNSUPPORTED,
			       "'%s' is a directory; versions are told of files",
			       path_of(search->ref));
	return fill_file(parent, name_of(search->ref), ret, ret_file, err);
}

/* A path that leads nowhere or through a file was not there then. */
static bool was_absent(const struct fl_error *err)
{
	return err->code == FL_NOT_FOUND || err->code == FL_INVALID || err->code == FL_DENIED ||
	       err->sys == ENOTDIR;
}

/* `id` 0: the live file. */
static int add_state(struct search *search, const struct moment *moment, struct fl_error *err)
{
	struct file_version *version;
	struct file file = { 0 };
	struct state state;
	struct stat st;

	if (look(search, &moment->tree, &st, &file, err) < 0) {
		search->any = false;
		return was_absent(err) ? 0 : fl_failed(err);
	}
	state = state_of(search->engine, &st);
	if (search->any && same_state(&state, &search->last)) {
		version = &search->versions->items[search->versions->count - 1];
		file_done(&file);
	} else {
		version = file_version_list_add(search->versions);
		version->file = file;
	}
	search->last = state;
	search->any = true;
	if (moment->id == 0) {
		version->live = true;
		return 0;
	}
	if (version->snapshots++ == 0) {
		version->newest = moment->id;
		version->newest_time = moment->time;
	}
	version->oldest = moment->id;
	version->oldest_time = moment->time;
	return 0;
}

int engine_file_versions(struct engine *engine, const struct ref *ref,
			 struct file_version_list *ret, struct fl_error *err)
{
	own(file_version_list_done) struct file_version_list versions = { 0 };
	own(search_done) struct search search = { engine, ref, .versions = &versions };
	own_gate struct engine *inside = NULL;
	own_target struct target target = { 0 };
	struct moment live;

	if (!ref->path || !ref->path[0])
		return fl_fail(err, FL_INVALID, "versions takes a file in a volume (REF:PATH)");
	if (check_form(ref, FORM_ANY | FORM_PATH, "versions", err) < 0 ||
	    gate_enter(engine, &inside, err) < 0 || collect_moments(&search, &target, err) < 0)
		return fl_failed(err);
	live = (struct moment){ .tree = tree_of(&target) };
	if (!target.is_snapshot && add_state(&search, &live, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < search.count; i++)
		if (add_state(&search, &search.moments[i], err) < 0)
			return fl_failed(err);
	if (versions.count == 0) {
		fl_fail(err, FL_NOT_FOUND, "no file of that path");
		return fail_at(ref, err);
	}
	*ret = versions;
	versions = (struct file_version_list){ 0 };
	return 0;
}
