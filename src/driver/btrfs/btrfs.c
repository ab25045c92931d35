#include "driver/btrfs/btrfs.h"

#include "driver/btrfs/pool.h"

const struct driver btrfs_driver = {
	.name = "btrfs",
	.capabilities = DRIVER_CAN_GROW | DRIVER_CAN_COMPRESS | DRIVER_CAN_EXPOSE |
			DRIVER_CAN_SHARE | DRIVER_CAN_LIMIT | DRIVER_CAN_DIFF,

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
	.snapshot = btrfs_snapshot,
	.tree_delete = btrfs_tree_delete,
	.tree_info = btrfs_tree_info,
	.tree_open = btrfs_tree_open,
	.changed_since = btrfs_changed_since,
	.diff = btrfs_diff,
	.list = btrfs_list,

	.account = btrfs_account,
	.unaccount = btrfs_unaccount,
	.limit = btrfs_limit,
	.usage = btrfs_usage,
	.usages = btrfs_usages,
	.occupied = btrfs_occupied,

	.facts_write = btrfs_facts_write,
	.facts_read = btrfs_facts_read,
	.facts_list = btrfs_facts_list,
	.facts_delete = btrfs_facts_delete,
	.file_write = btrfs_file_write,
	.file_append = btrfs_file_append,
	.file_read = btrfs_file_read,
};
