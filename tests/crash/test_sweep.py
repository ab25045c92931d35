#!/usr/bin/python3
"""Each verb, killed at each of its steps: before or after, never between.

The daemon counts the calls that change the pool and kills itself at the n-th,
before it (FLOCKER_CRASH_AT) or after it (FLOCKER_CRASH_AFTER).  Each verb is
done on a volume of its own for n = 1, 2, ... until it is through.  What is
there after the next start must be what was there before the verb or what is
there after an undisturbed one, told apart from names, ids and times only.

Over ZFS, where a step takes seconds, only some steps are taken, by chance, of as many verbs as
SECONDS allow; FLOCKER_SEED repeats a choice.  All are with FLOCKER_TEST_LONG; FLOCKER_SWEEP_PART=2/8 is the
second of eight parts of that.
"""

import json
import os
import random
import re
import time

import here

ZFS = os.environ.get("FLOCKER_TEST_DRIVER") == "zfs"
here.with_own_mounts()
import cleanup
import cut
import tap
from archives import archive, bring, fetch
from digest import digest
from flocker import LONG, Failure, Gone, Host, MIB
from tap import equal, test, tests_for, true

host, MOUNTS = (Host(), []) if ZFS else cut.host_in_memory()
host.start()
host.pool()
COUNTS = host.get("/v1/pool")["quota"]  # not every driver does

MODES = ("FLOCKER_CRASH_AT", "FLOCKER_CRASH_AFTER")
THROUGH = 3  # so many steps further after a verb was through: what goes on behind it
MOST = 80
SECONDS = 70  # for the steps of a sample
SAMPLED = ZFS and not LONG
SEED = int(os.environ.get("FLOCKER_SEED", time.time_ns() % 10**9))
chance = random.Random(SEED)
ARCHIVE = archive({"file": b"one" * 10000, "folder": b"two"})


# --- a volume to do things to ---------------------------------------------------


def fixed_times(top):
    """Makes the digests of two trees that were written alike equal."""
    for directory, _, files in os.walk(os.path.realpath(top), topdown=False):
        for name in files:
            os.utime(f"{directory}/{name}", ns=(10**18, 10**18))
        os.utime(directory, ns=(10**18, 10**18))


def write(ref, text):
    host.write(ref, "file", text)
    host.write(ref, f"folder/{text}", text)
    fixed_times(host.path(ref))


def prepared(name):
    """A volume with some of everything."""
    host.create(name, description="d", metadata={"k": "v"})
    write(name, "one")
    host.snapshot(name, name="first", message="m")
    write(name, "two")
    host.snapshot(name, name="second")
    host.tag(f"v1@{name}", target=f"{name}@{{first}}")
    host.branch(f"{name}/side", **{"from": f"{name}@{{second}}"})
    write(f"{name}/side", "aside")
    host.rollback(name, f"{name}@{{first}}")
    write(name, "three")


SOURCE = f"{host.directory}/source"  # of what is imported
os.makedirs(f"{SOURCE}/folder")
for place in ("file", "folder/file"):
    with open(f"{SOURCE}/{place}", "wb") as source:
        source.write(os.urandom(4 * MIB))


def import_directory(ref, **options):
    return host.call("POST", "/v1/imports", None, ref=ref, directory=SOURCE, **options)


def import_too_much(volume):
    """It is stopped at the quota, and all is as before."""
    try:
        import_directory(f"{volume}/new")
    except Failure as failure:
        equal(failure.code, "no-space", str(failure))


# --- the verbs ---------------------------------------------------------------------

