#!/usr/bin/python3
"""Imports and exports that are cut off, and those that meet other changes."""

import ctypes
import os
import signal
import threading

import tap
from archives import (SlowExport, SlowImport, archive, bring, contents, ended, nothing_is_left,
                      staging, used, workers)
from flocker import Failure, MIB, host_with_pool
from tap import equal, test, true

host = host_with_pool()
PR_SET_CHILD_SUBREAPER = 36
BIG = archive({f"file{i}": os.urandom(4 * MIB) for i in range(6)})


def refused(code, function):
    try:
        function()
    except Failure as failure:
        equal(failure.code, code, str(failure))
        return failure
    raise AssertionError(f"it went well, and should have been refused: {code}")


# --- the daemon dies -----------------------------------------------------------------


def check_record(identifier, verb, thing):
    record = host.get("/v1/operation", id=identifier)
    equal((record["verb"], record["object"], record["state"]), (verb, thing, "failed"), "record")
    true(record["ended"], f"when it ended: {record}")
    true("the daemon ended" in record["error"]["message"] and record["error"]["hint"],
         f"it says why: {record['error']}")


@test
def a_daemon_killed_in_an_import_leaves_nothing():
    before = used(host)
    cut = SlowImport(host, "killed")
    sent = cut.send_until(BIG, 8 * MIB)
    true(sent < len(BIG), "it is not over yet")
    equal(staging(host), [cut.id], "staging while it runs")
    children = workers(host)
    equal(len(children), 1, "workers")
    host.kill()
    cut.close()
    host.start()
    check_record(cut.id, "import", "killed")
    host.fails("not-found", "show", "killed")
    nothing_is_left(host, before, children)
    host.create("killed")
    host.delete("/v1/volume", "killed")
    host.post("/v1/trash/empty")


@test
def a_daemon_killed_in_an_export_leaves_nothing():
    host.create("data")
    with open(f"{host.path('data')}/big", "wb") as file:
        file.write(os.urandom(24 * MIB))
    host.snapshot("data", name="one")
    before = used(host)
    cut = SlowExport(host, "data")
    true(len(cut.read(MIB)) == MIB, "some of it")
    equal(host.get("/v1/operation", id=cut.id)["state"], "running", "state")
    equal(staging(host), [cut.id], "staging while it runs")
    children = workers(host)
    host.kill()
    cut.close()
    host.start()
    check_record(cut.id, "export", "data/trunk")
    nothing_is_left(host, before, children)
    host.run("export", "data", f"{host.directory}/whole.tar")


