#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/own.h"
#include "base/text.h"
#include "tests/fuzz/fuzz.h"

/*
 * Runs a fuzz target over each file of a directory: the inputs that once found
 * something, and one of each kind.  An input that breaks it aborts the program, with
 * its name as the last line printed.
 */

static void read_file(const char *path, struct text *ret)
{
	FILE *file = fopen(path, "re");
	char bytes[4096];
	size_t n;

	if (!file) {
		perror(path);
		exit(1);
	}
	while ((n = fread(bytes, 1, sizeof(bytes), file)) > 0)
		text_add(ret, bytes, n);
	fclose(file);
}

static int is_plain_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
	struct dirent **entries;
	int count;

	if (argc != 2) {
		fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	count = scandir(argv[1], &entries, is_plain_file, alphasort);
	if (count <= 0) {
		fprintf(stderr, "%s: no inputs\n", argv[1]);
		return 1;
	}
	for (int i = 0; i < count; i++) {
		own_text struct text path = { 0 }, input = { 0 };

		text_add_format(&path, "%s/%s", argv[1], entries[i]->d_name);
		printf("# %s\n", entries[i]->d_name);
		read_file(text_get(&path), &input);
		LLVMFuzzerTestOneInput((const uint8_t *)text_get(&input), input.length);
		printf("ok %d - %s\n", i + 1, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	printf("1..%d\n", count);
	return 0;
}
