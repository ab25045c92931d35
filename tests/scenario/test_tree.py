#!/usr/bin/env python3
"""flocker-archive and flocker-tree alone: packing, unpacking and copying trees, with archives that mean harm and ones of other programs."""

import errno
import fcntl
import os
import pathlib
import random
import shutil
import socket
import stat
import struct
import subprocess
import sys
import tarfile
import threading

import cleanup
import tap
from digest import digest, entries
from flocker import BUILD, CODES, LONG, MIB
from tap import equal, test, tests_for, true

TREE, ARCHIVE = (str(BUILD / "src/tree" / name) for name in ("flocker-tree", "flocker-archive"))
BLOCK = 512
RSS_LIMIT = 64 * 1024  # KiB

cleanup.sweep()
HERE = cleanup.make_directory()
tap.finally_(lambda: cleanup.remove(HERE))


# --- a place of its own ------------------------------------------------------------------------------------------

def mount(name, size=2 << 30, kind="btrfs"):
    """A file system of its own."""
    image, point = f"{HERE}/{name}.img", f"{HERE}/{name}"
    with open(image, "wb") as file:
        file.truncate(size)
    subprocess.run([f"mkfs.{kind}", "-q", image], check=True, stdout=subprocess.DEVNULL)
    os.mkdir(point)
    subprocess.run(["mount", "-o", "loop", image, point], check=True)
    return point


POOL = mount("pool")
CANARY = f"{POOL}/canary"
COUNTER = iter(range(1 << 30))


def new(kind="tree"):
    path = f"{POOL}/{kind}{next(COUNTER)}"
    os.mkdir(path)
    return path


def make_canaries():
    os.mkdir(CANARY)
    pathlib.Path(f"{CANARY}/file").write_text("nobody touches this", encoding="utf-8")
    os.mkdir(f"{CANARY}/dir")


make_canaries()
UNTOUCHED = digest(CANARY)


# --- running it ----------------------------------------------------------------------------------------------------

class Ran:
    """How it went: `done` (entries, bytes) or `failed` (code, text, hint, object), its `errno`, the archive, the memory in KiB."""

    def __init__(self, lines, status, out, memory):
        self.status, self.out, self.memory, self.lines = status, out, memory, lines
        last = lines[-1] if lines else ""
        self.done = tuple(int(n) for n in last.split()[1:3]) if last.startswith("done ") else None
        code, number, *rest = last[7:].split("\t") if last.startswith("failed ") else (None, "0")
        self.failed = (code, *rest) if code else None
        self.errno = int(number)


def start(words, files):
    """Starts the program with `files`: its descriptor -> ours; returns the process and its report."""
    read, write = os.pipe()
    wanted = {0: os.open("/dev/null", os.O_RDWR), 1: os.open("/dev/null", os.O_RDWR), **files, 4: write}
    high = {to: fcntl.fcntl(fd, fcntl.F_DUPFD, 200) for to, fd in wanted.items()}

    def arrange():
        for to, fd in high.items():
            os.dup2(fd, to)

    process = subprocess.Popen([ARCHIVE if words[0] in ("pack", "unpack") else TREE, *words], preexec_fn=arrange, close_fds=False)
    for fd in [*high.values(), *wanted.values()]:
        os.close(fd)
    cleanup.record(f"{HERE}/daemons", process.pid)
    return process, open(read, encoding="utf-8", errors="surrogateescape")


def wait(process, report, out=b"", before=()):
    """`before`: lines of the report that were read already."""
    with report:
        lines = ("".join(before) + report.read()).splitlines()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    ran = Ran(lines, process.returncode, out, usage.ru_maxrss)
    equal(ran.status, 0, f"exit status after {lines[-1:]}")
    true(ran.done or ran.failed, f"a last line, not {lines[-1:]}")
    true(all(line.startswith("progress ") for line in lines[:-1]), "only progress before it")
    return ran


def directory(path):
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY)


def pack(tree, *options):
    read, write = os.pipe()
    process, report = start(["pack", *options], {1: write, 3: directory(tree)})
    with open(read, "rb") as file:
        out = file.read()
    return wait(process, report, out)


