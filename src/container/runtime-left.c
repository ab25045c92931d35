/*
 * What is left of a system: after a keeper that was killed, a boot, the end of the branch.
 */

#include "container/runtime-place.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fsat.h"
#include "base/spawn.h"

static int delete_container(const char *run_path, const struct uuid *branch, int run,
			    struct fl_error *err)
{
	own(spawn_result_done) struct spawn_result result = { 0 };
	own_text struct text program = { 0 }, root = { 0 };
	own_free char *words = NULL;
	char id[RUNTIME_ID];

	runtime_id(branch, id);
	text_add_format(&root, "%s/" KEEPER_RUNTIME, run_path);
	if (fsat_read(run, RUNTIME_PROGRAM, PATH_MAX, &program, err) < 0)
		return fl_failed(err);
	const char *const argv[] = {
		text_get(&program), "--root", text_get(&root), "delete", "--force", id, NULL
	};

	if (spawn_run(argv, RUNTIME_CLEAN_TIMEOUT, &result, err) < 0)
		return fl_failed(err);
	if (result.status == 0)
		return 0;
	words = text_take(&result.err);
	runtime_shorten(words);
	return fl_fail(err, FL_SYSTEM, "%s can't delete what is left of a system: %s",
		       text_get(&program), words);
}

static int clean(const struct runtime_places *places, const struct uuid *branch, int run,
		 struct fl_error *err)
{
	own_free char *path = runtime_path(places->run, branch, "");
	char container[RUNTIME_ID + sizeof(KEEPER_RUNTIME) + 1], id[RUNTIME_ID];
	struct stat st;
	int r;

	runtime_id(branch, id);
	snprintf(container, sizeof(container), KEEPER_RUNTIME "/%s", id);
	r = fsat_stat(run, container, &st, err);
	if (r == 0)
		r = delete_container(path, branch, run, err);
	if (r < 0 && r != -FL_NOT_FOUND)
		return r;
	return fsat_unlink(run, KEEPER_RUNNING, err);
}

int runtime_clean(const struct runtime_places *places, const struct uuid *branch,
		  struct fl_error *err)
{
	own_fd int run = -1;
	bool lives = false;
	int r = runtime_open(places->run, branch, &run, err);

	if (r < 0)
		return r == -FL_NOT_FOUND ? 0 : r;
	if (runtime_is_kept(run, &lives, err) < 0)
		return fl_failed(err);
	if (lives)
		return fl_fail(err, FL_BUSY, "the system runs");
	return clean(places, branch, run, err);
}

int runtime_forget(const struct runtime_places *places, const struct uuid *branch,
		   struct fl_error *err)
{
	own_free char *run = runtime_path(places->run, branch, "");
	own_free char *state = runtime_path(places->state, branch, "");

	if (runtime_clean(places, branch, err) < 0 || fsat_remove_tree(AT_FDCWD, run, err) < 0)
		return fl_failed(err);
	return fsat_remove_tree(AT_FDCWD, state, err);
}

struct sweep {
	const struct runtime_places *places;
	bool (*known)(void *arg, const struct uuid *branch);
	void *arg;
};

static int sweep_one(void *arg, const char *name, unsigned char type, uint64_t inode,
		     struct fl_error *err)
{
	const struct sweep *sweep = arg;
	struct fl_error later;
	struct uuid branch;

	if (uuid_parse(name, &branch, &later) == 0 && !sweep->known(sweep->arg, &branch))
		(void)!runtime_forget(sweep->places, &branch, &later);
	return 0;
}

void runtime_sweep(const struct runtime_places *places,
		   bool (*known)(void *arg, const struct uuid *branch), void *arg)
{
	struct sweep sweep = { places, known, arg };
	const char *const roots[] = { places->run, places->state };
	struct fl_error later;

	for (size_t i = 0; i < array_size(roots); i++) {
		own_fd int dir = -1;

		if (fsat_open_dir(AT_FDCWD, roots[i], &dir, &later) == 0)
			(void)!fsat_each(dir, sweep_one, &sweep, &later);
	}
}
