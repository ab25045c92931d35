#!/usr/bin/python3
"""No room where the daemon keeps its state, or no writing there: archives, settings, the audit log."""

import http.client
import os
import pathlib
import subprocess

import cleanup
import tap
from archives import SlowExport, SlowImport, archive, bring, contents, fetch, staging
from failing import FailingDisk
from flocker import MIB, Failure, Gone, Host, fill, fill_state
from tap import equal, test, true

SMALL = archive({"file": b"text" * 1000})


def host_with(**places):
    """A host where these directories below its root are file systems of their own, of that size."""
    host = Host()
    for place, size in places.items():
        os.makedirs(f"{host.root}/{place}")
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode=700,size={size}", "tmpfs",
                        f"{host.root}/{place}"], check=True)
    host.start()
    return host


def furnished():
    host = host_with(lib="12m")
    host.pool()
    host.create("data")
    host.write("data", "file", "here since the beginning")
    for name in ("a", "b", "c"):
        host.snapshot("data", name=name)
    return host


def no_space(function):
    try:
        function()
    except Failure as failure:
        equal(failure.code, "no-space", str(failure))
        return
    raise AssertionError("there was room")


def not_acknowledged(function):
    try:
        function()
    except (Failure, Gone, OSError, http.client.HTTPException) as failure:
        tap.note(repr(failure))
        return
    raise AssertionError("it was acknowledged, and could not be recorded")


def states(host):
    return {item["id"]: item["state"] for item in host.items("/v1/operations")}


@test
def archives_where_the_catalogue_has_no_room():
    host = furnished()
    # More than goes into pipes and sockets: an export ends when it is read, and not before.
    with open(f"{host.path('data')}/large", "wb") as file:
        file.write(os.urandom(8 * MIB))
    cut = SlowImport(host, "cut").begun()
    export = SlowExport(host, "data")
    filler = fill_state(host, "data")
    before = host.state()
    no_space(lambda: bring(host, "new", SMALL))
    no_space(lambda: bring(host, "data/new", SMALL))
    no_space(lambda: fetch(host, "data"))
    cut.send(SMALL)
    no_space(cut.end)
    equal(contents(export.read())["file"], b"here since the beginning", "what was begun before")
    export.close()
    true(host.state() == before, "nothing changed")
    tap.wait_until(lambda: staging(host) == [], "staging is empty")
    tap.wait_until(lambda: "running" not in states(host).values(), "all have ended")
    equal(states(host), {cut.id: "failed", export.id: "done"}, "states")
    host.delete("/v1/snapshot", ref="data@{b}")
    os.unlink(filler)
    equal(bring(host, "new", SMALL)["state"], "done", "with room again")
    kept = states(host)
    host.restart()
    equal(states(host), kept, "states after a restart")
    host.remove()


def change(host, value):
    return host.call("PATCH", "/v1/setting", {"value": value}, key="trash.keep")


def value(host):
    return host.get("/v1/setting", key="trash.keep")["value"]


def intact(host, problem=None):
    equal(host.get("/v1/audit/verification")["problem"], problem, "the audit log's problem")


@test
def the_audit_log_goes_on_where_it_stopped():
    host = furnished()
    filler = fill_state(host, "data")
    # Settings are kept elsewhere, and each change of them wants a record of its own.
    for number in range(40):
        change(host, f"{number + 1}d")
    health = host.get("/v1/health")
    equal(health["status"], "degraded", "health")
    true("audit log" in health["reason"] and health["hint"], f"it says so: {health}")
    intact(host)
    # Deletions go on, whatever becomes of their records.
    host.delete("/v1/snapshot", ref="data@{a}")
    intact(host)
    os.unlink(filler)
    host.create("after")
    # It may have had room again with the deletion, which the reserve went for.
    records = host.get("/v1/audit", limit=3)["items"]
    told = [r["message"] for r in records if (r["verb"], r["outcome"]) == ("audit", "no-space")]
    true(len(told) == 1 and "records could not be written" in told[0], f"how many are missing: {records}")
    equal((records[0]["verb"], records[0]["object"]), ("create", "after"), "the newest")
    equal(host.get("/v1/health")["status"], "ok", "health")
    intact(host)
    host.restart()
    intact(host)
    host.remove()


@test
def a_log_that_stopped_is_whole_after_a_kill_too():
    host = furnished()
    filler = fill_state(host, "data")
    for number in range(40):
        change(host, f"{number + 1}d")
    host.kill()
    host.start()
    intact(host)
    host.delete("/v1/snapshot", ref="data@{b}")
    os.unlink(filler)
    host.create("after")
    intact(host)
    equal(value(host), "40d", "the setting")
    host.remove()


@test
def settings_where_their_file_system_is_full():
    host = host_with(etc="16k")
    host.pool()
    change(host, "8d")
    file = pathlib.Path(f"{host.root}/etc/flocker.ini")
    before, names = file.read_bytes(), sorted(os.listdir(file.parent))
    fill(f"{host.root}/etc/filler")
    host.fails("no-space", "config", "set", "trash.keep", "9d", says="flocker.ini", hint="space")
    for _ in range(20):
        no_space(lambda: change(host, "9d"))
    equal((value(host), file.read_bytes()), ("8d", before), "the setting, its file")
    equal(sorted(os.listdir(file.parent)), sorted(names + ["filler"]), "nothing is left beside it")
    host.kill()
    host.start()
    equal(value(host), "8d", "after a kill")
    os.unlink(f"{host.root}/etc/filler")
    change(host, "9d")
    equal(value(host), "9d", "with room again")
    host.remove()


@test
def settings_that_cannot_be_written():
    host = host_with(etc="16k")
    host.pool()
    change(host, "8d")
    subprocess.run(["mount", "-o", "remount,ro", f"{host.root}/etc"], check=True)
    host.fails("system", "config", "set", "trash.keep", "9d", says=("flocker.ini", "Read-only"), hint=True)
    host.fails("system", "config", "unset", "trash.keep", says="Read-only")
    equal(value(host), "8d", "the setting")
    host.restart()
    equal(value(host), "8d", "after a restart")
    host.remove()


@test
def archives_where_the_state_directory_becomes_read_only():
    host = Host()
    disk = FailingDisk(host, "lib")
    host.start()
    host.pool()
    host.create("data")
    host.write("data", "file", "x")
    cut = SlowImport(host, "cut").begun()
    export = SlowExport(host, "data")
    disk.fail()
    not_acknowledged(lambda: (cut.send(SMALL), cut.end()))
    not_acknowledged(lambda: bring(host, "new", SMALL))
    not_acknowledged(lambda: host.delete("/v1/volume", "data"))
    try:
        equal(contents(export.read())["file"], b"x", "an export that had begun")
    except http.client.HTTPException:
        true(host.dead(), "it broke off although the daemon goes on")
    host.kill() if not host.dead() else None
    disk.mend()
    host.start()
    # What was whole in the pool and not acknowledged may be adopted.
    names = {v["name"] for v in host.items("/v1/volumes")}
    true({"data"} <= names <= {"data", "cut"}, f"volumes: {names}")
    equal(set(states(host).values()) - {"failed", "done"}, set(), "states")
    intact(host)
    tap.wait_until(lambda: len(cleanup.loops_under(host.directory)) == 2, "there are two loop devices")
    equal(bring(host, "new", SMALL)["state"], "done", "it goes on")
    host.remove()


if __name__ == "__main__":
    tap.main()
