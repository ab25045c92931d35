/*
 * Space by branch.
 *
 * Btrfs' simple quotas count each extent once, for the subvolume that allocated
 * it, as long as anything holds it: a snapshot costs nothing more with them
 * than without (docs/benchmarks.md has the figures), where the older quota groups
 * take half a second.  Three levels of groups stand above each other:
 *
 *	0/ID		a subvolume; the kernel makes it
 *	1/BRANCH	the heads of a branch, those that were replaced too
 *	2/GROUP		the branches of a volume; only this one has a limit
 *
 * BRANCH and GROUP are the last 48 bits of the UUIDs, which are random: there
 * is no table to keep.  A head, or what is to become one, is put into 1/BRANCH
 * by the call that makes it, so no byte is ever written outside.  Snapshots are in no group: they
 * allocate only their root, and taking one must not fail for want of quota.
 *
 * A subvolume's group outlives it while snapshots hold what it wrote.  Once
 * empty it is of no use, and would harm: after a mount the kernel may give the
 * greatest number again, and the new subvolume would be in the old groups.
 * Therefore empty groups are removed when the pool is opened, before anything
 * is made; the kernel refuses those that are in use.
 *
 * Figures are read in /sys/fs/btrfs/FSID/qgroups: they are the present ones,
 * where the quota tree has those of the last commit.  But one search of the tree
 * tells of all groups at once.
 */

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/fsat.h"
#include "driver/btrfs/ioctl.h"
#include "driver/btrfs/pool.h"

#define ENABLE_SIMPLE 4	    /* BTRFS_QUOTA_CTL_ENABLE_SIMPLE_QUOTA, linux/btrfs.h since 6.7 */
#define QGROUP_TREE 8	    /* BTRFS_QUOTA_TREE_OBJECTID */
#define LEVEL_SHIFT 48	    /* BTRFS_QGROUP_LEVEL_SHIFT */
#define NO_LIMIT UINT64_MAX /* takes a limit away */
#define GROUP_NAME 32	    /* "1_281474976710655" */
#define NUMBER_LIMIT 64	    /* bytes of a file in sysfs */
#define SCAN_BUFFER (256 << 10)

static const unsigned levels[] = { [ACCOUNT_BRANCH] = 1, [ACCOUNT_GROUP] = 2 };

static uint64_t number_of(enum account account, const struct uuid *uuid)
{
	uint64_t number = levels[account];

	for (int i = 10; i < 16; i++)
		number = number << 8 | uuid->bytes[i];
	return number;
}

static char *name_of(uint64_t number, char name[static GROUP_NAME])
{
	snprintf(name, GROUP_NAME, "%" PRIu64 "_%" PRIu64, number >> LEVEL_SHIFT,
		 number & ((UINT64_C(1) << LEVEL_SHIFT) - 1));
	return name;
}

/* --- opening ------------------------------------------------------------------ */

int quota_enable(int root, struct fl_error *err)
{
	struct btrfs_ioctl_quota_ctl_args args = { .cmd = ENABLE_SIMPLE };

	if (ioctl(root, BTRFS_IOC_QUOTA_CTL, &args) == 0 || errno == EINVAL || errno == ENOTTY ||
	    errno == EOPNOTSUPP)
		return 0;
	return fl_fail_errno(err, "cannot switch on the counting of space");
}

static int find_groups(struct btrfs_pool *pool, struct fl_error *err)
{
	struct btrfs_ioctl_fs_info_args fs = { 0 };
	own_text struct text mode = { 0 };
	char path[80], fsid[UUID_TEXT];
	own_fd int groups = -1;
	struct uuid uuid;
	int rc;

	if (ioctl(pool->root, BTRFS_IOC_FS_INFO, &fs) < 0)
		return fl_fail_errno(err, "cannot ask about the file system");
	memcpy(uuid.bytes, fs.fsid, sizeof(uuid.bytes));
	snprintf(path, sizeof(path), "/sys/fs/btrfs/%s/qgroups", uuid_format(&uuid, fsid));
	rc = fsat_open_dir(AT_FDCWD, path, &groups, err);
	if (rc == 0)
		rc = fsat_read(groups, "mode", NUMBER_LIMIT, &mode, err);
	if (rc < 0)
		return rc == -FL_NOT_FOUND ? 0 : rc;
	if (strcmp(text_get(&mode), "squota\n") == 0)
		pool->groups = take_fd(groups);
	return 0;
}

