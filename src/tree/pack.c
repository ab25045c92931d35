#include "tree/verbs.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "tree/attrs.h"
#include "tree/links.h"
#include "tree/output.h"
#include "tree/pax.h"
#include "tree/place.h"
#include "tree/walk.h"

/*
 * Packing: the tree is read (it is a snapshot, so it stands still), and each
 * entry written as it is met.  The root is the entry "./".  The first name of a
 * file carries the contents, further ones are hard links to it.  Sockets are
 * left out: tar has no word for them.
 *
 * The map of a file's holes has to stand before its data, so it is made first,
 * in memory; after MAP_LIMIT pieces the rest counts as one piece, and holes in
 * there are written as zeros.
 */

#define OUTPUT_FD 1
#define MAP_LIMIT 65536
#define BUFFER (256 * 1024)

struct piece {
	off_t from;
	off_t to;
};

struct pack {
	struct report *report;
	struct output output;
	struct links links;
	struct text header;
	struct text path;
	struct text map; /* as it stands in the archive */
	struct piece *pieces;
	size_t count;
};

static void pack_done(struct pack *pack)
{
	output_done(&pack->output);
	links_done(&pack->links);
	text_done(&pack->header);
	text_done(&pack->path);
	text_done(&pack->map);
	free(pack->pieces);
}

static int find_pieces(struct pack *pack, const struct walk_entry *entry, struct fl_error *err)
{
	off_t at = 0, end;
	int rc = 0;

	pack->count = 0;
	while (pack->count < MAP_LIMIT &&
	       (rc = walk_data(entry->fd, entry->st.st_size, &at, &end, err)) > 0) {
		pack->pieces[pack->count++] = (struct piece){ at, end };
		at = end;
	}
	if (rc < 0)
		return fl_failed(err);
	if (pack->count == MAP_LIMIT)
		pack->pieces[MAP_LIMIT - 1].to = entry->st.st_size;
	return 0;
}

static bool is_sparse(const struct pack *pack, off_t size)
{
	return pack->count != 1 ? size > 0 : pack->pieces[0].from > 0 || pack->pieces[0].to < size;
}

/* The map of GNU tar 1.0; the last, empty piece says where the file ends.  Whole blocks. */
static void write_map(struct pack *pack, off_t size)
{
	text_clear(&pack->map);
	text_add_format(&pack->map, "%zu\n", pack->count + 1);
	for (size_t i = 0; i < pack->count; i++)
		text_add_format(&pack->map, "%" PRId64 "\n%" PRId64 "\n",
				(int64_t)pack->pieces[i].from,
				(int64_t)(pack->pieces[i].to - pack->pieces[i].from));
	text_add_format(&pack->map, "%" PRId64 "\n0\n", (int64_t)size);
	text_add(&pack->map, (const char[PAX_BLOCK]){ 0 }, pax_padding(pack->map.length));
}

static int put(struct pack *pack, const struct pax_entry *entry, struct fl_error *err)
{
	if (pax_header(entry, &pack->header, err) < 0)
		return fl_failed(err);
	return output_write(&pack->output, text_get(&pack->header), pack->header.length, err);
}

static int put_piece(struct pack *pack, int fd, const struct piece *piece, struct fl_error *err)
{
	static char buffer[BUFFER];

	for (off_t at = piece->from; at < piece->to;) {
		off_t left = piece->to - at;
		ssize_t n = TEMP_FAILURE_RETRY(
			pread(fd, buffer, left < BUFFER ? (size_t)left : BUFFER, at));

		if (n < 0)
			return fl_fail_errno(err, "cannot read its contents");
		if (n == 0)
			return fl_fail(err, FL_BUSY, "it became shorter while it was read");
		if (output_write(&pack->output, buffer, (size_t)n, err) < 0)
			return fl_failed(err);
		report_bytes(pack->report, (uint64_t)n);
		at += n;
	}
	return 0;
}

static int put_contents(struct pack *pack, int fd, uint64_t size, struct fl_error *err)
{
	static const char zeros[PAX_BLOCK];

	for (size_t i = 0; i < pack->count; i++) {
		if (put_piece(pack, fd, &pack->pieces[i], err) < 0)
			return fl_failed(err);
	}
	return output_write(&pack->output, zeros, pax_padding(size), err);
}

