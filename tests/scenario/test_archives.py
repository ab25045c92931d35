#!/usr/bin/python3
"""Contents in and out as archives, through the command and the daemon."""

import os
import signal
import subprocess
import time

import tap
from archives import staging
from digest import digest
from flocker import host_with_pool
from tap import equal, test, true

host = host_with_pool()
work = f"{host.root}/work"
os.mkdir(work)


def until(condition, what):
    deadline = time.monotonic() + 30
    while not condition():
        true(time.monotonic() < deadline, what)
        time.sleep(0.02)


def fill(ref, files=20):
    place = host.path(ref)
    os.makedirs(f"{place}/deep/er", exist_ok=True)
    for i in range(files):
        with open(f"{place}/deep/file{i}", "wb") as file:
            file.write(os.urandom(5000 * i))
    os.symlink("file1", f"{place}/deep/link")
    os.link(f"{place}/deep/file2", f"{place}/deep/er/same")
    os.chmod(f"{place}/deep/file3", 0o640)
    os.chown(f"{place}/deep/file4", 1234, 5678)
    os.setxattr(f"{place}/deep/file5", "user.note", b"kept")


def flocker(*arguments, **options):
    return subprocess.Popen([f"{os.environ['FLOCKER_BUILD']}/src/cli/flocker", "--root", host.root,
                             *arguments], **options)


def running():
    return [o for o in host.items("/v1/operations") if o["state"] == "running"]


host.create("data")
fill("data")
host.snapshot("data", name="one")
whole = host.digest("data")


@test
def a_round_trip_keeps_everything():
    for name in ("plain.tar", "small.tar.zst", "small.tzst"):
        host.run("export", "data@{one}", f"{work}/{name}")
        with open(f"{work}/{name}", "rb") as file:
            equal(file.read(4) == b"\x28\xb5\x2f\xfd", "zst" in name, f"{name} is compressed")
        volume = name.replace(".", "-")
        path = host.run("import", volume, f"{work}/{name}").strip()
        equal(path, host.path(volume), "what import prints")
        equal(host.digest(volume), whole, f"contents by {name}")
        done = host.items("/v1/operations")[0]
        size = os.path.getsize(f"{work}/{name}")
        equal((done["done_bytes"], done["total_bytes"]), (size, size), "all of the archive was read")
    equal([n for n in os.listdir(work) if n.endswith(".part")], [], "nothing is left over")


@test
def every_kind_of_reference_can_be_exported():
    host.tag("v1@data", target="data@{one}")
    host.create("rolled", **{"from": "v1@data"})
    host.write("rolled", "more", "text")
    before = host.digest("rolled")
    host.snapshot("rolled", name="s")
    host.write("rolled", "still", "more")
    later = host.digest("rolled")
    host.rollback("rolled", "rolled@{s}")
    for ref, wanted in (("v1@data", whole), ("rolled@{s}", before), ("stash/1@rolled", later),
                        ("rolled", before)):
        host.run("export", ref, f"{work}/kind.tar", "--force")
        subprocess.run(["tar", "-tf", f"{work}/kind.tar"], check=True, capture_output=True)
        host.run("import", "kind", f"{work}/kind.tar")
        equal(host.digest("kind"), wanted, ref)
        host.delete("/v1/volume", "kind")


@test
def pipes_work_in_both_directions():
    out = flocker("export", "data@{one}", "-", stdout=subprocess.PIPE)
    into = flocker("import", "piped", "-", stdin=out.stdout, stdout=subprocess.PIPE)
    out.stdout.close()
    equal((into.wait(60), out.wait(60)), (0, 0), "exit statuses")
    equal(host.digest("piped"), whole, "contents")


@test
def an_import_can_be_a_branch():
    host.run("export", "data@{one}", f"{work}/branch.tar")
    path = host.run("import", "data/imported", f"{work}/branch.tar").strip()
    equal(path, host.path("data/imported"), "its place")
    equal(host.digest("data/imported"), whole, "contents")


@test
def options_are_written_on_the_volume():
    host.run("import", "described", f"{work}/branch.tar", "-d", "from an archive", "--mount-path",
             "/var/lib/x", "--set", "a=b")
    volume = host.get("/v1/volume", ref="described")
    equal((volume["description"], volume["mount_path"], volume["metadata"]),
          ("from an archive", "/var/lib/x", {"a": "b"}), "volume")
    operation = host.json("import", "with-json", f"{work}/branch.tar")
    equal((operation["verb"], operation["state"]), ("import", "done"), "operation")


@test
def a_directory_is_copied():
    os.makedirs(f"{work}/source/a")
    with open(f"{work}/source/a/b", "w") as file:
        file.write("text")
    host.run("create", "copied", "--from-directory", f"{work}/source")
    equal(host.read("copied", "a/b"), "text", "contents")


@test
def what_is_refused_leaves_nothing():
    with open(f"{work}/bad.tar", "wb") as file:
        file.write(b"this is no archive" * 100000)
    before = host.items("/v1/volumes")
    failed = host.try_run("import", "bad", f"{work}/bad.tar")
    true(failed.status in (2, 12), f"status {failed}")
    host.fails("exists", "import", "data", f"{work}/branch.tar")
    host.fails("exists", "export", "data", f"{work}/branch.tar", hint="--force")
    host.fails("not-found", "export", "nothing", f"{work}/nothing.tar")
    true(not os.path.exists(f"{work}/nothing.tar"), "no archive of nothing")
    equal(host.items("/v1/volumes"), before, "volumes")
    equal(staging(host), [], "staging")


@test
def a_killed_client_leaves_nothing():
    for number in (signal.SIGKILL, signal.SIGINT):
        client = flocker("import", "killed", "-", stdin=subprocess.PIPE)
        with open(f"{work}/branch.tar", "rb") as file:
            client.stdin.write(file.read(100000))
        client.stdin.flush()
        until(running, "it runs")
        operation = running()[0]["id"]
        client.send_signal(number)
        equal(client.wait(30), -number, "it ended by the signal")
        until(lambda: not running(), "it ends")
        equal(host.get("/v1/operation", id=operation)["state"],
              "cancelled" if number == signal.SIGINT else "failed", f"after {number}")
        host.fails("not-found", "show", "killed")
        equal(staging(host), [], "staging")


@test
def a_killed_daemon_leaves_nothing():
    client = flocker("import", "killed", "-", stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    client.stdin.write(b"\0" * 100)
    client.stdin.flush()
    until(running, "it runs")
    operation = running()[0]["id"]
    host.kill()
    client.stdin.close()
    equal(client.wait(30), 11, "the client sees it")
    host.start()
    equal(host.get("/v1/operation", id=operation)["state"], "failed", "after the restart")
    host.fails("not-found", "show", "killed")
    equal(staging(host), [], "staging")


if __name__ == "__main__":
    tap.main()
