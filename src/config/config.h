#pragma once

/*
 * The configuration: what an administrator sets for the instance, in the file
 * flocker.ini beside volume.json (DESIGN section 13).
 *
 * Only the daemon reads and writes that file; everybody else asks it.  The
 * settings that exist are one table (table.c): a further one is a row there, a
 * name in enum config_key, and its paragraph in flocker.ini(5).  A value is
 * read where it is used, each time, so that a change counts at once; a setting
 * whose row says `restart` keeps, until the daemon's next start, the value that
 * it had at this one.
 *
 * What the command line of flockerd says (config_override) is stronger than the
 * file; the file is stronger than the default.
 *
 * Every function may be called from any thread, but config_open(),
 * config_override(), config_default() and config_on_change() only before there
 * are others.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"
#include "model/metadata.h"
#include "model/policy.h"

#define CONFIG_FILE "flocker.ini"

enum config_key {
	CONFIG_INSTANCE_NAME,
	CONFIG_LOG_LEVEL,
	CONFIG_TRASH_KEEP,
	CONFIG_HTTP_CONNECTIONS,
	CONFIG_HTTP_TIMEOUT,
	CONFIG_THIN_MIN_FREE,
	CONFIG_THIN_MAX_UNCLEANED,
	CONFIG_DOCKER_SOCKET,
	CONFIG_DOCKER_PLUGIN,
	CONFIG_SYSTEM_RUNTIME,
	CONFIG_PEER_LISTEN,
	CONFIG_PEER_CHECK,
#define CONFIG_POLICY_KEY(KEY, ...) CONFIG_POLICY_##KEY,
	POLICY_TABLE(CONFIG_POLICY_KEY)
#undef CONFIG_POLICY_KEY
		CONFIG_KEYS,
};

enum config_type {
	CONFIG_NAME,	 /* model/name.h */
	CONFIG_DURATION, /* base/clock.h; bounds in nanoseconds */
	CONFIG_NUMBER,	 /* decimal digits */
	CONFIG_CHOICE,	 /* one of a few words */
	CONFIG_PATH,	 /* absolute, or "": none */
	CONFIG_ADDRESS,	 /* base/tcp.h, to listen on; or "": none */
	CONFIG_POLICY,	 /* a default of branches' policies: model/policy.h */
	CONFIG_TYPES,
};

#define CONFIG_PATH_MAX 107 /* bytes of a path: as many as sockaddr_un takes */

extern const char *const config_type_names[CONFIG_TYPES];

struct config_row {
	const char *name; /* "trash.keep": the setting `keep` in section [trash] */
	enum config_type type;
	bool restart;		    /* a change counts from the next start on */
	const char *initial;	    /* the default; NULL: config_default() says it */
	int64_t least, most;	    /* of durations and numbers */
	const char *bounds;	    /* the same for people: "1 to 4096" */
	const char *const *choices; /* of a choice; ends with NULL */
	const char *description;    /* one line */
};

extern const struct config_row config_rows[CONFIG_KEYS];

/* FL_INVALID with what the setting takes. */
must_check int config_check(const struct config_row *row, const char *value, struct fl_error *err);

/*
 * Of settings that are good one by one: FL_INVALID when the policies contradict
 * themselves.  `values` by key; NULL: not set.
 */
must_check int config_check_together(char *const values[CONFIG_KEYS], struct fl_error *err);

/* The setting of that name.  FL_NOT_FOUND with the nearest name otherwise. */
must_check int config_find(const char *name, enum config_key *ret, struct fl_error *err);

/* Is there a section of that name?  FL_NOT_FOUND with the nearest otherwise. */
must_check int config_find_section(const char *name, struct fl_error *err);

struct config;

/*
 * Reads the file in the directory `dir` (not taken over), whose path `place` is
 * for messages; without a file all defaults count.  FL_INVALID with path, line
 * and reason when it is not good, FL_DENIED when others than its owner may
 * write it or its owner is neither root nor this user.  A file that others may
 * read is made private.
 */
must_check int config_open(int dir, const char *place, struct config **ret, struct fl_error *err);
void config_close(struct config *config);
OWN_FREEP(config, config_close)
#define own_config own(config_freep)

/* What the setting is where nothing sets it.  For rows without a default of their own. */
void config_default(struct config *config, enum config_key key, const char *value);
/* From the command line. */
must_check int config_override(struct config *config, enum config_key key, const char *value,
			       struct fl_error *err);
/* Called, on the thread that makes the change, after a setting counts with another value. */
void config_on_change(struct config *config, void (*changed)(void *arg, enum config_key key),
		      void *arg);

/* The values that count.  `config` NULL: the defaults of the table. */
int64_t config_duration(const struct config *config, enum config_key key); /* ns */
int64_t config_number(const struct config *config, enum config_key key);
char *config_string(const struct config *config, enum config_key key); /* heap */

/* Does the configuration say anything of it?  `config` NULL: no. */
bool config_is_set(const struct config *config, enum config_key key);
/* Those of the policies that are set, by the names that they have in a branch's policy. */
void config_policy(const struct config *config, struct metadata *ret);

/* What is known of a setting. */
struct config_setting {
	const struct config_row *row;
	char *value;	/* as it is set, or the default; heap */
	char *initial;	/* the default; heap */
	char *override; /* what the command line says instead; heap; or NULL */
	bool set;	/* in the file */
	bool pending;	/* another value counts until the next start */
};

void config_setting_done(struct config_setting *setting);
#define own_config_setting own(config_setting_done)

void config_get(struct config *config, enum config_key key, struct config_setting *ret);

/*
 * Sets, or with `value` NULL removes.  Durable on return; a failure has changed
 * nothing.  The file is read anew before, so that what was written into it
 * meanwhile is neither lost nor overlooked: FL_INVALID if it is not good.
 * FL_SYSTEM when the directory is no longer the one at `place`.
 */
must_check int config_set(struct config *config, enum config_key key, const char *value,
			  struct fl_error *err);
