#!/usr/bin/python3
"""No change is ever missed: many writers, in every way there is, and everything that a watcher can stumble over.

First each way of changing a file alone (ways.py), while nothing else happens that would lead the watcher to
it.  Then several processes at once over several branches, which are being snapshotted by themselves
meanwhile, while the daemon is stopped, killed, or held until the kernel's queue of events has
overflowed.  When the writers have ended, the newest snapshot of each branch must soon be its
head, byte for byte and attribute for attribute.

Stores into mappings may be noticed when the kernel has committed them, up to 35 s later.  The
rounds that have such changes call for that by a sync when the writers have ended (the long test also waits
for the kernel); the others sync nothing, and must be saved long before the kernel would have committed
by itself: it is told to take five minutes for that, so that a slow disk has time (but in the long test).
"""

import multiprocessing
import os
import random
import signal
import subprocess
import time

import cleanup
import tap
import ways
from digest import digest
from flocker import Host, LONG, MIB
from tap import equal, test, true, wait_until

SEED = int(os.environ.get("FLOCKER_SEED", time.time_ns() % 10**9))
ROUNDS = 400 if LONG else 10
WRITERS = 4
BRANCHES = ("one/trunk", "one/side", "two/trunk")
COMMIT = 30 if LONG else 300     # seconds, after which the kernel commits by itself,
SOON = 15 if LONG else 60        # so that whoever is saved before that was found without it,
LATE = 90                        # and what it then has committed is found
QUEUE = 16384                    # events that it keeps

host = Host(watches=True)
host.start()
host.pool(size=1024 * MIB)
for key, value in (("duty", "100%"), ("settle", "0s"), ("min-interval", "0s"), ("max-lag", "1s")):
    host.run("config", "set", f"policy.{key}", value)
for name in ("one", "two", "alone", "trashed", "idle", "flood"):
    host.create(name)
host.branch("one/side")
host.run("policy", "set", "flood", "snapshot=manual")
held = os.open(host.path("idle"), os.O_RDONLY)  # so that a daemon that ends leaves the branches where they are
tap.note(f"seed {SEED}: FLOCKER_SEED={SEED} repeats the writers' choices, not the kernel's")


def state_of(path):
    real = os.path.realpath(path)
    return digest(real), ways.everything(real)


def look_inside():
    """A mount of our own of the pool: a question to the daemon may make it sync, and so notice what it missed."""
    inside = f"{host.directory}/inside"
    os.mkdir(inside)
    (device,) = cleanup.loops_under(host.directory)
    subprocess.run(["mount", "-t", "btrfs", "-o", "subvolid=5,noatime", device, inside], check=True)
    subprocess.run(["mount", "-o", f"remount,commit={COMMIT}", inside], check=True)  # of the file system, for all its mounts
    return inside


SILENT = (ways.overwritten, ways.flagged, ways.mapped)  # which moves nothing else, or is in no event
INSIDE = look_inside()
SNAPSHOTS = {ref: f"{INSIDE}/snaps/{os.path.basename(os.path.realpath(host.path(ref)))}"
             for ref in ("alone", "trashed", "idle", *BRANCHES)}


def newest(ref):
    """The name that it has in the pool; names sort by time."""
    names = [name for name in os.listdir(SNAPSHOTS[ref]) if not name.startswith("facts")]
    return max(names, default=None)


def state_at(ref, snapshot):
    """None: it was found to hold nothing new, and is gone."""
    try:
        return state_of(f"{SNAPSHOTS[ref]}/{snapshot}")
    except FileNotFoundError:
        return None


def differing(one, other):
    return sorted(set(one[1]) ^ set(other[1]))[:6] or "contents or attributes"


def saved(ref, what, seconds=SOON):
    """The newest snapshot is the head, which nobody writes to, within these seconds."""
    head, looked, state = state_of(host.path(ref)), None, None
    deadline = time.monotonic() + seconds
    while True:
        snapshot = newest(ref)
        if snapshot and snapshot != looked:
            looked, state = snapshot, state_at(ref, snapshot)
            if state == head:
                return
        true(time.monotonic() < deadline,
             f"{what}: after {seconds} s the newest snapshot of {ref}, {looked}, is not its head: "
             f"{differing(head, state) if state else 'there is none'}")
        time.sleep(0.01)


