#include "api/encode.h"

#include <sys/stat.h>

#include "api/encode-value.h"

static const char *type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "symlink";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	case S_IFBLK:
		return "block device";
	default:
		return "character device";
	}
}

/* Of a file, which may well say 1970. */
static void add_modified(struct json *json, int64_t time)
{
	char text[CLOCK_TEXT];

	json_put_string(json, "modified", clock_format(time, text));
}

static void add_side(struct json *json, const char *key, const struct change_side *side)
{
	if (side->mode == 0) {
		json_put_null(json, key);
		return;
	}
	json_put_object(json, key);
	json_put_string(json, "type", type_name(side->mode));
	json_put_int(json, "mode", side->mode & 07777);
	encode_size(json, "size", side->size);
	json_put_int(json, "uid", side->uid);
	json_put_int(json, "gid", side->gid);
	add_modified(json, side->modified);
	json_end(json);
}

void encode_change(struct json *json, const char *key, const struct change *change)
{
	json_put_object(json, key);
	json_put_string(json, "kind", change_kind_names[change->kind]);
	json_put_string(json, "path", change->path);
	json_put_string(json, "from", change->from);
	json_put_array(json, "what");
	for (unsigned i = 0; i < CHANGE_WHATS; i++)
		if (change->what & 1U << i)
			json_put_string(json, NULL, change_what_names[i]);
	json_end(json);
	add_side(json, "before", &change->before);
	add_side(json, "after", &change->after);
	json_end(json);
}

void encode_file(struct json *json, const char *key, const struct file *file)
{
	json_put_object(json, key);
	json_put_string(json, "name", file->name);
	json_put_string(json, "type", type_name(file->mode));
	json_put_int(json, "mode", file->mode & 07777);
	encode_size(json, "size", file->size);
	json_put_int(json, "uid", file->uid);
	json_put_int(json, "gid", file->gid);
	add_modified(json, file->modified);
	json_put_string(json, "target", file->target);
	json_end(json);
}

/* A snapshot at an end of a version; null where only the live file is it. */
static void add_moment(struct json *json, const char *key, uint64_t id, int64_t time)
{
	if (!id) {
		json_put_null(json, key);
		return;
	}
	json_put_object(json, key);
	encode_id(json, "id", id);
	json_put_time(json, "time", time);
	json_end(json);
}

void encode_file_version(struct json *json, const char *key, const struct file_version *version)
{
	json_put_object(json, key);
	add_moment(json, "oldest", version->oldest, version->oldest_time);
	add_moment(json, "newest", version->newest, version->newest_time);
	encode_size(json, "snapshots", version->snapshots);
	json_put_bool(json, "live", version->live);
	encode_file(json, "file", &version->file);
	json_end(json);
}
