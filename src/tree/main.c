/*
 * flocker-tree: packs a tree into a tar archive, unpacks one, copies one.
 *
 *	flocker-tree pack [--zstd]			1: the archive, 3: the tree
 *	flocker-tree unpack [--devices] [--setuid]	0: the archive, 3: an empty tree
 *	flocker-tree copy				5: the tree, 3: an empty one
 *
 * A program of its own so that the parsing of archives is kept away from the
 * daemon, which starts it with these descriptors and reads what it reports on
 * descriptor 4 (report.h).  It ends with 0 after it has said how it went.
 */

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tree/place.h"
#include "tree/sandbox.h"
#include "tree/verbs.h"

static const struct verb {
	const char *name;
	int (*run)(const struct options *options, struct report *report, struct fl_error *err);
	bool writes;
	int highest; /* descriptor that it uses */
} verbs[] = {
	{ "pack", tree_pack, false, REPORT_FD },
	{ "unpack", tree_unpack, true, REPORT_FD },
	{ "copy", tree_copy, true, 5 },
};

static int usage(void)
{
	fputs("usage: flocker-tree pack [--zstd] | unpack [--devices] [--setuid] | copy\n"
	      "This is a part of flockerd, which runs it.\n",
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
		      { "--zstd", &ret->zstd } };

	for (; *words; words++) {
		bool *to = NULL;

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

static int run(const struct verb *verb, const struct options *options, struct report *report,
	       struct fl_error *err)
{
	/* A copied tree may hold devices: they are the administrator's own. */
	const struct sandbox sandbox = { .writes = verb->writes,
					 .devices = options->devices || verb->run == tree_copy,
					 .highest = verb->highest };

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
