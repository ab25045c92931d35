#!/usr/bin/python3
"""Pools in a directory of any file system: the dir driver, with root and without."""

import os
import stat
import subprocess

import tap
from flocker import MIB, Host
from tap import equal, test, true

NOBODY = 65534


def make_file_system(host, kind, owner=0):
    """A directory on a file system of its own."""
    place = f"{host.file_system(kind, 320 * MIB)}/pool"
    os.mkdir(place)
    os.chown(place, owner, owner)
    return place


def as_user(function):
    """What the function does with the rights of an ordinary user."""
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        return function()
    finally:
        os.seteuid(0)
        os.setegid(0)


@test
def a_user_needs_no_root():
    with Host(user=NOBODY) as host:
        place = make_file_system(host, "ext4", owner=NOBODY)
        pool = host.json("pool", "create", "--directory", place)
        equal((pool["driver"], pool["kind"], pool["share"]), ("dir", "directory", False), "pool")
        true("copy every file" in host.run("pool", "show"), "it says what a snapshot costs")
        host.run("create", "data")
        as_user(lambda: host.write("data", "a/b/file", "one"))
        host.run("snapshot", "data", "--name", "one")
        as_user(lambda: host.write("data", "a/b/file", "two"))
        host.run("branch", "data/test")
        equal(host.read("data/test", "a/b/file"), "two", "a branch of the live contents")
        host.run("rollback", "data@{one}")
        equal(host.read("data", "a/b/file"), "one", "after the rollback")
        before = host.digest_at("stash/1@data")
        host.restart()
        equal(host.read("data", "a/b/file"), "one", "after a restart")
        equal(host.digest_at("stash/1@data"), before, "the stash after a restart")
        host.run("stash", "restore", "stash/1@data")
        equal(host.read("data", "a/b/file"), "two", "the stash")
        host.run("destroy", "data/test")
        host.run("trash", "empty")
        equal(host.stop(), 0, "exit status")


@test
def a_user_moves_contents_in_and_out():
    with Host(user=NOBODY) as host:
        host.run("pool", "create", "--directory", make_file_system(host, "ext4", owner=NOBODY))
        host.run("create", "data")
        as_user(lambda: host.write("data", "sub/file", "contents"))
        host.run("export", "data", f"{host.directory}/x.tar")
        host.run("import", "copy", f"{host.directory}/x.tar")
        equal(host.digest("copy"), host.digest("data"), "what was imported")
        with open(f"{host.directory}/foreign", "w", encoding="utf-8") as file:
            file.write("root's")
        subprocess.run(["tar", "-C", host.directory, "-cf", f"{host.directory}/y.tar", "foreign"],
                       check=True)
        host.fails("denied", "import", "foreign", f"{host.directory}/y.tar", says="foreign", hint="root")


@test
def without_a_directory_of_his_own_a_user_is_told():
    with Host(user=NOBODY) as host:
        host.root = "/var/lib/flocker-not-mine"
        host.spawn()
        tap.wait_until(host.dead, "it ends")
        true("--root DIR" in host.tail(), host.tail())
        host.root = f"{host.directory}/root"


