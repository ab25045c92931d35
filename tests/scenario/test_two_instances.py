#!/usr/bin/python3
"""Two instances on one machine, one on Btrfs in a file, one in a directory of another file system:
the same names in both, and neither sees, mounts, deletes or locks what is the other's."""

import os
import shutil
import signal
import threading

import cleanup
import tap
from flocker import MIB, Host
from tap import equal, tests_for, true

KINDS = ("ext4", "xfs")
ROUNDS = 3


class Pair:
    """Two running hosts with pools of their own, filled alike; `other` lies on a file system of this kind."""

    def __init__(self, kind):
        self.first = Host(name="one")
        self.other = Host(self.first.directory, "two")
        self.first.start()
        self.other.start()
        self.places = {"file": f"{self.first.root}/pool.img",
                       "directory": f"{self.other.file_system(kind, 320 * MIB)}/pool"}
        self.first.post("/v1/pool", kind="file", path=self.places["file"], size=256 * MIB)
        pool = self.other.post("/v1/pool", kind="directory", path=self.places["directory"])
        equal(pool["driver"], "dir", "the other's driver")
        for host in self:
            fill(host)

    def __iter__(self):
        return iter((self.first, self.other))

    def ordered(self):
        """Each with the one beside it."""
        return (self.first, self.other), (self.other, self.first)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for host in self:
            os.kill(host.daemon.pid, signal.SIGCONT)
            host.kill()
        self.first.remove()


def fill(host):
    """The same names everywhere, and contents that tell whose they are."""
    host.create("data", description=host.root)
    host.write("data", "file", host.root)
    host.snapshot("data", name="one")
    host.tag("v1@data")
    host.branch("data/side")
    host.write("data/side", "file", f"{host.root}, aside")


def work(host, name, rounds=ROUNDS):
    """All that most people do, on a volume of this name; the volume is gone afterwards."""
    for number in range(rounds):
        host.create(name)
        host.write(name, "file", f"{number}")
        host.snapshot(name, name="s")
        host.write(name, "file", "later")
        host.branch(f"{name}/side")
        host.rollback(name, f"{name}@{{s}}")
        equal(host.read(name, "file"), f"{number}", "after the rollback")
        path = host.post("/v1/mounts", ref=f"stash/1@{name}")["path"]
        with open(f"{path}/file", encoding="utf-8") as file:
            equal(file.read(), "later", "the stash")
        host.delete("/v1/mounts", ref=f"stash/1@{name}")
        host.delete("/v1/volume", ref=name)
        host.post("/v1/trash/empty")


def same(host, before):
    after = host.state()
    true(after == before, f"{host.root} has changed:\n{before}\n{after}")


def mounts(host):
    """What is mounted below its root, the pool's own file systems included."""
    return sorted(cleanup.mounts_under(host.root))


@tests_for(KINDS)
def neither_sees_what_is_the_others(kind):
    with Pair(kind) as pair:
        for host in pair:
            equal([volume["description"] for volume in host.items("/v1/volumes")], [host.root], "volumes")
            equal((host.read("data", "file"), host.read("data/side", "file")), (host.root, f"{host.root}, aside"),
                  "contents")
            true(all(point.startswith(f"{host.root}/") for point in mounts(host)) and mounts(host), "mounts")
        ids = [{entry["id"] for entry in host.log_of("data")} for host in pair]
        equal(ids[0] & ids[1], set(), "ids of snapshots that both have")


@tests_for(KINDS)
def neither_touches_what_is_the_others(kind):
    """Verbs of one, down to the last file of a volume that both have; then its end."""
    with Pair(kind) as pair:
        for host, beside in pair.ordered():
            state, mounted = beside.state(), mounts(beside)
            host.write("data", "file", "changed")
            host.rollback("data", "v1@data")
            work(host, "more")
            host.delete("/v1/volume", ref="data")
            host.post("/v1/trash/empty")
            same(beside, state)
            equal(mounts(beside), mounted, "mounts of the other")
            equal(host.stop(), 0, "exit status")
            same(beside, state)
            equal(mounts(beside), mounted, "mounts of the other")
            host.start()
            fill(host)


@tests_for(KINDS)
def neither_waits_for_the_other(kind):
    """One is stopped in the middle of what it does, with all its locks; the other works on the same names."""
    with Pair(kind) as pair:
        for host, beside in pair.ordered():
            stopping = threading.Event()

            def keep_busy(host=host, stopping=stopping):
                while not stopping.is_set():
                    host.snapshot("data", "data/side")

            busy = threading.Thread(target=keep_busy, daemon=True)
            busy.start()
            tap.wait_until(lambda host=host: host.log_of("data/side"), "it has begun")
            os.kill(host.daemon.pid, signal.SIGSTOP)
            beside.snapshot("data", "data/side")
            work(beside, "more")
            stopping.set()
            os.kill(host.daemon.pid, signal.SIGCONT)
            busy.join(60)
            true(not busy.is_alive(), "what was stopped goes on")


@tests_for(KINDS)
def one_is_killed_while_the_other_works(kind):
    with Pair(kind) as pair:
        for host, beside in pair.ordered():
            state = host.state()
            ended = threading.Event()

            def kill_and_start(host=host, ended=ended):
                while not ended.is_set():
                    host.kill()
                    host.start()

            def work_on(beside=beside, ended=ended):
                try:
                    work(beside, "more", 2 * ROUNDS)
                finally:
                    ended.set()

            tap.in_threads([kill_and_start, work_on], 600)
            same(host, state)
            work(host, "more", 1)


@tests_for(KINDS)
def neither_opens_the_others_pool(kind):
    with Pair(kind) as pair:
        kinds = {pair.first: "file", pair.other: "directory"}
        third = Host(pair.first.directory, "three")
        third.start()
        for host, kind_of_place in kinds.items():
            option, place, state = f"--{kind_of_place}", pair.places[kind_of_place], host.state()
            who = f"process {host.daemon.pid}"
            third.fails("busy", "pool", "adopt", option, place, says=(place, who, f"--root {host.root}"), hint=True)
            for force in ([], ["--force"]):
                size = ["--size", "256M"] if kind_of_place == "file" else []
                third.fails("busy", "pool", "create", option, place, *size, *force, says=(place, who))
            same(host, state)
            check_foreign(third, host)
            same(host, state)
        third.kill()


def check_foreign(third, host):
    """A third instance whose settings name the pool: running it is in use, stopped it is another's."""
    third.stop()
    shutil.copy(f"{host.root}/lib/pool.json", f"{third.root}/lib/pool.json")
    third.start()
    third.fails("busy", "list", says=f"process {host.daemon.pid}")
    uuid = host.get("/v1/version")["instance"]["uuid"]
    third.stop()
    host.stop()
    third.start()
    third.fails("denied", "list", says=("another instance", uuid), hint="pool adopt")
    third.stop()
    os.unlink(f"{third.root}/lib/pool.json")
    third.start()
    host.start()


if __name__ == "__main__":
    tap.main()
