#include "tree/pax.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/utf8.h"
#include "tree/acl.h"

/*
 * Names and values are bytes.  `hdrcharset=BINARY` says so where a reader could make
 * other bytes of a name: one that is no UTF-8, or that libarchive would compose (an
 * accent of its own behind its letter).  Only there, for GNU tar does not know
 * the record and warns, though it takes the bytes all the same.  Holes are GNU tar's
 * sparse format 1.0: the map is text in front of the data, the real name and size are
 * records.
 */

struct header {
	char name[100];
	char mode[8];
	char uid[8];
	char gid[8];
	char size[12];
	char mtime[12];
	char checksum[8];
	char type;
	char target[100];
	char magic[6];
	char version[2];
	char user[32];
	char group[32];
	char major[8];
	char minor[8];
	char prefix[155];
	char unused[12];
};

_Static_assert(sizeof(struct header) == PAX_BLOCK, "a tar header is one block");

/* "LENGTH KEY=VALUE\n", where LENGTH counts its own digits too. */
static void add_record(struct text *records, const char *key, const void *value, size_t size)
{
	size_t rest = strlen(key) + size + 3; /* " ", "=", "\n" */
	size_t length = rest + 1;
	size_t before;

	do {
		before = length;
		length = rest + (size_t)snprintf(NULL, 0, "%zu", before);
	} while (length != before);
	text_add_format(records, "%zu %s=", length, key);
	text_add(records, value, size);
	text_add(records, "\n", 1);
}

static void add_number(struct text *records, const char *key, uint64_t value)
{
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%" PRIu64, value);

	add_record(records, key, digits, (size_t)length);
}

/* Octal digits and a NUL.  Returns false when it does not fit; then the field is all zeros. */
static bool put_octal(char *field, size_t size, uint64_t value)
{
	bool fits = value >> (3 * (size - 1)) == 0;

	if (!fits)
		value = 0;
	field[size - 1] = '\0';
	for (size_t i = size - 1; i > 0; i--, value >>= 3)
		field[i - 1] = (char)('0' + (value & 7));
	return fits;
}

/* What does not fit (libarchive and GNU tar read the record first) is cut here. */
static bool put_name(char *field, size_t size, const char *name)
{
	size_t length = strlen(name);

	memcpy(field, name, length < size ? length : size);
	return length <= size;
}

/*
 * Is it the same to each reader?  The letters in which most names are written, all
 * of them composed and none that joins what stands before it (Unicode's NFC_QC=Yes,
 * ccc=0); what is left out here costs a warning, no more.
 */
static bool is_plain(uint32_t point)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{ 0x0, 0x2ff },	      /* Latin */
		{ 0x388, 0x482 },     /* Greek, Cyrillic */
		{ 0x3041, 0x3096 },   /* Hiragana */
		{ 0x30a1, 0x30fa },   /* Katakana */
		{ 0x4e00, 0x9fff },   /* Han */
		{ 0xac00, 0xd7a3 },   /* Hangul */
		{ 0x1f300, 0x1faff }, /* pictures */
	};

	for (size_t i = 0; i < array_size(ranges); i++)
		if (point >= ranges[i].first && point <= ranges[i].last)
			return true;
	return false;
}

static bool has_plain_name(const char *name)
{
	size_t n;

	for (; name && *name; name += n) {
		n = utf8_length(name);
		if (n == 0 || !is_plain(utf8_code_point(name, n)))
			return false;
	}
	return true;
}

static bool is_ascii(const char *name)
{
	for (; name && *name; name++) {
		if ((unsigned char)*name >= 0x80)
			return false;
	}
	return true;
}

static void add_time(struct text *records, const struct timespec *time)
{
	char digits[48];
	int64_t seconds = time->tv_sec;
	long fraction = time->tv_nsec;
	const char *sign = "";
	int length;

	/*
	 * The fraction of a time before 1970 counts away from zero in this notation, as POSIX has
	 * it (and times.c reads it; some versions of libarchive take it the other way).
	 */
	if (seconds < 0 && fraction > 0) {
		seconds++;
		fraction = 1000000000 - fraction;
		sign = seconds == 0 ? "-" : "";
	}
	length = snprintf(digits, sizeof(digits), "%s%" PRId64 ".%09ld", sign, seconds, fraction);
	add_record(records, "mtime", digits, (size_t)length);
}