def commit():
    subprocess.run(["sync", "-f", host.path("idle")], check=True)


def commit_and_forget():
    """What was committed the daemon looks at within a second; after that this leads it to nothing."""
    commit()
    committed = time.monotonic()
    wait_until(lambda: time.monotonic() > committed + 1.5, "a search is over")


# --- each way alone -----------------------------------------------------------------------


def prepare(way, place, chance):
    """Files that have what the way needs, so that it changes nothing else."""
    os.makedirs(place)
    for _ in range(2):
        way(place, chance)
    for number in range(ways.NAMES):
        with ways.opened(f"{place}/f{number}", os.O_WRONLY | os.O_CREAT) as descriptor:
            os.pwrite(descriptor, chance.randbytes(3 * ways.PAGE), 0)


def change_once(way, place, chance):
    before = state_of(place)
    for _ in range(50):
        way(place, chance)
        if state_of(place) != before:
            return
    raise AssertionError(f"{way.__name__} changes nothing")


@tap.tests_for(ways.SOON + ways.LATE, lambda way: way.__name__)
def each_way_alone_is_seen(way):
    chance = random.Random(f"{SEED} {way.__name__}")
    place = f"{host.path('alone')}/{way.__name__}"
    prepare(way, place, chance)
    saved("alone", "what it works on")
    (commit_and_forget if way in SILENT else commit)()
    change_once(way, place, chance)
    if way in ways.LATE:
        commit()
    saved("alone", way.__name__)


@test
def a_restored_branch_is_watched_at_once():
    """It was none while it lay in the trash."""
    chance, place = random.Random(SEED), f"{host.path('trashed')}/restored"
    prepare(ways.overwritten, place, chance)
    saved("trashed", "what it works on")
    host.delete("/v1/volume", ref="trashed")
    commit_and_forget()
    host.post("/v1/trash/restore", item=host.get("/v1/trash")["items"][0]["uuid"])
    change_once(ways.overwritten, place, chance)
    saved("trashed", "written to as soon as it was back")


# --- all at once ----------------------------------------------------------------------------


class Writer:
    """A process that changes things until it is told to end."""

    def __init__(self, number, kinds, seed):
        context = multiprocessing.get_context("fork")
        self.ending, self.changes = context.Event(), context.Value("q", 0)
        self.kinds, self.chance = kinds, random.Random(f"{seed} {number}")
        self.places = []
        for ref in BRANCHES:
            for name in (f"writer{number}", "common"):
                self.places.append(f"{host.path(ref)}/{name}")
                os.makedirs(self.places[-1], exist_ok=True)
        self.process = context.Process(target=self.work, daemon=True)

    def start(self):
        self.process.start()
        cleanup.record(f"{host.directory}/daemons", self.process.pid)

    def work(self):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        parent = os.getppid()
        while not self.ending.is_set() and os.getppid() == parent:
            self.changes.value += ways.change(self.kinds, self.places, self.chance)
            # Bursts, and rests that are longer than it takes to settle.
            if self.chance.random() < 0.02:
                self.ending.wait(self.chance.random() * 0.3)

    def end(self):
        self.ending.set()
        self.process.join(300)
        equal(self.process.exitcode, 0, "exit status of a writer, which said why above")
        return self.changes.value


def flood():
    """More events than the queue keeps: of that many files, since events of the same one are joined."""
    root = f"{host.path('flood')}/files"
    if not os.path.exists(root):
        os.mkdir(root)
        for number in range(QUEUE + 1000):
            with open(f"{root}/{number}", "wb"):
                pass
    stamp = time.time_ns()
    for number in range(QUEUE + 1000):
        os.utime(f"{root}/{number}", ns=(stamp, stamp))


def overflows():
    with open(host.log, encoding="utf-8") as file:
        return file.read().count("events were lost")


class Trouble:
    """What happens to the daemon: before the writers end, and after."""

    def before(self):
        pass

    def after(self):
        pass

    def check(self):
        """When all is over: was it what it is called?"""


class Quiet(Trouble):
    name = "nothing"


class Stopped(Trouble):
    name = "stopped"

    def before(self):
        equal(host.stop(), 0, "exit status")

    def after(self):
        host.start()


