#!/usr/bin/python3
"""Snapshots by themselves: no change is missed, and nothing is saved twice.  Under stress: test_watch_stress.py."""

import mmap
import os
import pathlib
import signal
import subprocess
import threading

import tap
from digest import digest
from flocker import MIB, Failure, Gone, Host
from tap import equal, test, true, wait_until
from ways import NODUMP, flags

QUEUE = 16384  # events that the kernel keeps

host = Host(watches=True)
host.start()
host.pool(size=1024 * MIB)
host.run("config", "set", "policy.duty", "100%")  # no rest: a loaded machine makes it a long one
host.create("marker")
host.create("data")


def all_flags(root):
    return [(os.path.relpath(path, root), name, flags(f"{path}/{name}"))
            for path, _, names in sorted(os.walk(root)) for name in sorted(names)]


def count(ref, on=host):
    return len(on.log_of(ref))


def as_last_snapshot(ref, on=host):
    """Is the head what its newest snapshot holds, byte for byte and attribute for attribute?  None: there is none yet."""
    try:
        path = on.post("/v1/mounts", ref=f"{ref}@{{latest}}")["path"]
    except Failure:
        return None
    try:
        live = os.path.realpath(on.path(ref))
        return (on.digest(ref) == digest(path) and
                all_flags(live) == all_flags(os.path.realpath(path)))
    finally:
        on.delete("/v1/mounts", ref=f"{ref}@{{{os.path.basename(path)}}}")


def saved(ref, on=host, seconds=120):
    """Of a head that nobody writes to: a snapshot that is not it will never be."""
    looked = None

    def holds():
        nonlocal looked
        newest = [item["id"] for item in on.get("/v1/snapshots", ref=ref, limit=1)["items"]]
        if newest == looked:
            return False
        same = as_last_snapshot(ref, on)
        looked = None if same is None else newest
        return same

    wait_until(holds, f"the newest snapshot of {ref} is its head", seconds)


def marker(on=host, name="marker"):
    """All that was changed before this call has been seen when it returns; of what is due at once."""
    on.write(name, "file", os.urandom(8).hex())
    saved(name, on)


def lines(word, on=host):
    return pathlib.Path(on.log).read_text(encoding="utf-8").count(word)


@test
def a_change_becomes_a_snapshot():
    host.write("data", "a/file", "one")
    saved("data")
    snapshot = host.log_of("data")[0]
    equal((snapshot["reason"], count("data")), ("change", 1), "reason and number")


@test
def an_idle_volume_makes_no_snapshots():
    host.write("data", "a/file", "one")
    saved("data")
    before = count("data")
    host.create("idle")
    os.stat(host.path("idle"))
    with open(f"{host.path('data')}/a/file", encoding="utf-8") as file:
        file.read()  # to read is no change
    for _ in range(3):
        marker()
    equal((count("idle"), count("data")), (0, before), "snapshots")


@test
def what_was_only_made_is_not_saved():
    """Also when the file system commits while it is being made."""
    ending = threading.Event()

    def commit():
        while not ending.is_set():
            subprocess.run(["sync", "-f", host.path("marker")], check=True)

    thread = threading.Thread(target=commit, daemon=True)
    thread.start()
    names = [f"made{number}" for number in range(10)]
    try:
        for name in names:
            host.create(name)
    finally:
        ending.set()
        thread.join()
    for _ in range(3):
        marker()
    equal([count(name) for name in names], [0] * len(names), "snapshots")
    os.chmod(host.path(names[0]), 0o700)
    saved(names[0])


@test
def what_somebody_saved_is_not_saved_again():
    saved("data") if count("data") else None
    before = count("data")
    # However long it takes until somebody saves it.
    host.run("policy", "set", "data", "settle=1h", "max-lag=2h")
    host.write("data", "b", "two")
    host.snapshot("data", name="mine")
    host.run("policy", "unset", "data", "settle", "max-lag")
    for _ in range(2):
        marker()
    equal([item["name"] for item in host.log_of("data")].count("mine"), 1, "the user's")
    equal(count("data"), before + 1, "snapshots")
    host.restart()
    marker()
    equal(count("data"), before + 1, "snapshots after a restart")


@test
def by_hand_means_by_hand():
    before = count("data")
    host.run("config", "set", "policy.snapshot", "manual")
    for i in range(3):
        host.write("data", "by-hand", str(i))
    host.snapshot("marker")
    equal(count("data"), before, "snapshots")
    host.run("config", "unset", "policy.snapshot")
    saved("data")
    true(count("data") > before, "what was changed meanwhile is saved once it is wanted")


