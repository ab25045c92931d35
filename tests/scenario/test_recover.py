#!/usr/bin/python3
"""A catalogue that is lost or damaged is noticed, and rebuilt from the pool."""

import glob
import os
import random
import shutil
import time

import tap
from flocker import Failure, Host, MIB, recoverable, same
from tap import equal, test, tests_for, true

host = Host()
host.start()
host.pool()
catalog = f"{host.root}/lib/catalog.db"


def furnish():
    """Something of everything that a catalogue knows."""
    host.create("app", description="the application", mount_path="/srv/app", metadata={"team": "blue"})
    host.write("app", "a", "one")
    host.snapshot("app", name="one", message="the first", metadata={"ticket": "17"})
    host.snapshot("app")
    host.write("app", "a", "two")
    host.snapshot("app", name="two")
    host.tag("v1@app", target="app@{one}")
    host.branch("app/side", **{"from": "app@{one}"})
    host.write("app/side", "a", "side")
    host.snapshot("app/side", name="aside")
    host.branch("app/live")
    host.rollback("app", "app@{one}")
    host.write("app", "a", "three")
    host.snapshot("app", name="three")
    host.rollback("app", "app/side@{aside}")
    host.post("/v1/stash/restore", ref="stash/2@app")
    host.tag("live@app", target="app/side")
    host.create("copy", **{"from": "v1@app"})
    host.patch("/v1/volume", "copy", name="renamed")
    host.patch("/v1/volume", "renamed", metadata={"x": "y"})
    host.create("doomed")
    host.snapshot("doomed")
    host.snapshot("doomed", name="last")
    host.delete("/v1/snapshot", ref="doomed@{-1}")
    host.create("trashed", description="in the trash")
    host.snapshot("trashed", name="t")
    host.delete("/v1/volume", ref="trashed")
    host.delete("/v1/branch", ref="app/live")


furnish()
host.restart()
truth = host.state()


def lose(how):
    host.stop()
    how()
    host.start()
    health = host.get("/v1/health")
    equal(health["status"], "degraded", "health")
    true("pool recover" in health["hint"], f"hint: {health}")
    for arguments in (("list",), ("create", "x"), ("snapshot", "app")):
        host.fails("corrupt", *arguments, hint="flocker pool recover")


def recover():
    found = host.json("pool", "recover")
    equal((found["volumes"], found["tags"], found["stashes"]), (3, 2, 3), "what was found")
    true(found["backup_used"] and found["backup_complete"], f"the backup was used: {found}")
    now = host.state()
    wanted, got = recoverable(truth), recoverable(now)
    same(wanted, got, "not all came back")
    equal(host.get("/v1/health")["status"], "ok", "health")
    host.restart()
    equal(recoverable(host.state()), got, "the same after a restart")


def overwrite(offset, data):
    with open(catalog, "r+b") as file:
        file.seek(offset)
        file.write(data)


def delete():
    for path in glob.glob(f"{catalog}*"):
        if "lost" not in path:
            os.unlink(path)


LOSSES = {
    "deleted": delete,
    "emptied": lambda: os.truncate(catalog, 0),
    "cut in the middle": lambda: os.truncate(catalog, os.path.getsize(catalog) // 2),
    "cut within a page": lambda: os.truncate(catalog, os.path.getsize(catalog) - 1000),
    "its header overwritten": lambda: overwrite(0, b"\xff" * 100),
    "overwritten with noise": lambda: overwrite(4096, random.Random(1).randbytes(8192)),
    "replaced by a text": lambda: (delete(), open(catalog, "w", encoding="utf-8").write("hello" * 999)),
}


@tests_for(LOSSES)
def a_catalogue_is_rebuilt_after_it_was(how):
    lose(LOSSES[how])
    recover()


@test
def the_lost_catalogue_is_put_aside():
    before = set(glob.glob(f"{catalog}.lost-*"))
    lose(lambda: overwrite(4096, b"\xff" * 64))
    recover()
    equal(len(set(glob.glob(f"{catalog}.lost-*")) - before) > 0, True, "a copy was kept")


@test
def any_bit_flipped_is_detected():
    host.stop()
    shutil.copy(catalog, f"{catalog}.good")
    size = os.path.getsize(catalog)
    chance = random.Random(7)
    places = [0, 17, 60, 99, 100, 4095, 4096, size - 1] + [chance.randrange(size) for _ in range(32)]
    for place in places:
        shutil.copy(f"{catalog}.good", catalog)
        with open(catalog, "r+b") as file:
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes([byte ^ 1 << chance.randrange(8)]))
        host.start()
        # Either every verb says so, or what was hit is no content (SQLite's header counters).
        try:
            host.items("/v1/volumes")
            raise AssertionError(f"a bit flipped at {place} of {size} went unnoticed")
        except Failure as failure:
            true(failure.code in ("corrupt", "unsupported"), f"at {place}: {failure}")
        equal(host.stop(), 0, "exit status")
    shutil.move(f"{catalog}.good", catalog)
    host.start()
    true(host.state() == truth or recoverable(host.state()) == recoverable(truth), "the good one again")


