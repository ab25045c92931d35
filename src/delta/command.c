#include "delta/format.h"

#include <stddef.h>

#define FIELD(member) offsetof(struct delta_command, member)

const struct delta_field delta_fields[DELTA_ATTRIBUTES] = {
	[DELTA_A_UUID] = { "uuid", DELTA_ID, FIELD(uuid) },
	[DELTA_A_TRANSID] = { "transid", DELTA_NUMBER, FIELD(transid) },
	[DELTA_A_INODE] = { "inode", DELTA_IGNORED },
	[DELTA_A_SIZE] = { "size", DELTA_NUMBER, FIELD(size) },
	[DELTA_A_MODE] = { "mode", DELTA_NUMBER, FIELD(mode) },
	[DELTA_A_UID] = { "user", DELTA_NUMBER, FIELD(uid) },
	[DELTA_A_GID] = { "group", DELTA_NUMBER, FIELD(gid) },
	[DELTA_A_DEVICE] = { "device", DELTA_DEVICE, FIELD(device) },
	[DELTA_A_CTIME] = { "ctime", DELTA_TIME, FIELD(ctime) },
	[DELTA_A_MTIME] = { "mtime", DELTA_TIME, FIELD(mtime) },
	[DELTA_A_ATIME] = { "atime", DELTA_TIME, FIELD(atime) },
	[DELTA_A_XATTR_NAME] = { "name of an extended attribute", DELTA_STRING, FIELD(name), 1,
				 DELTA_XATTR_NAME_MAX },
	[DELTA_A_XATTR_DATA] = { "extended attribute", DELTA_BYTES, FIELD(data) },
	[DELTA_A_PATH] = { "path", DELTA_STRING, FIELD(path), 0, DELTA_PATH_MAX },
	[DELTA_A_PATH_TO] = { "new path", DELTA_STRING, FIELD(to), 0, DELTA_PATH_MAX },
	[DELTA_A_PATH_LINK] = { "target", DELTA_STRING, FIELD(to), 0, DELTA_PATH_MAX },
	[DELTA_A_OFFSET] = { "offset", DELTA_NUMBER, FIELD(offset) },
	[DELTA_A_DATA] = { "contents", DELTA_BYTES, FIELD(data) },
	[DELTA_A_CLONE_UUID] = { "source's uuid", DELTA_ID, FIELD(from_uuid) },
	[DELTA_A_CLONE_TRANSID] = { "source's transid", DELTA_NUMBER, FIELD(from_transid) },
	[DELTA_A_CLONE_PATH] = { "source's path", DELTA_STRING, FIELD(to), 0, DELTA_PATH_MAX },
	[DELTA_A_CLONE_OFFSET] = { "source's offset", DELTA_NUMBER, FIELD(from_offset) },
	[DELTA_A_CLONE_LENGTH] = { "length", DELTA_NUMBER, FIELD(size) },
};

#define A(attribute) (UINT32_C(1) << DELTA_A_##attribute)
#define NEW A(INODE)
#define SPECIAL (A(INODE) | A(MODE) | A(DEVICE))

const struct delta_rule delta_rules[DELTA_VERBS] = {
	[DELTA_SUBVOL] = { "subvol", A(PATH) | A(UUID) | A(TRANSID) },
	[DELTA_SNAPSHOT] = { "snapshot",
			     A(PATH) | A(UUID) | A(TRANSID) | A(CLONE_UUID) | A(CLONE_TRANSID) },
	[DELTA_MKFILE] = { "mkfile", A(PATH), NEW },
	[DELTA_MKDIR] = { "mkdir", A(PATH), NEW },
	[DELTA_MKNOD] = { "mknod", A(PATH) | A(MODE) | A(DEVICE), NEW },
	[DELTA_MKFIFO] = { "mkfifo", A(PATH), SPECIAL },
	[DELTA_MKSOCK] = { "mksock", A(PATH), SPECIAL },
	[DELTA_SYMLINK] = { "symlink", A(PATH) | A(PATH_LINK), NEW },
	[DELTA_RENAME] = { "rename", A(PATH) | A(PATH_TO) },
	[DELTA_LINK] = { "link", A(PATH) | A(PATH_LINK) },
	[DELTA_UNLINK] = { "unlink", A(PATH) },
	[DELTA_RMDIR] = { "rmdir", A(PATH) },
	[DELTA_SET_XATTR] = { "set_xattr", A(PATH) | A(XATTR_NAME) | A(XATTR_DATA) },
	[DELTA_REMOVE_XATTR] = { "remove_xattr", A(PATH) | A(XATTR_NAME) },
	[DELTA_WRITE] = { "write", A(PATH) | A(OFFSET) | A(DATA) },
	[DELTA_CLONE] = { "clone", A(PATH) | A(OFFSET) | A(CLONE_LENGTH) | A(CLONE_UUID) |
					   A(CLONE_TRANSID) | A(CLONE_PATH) | A(CLONE_OFFSET) },
	[DELTA_TRUNCATE] = { "truncate", A(PATH) | A(SIZE) },
	[DELTA_CHMOD] = { "chmod", A(PATH) | A(MODE) },
	[DELTA_CHOWN] = { "chown", A(PATH) | A(UID) | A(GID) },
	[DELTA_UTIMES] = { "utimes", A(PATH) | A(ATIME) | A(MTIME) | A(CTIME) },
	[DELTA_END] = { "end" },
	[DELTA_UPDATE_EXTENT] = { "update_extent", A(PATH) | A(OFFSET) | A(SIZE) },
};

const char *delta_verb_name(enum delta_verb verb)
{
	return verb > 0 && verb < DELTA_VERBS ? delta_rules[verb].name : "unknown";
}
