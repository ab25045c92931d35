#pragma once

/*
 * Where an instance keeps what (DESIGN section 2): /etc/flocker,
 * /var/lib/flocker, /run/flocker and /flocker, or etc, lib, run and mnt below
 * the root directory of a further instance.
 */

#include "base/error.h"
#include "base/own.h"
#include "flockerd/options.h"

struct paths {	    /* heap, absolute */
	char *root; /* NULL without --root */
	char *config;
	char *state;
	char *run;
	char *mount_root;
	char *socket;
	char *keeper;	       /* where flocker-keeper listens for its daemon... */
	char *peers;	       /* where flocker-volume connects to, for peers that come by ssh */
	char *plugin;	       /* ...and where the volume plugin's requests are carried to */
	char *tree_program;    /* flocker-tree; NULL: it is not installed */
	char *archive_program; /* flocker-archive; the same */
	char *keeper_program;
	char *own_hooks; /* the administrator's hooks; need not be there */
	char *shipped_hooks;
};

void paths_done(struct paths *paths);
#define own_paths own(paths_done)

/* Finds the paths and makes the directories that are missing. */
must_check int paths_prepare(const struct options *options, struct paths *ret,
			     struct fl_error *err);