def feed(write, chunks):
    try:
        with open(write, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
    except BrokenPipeError:
        pass  # it refused the archive before the end


def unpack(archive, tree, *options):
    """`archive`: bytes, or something that yields them."""
    read, write = os.pipe()
    process, report = start(["unpack", *options], {0: read, 3: directory(tree)})
    feeder = threading.Thread(target=feed, args=(write, [archive] if isinstance(archive, bytes) else archive))
    feeder.start()
    ran = wait(process, report)
    feeder.join(60)
    return ran


def copy(source, tree):
    process, report = start(["copy"], {3: directory(tree), 5: directory(source)})
    return wait(process, report)


def good(ran):
    true(ran.done, f"done, not {ran.failed}")
    return ran


def refused(code, archive, *options, says=(), tree=None, hint=True):
    """Fails with this code and these words; nothing outside the tree changes."""
    ran = unpack(archive, tree or new(), *options)
    true(ran.failed, f"{code}, not {ran.done}")
    equal(ran.failed[0], code, f"code of {ran.failed}")
    true(code in CODES and len(ran.failed) == 4, f"four fields: {ran.failed}")
    for word in [says] if isinstance(says, str) else says:
        true(word in ran.failed[1], f"{word!r} in {ran.failed[1]!r}")
    true(ran.failed[2] or not hint, f"a hint in {ran.failed}")
    equal(digest(CANARY), UNTOUCHED, "what lies outside")
    return ran


# --- trees ---------------------------------------------------------------------------------------------------------

def tool(*words):
    done = subprocess.run(words, capture_output=True, check=False)
    true(done.returncode == 0, f"{words}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def write_holes(path):
    with open(path, "wb") as file:
        for at in (0, 5 * MIB, 9 * MIB):
            file.seek(at)
            file.write(bytes(range(1, 251)) * 100)
        file.truncate(32 * MIB)


def make_links(root):
    for number in range(200):
        path = f"{root}/deep/down/file{number}"
        pathlib.Path(path).write_bytes(os.urandom(number * 37))
        os.link(path, f"{root}/links/a{number}")
        if number % 3 == 0:
            os.link(path, f"{root}/links/b{number}")


def make_attributes(root):
    """Attributes last: making things in a directory changes it."""
    tool("setfattr", "-n", "user.word", "-v", "value", f"{root}/links/a1")
    os.setxattr(f"{root}/links/a2", "user.bytes", bytes(range(256)) + b"\n=\0")
    os.setxattr(f"{root}/links/a2", "user.empty", b"")
    os.setxattr(f"{root}/deep", "trusted.of-a-directory", b"x" * 3000)
    os.setxattr(f"{root}/symlink", "trusted.of-a-link", b"yes", follow_symlinks=False)
    os.setxattr(f"{root}/fifo", "trusted.of-a-fifo", b"yes")
    tool("setfacl", "-m", "u:12345:rwx,g:23456:r,m::rx", f"{root}/links/a4")
    tool("setfacl", "-m", "u:daemon:rw,g:bin:r", f"{root}/links/a7")  # who have names, which GNU tar writes
    tool("setfacl", "-m", "u:12345:rwx", f"{root}/deep/down")
    tool("setfacl", "-d", "-m", "u:12345:rwx,g:7777:---", f"{root}/deep/down")
    os.chown(f"{root}/links/a5", 1234, 4000000)
    os.chown(f"{root}/symlink", 77, 2000000000, follow_symlinks=False)
    os.chmod(f"{root}/links/a6", 0o1002)
    os.chmod(f"{root}/links", 0o3751)
    for number, path in enumerate((f"{root}/symlink", f"{root}/fifo", f"{root}/links/a9", f"{root}/deep")):
        os.utime(path, ns=(0, 10 ** 18 + number * 123456789), follow_symlinks=False)
    os.utime(f"{root}/links/a11", ns=(0, -5 * 10 ** 9))
    os.utime(f"{root}/links/a12", ns=(0, 9 * 10 ** 18 + 1))


def make_tree(names=True):
    """Everything that a tree can hold.  Without `names`: only those that other programs cope with."""
    root = new("source")
    os.makedirs(f"{root}/deep/down/empty")
    os.mkdir(f"{root}/links")
    make_links(root)
    os.symlink("/etc/passwd", f"{root}/symlink")
    os.symlink("../" * 60 + "x" * 190, f"{root}/long-symlink")
    os.mkfifo(f"{root}/fifo", 0o640)
    write_holes(f"{root}/holes")
    pathlib.Path(f"{root}/only-a-hole").touch()
    os.truncate(f"{root}/only-a-hole", 3 * MIB + 1)
    pathlib.Path(f"{root}/large").write_bytes(random.Random(1).randbytes(3 * MIB + 77))
    pathlib.Path(f"{root}/{'n' * 255}").touch()
    if names:
        for name in (b"\xff\xfe", b"e\xcc\x81", "é ü 漢".encode(), b"a\nb\tc", b"\\ \"'", b"-rf", "ü".encode() * 127):
            pathlib.Path(os.fsdecode(root.encode() + b"/deep/" + name)).write_bytes(name)
            os.symlink(name, root.encode() + b"/links/s" + name[:250])
    make_attributes(root)
    os.chown(root, 5, 6)
    os.chmod(root, 0o751)
    os.setxattr(root, "user.of-the-root", b"here")
    os.utime(root, ns=(0, 123456789987654321))
    return root


def allocated(root):
    return os.stat(f"{root}/holes").st_blocks, os.stat(f"{root}/only-a-hole").st_blocks


def same(got, want, root=True):
    """Both trees in everything; without `root`, in all but its own attributes."""
    there, wanted = list(entries(got)), list(entries(want))
    equal([e[0] for e in there], [e[0] for e in wanted], "names")
    for have, should in list(zip(there, wanted))[not root:]:
        equal(have, should, f"{should[0]}")
    true(sum(allocated(got)) <= sum(allocated(want)) + 64, f"holes stay holes: {allocated(got)}, {allocated(want)}")


# --- what goes in comes out ----------------------------------------------------------------------------------------

@tests_for([(), ("--zstd",)], name=lambda options: "zstd" if options else "plain")
def a_tree_comes_back_exactly(options):
    source, tree = make_tree(), new()
    packed = good(pack(source, *options))
    entries = sum(len(files) + len(dirs) for _, dirs, files in os.walk(source)) + 1
    equal(packed.done[0], entries, "entries")
    equal(packed.out[:4] == b"\x28\xb5\x2f\xfd", bool(options), "compressed")
    equal(good(unpack(packed.out, tree)).done, (entries, len(packed.out)), "all of the archive was read")
    same(tree, source)


@test
def a_copy_is_the_same():
    source, tree = make_tree(), new()
    good(copy(source, tree))
    same(tree, source)


@test
def a_copy_from_another_file_system_is_the_same():
    source = make_tree()
    other = mount("other", 256 * MIB)
    good(copy(source, other))
    same(other, source)
    tree = new()
    good(copy(other, tree))
    same(tree, source)


@test
def a_copy_leaves_out_what_is_mounted_within():
    source, tree = new("source"), new()
    for name in ("inside", "mounted"):
        os.mkdir(f"{source}/{name}")
    subprocess.run(["mount", "--bind", CANARY, f"{source}/mounted"], check=True)
    try:
        good(copy(source, tree))
    finally:
        subprocess.run(["umount", f"{source}/mounted"], check=True)
    equal(sorted(os.listdir(tree)), ["inside", "mounted"], "entries")
    equal(os.listdir(f"{tree}/mounted"), [], "what was mounted")


@test
def a_copy_never_meets_itself():
    source = new("source")
    os.makedirs(f"{source}/pool/staging/tree")
    os.mkdir(f"{source}/data")
    ran = copy(source, f"{source}/pool/staging/tree")
    true(ran.failed, f"refused, not {ran.done}")
    equal(ran.failed[0], "invalid", f"code of {ran.failed}")
    true("holds the pool" in ran.failed[1] and "pool/staging/tree" in ran.failed[1], f"{ran.failed}")
    true(ran.failed[2], "a hint")


@test
def sockets_are_left_out():
    source, tree = new("source"), new()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{source}/socket")
    pathlib.Path(f"{source}/file").touch()
    equal(good(unpack(good(pack(source)).out, tree)).done[0], 2, "entries")
    equal(os.listdir(tree), ["file"], "entries")


@test
def deep_trees_come_back():
    source, tree = new("source"), new()
    at = directory(source)
    for _ in range(100):
        os.mkdir("d" * 200, dir_fd=at)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(os.open("file", os.O_CREAT, dir_fd=at))
    os.close(at)
    packed = good(pack(source))
    good(unpack(packed.out, tree))
    equal(good(pack(tree)).out, packed.out, "the archive of the copy")


# --- other programs ------------------------------------------------------------------------------------------------

GNU = ["tar", "--xattrs", "--xattrs-include=*", "--acls", "--numeric-owner"]
BSD = ["bsdtar", "--xattrs", "--acls", "--numeric-owner"]
MAKERS = {
    "GNU tar": [*GNU, "--sparse", "--format=pax", "-c"],
    "GNU tar, gzip": [*GNU, "--sparse", "--format=pax", "-cz"],
    "GNU tar, xz": [*GNU, "--sparse", "--format=pax", "-cJ"],
    "GNU tar, zstd": [*GNU, "--sparse", "--format=pax", "--zstd", "-c"],
    "bsdtar": [*BSD, "--format=pax", "-c", "-f", "-"],
    "bsdtar, bzip2": [*BSD, "--format=pax", "-cj", "-f", "-"],
}


@tests_for(MAKERS)
def an_archive_of_another_program_is_read(maker):
    source, tree = make_tree(names="GNU" in maker), new()
    archive = tool(*MAKERS[maker], "-C", source, ".")
    good(unpack(archive, tree))
    same(tree, source)


@tests_for({"GNU tar": [*GNU, "-xp"], "bsdtar": [*BSD, "-xp", "-f", "-"]}.items(), name=lambda pair: pair[0])
def another_program_reads_ours(pair):
    source, tree = make_tree(), new()
    subprocess.run([*pair[1], "-C", tree], input=good(pack(source)).out, check=True, stderr=subprocess.DEVNULL)
    # bsdtar sets the time of the directory that it extracts into first, and then fills it.
    same(tree, source, root=pair[0] == "GNU tar")


EARLY = [-1, -5 * 10 ** 8, -10 ** 9, -10 ** 9 - 1, -15 * 10 ** 8, -2 * 10 ** 9, -2208988799999999999, 0, 1, 5 * 10 ** 8]


def times(tree):
    return [os.stat(f"{tree}/{name}").st_mtime_ns for name in sorted(os.listdir(tree))]


# bsdtar is not among them: in the versions that we have met it writes and reads -1.5 as "-2.5", which means something else.
@test
def times_before_1970_come_back():
    source, trees = new("source"), [new(), new(), new(), new()]
    for number, time in enumerate(EARLY):
        # Long names, so that there are records of other kinds, and headers over the border of a read.
        path = f"{source}/{number:02}{'n' * 200}"
        pathlib.Path(path).write_bytes(bytes(21000))
        os.utime(path, ns=(0, time))
    ours, theirs = good(pack(source)).out, tool(*GNU, "--format=pax", "-C", source, "-c", ".")
    good(unpack(ours, trees[0]))
    good(unpack(theirs, trees[1]))
    subprocess.run([*GNU, "-xp", "-C", trees[2]], input=ours, check=True, stderr=subprocess.DEVNULL)
    by_hand = extended([("comment", b"x" * 900000), ("mtime", b"-3.75"), ("mtime", b"-0.25")]) + tar(entry("a"))
    good(unpack(by_hand, trees[3]))
    equal(times(trees[3]), [-250000000], "time behind a long record")
    for tree in trees[:3]:
        equal(times(tree), EARLY, "times")


# --- archives by hand ----------------------------------------------------------------------------------------------

def entry(name, type=tarfile.REGTYPE, data=b"", **more):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mode = type, len(data), 0o755 if type == tarfile.DIRTYPE else 0o644
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def tar(*entries, end=True):
    out = b""
    for info, data in entries:
        out += info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape") + data + bytes(-len(data) % BLOCK)
    return out + bytes(2 * BLOCK if end else 0)


def record(key, value):
    body = b" " + key.encode() + b"=" + value + b"\n"
    length = len(body) + 1
    while length != len(str(length)) + len(body):
        length += 1
    return str(length).encode() + body


def extended(records):
    info = tarfile.TarInfo("pax")
    info.type, data = b"x", b"".join(record(key, value) for key, value in records)
    info.size = len(data)
    return info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % BLOCK)


FILE, DIR, LINK, SYMLINK = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE
HARM = {
    "up": ("'..'", [entry("../canary/file", data=b"!")]),
    "up from within": ("'..'", [entry("a/../../canary/file", data=b"!")]),
    "up at the end": ("'..'", [entry("a/..", DIR)]),
    "absolute": ("absolute", [entry("/canary/file", data=b"!")]),
    "absolute, host": ("absolute", [entry(f"{CANARY}/file", data=b"!")]),
    "through a link": ("symbolic link", [entry("l", SYMLINK, linkname=CANARY), entry("l/file", data=b"!")]),
    "through a relative link": ("symbolic link", [entry("l", SYMLINK, linkname="../canary"), entry("l/dir/x", DIR)]),
    "through a link within": ("symbolic link", [entry("d", DIR), entry("l", SYMLINK, linkname="d"), entry("l/x")]),
    "through a link that replaced a directory": (
        "symbolic link", [entry("d", DIR), entry("d", SYMLINK, linkname="../canary"), entry("d/file", data=b"!")]),
    "through a file": ("directory", [entry("f"), entry("f/x")]),
    "hard link up": ("'..'", [entry("h", LINK, linkname="../canary/file")]),
    "hard link absolute": ("absolute", [entry("h", LINK, linkname=f"{CANARY}/file")]),
    "hard link through a link": (
        "symbolic link", [entry("l", SYMLINK, linkname="../canary"), entry("h", LINK, linkname="l/file")]),
    "hard link to nothing": ("hard link", [entry("h", LINK, linkname="missing")]),
    "hard link to itself": ("hard link", [entry("h", LINK, linkname="h")]),
    "hard link to a directory": ("hard link", [entry("d", DIR), entry("h", LINK, linkname="d")]),
    "hard link to the root": ("hard link", [entry("h", LINK, linkname="./")]),
    "the root as a file": ("root", [entry(".", data=b"!")]),
    "the root as a link": ("root", [entry("./", SYMLINK, linkname="../canary")]),
    "character device": ("device", [entry("null", tarfile.CHRTYPE, devmajor=1, devminor=3)]),
    "block device": ("device", [entry("disk", tarfile.BLKTYPE, devmajor=7, devminor=0)]),
    "set-uid": ("set-uid", [entry("su", mode=0o4755)]),
    "set-gid": ("set-gid", [entry("sg", mode=0o2755)]),
    "file capability": ("capabilities", [entry("c", pax_headers={
        "SCHILY.xattr.security.capability": "\x01\0\0\x02\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"})]),
    "a name too long": ("longer than 255", [entry("n" * 256)]),
    "too deep": ("deep", [entry("d/" * 3000 + "x")]),
    "a link to nothing": ("nothing", [entry("l", SYMLINK, linkname="")]),
    "a directory that holds something becomes a file": ("holds something", [entry("d/x"), entry("d")]),
    "an unknown attribute": ("cannot be stored", [entry("f", pax_headers={"SCHILY.xattr.system.nonsense": "x"})]),
    "an ACL by name": ("number", [entry("f", pax_headers={
        "SCHILY.acl.access": "user::rw-,user:somebody:rw-,group::r--,mask::rw-,other::r--"})]),
    "an owner out of range": ("owner", [entry("f", uid=1 << 32)]),
}


@tests_for(HARM)
def refused_with_the_name_of_the_entry(name):
    words, entries = HARM[name]
    codes = {"an unknown attribute": "unsupported"}
    ran = refused(codes.get(name, "invalid"), tar(*entries), says=[words], hint=False)
    path = entries[-1][0].name
    true(path[:100] in ran.failed[1] or path.rstrip("/") in ran.failed[1], f"{path!r} in {ran.failed[1]!r}")
    true(ran.failed[3], f"an object in {ran.failed}")


@test
def what_is_trusted_is_made():
    tree = new()
    good(unpack(tar(entry("null", tarfile.CHRTYPE, devmajor=1, devminor=3), entry("fifo", tarfile.FIFOTYPE)),
                tree, "--devices"))
    equal(os.stat(f"{tree}/null").st_rdev, os.makedev(1, 3), "device")
    good(unpack(tar(entry("su", mode=0o6755), entry("dir", DIR, mode=0o2775)), tree, "--setuid"))
    equal(stat.S_IMODE(os.stat(f"{tree}/su").st_mode), 0o6755, "mode")
    capable = f"{tree}/su"
    value = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)
    os.setxattr(capable, "security.capability", value)
    other = new()
    packed = good(pack(tree)).out
    refused("invalid", packed, says="device", tree=new())
    good(unpack(packed, other, "--devices", "--setuid"))
    equal(os.getxattr(f"{other}/su", "security.capability"), value, "capability")
    equal(digest(other), digest(tree), "the tree")


