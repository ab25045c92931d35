#pragma once

/*
 * A test program: a table of functions, run in order, one TAP line each.
 *
 *	static void names_are_bounded(void) { check(name_check(...) < 0); }
 *	int main(int argc, char **argv) { return check_main(argc, argv, (struct check[]){
 *		CHECK(names_are_bounded), CHECK_END }); }
 *
 * A check that fails says where and what, ends its test, and the run goes on.  A test that hangs
 * ends the run, by SIGALRM, after it was named.  With an argument only the tests whose names
 * contain it run.
 */

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

struct check {
	const char *name;
	void (*run)(void);
};

#define CHECK(function)             \
	{                           \
#function, function \
	}
#define CHECK_END          \
	{                  \
		NULL, NULL \
	}

/* Far more than any test takes, also under a sanitizer on a machine that is busy. */
#ifndef CHECK_SECONDS
#define CHECK_SECONDS 180
#endif

/* Weak: one for the program, whichever of its files a check fails in. */
__attribute__((weak)) jmp_buf check_end_of_test;

static inline void check_failed(const char *file, int line, const char *what, const char *detail)
{
	printf("# %s:%d: %s%s%s\n", file, line, what, detail[0] ? ": " : "", detail);
	longjmp(check_end_of_test, 1);
}

#define check(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition, ""))

/* A call that must succeed; shows its error if not.  Uses a `struct fl_error err` in scope. */
#define check_ok(call) ((call) == 0 ? (void)0 : check_failed(__FILE__, __LINE__, #call, err.text))

/* A call that must fail with this code. */
#define check_code(code_wanted, call)  \
	((call) == -(int)(code_wanted) \
		 ? (void)0             \
		 : check_failed(__FILE__, __LINE__, #call, err.code ? err.text : "succeeded"))

#define check_string(wanted, got) check_string_at(__FILE__, __LINE__, wanted, got)
static inline void check_string_at(const char *file, int line, const char *wanted, const char *got)
{
	if (strcmp(wanted, got) == 0)
		return;
	printf("# %s:%d: strings differ: wanted '%s', got '%s'\n", file, line, wanted, got);
	longjmp(check_end_of_test, 1);
}

__attribute__((weak)) char check_hung[256]; /* the line that says so */

/* The rest is left to the signal, which ends the program. */
static inline void check_on_alarm(int number)
{
	(void)!write(STDOUT_FILENO, check_hung, strlen(check_hung));
	raise(number);
}

static inline void check_set_alarm(const char *name, int count)
{
	struct sigaction action = { .sa_handler = check_on_alarm, .sa_flags = (int)SA_RESETHAND };
	unsigned seconds = CHECK_SECONDS * (getenv("FLOCKER_TEST_LONG") ? 10 : 1);

	snprintf(check_hung, sizeof(check_hung), "# still running after %u s\nnot ok %d - %s\n",
		 seconds, count, name);
	sigaction(SIGALRM, &action, NULL);
	alarm(seconds);
}

/* Apart, so that no local of the loop lives across setjmp(). */
static __attribute__((noinline)) int check_run(void (*run)(void))
{
	if (setjmp(check_end_of_test))
		return -1;
	run();
	return 0;
}

static inline int check_main(int argc, char **argv, const struct check *checks)
{
	static int count, failed;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (const struct check *c = checks; c->name; c++) {
		if (argc > 1 && !strstr(c->name, argv[1]))
			continue;
		count++;
		check_set_alarm(c->name, count);
		if (check_run(c->run) == 0) {
			printf("ok %d - %s\n", count, c->name);
		} else {
			failed++;
			printf("not ok %d - %s\n", count, c->name);
		}
	}
	alarm(0);
	printf("1..%d\n", count);
	return failed ? 1 : 0;
}
