#pragma once

/*
 * The volume plugin: Docker's plugin protocol (version 1), which Podman speaks too, over a
 * socket of its own.  It decides nothing: each request is a verb of the engine, and
 * what the engine refuses comes back in its words, which the user sees as they are.
 *
 * A volume of the container engine is a branch: "mydata" the trunk of mydata,
 * "mydata/test" a further branch.  Branches stay mounted, whoever uses them
 * is found out by looking (engine/use.c), so Mount and Unmount count nothing.
 *
 * Served are root, and the user that the daemon runs as.
 */

#include "engine/engine.h"
#include "http/server.h"

/* Container engines keep few connections and ask one thing at a time on each. */
#define PLUGIN_CONNECTIONS 64
#define PLUGIN_TIMEOUT 60 /* seconds */

struct plugin {
	struct engine *engine; /* borrowed */
};

/* `arg` is a struct plugin.  Any thread. */
void plugin_handle(void *arg, const struct http_request *request, struct http_response *response);