@test
def the_last_of_one_name_wins():
    tree = new()
    good(unpack(tar(
        entry("file", data=b"first"), entry("keep", LINK, linkname="file"), entry("file", data=b"2nd"),
        entry("dir", DIR, mode=0o700), entry("dir/in"), entry("dir/", DIR, mode=0o711, mtime=5),
        entry("empty", DIR), entry("empty", data=b"a file now"),
        entry("link", SYMLINK, linkname=f"{CANARY}/file"), entry("link", data=b"here"),
        entry("tolink", data=b"x"), entry("tolink", SYMLINK, linkname="nowhere"),
        entry("todir", data=b"x"), entry("todir", DIR), entry("todir/x")), tree))
    read = lambda name: pathlib.Path(f"{tree}/{name}").read_bytes()
    equal((read("file"), read("keep"), read("empty"), read("link")), (b"2nd", b"first", b"a file now", b"here"), "contents")
    equal(os.readlink(f"{tree}/tolink"), "nowhere", "link")
    info = os.stat(f"{tree}/dir")
    equal((stat.S_IMODE(info.st_mode), info.st_mtime), (0o711, 5), "the directory")
    equal(sorted(os.listdir(f"{tree}/dir")), ["in"], "what it holds")
    true(os.path.isdir(f"{tree}/todir"), "a directory over a file")
    equal(digest(CANARY), UNTOUCHED, "what lies outside")


