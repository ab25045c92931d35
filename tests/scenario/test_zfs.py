#!/usr/bin/python3
"""An instance on ZFS, from its making to its recovery; beside a ZFS of its own (tests/with-zfs-fuse)."""

import errno
import os
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
if os.environ.get("WITH_ZFS_FUSE") != "1":
    wrapper = os.path.join(HERE, "..", "with-zfs-fuse")
    os.execv(wrapper, [wrapper, sys.executable, "-B", os.path.abspath(__file__), *sys.argv[1:]])

import tap  # noqa: E402
from flocker import MIB, Host, write_new  # noqa: E402
from tap import equal, test, true  # noqa: E402

host = Host()
host.start()


def zfs(*arguments):
    return subprocess.run(["/usr/sbin/zfs", *arguments], check=True, capture_output=True, text=True).stdout


def make_zpool(name):
    file = f"{host.directory}/{name}.img"
    with open(file, "wb") as image:
        image.truncate(256 * MIB)
    subprocess.run(["/usr/sbin/zpool", "create", "-m", "none", name, file], check=True, capture_output=True)


@test
def a_pool_needs_a_zfs_pool():
    host.fails("not-found", "pool", "create", "--zfs", says="flocker", hint="--zfs-file")
    host.fails("invalid", "pool", "create", "--zfs", "tank/-x", says="tank/-x")
    host.fails("invalid", "pool", "create", "--zfs", "tank", "--size", "1G", says="--size")
    host.fails("invalid", "pool", "create", "--zfs", "tank", "--driver", "btrfs", says="zfs")


@test
def the_driver_is_listed():
    zfs_driver = {driver["name"]: driver for driver in host.json("pool", "drivers")}["zfs"]
    equal((zfs_driver["available"], zfs_driver["kinds"],
           [zfs_driver["abilities"][ability] for ability in ("snapshot", "quota", "grow", "compress")]),
          (True, ["file", "dataset"], ["native"] * 4), "zfs")


@test
def what_is_of_others_is_refused():
    make_zpool("tank")
    zfs("create", "-o", "canmount=off", "tank/theirs")
    host.fails("busy", "pool", "create", "--zfs", "tank/theirs", says="tank/theirs", hint="tank/NAME")


@test
def a_dataset_becomes_a_pool():
    pool = host.json("pool", "create", "--zfs", "tank/ours")
    equal((pool["driver"], pool["kind"], pool["path"], pool["health"]), ("zfs", "dataset", "tank/ours", "ok"), "pool")
    equal((pool["share"], pool["quota"]), (True, True), "what it can")
    true(pool["size"] > 100 * MIB, f"size: {pool}")
    host.fails("unsupported", "pool", "grow", "1G", says="tank")


@test
def a_volume_lives_on_zfs():
    host.create("app")
    host.write("app", "file", "one")
    host.run("snapshot", "app", "--name", "first")
    host.write("app", "file", "two")
    host.run("rollback", "app@{first}")
    equal(host.read("app", "file"), "one", "after the rollback")
    equal(host.run("diff", "stash/1@app", "app@{first}"), "M file\n", "what the rollback changed")
    equal(host.run("diff", "app@{first}", "--stat"), "no changes\n", "since then")
    host.run("branch", "app/side", "--from", "stash/1@app")
    equal(host.read("app/side", "file"), "two", "the stash as a branch")
    where = host.run("mount", "app@{first}").strip()
    with open(f"{where}/file", encoding="utf-8") as file:
        equal(file.read(), "one", "the snapshot, mounted")
    try:
        with open(f"{where}/file", "a", encoding="utf-8") as file:
            file.write("x")
        raise AssertionError("a snapshot could be written to")
    except OSError:
        pass
    host.run("unmount", "app@{first}")


@test
def it_is_there_after_a_restart():
    host.restart()
    equal(host.read("app", "file"), "one", "trunk")
    equal(host.read("app/side", "file"), "two", "branch")


@test
def it_is_there_after_a_crash_and_without_a_catalogue():
    host.kill()
    os.unlink(f"{host.root}/lib/catalog.db")
    host.start()
    host.run("pool", "recover")
    equal(host.read("app", "file"), "one", "trunk")
    equal(host.read("app/side", "file"), "two", "branch")


def archive(size):
    path = f"{host.directory}/archive.tar"
    with open(f"{host.directory}/member", "wb") as file:
        file.write(os.urandom(size))
    subprocess.run(["tar", "-C", host.directory, "-cf", path, "member"], check=True)
    return path


