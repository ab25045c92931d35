#include "driver/btrfs/ioctl.h"

#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/fsat.h"
#include "base/text.h"

/*
 * Some of these calls answer 1 with good data, depending on the kernel: only a
 * negative answer is a failure.
 */

int subvol_info(int fd, struct btrfs_ioctl_get_subvol_info_args *ret, struct fl_error *err)
{
	if (ioctl(fd, BTRFS_IOC_GET_SUBVOL_INFO, ret) < 0)
		return fl_fail_errno(err, "cannot ask about a subvolume");
	return 0;
}

static int name_copy(char *to, size_t size, const char *name, struct fl_error *err)
{
	if (strlen(name) >= size)
		return fl_fail(err, FL_INVALID, "name '%.80s...' is too long", name);
	strcpy(to, name);
	return 0;
}

/* The kernel's form of "in this group": a header, with room for the one number that ends it. */
union membership {
	struct btrfs_qgroup_inherit inherit;
	uint8_t room[sizeof(struct btrfs_qgroup_inherit) + sizeof(uint64_t)];
};

/* What is made is called `name` and belongs to `group` (0: to none); `membership` is used by
 * `args`. */
static int fill_args(struct btrfs_ioctl_vol_args_v2 *args, union membership *membership,
		     const char *name, uint64_t group, struct fl_error *err)
{
	if (name_copy(args->name, sizeof(args->name), name, err) < 0)
		return fl_failed(err);
	if (group == 0)
		return 0;
	membership->inherit.num_qgroups = 1;
	membership->inherit.qgroups[0] = group;
	args->flags |= BTRFS_SUBVOL_QGROUP_INHERIT;
	args->size = sizeof(*membership);
	args->qgroup_inherit = &membership->inherit;
	return 0;
}

int subvol_create(int dir, const char *name, uint64_t group, struct fl_error *err)
{
	struct btrfs_ioctl_vol_args_v2 args = { 0 };
	union membership membership = { .room = { 0 } };

	if (fill_args(&args, &membership, name, group, err) < 0)
		return fl_failed(err);
	if (ioctl(dir, BTRFS_IOC_SUBVOL_CREATE_V2, &args) < 0)
		return fl_fail_errno(err, "cannot make subvolume '%s'", name);
	return 0;
}

static int snapshot(int source, int dir, const char *name, uint64_t flags, uint64_t group,
		    struct fl_error *err)
{
	struct btrfs_ioctl_vol_args_v2 args = { .fd = source, .flags = flags };
	union membership membership = { .room = { 0 } };

	if (fill_args(&args, &membership, name, group, err) < 0)
		return fl_failed(err);
	if (ioctl(dir, BTRFS_IOC_SNAP_CREATE_V2, &args) < 0)
		return fl_fail_errno(err, "cannot make snapshot '%s'", name);
	return 0;
}

int subvol_clone(int source, int dir, const char *name, uint64_t group, struct fl_error *err)
{
	return snapshot(source, dir, name, 0, group, err);
}

int subvol_snapshot(int source, int dir, const char *name, struct fl_error *err)
{
	return snapshot(source, dir, name, BTRFS_SUBVOL_RDONLY, 0, err);
}

int subvol_set_read_only(int fd, bool read_only, struct fl_error *err)
{
	uint64_t flags, wanted;

	if (ioctl(fd, BTRFS_IOC_SUBVOL_GETFLAGS, &flags) < 0)
		return fl_fail_errno(err, "cannot read a subvolume's flags");
	wanted = read_only ? flags | BTRFS_SUBVOL_RDONLY : flags & ~BTRFS_SUBVOL_RDONLY;
	if (wanted != flags && ioctl(fd, BTRFS_IOC_SUBVOL_SETFLAGS, &wanted) < 0)
		return fl_fail_errno(err, "cannot set a subvolume's flags");
	return 0;
}

/*
 * The search returns items in the order of their keys (objectid, type, offset),
 * each behind a header.  The next call begins at the key after the last.
 */
static bool key_next(struct btrfs_ioctl_search_key *key,
		     const struct btrfs_ioctl_search_header *last)
{
	key->min_objectid = last->objectid;
	key->min_type = last->type;
	key->min_offset = last->offset + 1;
	if (key->min_offset == 0 && ++key->min_type == 0)
		key->min_objectid++;
	return key->min_objectid <= key->max_objectid;
}

static int hand_out(const struct btrfs_ioctl_search_args_v2 *args, const struct root_range *range,
		    struct btrfs_ioctl_search_header *header,
		    int (*each)(void *arg, const struct btrfs_ioctl_search_header *header,
				const void *item, struct fl_error *err),
		    void *arg, struct fl_error *err)
{
	const uint8_t *at = args->buf;

	for (uint32_t i = 0; i < args->key.nr_items; i++) {
		int rc = 0;

		memcpy(header, at, sizeof(*header));
		at += sizeof(*header);
		if (header->type >= range->first_type && header->type <= range->last_type)
			rc = each(arg, header, at, err);
		if (rc != 0)
			return rc;
		at += header->len;
	}
	return 0;
}