@test
def paths_mean_the_same_however_they_are_written():
    tree = new()
    good(unpack(tar(entry("./", DIR, mode=0o700, uid=3), entry("./a//b/./c", data=b"c"), entry(".//d/", DIR),
                    entry("e", LINK, linkname="./a/b//c")), tree))
    equal(sorted(os.listdir(tree)), ["a", "d", "e"], "entries")
    equal(os.stat(f"{tree}/e").st_ino, os.stat(f"{tree}/a/b/c").st_ino, "hard link")
    equal((os.stat(tree).st_uid, stat.S_IMODE(os.stat(tree).st_mode)), (3, 0o700), "the root")


# --- cut off, lying, too large -------------------------------------------------------------------------------------

def small():
    return tar(entry("d", DIR), entry("d/a", data=b"x" * 700), entry("d/" + "long" * 60, data=b"y"),
               entry("l", SYMLINK, linkname="d"), entry("h", LINK, linkname="d/a"), entry("last", data=b"z" * 512))


@test
def an_archive_that_is_cut_off_is_not_taken():
    whole = small()
    end = len(whole) - 2 * BLOCK
    for at in sorted({*range(0, end + BLOCK, BLOCK), *range(1, end, 777), end + 1, end + BLOCK - 1}):
        if at < end + BLOCK:
            refused("corrupt", whole[:at], says="cut off")
    for at in (end + BLOCK, end + 2 * BLOCK):
        good(unpack(whole[:at], new()))
    good(unpack(whole + bytes(10240), new()))


