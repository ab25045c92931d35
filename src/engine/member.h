#pragma once

/*
 * Membership of a cluster: the verbs over src/trust that need an instance or a
 * link.  What only reads or writes certificates is there: trust/ca.h, trust/join.h.
 */

#include "engine/peers.h"
#include "engine/serve.h"
#include "trust/join.h"

/*
 * Joins the cluster of the host that made the token, and makes the two peers of each other.
 * FL_DENIED, FL_UNREACHABLE; FL_EXISTS: this host belongs to a cluster; FL_NOT_FOUND: one of the
 * two has no pool, and the token is good still.  Who was a peer before stays one.
 */
must_check int engine_join(struct engine *engine, const char *token, const char *address,
			   struct peer *ret, struct fl_error *err);

/* The certificate anew, by the host that has the CA (`peer`, or this one). */
must_check int engine_renew(struct engine *engine, const char *peer, struct trust_identity *ret,
			    struct fl_error *err);

/* As ca_revoke(); all whom there is a link to know it at once, others when there is one again. */
must_check int engine_revoke(struct engine *engine, const char *what, size_t *ret_count,
			     struct fl_error *err);

/*
 * This host belongs to no cluster any more: its certificate and key are gone, its links by TLS are
 * cut.  Peers stay in the list, and what is here of their volumes.  FL_NOT_FOUND: it belongs to
 * none; FL_BUSY: it has the CA.
 */
must_check int engine_leave(struct engine *engine, struct fl_error *err);

/* A newcomer, or a member whose certificate is to be renewed (serve.h). */
must_check int serve_join(const struct serving *serving, const void *request, size_t length,
			  struct fl_error *err);

/*
 * Called, from any thread, when this instance may have become a member: it listens from now on.
 * One hook; NULL: none.
 */
void engine_on_member(struct engine *engine, void (*changed)(void *arg), void *arg);
void member_changed(struct engine *engine);

/* The certificates of this instance.  FL_UNSUPPORTED: the daemon was started without. */
must_check int engine_trust(struct engine *engine, struct trust **ret, struct fl_error *err);
