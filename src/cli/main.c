#include <stdio.h>

#include "base/fsat.h"
#include "cli/command.h"
#include "cli/print.h"
#include "cli/report.h"
#include "cli/verbs.h"

static int run(struct invocation *in, struct fl_error *err)
{
	if (option_given(in, OPT_VERSION)) {
		puts("flocker " FLOCKER_VERSION);
		return 0;
	}
	if (in->family) {
		help_family(in->family);
		return 0;
	}
	if (!in->command) {
		help_overview();
		return 0;
	}
	if (option_given(in, OPT_HELP)) {
		help_command(in->command);
		return 0;
	}
	return in->command->run(in, err);
}

/* What was printed may still fail to be written: a full disk is an error of the command too. */
static int finish_output(struct fl_error *err)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		return fl_fail_errno(err, "writing the output");
	return 0;
}

int main(int argc, char **argv)
{
	own_invocation struct invocation in = { 0 };
	struct fl_error err = { 0 };
	int r;

	fsat_hold_standard();
	r = command_parse(argc, argv, &in, &err);
	printing_init(!option_given(&in, OPT_NO_COLOR));
	if (r == 0)
		r = run(&in, &err);
	if (r == 0)
		r = finish_output(&err);
	if (r < 0)
		report_error(&in, &err);
	return in.status ? in.status : fl_codes[-r].exit;
}
