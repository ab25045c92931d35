#pragma once

/*
 * From a peer's address to bytes that go there and come back:
 *
 *	HOST[:PORT]			TLS 1.3 with certificates on both sides (trust/tls.h)
 *	ssh://[USER@]HOST[:PORT]	the standard streams of `ssh HOST flocker-volume serve`
 *
 * With ssh there is nothing beyond keys: it asks nobody anything, and a host whose key is not known
 * is refused.  The user is root, or one who may talk to the daemon there.
 */

#include "base/tcp.h"
#include "base/transport.h"
#include "base/uuid.h"

struct engine;

enum address_kind { ADDRESS_TLS, ADDRESS_SSH };

struct address {
	enum address_kind kind;
	char user[64];		/* of ssh; "" = as this host's settings of ssh say */
	struct tcp_address tcp; /* of ssh: port 0 = the same */
};

/* FL_INVALID says what is wrong.  Only grammar. */
must_check int address_parse(const char *text, struct address *ret, struct fl_error *err);

/*
 * `expect`: the instance that must answer; NULL: any node of the cluster.  Of ssh that is for the
 * greeting to tell.  FL_UNREACHABLE, FL_DENIED; FL_NOT_FOUND: this host belongs to no cluster.
 */
must_check int dial(struct engine *engine, const struct address *address, const struct uuid *expect,
		    struct transport **ret, struct fl_error *err);

/* The second kind (dial-ssh.c). */
must_check int dial_ssh(const struct address *address, struct transport **ret,
			struct fl_error *err);
