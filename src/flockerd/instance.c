#include "flockerd/instance.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fsat.h"
#include "base/log.h"
#include "base/text.h"

#define FILE_NAME "volume.json"
#define FILE_LIMIT 4096
#define FILE_VERSION 1

static int decode(const struct text *text, struct uuid *ret, struct fl_error *err)
{
	own(json_decrefp) json_t *json = json_loadb(text_get(text), text->length,
						    JSON_REJECT_DUPLICATES, NULL);
	const char *uuid = json_string_value(json_object_get(json, "uuid"));
	const json_t *version = json_object_get(json, "version");

	if (!uuid || !json_is_integer(version))
		return fl_fail(err, FL_CORRUPT,
			       "it does not hold {\"uuid\": \"...\", \"version\": %d}",
			       FILE_VERSION);
	if (json_integer_value(version) != FILE_VERSION)
		return fl_fail(err, FL_UNSUPPORTED,
			       "its version is %" JSON_INTEGER_FORMAT ", and this program knows %d",
			       json_integer_value(version), FILE_VERSION);
	if (uuid_parse(uuid, ret, err) < 0)
		return fl_fail(err, FL_CORRUPT, "its uuid is none: '%.60s'", uuid);
	return 0;
}

static int create(int config, struct uuid *ret, struct fl_error *err)
{
	own_text struct text text = { 0 };
	struct uuid uuid = uuid_new();
	char uuid_text[UUID_TEXT];
	int r;

	text_add_format(&text, "{\"uuid\": \"%s\", \"version\": %d}\n",
			uuid_format(&uuid, uuid_text), FILE_VERSION);
	r = fsat_write(config, FILE_NAME, text.bytes, text.length, 0644, true, err);
	if (r < 0)
		return fl_hint(err, "this directory must be writable");
	log_info("instance made", "uuid=%s", uuid_text);
	*ret = uuid;
	return 0;
}

static int load_uuid(int config, struct uuid *ret, struct fl_error *err)
{
	own_text struct text text = { 0 };
	int r = fsat_read(config, FILE_NAME, FILE_LIMIT, &text, err);

	if (r == -FL_NOT_FOUND)
		return create(config, ret, err);
	if (r == 0)
		r = decode(&text, ret, err);
	/* Not made anew: the pool belongs to the identity that was in it. */
	return r < 0 ? fl_hint(err, "put it back from a copy") : 0;
}

int instance_default_name(const char *root, struct instance *instance, struct fl_error *err)
{
	const char *slash = root ? strrchr(root, '/') : NULL;
	const char *last = slash ? slash + 1 : "";
	char host[256], full[600];

	if (gethostname(host, sizeof(host)) < 0)
		return fl_fail_errno(err, "the host's name");
	host[sizeof(host) - 1] = '\0';
	name_sanitize(host, instance->host);
	snprintf(full, sizeof(full), "%s%s%s", host, last[0] ? "-" : "", last);
	name_sanitize(full, instance->name);
	return 0;
}

int instance_load(const char *config, struct instance *instance, struct fl_error *err)
{
	own_fd int fd = -1;
	int r = fsat_open_dir(AT_FDCWD, config, &fd, err);

	if (r == 0)
		r = load_uuid(fd, &instance->uuid, err);
	return r < 0 ? fl_wrap(err, "the instance's identity in %s/%s", config, FILE_NAME) : 0;
}
