#include "base/thread.h"

#include <errno.h>

int thread_start(pthread_t *ret, size_t stack, void *(*run)(void *arg), void *arg,
		 struct fl_error *err)
{
	pthread_attr_t attributes;
	int sys;

	pthread_attr_init(&attributes);
	if (stack > 0)
		pthread_attr_setstacksize(&attributes, stack);
	sys = pthread_create(ret, &attributes, run, arg);
	pthread_attr_destroy(&attributes);
	if (sys == 0)
		return 0;
	errno = sys;
	return fl_fail_errno(err, "cannot start a thread");
}
