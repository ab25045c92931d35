#include "delta/crc32c.h"

#include <nmmintrin.h>
#include <string.h>

/* SSE 4.2, which processors have since 2008, but programs may not take for granted. */

bool crc32c_has_instruction(void)
{
	return __builtin_cpu_supports("sse4.2");
}

__attribute__((target("sse4.2"))) uint32_t crc32c_instruction(uint32_t crc, const void *bytes,
							      size_t length)
{
	const uint8_t *at = bytes;
	uint64_t wide = crc;

	for (; length >= 8; length -= 8, at += 8) {
		uint64_t word;

		memcpy(&word, at, sizeof(word));
		wide = _mm_crc32_u64(wide, word);
	}
	crc = (uint32_t)wide;
	for (; length > 0; length--, at++)
		crc = _mm_crc32_u8(crc, *at);
	return crc;
}
