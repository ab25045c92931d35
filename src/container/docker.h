#pragma once

/*
 * A container engine: Docker, or Podman by the API that it has in common with
 * Docker (1.24 or newer), over its Unix socket.
 *
 * Every call is one request, or a few, on a connection that is kept for the
 * next one; several threads may call at once, each then has a connection of its
 * own.  Nothing is remembered between calls: an engine is asked again, because it
 * may have been restarted, or somebody else may have changed what it has.
 *
 * An engine that is not there (no socket, nobody listens) is FL_UNREACHABLE and
 * says so at once; one that does not answer within the deadline is
 * FL_UNREACHABLE too, and says for how long it was waited for.  What the engine
 * refuses comes with its own words: 404 FL_NOT_FOUND, 409 FL_EXISTS where
 * a name is taken and FL_BUSY otherwise, 400 FL_INVALID, all else FL_SYSTEM.
 * What it answers is believed to be well-formed only after it was looked at:
 * nonsense is FL_UNREACHABLE ("is it the socket of a container engine?").
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/own.h"
#include "model/metadata.h"

#define DOCKER_ID 65	/* 64 hexadecimal digits and NUL */
#define DOCKER_NAME 256 /* of a container, with NUL; ours have at most 142 characters */

struct docker;

/* Does not connect: an engine may come and go.  `deadline`: ns for one answer. */
struct docker *docker_new(const char *socket, int64_t deadline);
void docker_free(struct docker *docker);
OWN_FREEP(docker, docker_free)
#define own_docker own(docker_freep)
const char *docker_socket(const struct docker *docker);
/* Any thread: what waits for an answer fails (FL_UNREACHABLE), and so does what is asked from now
 * on.
 */
void docker_give_up(struct docker *docker);
/* Has there ever been an answer?  Else who says that there is no such socket is right. */
bool docker_has_answered(struct docker *docker);
/* There has, before this process. */
void docker_set_answered(struct docker *docker);

struct docker_version {
	char name[64];	  /* "Docker", "Podman" */
	char version[64]; /* "20.10.24+dfsg1" */
	char api[16];	  /* "1.41" */
};

must_check int docker_version(struct docker *docker, struct docker_version *ret,
			      struct fl_error *err);

/* --- containers ------------------------------------------------------------------- */

struct docker_mount {
	char *volume;	   /* "": a bind */
	char *driver;	   /* of the volume; "local" is the engine's own */
	char *source;	   /* on the host */
	char *destination; /* in the container */
	bool writable;
};

struct docker_container {
	char id[DOCKER_ID];
	char name[DOCKER_NAME]; /* without the slash before it */
	char *image;
	bool running; /* paused ones too */
	bool paused;
	bool auto_remove; /* it goes when it is stopped (--rm); only inspected ones */
	pid_t pid;	 /* of its first process, in our PID namespace; 0: none, or not inspected */
	int64_t started; /* UTC, ns; 0: never, or not inspected */
	struct metadata labels; /* those that metadata can hold; the rest is left out */
	struct docker_mount *mounts;
	size_t mount_count;
};

struct docker_containers {
	struct docker_container *items;
	size_t count;
};

void docker_container_done(struct docker_container *container);
#define own_docker_container own(docker_container_done)
void docker_containers_done(struct docker_containers *containers);
#define own_docker_containers own(docker_containers_done)

struct docker_filter {
	bool running;	    /* else those that do not run as well */
	const char *volume; /* NULL: any; the engine's filter is loose, what is answered is not */
	const char *label;  /* "key" or "key=value"; NULL: any */
};

must_check int docker_containers(struct docker *docker, const struct docker_filter *filter,
				 struct docker_containers *ret, struct fl_error *err);
/* What may be the name or the id of a container; all that take one check it.  FL_INVALID. */
must_check int docker_check_container(const char *container, struct fl_error *err);
/* By id or name. */
must_check int docker_inspect(struct docker *docker, const char *container,
			      struct docker_container *ret, struct fl_error *err);

