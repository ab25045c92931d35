#include <stdint.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/tcp.h"
#include "base/text.h"
#include "config/config.h"
#include "model/name.h"

#define POLICY_SECTION "policy."

const struct config_row config_rows[CONFIG_KEYS] = {
	[CONFIG_INSTANCE_NAME] = {
		.name = "instance.name",
		.type = CONFIG_NAME,
		.restart = true,
		.description = "the instance's name for people",
	},
	[CONFIG_LOG_LEVEL] = {
		.name = "log.level",
		.type = CONFIG_CHOICE,
		.initial = "info",
		.choices = log_level_names,
		.description = "the least important lines that are logged",
	},
	[CONFIG_TRASH_KEEP] = {
		.name = "trash.keep",
		.type = CONFIG_DURATION,
		.initial = "7d",
		.least = 0,
		.most = 3650 * CLOCK_DAY,
		.bounds = "0s to 3650d",
		.description = "how long the trash keeps what was destroyed",
	},
	[CONFIG_HTTP_CONNECTIONS] = {
		.name = "http.connections",
		.type = CONFIG_NUMBER,
		.restart = true,
		.initial = "512",
		.least = 2, /* a transfer has one for hours; whoever cancels it needs one too */
		.most = 4096,
		.bounds = "2 to 4096",
		.description = "clients that are served at a time; others wait",
	},
	[CONFIG_HTTP_TIMEOUT] = {
		.name = "http.timeout",
		.type = CONFIG_DURATION,
		.restart = true,
		.initial = "30s",
		.least = CLOCK_SECOND,
		.most = CLOCK_HOUR,
		.bounds = "1s to 1h",
		.description = "after which a silent connection is closed, but in transfers",
	},
	[CONFIG_THIN_MIN_FREE] = {
		.name = "thin.min-free",
		.type = CONFIG_NUMBER,
		.initial = "10",
		.least = 0,
		.most = 50,
		.bounds = "0 to 50",
		.description = "percent of the pool that is kept free by giving up snapshots",
	},
	[CONFIG_THIN_MAX_UNCLEANED] = {
		.name = "thin.max-uncleaned",
		.type = CONFIG_NUMBER,
		.initial = "256",
		.least = 1,
		.most = 1000000,
		.bounds = "1 to 1000000",
		.description = "deleted snapshots left to clean at which thinning waits",
	},
	[CONFIG_DOCKER_SOCKET] = {
		.name = "docker.socket",
		.type = CONFIG_PATH,
		.restart = true,
		.bounds = "an absolute path, or nothing: no engine",
		.description = "where the container engine (Docker, Podman) listens",
	},
	[CONFIG_DOCKER_PLUGIN] = {
		.name = "docker.plugin",
		.type = CONFIG_PATH,
		.restart = true,
		.bounds = "an absolute path, or nothing: no plugin",
		.description = "where engines find the volume plugin; its name there is the file's",
	},
	[CONFIG_SYSTEM_RUNTIME] = {
		.name = "system.runtime",
		.type = CONFIG_PATH,
		.initial = "",
		.bounds = "an absolute path, or nothing: runc or else crun",
		.description = "the OCI runtime that runs user systems",
	},
	[CONFIG_PEER_LISTEN] = {
		.name = "peer.listen",
		.type = CONFIG_ADDRESS,
		.initial = "*",
		.bounds = "HOST:PORT, *:PORT, or nothing: no peer may connect",
		.description = "where a member of a cluster listens for its peers",
	},
	[CONFIG_PEER_CHECK] = {
		.name = "peer.check",
		.type = CONFIG_DURATION,
		.initial = "5m",
		.least = 0,
		.most = 366 * CLOCK_DAY,
		.bounds = "0s to 366d",
		.description = "how often peers without a link are looked for; 0s: never",
	},
#define AS_SETTING(KEY, word, value, values, says, reader) \
	[CONFIG_POLICY_##KEY] = {                          \
		.name = POLICY_SECTION word,               \
		.type = CONFIG_POLICY,                     \
		.initial = value,                          \
		.bounds = values,                          \
		.description = says,                       \
	},
	POLICY_TABLE(AS_SETTING)
#undef AS_SETTING
};

const char *const config_type_names[CONFIG_TYPES] = {
	[CONFIG_NAME] = "name",	    [CONFIG_DURATION] = "duration", [CONFIG_NUMBER] = "number",
	[CONFIG_CHOICE] = "choice", [CONFIG_PATH] = "path",	    [CONFIG_ADDRESS] = "address",
	[CONFIG_POLICY] = "policy",
};

static void describe_values(const struct config_row *row, struct text *out)
{
	if (row->type != CONFIG_CHOICE) {
		text_add_string(out, row->bounds);
		return;
	}
	for (size_t i = 0; row->choices[i]; i++) {
		const char *between = row->choices[i + 1] ? ", " : " or ";

		text_add_format(out, "%s%s", i ? between : "", row->choices[i]);
	}
}

static int fail_value(const struct config_row *row, const char *value, struct fl_error *err)
{
	own_text struct text takes = { 0 };
	char shown[NAME_SHOWN];

	describe_values(row, &takes);
	fl_fail(err, FL_INVALID, "'%s' is not a value of %s", name_show(value, shown), row->name);
	return fl_hint(err, "it takes %s", text_get(&takes));
}

static int check_name(const struct config_row *row, const char *value, struct fl_error *err)
{
	return name_check("instance", value, err);
}

