#!/usr/bin/python3
"""Volumes travel between hosts on ZFS and others; beside a ZFS of its own (tests/with-zfs-fuse).

zfs-fuse keeps times of files in whole seconds: what came there is compared to the second.
"""

import os
import random
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
if os.environ.get("WITH_ZFS_FUSE") != "1":
    wrapper = os.path.join(HERE, "..", "with-zfs-fuse")
    os.environ.setdefault("WITH_ZFS_FUSE_SECONDS", "400")
    os.execv(wrapper, [wrapper, sys.executable, "-B", os.path.abspath(__file__), *sys.argv[1:]])

import tap  # noqa: E402
from flocker import MIB, PATIENCE, Failure, Gone  # noqa: E402
from peers import Peers, Proxy, push_again  # noqa: E402
from tap import equal, test, true  # noqa: E402

SECOND = 10 ** 9
SIZE = 6 * MIB

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
# Of one zfs-fuse, which forgets mounts when many end at once: they stay for all tests.
peers = Peers("z1", "z2", "b", "d", pools=("zfs", "zfs", "file", "dir"))
z1, z2, b, d = peers.__enter__()
tap.finally_(lambda: peers.__exit__(None))
for host in (z1, z2, b, d):
    tap.on_failure(host.tail)
for two in (b, d):  # who has the CA, z1, is everybody's peer
    two.run("peer", "add", "z2", z2.address)
    z2.run("peer", "add", two.name, two.address)


def fill(path, size, seed=1):
    """Bytes that zstd can do nothing about, at a time that whole seconds cannot say."""
    with open(path, "wb") as file:
        file.write(random.Random(seed).randbytes(size))
    os.utime(path, ns=(123456789, 1234567890123456789))


def same(one, two, ref):
    answer = one.post("/v1/verifications", ref=ref, peer=two.name)
    true(answer["equal"], f"{answer}")
    equal(answer["grain"], SECOND if {one, two} & {z1, z2} else 1, "at which times were compared")


def pushed(one, two, ref, outcome, snapshots, **options):
    answer = one.push(ref, two.name, **options)
    equal((answer["outcome"], answer["snapshots"]), (outcome, snapshots), f"{one.name} to {two.name}: {answer}")
    if snapshots:
        same(one, two, ref)
    return answer


def to_and_fro(one, two):
    name = f"from-{one.name}-to-{two.name}"
    one.create(name)
    top = one.path(name)
    one.write(name, "deep/er/name", "x")
    fill(f"{top}/big", MIB)
    os.link(f"{top}/big", f"{top}/hard")
    os.symlink("big", f"{top}/soft")
    pushed(one, two, name, "full", 1)
    os.rename(f"{top}/deep", f"{top}/moved")
    one.write(name, "text", "second")
    pushed(one, two, name, "fast-forward", 1)
    one.rollback(name, f"{name}@{{-1}}")
    pushed(one, two, name, "rewind", 0)
    one.write(name, "text", "third")
    pushed(one, two, name, "fast-forward", 1)
    two.run("branch", f"{name}/work", "--from", f"{one.name}/{name}/trunk")
    two.write(f"{name}/work", "own", "w")
    pushed(two, one, f"{name}/work", "fast-forward", 1)
    two.write(f"{name}/work", "own", "more")
    pushed(two, one, f"{name}/work", "fast-forward", 1)
    one.write(name, "text", "fourth")
    pushed(one, two, name, "fast-forward", 1)
    one.write(name, "text", "passed by")
    passed = f"{name}@{{{one.snapshot(name)['id']}}}"
    one.write(name, "text", "fifth")
    pushed(one, two, name, "fast-forward", 1)
    one.run("tag", f"v1@{name}", passed)
    pushed(one, two, name, "up to date", 1)
    same(one, two, passed)


class Pushing(threading.Thread):
    """A push by itself; what came of it is `answer` or `failure`."""

    def __init__(self, host, ref, peer):
        super().__init__(daemon=True)
        self.host, self.words = host, (ref, peer)
        self.answer = self.failure = None
        self.start()

    def run(self):
        try:
            self.answer = self.host.push(*self.words)
        except (Failure, Gone, OSError) as failure:
            self.failure = failure

    def end(self):
        self.join(PATIENCE)
        true(not self.is_alive(), "the push ends")
        return self


