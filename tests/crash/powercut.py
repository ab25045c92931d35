"""Clients of a daemon whose disks log everything, and what must be there after a power cut.

Each client works alone on a volume of its own and notes for each thing that it did a span: the
positions of the log (disk.py) before it asked and after it was told.  A cut at position p then divides
all that was done: told before p, so it must be there; asked for only after p, so it can't be; and what was
under way, which may be there in whole or not at all.
"""

import hashlib
import os

import here  # noqa: F401 - makes the harness importable
from archives import archive, bring
from digest import digest
from flocker import Failure
from tap import equal, true

NAMES = 5     # files that are written again and again
LARGEST = 128 * 1024
NEVER = 1 << 62
LATEST = 2    # so many of the latest things of a kind are read in full, and one of the others


class Span:
    def __init__(self, begin=0, end=0):
        self.begin, self.end = begin, end

    def told(self, position):
        return self.end <= position

    def asked(self, position):
        return self.begin < position


UNDONE = Span(NEVER, NEVER)


class Thing:
    """Something that was made and perhaps destroyed; `seen`: how it can be told from others."""

    def __init__(self, ref, made, seen=None, files=None):
        self.ref, self.made, self.seen, self.files = ref, made, seen, files
        self.gone = UNDONE

    def must_be(self, position):
        return self.made.told(position) and not self.gone.asked(position)


def sha(data):
    return hashlib.sha256(data).hexdigest()


def read_files(path, names):
    found = {}
    for name in names:
        try:
            with open(f"{path}/{name}", "rb") as file:
                found[name] = sha(file.read())
        except FileNotFoundError:
            pass
    return found


def sync(path, touch=False):
    fd = os.open(path, os.O_RDONLY)
    if touch:
        os.utime(fd)
    os.fsync(fd)
    os.close(fd)


