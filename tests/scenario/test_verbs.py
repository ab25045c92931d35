#!/usr/bin/python3
"""Each verb as a user types it; what it did is looked at in the real file system and by the API."""

import hashlib
import json
import os
import re
import stat
import subprocess
import time

import tap
from flocker import MIB, Host, host_with_pool
from tap import equal, test, true

host = host_with_pool()

ID = re.compile(r"^[0-9a-f]{16}$")
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$")
UUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


def plant(ref):
    """A small tree with everything that a file system can hold."""
    top = host.path(ref)
    os.makedirs(f"{top}/folder/inner", exist_ok=True)
    for name, text in (("a", "first"), ("folder/b", "second"), ("folder/inner/c", "x" * 100_000)):
        host.write(ref, name, text)
    os.link(f"{top}/a", f"{top}/folder/also-a")
    os.symlink("../nowhere", f"{top}/folder/link")
    os.mkfifo(f"{top}/pipe")
    os.chmod(f"{top}/folder/b", 0o4750)
    os.chown(f"{top}/folder/b", 1234, 4321)
    os.utime(f"{top}/folder/b", ns=(1_000_000_000_123_456_789, 1_000_000_001_987_654_321))
    os.setxattr(f"{top}/folder/b", "user.colour", b"blue")
    os.setxattr(f"{top}/folder", "user.empty", b"")
    with open(f"{top}/sparse", "wb") as file:
        file.truncate(8 * MIB)
        file.seek(5 * MIB)
        file.write(b"island")
    return top


def wreck(ref):
    top = host.path(ref)
    os.unlink(f"{top}/folder/inner/c")
    os.rmdir(f"{top}/folder/inner")
    host.write(ref, "a", "changed")
    host.write(ref, "new", "written later")
    os.chmod(f"{top}/folder/b", 0o600)
    os.removexattr(f"{top}/folder/b", "user.colour")
    os.rename(f"{top}/sparse", f"{top}/renamed")


# --- the pool ----------------------------------------------------------------


@test
def pool_show_says_where_how_big_and_how_well():
    pool = host.json("pool", "show")
    equal(pool["kind"], "file", "kind")
    equal(pool["driver"], "btrfs", "driver")
    equal(pool["path"], f"{host.directory}/pool.img", "path")
    equal(pool["size"], 512 * MIB, "size")
    equal(pool["health"], "ok", "health")
    equal((pool["read_only"], pool["sparse"], pool["compress"]), (False, False, False), "flags")
    true(0 < pool["used"] < pool["size"] and 0 < pool["free"] < pool["size"], f"space: {pool}")
    true(UUID.match(pool["uuid"]) and UUID.match(pool["instance"]), "uuids")
    true("pool.img" in host.run("pool", "show"), "the text names the file")


@test
def a_pool_file_is_reserved_on_disk():
    info = os.stat(f"{host.directory}/pool.img")
    true(info.st_blocks * 512 >= info.st_size, "the file has holes")
    equal(stat.S_IMODE(info.st_mode) & 0o077, 0, "others' rights on the pool's file")


@test
def a_sparse_pool_takes_no_space_yet():
    with Host() as other:
        path = f"{other.directory}/sparse.img"
        pool = other.json("pool", "create", "--file", path, "--size", "2G", "--sparse", "--compress")
        equal((pool["sparse"], pool["compress"], pool["size"]), (True, True, 2048 * MIB), "pool")
        true(os.stat(path).st_blocks * 512 < 256 * MIB, "it took its space")
        other.run("create", "data")
        before = other.json("pool", "show")["used"]
        with open(f"{other.path('data')}/same", "wb") as file:
            file.write(b"flocker " * 4 * MIB)
            os.fsync(file.fileno())
        other.run("snapshot", "data")
        grown = other.json("pool", "show")["used"] - before
        true(grown < 8 * MIB, f"32 MiB of the same take {grown} bytes under --compress")


@test
def pool_grow_makes_room():
    with Host() as other:
        other.run("pool", "create", "--file", f"{other.directory}/p", "--size", "256M")
        other.run("create", "data")
        before = other.json("pool", "show")
        grown = other.json("pool", "grow", "512M")
        equal(grown["size"], 512 * MIB, "size")
        true(grown["free"] >= before["free"] + 200 * MIB, f"free: {before} -> {grown}")
        with open(f"{other.path('data')}/big", "wb") as file:
            for _ in range(300):
                file.write(os.urandom(MIB))
            os.fsync(file.fileno())
        other.restart()
        equal(other.get("/v1/pool")["size"], 512 * MIB, "size after a restart")
        other.fails("invalid", "pool", "grow", "100M")


