#!/usr/bin/python3
"""The power goes at any instant: what was acknowledged is there, and the daemon starts.

Two fault disks (tests/disk/) share one log: the pool lies on one, and everything
else of the host (state directory, settings, audit log) in a file system on the other.  The pool is Btrfs in
a file; with FLOCKER_TEST_DRIVER=dir plain directories on ext4, or on what FLOCKER_TEST_FILE_SYSTEM
names, whose journal mounting replays; with FLOCKER_TEST_DRIVER=zfs a ZFS pool in a file, which zfs-fuse
imports.  Clients work for a while (powercut.py) and note the log's position at each answer.
Then the log is cut at many positions: half of them right at an answer, when what was promised has had
the least time to get to the disk; others right before a flush, when the most is on its
way; others anywhere.  Of what was not flushed nothing, all, or some by chance is lost, also
out of its order and in parts.  On the two disks of each such state a daemon is
started: it must open the pool, have all that was acknowledged before the cut, and work on.  In
every fifth state the catalogue is lost as well, and is rebuilt from the pool.

A sector, what a disk writes as one or not at all, has 4,096 bytes, as the loop device
below the pool says of itself: a Btrfs superblock is such a sector.
"""

import glob
import os
import random
import time
import traceback

import here
os.environ.setdefault("FLOCKER_SEED", str(time.time_ns() % 10**9))
here.with_own_mounts()
import cleanup  # noqa: E402 - what is mounted by now stays unseen
import cut  # noqa: E402
import media  # noqa: E402
import tap  # noqa: E402
from disk import ALL, FLUSH, NOTHING, Disks  # noqa: E402
from flocker import Host  # noqa: E402
from media import make_file_system, mount, unmount  # noqa: E402
from powercut import Check, Client  # noqa: E402
from tap import equal, test, true  # noqa: E402

CLIENTS = 2
ROUNDS = 3  # of work, 17 verbs in each
SEED = int(os.environ["FLOCKER_SEED"])

top, MOUNTS = cut.directory()
disks = Disks(top, "host", "pool")
medium = media.chosen(disks)


# --- the work ---------------------------------------------------------------------------


def make_images():
    """The two disks as they are when the work begins: a host with a pool and a volume for each client."""
    os.makedirs(f"{top}/images")
    os.makedirs(disks.point)
    image = disks.image("host")
    make_file_system(image, "64M", "ext4")
    mount(image, f"{top}/host")
    host = Host(top, "host")
    host.start()
    medium.create(host)
    for number in range(CLIENTS):
        host.create(f"client{number}")
    equal(host.stop(), 0, "exit status")
    medium.release(host, disks.image("pool"))
    unmount(f"{top}/host", image, disks.path("pool"))
    medium.created()


def work():
    """The clients, and the position at which they began."""
    disks.serve()
    mount(disks.path("host"), f"{top}/host")
    host = Host(top, "host")
    medium.attach(disks.path("pool"), host)
    host.start()
    clients = [Client(host, disks, f"client{n}", random.Random(SEED + n), medium.syncs_directories)
               for n in range(CLIENTS)]
    began, start = disks.position(), time.monotonic()
    tap.in_threads([lambda c=client: c.work(ROUNDS) for client in clients], 600)
    tap.note(f"worked for {time.monotonic() - start:.1f} s")
    equal(host.stop(), 0, "exit status")
    medium.release(host, disks.path("pool"))
    unmount(f"{top}/host", disks.path("host"), disks.path("pool"))
    disks.end()
    for client in clients:
        client.host = client.disks = None  # of no use to whoever checks
    return clients, began


# --- the states --------------------------------------------------------------------------


class State:
    """Where the power goes, and what it takes."""

    def __init__(self, number, position, chance):
        self.number, self.position = number, position
        self.losses = [chance.choice([NOTHING, ALL, ALL] + [chance.randrange(1 << 32)] * 3)
                       for _ in disks.names]
        self.rebuilt = number % 5 == 4

    def __str__(self):
        return (f"state {self.number}: position {self.position}, lost on the host's disk {self.losses[0]}, "
                f"on the pool's {self.losses[1]}{', catalogue lost' if self.rebuilt else ''}")


