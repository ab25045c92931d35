#!/usr/bin/python3
"""Trouble while a volume travels: full disks, what is destroyed or stopped meanwhile, names that are taken."""

import contextlib
import os
import subprocess
import threading
import uuid

import tap
from archives import used
from flocker import MIB, PATIENCE, UNWATCHED, Failure, Gone, fill
from peers import Peers
from tap import equal, test, true, wait_until

peers = Peers("h1", "h2")
one, two = peers.__enter__()
tap.finally_(lambda: peers.__exit__(None))
SLOW = MIB // 2  # bytes a second


def volume(name, size=0):
    one.create(name)
    one.write(name, "small", name)
    if size:
        with open(f"{one.path(name)}/big", "wb") as file:
            file.write(os.urandom(size))
    return name


class Slow:
    """A push that takes long, in a thread of its own, with the operation's id."""

    def __init__(self, ref, **options):
        self.id = str(uuid.uuid4())
        self.answer = self.failure = None
        self.options = {"limit": SLOW, **options}
        self.thread = threading.Thread(target=self.run, args=(ref,), daemon=True)
        self.thread.start()
        wait_until(lambda: self.received() or not self.thread.is_alive(), "bytes arrive")

    def run(self, ref):
        try:
            self.answer = one.push(ref, "h2", operation=self.id, **self.options)
        except Exception as failure:
            self.failure = failure

    def received(self):
        return [o for o in running(two, "receive") if o["done_bytes"]]

    def end(self):
        self.thread.join(PATIENCE)
        true(not self.thread.is_alive(), "it ends")
        return self.failure


def running(host, verb):
    return [o for o in host.items("/v1/operations") if o["state"] == "running" and o["verb"] == verb]


def refused(code, function, *arguments, **options):
    try:
        function(*arguments, **options)
    except Failure as failure:
        equal(failure.code, code, str(failure))
        return failure
    raise AssertionError("it was not refused")


def newest(host, verb):
    return next(o for o in host.items("/v1/operations") if o["verb"] == verb)


def idle():
    for host in (one, two):
        wait_until(lambda host=host: not running(host, "receive") + running(host, "push"), "nothing is under way", PATIENCE)


def stops(host):
    """At the end of neither the transfer nor the peer's patience (20 s)."""
    host.daemon.terminate()
    equal(host.daemon.wait(timeout=15), 0, "exit status")


def sync(path):
    subprocess.run(["sync", "-f", path], check=True)


def arrives(name):
    """A push that works, and equals what it is of."""
    one.push(name, "h2")
    snapshot = two.log_of(f"h1/{name}/trunk")[0]
    equal(snapshot["id"], one.log_of(name)[0]["id"], "the newest")
    equal(two.digest_at(snapshot["ref"]), one.digest(name), "contents")


@test
def names_that_are_taken():
    name = volume("taken")
    two.create(name)
    state = two.state()
    true("--as" in refused("exists", one.push, name, "h2").hint, "the hint")
    equal(two.state(), state, "what is there")
    one.push(name, "h2", **{"as": "other"})
    equal(two.log_of("h1/other/trunk")[0]["id"], one.log_of(name)[0]["id"], "the newest")
    one.write(name, "small", "more")
    one.push(name, "h2", **{"as": "other"})
    equal(len(two.log_of("h1/other/trunk")), 2, "snapshots")


@test
def a_push_to_itself():
    failure = refused("not-found", one.push, "taken", "h1")
    true("h1" in failure.message and "itself" in failure.message, str(failure))


@test
def nothing_to_send():
    one.create("empty")
    equal(one.push("empty", "h2")["outcome"], "full", "an empty volume is one, too")
    equal(one.push("empty", "h2")["outcome"], "up to date", "and no more")


@test
def two_at_once():
    name = volume("twice", 4 * MIB)
    slow = Slow(name)
    failure = refused("busy", one.push, name, "h2")
    true(slow.id in failure.message + (failure.hint or "") or "twice" in failure.message, str(failure))
    equal(slow.end(), None, "the first")
    arrives(name)


def cancelled(host, verb, name):
    """Under way, then by the host's own operation; what came of it is not to be seen, and the next push works."""
    volume(name, 12 * MIB)
    slow = Slow(name)
    operation, = running(host, verb)
    host.post("/v1/operation/cancel", id=operation["id"])
    true("cancel" in str(slow.end()), str(slow.failure))
    idle()
    true(name not in [v["name"] for v in two.items("/v1/volumes")], "nothing is visible there")
    arrives(name)


