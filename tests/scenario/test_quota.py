#!/usr/bin/python3
"""Quotas: what an application and each verb sees of one, and what is counted."""

import errno
import fcntl
import os
import struct
import subprocess

import cleanup
import tap
from flocker import COMMAND, Failure, Host, MIB, unchanged, write_new
from tap import equal, test, tests_for, true


BTRFS_IOC_QGROUP_ASSIGN = 0x40189429
BTRFS_IOC_QGROUP_CREATE = 0x4010942A
BTRFS_IOC_QGROUP_LIMIT = 0x8030942B
BTRFS_IOC_GET_SUBVOL_INFO = 0x81F8943C
PATIENCE = 300  # seconds: the kernel frees space behind one or two commits, and each sync is one of the whole machine


def volume(host, name="data"):
    return host.get("/v1/volume", ref=name)


def limited(host, quota=32 * MIB):
    """A pool with one volume that has a quota; where its contents are."""
    host.pool()
    host.create("data", quota=quota)
    return host.path("data")


def refused(code, function, *words):
    """The call fails with this code; the message and the hint have these words."""
    try:
        function()
    except Failure as failure:
        equal(failure.code, code, str(failure))
        for word in words:
            said = f"{failure} {failure.hint}"
            true(word in said, f"{word!r} is not in {said!r}")
        return
    true(False, "the call is refused")


@test
def an_application_gets_edquot_and_space_back():
    with Host() as host:
        path = limited(host)
        equal(write_new(f"{path}/some", 16 * MIB), 0, "errno within the quota")
        equal(write_new(f"{path}/much", 64 * MIB), errno.EDQUOT, "errno beyond it")
        true(volume(host)["usage"]["allocated"] <= 32 * MIB, "usage is within the quota")
        os.unlink(f"{path}/much")
        host.create("free")
        equal(write_new(f"{host.path('free')}/much", 64 * MIB), 0, "errno in another volume")
        host.run("set", "data", "--quota", "200M")
        equal(write_new(f"{path}/much", 64 * MIB), 0, "errno with more quota")
        host.run("unset", "data", "--quota")
        equal(volume(host)["quota"], None, "quota")
        equal(write_new(f"{path}/more", 200 * MIB), 0, "errno without quota")


def group(level, uuid):
    """The number of a quota group (src/driver/btrfs/quota.c)."""
    return level << 48 | int(uuid.replace("-", "")[-12:], 16)


def exceed(host, ref):
    """Where deleting in a tree whose blocks a snapshot holds can lead: more is used than the limit."""
    head = os.open(host.path(ref), os.O_RDONLY)
    try:
        fcntl.ioctl(head, BTRFS_IOC_QGROUP_LIMIT,
                    struct.pack("6Q", group(2, volume(host, ref)["uuid"]), 1, MIB, 0, 0, 0))
    finally:
        os.close(head)


