#!/usr/bin/env python3
"""flocker-tree with the kernel's own deltas: what is carried out, on whatever file system, is what was sent."""

import fcntl
import os
import shutil
import socket
import stat
import struct
import subprocess

import cleanup
import tap
from digest import entries
from flocker import BUILD, MIB
from tap import equal, test, tests_for, true

NO_ID = 0xffffffff
PROGRAM = str(BUILD / "src/tree/flocker-tree")

cleanup.sweep()
HERE = cleanup.make_directory()
tap.finally_(lambda: cleanup.remove(HERE))


def mount(name, kind):
    image, point = f"{HERE}/{name}.img", f"{HERE}/{name}"
    with open(image, "wb") as file:
        file.truncate(1 << 30)
    subprocess.run([f"mkfs.{kind}", "-q", image], check=True, stdout=subprocess.DEVNULL)
    os.mkdir(point)
    subprocess.run(["mount", "-o", "loop,noatime", image, point], check=True)
    return point


POOL = mount("pool", "btrfs")
PLAIN = mount("plain", "ext4")


def btrfs(*words):
    subprocess.run(["btrfs", "-q", *words], check=True, stdout=subprocess.DEVNULL)


def run(words, files):
    """The last line of the report, and the digest."""
    read, write = os.pipe()
    high = {to: fcntl.fcntl(fd, fcntl.F_DUPFD, 200) for to, fd in {**files, 4: write}.items()}

    def arrange():
        for to, fd in high.items():
            os.dup2(fd, to)

    process = subprocess.Popen([PROGRAM, *words], preexec_fn=arrange, close_fds=False)
    for fd in [*high.values(), *files.values(), write]:
        os.close(fd)
    with open(read, encoding="utf-8", errors="surrogateescape") as report:
        lines = [line for line in report.read().splitlines() if not line.startswith("progress ")]
    equal(process.wait(), 0, f"exit status after {lines[-1:]}")
    digests = [line[7:] for line in lines if line.startswith("digest ")]
    return lines[-1], digests[0] if digests else None


def directory(path):
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY)


def digest(tree, *words):
    last, found = run(["digest", *words], {3: directory(tree)})
    true(last.startswith("done "), last)
    return found


def send(tree, base=None):
    delta = f"{HERE}/delta"
    btrfs("send", *(["-p", base] if base else []), "-f", delta, tree)
    return delta


def apply(delta, tree, base=None):
    files = {0: os.open(delta, os.O_RDONLY), 3: directory(tree)}
    if base:
        files[5] = directory(base)
    return run(["apply", *(["--base"] if base else [])], files)[0]


def same(first, second):
    """By the program, and by what knows nothing of it."""
    for one, other in zip(entries(first), entries(second), strict=True):
        equal(other, one, "an entry")
    equal(digest(second), digest(first), "the digest")


# --- trees -------------------------------------------------------------------------------------------------------

def fill(head):
    """Something of everything."""
    acl = struct.pack("<I" + "HHI" * 5, 2, 1, 7, NO_ID, 2, 6, 77, 4, 5, NO_ID, 16, 7, NO_ID, 32, 0, NO_ID)
    os.makedirs(f"{head}/dir/deep")
    files = {"text": b"text", "dir/big": os.urandom(3 * MIB), "dir/deep/empty": b"", "zeros": bytes(70000)}
    for name, contents in files.items():
        with open(f"{head}/{name}", "wb") as file:
            file.write(contents)
    with open(f"{head}/sparse", "wb") as file:
        file.truncate(32 * MIB)
        os.pwrite(file.fileno(), b"far away", 32 * MIB - 100)
    os.link(f"{head}/text", f"{head}/dir/text2")
    os.symlink("../nowhere", f"{head}/dir/link")
    os.mkfifo(f"{head}/fifo", 0o620)
    os.mknod(f"{head}/gone", stat.S_IFCHR | 0o600, os.makedev(0, 0))
    server = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(head)
    server.bind("socket")
    os.chdir(here)
    server.close()
    os.chown(f"{head}/dir/big", 1000, 1001)
    os.chmod(f"{head}/dir/big", 0o6755)
    os.chmod(f"{head}/dir", 0o2775)
    os.chmod(head, 0o1777)
    os.setxattr(f"{head}/text", "user.note", b"a\0b")
    os.setxattr(f"{head}/dir/link", "trusted.note", b"on a link", follow_symlinks=False)
    os.setxattr(f"{head}/dir", "system.posix_acl_default", acl)
    os.setxattr(f"{head}/dir/big", "system.posix_acl_access", acl)
    os.utime(f"{head}/text", ns=(1, -1))


def change(head):
    """Something of everything that can become of it."""
    os.rename(f"{head}/dir", f"{head}/moved")
    os.mkdir(f"{head}/dir")  # in its place
    os.rename(f"{head}/moved/deep", f"{head}/dir/deeper")
    os.unlink(f"{head}/fifo")
    os.symlink("text", f"{head}/fifo")
    os.unlink(f"{head}/text")  # its other name stays
    with open(f"{head}/moved/big", "r+b") as file:
        os.pwrite(file.fileno(), b"changed", 2 * MIB)
        os.pwrite(file.fileno(), bytes(MIB), MIB)
        file.truncate(2 * MIB + 100)
    os.chown(f"{head}/moved/big", 1002, 1001)
    os.chmod(f"{head}/moved/big", 0o6755)
    os.removexattr(f"{head}/moved/text2", "user.note")
    os.link(f"{head}/zeros", f"{head}/dir/zeros")
    with open(f"{head}/moved/new", "wb") as file:  # the directory hands an ACL on
        file.write(b"new")
    with open(f"{head}/first", "wb") as file:
        file.write(b"1")
    os.rename(f"{head}/first", f"{head}/gone")


