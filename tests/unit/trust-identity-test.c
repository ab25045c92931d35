#include "trust/identity.h"

#include "base/own.h"
#include "tests/check.h"

#define CLUSTER "0b7c1f7e-7b5a-4d0e-8f65-0123456789ab"
#define NODE "5a7c1f7e-7b5a-4d0e-8f65-0123456789ab"

static void uris_are_read_and_written(void)
{
	static const struct {
		const char *uri;
		enum trust_role role;
	} rows[] = {
		{ "flocker://" CLUSTER "/node/" NODE, TRUST_NODE },
		{ "flocker://" CLUSTER "/plugin/docker-1", TRUST_PLUGIN },
		{ "flocker://" CLUSTER "/admin/alice", TRUST_ADMIN },
		{ "flocker://" CLUSTER "/operate/bob", TRUST_OPERATE },
		{ "flocker://" CLUSTER "/read/grafana", TRUST_READ },
		{ "flocker://" CLUSTER "/user/carol", TRUST_USER },
		{ "flocker://" CLUSTER "/ca/" CLUSTER, TRUST_CA },
	};

	for (size_t i = 0; i < array_size(rows); i++) {
		struct trust_identity identity = { .name = "stays" };
		char uri[TRUST_URI];
		struct fl_error err;

		check_ok(trust_uri_parse(rows[i].uri, &identity, &err));
		check(identity.role == rows[i].role);
		check(uuid_is_none(&identity.instance) == (rows[i].role != TRUST_NODE));
		check_string(rows[i].uri, trust_uri_format(&identity, uri));
		check_string("stays", identity.name);
	}
}

static void other_uris_are_refused(void)
{
	static const char *const uris[] = {
		"",
		"flocker://",
		"http://" CLUSTER "/node/" NODE,
		"flocker://" CLUSTER,
		"flocker://" CLUSTER "/",
		"flocker://" CLUSTER "/node",
		"flocker://" CLUSTER "/node/",
		"flocker://" CLUSTER "/node/alice",
		"flocker://" CLUSTER "/node/5A7C1F7E-7b5a-4d0e-8f65-0123456789ab",
		"flocker://" CLUSTER "/node/00000000-0000-0000-0000-000000000000",
		"flocker://" CLUSTER "/node/" NODE "/more",
		"flocker://" CLUSTER "x/node/" NODE,
		"flocker://0b7c1f7e/node/" NODE,
		"flocker://" CLUSTER "/root/alice",
		"flocker://" CLUSTER "//alice",
		"flocker://" CLUSTER "/admin/",
		"flocker://" CLUSTER "/admin/a/b",
		"flocker://" CLUSTER "/admin/..",
		"flocker://" CLUSTER "/admin/"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"flocker://" CLUSTER "/admin/"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaa",
	};

	for (size_t i = 0; i < array_size(uris); i++) {
		struct trust_identity identity = { .role = TRUST_READ, .id = "before" };
		struct fl_error err;

		check_code(FL_INVALID, trust_uri_parse(uris[i], &identity, &err));
		check(identity.role == TRUST_READ && strcmp(identity.id, "before") == 0);
	}
}

static void roles_have_words(void)
{
	enum trust_role role = TRUST_NODE;
	struct fl_error err;

	check_ok(trust_role_parse("operate", &role, &err));
	check(role == TRUST_OPERATE);
	check_string("plugin", trust_role_name(TRUST_PLUGIN));
	check(!trust_role_name(TRUST_ROLES) && !trust_role_name((enum trust_role) - 1));
	check_code(FL_INVALID, trust_role_parse("ca", &role, &err));
	check_code(FL_INVALID, trust_role_parse("root", &role, &err));
	check(strstr(err.hint, "operate"));
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){ CHECK(uris_are_read_and_written),
					    CHECK(other_uris_are_refused), CHECK(roles_have_words),
					    CHECK_END });
}
