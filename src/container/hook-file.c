#include "container/hook-file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fsat.h"
#include "base/text.h"

void hook_file_done(struct hook_file *file)
{
	free(file->path);
	*file = (struct hook_file){ 0 };
}

void hook_files_done(struct hook_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		hook_file_done(&files->items[i]);
	free(files->items);
	*files = (struct hook_files){ 0 };
}

/* --- trust -------------------------------------------------------------------------------- */

/* It runs with all rights that the daemon has: only who has them too may say what it does. */
static int check_owner(const char *path, const struct stat *st, struct fl_error *err)
{
	if (st->st_uid != 0 && st->st_uid != geteuid()) {
		fl_fail(err, FL_DENIED, "'%s' belongs to the user %u", path, (unsigned)st->st_uid);
		return fl_hint(err, "chown root '%s', if what it does can be trusted", path);
	}
	if (st->st_mode & (S_IWGRP | S_IWOTH)) {
		fl_fail(err, FL_DENIED, "others may write to '%s': its mode is %04o", path,
			(unsigned)st->st_mode & 07777);
		return fl_hint(err, "chmod go-w '%s', if what it does can be trusted", path);
	}
	return 0;
}

static int check_program(const char *directory, const char *path, const struct stat *st,
			 struct fl_error *err)
{
	struct stat place;

	if (!S_ISREG(st->st_mode))
		return fl_fail(err, FL_DENIED, "'%s' is not a regular file", path);
	if (!(st->st_mode & S_IXUSR)) {
		fl_fail(err, FL_DENIED, "'%s' is not executable", path);
		return fl_hint(err, "chmod +x '%s'", path);
	}
	/* The last component is not followed, so it is the directory that is meant that is
	 * checked. */
	if (check_owner(path, st, err) < 0 || fsat_stat(AT_FDCWD, directory, &place, err) < 0)
		return fl_failed(err);
	if (!S_ISDIR(place.st_mode))
		return fl_fail(err, FL_DENIED, "'%s' is not a directory", directory);
	return check_owner(directory, &place, err);
}

/* FL_NOT_FOUND: it is not there. */
static int look_in(const char *directory, const char *name, struct hook_file *ret,
		   struct fl_error *err)
{
	own_text struct text path = { 0 };
	struct stat st;

	if (!directory)
		return fl_fail(err, FL_NOT_FOUND, "there is no directory of hooks");
	text_add_format(&path, "%s/%s", directory, name);
	if (fsat_stat(AT_FDCWD, text_get(&path), &st, err) < 0)
		return fl_failed(err);
	if (check_program(directory, text_get(&path), &st, err) < 0)
		return fl_wrap(err, "hook '%s' is not run", name);
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	ret->path = text_take(&path);
	return 0;
}

/* --- finding ------------------------------------------------------------------------------- */

static int fail_unknown(const struct hook_places *places, const char *name, struct fl_error *err)
{
	struct hook_files files = { 0 };
	own_text struct text known = { 0 };
	struct fl_error ignored; /* a hint lacks what can't be read */

	if (hook_list(places, &files, &ignored) == 0)
		for (size_t i = 0; i < files.count; i++)
			text_add_format(&known, "%s%s", i ? ", " : "", files.items[i].name);
	hook_files_done(&files);
	fl_fail(err, FL_NOT_FOUND, "there is no hook '%s'", name);
	return fl_hint(err, "there are: %s; others are programs in %s",
		       known.length ? text_get(&known) : "none", places->own ? places->own : "-");
}

int hook_find(const struct hook_places *places, const char *name, struct hook_file *ret,
	      struct fl_error *err)
{
	const char *const directories[] = { places->own, places->shipped };

	if (name_check("hook", name, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < array_size(directories); i++) {
		struct hook_file file = { .shipped = i == 1 };
		int r = look_in(directories[i], name, &file, err);

		if (r == 0)
			*ret = file;
		if (r != -FL_NOT_FOUND)
			return r;
	}
	return fail_unknown(places, name, err);
}

struct listing {
	const struct hook_places *places;
	struct hook_files *files;
};

static int list_one(void *arg, const char *name, unsigned char type, uint64_t inode,
		    struct fl_error *err)
{
	struct listing *listing = arg;
	struct hook_file file = { 0 };
	struct fl_error why;
	const struct hook_places *places = listing->places;

