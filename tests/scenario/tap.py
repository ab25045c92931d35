"""Tests as a list of functions, run in order, one TAP line each.

    @test
    def a_snapshot_holds_what_was_written(): ...

    if __name__ == "__main__":
        tap.main()

A test fails by an exception; its traceback and what `on_failure` says stand in
front of its line.  With an argument only the tests whose names contain it run.
`finally_` takes functions that run at the end, whatever happens, also when
the program is told to end.
"""

import contextlib
import signal
import sys
import threading
import time
import traceback

TESTS = []
FINALLY = []
ON_FAILURE = []


class Skip(Exception):
    """This test can't run here: says why."""


def test(function):
    TESTS.append(function)
    return function


def tests_for(values, name=str):
    """One test for each value: the function is called with it."""
    def decorate(function):
        for value in values:
            def one(value=value):
                function(value)
            one.__name__ = f"{function.__name__}: {name(value)}"
            TESTS.append(one)
        return function
    return decorate


def finally_(function):
    FINALLY.append(function)


def on_failure(function):
    """`function()` returns lines that help to understand a failure (a log's end)."""
    ON_FAILURE.append(function)


def note(text):
    for line in str(text).splitlines() or [""]:
        print(f"# {line}", flush=True)


def equal(got, want, what="value"):
    if got != want:
        raise AssertionError(f"{what}: wanted {want!r}, got {got!r}")


def true(condition, what):
    if not condition:
        raise AssertionError(what)


def wait_until(condition, what, seconds=60):
    """Waits for a condition with a deadline; returns its value.  It is looked at once more after that: we may have been late."""
    deadline = time.monotonic() + seconds
    while True:
        late = time.monotonic() > deadline
        value = condition()
        if value:
            return value
        if late:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.005)


def in_threads(functions, seconds=300):
    """Runs all at once; raises the first failure; a deadline tells a deadlock."""
    failures = []

    def run(function):
        try:
            function()
        except BaseException:  # noqa: B902 - handed to the caller below
            failures.append(traceback.format_exc())

    threads = [threading.Thread(target=run, args=(f,), daemon=True) for f in functions]
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0, deadline - time.monotonic()))
    if any(thread.is_alive() for thread in threads):
        raise AssertionError(f"not done within {seconds} s: a deadlock? {len(failures)} failed before")
    if failures:
        raise AssertionError(f"{len(failures)} of {len(threads)} threads failed; the first:\n{failures[0]}")


def run_one(number, function):
    title = function.__name__.replace("_", " ")
    start = time.monotonic()
    try:
        function()
    except Skip as why:
        print(f"ok {number} - {title} # SKIP {why}", flush=True)
        return True
    except Exception:
        note(traceback.format_exc())
        for helper in ON_FAILURE:
            if text := helper():
                note(text)
        print(f"not ok {number} - {title}", flush=True)
        return False
    print(f"ok {number} - {title} # {time.monotonic() - start:.2f} s", flush=True)
    return True


def main():
    # A signal becomes an exception, so that the cleaning below runs.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # Who starts us in the background may have it ignored, and programs would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = [t for t in TESTS if wanted in t.__name__ or wanted in t.__name__.replace("_", " ")]
    good = True
    try:
        for number, function in enumerate(chosen, 1):
            good = run_one(number, function) and good
        print(f"1..{len(chosen)}", flush=True)
    finally:
        with contextlib.ExitStack() as stack:  # the last one first, and all of them, also when one fails
            for function in FINALLY:
                stack.callback(function)
    sys.exit(0 if good else 1)
