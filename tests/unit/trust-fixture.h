#pragma once

/*
 * Hosts with configuration directories of their own, and clusters made of them.  All lies in a file
 * system in memory that is mounted nowhere: a sync takes no time there, and nothing of it stays,
 * however the program ends.
 */

#include <fcntl.h>
#include <stdio.h>

#include "base/fsat.h"
#include "base/mount.h"
#include "tests/check.h"
#include "trust/ca.h"
#include "trust/internal.h"
#include "trust/join.h"
#include "trust/store.h"

struct host {
	char directory[16];
	char name[16];
	int etc;
	struct uuid instance;
	struct trust *trust;
};

#define FIXTURE_HOSTS 4
__attribute__((weak)) struct host fixture_hosts[FIXTURE_HOSTS];
__attribute__((weak)) size_t fixture_count;
__attribute__((weak)) int fixture_root = -1;

static inline void fixture_clear(void)
{
	struct fl_error err;

	for (size_t i = 0; i < fixture_count; i++) {
		struct host *host = &fixture_hosts[i];

		trust_close(host->trust);
		close(host->etc);
		if (fsat_remove_tree(fixture_root, host->directory, &err) < 0)
			printf("# %s\n", err.text);
	}
	fixture_count = 0;
}

/* What a test that failed left is cleared by the next. */
static inline struct host *host_new(const char *name)
{
	struct host *host = &fixture_hosts[fixture_count];
	struct fl_error err;

	check(fixture_count < FIXTURE_HOSTS);
	if (fixture_root < 0)
		check_ok(mount_detached("tmpfs", "trust-test", NULL, 0, &fixture_root, &err));
	snprintf(host->directory, sizeof(host->directory), "%zu", fixture_count);
	strcpy(host->name, name);
	check_ok(fsat_mkdir(fixture_root, host->directory, 0700, &err));
	check_ok(fsat_open_dir(fixture_root, host->directory, &host->etc, &err));
	host->instance = uuid_new();
	host->trust = trust_open(host->etc);
	fixture_count++;
	return host;
}

static inline struct host *host_with_ca(const char *name)
{
	struct host *host = host_new(name);
	struct fl_error err;

	check_ok(ca_init(host->trust, &host->instance, name, &err));
	return host;
}

/* Another letter in its middle, where a line may end. */
static inline void pem_bend(char *pem)
{
	char *middle = pem + strlen(pem) / 2;

	middle += *middle == '\n';
	*middle = *middle == 'A' ? 'B' : 'A';
}

/* A token, and what it says. */
static inline void token_from(struct host *host, struct join_token *ret)
{
	const char *const addresses[] = { "a.example:4524" };
	char text[TOKEN_TEXT];
	struct fl_error err;

	check_ok(join_token_create(host->trust, addresses, 1, CLOCK_HOUR, text, &err));
	check_ok(token_parse(text, ret, &err));
}

/* By a token, without a connection. */
static inline struct host *host_joined(struct host *to, const char *name)
{
	struct host *host = host_new(name);
	own(join_answer_done) struct join_answer answer = { 0 };
	own(join_freep) struct join *join = NULL;
	struct join_token token;
	struct fl_error err;

	token_from(to, &token);
	check_ok(join_prepare(host->trust, &token, &host->instance, name, &join, &err));
	check_ok(join_grant(to->trust, join_request(join), &answer, &err));
	check_ok(join_accept(host->trust, join, &answer, &err));
	return host;
}
