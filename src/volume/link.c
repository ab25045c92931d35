/*
 * The link's bytes go from and to the daemon as they are: this program knows nothing of them.  What
 * it says first is what the link may be used for (model/admission.h).
 */

#include <stdio.h>
#include <string.h>

#include "base/socket.h"
#include "lib/flocker.h"
#include "model/admission.h"
#include "volume/carry.h"
#include "volume/verbs.h"

#define PEERS "peers.sock"

/* It lies beside the one of the API. */
static int find_socket(const struct request *request, char api[static FL_SOCKET_TEXT],
		       char ret[static FL_SOCKET_TEXT], struct fl_error *err)
{
	const char *slash;
	int n;

	if (fl_socket_path(request->root, request->socket, api, err) < 0)
		return fl_failed(err);
	slash = strrchr(api, '/');
	n = snprintf(ret, FL_SOCKET_TEXT, "%.*s" PEERS, slash ? (int)(slash + 1 - api) : 0, api);
	if (n < 0 || n >= FL_SOCKET_TEXT)
		return fl_fail(err, FL_INVALID, "the path of the socket beside %s is too long",
			       api);
	return 0;
}

/* The library knows how to say that nobody is there, or that this user may not. */
static int explain(const char *api, struct fl_error *err)
{
	struct fl_client *client;
	struct fl_error why;

	if (fl_client_open(api, &client, &why) == 0) {
		fl_client_close(client);
		return fl_wrap(err, "the daemon takes no peers");
	}
	*err = why;
	return fl_failed(err);
}

static int open_link(const struct request *request, const struct admission *admission,
		     struct fl_error *err)
{
	char api[FL_SOCKET_TEXT], path[FL_SOCKET_TEXT], line[ADMISSION_TEXT];
	own_fd int fd = -1;

	if (find_socket(request, api, path, err) < 0)
		return fl_failed(err);
	if (socket_connect(path, &fd, err) < 0)
		return explain(api, err);
	if (socket_send(fd, admission_format(admission, line), err) < 0)
		return fl_wrap(err, "speaking to the daemon");
	return carry(fd, err);
}

int volume_serve(const struct request *request, struct fl_error *err)
{
	const struct admission admission = { 0 };

	return open_link(request, &admission, err);
}

int volume_receive(const struct request *request, struct fl_error *err)
{
	struct admission admission = { 0 };

	if (name_check("volume", request->operand, err) < 0 ||
	    (request->from && name_check("instance", request->from, err) < 0))
		return fl_failed(err);
	snprintf(admission.volume, sizeof(admission.volume), "%s", request->operand);
	if (request->from)
		snprintf(admission.from, sizeof(admission.from), "%s", request->from);
	return open_link(request, &admission, err);
}
