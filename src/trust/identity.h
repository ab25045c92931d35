#pragma once

/*
 * Who somebody is: what a certificate says of its holder, as plain values.
 * Pure.
 *
 * A certificate of a cluster has one URI among its subject's alternative names,
 *
 *	flocker://CLUSTER/ROLE/ID
 *
 * CLUSTER is the cluster's UUID; ROLE one of the words below; ID, of a node,
 * its instance's UUID, of anybody else a name (DESIGN section 2).  The CA's own
 * is flocker://CLUSTER/ca/CLUSTER.  The common name is for people; nothing is
 * decided by it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"
#include "base/uuid.h"

enum trust_role {
	TRUST_NODE,   /* a Flocker daemon: talks to the others, by its instance's UUID */
	TRUST_PLUGIN, /* a program that speaks for a container engine */
	TRUST_ADMIN,  /* people and programs at the API, by what they may do there */
	TRUST_OPERATE,
	TRUST_READ,
	TRUST_USER,
	TRUST_CA, /* the CA itself; nobody's role at a connection */
	TRUST_ROLES,
};

#define TRUST_ID 64	/* with the final NUL */
#define TRUST_NAME 64	/* the same */
#define TRUST_SERIAL 41 /* lower-case hexadecimal digits of at most 20 bytes */
#define TRUST_URI 160

struct trust_identity {
	bool stranger; /* has shown no certificate; all else is empty */
	struct uuid cluster;
	enum trust_role role;
	char id[TRUST_ID];
	struct uuid instance; /* of a node: the same as `id` */
	char name[TRUST_NAME];
	char serial[TRUST_SERIAL];
	int64_t begins, expires; /* nanoseconds UTC */
};

/* "node"; NULL for what is none. */
const char *trust_role_name(enum trust_role role);
/* FL_INVALID names those that there are, without "ca". */
must_check int trust_role_parse(const char *text, enum trust_role *ret, struct fl_error *err);

char *trust_uri_format(const struct trust_identity *identity, char uri[static TRUST_URI]);
/* Fills cluster, role, id and instance of `ret`; the rest stays.  FL_INVALID. */
must_check int trust_uri_parse(const char *uri, struct trust_identity *ret, struct fl_error *err);
