#pragma once

/*
 * A fuzz target is a file with this one function, in libFuzzer's form.  It
 * aborts when something is wrong and returns 0.  Built with corpus-main.c it is
 * a plain test over the files of its corpus; with -Dfuzz=true and clang it is a
 * fuzzer too, which adds to the same corpus:
 *
 *	BUILD/tests/fuzz/ref-fuzz tests/fuzz/corpus/ref
 */

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
