/* The CA, what it issues and revokes, and the files that a host keeps. */

#include "tests/unit/trust-fixture.h"

static mode_t mode_of(const struct host *host, const char *path)
{
	struct fl_error err;
	struct stat st;

	check_ok(fsat_stat(host->etc, path, &st, &err));
	return st.st_mode & 07777;
}

static void a_cluster_begins(void)
{
	struct trust_identity self, ca;
	struct fl_error err;
	struct host *a;

	fixture_clear();
	a = host_new("a");
	check_code(FL_NOT_FOUND, trust_self(a->trust, &self, &err));
	check(strstr(err.hint, "ca init") && !trust_has_ca(a->trust));
	check_code(FL_INVALID, ca_init(a->trust, &a->instance, "no name", &err));
	check(!trust_has_ca(a->trust));

	check_ok(ca_init(a->trust, &a->instance, "a", &err));
	check_ok(trust_self(a->trust, &self, &err));
	check_ok(ca_self(a->trust, &ca, &err));
	check(trust_has_ca(a->trust) && uuid_equal(&self.instance, &a->instance));
	check(self.role == TRUST_NODE && ca.role == TRUST_CA);
	check(uuid_equal(&self.cluster, &ca.cluster) && !uuid_is_none(&ca.cluster));
	check_string("a", self.name);
	check(self.begins < clock_now() - CLOCK_DAY);
	check(self.expires > clock_now() + CA_YEAR - CLOCK_HOUR &&
	      self.expires <= clock_now() + CA_YEAR);
	check(ca.expires > clock_now() + 9 * CA_YEAR);
	check(mode_of(a, "ca") == 0700 && mode_of(a, "tls") == 0700);
	check(mode_of(a, OUR_CA_KEY) == 0600 && mode_of(a, NODE_KEY) == 0600);
	check_code(FL_EXISTS, ca_init(a->trust, &a->instance, "a", &err));
	check_code(FL_BUSY, trust_leave(a->trust, &err));
}

static void a_beginning_that_was_cut_short_is_finished(void)
{
	struct trust_identity before, after;
	struct fl_error err;
	struct host *a;

	fixture_clear();
	a = host_with_ca("a");
	check_ok(ca_self(a->trust, &before, &err));
	check_ok(fsat_unlink(a->etc, NODE_CRT, &err));
	check_code(FL_NOT_FOUND, trust_self(a->trust, &after, &err));
	check_ok(ca_init(a->trust, &a->instance, "a", &err));
	check_ok(ca_self(a->trust, &after, &err));
	check_string(before.serial, after.serial);
}

static void certificates_are_issued_for_what_they_say(void)
{
	struct fl_error err;
	struct host *a;
	char uuid[UUID_TEXT];
	const struct uuid node = uuid_new();
	const struct ca_order orders[] = {
		{ .role = TRUST_NODE, .id = uuid_format(&node, uuid), .name = "b" },
		{ .role = TRUST_PLUGIN, .id = "docker-1" },
		{ .role = TRUST_ADMIN, .id = "alice", .name = "Alice" },
		{ .role = TRUST_READ, .id = "grafana", .valid = CLOCK_HOUR },
	};

	fixture_clear();
	a = host_with_ca("a");
	for (size_t i = 0; i < array_size(orders); i++) {
		own(ca_issued_done) struct ca_issued issued = { 0 };
		own(x509_crt_done) gnutls_x509_crt_t crt = NULL;
		own(x509_key_done) gnutls_x509_privkey_t key = NULL;
		own_text struct text text = { 0 }, key_text = { 0 };
		const bool is_node = orders[i].role == TRUST_NODE;

		check_ok(ca_issue(a->trust, &orders[i], &issued, &err));
		check(issued.identity.role == orders[i].role);
		check_string(orders[i].id, issued.identity.id);
		check_string(orders[i].name ? orders[i].name : orders[i].id, issued.identity.name);
		check((issued.identity.expires < clock_now() + 2 * CLOCK_HOUR) ==
		      (orders[i].valid != 0));
		text_add_string(&text, issued.certificate);
		text_add_string(&key_text, issued.key);
		check_ok(x509_crt_parse(&text, "it", &crt, &err));
		check_ok(x509_key_parse(&key_text, "it", &key, &err));
		check(x509_is_for(crt, key));
		check((gnutls_x509_crt_check_key_purpose(crt, GNUTLS_KP_TLS_WWW_SERVER, 0) != 0) ==
		      is_node);
		check(gnutls_x509_crt_check_key_purpose(crt, GNUTLS_KP_TLS_WWW_CLIENT, 0) != 0);
	}
}

