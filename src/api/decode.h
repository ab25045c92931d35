#pragma once

/*
 * What a request says besides its path: query parameters and the members of
 * its JSON body, checked and converted.  There is one set of inputs for all
 * routes, a name means the same everywhere, and a route says which ones it
 * takes.  Everything else in a request is refused by name.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/uuid.h"
#include "http/server.h"
#include "model/form.h"
#include "model/metadata.h"

/*
 * All inputs: in capitals, as they are called in queries, bodies and struct input, and their type.
 * Another one is another line, at the end.
 */
/* clang-format off */
#define INPUTS(X) \
	X(REF, ref, REF) \
	X(REFS, refs, REFS) \
	X(FROM, from, REF) \
	X(TO, to, REF) \
	X(TARGET, target, REF) \
	X(NAME, name, STRING) \
	X(DESCRIPTION, description, STRING) \
	X(MOUNT_PATH, mount_path, STRING) \
	X(MESSAGE, message, STRING) \
	X(METADATA, metadata, METADATA) \
	X(UNSET, unset, STRINGS) \
	X(KIND, kind, STRING) \
	X(PATH, path, STRING) \
	X(SIZE, size, NUMBER) \
	X(SPARSE, sparse, FLAG) \
	X(COMPRESS, compress, FLAG) \
	X(FORCE, force, FLAG) \
	X(DRIVER, driver, STRING) \
	X(ITEM, item, STRING) \
	X(AS, as, STRING) \
	X(AFTER, after, STRING) \
	X(LIMIT, limit, NUMBER) \
	X(KEY, key, STRING) \
	X(VALUE, value, STRING) \
	X(ID, id, STRING) \
	X(OPERATION, operation, STRING) \
	X(COMPRESSION, compression, STRING) \
	X(DEVICES, devices, FLAG) \
	X(SETUID, setuid, FLAG) \
	X(DIRECTORY, directory, STRING) \
	X(QUOTA, quota, NUMBER) \
	X(WHY, why, FLAG) \
	X(POLICY, policy, METADATA) \
	X(ITSELF, itself, FLAG) \
	X(SETTINGS, settings, METADATA) \
	X(TIMEOUT, timeout, NUMBER) \
	X(REQUIRED, required, FLAG) \
	X(TOGETHER, together, FLAG) \
	X(CONTAINERS, containers, STRING) \
	X(TAIL, tail, NUMBER) \
	X(FOLLOW, follow, FLAG) \
	X(COMMAND, command, STRINGS) \
	X(USER, user, STRING) \
	X(TERMINAL, terminal, FLAG) \
	X(INPUT, input, FLAG) \
	X(ROWS, rows, NUMBER) \
	X(COLUMNS, columns, NUMBER) \
	X(CONTAINER, container, STRING) \
	X(ADDRESS, address, STRING) \
	X(PEER, peer, STRING) \
	X(EVERY, every, FLAG) \
	X(ANEW, anew, FLAG) \
	X(ADDRESSES, addresses, STRINGS) \
	X(VALID, valid, NUMBER) \
	X(TOKEN, token, STRING) \
	X(ROLE, role, STRING) \
	X(CERTIFICATE, certificate, STRING)
/* clang-format on */

#define INPUT_NUMBER(capitals, name, type) INPUT_##capitals,
enum { INPUTS(INPUT_NUMBER) INPUT_COUNT };
#undef INPUT_NUMBER
_Static_assert(INPUT_COUNT <= 63, "a set of inputs has 63 bits (check_required)");

/* Sets of inputs: bits.  An enum of 64 bits is an extension that gcc and clang share. */
#define INPUT_BIT(capitals, name, type) IN_##capitals = UINT64_C(1) << INPUT_##capitals,
enum { INPUTS(INPUT_BIT) };
#undef INPUT_BIT

/* The name of an input in queries and bodies, by the number of its bit (0 to INPUT_COUNT - 1). */
const char *input_name(unsigned number);

/* What a route takes: sets of inputs. */
struct accepts {
	uint64_t query;
	uint64_t body;
	uint64_t required; /* of both */
	unsigned forms;	   /* enum ref_form: what `ref` may be */
};

struct ref_array {
	struct ref *items;
	size_t count;
};

struct string_array {
	const char **items; /* the strings are the body's */
	size_t count;
};

/* What an input of each type is in struct input. */
#define INPUT_IS_STRING const char *
#define INPUT_IS_REF struct ref *
#define INPUT_IS_REFS struct ref_array
#define INPUT_IS_METADATA struct metadata
#define INPUT_IS_STRINGS struct string_array
#define INPUT_IS_NUMBER uint64_t
#define INPUT_IS_FLAG bool

/* A thing that was not given is NULL, 0 or false; `given` tells it from an empty one. */
struct input {
	uint64_t given; /* IN_... */
	void *document; /* the parsed body, which the strings below lie in */
#define INPUT_MEMBER(capitals, name, type) INPUT_IS_##type name;
	INPUTS(INPUT_MEMBER)
#undef INPUT_MEMBER
};

void input_done(struct input *input);
#define own_input own(input_done)

/* `limit` in a query is a number of items; in a body, of bytes a second, 0 when it is not given. */
#define PAGE 100      /* items on a page when `limit` is not given */
#define PAGE_MAX 1000 /* and at most */

/*
 * FL_INVALID says what is wrong with which input.  `ret` borrows from
 * `request`.
 */
must_check int input_decode(const struct http_request *request, const struct accepts *accepts,
			    struct input *ret, struct fl_error *err);

/* The id that the client chose for its operation; NULL in `*ret_id` when it chose none. */
must_check int decode_operation(const struct input *input, struct uuid *uuid,
				const struct uuid **ret_id, struct fl_error *err);

/* The cursor 'after' where it is a number; `what` it numbers is for the message. */
must_check int decode_number(const char *what, const char *text, uint64_t *ret,
			     struct fl_error *err);

/* A snapshot's id: exactly 16 hexadecimal digits. */
must_check int decode_id(const char *text, uint64_t *ret, struct fl_error *err);
