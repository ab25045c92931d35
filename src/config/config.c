/*
 * Each setting has up to four texts: what the command line says, what the file
 * says, what counted at the start (for settings that keep it until the next),
 * and the default.  All are checked on their way in; reading a value converts
 * the one that counts, so nothing can be stale.
 */

#include "config/config.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fsat.h"
#include "base/ini.h"
#include "base/log.h"

struct item { /* heap strings or NULL */
	char *override;
	char *set;
	char *started;
	char *initial;
};

struct config {
	int dir;
	char *place;
	pthread_mutex_t write_mutex; /* held through a change, file and hook included */
	pthread_mutex_t *mutex;	     /* of the items; never held over a wait; readers take it too */
	struct item items[CONFIG_KEYS];
	void (*changed)(void *arg, enum config_key key);
	void *arg;
};

void config_close(struct config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < CONFIG_KEYS; i++) {
		free(config->items[i].override);
		free(config->items[i].set);
		free(config->items[i].started);
		free(config->items[i].initial);
	}
	pthread_mutex_destroy(config->mutex);
	free(config->mutex);
	pthread_mutex_destroy(&config->write_mutex);
	own_fdp(&config->dir);
	free(config->place);
	free(config);
}

void config_setting_done(struct config_setting *setting)
{
	free(setting->value);
	free(setting->initial);
	free(setting->override);
	*setting = (struct config_setting){ 0 };
}

static void replace(char **place, const char *value)
{
	free(*place);
	*place = value ? xstrdup(value) : NULL;
}

/* --- which value counts ---------------------------------------------------------- */

static const char *initial_of(const struct config *config, enum config_key key)
{
	const char *said = config->items[key].initial;

	return said ? said : config_rows[key].initial ? config_rows[key].initial : "";
}

static const char *counting(const struct config *config, enum config_key key)
{
	const struct item *item = &config->items[key];
	const char *file = config_rows[key].restart ? item->started : item->set;

	return item->override ? item->override : file ? file : initial_of(config, key);
}

char *config_string(const struct config *config, enum config_key key)
{
	char *value;

	if (!config)
		return xstrdup(config_rows[key].initial ? config_rows[key].initial : "");
	pthread_mutex_lock(config->mutex);
	value = xstrdup(counting(config, key));
	pthread_mutex_unlock(config->mutex);
	return value;
}

int64_t config_duration(const struct config *config, enum config_key key)
{
	own_free char *value = config_string(config, key);
	struct fl_error err;
	int64_t duration;

	/* It was checked when it came in. */
	if (clock_parse_duration(value, &duration, &err) < 0)
		abort();
	return duration;
}

int64_t config_number(const struct config *config, enum config_key key)
{
	own_free char *value = config_string(config, key);

	return strtoll(value, NULL, 10);
}

bool config_is_set(const struct config *config, enum config_key key)
{
	if (!config)
		return false;
	own_lock(guard, config->mutex);

	return config->items[key].override || config->items[key].set;
}

void config_policy(const struct config *config, struct metadata *ret)
{
	struct fl_error err;

	*ret = (struct metadata){ 0 };
	if (!config)
		return;
	own_lock(guard, config->mutex);
	for (size_t i = 0; i < POLICY_KEYS; i++) {
		const struct item *item = &config->items[CONFIG_POLICY_SNAPSHOT + i];
		const char *value = item->override ? item->override : item->set;

		/* It was checked when it came in. */
		if (value && metadata_set(ret, policy_rows[i].name, value, &err) < 0)
			abort();
	}
}

void config_get(struct config *config, enum config_key key, struct config_setting *ret)
{
	const struct item *item = &config->items[key];
	own_lock(guard, config->mutex);
	const char *initial = initial_of(config, key);
	const char *value = item->set ? item->set : initial;

	*ret = (struct config_setting){
		.row = &config_rows[key],
		.value = xstrdup(value),
		.initial = xstrdup(initial),
		.override = item->override ? xstrdup(item->override) : NULL,
		.set = item->set != NULL,
		.pending = !item->override && strcmp(counting(config, key), value) != 0,
	};
}

/* --- the file ----------------------------------------------------------------------- */