VERBS = {
    "create": lambda v: host.create(f"{v}-new", description="x", metadata={"a": "b"}),
    "create from a snapshot": lambda v: host.create(f"{v}-new", **{"from": f"{v}@{{first}}"}),
    "create from live contents": lambda v: host.create(f"{v}-new", **{"from": v}),
    "snapshot": lambda v: host.snapshot(v, name="third", message="m"),
    "snapshot of two": lambda v: host.snapshot(v, f"{v}/side", name="third"),
    "branch from live contents": lambda v: host.branch(f"{v}/new"),
    "branch from a snapshot": lambda v: host.branch(f"{v}/new", **{"from": f"{v}@{{first}}"}),
    "branch from a stash": lambda v: host.branch(f"{v}/new", **{"from": f"stash/1@{v}"}),
    "tag a snapshot": lambda v: host.tag(f"v2@{v}", target=f"{v}@{{first}}"),
    "tag live contents": lambda v: host.tag(f"v2@{v}"),
    "untag": lambda v: host.delete("/v1/tag", ref=f"v1@{v}"),
    "rollback": lambda v: host.rollback(v, f"{v}@{{first}}"),
    "rollback to a tag": lambda v: host.rollback(f"{v}/side", f"v1@{v}"),
    "stash restore": lambda v: host.post("/v1/stash/restore", ref=f"stash/1@{v}"),
    "stash drop": lambda v: host.delete("/v1/stash", ref=f"stash/1@{v}"),
    "set": lambda v: host.patch("/v1/volume", v, metadata={"x": "y"}, unset=["k"], description="e"),
    "set a quota": lambda v: host.patch("/v1/volume", v, quota=64 * MIB),
    "set a policy": lambda v: host.patch("/v1/policy", v, policy={"max-count": "9", "keep": "3d"}),
    "thin": lambda v: host.post("/v1/thinning", ref=f"{v}/side"),
    "copy a directory": lambda v: import_directory(f"{v}/new"),
    "import too much": import_too_much,
    "rename a volume": lambda v: host.patch("/v1/volume", v, name=f"{v}-new"),
    "rename a branch": lambda v: host.patch("/v1/branch", f"{v}/side", name="new"),
    "mount a snapshot": lambda v: host.post("/v1/mounts", ref=f"{v}@{{first}}"),
    "unmount": lambda v: host.delete("/v1/mounts", ref=f"{v}/side"),
    "destroy a snapshot": lambda v: host.delete("/v1/snapshot", ref=f"{v}/side@{{mine}}"),
    "destroy a branch": lambda v: host.delete("/v1/branch", ref=f"{v}/side"),
    "destroy a volume": lambda v: host.delete("/v1/volume", ref=v),
    "trash restore a branch": lambda v: host.post("/v1/trash/restore", item=f"{v}/side"),
    "trash restore a volume": lambda v: host.post("/v1/trash/restore", item=v, **{"as": f"{v}-new"}),
    "trash empty": lambda v: host.post("/v1/trash/empty", item=f"{v}/side"),
    "import a volume": lambda v: bring(host, f"{v}-new", ARCHIVE, **({"quota": 64 * MIB} if COUNTS else {})),
    "import a branch": lambda v: bring(host, f"{v}/new", ARCHIVE),
    "export": lambda v: fetch(host, v),
}


def extra_snapshots(volume):
    host.snapshot(f"{volume}/side", name="mine")
    host.snapshot(f"{volume}/side", name="last")


def much_to_thin(volume):
    for _ in range(6):
        host.snapshot(f"{volume}/side")
    host.patch("/v1/policy", f"{volume}/side", policy={"keep-all": "0s", "max-count": "2"})


SETUPS = {
    "thin": much_to_thin,
    "destroy a snapshot": extra_snapshots,
    "copy a directory": lambda v: host.patch("/v1/volume", v, quota=64 * MIB),
    "import too much": lambda v: host.patch("/v1/volume", v, quota=4 * MIB),
    "trash restore a branch": lambda v: host.delete("/v1/branch", ref=f"{v}/side"),
    "trash restore a volume": lambda v: host.delete("/v1/volume", ref=v),
    "trash empty": lambda v: host.delete("/v1/branch", ref=f"{v}/side"),
}

# A snapshot that was complete in the pool when the daemon died is kept (DESIGN section 5), though
# nobody was told of it and why it was taken is not known any more.
ADOPTING = {"snapshot", "snapshot of two", "create from live contents", "branch from live contents",
            "tag live contents", "rollback", "rollback to a tag", "stash restore"}

# A head that is in its place is whole and kept too (src/engine/birth.c); its first snapshot comes
# right after it.
ADOPTED = {"import a volume", "import a branch", "copy a directory"}


# --- states ----------------------------------------------------------------------------


def state_of(volume):
    """All that there is of a volume and of what the verbs make beside it."""
    state = {"trash": [i for i in host.items("/v1/trash") if i["ref"].split("/")[0] == volume]}
    for name in (volume, f"{volume}-new"):
        try:
            state[name] = one_volume(name)
        except Failure as failure:
            equal(failure.code, "not-found", "code")
    return state


def one_volume(name):
    volume = host.get("/v1/volume", ref=name)
    branches = host.items("/v1/branches", ref=name)
    stashes = host.items("/v1/stashes", ref=name)
    return {
        "volume": volume, "branches": branches, "tags": host.items("/v1/tags", ref=name),
        "stashes": [{**s, "held": None} for s in stashes],
        "logs": [host.log_of(b["ref"]) for b in branches],
        "contents": [contents_at(b["path"]) for b in branches if b["mounted"]],
        "stashed": [contents_of(s["ref"]) for s in stashes],
        "links": sorted(os.listdir(f"{host.mnt}/{name}")) if os.path.isdir(f"{host.mnt}/{name}") else [],
    }


