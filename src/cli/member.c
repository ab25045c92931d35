#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fsat.h"
#include "cli/talk.h"
#include "cli/verbs.h"

/* Membership of a cluster: its CA, certificates, and how another host joins. */

/* "valid": --valid, in seconds. */
static int put_valid(struct body *body, const struct invocation *in, struct fl_error *err)
{
	int64_t valid;

	if (!option_given(in, OPT_VALID))
		return 0;
	if (clock_parse_duration(in->options[OPT_VALID], &valid, err) < 0)
		return fl_wrap(err, "--valid");
	body_int(body, "valid", valid / CLOCK_SECOND);
	return 0;
}

static void print_identity(struct value *identity)
{
	char text[PRINT_TEXT];

	print_fact("name", field(identity, "name"));
	print_fact("role", field(identity, "role"));
	print_fact("id", field(identity, "id"));
	print_fact("cluster", field(identity, "cluster"));
	print_fact("serial", field(identity, "serial"));
	print_fact("expires", field_when(identity, "expires", text));
}

/* --- the CA ---------------------------------------------------------------------------- */

/* A line for people: what comes next. */
static void print_next(const struct invocation *in, const char *what, const char *command)
{
	own_text struct text line = { 0 };

	add_command(&line, in);
	printf("%s: %s %s\n", what, text_get(&line), command);
}

int verb_ca_init(struct invocation *in, struct fl_error *err)
{
	own_free struct value *cluster = NULL;

	if (talk(in, "POST", "/v1/cluster", NULL, NULL, &cluster, err) < 0)
		return fl_failed(err);
	if (option_given(in, OPT_JSON)) {
		print_json(cluster);
		return 0;
	}
	printf("this host has the CA of cluster %s\n",
	       field(value_get(cluster, "certificate"), "cluster"));
	print_next(in, "to let another host join", "ca token");
	return 0;
}

static const struct column issued_columns[] = {
	{ "NAME", PAINT_NAME, false },
	{ "ROLE", PAINT_NONE, false },
	{ "ID", PAINT_NONE, false },
	{ "SERIAL", PAINT_ID, false },
	{ "EXPIRES", PAINT_NONE, false },
	{ "REVOKED", PAINT_BAD, false },
	{ 0 },
};

static void print_issued(struct value *issued)
{
	own_table struct table table = { .columns = issued_columns };
	char text[PRINT_TEXT];

	value_each(issued, item)
	{
		table_add(&table, field(item, "name"));
		table_add(&table, field(item, "role"));
		table_add(&table, field(item, "id"));
		table_add(&table, field(item, "serial"));
		table_add(&table, field_when(item, "expires", text));
		table_add(&table, field_bool(item, "revoked") ? "revoked" : "");
	}
	table_flush(&table);
}

static void print_cluster(struct value *cluster)
{
	char text[PRINT_TEXT];

	print_identity(value_get(cluster, "certificate"));
	print_fact("CA expires", field_when(value_get(cluster, "ca"), "expires", text));
	print_fact("CA", field_bool(cluster, "here") ? "on this host" : "on another host");
	if (!field_bool(cluster, "here"))
		return;
	snprintf(text, sizeof(text), "%lld", (long long)field_int(cluster, "tokens"));
	print_fact("open tokens", text);
	printf("\n");
	print_issued(value_get(cluster, "issued"));
}

int verb_ca_show(struct invocation *in, struct fl_error *err)
{
	own_free struct value *cluster = NULL;

	if (talk(in, "GET", "/v1/cluster", NULL, NULL, &cluster, err) < 0)
		return fl_failed(err);
	if (option_given(in, OPT_JSON))
		print_json(cluster);
	else
		print_cluster(cluster);
	return 0;
}

int verb_ca_renew(struct invocation *in, struct fl_error *err)
{
	own_free struct value *identity = NULL;
	own_body struct body *body = body_new();

	put_option(body, in, OPT_PEER, "peer");
	if (talk(in, "POST", "/v1/cluster/renewal", NULL, body, &identity, err) < 0)
		return fl_failed(err);
	if (option_given(in, OPT_JSON))
		print_json(identity);
	else
		print_identity(identity);
	return 0;
}

/* The certificate is gone here, but good still where it was issued. */
static void print_left(const char *name)
{
	printf("this host belongs to no cluster any more\n"
	       "to come back: on the host with the CA `flocker ca revoke %s`, then\n"
	       "`flocker ca token`; and `flocker join` here\n",
	       *name ? name : "NAME");
}

int verb_ca_leave(struct invocation *in, struct fl_error *err)
{
	own_free struct value *answer = NULL, *cluster = NULL;
	struct fl_error unused;

	/* What is broken can be left, too. */
	if (talk(in, "GET", "/v1/cluster", NULL, NULL, &cluster, &unused) < 0)
		cluster = NULL;
	if (talk(in, "DELETE", "/v1/cluster", NULL, NULL, &answer, err) < 0)
		return fl_failed(err);
	if (option_given(in, OPT_JSON))
		print_json(answer);
	else
		print_left(field(value_get(cluster, "certificate"), "name"));
	return 0;
}

