#include "driver/dir/dir.h"

#include "driver/dir/pool.h"
#include "driver/portable.h"

const struct driver dir_driver = {
	.name = "dir",
	.capabilities = DRIVER_CAN_EXPOSE | DRIVER_CAN_DIFF | DRIVER_MUST_WALK | DRIVER_CAN_SEND |
			DRIVER_MUST_READ,
	.form = FORM_DELTA,
	.kinds = 1 << POOL_DIRECTORY,

	.create = dir_create,
	.open = dir_open,
	.close = dir_close,
	.identify = dir_identify,
	.stats = dir_stats,
	.sync = dir_sync,
	.set_read_only = dir_set_read_only,

	.expose = dir_expose,
	.conceal = dir_conceal,
	.locate = dir_locate,

	.head_create = dir_head_create,
	.head_clone = dir_head_clone,
	.head_swap = dir_head_swap,
	.head_retire = dir_head_retire,
	.head_restore = dir_head_restore,
	.staging_create = dir_staging_create,
	.staging_clone = dir_staging_clone,
	.staging_commit = dir_staging_commit,
	.snapshot = dir_snapshot,
	.tree_delete = dir_tree_delete,
	.tree_info = dir_tree_info,
	.tree_open = dir_tree_open,
	.changed_since = dir_changed_since,
	.diff = dir_diff,
	.list = dir_list,
	.send = portable_send,

	.facts_write = dir_facts_write,
	.facts_read = dir_facts_read,
	.facts_list = dir_facts_list,
	.facts_delete = dir_facts_delete,
	.file_write = dir_file_write,
	.file_append = dir_file_append,
	.file_read = dir_file_read,
};
