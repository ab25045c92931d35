#define FUSE_USE_VERSION 35

#include "serve.h"

#include <fcntl.h>
#include <fuse.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "log.h"

/*
 * The file system has one directory with the disks in it, whose size never changes.
 * Somebody puts a loop device with direct I/O over such a file, or gives it
 * to a file system that keeps its pool in files; what reaches us is then what a disk
 * would see: writes, and flushes as fsync().  A write with FUA comes as a write and an
 * fsync().  Discarding and zeroing come as fallocate().
 *
 * One thread takes one request at a time: the order of the log is the order in which
 * the requests were answered, and a request is in the log before its answer is on
 * its way.  So what somebody was told at position p is covered by the records
 * before p.
 *
 * The image below is changed at once, and never synced: the log alone knows what of it a
 * power cut would leave.
 *
 * Trouble is asked for by extended attributes of any disk: user.fail N makes the N-th write
 * from now (0: the next) to that disk, and each write and flush to it after that, fail with
 * EIO; what failed is not written.  user.delay "N MS" makes the same answers come that much later.
 */

#define DISKS 8
#define NEVER UINT64_MAX

struct disk {
	char name[256];
	int fd;
	off_t size;
	uint64_t writes; /* so far */
	uint64_t fail;	 /* from this write on; or NEVER */
	uint64_t delay;	 /* from this write on; or NEVER */
	long delay_ms;
};

struct server {
	struct log_writer log;
	struct disk disks[DISKS];
	unsigned count;
};

static struct server *server_get(void)
{
	return fuse_get_context()->private_data;
}

static struct disk *find(const char *path)
{
	struct server *server = server_get();

	for (unsigned i = 0; i < server->count; i++)
		if (strcmp(path + 1, server->disks[i].name) == 0)
			return &server->disks[i];
	return NULL;
}

static struct disk *opened(const struct fuse_file_info *info)
{
	return &server_get()->disks[info->fh];
}

/* --- looking ------------------------------------------------------------------------ */

static int on_getattr(const char *path, struct stat *st, struct fuse_file_info *info)
{
	const struct disk *disk = find(path);

	*st = (struct stat){ .st_mode = S_IFDIR | 0700, .st_nlink = 2 };
	if (strcmp(path, "/") == 0)
		return 0;
	if (!disk)
		return -ENOENT;
	*st = (struct stat){ .st_mode = S_IFREG | 0600,
			     .st_nlink = 1,
			     .st_size = disk->size,
			     /* reserved in full, as far as anyone can tell */
			     .st_blocks = disk->size / 512,
			     .st_blksize = 4096 };
	return 0;
}

static int on_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset,
		      struct fuse_file_info *info, enum fuse_readdir_flags flags)
{
	const struct server *server = server_get();

	fill(buffer, ".", NULL, 0, 0);
	fill(buffer, "..", NULL, 0, 0);
	for (unsigned i = 0; i < server->count; i++)
		fill(buffer, server->disks[i].name, NULL, 0, 0);
	return 0;
}

static int on_statfs(const char *path, struct statvfs *st)
{
	return fstatvfs(server_get()->disks[0].fd, st) < 0 ? -errno : 0;
}

static int on_open(const char *path, struct fuse_file_info *info)
{
	const struct disk *disk = find(path);

	if (!disk)
		return -ENOENT;
	info->fh = (uint64_t)(disk - server_get()->disks);
	/* The kernel keeps no copy: each write comes to us when it is made. */
	info->direct_io = 1;
	return 0;
}

static int on_read(const char *path, char *buffer, size_t length, off_t offset,
		   struct fuse_file_info *info)
{
	ssize_t n = pread(opened(info)->fd, buffer, length, offset);

	return n < 0 ? -errno : (int)n;
}

/* --- writing ------------------------------------------------------------------------- */

