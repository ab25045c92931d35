#pragma once

/*
 * A join token: one word that a person carries from the host with the CA to the
 * one that is to join.  It says where to connect, whom to expect there, and
 * proves who may.  Whoever has it can join once, until it expires.  Pure.
 *
 *	flocker1_ and, in base32 (RFC 4648, lower case, no padding):
 *	  byte     how many addresses there are, 1 to 4
 *	  each     byte: length; that many bytes: "HOST:PORT"
 *	  32       SHA-256 of the CA's public key (DER, SubjectPublicKeyInfo)
 *	  16       secret
 *	  4        the first bytes of the SHA-256 of all before, "flocker1_" included
 *
 * The last tells slips of the pen; case does not matter.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"
#include "base/tcp.h"

#define TOKEN_ADDRESSES 4
#define TOKEN_ADDRESS 128 /* bytes of one, with the final NUL */
#define TOKEN_SECRET 16
#define TOKEN_FINGERPRINT 32
#define TOKEN_TEXT 1024 /* with the final NUL */

struct join_token {
	char addresses[TOKEN_ADDRESSES][TOKEN_ADDRESS];
	size_t count;
	uint8_t fingerprint[TOKEN_FINGERPRINT];
	uint8_t secret[TOKEN_SECRET];
};

char *token_format(const struct join_token *token, char text[static TOKEN_TEXT]);
/* FL_INVALID says what is wrong, never what stands in it. */
must_check int token_parse(const char *text, struct join_token *ret, struct fl_error *err);
