#include "sample.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void sample_add(struct sample *sample, int64_t ns)
{
	if (sample->count == SAMPLES) {
		fprintf(stderr, "more than %d samples\n", SAMPLES);
		exit(1);
	}
	sample->ns[sample->count++] = ns;
}

void sample_print(const struct sample *sample, const char *name, const char *of)
{
	printf("{\"name\": \"%s\", \"of\": \"%s\", \"ns\": [", name, of);
	for (size_t i = 0; i < sample->count; i++)
		printf("%s%" PRId64, i ? ", " : "", sample->ns[i]);
	printf("]}\n");
	fflush(stdout);
}
