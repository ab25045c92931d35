#!/usr/bin/python3
"""Files of any moment: ls, cat, versions."""

import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess

from digest import digest
from flocker import COMMAND, MIB, STRANGER, as_stranger, host_with_pool, temporary
from relays import Relay
from tap import equal, in_threads, main, note, test, true, wait_until

host = host_with_pool()


def names(ref):
    return [f["name"] for f in json.loads(host.run("ls", ref, "--json"))]


def cat(ref, **options):
    return subprocess.run([COMMAND, "--root", host.root, "cat", ref], capture_output=True,
                          timeout=120, **options)


@test
def a_directory_is_listed():
    host.run("create", "data")
    top = host.path("data")
    os.mkdir(f"{top}/etc")
    for name, text in (("hosts", "localhost"), ("b" * 255, ""), ("ümlaut", "x"), ("a b", "xy")):
        with open(f"{top}/etc/{name}", "w", encoding="utf-8") as file:
            file.write(text)
    os.symlink("hosts", f"{top}/etc/link")
    os.chmod(f"{top}/etc/hosts", 0o4751)
    os.utime(f"{top}/etc/hosts", ns=(1, 1_600_000_000_123_456_789))
    host.run("snapshot", "data", "--name", "one")
    os.unlink(f"{top}/etc/hosts")
    equal(names("data@{one}:etc"), sorted(["hosts", "b" * 255, "ümlaut", "a b", "link"],
                                          key=lambda name: name.encode()), "in the snapshot")
    true("hosts" not in names("data:etc"), "it is gone in the head")
    equal(names("data@{one}"), ["etc"], "the root")
    equal(names("data@{one}:/etc/"), names("data@{one}:etc"), "slashes at the ends")
    found = json.loads(host.run("ls", "data@{one}:etc/hosts", "--json"))
    equal(found, [{"name": "hosts", "type": "file", "mode": 0o4751, "size": 9, "uid": 0, "gid": 0,
                   "modified": "2020-09-13T12:26:40.123456789Z", "target": None}], "one file")
    link = json.loads(host.run("ls", "data@{one}:etc/link", "--json"))[0]
    equal((link["type"], link["target"]), ("symlink", "hosts"), "a link is shown itself")
    true(any(line.startswith("-rwsr-x--x") and line.endswith("hosts")
             for line in host.run("ls", "data@{one}:etc").splitlines()), "as a person reads it")


@test
def a_file_is_printed():
    data = os.urandom(3 * MIB + 17)
    with open(f"{host.path('data')}/big", "wb") as file:
        file.write(data)
    host.run("snapshot", "data", "--name", "big")
    with open(f"{host.path('data')}/big", "wb") as file:
        file.write(b"new")
    equal(hashlib.sha256(cat("data@{big}:big").stdout).hexdigest(),
          hashlib.sha256(data).hexdigest(), "of the snapshot")
    equal(cat("data:big").stdout, b"new", "of the head")
    equal(cat("data@{one}:etc/link").stdout, b"localhost", "through a link")
    equal(cat("data@{one}:etc/b" + "b" * 254).stdout, b"", "an empty one")


@test
def no_link_leads_out():
    top = host.path("data")
    os.symlink("/etc/passwd", f"{top}/absolute")
    os.symlink("../../../../../../../../etc/passwd", f"{top}/relative")
    os.symlink("/etc", f"{top}/directory")
    os.symlink("/proc/self/root", f"{top}/magic")
    os.symlink("loop", f"{top}/loop")
    host.run("snapshot", "data", "--name", "links")
    for ref in ("data", "data@{links}"):
        for path in ("absolute", "relative", "directory/passwd", "magic/etc/passwd"):
            done = cat(f"{ref}:{path}")
            true(done.returncode != 0 and b"root:" not in done.stdout, f"{ref}:{path}")
        for path in ("directory/passwd", "magic/etc"):
            host.fails("denied", "ls", f"{ref}:{path}", says=("leads out",))
        for verb in (("cat",), ("ls",), ("cp", host.directory)):
            for path in ("loop/", "loop/more"):
                if verb[0] != "ls" or path != "loop/": # that shows the link itself
                    host.fails("invalid", verb[0], f"{ref}:{path}", *verb[1:],
                               says=("too many symbolic links",), hint="itself")
        host.fails("invalid", "export", f"{ref}:loop", "x.tar", says=("too many symbolic links",))
        host.fails("invalid", "ls", f"{ref}:../etc")