class Killed(Stopped):
    name = "killed"

    def before(self):
        host.kill()


class KilledUnderLoad(Killed):
    name = "killed again and again"

    def before(self):
        for _ in range(3):
            host.kill()
            host.start()
        host.kill()
        host.start()

    def after(self):
        pass


class Overflown(Trouble):
    """The last changes come when there is no room for their events any more."""
    name = "held until events are lost"

    def before(self):
        self.lost = overflows()
        os.kill(host.daemon.pid, signal.SIGSTOP)
        flood()
        commit()  # so much makes the kernel write back more by itself

    def after(self):
        os.kill(host.daemon.pid, signal.SIGCONT)

    def check(self):
        wait_until(lambda: overflows() > self.lost, "the queue was full: or this tested nothing")


TROUBLES = (Quiet, Stopped, Overflown, Killed, KilledUnderLoad)


def change_while_away(away, jobs, chance):
    """Each way alone in its branch; without a sync of ours."""
    for _, way, place in jobs:
        prepare(way, place, chance)
    for ref, _, _ in jobs:
        saved(ref, "what it works on")
    commit_and_forget()
    away.before()
    for _, way, place in jobs:
        change_once(way, place, chance)
    away.after()
    for ref, way, _ in jobs:
        saved(ref, f"{way.__name__} while the daemon was {away.name}")
    away.check()


@tap.tests_for((Stopped, Killed, Overflown), lambda trouble: trouble.name)
def one_change_that_nobody_saw_is_found(trouble):
    chance = random.Random(f"{SEED} {trouble.name}")
    kinds = list(ways.SOON + ways.LATE)
    chance.shuffle(kinds)
    groups = [kinds[i:i + 4] for i in range(0, len(kinds) if LONG else 4, 4)]
    flood()
    for number, group in enumerate([[ways.overwritten], *groups]):
        change_while_away(trouble(), [(ref, way, f"{host.path(ref)}/{trouble.__name__}-{number}")
                                      for ref, way in zip(("alone", *BRANCHES), group)], chance)


def run_round(number, trouble, kinds):
    writers = [Writer(n, kinds, f"{SEED} {number}") for n in range(WRITERS)]
    before = {ref: newest(ref) for ref in BRANCHES}
    for writer in writers:
        writer.start()
    try:
        for ref in BRANCHES:
            wait_until(lambda ref=ref: newest(ref) != before[ref], f"{ref} is snapshotted while it is written to")
        trouble.before()
        seen = [writer.changes.value for writer in writers]
        wait_until(lambda: all(writer.changes.value > count + 9 or not writer.process.is_alive()
                               for writer, count in zip(writers, seen)), "they change more")
    finally:
        changes = sum(writer.end() for writer in writers)
    trouble.after()
    late = bool(set(kinds) & set(ways.LATE))
    patient = late and number % 40 == 39  # of the long test: it waits for the kernel
    if late and not patient:
        commit()
    for ref in BRANCHES:
        saved(ref, f"round {number}, {trouble.name}{', with late changes' if late else ''}", LATE if patient else SOON)
    trouble.check()
    return changes


@test
def all_at_once_nothing_is_missed():
    changes, chance = 0, random.Random(SEED)
    flood()
    for number in range(ROUNDS):
        trouble = TROUBLES[number % len(TROUBLES)]()
        kinds = ways.SOON + (ways.LATE if chance.random() < 0.5 else ())
        host.run("config", "set", "policy.settle", chance.choice(("0s", "0s", "0s", "1s")))
        changes += run_round(number, trouble, kinds)
    wait_until(lambda: all(host.get("/v1/branch", ref=ref)["head_changed_since"] is None for ref in BRANCHES),
               "the daemon says that all is saved")
    snapshots = 0
    for ref in BRANCHES:
        equal(host.digest_at(f"{ref}@{{latest}}"), host.digest(ref), f"the newest snapshot of {ref}, by its API")
        snapshots += len(host.log_of(ref))
    tap.note(f"{changes} changes in {ROUNDS} rounds, {snapshots} snapshots")
    equal(len(host.log_of("idle")), 0, "snapshots of what nobody touched")


if __name__ == "__main__":
    tap.main()
