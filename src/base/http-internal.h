#pragma once

/* What http-client.c, which connects and sends, and http-answer.c share. */

#include "base/http-client.h"

must_check int http_fail_memory(size_t bytes, struct fl_error *err);
/* Waits for `events` (poll) on the connection, if it has a deadline: FL_UNREACHABLE then. */
must_check int http_await(const struct http_client *client, short events, struct fl_error *err);
