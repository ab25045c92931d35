#include "driver/zfs/header.h"

#include <string.h>

/*
 * In the byte order of who wrote it, which the magic number tells:
 *
 *	0	type, 4 bytes: 0, a beginning
 *	4	length of what follows the record, 4 bytes
 *	8	magic number
 *	16	in its lowest two bits: 1 one snapshot, 2 a package of several
 *	24	time
 *	32	kind of dataset, 4 bytes: 2, a file system
 *	36	flags, 4 bytes: 1, a clone
 *	40	guid of the snapshot
 *	48	guid of its base
 *	56	the sender's name of the snapshot
 */
#define MAGIC UINT64_C(0x2f5bacbac)
#define ONE_SNAPSHOT 1
#define FILE_SYSTEM 2
#define CLONE 1

struct record {
	const uint8_t *bytes;
	bool swapped;
};

static uint64_t get_long(const struct record *record, size_t offset)
{
	uint64_t value;

	memcpy(&value, record->bytes + offset, sizeof(value));
	return record->swapped ? __builtin_bswap64(value) : value;
}

static uint32_t get_word(const struct record *record, size_t offset)
{
	uint32_t value;

	memcpy(&value, record->bytes + offset, sizeof(value));
	return record->swapped ? __builtin_bswap32(value) : value;
}

bool header_parse(const uint8_t bytes[static HEADER_LENGTH], struct header *ret)
{
	struct record record = { .bytes = bytes };

	record.swapped = get_long(&record, 8) == __builtin_bswap64(MAGIC);
	if (get_long(&record, 8) != MAGIC || get_word(&record, 0) != 0 ||
	    (get_long(&record, 16) & 3) != ONE_SNAPSHOT || get_word(&record, 32) != FILE_SYSTEM)
		return false;
	*ret = (struct header){
		.to = get_long(&record, 40),
		.from = get_long(&record, 48),
		.clone = get_word(&record, 36) & CLONE,
	};
	return true;
}