@tests_for(["full", "exceeded"])
def every_verb_goes_on_where_the_quota_is(what):
    with Host() as host:
        path = limited(host)
        host.write("data", "precious", "here since the beginning")
        host.snapshot("data", name="early")
        host.tag("old@data", target="data@{early}")
        equal(write_new(f"{path}/much", 64 * MIB), errno.EDQUOT, "errno")
        if what == "exceeded":
            exceed(host, "data")
        host.run("snapshot", "data", "--name", "full", "-m", "nothing fits any more", "--set", "a=b")
        host.run("set", "data@{full}", "--message", "nothing at all")
        host.run("set", "data", "-d", "a full one", "c=d")
        host.branch("data/test")
        equal(write_new(f"{host.path('data/test')}/much", 64 * MIB), errno.EDQUOT, "errno in another branch")
        host.create("copy", **{"from": "data"})
        equal(write_new(f"{host.path('copy')}/much", 64 * MIB), 0, "errno in a copy, which has no quota")
        host.tag("t@data", target="data@{full}")
        host.rollback("data", "data@{early}")
        equal(host.read("data", "precious"), "here since the beginning", "contents")
        true(not os.path.exists(f"{host.path('data')}/much"), "the head is as it was")
        host.run("stash", "restore", "stash/1@data")
        true(os.path.exists(f"{host.path('data')}/much"), "the stash is back")
        host.run("mount", "data@{early}")
        host.run("unmount", "data@{early}")
        host.fails("no-space", "import", "data/new", archive(host, 2 * MIB)[1], hint="--quota")
        host.run("export", "data@{full}", f"{host.directory}/full.tar")
        host.run("destroy", "data/test")
        host.run("trash", "restore", "data/test")
        host.run("rename", "data", "other")
        host.run("destroy", "other")
        host.run("trash", "restore", "other")
        equal(volume(host, "other")["quota"], 32 * MIB, "quota")
        equal(write_new(f"{host.path('other')}/again", 64 * MIB), errno.EDQUOT, "errno after all that")
        os.unlink(f"{host.path('other')}/precious")
        host.restart()
        host.run("unset", "other", "--quota")
        equal(write_new(f"{host.path('other')}/again", 64 * MIB), 0, "errno without quota")


@test
def a_full_quota_is_left_by_deleting_or_by_having_none():
    with Host() as host:
        path = limited(host)
        host.snapshot("data", name="early")
        equal(write_new(f"{path}/much", 64 * MIB), errno.EDQUOT, "errno")
        host.snapshot("data", name="full")
        host.tag("t@data", target="data@{full}")
        os.unlink(f"{path}/much")  # the snapshot still has it
        equal(write_new(f"{path}/more", 64 * MIB), errno.EDQUOT, "errno while a snapshot holds all")
        host.fails("invalid", "set", "data", "--quota", "16M", says=("uses",), hint="at least")
        host.snapshot("data", name="empty")
        host.run("untag", "t@data")
        host.run("destroy", "data@{full}")
        tap.wait_until(lambda: volume(host)["usage"]["allocated"] < 4 * MIB, "the space comes back", PATIENCE)
        equal(write_new(f"{path}/more", 16 * MIB), 0, "errno after a deletion")
        equal(write_new(f"{path}/much", 64 * MIB), errno.EDQUOT, "errno")
        host.run("unset", "data", "--quota")
        equal(write_new(f"{path}/much", 64 * MIB), 0, "errno without quota")