static void orders_that_make_no_sense_are_refused(void)
{
	struct fl_error err;
	struct host *a;
	const struct ca_order orders[] = {
		{ .role = TRUST_CA, .id = "x" },
		{ .role = TRUST_ROLES, .id = "x" },
		{ .role = TRUST_NODE, .id = "x" },
		{ .role = TRUST_NODE, .id = "00000000-0000-0000-0000-000000000000", .name = "x" },
		{ .role = TRUST_USER, .id = "" },
		{ .role = TRUST_USER, .id = "a/b" },
		{ .role = TRUST_USER, .id = "a", .name = "a b" },
		{ .role = TRUST_USER, .id = "a", .valid = -1 },
		{ .role = TRUST_USER, .id = "a", .valid = 2 * CA_YEAR },
		{ .role = TRUST_USER, .id = "a", .csr = "nonsense" },
	};
	own(ca_list_done) struct ca_list list = { 0 };
	struct ca_issued issued = { 0 };

	fixture_clear();
	a = host_with_ca("a");
	for (size_t i = 0; i < array_size(orders); i++)
		check_code(FL_INVALID, ca_issue(a->trust, &orders[i], &issued, &err));
	check(!issued.certificate && !issued.key);
	check_ok(ca_list(a->trust, &list, &err));
	check(list.count == 1);
}

static void where_the_ca_is_not_nothing_is_issued(void)
{
	const struct ca_order order = { .role = TRUST_USER, .id = "a" };
	struct ca_list list = { 0 };
	struct ca_issued issued;
	struct fl_error err;
	struct host *b;
	size_t count;

	fixture_clear();
	b = host_joined(host_with_ca("a"), "b");
	check_code(FL_NOT_FOUND, ca_issue(b->trust, &order, &issued, &err));
	check(strstr(err.text, "the CA is not on this host") && err.hint[0]);
	check_code(FL_NOT_FOUND, ca_revoke(b->trust, "a", &count, &err));
	check_code(FL_NOT_FOUND, ca_list(b->trust, &list, &err));
	check_code(FL_EXISTS, ca_init(b->trust, &b->instance, "b", &err));
}

static void renewing_keeps_the_key_and_lists_both(void)
{
	own(membership_freep) struct membership *before = NULL, *after = NULL;
	own(ca_list_done) struct ca_list list = { 0 };
	struct trust_identity renewed;
	struct fl_error err;
	struct host *a;
	size_t count;

	fixture_clear();
	a = host_with_ca("a");
	check_ok(trust_membership(a->trust, &before, &err));
	check_ok(ca_renew(a->trust, &renewed, &err));
	check_ok(trust_membership(a->trust, &after, &err));
	check_string(renewed.serial, after->self.serial);
	check(strcmp(before->self.serial, renewed.serial) != 0);
	check(x509_is_for(after->certificate, before->key));
	check_ok(ca_list(a->trust, &list, &err));
	check(list.count == 2 && !list.items[0].revoked);
	check_string(before->self.serial, list.items[0].identity.serial);

	check_code(FL_INVALID, ca_revoke(a->trust, "a", &count, &err));
	check_code(FL_INVALID, ca_revoke(a->trust, renewed.serial, &count, &err));
	check_ok(ca_revoke(a->trust, before->self.serial, &count, &err));
	check(count == 1);
}

static void revoked_is_revoked_for_ever(void)
{
	const struct ca_order order = { .role = TRUST_USER, .id = "alice" };
	own(ca_list_done) struct ca_list list = { 0 };
	own_free char *first = NULL, *second = NULL;
	struct trust_identity self;
	struct fl_error err;
	uint64_t number;
	struct host *a, *b;
	size_t count;

	fixture_clear();
	a = host_with_ca("a");
	b = host_joined(a, "b");
	for (int i = 0; i < 3; i++) {
		own(ca_issued_done) struct ca_issued issued = { 0 };

		check_ok(ca_issue(a->trust, &order, &issued, &err));
	}
	check_ok(trust_denied(a->trust, &number, &first, &err));
	check(number == 0 && !first);
	check_code(FL_NOT_FOUND, ca_revoke(a->trust, "nobody", &count, &err));
	check_ok(ca_revoke(a->trust, "alice", &count, &err));
	check(count == 3);
	check_ok(ca_revoke(a->trust, "alice", &count, &err));
	check(count == 0);
	check_ok(trust_denied(a->trust, &number, &first, &err));
	check(number == 1 && first);
	check_ok(trust_self(b->trust, &self, &err));
	check_ok(ca_revoke(a->trust, self.serial, &count, &err));
	check_ok(trust_denied(a->trust, &number, &second, &err));
	check(number == 2 && count == 1);
	check_ok(ca_list(a->trust, &list, &err));
	for (size_t i = 0; i < list.count; i++)
		check(list.items[i].revoked == (i > 0));
	check(list.count == 5);
}