@test
def a_quota_stops_the_writers_of_all_branches_and_nothing_else():
    host.create("data", quota=24 * MIB)
    host.write("data", "precious", "here since the beginning")
    equal(write_new(f"{host.path('data')}/some", 8 * MIB), 0, "errno within the quota")
    host.snapshot("data", name="early")
    equal(write_new(f"{host.path('data')}/much", 32 * MIB), errno.EDQUOT, "errno beyond it")
    host.snapshot("data", name="full")
    host.branch("data/test")
    equal(write_new(f"{host.path('data/test')}/much", 32 * MIB), errno.EDQUOT, "errno in another branch")
    host.fails("no-space", "import", "data/new", archive(2 * MIB), says=("volume 'data'", "24.0 MiB"),
               hint="flocker set data --quota")
    host.fails("invalid", "set", "data", "--quota", "16M", says="uses 24", hint="at least 25M")
    host.rollback("data", "data@{early}")
    equal(host.read("data", "precious"), "here since the beginning", "contents")
    host.run("set", "data", "--quota", "64M")
    equal(write_new(f"{host.path('data')}/more", 16 * MIB), 0, "errno with more quota")


@test
def an_import_counts_from_its_first_byte_and_not_when_it_failed():
    before = len(zfs("list", "-H", "-r", "-o", "name", "tank/ours").split())
    for _ in range(2):  # what failed does not count, or the second would not come as far
        error = host.fails("no-space", "import", "new", archive(12 * MIB), "--quota", "8M",
                           says=("quota", "8.0"), hint="--quota")
        equal(error["object"], "new", "object")
        true(host.items("/v1/operations")[0]["done_bytes"] > 4 * MIB, "it came close to the quota")
    equal(len(zfs("list", "-H", "-r", "-o", "name", "tank/ours").split()), before, "nothing is left")
    host.run("import", "new", archive(12 * MIB), "--quota", "16M")
    usage = host.get("/v1/volume", ref="new")["usage"]["allocated"]
    true(12 * MIB <= usage < 13 * MIB, f"usage: {usage}")
    equal(host.get("/v1/branch", ref="new")["usage"]["live"] // MIB, 12, "live")


@test
def quotas_outlive_a_restart():
    host.restart()
    equal({v["name"]: v["quota"] for v in host.items("/v1/volumes")},
          {"app": None, "data": 64 * MIB, "new": 16 * MIB}, "quotas")
    equal(write_new(f"{host.path('new')}/much", 16 * MIB), errno.EDQUOT, "errno")
    host.run("unset", "new", "--quota")
    equal(write_new(f"{host.path('new')}/much", 16 * MIB), 0, "errno without quota")
    host.run("destroy", "new")
    host.run("destroy", "data")


@test
def a_pool_that_is_not_imported_is_named_with_what_to_do():
    host.stop()
    subprocess.run(["/usr/sbin/zpool", "export", "tank"], check=True)
    host.start()
    host.fails("not-found", "list", says="the ZFS pool 'tank' is not imported", hint="zpool import tank")
    subprocess.run(["/usr/sbin/zpool", "import", "-d", host.directory, "tank"], check=True)
    host.restart()
    equal(host.read("app", "file"), "one", "trunk")


def carried():
    """The properties of the pool's datasets and snapshots."""
    return zfs("get", "-H", "-r", "-s", "local", "-o", "property,value", "all", "tank/ours")


def all_that_is_known(volume):
    """What people wrote and see of a volume: the answers of the API."""
    return {"volumes": host.items("/v1/volumes"), "branches": host.items("/v1/branches", ref=volume),
            "tags": host.items("/v1/tags", ref=volume), "stashes": host.items("/v1/stashes", ref=volume),
            "log": host.log_of(volume), "side": host.log_of(f"{volume}/side")}


@test
def it_is_there_from_properties_alone():
    host.run("set", "app", "--description", "tab\there, grüße", "owner=ops team, 100%")
    host.run("set", "app@{first}", "--message", "line one\nline two\t= 1%", "ticket=ü-17")
    host.tag("v1@app", target="app@{first}")
    host.tag("gone@app", target="app@{first}")
    host.run("untag", "gone@app")
    host.write("app", "file", "three")
    host.snapshot("app", name="third", message="third")
    tap.wait_until(lambda: all(text in carried() for text in ("third", '"v1"', "gr%C3%BC%C3%9Fe", "%C3%BC-17")),
                   "the properties follow")
    true('"gone"' not in carried(), "nor is a tag that was taken away")
    before = all_that_is_known("app")
    host.kill()
    for file in os.listdir(f"{host.root}/lib"):
        if file.startswith("catalog.db"):
            os.unlink(f"{host.root}/lib/{file}")
    tap.wait_until(lambda: subprocess.run(["/usr/sbin/zfs", "destroy", "tank/ours/state"], check=False,
                                          capture_output=True).returncode == 0, "the state is gone")
    host.start()
    recovery = host.json("pool", "recover")
    equal((recovery["backup_used"], recovery["notes_used"]), (False, True), "where it was read")
    equal(all_that_is_known("app"), before, "what is known")
    equal(host.read("app", "file"), "three", "trunk")
    equal(host.read("app/side", "file"), "two", "branch")


@test
def one_dataset_takes_along_what_is_known():
    snapshot = next(line.split("\t")[0] for line in
                    zfs("get", "-H", "-r", "-o", "name,value", "flocker:note", "tank/ours").splitlines()
                    if '"third"' in line)
    for copy in ("tank/copy", "tank/ours/0a000000-0000-4000-8000-000000000001.0123456789abcdef"):
        with subprocess.Popen(["/usr/sbin/zfs", "send", "-p", snapshot], stdout=subprocess.PIPE) as sent:
            subprocess.run(["/usr/sbin/zfs", "receive", "-u", copy], stdin=sent.stdout, check=True,
                           capture_output=True)
        told = zfs("get", "-H", "-r", "-o", "property,value", "all", copy)
        true('"third"' in told and '"app"' in told and "gr%C3%BC%C3%9Fe" in told, f"what came along: {told}")
    before = all_that_is_known("app")
    host.restart()
    equal(all_that_is_known("app"), before, "what was received is not ours")
    zfs("destroy", "-r", copy)


@test
def what_is_destroyed_leaves_nothing():
    host.run("destroy", "app")
    host.run("trash", "empty")
    tap.wait_until(lambda: len(zfs("list", "-H", "-r", "-o", "name", "tank/ours").split()) == 2,
                   "only the pool and its state are left", 60)
    equal(zfs("list", "-H", "-o", "name", "tank/theirs").strip(), "tank/theirs", "of others")


def zpool_runs():
    return subprocess.run(["/usr/sbin/zpool", "list"], check=False, capture_output=True).returncode == 0


class Server:
    """A zfs-fuse in the place of one that died; it ends with the test."""

    def __init__(self):
        self.process = None

    def serves(self):
        """Started once more if it ended: one does that which finds something of the one before it."""
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen(
                ["/usr/bin/setpriv", "--pdeathsig", "KILL", "/usr/sbin/zfs-fuse", "--no-daemon",
                 "--no-kstat-mount", "--enable-xattr"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return zpool_runs()


@test
def a_zfs_that_dies_is_missed_and_found_again_while_the_daemon_runs():
    host.create("data")
    host.write("data", "file", "one")
    host.snapshot("data", name="first")
    os.kill(int(os.environ["ZFS_FUSE_PID"]), signal.SIGKILL)
    tap.wait_until(lambda: not zpool_runs(), "zfs-fuse is gone")
    host.fails("unreachable", "snapshot", "data", says="no ZFS runs here", hint="zfs-fuse")
    equal([s["name"] for s in host.log_of("data")], ["first"], "what is known is still told")
    with Host() as other:
        other.fails("unreachable", "pool", "create", "--zfs", says="no ZFS runs here", hint="zfs-dkms")
    tap.wait_until(Server().serves, "another zfs-fuse answers")
    tap.wait_until(lambda: host.try_run("snapshot", "data", "--name", "second").status == 0, "it works again")
    tap.wait_until(lambda: os.path.exists(f"{host.path('data')}/file"), "the branch is there again")
    equal(host.read("data", "file"), "one", "contents")
    host.write("data", "file", "two")
    host.run("rollback", "data@{second}")
    equal(host.read("data", "file"), "one", "after a rollback")
    with open(host.log, encoding="utf-8") as log:
        true("mounting anew" in log.read(), "the log says so")
    equal(host.get("/v1/health")["status"], "ok", "health")
    host.run("destroy", "data")


@test
def missing_programs_are_named_with_their_package():
    with Host() as other:
        for program in ("zfs", "zpool"):
            subprocess.run(["mount", "--bind", "/dev/null", f"/usr/sbin/{program}"], check=True)
        try:
            for place in (["--zfs"], ["--zfs-file", f"{other.directory}/new.img", "--size", "128M"]):
                other.fails("unsupported", "pool", "create", *place, says=("'zfs'", "zfsutils-linux"),
                            hint="zfs-dkms")
            zfs_driver = {driver["name"]: driver for driver in other.json("pool", "drivers")}["zfs"]
            true(not zfs_driver["available"] and "zfsutils-linux" in zfs_driver["reason"], f"{zfs_driver}")
        finally:
            for program in ("zfs", "zpool"):
                subprocess.run(["umount", "-l", f"/usr/sbin/{program}"], check=True)  # somebody may look at it
        true(not os.path.exists(f"{other.directory}/new.img"), "nothing was made")


@test
def a_pool_whose_file_is_gone_is_missed_and_found_again():
    with Host() as other:
        image = f"{other.directory}/pool.img"
        other.json("pool", "create", "--zfs-file", image, "--size", "128M")
        other.create("data", quota=16 * MIB)
        other.write("data", "file", "one")
        other.stop()
        os.rename(image, f"{image}.away")
        other.start()
        other.fails("not-found", "list", says=image)
        true(not os.path.exists(image), "nothing is made in its place")
        os.rename(f"{image}.away", image)
        other.restart()
        equal(other.read("data", "file"), "one", "contents")
        equal(other.get("/v1/volume", ref="data")["quota"], 16 * MIB, "quota")


if __name__ == "__main__":
    tap.main()