def half_sent(proxy, one, two, name):
    proxy.stall_after = proxy.passed + SIZE // 2
    pushing = Pushing(one, name, two.name)
    true(proxy.stalled.wait(PATIENCE) and not pushing.answer, f"half is sent: {pushing.failure}")
    return pushing


def resumed(one, two, *killed):
    """Cut, and these of the two killed: each on ZFS once, for zfs-fuse may forget what such a one mounts then."""
    name = f"half-{one.name}-{two.name}"
    with Proxy(two.address) as proxy:
        one.run("peer", "remove", two.name)
        one.run("peer", "add", two.name, proxy.address)
        one.create(name)
        one.write(name, "text", "first")
        pushed(one, two, name, "full", 1)
        fill(f"{one.path(name)}/cut", SIZE)
        proxy.cut_after = proxy.passed + SIZE // 2
        equal(pushed(one, two, name, "fast-forward", 1)["resumed"], 1, "after a cut")
        for number, who in enumerate(killed):
            fill(f"{one.path(name)}/killed", SIZE, 2 + number)
            pushing = half_sent(proxy, one, two, name)
            who.kill()
            proxy.cut()
            proxy.go_on()
            who.start()
            answer = pushing.end().answer or push_again(one, name, two.name)
            equal((answer["outcome"], answer["snapshots"]), ("fast-forward", 1), f"{who.name} was killed: {answer}")
            true(answer["resumed"] > 0, f"{who.name} was killed: {answer} {pushing.failure}")
            same(one, two, name)
    one.run("peer", "add", two.name, two.address)  # where it is without the proxy


@test
def zfs_to_zfs_when_it_is_cut():
    resumed(z1, z2, z2)


@test
def zfs_to_btrfs_when_it_is_cut():
    resumed(z1, b, b, z1)


@test
def btrfs_to_zfs_when_it_is_cut():
    resumed(b, z1, b)


@test
def zfs_to_zfs():
    to_and_fro(z1, z2)


@test
def zfs_to_btrfs():
    to_and_fro(z1, b)


@test
def btrfs_to_zfs():
    to_and_fro(b, z1)


@test
def dir_to_zfs():
    to_and_fro(d, z2)


@test
def a_base_that_came_as_commands_is_none_for_zfs():
    b.create("mixed")
    b.write("mixed", "text", "first")
    pushed(b, z1, "mixed", "full", 1)
    pushed(b, z2, "mixed", "full", 1)
    for host, name in ((z1, "work"), (z2, "other")):
        host.run("branch", f"mixed/{name}", "--from", "b/mixed/trunk")
    for text in ("one", "two"):
        z1.write("mixed/work", "own", text)
        pushed(z1, z2, "mixed/work", "fast-forward", 1)
    z2.write("mixed/other", "own", "one")
    pushed(z2, z1, "mixed/other", "fast-forward", 1)
    b.write("mixed", "text", "second")
    for host in (z1, z2):
        pushed(b, host, "mixed", "fast-forward", 1)


@test
def all_of_it_anew():
    z1.create("anew")
    z1.write("anew", "text", "first")
    pushed(z1, z2, "anew", "full", 1)
    z1.write("anew", "text", "second")
    z1.snapshot("anew")
    z1.run("unpin", "anew", "--peer", "z2", "--force")
    z1.run("destroy", "anew@{-1}")
    try:
        z1.push("anew", "z2")
        raise AssertionError("it was sent")
    except Failure as failure:
        equal(failure.code, "diverged", f"{failure}")
    pushed(z1, z2, "anew", "fast-forward", 1, anew=True)
    z1.write("anew", "text", "third")
    pushed(z1, z2, "anew", "fast-forward", 1)


def comes_again(one, two):
    name = f"again-from-{one.name}"
    copy = f"{one.name}/{name}/trunk"
    one.create(name)
    for text in ("s0", "s1", "s2"):
        one.write(name, "text", text)
        one.snapshot(name, name=text)
    pushed(one, two, name, "full", 3)
    two.run("destroy", f"{copy}@{{s1}}")
    pushed(one, two, f"{name}@{{s1}}", "fast-forward", 1)
    two.run("destroy", copy)
    pushed(one, two, name, "full", 3)
    for text in ("s0", "s1", "s2"):
        equal(two.run("cat", f"{copy}@{{{text}}}:text"), text, f"{text} of {copy}")


@test
def what_was_destroyed_comes_again():
    comes_again(z2, z1)
    comes_again(b, z1)


if __name__ == "__main__":
    tap.main()
