#include "base/xattrs.h"

#include <stdint.h>
#include <string.h>

#include "base/own.h"

struct sizes {
	uint32_t name; /* with its NUL */
	uint32_t value;
};

bool xattrs_keep(const char *name)
{
	static const char *const kept[] = { "user.", "trusted.", "security.",
					    "system.posix_acl_access", "system.posix_acl_default" };

	if (strncmp(name, "trusted.SGI_ACL_", strlen("trusted.SGI_ACL_")) == 0)
		return false; /* how XFS shows its ACLs a second time */
	for (size_t i = 0; i < array_size(kept); i++)
		if (strncmp(name, kept[i], strlen(kept[i])) == 0)
			return true;
	return false;
}

void xattrs_add(struct text *xattrs, const char *name, const void *value, size_t size)
{
	struct sizes sizes = { .name = (uint32_t)strlen(name) + 1, .value = (uint32_t)size };

	text_add(xattrs, (const char *)&sizes, sizeof(sizes));
	text_add(xattrs, name, sizes.name);
	text_add(xattrs, value, size);
}

bool xattrs_next(const struct text *xattrs, size_t *at, struct xattr *ret)
{
	struct sizes sizes;

	if (*at >= xattrs->length)
		return false;
	memcpy(&sizes, xattrs->bytes + *at, sizeof(sizes));
	ret->name = xattrs->bytes + *at + sizeof(sizes);
	ret->value = ret->name + sizes.name;
	ret->size = sizes.value;
	*at += sizeof(sizes) + sizes.name + sizes.value;
	return true;
}

static bool has(const struct text *xattrs, const struct xattr *wanted)
{
	struct xattr x;
	size_t at = 0;

	while (xattrs_next(xattrs, &at, &x))
		if (strcmp(x.name, wanted->name) == 0)
			return x.size == wanted->size &&
			       memcmp(x.value, wanted->value, x.size) == 0;
	return false;
}

/* Names are unique in a file, so as many bytes and nothing missing is the same. */
bool xattrs_equal(const struct text *a, const struct text *b)
{
	struct xattr x;
	size_t at = 0;

	if (a->length != b->length)
		return false;
	while (xattrs_next(a, &at, &x))
		if (!has(b, &x))
			return false;
	return true;
}
