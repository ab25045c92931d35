/*
 * flocker-tree: packs a tree into a tar archive, unpacks one, copies one.
 *
 *	flocker-tree pack [--zstd]			1: the archive, 3: the tree
 *	flocker-tree unpack [--devices] [--setuid]	0: the archive, 3: an empty tree
 *	flocker-tree unpack --plain			0: the archive, 3: an empty tree
 *	flocker-tree copy				5: the tree, 3: an empty one
 *	flocker-tree copy --entry NAME			5: a directory with NAME in it, 3: an empty
 *one
 *
 * A program of its own so that the parsing of archives is kept away from the
 * daemon, and from the command (`flocker cp`), which start it with these descriptors and reads what
 *it reports on descriptor 4 (report.h).  It ends with 0 after it has said how it went.
 */

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tree/patience.h"
#include "tree/place.h"
#include "tree/sandbox.h"
#include "tree/verbs.h"

/*
 * An archive has no reason to take much, and may be made to take all.  A tree is
 * trusted that far: it takes what its files of several names take (links.h),
 * about 150 bytes for each of which some names were not met yet.
 */
#define ARCHIVE_MEMORY (UINT64_C(256) << 20)
#define TREE_MEMORY (UINT64_C(2) << 30)
#define TOO_MANY                                                                      \
	"it takes more than 2 GiB of memory: too many files have a second name that " \
	"lies far away from the first"

static const struct verb {
	const char *name;
	int (*run)(const struct options *options, struct report *report, struct fl_error *err);
	bool writes;
	int highest; /* descriptor that it uses */
	uint64_t memory;
	const char *no_memory, *hint;
	bool patient; /* however long it takes */
} verbs[] = {
	{ "pack", tree_pack, false, REPORT_FD, TREE_MEMORY, TOO_MANY,
	  "pack the parts of it alone, with tar, where it is mounted", true },
	{ "unpack", tree_unpack, true, REPORT_FD, ARCHIVE_MEMORY,
	  "the archive takes more than 256 MiB of memory to read",
	  "make it with plainer settings of the compression, and without `--sparse`", false },
	{ "copy", tree_copy, true, TREE_SOURCE_FD, TREE_MEMORY, TOO_MANY,
	  "copy its directories one by one", true },
};

static int usage(void)
{
	fputs("usage: flocker-tree pack [--zstd] | unpack [--devices] [--setuid] | unpack --plain "
	      "| "
	      "copy [--entry NAME]\n"
	      "This is a part of flockerd and of flocker, which run it.\n",
	      stderr);
	return 2;
}

static bool parse_options(char *const words[], struct options *ret)
{
	const struct {
		const char *name;
		bool *to;
	} known[] = { { "--devices", &ret->devices },
		      { "--setuid", &ret->setuid },
		      { "--plain", &ret->plain },
		      { "--zstd", &ret->zstd } };

	for (; *words; words++) {
		bool *to = NULL;

		if (strcmp(*words, "--entry") == 0 && words[1]) {
			ret->entry = *++words;
			continue;
		}
		for (size_t i = 0; i < array_size(known); i++) {
			if (strcmp(*words, known[i].name) == 0)
				to = known[i].to;
		}
		if (!to)
			return false;
		*to = true;
	}
	return true;
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; name && i < array_size(verbs); i++) {
		if (strcmp(name, verbs[i].name) == 0)
			return &verbs[i];
	}
	return NULL;
}

static void lose_patience(void)
{
	struct fl_error late = { 0 };

	(void)fl_fail(&late, FL_UNSUPPORTED,
		      "the archive takes far more time to read than its "
		      "size explains");
	(void)fl_hint(&late, "it may have been made to do so; if not, make it with plainer "
			     "settings of the compression, and without ACLs: `tar --no-acls`");
	report_late(&late);
	patience_begin();
}

static int run(const struct verb *verb, const struct options *options, struct report *report,
	       struct fl_error *err)
{
	/* A copied tree may hold devices: they are the administrator's own. */
	bool copies = verb->run == tree_copy;
	const struct sandbox sandbox = { .writes = verb->writes,
					 .devices = options->devices || copies,
					 .highest = verb->highest,
					 .source = copies ? TREE_SOURCE_FD : 0,
					 .own_source = options->entry != NULL,
					 .memory = verb->memory };
	struct fl_error no_memory = { 0 };

	(void)fl_fail(&no_memory, FL_UNSUPPORTED, "%s", verb->no_memory);
	(void)fl_hint(&no_memory, "%s", verb->hint);
	report_memory(&no_memory);
	if (!verb->patient)
		lose_patience();
	if (sandbox_enter(&sandbox, PLACE_ROOT_FD, err) < 0)
		return fl_failed(err);
	return verb->run(options, report, err);
}

int main(int argc, char *argv[])
{
	const struct verb *verb = find_verb(argc > 1 ? argv[1] : NULL);
	struct options options = { 0 };
	struct report report = { 0 };
	struct fl_error err = { 0 };

	if (!verb || !parse_options(argv + 2, &options))
		return usage();
	signal(SIGPIPE, SIG_IGN);
	if (run(verb, &options, &report, &err) < 0)
		return report_failed(&err);
	return report_done(&report);
}
