#include "base/handover.h"

#include <string.h>
#include <sys/socket.h>

/* A control message with one descriptor, aligned as such a message must be. */
union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

/* A message without a byte carries nothing. */
static struct msghdr message_of(struct iovec *byte, union control *control)
{
	return (struct msghdr){ .msg_iov = byte,
				.msg_iovlen = 1,
				.msg_control = control->bytes,
				.msg_controllen = sizeof(control->bytes) };
}

int handover_pair(int ret[static 2], struct fl_error *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret) < 0)
		return fl_fail_errno(err, "cannot make a pair of sockets");
	return 0;
}

int handover_give(int end, int fd, struct fl_error *err)
{
	char byte = 0;
	union control control = { .header = { .cmsg_len = CMSG_LEN(sizeof(fd)),
					      .cmsg_level = SOL_SOCKET,
					      .cmsg_type = SCM_RIGHTS } };
	struct msghdr message = message_of(&(struct iovec){ &byte, 1 }, &control);

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	if (TEMP_FAILURE_RETRY(sendmsg(end, &message, MSG_NOSIGNAL)) < 0)
		return fl_fail_errno(err, "cannot hand over a descriptor");
	return 0;
}

int handover_take(int end, int *ret_fd, struct fl_error *err)
{
	char byte;
	union control control = { 0 };
	struct msghdr message = message_of(&(struct iovec){ &byte, 1 }, &control);
	ssize_t n = TEMP_FAILURE_RETRY(recvmsg(end, &message, MSG_CMSG_CLOEXEC));

	if (n < 0)
		return fl_fail_errno(err, "cannot take over a descriptor");
	if (n == 0)
		return fl_fail(err, FL_NOT_FOUND, "no descriptor was handed over");
	if (message.msg_controllen < sizeof(control.header) ||
	    control.header.cmsg_type != SCM_RIGHTS ||
	    control.header.cmsg_len != CMSG_LEN(sizeof(*ret_fd)))
		return fl_fail(err, FL_SYSTEM, "something else than a descriptor was handed over");
	memcpy(ret_fd, CMSG_DATA(&control.header), sizeof(*ret_fd));
	return 0;
}