@test
def damage_while_it_is_open_is_told_and_mended():
    host.restart()
    host.create("written")  # so that there is something in the log of writes
    with open(f"{catalog}-wal", "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        file.write(random.Random(11).randbytes(size))
    try:
        host.create("more")  # what is only read may be remembered
        raise AssertionError("damage went unnoticed")
    except Failure as failure:
        equal(failure.code, "corrupt", str(failure))
        true("flocker pool recover" in failure.hint, failure.hint)
    health = host.get("/v1/health")
    equal(health["status"], "degraded", f"health: {health}")
    true("flocker pool recover" in health["hint"] and "stop" not in health["hint"], health["hint"])
    host.json("pool", "recover")
    equal(host.get("/v1/health")["status"], "ok", "health")
    host.delete("/v1/volume", "written")
    host.post("/v1/trash/empty", item="written")
    equal(recoverable(host.state()), recoverable(truth), "state")

@test
def recover_with_a_catalogue_that_is_well_changes_nothing():
    before = recoverable(host.state())
    host.json("pool", "recover")
    equal(recoverable(host.state()), before, "state")


@test
def without_the_backup_the_tree_comes_back():
    other = Host()
    other.start()
    image = f"{other.directory}/image"
    with open(image, "wb") as file:
        file.truncate(300 * MIB)
    import subprocess
    subprocess.run(["mkfs.btrfs", "-q", image], check=True)
    mounted = f"{other.directory}/mounted"
    os.mkdir(mounted)
    subprocess.run(["mount", "-o", "loop", image, mounted], check=True)
    other.run("pool", "create", "--directory", mounted)
    other.create("app")
    for text in ("one", "two"):
        other.write("app", "a", text)
        other.snapshot("app")
    ids = [s["id"] for s in other.log_of("app")]
    other.rollback("app", f"app@{{{ids[1]}}}")
    log = [(s["id"], s["parent"]) for s in other.log_of("app")]
    other.stop()
    for path in glob.glob(f"{other.root}/lib/catalog.db*"):
        os.unlink(path)
    os.unlink(f"{mounted}/catalog.backup")
    other.start()
    found = other.json("pool", "recover")
    equal((found["backup_used"], found["volumes"], found["branches"], found["snapshots"]),
          (False, 1, 1, 3), "what was found")
    equal([(s["id"], s["parent"]) for s in other.log_of("app")], log, "log")
    equal(other.read("app", "a"), "one", "contents")
    other.remove()


@test
def ten_thousand_snapshots_come_back():
    other = Host()
    other.start()
    other.pool(size=2048 * MIB)
    other.create("big")
    refs = ["big"] + [other.branch(f"big/b{i:02}")["ref"] for i in range(49)]
    for _ in range(200):
        other.snapshot(*refs)
    total = sum(b["snapshots"] for b in other.items("/v1/branches"))
    log = [(s["id"], s["parent"], s["time"]) for s in other.log_of("big/b07", limit=1000)]
    other.kill()
    started = other.start()
    other.stop()
    for path in glob.glob(f"{other.root}/lib/catalog.db*"):
        os.unlink(path)
    other.start()
    began = time.monotonic()
    found = other.json("pool", "recover")
    tap.note(f"{total} snapshots recovered in {time.monotonic() - began:.2f} s;"
             f" ready after a kill in {started:.2f} s")
    equal((found["branches"], found["snapshots"]), (50, total), "what was found")
    equal([(s["id"], s["parent"], s["time"]) for s in other.log_of("big/b07", limit=1000)], log, "log")
    other.remove()


if __name__ == "__main__":
    tap.main()
