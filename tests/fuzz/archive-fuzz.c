#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "base/text.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/world.h"
#include "tree/verbs.h"

/*
 * An archive of any bytes, unpacked as flocker-archive does it (world.h).  The tree may hold
 * neither devices nor set-uid files unless they were allowed.  What is refused has a reason.
 *
 * Nearly every change of a header breaks its checksum, and the reader looks no
 * further.  So each input is tried as it is, and once more with right checksums.
 */

#define BLOCK 512

static int unpack(void *arg, struct fl_error *err)
{
	struct report report = { 0 };

	return tree_unpack(arg, &report, err);
}

static void try_archive(const uint8_t *data, size_t size)
{
	struct options options = { .devices = size & 1, .setuid = size & 2 };
	struct world world;

	world_open(&world);
	(void)world_run(&world, data, size, unpack, &options);
	world_check_tree(&world, options.devices, options.setuid);
	world_close(&world);
}

/* Of every block that says it is a header. */
static bool mend_checksums(uint8_t *data, size_t size)
{
	bool any = false;

	for (size_t at = 0; at + BLOCK <= size; at += BLOCK) {
		uint8_t *header = data + at, *field = header + 148;
		unsigned sum = 0;
		char digits[8];

		if (memcmp(header + 257, "ustar", 5) != 0)
			continue;
		memset(field, ' ', 8);
		for (size_t i = 0; i < BLOCK; i++)
			sum += header[i];
		snprintf(digits, sizeof(digits), "%06o", sum);
		memcpy(field, digits, 7);
		any = true;
	}
	return any;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own_free uint8_t *mended = xcalloc(size + 1, 1);

	try_archive(data, size);
	memcpy(mended, data, size);
	if (mend_checksums(mended, size) && memcmp(mended, data, size) != 0)
		try_archive(mended, size);
	return 0;
}
