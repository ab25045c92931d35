/*
 * flocker-volume: how machines talk to this host's Flocker, over ssh for one; people have
 * flocker(1).
 */

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/fsat.h"
#include "volume/verbs.h"

#define PROGRAM "flocker-volume"

enum {
	TAKES_FROM = 1,
	TAKES_JSON = 2,
};

static const struct verb {
	const char *name;
	int (*run)(const struct request *request, struct fl_error *err);
	const char *operand; /* what it is called; NULL: there is none */
	unsigned takes;
	const char *usage, *help;
} verbs[] = {
	{ "serve", volume_serve, NULL, 0, "serve", "the link of a peer, on the standard streams" },
	{ "receive", volume_receive, "VOLUME", TAKES_FROM, "receive VOLUME [--from INSTANCE]",
	  "the same, for pushes of that volume alone" },
	{ "snapshots", volume_snapshots, "VOLUME[/BRANCH]", TAKES_JSON,
	  "snapshots VOLUME[/BRANCH] [--json]",
	  "the storage names of its snapshots, the oldest first" },
};

static void print_usage(FILE *out)
{
	fputs("usage: " PROGRAM " VERB [--root DIR | --socket PATH]\n\n", out);
	for (size_t i = 0; i < array_size(verbs); i++)
		fprintf(out, "  %-36s %s\n", verbs[i].usage, verbs[i].help);
	fputs("\n"
	      "  --root DIR        of the instance that keeps everything below DIR\n"
	      "  --socket PATH     where the daemon listens for flocker\n"
	      "  --help, --version\n\n"
	      "Machines talk to each other by this program; people have flocker.\n",
	      out);
}

/* --- the words -------------------------------------------------------------------- */

struct words {
	char *const *next; /* NULL at the end */
	const struct verb *verb;
	struct request request;
	bool help, version;
};

static int take_value(struct words *words, const char *option, const char **ret,
		      struct fl_error *err)
{
	if (!*words->next)
		return fl_fail(err, FL_INVALID, "%s needs a value", option);
	*ret = *words->next++;
	return 0;
}

static int take_option(struct words *words, const char *option, struct fl_error *err)
{
	const unsigned takes = words->verb ? words->verb->takes : 0;

	if (strcmp(option, "--root") == 0)
		return take_value(words, option, &words->request.root, err);
	if (strcmp(option, "--socket") == 0)
		return take_value(words, option, &words->request.socket, err);
	if (strcmp(option, "--from") == 0 && (takes & TAKES_FROM))
		return take_value(words, option, &words->request.from, err);
	if (strcmp(option, "--json") == 0 && (takes & TAKES_JSON))
		words->request.json = true;
	else if (strcmp(option, "--help") == 0)
		words->help = true;
	else if (strcmp(option, "--version") == 0)
		words->version = true;
	else
		return fl_fail(err, FL_INVALID, "the option '%.100s' is not known here", option);
	return 0;
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < array_size(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static int take_word(struct words *words, const char *word, struct fl_error *err)
{
	if (word[0] == '-')
		return take_option(words, word, err);
	if (!words->verb) {
		words->verb = find_verb(word);
		return words->verb ? 0
				   : fl_fail(err, FL_INVALID, "there is no verb '%.100s'", word);
	}
	if (!words->verb->operand || words->request.operand)
		return fl_fail(err, FL_INVALID, "the word '%.100s' is one too many", word);
	words->request.operand = word;
	return 0;
}

static int take_words(char *const argv[], struct words *ret, struct fl_error *err)
{
	struct words words = { .next = argv };

	while (*words.next) {
		const char *word = *words.next++;

		if (take_word(&words, word, err) < 0)
			return fl_hint(err, PROGRAM " --help");
	}
	if (!words.help && !words.version) {
		if (!words.verb)
			fl_fail(err, FL_INVALID, "which verb?");
		else if (words.verb->operand && !words.request.operand)
			fl_fail(err, FL_INVALID, "%s needs a %s", words.verb->name,
				words.verb->operand);
		else
			goto good;
		return fl_hint(err, PROGRAM " --help");
	}
good:
	*ret = words;
	return 0;
}

/* --- the program -------------------------------------------------------------------- */

static int run(char *const argv[], struct fl_error *err)
{
	struct words words;

	if (take_words(argv, &words, err) < 0)
		return fl_failed(err);
	if (words.help)
		print_usage(stdout);
	else if (words.version)
		puts(PROGRAM " " FLOCKER_VERSION);
	else if (words.verb->run(&words.request, err) < 0)
		return fl_failed(err);
	if (fflush(stdout) != 0 || ferror(stdout))
		return fl_fail_errno(err, "writing the output");
	return 0;
}

/* dial-ssh.c of the peer's engine takes this apart again. */
static void report(const struct fl_error *err)
{
	fprintf(stderr, PROGRAM ": %s\n", err->text);
	if (err->hint[0])
		fprintf(stderr, "  hint: %s\n", err->hint);
}

int main(int argc, char *argv[])
{
	struct fl_error err;

	fsat_hold_standard();
	signal(SIGPIPE, SIG_IGN);
	if (argc < 1 || run(argv + 1, &err) == 0)
		return 0;
	report(&err);
	return fl_codes[err.code].exit;
}