static void pause_for(long ms)
{
	const struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

/* What was asked for of trouble; `disk->writes` are done. */
static int suffer(const struct disk *disk)
{
	if (disk->writes >= disk->delay)
		pause_for(disk->delay_ms);
	return disk->writes >= disk->fail ? -EIO : 0;
}

static int add_to_log(const struct disk *disk, struct record record, const void *bytes)
{
	struct server *server = server_get();
	struct fl_error err;

	record.disk = (uint32_t)(disk - server->disks);
	if (log_add(&server->log, record, bytes, &err) == 0)
		return 0;
	/* A log with a gap would accuse the innocent: nothing goes on without it. */
	fprintf(stderr, "fault-disk: %s\n", err.text);
	exit(1);
}

static int flush_disk(const struct disk *disk)
{
	return add_to_log(disk, (struct record){ .kind = RECORD_FLUSH }, NULL);
}

static int on_write(const char *path, const char *bytes, size_t length, off_t offset,
		    struct fuse_file_info *info)
{
	struct disk *disk = opened(info);
	const struct record record = { .kind = RECORD_WRITE,
				       .offset = (uint64_t)offset,
				       .length = length };
	int rc = suffer(disk);

	disk->writes++;
	if (rc < 0)
		return rc;
	if (offset + (off_t)length > disk->size)
		return -ENOSPC;
	if (pwrite(disk->fd, bytes, length, offset) != (ssize_t)length)
		return -EIO;
	add_to_log(disk, record, bytes);
	if (info->flags & (O_DSYNC | O_SYNC))
		flush_disk(disk);
	return (int)length;
}

static int on_fsync(const char *path, int data_only, struct fuse_file_info *info)
{
	const struct disk *disk = opened(info);
	int rc = suffer(disk);

	return rc < 0 ? rc : flush_disk(disk);
}

/* Discarded or zeroed: both read as zeros after it. */
static int on_fallocate(const char *path, int mode, off_t offset, off_t length,
			struct fuse_file_info *info)
{
	struct disk *disk = opened(info);
	const struct record record = { .kind = RECORD_ZERO,
				       .offset = (uint64_t)offset,
				       .length = (uint64_t)length };
	int rc;

	if (!(mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)))
		return -EOPNOTSUPP;
	rc = suffer(disk);
	disk->writes++;
	if (rc < 0)
		return rc;
	if (fallocate(disk->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length) < 0)
		return -errno;
	return add_to_log(disk, record, NULL);
}

/* --- trouble ---------------------------------------------------------------------------- */

static int on_setxattr(const char *path, const char *name, const char *value, size_t size,
		       int flags)
{
	struct disk *disk = find(path);
	char text[64] = "";
	uint64_t from;
	long ms;

	if (!disk || size >= sizeof(text))
		return -EINVAL;
	memcpy(text, value, size);
	if (strcmp(name, "user.fail") == 0 && sscanf(text, "%" SCNu64, &from) == 1) {
		disk->fail = disk->writes + from;
		return 0;
	}
	if (strcmp(name, "user.delay") == 0 && sscanf(text, "%" SCNu64 " %ld", &from, &ms) == 2) {
		disk->delay = disk->writes + from;
		disk->delay_ms = ms;
		return 0;
	}
	return -EINVAL;
}

static int on_removexattr(const char *path, const char *name)
{
	struct disk *disk = find(path);

	if (disk && strcmp(name, "user.fail") == 0)
		disk->fail = NEVER;
	else if (disk && strcmp(name, "user.delay") == 0)
		disk->delay = NEVER;
	else
		return -ENODATA;
	return 0;
}

static const struct fuse_operations operations = {
	.getattr = on_getattr,
	.readdir = on_readdir,
	.statfs = on_statfs,
	.open = on_open,
	.read = on_read,
	.write = on_write,
	.fsync = on_fsync,
	.fallocate = on_fallocate,
	.setxattr = on_setxattr,
	.removexattr = on_removexattr,
};

/* --- serving ----------------------------------------------------------------------------- */

static int add_disk(struct server *server, const char *path, struct fl_error *err)
{
	struct disk *disk = &server->disks[server->count];
	const char *slash = strrchr(path, '/');
	struct stat st;

	*disk = (struct disk){ .fail = NEVER, .delay = NEVER };
	snprintf(disk->name, sizeof(disk->name), "%s", slash ? slash + 1 : path);
	disk->fd = open(path, O_RDWR | O_CLOEXEC);
	if (disk->fd < 0 || fstat(disk->fd, &st) < 0)
		return fl_fail_errno(err, "cannot open '%s'", path);
	disk->size = st.st_size;
	server->count++;
	return 0;
}

static int run(struct fuse *fuse, const char *point, struct fl_error *err)
{
	struct fuse_session *session = fuse_get_session(fuse);
	int rc;

	if (fuse_mount(fuse, point) < 0)
		return fl_fail(err, FL_SYSTEM, "cannot mount at '%s'", point);
	if (fuse_set_signal_handlers(session) < 0)
		rc = fl_fail(err, FL_SYSTEM, "cannot handle signals");
	else
		rc = fuse_loop(fuse) < 0 ? fl_fail(err, FL_SYSTEM, "serving ended") : 0;
	fuse_unmount(fuse);
	return rc;
}

int serve(const char *point, const char *log, char **images, unsigned count, struct fl_error *err)
{
	static struct server server; /* as long as the process: its descriptors are never closed */
	char *argv[] = { (char[]){ "fault-disk" }, (char[]){ "-ofsname=fault-disk" }, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(2, argv);
	struct fuse *fuse;
	int rc;

	if (count < 1 || count > DISKS)
		return fl_fail(err, FL_INVALID, "1 to %d disks, not %u", DISKS, count);
	for (unsigned i = 0; i < count; i++)
		if (add_disk(&server, images[i], err) < 0)
			return fl_failed(err);
	if (log_create(log, &server.log, err) < 0)
		return fl_failed(err);
	fuse = fuse_new(&args, &operations, sizeof(operations), &server);
	if (!fuse)
		return fl_fail(err, FL_SYSTEM, "cannot begin a file system");
	rc = run(fuse, point, err);
	fuse_destroy(fuse);
	return rc;
}