def write_durably(path, data, syncs_directories):
    """Replaced in one step; there after a power cut when this returns.

    Where fsync() of a directory does nothing, that of a file brings all along that came before its last change."""
    with open(f"{path}.new", "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.rename(f"{path}.new", path)
    if syncs_directories:
        sync(os.path.dirname(path))
    else:
        sync(path, touch=True)


class Client:
    """What one client does, and what it knows."""

    def __init__(self, host, disks, volume, chance, syncs_directories=True):
        self.host, self.disks, self.volume, self.random = host, disks, volume, chance
        self.syncs_directories = syncs_directories
        self.count = 0
        self.files = {}                 # name -> digest, of the head
        self.heads = [(Span(), {})]     # every version of them
        self.snapshots, self.tags, self.stashes, self.branches, self.volumes = [], [], [], [], []
        self.pinned = set()             # ids that something points at

    def doing(self, function):
        """Its result, and when it was done."""
        span = Span(self.disks.position(), NEVER)
        result = function()
        span.end = self.disks.position()
        return result, span

    def next(self, letter):
        self.count += 1
        return f"{letter}{self.count}"

    def answers(self):
        """By kind, the positions at which it was told that something is done."""
        kinds = {"written": [span.end for span, _ in self.heads if span.end], "destroyed": []}
        for kind in ("snapshots", "tags", "stashes", "branches", "volumes"):
            things = getattr(self, kind)
            kinds[kind] = [thing.made.end for thing in things]
            kinds["destroyed"] += [thing.gone.end for thing in things if thing.gone is not UNDONE]
        return kinds

    # --- what it does ----------------------------------------------------------------

    def write(self):
        name = f"f{self.random.randrange(NAMES)}"
        path = f"{self.host.path(self.volume)}/{name}"
        data = self.random.randbytes(self.random.randrange(1, LARGEST))
        self.files = {**self.files, name: sha(data)}
        _, span = self.doing(lambda: write_durably(path, data, self.syncs_directories))
        self.heads.append((span, self.files))

    def write_loosely(self):
        """Nobody syncs this one, but a snapshot has it."""
        with open(f"{self.host.path(self.volume)}/loose", "wb") as file:
            file.write(self.random.randbytes(self.random.randrange(1, LARGEST)))

    def present(self):
        """Writes something; what a snapshot of it must be."""
        self.write()
        self.write_loosely()
        return digest(self.host.path(self.volume))

    def snapshot(self, **options):
        seen = self.present()
        taken, span = self.doing(lambda: self.host.snapshot(self.volume, **options))
        self.snapshots.append(Thing(f"{self.volume}@{{{taken['id']}}}", span, seen, self.files))
        return self.snapshots[-1]

    def named(self):
        self.snapshot(name=self.next("n"), message="m")

    def tag(self):
        name, seen = self.next("t"), self.present()
        _, span = self.doing(lambda: self.host.tag(f"{name}@{self.volume}"))
        self.tags.append(Thing(f"{name}@{self.volume}", span, seen))

    def some(self, things):
        there = [thing for thing in things if thing.gone is UNDONE]
        return self.random.choice(there) if there else None

    def rollback(self):
        target = self.some(self.snapshots)
        if not target:
            return
        seen = self.present()
        done, span = self.doing(lambda: self.host.rollback(self.volume, target.ref))
        self.pinned.add(target.ref)
        self.stashes.append(Thing(f"stash/{done['stash']['number']}@{self.volume}", span, seen))
        self.files = target.files
        self.heads.append((span, self.files))

    def branch(self):
        name, source = self.next("b"), self.some(self.snapshots)
        if not source:
            return
        _, span = self.doing(lambda: self.host.branch(f"{self.volume}/{name}", **{"from": source.ref}))
        self.pinned.add(source.ref)
        self.branches.append(Thing(f"{self.volume}/{name}", span, None, source.files))

    def branch_live(self):
        name = self.next("l")
        self.write()
        _, span = self.doing(lambda: self.host.branch(f"{self.volume}/{name}"))
        self.branches.append(Thing(f"{self.volume}/{name}", span, None, self.files))

    def bring(self):
        ref, data = f"{self.volume}/{self.next('i')}", self.random.randbytes(20000)
        _, span = self.doing(lambda: bring(self.host, ref, archive({"file": data, "folder": data[:9]})))
        self.branches.append(Thing(ref, span, None, {"file": sha(data), "folder": sha(data[:9])}))

    def create(self):
        name = self.next(f"{self.volume}-v")
        _, span = self.doing(lambda: self.host.create(name, metadata={"k": name}))
        self.volumes.append(Thing(name, span, {"k": name}))

    def destroy(self, things, route):
        thing = self.some([t for t in things if t.ref not in self.pinned])
        if thing:
            _, thing.gone = self.doing(lambda: self.host.delete(route, ref=thing.ref))

    def destroy_branch(self):
        self.destroy(self.branches, "/v1/branch")

    def destroy_snapshot(self):
        try:
            self.destroy(self.snapshots, "/v1/snapshot")
        except Failure as failure:  # the one that the head stands on: not to be had
            equal(failure.code, "busy", str(failure))

    def drop_stash(self):
        self.destroy(self.stashes, "/v1/stash")

    def work(self, rounds):
        """All verbs in each round, in any order."""
        verbs = [self.snapshot] * 3 + [self.named, self.tag, self.rollback] * 2 + [
            self.write, self.branch, self.branch_live, self.bring, self.create, self.destroy_branch,
            self.destroy_snapshot, self.drop_stash]
        for _ in range(rounds):
            self.random.shuffle(verbs)
            for verb in verbs:
                verb()


# --- what must be there ----------------------------------------------------------------------


class Check:
    """One client's things, held against a host that started on what a cut at `position` left.

    `rebuilt`: the catalogue was lost too.  Then trees, their contents and the branches must
    be there; what only the catalogue knows is as old as the pool's last sync.
    """

    def __init__(self, host, client, position, rebuilt, chance):
        self.host, self.client, self.position = host, client, position
        self.rebuilt, self.random = rebuilt, chance

    def run(self):
        self.check_head()
        self.check_trees("snapshot", self.client.snapshots, self.absent)
        self.check_branches()
        if not self.rebuilt:
            volume = self.client.volume
            self.check_trees("tag", self.client.tags,
                             self.listed("tags", lambda tag: f"{tag['name']}@{volume}"))
            self.check_trees("stash", self.client.stashes,
                             self.listed("stashes", self.stash_ref))
            self.check_volumes()

    def absent(self, ref):
        """A snapshot; one that was rolled away from is in no list."""
        try:
            self.host.get("/v1/snapshot", ref=ref)
        except Failure as failure:
            equal(failure.code, "not-found", str(failure))
            return True
        return False

    def listed(self, noun, form):
        """Says of a reference whether it is missing in the list."""
        items = {form(item) for item in self.host.items(f"/v1/{noun}", ref=self.client.volume)}
        return lambda ref: ref not in items

    def check_trees(self, what, things, absent):
        there = [thing for thing in things if thing.must_be(self.position)]
        for thing in there:
            true(not absent(thing.ref), f"{what} {thing.ref} was acknowledged and is lost")
        chosen = there[-LATEST:]
        if there[:-LATEST]:
            chosen.append(self.random.choice(there[:-LATEST]))
        for thing in chosen:
            # Left mounted: to let go, the daemon would look for users of it, each time.
            path = self.host.post("/v1/mounts", ref=thing.ref)["path"]
            equal(digest(path), thing.seen, f"contents of {what} {thing.ref}")
        if self.rebuilt:
            return
        for thing in [thing for thing in things if thing.gone.told(self.position)]:
            true(absent(thing.ref), f"{what} {thing.ref} was destroyed and is back")

    def check_head(self):
        """The last version that was there for sure, or one that was on its way."""
        versions = self.client.heads
        last = max(i for i, (span, _) in enumerate(versions) if span.told(self.position))
        allowed = [versions[last]] + [version for version in versions[last + 1:]
                                      if version[0].asked(self.position)]
        path = self.host.path(self.client.volume)
        found = [span for span, files in allowed if read_files(path, files) == files]
        true(found, f"the head of {self.client.volume} has lost what was synced: it is none of the versions"
                    f" {[files for _, files in allowed]}, but holds {read_files(path, os.listdir(path))}")
        if not self.rebuilt:
            self.check_rollback_is_whole(found)

    def check_rollback_is_whole(self, found):
        """One that was under way: its stash and its head, or neither.  `found`: what the head may be."""
        missing = self.listed("stashes", self.stash_ref)
        for stash in self.client.stashes:
            if stash.made.asked(self.position) and not stash.made.told(self.position):
                undone = missing(stash.ref)
                # Where the old head holds all of the new one's files it may pass for both.
                true(any((span is stash.made) != undone for span in found),
                     f"{stash.ref} is {'not ' if undone else ''}there, and its head is the other one")

    def stash_ref(self, item):
        return f"stash/{item['number']}@{self.client.volume}"

    def check_branches(self):
        names = self.host.get("/v1/volume", ref=self.client.volume)["branches"]
        for thing in self.client.branches:
            name = thing.ref.split("/")[1]
            if thing.must_be(self.position):
                true(name in names, f"branch {thing.ref} was acknowledged and is lost")
                equal(read_files(self.host.path(thing.ref), thing.files), thing.files,
                      f"contents of branch {thing.ref}")
            elif thing.gone.told(self.position) and not self.rebuilt:
                true(name not in names, f"branch {thing.ref} was destroyed and is back")

    def check_volumes(self):
        for thing in [thing for thing in self.client.volumes if thing.must_be(self.position)]:
            shown = self.host.get("/v1/volume", ref=thing.ref)
            equal(shown["metadata"], thing.seen, f"metadata of {thing.ref}")