	for (size_t i = 0; i < listing->files->count; i++)
		if (strcmp(listing->files->items[i].name, name) == 0)
			return 0;
	/* What is no hook, or can't be trusted, is not offered. */
	if (name_check("hook", name, &why) < 0 ||
	    (look_in(places->own, name, &file, &why) < 0 && why.code != FL_NOT_FOUND))
		return 0;
	file.shipped = !file.path;
	if (file.shipped && look_in(places->shipped, name, &file, &why) < 0)
		return 0;
	*array_add(listing->files->items, listing->files->count) = file;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct hook_file *left = a, *right = b;

	return strcmp(left->name, right->name);
}

int hook_list(const struct hook_places *places, struct hook_files *ret, struct fl_error *err)
{
	const char *const directories[] = { places->own, places->shipped };
	struct listing listing = { places, ret };

	for (size_t i = 0; i < array_size(directories); i++) {
		own_fd int dir = -1;
		int r = directories[i] ? fsat_open_dir(AT_FDCWD, directories[i], &dir, err)
				       : -FL_NOT_FOUND;

		if (r == 0)
			r = fsat_each(dir, list_one, &listing, err);
		if (r < 0 && r != -FL_NOT_FOUND) {
			hook_files_done(ret);
			return r;
		}
	}
	array_sort(ret->items, ret->count, compare);
	return 0;
}

/* --- what is said about one --------------------------------------------------------------- */

int hook_check_settings(const struct metadata *settings, struct fl_error *err)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz";

	if (settings->count > HOOK_SETTINGS)
		return fl_fail(err, FL_INVALID, "a hook takes at most %d settings", HOOK_SETTINGS);
	for (size_t i = 0; i < settings->count; i++) {
		const char *key = settings->pairs[i].key;

		if (!strchr(letters, key[0]) || strlen(key) >= HOOK_KEY ||
		    key[strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789-")])
			return fl_fail(err, FL_INVALID,
				       "'%s' can't be a hook's setting: small letters, digits and "
				       "'-', at most %d",
				       key, HOOK_KEY - 1);
	}
	return 0;
}

int hook_check_timeout(int64_t timeout, struct fl_error *err)
{
	if (timeout >= CLOCK_SECOND && timeout <= 10 * CLOCK_MINUTE)
		return 0;
	return fl_fail(err, FL_INVALID, "a hook's timeout is from 1s to 10m");
}

/* --- scripts ------------------------------------------------------------------------------- */

static const char shebang[] = "#!/bin/sh\n";
static const char shared_line[] = "\n. \"${0%/*}/" HOOK_SHARED "\"\n";

static int fail_script(const struct hook_file *file, const char *why, struct fl_error *err)
{
	fl_fail(err, FL_UNSUPPORTED, "hook '%s' can't run in a container: %s", file->name, why);
	return fl_hint(err, "there it is given to /bin/sh: write it for that");
}

/* What lies beside it, and can be trusted as it can. */
static int read_shared(const struct hook_file *file, struct text *ret, struct fl_error *err)
{
	own_text struct text path = { 0 };
	struct stat st;

	text_add(&path, file->path, (size_t)(strrchr(file->path, '/') - file->path) + 1);
	text_add_string(&path, HOOK_SHARED);
	if (fsat_stat(AT_FDCWD, text_get(&path), &st, err) < 0 ||
	    check_owner(text_get(&path), &st, err) < 0)
		return fl_failed(err);
	return fsat_read(AT_FDCWD, text_get(&path), HOOK_SCRIPT, ret, err);
}

int hook_read_script(const struct hook_file *file, struct text *ret, struct fl_error *err)
{
	own_text struct text script = { 0 }, shared = { 0 };
	const char *line;

	if (fsat_read(AT_FDCWD, file->path, HOOK_SCRIPT, &script, err) < 0)
		return err->code == FL_INVALID ? fail_script(file, "it is too long", err)
					       : fl_failed(err);
	if (strlen(text_get(&script)) != script.length ||
	    strncmp(text_get(&script), shebang, strlen(shebang)) != 0)
		return fail_script(file, "it does not begin with #!/bin/sh", err);
	line = strstr(text_get(&script), shared_line);
	text_clear(ret);
	if (!line) {
		text_add(ret, script.bytes, script.length);
		return 0;
	}
	if (read_shared(file, &shared, err) < 0)
		return fl_failed(err);
	text_add(ret, script.bytes, (size_t)(line + 1 - script.bytes));
	text_add(ret, shared.bytes, shared.length);
	text_add_string(ret, line + strlen(shared_line) - 1);
	return 0;
}
