#!/usr/bin/python3
"""Trouble around a transfer: clocks that differ, certificates that are over or gone, disks and pools that fail."""

import contextlib
import glob
import os
import subprocess

import tap
from clocks import DAY, HOUR, Clock
from flocker import MIB, PATIENCE, UNWATCHED, fill, fill_state
from peers import Peers, Push, quiet, same, tip
from tap import equal, test, tests_for, true


def furnish(host, name="data", size=64 * 1024):
    host.create(name)
    with open(f"{host.path(name)}/file", "wb") as file:
        file.write(os.urandom(size))
    host.write(name, "text", "first")


def sync(host, ref):
    """What was deleted there has given its room back then, unless the kernel is still at it."""
    subprocess.run(["sync", "-f", host.path(ref)], check=True)


# --- clocks ----------------------------------------------------------------------------


@tests_for([DAY, -DAY], name=lambda by: f"by a day, {'ahead' if by > 0 else 'behind'}")
def clocks_differ(by):
    with Peers("h1", "h2") as (one, two):
        clock = Clock(two)
        clock.jump(by)
        clock.restart()
        two.listens()
        furnish(one)
        one.push("data", "h2")
        same(one, two)
        ahead = one.get("/v1/peer", name="h2")["clock_ahead"]
        true(abs(ahead - by / 10**9) < 60, f"the peer's clock is told: {ahead}")
        true("its clock:" in one.run("peer", "show", "h2"), "and shown")
        two.branch("data/work", **{"from": "h1/data/trunk"})
        for number in range(3):
            one.write("data", "text", f"{number}")
            one.snapshot("data")
        equal(one.push("data", "h2", every=True)["snapshots"], 3, "an increment")
        same(one, two)
        equal([entry["id"] for entry in two.log_of("h1/data/trunk")][:3], [entry["id"] for entry in one.log_of("data")][:3],
              "in their order")
        true(two.json("pull", "data/work")["moved"], "a branch of it follows")
        equal(two.read("data/work", "text"), "2", "after the pull")
        two.write("data/work", "own", "of h2")
        two.push("data/work", "h1")
        equal(tip(one, "h2/data/work"), tip(two, "data/work"), "and back")
        one.fetch("h2/data/work")
        for host in (one, two):
            host.run("thin")
        true(two.post("/v1/verifications", ref="h1/data/trunk", peer="h1")["equal"], "after thinning")
        one.rollback("data", "data@{-1}")
        equal(one.push("data", "h2")["outcome"], "rewind", "a rollback travels")
        same(one, two)
        quiet(one, two)


# --- certificates ----------------------------------------------------------------------


@test
def certificates_expire():
    with Peers("h1", "h2") as (one, two):
        clock = Clock(one)
        for host in (one, two):
            clock.host = host  # it is theirs
            clock.restart()
            host.listens()
        furnish(one)
        furnish(two, "theirs")
        one.push("data", "h2")
        clock.jump(370 * DAY)
        for host, ref, peer in ((one, "data", "h2"), (two, "theirs", "h1")):
            host.write(ref, "text", "second")
            error = host.fails("denied", "push", ref, peer, says="expired")
            true("flocker ca renew" in error["hint"] and "flocker join" in error["hint"], f"{error}")
        true("expired" in one.get("/v1/peer", name="h2")["trouble"], "peer show")
        one.run("ca", "renew")
        two.fails("denied", "ca", "renew", "--peer", "h1", says="expired", hint="flocker join")
        two.run("ca", "leave")
        two.run("join", one.run("ca", "token").strip())
        two.listens()
        equal(one.push("data", "h2")["outcome"], "fast-forward", "as before")
        equal(two.push("theirs", "h1")["outcome"], "full", "and back")
        same(one, two)


@test
def a_certificate_is_gone():
    with Peers("h1", "h2") as (one, two):
        furnish(one)
        two.stop()
        os.unlink(f"{two.root}/etc/tls/node.crt")
        two.start()
        one.fails("unreachable", "push", "data", "h2", hint="its daemon listens there")
        two.fails("not-found", "fetch", "h1/data", says="belongs to no cluster", hint="token")
        refused = two.try_run("join", one.run("ca", "token").strip())
        true("'h2', is a member already" in refused.err and "flocker ca revoke h2" in refused.err, str(refused))
        one.run("ca", "revoke", "h2")
        two.run("join", one.run("ca", "token").strip())
        two.listens()
        one.push("data", "h2")
        same(one, two)


# --- disks -----------------------------------------------------------------------------