@tests_for(["gzip", "bzip2", "xz", "zstd"])
def a_compressed_archive_that_is_cut_off_is_not_taken(program):
    whole = subprocess.run([program, "-c"], input=small(), capture_output=True, check=True).stdout
    good(unpack(whole, new()))
    for at in sorted({*range(0, len(whole), 29), len(whole) - 1}):
        # What is left of the first bytes may be no archive at all.
        ran = unpack(whole[:at], new())
        true(ran.failed, f"{at} of {len(whole)} bytes")
        true(ran.failed[0] in (("corrupt", "invalid") if at < 64 else ("corrupt",)), f"{at}: {ran.failed}")


@tests_for({
    "text": b"this is no tar archive\n" * 400, "noise": random.Random(2).randbytes(100000), "ELF": b"\x7fELF" + bytes(4096),
    "compressed noise": subprocess.run(["gzip", "-c"], input=random.Random(3).randbytes(50000), capture_output=True,
                                       check=True).stdout,
}.items(), name=lambda pair: pair[0])
def no_archive_at_all(pair):
    refused("invalid", pair[1], says="no tar archive")


@test
def damage_anywhere_ends_with_an_answer():
    dice, whole = random.Random(5), good(pack(make_tree())).out[:60 * BLOCK] + small()
    for _ in range(5000 if LONG else 300):
        damaged = bytearray(whole)
        for _ in range(dice.randrange(1, 20)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        ran = unpack(bytes(damaged), new())
        true(ran.done or ran.failed[0] in CODES, f"{ran.lines[-1:]}")
    equal(digest(CANARY), UNTOUCHED, "what lies outside")


@test
def what_follows_the_end_is_not_lost_silently():
    refused("invalid", small() + small(), says="follows")


@test
def sizes_that_lie():
    for size in (1 << 20, (1 << 33) - 1, (1 << 62), (1 << 63) - 1):
        info, _ = entry("f")
        info.size = size
        lying = info.tobuf(tarfile.PAX_FORMAT if size > 8 ** 11 else tarfile.USTAR_FORMAT)
        ran = unpack(lying + b"x" * 5000, new())
        true(ran.failed and ran.failed[0] in ("corrupt", "invalid"), f"{size}: {ran.failed}")
    for size in (b"-1", b"99999999999999999999999", b"x"):
        ran = unpack(extended([("size", size)]) + tar(entry("f", data=b"abc")), new())
        true(ran.failed or ran.done, f"it ends: {size}")
        equal(digest(CANARY), UNTOUCHED, "what lies outside")


@test
def a_sparse_file_of_2_to_the_60():
    tree, again, size = new(), new(), 1 << 60
    map = f"2\n{size - 5000}\n100\n{size}\n0\n".encode()
    map += bytes(-len(map) % BLOCK)
    data = map + b"d" * 100
    records = [("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0"), ("GNU.sparse.name", b"huge"),
               ("GNU.sparse.realsize", str(size).encode())]
    archive = extended(records) + tar(entry("GNUSparseFile.0/huge", data=data))
    good(unpack(archive, tree))
    packed = good(pack(tree))
    true(len(packed.out) < 100000, f"{len(packed.out)} bytes")
    good(unpack(packed.out, again))
    good(copy(tree, new()))
    for root in (tree, again):
        info = os.stat(f"{root}/huge")
        equal((info.st_size, info.st_blocks <= 64), (size, True), "size, and that it takes no room")
        with open(f"{root}/huge", "rb") as file:
            file.seek(size - 5000)
            equal(file.read(101), b"d" * 100 + b"\0", "contents")


@test
def a_sparse_map_that_lies():
    for map in (b"1\n100\n-5\n", b"1\n9223372036854775807\n100\n", b"999999999\n0\n1\n", b"2\n500\n10\n0\n10\n", b"x\n"):
        data = map + bytes(-len(map) % BLOCK) + b"d" * 200
        records = [("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0"), ("GNU.sparse.name", b"f"),
                   ("GNU.sparse.realsize", b"1000")]
        ran = unpack(extended(records) + tar(entry("GNUSparseFile.0/f", data=data)), new())
        true(ran.done or ran.failed[0] in ("corrupt", "invalid", "unsupported"), f"{map}: {ran.failed}")
        equal(digest(CANARY), UNTOUCHED, "what lies outside")


@test
def an_archive_that_takes_all_time_is_told_so():
    # The library compares each entry of an ACL with all before it.  A further name brings no attributes, so nothing else
    # refuses it; and all of this is a few kilobytes where it is compressed.
    acl = "user::rw-,group::r--,other::r--,mask::rwx," + ",".join(f"user:u:rwx:{number}" for number in range(45000))
    names = [entry(f"name{number}", LINK, linkname="f", pax_headers={"SCHILY.acl.access": acl}) for number in range(12)]
    refused("unsupported", tar(entry("f"), *names), says="time")


@test
def an_archive_that_takes_all_memory_is_told_so():
    count = 4000000
    map = f"{count}\n".encode() + b"".join(b"%d\n1\n" % (number * 2) for number in range(count))
    data = map + bytes(-len(map) % BLOCK) + bytes(count)
    records = [("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0"), ("GNU.sparse.name", b"f"),
               ("GNU.sparse.realsize", str(2 * count).encode())]
    refused("unsupported", extended(records) + tar(entry("GNUSparseFile.0/f", data=data)), says="memory")


def many(count, kind):
    for number in range(count):
        yield entry(f"{number // 1000}/{number}", kind)[0].tobuf(tarfile.USTAR_FORMAT)
    yield bytes(2 * BLOCK)


@tests_for([FILE, DIR], name=lambda kind: "files" if kind == FILE else "directories")
def many_entries_take_no_memory(kind):
    count, tree = 1000000 if LONG else 200000, new()
    ran = good(unpack(many(count, kind), tree))
    equal(ran.done[0], count, "entries")
    true(ran.memory < RSS_LIMIT, f"{ran.memory} KiB to unpack")
    process, report = start(["pack"], {1: os.open("/dev/null", os.O_WRONLY), 3: directory(tree)})
    packed = good(wait(process, report))
    true(packed.memory < RSS_LIMIT, f"{packed.memory} KiB to pack")
    tap.note(f"{count} entries: {ran.memory} KiB to unpack, {packed.memory} KiB to pack")


# --- what it gave up -----------------------------------------------------------------------------------------------

def status_of(process):
    lines = pathlib.Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8").splitlines()
    return {line.partition(":")[0]: line.partition(":")[2].strip() for line in lines}


CHOWN, OVERRIDE, SEARCH, FOWNER, FSETID, ADMIN, MKNOD, SETFCAP = (1 << n for n in (0, 1, 2, 3, 4, 21, 27, 31))
READS = OVERRIDE | SEARCH | FOWNER | ADMIN
WRITES = READS | CHOWN | FSETID | SETFCAP


@tests_for({"unpack": (["unpack"], WRITES), "unpack with devices": (["unpack", "--devices"], WRITES | MKNOD),
            "pack": (["pack"], READS)}.items(), name=lambda pair: pair[0])
def it_runs_with_little(pair):
    words, capabilities = pair[1]
    tree = new()
    pathlib.Path(f"{tree}/large").write_bytes(bytes(4 * MIB))
    secret = os.open(f"{CANARY}/file", os.O_RDONLY)
    ours, theirs = os.pipe() if words[0] == "pack" else os.pipe()[::-1]
    process, report = start(words, {1 if words[0] == "pack" else 0: theirs, 3: directory(tree), 9: secret})
    tap.wait_until(lambda: status_of(process).get("Seccomp") == "2", "it is shut in")
    status = status_of(process)
    equal(status["NoNewPrivs"], "1", "new privileges")
    for kind in ("CapEff", "CapPrm", "CapBnd"):
        equal(int(status[kind], 16), capabilities, kind)
    equal(os.readlink(f"/proc/{process.pid}/root"), tree, "its root")
    true(os.readlink(f"/proc/{process.pid}/ns/net") != os.readlink("/proc/self/ns/net"), "a network of its own")
    true(set(os.listdir(f"/proc/{process.pid}/fd")) <= set("012345678"), "no other descriptors")
    true(not os.path.exists(f"/proc/{process.pid}/fd/9"), "not the one that was left open")
    os.close(ours)
    true(wait(process, report).failed, "it ends when the other end is gone")


# --- the other end -------------------------------------------------------------------------------------------------

@test
def a_full_pool_is_no_space():
    full = mount("full", 128 * MIB)
    data = random.Random(4).randbytes(MIB)
    archive = [piece for n in range(200) for piece in (entry(f"f{n}", data=data)[0].tobuf(), data)]
    ran = unpack(archive, full)
    equal((ran.failed[0], ran.errno), ("no-space", errno.ENOSPC), f"{ran.failed}")


def mount_limited(name, size):
    """A file system whose files may take `size` bytes together, by simple quotas."""
    point = mount(name, 256 * MIB)
    fd = directory(point)
    try:
        fcntl.ioctl(fd, 0xC0109428, struct.pack("QQ", 4, 0))  # BTRFS_IOC_QUOTA_CTL, simple
        # BTRFS_IOC_QGROUP_LIMIT of the subvolume itself: max_rfer
        fcntl.ioctl(fd, 0x8030942B, struct.pack("6Q", 0, 1, size, 0, 0, 0))
    finally:
        os.close(fd)
    return point


@tests_for(["unpack", "copy"])
def a_full_quota_is_told_from_a_full_pool(verb):
    limited = mount_limited(f"limited-{verb}", 16 * MIB)
    data = random.Random(4).randbytes(MIB)
    source = new("source")
    for n in range(32):
        pathlib.Path(f"{source}/f{n}").write_bytes(data)
    if verb == "copy":
        ran = copy(source, limited)
    else:
        ran = unpack([piece for n in range(32) for piece in (entry(f"f{n}", data=data)[0].tobuf(), data)], limited)
    equal((ran.failed[0], ran.errno), ("no-space", errno.EDQUOT), f"{ran.failed}")


@tests_for([(), ("--zstd",)], name=lambda options: "zstd" if options else "plain")
def a_reader_that_goes_away(options):
    source = make_tree()
    read, write = os.pipe()
    process, report = start(["pack", *options], {1: write, 3: directory(source)})
    os.read(read, 1000)
    os.close(read)
    ran = wait(process, report)
    equal(ran.failed[0], "unreachable", f"{ran.failed}")


@test
def a_file_that_vanishes_is_busy():
    source = new("source")
    stop = threading.Event()

    def churn():
        while not stop.is_set():
            for n in range(50):
                pathlib.Path(f"{source}/f{n}").touch()
            for n in range(50):
                os.unlink(f"{source}/f{n}")

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(20):
            ran = copy(source, new())
            true(ran.done or ran.failed[0] == "busy", f"{ran.failed}")
    finally:
        stop.set()
        thread.join()


@test
def a_file_that_becomes_shorter_is_busy():
    source = mount("shorter", 512 * MIB)  # of its own: contents are copied, not shared
    path, pieces = f"{source}/file", 20000

    def caught():
        """How it went; None where it had come to the end before the file was made shorter."""
        with open(path, "wb") as file:
            for number in range(pieces):  # so many, that it takes longer than a tenth of a second
                os.pwrite(file.fileno(), b"x", number * 8192)
        tree = new()
        process, report = start(["copy"], {3: directory(tree), 5: directory(source)})
        lines = [report.readline()]
        while lines[-1].startswith("progress ") and lines[-1].split()[2] == "0":
            lines.append(report.readline())
        os.truncate(path, 0)
        ran = wait(process, report, before=lines)
        if ran.failed:
            return ran
        with open(f"{tree}/file", "rb") as file:
            equal(os.pread(file.fileno(), 1, (pieces - 1) * 8192), b"x", "its last piece")
        return None

    ran = tap.wait_until(caught, "the file is made shorter while it is copied")
    equal(ran.failed[0], "busy", f"{ran.failed}")
    true("shorter" in ran.failed[1] and ran.failed[2] and ran.failed[3] == "file", f"{ran.failed}")


@test
def links_that_are_swapped_lead_nowhere():
    source = new("source")
    for name in ("real", "spare"):
        os.mkdir(f"{source}/{name}")
        pathlib.Path(f"{source}/{name}/inside").touch()
    os.symlink(CANARY, f"{source}/link")
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            os.rename(f"{source}/real", f"{source}/aside")
            os.rename(f"{source}/link", f"{source}/real")
            os.rename(f"{source}/real", f"{source}/link")
            os.rename(f"{source}/aside", f"{source}/real")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(50):
            tree = new()
            ran = copy(source, tree)
            true(ran.done or ran.failed[0] == "busy", f"{ran.failed}")
            found = [name for _, _, files in os.walk(tree) for name in files if name == "file"]
            equal(found, [], "nothing of what the link leads to")
    finally:
        stop.set()
        thread.join()


@test
def wrong_words_are_refused():
    for words in ([TREE], [TREE, "nothing"], [TREE, "pack"], [TREE, "copy", "x"], [TREE, "apply", "--resume"],
                  [ARCHIVE], [ARCHIVE, "copy"], [ARCHIVE, "pack", "--gzip"], [ARCHIVE, "unpack", "x"]):
        equal(subprocess.run(words, check=False, stderr=subprocess.DEVNULL).returncode, 2, f"{words}")


REPLACER = """
import os, random
while True:
    number = random.randrange(3000)
    for name in (f"a{number}", f"b{number}"):
        if os.path.exists(name):
            os.unlink(name)
    with open(f"a{number}", "w") as file:
        file.write(str(number))
    os.link(f"a{number}", f"b{number}")
"""


@test
def a_file_in_the_inode_of_one_that_was_copied_is_another_file():
    source = mount("reused", 256 * MIB, "ext4")
    with subprocess.Popen([sys.executable, "-c", REPLACER], cwd=source) as replacer:
        cleanup.record(f"{HERE}/daemons", replacer.pid)
        try:
            tap.wait_until(lambda: len(os.listdir(source)) > 5000, "there are files")
            for _ in range(6):
                tree = new()
                copy(source, tree)  # whole, or refused on the way, as the directory changes
                for name in set(os.listdir(tree)) - {"lost+found"}:
                    text = pathlib.Path(f"{tree}/{name}").read_text(encoding="utf-8")
                    true(text in ("", name[1:]), f"{name} holds {text!r}")
                shutil.rmtree(tree)
        finally:
            replacer.kill()


if __name__ == "__main__":
    tap.main()
