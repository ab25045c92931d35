#include "container/runtime-place.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fsat.h"

#define MARK_FILE "ending"

char *runtime_path(const char *place, const struct uuid *branch, const char *name)
{
	struct text text = { 0 };
	char uuid[UUID_TEXT];

	text_add_format(&text, "%s/%s%s%s", place, uuid_format(branch, uuid), *name ? "/" : "",
			name);
	return text_take(&text);
}

int runtime_open(const char *place, const struct uuid *branch, int *ret_fd, struct fl_error *err)
{
	own_free char *path = runtime_path(place, branch, "");

	return fsat_open_dir(AT_FDCWD, path, ret_fd, err);
}

int runtime_make(const char *place, const struct uuid *branch, int *ret_fd, struct fl_error *err)
{
	own_free char *path = runtime_path(place, branch, "");

	/* The console tells what the system says, and the FIFO would let others say it. */
	if (fsat_mkdir_parents(AT_FDCWD, place, 0700, err) < 0 ||
	    fsat_mkdir(AT_FDCWD, path, 0700, err) < 0)
		return fl_failed(err);
	return fsat_open_dir(AT_FDCWD, path, ret_fd, err);
}

void runtime_id(const struct uuid *branch, char id[static RUNTIME_ID])
{
	char uuid[UUID_TEXT];

	snprintf(id, RUNTIME_ID, "flocker-%s", uuid_format(branch, uuid));
}

int runtime_is_kept(int run, bool *ret, struct fl_error *err)
{
	own_fd int lock = -1;
	int r = fsat_open(run, KEEPER_LOCK, O_RDWR, 0, &lock, err);

	if (r == 0)
		r = fsat_lock(lock, err);
	*ret = r == -FL_BUSY;
	return r == -FL_BUSY || r == -FL_NOT_FOUND ? 0 : r;
}

int runtime_open_state(const struct runtime_places *places, const struct uuid *branch, int *ret_fd,
		       struct fl_error *err)
{
	return runtime_make(places->state, branch, ret_fd, err);
}

int runtime_last(const struct runtime_places *places, const struct uuid *branch,
		 struct keeper_exit *ret, struct fl_error *err)
{
	own_fd int state = -1;

	if (runtime_open(places->state, branch, &state, err) < 0)
		return fl_failed(err);
	return keeper_exit_load(state, ret, err);
}

int runtime_mark(const struct runtime_places *places, const struct uuid *branch,
		 struct fl_error *err)
{
	own_fd int run = -1;

	if (runtime_make(places->run, branch, &run, err) < 0)
		return fl_failed(err);
	return fsat_write(run, MARK_FILE, "", 0, 0600, false, err);
}

bool runtime_marked(const struct runtime_places *places, const struct uuid *branch)
{
	struct fl_error missing;
	own_fd int run = -1;
	struct stat st;

	return runtime_open(places->run, branch, &run, &missing) == 0 &&
	       fsat_stat(run, MARK_FILE, &st, &missing) == 0;
}

void runtime_unmark(const struct runtime_places *places, const struct uuid *branch)
{
	struct fl_error missing;
	own_fd int run = -1;

	if (runtime_open(places->run, branch, &run, &missing) == 0)
		(void)!fsat_unlink(run, MARK_FILE, &missing);
}

/* Of the last line what is in `msg`. */
void runtime_shorten(char *answer)
{
	char *message = NULL, *end;

	for (char *at = strstr(answer, "msg=\""); at; at = strstr(at + 1, "msg=\""))
		message = at + strlen("msg=\"");
	if (!message)
		message = answer;
	end = message;
	for (char *at = message; *at && *at != '"' && *at != '\n'; at++) {
		at += *at == '\\' && at[1];
		*end++ = *at;
	}
	*end = '\0';
	memmove(answer, message, strlen(message) + 1);
}
