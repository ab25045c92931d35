#!/usr/bin/python3
"""Pasts that go through more than one branch, or differ on both sides: what the one has and the other lost is neither
mixed with what came since nor let go, and each host sends what it wrote itself."""

import shutil

import cleanup
import flocker
import tap
from peers import Peers, same, tip
from tap import equal, test, tests_for, true


def commit(host, name, ref="data"):
    host.write(ref, "file", name)
    host.snapshot(ref, name=name)


def names(host, ref):
    return [entry["name"] for entry in host.log_of(ref) if entry["name"]]


def held(host):
    """All that a push or a fetch could change, but what changes by itself."""
    def settled(path, **query):
        return [{**item, "usage": None, "held": None} for item in host.items(path, **query)]

    volumes = settled("/v1/volumes")
    branches = {item["ref"]: item for item in settled("/v1/branches") + settled("/v1/remotes")}
    return {"volumes": volumes, "branches": branches, "pins": host.items("/v1/pins"),
            "stashes": [settled("/v1/stashes", ref=item["name"]) for item in volumes],
            **{ref: host.log_of(ref) for ref in branches}}


class Copy:
    """What a host holds, with its pool in a file."""

    def __init__(self, host):
        self.host = host
        self.stop()
        shutil.copytree(f"{host.root}/lib", f"{host.root}.copy/lib")
        shutil.copy(f"{host.root}/pool.img", f"{host.root}.copy")
        self.start()

    def stop(self):
        self.host.stop()
        # A name space that another test is making may have a copy of what was mounted.
        tap.wait_until(lambda: not cleanup.loops_under(f"{self.host.root}/pool.img"), "the pool is closed")

    def start(self):
        self.host.start()
        self.host.listens()

    def restore(self):
        self.stop()
        shutil.rmtree(f"{self.host.root}/lib")
        shutil.copytree(f"{self.host.root}.copy/lib", f"{self.host.root}/lib")
        shutil.copy(f"{self.host.root}.copy/pool.img", self.host.root)
        self.start()


def lost_a_rollback(one, two):
    """h1 forgets that it went back to s1 and went on with s3, which h2 has."""
    one.create("data")
    commit(one, "s1")
    commit(one, "s2")
    one.push("data", "h2")
    copy = Copy(one)
    one.rollback("data", "data@{s1}")
    commit(one, "s3")
    equal(one.push("data", "h2")["outcome"], "rewind", "the rollback")
    copy.restore()
    equal(names(one, "data"), ["s2", "s1"], "what h1 knows")


def diverged(one, two, *arguments, says):
    """Nothing is different after it, on either side."""
    before = [held(one), held(two)]
    error = one.fails("diverged", *arguments, says=says)
    for host, was in zip((one, two), before):
        flocker.same(was, held(host), f"what {host.name} has changed")
    return error


def refused(one, two, *arguments, says):
    error = diverged(one, two, "push", *arguments, says=says)
    for step in ("flocker create NEW --from h1/data/trunk", "flocker destroy h1/data/trunk", "the next push"):
        true(step in error["hint"], f"{error}")
    equal(names(two, "h1/data/trunk"), ["s3", "s1"], "what h2 has")


@test
def a_writer_that_lost_a_rollback_does_not_go_on():
    with Peers("h1", "h2", pools=("file", "file")) as (one, two):
        lost_a_rollback(one, two)
        # With what the restart may have left to save.
        one.fails("diverged", "push", "data", "h2", says="older copy")
        refused(one, two, "data", "h2", says="older copy")
        commit(one, "s4")
        refused(one, two, "data", "h2", says=("'h2' knows a rollback of 'h1/data/trunk'", "older copy"))
        # Nor by itself, nor as what another branch began from.
        refused(one, two, "data@{s4}", "h2", says="older copy")
        one.branch("data/work", **{"from": "data"})
        commit(one, "w1", "data/work")
        refused(one, two, "data/work", "h2", says=("h1/data/trunk", "older copy"))
        one.delete("/v1/branch", "data/work")
        # Nor with another rollback.
        one.rollback("data", "data@{s2}")
        commit(one, "s5")
        one.rollback("data", "data@{s4}")
        commit(one, "s6")
        refused(one, two, "data", "h2", says="older copy")
        # As it was said.
        two.run("create", "kept", "--from", "h1/data/trunk")
        gone = two.run("destroy", "h1/data/trunk")
        true("is gone" in gone and "trash" not in gone, f"what is said: {gone}")
        equal(one.push("data", "h2")["outcome"], "full", "all of it")
        same(one, two)
        equal(names(two, "h1/data/trunk"), names(one, "data"), "the names")
        equal(two.read("kept", "file"), "s3", "what h1 had lost")
        one.rollback("data", "data@{s4}")
        equal(one.push("data", "h2")["outcome"], "rewind", "and on")


