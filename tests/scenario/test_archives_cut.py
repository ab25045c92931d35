#!/usr/bin/python3
"""Imports and exports that are cut off, and those that meet other changes."""

import ctypes
import os
import signal
import subprocess

import tap
from archives import SlowExport, SlowImport, archive, ended, nothing_is_left, staging, used, workers
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
    tap.wait_until(lambda: ended(child), "flocker-tree has ended")
    equal(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), -signal.SIGKILL, "how it ended")
    cut.close()
    host.start()
    check_record(cut.id, "import", "hung")
    nothing_is_left(host, before)


if __name__ == "__main__":
    tap.main()
