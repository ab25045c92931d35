#include "engine/dial.h"

#include <string.h>

#include "engine/internal.h"
#include "trust/tls.h"

#define SSH "ssh://"
#define ANY_PORT 0

/* What would be an option of ssh, or a word of a shell, is no user and no host. */
static bool is_plain(const char *word)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-:";

	return word[0] && word[0] != '-' && word[0] != '.' && word[strspn(word, allowed)] == '\0';
}

static int parse_ssh(const char *text, struct address *ret, struct fl_error *err)
{
	const char *rest = text + strlen(SSH), *at = strchr(rest, '@');

	ret->kind = ADDRESS_SSH;
	if (at) {
		if (at - rest >= (ptrdiff_t)sizeof(ret->user))
			return fl_fail(err, FL_INVALID, "the user in '%.200s' is too long", text);
		memcpy(ret->user, rest, (size_t)(at - rest));
		rest = at + 1;
		if (!is_plain(ret->user))
			return fl_fail(err, FL_INVALID, "'%s' is no user's name", ret->user);
	}
	if (strchr(rest, '/'))
		return fl_fail(err, FL_INVALID, "'%.200s' has a path: it takes none", text);
	if (tcp_parse(rest, ANY_PORT, &ret->tcp, err) < 0)
		return fl_failed(err);
	if (!is_plain(ret->tcp.host))
		return fl_fail(err, FL_INVALID, "'%.200s' is no host's name", ret->tcp.host);
	return 0;
}

int address_parse(const char *text, struct address *ret, struct fl_error *err)
{
	*ret = (struct address){ .kind = ADDRESS_TLS };
	if (strncmp(text, SSH, strlen(SSH)) == 0)
		return parse_ssh(text, ret, err);
	if (strstr(text, "://")) {
		fl_fail(err, FL_INVALID, "'%.200s' is an address of a kind that is not known",
			text);
		return fl_hint(err, "an address is HOST, HOST:PORT or ssh://USER@HOST");
	}
	return tcp_parse(text, TLS_PORT, &ret->tcp, err);
}

int dial(struct engine *engine, const struct address *address, const struct uuid *expect,
	 struct transport **ret, struct fl_error *err)
{
	struct tls_options options = { .cancel = -1 };

	if (address->kind == ADDRESS_SSH)
		return dial_ssh(address, ret, err);
	if (!engine->trust)
		return fl_fail(err, FL_UNSUPPORTED, "this daemon was started without certificates");
	if (expect)
		options.expect = *expect;
	return tls_dial(engine->trust, &address->tcp, &options, ret, err);
}
