#pragma once

/* What the programs of the suite share that look at ZFS itself. */

#include <fcntl.h>
#include <sys/stat.h>

#include "suite.h"

#include "base/spawn.h"
#include "driver/zfs/run.h"

#define ZFS "/usr/sbin/zfs"
#define ZPOOL "/usr/sbin/zpool"
#define MEBIBYTE (UINT64_C(1) << 20)

/* What a program prints; on the heap. */
static inline char *ask(const char *const argv[])
{
	own(spawn_result_done) struct spawn_result result = { 0 };
	struct fl_error err = { 0 };

	check_ok(spawn_run(argv, 60 * CLOCK_SECOND, &result, &err));
	return text_take(&result.out);
}

static inline void run(const char *const argv[])
{
	struct fl_error err = { 0 };

	check_ok(bench_run(argv, &err));
}
#define RUN(...) run((const char *[]){ __VA_ARGS__, NULL })

/* The one dataset or snapshot of ours whose property says that it is this tree ("...+OPERATION": by
 * a swap). */
static inline void name_of(const struct tree *tree, char name[static 260])
{
	char wanted[TREE_TEXT],
		*lines = ask((const char *[]){ ZFS, "get", "-r", "-H", "-o", "name,value",
					       "flocker:tree", bench_spec()->path, NULL });
	char *rest = lines, *line;

	name[0] = '\0';
	tree_format(tree, wanted);
	while ((line = strsep(&rest, "\n"))) {
		char *tab = strchr(line, '\t');

		if (tab && strncmp(tab + 1, wanted, strlen(wanted)) == 0 &&
		    (tab[1 + strlen(wanted)] == '\0' || tab[1 + strlen(wanted)] == '+'))
			snprintf(name, 260, "%.*s", (int)(tab - line), line);
	}
	free(lines);
	check(name[0]);
}

/* The first of its name, with the dataset's: "" when there is none. */
static inline bool exists(const char *name)
{
	struct fl_error err = { 0 };

	return bench_run((const char *[]){ ZFS, "list", name, NULL }, &err) == 0;
}

/*
 * Takes the programs from a directory in which `zfs VERB` does this first.  One that hangs is
 * waited for until PATIENCE is over, and all others may take so long: also on a machine that stands
 * still for seconds.
 */
#define PATIENCE (12 * CLOCK_SECOND)
static inline void stand_in(const char *verb, const char *script)
{
	char path[200], text[400];
	int fd;

	snprintf(path, sizeof(path), "%s/bin", bench_directory());
	check(mkdir(path, 0700) == 0 || errno == EEXIST);
	snprintf(text, sizeof(text),
		 "#!/bin/sh\n[ \"$1\" != %s ] || { %s; }\nexec " ZFS " \"$@\"\n", verb, script);
	snprintf(path, sizeof(path), "%s/bin/zfs", bench_directory());
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
	check(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	snprintf(path, sizeof(path), "%s/bin/zpool", bench_directory());
	check(symlink(ZPOOL, path) == 0 || errno == EEXIST);
	snprintf(path, sizeof(path), "%s/bin", bench_directory());
	zfs_use(path, PATIENCE);
}