@test
def an_older_copy_of_a_third_is_not_fetched():
    with Peers("h1", "h2", "h3") as (one, two, three):
        two.run("peer", "add", "h3", three.address)
        one.create("data")
        commit(one, "s1")
        one.push("data", "h2")
        commit(one, "s2")
        commit(one, "s3")
        one.push("data", "h3")
        equal(two.fetch("h1/data/trunk", peer="h3")["outcome"], "fast-forward", "one that is newer is")
        one.rollback("data", "data@{s1}")
        one.push("data", "h2")
        error = diverged(two, three, "fetch", "h1/data/trunk", "--from", "h3", says="older")
        true("fetch it from who writes it" in error["hint"], f"{error}")
        equal(names(two, "h1/data/trunk"), ["s1"], "what h2 has")
        # A snapshot is not the branch.
        wanted = three.log_of("h1/data/trunk")[0]["id"]
        two.fetch(f"h1/data/trunk@{{{wanted}}}", peer="h3")
        equal(tip(two, "h1/data/trunk"), tip(one, "data"), "the tip stays")
        one.push("data", "h3")
        commit(one, "s4")
        one.push("data", "h3")
        equal(two.fetch("h1/data/trunk", peer="h3")["outcome"], "fast-forward", "once h3 has heard of it")
        same(one, two)


@test
def a_rollback_comes_with_another_branch():
    with Peers("h1", "h2") as (one, two):
        one.create("data")
        for name in ("s1", "s2", "s3"):
            commit(one, name)
        one.push("data", "h2")
        was = tip(two, "h1/data/trunk")
        one.branch("data/work", **{"from": "data@{s3}"})
        commit(one, "w1", "data/work")
        one.rollback("data", "data@{s1}")
        equal(one.push("data/work", "h2")["outcome"], "fast-forward", "from what both have")
        stash, = two.items("/v1/stashes", ref="data")
        equal((stash["snapshot"], stash["branch"]), (was, "trunk"), "what was the tip there")
        equal(names(two, "h1/data/trunk"), ["s1"], "it went back")
        equal(names(two, "h1/data/work"), ["w1", "s3", "s2", "s1"], "what came")
        commit(one, "s4")
        one.push("data", "h2")
        same(one, two)
        same(one, two, "data/work")
        equal(two.items("/v1/stashes", ref="data"), [stash], "once")
        two.fails("busy", "destroy", f"h1/data/trunk@{{{was}}}", says="stash")

def begun_in_anothers(one, two, three):
    """data/work of h2, from h1/data/trunk; some of what it came from is named or tagged."""
    two.run("peer", "add", "h3", three.address)
    one.create("data")
    commit(one, "s1")
    one.tag("v1@data")
    one.write("data", "file", "s2")
    one.push("data", "h2", every=True)
    two.branch("data/work", **{"from": "h1/data/trunk"})


@tests_for([False, True], name=lambda every: "all of it" if every else "as it is")
def a_branch_that_began_in_anothers_goes_to_a_third(every):
    with Peers("h1", "h2", "h3") as (one, two, three):
        begun_in_anothers(one, two, three)
        error = two.fails("not-found", "push", "data/work", "h3", says=("'h2/data/work'", "of its own", "'h3' lacks"))
        equal(error["hint"], "take one: flocker snapshot h2/data/work", "what to do")
        equal(three.items("/v1/remotes"), [], "nothing is there")
        two.run("snapshot", "h2/data/work", "--name", "w1")
        commit(two, "w2", "data/work")
        answer = two.push("data/work", "h3", every=every)
        equal((answer["outcome"], answer["snapshots"]), ("full", 2), "its own")
        equal(names(three, "h2/data/work"), ["w2", "w1"], "what came")
        equal(three.digest_at("h2/data/work@{latest}"), two.digest("data/work"), "contents")
        equal(two.push("data/work", "h3", every=every)["outcome"], "up to date", "once more")
        # What is another's comes by a fetch.
        three.fetch("h1/data/trunk", peer="h1", every=True)
        equal(names(three, "h2/data/work"), ["w2", "w1", "s1"], "all of the past")


@test
def a_branch_that_has_nothing_of_its_own_goes_to_who_has_the_rest():
    with Peers("h1", "h2", "h3") as (one, two, three):
        begun_in_anothers(one, two, three)
        one.push("data", "h3")
        for host, name in ((one, "h1"), (three, "h3")):
            answer = two.push("data/work", name)
            equal((answer["outcome"], answer["snapshots"]), ("fast-forward", 0), "the pointer alone")
            equal(tip(host, "h2/data/work"), tip(one, "data"), f"at {name}")
        one.write("data", "file", "s3")
        one.push("data", "h2")
        true(two.json("pull", "data/work")["moved"], "it still follows")


@test
def what_another_wrote_and_thinned_does_not_come_back_by_a_tag():
    with Peers("h1", "h2") as (one, two):
        two.create("data", policy={"snapshot": "manual"})
        commit(two, "base")
        one.run("fetch", "h2/data/trunk")
        one.run("branch", "data/work", "--from", "h2/data/trunk")
        for name in "x", "y":
            one.write("data/work", "file", name)
            one.snapshot("data/work", name=name)
        one.push("data/work", "h2")
        two.run("branch", "data/merge", "--from", "h1/data/work")
        two.write("data/merge", "file", "merged")
        two.snapshot("data/merge")
        one.run("destroy", "data/work@{x}")
        one.run("fetch", "h2/data/merge")
        two.run("tag", "v1@data", "h1/data/work@{x}")
        two.write("data/merge", "file", "and on")
        equal(one.json("fetch", "h2/data/merge")["outcome"], "fast-forward", "it is fetched on")
        equal(tip(one, "h2/data/merge"), tip(two, "data/merge"), "tip")


if __name__ == "__main__":
    tap.main()
