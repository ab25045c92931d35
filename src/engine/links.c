/*
 * Links: how branches and snapshots are visible.
 *
 *	MOUNT_ROOT/.heads			all heads, one mount (the driver's expose)
 *	MOUNT_ROOT/.snaps			all snapshots, one mount, read-only
 *	MOUNT_ROOT/VOLUME/BRANCH		-> ../.heads/UUID[/...]
 *	MOUNT_ROOT/.at/VOLUME/ID		-> ../../.snaps/UUID/NAME[/...]
 *
 * Ten thousand branches need ten thousand links but two mounts, and a head that
 * is swapped is swapped under a stable path.  Links are made from the catalogue
 * and nothing else: at start they are compared with it and made good.  The mount
 * root may hold other things; they are never touched, and a name that is taken
 * by one of them is refused.
 */

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fsat.h"
#include "base/text.h"
#include "engine/internal.h"

#define LINK_PATH (2 * NAME_TEXT + 128)
#define LINK_MODE 0755
#define HEADS "../.heads/" /* what the targets of branches' links begin with */

static bool is_visible(struct engine *engine)
{
	return driver_of(engine)->capabilities & DRIVER_CAN_EXPOSE;
}

/* "" when nothing is there; an error text's noun otherwise, unless it is a link of ours. */
static const char *what_stands(struct engine *engine, const char *path, bool directory_is_ours)
{
	struct stat st;

	if (fstatat(engine->root_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return "";
	if (S_ISDIR(st.st_mode))
		return directory_is_ours ? "" : "a directory";
	if (S_ISLNK(st.st_mode) && !directory_is_ours)
		return "";
	return S_ISLNK(st.st_mode) ? "a symbolic link" : "a file";
}

struct foreign {
	int dir;
	char name[256];
};

static int find_foreign(void *arg, const char *name, unsigned char type, uint64_t inode,
			struct fl_error *err)
{
	struct foreign *foreign = arg;

	if (type != DT_LNK && foreign->name[0] == '\0')
		snprintf(foreign->name, sizeof(foreign->name), "%s", name);
	return 0;
}

/* A directory that holds anything but links is not one that Flocker made. */
static int check_directory(struct engine *engine, const char *volume, struct fl_error *err)
{
	struct foreign foreign = { 0 };
	own_fd int dir = -1;

	if (fsat_open_dir(engine->root_fd, volume, &dir, err) < 0)
		return err->code == FL_NOT_FOUND ? 0 : fl_failed(err);
	if (fsat_each(dir, find_foreign, &foreign, err) < 0)
		return fl_failed(err);
	if (foreign.name[0] == '\0')
		return 0;
	fl_fail(err, FL_BUSY, "%s/%s is not empty: it holds '%.100s'", engine->mount_root, volume,
		foreign.name);
	return fl_hint(err, "move it away, or choose another name");
}

int link_check(struct engine *engine, const char *volume, const char *branch, struct fl_error *err)
{
	char path[LINK_PATH];
	const char *stands = what_stands(engine, volume, true);

	if (!is_visible(engine))
		return 0;
	snprintf(path, sizeof(path), "%s/%s", volume, branch);
	if (stands[0] == '\0')
		stands = what_stands(engine, path, false);
	if (stands[0] != '\0') {
		fl_fail(err, FL_BUSY, "%s/%s is %s that Flocker did not make", engine->mount_root,
			path, stands);
		return fl_hint(err, "move it away, or choose another name");
	}
	return check_directory(engine, volume, err);
}

/* Most links are right already when the daemon starts. */
static bool link_is(struct engine *engine, const char *path, const char *target)
{
	char found[LINK_PATH];
	ssize_t length = readlinkat(engine->root_fd, path, found, sizeof(found));

	return length == (ssize_t)strlen(target) && memcmp(found, target, (size_t)length) == 0;
}

int link_branch(struct engine *engine, const char *volume, const struct branch_row *branch,
		struct fl_error *err)
{
	own_text struct text target = { 0 };
	struct tree head = tree_head(&branch->uuid);
	char path[LINK_PATH];

	if (!is_visible(engine))
		return 0;
	text_add_string(&target, "../");
	driver_of(engine)->locate(engine->pool, &head, &target);
	snprintf(path, sizeof(path), "%s/%s", volume, branch->name);
	if (link_is(engine, path, text_get(&target)))
		return 0;
	if (fsat_mkdir(engine->root_fd, volume, LINK_MODE, err) < 0)
		return fl_failed(err);
	return fsat_symlink(text_get(&target), engine->root_fd, path, err);
}

int unlink_branch(struct engine *engine, const char *volume, const char *branch,
		  struct fl_error *err)
{
	char path[LINK_PATH];

	snprintf(path, sizeof(path), "%s/%s", volume, branch);
	return is_visible(engine) ? fsat_unlink(engine->root_fd, path, err) : 0;
}

static void snapshot_path(const char *volume, uint64_t id, char path[static LINK_PATH])
{
	char text[SNAPID_TEXT];

	snprintf(path, LINK_PATH, ".at/%s/%s", volume, snapid_format(id, text));
}

int link_snapshot(struct engine *engine, const char *volume, const struct snapshot_row *row,
		  struct fl_error *err)
{
	own_text struct text target = { 0 };
	struct tree tree = tree_snapshot(&row->position.branch, &row->storage);
	char path[LINK_PATH];

	if (driver_of(engine)->reveal && driver_of(engine)->reveal(engine->pool, &tree, err) < 0)
		return fl_failed(err);
	snprintf(path, sizeof(path), ".at/%s", volume);
	if (fsat_mkdir_parents(engine->root_fd, path, LINK_MODE, err) < 0)
		return fl_failed(err);
	text_add_string(&target, "../../");
	driver_of(engine)->locate(engine->pool, &tree, &target);
	snapshot_path(volume, row->id, path);
	return fsat_symlink(text_get(&target), engine->root_fd, path, err);
}

int unlink_snapshot(struct engine *engine, const char *volume, uint64_t id, struct fl_error *err)
{
	char path[LINK_PATH];
	struct fl_error others; /* other snapshots of the volume are mounted */

	snapshot_path(volume, id, path);
	if (fsat_unlink(engine->root_fd, path, err) < 0)
		return fl_failed(err);
	snprintf(path, sizeof(path), ".at/%s", volume);
	if (fsat_rmdir(engine->root_fd, path, &others) < 0 && others.code != FL_BUSY)
		log_warning("a directory of links stays", "path=%s error=\"%s\"", path,
			    others.text);
	return 0;
}

bool snapshot_is_linked(struct engine *engine, const char *volume, uint64_t id)
{
	char path[LINK_PATH];

	snapshot_path(volume, id, path);
	return faccessat(engine->root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool any_snapshot_is_linked(struct engine *engine, const char *volume)
{
	char path[LINK_PATH];

	snprintf(path, sizeof(path), ".at/%s", volume);
	return faccessat(engine->root_fd, path, F_OK, 0) == 0;
}

struct linked {
	struct tx *tx;
	struct tree *trees;
	size_t count;
};

static int add_linked(void *arg, const char *name, unsigned char type, uint64_t inode,
		      struct fl_error *err)
{
	own_snapshot_row struct snapshot_row row = { 0 };
	struct linked *linked = arg;
	int r = tx_snapshot_get_id(linked->tx, strtoull(name, NULL, 16), &row, err);

	if (r < 0)
		return r == -FL_NOT_FOUND ? 0 : r;
	*array_add(linked->trees, linked->count) = snapshot_tree(&row);
	return 0;
}

int linked_snapshots(struct engine *engine, const char *volume, struct tree **ret,
		     size_t *ret_count, struct fl_error *err)
{
	struct linked linked = { 0 };
	own_tx struct tx *tx = NULL;
	own_fd int dir = -1;
	char path[LINK_PATH];

	*ret = NULL;
	*ret_count = 0;
	snprintf(path, sizeof(path), ".at/%s", volume);
	if (fsat_open_dir(engine->root_fd, path, &dir, err) < 0)
		return err->code == FL_NOT_FOUND ? 0 : fl_failed(err);
	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	linked.tx = tx;
	if (fsat_each(dir, add_linked, &linked, err) < 0) {
		free(linked.trees);
		return fl_failed(err);
	}
	*ret = linked.trees;
	*ret_count = linked.count;
	return 0;
}

static int rename_if_there(struct engine *engine, const char *from, const char *to,
			   struct fl_error *err)
{
	struct stat st;

	if (fstatat(engine->root_fd, from, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return fsat_rename(engine->root_fd, from, engine->root_fd, to, err);
}

int links_rename_volume(struct engine *engine, const char *from, const char *to,
			struct fl_error *err)
{
	char old[LINK_PATH], new[LINK_PATH];

	snprintf(old, sizeof(old), ".at/%s", from);
	snprintf(new, sizeof(new), ".at/%s", to);
	if (rename_if_there(engine, from, to, err) < 0)
		return fl_failed(err);
	return rename_if_there(engine, old, new, err);
}

struct sweep {
	struct engine *engine;
	int dir;
	struct tx *tx;
	const char *volume; /* whose directory it is */
};

static int remove_link(void *arg, const char *name, unsigned char type, uint64_t inode,
		       struct fl_error *err)
{
	const struct sweep *sweep = arg;

	return type == DT_LNK ? fsat_unlink(sweep->dir, name, err) : 0;
}

static void remove_links(struct engine *engine, const char *path)
{
	struct fl_error err;
	struct sweep sweep = { .dir = -1 };
	int r;

	if (fsat_open_dir(engine->root_fd, path, &sweep.dir, &err) < 0)
		return;
	r = fsat_each(sweep.dir, remove_link, &sweep, &err);
	own_fdp(&sweep.dir);
	if (r < 0 || fsat_rmdir(engine->root_fd, path, &err) < 0)
		log_warning("a directory of links stays", "path=%s error=\"%s\"", path, err.text);
}

void unlink_volume(struct engine *engine, const char *volume)
{
	char path[LINK_PATH];

	if (!is_visible(engine))
		return;
	remove_links(engine, volume);
	snprintf(path, sizeof(path), ".at/%s", volume);
	remove_links(engine, path);
}

char *link_path(struct engine *engine, const char *volume, const char *branch)
{
	struct text path = { 0 };

	text_add_format(&path, "%s/%s/%s", engine->mount_root, volume, branch);
	return text_take(&path);
}

char *snapshot_link_path(struct engine *engine, const char *volume, uint64_t id)
{
	struct text text = { 0 };
	char path[LINK_PATH];

	snapshot_path(volume, id, path);
	text_add_format(&text, "%s/%s", engine->mount_root, path);
	return text_take(&text);
}

/* --- at start ------------------------------------------------------------- */

struct refresh {
	struct engine *engine;
	struct tx *tx;
	struct volume_row volume;
};

static int refresh_branch(void *arg, const struct branch_row *row, struct fl_error *err)
{
	struct refresh *refresh = arg;

	if (is_remote(refresh->engine, row)) /* no head: no link, and the name is not its */
		return 0;
	if (!uuid_equal(&refresh->volume.uuid, &row->volume)) {
		volume_row_done(&refresh->volume);
		refresh->volume = (struct volume_row){ 0 };
		if (tx_volume_get(refresh->tx, &row->volume, &refresh->volume, err) < 0)
			return fl_failed(err);
	}
	if (row->mounted)
		return link_branch(refresh->engine, refresh->volume.name, row, err);
	return unlink_branch(refresh->engine, refresh->volume.name, row->name, err);
}

/* Is the link, in the directory of `volume`, the one that the catalogue wants of that name? */
static int is_wanted(const struct sweep *sweep, const char *name, const char *uuid, bool *ret,
		     struct fl_error *err)
{
	own_volume_row struct volume_row volume = { 0 };
	struct branch_row branch;
	struct uuid wanted;
	int r;

	*ret = false;
	if (uuid_parse(uuid, &wanted, err) < 0)
		return 0;
	r = tx_branch_get(sweep->tx, &wanted, &branch, err);
	if (r == 0)
		r = tx_volume_get(sweep->tx, &branch.volume, &volume, err);
	if (r == 0)
		*ret = branch.mounted && !branch.destroyed && strcmp(branch.name, name) == 0 &&
		       strcmp(volume.name, sweep->volume) == 0;
	return r == -FL_NOT_FOUND ? 0 : r;
}

/* A mounted snapshot was visible before the host went down: it is so again. */
static void reveal_target(struct engine *engine, const char *target)
{
	const char *place = strstr(target, "/.snaps/");
	struct tree tree = { .kind = TREE_SNAPSHOT };
	char branch[UUID_TEXT] = "";
	struct fl_error err;

	if (!driver_of(engine)->reveal || !place || strlen(place) < 8 + sizeof(branch))
		return;
	memcpy(branch, place + 8, sizeof(branch) - 1);
	if (uuid_parse(branch, &tree.uuid, &err) < 0 ||
	    snapname_parse(place + 8 + sizeof(branch), &tree.snapshot, &err) < 0)
		return;
	if (driver_of(engine)->reveal(engine->pool, &tree, &err) < 0 && err.code != FL_NOT_FOUND)
		log_warning("cannot make a mounted snapshot visible", "error=\"%s\"", err.text);
}

/* Of links into .heads only those that the catalogue wants stay; of others, those that lead
 * somewhere. */
static int sweep_link(void *arg, const char *name, unsigned char type, uint64_t inode,
		      struct fl_error *err)
{
	const struct sweep *sweep = arg;
	char target[LINK_PATH];
	struct stat st;
	ssize_t length;
	bool wanted;

	if (type != DT_LNK)
		return 0;
	length = readlinkat(sweep->dir, name, target, sizeof(target) - 1);
	target[length > 0 ? length : 0] = '\0';
	if (strncmp(target, HEADS, strlen(HEADS)) == 0) {
		target[strlen(HEADS) + strcspn(target + strlen(HEADS), "/")] = '\0';
		if (is_wanted(sweep, name, target + strlen(HEADS), &wanted, err) < 0)
			return fl_failed(err);
	} else {
		reveal_target(sweep->engine, target);
		wanted = fstatat(sweep->dir, name, &st, 0) == 0 || errno != ENOENT;
	}
	return wanted ? 0 : fsat_unlink(sweep->dir, name, err);
}

static int sweep_directory(void *arg, const char *name, unsigned char type, uint64_t inode,
			   struct fl_error *err)
{
	const struct sweep *parent = arg;
	struct sweep sweep = { .engine = parent->engine, .tx = parent->tx, .volume = name };
	struct fl_error kept; /* a directory that is not empty, or none of ours */
	int r;

	if (type != DT_DIR || name[0] == '.')
		return 0;
	if (fsat_open_dir(parent->dir, name, &sweep.dir, err) < 0)
		return fl_failed(err);
	r = fsat_each(sweep.dir, sweep_link, &sweep, err);
	own_fdp(&sweep.dir);
	if (r == 0 && fsat_rmdir(parent->dir, name, &kept) < 0)
		log_debug("directory kept", "name=%s reason=\"%s\"", name, kept.text);
	return r;
}

static int sweep_snapshots(struct engine *engine, struct tx *tx, struct fl_error *err)
{
	own_fd int dir = -1;
	struct sweep sweep = { .engine = engine, .tx = tx };

	if (fsat_open_dir(engine->root_fd, ".at", &dir, err) < 0)
		return err->code == FL_NOT_FOUND ? 0 : fl_failed(err);
	sweep.dir = dir;
	return fsat_each(dir, sweep_directory, &sweep, err);
}

int links_refresh_all(struct engine *engine, struct fl_error *err)
{
	struct refresh refresh = { .engine = engine };
	struct sweep root = { .engine = engine, .dir = engine->root_fd };
	own_tx struct tx *tx = NULL;
	int r;

	if (!is_visible(engine))
		return 0;
	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	refresh.tx = root.tx = tx;
	if (fsat_each(engine->root_fd, sweep_directory, &root, err) < 0 ||
	    sweep_snapshots(engine, tx, err) < 0)
		return fl_failed(err);
	r = tx_branch_each(tx, NULL, false, refresh_branch, &refresh, err);
	volume_row_done(&refresh.volume);
	return r;
}
