#include "flockerd/guests.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#define MOST 256 /* with those on their way out */
#define TOLD_EVERY CLOCK_MINUTE

static const struct {
	unsigned room;
	unsigned each;	 /* of one alone, whose own oldest goes for a further one */
	unsigned shared; /* one who has as many places or more may lose one to another */
	const char *name;
} kinds[GUEST_KINDS] = {
	[GUEST_ARRIVING] = { 64, 64, 1, "connections that have not said who they are" },
	[GUEST_STRANGER] = { 8, 8, 1, "connections without a certificate" },
	[GUEST_MEMBER] = { 64, 8, 2, "links of members" },
	[GUEST_SSH] = { 32, 32, MOST, "links by ssh" },
	[GUEST_LIMITED] = { 16, 8, 2, "links by keys of ssh for one volume" },
};

struct guests {
	pthread_mutex_t mutex; /* of what follows */
	pthread_cond_t left;
	struct guest *first; /* who came last */
	unsigned count;
	bool stopping;
	int64_t told; /* clock_monotonic(), when it was said that there are too many */
};

struct guests *guests_new(void)
{
	struct guests *guests = xcalloc(1, sizeof(*guests));

	pthread_mutex_init(&guests->mutex, NULL);
	pthread_cond_init(&guests->left, NULL);
	return guests;
}

void guests_free(struct guests *guests)
{
	if (!guests)
		return;
	pthread_mutex_destroy(&guests->mutex);
	pthread_cond_destroy(&guests->left);
	free(guests);
}

/* --- room ------------------------------------------------------------------------------- */

static unsigned count(const struct guests *guests, enum guest_kind kind, const char *who)
{
	unsigned n = 0;

	for (const struct guest *guest = guests->first; guest; guest = guest->next)
		n += guest->kind == kind && !guest->out && (!who || strcmp(guest->who, who) == 0);
	return n;
}

/* Who came first of them. */
static struct guest *find_oldest(const struct guests *guests, enum guest_kind kind, const char *who)
{
	struct guest *oldest = NULL;

	for (struct guest *guest = guests->first; guest; guest = guest->next)
		if (guest->kind == kind && !guest->out && strcmp(guest->who, who) == 0)
			oldest = guest;
	return oldest;
}

/* The one who came first of those who are the most; `*ret_most`: how many these are. */
static struct guest *find_victim(const struct guests *guests, enum guest_kind kind,
				 unsigned *ret_most)
{
	struct guest *victim = NULL;

	*ret_most = 0;
	for (struct guest *guest = guests->first; guest; guest = guest->next) {
		unsigned n = guest->kind == kind && !guest->out ? count(guests, kind, guest->who)
								: 0;

		if (n > 0 && n >= *ret_most) {
			victim = guest;
			*ret_most = n;
		}
	}
	return victim;
}

static void tell(struct guests *guests, enum guest_kind kind, const char *who)
{
	const int64_t now = clock_monotonic();

	if (guests->told && now - guests->told < TOLD_EVERY)
		return;
	guests->told = now;
	log_warning("more peers come than there is room for", "which=\"%s\" most=%s",
		    kinds[kind].name, who);
}

static void show_out(struct guest *guest)
{
	guest->out = true;
	(void)shutdown(guest->shut, SHUT_RDWR);
}

/* With the mutex: room for one more, who is known by that. */
static bool make_room(struct guests *guests, enum guest_kind kind, const char *who)
{
	struct guest *victim;
	unsigned most;

	if (count(guests, kind, who) >= kinds[kind].each)
		show_out(find_oldest(guests, kind, who));
	if (count(guests, kind, NULL) < kinds[kind].room)
		return true;
	victim = find_victim(guests, kind, &most);
	tell(guests, kind, victim->who);
	if (most < kinds[kind].shared)
		return false;
	show_out(victim);
	return true;
}

/* --- coming and going --------------------------------------------------------------------- */

/* An address without its port. */
static void name_after(struct guest *guest, const char *from)
{
	const char *port = strrchr(from, ':');

	snprintf(guest->who, sizeof(guest->who), "%.*s",
		 (int)(port ? (size_t)(port - from) : strlen(from)), from);
}

bool guests_enter(struct guests *guests, struct guest *guest)
{
	own_lock(guard, &guests->mutex);

	while (guests->count >= MOST && !guests->stopping)
		pthread_cond_wait(&guests->left, &guests->mutex);
	if (guests->stopping)
		return false;
	name_after(guest, guest->from);
	(void)make_room(guests, GUEST_ARRIVING, guest->who);
	guest->kind = GUEST_ARRIVING;
	guest->next = guests->first;
	guests->first = guest;
	guests->count++;
	return true;
}

int guests_know(struct guests *guests, struct guest *guest, enum guest_kind kind, const char *who,
		struct fl_error *err)
{
	own_lock(guard, &guests->mutex);

	if (guest->out || !make_room(guests, kind, who ? who : guest->who))
		return fl_fail(err, FL_BUSY, "there is no room for more %s",
			       kinds[guest->out ? guest->kind : kind].name);
	guest->kind = kind;
	if (who)
		snprintf(guest->who, sizeof(guest->who), "%s", who);
	return 0;
}

bool guests_had_to_go(struct guests *guests, const struct guest *guest)
{
	own_lock(guard, &guests->mutex);

	return guest->out;
}

void guests_leave(struct guests *guests, struct guest *guest)
{
	own_lock(guard, &guests->mutex);
	struct guest **at = &guests->first;

	while (*at != guest)
		at = &(*at)->next;
	*at = guest->next;
	own_fdp(&guest->shut);
	free(guest);
	guests->count--;
	pthread_cond_broadcast(&guests->left);
}

void guests_stop(struct guests *guests)
{
	own_lock(guard, &guests->mutex);

	guests->stopping = true;
	pthread_cond_broadcast(&guests->left);
}

/* Those that have not said yet who they are, too. */
void guests_end(struct guests *guests)
{
	own_lock(guard, &guests->mutex);

	for (struct guest *guest = guests->first; guest; guest = guest->next)
		(void)shutdown(guest->shut, SHUT_RDWR);
	while (guests->count > 0)
		pthread_cond_wait(&guests->left, &guests->mutex);
}
