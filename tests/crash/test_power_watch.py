#!/usr/bin/python3
"""The power goes while branches are snapshotted by themselves: what was synced is held by a snapshot again, soon.

Writers sync each change (fsync, fdatasync, O_DSYNC, msync); snapshots come by themselves, and some turn out to
hold nothing new and are deleted.  Then the log of the disks (disk.py) is cut at many positions, most of them
where a writer has just been told that its change is on the disk: that one is in the file system's log of syncs
alone, which mounting replays, and which says of no tree that it was changed (docs/watching.md).  On each such state
a daemon is started, and

- the head holds all that was synced, as ever;
- every snapshot that anybody was shown is there, and holds what it held;
- the newest snapshot is the head, soon: the daemon has not taken it for unchanged, nor deleted
  the snapshot of it as one that holds nothing new;
- after a further change it is still there.
"""

import mmap
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
from digest import digest  # noqa: E402
from disk import ALL, FLUSH, NOTHING, Disks  # noqa: E402
from flocker import LONG, Failure, Host  # noqa: E402
from media import make_file_system, mount, unmount  # noqa: E402
from powercut import NEVER, Span, read_files, sha, write_durably  # noqa: E402
from tap import equal, test, true  # noqa: E402

STATES = 1000 if LONG else 32
SECONDS = 20 if LONG else 5  # of work
SOON = 20
FILES, SIZE, PIECE = 4, 16384, 512
SETTLES = ("0s", "1s")  # of each writer's branch
SEED = int(os.environ["FLOCKER_SEED"])

top, MOUNTS = cut.directory()
disks = Disks(top, "host", "pool")
medium = media.BtrfsInFile(disks)


# --- the work -----------------------------------------------------------------------------