@test
def what_is_no_file_is_refused():
    top = host.path("data")
    os.mkfifo(f"{top}/fifo")
    host.run("snapshot", "data", "--name", "odd")
    for ref in ("data", "data@{odd}"):
        host.fails("unsupported", "cat", f"{ref}:fifo")
        host.fails("invalid", "cat", f"{ref}:etc", says=("directory",))
    host.fails("invalid", "cat", "data@{odd}", says=("names no file",))
    host.fails("not-found", "cat", "data@{odd}:nope", says=("data@{odd}:nope",),
               hint="flocker versions 'data@{odd}:nope'")
    host.fails("not-found", "ls", "data@{odd}:etc/nope/there")
    for verb, *after in (("ls",), ("cat",), ("cp", "x"), ("versions",), ("export", "x.tar"), ("diff",),
                         ("restore",)):
        host.fails("invalid", verb, "data@{odd}:" + "n" * 256, *after, says=("256 bytes",))
        host.fails("invalid", verb, "data@{odd}:" + "n" * 4000 + "/x", *after)
        host.fails("invalid", verb, "data@{odd}:" + "n/" * 2048 + "n", *after, says=("4097 bytes",))
        wanted = {"restore": "invalid", "export": "invalid"}.get(verb, "not-found")
        host.fails(wanted, verb, "data@{one}:etc/hosts/x", *after)
    host.fails("invalid", "restore", "data@{one}:etc/hosts", "--to", "n" * 256, says=("256 bytes",))
    host.fails("not-found", "ls", "data@{none}:etc")
    host.fails("not-found", "ls", "nothing:etc")


@test
def a_destroyed_snapshot_is_read_to_its_end():
    data = os.urandom(32 * MIB)
    with open(f"{host.path('data')}/long", "wb") as file:
        file.write(data)
    host.run("snapshot", "data", "--name", "doomed")
    host.run("snapshot", "data")
    reader = subprocess.Popen([COMMAND, "--root", host.root, "cat", "data@{doomed}:long"],
                              stdout=subprocess.PIPE)
    first = reader.stdout.read(4096)
    os.unlink(f"{host.path('data')}/long")
    host.run("snapshot", "data")
    host.run("destroy", "data@{doomed}")
    host.fails("not-found", "ls", "data@{doomed}")
    rest = reader.stdout.read()
    equal(reader.wait(), 0, "the reader")
    true(first + rest == data, "it had all of it")
    wait_until(lambda: not any("doomed" in s["ref"] for s in host.get("/v1/snapshots",
                                                                         ref="data")["items"]),
                   "it is gone")


