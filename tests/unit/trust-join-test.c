/* Join tokens, and how a host becomes a member and stays one, without a connection. */

#include "tests/unit/trust-fixture.h"

/* What a newcomer asks, as the host with the CA gets it. */
struct asking {
	struct host *host;
	struct join_token token;
	struct join *join;
};

static void ask(struct host *to, const char *name, struct asking *ret)
{
	struct fl_error err;

	ret->host = host_new(name);
	token_from(to, &ret->token);
	check_ok(join_prepare(ret->host->trust, &ret->token, &ret->host->instance, name, &ret->join,
			      &err));
}

static void asking_done(struct asking *asking)
{
	join_free(asking->join);
}

static void a_token_makes_a_member(void)
{
	own(asking_done) struct asking asking = { 0 };
	own(join_answer_done) struct join_answer answer = { 0 };
	struct trust_identity a_self, b_self;
	struct fl_error err;
	struct host *a;
	size_t open;

	fixture_clear();
	a = host_with_ca("a");
	ask(a, "b", &asking);
	check_string("a.example:4524", asking.token.addresses[0]);
	check_ok(join_token_count(a->trust, &open, &err));
	check(open == 1);
	check_ok(join_grant(a->trust, join_request(asking.join), &answer, &err));
	check_ok(join_token_count(a->trust, &open, &err));
	check(open == 0);
	check_code(FL_NOT_FOUND, trust_self(asking.host->trust, &b_self, &err));
	check_ok(join_accept(asking.host->trust, asking.join, &answer, &err));
	check_ok(trust_self(a->trust, &a_self, &err));
	check_ok(trust_self(asking.host->trust, &b_self, &err));
	check(uuid_equal(&a_self.cluster, &b_self.cluster));
	check(uuid_equal(&b_self.instance, &asking.host->instance));
	check(uuid_equal(&answer.issuer, &a->instance) && !trust_has_ca(asking.host->trust));
	check_string("a", answer.issuer_name);
	check_string("b", b_self.name);
	check_code(FL_EXISTS, join_accept(asking.host->trust, asking.join, &answer, &err));
	check_code(FL_EXISTS,
		   join_prepare(asking.host->trust, &asking.token, &asking.host->instance, "b",
				&(struct join *){ NULL }, &err));
	check_ok(trust_leave(asking.host->trust, &err));
	check_ok(trust_leave(asking.host->trust, &err));
	check_code(FL_NOT_FOUND, trust_self(asking.host->trust, &b_self, &err));
}

static void a_token_is_good_once(void)
{
	own(asking_done) struct asking asking = { 0 };
	own(join_answer_done) struct join_answer answer = { 0 };
	struct join_answer second = { 0 };
	own(ca_list_done) struct ca_list list = { 0 };
	struct fl_error err;
	struct host *a;

	fixture_clear();
	a = host_with_ca("a");
	ask(a, "b", &asking);
	check_ok(join_grant(a->trust, join_request(asking.join), &answer, &err));
	check_code(FL_DENIED, join_grant(a->trust, join_request(asking.join), &second, &err));
	check(strstr(err.text, "was used already") && err.hint[0] && !second.certificate);
	check_ok(ca_list(a->trust, &list, &err));
	check(list.count == 2);
}

