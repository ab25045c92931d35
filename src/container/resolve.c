#include "container/resolve.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fsat.h"
#include "base/path.h"
#include "base/text.h"

#define TABLE_LIMIT (16u << 20)
#define LINKS 40 /* as the kernel has it */

/* Those whose answers come from elsewhere; "fuse.sshfs" is one of "fuse". */
static const char *const avoided_types[] = {
	"9p",  "afs",  "autofs", "beegfs", "ceph", "cifs", "coda", "fuse",  "fuseblk",
	"gfs", "gpfs", "lustre", "ncpfs",  "nfs",  "nfs4", "smb3", "smbfs",
};

static bool is_avoided_type(const char *type)
{
	size_t length = strcspn(type, ". ");

	for (size_t i = 0; i < array_size(avoided_types); i++)
		if (strlen(avoided_types[i]) == length &&
		    strncmp(avoided_types[i], type, length) == 0)
			return true;
	return false;
}

/* "36 35 0:45 / /mnt rw,noatime shared:7 - nfs4 server:/ rw" */
static void take_mount(struct resolver *resolver, const char *ours, const char *line)
{
	const char *type = strstr(line, " - ");
	own_free char *point = NULL;

	if (!type || !is_avoided_type(type + 3) || sscanf(line, "%*s %*s %*s %*s %ms", &point) != 1)
		return;
	path_unescape(point);
	if (!path_is_in(point, ours))
		*array_add(resolver->avoided, resolver->count) = take_ptr(point);
}

int resolver_open(const char *ours, struct resolver *ret, struct fl_error *err)
{
	own_free char *real = realpath(ours, NULL); /* as mount tables have it */
	own_text struct text table = { 0 };
	struct resolver resolver = { 0 };
	char *rest, *line;

	if (fsat_read(AT_FDCWD, "/proc/self/mountinfo", TABLE_LIMIT, &table, err) < 0)
		return fl_wrap(err, "looking for mounts");
	rest = table.bytes;
	while (rest && (line = strsep(&rest, "\n")))
		take_mount(&resolver, real ? real : ours, line);
	*ret = resolver;
	return 0;
}

void resolver_done(struct resolver *resolver)
{
	for (size_t i = 0; i < resolver->count; i++)
		free(resolver->avoided[i]);
	free(resolver->avoided);
	*resolver = (struct resolver){ 0 };
}

static bool is_avoided(const struct resolver *resolver, const char *path)
{
	for (size_t i = 0; i < resolver->count; i++)
		if (strcmp(resolver->avoided[i], path) == 0)
			return true;
	return false;
}

/* The way: what is known to have no links, and what is still to be gone. */
struct way {
	char done[PATH_MAX]; /* "" is the root */
	char rest[PATH_MAX];
};

/* The link's target goes before the rest. */
static bool follow(struct way *way, const char *link)
{
	char target[PATH_MAX], all[2 * PATH_MAX];
	ssize_t length = readlink(link, target, sizeof(target) - 1);

	if (length <= 0)
		return false;
	target[length] = '\0';
	snprintf(all, sizeof(all), "%s/%s", target, way->rest);
	if (strlen(all) >= sizeof(way->rest))
		return false;
	if (target[0] == '/')
		way->done[0] = '\0';
	memcpy(way->rest, all, strlen(all) + 1);
	return true;
}

/* The first name of the rest; false at its end. */
static bool next_name(struct way *way, char name[static NAME_MAX + 1], bool *ret_long)
{
	const char *from = way->rest + strspn(way->rest, "/");
	size_t length = strcspn(from, "/");

	*ret_long = length > NAME_MAX;
	if (length == 0 || *ret_long)
		return false;
	memcpy(name, from, length);
	name[length] = '\0';
	memmove(way->rest, from + length, strlen(from + length) + 1);
	return true;
}

static bool go(const struct resolver *resolver, struct way *way, const char *name, int *links)
{
	char next[PATH_MAX + NAME_MAX + 2];
	char *slash = strrchr(way->done, '/');
	struct stat st;

	if (strcmp(name, ".") == 0)
		return true;
	if (strcmp(name, "..") == 0) {
		if (slash)
			*slash = '\0';
		return true;
	}
	snprintf(next, sizeof(next), "%s/%s", way->done, name);
	if (strlen(next) >= sizeof(way->done) || is_avoided(resolver, next) || lstat(next, &st) < 0)
		return false;
	if (S_ISLNK(st.st_mode))
		return ++*links <= LINKS && follow(way, next);
	memcpy(way->done, next, strlen(next) + 1);
	return true;
}

char *resolver_follow(const struct resolver *resolver, const char *path)
{
	own_free struct way *way = xcalloc(1, sizeof(*way));
	char name[NAME_MAX + 1];
	bool is_long = false;
	int links = 0;

	if (path[0] != '/' || strlen(path) >= sizeof(way->rest))
		return NULL;
	memcpy(way->rest, path, strlen(path) + 1);
	while (next_name(way, name, &is_long))
		if (!go(resolver, way, name, &links))
			return NULL;
	return is_long ? NULL : xstrdup(way->done[0] ? way->done : "/");
}