@test
def a_closed_pipe_ends_it_quietly():
    with open(f"{host.path('data')}/long", "wb") as file:
        file.write(bytes(8 * MIB))
    reader = subprocess.Popen([COMMAND, "--root", host.root, "cat", "data:long"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    reader.stdout.read(1)
    reader.stdout.close()
    equal(reader.stderr.read(), b"", "nothing is said")
    reader.wait()


@test
def versions_are_told_apart():
    host.run("create", "history")
    path = f"{host.path('history')}/f"
    ids = []

    def take():
        ids.append(json.loads(host.run("snapshot", "history", "--json"))[0]["id"])

    take()
    for text in ("one", "two"):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        take()
        take()
    os.unlink(path)
    take()
    with open(path, "w", encoding="utf-8") as file:
        file.write("two")
    os.utime(path, ns=(0, 0))
    take()
    # The same size and time as before, and other contents: the time of change tells.
    stat = os.stat(path)
    with open(path, "w", encoding="utf-8") as file:
        file.write("owt")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    found = json.loads(host.run("versions", "history:f", "--json"))
    equal([(v["oldest"] and v["oldest"]["id"], v["newest"] and v["newest"]["id"], v["snapshots"],
            v["live"]) for v in found],
          [(None, None, 0, True), (ids[6], ids[6], 1, False), (ids[3], ids[4], 2, False),
           (ids[1], ids[2], 2, False)], "newest first")
    equal(json.loads(host.run("versions", f"history@{{{ids[2]}}}:f", "--json")),
          [found[3]], "back from a snapshot")
    equal(len(host.run("versions", "history:f").splitlines()), 4, "lines")
    host.fails("not-found", "versions", "history:nope")
    host.fails("invalid", "versions", "history", says=("names no file",))


@test
def many_at_once():
    def read():
        for _ in range(5):
            equal(cat("data@{big}:big").returncode, 0, "cat")

    in_threads([read] * 6)


@test
def a_file_is_copied_out():
    place = temporary(host)
    top = host.path("data")
    with open(f"{top}/secret", "wb") as file:
        file.write(os.urandom(MIB))
    os.chmod(f"{top}/secret", 0o6751)
    os.utime(f"{top}/secret", ns=(1, 1_600_000_000_123_456_789))
    host.run("snapshot", "data", "--name", "secret")
    with open(f"{top}/secret", "rb") as file:
        data = file.read()
    os.unlink(f"{top}/secret")
    host.run("cp", "data@{secret}:secret", place)
    with open(f"{place}/secret", "rb") as file:
        equal(file.read() == data, True, "its contents")
    info = os.stat(f"{place}/secret")
    equal((info.st_mode & 0o7777, info.st_mtime_ns), (0o751, 1_600_000_000_123_456_789), "what it is")
    host.fails("exists", "cp", "data@{secret}:secret", place, says=("--force",))
    host.fails("exists", "cp", "data@{secret}:secret", f"{place}/secret")
    host.run("cp", "data@{one}:etc/link", f"{place}/secret", "--force")
    with open(f"{place}/secret", encoding="utf-8") as file:
        equal(file.read(), "localhost", "replaced, through a link")
    equal(host.run("cp", "data@{one}:etc/hosts", "-"), "localhost", "standard output")
    host.fails("invalid", "cp", "data@{one}:etc", "-", says=("directory",))
    host.fails("not-found", "cp", "data@{one}:nope", f"{place}/nope")
    host.fails("not-found", "cp", "data@{one}:etc/hosts", f"{place}/no/such")
    equal(os.listdir(place), ["secret"], "nothing else is there")
    # As the user who calls, who may write there alone.
    done = as_stranger(host, "cp", "data@{one}:etc/hosts", place)
    equal(done.returncode, 10, done.stderr)
    equal(os.listdir(place), ["secret"], "nor was it root who did")
    os.chown(place, STRANGER, STRANGER)
    os.unlink(f"{place}/secret")
    done = as_stranger(host, "cp", "data@{secret}:secret", place)
    info = os.stat(f"{place}/secret")
    equal((done.returncode, info.st_uid, info.st_mode & 0o7777), (0, STRANGER, 0o751), "the user's own")


@test
def a_directory_is_copied_out():
    place = temporary(host)
    host.create("tree")
    top = host.path("tree")
    os.makedirs(f"{top}/dir/sub/read-only")
    for name, data in (("dir/file", b"file\n"), ("dir/sub/deep", os.urandom(MIB)), ("outside", b"no")):
        with open(f"{top}/{name}", "wb") as file:
            file.write(data)
    os.link(f"{top}/dir/file", f"{top}/dir/sub/second")
    with open(f"{top}/dir/sparse", "wb") as file:
        file.truncate(16 * MIB)
        file.write(b"x")
    os.symlink("/etc/passwd", f"{top}/dir/link")
    os.symlink("dir", f"{top}/to-dir")
    os.mkfifo(f"{top}/dir/fifo")
    os.setxattr(f"{top}/dir/file", "user.note", b"kept")
    os.chown(f"{top}/dir/sub/deep", 12, 34)
    os.chmod(f"{top}/dir/sub/deep", 0o640)
    os.chmod(f"{top}/dir/sub/read-only", 0o555)
    os.utime(f"{top}/dir/sub", ns=(1, 1_600_000_000_123_456_789))
    host.snapshot("tree", name="one")
    host.run("cp", "tree@{one}:dir", f"{place}/new")
    equal(digest(f"{place}/new"), digest(f"{top}/dir"), "all of it, under a new name")
    equal((os.stat(f"{place}/new/file").st_nlink, os.stat(f"{place}/new/sparse").st_blocks < 1000),
          (2, True), "a hard link, and a hole")
    host.run("cp", "tree@{one}:dir", place)
    equal(digest(f"{place}/dir"), digest(f"{top}/dir"), "into a directory")
    host.run("cp", "tree:to-dir", f"{place}/followed/")
    equal(digest(f"{place}/followed"), digest(f"{top}/dir"), "through a link, of the head")
    host.run("cp", "tree@{one}", place)
    equal(digest(f"{place}/tree"), digest(top), "the root, called as the volume")
    equal(sorted(os.listdir(place)), ["dir", "followed", "new", "tree"], "nothing else is there")


@test
def a_directory_that_cannot_be_copied_leaves_nothing():
    place = temporary(host)
    os.mkdir(f"{place}/dir")
    with open(f"{place}/file", "w", encoding="utf-8") as file:
        file.write("mine")
    os.symlink("/nowhere", f"{place}/dangling")
    for dest in (place, f"{place}/file", f"{place}/dangling"):
        for force in ((), ("--force",)):
            host.fails("exists", "cp", "tree@{one}:dir", dest, *force, hint="merged")
    host.fails("not-found", "cp", "tree@{one}:dir", f"{place}/no/such")
    host.fails("not-found", "cp", "tree@{one}:nope/", f"{place}/nope")
    host.fails("denied", "cp", "data@{links}:directory", f"{place}/directory", says=("leads out",))
    small = f"{host.directory}/small"
    os.mkdir(small)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", small], check=True)
    try:
        host.fails("no-space", "cp", "tree@{one}:dir", f"{small}/dir")
        equal(os.listdir(small), [], "nothing is left")
    finally:
        subprocess.run(["umount", small], check=True)
    equal(sorted(os.listdir(place)), ["dangling", "dir", "file"], "nothing was made")
    equal((os.listdir(f"{place}/dir"), os.path.getsize(f"{place}/file")), ([], 4), "nor replaced")


@test
def what_is_copied_gives_no_rights():
    place = temporary(host)
    top = f"{host.path('tree')}/rights"
    os.mkdir(top)
    for name, mode in (("suid", 0o4755), ("sgid", 0o2755), ("plain", 0o644)):
        with open(f"{top}/{name}", "w", encoding="utf-8") as file:
            file.write("x")
        os.chmod(f"{top}/{name}", mode)
    os.setxattr(f"{top}/plain", "security.capability",
                bytes.fromhex("0100000200040000000000000000000000000000"))
    os.mknod(f"{top}/null", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    os.link(f"{top}/null", f"{top}/null-too")
    os.mkdir(f"{top}/box")
    os.chmod(f"{top}/box", 0o2775)
    done = host.try_run("cp", "tree:rights", place)
    equal((done.status, done.err), (0, "flocker: left out: 2 devices, which only an export takes\n"), "cp")
    copied = f"{place}/rights"
    equal({n: stat.S_IMODE(os.lstat(f"{copied}/{n}").st_mode) for n in os.listdir(copied)},
          {"suid": 0o755, "sgid": 0o755, "plain": 0o644, "box": 0o2775}, "modes")
    equal(os.listxattr(f"{copied}/plain"), [], "capabilities")
    # As an ordinary user: what is another's becomes his.
    shutil.rmtree(copied)
    os.chown(place, STRANGER, STRANGER)
    done = as_stranger(host, "cp", "tree@{one}:dir", place)
    if done.returncode:
        true("only root" in done.stderr and os.listdir(place) == [], done.stderr)
        note("this kernel gives ordinary users no namespaces")
        return
    info = os.stat(f"{place}/dir/sub/deep")
    equal((info.st_uid, info.st_mode & 0o7777), (STRANGER, 0o640), "the user's own")
    equal(os.getxattr(f"{place}/dir/file", "user.note"), b"kept", "attributes that he may set")


@test
def who_interrupts_a_copy_finds_nothing():
    place = temporary(host)
    for number in (signal.SIGINT, signal.SIGTERM):
        relay = Relay(host, f"relay{number}")
        child = subprocess.Popen([COMMAND, "--socket", relay.path, "cp", "tree:dir", f"{place}/copy"])
        relay.wait()
        wait_until(lambda: os.listdir(place), "it has begun")
        child.send_signal(number)
        equal(child.wait(60), -number, "it ended by the signal")
        equal(os.listdir(place), [], "nothing is left")


@test
def a_directory_is_exported():
    place = temporary(host)
    done = subprocess.run(f"{COMMAND} --root {host.root} export 'data@{{one}}:etc' - | tar -x -C {place}",
                          shell=True, capture_output=True, timeout=120)
    equal((done.returncode, done.stderr), (0, b""), "export and tar")
    equal(sorted(os.listdir(place)), sorted(names("data@{one}:etc")), "it is the root")
    equal(digest(place), digest_of("data@{one}", "etc"), "all of it")
    host.fails("invalid", "export", "data@{one}:etc/hosts", f"{place}.tar", says=("no directory",))
    host.fails("not-found", "export", "data@{one}:nope", f"{place}.tar")
    host.fails("denied", "export", "data@{links}:directory", f"{place}.tar", says=("leads out",))
    wait_until(lambda: not [o for o in json.loads(host.run("operations", "--json")) if o["state"] == "running"],
               "none is left")


def digest_of(ref, path):
    mounted = host.run("mount", ref).strip()
    try:
        return digest(f"{mounted}/{path}")
    finally:
        host.run("unmount", ref)


if __name__ == "__main__":
    main()
