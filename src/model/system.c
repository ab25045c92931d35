#include "model/system.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "model/name.h"
#include "model/words.h"

#define ENVIRONMENT "env."
#define MEMORY_LEAST (UINT64_C(4) << 20)
#define CPUS_MOST 1024
#define PIDS_MOST 4194304 /* PID_MAX_LIMIT of Linux */

/* What init finds where nothing else was set: "container" tells it that it is in one. */
static const char *const environment[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"container=oci",
};

/* --- values ------------------------------------------------------------------------ */

static bool read_init(const char *name, const char *value, struct system_settings *settings)
{
	(void)name;
	settings->init = words_split(value);
	return settings->init && settings->init[0] && settings->init[0][0] == '/';
}

static bool is_variable(const char *name)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
	static const char digits[] = "0123456789";
	size_t length = strlen(name), at = strspn(name, letters);

	if (at == 0)
		return false;
	while (at < length && (strchr(letters, name[at]) || strchr(digits, name[at])))
		at++;
	return at == length;
}

static bool read_environment(const char *name, const char *value, struct system_settings *settings)
{
	const char *variable = name + strlen(ENVIRONMENT);
	struct text pair = { 0 };

	if (!is_variable(variable))
		return false;
	text_add_format(&pair, "%s=%s", variable, value);
	words_add(&settings->environment, text_take(&pair));
	return true;
}

static bool read_number(const char *value, int64_t least, int64_t most, unsigned *ret)
{
	int64_t number;

	if (!number_parse(value, &number) || number < least || number > most)
		return false;
	*ret = (unsigned)number;
	return true;
}

/* The same of what stands before something else. */
static bool read_part(const char *value, size_t length, int64_t most, unsigned *ret)
{
	char part[12];

	if (length >= sizeof(part))
		return false;
	memcpy(part, value, length);
	part[length] = '\0';
	return read_number(part, 0, most, ret);
}

/* The last number is none: chown(2) and others take it for "leave it". */
static bool read_user(const char *name, const char *value, struct system_settings *settings)
{
	size_t length = strcspn(value, ":");

	(void)name;
	if (!read_part(value, length, UINT32_MAX - 1, &settings->uid))
		return false;
	settings->gid = settings->uid;
	return !value[length] || read_number(value + length + 1, 0, UINT32_MAX - 1, &settings->gid);
}

static bool read_directory(const char *name, const char *value, struct system_settings *settings)
{
	(void)name;
	if (*value != '/')
		return false;
	settings->directory = xstrdup(value);
	return true;
}

static bool read_hostname(const char *name, const char *value, struct system_settings *settings)
{
	struct fl_error unused;

	if (name_check(name, value, &unused) < 0)
		return false;
	snprintf(settings->hostname, sizeof(settings->hostname), "%s", value);
	return true;
}

static int signal_of(const char *word)
{
	for (int number = 1; number < SIGRTMIN; number++) {
		const char *known = sigabbrev_np(number);

		if (known && strcmp(known, word) == 0)
			return number;
	}
	return 0;
}

/* "RTMIN+3": by its distance from the first or the last one, both as the C library has them. */
static bool read_realtime(const char *word, int *ret)
{
	int spread = SIGRTMAX - SIGRTMIN;
	bool up = strncmp(word, "RTMIN", 5) == 0;
	unsigned distance = 0;

	if (!up && strncmp(word, "RTMAX", 5) != 0)
		return false;
	word += 5;
	if (*word && (*word != (up ? '+' : '-') || !read_number(word + 1, 0, spread, &distance)))
		return false;
	*ret = up ? SIGRTMIN + (int)distance : SIGRTMAX - (int)distance;
	return true;
}

static bool read_stop_signal(const char *name, const char *value, struct system_settings *settings)
{
	const char *word = strncmp(value, "SIG", 3) == 0 ? value + 3 : value;
	unsigned number;

	(void)name;
	if (read_number(value, 1, SIGRTMAX, &number)) {
		settings->stop_signal = (int)number;
		return true;
	}
	if (read_realtime(word, &settings->stop_signal))
		return true;
	settings->stop_signal = signal_of(word);
	return settings->stop_signal != 0;
}