@test
def cancelled_by_the_sender():
    cancelled(one, "push", "unsent")


@test
def cancelled_by_the_receiver():
    cancelled(two, "receive", "unwanted")


@test
def destroyed_at_the_sender():
    name = volume("gone", 4 * MIB)
    slow = Slow(name)
    try:
        one.delete("/v1/volume", name)
    except Failure as failure:
        equal(failure.code, "busy", str(failure))
    slow.end()
    true(slow.failure is None or isinstance(slow.failure, Failure), str(slow.failure))
    idle()


@test
def rolled_back_at_the_sender():
    name = volume("back")
    arrives(name)
    first = one.log_of(name)[0]
    with open(f"{one.path(name)}/big", "wb") as file:
        file.write(os.urandom(4 * MIB))
    slow = Slow(name)
    one.rollback(name, first["ref"])
    equal(slow.end(), None, "the push")
    arrives(name)


@test
def destroyed_at_the_receiver():
    name = volume("dropped")
    arrives(name)
    with open(f"{one.path(name)}/big", "wb") as file:
        file.write(os.urandom(4 * MIB))
    slow = Slow(name)
    try:
        two.delete("/v1/branch", f"h1/{name}/trunk")
    except Failure as failure:
        true(failure.code in ("busy", "not-owner", "exists"), str(failure))
    slow.end()
    true(slow.failure is None or isinstance(slow.failure, Failure), str(slow.failure))
    idle()
    arrives(name)


@test
def the_receiver_stops_within():
    name = volume("cut-there", 12 * MIB)
    slow = Slow(name)
    stops(two)
    two.start()
    two.listens()
    if slow.end() is not None:
        true(isinstance(slow.failure, Failure), str(slow.failure))
    idle()
    arrives(name)


@test
def the_sender_stops_within():
    name = volume("cut-here", 12 * MIB)
    slow = Slow(name)
    stops(one)
    true(isinstance(slow.end(), (Failure, Gone)), "the push did not end well")
    one.start()
    for operation in running(two, "receive"):
        with contextlib.suppress(Failure):  # it may just have ended
            two.post("/v1/operation/cancel", id=operation["id"])
    idle()
    arrives(name)


@test
def no_room_at_the_receiver():
    """It ends in the middle; with room, the next try works."""
    name = volume("large", 40 * MIB)
    volumes = two.items("/v1/volumes")
    two.create("ballast", policy=UNWATCHED)
    sync(two.path("ballast"))
    before = used(two)
    ballast, room = (f"{two.path('ballast')}/{name}" for name in ("ballast", "room"))
    with open(room, "wb") as file:
        file.write(os.urandom(24 * MIB))
        os.fsync(file.fileno())
    fill(ballast)
    full = used(two)
    os.unlink(room)  # a file of its own: of one that is only cut, Btrfs keeps an extent while a byte of it is left
    wait_until(lambda: used(two) < full - 20 * MIB or not sync(ballast), "there is room for a part of it", PATIENCE)
    failure = refused("no-space", one.push, name, "h2")
    true("pool grow" in (failure.hint or ""), f"what to do is not said: {failure.hint}")
    true("h2" in failure.message or "there" in failure.message or "receive" in failure.message, str(failure))
    idle()
    equal(newest(two, "receive")["error"]["code"], "no-space", "the error there")
    equal([v["name"] for v in two.items("/v1/volumes")], sorted([v["name"] for v in volumes] + ["ballast"]), "volumes")
    os.unlink(ballast)
    wait_until(lambda: used(two) <= before + 2 * MIB, "the space is back", PATIENCE)
    arrives(name)


@test
def revoked_during_a_link():
    """The link that is open is cut, and none comes any more."""
    name = volume("mine")
    two.create("theirs")
    two.write("theirs", "file", "first")
    two.push("theirs", "h1")
    true(one.call("DELETE", "/v1/cluster/certificate", None, certificate="h2")["revoked"] >= 1, "revoked")
    two.write("theirs", "file", "more")
    before = one.log_of("h2/theirs/trunk")
    failure = refused("denied", two.push, "theirs", "h1")
    true("revoked" in failure.message, str(failure))
    equal(one.log_of("h2/theirs/trunk"), before, "what is there")
    refused("denied", one.push, name, "h2")


if __name__ == "__main__":
    tap.main()
