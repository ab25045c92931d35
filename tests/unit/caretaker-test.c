/* The two functions of the engine that the caretaker calls are the test's own. */
#include "tests/check.h"

#include <pthread.h>
#include <semaphore.h>

#include "base/clock.h"
#include "sched/caretaker.h"

static struct fl_error err;
static sem_t passes;
static int64_t delay; /* the answer of the next pass */
static void (*wake)(void *arg);
static void *wake_arg;

int64_t engine_care(struct engine *engine)
{
	int64_t answer = delay;

	delay = CLOCK_DAY;
	sem_post(&passes);
	return answer;
}

void engine_on_care(struct engine *engine, void (*hook)(void *arg), void *arg)
{
	wake = hook;
	wake_arg = arg;
}

static void start(struct caretaker **ret, int64_t first_delay)
{
	sem_init(&passes, 0, 0);
	delay = first_delay;
	check_ok(caretaker_open(NULL, ret, &err));
}

static void the_first_pass_comes_at_once(void)
{
	struct caretaker *caretaker = NULL;

	start(&caretaker, CLOCK_DAY);
	sem_wait(&passes);
	caretaker_close(caretaker);
	check(!wake);
}

static void a_pass_says_when_the_next_is_wanted(void)
{
	struct caretaker *caretaker = NULL;

	start(&caretaker, CLOCK_SECOND / 1000);
	sem_wait(&passes);
	sem_wait(&passes);
	caretaker_close(caretaker);
}

static void a_pass_can_be_asked_for(void)
{
	struct caretaker *caretaker = NULL;

	start(&caretaker, CLOCK_DAY);
	sem_wait(&passes);
	wake(wake_arg);
	sem_wait(&passes);
	caretaker_close(caretaker);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(the_first_pass_comes_at_once),
				  CHECK(a_pass_says_when_the_next_is_wanted),
				  CHECK(a_pass_can_be_asked_for),
				  CHECK_END,
			  });
}
