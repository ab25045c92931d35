#include "tree/program.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tree/digest.h"
#include "tree/patience.h"
#include "tree/place.h"
#include "tree/sandbox.h"

static bool parse_grain(const char *word, uint32_t *ret)
{
	char *end;
	unsigned long grain = strtoul(word, &end, 10);

	*ret = (uint32_t)grain;
	return *end == '\0' && grain >= 1 && grain <= DIGEST_COARSEST;
}

static bool parse_options(char *const words[], struct options *ret)
{
	const struct {
		const char *name;
		bool *to;
	} known[] = { { "--base", &ret->base },	    { "--devices", &ret->devices },
		      { "--late", &ret->late },	    { "--point", &ret->point },
		      { "--resume", &ret->resume }, { "--setuid", &ret->setuid },
		      { "--plain", &ret->plain },   { "--zstd", &ret->zstd } };

	for (; *words; words++) {
		bool *to = NULL;

		if (strcmp(*words, "--entry") == 0 && words[1]) {
			ret->entry = *++words;
			continue;
		}
		if (strcmp(*words, "--grain") == 0 && words[1]) {
			if (!parse_grain(*++words, &ret->grain))
				return false;
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

static const struct verb *find_verb(const struct verb *verbs, const char *name)
{
	for (; name && verbs->name; verbs++)
		if (strcmp(name, verbs->name) == 0)
			return verbs;
	return NULL;
}

/* What is said when something runs out is made ready, since then there may be no room for it. */
static void set_bounds(const struct verb *verb)
{
	struct fl_error no_memory = { 0 }, late = { 0 };

	(void)fl_fail(&no_memory, FL_UNSUPPORTED, "%s", verb->no_memory);
	(void)fl_hint(&no_memory, "%s", verb->hint);
	report_memory(&no_memory);
	if (!verb->slow)
		return;
	(void)fl_fail(&late, FL_UNSUPPORTED, "%s", verb->slow);
	(void)fl_hint(&late, "%s", verb->slow_hint);
	report_late(&late);
	patience_begin();
}

static int run(const struct verb *verb, const struct options *options, struct report *report,
	       struct fl_error *err)
{
	const struct sandbox sandbox = { .writes = verb->writes,
					 .devices = options->devices || verb->copies,
					 .late = options->late,
					 .highest = verb->highest,
					 .source = verb->copies || options->base ? TREE_SOURCE_FD
										 : 0,
					 .own_source = options->entry || options->base,
					 .memory = verb->memory };

	set_bounds(verb);
	if ((verb->prepare && verb->prepare(options, err) < 0) ||
	    sandbox_enter(&sandbox, PLACE_ROOT_FD, err) < 0)
		return fl_failed(err);
	return verb->run(options, report, err);
}

int program_run(char *argv[], const struct verb *verbs, const char *usage)
{
	const struct verb *verb = find_verb(verbs, argv[0] ? argv[1] : NULL);
	struct options options = { .grain = 1 };
	struct report report = { 0 };
	struct fl_error err = { 0 };

	if (!verb || !parse_options(argv + 2, &options) || (options.resume && !options.point)) {
		fprintf(stderr,
			"usage: %s\nThis is a part of flockerd and of flocker, which run it.\n",
			usage);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	if (run(verb, &options, &report, &err) < 0)
		return report_failed(&err);
	return report_done(&report);
}
