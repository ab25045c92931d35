#pragma once

/*
 * CRC-32C (the polynomial of Castagnoli, RFC 3720), the bare remainder: nothing is inverted
 * before or after, so that the parts of a whole can be added one after the other.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(uint32_t crc, const void *bytes, size_t length);

/* The same by tables, on any machine. */
uint32_t crc32c_tables(uint32_t crc, const void *bytes, size_t length);

/* The same by the processor's own instruction, where it has one (crc32c-x86.c, crc32c-none.c). */
bool crc32c_has_instruction(void);
uint32_t crc32c_instruction(uint32_t crc, const void *bytes, size_t length);