@test
def the_policy_of_a_branch_counts():
    host.create("own")
    host.run("policy", "set", "own", "snapshot=manual")
    host.write("own", "file", "one")
    marker()
    equal((count("own"), host.get("/v1/branch", ref="own")["head_changed_since"]), (0, None), "by hand")
    host.run("policy", "set", "own", "snapshot=every 1s")
    saved("own")
    equal((count("own"), host.log_of("own")[0]["reason"]), (1, "schedule"), "in an interval")


@test
def the_new_head_after_a_rollback_is_watched():
    host.write("data", "c", "one")
    host.snapshot("data", name="past")
    host.rollback("data", "data@{past}")
    host.write("data", "c", "two")
    saved("data")
    equal(host.read("data", "c"), "two", "contents")


@test
def a_branch_is_watched_from_its_beginning():
    host.branch("data/test")
    os.makedirs(f"{host.path('data/test')}/a", exist_ok=True)
    host.write("data/test", "a/file", "of the branch")
    saved("data/test")
    host.delete("/v1/branch", ref="data/test")
    item = host.get("/v1/trash")["items"][0]
    host.post("/v1/trash/restore", item=item["uuid"])
    host.write("data/test", "a/file", "restored")
    saved("data/test")


@test
def a_store_into_a_mapping_is_found():
    with open(f"{host.path('data')}/mapped", "w+b") as file:
        file.truncate(MIB)
        with mmap.mmap(file.fileno(), MIB) as mapping:
            saved("data")
            before = count("data")
            mapping[4096:4100] = b"late"
            # The kernel would write it back within half a minute, and nobody tells before.
            subprocess.run(["sync", "-f", host.path("data")], check=True)
            wait_until(lambda: count("data") > before, "a snapshot")
            saved("data")


@test
def a_flag_is_found():
    host.write("data", "b", "a file")
    saved("data")
    before = count("data")
    flags(f"{host.path('data')}/b", NODUMP)
    subprocess.run(["sync", "-f", host.path("data")], check=True)
    wait_until(lambda: count("data") > before, "a snapshot")
    saved("data")


@test
def events_that_do_not_fit_the_queue_lose_nothing():
    host.create("flood")
    host.write("flood", "first", "one")
    saved("flood")
    host.write("data", "silent", "before")
    saved("data")
    lost = lines("events were lost")
    os.kill(host.daemon.pid, signal.SIGSTOP)
    try:
        os.mkdir(f"{host.path('flood')}/files")
        for i in range(QUEUE + 4000):
            with open(f"{host.path('flood')}/files/{i}", "wb") as file:
                file.write(b"%d" % i)
        host.write("data", "silent", "of this no event tells")
    finally:
        os.kill(host.daemon.pid, signal.SIGCONT)
    saved("data")
    saved("flood")
    equal(host.read("data", "silent"), "of this no event tells", "contents")
    wait_until(lambda: lines("events were lost") > lost, "the queue was full")


def events_of(ref):
    """The last one; the mounts of saved() drive out what is older."""
    return [item["kind"] for item in host.items("/v1/events")
            if item["object"] == ref and "saved" in item["kind"]][-1:]


@test
def snapshots_by_themselves_are_events():
    host.create("told")
    for i in range(3):
        host.write("told", "file", f"version {i}")
        saved("told")

    def events():
        return [(item["kind"], item["message"]) for item in host.items("/v1/events")
                if item["object"] == "told/trunk"][-3:]

    taken = [("snapshot", f"{item['id']} by itself (change)") for item in reversed(host.log_of("told"))][-3:]
    wait_until(lambda: events()[-1:] == taken[-1:], "the last one is told, when it is there")
    equal(events(), taken, "events")