@test
def the_senders_pool_is_full():
    with Peers("h1", "h2") as (one, two):
        furnish(one, size=MIB)
        one.snapshot("data", name="before")
        one.create("ballast", policy=UNWATCHED)
        ballast = f"{one.path('ballast')}/ballast"
        fill(ballast)
        equal(one.push("data@{before}", "h2")["outcome"], "full", "what is there can be sent")
        equal(tip(two, "h1/data/trunk"), one.log_of("data")[-1]["id"], "it is there")
        with open(f"{one.path('data')}/text", "w", encoding="utf-8") as file:
            file.write("")
        os.unlink(ballast)
        tap.wait_until(lambda: one.get("/v1/pool")["free"] > 64 * MIB or not sync(one, "ballast"), "there is room again",
                       PATIENCE)
        one.write("data", "text", "second")
        one.push("data", "h2")
        same(one, two)
        quiet(one, two)


@test
def the_receivers_state_has_no_room():
    peers = Peers("h1", "h2")
    state = f"{peers.hosts[1].root}/lib"
    os.makedirs(state)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=700,size=12m", "tmpfs", state], check=True)
    with peers as (one, two):
        furnish(one)
        two.create("own")
        filler = fill_state(two, "own")
        error = one.fails("no-space", "push", "data", "h2", says="'h2'")
        true(error["hint"], f"{error}")
        equal(two.items("/v1/remotes"), [], "nothing is there")
        equal(one.items("/v1/pins"), [], "nothing is kept here")
        os.unlink(filler)
        one.push("data", "h2")
        same(one, two)
        quiet(one, two)


@test
def the_receivers_pool_is_gone():
    with Peers("h1", "h2") as (one, two):
        furnish(one)
        one.push("data", "h2")
        two.stop()
        os.rename(f"{two.root}/pool.img", f"{two.root}/away.img")
        two.start()
        two.listens()
        one.write("data", "text", "second")
        error = one.try_run("push", "data", "h2")
        true(error.status != 0 and "pool" in error.err and "h2" in error.err, f"{error}")
        two.stop()
        os.rename(f"{two.root}/away.img", f"{two.root}/pool.img")
        two.start()
        two.listens()
        equal(one.push("data", "h2")["outcome"], "fast-forward", "it is back")
        same(one, two)
        quiet(one, two)


# --- what waits half-made ----------------------------------------------------------------


def points(host):
    """Of the trees that are half there: those of which something was carried out (src/delta/point.h)."""
    found = set()
    for path in glob.glob(f"{host.root}/lib/receiving/*.point"):
        with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
            if any(file.read(24)[16:]):
                found.add(path)
    return found


def half_pushed(one, two, name="data"):
    before = points(two)
    with Push(one, ref=name) as push:
        # What h2 has not carried out when it hears of the end is worth nothing.
        tap.wait_until(lambda: points(two) - before, "some of it is there")
        push.cancel()
    quiet(one, two)


def waiting(host):
    return [name for name in os.listdir(f"{host.root}/lib/receiving") if name.endswith(".json")]


@test
def what_waits_half_made_is_given_up_after_a_day():
    with Peers("h1", "h2") as (one, two):
        clock = Clock(two)
        clock.restart()
        two.listens()
        furnish(one, size=2 * MIB)
        half_pushed(one, two)
        tap.wait_until(lambda: len(waiting(two)) == 1, "a half waits")
        clock.passes(20 * HOUR)
        equal(len(waiting(two)), 1, "not for so long")
        clock.passes(5 * HOUR)
        two.run("config", "set", "trash.keep", "6d")  # the caretaker looks at once
        tap.wait_until(lambda: not waiting(two), "it is given up")
        equal([event["object"] for event in two.items("/v1/events") if event["kind"] == "half-received"][-1],
              "h1/data/trunk", "the event")
        answer = one.push("data", "h2")
        equal((answer["outcome"], answer["resumed"]), ("full", 0), "from the beginning")
        same(one, two)


@test
def no_more_than_sixteen_wait_half_made():
    with Peers("h1", "h2") as (one, two):
        names = [f"v{number}" for number in range(18)]
        for name in names:
            furnish(one, name, size=MIB)
            half_pushed(one, two, name)
        tap.wait_until(lambda: len(waiting(two)) == 16, "the newest wait")
        answer = one.push(names[-1], "h2")
        equal(answer["resumed"], 1, "one that waits is gone on with")
        answer = one.push(names[0], "h2")
        equal(answer["resumed"], 0, "the oldest is not")
        for name in (names[0], names[-1]):
            same(one, two, name)


if __name__ == "__main__":
    tap.main()
