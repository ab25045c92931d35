#pragma once

/*
 * Errors
 *
 * What an error is: include/flocker/error.h.  Here is how one is made.
 *
 * An errno becomes a code once, in the call that failed (fl_fail_errno).  On
 * the way up fl_wrap() puts what was being done in front of the text, so that
 * it reads outermost first.  fl_hint() adds what the user can do next; the
 * innermost hint stays, because it knows best.
 *
 * An expected outcome (busy, diverged, up to date) that the caller will branch
 * on is a result, not an error.
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include <flocker/error.h>

struct fl_code_info {
	const char *name; /* "not-found": JSON, logs, scripts */
	int http;
	int exit;
};

/* DESIGN section 12, one row per code. */
extern const struct fl_code_info fl_codes[FL_CODES];

/* The code called `name`, or FL_SYSTEM for a name that this program does not know. */
enum fl_code fl_code_parse(const char *name);

#define fl_fail(err, code, ...) \
	(fl_fail_at(err, __FILE__, __LINE__, code, 0, __VA_ARGS__), fl_failed(err))
#define fl_fail_errno(err, ...) \
	(fl_fail_at(err, __FILE__, __LINE__, FL_SYSTEM, errno, __VA_ARGS__), fl_failed(err))

/*
 * Somebody did not want to wait any more: nothing is wrong with the machine or
 * the request, so it is no error for the log.  On its way it is FL_SYSTEM.
 */
#define fl_fail_cancelled(err, ...)                                                              \
	(fl_fail_at(err, __FILE__, __LINE__, FL_SYSTEM, 0, __VA_ARGS__), (err)->sys = ECANCELED, \
	 fl_failed(err))

/* What errno says stands between us and another program: FL_UNREACHABLE, whatever the errno. */
#define fl_fail_unreachable(err, ...)                                               \
	(fl_fail_at(err, __FILE__, __LINE__, FL_UNREACHABLE, (errno), __VA_ARGS__), \
	 (err)->code = FL_UNREACHABLE, fl_failed(err))

static inline bool fl_is_cancelled(const struct fl_error *err)
{
	return err->sys == ECANCELED;
}

/*
 * What a function returns when a call inside it has failed and filled `err`:
 * the negative code.  Never 0, which compilers and analyzers may rely on; an
 * error without a code is our own mistake and ends the program.
 */
static inline int fl_failed(const struct fl_error *err)
{
	int code = -(int)err->code;

	if (code >= 0)
		abort();
	return code;
}

/*
 * Fills `err`.  With `sys` (an errno) the code is the one that the errno stands
 * for and its description ends the text.
 */
void fl_fail_at(struct fl_error *err, const char *file, int line, enum fl_code code, int sys,
		const char *fmt, ...) __attribute__((cold, nonnull, format(printf, 6, 7)));

/* Puts "what was being done: " in front of the text; returns the negative code. */
#define fl_wrap(err, ...) (fl_add_wrap(err, __VA_ARGS__), fl_failed(err))
void fl_add_wrap(struct fl_error *err, const char *fmt, ...)
	__attribute__((cold, nonnull, format(printf, 2, 3)));

/* Says what the user can do next, unless a hint is there already; returns the negative code. */
#define fl_hint(err, ...) (fl_add_hint(err, __VA_ARGS__), fl_failed(err))
void fl_add_hint(struct fl_error *err, const char *fmt, ...)
	__attribute__((cold, nonnull, format(printf, 2, 3)));

/* Names the object that the error is about, unless one is named already; returns the negative code.
 */
#define fl_object(err, ...) (fl_add_object(err, __VA_ARGS__), fl_failed(err))
void fl_add_object(struct fl_error *err, const char *fmt, ...)
	__attribute__((cold, nonnull, format(printf, 2, 3)));

/*
 * Begins a hint that is about the other host.  Who shows it leaves the commands in it alone: they
 * are not for the daemon that it was asked of.
 */
#define FL_THERE "there: "

/*
 * An error that has come from another host: what its hint names was here for that one and is there
 * for who reads it now, and the other way round.  A hint without a command stays as it is.
 */
void fl_turn_hint(struct fl_error *err);