static void unknown_and_expired_tokens_are_denied(void)
{
	own(asking_done) struct asking asking = { 0 };
	own_text struct text tokens = { 0 };
	struct join_request request;
	struct join_answer answer;
	struct fl_error err;
	struct host *a;
	size_t open;

	fixture_clear();
	a = host_with_ca("a");
	ask(a, "b", &asking);
	request = *join_request(asking.join);
	for (int bit = 0; bit < 8 * TOKEN_SECRET; bit++) {
		request.secret[bit / 8] ^= (uint8_t)(1 << bit % 8);
		check_code(FL_DENIED, join_grant(a->trust, &request, &answer, &err));
		check(strstr(err.text, "is not known here"));
		request.secret[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	/* As a day later. */
	check_ok(fsat_read(a->etc, TOKENS, 65536, &tokens, &err));
	{
		char expired[256], time[CLOCK_TEXT];
		char *space = strchr(tokens.bytes, ' ');

		snprintf(expired, sizeof(expired), "%.64s %s open\n", tokens.bytes,
			 clock_format(clock_now() - CLOCK_MINUTE, time));
		check(space == tokens.bytes + 64);
		check_ok(fsat_write(a->etc, TOKENS, expired, strlen(expired), 0600, false, &err));
	}
	check_code(FL_DENIED, join_grant(a->trust, &request, &answer, &err));
	check(strstr(err.text, "has expired"));
	check_ok(join_token_count(a->trust, &open, &err));
	check(open == 0);
	check_ok(fsat_write(a->etc, TOKENS, "x\n", 2, 0600, false, &err));
	check_code(FL_CORRUPT, join_grant(a->trust, &request, &answer, &err));
}

static void the_secret_is_not_kept(void)
{
	own_text struct text tokens = { 0 };
	struct join_token token;
	char hex[2 * TOKEN_SECRET + 1];
	struct fl_error err;
	struct host *a;

	fixture_clear();
	a = host_with_ca("a");
	token_from(a, &token);
	for (size_t i = 0; i < TOKEN_SECRET; i++)
		snprintf(hex + 2 * i, 3, "%02x", token.secret[i]);
	check_ok(fsat_read(a->etc, TOKENS, 65536, &tokens, &err));
	check(!strstr(tokens.bytes, hex));
	check(!memmem(tokens.bytes, tokens.length, token.secret, TOKEN_SECRET));
}

static void tokens_are_for_what_can_be_reached(void)
{
	static const char *const good[] = { "a:1", "b:2", "[::1]:3", "192.0.2.1:4", "e:5" };
	static const char *const bad[] = { "a", "*:1", "a:0", "a b:1", "" };
	char text[TOKEN_TEXT];
	struct fl_error err;
	struct host *a;

	fixture_clear();
	a = host_with_ca("a");
	check_ok(join_token_create(a->trust, good, 4, CLOCK_HOUR, text, &err));
	check_code(FL_INVALID, join_token_create(a->trust, good, 5, CLOCK_HOUR, text, &err));
	check_code(FL_INVALID, join_token_create(a->trust, good, 0, CLOCK_HOUR, text, &err));
	for (size_t i = 0; i < array_size(bad); i++)
		check_code(FL_INVALID,
			   join_token_create(a->trust, &bad[i], 1, CLOCK_HOUR, text, &err));
	check_code(FL_INVALID, join_token_create(a->trust, good, 1, 0, text, &err));
	check_code(FL_INVALID, join_token_create(a->trust, good, 1, 8 * CLOCK_DAY, text, &err));
	for (int i = 1; i < JOIN_TOKENS; i++)
		check_ok(join_token_create(a->trust, good, 1, CLOCK_HOUR, text, &err));
	check_code(FL_BUSY, join_token_create(a->trust, good, 1, CLOCK_HOUR, text, &err));
	check(err.hint[0]);
}

static void requests_that_do_not_fit_leave_the_token_good(void)
{
	own(join_answer_done) struct join_answer answer = { 0 };
	own(asking_done) struct asking asking = { 0 };
	own(x509_key_done) gnutls_x509_privkey_t rsa = NULL;
	own_free char *rsa_csr = NULL, *bent = NULL, *huge = NULL;
	struct join_request request;
	struct fl_error err;
	struct host *a;

	fixture_clear();
	a = host_with_ca("a");
	ask(a, "b", &asking);
	check(gnutls_x509_privkey_init(&rsa) == 0);
	check(gnutls_x509_privkey_generate(rsa, GNUTLS_PK_RSA, 2048, 0) == 0);
	check_ok(x509_crq_make(rsa, "b", &rsa_csr, &err));
	bent = xstrdup(join_request(asking.join)->csr);
	pem_bend(bent);
	huge = xcalloc(1, JOIN_PEM_MAX + 2);
	memset(huge, 'x', JOIN_PEM_MAX + 1);
	{
		char *const csrs[] = { NULL, (char[]){ "" }, (char[]){ "x" }, rsa_csr, bent, huge };

		for (size_t i = 0; i < array_size(csrs); i++) {
			request = *join_request(asking.join);
			request.csr = csrs[i];
			check_code(FL_INVALID, join_grant(a->trust, &request, &answer, &err));
		}
	}
	request = *join_request(asking.join);
	request.instance = (struct uuid){ 0 };
	check_code(FL_INVALID, join_grant(a->trust, &request, &answer, &err));
	request = *join_request(asking.join);
	strcpy(request.name, "a\nb");
	check_code(FL_INVALID, join_grant(a->trust, &request, &answer, &err));
	memset(request.name, 'a', sizeof(request.name));
	check_code(FL_INVALID, join_grant(a->trust, &request, &answer, &err));
	request = *join_request(asking.join);
	request.instance = a->instance;
	check_code(FL_DENIED, join_grant(a->trust, &request, &answer, &err));
	check_ok(join_grant(a->trust, join_request(asking.join), &answer, &err));
	check_code(FL_NOT_FOUND,
		   join_grant(asking.host->trust, join_request(asking.join), &answer, &err));
}

/* Answers for somebody else, or from somebody else. */
static void answers_that_do_not_fit_change_nothing(void)
{
	own(asking_done) struct asking b = { 0 }, c = { 0 };
	own(join_answer_done) struct join_answer for_b = { 0 }, for_c = { 0 }, foreign = { 0 };
	own(join_freep) struct join *at_d = NULL;
	struct join_token token;
	struct join_answer mixed;
	struct trust_identity self;
	struct fl_error err;
	struct host *a, *d;

	fixture_clear();
	a = host_with_ca("a");
	d = host_with_ca("d");
	ask(a, "b", &b);
	ask(a, "c", &c);
	check_ok(join_grant(a->trust, join_request(b.join), &for_b, &err));
	check_ok(join_grant(a->trust, join_request(c.join), &for_c, &err));
	check_code(FL_DENIED, join_accept(b.host->trust, b.join, &for_c, &err));

	token_from(d, &token);
	check_ok(join_prepare(b.host->trust, &token, &b.host->instance, "b", &at_d, &err));
	check_ok(join_grant(d->trust, join_request(at_d), &foreign, &err));
	check_code(FL_DENIED, join_accept(b.host->trust, b.join, &foreign, &err));
	check(strstr(err.text, "from another CA"));
	mixed = for_b;
	mixed.certificate = foreign.certificate;
	check_code(FL_DENIED, join_accept(b.host->trust, b.join, &mixed, &err));
	mixed = for_b;
	mixed.certificate = for_b.ca;
	check_code(FL_DENIED, join_accept(b.host->trust, b.join, &mixed, &err));
	mixed = for_b;
	mixed.ca = NULL;
	check_code(FL_INVALID, join_accept(b.host->trust, b.join, &mixed, &err));
	mixed = for_b;
	mixed.certificate = (char[]){ "nonsense" };
	check_code(FL_INVALID, join_accept(b.host->trust, b.join, &mixed, &err));
	mixed = for_b;
	mixed.denied = (char[]){ "nonsense" };
	check_code(FL_INVALID, join_accept(b.host->trust, b.join, &mixed, &err));
	check_code(FL_NOT_FOUND, trust_self(b.host->trust, &self, &err));
	check_ok(join_accept(b.host->trust, b.join, &for_b, &err));
}

static void a_newcomer_gets_the_deny_list(void)
{
	own(join_answer_done) struct join_answer answer = { 0 };
	own(asking_done) struct asking asking = { 0 };
	own_free char *pem = NULL;
	struct trust_identity b_self;
	struct host *a, *b;
	struct fl_error err;
	uint64_t number;
	size_t count;

	fixture_clear();
	a = host_with_ca("a");
	b = host_joined(a, "b");
	check_ok(ca_revoke(a->trust, "b", &count, &err));
	ask(a, "c", &asking);
	check_ok(join_grant(a->trust, join_request(asking.join), &answer, &err));
	check_ok(join_accept(asking.host->trust, asking.join, &answer, &err));
	check_ok(trust_denied(asking.host->trust, &number, &pem, &err));
	check(number == 1 && pem);
	check_ok(trust_self(b->trust, &b_self, &err));
}

/* By `to`'s token, as the instance `as` and under its name, from a host of the asker's own. */
static int join_as(struct host *to, const struct host *as, struct fl_error *ret)
{
	own(join_answer_done) struct join_answer answer = { 0 };
	own(join_freep) struct join *join = NULL;
	struct host *own = host_new("c");
	struct join_token token;
	struct fl_error err;
	int r;

	token_from(to, &token);
	check_ok(join_prepare(own->trust, &token, &as->instance, as->name, &join, &err));
	r = join_grant(to->trust, join_request(join), &answer, &err);
	*ret = err;
	return r;
}

static void a_token_makes_nobody_another_member(void)
{
	struct host *a, *b;
	struct fl_error err;
	size_t count;

	fixture_clear();
	a = host_with_ca("a");
	b = host_joined(a, "b");
	check_code(FL_DENIED, join_as(a, b, &err));
	check(strstr(err.text, "is a member already") && strstr(err.hint, "ca revoke b"));
	check_ok(ca_revoke(a->trust, "b", &count, &err));
	check(count == 1);
	check_ok(join_as(a, b, &err));
}

static void a_member_does_not_fill_the_list(void)
{
	own(join_answer_done) struct join_answer answer = { 0 };
	own(join_freep) struct join *join = NULL;
	struct trust_identity self;
	struct host *a, *b;
	struct fl_error err;

	fixture_clear();
	a = host_with_ca("a");
	b = host_joined(a, "b");
	check_ok(trust_self(b->trust, &self, &err));
	check_ok(join_prepare_renewal(b->trust, &join, &err));
	for (int i = 2; i < JOIN_RENEWALS; i++) {
		snprintf(self.serial, sizeof(self.serial), "%x", i);
		check_ok(issued_add(a->trust, &self, &err));
	}
	check_ok(join_grant_renewal(a->trust, &self, join_request(join), &answer, &err));
	join_answer_done(&answer);
	check_code(FL_BUSY, join_grant_renewal(a->trust, &self, join_request(join), &answer, &err));
}

static void a_member_renews_its_own_alone(void)
{
	own(join_answer_done) struct join_answer answer = { 0 };
	own(join_freep) struct join *join = NULL;
	struct trust_identity a_self, before, after, user;
	struct join_answer none;
	struct host *a, *b;
	struct fl_error err;
	size_t count;

	fixture_clear();
	a = host_with_ca("a");
	b = host_joined(a, "b");
	check_ok(trust_self(a->trust, &a_self, &err));
	check_ok(trust_self(b->trust, &before, &err));
	check_ok(join_prepare_renewal(b->trust, &join, &err));
	user = before;
	user.role = TRUST_USER;
	check_code(FL_DENIED,
		   join_grant_renewal(a->trust, &a_self, join_request(join), &none, &err));
	check_code(FL_DENIED, join_grant_renewal(a->trust, &user, join_request(join), &none, &err));
	check_code(FL_DENIED,
		   join_grant_renewal(a->trust, &(struct trust_identity){ .stranger = true },
				      join_request(join), &none, &err));
	check_ok(join_grant_renewal(a->trust, &before, join_request(join), &answer, &err));
	check_ok(join_accept(b->trust, join, &answer, &err));
	check_ok(trust_self(b->trust, &after, &err));
	check(strcmp(before.serial, after.serial) != 0);
	check(uuid_equal(&before.instance, &after.instance));
	check_ok(ca_revoke(a->trust, "b", &count, &err));
	check(count == 2);
	check_code(FL_DENIED,
		   join_grant_renewal(a->trust, &before, join_request(join), &none, &err));
	check(strstr(err.text, "was revoked"));
	check_code(FL_DENIED, join_grant(a->trust, join_request(join), &none, &err));
}

int main(int argc, char **argv)
{
	int r = check_main(argc, argv,
			   (struct check[]){ CHECK(a_token_makes_a_member),
					     CHECK(a_token_is_good_once),
					     CHECK(a_token_makes_nobody_another_member),
					     CHECK(a_member_does_not_fill_the_list),
					     CHECK(unknown_and_expired_tokens_are_denied),
					     CHECK(the_secret_is_not_kept),
					     CHECK(tokens_are_for_what_can_be_reached),
					     CHECK(requests_that_do_not_fit_leave_the_token_good),
					     CHECK(answers_that_do_not_fit_change_nothing),
					     CHECK(a_newcomer_gets_the_deny_list),
					     CHECK(a_member_renews_its_own_alone), CHECK_END });

	fixture_clear();
	return r;
}
