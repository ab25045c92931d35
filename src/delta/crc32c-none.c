#include "delta/crc32c.h"

bool crc32c_has_instruction(void)
{
	return false;
}

uint32_t crc32c_instruction(uint32_t crc, const void *bytes, size_t length)
{
	return crc32c_tables(crc, bytes, length);
}
