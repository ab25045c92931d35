#include "driver/zfs/zfs.h"

#include "driver/zfs/pool.h"

const struct driver zfs_driver = {
	.name = "zfs",
	.kinds = 1 << POOL_FILE | 1 << POOL_DATASET,
	.available = zfs_available,
	.capabilities = DRIVER_CAN_GROW | DRIVER_CAN_COMPRESS | DRIVER_CAN_EXPOSE |
			DRIVER_CAN_SHARE | DRIVER_CAN_DIFF | DRIVER_CAN_LIMIT | DRIVER_CAN_NOTE |
			DRIVER_MUST_REVEAL | DRIVER_MUST_WALK | DRIVER_CAN_SEND |
			DRIVER_CAN_RECEIVE,
	.form = FORM_ZFS,

	.create = zfs_create,
	.open = zfs_open,
	.close = zfs_close,
	.identify = zfs_identify,
	.stats = zfs_stats,
	.grow = zfs_grow,
	.sync = zfs_sync,
	.set_read_only = zfs_set_read_only,

	.expose = zfs_expose,
	.conceal = zfs_conceal,
	.locate = zfs_locate,
	.reveal = zfs_reveal,

	.head_create = zfs_head_create,
	.head_clone = zfs_head_clone,
	.head_swap = zfs_head_swap,
	.head_retire = zfs_head_retire,
	.head_restore = zfs_head_restore,
	.staging_create = zfs_staging_create,
	.staging_clone = zfs_staging_clone,
	.staging_commit = zfs_staging_commit,
	.snapshot = zfs_snapshot,
	.snapshot_noted = zfs_snapshot_noted,
	.note_write = zfs_note_write,
	.note_each = zfs_note_each,
	.tree_delete = zfs_tree_delete,
	.tree_info = zfs_tree_info,
	.tree_open = zfs_tree_open,
	.changed_since = zfs_changed_since,
	.diff = zfs_diff,
	.list = zfs_list,
	.send = zfs_send,
	.receive = zfs_receive,
	.stream_number = zfs_stream_number,

	.account = zfs_account,
	.unaccount = zfs_unaccount,
	.limit = zfs_limit,
	.usage = zfs_usage,
	.usages = zfs_usages,
	.occupied = zfs_occupied,

	.facts_write = zfs_facts_write,
	.facts_read = zfs_facts_read,
	.facts_list = zfs_facts_list,
	.facts_delete = zfs_facts_delete,
	.file_write = zfs_file_write,
	.file_append = zfs_file_append,
	.file_read = zfs_file_read,
};