def loop_device(other, size):
    path = f"{other.directory}/disk"
    with open(path, "wb") as file:
        file.truncate(size)
    done = subprocess.run(["losetup", "--show", "-f", path], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@test
def a_device_can_be_a_pool():
    with Host() as other:
        device = loop_device(other, 300 * MIB)
        pool = other.json("pool", "create", "--device", device)
        equal((pool["kind"], pool["path"]), ("device", device), "pool")
        other.run("create", "data")
        other.write("data", "a", "on a device")
        other.run("snapshot", "data", "--name", "one")
        other.restart()
        equal(other.read("data", "a"), "on a device", "contents after a restart")
        os.truncate(f"{other.directory}/disk", 400 * MIB)
        subprocess.run(["losetup", "-c", device], check=True)
        equal(other.json("pool", "grow")["size"], 400 * MIB, "grown to all that the device has")


@test
def a_device_that_holds_something_is_refused_without_force():
    with Host() as other:
        device = loop_device(other, 300 * MIB)
        subprocess.run(["mkfs.ext4", "-q", device], check=True)
        with open(device, "rb") as file:
            before = hashlib.sha256(file.read(MIB)).digest()
        other.fails("busy", "pool", "create", "--device", device, says="ext4", hint="--force")
        with open(device, "rb") as file:
            equal(hashlib.sha256(file.read(MIB)).digest(), before, "the device's first MiB")
        other.run("pool", "create", "--device", device, "--force")
        other.run("create", "data")


@test
def a_directory_on_btrfs_can_be_a_pool():
    with Host() as other:
        image, mounted = f"{other.directory}/image", f"{other.directory}/mounted"
        with open(image, "wb") as file:
            file.truncate(300 * MIB)
        subprocess.run(["mkfs.btrfs", "-q", image], check=True)
        os.mkdir(mounted)
        subprocess.run(["mount", "-o", "loop", image, mounted], check=True)
        os.mkdir(f"{mounted}/pool")
        pool = other.json("pool", "create", "--directory", f"{mounted}/pool")
        equal(pool["kind"], "directory", "kind")
        other.run("create", "data")
        other.write("data", "a", "in a directory")
        other.run("snapshot", "data", "--name", "one")
        other.write("data", "a", "later")
        other.restart()
        other.run("rollback", "data@{one}")
        equal(other.read("data", "a"), "in a directory", "contents")
        true(os.path.isfile(f"{mounted}/pool/flocker.json"), "the pool is in the directory")
        other.stop()


# --- volumes -------------------------------------------------------------------


@test
def create_makes_a_volume_with_an_empty_trunk():
    volume = host.json("create", "vol-a", "--description", "ein schöner Datenträger",
                       "--mount-path", "/var/lib/app", "--set", "team=blue", "--set", "env=prod")
    equal((volume["name"], volume["description"]), ("vol-a", "ein schöner Datenträger"), "volume")
    equal(volume["metadata"], {"team": "blue", "env": "prod"}, "metadata")
    equal((volume["mount_path"], volume["branches"]), ("/var/lib/app", ["trunk"]), "volume")
    equal((volume["origin"], volume["quota"], volume["epoch"]), (None, None, 1), "volume")
    true(UUID.match(volume["uuid"]) and TIME.match(volume["created"]), "uuid, created")
    equal(os.listdir(host.path("vol-a")), [], "trunk")
    info = os.stat(host.path("vol-a"))
    equal((stat.S_IMODE(info.st_mode), info.st_uid), (0o755, 0), "mode, owner")
    equal(host.get("/v1/volume", ref="vol-a"), volume, "what the API shows")
    equal(host.log_of("vol-a"), [], "log")


@test
def list_shows_volumes_in_order_and_in_pages():
    for name in ("list-c", "list-a", "list-b"):
        host.run("create", name)
    names = [v["name"] for v in host.json("list")]
    equal(names, sorted(names), "order")
    true({"list-a", "list-b", "list-c"} <= set(names), "all are there")
    page = host.get("/v1/volumes", limit=1)
    equal((len(page["items"]), page["next"]), (1, names[0]), "first page")
    equal([v["name"] for v in host.items("/v1/volumes", limit=2)], names, "all pages")
    text = host.run("list")
    true(all(name in text for name in names), "the text has all")


@test
def show_tells_of_volumes_branches_snapshots_tags_stashes():
    host.run("create", "shown")
    host.run("snapshot", "shown", "--name", "s")
    host.run("tag", "t@shown", "shown@{s}")
    host.run("rollback", "shown@{s}")
    equal(host.json("show", "shown")["name"], "shown", "volume")
    equal(host.json("show", "shown/trunk")["ref"], "shown/trunk", "branch")
    snapshot = host.json("show", "shown@{s}")
    equal(snapshot["name"], "s", "snapshot")
    equal(host.json("show", "t@shown")["snapshot"], snapshot["id"], "tag")
    equal(host.json("stash", "show", "stash/1@shown")["number"], 1, "stash")
    for ref in ("shown", "shown/trunk", "shown@{s}", "t@shown", "stash/1@shown"):
        true(host.run("show", ref).strip(), f"show {ref} prints something")


@test
def rename_a_volume_moves_its_path_and_keeps_all_else():
    host.run("create", "old-name")
    plant("old-name")
    host.run("snapshot", "old-name", "--name", "s")
    host.run("branch", "old-name/side")
    before = host.digest("old-name")
    uuid = host.get("/v1/volume", ref="old-name")["uuid"]
    host.run("rename", "old-name", "new-name")
    equal(host.get("/v1/volume", ref="new-name")["uuid"], uuid, "uuid")
    equal(host.digest("new-name"), before, "contents")
    true(os.path.isdir(host.path("new-name/side")), "its branches moved, too")
    true(not os.path.lexists(f"{host.mnt}/old-name"), "the old path is gone")
    host.fails("not-found", "show", "old-name", says="old-name")
    host.run("create", "old-name")
    equal(len(host.log_of("old-name")), 0, "a new volume of the old name is empty")
    host.restart()
    equal(host.digest("new-name"), before, "contents after a restart")


@test
def rename_a_branch_and_a_tag():
    host.run("create", "ren")
    host.write("ren", "a", "x")
    host.run("branch", "ren/before")
    host.run("tag", "t1@ren")
    host.run("rename", "ren/before", "after")
    equal(host.read("ren/after", "a"), "x", "contents")
    true(not os.path.lexists(host.path("ren/before")), "the old path is gone")
    equal(host.get("/v1/volume", ref="ren")["branches"], ["trunk", "after"], "branches")
    host.run("rename", "t1@ren", "t2")
    equal([t["name"] for t in host.json("tags", "ren")], ["t2"], "tags")


@test
def set_and_unset():
    host.run("create", "settings", "--set", "a=1")
    host.run("set", "settings", "b=two words", "a=9", "--description", "told", "--mount-path", "/srv")
    volume = host.get("/v1/volume", ref="settings")
    equal((volume["metadata"], volume["description"], volume["mount_path"]),
          ({"a": "9", "b": "two words"}, "told", "/srv"), "volume")
    host.run("unset", "settings", "a")
    equal(host.get("/v1/volume", ref="settings")["metadata"], {"b": "two words"}, "metadata")
    host.run("unset", "settings", "--description", "--mount-path")
    volume = host.get("/v1/volume", ref="settings")
    true(not volume["description"] and volume["mount_path"] is None, f"removed: {volume}")
    host.run("snapshot", "settings", "--name", "s")
    host.run("set", "settings@{s}", "k=v", "-m", "afterwards")
    snapshot = host.get("/v1/snapshot", ref="settings@{s}")
    equal((snapshot["metadata"], snapshot["message"]), ({"k": "v"}, "afterwards"), "snapshot")
    host.restart()
    equal(host.get("/v1/snapshot", ref="settings@{s}"), snapshot, "the snapshot after a restart")


@test
def create_from_a_snapshot_of_another_volume_shares_its_blocks():
    host.run("create", "source")
    with open(f"{host.path('source')}/big", "wb") as file:
        file.write(os.urandom(40 * MIB))
    snapshot = host.json("snapshot", "source", "--name", "s")[0]
    host.write("source", "later", "not in it")
    used = host.get("/v1/pool")["used"]
    volume = host.json("create", "copy", "--from", "source@{s}")
    equal(volume["origin"]["snapshot"], snapshot["id"], "origin")
    true(volume["origin"]["ref"].startswith("source"), "origin's name")
    equal(host.digest("copy"), host.digest_at("source@{s}"), "contents")
    grown = host.get("/v1/pool")["used"] - used
    true(grown < 8 * MIB, f"it took {grown} bytes")
    host.write("copy", "own", "mine")
    true(not os.path.exists(f"{host.path('source')}/own"), "writes in the copy stay there")
    for name, ref in (("copy-tag", "t@source"), ("copy-live", "source")):
        if ref == "t@source":
            host.run("tag", ref, "source@{s}")
        host.run("create", name, "--from", ref)
    equal(host.read("copy-live", "later"), "not in it", "a copy of the live contents")
    true(not os.path.exists(f"{host.path('copy-tag')}/later"), "a copy of the tag")


# --- snapshots -------------------------------------------------------------------


@test
def a_snapshot_holds_what_was_written_and_nothing_later():
    host.run("create", "snap")
    plant("snap")
    before = host.digest("snap")
    snapshot = host.json("snapshot", "snap", "--name", "good", "-m", "before the change",
                         "--set", "by=test")[0]
    true(ID.match(snapshot["id"]) and TIME.match(snapshot["time"]), "id, time")
    equal(snapshot["ref"], f"snap/trunk@{{{snapshot['id']}}}", "ref")
    equal((snapshot["name"], snapshot["message"], snapshot["metadata"]),
          ("good", "before the change", {"by": "test"}), "what the user said")
    equal((snapshot["sequence"], snapshot["parent"], snapshot["reason"]), (1, None, "user"), "place")
    equal(snapshot["pins"], ["tip"], "pins")
    wreck("snap")
    true(host.digest("snap") != before, "the live tree changed")
    equal(host.digest_at("snap@{good}"), before, "digest of the snapshot")
    host.restart()
    equal(host.digest_at("snap@{good}"), before, "digest of the snapshot after a restart")


@test
def the_id_is_the_digest_of_the_storage_name():
    host.run("create", "ids")
    snapshot = host.json("snapshot", "ids")[0]
    instance = host.get("/v1/version")["instance"]["uuid"]
    moment = snapshot["time"].replace("-", "").replace(":", "")
    name = f"{instance}.{moment}"
    equal(snapshot["id"], hashlib.sha256(name.encode()).hexdigest()[:16], f"id of {name}")


@test
def snapshots_are_ordered_and_linked():
    host.run("create", "chain")
    taken = [host.json("snapshot", "chain")[0] for _ in range(5)]
    log = host.json("log", "chain")
    equal([s["id"] for s in log], [s["id"] for s in reversed(taken)], "newest first")
    equal([s["parent"] for s in log], [s["id"] for s in log[1:]] + [None], "parents")
    equal([s["sequence"] for s in log], [5, 4, 3, 2, 1], "sequence")
    true(all(a["time"] > b["time"] for a, b in zip(log, log[1:])), "times grow")
    equal([s["id"] for s in host.items("/v1/snapshots", ref="chain", limit=2)],
          [s["id"] for s in log], "the same in pages")


@test
def several_at_once_all_or_none():
    for name in ("multi-a", "multi-b"):
        host.run("create", name)
        host.write(name, "a", name)
    host.run("branch", "multi-a/side")
    taken = host.json("snapshot", "multi-a", "multi-b", "multi-a/side", "--name", "together")
    equal([(s["volume"], s["branch"], s["name"]) for s in taken],
          [("multi-a", "trunk", "together"), ("multi-b", "trunk", "together"),
           ("multi-a", "side", "together")], "one of each, in order")
    before = host.state()
    host.fails("not-found", "snapshot", "multi-a", "multi-none", says="multi-none")
    host.fails("exists", "snapshot", "multi-b", "multi-a", "--name", "together", says="together")
    equal(host.state(), before, "state after two that failed")


@test
def points_find_snapshots():
    host.run("create", "points")
    ids = [host.json("snapshot", "points", *(["--name", "second"] if i == 1 else []))[0]["id"]
           for i in range(3)]
    log = host.log_of("points")

    def show(point):
        return host.json("show", f"points@{{{point}}}")["id"]

    equal(show("latest"), ids[2], "latest")
    equal((show("-1"), show("-2")), (ids[1], ids[0]), "-1, -2")
    equal(show("second"), ids[1], "by name")
    equal((show(ids[0]), show(ids[0][:10])), (ids[0], ids[0]), "by id and by its beginning")
    equal(show(log[1]["time"]), ids[1], "by its own time")
    equal((show("0s"), show("0s ago")), (ids[2], ids[2]), "now")
    equal(show(time.strftime("%Y-%m-%d", time.gmtime())), ids[2], "today, which is its end")
    host.fails("not-found", "show", "points@{1d}", says=ids[0][:8])
    host.fails("not-found", "show", "points@{2020-01-01}", says=ids[0][:8])
    host.fails("not-found", "show", "points@{2099-01-01}", says=ids[2][:8])
    host.fails("not-found", "show", "points@{-3}", says="points")


@test
def the_instance_in_a_reference():
    host.run("create", "whose")
    name = host.get("/v1/version")["instance"]["name"]
    equal(host.json("show", f"{name}/whose/trunk")["ref"], "whose/trunk", "its own name")
    host.fails("not-found", "show", "nobody/whose/trunk", says="nobody")


@test
def destroy_a_snapshot_joins_its_neighbours():
    host.run("create", "cut")
    ids = []
    for number in range(4):
        host.write("cut", "a", str(number))
        ids.append(host.json("snapshot", "cut", "--name", f"n{number}")[0]["id"])
    host.run("destroy", "cut@{n1}")
    log = host.log_of("cut")
    equal([s["id"] for s in log], [ids[3], ids[2], ids[0]], "log")
    equal([s["parent"] for s in log], [ids[2], ids[0], None], "parents")
    host.fails("not-found", "show", f"cut@{{{ids[1]}}}")
    host.restart()
    equal([s["id"] for s in host.log_of("cut")], [ids[3], ids[2], ids[0]], "log after a restart")
    host.run("rollback", "cut@{n0}")
    equal(host.read("cut", "a"), "0", "contents")


# --- branches ----------------------------------------------------------------------


@test
def a_branch_begins_from_the_live_contents():
    host.run("create", "tree")
    plant("tree")
    host.run("snapshot", "tree", "--name", "old")
    wreck("tree")
    live = host.digest("tree")
    branch = host.json("branch", "tree/test")
    equal((branch["ref"], branch["volume"], branch["name"]), ("tree/test", "tree", "test"), "branch")
    equal((branch["local"], branch["mounted"], branch["policy"]), (True, True, {}), "branch")
    equal(branch["path"], host.path("tree/test"), "path")
    equal(host.digest("tree/test"), live, "contents")
    hidden = host.get("/v1/snapshot", ref=f"tree@{{{branch['tip']}}}")
    equal((hidden["reason"], hidden["branch"]), ("branch", "trunk"), "the hidden snapshot")
    host.write("tree/test", "only-here", "x")
    true(not os.path.exists(f"{host.path('tree')}/only-here"), "trunk has not changed")
    host.write("tree", "only-trunk", "x")
    true(not os.path.exists(f"{host.path('tree/test')}/only-trunk"), "the branch has not changed")


@test
def a_branch_from_a_snapshot_a_tag_another_branch_a_stash():
    host.run("create", "from")
    host.write("from", "a", "one")
    host.run("snapshot", "from", "--name", "one")
    host.run("tag", "v1@from", "from@{one}")
    host.write("from", "a", "two")
    host.run("branch", "from/b1", "--from", "from@{one}")
    host.run("branch", "from/b2", "--from", "v1@from")
    host.write("from/b1", "a", "three")
    host.run("branch", "from/b3", "--from", "from/b1")
    host.run("rollback", "from@{one}")
    host.run("branch", "from/b4", "--from", "stash/1@from")
    equal([host.read(f"from/b{i}", "a") for i in (1, 2, 3, 4)], ["three", "one", "three", "two"],
          "contents")
    host.restart()
    equal([host.read(f"from/b{i}", "a") for i in (1, 2, 3, 4)], ["three", "one", "three", "two"],
          "contents after a restart")


@test
def the_log_of_a_branch_goes_on_before_its_beginning():
    host.run("create", "past")
    first = host.json("snapshot", "past", "--name", "first")[0]["id"]
    host.run("branch", "past/side", "--from", "past@{first}")
    host.run("snapshot", "past", "--name", "on-trunk")
    second = host.json("snapshot", "past/side", "--name", "on-side")[0]
    log = host.log_of("past/side")
    equal([s["id"] for s in log], [second["id"], first], "log")
    equal([s["began"] for s in log], [False, True], "where it began")
    equal(log[0]["parent"], first, "parent of the first")
    equal([b["ref"] for b in host.json("branches", "past")], ["past/trunk", "past/side"],
          "branches")


@test
def a_hundred_branches_take_no_space():
    host.run("create", "many")
    with open(f"{host.path('many')}/big", "wb") as file:
        file.write(os.urandom(20 * MIB))
    host.run("snapshot", "many", "--name", "s")
    used = host.get("/v1/pool")["used"]
    for number in range(100):
        host.branch(f"many/b{number}", **{"from": "many@{s}"})
    equal(len(host.items("/v1/branches", ref="many")), 101, "branches")
    grown = host.get("/v1/pool")["used"] - used
    true(grown < 20 * MIB, f"they take {grown} bytes")
    host.run("destroy", "many")


# --- tags -----------------------------------------------------------------------------


@test
def tags_point_and_pin():
    host.run("create", "tagged")
    host.write("tagged", "a", "one")
    snapshot = host.json("snapshot", "tagged", "--name", "s")[0]
    tag = host.json("tag", "v1@tagged", "tagged@{s}")
    equal((tag["name"], tag["volume"], tag["snapshot"], tag["ref"]),
          ("v1", "tagged", snapshot["id"], "v1@tagged"), "tag")
    host.write("tagged", "a", "two")
    live = host.json("tag", "v2@tagged")
    shown = host.get("/v1/snapshot", ref="v2@tagged")
    equal((shown["id"], shown["reason"], shown["tags"]), (live["snapshot"], "tag", ["v2"]), "live")
    equal(sorted(t["name"] for t in host.json("tags", "tagged")), ["v1", "v2"], "tags")
    true("tag" in host.get("/v1/snapshot", ref="v1@tagged")["pins"], "the tag pins")
    host.fails("busy", "destroy", "tagged@{s}", says="v1")
    host.run("untag", "v1@tagged")
    host.fails("not-found", "show", "v1@tagged", says="v1")
    host.run("destroy", "tagged@{s}")
    equal([t["name"] for t in host.json("tags", "tagged")], ["v2"], "tags")


# --- rollback and stash ---------------------------------------------------------------------


@test
def rollback_brings_every_byte_and_attribute_back_and_stashes_the_rest():
    host.run("create", "undo")
    plant("undo")
    before = host.digest("undo")
    good = host.json("snapshot", "undo", "--name", "good")[0]["id"]
    wreck("undo")
    broken = host.digest("undo")
    done = host.json("rollback", "undo@{good}")
    equal(host.digest("undo"), before, "the head")
    stash = done["stash"]
    equal((stash["number"], stash["ref"], stash["branch"]), (1, "stash/1@undo", "trunk"), "stash")
    equal((stash["target"], done["branch"]["tip"]), (good, good), "where it stands")
    equal(host.digest_at("stash/1@undo"), broken, "what was replaced")
    tip = host.get("/v1/snapshot", ref="stash/1@undo")
    equal((tip["id"], tip["reason"], tip["parent"]), (stash["snapshot"], "rollback", good), "its tip")
    true("stash" in tip["pins"], "the stash pins its tip")
    equal([s["id"] for s in host.log_of("undo")], [good], "log")
    host.restart()
    equal((host.digest("undo"), host.digest_at("stash/1@undo")), (before, broken),
          "head and stash after a restart")


@test
def what_is_taken_after_a_rollback_has_the_target_as_parent():
    host.run("create", "line")
    first = host.json("snapshot", "line", "--name", "first")[0]["id"]
    host.run("snapshot", "line", "--name", "second")
    host.run("rollback", "line@{first}")
    third = host.json("snapshot", "line", "--name", "third")[0]
    equal(third["parent"], first, "parent")
    equal([s["name"] for s in host.log_of("line")], ["third", "first"], "log")
    host.restart()
    equal([s["name"] for s in host.log_of("line")], ["third", "first"], "log after a restart")
    # The line that was left is still there for whoever knows it.
    host.run("rollback", "line@{second}")
    equal([s["name"] for s in host.log_of("line")], ["second", "first"], "log of the old line")


@test
def rollback_to_another_branchs_snapshot_a_tag_and_a_stash():
    host.run("create", "switch")
    host.write("switch", "a", "trunk")
    host.run("branch", "switch/side")
    host.write("switch/side", "a", "side")
    host.run("tag", "s@switch", "switch/side")
    host.run("rollback", "switch", "--to", "s@switch")
    equal(host.read("switch", "a"), "side", "from a tag of another branch")
    host.run("rollback", "switch", "--to", "stash/1@switch")
    equal(host.read("switch", "a"), "trunk", "from the stash")
    host.run("rollback", "switch/trunk", "--to", "switch/side@{latest}")
    equal(host.read("switch", "a"), "side", "from another branch's latest")
    equal([s["number"] for s in host.json("stash", "list", "switch")], [3, 2, 1], "stashes")


@test
def stash_restore_and_drop():
    host.run("create", "shelf")
    host.write("shelf", "a", "one")
    host.run("snapshot", "shelf", "--name", "one")
    host.write("shelf", "a", "two")
    host.run("rollback", "shelf@{one}")
    host.write("shelf", "a", "three")
    done = host.json("stash", "restore", "stash/1@shelf")
    equal(host.read("shelf", "a"), "two", "restored")
    equal(done["stash"]["number"], 2, "the present head was stashed in turn")
    host.run("branch", "shelf/third", "--from", "stash/2@shelf")
    equal(host.read("shelf/third", "a"), "three", "a stash as a branch")
    equal([s["number"] for s in host.json("stash", "list", "shelf")], [2, 1], "it stays until dropped")
    host.run("stash", "drop", "stash/2@shelf")
    equal([s["number"] for s in host.json("stash", "list", "shelf")], [1], "dropped")
    host.run("rollback", "shelf@{one}")
    equal([s["number"] for s in host.json("stash", "list", "shelf")], [3, 1],
          "a number is never given twice")
    host.run("stash", "restore", "stash/1@shelf", "--as", "shelved")
    equal(host.read("shelf/shelved", "a"), "two", "restored as a branch")
    equal(host.read("shelf", "a"), "one", "the trunk is left as it was")


@test
def a_writer_during_a_rollback_loses_nothing():
    host.run("create", "open")
    host.write("open", "a", "one")
    host.run("snapshot", "open", "--name", "one")
    with open(f"{host.path('open')}/a", "a", encoding="utf-8") as file:
        file.write("-before")
        file.flush()
        done = host.json("rollback", "open@{one}")
        true(done["stash"]["held"], "the old head is held")
        pids = [h["pid"] for h in done["holders"]]
        true(os.getpid() in pids, f"this process is named among {done['holders']}")
        file.write("-after")
        file.flush()
        os.fsync(file.fileno())
        equal(host.read("open", "a"), "one", "the head")
    tap.wait_until(lambda: not host.get("/v1/stash", ref="stash/1@open")["held"],
                   "the old head is let go", 60)
    path = host.post("/v1/mounts", ref="stash/1@open")["path"]
    with open(f"{path}/a", encoding="utf-8") as file:
        equal(file.read(), "one-before-after", "what the stash holds")
    host.delete("/v1/mounts", "stash/1@open")


@test
def a_writer_that_outlives_the_daemon_loses_nothing():
    host.run("create", "outlive")
    host.write("outlive", "a", "one")
    host.run("snapshot", "outlive", "--name", "one")
    with open(f"{host.path('outlive')}/a", "a", encoding="utf-8") as file:
        host.run("rollback", "outlive@{one}")
        host.kill()
        file.write("-after")
        file.flush()
        host.start()
        file.write("-later")
    tap.wait_until(lambda: not host.get("/v1/stash", ref="stash/1@outlive")["held"],
                   "the old head is let go", 60)
    path = host.post("/v1/mounts", ref="stash/1@outlive")["path"]
    with open(f"{path}/a", encoding="utf-8") as file:
        equal(file.read(), "one-after-later", "what the stash holds")
    host.delete("/v1/mounts", "stash/1@outlive")


# --- mounts -----------------------------------------------------------------------------------


@test
def mount_and_unmount_a_branch():
    host.run("create", "mounted")
    host.write("mounted", "a", "x")
    host.run("unmount", "mounted")
    true(not os.path.exists(f"{host.path('mounted')}/a"), "it is not visible")
    branch = host.get("/v1/branch", ref="mounted/trunk")
    equal((branch["mounted"], branch["path"]), (False, None), "branch")
    host.run("unmount", "mounted")
    host.restart()
    equal(host.get("/v1/branch", ref="mounted/trunk")["mounted"], False, "it stays unmounted")
    equal(host.json("mount", "mounted")["path"], host.path("mounted"), "path")
    host.run("mount", "mounted")
    equal(host.read("mounted", "a"), "x", "contents")


@test
def unmount_is_refused_while_somebody_uses_it():
    host.run("create", "used")
    with open(f"{host.path('used')}/a", "w", encoding="utf-8"):
        host.fails("busy", "unmount", "used", says=str(os.getpid()))
        host.fails("busy", "destroy", "used", says=str(os.getpid()))
    sleeper = subprocess.Popen(["sleep", "1000"], cwd=host.path("used"))
    try:
        host.fails("busy", "unmount", "used", says=str(sleeper.pid))
    finally:
        sleeper.kill()
        sleeper.wait()
    host.run("unmount", "used")


@test
def snapshots_are_mounted_read_only():
    host.run("create", "look")
    plant("look")
    snapshot = host.json("snapshot", "look", "--name", "s")[0]
    path = host.json("mount", "look@{s}")["path"]
    equal(path, f"{host.mnt}/.at/look/{snapshot['id']}", "path")
    for attempt in (lambda: open(f"{path}/new", "w", encoding="utf-8"),
                    lambda: open(f"{path}/a", "a", encoding="utf-8"),
                    lambda: os.chmod(f"{path}/a", 0o777), lambda: os.unlink(f"{path}/a")):
        try:
            attempt()
            raise AssertionError("a snapshot was written to")
        except OSError:
            pass
    true("mount" in host.get("/v1/snapshot", ref="look@{s}")["pins"], "it is pinned")
    host.run("unmount", "look@{s}")
    true(not os.path.exists(path), "it is gone")


@test
def heads_are_mounted_without_devices_and_set_uid():
    host.run("create", "safe")
    real = os.path.realpath(host.path("safe"))
    flags = os.statvfs(real).f_flag
    true(flags & os.ST_NOSUID and flags & os.ST_NODEV and flags & os.ST_NOATIME, f"flags {flags:x}")


# --- destroy and trash --------------------------------------------------------------------------


@test
def a_destroyed_volume_waits_in_the_trash_and_comes_back_whole():
    host.run("create", "gone", "--description", "d", "--set", "k=v")
    plant("gone")
    host.run("snapshot", "gone", "--name", "s")
    wreck("gone")
    host.run("tag", "t@gone")
    host.run("branch", "gone/side")
    host.run("rollback", "gone@{s}")
    host.run("snapshot", "gone", "--name", "last")

    def all_of(name):
        # What is used changes by itself, as space comes back when the kernel gets to it; and what is held
        # is let go when nobody holds it any more.
        stashes = [{**stash, "held": None} for stash in host.items("/v1/stashes", ref=name)]
        branches = [{**branch, "usage": None} for branch in host.items("/v1/branches", ref=name)]
        text = json.dumps([{**host.get("/v1/volume", ref=name), "usage": None}, branches,
                           host.log_of(name), host.log_of(f"{name}/side"),
                           host.items("/v1/tags", ref=name), stashes])
        # What a thing came from is told by the names of that time, so both names count.
        text = text.replace("back", "NAME").replace("gone", "NAME")
        return (text, host.digest(name), host.digest(f"{name}/side"),
                host.digest_at(f"stash/1@{name}"), host.digest_at(f"t@{name}"))

    before = all_of("gone")
    item = host.json("destroy", "gone")[0]
    equal((item["ref"], item["kind"]), ("gone", "volume"), "trash item")
    true(item["expires"] > item["destroyed"], "it expires")
    host.fails("not-found", "show", "gone")
    true(not os.path.lexists(f"{host.mnt}/gone"), "its path is gone")
    host.run("create", "gone")
    host.restart()
    equal([i["uuid"] for i in host.json("trash", "list")].count(item["uuid"]), 1, "in the trash")
    host.fails("exists", "trash", "restore", "gone", says="gone", hint="--as")
    host.run("trash", "restore", "gone", "--as", "back")
    equal(all_of("back"), before, "all of it")


@test
def a_destroyed_branch_comes_back():
    host.run("create", "limb")
    host.write("limb", "a", "x")
    host.run("branch", "limb/side")
    host.write("limb/side", "a", "changed in the branch, and in no snapshot")
    host.run("destroy", "limb/side")
    host.fails("not-found", "show", "limb/side")
    equal(host.get("/v1/volume", ref="limb")["branches"], ["trunk"], "branches")
    host.restart()
    host.run("trash", "restore", "limb/side")
    equal(host.read("limb/side", "a"), "changed in the branch, and in no snapshot", "contents")


@test
def trash_empty_gives_the_space_back():
    host.run("create", "heavy")
    with open(f"{host.path('heavy')}/big", "wb") as file:
        file.write(os.urandom(60 * MIB))
    host.run("snapshot", "heavy")
    used = host.get("/v1/pool")["used"]
    host.run("destroy", "heavy")
    host.json("trash", "empty")
    equal(host.json("trash", "list"), [], "trash")
    tap.wait_until(lambda: host.get("/v1/pool")["used"] < used - 50 * MIB, "the space comes back", 180)
    host.fails("not-found", "trash", "restore", "heavy")


@test
def trunk_cannot_be_destroyed_alone():
    host.run("create", "stem")
    host.fails("invalid", "destroy", "stem/trunk", says="trunk")


@test
def who_needs_a_branch_is_told_once():
    host.run("create", "twig")
    host.run("branch", "twig/old")
    for name in "a", "b":
        host.write("twig/old", "file", name)
        host.snapshot("twig/old", name=name)
    host.run("branch", "twig/new", "--from", "twig/old@{a}")
    host.run("rollback", "twig/new", "--to", "twig/old@{b}")  # it goes on from both now
    equal(host.fails("busy", "destroy", "twig/old")["message"],
          "snapshots of twig/old are needed by branch new", "what is said")


@test
def operations_are_asked_for_by_what_their_id_begins_with():
    nobody = "00000000-0000-4000-8000-000000000000"
    equal(host.json("operations"), [], "operations of a host that imported nothing")
    equal(host.items("/v1/operations"), [], "the same by the API")
    for verb in "show", "cancel":
        host.fails("not-found", "operation", verb, "0000", says="0000", hint="flocker operations")
        host.fails("not-found", "operation", verb, nobody, says=nobody, hint="flocker operations")
        host.fails("invalid", "operation", verb, "not-an-id", says="not-an-id")


# --- the rest -------------------------------------------------------------------------------------


@test
def version_health_and_the_contract():
    version = host.get("/v1/version")
    equal(version["api"], "v1", "api")
    equal(host.get("/v1/health"), {"status": "ok", "reason": None, "hint": None}, "health")
    true(host.get("/v1/openapi.json")["openapi"].startswith("3."), "the contract is served")
    true(version["version"] in host.run("--version"), "the command is of the same version")


@test
def everything_is_there_after_a_restart():
    before = host.state()
    equal(host.stop(), 0, "exit status of flockerd")
    host.start()
    true(before == host.state(), "something changed by a restart")


@test
def a_daemon_that_ends_leaves_no_mount_and_no_loop():
    import cleanup
    with Host() as other:
        other.pool()
        other.create("data")
        equal(other.stop(), 0, "exit status")
        equal(cleanup.mounts_under(other.directory), [], "mounts")
        # A mount name space that somebody makes just then has its own, and the device with it, for a moment more.
        tap.wait_until(lambda: not cleanup.loops_under(other.directory), "the loop device goes")


if __name__ == "__main__":
    tap.main()