static bool read_stop_timeout(const char *name, const char *value, struct system_settings *settings)
{
	struct fl_error unused;

	(void)name;
	return clock_parse_duration(value, &settings->stop_timeout, &unused) == 0 &&
	       settings->stop_timeout <= CLOCK_DAY;
}

static bool read_restart(const char *name, const char *value, struct system_settings *settings)
{
	static const char *const words[] = {
		[SYSTEM_RESTART_NO] = "no",
		[SYSTEM_RESTART_ON_FAILURE] = "on-failure",
		[SYSTEM_RESTART_ALWAYS] = "always",
	};
	size_t at = word_find(words, array_size(words), value);

	(void)name;
	settings->restart = (enum system_restart)at;
	return at < array_size(words);
}

static bool read_network(const char *name, const char *value, struct system_settings *settings)
{
	static const char *const words[] = {
		[SYSTEM_NETWORK_NONE] = "none",
		[SYSTEM_NETWORK_HOST] = "host",
	};
	size_t at = word_find(words, array_size(words), value);

	(void)name;
	settings->network = (enum system_network)at;
	return at < array_size(words);
}

static bool read_memory(const char *name, const char *value, struct system_settings *settings)
{
	struct fl_error unused;

	(void)name;
	return size_parse(value, &settings->memory, &unused) == 0 &&
	       (settings->memory == 0 || settings->memory >= MEMORY_LEAST);
}

/* "0.5": up to three digits behind the point. */
static bool read_cpus(const char *name, const char *value, struct system_settings *settings)
{
	size_t length = strcspn(value, "."), places = 0;
	unsigned thousandths = 0, count;

	(void)name;
	if (!read_part(value, length, CPUS_MOST, &count))
		return false;
	if (value[length]) {
		const char *part = value + length + 1;

		places = strlen(part);
		if (places > 3 || !read_number(part, 0, 999, &thousandths))
			return false;
	}
	for (; places < 3; places++)
		thousandths *= 10;
	settings->cpus = count * 1000 + thousandths;
	return settings->cpus == 0 || (settings->cpus >= 10 && settings->cpus <= CPUS_MOST * 1000);
}

static bool read_pids(const char *name, const char *value, struct system_settings *settings)
{
	(void)name;
	return read_number(value, 0, PIDS_MOST, &settings->pids);
}

/* --- the table ---------------------------------------------------------------------- */

const struct system_row system_rows[SYSTEM_KEYS] = {
	[SYSTEM_KEY_INIT] = {
		"init", "/sbin/init",
		"an absolute path and arguments, in quotes where they hold blanks",
		"the program that the system begins with, and its arguments", read_init,
	},
	[SYSTEM_KEY_ENVIRONMENT] = {
		ENVIRONMENT, NULL, "a name of letters, digits and _ behind the point",
		"a variable of its environment (env.NAME)", read_environment,
	},
	[SYSTEM_KEY_USER] = {
		"user", "0", "numbers: UID or UID:GID",
		"the user and the group that init runs as", read_user,
	},
	[SYSTEM_KEY_DIRECTORY] = {
		"directory", "/", "an absolute path",
		"the directory that init begins in", read_directory,
	},
	[SYSTEM_KEY_HOSTNAME] = {
		"hostname", NULL, "letters, digits, and _ . - within, 63 at most",
		"the name of its host; else the branch's, with - for /", read_hostname,
	},
	[SYSTEM_KEY_STOP_SIGNAL] = {
		"stop-signal", "SIGTERM",
		"the name or the number of a signal (SIGTERM, INT, 15, RTMIN+3)",
		"what tells init to end", read_stop_signal,
	},
	[SYSTEM_KEY_STOP_TIMEOUT] = {
		"stop-timeout", "10s", "a duration from 0s to 1d",
		"how long it may take to end before it is killed", read_stop_timeout,
	},
	[SYSTEM_KEY_RESTART] = {
		"restart", "on-failure", "no, on-failure or always",
		"whether it is started again when init has ended", read_restart,
	},
	[SYSTEM_KEY_MEMORY] = {
		"memory", "0", "a size from 4M (512M, 2G), or 0: no limit",
		"how much memory it may have", read_memory,
	},
	[SYSTEM_KEY_CPUS] = {
		"cpus", "0", "a number from 0.01 to 1024 (0.5), or 0: no limit",
		"how many processors it may keep busy", read_cpus,
	},
	[SYSTEM_KEY_PIDS] = {
		"pids", "4096", "a number up to 4194304, or 0: no limit",
		"how many processes and threads it may have", read_pids,
	},
	[SYSTEM_KEY_NETWORK] = {
		"network", "none", "none or host",
		"none of its own, or that of the host", read_network,
	},
};