def archive(host, size=48 * MIB):
    """A directory of that size, and an archive of it."""
    source = f"{host.directory}/source"
    os.mkdir(source)
    for number in range(size // (2 * MIB)):
        with open(f"{source}/file{number}", "wb") as file:
            file.write(os.urandom(2 * MIB))
    subprocess.run(["tar", "-C", source, "-cf", f"{source}.tar", "."], check=True)
    return source, f"{source}.tar"


def staging(host):
    with open(f"{host.root}.log", encoding="utf-8") as log:
        true("half-made tree stays" not in log.read(), "the log has no warning of what was left")
    return [name for place, names, _ in os.walk(host.root) for name in names
            if os.path.basename(place) == "staging"]


def fails_to_import(host, *words, says, hint):
    """It is stopped at the quota; nothing is different but for its record."""
    def run():
        error = host.fails("no-space", *words, says=says, hint=hint)
        equal(error["object"], "data", "object")

    unchanged(host, run)
    equal(staging(host), [], "staging")
    record = host.items("/v1/operations")[0]
    equal((record["state"], record["error"]["code"], record["error"]["hint"] != ""),
          ("failed", "no-space", True), "its record")
    true(record["done_bytes"] < 33 * MIB, f"it went on beyond the quota: {record}")


@test
def an_import_is_stopped_at_the_quota_of_its_new_volume():
    with Host() as host:
        host.pool()
        source, tar = archive(host)
        for words in (("import", "data", tar), ("create", "data", "--from-directory", source)):
            fails_to_import(host, *words, "--quota", "32M", says=("quota", "data", "32.0 MiB"), hint="--quota")
            host.fails("invalid", *words, "--quota", "1000", says=("1 MiB",))
            host.fails("invalid", *words, "--quota", "much", says=("much",))
            host.run(*words, "--quota", "64M")
            equal(volume(host)["quota"], 64 * MIB, "quota")
            allocated = volume(host)["usage"]["allocated"]
            true(48 * MIB <= allocated < 50 * MIB, f"allocated: {allocated}")
            equal(host.get("/v1/branch", ref="data")["usage"]["allocated"], allocated, "of its trunk")
            equal(write_new(f"{host.path('data')}/much", 64 * MIB), errno.EDQUOT, "errno afterwards")
            host.run("destroy", "data")
            host.run("trash", "empty")


@test
def an_import_counts_for_the_quota_of_its_volume_from_its_first_byte():
    with Host() as host:
        path = limited(host)
        _, tar = archive(host)
        equal(write_new(f"{path}/some", 16 * MIB), 0, "errno")
        os.sync()  # what is written is counted when it is on the disk
        before = volume(host)["usage"]
        for _ in range(2):  # what failed does not count any more, or the second would say more
            fails_to_import(host, "import", "data/new", tar, says=("volume 'data'", "32.0 MiB", "16.0"),
                            hint="flocker set data --quota")
            os.sync()
            equal(volume(host)["usage"], before, "usage after it failed")
        equal(write_new(f"{path}/more", 12 * MIB), 0, "errno of another branch")
        equal(write_new(f"{path}/much", 64 * MIB), errno.EDQUOT, "errno at the quota")
        fails_to_import(host, "import", "data/new", tar, says=("volume 'data'", "32.0 MiB"),
                        hint="flocker set data --quota")  # not even an empty tree fits
        os.unlink(f"{path}/much")
        host.fails("invalid", "import", "data/new", tar, "--quota", "64M", says=("volumes", "data/new"))
        refused("invalid", lambda: host.call("POST", "/v1/imports", b"", ref="data/new", quota=64 * MIB), "branch")
        host.run("set", "data", "--quota", "96M")
        host.run("import", "data/new", tar)
        allocated = host.get("/v1/branch", ref="data/new")["usage"]["allocated"]
        true(48 * MIB <= allocated < 50 * MIB, f"allocated: {allocated}")
        true(volume(host)["usage"]["allocated"] >= allocated + 28 * MIB, "of the volume")
        equal(write_new(f"{host.path('data/new')}/much", 64 * MIB), errno.EDQUOT, "errno in the new branch")


def running_import(host, *words):
    """An import that has begun and waits for more."""
    command = subprocess.Popen([COMMAND, "import", *words, "-"], stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                               env={**os.environ, "FLOCKER_SOCKET": host.socket}, text=False)
    cleanup.record(f"{host.directory}/daemons", command.pid)
    return command


@test
def an_import_never_joins_a_volume_that_took_the_name_meanwhile():
    with Host() as host:
        limited(host)
        _, tar = archive(host, 4 * MIB)
        command = running_import(host, "data/new")
        with open(tar, "rb") as file:
            contents = file.read()
        command.stdin.write(contents[:3 * MIB])
        command.stdin.flush()
        tap.wait_until(lambda: any(o["state"] == "running" for o in host.items("/v1/operations")), "it runs")
        host.run("destroy", "data")
        host.create("data")
        command.stdin.write(contents[3 * MIB:])
        _, said = command.communicate()
        equal(command.returncode, 5, said.decode())
        true(b"replaced" in said and b"hint" in said, said.decode())
        equal([b["name"] for b in host.items("/v1/branches", ref="data")], ["trunk"], "branches")
        equal(staging(host), [], "staging")


@test
def a_killed_daemon_leaves_nothing_of_an_import_in_a_quota():
    with Host() as host:
        path = limited(host)
        _, tar = archive(host, 24 * MIB)
        os.sync()
        before = volume(host)["usage"]["allocated"]
        command = running_import(host, "data/new")
        with open(tar, "rb") as file:
            command.stdin.write(file.read(20 * MIB))
        command.stdin.flush()
        tap.wait_until(lambda: os.sync() or volume(host)["usage"]["allocated"] > 16 * MIB, "it counts", PATIENCE)
        host.kill()
        command.communicate()
        host.start()
        equal(staging(host), [], "staging")
        tap.wait_until(lambda: volume(host)["usage"]["allocated"] == before, "it counts no more", PATIENCE)
        equal(write_new(f"{path}/some", 24 * MIB), 0, "errno")
        host.run("snapshot", "data")


@test
def a_quota_of_0_is_none_wherever_it_is_given():
    with Host() as host:
        limited(host)
        host.run("create", "none", "--quota", "0")
        host.run("set", "data", "--quota", "0")
        equal([volume(host, name)["quota"] for name in ("none", "data")], [None, None], "quotas")


@test
def a_quota_below_what_is_used_is_refused_and_changes_nothing():
    with Host() as host:
        path = limited(host)
        equal(write_new(f"{path}/some", 16 * MIB), 0, "errno")
        for quota, words in ((8 * MIB, ("uses 16", "bytes", "snapshots", "at least 17M")), (1, ("1 MiB", "1 byte:"))):
            unchanged(host, lambda: refused("invalid", lambda: host.patch("/v1/volume", "data", quota=quota),
                                            *words))
        host.fails("invalid", "set", "data", "--quota", "8M", says=("uses",))
        refused("invalid", lambda: host.create("small", quota=1024), "1 MiB")
        equal(volume(host)["quota"], 32 * MIB, "quota")
        equal(write_new(f"{path}/much", 64 * MIB), errno.EDQUOT, "errno")


def figures(host):
    """The quota and the use of every volume, and the use of every branch."""
    os.sync()
    return ([(v["name"], v["quota"], v["usage"]["allocated"]) for v in host.items("/v1/volumes")],
            [(b["ref"], b["usage"]["allocated"]) for b in host.items("/v1/branches")])


def same(found, wanted, when):
    """But for the nodes of the head that the rollback replaced, which goes as soon as it is let go."""
    for rows, before in zip(found, wanted, strict=True):
        equal([row[:-1] for row in rows], [row[:-1] for row in before], when)
        true(all(0 <= old[-1] - new[-1] <= 32 * 1024 for new, old in zip(rows, before)), f"{when}: {before}, now {rows}")


@test
def a_quota_and_what_is_used_outlive_restart_crash_and_catalogue():
    with Host() as host:
        path = limited(host)
        equal(write_new(f"{path}/file", 8 * MIB), 0, "errno")
        host.snapshot("data", name="first")
        equal(write_new(f"{path}/file", 4 * MIB), 0, "errno")  # the snapshot holds what this replaces
        host.rollback("data", "data@{first}")
        host.create("later")
        host.run("set", "later", "--quota", "64M")
        host.branch("data/test")
        equal(write_new(f"{host.path('data/test')}/other", 2 * MIB), 0, "errno")
        host.create("gone", quota=48 * MIB)
        host.run("destroy", "gone")
        before = figures(host)
        true(14 * MIB <= before[0][0][2] < 15 * MIB, f"used: {before}")
        host.restart()
        same(figures(host), before, "after a restart")
        equal(write_new(f"{path}/much", 64 * MIB), errno.EDQUOT, "errno after a restart")
        before = figures(host)
        host.kill()
        host.start()
        same(figures(host), before, "after a crash")
        host.post("/v1/pool/recover")
        same(figures(host), before, "after recovery")
        equal(write_new(f"{host.path('data/test')}/much", 64 * MIB), errno.EDQUOT, "errno after recovery")
        host.run("trash", "restore", "gone")
        equal(volume(host, "gone")["quota"], 48 * MIB, "quota of what was in the trash")
        equal(write_new(f"{host.path('gone')}/much", 64 * MIB), errno.EDQUOT, "errno in it")


def take_away(host, ref):
    """What the pool keeps of a branch's account and of its volume's quota."""
    branch = group(1, host.get("/v1/branch", ref=ref)["uuid"])
    head = os.open(host.path(ref), os.O_RDONLY)
    try:
        info = fcntl.ioctl(head, BTRFS_IOC_GET_SUBVOL_INFO, bytes(504))
        fcntl.ioctl(head, BTRFS_IOC_QGROUP_ASSIGN, struct.pack("3Q", 0, struct.unpack_from("Q", info)[0], branch))
        fcntl.ioctl(head, BTRFS_IOC_QGROUP_CREATE, struct.pack("2Q", 0, branch))
        fcntl.ioctl(head, BTRFS_IOC_QGROUP_LIMIT,
                    struct.pack("6Q", group(2, volume(host, ref)["uuid"]), 1, 2**64 - 1, 0, 0, 0))
    finally:
        os.close(head)


@test
def what_the_pool_lost_of_a_quota_is_made_anew_at_the_next_start():
    with Host() as host:
        path = limited(host)
        equal(write_new(f"{path}/file", 8 * MIB), 0, "errno")
        host.create("other", quota=16 * MIB)
        before = figures(host)
        take_away(host, "data")
        equal(host.get("/v1/branch", ref="data")["usage"]["allocated"], None, "usage that nobody counts")
        equal(write_new(f"{path}/much", 64 * MIB), 0, "errno of a quota that nobody keeps")
        os.unlink(f"{path}/much")
        host.restart()
        tap.wait_until(lambda: figures(host) == before, "the usage is known again", PATIENCE)
        equal(write_new(f"{path}/much", 64 * MIB), errno.EDQUOT, "errno")
        equal(write_new(f"{host.path('other')}/much", 64 * MIB), errno.EDQUOT, "errno in another volume")


@test
def usage_tells_what_is_live_and_what_is_history():
    with Host() as host:
        path = limited(host, quota=100 * MIB)
        equal(write_new(f"{path}/file", 16 * MIB), 0, "errno")
        host.snapshot("data", name="first")
        equal(write_new(f"{path}/file", 8 * MIB), 0, "errno")
        os.sync()
        usage = host.get("/v1/branch", ref="data")["usage"]
        equal(usage["live"], 8 * MIB, "live")
        true(24 * MIB <= usage["allocated"] < 25 * MIB, f"allocated is {usage}")
        equal(usage["history"], usage["allocated"] - usage["live"], "history")
        equal(volume(host)["usage"]["allocated"], usage["allocated"], "of the volume")
        host.branch("data/test")
        clone = host.get("/v1/branch", ref="data/test")["usage"]
        equal(clone["live"], 8 * MIB, "live of the branch")
        true(clone["allocated"] < MIB, f"it allocated {clone}")
        equal(clone["history"], None, "history of the branch")
        listed = host.items("/v1/branches", ref="data")[0]["usage"]
        equal((listed["allocated"], listed["live"]), (usage["allocated"], None), "in the list")
        shown = host.run("show", "data/trunk")
        true("live:" in shown and str(8 * MIB) in shown and "history:" in shown, shown)
        true("quota:" in host.run("show", "data"), "show tells the quota")
        true(str(volume(host)["usage"]["allocated"]) in host.run("list"), "list tells what is used")
        true(str(volume(host)["quota"]) in host.run("list").split(), "and the quota")
        equal(host.json("pool", "show")["quota"], True, "the pool counts")


if __name__ == "__main__":
    tap.main()
