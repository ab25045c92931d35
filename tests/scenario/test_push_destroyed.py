#!/usr/bin/python3
"""A copy that was destroyed comes again: nothing deletes what was acknowledged since, neither what the
deletion left to be done, nor a crash, nor a catalogue that is made anew."""

import glob
import os
import subprocess

import tap
from flocker import COMMAND, MIB, Failure
from peers import Peers, tip
from tap import equal, test, tests_for, true

COPY = "h1/data/trunk"


def snap(host, text, **options):
    host.write("data", "f", text)
    return host.snapshot("data", **options)


def furnish(one, two):
    """Three snapshots, at h2 too."""
    one.create("data")
    for name in ("s0", "s1", "s2"):
        snap(one, name, name=name)
    equal(one.push("data", "h2")["snapshots"], 3, "snapshots that came")


def names(host):
    return [item["name"] for item in host.items("/v1/snapshots", ref=COPY)]


def whole(one, two, wanted):
    equal(names(two), wanted, "names at h2")
    for name in wanted:
        equal(two.run("cat", f"{COPY}@{{{name}}}:f"), name, f"contents of {name}")
    equal(tip(two, COPY), tip(one, "data"), "tip")


def destroy_branch(two):
    two.run("destroy", COPY)


def destroy_volume(two):
    two.run("destroy", "data")
    two.run("trash", "empty")


def destroy_snapshot(two):
    two.run("destroy", f"{COPY}@{{s1}}")


def die(two):
    """At once: what the deletion has noted is still there."""
    two.kill()
    two.start()


def lose_catalogue(two):
    two.kill()
    for path in glob.glob(f"{two.root}/lib/catalog.db*"):
        os.unlink(path)
    two.start()
    true(two.json("pool", "recover")["backup_complete"], "the backup was whole")


WAYS = [(destroy, then, pool) for destroy in (destroy_branch, destroy_volume, destroy_snapshot)
        for then in (die, lose_catalogue) for pool in ("file", "dir")]


def way(ways):
    return f"{ways[0].__name__}, then {ways[1].__name__}, in a {ways[2]} pool"


@tests_for(WAYS, name=way)
def it_stays(ways):
    destroy, then, pool = ways
    with Peers("h1", "h2", pools=("file", pool)) as (one, two):
        furnish(one, two)
        destroy(two)
        if destroy is destroy_snapshot:
            equal(one.push("data@{s1}", "h2")["snapshots"], 1, "that one again")
        else:
            equal(one.push("data", "h2")["snapshots"], 3, "all of it again")
        then(two)
        whole(one, two, ["s2", "s1", "s0"])
        two.restart()
        whole(one, two, ["s2", "s1", "s0"])


class Reader:
    """Reads a large file of a snapshot, and does not go on until it is told to."""

    def __init__(self, host, ref):
        self.process = subprocess.Popen([COMMAND, "--socket", host.socket, "cat", ref], stdout=subprocess.PIPE)
        true(self.process.stdout.read(1) == b"x", "it reads")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def trees(host):
    return len(glob.glob(f"{host.root}/pool/snaps/*/*.*"))


def refused(one, ref):
    try:
        one.push(ref, "h2")
        raise AssertionError("what is being deleted came in")
    except Failure as failure:
        equal(failure.code, "busy", f"code of {failure}")
        true("still reads it" in failure.message, f"{failure}")


@test
def what_is_still_read_goes_alone():
    with Peers("h1", "h2", pools=("file", "dir")) as (one, two):
        one.create("data")
        one.write("data", "big", "x" * (30 * MIB))
        snap(one, "old")
        one.push("data", "h2")
        with Reader(two, f"{COPY}@{{latest}}:big"):
            two.run("destroy", COPY)
            refused(one, "data")
            snap(one, "s1", name="s1")
            equal(one.push("data", "h2")["outcome"], "full", "a new copy")
            equal(trees(two), 2, "the old one is there for its reader")
        tap.wait_until(lambda: trees(two) == 1, "the old one goes")
        whole(one, two, ["s1"])


@test
def what_is_still_read_comes_again_later():
    with Peers("h1", "h2", pools=("file", "dir")) as (one, two):
        one.create("data")
        snap(one, "s0", name="s0")
        one.write("data", "big", "x" * (30 * MIB))
        snap(one, "s1", name="s1")
        snap(one, "s2", name="s2")
        one.push("data", "h2")
        with Reader(two, f"{COPY}@{{s1}}:big"):
            two.run("destroy", f"{COPY}@{{s1}}")
            refused(one, "data@{s1}")
            equal(trees(two), 3, "it is there for its reader")
        tap.wait_until(lambda: trees(two) == 2, "it goes")
        equal(one.push("data@{s1}", "h2")["snapshots"], 1, "now it comes")
        die(two)
        whole(one, two, ["s2", "s1", "s0"])


if __name__ == "__main__":
    tap.main()