/* What is already so is a success. */
must_check int docker_start(struct docker *docker, const char *container, struct fl_error *err);
/*
 * The container's own stop signal, and SIGKILL after its own patience, or after `seconds`
 * (-1: its own).  Waits for it, however long that is, up to the deadline after
 * that.  FL_BUSY: it still runs.
 */
must_check int docker_stop(struct docker *docker, const char *container, int seconds,
			   struct fl_error *err);

struct docker_data { /* a container that only holds a volume, and never runs */
	const char *name;
	const char *volume, *driver; /* the volume's name, and its plugin's */
	const char *source;	     /* not NULL: a path on the host is mounted, no volume */
	const char *path;	     /* where it is mounted */
	const struct metadata *labels;
};

/* Makes the image that it needs, which is empty, when it is missing. */
must_check int docker_create_data(struct docker *docker, const struct docker_data *data,
				  char ret_id[static DOCKER_ID], struct fl_error *err);
/* Was it made so?  Of one that was inspected. */
bool docker_is_data(const struct docker_container *container);
/* Its volumes stay.  FL_BUSY: it runs. */
must_check int docker_remove(struct docker *docker, const char *container, struct fl_error *err);

/* --- volumes ---------------------------------------------------------------------- */

struct docker_volume {
	char *name, *driver, *mountpoint;
};

struct docker_volumes {
	struct docker_volume *items;
	size_t count;
};

void docker_volumes_done(struct docker_volumes *volumes);
#define own_docker_volumes own(docker_volumes_done)

/* Of one driver; NULL: of all, which asks every plugin that the engine knows. */
must_check int docker_volumes(struct docker *docker, const char *driver, struct docker_volumes *ret,
			      struct fl_error *err);

/* --- events ------------------------------------------------------------------------- */

struct docker_event {
	char type[32];	  /* "container", "volume" */
	char action[64];  /* "create", "start", "die", "destroy", "mount", ... */
	char id[256];	  /* of the container; the name of a volume */
	char name[256];	  /* of the container; "" for others */
	char driver[128]; /* of a volume */
	char branch[256]; /* the label flocker.branch of a container */
	int64_t time;	  /* UTC, ns */
};

struct docker_events;

/* From now on.  A connection of its own. */
must_check int docker_events_open(struct docker *docker, struct docker_events **ret,
				  struct fl_error *err);
/* To be polled for reading; what is there may be less than an event. */
int docker_events_fd(const struct docker_events *events);
/*
 * The next one that has arrived; `*ret_any` false: none yet.  Never blocks.
 * FL_UNREACHABLE: the engine is gone, or somebody else is there.
 */
must_check int docker_events_next(struct docker_events *events, struct docker_event *ret,
				  bool *ret_any, struct fl_error *err);
void docker_events_free(struct docker_events *events);
OWN_FREEP(docker_events, docker_events_free)
#define own_docker_events own(docker_events_freep)

/* --- a program in a running container -------------------------------------------------- */

struct docker_exec {
	char id[DOCKER_ID];
	int fd; /* the connection, hijacked: what is written is the program's standard input;
		   what is read are frames of 8 bytes (stream, 0, 0, 0, length) and contents */
};

#define DOCKER_EXEC_NONE \
	{                \
		.fd = -1 \
	}

/* `environment`: "KEY=VALUE", NULL at its end; or NULL. */
must_check int docker_exec_start(struct docker *docker, const char *container,
				 const char *const argv[], const char *const environment[],
				 struct docker_exec *ret, struct fl_error *err);
/* After the end of what can be read.  FL_BUSY: it still runs. */
must_check int docker_exec_status(struct docker *docker, const struct docker_exec *exec,
				  int *ret_status, struct fl_error *err);
void docker_exec_done(struct docker_exec *exec);