def contents_at(path):
    """A digest; of an empty tree, whose one time is that of its making, only that it is empty."""
    return digest(path) if os.listdir(path) else "empty"


def contents_of(ref):
    """Of a stash; its snapshot stays mounted if it was."""
    mounted = "mount" in host.get("/v1/snapshot", ref=ref)["pins"]
    path = host.post("/v1/mounts", ref=ref)["path"]
    found = digest(path)
    if not mounted:
        host.delete("/v1/mounts", ref=ref)
    return found


def normal(state, volume):
    """The same text for two states that differ in names, ids, times and usage only."""
    text = json.dumps(state, indent=1, sort_keys=True).replace(volume, "VOLUME")
    text = re.sub(r'"sequence": \d+', '"sequence": 0', text)
    text = re.sub(r'"allocated": \d+', '"allocated": 0', text)  # known when the file system committed
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", "TIME", text)
    text = re.sub(r"\d{8}T\d{6}\.\d{9}Z", "TIME", text)
    for pattern in (r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", r"\b[0-9a-f]{16}\b"):
        known = {}
        text = re.sub(pattern, lambda m: known.setdefault(m[0], f"<{len(known)}>"), text)
    return text


def without_adopted(state, reasons=("recovered",)):
    """A state without snapshots that were adopted, and without what they move."""
    if isinstance(state, dict):
        return {k: without_adopted(v, reasons) for k, v in state.items()
                if k not in ("tip", "snapshots", "pins", "parent")}
    if isinstance(state, list):
        return [without_adopted(v, reasons) for v in state
                if not (isinstance(v, dict) and v.get("reason") in reasons)]
    return state


def without_first(state):
    """Of an import: its contents, whether the first snapshot of them had come yet or not."""
    return without_adopted(state, ("recovered", "import"))


def without_reasons(text):
    return re.sub(r'"reason": "\w+"', '"reason": ""', text)


# --- the sweep ---------------------------------------------------------------------------

numbers = iter(range(1, 100_000))
seen_mounts = None


def fresh(verb):
    volume = f"v{next(numbers):05}"
    prepared(volume)
    SETUPS.get(verb, lambda v: None)(volume)
    return volume


class Wanted:
    """The states around an undisturbed verb, as texts: the same for each volume that it is done to."""

    def __init__(self, verb):
        volume = fresh(verb)
        before = state_of(volume)
        VERBS[verb](volume)
        host.restart()
        after = state_of(volume)
        if ZFS:
            removed(volume)
        self.before = normal(before, volume)
        self.before_but_adopted = normal(without_adopted(before), volume)
        self.after = normal(after, volume)
        self.after_but_first = normal(without_first(after), volume)


def check_surroundings():
    """The same mounts and one loop device, however often it was killed; of ZFS each head is a mount."""
    global seen_mounts
    if ZFS:
        mounts = cleanup.mounts_under(host.directory)
        equal(len(mounts), len(set(mounts)), "mounts upon mounts")
        return
    mounts = sorted(set(cleanup.mounts_under(host.directory)))
    seen_mounts = seen_mounts or mounts
    equal(mounts, seen_mounts, "mounts")
    equal(len(cleanup.mounts_under(host.directory)), len(mounts), "mounts upon mounts")
    # The kernel lets go of one that was used before a moment later.
    tap.wait_until(lambda: len(cleanup.loops_under(host.directory)) == 1, "there is one loop device")


def crash_once(verb, volume, mode, step):
    """Runs the verb in a daemon that will die; was it acknowledged?  None: it died at its start."""
    host.stop()
    host.spawn(**{mode: step})
    tap.wait_until(lambda: host.dead() or host.ready(), "flockerd answers or dies")
    if host.dead():
        equal(host.daemon.returncode, -9, "exit of a daemon that dies at its start")
        return None
    try:
        VERBS[verb](volume)
        return True
    except Gone:
        equal(host.daemon.wait(timeout=120), -9, "exit of the daemon")
        return False
    finally:
        host.kill()


def removed(volume):
    """Where a head is a mount, a start takes the longer the more there are."""
    for name in (volume, f"{volume}-new"):
        try:
            host.delete("/v1/volume", ref=name)
        except Failure as failure:
            equal(failure.code, "not-found", "code")
    for item in host.items("/v1/trash"):
        host.post("/v1/trash/empty", item=item["uuid"])


def one_step(verb, mode, step, wanted):
    volume = fresh(verb)
    acknowledged = judged(volume, verb, mode, step, wanted)
    if ZFS:
        removed(volume)
    return acknowledged


def judged(volume, verb, mode, step, wanted):
    acknowledged = crash_once(verb, volume, mode, step)
    host.start()
    equal(host.get("/v1/health")["status"], "ok", "health")
    check_surroundings()
    state = state_of(volume)
    now = normal(state, volume)
    before, after = wanted.before, wanted.after
    allowed = [after] if acknowledged else [before, after] if acknowledged is False else [before]
    if now in allowed:
        return acknowledged
    if verb in ADOPTING and not acknowledged:
        if normal(without_adopted(state), volume) == wanted.before_but_adopted:
            return acknowledged
        if without_reasons(now) == without_reasons(after):
            return acknowledged
    if verb in ADOPTED and not acknowledged and normal(without_first(state), volume) == wanted.after_but_first:
        return acknowledged
    where = f"{mode}={step}, " + {True: "acknowledged", False: "not acknowledged",
                                  None: "died at its start"}[acknowledged]
    raise AssertionError(f"{where}: it is neither before nor after\n-- against before:\n"
                         + differing_lines(before, now) + f"\n-- against after:\n{differing_lines(after, now)}")


def differing_lines(wanted, got):
    import difflib
    return "\n".join(list(difflib.unified_diff(wanted.split("\n"), got.split("\n"), "wanted", "got",
                                               lineterm="", n=2))[:80])


def dies_at_start(mode, step):
    """Killed at this step of its start, if that has so many, it starts the next time."""
    host.stop()
    host.spawn(**{mode: step})
    tap.wait_until(lambda: host.dead() or host.ready(), "flockerd answers or dies")
    died = host.dead()
    host.kill()
    host.start()
    check_surroundings()
    return died


first_step = {}  # mode -> the first step at which the daemon's start is through


@test
def the_start_itself():
    """Killed at each step of its start, it starts the next time, and nothing is different."""
    volume = fresh("set")
    here.await_releases(host)  # that is no step of the start, and would count
    before = normal(state_of(volume), volume)
    for mode in MODES:
        for step in range(1, MOST):
            died = dies_at_start(mode, step)
            equal(normal(state_of(volume), volume), before, f"state after {mode}={step}")
            if not died:
                first_step[mode] = step
                break
        true(mode in first_step, f"it did not start in {MOST} steps")
    if ZFS:
        removed(volume)


if not COUNTS:
    for quota_alone in ("set a quota", "import too much"):
        del VERBS[quota_alone]
    del SETUPS["copy a directory"]


def sample_one(verb):
    """One step of a verb; what is beyond its last is halved until one is met."""
    wanted = Wanted(verb)
    mode = chance.choice(MODES)
    first = first_step.get(mode, 1)
    step = first + chance.randrange(6)
    while (acknowledged := one_step(verb, mode, step, wanted)) and step > first:
        step = first + (step - first) // 2
    return f"{verb}: {mode}={step}{', not killed' if acknowledged else ''}"


def killed_at_some_steps():
    tap.note(f"FLOCKER_SEED={SEED}")
    verbs = list(VERBS)
    chance.shuffle(verbs)
    end = time.monotonic() + SECONDS
    while verbs and time.monotonic() < end:
        tap.note(sample_one(verbs.pop()))


def chosen_verbs():
    """All, or the part of them that is asked for."""
    part, of = (int(word) for word in os.environ.get("FLOCKER_SWEEP_PART", "1/1").split("/"))
    return [] if SAMPLED else list(VERBS)[part - 1::of]


if SAMPLED:
    test(killed_at_some_steps)


@tests_for(chosen_verbs())
def killed_at_each_step(verb):
    wanted = Wanted(verb)
    crashes = 0
    for mode in MODES:
        through = 0
        for step in range(first_step.get(mode, 1), MOST):
            acknowledged = one_step(verb, mode, step, wanted)
            crashes += acknowledged is False
            through += acknowledged is True
            if through == THROUGH:
                break
        true(through == THROUGH, f"{verb} was not through after {MOST} steps")
    if verb in NO_POOL_CALLS:
        return
    true(crashes > 0, "the daemon was never killed in the middle of it")


# What changes nothing in the pool has no step to be killed at.
NO_POOL_CALLS = {"mount a snapshot", "unmount"}


@test
def the_pool_holds_nothing_that_nobody_knows():
    for item in host.items("/v1/trash"):
        host.post("/v1/trash/empty", item=item["uuid"])
    heads = {b["uuid"] for b in host.items("/v1/branches")}
    host.restart()
    here.await_releases(host)
    host.stop()
    found = here.looked_into(host)
    equal(found["staging"], [], "staging")
    equal(found["retired"], [], "retired")
    equal(set(found["heads"]), heads, "heads")
    equal(cleanup.mounts_under(host.directory), MOUNTS, "mounts")
    equal(cleanup.loops_under(host.directory), [], "loop devices")


if __name__ == "__main__":
    tap.main()
