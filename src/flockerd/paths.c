#include "flockerd/paths.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fsat.h"
#include "base/program.h"
#include "base/text.h"

void paths_done(struct paths *paths)
{
	free(paths->root);
	free(paths->config);
	free(paths->state);
	free(paths->run);
	free(paths->mount_root);
	free(paths->socket);
	free(paths->keeper);
	free(paths->plugin);
	free(paths->peers);
	free(paths->tree_program);
	free(paths->archive_program);
	free(paths->keeper_program);
	free(paths->own_hooks);
	free(paths->shipped_hooks);
	*paths = (struct paths){ 0 };
}

static char *join(const char *directory, const char *name)
{
	struct text text = { 0 };

	text_add_format(&text, "%s/%s", directory, name);
	return text_take(&text);
}

static int make_directory(const char *path, mode_t mode, struct fl_error *err)
{
	int r = fsat_mkdir_parents(AT_FDCWD, path, mode, err);

	if (r == -FL_DENIED && geteuid() != 0)
		fl_hint(err, "as an ordinary user, keep everything in a directory of your own: "
			     "flockerd --root DIR");
	return r < 0 ? fl_wrap(err, "making the directory '%s'", path) : 0;
}

/* Made if it is missing.  Absolute and free of symbolic links, so that it stays the same place. */
static int make_real(const char *path, char **ret, struct fl_error *err)
{
	int r = make_directory(path, 0755, err);
	char *real;

	if (r < 0)
		return r;
	real = realpath(path, NULL);
	if (!real)
		return fl_fail_errno(err, "the directory '%s'", path);
	*ret = real;
	return 0;
}

/* The directory of the hooks that come with Flocker is where this one is. */
static char *find_hooks(void)
{
	char *path = program_find("..", "hooks/mysql");

	if (path)
		*strrchr(path, '/') = '\0';
	return path;
}

static void choose(const char *root, struct paths *paths)
{
	paths->config = root ? join(root, "etc") : xstrdup("/etc/flocker");
	paths->state = root ? join(root, "lib") : xstrdup("/var/lib/flocker");
	paths->run = root ? join(root, "run") : xstrdup("/run/flocker");
}

static int prepare(const struct options *options, struct paths *paths, struct fl_error *err)
{
	own_free char *mount_root = NULL;
	int r = options->root ? make_real(options->root, &paths->root, err) : 0;

	if (r < 0)
		return r;
	choose(paths->root, paths);
	paths->socket = options->socket ? xstrdup(options->socket)
					: join(paths->run, "flocker.sock");
	paths->keeper = join(paths->run, "keeper.sock");
	paths->plugin = join(paths->run, "plugin.sock");
	paths->peers = join(paths->run, "peers.sock");
	paths->tree_program = program_find("tree", "flocker-tree");
	paths->archive_program = program_find("tree", "flocker-archive");
	paths->keeper_program = program_find("keeper", "flocker-keeper");
	paths->shipped_hooks = find_hooks();
	paths->own_hooks = join(paths->config, "hooks");
	if (options->mount_root)
		mount_root = xstrdup(options->mount_root);
	else
		mount_root = paths->root ? join(paths->root, "mnt") : xstrdup("/flocker");
	r = make_directory(paths->config, 0755, err);
	/* The catalogue names everything that the volumes hold: it is nobody else's to read. */
	if (r == 0)
		r = make_directory(paths->state, 0700, err);
	/* Better no start than one that can keep nothing, or that believes what others wrote. */
	if (r == 0 && fsat_check_private(AT_FDCWD, paths->state, err) < 0)
		r = fl_wrap(err, "the state directory");
	if (r == 0)
		r = make_directory(paths->run, 0755, err);
	if (r == 0)
		r = make_real(mount_root, &paths->mount_root, err);
	return r;
}

int paths_prepare(const struct options *options, struct paths *ret, struct fl_error *err)
{
	own_paths struct paths paths = { 0 };
	int r = prepare(options, &paths, err);

	if (r < 0)
		return r;
	*ret = paths;
	paths = (struct paths){ 0 };
	return 0;
}
