#!/usr/bin/python3
"""The fault disk itself (tests/disk/): what was flushed is always there, what was not may be missing or torn.

One disk is written to through the file, and one through a loop device as Flocker
makes it, so that the kernel's own flushes are seen too.  Then states are made
at every position, with many seeds, and held against what was written.
"""

import errno
import os
import pathlib
import subprocess
import time

import here
here.with_own_mounts()
import cleanup  # noqa: E402 - what is mounted by now stays unseen
import tap  # noqa: E402
from disk import ALL, FLUSH, NOTHING, WRITE, ZERO, Disks  # noqa: E402
from tap import equal, test, true  # noqa: E402

BLOCK = 4096
BLOCKS = 64
SEEDS = 60

directory = cleanup.make_directory()
tap.finally_(lambda: cleanup.remove(directory))

os.makedirs(f"{directory}/images")
for name in ("plain", "loop"):
    pathlib.Path(f"{directory}/images/{name}").write_bytes(b"\0" * BLOCK * BLOCKS)
disks = Disks(directory, "plain", "loop")
disks.serve()
fd = os.open(disks.path("plain"), os.O_RDWR)


def block(text):
    return text.encode() * (BLOCK // len(text))


def put(number, text):
    equal(os.pwrite(fd, block(text), number * BLOCK), BLOCK, "bytes written")


def state(position, loss, sector=512, name="plain"):
    """The blocks of a state."""
    out = f"{directory}/state"
    disks.state(name, position, loss, out, sector)
    data = pathlib.Path(out).read_bytes()
    equal(len(data), BLOCK * BLOCKS, "size of a state")
    return [data[at:at + BLOCK] for at in range(0, len(data), BLOCK)]


@test
def a_disk_holds_what_is_written_to_it():
    put(0, "a")
    equal(os.pread(fd, BLOCK, 0), block("a"), "what was read")
    equal(os.stat(disks.path("plain")).st_size, BLOCK * BLOCKS, "size")
    try:
        os.pwrite(fd, b"x", BLOCK * BLOCKS)
        raise AssertionError("a disk grew")
    except OSError as error:
        equal(error.errno, errno.ENOSPC, "beyond the end")
    equal([record[:4] for record in disks.records()], [(WRITE, 0, 0, BLOCK)], "log")
    equal(disks.position(), 1, "position")
    os.fsync(fd)
    equal(disks.records()[1][:2], (FLUSH, 0), "a flush in the log")


@test
def what_was_flushed_is_there_and_what_was_not_may_be_missing():
    for number in range(1, 9):
        put(number, "b")
    os.fsync(fd)
    flushed = disks.position()
    for number in range(5, 13):
        put(number, "c")
    end = disks.position()
    seen = set()
    for seed in range(SEEDS):
        blocks = state(end, seed)
        equal(blocks[1:5], [block("b")] * 4, f"flushed, seed {seed}")
        for got in blocks[5:9]:  # flushed, then written over: the one or the other, by sectors
            true(all(got[at:at + 512] in (b"b" * 512, b"c" * 512) for at in range(0, BLOCK, 512)),
                 f"a sector of neither, seed {seed}")
        seen |= {"whole" if got == block("c") else "missing" if got == block("\0") else "torn"
                 for got in blocks[9:13]}
        equal(blocks[13:], [block("\0")] * (BLOCKS - 13), f"never written, seed {seed}")
        equal(state(end, seed), blocks, f"the same seed {seed} again")
    equal(seen, {"whole", "missing", "torn"}, "what became of writes that were not flushed")
    equal(state(end, NOTHING)[5:13], [block("c")] * 8, "nothing is lost")
    equal(state(end, ALL)[1:13], [block("b")] * 8 + [block("\0")] * 4, "all is lost")
    equal(state(flushed, 1)[1:13], [block("b")] * 8 + [block("\0")] * 4, "the cut right after a flush")


@test
def writes_are_torn_no_finer_than_asked_for():
    end = disks.position()
    for seed in range(SEEDS):
        true(set(state(end, seed, BLOCK)[9:13]) <= {block("c"), block("\0")}, f"torn, seed {seed}")


@test
def a_later_write_may_be_there_without_an_earlier_one():
    os.fsync(fd)
    put(20, "d")
    put(21, "e")
    pairs = {tuple(b == block("\0") for b in state(disks.position(), seed, BLOCK)[20:22])
             for seed in range(SEEDS)}
    equal(pairs, {(a, b) for a in (True, False) for b in (True, False)}, "(earlier, later) missing")


@test
def a_synchronous_write_is_flushed():
    own = os.open(disks.path("plain"), os.O_RDWR | os.O_DSYNC)
    os.pwrite(own, block("f"), 22 * BLOCK)
    os.close(own)
    for seed in range(SEEDS // 4):
        equal(state(disks.position(), seed)[20:23], [block("d"), block("e"), block("f")], "blocks")


@test
def a_flush_is_of_its_own_disk_only():
    put(23, "g")
    other = os.open(disks.path("loop"), os.O_RDWR)
    os.fsync(other)
    os.close(other)
    equal(state(disks.position(), ALL)[23], block("\0"), "what another disk's flush did not cover")


@test
def the_flushes_of_a_loop_device_arrive():
    made = subprocess.run(["losetup", "--show", "-f", "--direct-io=on", disks.path("loop")],
                          check=True, capture_output=True, text=True)
    device = made.stdout.strip()
    before = disks.position()
    try:
        own = os.open(device, os.O_RDWR)
        os.pwrite(own, block("h") * 4, 8 * BLOCK)
        os.fsync(own)
        flushed = disks.position()
        subprocess.run(["fallocate", "--punch-hole", "-o", str(9 * BLOCK), "-l", str(BLOCK), device],
                       check=True)
        os.close(own)
        direct = pathlib.Path(f"/sys/block/{os.path.basename(device)}/loop/dio").read_text("ascii")
    finally:
        subprocess.run(["losetup", "-d", device], check=True)
    tap.wait_until(lambda: not cleanup.loops_under(directory), "the loop device is gone")
    equal(direct.strip(), "1", "direct I/O")
    kinds = [record[0] for record in disks.records()[before:flushed]]
    equal((WRITE in kinds, kinds[-1]), (True, FLUSH), "what an fsync() of the device logs")
    true(ZERO in [record[0] for record in disks.records()[flushed:]], "a discard is logged")
    for seed in range(SEEDS // 4):
        equal(state(flushed, seed, name="loop")[8:12], [block("h")] * 4, f"flushed, seed {seed}")
    equal(state(disks.position(), NOTHING, name="loop")[8:12],
          [block("h"), block("\0"), block("h"), block("h")], "discarded")


@test
def writes_fail_when_asked_for():
    disks.fail("plain", after=1)
    before = disks.position()
    put(30, "i")
    for attempt in (lambda: put(31, "j"), lambda: os.fsync(fd)):
        try:
            attempt()
            raise AssertionError("it did not fail")
        except OSError as error:
            equal(error.errno, errno.EIO, "errno")
    equal(os.pread(fd, BLOCK, 31 * BLOCK), block("\0"), "a write that failed")
    equal([record[2] for record in disks.records()[before:]], [30 * BLOCK], "logged")
    disks.heal("plain")
    put(31, "k")


@test
def writes_are_late_when_asked_for():
    disks.delay("plain", 200)
    began = time.monotonic()
    put(32, "l")
    true(time.monotonic() - began >= 0.2, "it came at once")
    disks.heal("plain")


@test
def states_beyond_the_log_are_refused():
    try:
        disks.state("plain", disks.position() + 1, ALL, f"{directory}/state")
        raise AssertionError("it did not fail")
    except subprocess.CalledProcessError as error:
        equal(error.returncode, 1, "exit status")


@test
def it_ends_when_it_is_unmounted():
    os.close(fd)
    disks.end()
    equal(cleanup.mounts_under(directory), [], "mounts")


if __name__ == "__main__":
    tap.main()