@test
def a_branch_that_cannot_be_snapshotted_waits_and_recovers():
    host.create("nested")
    true("unsaved" not in host.run("show", "nested/trunk"), "nothing waits")
    failed, again = lines("can't be snapshotted"), lines("snapshotted by itself again")
    inner = f"{host.path('nested')}/inner"
    subprocess.run(["btrfs", "-q", "subvolume", "create", inner], check=True)
    host.write("nested", "file", "one")
    wait_until(lambda: lines("can't be snapshotted") > failed, "it is logged")
    told = next(line for line in reversed(pathlib.Path(host.log).read_text(encoding="utf-8").splitlines())
                if "can't be snapshotted" in line)
    true("object=nested/trunk" in told and "inner" in told, f"it says what and where: {told}")
    wait_until(lambda: events_of("nested/trunk") == ["not-saved"], "the event")
    branch = host.get("/v1/branch", ref="nested")
    true(branch["head_changed_since"] and "inner" in branch["snapshot_failure"], f"{branch}")
    shown = host.run("show", "nested/trunk")
    true("unsaved since" in shown and "inner" in shown, shown)
    for i in range(3):
        host.write("nested", "file", str(i))
        marker()
    equal((lines("can't be snapshotted") - failed, count("nested")), (1, 0), "it is logged once")
    subprocess.run(["btrfs", "-q", "subvolume", "delete", inner], check=True)
    saved("nested")
    wait_until(lambda: events_of("nested/trunk") == ["saved-again"], "the event, when all is saved")
    equal((lines("can't be snapshotted") - failed, lines("snapshotted by itself again") - again),
          (1, 1), "what was logged")
    wait_until(lambda: host.get("/v1/branch", ref="nested")["head_changed_since"] is None, "all is saved")
    equal(host.get("/v1/branch", ref="nested")["snapshot_failure"], None, "failure")


def saved_or_dead(ref):
    try:
        return host.dead() or as_last_snapshot(ref)
    except Gone:
        return False


@test
def a_kill_at_any_step_loses_nothing():
    host.create("killed")
    host.write("killed", "file", "one")
    saved("killed")
    died = 0
    for step in range(1, 6):
        for variable in ("FLOCKER_CRASH_AT", "FLOCKER_CRASH_AFTER"):
            host.stop()
            host.spawn(**{variable: step})
            wait_until(lambda: host.ready() or host.dead(), "flockerd answers or dies")
            if not host.dead():
                host.write("killed", "file", f"{variable} {step}")
                wait_until(lambda: saved_or_dead("killed"), "it dies, or saves all")
                died += host.dead()
            host.restart()  # it may die still: by what is asked of it
            saved("killed")
    true(died > 0, "it never died while it saved")
    host.restart()


@test
def a_pool_in_a_directory_of_btrfs_is_watched_too():
    with Host(watches=True) as other:
        top = other.file_system("btrfs", 512 * MIB)
        subprocess.run(["btrfs", "-q", "subvolume", "create", f"{top}/inside"], check=True)
        os.mkdir(f"{top}/inside/pool")
        pool = other.post("/v1/pool", kind="directory", path=f"{top}/inside/pool")
        equal(pool["driver"], "btrfs", "driver")
        other.create("data")
        other.create("idle")
        other.write("data", "file", "one")
        saved("data", other)
        with open(f"{top}/elsewhere", "w", encoding="utf-8") as file:
            file.write("no volume's")
        other.write("data", "file", "two")
        saved("data", other)
        equal((lines("found by looking", other), count("idle", other)), (0, 0), "it is told")


@test
def where_each_is_a_copy_none_is_taken_unasked():
    with Host(watches=True) as other:
        other.post("/v1/pool", kind="directory", path=f"{other.file_system('ext4', 320 * MIB)}/pool")
        other.create("data")
        other.create("wanted")

        def rule(ref):
            found = {rule["key"]: rule for rule in other.json("policy", "show", ref)["settings"]}["snapshot"]
            return found["value"], found["source"]

        equal(rule("data"), ("manual", "default"), "by default")
        other.run("policy", "set", "wanted", "snapshot=change")
        equal(rule("wanted"), ("change", "branch"), "for one branch")
        for name in ("data", "wanted"):
            other.write(name, "file", "one")
        saved("wanted", other)
        equal(count("data", other), 0, "snapshots of the other")
        other.run("config", "set", "policy.snapshot", "change")
        equal(rule("data"), ("change", "instance"), "for all")
        saved("data", other)


@test
def without_events_it_is_found_by_looking():
    with Host(watches=True) as other:
        place = f"{other.file_system('xfs', 320 * MIB)}/pool"
        equal(other.post("/v1/pool", kind="directory", path=place)["driver"], "dir", "driver")
        other.create("data")
        other.create("idle")
        other.write("data", "file", "one")
        saved("data", other)
        with open(f"{other.path('data')}/mapped", "w+b") as file:
            file.truncate(MIB)
            with mmap.mmap(file.fileno(), MIB) as mapping:
                saved("data", other)
                mapping[0:4] = b"late"
                saved("data", other)
        before = count("data", other)
        other.write("data", "file", "two")
        wait_until(lambda: count("data", other) > before, "a snapshot")
        equal(count("idle", other), 0, "snapshots of the idle one")


if __name__ == "__main__":
    tap.main()