int root_search(int fd, const struct root_range *range,
		int (*each)(void *arg, const struct btrfs_ioctl_search_header *header,
			    const void *item, struct fl_error *err),
		void *arg, struct fl_error *err)
{
	own_free struct btrfs_ioctl_search_args_v2 *args = xcalloc(1,
								   sizeof(*args) + range->buffer);
	struct btrfs_ioctl_search_header last;
	int rc;

	args->key = (struct btrfs_ioctl_search_key){
		.tree_id = range->tree,
		.min_objectid = range->first,
		.max_objectid = range->last,
		.min_type = range->first_type,
		.max_type = range->last_type,
		.max_offset = UINT64_MAX,
		.min_transid = range->since,
		.max_transid = UINT64_MAX,
	};
	do {
		args->key.nr_items = UINT32_MAX;
		args->buf_size = range->buffer;
		if (ioctl(fd, BTRFS_IOC_TREE_SEARCH_V2, args) < 0)
			return fl_fail_errno(err, "cannot search the file system's trees");
		if (args->key.nr_items == 0)
			return 0;
		rc = hand_out(args, range, &last, each, arg, err);
		if (rc != 0)
			return rc;
	} while (key_next(&args->key, &last));
	return 0;
}

bool subvol_reference_decode(const struct btrfs_ioctl_search_header *header, const void *item,
			     struct subvol_reference *ret)
{
	bool back = header->type == BTRFS_ROOT_BACKREF_KEY;
	struct btrfs_root_ref ref;
	size_t length;

	if (header->len < sizeof(ref))
		return false;
	memcpy(&ref, item, sizeof(ref));
	length = le16toh(ref.name_len);
	if (length > BTRFS_VOL_NAME_MAX || sizeof(ref) + length > header->len)
		return false;
	ret->parent = back ? header->offset : header->objectid;
	ret->child = back ? header->objectid : header->offset;
	ret->directory = le64toh(ref.dirid);
	memcpy(ret->name, (const char *)item + sizeof(ref), length);
	ret->name[length] = '\0';
	return true;
}

static int keep_first(void *arg, const struct btrfs_ioctl_search_header *header, const void *item,
		      struct fl_error *err)
{
	return subvol_reference_decode(header, item, arg);
}

/* The first reference of the subvolume `id` of one type. */
static int find_reference(int fd, uint64_t id, uint32_t type, struct subvol_reference *ret,
			  struct fl_error *err)
{
	const struct root_range range = {
		.tree = BTRFS_ROOT_TREE_OBJECTID,
		.first = id,
		.last = id,
		.first_type = type,
		.last_type = type,
		.buffer = 4096,
	};
	int rc;

	ret->child = 0;
	rc = root_search(fd, &range, keep_first, ret, err);
	return rc < 0 ? rc : 0;
}

int subvol_first_inside(int fd, uint64_t id, struct subvol_reference *ret, struct fl_error *err)
{
	return find_reference(fd, id, BTRFS_ROOT_REF_KEY, ret, err);
}

int subvol_place(int fd, uint64_t id, struct subvol_reference *ret, struct fl_error *err)
{
	return find_reference(fd, id, BTRFS_ROOT_BACKREF_KEY, ret, err);
}

int subvol_reference_path(int fd, const struct subvol_reference *reference,
			  char path[static BTRFS_INO_LOOKUP_PATH_MAX + BTRFS_VOL_NAME_MAX],
			  struct fl_error *err)
{
	struct btrfs_ioctl_ino_lookup_args lookup = {
		.treeid = reference->parent,
		.objectid = reference->directory,
	};

	if (ioctl(fd, BTRFS_IOC_INO_LOOKUP, &lookup) < 0)
		return fl_fail_errno(err, "cannot look up a directory");
	/* The directory's path ends in a slash, or is empty for the root. */
	strcpy(path, lookup.name);
	strcat(path, reference->name);
	return 0;
}

static int destroy(int dir, const char *name, struct fl_error *err)
{
	struct btrfs_ioctl_vol_args_v2 args = { 0 };
	int rc;

	rc = name_copy(args.name, sizeof(args.name), name, err);
	if (rc < 0)
		return rc;
	if (ioctl(dir, BTRFS_IOC_SNAP_DESTROY_V2, &args) == 0 || errno == ENOENT)
		return 0;
	return fl_fail_errno(err, "cannot delete subvolume '%s'", name);
}

/* The kernel keeps what it is sending, and allows root all else. */
static int fail_sending(const char *name, struct fl_error *err)
{
	fl_fail(err, FL_BUSY, "subvolume '%s' is being sent", name);
	return fl_hint(err, "try again when that is through");
}

int subvol_delete(int dir, const char *name, struct fl_error *err)
{
	struct fl_error ignored;
	own_fd int fd = -1;

	if (destroy(dir, name, err) == 0)
		return 0;
	if (err->sys != EPERM || fsat_open_dir(dir, name, &fd, &ignored) < 0)
		return fl_failed(err);
	if (subvol_set_read_only(fd, false, &ignored) < 0)
		return ignored.sys == EPERM ? fail_sending(name, err) : fl_failed(err);
	fsat_make_mutable(fd);
	return destroy(dir, name, err);
}
