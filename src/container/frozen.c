#include "container/frozen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fsat.h"
#include "base/log.h"

#define NOTE_LIMIT (8 << 20)

void frozen_add(struct text *paths, const struct cgroup *cgroup)
{
	text_add_format(paths, "%s/%s", cgroup->directory, cgroup_switch[cgroup->kind]);
	text_add(paths, "", 1);
}

int frozen_note(const char *path, const struct text *paths, struct fl_error *err)
{
	return fsat_write(AT_FDCWD, path, paths->bytes, paths->length, 0600, false, err);
}

void frozen_forget(const char *path)
{
	struct fl_error err;

	if (fsat_unlink(AT_FDCWD, path, &err) < 0)
		log_warning("the note of what was frozen stays", "error=\"%s\"", err.text);
}

/* By the file's name, so that nothing else can ever be written to. */
static const char *word_for(const char *path)
{
	const char *name = strrchr(path, '/');

	for (int i = 0; path[0] == '/' && i < CGROUP_KINDS; i++)
		if (strcmp(name + 1, cgroup_switch[i]) == 0)
			return cgroup_thaw[i];
	return NULL;
}

/* A group that is gone is a success: nobody stands still in it. */
static int thaw_one(const char *path, struct fl_error *err)
{
	const char *word = word_for(path);
	own_fd int fd = -1;

	if (!word)
		return fl_fail(err, FL_CORRUPT, "'%s' thaws nothing", path);
	if (fsat_open(AT_FDCWD, path, O_WRONLY, 0, &fd, err) < 0)
		return err->sys == ENOENT || err->sys == ENODEV ? 0 : fl_failed(err);
	if (TEMP_FAILURE_RETRY(write(fd, word, strlen(word))) < 0 && errno != ENODEV)
		return fl_fail_errno(err, "cannot thaw '%s'", path);
	log_info("thawed what stood still since flockerd and its guard were killed", "file=%s",
		 path);
	return 0;
}

/* One that can't be thawed keeps none of the others. */
static int thaw_noted(int dir, const char *name, struct fl_error *err)
{
	own_text struct text paths = { 0 };
	const char *path;
	int r = 0;

	if (fsat_read(dir, name, NOTE_LIMIT, &paths, err) < 0)
		return fl_failed(err);
	path = text_get(&paths);
	for (const char *end = path + paths.length; path < end; path += strlen(path) + 1) {
		struct fl_error here;

		if (thaw_one(path, &here) == 0)
			continue;
		*err = here;
		r = fl_failed(err);
	}
	return r;
}

struct names {
	char **items;
	size_t count;
};

static int collect(void *arg, const char *name, unsigned char type, uint64_t inode,
		   struct fl_error *err)
{
	struct names *names = arg;

	*array_add(names->items, names->count) = xstrdup(name);
	return 0;
}

static void names_done(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->items[i]);
	free(names->items);
}

void frozen_thaw(const char *directory)
{
	own(names_done) struct names names = { 0 };
	own_fd int dir = -1;
	struct fl_error err;
	int r = fsat_open_dir(AT_FDCWD, directory, &dir, &err);

	if (r == -FL_NOT_FOUND)
		return;
	if (r == 0)
		r = fsat_each(dir, collect, &names, &err);
	if (r < 0)
		log_error("what was frozen can't be told", "error=\"%s\"", err.text);
	for (size_t i = 0; i < names.count; i++) {
		/* Before one is completed (fsat_write) nothing is frozen. */
		r = names.items[i][0] == '.' ? 0 : thaw_noted(dir, names.items[i], &err);
		if (r == 0)
			r = fsat_unlink(dir, names.items[i], &err);
		if (r < 0)
			log_error("what was frozen may stand still; the next start tries again",
				  "note=%s/%s error=\"%s\"", directory, names.items[i], err.text);
	}
}
