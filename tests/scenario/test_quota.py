#!/usr/bin/python3
"""Quotas: what an application and each verb sees of one, and what is counted."""

import errno
import os

import tap
from flocker import Failure, Host, MIB, unchanged
from tap import equal, test, true


def write(path, size):
    """Writes `size` new bytes and syncs them; the errno that ended it, or 0."""
    try:
        with open(path, "wb", buffering=0) as file:
            for _ in range(size // MIB):
                file.write(os.urandom(MIB))
            os.fsync(file.fileno())
    except OSError as error:
        return error.errno
    return 0


def volume(host, name="data"):
    return host.get("/v1/volume", ref=name)


def limited(host, quota=32 * MIB):
    """A pool with one volume that has a quota; where its contents are."""
    host.pool()
    host.create("data", quota=quota)
    return host.path("data")


def refused(code, function, *words):
    """The call fails with this code; the message and the hint have these words."""
    try:
        function()
    except Failure as failure:
        equal(failure.code, code, str(failure))
        for word in words:
            said = f"{failure} {failure.hint}"
            true(word in said, f"{word!r} is not in {said!r}")
        return
    true(False, "the call is refused")


@test
def an_application_gets_edquot_and_space_back():
    with Host() as host:
        path = limited(host)
        equal(write(f"{path}/some", 16 * MIB), 0, "errno within the quota")
        equal(write(f"{path}/much", 64 * MIB), errno.EDQUOT, "errno beyond it")
        true(volume(host)["usage"]["allocated"] <= 32 * MIB, "usage is within the quota")
        os.unlink(f"{path}/much")
        host.create("free")
        equal(write(f"{host.path('free')}/much", 64 * MIB), 0, "errno in another volume")
        host.run("set", "data", "--quota", "200M")
        equal(write(f"{path}/much", 64 * MIB), 0, "errno with more quota")
        host.run("unset", "data", "--quota")
        equal(volume(host)["quota"], None, "quota")
        equal(write(f"{path}/more", 200 * MIB), 0, "errno without quota")


@test
def every_verb_goes_on_with_a_full_quota():
    with Host() as host:
        path = limited(host)
        host.write("data", "precious", "here since the beginning")
        host.snapshot("data", name="early")
        equal(write(f"{path}/much", 64 * MIB), errno.EDQUOT, "errno")
        host.snapshot("data", name="full")
        host.branch("data/test")
        equal(write(f"{host.path('data/test')}/much", 64 * MIB), errno.EDQUOT, "errno in another branch")
        host.tag("t@data", target="data@{full}")
        host.rollback("data", "data@{early}")
        equal(host.read("data", "precious"), "here since the beginning", "contents")
        true(not os.path.exists(f"{host.path('data')}/much"), "the head is as it was")
        host.run("stash", "restore", "stash/1@data")
        true(os.path.exists(f"{host.path('data')}/much"), "the stash is back")
        host.run("destroy", "data/test")
        host.run("trash", "restore", "data/test")
        host.run("rename", "data", "other")
        host.run("destroy", "other")
        host.run("trash", "restore", "other")
        equal(volume(host, "other")["quota"], 32 * MIB, "quota")
        equal(write(f"{host.path('other')}/again", 64 * MIB), errno.EDQUOT, "errno after all that")


@test
def a_quota_below_what_is_used_is_refused_and_changes_nothing():
    with Host() as host:
        path = limited(host)
        equal(write(f"{path}/some", 16 * MIB), 0, "errno")
        for quota, words in ((8 * MIB, ("uses 16", "bytes", "snapshots", "at least 17M")), (1, ("1 MiB",))):
            unchanged(host, lambda: refused("invalid", lambda: host.patch("/v1/volume", "data", quota=quota),
                                            *words))
        host.fails("invalid", "set", "data", "--quota", "8M", says=("uses",))
        refused("invalid", lambda: host.create("small", quota=1024), "1 MiB")
        equal(volume(host)["quota"], 32 * MIB, "quota")
        equal(write(f"{path}/much", 64 * MIB), errno.EDQUOT, "errno")


@test
def a_quota_outlives_restart_crash_and_catalogue():
    with Host() as host:
        path = limited(host)
        host.create("later")
        host.run("set", "later", "--quota", "64M")
        host.branch("data/test")
        host.restart()
        equal(write(f"{path}/much", 64 * MIB), errno.EDQUOT, "errno after a restart")
        host.kill()
        host.start()
        equal(volume(host, "later")["quota"], 64 * MIB, "quota after a crash")
        host.post("/v1/pool/recover")
        equal(volume(host)["quota"], 32 * MIB, "quota after recovery")
        equal(volume(host, "later")["quota"], 64 * MIB, "the other after recovery")
        equal(write(f"{host.path('data/test')}/much", 64 * MIB), errno.EDQUOT, "errno after recovery")


@test
def usage_tells_what_is_live_and_what_is_history():
    with Host() as host:
        path = limited(host, quota=100 * MIB)
        equal(write(f"{path}/file", 16 * MIB), 0, "errno")
        host.snapshot("data", name="first")
        equal(write(f"{path}/file", 8 * MIB), 0, "errno")
        os.sync()
        usage = host.get("/v1/branch", ref="data")["usage"]
        equal(usage["live"], 8 * MIB, "live")
        true(24 * MIB <= usage["allocated"] < 25 * MIB, f"allocated is {usage}")
        equal(usage["history"], usage["allocated"] - usage["live"], "history")
        equal(volume(host)["usage"]["allocated"], usage["allocated"], "of the volume")
        host.branch("data/test")
        clone = host.get("/v1/branch", ref="data/test")["usage"]
        equal(clone["live"], 8 * MIB, "live of the branch")
        true(clone["allocated"] < MIB, f"it allocated {clone}")
        equal(clone["history"], None, "history of the branch")
        listed = host.items("/v1/branches", ref="data")[0]["usage"]
        equal((listed["allocated"], listed["live"]), (usage["allocated"], None), "in the list")
        shown = host.run("show", "data/trunk")
        true("live:" in shown and str(8 * MIB) in shown and "history:" in shown, shown)
        true("quota:" in host.run("show", "data"), "show tells the quota")
        true(str(volume(host)["usage"]["allocated"]) in host.run("list"), "list tells what is used")
        equal(host.json("pool", "show")["quota"], True, "the pool counts")


if __name__ == "__main__":
    tap.main()