struct group {
	uint64_t number, bytes, limit;
};

struct groups { /* in the order of their numbers */
	struct group *items;
	size_t count;
};

static void groups_done(struct groups *groups)
{
	free(groups->items);
}

static int compare_groups(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static struct group *find_group(const struct groups *groups, uint64_t number)
{
	const struct group key = { .number = number };

	if (groups->count == 0)
		return NULL;
	return bsearch(&key, groups->items, groups->count, sizeof(key), compare_groups);
}

/* The tree has all that is counted first, then all limits, each in the order of the numbers. */
static int note_group(void *arg, const struct btrfs_ioctl_search_header *header, const void *item,
		      struct fl_error *err)
{
	struct btrfs_qgroup_limit_item limit;
	struct btrfs_qgroup_info_item info;
	struct groups *groups = arg;
	struct group *group;

	if (header->type == BTRFS_QGROUP_INFO_KEY && header->len >= sizeof(info)) {
		memcpy(&info, item, sizeof(info));
		*array_add(groups->items, groups->count) = (struct group){
			.number = header->offset,
			.bytes = le64toh(info.rfer),
		};
	} else if (header->type == BTRFS_QGROUP_LIMIT_KEY && header->len >= sizeof(limit)) {
		memcpy(&limit, item, sizeof(limit));
		group = find_group(groups, header->offset);
		if (group && le64toh(limit.flags) & BTRFS_QGROUP_LIMIT_MAX_RFER)
			group->limit = le64toh(limit.max_rfer);
	}
	return 0;
}

/* All of them, as the last commit has them. */
static int read_groups(struct btrfs_pool *pool, struct groups *ret, struct fl_error *err)
{
	const struct root_range range = {
		.tree = QGROUP_TREE,
		.first_type = BTRFS_QGROUP_INFO_KEY,
		.last_type = BTRFS_QGROUP_LIMIT_KEY,
		.buffer = SCAN_BUFFER,
	};

	return root_search(pool->root, &range, note_group, ret, err);
}

/* In the order of their levels, so that a group is empty when its turn comes. */
static int remove_emptied(struct btrfs_pool *pool, struct fl_error *err)
{
	own(groups_done) struct groups groups = { 0 };

	if (read_groups(pool, &groups, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < groups.count; i++) {
		struct btrfs_ioctl_qgroup_create_args args = { .qgroupid = groups.items[i].number };

		if (groups.items[i].bytes == 0 &&
		    ioctl(pool->root, BTRFS_IOC_QGROUP_CREATE, &args) < 0 && errno != EBUSY &&
		    errno != ENOENT && errno != EROFS)
			return fl_fail_errno(err, "cannot remove an empty quota group");
	}
	return 0;
}

/* In a directory the groups are another's to remove. */
int quota_open(struct btrfs_pool *pool, struct fl_error *err)
{
	int rc;

	rc = find_groups(pool, err);
	if (rc < 0 || pool->groups < 0 || pool->pool.spec.kind == POOL_DIRECTORY)
		return rc;
	return remove_emptied(pool, err);
}

uint64_t account_number(struct btrfs_pool *pool, const struct uuid *branch)
{
	uint64_t number = number_of(ACCOUNT_BRANCH, branch);
	char name[GROUP_NAME];
	struct fl_error ignored;
	struct stat st;

	if (pool->groups < 0 || fsat_stat(pool->groups, name_of(number, name), &st, &ignored) < 0)
		return 0;
	return number;
}

/* --- groups and limits ---------------------------------------------------------- */

/* There already, or missing already, is success. */
static int change_group(struct btrfs_pool *pool, uint64_t number, bool make, struct fl_error *err)
{
	struct btrfs_ioctl_qgroup_create_args args = { .create = make, .qgroupid = number };

	if (ioctl(pool->root, BTRFS_IOC_QGROUP_CREATE, &args) == 0 ||
	    errno == (make ? EEXIST : ENOENT))
		return 0;
	return fl_fail_errno(err, "cannot %s a quota group", make ? "make" : "remove");
}

/* Puts a tree into the group of a branch, or takes it out.  A tree that is missing is in none. */
static int assign_tree(struct btrfs_pool *pool, const struct tree *tree, const struct uuid *branch,
		       bool in, struct fl_error *err)
{
	struct btrfs_ioctl_qgroup_assign_args args = { .assign = in };
	struct btrfs_ioctl_get_subvol_info_args info;
	own_fd int fd = -1;
	int rc;

	rc = btrfs_tree_open(&pool->pool, tree, &fd, err);
	if (rc < 0)
		return rc == -FL_NOT_FOUND ? 0 : rc;
	if (subvol_info(fd, &info, err) < 0)
		return fl_failed(err);
	args.src = info.treeid;
	args.dst = number_of(ACCOUNT_BRANCH, branch);
	if (ioctl(pool->root, BTRFS_IOC_QGROUP_ASSIGN, &args) < 0 &&
	    errno != (in ? EEXIST : ENOENT))
		return fl_fail_errno(err, "cannot put a tree into a quota group, or take it out");
	return 0;
}

int btrfs_account(struct pool *pool, const struct uuid *branch, const struct uuid *group,
		  struct fl_error *err)
{
	struct btrfs_pool *p = btrfs_pool(pool);
	const struct tree head = tree_head(branch);
	struct btrfs_ioctl_qgroup_assign_args args = {
		.assign = 1,
		.src = number_of(ACCOUNT_BRANCH, branch),
		.dst = number_of(ACCOUNT_GROUP, group),
	};

	if (p->groups < 0)
		return 0;
	if (change_group(p, args.dst, true, err) < 0 || change_group(p, args.src, true, err) < 0)
		return fl_failed(err);
	if (ioctl(p->root, BTRFS_IOC_QGROUP_ASSIGN, &args) < 0 && errno != EEXIST)
		return fl_fail_errno(err, "cannot put a branch into its quota group");
	/* A head that is there was made before the pool counted: it counts from now on. */
	return assign_tree(p, &head, branch, true, err);
}

/* Whatever the tree holds leaves the groups with it, and so do its pages that are still unwritten.
 */
int btrfs_unaccount(struct pool *pool, const struct tree *tree, const struct uuid *branch,
		    const struct uuid *group, struct fl_error *err)
{
	struct btrfs_pool *p = btrfs_pool(pool);

	if (p->groups < 0)
		return 0;
	if (assign_tree(p, tree, branch, false, err) < 0 ||
	    change_group(p, number_of(ACCOUNT_BRANCH, branch), false, err) < 0)
		return fl_failed(err);
	return group ? change_group(p, number_of(ACCOUNT_GROUP, group), false, err) : 0;
}

static int fail_uncounted(struct pool *pool, struct fl_error *err)
{
	fl_fail(err, FL_UNSUPPORTED, "the pool '%s' does not count the space of its volumes",
		pool->spec.path);
	if (pool->spec.kind == POOL_DIRECTORY)
		return fl_hint(err, "switch on simple quotas in its file system, and restart: "
				    "btrfs quota enable --simple PATH");
	return fl_hint(err, "the kernel has to be 6.7 or newer when the pool is made");
}

static int set_limit(struct btrfs_pool *pool, uint64_t number, uint64_t bytes, struct fl_error *err)
{
	struct btrfs_ioctl_qgroup_limit_args args = {
		.qgroupid = number,
		.lim.flags = BTRFS_QGROUP_LIMIT_MAX_RFER,
		.lim.max_rfer = bytes ? bytes : NO_LIMIT,
	};

	if (ioctl(pool->root, BTRFS_IOC_QGROUP_LIMIT, &args) < 0)
		return fl_fail_errno(err, "cannot set a quota");
	return 0;
}

int btrfs_limit(struct pool *pool, const struct uuid *group, uint64_t bytes, struct fl_error *err)
{
	struct btrfs_pool *p = btrfs_pool(pool);
	uint64_t number = number_of(ACCOUNT_GROUP, group);

	if (p->groups < 0)
		return bytes ? fail_uncounted(pool, err) : 0;
	if (change_group(p, number, true, err) < 0)
		return fl_failed(err);
	return set_limit(p, number, bytes, err);
}

static int note_above(void *arg, const struct btrfs_ioctl_search_header *header, const void *item,
		      struct fl_error *err)
{
	struct groups *above = arg;

	if (header->offset <= header->objectid) /* one that is in it */
		return 0;
	*array_add(above->items, above->count) = (struct group){ .number = header->offset };
	return 0;
}

/* The groups that a group is in, and those that they are in. */
static int read_above(struct btrfs_pool *pool, uint64_t number, struct groups *ret,
		      struct fl_error *err)
{
	struct root_range range = {
		.tree = QGROUP_TREE,
		.first_type = BTRFS_QGROUP_RELATION_KEY,
		.last_type = BTRFS_QGROUP_RELATION_KEY,
		.buffer = 4096,
	};

	for (size_t i = 0;; i++) {
		range.first = range.last = number;
		if (root_search(pool->root, &range, note_above, ret, err) < 0)
			return fl_failed(err);
		if (i == ret->count)
			return 0;
		number = ret->items[i].number;
	}
}

static bool is_among(const struct groups *groups, uint64_t number)
{
	for (size_t i = 0; i < groups->count; i++)
		if (groups->items[i].number == number)
			return true;
	return false;
}

/* Forgets the limits of all groups but those that `subvolume` is in. */
static int choose_limits(struct btrfs_pool *pool, uint64_t subvolume, struct groups *groups,
			 struct fl_error *err)
{
	own(groups_done) struct groups above = { 0 };

	if (read_above(pool, subvolume, &above, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < groups->count; i++)
		if (!is_among(&above, groups->items[i].number))
			groups->items[i].limit = 0;
	return 0;
}

int quota_without_limits(struct btrfs_pool *pool, uint64_t subvolume,
			 int (*fn)(struct btrfs_pool *pool, void *arg, struct fl_error *err),
			 void *arg, struct fl_error *err)
{
	own(groups_done) struct groups groups = { 0 };
	struct fl_error other;
	int rc;

	rc = read_groups(pool, &groups, err);
	if (rc == 0 && subvolume)
		rc = choose_limits(pool, subvolume, &groups, err);
	if (rc < 0)
		return fl_failed(err);
	for (size_t i = 0; rc == 0 && i < groups.count; i++)
		if (groups.items[i].limit)
			rc = set_limit(pool, groups.items[i].number, 0, err);
	if (rc == 0)
		rc = fn(pool, arg, err);
	for (size_t i = 0; i < groups.count; i++) {
		const struct group *group = &groups.items[i];

		if (group->limit && set_limit(pool, group->number, group->limit, &other) < 0 &&
		    rc == 0) {
			*err = other;
			rc = fl_failed(err);
		}
	}
	return rc;
}

/* --- figures -------------------------------------------------------------------- */

/* FL_NOT_FOUND: there is no such group. */
static int read_number(struct btrfs_pool *pool, const char *group, const char *name, uint64_t *ret,
		       struct fl_error *err)
{
	own_text struct text text = { 0 };
	char path[GROUP_NAME + 32];

	snprintf(path, sizeof(path), "%s/%s", group, name);
	if (fsat_read(pool->groups, path, NUMBER_LIMIT, &text, err) < 0)
		return fl_failed(err);
	*ret = strtoull(text_get(&text), NULL, 10);
	return 0;
}

int btrfs_usage(struct pool *pool, enum account account, const struct uuid *uuid, struct usage *ret,
		struct fl_error *err)
{
	struct btrfs_pool *p = btrfs_pool(pool);
	struct usage usage = { .known = true };
	uint64_t flags = 0;
	char name[GROUP_NAME];
	int rc;

	*ret = (struct usage){ 0 };
	if (p->groups < 0)
		return 0;
	name_of(number_of(account, uuid), name);
	rc = read_number(p, name, "referenced", &usage.bytes, err);
	if (rc == 0)
		rc = read_number(p, name, "limit_flags", &flags, err);
	if (rc == 0 && (flags & BTRFS_QGROUP_LIMIT_MAX_RFER))
		rc = read_number(p, name, "max_referenced", &usage.limit, err);
	if (rc < 0)
		return rc == -FL_NOT_FOUND ? 0 : rc;
	*ret = usage;
	return 0;
}

int btrfs_usages(struct pool *pool, const struct account_name *names, size_t count,
		 struct usage *ret, struct fl_error *err)
{
	struct btrfs_pool *p = btrfs_pool(pool);
	own(groups_done) struct groups groups = { 0 };

	if (p->groups >= 0 && read_groups(p, &groups, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < count; i++) {
		const struct group *group = find_group(&groups,
						       number_of(names[i].account, &names[i].uuid));

		ret[i] = group ? (struct usage){ true, group->bytes, group->limit }
			       : (struct usage){ 0 };
	}
	return 0;
}