static int check_duration(const struct config_row *row, const char *value, struct fl_error *err)
{
	int64_t duration;

	if (clock_parse_duration(value, &duration, err) < 0)
		return fl_wrap(err, "%s", row->name);
	if (duration < row->least || duration > row->most)
		return fail_value(row, value, err);
	return 0;
}

static int check_number(const struct config_row *row, const char *value, struct fl_error *err)
{
	int64_t number;

	if (!number_parse(value, &number) || number < row->least || number > row->most)
		return fail_value(row, value, err);
	return 0;
}

static int check_choice(const struct config_row *row, const char *value, struct fl_error *err)
{
	for (const char *const *choice = row->choices; *choice; choice++)
		if (strcmp(*choice, value) == 0)
			return 0;
	return fail_value(row, value, err);
}

/* No longer than the address of a socket: that is what most of them are. */
static int check_path(const struct config_row *row, const char *value, struct fl_error *err)
{
	if (*value && (*value != '/' || strlen(value) > CONFIG_PATH_MAX))
		return fail_value(row, value, err);
	return 0;
}

static int check_address(const struct config_row *row, const char *value, struct fl_error *err)
{
	struct tcp_address address;

	if (*value && tcp_parse(value, 0, &address, err) < 0)
		return fl_hint(err, "it takes %s", row->bounds);
	return 0;
}

static const struct policy_row *policy_row_of(const struct config_row *row)
{
	return &policy_rows[row - &config_rows[CONFIG_POLICY_SNAPSHOT]];
}

static int check_policy(const struct config_row *row, const char *value, struct fl_error *err)
{
	const struct policy_row *policy_row = policy_row_of(row);
	struct policy policy = { 0 };

	return policy_row->read(policy_row, value, &policy, err);
}

int config_check_together(char *const values[CONFIG_KEYS], struct fl_error *err)
{
	own_metadata struct metadata common = { 0 };
	struct policy policy;

	for (size_t i = 0; i < POLICY_KEYS; i++) {
		const char *value = values[CONFIG_POLICY_SNAPSHOT + i];

		if (value && metadata_set(&common, policy_rows[i].name, value, err) < 0)
			return fl_failed(err);
	}
	return policy_read(NULL, &common, &policy, err);
}

int config_check(const struct config_row *row, const char *value, struct fl_error *err)
{
	static int (*const checks[CONFIG_TYPES])(const struct config_row *, const char *,
						 struct fl_error *) = {
		[CONFIG_NAME] = check_name,	[CONFIG_DURATION] = check_duration,
		[CONFIG_NUMBER] = check_number, [CONFIG_CHOICE] = check_choice,
		[CONFIG_PATH] = check_path,	[CONFIG_ADDRESS] = check_address,
		[CONFIG_POLICY] = check_policy,
	};

	if (checks[row->type](row, value, err) < 0)
		return fl_object(err, "%s", row->name);
	return 0;
}

/* The setting that was meant: half of its name is there, or the part behind its dot; or NULL. */
static const char *nearest(const char *name)
{
	const char *best = NULL;
	size_t least = SIZE_MAX;

	for (size_t i = 0; i < CONFIG_KEYS; i++) {
		const char *key = strchr(config_rows[i].name, '.') + 1;
		size_t whole = text_distance(name, config_rows[i].name);
		size_t alone = text_distance(name, key);
		bool near = whole <= strlen(config_rows[i].name) / 2 || alone <= strlen(key) / 3;
		size_t distance = alone < whole ? alone : whole;

		if (near && distance < least) {
			least = distance;
			best = config_rows[i].name;
		}
	}
	return best;
}

int config_find(const char *name, enum config_key *ret, struct fl_error *err)
{
	const char *near = nearest(name);
	char shown[NAME_SHOWN];

	for (size_t i = 0; i < CONFIG_KEYS; i++)
		if (strcmp(config_rows[i].name, name) == 0) {
			*ret = (enum config_key)i;
			return 0;
		}
	fl_fail(err, FL_NOT_FOUND, "there is no setting '%s'", name_show(name, shown));
	if (near)
		return fl_hint(err,
			       "did you mean '%s'? 'flocker config list' and flocker.ini(5) "
			       "show all",
			       near);
	return fl_hint(err, "'flocker config list' and flocker.ini(5) show all");
}

/* The setting whose section was meant; half of what was typed must be right. */
static const char *nearest_section(const char *name)
{
	size_t least = strlen(name) / 2 + 1;
	const char *best = NULL;

	for (size_t i = 0; i < CONFIG_KEYS; i++) {
		const char *row = config_rows[i].name;
		own_free char *section = strndup(row, strcspn(row, "."));
		size_t distance = section ? text_distance(name, section) : SIZE_MAX;

		if (distance < least) {
			least = distance;
			best = row;
		}
	}
	return best;
}

int config_find_section(const char *name, struct fl_error *err)
{
	const char *near = nearest_section(name);
	char shown[NAME_SHOWN];
	size_t length = strlen(name);

	for (size_t i = 0; i < CONFIG_KEYS; i++)
		if (strncmp(config_rows[i].name, name, length) == 0 &&
		    config_rows[i].name[length] == '.')
			return 0;
	fl_fail(err, FL_NOT_FOUND, "there is no section [%s]", name_show(name, shown));
	if (near)
		return fl_hint(err, "did you mean [%.*s]? flocker.ini(5) shows all",
			       (int)strcspn(near, "."), near);
	return fl_hint(err, "flocker.ini(5) shows all");
}