static bool is_row(const struct system_row *row, const char *name)
{
	if (row == &system_rows[SYSTEM_KEY_ENVIRONMENT])
		return strncmp(row->name, name, strlen(row->name)) == 0;
	return strcmp(row->name, name) == 0;
}

int system_find(const char *name, enum system_key *ret, struct fl_error *err)
{
	own_text struct text names = { 0 };
	char shown[NAME_SHOWN];

	for (size_t i = 0; i < SYSTEM_KEYS; i++) {
		const char *rest = i == SYSTEM_KEY_ENVIRONMENT ? "NAME" : "";

		if (is_row(&system_rows[i], name)) {
			*ret = (enum system_key)i;
			return 0;
		}
		text_add_format(&names, "%s%s%s", i ? ", " : "", system_rows[i].name, rest);
	}
	fl_fail(err, FL_NOT_FOUND, "a system has no setting '%s'", name_show(name, shown));
	return fl_hint(err, "there are %s", text_get(&names));
}

static int read_text(const struct system_row *row, const char *name, const char *value,
		     struct system_settings *settings, struct fl_error *err)
{
	char shown[NAME_SHOWN], shown_name[NAME_SHOWN];

	if (row->read(name, value, settings))
		return 0;
	fl_fail(err, FL_INVALID, "'%s' is no value of %s", name_show(value, shown),
		name_show(name, shown_name));
	return fl_hint(err, "it takes %s", row->takes);
}

static bool has_variable(const struct system_settings *settings, const char *pair)
{
	size_t length = strcspn(pair, "=") + 1;

	for (char **own = settings->environment; own && *own; own++)
		if (strncmp(*own, pair, length) == 0)
			return true;
	return false;
}

static int read_set(const struct metadata *texts, struct system_settings *settings,
		    struct fl_error *err)
{
	enum system_key key;

	for (size_t i = 0; texts && i < texts->count; i++) {
		const struct metadata_pair *pair = &texts->pairs[i];

		if (system_find(pair->key, &key, err) < 0) {
			err->code = FL_INVALID;
			return fl_failed(err);
		}
		if (read_text(&system_rows[key], pair->key, pair->value, settings, err) < 0)
			return fl_failed(err);
	}
	return 0;
}

static int read_rest(const struct metadata *texts, struct system_settings *settings,
		     struct fl_error *err)
{
	for (size_t i = 0; i < SYSTEM_KEYS; i++) {
		const struct system_row *row = &system_rows[i];

		if (!row->initial || (texts && metadata_get(texts, row->name)))
			continue;
		if (read_text(row, row->name, row->initial, settings, err) < 0)
			return fl_failed(err);
	}
	for (size_t i = 0; i < array_size(environment); i++)
		if (!has_variable(settings, environment[i]))
			words_add(&settings->environment, xstrdup(environment[i]));
	return 0;
}

int system_read(const struct metadata *texts, struct system_settings *ret, struct fl_error *err)
{
	own_system_settings struct system_settings settings = { 0 };

	if (read_set(texts, &settings, err) < 0 || read_rest(texts, &settings, err) < 0)
		return fl_failed(err);
	*ret = settings;
	settings = (struct system_settings){ 0 };
	return 0;
}

void system_settings_done(struct system_settings *settings)
{
	words_free(settings->init);
	words_free(settings->environment);
	free(settings->directory);
	*settings = (struct system_settings){ 0 };
}

void system_hostname(const struct system_settings *settings, const char *volume, const char *branch,
		     char ret[static SYSTEM_HOSTNAME])
{
	if (settings->hostname[0])
		memcpy(ret, settings->hostname, SYSTEM_HOSTNAME);
	else
		snprintf(ret, SYSTEM_HOSTNAME, "%s-%s", volume, branch);
}
