#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "cli/hint.h"
#include "cli/list.h"
#include "cli/talk.h"
#include "cli/verbs.h"
#include "model/storage.h"

struct place {
	enum option_id option;
	const char *name; /* of the option */
	enum pool_kind kind;
	const char *driver; /* NULL: the one that fits */
};

static const struct place places[] = {
	{ OPT_FILE, "file", POOL_FILE, NULL },
	{ OPT_DEVICE, "device", POOL_DEVICE, NULL },
	{ OPT_DIRECTORY, "directory", POOL_DIRECTORY, NULL },
	{ OPT_ZFS, "zfs", POOL_DATASET, "zfs" },
	{ OPT_ZFS_FILE, "zfs-file", POOL_FILE, "zfs" },
};

#define DEFAULT_ZFS "flocker"

/* Which of the places is given; NULL for none. */
static int find_place(const struct invocation *in, const struct place **ret, struct fl_error *err)
{
	const struct place *found = NULL;

	for (size_t i = 0; i < array_size(places); i++) {
		if (!option_given(in, places[i].option))
			continue;
		if (found)
			return fl_fail(err, FL_INVALID, "both --%s and --%s: a pool has one place",
				       found->name, places[i].name);
		found = &places[i];
	}
	*ret = found;
	return 0;
}

/* A path is the user's; the name of a dataset is the same everywhere. */
static int put_path(struct body *body, const struct place *place, const char *given,
		    struct fl_error *err)
{
	own_text struct text path = { 0 };

	if (place->option == OPT_ZFS) {
		body_string(body, "path", given[0] ? given : DEFAULT_ZFS);
		return 0;
	}
	if (absolute_path(given, &path, err) < 0)
		return fl_failed(err);
	body_string(body, "path", text_get(&path));
	return 0;
}

static int put_place(struct body *body, const struct invocation *in, const struct place *place,
		     struct fl_error *err)
{
	if (place->driver && option_given(in, OPT_DRIVER) &&
	    strcmp(in->options[OPT_DRIVER], place->driver) != 0)
		return fl_fail(err, FL_INVALID, "--%s is a place of the driver '%s', not '%s'",
			       place->name, place->driver, in->options[OPT_DRIVER]);
	body_string(body, "kind", pool_kind_names[place->kind]);
	if (put_path(body, place, in->options[place->option], err) < 0)
		return fl_failed(err);
	if (option_given(in, OPT_SPARSE))
		body_true(body, "sparse");
	if (option_given(in, OPT_COMPRESS))
		body_true(body, "compress");
	if (option_given(in, OPT_FORCE))
		body_true(body, "force");
	if (place->driver)
		body_string(body, "driver", place->driver);
	else
		put_option(body, in, OPT_DRIVER, "driver");
	return 0;
}

static int put_size(struct body *body, const char *text, struct fl_error *err)
{
	uint64_t size;

	if (size_parse(text, &size, err) < 0)
		return fl_failed(err);
	body_int(body, "size", (int64_t)size);
	return 0;
}

static void print_use(struct value *pool)
{
	uint64_t size = (uint64_t)field_int(pool, "size"), used = (uint64_t)field_int(pool, "used");
	char number[PRINT_TEXT], line[2 * PRINT_TEXT];

	print_fact("size", print_size(size, number));
	print_size(used, number);
	if (printing.terminal && size > 0)
		snprintf(line, sizeof(line), "%s (%.0f %%)", number,
			 100.0 * (double)used / (double)size);
	else
		snprintf(line, sizeof(line), "%s", number);
	print_fact("used", line);
	print_fact("free", print_size((uint64_t)field_int(pool, "free"), number));
	if (value_is(value_get(pool, "host_free"), VALUE_NUMBER))
		print_fact("free on host",
			   print_size((uint64_t)field_int(pool, "host_free"), number));
}

/* What a snapshot costs here. */
static const char *cost_of_snapshots(struct value *pool)
{
	if (strcmp(field(pool, "driver"), "dir") != 0)
		return "share what did not change";
	return field_bool(pool, "share") ? "touch every file, and share what the files hold"
					 : "copy every file";
}

