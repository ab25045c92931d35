#include "driver/btrfs/btrfs.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>

#include "base/fsat.h"
#include "base/mount.h"
#include "driver/btrfs/pool.h"

/* The directory, or the one that it will be made in. */
static int open_nearest(const struct pool_spec *spec, int *ret_fd, struct fl_error *err)
{
	char path[POOL_PATH];
	char *slash;

	if (fsat_open_named(spec->path, O_RDONLY | O_DIRECTORY, ret_fd, err) == 0)
		return 0;
	snprintf(path, sizeof(path), "%s", spec->path);
	slash = strrchr(path, '/');
	if (err->code != FL_NOT_FOUND || !slash)
		return fl_failed(err);
	slash[slash == path ? 1 : 0] = '\0';
	return fsat_open_named(path, O_RDONLY | O_DIRECTORY, ret_fd, err);
}

bool btrfs_suits(const struct pool_spec *spec)
{
	own_fd int dir = -1, mount = -1;
	struct fl_error why;
	struct statfs fs;

	return open_nearest(spec, &dir, &why) == 0 && fstatfs(dir, &fs) == 0 &&
	       fs.f_type == BTRFS_SUPER_MAGIC && mount_clone_detached(dir, &mount, &why) == 0;
}

const struct driver btrfs_driver = {
	.name = "btrfs",
	.kinds = 1 << POOL_FILE | 1 << POOL_DEVICE | 1 << POOL_DIRECTORY,
	.available = btrfs_available,
	.capabilities = DRIVER_CAN_GROW | DRIVER_CAN_COMPRESS | DRIVER_CAN_EXPOSE |
			DRIVER_CAN_SHARE | DRIVER_CAN_LIMIT | DRIVER_CAN_DIFF | DRIVER_CAN_WATCH |
			DRIVER_CAN_SEND | DRIVER_CAN_WEIGH,
	.form = FORM_DELTA,

	.create = btrfs_create,
	.open = btrfs_open,
	.close = btrfs_close,
	.identify = btrfs_identify,
	.stats = btrfs_stats,
	.grow = btrfs_grow,
	.sync = btrfs_sync,
	.set_read_only = btrfs_set_read_only,

	.expose = btrfs_expose,
	.conceal = btrfs_conceal,
	.locate = btrfs_locate,

	.head_create = btrfs_head_create,
	.head_clone = btrfs_head_clone,
	.head_swap = btrfs_head_swap,
	.head_retire = btrfs_head_retire,
	.head_restore = btrfs_head_restore,
	.staging_create = btrfs_staging_create,
	.staging_clone = btrfs_staging_clone,
	.staging_commit = btrfs_staging_commit,
	.snapshot = btrfs_snapshot,
	.tree_delete = btrfs_tree_delete,
	.tree_info = btrfs_tree_info,
	.tree_open = btrfs_tree_open,
	.changed_since = btrfs_changed_since,
	.diff = btrfs_diff,
	.list = btrfs_list,
	.send = btrfs_send,

	.watch_root = btrfs_watch_root,
	.watch_handle = btrfs_watch_handle,
	.watch_heads = btrfs_watch_heads,
	.motion = btrfs_motion,

	.account = btrfs_account,
	.unaccount = btrfs_unaccount,
	.limit = btrfs_limit,
	.usage = btrfs_usage,
	.usages = btrfs_usages,
	.occupied = btrfs_occupied,
	.weigh = btrfs_weigh,

	.facts_write = btrfs_facts_write,
	.facts_read = btrfs_facts_read,
	.facts_list = btrfs_facts_list,
	.facts_delete = btrfs_facts_delete,
	.file_write = btrfs_file_write,
	.file_append = btrfs_file_append,
	.file_read = btrfs_file_read,
};
