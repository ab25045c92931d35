/*
 * Puts rows of snapshots that were never taken into the catalogue of a running
 * daemon: a history of a million, in seconds.
 *
 *	catalog-fill CATALOG VOLUME COUNT
 *
 * They are older than every snapshot that the volume's trunk has, a second
 * apart.  The catalogue is worthless afterwards: the next start finds that the
 * pool knows nothing of them.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/catalog.h"

#define BATCH 20000

struct filling {
	const char *volume;
	int64_t first, count; /* of this batch, counted from the oldest */
};

static int insert(struct tx *tx, void *arg, struct fl_error *err)
{
	const struct filling *filling = arg;
	own_volume_row struct volume_row volume = { 0 };
	struct branch_row branch;

	if (tx_volume_find(tx, filling->volume, &volume, err) < 0 ||
	    tx_branch_find(tx, &volume.uuid, &volume.owner, "trunk", &branch, err) < 0)
		return -(int)err->code;
	for (int64_t i = filling->first; i < filling->first + filling->count; i++) {
		struct snapshot_row row = { .sequence = (uint64_t)i + 1, .reason = REASON_USER };

		row.storage = (struct snapname){ branch.instance, CLOCK_SECOND * (i + 1) };
		row.position = (struct position){ branch.uuid, row.storage.time };
		row.id = snapname_id(&row.storage);
		strcpy(row.host, "bench");
		if (tx_snapshot_insert(tx, &row, err) < 0)
			return -(int)err->code;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct filling filling = { 0 };
	struct catalog *catalog;
	struct fl_error err;
	int64_t count = argc == 4 ? atoll(argv[3]) : 0;

	if (count < 1) {
		fprintf(stderr, "usage: catalog-fill CATALOG VOLUME COUNT\n");
		return 2;
	}
	if (catalog_open(argv[1], false, &catalog, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	filling.volume = argv[2];
	for (; filling.first < count; filling.first += filling.count) {
		filling.count = count - filling.first < BATCH ? count - filling.first : BATCH;
		if (catalog_write(catalog, CATALOG_LAZY, insert, &filling, &err) < 0) {
			fprintf(stderr, "%s\n", err.text);
			return 1;
		}
	}
	catalog_close(catalog);
	return 0;
}