static void a_deny_list_counts_when_it_is_newer_and_our_cas(void)
{
	own_free char *old = NULL, *new = NULL, *foreign = NULL, *bent = NULL, *kept = NULL;
	own(ca_issued_done) struct ca_issued issued = { 0 };
	struct host *a, *b, *c;
	struct trust_identity b_self;
	struct fl_error err;
	uint64_t number;
	size_t count;
	bool newer;

	fixture_clear();
	a = host_with_ca("a");
	b = host_joined(a, "b");
	c = host_with_ca("c");
	host_joined(a, "d");
	check_ok(trust_self(b->trust, &b_self, &err));
	check_ok(ca_revoke(a->trust, "d", &count, &err));
	check_ok(trust_denied(a->trust, &number, &old, &err));
	check_ok(ca_revoke(a->trust, "b", &count, &err));
	check_ok(trust_denied(a->trust, &number, &new, &err));
	check_ok(ca_issue(c->trust, &(struct ca_order){ .role = TRUST_USER, .id = "x" }, &issued,
			  &err));
	check_ok(ca_revoke(c->trust, "x", &count, &err));
	check_ok(trust_denied(c->trust, &number, &foreign, &err));

	check_ok(trust_deny(b->trust, new, &newer, &err));
	check(newer);
	check_ok(trust_deny(b->trust, new, &newer, &err));
	check(!newer);
	check_ok(trust_deny(b->trust, old, &newer, &err));
	check(!newer);
	check_code(FL_DENIED, trust_deny(b->trust, foreign, &newer, &err));
	bent = xstrdup(new);
	pem_bend(bent);
	check(trust_deny(b->trust, bent, &newer, &err) < 0);
	check_code(FL_INVALID, trust_deny(b->trust, "nonsense", &newer, &err));
	check_code(FL_INVALID, trust_deny(b->trust, "", &newer, &err));
	check_ok(trust_denied(b->trust, &number, &kept, &err));
	check(number == 2 && strcmp(kept, new) == 0);
}

/* --- files that are not as they should be ------------------------------------------------ */

static void put(struct host *host, const char *path, const char *contents, size_t length)
{
	struct fl_error err;

	check_ok(fsat_write(host->etc, path, contents, length, 0600, false, &err));
}

static void damaged_files_are_told(void)
{
	static const char *const files[] = { NODE_KEY, NODE_CRT, CA_CRT };
	struct trust_identity self;
	struct fl_error err;
	struct host *a;

	fixture_clear();
	a = host_with_ca("a");
	put(a, DENIED, "", 0);
	check_code(FL_CORRUPT, trust_self(a->trust, &self, &err));
	check_ok(fsat_unlink(a->etc, DENIED, &err));
	for (size_t i = 0; i < array_size(files); i++) {
		own_text struct text good = { 0 };

		check_ok(fsat_read(a->etc, files[i], 65536, &good, &err));
		check_ok(trust_self(a->trust, &self, &err));
		for (size_t length = 0; length < good.length - 30; length += good.length / 7) {
			put(a, files[i], good.bytes, length);
			check_code(FL_CORRUPT, trust_self(a->trust, &self, &err));
			check(strstr(err.text, files[i]) && err.hint[0]);
		}
		put(a, files[i], good.bytes, good.length);
	}
	check_ok(trust_self(a->trust, &self, &err));
	check_ok(fsat_unlink(a->etc, NODE_KEY, &err));
	check_code(FL_NOT_FOUND, trust_self(a->trust, &self, &err));
	check(strstr(err.text, NODE_KEY));
}

static void what_does_not_belong_together_is_told(void)
{
	own_text struct text key = { 0 }, ca = { 0 };
	struct trust_identity self;
	struct host *a, *b;
	struct fl_error err;

	fixture_clear();
	a = host_with_ca("a");
	b = host_with_ca("b");
	check_ok(fsat_read(b->etc, NODE_KEY, 65536, &key, &err));
	check_ok(fsat_read(b->etc, CA_CRT, 65536, &ca, &err));
	put(a, CA_CRT, ca.bytes, ca.length);
	check_code(FL_CORRUPT, trust_self(a->trust, &self, &err));
	check(strstr(err.text, "not a node's and its CA's"));
	put(a, NODE_KEY, key.bytes, key.length);
	check_code(FL_CORRUPT, trust_self(a->trust, &self, &err));
	check(strstr(err.text, "is not for the key in") && err.hint[0]);
}

/* Its change time is another one then, also where the kernel's clock for that is coarse. */
static void set_mode(const struct host *host, const char *path, mode_t mode)
{
	struct stat before, now;
	struct fl_error err;

	check_ok(fsat_stat(host->etc, path, &before, &err));
	do {
		check(fchmodat(host->etc, path, mode, 0) == 0);
		check_ok(fsat_stat(host->etc, path, &now, &err));
	} while (memcmp(&now.st_ctim, &before.st_ctim, sizeof(now.st_ctim)) == 0);
}

