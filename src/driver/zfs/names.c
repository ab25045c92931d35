#include "driver/zfs/names.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HIDDEN "hidden"
#define ID_DIGITS 16

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

/* --- labels --------------------------------------------------------------------- */

char *label_format(const struct label *label, char text[static LABEL_TEXT])
{
	char name[TREE_TEXT], operation[UUID_TEXT];

	if (label->hidden)
		snprintf(text, LABEL_TEXT, HIDDEN);
	else
		snprintf(text, LABEL_TEXT, "%s%s%s", tree_format(&label->tree, name),
			 label->replaces ? "+" : "",
			 label->replaces ? uuid_format(&label->operation, operation) : "");
	return text;
}

static bool parse_uuid(const char *text, size_t length, struct uuid *ret)
{
	struct fl_error ignored;
	char copy[UUID_TEXT];

	if (length != sizeof(copy) - 1)
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	return uuid_parse(copy, ret, &ignored) == 0;
}

static bool parse_snapshot(const char *text, struct tree *tree)
{
	const char *slash = strchr(text, '/');
	struct fl_error ignored;

	return slash && parse_uuid(text, (size_t)(slash - text), &tree->uuid) &&
	       snapname_parse(slash + 1, &tree->snapshot, &ignored) == 0;
}

static bool parse_head(const char *text, struct label *label)
{
	const char *plus = strchr(text, '+');
	size_t length = plus ? (size_t)(plus - text) : strlen(text);

	label->replaces = plus != NULL;
	if (plus && !parse_uuid(plus + 1, strlen(plus + 1), &label->operation))
		return false;
	return parse_uuid(text, length, &label->tree.uuid);
}

bool label_parse(const char *text, struct label *ret)
{
	static const char *const folders[] = {
		[TREE_HEAD] = "heads/",
		[TREE_SNAPSHOT] = "snaps/",
		[TREE_STAGING] = "staging/",
		[TREE_RETIRED] = "retired/",
	};
	struct label label = { .hidden = strcmp(text, HIDDEN) == 0 };
	bool good = label.hidden;
	char again[LABEL_TEXT];

	for (size_t kind = 0; kind < array_size(folders) && !good; kind++) {
		size_t length = strlen(folders[kind]);

		if (strncmp(text, folders[kind], length) != 0)
			continue;
		label.tree.kind = (enum tree_kind)kind;
		if (kind == TREE_HEAD)
			good = parse_head(text + length, &label);
		else if (kind == TREE_SNAPSHOT)
			good = parse_snapshot(text + length, &label.tree);
		else
			good = parse_uuid(text + length, strlen(text + length), &label.tree.uuid);
		break;
	}
	if (!good || strcmp(label_format(&label, again), text) != 0)
		return false;
	*ret = label;
	return true;
}

char *account_format(const struct account_name *account, char text[static ACCOUNT_TEXT])
{
	char uuid[UUID_TEXT];

	snprintf(text, ACCOUNT_TEXT, "%s/%s",
		 account->account == ACCOUNT_GROUP ? "groups" : "branches",
		 uuid_format(&account->uuid, uuid));
	return text;
}

bool account_parse(const char *text, struct account_name *ret)
{
	const char *slash = strchr(text, '/');
	struct account_name account = {
		.account = text[0] == 'g' ? ACCOUNT_GROUP : ACCOUNT_BRANCH,
	};
	char again[ACCOUNT_TEXT];

	if (!slash || !parse_uuid(slash + 1, strlen(slash + 1), &account.uuid) ||
	    strcmp(account_format(&account, again), text) != 0)
		return false;
	*ret = account;
	return true;
}

/* --- names ------------------------------------------------------------------------ */

uint64_t zfs_new_id(void)
{
	struct uuid uuid = uuid_new();
	uint64_t id;

	memcpy(&id, uuid.bytes + 8, sizeof(id));
	return (id & INT64_MAX) | 1;
}

char *component_format(const struct tree *tree, uint64_t id, char text[static COMPONENT_TEXT])
{
	char name[SNAPNAME_TEXT];

	if (tree->kind == TREE_SNAPSHOT)
		snapname_format(&tree->snapshot, name);
	else
		uuid_format(&tree->uuid, name);
	snprintf(text, COMPONENT_TEXT, "%s.%016" PRIx64, name, id);
	return text;
}

bool component_id(const char *name, uint64_t *ret)
{
	const char *dot = strrchr(name, '.');

	if (!dot || strlen(dot + 1) != ID_DIGITS ||
	    strspn(dot + 1, "0123456789abcdef") != ID_DIGITS)
		return false;
	*ret = strtoull(dot + 1, NULL, 16);
	return *ret != 0 && *ret <= INT64_MAX;
}

uint64_t group_id(const struct uuid *group)
{
	uint64_t id = 0;

	for (int i = 8; i < 16; i++)
		id = id << 8 | group->bytes[i];
	return (id & INT64_MAX) | 1;
}

char *group_format(uint64_t id, char text[static GROUP_TEXT])
{
	snprintf(text, GROUP_TEXT, "v.%016" PRIx64, id);
	return text;
}

int dataset_check(const char *name, struct fl_error *err)
{
	static const char named[] = LETTERS "-_.:";
	const char *part = name;

	if (strlen(name) > DATASET_LENGTH)
		return fl_fail(err, FL_INVALID,
			       "the name of the ZFS dataset '%.40s...' is too long", name);
	for (;; part++) {
		size_t length = strcspn(part, "/");

		if (length == 0 || !strchr(LETTERS, part[0]))
			break;
		if (strspn(part, named) < length)
			break;
		part += length;
		if (*part == '\0')
			return 0;
	}
	fl_fail(err, FL_INVALID, "'%.80s' is no name of a ZFS dataset", name);
	return fl_hint(err, "it is POOL or POOL/DATASET: letters, digits, and any of '-_.:'");
}

/* --- properties --------------------------------------------------------------------- */

static bool is_plain(char c)
{
	return c != '\0' && strchr(LETTERS "-._:/", c);
}

void property_encode(const char *bytes, size_t length, struct text *out)
{
	for (size_t i = 0; i < length; i++) {
		if (is_plain(bytes[i]))
			text_add(out, &bytes[i], 1);
		else
			text_add_format(out, "%%%02X", (unsigned char)bytes[i]);
	}
}

bool property_decode(const char *text, struct text *out)
{
	static const char digits[] = "0123456789ABCDEF";

	for (; *text; text++) {
		const char *high, *low;
		char byte = *text;

		if (*text == '%') {
			high = text[1] ? strchr(digits, text[1]) : NULL;
			low = high && text[2] ? strchr(digits, text[2]) : NULL;
			if (!low)
				return false;
			byte = (char)((high - digits) * 16 + (low - digits));
			if (is_plain(byte))
				return false;
			text += 2;
		} else if (!is_plain(byte)) {
			return false;
		}
		text_add(out, &byte, 1);
	}
	return true;
}

static bool cut_line(char *line, struct get_line *ret)
{
	char *property = strchr(line, '\t');
	char *value = property ? strchr(property + 1, '\t') : NULL;
	char *source = value ? strrchr(value + 1, '\t') : NULL;

	if (!source)
		return false;
	*property = *value = *source = '\0';
	*ret = (struct get_line){ line, property + 1, value + 1, source + 1 };
	return true;
}

bool get_line_next(char **rest, struct get_line *ret)
{
	char *line;

	while ((line = strsep(rest, "\n")))
		if (cut_line(line, ret))
			return true;
	return false;
}
