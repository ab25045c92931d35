#include "driver/kept.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fsat.h"

#define IDENTITY "flocker.json"
#define GRAIN "GRAIN" /* no name of the engine's */
#define IDENTITY_LIMIT 4096
#define FACTS "facts"
#define FACTS_LEFT ".facts.new" /* what a crash leaves of fsat_write() */
#define FACTS_LIMIT (16 * 1024 * 1024)
#define FILE_NAME_LENGTH 32
#define FILE_LIMIT (1024ul * 1024 * 1024)

#define BRANCH_PATH (sizeof("snaps//" FACTS_LEFT) + UUID_TEXT)

int layout_make(int root, struct fl_error *err)
{
	/* Whoever knows a tree's name may pass through, nobody may list them. */
	static const char *const directories[] = { "heads", "snaps", "staging", "retired" };

	for (size_t i = 0; i < array_size(directories); i++) {
		int rc = fsat_mkdir(root, directories[i], 0711, err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

int layout_has(int root, const struct tree *tree, bool *ret, struct fl_error *err)
{
	char path[TREE_TEXT];
	struct stat st;
	int rc;

	rc = fsat_stat(root, tree_format(tree, path), &st, err);
	if (rc < 0 && rc != -FL_NOT_FOUND)
		return rc;
	*ret = rc == 0;
	return 0;
}

int layout_moved(int root, const struct tree *from, const struct tree *to, struct fl_error *err)
{
	char path[TREE_TEXT];
	bool done;

	if (layout_has(root, to, &done, err) < 0)
		return fl_failed(err);
	if (done)
		return 0;
	return fl_fail(err, FL_NOT_FOUND, "the pool has no %s", tree_format(from, path));
}

uint32_t layout_grain(int root)
{
	struct fl_error ignored;
	uint32_t grain;

	return fsat_time_grain(root, GRAIN, &grain, &ignored) == 0 ? grain : 1;
}

int identity_write(int root, const struct pool_identity *identity, struct fl_error *err)
{
	own_text struct text text = { 0 };

	identity_encode(identity, &text);
	return fsat_write(root, IDENTITY, text_get(&text), text.length, 0644, true, err);
}

int identity_read(int root, const char *path, struct pool_identity *ret, struct fl_error *err)
{
	own_text struct text text = { 0 };
	int rc;

	rc = fsat_read(root, IDENTITY, IDENTITY_LIMIT, &text, err);
	if (rc == -FL_NOT_FOUND)
		return fl_fail(err, FL_INVALID, "'%s' is no Flocker pool: it has no " IDENTITY,
			       path);
	if (rc == 0)
		rc = identity_decode(text_get(&text), ret, err);
	if (rc < 0)
		return fl_wrap(err, "pool '%s'", path);
	return 0;
}

static const char *branch_path(const struct uuid *branch, const char *file,
			       char path[static BRANCH_PATH])
{
	char text[UUID_TEXT];

	snprintf(path, BRANCH_PATH, "snaps/%s%s", uuid_format(branch, text), file);
	return path;
}

int kept_facts_write(int root, const struct uuid *branch, const char *text, struct fl_error *err)
{
	size_t length = strlen(text);
	char path[BRANCH_PATH];
	int rc;

	if (length > FACTS_LIMIT)
		return fl_fail(err, FL_INVALID, "facts of %zu bytes are too large", length);
	rc = fsat_mkdir(root, branch_path(branch, "", path), 0711, err);
	if (rc < 0)
		return rc;
	return fsat_write(root, branch_path(branch, "/" FACTS, path), text, length, 0600, false,
			  err);
}

int kept_facts_read(int root, const struct uuid *branch, struct text *ret, struct fl_error *err)
{
	char path[BRANCH_PATH];

	return fsat_read(root, branch_path(branch, "/" FACTS, path), FACTS_LIMIT, ret, err);
}

/* "facts", or what a crash left of writing them; everything else is a snapshot. */
static bool is_facts(const char *name)
{
	return strcmp(name, FACTS) == 0 || strcmp(name, FACTS_LEFT) == 0;
}

struct contents {
	bool facts, snapshots;
};

static int note_entry(void *arg, const char *name, unsigned char type, uint64_t inode,
		      struct fl_error *err)
{
	struct contents *contents = arg;

	contents->facts |= strcmp(name, FACTS) == 0;
	contents->snapshots |= !is_facts(name);
	return 0;
}

/* A directory that is gone is empty. */
static int look_into(int dir, const char *path, struct contents *ret, struct fl_error *err)
{
	own_fd int fd = -1;
	int rc;

	*ret = (struct contents){ 0 };
	rc = fsat_open_dir(dir, path, &fd, err);
	if (rc < 0)
		return rc == -FL_NOT_FOUND ? 0 : rc;
	return fsat_each(fd, note_entry, ret, err);
}

struct facts_listing {
	int snaps;
	int (*each)(void *arg, const struct uuid *branch, struct fl_error *err);
	void *arg;
};

static int list_branch(void *arg, const char *name, unsigned char type, uint64_t inode,
		       struct fl_error *err)
{
	struct facts_listing *listing = arg;
	struct contents contents;
	struct uuid branch;
	int rc;

	if (uuid_parse(name, &branch, err) < 0) /* not one of ours */
		return 0;
	rc = look_into(listing->snaps, name, &contents, err);
	if (rc < 0 || !(contents.facts || contents.snapshots))
		return rc;
	return listing->each(listing->arg, &branch, err);
}

int kept_facts_list(int root,
		    int (*each)(void *arg, const struct uuid *branch, struct fl_error *err),
		    void *arg, struct fl_error *err)
{
	struct facts_listing listing = { .each = each, .arg = arg };
	own_fd int snaps = -1;
	int rc;

	rc = fsat_open_dir(root, "snaps", &snaps, err);
	if (rc < 0)
		return rc;
	listing.snaps = snaps;
	return fsat_each(snaps, list_branch, &listing, err);
}

int kept_facts_delete(int root, const struct uuid *branch, struct fl_error *err)
{
	static const char *const files[] = { "/" FACTS_LEFT, "/" FACTS };
	struct contents contents;
	char path[BRANCH_PATH];
	int rc;

	rc = look_into(root, branch_path(branch, "", path), &contents, err);
	if (rc < 0)
		return rc;
	if (contents.snapshots)
		return fl_fail(err, FL_BUSY, "branch %s has snapshots", path + strlen("snaps/"));
	for (size_t i = 0; i < array_size(files); i++) {
		rc = fsat_unlink(root, branch_path(branch, files[i], path), err);
		if (rc < 0)
			return rc;
	}
	return fsat_rmdir(root, branch_path(branch, "", path), err);
}

int kept_file_check(const char *name, struct fl_error *err)
{
	static const char *const taken[] = { ".",	"..",	   "heads", "snaps", "staging",
					     "retired", "scratch", FACTS,   IDENTITY };
	size_t length = strlen(name);

	if (length == 0 || length > FILE_NAME_LENGTH ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyz.") != length)
		return fl_fail(err, FL_INVALID, "'%.40s' is no name for a file in the pool", name);
	for (size_t i = 0; i < array_size(taken); i++)
		if (strcmp(name, taken[i]) == 0)
			return fl_fail(err, FL_INVALID, "'%s' is the pool's own", name);
	return 0;
}

int kept_file_write(int root, const char *name, const void *bytes, size_t length,
		    struct fl_error *err)
{
	int rc;

	rc = kept_file_check(name, err);
	if (rc < 0)
		return rc;
	return fsat_write(root, name, bytes, length, 0600, true, err);
}

int kept_file_append(int root, const char *name, const void *bytes, size_t length,
		     struct fl_error *err)
{
	int rc;

	rc = kept_file_check(name, err);
	if (rc < 0)
		return rc;
	return fsat_append(root, name, bytes, length, 0600, err);
}

int kept_file_read(int root, const char *name, struct text *ret, struct fl_error *err)
{
	int rc;

	rc = kept_file_check(name, err);
	if (rc < 0)
		return rc;
	return fsat_read(root, name, FILE_LIMIT, ret, err);
}
