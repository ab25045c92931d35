#include "base/thread.h"

#include <stdint.h>
#include <string.h>

#include "tests/check.h"

static void *add_one(void *arg)
{
	++*(int *)arg;
	return arg;
}

static void one_runs_and_is_joined(void)
{
	static const size_t stacks[] = { THREAD_STACK, 0 };
	struct fl_error err;
	int ran = 0;

	for (int i = 0; i < 2; i++) {
		pthread_t thread;
		void *returned = NULL;

		check(thread_start(&thread, stacks[i], add_one, &ran, &err) == 0);
		check(pthread_join(thread, &returned) == 0);
		check(returned == &ran && ran == i + 1);
	}
}

/* The system has no room for such a stack. */
static void one_that_cannot_be_is_told(void)
{
	struct fl_error err;
	pthread_t thread;
	int ran = 0;

	check(thread_start(&thread, SIZE_MAX / 4, add_one, &ran, &err) < 0);
	check(strstr(err.text, "cannot start a thread") != NULL);
	check(err.sys != 0 && ran == 0);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (const struct check[]){
				  CHECK(one_runs_and_is_joined),
				  CHECK(one_that_cannot_be_is_told),
				  CHECK_END,
			  });
}
