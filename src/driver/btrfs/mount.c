#include "driver/btrfs/pool.h"

#include "base/mount.h"

/* Mounting what a medium holds, where nobody sees it. */

/*
 * Options beside "subvolid=5", which is the whole file system whatever its
 * default subvolume is.  Discarding would give the blocks of a preallocated file
 * back to the file system below, where others could take them: it is for sparse
 * files only.  On devices the kernel decides.
 */
static size_t options_of(const struct pool_spec *spec, struct mount_option options[static 2])
{
	size_t count = 0;

	if (spec->kind == POOL_FILE && spec->sparse)
		options[count++] = (struct mount_option){ "discard", "async" };
	else if (spec->kind == POOL_FILE)
		options[count++] = (struct mount_option){ "nodiscard", NULL };
	if (spec->compress)
		options[count++] = (struct mount_option){ "compress", "zstd" };
	return count;
}

/*
 * When an earlier process left something visible, the file system is mounted
 * already, with the options of then, and perhaps read-only: the kernel refuses
 * a mount that differs in that.  So it is joined as it is, and then changed.
 */
static int mount_file_system(const struct pool_spec *spec, const char *source, int *ret_mount,
			     struct fl_error *err)
{
	struct mount_option options[4] = { { "subvolid", "5" } };
	size_t count = 1 + options_of(spec, options + 1);
	own_fd int mount = -1;
	int rc;

	rc = mount_detached("btrfs", source, options, count, &mount, err);
	if (rc == -FL_BUSY) {
		options[count] = (struct mount_option){ "ro", NULL };
		rc = mount_detached("btrfs", source, options, count + 1, &mount, err);
	}
	if (rc < 0)
		return rc;
	options[0] = (struct mount_option){ "rw", NULL };
	rc = mount_reconfigure(mount, options, count, err);
	if (rc < 0)
		return rc;
	*ret_mount = take_fd(mount);
	return 0;
}

int medium_mount(const struct pool_spec *spec, const struct medium *medium, int *ret_mount,
		 struct fl_error *err)
{
	if (spec->kind == POOL_DIRECTORY)
		return mount_clone_detached(medium->lock, ret_mount, err);
	return mount_file_system(spec, medium->source, ret_mount, err);
}

int medium_mount_to_look(const struct pool_spec *spec, const struct medium *medium, int *ret_mount,
			 struct fl_error *err)
{
	static const struct mount_option options[] = {
		{ "subvolid", "5" },
		{ "ro", NULL },
		{ "rescue", "nologreplay" },
	};

	if (spec->kind == POOL_DIRECTORY)
		return mount_clone_detached(medium->lock, ret_mount, err);
	return mount_detached("btrfs", medium->source, options, array_size(options), ret_mount,
			      err);
}
