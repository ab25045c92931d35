#include <libgen.h>
#include <stdio.h>
#include <string.h>

#include "driver/zfs/pool.h"

/*
 * Which pool of ZFS, and which dataset in it, a pool of ours is.
 *
 * In a file the label tells the name and the number of the ZFS pool, wherever the
 * file lies now.  A pool that is imported under that name counts only if it has
 * that number: names are given twice.
 */

#define OUTPUT 4096

int dataset_of(const struct pool_spec *spec, char zpool[static ZFS_NAME],
	       char dataset[static ZFS_NAME], struct fl_error *err)
{
	if (dataset_check(spec->path, err) < 0)
		return fl_failed(err);
	snprintf(zpool, ZFS_NAME, "%.*s", (int)strcspn(spec->path, "/"), spec->path);
	snprintf(dataset, ZFS_NAME, "%.200s%s", spec->path,
		 strchr(spec->path, '/') ? "" : "/flocker");
	return 0;
}

static void cut_newline(char *text)
{
	text[strcspn(text, "\n")] = '\0';
}

/* Is the ZFS pool with this number imported as `zpool`? */
static int is_imported(const char *zpool, const char *number, bool *ret, struct fl_error *err)
{
	own_text struct text text = { 0 };
	own_free char *found = NULL;
	int rc;

	rc = zfs_run(PROGRAM_ZPOOL, (const char *[]){ "list", "-H", "-o", "guid", zpool, NULL },
		     OUTPUT, &text, err);
	if (rc < 0 && rc != -FL_NOT_FOUND)
		return rc;
	found = text_take(&text);
	cut_newline(found);
	*ret = rc == 0 && strcmp(found, number) == 0;
	if (rc == 0 && !*ret) {
		fl_fail(err, FL_BUSY, "another ZFS pool is imported under the name '%s'", zpool);
		return fl_hint(err, "export it: zpool export %s", zpool);
	}
	return 0;
}

int find_in_file(struct zfs_pool *pool, struct fl_error *err)
{
	char directory[POOL_PATH], number[MEDIUM_LABEL], decimal[24];
	bool imported = false;

	if (medium_label(&pool->medium, "LABEL", pool->zpool, err) < 0 ||
	    medium_label(&pool->medium, "UUID", number, err) < 0)
		return fl_failed(err);
	snprintf(decimal, sizeof(decimal), "%llu", strtoull(number, NULL, 10));
	if (is_imported(pool->zpool, decimal, &imported, err) < 0)
		return fl_failed(err);
	snprintf(directory, sizeof(directory), "%s", pool->medium.path);
	if (!imported &&
	    zpool_do(err, "import", "-d", dirname(directory), "-o", "cachefile=none", decimal) < 0)
		return fl_wrap(err, "importing the ZFS pool in '%s'", pool->medium.path);
	snprintf(pool->dataset, sizeof(pool->dataset), "%.64s/flocker", pool->zpool);
	return 0;
}

int property_get(const char *dataset, const char *property, bool own, struct text *ret,
		 struct fl_error *err)
{
	const char *const arguments[] = {
		"get", "-H", "-p", "-o", "name,property,value,source", property, dataset, NULL,
	};
	own_text struct text text = { 0 };
	own_free char *lines = NULL;
	struct get_line line;
	char *rest;

	if (zfs_run(PROGRAM_ZFS, arguments, 64 << 10, &text, err) < 0)
		return fl_failed(err);
	text_clear(ret);
	lines = text_take(&text);
	rest = lines;
	while (get_line_next(&rest, &line))
		if (strcmp(line.name, dataset) == 0 && (!own || strcmp(line.source, "local") == 0))
			text_add_string(ret, line.value);
	return 0;
}
