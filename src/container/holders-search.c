#include "container/holders-search.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/fsat.h"

int search_look(int dir, const char *path, struct statx *ret)
{
	return statx(dir, path, AT_STATX_DONT_SYNC, 0, ret);
}

bool search_is_tree(const struct search *search, dev_t device)
{
	for (size_t i = 0; i < search->query->count; i++)
		if (device && search->query->trees[i].device == device)
			return true;
	return false;
}

static void close_file(FILE **file)
{
	if (*file)
		fclose(*file);
}

int search_each_line(struct search *search, int dir, const char *path,
		     bool (*each)(void *arg, const char *line), void *arg, struct fl_error *err)
{
	own(close_file) FILE *file = NULL;
	own_free char *line = NULL;
	own_fd int fd = -1;
	size_t size = 0;

	if (fsat_open(dir, path, O_RDONLY, 0, &fd, err) < 0)
		return fl_failed(err);
	file = fdopen(fd, "r");
	if (!file)
		return fl_fail_errno(err, "cannot read '%s'", path);
	take_fd(fd);
	setvbuf(file, search->buffer, _IOFBF, sizeof(search->buffer));
	while (getline(&line, &size, file) > 0)
		if (each(arg, line))
			return 0;
	return feof(file) ? 0 : fl_fail_errno(err, "cannot read '%s'", path);
}

dev_t search_device_in(const char *line, int skip, int base)
{
	unsigned long major, minor;
	char *end;

	for (; line && skip > 0; skip--) {
		line = strchr(line, ' ');
		line = line ? line + 1 : NULL;
	}
	if (!line)
		return 0;
	major = strtoul(line, &end, base);
	if (*end != ':')
		return 0;
	minor = strtoul(end + 1, NULL, base);
	return makedev((unsigned)major, (unsigned)minor);
}
