#pragma once

/*
 * Carries out a delta in a directory, as root and as it stands: for deltas of our own making, in
 * tests alone.  What comes from elsewhere is applied by flocker-tree.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "check.h"

#include "base/text.h"
#include "delta/read.h"

struct applier {
	int root, base; /* where it goes; where contents of the base are read, or -1 */
	const char *bytes;
	size_t length, at;
	bool ended;
	struct text stable; /* the stable commands, as lines */
	struct uuid uuid;   /* of the tree that is sent */
	size_t written;	    /* bytes of contents */
	size_t clones;
};

static inline int applier_fill(void *arg, void *bytes, size_t length, size_t *ret,
			       struct fl_error *err)
{
	struct applier *applier = arg;
	size_t left = applier->length - applier->at;

	*ret = length < left ? length : left;
	memcpy(bytes, applier->bytes + applier->at, *ret);
	applier->at += *ret;
	return 0;
}

static inline const char *applier_path(const char *path)
{
	return *path ? path : ".";
}

/* Attributes go by a path that follows no link, as that of a link's own must. */
static inline int applier_xattr(struct applier *applier, const struct delta_command *c)
{
	char path[64 + DELTA_PATH_MAX];

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", applier->root, c->path);
	if (strncmp(c->name, "btrfs.", 6) == 0)
		return 0;
	return c->verb == DELTA_SET_XATTR ? lsetxattr(path, c->name, c->data, c->data_length, 0)
					  : lremovexattr(path, c->name);
}

static inline int applier_write(struct applier *applier, const struct delta_command *c)
{
	int fd = openat(applier->root, c->path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n = pwrite(fd, c->data, c->data_length, (off_t)c->offset);

	applier->written += c->data_length;
	close(fd);
	return n == (ssize_t)c->data_length ? 0 : -1;
}

/* From what was made already, or from the base. */
static inline int applier_clone(struct applier *applier, const struct delta_command *c)
{
	bool own = uuid_equal(&c->from_uuid, &applier->uuid);
	int from = openat(own ? applier->root : applier->base, c->to,
			  O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	int to = openat(applier->root, c->path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	char block[4096];
	size_t done = 0;
	ssize_t n = 1;

	applier->clones++;
	while (done < c->size && n > 0) {
		size_t want = c->size - done < sizeof(block) ? c->size - done : sizeof(block);

		n = pread(from, block, want, (off_t)(c->from_offset + done));
		n = n > 0 ? pwrite(to, block, (size_t)n, (off_t)(c->offset + done)) : n;
		done += n > 0 ? (size_t)n : 0;
	}
	close(from);
	close(to);
	return done == c->size ? 0 : -1;
}

static inline int applier_truncate(struct applier *applier, const struct delta_command *c)
{
	int fd = openat(applier->root, c->path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	int rc = ftruncate(fd, (off_t)c->size);

	close(fd);
	return rc;
}

static inline int applier_do(struct applier *applier, const struct delta_command *c)
{
	const struct timespec times[2] = { c->atime, c->mtime };
	const int root = applier->root;
	const char *path = c->path ? applier_path(c->path) : NULL;

	switch (c->verb) {
	case DELTA_SUBVOL:
	case DELTA_SNAPSHOT:
		applier->uuid = c->uuid;
		return 0;
	case DELTA_MKFILE:
		return mknodat(root, path, S_IFREG | 0600, 0);
	case DELTA_MKDIR:
		return mkdirat(root, path, 0700);
	case DELTA_MKNOD:
		return mknodat(root, path, (mode_t)c->mode, (dev_t)c->device);
	case DELTA_MKFIFO:
		return mknodat(root, path, S_IFIFO | 0600, 0);
	case DELTA_MKSOCK:
		return mknodat(root, path, S_IFSOCK | 0600, 0);
	case DELTA_SYMLINK:
		return symlinkat(c->to, root, path);
	case DELTA_RENAME:
		return renameat(root, path, root, c->to);
	case DELTA_LINK:
		return linkat(root, c->to, root, path, 0);
	case DELTA_UNLINK:
		return unlinkat(root, path, 0);
	case DELTA_RMDIR:
		return unlinkat(root, path, AT_REMOVEDIR);
	case DELTA_SET_XATTR:
	case DELTA_REMOVE_XATTR:
		return applier_xattr(applier, c);
	case DELTA_WRITE:
		return applier_write(applier, c);
	case DELTA_CLONE:
		return applier_clone(applier, c);
	case DELTA_TRUNCATE:
		return applier_truncate(applier, c);
	case DELTA_CHMOD:
		return fchmodat(root, path, (mode_t)c->mode, 0);
	case DELTA_CHOWN:
		return fchownat(root, path, (uid_t)c->uid, (gid_t)c->gid, AT_SYMLINK_NOFOLLOW);
	case DELTA_UTIMES:
		return utimensat(root, path, times, AT_SYMLINK_NOFOLLOW);
	case DELTA_END:
		applier->ended = true;
		return 0;
	default:
		errno = ENOSYS;
		return -1;
	}
}

static inline void applier_note(struct applier *applier, const struct delta_command *c)
{
	if (delta_is_stable(c->verb))
		text_add_format(&applier->stable, "%s %s %s\n", delta_verb_name(c->verb),
				c->path ? c->path : "", c->to ? c->to : "");
}

/* `root` -1: only looks at it. */
static inline bool apply_delta(struct applier *applier)
{
	struct delta_reader *reader = delta_reader_new(applier_fill, applier);
	struct delta_command command;
	struct fl_error err = { 0 };
	bool good = true;

	while (good && !applier->ended) {
		good = delta_next(reader, &command, &err) == 0;
		if (!good) {
			printf("# after %zu bytes: %s\n", applier->at, err.text);
			break;
		}
		applier_note(applier, &command);
		applier->ended = command.verb == DELTA_END;
		if (applier->root >= 0 && applier_do(applier, &command) < 0) {
			printf("# %s '%s' '%s' %s: %s\n", delta_verb_name(command.verb),
			       command.path ? command.path : "", command.to ? command.to : "",
			       command.name ? command.name : "", strerror(errno));
			good = false;
		}
	}
	delta_reader_free(reader);
	return good;
}