static int add_attribute(struct text *records, const struct xattr *x, struct fl_error *err)
{
	own_text struct text value = { 0 };
	char key[300];
	bool access = strcmp(x->name, ACL_ACCESS) == 0;

	if (access || strcmp(x->name, ACL_DEFAULT) == 0) {
		if (acl_to_text(x, &value, err) < 0)
			return fl_failed(err);
		add_record(records, access ? "SCHILY.acl.access" : "SCHILY.acl.default",
			   text_get(&value), value.length);
		return 0;
	}
	if (strchr(x->name, '=')) {
		fl_fail(err, FL_UNSUPPORTED, "the name of its attribute '%.100s' has a '='",
			x->name);
		return fl_hint(err, "tar cannot say that; take the attribute away: setfattr -x");
	}
	snprintf(key, sizeof(key), "SCHILY.xattr.%s", x->name);
	add_record(records, key, x->value, x->size);
	return 0;
}

static void add_sparse(struct text *records, const struct pax_entry *entry)
{
	add_record(records, "GNU.sparse.major", "1", 1);
	add_record(records, "GNU.sparse.minor", "0", 1);
	add_record(records, "GNU.sparse.name", entry->path, strlen(entry->path));
	add_number(records, "GNU.sparse.realsize", entry->real_size);
}

static void finish_header(struct header *header)
{
	const unsigned char *bytes = (const unsigned char *)header;
	unsigned sum = 0;

	memcpy(header->magic, "ustar", 6);
	memcpy(header->version, "00", 2);
	memset(header->checksum, ' ', sizeof(header->checksum));
	for (size_t i = 0; i < sizeof(*header); i++)
		sum += bytes[i];
	put_octal(header->checksum, 7, sum);
}

static void fill_names(struct header *header, const struct pax_entry *entry, struct text *records)
{
	bool fits = put_name(header->name, sizeof(header->name), entry->path);

	if (!has_plain_name(entry->path) || !has_plain_name(entry->target))
		add_record(records, "hdrcharset", "BINARY", 6);
	if (entry->sparse)
		add_sparse(records, entry);
	else if (!fits || !is_ascii(entry->path))
		add_record(records, "path", entry->path, strlen(entry->path));
	if (entry->target && (!put_name(header->target, sizeof(header->target), entry->target) ||
			      !is_ascii(entry->target)))
		add_record(records, "linkpath", entry->target, strlen(entry->target));
}

static void fill_numbers(struct header *header, const struct pax_entry *entry, struct text *records)
{
	const struct attrs *attrs = entry->attrs;
	int64_t seconds = attrs->mtime.tv_sec;

	put_octal(header->mode, sizeof(header->mode), attrs->mode & 07777);
	if (!put_octal(header->uid, sizeof(header->uid), attrs->uid))
		add_number(records, "uid", attrs->uid);
	if (!put_octal(header->gid, sizeof(header->gid), attrs->gid))
		add_number(records, "gid", attrs->gid);
	if (!put_octal(header->size, sizeof(header->size), entry->size))
		add_number(records, "size", entry->size);
	if (!put_octal(header->mtime, sizeof(header->mtime), seconds < 0 ? 0 : (uint64_t)seconds) ||
	    seconds < 0 || attrs->mtime.tv_nsec > 0)
		add_time(records, &attrs->mtime);
	put_octal(header->major, sizeof(header->major), major(entry->device));
	put_octal(header->minor, sizeof(header->minor), minor(entry->device));
}

static void add_extended(struct text *ret, const struct text *records)
{
	struct header header = { .name = "PaxHeader/entry", .type = 'x' };

	put_octal(header.mode, sizeof(header.mode), 0644);
	put_octal(header.uid, sizeof(header.uid), 0);
	put_octal(header.gid, sizeof(header.gid), 0);
	put_octal(header.size, sizeof(header.size), records->length);
	put_octal(header.mtime, sizeof(header.mtime), 0);
	finish_header(&header);
	text_add(ret, (const char *)&header, sizeof(header));
	text_add(ret, text_get(records), records->length);
	text_add(ret, (const char[PAX_BLOCK]){ 0 }, pax_padding(records->length));
}

int pax_header(const struct pax_entry *entry, struct text *ret, struct fl_error *err)
{
	own_text struct text records = { 0 };
	struct header header = { .type = entry->type };
	struct xattr x;
	size_t at = 0;

	fill_names(&header, entry, &records);
	fill_numbers(&header, entry, &records);
	while (xattrs_next(&entry->attrs->xattrs, &at, &x)) {
		if (add_attribute(&records, &x, err) < 0)
			return fl_failed(err);
	}
	finish_header(&header);
	text_clear(ret);
	if (records.length > 0)
		add_extended(ret, &records);
	text_add(ret, (const char *)&header, sizeof(header));
	return 0;
}
