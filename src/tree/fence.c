#include "tree/fence.h"

#include <errno.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than the headers of some systems: linux/landlock.h of Linux 6.2 and 6.10. */
#define ACCESS_TRUNCATE (UINT64_C(1) << 14)
#define ACCESS_IOCTL_DEV (UINT64_C(1) << 15)

#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/* All but running programs and block devices; a whiteout is a character device. */
#define WRITE                                                                   \
	(READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |        \
	 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |            \
	 LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |          \
	 LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER | ACCESS_TRUNCATE)
#define ALL (WRITE | LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_BLOCK | ACCESS_IOCTL_DEV)

/* What the kernel's version of it knows. */
static uint64_t known(long version)
{
	static const struct {
		long since;
		uint64_t rights;
	} later[] = { { 2, LANDLOCK_ACCESS_FS_REFER },
		      { 3, ACCESS_TRUNCATE },
		      { 5, ACCESS_IOCTL_DEV } };
	uint64_t rights = ALL;

	for (size_t i = 0; i < array_size(later); i++)
		if (version < later[i].since)
			rights &= ~later[i].rights;
	return rights;
}

static int allow(int rules, int directory, uint64_t rights, struct fl_error *err)
{
	const struct landlock_path_beneath_attr beneath = { .allowed_access = rights,
							    .parent_fd = directory };

	if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0)
		return fl_fail_errno(err, "cannot allow a directory within the fence");
	return 0;
}

int fence_enter(int root, bool writes, bool devices, int source, struct fl_error *err)
{
	const long version = syscall(SYS_landlock_create_ruleset, NULL, 0,
				     LANDLOCK_CREATE_RULESET_VERSION);
	struct landlock_ruleset_attr handled = { 0 };
	uint64_t rights = writes ? WRITE : READ;
	own_fd int rules = -1;

	if (version < 1)
		return 0;
	/* Without this right of version 2 nothing could be moved from one directory to another. */
	if (version < 2 && writes)
		return 0;
	if (devices)
		rights |= LANDLOCK_ACCESS_FS_MAKE_BLOCK;
	handled.handled_access_fs = known(version);
	rules = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof(handled), 0);
	if (rules < 0)
		return fl_fail_errno(err, "cannot make a fence around the tree");
	if (allow(rules, root, rights & handled.handled_access_fs, err) < 0 ||
	    (source >= 0 && allow(rules, source, READ, err) < 0))
		return fl_failed(err);
	if (syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		return fl_fail_errno(err, "cannot stay within the fence around the tree");
	return 0;
}
