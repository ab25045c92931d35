#include "tree/digest.h"

#include <endian.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "tree/attrs.h"
#include "tree/links.h"
#include "tree/place.h"
#include "tree/verbs.h"
#include "tree/walk.h"

struct digest {
	struct sha256_ctx sha;
	struct links links;
	struct report *report;
	uint32_t grain;
};

static void digest_done(struct digest *digest)
{
	links_done(&digest->links);
}

static void add_number(struct digest *digest, uint64_t number)
{
	number = htole64(number);
	sha256_update(&digest->sha, sizeof(number), (const uint8_t *)&number);
}

static void add_string(struct digest *digest, const void *bytes, size_t length)
{
	add_number(digest, length);
	sha256_update(&digest->sha, length, bytes);
}

static char type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return 'f';
	case S_IFDIR:
		return 'd';
	case S_IFLNK:
		return 'l';
	case S_IFIFO:
		return 'p';
	case S_IFSOCK:
		return 's';
	default:
		return S_ISCHR(mode) ? 'c' : 'b';
	}
}

/* --- extended attributes ----------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct xattr *)a)->name, ((const struct xattr *)b)->name);
}

static void add_xattrs(struct digest *digest, const struct text *xattrs)
{
	own_free struct xattr *sorted = NULL;
	size_t count = 0, at = 0;
	struct xattr x;

	while (xattrs_next(xattrs, &at, &x))
		*array_add(sorted, count) = x;
	array_sort(sorted, count, by_name);
	add_number(digest, count);
	for (size_t i = 0; i < count; i++) {
		add_string(digest, sorted[i].name, strlen(sorted[i].name));
		add_string(digest, sorted[i].value, sorted[i].size);
	}
}

/* --- contents ------------------------------------------------------------------------ */

static bool is_zero(const char *bytes, size_t length)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

static int changed(struct fl_error *err)
{
	fl_fail(err, FL_BUSY, "it became shorter while it was read");
	return fl_hint(err, "compare snapshots of it");
}

static int read_piece(int fd, char *bytes, size_t length, off_t at, struct fl_error *err)
{
	for (size_t done = 0; done < length;) {
		ssize_t n = TEMP_FAILURE_RETRY(
			pread(fd, bytes + done, length - done, at + (off_t)done));

		if (n < 0)
			return fl_fail_errno(err, "cannot read it");
		if (n == 0)
			return changed(err);
		done += (size_t)n;
	}
	return 0;
}

static int add_piece(struct digest *digest, const struct walk_entry *entry, off_t at,
		     struct fl_error *err)
{
	static char piece[DIGEST_PIECE];
	off_t left = entry->st.st_size - at;
	size_t length = left < DIGEST_PIECE ? (size_t)left : DIGEST_PIECE;

	if (read_piece(entry->fd, piece, length, at, err) < 0)
		return fl_failed(err);
	report_bytes(digest->report, length);
	if (is_zero(piece, length))
		return 0;
	add_number(digest, (uint64_t)at);
	add_string(digest, piece, length);
	return 0;
}

/* A piece that lies in a hole as a whole is not read. */
static int add_contents(struct digest *digest, const struct walk_entry *entry, struct fl_error *err)
{
	off_t at = 0, data = 0, end;
	int rc;

	add_number(digest, (uint64_t)entry->st.st_size);
	(void)posix_fadvise(entry->fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* no more than a wish */
	while ((rc = walk_data(entry->fd, entry->st.st_size, &data, &end, err)) > 0) {
		if (at < data - data % DIGEST_PIECE)
			at = data - data % DIGEST_PIECE;
		for (; at < end; at += DIGEST_PIECE) {
			if (add_piece(digest, entry, at, err) < 0)
				return fl_failed(err);
		}
		data = end;
	}
	add_number(digest, UINT64_MAX);
	return rc;
}

/* --- entries ---------------------------------------------------------------------------- */

static int add_target(struct digest *digest, const struct walk_entry *entry, struct fl_error *err)
{
	char target[PATH_MAX];

	if (walk_target(entry, target, err) < 0)
		return fl_failed(err);
	add_string(digest, target, strlen(target));
	return 0;
}

static int add_attributes(struct digest *digest, const struct walk_entry *entry,
			  struct fl_error *err)
{
	own_attrs struct attrs attrs = { 0 };
	mode_t mode = entry->st.st_mode;

	if (attrs_read(entry->dir, entry->name, entry->fd, &entry->st, &attrs, err) < 0)
		return fl_failed(err);
	add_number(digest, mode & 07777);
	add_number(digest, attrs.uid);
	add_number(digest, attrs.gid);
	add_number(digest, (uint64_t)attrs.mtime.tv_sec);
	add_number(digest, (uint64_t)(attrs.mtime.tv_nsec - attrs.mtime.tv_nsec % digest->grain));
	if (S_ISLNK(mode) && add_target(digest, entry, err) < 0)
		return fl_failed(err);
	if (S_ISCHR(mode) || S_ISBLK(mode)) {
		add_number(digest, major(entry->st.st_rdev));
		add_number(digest, minor(entry->st.st_rdev));
	}
	add_xattrs(digest, &attrs.xattrs);
	return 0;
}

static int add_entry(struct digest *digest, const struct walk_entry *entry, struct fl_error *err)
{
	own_free char *first = NULL;
	char type = type_of(entry->st.st_mode);

	if (type != 'd')
		first = links_meet(&digest->links, entry, entry->path);
	sha256_update(&digest->sha, 1, (const uint8_t *)(first ? "h" : &type));
	add_string(digest, entry->path, strlen(entry->path));
	if (first) {
		add_string(digest, first, strlen(first));
		return 0;
	}
	if (add_attributes(digest, entry, err) < 0)
		return fl_failed(err);
	return type == 'f' ? add_contents(digest, entry, err) : 0;
}

static int each(void *arg, const struct walk_entry *entry, struct fl_error *err)
{
	struct digest *digest = arg;

	if (add_entry(digest, entry, err) < 0)
		return fl_wrap(err, "reading '%.200s'", *entry->path ? entry->path : "/");
	report_entry(digest->report);
	return 0;
}

int digest_tree(int root, uint32_t grain, struct report *report, uint8_t ret[static DIGEST_SIZE],
		struct fl_error *err)
{
	static const struct walk_verbs verbs = { .entry = each, .sorted = true };
	own(digest_done) struct digest digest = { .report = report, .grain = grain };

	sha256_init(&digest.sha);
	if (walk(root, &verbs, &digest, err) < 0)
		return fl_failed(err);
	sha256_digest(&digest.sha, DIGEST_SIZE, ret);
	return 0;
}

int tree_digest(const struct options *options, struct report *report, struct fl_error *err)
{
	uint8_t digest[DIGEST_SIZE];

	if (digest_tree(PLACE_ROOT_FD, options->grain, report, digest, err) < 0)
		return fl_failed(err);
	return report_digest(digest, sizeof(digest), err);
}