@test
def a_worker_that_hangs_dies_with_the_daemon():
    """Stopped, it sees neither the end of its archive nor that nobody listens."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)  # its end is told here then
    before = used(host)
    cut = SlowImport(host, "hung")
    cut.send_until(BIG, MIB)
    child, = workers(host)
    os.kill(child, signal.SIGSTOP)
    host.kill()
    tap.wait_until(lambda: ended(child), "the worker has ended")
    equal(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), -signal.SIGKILL, "how it ended")
    cut.close()
    host.start()
    check_record(cut.id, "import", "hung")
    nothing_is_left(host, before)


# --- a branch that is written -----------------------------------------------------------


class Writer(threading.Thread):
    """Counts in two files, the second one behind the first, by other means."""

    def __init__(self, place):
        super().__init__(daemon=True)
        self.place, self.count, self.over = place, 0, False

    def step(self):
        with open(f"{self.place}/first", "ab", buffering=0) as file:
            file.write(b"%d\n" % (self.count + 1))
            os.fsync(file.fileno())
        with open(f"{self.place}/new", "wb", buffering=0) as file:
            file.write(b"%d" % (self.count + 1))
            os.fsync(file.fileno())
        os.rename(f"{self.place}/new", f"{self.place}/second")
        self.count += 1

    def run(self):
        while not self.over:
            self.step()


def check_instant(files, least, most):
    """Both files are as they were at one instant, when that many steps or one more were done."""
    first = [int(line) for line in files["first"].split()]
    second = int(files["second"])
    equal(first, list(range(1, len(first) + 1)), "the first file")
    true(len(first) - 1 <= second <= len(first), f"one instant: {len(first)} and {second}")
    true(least <= second <= most + 1, f"the instant of the export: {least} {second} {most}")


@test
def an_export_of_a_branch_that_is_written_is_of_one_instant():
    host.create("live")
    with open(f"{host.path('live')}/ballast", "wb") as file:
        file.write(os.urandom(8 * MIB))
    writer = Writer(host.path("live"))
    writer.step()
    writer.start()
    try:
        for _ in range(10):
            least = writer.count
            export = SlowExport(host, "live")
            most = writer.count
            # Nobody reads the archive now, and who writes goes on.
            tap.wait_until(lambda most=most: writer.count > most + 20, "writing goes on", 300)  # 40 syncs
            equal(host.get("/v1/operation", id=export.id)["state"], "running", "state")
            check_instant(contents(export.read()), least, most)
            export.close()
    finally:
        writer.over = True
        writer.join()
    tap.wait_until(lambda: staging(host) == [], "staging is empty")


# --- names that others take meanwhile -------------------------------------------------------

SMALL = archive({"file": b"text" * 1000})


def check_refused(late, code):
    late.send(SMALL)
    failure = refused(code, late.end)
    record = host.get("/v1/operation", id=late.id)
    equal((record["state"], record["error"]["code"]), ("failed", code), "record")
    equal(record["error"]["message"], failure.message, "message")
    tap.wait_until(lambda: staging(host) == [], "staging is empty")


@test
def of_imports_with_one_name_the_first_that_ends_wins():
    for ref in ("same", "data/same"):
        one, two = (SlowImport(host, ref).begun() for _ in range(2))
        two.send(SMALL)
        equal(two.end()["state"], "done", "the one that ended first")
        contents_of_it = host.digest(ref)
        refused("exists", lambda ref=ref: bring(host, ref, SMALL))
        check_refused(one, "exists")
        equal(host.digest(ref), contents_of_it, "contents")


@test
def of_many_imports_at_once_one_wins():
    outcomes = []

    def one():
        try:
            outcomes.append(bring(host, "race", SMALL)["state"])
        except Failure as failure:
            outcomes.append(failure.code)

    tap.in_threads([one] * 8)
    equal(sorted(outcomes), ["done"] + ["exists"] * 7, "outcomes")
    equal(host.read("race", "file"), "text" * 1000, "contents")
    equal(host.get("/v1/volume", ref="race")["branches"], ["trunk"], "branches")
    tap.wait_until(lambda: staging(host) == [], "staging is empty")


@test
def a_volume_that_is_destroyed_meanwhile():
    host.create("short")
    late = SlowImport(host, "short/late").begun()
    host.delete("/v1/volume", "short")
    check_refused(late, "not-found")
    host.post("/v1/trash/restore", item="short")
    equal(host.get("/v1/volume", ref="short")["branches"], ["trunk"], "branches")


@test
def a_name_that_is_taken_meanwhile():
    late = SlowImport(host, "data/taken").begun()
    host.branch("data/taken")
    before = host.digest("data/taken")
    check_refused(late, "exists")
    equal(host.digest("data/taken"), before, "contents of the branch that was there first")
    late = SlowImport(host, "taken").begun()
    host.create("taken")
    check_refused(late, "exists")
    late = SlowImport(host, "again").begun()
    host.patch("/v1/volume", "taken", name="again")
    check_refused(late, "exists")


@test
def a_snapshot_that_is_destroyed_while_it_is_exported():
    host.snapshot("data", name="doomed")
    host.snapshot("data", name="tip")
    export = SlowExport(host, "data@{doomed}")
    host.delete("/v1/snapshot", "data@{doomed}")
    whole = contents(export.read())
    equal(len(whole["big"]), 24 * MIB, "contents")
    export.close()
    tap.wait_until(lambda: host.get("/v1/operation", id=export.id)["state"] == "done", "done")


# --- who comes when all are busy ----------------------------------------------------------


@test
def archives_leave_a_connection_to_who_wants_to_cancel_them():
    """One that pauses may do so for ever: with all connections in such hands nobody could end one."""
    bring(host, "large", BIG)
    host.run("config", "set", "http.connections", "3")
    host.restart()
    first = SlowImport(host, "first").begun()
    second = SlowExport(host, "large")
    refused("busy", lambda: SlowExport(host, "large"))
    late = refused("busy", SlowImport(host, "late").answer)
    true("http.connections" in late.hint and "operation" in late.hint, late.hint)
    refused("not-found", lambda: host.get("/v1/volume", ref="late"))
    host.post("/v1/operation/cancel", id=first.id)
    refused("system", first.end)
    bring(host, "third", archive({"file": b"x"}))
    second.close()
    host.run("config", "unset", "http.connections")
    host.restart()


if __name__ == "__main__":
    tap.main()
