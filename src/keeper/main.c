/*
 * flocker-keeper: holds on to something that must not end with flockerd.
 *
 *	flocker-keeper socket CONTROL PATH DAEMON	a listening socket at PATH (socket.c)
 *	flocker-keeper thaw MILLISECONDS NOTE	control groups that must not stay frozen (thaw.c)
 *	flocker-keeper system RUN STATE TREE RUNTIME ID
 *						a user system's console and end (files.h)
 *
 * A program of its own, and a small one, because it goes on when the daemon is
 * killed, crashes or is replaced by a newer one.  It says what is wrong on
 * standard error, as the command does, and ends with the code's exit status.
 */

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/fsat.h"
#include "keeper/verbs.h"

static const struct verb {
	const char *name;
	const char *arguments;
	int count;
	keeper_verb *run;
} verbs[] = {
	{ "socket", "CONTROL PATH DAEMON", 3, keep_socket },
	{ "thaw", "MILLISECONDS NOTE", 2, keep_thawed },
	{ "system", "RUN STATE TREE RUNTIME ID", 5, keep_system },
};

static int usage(void)
{
	fputs("usage: flocker-keeper VERB...\n", stderr);
	for (size_t i = 0; i < array_size(verbs); i++)
		fprintf(stderr, "       flocker-keeper %s %s\n", verbs[i].name, verbs[i].arguments);
	fputs("This is a part of flockerd, which runs it.\n", stderr);
	return 2;
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; name && i < array_size(verbs); i++)
		if (strcmp(name, verbs[i].name) == 0)
			return &verbs[i];
	return NULL;
}

int main(int argc, char *argv[])
{
	const struct verb *verb = find_verb(argc > 1 ? argv[1] : NULL);
	struct fl_error err = { 0 };

	fsat_hold_standard();
	if (!verb || argc != verb->count + 2)
		return usage();
	signal(SIGPIPE, SIG_IGN);
	if (verb->run(argv + 2, &err) == 0)
		return 0;
	fprintf(stderr, "%s\n", err.text);
	return fl_codes[err.code].exit;
}
