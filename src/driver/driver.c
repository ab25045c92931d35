#include "driver/driver.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "driver/btrfs/btrfs.h"
#include "driver/dir/dir.h"
#include "driver/mem/mem.h"
#include "driver/portable.h"
#include "driver/zfs/zfs.h"

/* Those of storage_drivers[], and the memory driver of the tests. */
const struct driver *const drivers[] = { &btrfs_driver, &dir_driver, &zfs_driver, &mem_driver,
					 NULL };

const char *driver_choose(const struct pool_spec *spec)
{
	if (spec->kind == POOL_MEMORY)
		return mem_driver.name;
	if (spec->kind == POOL_DATASET)
		return zfs_driver.name;
	if (spec->kind == POOL_DIRECTORY && (dir_is_pool(spec) || !btrfs_suits(spec)))
		return dir_driver.name;
	return btrfs_driver.name;
}

int driver_find(const char *name, const struct driver **ret, struct fl_error *err)
{
	own_text struct text known = { 0 };

	for (const struct driver *const *d = drivers; *d; d++)
		if (strcmp((*d)->name, name) == 0) {
			if (driver_check(*d, err) < 0)
				return fl_failed(err);
			*ret = *d;
			return 0;
		}
	for (const struct storage_driver *s = storage_drivers; s->name; s++)
		text_add_format(&known, "%s%s", known.length ? ", " : "", s->name);
	fl_fail(err, FL_INVALID, "there is no storage driver '%.40s'", name);
	return fl_hint(err, "drivers: %s", text_get(&known));
}

/* Every entry, with the capability that it belongs to; 0: every driver has it. */
static const struct entry {
	const char *name;
	size_t offset;
	unsigned capability;
} entries[] = {
#define ENTRY(name, capability)                                  \
	{                                                        \
#name, offsetof(struct driver, name), capability \
	}
	ENTRY(create, 0),
	ENTRY(open, 0),
	ENTRY(close, 0),
	ENTRY(identify, 0),
	ENTRY(stats, 0),
	ENTRY(grow, DRIVER_CAN_GROW),
	ENTRY(sync, 0),
	ENTRY(set_read_only, 0),
	ENTRY(expose, DRIVER_CAN_EXPOSE),
	ENTRY(conceal, DRIVER_CAN_EXPOSE),
	ENTRY(locate, DRIVER_CAN_EXPOSE),
	ENTRY(reveal, DRIVER_MUST_REVEAL),
	ENTRY(head_create, 0),
	ENTRY(head_clone, 0),
	ENTRY(head_swap, 0),
	ENTRY(head_retire, 0),
	ENTRY(head_restore, 0),
	ENTRY(staging_create, 0),
	ENTRY(staging_clone, 0),
	ENTRY(staging_commit, 0),
	ENTRY(snapshot, 0),
	ENTRY(snapshot_noted, DRIVER_CAN_NOTE),
	ENTRY(note_write, DRIVER_CAN_NOTE),
	ENTRY(note_each, DRIVER_CAN_NOTE),
	ENTRY(tree_delete, 0),
	ENTRY(tree_info, 0),
	ENTRY(tree_open, 0),
	ENTRY(changed_since, 0),
	ENTRY(diff, DRIVER_CAN_DIFF),
	ENTRY(list, 0),
	ENTRY(send, DRIVER_CAN_SEND),
	ENTRY(weigh, DRIVER_CAN_WEIGH),
	ENTRY(receive, DRIVER_CAN_RECEIVE),
	ENTRY(stream_number, DRIVER_CAN_RECEIVE),
	ENTRY(watch_root, DRIVER_CAN_WATCH),
	ENTRY(watch_handle, DRIVER_CAN_WATCH),
	ENTRY(watch_heads, DRIVER_CAN_WATCH),
	ENTRY(motion, DRIVER_CAN_WATCH),
	ENTRY(account, DRIVER_CAN_LIMIT),
	ENTRY(unaccount, DRIVER_CAN_LIMIT),
	ENTRY(limit, DRIVER_CAN_LIMIT),
	ENTRY(usage, DRIVER_CAN_LIMIT),
	ENTRY(usages, DRIVER_CAN_LIMIT),
	ENTRY(occupied, DRIVER_CAN_LIMIT),
	ENTRY(facts_write, 0),
	ENTRY(facts_read, 0),
	ENTRY(facts_list, 0),
	ENTRY(facts_delete, 0),
	ENTRY(file_write, 0),
	ENTRY(file_append, 0),
	ENTRY(file_read, 0),
#undef ENTRY
};

static bool has_entry(const struct driver *driver, const struct entry *entry)
{
	void (*function)(void);

	memcpy(&function, (const char *)driver + entry->offset, sizeof(function));
	return function != NULL;
}

/* Deltas are applied by a program apart, never by the driver. */
static int check_form(const struct driver *driver, struct fl_error *err)
{
	const unsigned streams = DRIVER_CAN_SEND | DRIVER_CAN_RECEIVE;

	if (((driver->capabilities & streams) != 0) != (driver->form != 0))
		return fl_fail(err, FL_INVALID, "driver '%s' has %s", driver->name,
			       driver->form ? "a form of streams that it lacks"
					    : "streams without a form");
	if (driver->form == FORM_DELTA && driver->receive)
		return fl_fail(err, FL_INVALID, "driver '%s' receives deltas itself", driver->name);
	return 0;
}

