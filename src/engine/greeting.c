#include "engine/greeting.h"

#include <string.h>

#include "engine/serve.h"
#include "trust/tls.h"

static int refuse_other(const struct greeted *who, const struct wire_hello *theirs,
			struct fl_error *err)
{
	if (uuid_equal(&theirs->instance, &who->engine->instance)) {
		fl_fail(err, FL_INVALID, "this is the instance '%s' itself", theirs->name);
		return fl_hint(err, "a volume is copied within an instance by `flocker create NEW "
				    "--from OLD`");
	}
	if (!uuid_is_none(&who->expect) && !uuid_equal(&who->expect, &theirs->instance)) {
		fl_fail(err, FL_DENIED, "another instance than '%s' answers there: '%s'", who->peer,
			theirs->name);
		return fl_hint(err,
			       "if it has taken its place: flocker peer remove %s; then "
			       "flocker peer add",
			       who->peer);
	}
	if (who->identity && !who->identity->stranger &&
	    !uuid_equal(&who->identity->instance, &theirs->instance))
		return fl_fail(err, FL_DENIED,
			       "the instance '%s' shows the certificate of another one",
			       theirs->name);
	return 0;
}

/* What a key of ssh is good for may be for one instance alone. */
static int refuse_admission(const struct greeted *who, const struct wire_hello *theirs,
			    struct fl_error *err)
{
	const char *from = who->admission.from;

	if (!from[0] || admission_means(from, theirs->name, &theirs->instance))
		return 0;
	return fl_fail(err, FL_DENIED,
		       "the key that was used here is for the instance '%s', not "
		       "for '%s'",
		       from, theirs->name);
}

/* Two that belong to clusters must belong to the same. */
static int refuse_cluster(const struct engine *engine, const struct wire_hello *theirs,
			  struct fl_error *err)
{
	struct trust_identity self;
	struct fl_error ignored;

	if (!engine->trust || uuid_is_none(&theirs->cluster) ||
	    trust_self(engine->trust, &self, &ignored) < 0 ||
	    uuid_equal(&self.cluster, &theirs->cluster))
		return 0;
	fl_fail(err, FL_DENIED, "the instance '%s' belongs to another cluster", theirs->name);
	return fl_hint(err, "`flocker ca show` on both hosts says which");
}

int greeting_check(const struct greeted *who, const struct wire_hello *theirs, struct fl_error *err)
{
	if (name_check("instance", theirs->name, err) < 0 || refuse_other(who, theirs, err) < 0 ||
	    refuse_admission(who, theirs, err) < 0)
		return fl_failed(err);
	return refuse_cluster(who->engine, theirs, err);
}

struct wire_hello greeting_of(struct engine *engine)
{
	struct wire_hello hello = { .instance = engine->instance, .time = clock_now() };
	struct trust_identity self;
	struct fl_error ignored;

	snprintf(hello.name, sizeof(hello.name), "%s", engine->name);
	snprintf(hello.program, sizeof(hello.program), "%s", FLOCKER_VERSION);
	hello.forms = serve_forms(engine);
	if (engine->trust && trust_self(engine->trust, &self, &ignored) == 0)
		hello.cluster = self.cluster;
	return hello;
}

int greeting_still_valid(const struct greeted *who, struct fl_error *err)
{
	struct trust *trust = who->engine->trust;

	if (!trust || !who->identity || who->identity->stranger)
		return 0;
	return tls_check_peer(trust, who->identity, err);
}