int verb_ca_revoke(struct invocation *in, struct fl_error *err)
{
	own_free struct value *answer = NULL;
	long long count;

	if (talk_to(in, "DELETE",
		    fl_target("/v1/cluster/certificate", "certificate", in->operands[0], NULL),
		    NULL, &answer, err) < 0)
		return fl_failed(err);
	count = (long long)field_int(answer, "revoked");
	if (option_given(in, OPT_JSON))
		print_json(answer);
	else
		printf("%lld certificate%s revoked\n", count, count == 1 ? "" : "s");
	return 0;
}

/* --- certificates for others ---------------------------------------------------------------- */

static int write_pem(int dir, const char *id, const char *end, mode_t mode, const char *pem,
		     struct fl_error *err)
{
	own_text struct text name = { 0 };

	text_add_format(&name, "%s%s", id, end);
	return fsat_write(dir, text_get(&name), pem, strlen(pem), mode, true, err);
}

/* The key before its certificate: who sees that has both. */
static int write_files(const struct invocation *in, struct value *issued, struct fl_error *err)
{
	const char *where = option_given(in, OPT_OUT) ? in->options[OPT_OUT] : ".";
	const char *id = field(value_get(issued, "identity"), "id");
	own_fd int dir = -1;

	if (strchr(id, '/'))
		return fl_fail(err, FL_CORRUPT, "the daemon's answer has a strange id");
	if (fsat_open_named(where, O_RDONLY | O_DIRECTORY, &dir, err) < 0 ||
	    write_pem(dir, id, ".key", 0600, field(issued, "key"), err) < 0 ||
	    write_pem(dir, "ca", ".crt", 0644, field(issued, "ca"), err) < 0 ||
	    write_pem(dir, id, ".crt", 0644, field(issued, "certificate"), err) < 0)
		return fl_wrap(err, "the certificate was issued, but not kept: revoke it");
	printf("%s/%s.key\n%s/%s.crt\n%s/ca.crt\n", where, id, where, id, where);
	return 0;
}

/* Before there is a certificate that has no place. */
static int check_place(const struct invocation *in, struct fl_error *err)
{
	const char *where = option_given(in, OPT_OUT) ? in->options[OPT_OUT] : ".";
	own_fd int dir = -1;

	return fsat_open_named(where, O_RDONLY | O_DIRECTORY, &dir, err);
}

int verb_ca_issue(struct invocation *in, struct fl_error *err)
{
	own_free struct value *issued = NULL;
	own_body struct body *body = body_new();

	body_string(body, "role", in->operands[0]);
	body_string(body, "id", in->operands[1]);
	put_option(body, in, OPT_NAME, "name");
	if (put_valid(body, in, err) < 0 || check_place(in, err) < 0 ||
	    talk(in, "POST", "/v1/cluster/certificates", NULL, body, &issued, err) < 0)
		return fl_failed(err);
	if (!option_given(in, OPT_JSON))
		return write_files(in, issued, err);
	print_json(issued);
	return 0;
}

/* --- joining -------------------------------------------------------------------------------- */

static void put_addresses(struct body *body, const struct invocation *in)
{
	if (in->address_count == 0)
		return;
	body_array(body, "addresses");
	for (size_t i = 0; i < in->address_count; i++)
		body_string(body, NULL, in->addresses[i]);
	body_end(body);
}

static void print_token(struct value *token)
{
	own_free char *addresses = field_joined(token, "addresses", " or ");
	char text[PRINT_TEXT];

	if (!printing.terminal) {
		printf("%s\n", field(token, "token"));
		return;
	}
	printf("on the other host, as root, which reaches this one at %s:\n\n"
	       "    flocker join %s\n\n"
	       "good once, until %s\n",
	       addresses ? addresses : "", field(token, "token"),
	       field_when(token, "expires", text));
}

int verb_ca_token(struct invocation *in, struct fl_error *err)
{
	own_free struct value *token = NULL;
	own_body struct body *body = body_new();

	put_addresses(body, in);
	if (put_valid(body, in, err) < 0 ||
	    talk(in, "POST", "/v1/cluster/tokens", NULL, body, &token, err) < 0)
		return fl_failed(err);
	if (option_given(in, OPT_JSON))
		print_json(token);
	else
		print_token(token);
	return 0;
}

int verb_join(struct invocation *in, struct fl_error *err)
{
	own_free struct value *joined = NULL;
	own_body struct body *body = body_new();
	struct value *peer;

	if (in->address_count > 1)
		return fl_fail(err, FL_INVALID, "option --address is given twice");
	body_string(body, "token", in->operands[0]);
	if (in->address_count == 1)
		body_string(body, "address", in->addresses[0]);
	if (talk(in, "POST", "/v1/cluster/join", NULL, body, &joined, err) < 0)
		return fl_failed(err);
	if (option_given(in, OPT_JSON)) {
		print_json(joined);
		return 0;
	}
	peer = value_get(joined, "peer");
	printf("this host, %s, is a member of cluster %s\n",
	       field(value_get(joined, "certificate"), "name"),
	       field(value_get(joined, "certificate"), "cluster"));
	printf("%s (%s) is a peer\n", field(peer, "name"), field(peer, "address"));
	return 0;
}