int driver_check(const struct driver *driver, struct fl_error *err)
{
	if (!driver->name || driver->name[0] == '\0')
		return fl_fail(err, FL_INVALID, "a storage driver has no name");
	for (size_t i = 0; i < array_size(entries); i++) {
		const struct entry *entry = &entries[i];
		bool wanted = !entry->capability || (driver->capabilities & entry->capability);

		if (has_entry(driver, entry) == wanted)
			continue;
		return fl_fail(err, FL_INVALID, "driver '%s' %s the entry '%s'%s", driver->name,
			       wanted ? "lacks" : "has", entry->name,
			       wanted ? "" : " without its capability");
	}
	if (driver->capabilities & DRIVER_MUST_WALK && !driver->diff)
		return fl_fail(err, FL_INVALID, "driver '%s' walks for a diff that it lacks",
			       driver->name);
	return check_form(driver, err);
}

enum support driver_supports(const struct driver *driver, enum ability ability)
{
	static const struct {
		unsigned needs;	   /* without: no */
		unsigned native;   /* without: emulated */
		unsigned emulated; /* with it: emulated */
	} rules[ABILITIES] = {
		[ABILITY_SNAPSHOT] = { .native = DRIVER_CAN_SHARE },
		[ABILITY_BROWSE] = { DRIVER_CAN_EXPOSE, .emulated = DRIVER_MUST_REVEAL },
		[ABILITY_DIFF] = { DRIVER_CAN_DIFF, .emulated = DRIVER_MUST_WALK },
		[ABILITY_QUOTA] = { DRIVER_CAN_LIMIT },
		[ABILITY_GROW] = { DRIVER_CAN_GROW },
		[ABILITY_COMPRESS] = { DRIVER_CAN_COMPRESS },
		[ABILITY_SEND] = { DRIVER_CAN_SEND, .emulated = DRIVER_MUST_READ },
	};
	unsigned bits = driver->capabilities;

	if ((bits & rules[ability].needs) != rules[ability].needs)
		return SUPPORT_NO;
	if ((bits & rules[ability].native) != rules[ability].native ||
	    bits & rules[ability].emulated)
		return SUPPORT_EMULATED;
	return SUPPORT_NATIVE;
}

int driver_send_delta(struct pool *pool, const struct tree *base, const struct tree *tree, int fd,
		      struct fl_error *err)
{
	const struct driver *driver = pool->driver;

	if (driver->send && driver->form == FORM_DELTA)
		return driver->send(pool, base, tree, fd, err);
	return portable_send(pool, base, tree, fd, err);
}

char *tree_format(const struct tree *tree, char text[static TREE_TEXT])
{
	static const char *const folders[] = {
		[TREE_HEAD] = "heads",
		[TREE_SNAPSHOT] = "snaps",
		[TREE_STAGING] = "staging",
		[TREE_RETIRED] = "retired",
	};
	char uuid[UUID_TEXT], name[SNAPNAME_TEXT];

	snprintf(text, TREE_TEXT, "%s/%s%s%s", folders[tree->kind], uuid_format(&tree->uuid, uuid),
		 tree->kind == TREE_SNAPSHOT ? "/" : "",
		 tree->kind == TREE_SNAPSHOT ? snapname_format(&tree->snapshot, name) : "");
	return text;
}

bool tree_equal(const struct tree *a, const struct tree *b)
{
	if (a->kind != b->kind || !uuid_equal(&a->uuid, &b->uuid))
		return false;
	return a->kind != TREE_SNAPSHOT ||
	       (a->snapshot.time == b->snapshot.time &&
		uuid_equal(&a->snapshot.instance, &b->snapshot.instance));
}

void identity_encode(const struct pool_identity *identity, struct text *out)
{
	char pool[UUID_TEXT], instance[UUID_TEXT];

	text_add_format(out, "{\"format\":%" PRIu32 ",\"pool\":\"%s\",\"instance\":\"%s\"}\n",
			identity->format, uuid_format(&identity->pool, pool),
			uuid_format(&identity->instance, instance));
}

static void own_json(json_t **json)
{
	json_decref(*json);
}

/* The format is looked at first and alone: a newer one may have other members. */
static int check_format(json_t *root, struct fl_error *err)
{
	json_int_t format;

	if (json_unpack(root, "{s:I}", "format", &format) < 0 || format < 1)
		return fl_fail(err, FL_INVALID, "the pool's identity names no format");
	if (format > POOL_FORMAT) {
		fl_fail(err, FL_INVALID,
			"the pool has format %" JSON_INTEGER_FORMAT ", this program knows %d",
			format, POOL_FORMAT);
		return fl_hint(err, "a newer Flocker made this pool: use that one");
	}
	return 0;
}

int identity_decode(const char *text, struct pool_identity *ret, struct fl_error *err)
{
	own(own_json) json_t *root = NULL;
	struct pool_identity identity = { .format = POOL_FORMAT };
	const char *pool, *instance;
	json_int_t format;
	json_error_t why;

	root = json_loads(text, JSON_REJECT_DUPLICATES, &why);
	if (!root)
		return fl_fail(err, FL_INVALID, "the pool's identity is not JSON: %s", why.text);
	if (check_format(root, err) < 0)
		return fl_failed(err);
	if (json_unpack_ex(root, &why, JSON_STRICT, "{s:I, s:s, s:s}", "format", &format, "pool",
			   &pool, "instance", &instance) < 0)
		return fl_fail(err, FL_INVALID, "the pool's identity is malformed: %s", why.text);
	if (uuid_parse(pool, &identity.pool, err) < 0)
		return fl_wrap(err, "the pool's identity");
	if (uuid_parse(instance, &identity.instance, err) < 0)
		return fl_wrap(err, "the pool's identity");
	*ret = identity;
	return 0;
}
