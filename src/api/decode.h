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

#include "http/server.h"
#include "model/form.h"
#include "model/metadata.h"

/* Sets of inputs: bits. */
#define IN_REF (UINT64_C(1) << 0)
#define IN_REFS (UINT64_C(1) << 1)
#define IN_FROM (UINT64_C(1) << 2)
#define IN_TO (UINT64_C(1) << 3)
#define IN_TARGET (UINT64_C(1) << 4)
#define IN_NAME (UINT64_C(1) << 5)
#define IN_DESCRIPTION (UINT64_C(1) << 6)
#define IN_MOUNT_PATH (UINT64_C(1) << 7)
#define IN_MESSAGE (UINT64_C(1) << 8)
#define IN_METADATA (UINT64_C(1) << 9)
#define IN_UNSET (UINT64_C(1) << 10)
#define IN_KIND (UINT64_C(1) << 11)
#define IN_PATH (UINT64_C(1) << 12)
#define IN_SIZE (UINT64_C(1) << 13)
#define IN_SPARSE (UINT64_C(1) << 14)
#define IN_COMPRESS (UINT64_C(1) << 15)
#define IN_FORCE (UINT64_C(1) << 16)
#define IN_DRIVER (UINT64_C(1) << 17)
#define IN_ITEM (UINT64_C(1) << 18)
#define IN_AS (UINT64_C(1) << 19)
#define IN_AFTER (UINT64_C(1) << 20)
#define IN_LIMIT (UINT64_C(1) << 21)
#define IN_KEY (UINT64_C(1) << 22)
#define IN_VALUE (UINT64_C(1) << 23)
#define IN_ID (UINT64_C(1) << 24)
#define IN_OPERATION (UINT64_C(1) << 25)
#define IN_COMPRESSION (UINT64_C(1) << 26)
#define IN_DEVICES (UINT64_C(1) << 27)
#define IN_SETUID (UINT64_C(1) << 28)
#define IN_DIRECTORY (UINT64_C(1) << 29)
#define IN_QUOTA (UINT64_C(1) << 30)
#define IN_WHY (UINT64_C(1) << 31)
#define IN_POLICY (UINT64_C(1) << 32)
#define IN_ITSELF (UINT64_C(1) << 33)
#define IN_SETTINGS (UINT64_C(1) << 34)
#define IN_TIMEOUT (UINT64_C(1) << 35)
#define IN_REQUIRED (UINT64_C(1) << 36)
#define IN_TOGETHER (UINT64_C(1) << 37)
#define IN_CONTAINERS (UINT64_C(1) << 38)
#define IN_TAIL (UINT64_C(1) << 39)
#define IN_FOLLOW (UINT64_C(1) << 40)
#define IN_COMMAND (UINT64_C(1) << 41)
#define IN_USER (UINT64_C(1) << 42)
#define IN_TERMINAL (UINT64_C(1) << 43)
#define IN_INPUT (UINT64_C(1) << 44)
#define IN_ROWS (UINT64_C(1) << 45)
#define IN_COLUMNS (UINT64_C(1) << 46)
#define IN_CONTAINER (UINT64_C(1) << 47)
#define INPUT_COUNT 48
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

/* A thing that was not given is NULL, 0 or false; `given` tells it from an empty one. */
struct input {
	uint64_t given; /* IN_... */
	void *document; /* the parsed body, which the strings below lie in */
	struct ref *ref, *from, *to, *target;
	struct ref_array refs;
	const char *name, *description, *mount_path, *message;
	const char *kind, *path, *driver, *item, *as, *after, *key, *value, *id;
	struct metadata metadata, policy, settings;
	struct string_array unset, command;
	const char *operation, *compression, *directory, *containers, *container, *user;
	uint64_t size, limit, quota, timeout, tail, rows, columns;
	bool sparse, compress, force, devices, setuid, why, itself, required, together;
	bool follow, terminal, input;
};

void input_done(struct input *input);
#define own_input own(input_done)

#define PAGE 100      /* items on a page when `limit` is not given */
#define PAGE_MAX 1000 /* and at most */

/*
 * FL_INVALID says what is wrong with which input.  `ret` borrows from
 * `request`.
 */
must_check int input_decode(const struct http_request *request, const struct accepts *accepts,
			    struct input *ret, struct fl_error *err);

/* The cursor 'after' where it is a number; `what` it numbers is for the message. */
must_check int decode_number(const char *what, const char *text, uint64_t *ret,
			     struct fl_error *err);

/* A snapshot's id: exactly 16 hexadecimal digits. */
must_check int decode_id(const char *text, uint64_t *ret, struct fl_error *err);
