#!/usr/bin/python3
"""Snapshots of several branches at one instant: flocker snapshot REF... --together."""

import os
import signal
import subprocess
import sys
import threading
import time

import cgroups
import cleanup
import engines
import tap
from flocker import CODES, LONG, Failure, Gone, Host, host_with_pool
from tap import equal, test, tests_for, true

host = host_with_pool()
kinds = sorted(cgroups.PLACES)
PAIRS = 400 if LONG else 100

# Writes one number to both files, in order, the first durably; and so on with the next.
COUNTER = """
import os, sys
files = [os.open(path, os.O_RDWR | os.O_CREAT, 0o644) for path in sys.argv[1:3]]
number = 0
while True:
    number += 1
    os.pwrite(files[0], b"%012d" % number, 0)
    os.fsync(files[0])
    os.pwrite(files[1], b"%012d" % number, 0)
"""
# Each child lives for a moment, has another, and holds the file.
FORKER = """
import os, sys
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o644)
for _ in range(4):
    os.fork()
while True:
    child = os.fork()
    if child == 0:
        os.pwrite(file, b"x", 0)
        os._exit(0)
    os.waitpid(child, 0)
"""
HOLDER = "import os, sys, time; file = open(sys.argv[1], 'w'); print('here', flush=True); time.sleep(600)"


def started(group, code, *arguments):
    return group.start(sys.executable, "-c", code, *arguments, stdout=subprocess.DEVNULL)


def holder(group, path):
    """A process that holds the file, and sleeps."""
    process = group.start(sys.executable, "-c", HOLDER, path, stdout=subprocess.PIPE)
    true(process.stdout.readline(), "it holds the file")
    return process


def file_of(volume, name="file"):
    return f"{host.mnt}/{volume}/trunk/{name}"


def volumes(*names):
    for name in names:
        host.create(name)
    return list(names)


def at_one_instant(refs, on=host, seconds=60):
    """Again as long as the disk or the machine is too slow for it: nobody is waited for longer than a second (who waits
    for the disk does not stand still), and nobody is held for longer than five."""
    def taken():
        try:
            return on.post("/v1/snapshots", refs=refs, together=True)
        except Failure as failure:
            tap.note(failure)
            if failure.code != "busy":
                raise
            return None

    return tap.wait_until(taken, "all stand still in time", seconds)


def number(snapshot):
    return int(host.run("cat", f"{snapshot['ref']}:number"))


def is_one_instant(a, b):
    return b in (a, a - 1)


def pairs(a, b, count):
    """The numbers in each of so many pairs of snapshots."""
    for _ in range(count):
        taken = at_one_instant([b, a])
        first, second = taken["items"]
        yield number(second), number(first), taken