struct file {
	struct text text;
	char *values[CONFIG_KEYS]; /* heap; NULL: not set */
};

static void file_done(struct file *file)
{
	text_done(&file->text);
	for (size_t i = 0; i < CONFIG_KEYS; i++)
		free(take_ptr(file->values[i]));
}

static int take_entry(struct file *file, const struct ini_entry *entry, struct fl_error *err)
{
	char name[2 * INI_NAME];
	enum config_key key;

	int r;

	snprintf(name, sizeof(name), "%s.%s", entry->section, entry->key);
	r = entry->key[0] ? config_find(name, &key, err) : config_find_section(entry->section, err);
	if (r < 0) {
		/* A file that says so is wrong; nothing was looked for. */
		err->code = FL_INVALID;
		return fl_wrap(err, "line %zu", entry->line);
	}
	if (!entry->key[0])
		return 0;
	if (config_check(&config_rows[key], entry->value, err) < 0)
		return fl_wrap(err, "line %zu", entry->line);
	file->values[key] = xstrdup(entry->value);
	return 0;
}

static int file_parse(struct file *file, struct fl_error *err)
{
	own_ini struct ini ini = { 0 };

	if (ini_parse(&file->text, &ini, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < ini.count; i++)
		if (take_entry(file, &ini.items[i], err) < 0)
			return fl_failed(err);
	return config_check_together(file->values, err);
}

/* What is in the file becomes law here: nobody but its owner may have written it. */
static int check_file(int fd, struct fl_error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fl_fail_errno(err, "cannot look at the file");
	if (!S_ISREG(st.st_mode)) {
		fl_fail(err, FL_SYSTEM, "it is no regular file");
		return fl_hint(err, "move it away; changing a setting makes a new one");
	}
	if (st.st_uid != 0 && st.st_uid != geteuid()) {
		fl_fail(err, FL_DENIED, "it belongs to user %u", st.st_uid);
		return fl_hint(err, "check what is in it, then give it to root");
	}
	if (st.st_mode & 022) {
		fl_fail(err, FL_DENIED, "others than its owner may write it (mode %03o)",
			st.st_mode & 0777);
		return fl_hint(err, "check what is in it, then: chmod 600");
	}
	if (st.st_mode & 077 && fchmod(fd, 0600) < 0)
		log_warning("configuration not made private", "error=\"%s\"",
			    strerrordesc_np(errno));
	return 0;
}

static int file_read(int dir, struct file *file, struct fl_error *err)
{
	own_fd int fd = -1;
	int r = fsat_open(dir, CONFIG_FILE, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0, &fd, err);

	if (r == -FL_NOT_FOUND)
		return 0;
	if (r < 0 && err->sys == ELOOP) {
		fl_fail(err, FL_SYSTEM, "it is a symbolic link");
		return fl_hint(err, "put the file itself there: a change would replace the link");
	}
	if (r < 0 || check_file(fd, err) < 0 ||
	    fsat_read_fd(fd, CONFIG_FILE, INI_MAX, &file->text, err) < 0)
		return fl_failed(err);
	if (file_parse(file, err) == 0)
		return 0;
	return fl_hint(err, "mend or remove that line; flocker.ini(5) says what may stand there");
}

static int file_load(const struct config *config, struct file *ret, struct fl_error *err)
{
	own(file_done) struct file file = { 0 };

	if (file_read(config->dir, &file, err) < 0)
		return fl_wrap(err, "%s/%s", config->place, CONFIG_FILE);
	*ret = file;
	file = (struct file){ 0 };
	return 0;
}

static int file_edit(struct file *file, enum config_key key, const char *value,
		     struct fl_error *err)
{
	own_free char *section = xstrdup(config_rows[key].name);
	char *dot = strchr(section, '.');
	struct text changed = { 0 };

	*dot = '\0';
	if (ini_edit(&file->text, section, dot + 1, value, &changed, err) < 0)
		return fl_failed(err);
	text_done(&file->text);
	file->text = changed;
	replace(&file->values[key], value);
	return 0;
}

/* --- changes -------------------------------------------------------------------------- */

/* Takes over what the file says.  Bits of the settings that count with another value now. */
static uint64_t take_over(struct config *config, struct file *file)
{
	own_lock(guard, config->mutex);
	uint64_t different = 0;

	for (size_t i = 0; i < CONFIG_KEYS; i++) {
		own_free char *before = xstrdup(counting(config, (enum config_key)i));

		free(config->items[i].set);
		config->items[i].set = take_ptr(file->values[i]);
		if (strcmp(before, counting(config, (enum config_key)i)) != 0)
			different |= UINT64_C(1) << i;
	}
	return different;
}

/* `key` is what was asked for; the others that changed were written into the file by hand. */
static void tell_changes(const struct config *config, enum config_key key, uint64_t different)
{
	log_info("setting changed", "key=%s", config_rows[key].name);
	for (size_t i = 0; i < CONFIG_KEYS; i++) {
		if (!(different & UINT64_C(1) << i))
			continue;
		if (i != key)
			log_info("setting changed by hand", "key=%s", config_rows[i].name);
		if (config->changed)
			config->changed(config->arg, (enum config_key)i);
	}
}

/* A change in a directory that has no longer this name would be gone at the next start. */
static int check_directory(const struct config *config, struct fl_error *err)
{
	struct stat open, named;

	if (fstat(config->dir, &open) < 0)
		return fl_fail_errno(err, "cannot look at '%s'", config->place);
	if (fsat_stat(AT_FDCWD, config->place, &named, err) == 0 && open.st_dev == named.st_dev &&
	    open.st_ino == named.st_ino)
		return 0;
	fl_fail(err, FL_SYSTEM, "somebody moved or replaced the directory %s", config->place);
	return fl_hint(err, "put it back, or restart flockerd, which then reads what is there now");
}

int config_set(struct config *config, enum config_key key, const char *value, struct fl_error *err)
{
	own(file_done) struct file file = { 0 };
	own_lock(guard, &config->write_mutex);
	bool edited;

	if ((value && config_check(&config_rows[key], value, err) < 0) ||
	    check_directory(config, err) < 0 || file_load(config, &file, err) < 0)
		return fl_failed(err);
	edited = value || file.values[key];
	if (edited && file_edit(&file, key, value, err) < 0)
		return fl_wrap(err, "%s/%s", config->place, CONFIG_FILE);
	if (config_check_together(file.values, err) < 0)
		return fl_failed(err);
	if (edited && fsat_write(config->dir, CONFIG_FILE, text_get(&file.text), file.text.length,
				 0600, true, err) < 0) {
		fl_wrap(err, "%s/%s", config->place, CONFIG_FILE);
		return fl_hint(err,
			       err->code == FL_NO_SPACE
				       ? "free some space in %s"
				       : "flockerd must be able to make files in %s",
			       config->place);
	}
	tell_changes(config, key, take_over(config, &file));
	return 0;
}

/* --- start ------------------------------------------------------------------------------ */

int config_open(int dir, const char *place, struct config **ret, struct fl_error *err)
{
	own_config struct config *config = xcalloc(1, sizeof(*config));
	own(file_done) struct file file = { 0 };

	config->dir = -1;
	config->place = xstrdup(place);
	config->mutex = xcalloc(1, sizeof(*config->mutex));
	pthread_mutex_init(config->mutex, NULL);
	pthread_mutex_init(&config->write_mutex, NULL);
	if (fsat_open_dir(dir, ".", &config->dir, err) < 0 || file_load(config, &file, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < CONFIG_KEYS; i++) {
		config->items[i].set = take_ptr(file.values[i]);
		replace(&config->items[i].started, config->items[i].set);
	}
	*ret = take_ptr(config);
	return 0;
}

void config_default(struct config *config, enum config_key key, const char *value)
{
	replace(&config->items[key].initial, value);
}

int config_override(struct config *config, enum config_key key, const char *value,
		    struct fl_error *err)
{
	if (config_check(&config_rows[key], value, err) < 0)
		return fl_failed(err);
	replace(&config->items[key].override, value);
	return 0;
}

void config_on_change(struct config *config, void (*changed)(void *arg, enum config_key key),
		      void *arg)
{
	config->changed = changed;
	config->arg = arg;
}
