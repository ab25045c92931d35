#pragma once

/* What the files docker*.c share. */

#include <jansson.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/http-client.h"
#include "base/text.h"
#include "container/docker.h"

#define DOCKER_IDLE 4			 /* connections that are kept */
#define DOCKER_ANSWER ((size_t)32 << 20) /* bytes of an answer at most */

struct docker {
	char *socket;
	int64_t deadline; /* ns for one answer */
	int stop;	  /* eventfd: nothing is waited for any more; 0: it could not be made */
	pthread_mutex_t mutex; /* of what follows */
	struct http_client idle[DOCKER_IDLE];
	size_t idle_count;
	bool answered; /* once at least */
};

#define own_json own(json_decrefp)

struct docker_request {
	const char *method, *target;
	const char *type, *body; /* see struct http_call */
	size_t length;
	bool repeatable;   /* doing it twice is as good as once */
	int64_t patience;  /* ns beyond the deadline */
	const char *about; /* what it is about, for messages: "container 'web'" */
};

/*
 * Asks.  What the engine refuses is an error, in its own words.  `*ret`: the answer, NULL
 * for none; `ret` may be NULL for who needs none.
 */
must_check int docker_ask(struct docker *docker, const struct docker_request *request, json_t **ret,
			  struct fl_error *err);
/* The same, but the connection is the caller's then. */
must_check int docker_take_over(struct docker *docker, const struct http_call *call,
				const char *about, int *ret_fd, struct fl_error *err);

/* FL_UNREACHABLE: what was answered makes no sense. */
must_check int docker_nonsense(const char *what, struct fl_error *err);

/* Appends with everything but letters, digits and "-._~" as %XX. */
void docker_add_encoded(struct text *target, const char *text);

/*
 * Reading an object of an answer.  What is missing or null is "", 0, false or NULL; what is
 * of another type is noticed, once for all of it.
 */
struct fields {
	const json_t *object;
	bool bad;
};

const char *fields_text(struct fields *fields, const char *key);
int64_t fields_int(struct fields *fields, const char *key);
bool fields_bool(struct fields *fields, const char *key);
const json_t *fields_object(struct fields *fields, const char *key);
const json_t *fields_array(struct fields *fields, const char *key);
/* Of an id, a name or the like; too long is bad too. */
void fields_copy(struct fields *fields, const char *key, char *ret, size_t size);
