#include "trust/identity.h"

#include <stdio.h>
#include <string.h>

#include "model/name.h"

#define SCHEME "flocker://"

static const char *const role_names[TRUST_ROLES] = {
	[TRUST_NODE] = "node",	     [TRUST_PLUGIN] = "plugin", [TRUST_ADMIN] = "admin",
	[TRUST_OPERATE] = "operate", [TRUST_READ] = "read",	[TRUST_USER] = "user",
	[TRUST_CA] = "ca",
};

const char *trust_role_name(enum trust_role role)
{
	return role >= 0 && role < TRUST_ROLES ? role_names[role] : NULL;
}

static int find_role(const char *text, size_t length, enum trust_role *ret)
{
	for (int i = 0; i < TRUST_ROLES; i++)
		if (strlen(role_names[i]) == length && memcmp(role_names[i], text, length) == 0) {
			*ret = (enum trust_role)i;
			return 0;
		}
	return -1;
}

int trust_role_parse(const char *text, enum trust_role *ret, struct fl_error *err)
{
	enum trust_role role;

	if (find_role(text, strlen(text), &role) == 0 && role != TRUST_CA) {
		*ret = role;
		return 0;
	}
	fl_fail(err, FL_INVALID, "there is no role '%.40s'", text);
	return fl_hint(err, "roles are node, plugin, admin, operate, read and user");
}

char *trust_uri_format(const struct trust_identity *identity, char uri[static TRUST_URI])
{
	char cluster[UUID_TEXT];

	snprintf(uri, TRUST_URI, SCHEME "%s/%s/%s", uuid_format(&identity->cluster, cluster),
		 role_names[identity->role], identity->id);
	return uri;
}

static int parse_cluster(const char *text, struct uuid *ret, struct fl_error *err)
{
	char cluster[UUID_TEXT] = "";

	memcpy(cluster, text, strnlen(text, sizeof(cluster) - 1));
	return uuid_parse(cluster, ret, err);
}

/* Nodes and the CA are known by a UUID, in its one form; all others by a name. */
static int check_id(const struct trust_identity *identity, struct uuid *ret, struct fl_error *err)
{
	char text[UUID_TEXT];

	*ret = (struct uuid){ 0 };
	if (identity->role != TRUST_NODE && identity->role != TRUST_CA)
		return name_check("id", identity->id, err);
	if (uuid_parse(identity->id, ret, err) < 0)
		return fl_failed(err);
	if (strcmp(uuid_format(ret, text), identity->id) != 0 || uuid_is_none(ret))
		return fl_fail(err, FL_INVALID, "the id '%s'", identity->id);
	return 0;
}

int trust_uri_parse(const char *uri, struct trust_identity *ret, struct fl_error *err)
{
	const size_t role_at = sizeof(SCHEME) - 1 + UUID_TEXT;
	struct trust_identity parsed = *ret;
	const char *slash;

	if (strncmp(uri, SCHEME, sizeof(SCHEME) - 1) != 0 || strlen(uri) >= TRUST_URI ||
	    parse_cluster(uri + sizeof(SCHEME) - 1, &parsed.cluster, err) < 0 ||
	    uri[role_at - 1] != '/')
		return fl_fail(err, FL_INVALID, "no URI of a cluster: '%.80s'", uri);
	slash = strchr(uri + role_at, '/');
	if (!slash || find_role(uri + role_at, (size_t)(slash - uri) - role_at, &parsed.role) < 0)
		return fl_fail(err, FL_INVALID, "a URI without a known role: '%.80s'", uri);
	if (strlen(slash + 1) >= sizeof(parsed.id))
		return fl_fail(err, FL_INVALID, "a URI with too long an id: '%.80s'", uri);
	strcpy(parsed.id, slash + 1);
	if (check_id(&parsed, &parsed.instance, err) < 0)
		return fl_wrap(err, "the URI '%.80s'", uri);
	if (parsed.role == TRUST_CA)
		parsed.instance = (struct uuid){ 0 };
	*ret = parsed;
	return 0;
}
