#include "container/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fsat.h"
#include "base/path.h"
#include "base/text.h"
#include "base/uuid.h"

#define TABLE_LIMIT (4 << 20) /* bytes of a mount table */
#define GROUPS_LIMIT (64 << 10)
#define SYSTEMS "/flocker" /* where the groups of user systems are (engine/systems.c) */

const char *const cgroup_switch[] = {
	[CGROUP_FREEZER] = "freezer.state", [CGROUP_UNIFIED] = "cgroup.freeze"
};
const char *const cgroup_thaw[] = { [CGROUP_FREEZER] = "THAWED", [CGROUP_UNIFIED] = "0" };

const char *const cgroup_verdict_words[] = {
	[CGROUP_FITS] = "",
	[CGROUP_NONE] = "this host has no cgroup freezer",
	[CGROUP_ROOT] = "it is in no cgroup of its own",
	[CGROUP_OURS] = "flockerd is in its cgroup",
	[CGROUP_LOGIN] = "it belongs to a login session",
	[CGROUP_HOST] = "the host needs what is in its cgroup",
	[CGROUP_HIDDEN] = "its cgroup can't be seen from here",
	[CGROUP_DENIED] = "flockerd may not freeze its cgroup",
	[CGROUP_GONE] = "it has ended",
};

/* --- mounts ------------------------------------------------------------------------ */

void cgroup_mounts_done(struct cgroup_mounts *mounts)
{
	for (size_t i = 0; i < CGROUP_KINDS; i++) {
		free(mounts->kinds[i].place);
		free(mounts->kinds[i].root);
	}
	*mounts = (struct cgroup_mounts){ 0 };
}

static bool is_freezer(const char *options)
{
	for (const char *at = options; (at = strstr(at, "freezer")); at++)
		if ((at == options || at[-1] == ',') && (at[7] == ',' || at[7] == '\0'))
			return true;
	return false;
}

/* "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw" */
static void take_mount(struct cgroup_mounts *mounts, const char *line)
{
	own_free char *root = NULL, *place = NULL, *type = NULL, *options = NULL;
	const char *second = strstr(line, " - ");
	enum cgroup_kind kind;

	if (!second || sscanf(line, "%*d %*d %*s %ms %ms", &root, &place) != 2 ||
	    sscanf(second + 3, "%ms %*s %ms", &type, &options) != 2)
		return;
	if (strcmp(type, "cgroup2") == 0)
		kind = CGROUP_UNIFIED;
	else if (strcmp(type, "cgroup") == 0 && is_freezer(options))
		kind = CGROUP_FREEZER;
	else
		return;
	if (mounts->kinds[kind].place)
		return;
	path_unescape(root);
	path_unescape(place);
	mounts->kinds[kind].root = take_ptr(root);
	mounts->kinds[kind].place = take_ptr(place);
}

/* Heap, without its end. */
static char *first_line(const char *text)
{
	struct text line = { 0 };

	text_add(&line, text, strcspn(text, "\n"));
	return text_take(&line);
}

void cgroup_mounts_parse(const char *mountinfo, struct cgroup_mounts *ret)
{
	*ret = (struct cgroup_mounts){ 0 };
	while (*mountinfo) {
		own_free char *line = first_line(mountinfo);

		take_mount(ret, line);
		mountinfo += strlen(line);
		mountinfo += *mountinfo == '\n';
	}
}

int cgroup_mounts_read(struct cgroup_mounts *ret, struct fl_error *err)
{
	own_text struct text table = { 0 };

	if (fsat_read(AT_FDCWD, "/proc/self/mountinfo", TABLE_LIMIT, &table, err) < 0)
		return fl_wrap(err, "looking for cgroups");
	cgroup_mounts_parse(text_get(&table), ret);
	return 0;
}

/* --- the group of a process ----------------------------------------------------------- */

void cgroup_done(struct cgroup *cgroup)
{
	free(cgroup->path);
	free(cgroup->directory);
	*cgroup = (struct cgroup){ 0 };
}