@test
def what_root_has_on_ext4_is_protected():
    with Host() as host:
        pool = host.json("pool", "create", "--directory", make_file_system(host, "ext4"))
        equal(pool["driver"], "dir", "driver")
        host.run("create", "data")
        host.write("data", "file", "one")
        os.mknod(f"{host.path('data')}/device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        host.run("snapshot", "data", "--name", "one")
        path = host.json("mount", "data@{one}")["path"]
        try:
            with open(f"{path}/file", "w", encoding="utf-8") as file:
                file.write("tampered")
            raise AssertionError("a snapshot was written to")
        except OSError as error:
            equal(error.strerror, "Read-only file system", "why not")
        true(stat.S_ISCHR(os.stat(f"{path}/device").st_mode), "devices are copied")
        host.run("unmount", "data@{one}")


@test
def a_replaced_head_stays_while_it_is_held():
    with Host() as host:
        host.run("pool", "create", "--directory", make_file_system(host, "ext4"))
        host.run("create", "open")
        host.write("open", "file", "one")
        host.run("snapshot", "open", "--name", "one")
        with open(f"{host.path('open')}/file", "a", encoding="utf-8") as file:
            done = host.json("rollback", "open@{one}")
            true(done["stash"]["held"], "the old head is held")
            true(os.getpid() in [h["pid"] for h in done["holders"]], f"by us: {done['holders']}")
            file.write("-late")
        tap.wait_until(lambda: not host.get("/v1/stash", ref="stash/1@open")["held"],
                       "the old head is let go", 60)
        with open(f"{host.json('mount', 'stash/1@open')['path']}/file", encoding="utf-8") as file:
            equal(file.read(), "one-late", "what the stash holds")
        equal(host.read("open", "file"), "one", "the head")


@test
def a_mount_elsewhere_is_a_use():
    with Host() as host:
        host.run("pool", "create", "--directory", make_file_system(host, "ext4"))
        for name in ("used", "unused"):
            host.run("create", name)
            host.write(name, "file", "x")
        path = f"{host.directory}/elsewhere"
        os.mkdir(path)
        with subprocess.Popen(["unshare", "--mount", "/bin/sh", "-c",
                               'mount --bind "$0" "$1" && echo mounted && read end',
                               os.path.realpath(host.path("used")), path],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as container:
            equal(container.stdout.readline(), "mounted\n", "the mount")
            host.fails("busy", "destroy", "used", says=("mounted at", "elsewhere"))
            host.run("destroy", "unused")
            container.communicate("\n")
        host.run("destroy", "used")


@test
def on_btrfs_the_driver_is_chosen_by_what_the_daemon_may():
    with Host() as root, Host(user=NOBODY) as user, Host() as forced:
        pool = root.json("pool", "create", "--directory", make_file_system(root, "btrfs"))
        equal((pool["driver"], pool["share"]), ("btrfs", True), "with root")
        pool = user.json("pool", "create", "--directory",
                         make_file_system(user, "btrfs", owner=NOBODY))
        equal((pool["driver"], pool["share"]), ("dir", True), "without root")
        true("share what the files hold" in user.run("pool", "show"), "what a snapshot costs")
        pool = forced.json("pool", "create", "--directory", make_file_system(forced, "btrfs"),
                           "--driver", "dir")
        equal((pool["driver"], pool["share"]), ("dir", True), "as asked for")
        forced.run("create", "data")
        forced.write("data", "file", "one")
        forced.run("snapshot", "data", "--name", "one")
        forced.write("data", "file", "two")
        forced.run("rollback", "data@{one}")
        equal(forced.read("data", "file"), "one", "after the rollback")


@test
def drivers_say_whether_they_work_here():
    with Host() as root, Host(user=NOBODY) as user:
        drivers = {driver["name"]: driver for driver in root.json("pool", "drivers")}
        true({"btrfs", "dir"} <= set(drivers) and "mem" not in drivers, f"drivers: {drivers}")
        equal((drivers["dir"]["available"], drivers["dir"]["kinds"], drivers["dir"]["abilities"]),
              (True, ["directory"], {"snapshot": "emulated", "browse": "native", "diff": "emulated", "quota": "no",
                                     "grow": "no", "compress": "no", "send": "emulated"}), "dir")
        equal((drivers["btrfs"]["available"], drivers["btrfs"]["reason"]), (True, None), "btrfs as root")
        equal({name for name, how in drivers["btrfs"]["abilities"].items() if how != "native"}, set(), "what btrfs lacks")
        drivers = {driver["name"]: driver for driver in user.json("pool", "drivers")}
        equal(drivers["dir"]["available"], True, "dir without root")
        equal(drivers["btrfs"]["available"], False, "btrfs without root")
        true("root" in drivers["btrfs"]["hint"], f"the hint: {drivers['btrfs']}")
        true("plain directories" in user.run("pool", "drivers"), "the table")


@test
def what_a_directory_cannot_do_is_said():
    with Host() as host:
        place = make_file_system(host, "ext4")
        host.fails("unsupported", "pool", "create", "--directory", place, "--compress", says="compress")
        host.fails("unsupported", "pool", "create", "--directory", place, "--driver", "btrfs",
                   says="Btrfs", hint=True)
        host.fails("unsupported", "pool", "create", "--file", f"{host.directory}/x", "--driver", "dir",
                   "--size", "1G", says="file")
        host.run("pool", "create", "--directory", place)
        host.fails("unsupported", "pool", "grow", says="dir")
        host.fails("unsupported", "create", "data", "--quota", "1G", says="quota")


@test
def another_instance_takes_it_over():
    with Host() as first, Host() as second:
        place = make_file_system(first, "ext4")
        first.run("pool", "create", "--directory", place)
        first.run("create", "data")
        first.write("data", "file", "kept")
        first.run("tag", "v1@data")
        first.stop()
        equal(second.json("pool", "adopt", "--directory", place)["snapshots"], 1, "snapshots")
        equal(second.read("data", "file"), "kept", "contents")
        equal(second.json("pool", "show")["driver"], "dir", "driver")
        second.stop()


if __name__ == "__main__":
    tap.main()