def states(clients, began):
    """Half right at answers, of each kind as many; a quarter right before flushes; a quarter anywhere."""
    chance = random.Random(SEED)
    records = disks.records()
    flushes = [i for i, record in enumerate(records) if i >= began and record[0] == FLUSH]
    answers = [sum((client.answers()[kind] for client in clients), []) for kind in clients[0].answers()]
    found = []
    for number in range(medium.states):
        if number % 4 < 2:
            position = chance.choice(answers[number // 4 % len(answers)])
        elif number % 4 == 2:
            position = chance.choice(flushes)
        else:
            position = chance.randrange(began, len(records) + 1)
        found.append(State(number, position, chance))
    tap.note(f"{len(records)} records, {len(flushes)} flushes")
    return found


def make_state(state, host):
    """The host's disks after the cut; the pool has another path than it had."""
    pool = f"{host.root}.pool"
    disks.state("host", state.position, state.losses[0], f"{host.root}.disk")
    disks.state("pool", state.position, state.losses[1], pool)
    mount(f"{host.root}.disk", host.root)
    medium.attach(pool, host)
    cut.move_pool(host, medium.place(pool, host))
    if state.rebuilt:
        for path in glob.glob(f"{host.root}/lib/catalog.db*"):
            os.unlink(path)


def check_state(state, host, clients):
    host.start()
    if state.rebuilt:
        equal(host.get("/v1/health")["status"], "degraded", "health without a catalogue")
        host.post("/v1/pool/recover")
    health = host.get("/v1/health")
    equal(health["status"], "ok", f"health {health}")
    equal(medium.staging(host, f"{host.root}.pool"), [], "staging")
    chance = random.Random(state.number)
    for client in clients:
        Check(host, client, state.position, state.rebuilt, chance).run()
    # It works on.
    volume = clients[0].volume
    host.write(volume, "after", "the cut")
    taken = host.snapshot(volume, name="after-the-cut")
    host.write(volume, "after", "something else")
    host.rollback(volume, f"{volume}@{{{taken['id']}}}")
    equal(host.read(volume, "after"), "the cut", "the head after a rollback")
    equal(host.stop(), 0, "exit status")


def try_state(job):
    """In a process of its own, one of a few; what went wrong, and the seconds."""
    state, clients = job
    began = time.monotonic()
    host = Host(top, f"w{cut.worker()}")
    problem = None
    try:
        open(host.log, "w", encoding="utf-8").close()
        make_state(state, host)
        made = time.monotonic()
        check_state(state, host, clients)
    except Exception:
        made = time.monotonic()
        problem = f"{state}\n{traceback.format_exc()}\n{host.tail()}"
    finally:
        if host.daemon and not host.dead():
            host.kill()
        medium.release(host, f"{host.root}.pool")
        unmount(host.root, f"{host.root}.disk")
    return problem, made - began, time.monotonic() - made


# --- the test -------------------------------------------------------------------------------


@test
def nothing_acknowledged_is_lost_when_the_power_goes():
    tap.note(f"seed {SEED}: FLOCKER_SEED={SEED} repeats the clients' choices, not the kernel's")
    make_images()
    clients, began = work()
    done = {kind: sum(len(getattr(client, kind)) for client in clients)
            for kind in ("snapshots", "tags", "stashes", "branches", "volumes")}
    tap.note(f"the work: {done}")
    true(min(done.values()) > 0, f"something was never done: {done}")
    jobs = [(state, clients) for state in states(clients, began)]
    start = time.monotonic()
    results = cut.in_workers(top, try_state, jobs, medium.workers)
    problems = [problem for problem, _, _ in results if problem]
    made, checked = (sorted(result[i] for result in results) for i in (1, 2))
    tap.note(f"{medium.states} states in {time.monotonic() - start:.1f} s, {medium.workers} at once; one takes"
             f" {made[medium.states // 2]:.3f} s to make and {checked[medium.states // 2]:.3f} s to check (medians)")
    for problem in problems[:3]:
        tap.note(problem)
    true(not problems, f"{len(problems)} of {medium.states} states are wrong; the first above")


@test
def nothing_is_left_over():
    equal((cleanup.mounts_under(top), cleanup.loops_under(top)), (MOUNTS, []), "mounts, loop devices")


if __name__ == "__main__":
    tap.main()