def snapshots(name):
    head = f"{POOL}/{name}"
    btrfs("subvolume", "create", head)
    fill(head)
    btrfs("subvolume", "snapshot", "-r", head, f"{head}.1")
    change(head)
    btrfs("subvolume", "snapshot", "-r", head, f"{head}.2")
    return f"{head}.1", f"{head}.2"


# --- tests ---------------------------------------------------------------------------------------------------------

@tests_for([POOL, PLAIN], os.path.basename)
def what_is_sent_is_made(place):
    first, second = snapshots(f"sent-{os.path.basename(place)}")
    tree, base = f"{place}/made", f"{place}/base"
    for path in tree, base:
        os.mkdir(path)
        true(apply(send(first), path).startswith("done "), "all of it")
        same(first, path)
    true(apply(send(second, first), tree, base).startswith("done "), "the change")
    same(second, tree)
    same(first, base)
    true(os.stat(f"{tree}/sparse").st_blocks < 1000, "what was sparse is sparse")


@test
def what_is_cloned_is_shared():
    head, tree = f"{POOL}/cloned", f"{POOL}/cloned-made"
    btrfs("subvolume", "create", head)
    with open(f"{head}/file", "wb") as file:
        file.write(os.urandom(4 * MIB))
    btrfs("subvolume", "snapshot", "-r", head, f"{head}.1")
    subprocess.run(["cp", "--reflink=always", f"{head}/file", f"{head}/again"], check=True)
    btrfs("subvolume", "snapshot", "-r", head, f"{head}.2")
    btrfs("subvolume", "create", f"{tree}.1")
    apply(send(f"{head}.1"), f"{tree}.1")
    btrfs("subvolume", "snapshot", f"{tree}.1", tree)
    delta = send(f"{head}.2", f"{head}.1")
    true(os.stat(delta).st_size < MIB, "a delta that clones")
    true(apply(delta, tree, f"{tree}.1").startswith("done "), "within the sandbox")
    same(f"{head}.2", tree)
    os.sync()
    used = subprocess.run(["btrfs", "filesystem", "du", "--raw", "-s", f"{tree}/again"], check=True,
                          capture_output=True, text=True).stdout.splitlines()[-1].split()
    equal(int(used[1]), 0, "bytes that the new file has for itself")


@test
def any_change_is_another_digest():
    tree = f"{POOL}/digests"
    os.mkdir(tree)
    fill(tree)
    seen = {digest(tree)}

    def changed(what):
        now = digest(tree)
        true(now not in seen, f"another digest after {what}")
        seen.add(now)

    times = os.stat(f"{tree}/dir/big")
    with open(f"{tree}/dir/big", "r+b") as file:
        file.write(b"x")
    os.chmod(f"{tree}/dir/big", 0o6755)
    os.utime(f"{tree}/dir/big", ns=(times.st_atime_ns, times.st_mtime_ns))
    changed("one byte")
    os.utime(f"{tree}/dir/big", ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    changed("a nanosecond")
    times = os.stat(f"{tree}/dir/big")
    second = 10 ** 9
    whole = digest(tree, "--grain", str(second))
    os.utime(f"{tree}/dir/big", ns=(times.st_atime_ns, times.st_mtime_ns // second * second))
    changed("all of the nanoseconds")
    equal(digest(tree, "--grain", str(second)), whole, "to the second")
    os.utime(f"{tree}/dir/big", ns=(times.st_atime_ns, times.st_mtime_ns + second))
    true(digest(tree, "--grain", str(second)) != whole, "a second is told")
    changed("a second")
    for grain in ("0", str(second + 1), "-1", "x", ""):
        equal(subprocess.run([PROGRAM, "digest", "--grain", grain], check=False, capture_output=True).returncode, 2, grain)
    os.setxattr(f"{tree}/dir", "trusted.x", b"")
    changed("an empty attribute")
    os.chown(f"{tree}/dir/link", 5, -1, follow_symlinks=False)
    changed("an owner")
    os.truncate(f"{tree}/sparse", 64 * MIB)
    changed("a longer hole")
    now = digest(tree)
    with open(f"{tree}/sparse", "r+b") as file:
        times = os.stat(f"{tree}/sparse")
        file.write(bytes(100000))
        file.flush()
        os.utime(f"{tree}/sparse", ns=(times.st_atime_ns, times.st_mtime_ns))
    equal(digest(tree), now, "zeros for a hole")
    parent = os.stat(f"{tree}/dir")
    os.unlink(f"{tree}/dir/text2")
    shutil.copy2(f"{tree}/text", f"{tree}/dir/text2")
    os.utime(f"{tree}/dir", ns=(parent.st_atime_ns, parent.st_mtime_ns))
    changed("a file of its own instead of a link")


if __name__ == "__main__":
    tap.main()
