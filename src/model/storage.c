#include "model/storage.h"

#include "base/text.h"

const char *const pool_kind_names[POOL_KINDS] = {
	[POOL_FILE] = "file",	    [POOL_DEVICE] = "device", [POOL_DIRECTORY] = "directory",
	[POOL_DATASET] = "dataset", [POOL_MEMORY] = "memory",
};

const char *const ability_names[ABILITIES] = {
	[ABILITY_SNAPSHOT] = "snapshot", [ABILITY_BROWSE] = "browse",
	[ABILITY_DIFF] = "diff",	 [ABILITY_QUOTA] = "quota",
	[ABILITY_GROW] = "grow",	 [ABILITY_COMPRESS] = "compress",
	[ABILITY_SEND] = "send",
};

const char *const support_names[SUPPORTS] = {
	[SUPPORT_NO] = "no",
	[SUPPORT_EMULATED] = "emulated",
	[SUPPORT_NATIVE] = "native",
};

const struct storage_driver storage_drivers[] = {
	{ "btrfs", "copy-on-write file system of Linux" },
	{ "dir", "plain directories on any file system" },
	{ "zfs", "datasets of OpenZFS, or of zfs-fuse" },
	{ 0 },
};

bool pool_kind_parse(const char *name, enum pool_kind *ret)
{
	size_t found = word_find(pool_kind_names, POOL_KINDS, name);

	if (found < POOL_KINDS)
		*ret = (enum pool_kind)found;
	return found < POOL_KINDS;
}
