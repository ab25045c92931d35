#pragma once

/*
 * Ownership
 *
 * A local variable that owns something says so where it is declared, and is
 * released when its scope ends: own_free (heap), own_fd (descriptor), or
 * own(x_freep) for a type with a destructor.  take_ptr(), take_fd() and
 * take_struct() hand the thing over and leave the empty value behind.
 */

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define own(release) __attribute__((cleanup(release)))
#define own_free own(own_freep)
#define own_fd own(own_fdp)

static inline void own_freep(void *p)
{
	free(*(void **)p);
}

static inline void own_fdp(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define take_ptr(p)                       \
	({                                \
		__typeof__(p) *p_ = &(p); \
		__typeof__(p) v_ = *p_;   \
		*p_ = NULL;               \
		v_;                       \
	})

#define take_fd(fd)               \
	({                        \
		int *fd_ = &(fd); \
		int v_ = *fd_;    \
		*fd_ = -1;        \
		v_;               \
	})

#define take_struct(s)                      \
	({                                  \
		__typeof__(s) *s_ = &(s);   \
		__typeof__(s) v_ = *s_;     \
		*s_ = (__typeof__(s)){ 0 }; \
		v_;                         \
	})

/* Defines `static void type_freep(struct type **)` for own(). */
#define OWN_FREEP(type, release)                                                 \
	static inline __attribute__((unused)) void type##_freep(struct type **p) \
	{                                                                        \
		release(*p);                                                     \
	}

static inline void own_unlockp(pthread_mutex_t **m)
{
	if (*m)
		pthread_mutex_unlock(*m);
}

static inline pthread_mutex_t *own_lock_mutex(pthread_mutex_t *m)
{
	if (m)
		pthread_mutex_lock(m);
	return m;
}

/* Holds a mutex (NULL: none) until the end of the scope:  own_lock(guard, &x->mutex); */
#define own_lock(name, mutex) \
	own(own_unlockp) pthread_mutex_t *name __attribute__((unused)) = own_lock_mutex(mutex)

#define must_check __attribute__((warn_unused_result))
#define array_size(a) (sizeof(a) / sizeof((a)[0]))