static void print_pool(struct value *pool)
{
	own_text struct text kind = { 0 };

	text_add_format(&kind, "%s%s%s", field(pool, "kind"),
			field_bool(pool, "sparse") ? ", sparse" : "",
			field_bool(pool, "compress") ? ", compressed" : "");
	print_fact("place", field(pool, "path"));
	print_fact("kind", text_get(&kind));
	print_fact("driver", field(pool, "driver"));
	print_use(pool);
	print_fact("health", field(pool, "health"));
	print_fact("writable",
		   field_bool(pool, "read_only") ? "no: the file system is read-only" : "yes");
	print_fact("snapshots", cost_of_snapshots(pool));
	print_fact("quotas", field_bool(pool, "quota") ? "yes" : "no: space is not counted");
	print_fact("uuid", field(pool, "uuid"));
	print_fact("instance", field(pool, "instance"));
}

/* The pool may be well while the daemon is not, and people look here. */
static void print_trouble(const struct invocation *in, struct value *health)
{
	own_text struct text line = { 0 }, hint = { 0 };

	if (strcmp(field(health, "status"), "degraded") != 0)
		return;
	text_add_format(&line, "degraded: %s", field(health, "reason"));
	print_fact("daemon", text_get(&line));
	add_hint(&hint, in, field(health, "hint"));
	if (hint.length > 0)
		print_fact("hint", text_get(&hint));
}

static int answer_pool(struct invocation *in, const char *method, const char *path,
		       struct body *body, struct fl_error *err)
{
	own_free struct value *pool = NULL;
	int r = talk(in, method, path, NULL, body, &pool, err);

	if (r < 0)
		return r;
	if (option_given(in, OPT_JSON))
		print_json(pool);
	else
		print_pool(pool);
	return 0;
}

/* To the daemon 0 says that none was given; whoever typed it meant something else. */
static int put_pool_size(struct body *body, const char *text, struct fl_error *err)
{
	uint64_t size;

	if (size_parse(text, &size, err) < 0)
		return fl_failed(err);
	if (size == 0) {
		fl_fail(err, FL_INVALID, "a pool of no size");
		return fl_hint(err, "leave --size out for half of what is free there");
	}
	return put_size(body, text, err);
}

int verb_pool_create(struct invocation *in, struct fl_error *err)
{
	own_body struct body *body = body_new();
	const struct place *place = NULL;

	if (find_place(in, &place, err) < 0)
		return fl_failed(err);
	if (!place) {
		fl_fail(err, FL_INVALID, "where should the pool be?");
		return fl_hint(err, "for example: flocker pool create --file "
				    "/var/lib/flocker/pool.img --size 20G; or --device DEV, "
				    "--directory PATH, --zfs, --zfs-file PATH");
	}
	if (place->kind != POOL_FILE &&
	    (option_given(in, OPT_SIZE) || option_given(in, OPT_SPARSE)))
		return fl_fail(err, FL_INVALID,
			       "--size and --sparse belong to --file and --zfs-file: a %s has the "
			       "size that it has",
			       pool_kind_names[place->kind]);
	if (put_place(body, in, place, err) < 0)
		return fl_failed(err);
	if (option_given(in, OPT_SIZE) && put_pool_size(body, in->options[OPT_SIZE], err) < 0)
		return fl_failed(err);
	return answer_pool(in, "POST", "/v1/pool", body, err);
}

int verb_pool_show(struct invocation *in, struct fl_error *err)
{
	own_free struct value *health = NULL;
	int r = answer_pool(in, "GET", "/v1/pool", NULL, err);

	if (r < 0 || option_given(in, OPT_JSON))
		return r;
	r = talk(in, "GET", "/v1/health", NULL, NULL, &health, err);
	if (r < 0)
		return r;
	print_trouble(in, health);
	return 0;
}

