#include "delta/crc32c.h"

#include <endian.h>
#include <string.h>

/*
 * Eight bytes at a time: tables[k][b] is what the byte b does to the remainder when k further
 * bytes follow it, and what the eight do adds up.
 */

#define POLYNOMIAL 0x82f63b78u /* its bits from the lowest on */

static uint32_t tables[8][256];

__attribute__((constructor)) static void make_tables(void)
{
	for (uint32_t b = 0; b < 256; b++) {
		uint32_t crc = b;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
		tables[0][b] = crc;
	}
	for (int k = 1; k < 8; k++) {
		for (uint32_t b = 0; b < 256; b++) {
			uint32_t crc = tables[k - 1][b];

			tables[k][b] = crc >> 8 ^ tables[0][crc & 0xff];
		}
	}
}

uint32_t crc32c_tables(uint32_t crc, const void *bytes, size_t length)
{
	const uint8_t *at = bytes;

	for (; length >= 8; length -= 8, at += 8) {
		uint64_t word;

		memcpy(&word, at, sizeof(word));
		word = le64toh(word) ^ crc;
		crc = 0;
		for (int k = 0; k < 8; k++)
			crc ^= tables[7 - k][word >> 8 * k & 0xff];
	}
	for (; length > 0; length--, at++)
		crc = crc >> 8 ^ tables[0][(crc ^ *at) & 0xff];
	return crc;
}

uint32_t crc32c(uint32_t crc, const void *bytes, size_t length)
{
	return crc32c_has_instruction() ? crc32c_instruction(crc, bytes, length)
					: crc32c_tables(crc, bytes, length);
}