/* "0::/a/b" is the unified one, "6:freezer:/c" has this word between its colons. */
static char *path_in(const char *text, enum cgroup_kind kind)
{
	while (*text) {
		own_free char *line = first_line(text);
		char *rest = line;
		const char *number = strsep(&rest, ":");
		const char *names = strsep(&rest, ":");

		if (rest && names &&
		    (kind == CGROUP_UNIFIED ? strcmp(number, "0") == 0 && !names[0]
					    : is_freezer(names)))
			return xstrdup(rest);
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return NULL;
}

/* Is `path` the group `above`, or below it? */
static bool is_within(const char *path, const char *above)
{
	return strcmp(above, "/") == 0 || path_is_in(path, above);
}

/* "/flocker/INSTANCE.BRANCH" at the beginning of the path: how many bytes that are; 0: it is not.
 */
static size_t system_length(const char *path)
{
	size_t length = strlen(SYSTEMS);

	if (strncmp(path, SYSTEMS, length) != 0)
		return 0;
	for (int i = 0; i < 2; i++) {
		char text[UUID_TEXT] = "";
		struct uuid uuid;
		struct fl_error other;

		if (path[length++] != (i ? '.' : '/'))
			return 0;
		snprintf(text, sizeof(text), "%.*s", (int)strcspn(path + length, "/."),
			 path + length);
		if (uuid_parse(text, &uuid, &other) < 0)
			return 0;
		length += strlen(text);
	}
	return path[length] == '/' || path[length] == '\0' ? length : 0;
}

/*
 * Cuts off what a container, or a user system, has made within its own group; the
 * innermost container counts.  False: it is in none.
 */
static bool cut_to_whole(char *path, char id[static CONTAINER_ID])
{
	size_t end = system_length(path);

	id[0] = '\0';
	for (char *part = path; *part == '/';) {
		size_t length = strcspn(++part, "/");

		if (container_id_in_part(part, length, id))
			end = (size_t)(part - path) + length;
		part += length;
	}
	if (end)
		path[end] = '\0';
	return end;
}

/*
 * As systemd names them.  Whoever is in a session may be the one who waits for the snapshot, or has
 * to put things right; and an engine that stands still may be waited for by what we wait for.
 */
static const struct {
	const char *pattern;
	bool within; /* what is below it, too */
	enum cgroup_verdict verdict;
} refused[] = {
	{ "session-*.scope", true, CGROUP_LOGIN },  { "user@*.service", false, CGROUP_LOGIN },
	{ "ssh*.service", true, CGROUP_LOGIN },	    { "*getty@*.service", true, CGROUP_LOGIN },
	{ "init.scope", true, CGROUP_HOST },	    { "*.slice", false, CGROUP_HOST },
	{ "systemd-*.service", true, CGROUP_HOST }, { "dbus*.service", true, CGROUP_HOST },
	{ "docker.service", true, CGROUP_HOST },    { "containerd.service", true, CGROUP_HOST },
	{ "podman.service", true, CGROUP_HOST },
};

static enum cgroup_verdict judge_part(const char *part, bool last)
{
	for (size_t i = 0; i < array_size(refused); i++)
		if ((last || refused[i].within) && fnmatch(refused[i].pattern, part, 0) == 0)
			return refused[i].verdict;
	return CGROUP_FITS;
}

/* By the names on its path; a container's group is a container's wherever it lies. */
static enum cgroup_verdict judge_names(const char *path)
{
	enum cgroup_verdict verdict = CGROUP_FITS;
	own_free char *copy = xstrdup(path);
	char *rest = copy;

	for (const char *part; verdict == CGROUP_FITS && (part = strsep(&rest, "/"));)
		verdict = judge_part(part, !rest);
	return verdict;
}

static void name_group(struct cgroup *cgroup)
{
	if (cgroup->id[0])
		snprintf(cgroup->name, sizeof(cgroup->name), "%.12s", cgroup->id);
	else
		snprintf(cgroup->name, sizeof(cgroup->name), "%s",
			 strrchr(cgroup->path, system_length(cgroup->path) ? '.' : '/') + 1);
}

enum cgroup_verdict cgroup_choose(const struct cgroup_mounts *mounts, enum cgroup_kind kind,
				  const char *text, const char *ours, struct cgroup *ret)
{
	const char *root = mounts->kinds[kind].root, *place = mounts->kinds[kind].place;
	own_free char *path = place ? path_in(text, kind) : NULL;
	own_free char *our_path = place ? path_in(ours, kind) : NULL;
	struct text directory = { 0 };
	enum cgroup_verdict verdict;
	char id[CONTAINER_ID];
	bool whole;

	if (!path)
		return CGROUP_NONE;
	/* From within a namespace: what lies outside of it begins with "/..". */
	if (path[0] != '/' || is_within(path, "/..") || !is_within(path, root))
		return CGROUP_HIDDEN;
	whole = cut_to_whole(path, id);
	if (strcmp(path, root) == 0 || strcmp(path, "/") == 0)
		return CGROUP_ROOT;
	if (!our_path || is_within(our_path, path))
		return CGROUP_OURS;
	verdict = whole ? CGROUP_FITS : judge_names(path);
	if (verdict != CGROUP_FITS)
		return verdict;
	text_add_format(&directory, "%s%s", place, path + (root[1] ? strlen(root) : 0));
	*ret = (struct cgroup){ .kind = kind,
				.path = take_ptr(path),
				.directory = text_take(&directory) };
	memcpy(ret->id, id, sizeof(id));
	name_group(ret);
	return CGROUP_FITS;
}

/* Kernels before 5.2 have the unified hierarchy without its freezer. */
static enum cgroup_verdict check_switch(const struct cgroup *cgroup)
{
	own_text struct text path = { 0 };

	text_add_format(&path, "%s/%s", cgroup->directory, cgroup_switch[cgroup->kind]);
	if (faccessat(AT_FDCWD, text_get(&path), W_OK, AT_EACCESS) == 0)
		return CGROUP_FITS;
	return errno == ENOENT ? CGROUP_NONE : CGROUP_DENIED;
}

static int read_groups(const char *path, struct text *ret, struct fl_error *err)
{
	return fsat_read(AT_FDCWD, path, GROUPS_LIMIT, ret, err);
}

int cgroup_of_process(const struct cgroup_mounts *mounts, pid_t pid, struct cgroup *ret,
		      enum cgroup_verdict *ret_verdict, struct fl_error *err)
{
	own_text struct text text = { 0 }, ours = { 0 };
	enum cgroup_verdict worst = CGROUP_NONE;
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	if (read_groups("/proc/self/cgroup", &ours, err) < 0)
		return fl_failed(err);
	if (read_groups(path, &text, err) < 0) {
		*ret_verdict = CGROUP_GONE;
		return err->sys == ENOENT || err->sys == ESRCH ? 0 : fl_failed(err);
	}
	for (enum cgroup_kind kind = 0; kind < CGROUP_KINDS; kind++) {
		own_cgroup struct cgroup cgroup = { 0 };
		enum cgroup_verdict verdict = cgroup_choose(mounts, kind, text_get(&text),
							    text_get(&ours), &cgroup);

		if (verdict == CGROUP_FITS)
			verdict = check_switch(&cgroup);
		if (verdict == CGROUP_FITS) {
			*ret = cgroup;
			cgroup = (struct cgroup){ 0 };
			*ret_verdict = verdict;
			return 0;
		}
		/* What keeps it from being frozen is told, rather than that the other has none. */
		if (worst == CGROUP_NONE || worst == CGROUP_ROOT)
			worst = verdict == CGROUP_NONE ? worst : verdict;
	}
	*ret_verdict = worst;
	return 0;
}
