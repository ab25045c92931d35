/*
 * What a snapshot of the dir driver takes beside cp(1), in turns.
 *
 *	dir-bench DIRECTORY FILES ROUNDS
 *
 * DIRECTORY is empty and lies on the file system to be measured.  A head gets
 * FILES files of 4 KiB, a hundred in each of its directories.  Each round makes
 * a copy of it by a snapshot, by `cp -a --reflink=auto`, and by as many of those
 * at once as the driver has threads (`xargs -P`), each until a syncfs() has
 * returned; a snapshot does that by itself.  Copies are removed in between.
 */

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fsat.h"
#include "driver/dir/dir.h"
#include "sample.h"

#define PER_DIRECTORY 100
#define PATH 4096

extern char **environ;

static struct fl_error err;
static struct pool *pool;
static struct uuid branch;
static char head_path[PATH], copy_path[PATH], list_path[PATH];
static int top = -1;

static void must(int outcome)
{
	if (outcome >= 0)
		return;
	fprintf(stderr, "dir-bench: %s\n", err.text[0] ? err.text : strerror(errno));
	exit(1);
}

static void make_pool(const char *directory)
{
	struct pool_identity identity = { POOL_FORMAT, uuid_new(), uuid_new() };
	struct pool_spec spec = { .driver = "dir", .kind = POOL_DIRECTORY };
	struct text path = { 0 };
	struct tree head;

	branch = uuid_new();
	head = tree_head(&branch);
	snprintf(spec.path, sizeof(spec.path), "%s/pool", directory);
	must(dir_driver.create(&spec, &identity, &err));
	must(dir_driver.open(&spec, &pool, &err));
	must(dir_driver.head_create(pool, &branch, &err));
	dir_driver.locate(pool, &head, &path);
	snprintf(head_path, sizeof(head_path), "%.2000s/%.200s", spec.path, text_get(&path) + 1);
	snprintf(copy_path, sizeof(copy_path), "%s/copy", directory);
	snprintf(list_path, sizeof(list_path), "%s/list", directory);
	text_done(&path);
}

static void fill(int files)
{
	char path[PATH + 32];
	static char block[4096];
	FILE *list = fopen(list_path, "we");

	for (int i = 0; i < files; i++) {
		int fd;

		snprintf(path, sizeof(path), "%s/%d", head_path, i / PER_DIRECTORY);
		if (i % PER_DIRECTORY == 0) {
			must(mkdir(path, 0755));
			fprintf(list, "%s%c", path, '\0');
		}
		snprintf(path, sizeof(path), "%s/%d/%d", head_path, i / PER_DIRECTORY, i);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		memset(block, i, sizeof(block));
		must(fd < 0 || write(fd, block, sizeof(block)) < 0 ? -1 : 0);
		close(fd);
	}
	fclose(list);
	must(syncfs(top));
}

static void run(const char *argv[])
{
	posix_spawn_file_actions_t actions;
	int status;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, list_path, O_RDONLY, 0);
	if (posix_spawn(&pid, argv[0], &actions, NULL, (char **)(uintptr_t)argv, environ) != 0 ||
	    waitpid(pid, &status, 0) != pid || status != 0)
		must(-1);
	posix_spawn_file_actions_destroy(&actions);
	must(syncfs(top));
}

static void copy_by_snapshot(int round)
{
	const struct snapname name = { branch, CLOCK_SECOND * (1 + round) };
	const struct tree head = tree_head(&branch), snapshot = tree_snapshot(&branch, &name);

	must(dir_driver.snapshot(pool, &head, &snapshot, &err));
}

static void copy_by_cp(int round)
{
	const char *argv[] = { "/usr/bin/cp", "-a", "--reflink=auto", head_path, copy_path, NULL };

	run(argv);
}

static void copy_by_many(int round)
{
	char processes[16];
	const char *argv[] = {
		"/usr/bin/xargs", "-0", "-P",	   processes, "-n", "8", "/usr/bin/cp", "-a",
		"--reflink=auto", "-t", copy_path, NULL
	};

	snprintf(processes, sizeof(processes), "%ld", 2 * sysconf(_SC_NPROCESSORS_ONLN));
	must(mkdir(copy_path, 0755));
	run(argv);
}

static void remove_copies(int round)
{
	const struct snapname name = { branch, CLOCK_SECOND * (1 + round) };
	const struct tree snapshot = tree_snapshot(&branch, &name);

	must(dir_driver.tree_delete(pool, &snapshot, &err));
	must(fsat_remove_tree(AT_FDCWD, copy_path, &err));
	must(syncfs(top));
}

static struct way {
	const char *name;
	void (*copy)(int round);
	struct sample sample;
} ways[] = {
	{ "flocker", copy_by_snapshot, { 0 } },
	{ "cp", copy_by_cp, { 0 } },
	{ "cp-parallel", copy_by_many, { 0 } },
};

int main(int argc, char **argv)
{
	int rounds = argc == 4 ? atoi(argv[3]) : 0, files = argc == 4 ? atoi(argv[2]) : 0;

	if (rounds < 1 || files < 1) {
		fprintf(stderr, "usage: dir-bench DIRECTORY FILES ROUNDS\n");
		return 2;
	}
	top = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(top);
	make_pool(argv[1]);
	fill(files);
	for (int round = -1; round < rounds; round++) /* the first one only warms the caches */
		for (size_t i = 0; i < array_size(ways); i++) {
			struct way *way = &ways[(i + (size_t)(round + 1)) % array_size(ways)];
			int64_t began = clock_monotonic();

			way->copy(round);
			if (round >= 0)
				sample_add(&way->sample, clock_monotonic() - began);
			remove_copies(round);
		}
	for (size_t i = 0; i < array_size(ways); i++)
		sample_print(&ways[i].sample, "tree", ways[i].name);
	dir_driver.close(pool);
	return 0;
}
