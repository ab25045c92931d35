/*
 * What commands take from their start to their end, in turns.
 *
 *	start-bench ROUNDS -- COMMAND [ARGUMENT...] [-- COMMAND...]...
 *
 * Commands are full paths.  Each round runs every command once: posix_spawn(),
 * its standard output read from a pipe to the end, waitpid().  One that fails
 * ends the program.
 */

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/own.h"
#include "sample.h"

#define COMMANDS 8

extern char **environ;

struct command {
	char **argv;
	struct sample sample;
};

static struct command commands[COMMANDS];

static void drain(int fd)
{
	static char buffer[1 << 16];

	while (read(fd, buffer, sizeof(buffer)) > 0)
		;
}

static int64_t run(char **argv)
{
	posix_spawn_file_actions_t actions;
	int64_t began, took;
	int ends[2], status;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		abort();
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	began = clock_monotonic();
	if (posix_spawn(&pid, argv[0], &actions, NULL, argv, environ) != 0) {
		fprintf(stderr, "%s can't be run\n", argv[0]);
		exit(1);
	}
	close(ends[1]);
	drain(ends[0]);
	if (waitpid(pid, &status, 0) != pid || status != 0) {
		fprintf(stderr, "%s failed\n", argv[0]);
		exit(1);
	}
	took = clock_monotonic() - began;
	close(ends[0]);
	posix_spawn_file_actions_destroy(&actions);
	return took;
}

static size_t split(int argc, char **argv)
{
	size_t count = 0;

	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--") != 0)
			continue;
		argv[i] = NULL;
		if (count < COMMANDS && i + 1 < argc)
			commands[count++].argv = argv + i + 1;
	}
	return count;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 0;
	size_t count = split(argc, argv);

	if (rounds < 1 || count == 0) {
		fprintf(stderr, "usage: start-bench ROUNDS -- COMMAND [ARGUMENT...] [-- ...]\n");
		return 2;
	}
	for (size_t i = 0; i < count; i++)
		run(commands[i].argv);
	for (int round = 0; round < rounds; round++)
		for (size_t i = 0; i < count; i++) {
			size_t turn = (i + (size_t)round) % count;

			sample_add(&commands[turn].sample, run(commands[turn].argv));
		}
	for (size_t i = 0; i < count; i++)
		sample_print(&commands[i].sample, "start", commands[i].argv[0]);
	return 0;
}
