#include "tree/acl.h"

#include <endian.h>
#include <inttypes.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdlib.h>
#include <string.h>

struct tag {
	int archive;
	uint16_t kernel;
	const char *name;
	bool has_id;
};

static const struct tag tags[] = {
	{ ARCHIVE_ENTRY_ACL_USER_OBJ, ACL_USER_OBJ, "user", false },
	{ ARCHIVE_ENTRY_ACL_USER, ACL_USER, "user", true },
	{ ARCHIVE_ENTRY_ACL_GROUP_OBJ, ACL_GROUP_OBJ, "group", false },
	{ ARCHIVE_ENTRY_ACL_GROUP, ACL_GROUP, "group", true },
	{ ARCHIVE_ENTRY_ACL_MASK, ACL_MASK, "mask", false },
	{ ARCHIVE_ENTRY_ACL_OTHER, ACL_OTHER, "other", false },
};

/* The kernel wants them by tag; its tags count up in the right order. */
static int compare_entries(const void *left, const void *right)
{
	const struct posix_acl_xattr_entry *a = left, *b = right;

	if (a->e_tag != b->e_tag)
		return le16toh(a->e_tag) < le16toh(b->e_tag) ? -1 : 1;
	return le32toh(a->e_id) < le32toh(b->e_id) ? -1 : le32toh(a->e_id) > le32toh(b->e_id);
}

static int fail_other_acl(struct fl_error *err)
{
	fl_fail(err, FL_UNSUPPORTED, "its ACL is none of POSIX");
	return fl_hint(err, "make the archive without ACLs: `tar --no-acls`");
}

static int take_entry(struct text *value, int tag, int perms, int64_t id, struct fl_error *err)
{
	for (size_t i = 0; i < array_size(tags); i++) {
		struct posix_acl_xattr_entry entry = { .e_tag = htole16(tags[i].kernel),
						       .e_perm = htole16((uint16_t)(perms & 7)) };

		if (tags[i].archive != tag)
			continue;
		if (tags[i].has_id && (id < 0 || id >= UINT32_MAX)) {
			fl_fail(err, FL_INVALID, "its ACL names a %s without a number",
				tags[i].name);
			return fl_hint(err, "make the archive so that it has the number too: "
					    "`tar --xattrs --acls` or `bsdtar`");
		}
		entry.e_id = htole32(tags[i].has_id ? (uint32_t)id : (uint32_t)ACL_UNDEFINED_ID);
		text_add(value, (const char *)&entry, sizeof(entry));
		return 0;
	}
	return fail_other_acl(err);
}

static bool has_attribute(const struct attrs *attrs, const char *name)
{
	struct xattr x;
	size_t at = 0;

	while (xattrs_next(&attrs->xattrs, &at, &x)) {
		if (strcmp(x.name, name) == 0)
			return true;
	}
	return false;
}

/*
 * GNU tar writes names where it finds some, with --numeric-owner too, and with
 * --xattrs also the attribute as it is: its numbers are the better source.
 */
static int add_list(struct archive_entry *entry, int wanted, const char *name, struct attrs *attrs,
		    struct fl_error *err)
{
	const struct posix_acl_xattr_header header = { .a_version =
							       htole32(POSIX_ACL_XATTR_VERSION) };
	own_text struct text value = { 0 };
	int type, perms, tag, id;
	const char *who;
	size_t count;

	if (archive_entry_acl_reset(entry, wanted) == 0 || has_attribute(attrs, name))
		return 0;
	text_add(&value, (const char *)&header, sizeof(header));
	while (archive_entry_acl_next(entry, wanted, &type, &perms, &tag, &id, &who) ==
	       ARCHIVE_OK) {
		if (take_entry(&value, tag, perms, id, err) < 0)
			return fl_failed(err);
	}
	count = (value.length - sizeof(header)) / sizeof(struct posix_acl_xattr_entry);
	qsort(value.bytes + sizeof(header), count, sizeof(struct posix_acl_xattr_entry),
	      compare_entries);
	xattrs_add(&attrs->xattrs, name, value.bytes, value.length);
	return 0;
}

int acl_from_entry(struct archive_entry *entry, struct attrs *attrs, struct fl_error *err)
{
	if (archive_entry_acl_types(entry) & ~ARCHIVE_ENTRY_ACL_TYPE_POSIX1E)
		return fail_other_acl(err);
	if (add_list(entry, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, ACL_ACCESS, attrs, err) < 0)
		return fl_failed(err);
	return add_list(entry, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, ACL_DEFAULT, attrs, err);
}

static const struct tag *find_kernel_tag(uint16_t kernel)
{
	for (size_t i = 0; i < array_size(tags); i++) {
		if (tags[i].kernel == kernel)
			return &tags[i];
	}
	return NULL;
}

int acl_to_text(const struct xattr *acl, struct text *ret, struct fl_error *err)
{
	struct posix_acl_xattr_entry entry;

	text_clear(ret);
	for (size_t at = sizeof(struct posix_acl_xattr_header); at + sizeof(entry) <= acl->size;
	     at += sizeof(entry)) {
		const struct tag *tag;
		unsigned perms;

		memcpy(&entry, acl->value + at, sizeof(entry));
		tag = find_kernel_tag(le16toh(entry.e_tag));
		perms = le16toh(entry.e_perm);
		if (!tag)
			return fl_fail(err, FL_CORRUPT, "its ACL cannot be read");
		text_add_format(ret, "%s%s:", ret->length ? "," : "", tag->name);
		if (tag->has_id)
			text_add_format(ret, "%" PRIu32, le32toh(entry.e_id));
		text_add_format(ret, ":%c%c%c", perms & ACL_READ ? 'r' : '-',
				perms & ACL_WRITE ? 'w' : '-', perms & ACL_EXECUTE ? 'x' : '-');
	}
	return 0;
}