class Writer:
    """One, alone in its volume; what it was told, and when."""

    def __init__(self, host, number):
        self.host, self.volume = host, f"volume{number}"
        self.random = random.Random(SEED + number)
        self.path = host.path(self.volume)
        self.files = read_files(self.path, os.listdir(self.path))
        self.heads = [(Span(), self.files)]
        self.shown = []  # (position, id, digest) of snapshots
        self.failure = None

    def pick(self):
        return f"{self.path}/f{self.random.randrange(FILES)}"

    def place(self):
        """Where a piece begins: it lies in one page, so it is there in whole or not at all."""
        return PIECE * self.random.randrange(SIZE // PIECE)

    def overwrite(self):
        path = self.pick()
        with open(path, "r+b", buffering=0) as file:
            os.pwrite(file.fileno(), self.random.randbytes(PIECE), self.place())
            self.random.choice((os.fsync, os.fdatasync))(file.fileno())
        return path

    def overwrite_synchronously(self):
        path = self.pick()
        descriptor = os.open(path, os.O_WRONLY | os.O_DSYNC)
        os.pwrite(descriptor, self.random.randbytes(PIECE), self.place())
        os.close(descriptor)
        return path

    def store(self):
        path, place = self.pick(), self.place()
        with open(path, "r+b") as file, mmap.mmap(file.fileno(), SIZE) as mapping:
            mapping[place:place + 8] = self.random.randbytes(8)
            mapping.flush()
        return path

    def replace(self):
        path = self.pick()
        write_durably(path, self.random.randbytes(SIZE), True)
        return path

    def change(self):
        """One change, synced; the version of the head that it makes."""
        way = self.random.choice((self.overwrite, self.overwrite, self.overwrite_synchronously, self.store,
                                  self.replace))
        span = Span(disks.position(), NEVER)
        path = way()
        span.end = disks.position()
        with open(path, "rb") as file:
            self.files = {**self.files, os.path.basename(path): sha(file.read())}
        self.heads.append((span, self.files))

    def look(self):
        """Is there a snapshot that it has not seen?"""
        newest = self.host.get("/v1/snapshots", ref=self.volume, limit=1)["items"][0]["id"]
        if self.shown and self.shown[-1][1] == newest:
            return
        position = disks.position()
        path = self.host.post("/v1/mounts", ref=ref_of(self.volume, newest))["path"]
        self.shown.append((position, newest, digest(path)))

    def work(self):
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            self.change()
            if self.random.random() < 0.1:
                self.look()
            if self.random.random() < 0.05:
                self.host.snapshot(self.volume)
            time.sleep(0.02 * self.random.random())  # a load, not a flood


def ref_of(volume, snapshot):
    return f"{volume}@{{{snapshot}}}"


def newest_is_head(host, volume):
    """By its id; None: not yet."""
    items = host.get("/v1/snapshots", ref=volume, limit=1)["items"]
    if not items:
        return None
    try:
        # Left mounted: to let go, the daemon would look for users of it, each time.
        path = host.post("/v1/mounts", ref=ref_of(volume, items[0]["id"]))["path"]
    except Failure:
        return None
    return items[0]["id"] if digest(path) == host.digest(volume) else None


def soon(host, volume, what):
    return tap.wait_until(lambda: newest_is_head(host, volume),
                          f"the newest snapshot of {volume} is its head: {what}", SOON)


def make_images():
    os.makedirs(f"{top}/images")
    os.makedirs(disks.point)
    image = disks.image("host")
    make_file_system(image, "64M", "ext4")
    mount(image, f"{top}/host")
    host = Host(top, "host", watches=True)
    host.start()
    medium.create(host)
    for key, value in (("duty", "100%"), ("min-interval", "0s"), ("max-lag", "2s"), ("keep-all", "1d")):
        host.run("config", "set", f"policy.{key}", value)
    for number, settle in enumerate(SETTLES):
        volume = f"volume{number}"
        host.create(volume)
        host.run("policy", "set", volume, f"settle={settle}")
        for name in range(FILES):
            with open(f"{host.path(volume)}/f{name}", "wb") as file:
                file.write(bytes(SIZE))
        soon(host, volume, "at the beginning")
    equal(host.stop(), 0, "exit status")
    medium.release(host, disks.image("pool"))
    unmount(f"{top}/host", image, disks.path("pool"))
    medium.created()


def work():
    disks.serve()
    mount(disks.path("host"), f"{top}/host")
    host = Host(top, "host", watches=True)
    host.start()
    writers = [Writer(host, number) for number in range(len(SETTLES))]
    began = disks.position()
    tap.in_threads([lambda w=writer: w.work() for writer in writers], 600)
    for writer in writers:
        writer.look()
    equal(host.stop(), 0, "exit status")
    medium.release(host, disks.path("pool"))
    unmount(f"{top}/host", disks.path("host"), disks.path("pool"))
    disks.end()
    for writer in writers:
        writer.host = None  # of no use to whoever checks
    return writers, began


# --- the states -----------------------------------------------------------------------------


class State:
    def __init__(self, number, position, chance):
        self.number, self.position = number, position
        self.losses = [chance.choice([NOTHING, ALL, ALL, chance.randrange(1 << 32)]) for _ in disks.names]

    def __str__(self):
        return f"state {self.number}: position {self.position}, lost on host and pool {self.losses}"


def states(writers, began):
    """Three of four where a change has just been synced; the others right before a flush, or anywhere."""
    chance, records = random.Random(SEED), disks.records()
    flushes = [i for i, record in enumerate(records) if i >= began and record[0] == FLUSH]
    for number in range(STATES):
        if number % 4 < 3:
            span, _ = chance.choice(writers[number % len(writers)].heads[1:])
            position = span.end
        else:
            position = chance.choice((chance.choice(flushes), chance.randrange(began, len(records) + 1)))
        yield State(number, position, chance)


def make_state(state, host):
    pool = f"{host.root}.pool"
    disks.state("host", state.position, state.losses[0], f"{host.root}.disk")
    disks.state("pool", state.position, state.losses[1], pool)
    mount(f"{host.root}.disk", host.root)
    cut.move_pool(host, pool)


def check_head(host, writer, position):
    last = max(i for i, (span, _) in enumerate(writer.heads) if span.told(position))
    allowed = [writer.heads[last][1]] + [files for span, files in writer.heads[last + 1:] if span.asked(position)]
    found = read_files(host.path(writer.volume), [f"f{name}" for name in range(FILES)])
    true(found in allowed, f"the head of {writer.volume} holds {found}, none of {allowed}")


def check_snapshots(host, writer, position):
    there = {item["id"] for item in host.items("/v1/snapshots", ref=writer.volume)}
    shown = [(name, seen) for when, name, seen in writer.shown if when <= position]
    for name, _ in shown:
        true(name in there, f"snapshot {name} of {writer.volume} was shown and is gone")
    for name, seen in shown[-2:]:
        path = host.post("/v1/mounts", ref=ref_of(writer.volume, name))["path"]
        equal(digest(path), seen, f"contents of {writer.volume}@{{{name}}}")


def check_state(state, host, writers):
    """How many heads were not what the newest snapshot before the cut holds."""
    host.start()
    behind = 0
    for writer in writers:
        check_head(host, writer, state.position)
        check_snapshots(host, writer, state.position)
    for writer in writers:
        behind += host.digest(writer.volume) not in {seen for when, _, seen in writer.shown if when <= state.position}
        held = soon(host, writer.volume, "after the cut")
        # What follows must not be taken for the reason why that one was there.
        host.write(writer.volume, "after", "the cut")
        soon(host, writer.volume, "after a further change")
        there = {item["id"] for item in host.items("/v1/snapshots", ref=writer.volume)}
        true(held in there, f"{held}, the only one that held what {writer.volume} was after the cut, is gone")
    equal(host.stop(), 0, "exit status")
    return behind


def try_state(job):
    """In a process of its own; what went wrong, and check_state()'s answer."""
    state, writers = job
    host = Host(top, f"w{cut.worker()}", watches=True)
    problem, behind = None, 0
    try:
        open(host.log, "w", encoding="utf-8").close()
        make_state(state, host)
        behind = check_state(state, host, writers)
    except Exception:
        problem = f"{state}\n{traceback.format_exc()}\n{host.tail()}"
    finally:
        if host.daemon and not host.dead():
            host.kill()
        medium.release(host, f"{host.root}.pool")
        unmount(host.root, f"{host.root}.disk")
    return problem, behind


# --- the test -------------------------------------------------------------------------------


@test
def what_was_synced_is_in_a_snapshot_soon_after_the_power_went():
    tap.note(f"seed {SEED}: FLOCKER_SEED={SEED} repeats the writers' choices, not the kernel's")
    make_images()
    writers, began = work()
    tap.note("the work: " + ", ".join(f"{len(writer.heads)} changes, {len(writer.shown)} snapshots seen"
                                      for writer in writers))
    start = time.monotonic()
    results = cut.in_workers(top, try_state, [(state, writers) for state in states(writers, began)], medium.workers)
    problems = [problem for problem, _ in results if problem]
    behind = sum(behind for _, behind in results)
    tap.note(f"{STATES} states in {time.monotonic() - start:.1f} s; {behind} of {2 * STATES} heads were ahead of"
             " all snapshots that had been shown")
    for problem in problems[:3]:
        tap.note(problem)
    true(not problems, f"{len(problems)} of {STATES} states are wrong; the first above")
    true(behind > STATES // 4, "hardly any state had something to find: this tested nothing")


@test
def nothing_is_left_over():
    equal((cleanup.mounts_under(top), cleanup.loops_under(top)), (MOUNTS, []), "mounts, loop devices")


if __name__ == "__main__":
    tap.main()