static int pack_file(struct pack *pack, const struct walk_entry *entry, struct pax_entry *pax,
		     struct fl_error *err)
{
	if (find_pieces(pack, entry, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < pack->count; i++)
		pax->size += (uint64_t)(pack->pieces[i].to - pack->pieces[i].from);
	if (!is_sparse(pack, entry->st.st_size)) {
		if (put(pack, pax, err) < 0)
			return fl_failed(err);
		return put_contents(pack, entry->fd, pax->size, err);
	}
	write_map(pack, entry->st.st_size);
	pax->sparse = &pack->map;
	pax->real_size = (uint64_t)entry->st.st_size;
	pax->size += pack->map.length;
	if (put(pack, pax, err) < 0 ||
	    output_write(&pack->output, text_get(&pack->map), pack->map.length, err) < 0)
		return fl_failed(err);
	return put_contents(pack, entry->fd, pax->size, err);
}

static int pack_symlink(struct pack *pack, const struct walk_entry *entry, struct pax_entry *pax,
			struct fl_error *err)
{
	char target[PATH_MAX];

	if (walk_target(entry, target, err) < 0)
		return fl_failed(err);
	pax->target = target;
	return put(pack, pax, err);
}

static int pack_plain(struct pack *pack, const struct walk_entry *entry, struct pax_entry *pax,
		      struct fl_error *err)
{
	if (S_ISBLK(entry->st.st_mode) || S_ISCHR(entry->st.st_mode))
		pax->device = entry->st.st_rdev;
	return put(pack, pax, err);
}

static const struct kind {
	mode_t mode;
	char type;
	int (*pack)(struct pack *pack, const struct walk_entry *entry, struct pax_entry *pax,
		    struct fl_error *err);
} kinds[] = {
	{ S_IFREG, '0', pack_file },  { S_IFDIR, '5', pack_plain }, { S_IFLNK, '2', pack_symlink },
	{ S_IFIFO, '6', pack_plain }, { S_IFCHR, '3', pack_plain }, { S_IFBLK, '4', pack_plain },
};

static int pack_first(struct pack *pack, const struct walk_entry *entry, struct pax_entry *pax,
		      struct fl_error *err)
{
	for (size_t i = 0; i < array_size(kinds); i++) {
		if ((entry->st.st_mode & S_IFMT) != kinds[i].mode)
			continue;
		pax->type = kinds[i].type;
		return kinds[i].pack(pack, entry, pax, err);
	}
	return fl_fail(err, FL_UNSUPPORTED, "it is of a kind that tar has no word for");
}

static int pack_any(struct pack *pack, const struct walk_entry *entry, struct fl_error *err)
{
	own_attrs struct attrs attrs = { 0 };
	own_free char *first = NULL;
	struct pax_entry pax = { .attrs = &attrs };

	if (attrs_read(entry->dir, entry->name, entry->fd, &entry->st, &attrs, err) < 0)
		return fl_failed(err);
	text_clear(&pack->path);
	text_add_format(&pack->path, "./%s", entry->path);
	if (S_ISDIR(entry->st.st_mode) && *entry->path)
		text_add(&pack->path, "/", 1);
	pax.path = text_get(&pack->path);
	if (!S_ISDIR(entry->st.st_mode))
		first = links_meet(&pack->links, entry, pax.path);
	if (!first)
		return pack_first(pack, entry, &pax, err);
	text_clear(&attrs.xattrs); /* they came with the first name */
	pax.type = '1';
	pax.target = first;
	return put(pack, &pax, err);
}

static int pack_entry(void *arg, const struct walk_entry *entry, struct fl_error *err)
{
	struct pack *pack = arg;

	if (S_ISSOCK(entry->st.st_mode))
		return 0;
	if (pack_any(pack, entry, err) < 0)
		return err->code == FL_UNREACHABLE
			       ? fl_failed(err)
			       : fl_wrap(err, "packing '%.200s'", *entry->path ? entry->path : "/");
	report_entry(pack->report);
	return 0;
}

int tree_pack(const struct options *options, struct report *report, struct fl_error *err)
{
	static const struct walk_verbs verbs = { pack_entry, NULL };
	static const char end[2 * PAX_BLOCK];
	own(pack_done) struct pack pack = { .report = report };

	pack.pieces = xcalloc(MAP_LIMIT, sizeof(*pack.pieces));
	if (output_open(&pack.output, OUTPUT_FD, options->zstd, err) < 0 ||
	    walk(PLACE_ROOT_FD, &verbs, &pack, err) < 0 ||
	    output_write(&pack.output, end, sizeof(end), err) < 0)
		return fl_failed(err);
	return output_close(&pack.output, err);
}
