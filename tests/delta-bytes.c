#include "tests/delta-bytes.h"

#include <endian.h>
#include <string.h>

#include "delta/command.h"
#include "delta/crc32c.h"

#define CHECKSUM 6 /* where it stands in a command's head */

int delta_bytes_give(void *arg, void *bytes, size_t length, size_t *ret, struct fl_error *err)
{
	struct delta_bytes *source = arg;

	if (source->piece && length > source->piece)
		length = source->piece;
	if (length > source->length)
		length = source->length;
	memcpy(bytes, source->bytes, length);
	source->bytes = (const char *)source->bytes + length;
	source->length -= length;
	*ret = length;
	return 0;
}

void delta_bytes_mend(void *bytes, size_t length)
{
	uint8_t *command = (uint8_t *)bytes + DELTA_HEADER;
	size_t left = length > DELTA_HEADER ? length - DELTA_HEADER : 0;

	while (left >= DELTA_COMMAND_HEAD) {
		uint32_t size, crc = 0;

		command[2] = command[3] = 0; /* not longer than any can be */
		memcpy(&size, command, sizeof(size));
		size = le32toh(size) + DELTA_COMMAND_HEAD;
		if (size > left)
			return;
		memcpy(command + CHECKSUM, &crc, sizeof(crc));
		crc = htole32(crc32c(0, command, size));
		memcpy(command + CHECKSUM, &crc, sizeof(crc));
		command += size;
		left -= size;
	}
}