@tests_for(kinds)
def every_pair_is_of_one_instant(kind):
    a, b = volumes(f"a-{kind}", f"b-{kind}")
    group = cgroups.Group(host, f"counter-{kind}", kind)
    started(group, COUNTER, file_of(a, "number"), file_of(b, "number"))

    def counted():
        try:
            with open(file_of(b, "number"), encoding="ascii") as file:
                return int(file.read() or 0)
        except FileNotFoundError:
            return 0

    tap.wait_until(counted, "it counts")
    seen = set()
    for first, second, taken in pairs(a, b, PAIRS // len(kinds)):
        true(is_one_instant(first, second), f"{first} and {second}")
        seen.add(first)
        together = taken["together"]
        equal([row["cgroup"] for row in together["groups"]], [group.path], "what was held")
        equal(together["unheld"], [], "what was not held")
        true(0 < together["stilled"] <= together["held"], f"{together}")
        for snapshot in taken["items"]:
            equal(snapshot["metadata"], {"flocker.together": together["id"], "flocker.together-count": "2"},
                  "metadata")
        true(not group.frozen(), "it goes on")
        tap.wait_until(lambda second=second: counted() > second, "it counts on")
    true(len(seen) > PAIRS // len(kinds) // 2, f"it went on in between: {sorted(seen)}")
    group.remove()


@test
def others_are_left_alone():
    a, b, c = volumes("used", "unused", "elsewhere")
    for kind in kinds:
        beside = cgroups.Group(host, f"beside-{kind}", kind)
        group = cgroups.Group(host, f"used-{kind}", kind)
        holder(beside, file_of(c))
        holder(group, file_of(a, kind))
        taken = at_one_instant([a, b])
        equal([row["cgroup"] for row in taken["together"]["groups"]], [group.path], "groups")
        group.remove()
        beside.remove()


@test
def what_maps_a_file_and_what_works_in_a_directory_is_held():
    [a] = volumes("ways")
    mapping = "import mmap, os, sys, time; f = open(sys.argv[1], 'w+b'); f.truncate(4096); m = mmap.mmap(f.fileno(), " \
              "4096); os.close(f.fileno()); print('here', flush=True); time.sleep(600)"
    maps = cgroups.Group(host, "maps", kinds[0])
    true(maps.start(sys.executable, "-c", mapping, file_of(a), stdout=subprocess.PIPE).stdout.readline(), "maps")
    works = cgroups.Group(host, "works", kinds[0])
    works.start("/bin/sleep", "600", cwd=os.path.realpath(f"{host.mnt}/{a}/trunk"))
    taken = at_one_instant([a])
    equal(sorted(row["cgroup"] for row in taken["together"]["groups"]), sorted([maps.path, works.path]), "groups")
    maps.remove()
    works.remove()


@tests_for(kinds)
def several_at_once_do_not_disturb_each_other(kind):
    names = volumes(*[f"shared-{kind}-{i}" for i in range(4)])
    group = cgroups.Group(host, f"shared-{kind}", kind)
    for name in names:
        holder(group, file_of(name))

    def take(name):
        for _ in range(8):
            taken = at_one_instant([name])["together"]
            equal([(row["cgroup"], row["was_frozen"]) for row in taken["groups"]], [(group.path, False)], "groups")

    tap.in_threads([lambda name=name: take(name) for name in names])
    true(not group.frozen(), "they go on")
    group.remove()


@test
def what_has_no_group_of_its_own_is_told():
    [a] = volumes("loose")
    with open(file_of(a), "w", encoding="ascii"):
        taken = at_one_instant([a])
        ran = host.try_run("snapshot", a, "--together")
    mine = [row for row in taken["together"]["unheld"] if row["pid"] == os.getpid()]
    equal(len(mine), 1, "this test is told of")
    true(mine[0]["why"], "and why")
    equal(taken["items"][0]["metadata"]["flocker.together-unheld"], "1", "metadata")
    equal(ran.status, 0, str(ran))
    true("1 snapshot at one instant, nothing was held" in ran.err, str(ran))
    true(f"({os.getpid()})" in ran.err, str(ran))


@test
def nothing_uses_them():
    volumes("idle", "idler")
    ran = host.try_run("snapshot", "idle", "idler", "--together", "--name", "both", "--set", "mine=yes")
    equal((ran.status, len(ran.out.splitlines())), (0, 2), str(ran))
    equal(ran.err, "2 snapshots at one instant, nothing was held\n", "what is said")
    shown = host.json("show", "idle@{both}")
    equal(shown["metadata"]["mine"], "yes", "metadata of the user's")
    equal(len(shown["metadata"]["flocker.together"]), 16, "the id")
    true("flocker.together" not in host.post("/v1/snapshots", refs=["idle"])["items"][0]["metadata"], "only with it")


@tests_for(kinds)
def one_that_is_paused_stays_so(kind):
    [a] = volumes(f"paused-{kind}")
    paused = cgroups.Group(host, f"paused-{kind}", kind)
    runs = cgroups.Group(host, f"runs-{kind}", kind)
    holder(paused, file_of(a, "p"))
    holder(runs, file_of(a, "r"))
    paused.switch(cgroups.FREEZE)
    taken = at_one_instant([a])
    groups = {row["cgroup"]: row["was_frozen"] for row in taken["together"]["groups"]}
    equal(groups, {paused.path: True, runs.path: False}, "groups")
    equal((paused.frozen(), runs.frozen()), (True, False), "frozen")
    paused.remove()
    runs.remove()


@tests_for(kinds)
def processes_that_are_born_meanwhile_are_held(kind):
    a, b = volumes(f"wild-{kind}", f"wilder-{kind}")
    group = cgroups.Group(host, f"wild-{kind}", kind)
    started(group, FORKER, file_of(a))
    tap.wait_until(lambda: len(group.pids()) >= 16, "they are born")
    for _ in range(4):
        taken = at_one_instant([a, b])
        equal([row["cgroup"] for row in taken["together"]["groups"]], [group.path], "groups")
    true(not group.frozen(), "they go on")
    group.remove()


@tests_for(kinds)
def a_group_that_goes_meanwhile_is_no_failure(kind):
    [a] = volumes(f"brief-{kind}")
    ended = threading.Event()

    def come_and_go():
        for i in range(1000):
            if ended.is_set():
                return
            group = cgroups.Group(host, f"brief-{kind}-{i}", kind)
            holder(group, file_of(a))
            group.remove()

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        for _ in range(30):
            at_one_instant([a])
    finally:
        ended.set()
        thread.join()


@tests_for(engines.ENGINES, lambda kind: kind.__name__)
def containers_are_held_and_named(kind):
    a, b = volumes(f"x-{kind.__name__}", f"y-{kind.__name__}")
    with kind() as engine:
        engine.busybox()
        host.run("config", "set", "docker.socket", engine.socket)
        host.restart()
        engine.start_container("busy", "-v", f"{host.mnt}/{a}/trunk:/data",
                               command=("sh", "-c", "trap 'exit 0' TERM; while :; do echo x >>/data/log; done"))
        engine.start_container("idle", "-v", f"{host.mnt}/{b}/trunk:/data")
        engine.start_container("paused", "-v", f"{host.mnt}/{b}/trunk:/data")
        engine.start_container("other")
        engine.pause("paused")
        taken = at_one_instant([a, b])["together"]
        equal({row["name"]: row["was_frozen"] for row in taken["groups"]},
              {"busy": False, "idle": False, "paused": True}, "groups")
        true(all(row["container"] for row in taken["groups"]), f"they are containers: {taken}")
        ran = tap.wait_until(lambda: next((ran for ran in [host.try_run("snapshot", a, b, "--together")]
                                           if ran.status != CODES["busy"][1]), None), "all stand still in time")
        true(ran.err.startswith("2 snapshots at one instant, 3 containers held for "), str(ran))
        equal([engine.inspect(name)["State"]["Paused"] for name in ("busy", "idle", "paused")],
              [False, False, True], "paused")
        tap.wait_until(lambda: os.path.exists(file_of(a, "log")), "it works")
        size = os.path.getsize(file_of(a, "log"))
        tap.wait_until(lambda: os.path.getsize(file_of(a, "log")) > size, "it goes on")
        # Without its answers names are missing, and nothing else.
        engine.run("unpause", "paused")
        host.run("config", "set", "docker.socket", f"{host.directory}/none.sock")
        host.restart()
        taken = at_one_instant([a, b])["together"]
        equal(sorted(row["name"] for row in taken["groups"]),
              sorted(engine.inspect(name)["Id"][:12] for name in ("busy", "idle", "paused")), "names")


def go_on(groups):
    return not any(group.frozen() for group in groups)


class Thaws:
    """How long it took after each death.  Who waits for the end alone comes after five seconds, every time; a busy
    machine may keep one waiting."""
    SOON = 3

    def __init__(self):
        self.late = []

    def expect(self, groups, what):
        began = time.monotonic()
        tap.wait_until(lambda: go_on(groups), what)
        if time.monotonic() - began > self.SOON:
            self.late.append(what)
        true(len(self.late) < 2, f"not within {self.SOON} s: {self.late}")


@tests_for(["FLOCKER_CRASH_AT", "FLOCKER_CRASH_AFTER"])
def a_daemon_that_is_killed_leaves_nothing_frozen(mode):
    """Before and after each call to the pool: some of them while all stand still."""
    with Host() as mortal:
        mortal.pool()
        groups = [cgroups.Group(mortal, kind, kind) for kind in kinds]
        for group in groups:
            mortal.create(f"a-{group.kind}")
            holder(group, f"{mortal.mnt}/a-{group.kind}/trunk/file")
        names = [f"a-{group.kind}" for group in groups]
        died, thaws = 0, Thaws()
        for call in range(1, 40):
            if not mortal.dead():
                mortal.stop()
            mortal.spawn(**{mode: call})
            tap.wait_until(lambda: mortal.ready() or mortal.dead(), "it answers or ends")
            try:
                at_one_instant(names, mortal)
                break
            except Gone:
                died += 1
                mortal.kill()
            thaws.expect(groups, f"all go on after call {call}")
        true(died >= 2, f"it died {died} times")
        mortal.restart()
        at_one_instant(names, mortal)
        for group in groups:
            group.remove()


def guards(daemon):
    """What would thaw for it, by pid."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and f"PPid:\t{daemon}\n" in open(f"/proc/{entry}/status").read() \
                    and b"\0thaw\0" in open(f"/proc/{entry}/cmdline", "rb").read():
                found.append(int(entry))
        except OSError:
            pass
    return found


def stop(pid):
    """Stands still when this returns: what is in the kernel just then first comes to its end."""
    os.kill(pid, signal.SIGSTOP)

    def stopped():
        stats = [cleanup.read(f"/proc/{pid}/task/{task}/stat") for task in os.listdir(f"/proc/{pid}/task")]
        return all(stat.rpartition(")")[2].split()[:1] == ["T"] for stat in stats if stat)

    tap.wait_until(stopped, f"{pid} is stopped")


def caught_holding(mortal, group, names):
    """The pids of daemon and guard, stopped while the group stands still; none: it was too quick."""
    thread = threading.Thread(target=mortal.try_run, args=("snapshot", *names, "--together"))
    thread.start()
    while thread.is_alive() and not group.frozen():
        pass
    pids = [mortal.daemon.pid]
    stop(pids[0])
    pids += guards(pids[0])
    for pid in pids[1:]:
        stop(pid)
    if len(pids) == 2 and group.frozen():
        return pids, thread
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    thread.join()
    return None, None


@test
def what_is_left_frozen_by_both_goes_on_with_the_next_start():
    with Host() as mortal:
        mortal.pool()
        groups = [cgroups.Group(mortal, kind, kind) for kind in kinds]
        names = [f"c-{group.kind}" for group in groups] + [f"c-{i}" for i in range(12)]
        for name in names:
            mortal.create(name)
        for group, name in zip(groups, names):
            holder(group, f"{mortal.mnt}/{name}/trunk/file")
        pids = None
        while not pids:
            pids, thread = caught_holding(mortal, groups[0], names)
        for pid in reversed(pids):
            os.kill(pid, signal.SIGKILL)
        thread.join()
        mortal.kill()
        true(groups[0].frozen(), "it stands still")
        mortal.start()
        true(go_on(groups), "all go on")
        equal(os.listdir(f"{mortal.root}/run/frozen"), [], "what is noted")
        at_one_instant(names, mortal)
        for group in groups:
            group.remove()


@test
def killed_at_any_time_it_leaves_nothing_frozen():
    with Host() as mortal:
        mortal.pool()
        groups = [cgroups.Group(mortal, kind, kind) for kind in kinds]
        names = [f"b-{group.kind}" for group in groups]
        for group, name in zip(groups, names):
            mortal.create(name)
            started(group, COUNTER, f"{mortal.mnt}/{name}/trunk/a", f"{mortal.mnt}/{name}/trunk/b")
        thaws = Thaws()
        for delay in range(12):
            thread = threading.Thread(target=mortal.try_run, args=("snapshot", *names, "--together"))
            thread.start()
            thread.join(delay / 200)
            mortal.kill()
            thread.join()
            thaws.expect(groups, f"all go on after kill {delay}")
            mortal.start()
        for group in groups:
            group.remove()


if __name__ == "__main__":
    tap.main()