static const struct column driver_columns[] = {
	{ "DRIVER", PAINT_NAME, false },
	{ "HERE", PAINT_NONE, false },
	{ "PLACES", PAINT_NONE, false },
	/* in the order of enum ability */
	{ "SNAPSHOT", PAINT_NONE, false },
	{ "BROWSE", PAINT_NONE, false },
	{ "DIFF", PAINT_NONE, false },
	{ "QUOTA", PAINT_NONE, false },
	{ "GROW", PAINT_NONE, false },
	{ "COMPRESS", PAINT_NONE, false },
	{ "SEND", PAINT_NONE, false },
	{ "NOTE", PAINT_DIM, false, true },
	{ 0 },
};

static void add_words(struct table *table, struct value *words)
{
	own_text struct text text = { 0 };

	value_each(words, word)
		text_add_format(&text, "%s%s", text.length ? ", " : "", value_string(word));
	table_add(table, text.length ? text_get(&text) : "-");
}

static_assert(array_size(driver_columns) == 3 + ABILITIES + 2, "a column for each ability");

static void add_driver(struct table *table, struct value *driver)
{
	bool available = field_bool(driver, "available");
	struct value *abilities = value_get(driver, "abilities");

	table_add(table, field(driver, "name"));
	table_add(table, available ? "yes" : "no");
	add_words(table, value_get(driver, "kinds"));
	for (enum ability ability = 0; ability < ABILITIES; ability++)
		table_add(table, field(abilities, ability_names[ability]));
	table_add(table, field(driver, available ? "description" : "reason"));
}

int verb_pool_drivers(struct invocation *in, struct fl_error *err)
{
	return list_print(in,
			  &(struct listing){
				  .path = "/v1/drivers",
				  .row = add_driver,
				  .columns = driver_columns,
			  },
			  err);
}

int verb_pool_grow(struct invocation *in, struct fl_error *err)
{
	own_body struct body *body = body_new();

	if (put_size(body, in->operand_count ? in->operands[0] : "0", err) < 0)
		return fl_failed(err);
	return answer_pool(in, "POST", "/v1/pool/grow", body, err);
}

static void print_recovery(struct value *recovery)
{
	static const char *const counts[] = { "volumes", "branches", "snapshots", "tags",
					      "stashes" };
	char number[PRINT_TEXT];

	for (size_t i = 0; i < array_size(counts); i++) {
		snprintf(number, sizeof(number), "%lld", (long long)field_int(recovery, counts[i]));
		print_fact(counts[i], number);
	}
	if (!field_bool(recovery, "backup_complete") && field_bool(recovery, "notes_used"))
		print_fact("backup", "not whole: tags, stashes and metadata were read from notes "
				     "beside the snapshots");
	else if (!field_bool(recovery, "backup_used"))
		print_fact("backup", "none in the pool: tags, stashes and metadata are not known");
	else if (!field_bool(recovery, "backup_complete"))
		print_fact("backup", "damaged at its end: the last changes to tags, stashes and "
				     "metadata may be missing");
	else
		print_fact("backup", "complete");
}

static int answer_recovery(struct invocation *in, const char *path, struct body *body,
			   struct fl_error *err)
{
	own_free struct value *recovery = NULL;
	int r = talk(in, "POST", path, NULL, body, &recovery, err);

	if (r < 0)
		return r;
	if (option_given(in, OPT_JSON))
		print_json(recovery);
	else
		print_recovery(recovery);
	return 0;
}

int verb_pool_recover(struct invocation *in, struct fl_error *err)
{
	own_body struct body *body = body_new();

	return answer_recovery(in, "/v1/pool/recover", body, err);
}

int verb_pool_adopt(struct invocation *in, struct fl_error *err)
{
	own_body struct body *body = body_new();
	const struct place *place = NULL;

	if (find_place(in, &place, err) < 0)
		return fl_failed(err);
	if (place && put_place(body, in, place, err) < 0)
		return fl_failed(err);
	return answer_recovery(in, "/v1/pool/adopt", body, err);
}
