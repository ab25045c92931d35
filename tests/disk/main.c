/*
 * fault-disk: a disk for tests, which loses in a power cut what it was not told to keep.
 *
 *	fault-disk serve POINT LOG IMAGE...
 *		presents each IMAGE as a file in the directory POINT and logs what
 *		is written to them (serve.c)
 *	fault-disk state LOG DISK POSITION none|all|SEED SECTOR BASE OUT
 *		makes OUT: what the DISK-th of the images, which was like BASE, may
 *		hold when the power went at POSITION of the log (state.c).  Lost is of
 *		what was not flushed: none, all, or what SEED says, SECTOR bytes at a time
 *
 * It knows nothing of what is on the disks.  It is never installed.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve.h"
#include "state.h"

static int run_serve(int argc, char **argv, struct fl_error *err)
{
	return serve(argv[0], argv[1], argv + 2, (unsigned)argc - 2, err);
}

static int parse(const char *text, uint64_t *ret, struct fl_error *err)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 10);
	if (errno || end == text || *end)
		return fl_fail(err, FL_INVALID, "'%s' is no number", text);
	return 0;
}

static int parse_loss(const char *text, struct state_options *options, struct fl_error *err)
{
	options->loss = LOSE_SOME;
	if (strcmp(text, "none") == 0)
		options->loss = LOSE_NOTHING;
	else if (strcmp(text, "all") == 0)
		options->loss = LOSE_ALL;
	else
		return parse(text, &options->seed, err);
	return 0;
}

static int run_state(int argc, char **argv, struct fl_error *err)
{
	own(log_close) struct log_reader log = { 0 };
	struct state_options options = { 0 };
	uint64_t disk;

	if (parse(argv[1], &disk, err) < 0 || parse(argv[2], &options.position, err) < 0 ||
	    parse_loss(argv[3], &options, err) < 0 || parse(argv[4], &options.sector, err) < 0)
		return fl_failed(err);
	if (options.sector == 0)
		return fl_fail(err, FL_INVALID, "a sector has at least one byte");
	options.disk = (uint32_t)disk;
	if (log_open(argv[0], &log, err) < 0)
		return fl_failed(err);
	return state_make(&log, &options, argv[5], argv[6], err);
}

static const struct command {
	const char *name;
	int least, most; /* arguments */
	int (*run)(int argc, char **argv, struct fl_error *err);
} commands[] = {
	{ "serve", 3, 10, run_serve },
	{ "state", 7, 7, run_state },
};

int main(int argc, char **argv)
{
	struct fl_error err;

	for (size_t i = 0; i < array_size(commands); i++) {
		const struct command *command = &commands[i];

		if (argc < 2 || strcmp(argv[1], command->name) != 0 || argc - 2 < command->least ||
		    argc - 2 > command->most)
			continue;
		if (command->run(argc - 2, argv + 2, &err) == 0)
			return 0;
		fprintf(stderr, "fault-disk: %s\n", err.text);
		return 1;
	}
	fprintf(stderr,
		"usage: fault-disk serve POINT LOG IMAGE...\n"
		"       fault-disk state LOG DISK POSITION none|all|SEED SECTOR BASE OUT\n");
	return 2;
}
