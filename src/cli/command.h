#pragma once

/*
 * The command line: what commands and options there are (table.c), and how
 * words become a call of one of them.  The parser, the help, and the check of
 * the man page all read the same table.  Nothing here talks to a daemon.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/own.h"
#include "lib/flocker.h"

/* An option is the same thing wherever it is accepted; only its help differs. */
enum option_id {
	OPT_JSON,
	OPT_ROOT,
	OPT_SOCKET,
	OPT_NO_COLOR,
	OPT_HELP,
	OPT_VERSION,
	OPT_FILE,
	OPT_SIZE,
	OPT_SPARSE,
	OPT_DEVICE,
	OPT_DIRECTORY,
	OPT_ZFS,
	OPT_ZFS_FILE,
	OPT_COMPRESS,
	OPT_FORCE,
	OPT_DRIVER,
	OPT_FROM,
	OPT_DESCRIPTION,
	OPT_MOUNT_PATH,
	OPT_QUOTA,
	OPT_SET,
	OPT_NAME,
	OPT_MESSAGE,
	OPT_COUNT,
	OPT_STAT,
	OPT_CONTENT,
	OPT_LIST,
	OPT_TO,
	OPT_AS,
	OPT_TABLE,
	OPT_VERIFY,
	OPT_FOLLOW,
	OPT_DEVICES,
	OPT_SETUID,
	OPT_ZSTD,
	OPT_FROM_DIRECTORY,
	OPT_WHY,
	OPT_DRY_RUN,
	OPT_YES,
	OPT_POLICY,
	OPT_TIMEOUT,
	OPT_REQUIRED,
	OPT_TOGETHER,
	OPT_LIVE,
	OPT_CONTAINER,
	OPT_TAIL,
	OPT_INTERACTIVE,
	OPT_TTY,
	OPT_USER,
	OPT_ALL,
	OPT_ANEW,
	OPT_LIMIT,
	OPT_PEER,
	OPT_ADDRESS,
	OPT_VALID,
	OPT_OUT,
	OPTIONS,
};

struct option {
	enum option_id id;
	const char *name;  /* without dashes; NULL ends a list */
	char letter;	   /* or 0 */
	const char *value; /* what its value is called; NULL: it takes none */
	const char *help;  /* NULL: not shown */
};

struct invocation;

#define ANY_NUMBER 100000

struct command {
	const char *name;  /* "list", "pool create"; NULL ends the table */
	const char *group; /* heading in the overview; NULL: of no use to people, shown nowhere */
	const char *operands; /* as in the synopsis: "NAME", "REF..." */
	const char *summary;  /* one line */
	const char *details;  /* paragraphs of at most 80 columns, or NULL */
	const struct option *options;
	size_t least, most; /* operands */
	int (*run)(struct invocation *in, struct fl_error *err);
};

extern const struct command commands[];
extern const struct option global_options[];

/* May it be given more than once? */
static inline bool option_repeats(enum option_id id)
{
	return id == OPT_SET || id == OPT_POLICY || id == OPT_ADDRESS;
}

/* What the user typed, taken apart.  Strings are argv's. */
struct invocation {
	const struct command *command; /* NULL: only global options were given */
	const char *family;	       /* "pool", where no second word followed; else NULL */
	const char *options[OPTIONS];  /* the value, "" for a bare option, NULL when not given */
	const char **operands;	       /* heap */
	size_t operand_count;
	const char **settings; /* heap: the values of every --set */
	size_t setting_count;
	const char **rules; /* heap: the values of every --policy */
	size_t rule_count;
	const char **addresses; /* heap: the values of every --address */
	size_t address_count;
	struct fl_client *client; /* once something was asked */
	bool patient;		  /* it was said that the daemon takes long */
	const char *slow;	  /* what may rightly take long; NULL: nothing */
	int status;  /* that the command ends with where nothing failed; of `run` also then */
	bool broken; /* part of a JSON document was printed before it failed */
};

/* For `slow`. */
#define SLOW_USERS "the container engine is asked who uses it, and may take long"

/* Releases what it owns and closes the client. */
void invocation_done(struct invocation *in);
#define own_invocation own(invocation_done)

/*
 * FL_INVALID with what is wrong and a hint: an unknown command (with the one
 * that may have been meant), an option that it does not take, a value missing
 * or too much, too few or too many operands.  `ret` is usable after a failure
 * too, as far as the words were understood (its command, and whether --json
 * stood anywhere).
 */
must_check int command_parse(int argc, char **argv, struct invocation *ret, struct fl_error *err);

static inline bool option_given(const struct invocation *in, enum option_id id)
{
	return in->options[id] != NULL;
}

/* The command called `name` ("list", "pool create"); NULL if there is none. */
const struct command *command_find(const char *name);

/* Do commands of two words begin with this one ("pool")? */
bool command_is_family(const char *word);

/* A word that is an option, as it is written. */
struct spelling {
	const char *name; /* not terminated */
	size_t length;
	char letter;	   /* of a short one, else 0 */
	const char *value; /* what is attached to it, or NULL */
};

/* Does it begin with a dash, and is more than that? */
bool word_is_option(const char *word);
/* Takes apart a word that is an option. */
struct spelling option_spell(const char *word);
/* The option that `command` takes by this name; with `command` NULL: that any command takes. */
const struct option *option_find(const struct command *command, const struct spelling *spelling);

/* "flocker pool grow [SIZE]", with its options where they are few; into `ret`. */
struct text;
void command_synopsis(const struct command *command, struct text *ret);