static void a_key_that_others_read_is_made_private_one_that_they_write_is_refused(void)
{
	static const struct {
		const char *path;
		mode_t mode;
		int code;
	} rows[] = {
		{ NODE_KEY, 0644, 0 },		{ NODE_KEY, 0640, 0 },
		{ NODE_KEY, 0620, -FL_DENIED }, { NODE_KEY, 0602, -FL_DENIED },
		{ OUR_CA_KEY, 0604, 0 },	{ OUR_CA_KEY, 0660, -FL_DENIED },
	};
	struct fl_error err;
	struct host *a;

	fixture_clear();
	a = host_with_ca("a");
	for (size_t i = 0; i < array_size(rows); i++) {
		size_t tokens;
		struct trust_identity self;
		own(ca_done) struct ca ca = { 0 };
		int r;

		set_mode(a, rows[i].path, rows[i].mode);
		r = trust_self(a->trust, &self, &err);
		if (r == 0)
			r = ca_load(a->trust, &ca, &err);
		check(r == rows[i].code);
		check(r < 0 ? !!strstr(err.text, rows[i].path) && !!err.hint[0]
			    : mode_of(a, rows[i].path) == 0600);
		set_mode(a, rows[i].path, 0600);
		check_ok(join_token_count(a->trust, &tokens, &err));
	}
}

static void files_that_changed_are_read_again(void)
{
	own(membership_freep) struct membership *first = NULL, *same = NULL, *next = NULL;
	struct trust_identity renewed;
	struct fl_error err;
	struct host *a;

	fixture_clear();
	a = host_with_ca("a");
	check_ok(trust_membership(a->trust, &first, &err));
	check_ok(trust_membership(a->trust, &same, &err));
	check(first == same);
	check_ok(ca_renew(a->trust, &renewed, &err));
	check_ok(trust_membership(a->trust, &next, &err));
	check(next != first);
	check_string(renewed.serial, next->self.serial);
}

static void a_damaged_list_of_what_was_issued_is_told(void)
{
	static const char *const bad[] = {
		"nonsense\n",
		"12 node x 2026-01-01T00:00:00Z 2027-01-01T00:00:00Z a\n",
		"12 king a 2026-01-01T00:00:00Z 2027-01-01T00:00:00Z a\n",
		"12 user a 2026-01-01T00:00:00Z never a\n",
	};
	struct ca_list list = { 0 };
	struct fl_error err;
	struct host *a;

	fixture_clear();
	a = host_with_ca("a");
	for (size_t i = 0; i < array_size(bad); i++) {
		put(a, ISSUED, bad[i], strlen(bad[i]));
		check_code(FL_CORRUPT, ca_list(a->trust, &list, &err));
		check(strstr(err.text, "line 1") && err.hint[0] && !list.items);
	}
}

static void what_expired_long_ago_is_forgotten(void)
{
	static const char line[] = "4a user old 2020-01-01T00:00:00Z 2021-01-01T00:00:00Z old\n";
	own(ca_list_done) struct ca_list before = { 0 }, after = { 0 };
	own(ca_issued_done) struct ca_issued issued = { 0 };
	struct fl_error err;
	struct host *a;

	fixture_clear();
	a = host_with_ca("a");
	put(a, ISSUED, line, strlen(line));
	check_ok(ca_list(a->trust, &before, &err));
	check(before.count == 1);
	check_ok(ca_issue(a->trust, &(struct ca_order){ .role = TRUST_USER, .id = "new" }, &issued,
			  &err));
	check_ok(ca_list(a->trust, &after, &err));
	check(after.count == 1);
	check_string("new", after.items[0].identity.id);
}

int main(int argc, char **argv)
{
	int r = check_main(
		argc, argv,
		(struct check[]){
			CHECK(a_cluster_begins), CHECK(a_beginning_that_was_cut_short_is_finished),
			CHECK(certificates_are_issued_for_what_they_say),
			CHECK(orders_that_make_no_sense_are_refused),
			CHECK(where_the_ca_is_not_nothing_is_issued),
			CHECK(renewing_keeps_the_key_and_lists_both),
			CHECK(revoked_is_revoked_for_ever),
			CHECK(a_deny_list_counts_when_it_is_newer_and_our_cas),
			CHECK(damaged_files_are_told), CHECK(what_does_not_belong_together_is_told),
			CHECK(a_key_that_others_read_is_made_private_one_that_they_write_is_refused),
			CHECK(files_that_changed_are_read_again),
			CHECK(a_damaged_list_of_what_was_issued_is_told),
			CHECK(what_expired_long_ago_is_forgotten), CHECK_END });

	fixture_clear();
	return r;
}
