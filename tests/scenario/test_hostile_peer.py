#!/usr/bin/python3
"""A peer that lies, or means harm: refused in words, and nothing of what it sent is there."""

import calendar
import dataclasses
import fcntl
import itertools
import os
import pathlib
import random
import struct
import subprocess
import time
import uuid

import cleanup
import tap
import wire
from flocker import LONG, host_with_pool
from peers import free_port
from tap import equal, test, tests_for, true, wait_until
from wire import Closed, Instance, Link, Push, Refused, Volume

host = host_with_pool()
host.create("data")
host.write("data", "secret", "nobody else's")
PRIVATE = host.snapshot("data")
host.tag("ours@data")
DEVICE, = cleanup.loops_under(host.directory)
POOL = f"{host.directory}/looked"  # the whole of it, to which no path leads elsewhere
os.mkdir(POOL)
subprocess.run(["mount", "-t", "btrfs", "-o", "subvolid=5", DEVICE, POOL], check=True)
CANARY = pathlib.Path(f"{host.directory}/canary")
CANARY.write_text("sings", encoding="ascii")

ITSELF = Instance()
with Link(host) as first:
    ITSELF = first.peer
OURS, = host.items("/v1/branches")
OUR_VOLUME, = host.items("/v1/volumes")

FRIEND = Instance("friend")
KEPT = Volume(FRIEND, "kept")
HELLO = [wire.mkfile("hello"), wire.write("hello", 0, b"there")]
pushes = itertools.count()


def position_of(branch, snapshot):
    """As the protocol has it: of a snapshot of this host."""
    seconds, nanoseconds = snapshot["time"].rstrip("Z").split(".")
    whole = calendar.timegm(time.strptime(seconds, "%Y-%m-%dT%H:%M:%S"))
    return uuid.UUID(branch["uuid"]).bytes, whole * 10 ** 9 + int(nanoseconds.ljust(9, "0"))


def good_push():
    with Link(host, FRIEND) as link:
        Push(link, KEPT).whole(HELLO, name=f"push-{next(pushes)}")


def peak():
    status = pathlib.Path(f"/proc/{host.daemon.pid}/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0])


good_push()
PEAK = peak()


def visible():
    """All that the API tells of, but the friend's snapshots."""
    return {"volumes": [{**v, "usage": None} for v in host.items("/v1/volumes")],
            "branches": [{**b, "usage": None, "tip": None, "snapshots": None} for b in host.items("/v1/branches")],
            "log": host.log_of("data"), "tags": host.items("/v1/tags", ref="data"),
            "stashes": host.items("/v1/stashes", ref="data"), "trash": host.items("/v1/trash"),
            "pins": [p["branch"] for p in host.items("/v1/pins")], "canary": CANARY.read_text(encoding="ascii"),
            "secret": host.read("data", "secret")}


BEFORE = visible()


def running():
    return [o for o in host.items("/v1/operations") if o["state"] == "running"]


def cancel_all():
    for operation in running():
        host.post("/v1/operation/cancel", id=operation["id"])


def go_on():
    """One test's failure is not the next one's."""
    if not host.dead():
        cancel_all()
        BEFORE.update(visible())


tap.on_failure(go_on)


def sound():
    """Nothing half-made is left, and who means well is let in."""
    wait_until(lambda: not running(), "no operation runs")
    wait_until(lambda: os.listdir(f"{POOL}/staging") == [], "staging is empty")
    count = len(host.log_of("friend/kept/trunk"))
    equal(visible(), BEFORE, "what is visible")
    true(not host.dead(), "the daemon runs")
    good_push()
    equal(len(host.log_of("friend/kept/trunk")), count + 1, "snapshots of a good push")


def refused(code, function, *arguments, says="", **options):
    try:
        function(*arguments, **options)
    except Refused as error:
        codes = (code,) if isinstance(code, str) else code
        true(error.code in codes, f"{error.code} is none of {codes}: {error}")
        true(says in error.message + error.hint, f"{says!r} is not said: {error}")
        true(error.message.isprintable(), f"control characters in {error.message!r}")
        return error
    raise AssertionError("it was not refused")


# --- who is there ------------------------------------------------------------------------------------

GREETINGS = {
    "a newer version": (dict(oldest=7, newest=9), "unsupported", "upgrade"),
    "an older version": (dict(oldest=0, newest=0), "corrupt", ""),
    "versions the wrong way round": (dict(oldest=3, newest=1), "corrupt", ""),
}


@tests_for(GREETINGS)
def greeting(name):
    greets, code, says = GREETINGS[name]
    with Link(host, greeted=False) as link:
        link.raw(wire.GREETING + wire.u16(greets["oldest"]) + wire.u16(greets["newest"]))
        equal(link.read(12), wire.GREETING + wire.u16(1) + wire.u16(1), "its greeting")
        error = link.last_word()
        equal(error.code, code, str(error))
        true(says in error.hint, str(error))
    sound()


@tests_for(["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "\x16\x03\x01" + 30 * "\0"], repr)
def greeting_of_another_program(said):
    with Link(host, greeted=False) as link:
        link.raw(said.encode("latin-1"))
        link.read(12)
        try:
            extra = link.read(1)
        except Closed:
            extra = b""
        equal(extra, b"", "what it says to one that is no Flocker")
    sound()


def hello(**changes):
    return dataclasses.replace(Instance("liar"), **changes).hello()


HELLOS = {
    "itself": (lambda: hello(uuid=ITSELF.uuid), "invalid", "itself"),
    "nobody": (lambda: hello(uuid=wire.NONE), "corrupt", ""),
    "a name with a slash": (lambda: hello(name="a/b"), "corrupt", ""),
    "a name that climbs": (lambda: hello(name=".."), "corrupt", ""),
    "a name that switches a terminal": (lambda: hello(name="\x1b[31m"), "corrupt", ""),
    "no name": (lambda: hello(name=""), "corrupt", ""),
    "a long name": (lambda: hello(name="x" * 3000), "corrupt", ""),
    "half of one": (lambda: hello()[:20], "corrupt", ""),
    "nothing": (lambda: b"", "corrupt", ""),
}


@tests_for(HELLOS)
def hello_of(name):
    payload, code, says = HELLOS[name]
    with Link(host, greeted=False) as link:
        link.raw(wire.GREETING + wire.u16(1) + wire.u16(1))
        refused(code, link.hello, payload(), says=says)
    sound()


# --- frames ------------------------------------------------------------------------------------------------

FRAMES = {
    "rubbish": lambda link: random.Random(1).randbytes(4096),
    "zeros": lambda link: bytes(4096),
    "an unknown type": lambda link: wire.frame(99, 1),
    "unknown flags": lambda link: wire.frame(wire.REQUEST, 1, b"\3", flags=4),
    "bytes that are not 0": lambda link: b"\1\0\0\0\x10\0\7\0\1\0\0\0\3",
    "a control frame that is too long": lambda link: wire.frame(wire.PING, 0, length=wire.CONTROL + 1),
    "a frame that is too long": lambda link: wire.frame(wire.REQUEST, 1, length=wire.PAYLOAD + 1),
    "4 GB": lambda link: wire.frame(wire.REQUEST, 1, length=(1 << 32) - 1),
    "a request on the link's own channel": lambda link: wire.frame(wire.REQUEST, 0, b"\3"),
    "a ping on a channel": lambda link: wire.frame(wire.PING, 1, wire.u64(1)),
    "half a ping": lambda link: wire.frame(wire.PING, 0, b"\1\2\3"),
    "an answer to nothing": lambda link: wire.frame(wire.PONG, 0, wire.u64(9)),
    "a second hello": lambda link: wire.frame(wire.HELLO, 0, link.instance.hello()),
    "a channel of the other side's": lambda link: wire.frame(wire.REQUEST, 2, b"\3\0\0"),
    "a channel that was never opened": lambda link: wire.frame(wire.OFFER, 77, b"x"),
    "a channel that goes back": lambda link: wire.frame(wire.REQUEST, 9, b"\3\0\0") + wire.frame(wire.REQUEST, 7, b"\3\0\0"),
    "a channel twice": lambda link: 2 * wire.frame(wire.REQUEST, 9, b"\3\0\0"),
    "an empty request": lambda link: wire.frame(wire.REQUEST, 1),
    "data of nothing": lambda link: wire.frame(wire.REQUEST, 1, b"\1" + bytes(16)) + wire.frame(wire.DATA, 1, bytes(16)),
    "credit for what was not sent": lambda link: wire.frame(wire.REQUEST, 1, b"\1" + uuid.uuid4().bytes) +
    wire.frame(wire.CREDIT, 1, wire.u64(1 << 63)),
    "a length that is too small": lambda link: wire.frame(wire.REQUEST, 1, b"\3\0\0" + 40 * b"\xff", length=3),
}


@tests_for(FRAMES)
def frames(name):
    with Link(host) as link:
        link.raw(FRAMES[name](link))
        equal(link.last_word().code, "corrupt", "its last word")
    sound()


@test
def a_length_that_is_too_great():
    with Link(host) as link:
        link.raw(wire.frame(wire.REQUEST, 1, b"\1" + bytes(16), length=5000))
    sound()


@test
def unknown_requests_are_answered_and_the_link_goes_on():
    with Link(host) as link:
        for verb in (0, 7, 99, 255):
            channel = link.request(verb)
            refused("unsupported", link.answer, channel)
        for verb in (wire.PUSH, wire.FETCH, wire.LIST, wire.DIGEST, wire.JOIN):
            channel = link.request(verb, b"\xff")
            refused(("corrupt", "denied", "unsupported", "invalid", "not-found"), link.answer, channel)
        link.ping(1)
    sound()


@test
def ten_thousand_requests():
    with Link(host) as link:
        try:
            for _ in range(10000):
                link.request(99)
            for _ in range(10000):
                link.receive()
        except (Closed, TimeoutError):
            pass
    with Link(host) as link:
        try:
            for _ in range(10000):
                link.request(wire.PUSH, uuid.uuid4().bytes)
        except Closed:
            pass
    cancel_all()
    sound()


def digests():
    """The programs that make some."""
    found = subprocess.run(["pgrep", "-P", str(host.daemon.pid), "flocker-tree"], stdout=subprocess.PIPE, check=False)
    return len(found.stdout.split())


def large_file(path):
    """Takes minutes to read, and no room."""
    with open(path, "wb+") as file:
        file.write(os.urandom(4 << 20))
        file.flush()
        for shift in range(14):
            size = (4 << 20) << shift
            fcntl.ioctl(file, 0x4020940D, struct.pack("qQQQ", file.fileno(), 0, size, size))  # FICLONERANGE


@test
def digests_are_few_and_end_with_who_asks():
    host.create("large")
    large_file(f"{host.path('large')}/file")
    taken = host.snapshot("large")
    large, = [v for v in host.items("/v1/volumes") if v["name"] == "large"]
    with Link(host) as link:
        for _ in range(20):
            link.request(wire.DIGEST, uuid.UUID(large["uuid"]).bytes + wire.u64(int(taken["id"], 16)) + wire.u32(1))
        for _ in range(16):
            answer = link.receive()
            equal((answer.type, Refused(answer.payload).code), (wire.ERROR, "busy"), "the answer to one too many")
        wait_until(lambda: digests() == 4, "as many as one may have")
    wait_until(lambda: digests() == 0 and not running(), "nobody waits for them")
    host.delete("/v1/volume", ref="large")
    host.post("/v1/trash/empty", item="large")
    go_on()
    sound()


@test
def frames_after_the_end_are_dropped():
    with Link(host, FRIEND) as link:
        push = Push(link, KEPT)
        push.whole(HELLO)
        push.step()
        push.data(b"more")
        push.step_end()
        push.finish()
        link.ping(1)
    sound()


# --- offers ----------------------------------------------------------------------------------------------------

LIAR = Instance("liar")


def volume(**changes):
    return dataclasses.replace(Volume(LIAR, f"loot-{next(pushes)}"), **{"branches": [branch()], **changes})


def branch(**changes):
    return dataclasses.replace(wire.Branch(uuid.uuid4().bytes, LIAR.uuid, "liar"), **changes)


def circle():
    one, two = uuid.uuid4().bytes, uuid.uuid4().bytes
    return volume(branches=[branch(uuid=one, lines=((1, (two, 5)),)), branch(uuid=two, name="b", lines=((1, (one, 5)),))])


def own_circle():
    one = uuid.uuid4().bytes
    return volume(branches=[branch(uuid=one, lines=((1, (one, 1 << 62)),))])


def twice():
    one = branch()
    return volume(branches=[one, one])


OFFERS = {
    "a volume that climbs": (lambda: volume(name=".."), "corrupt"),
    "a volume with a slash": (lambda: volume(name="a/b"), "corrupt"),
    "a volume with a newline": (lambda: volume(name="a\nb"), "corrupt"),
    "a volume that switches a terminal": (lambda: volume(name="\x1b[31m"), "corrupt"),
    "a volume without a name": (lambda: volume(name=""), "corrupt"),
    "a long name": (lambda: volume(name="x" * 64), "corrupt"),
    "a name that is no text": (lambda: volume(name=b"\xff\xfe"), "corrupt"),
    "a volume called here what climbs": (lambda: volume(as_="../x"), "corrupt"),
    "a volume of nobody": (lambda: volume(uuid=wire.NONE), "corrupt"),
    "a branch that climbs": (lambda: volume(branches=[branch(name="..")]), "corrupt"),
    "a branch with a slash": (lambda: volume(branches=[branch(name="a/b")]), "corrupt"),
    "a branch without a name": (lambda: volume(branches=[branch(name="")]), "corrupt"),
    "a branch of nobody": (lambda: volume(branches=[branch(instance=wire.NONE)]), "corrupt"),
    "a writer that climbs": (lambda: volume(branches=[branch(instance_name="../..")]), "corrupt"),
    "a branch of ours": (lambda: volume(branches=[branch(instance=ITSELF.uuid)]), "not-owner"),
    "a branch of somebody else's": (lambda: volume(branches=[branch(instance=FRIEND.uuid)]), "not-owner"),
    "our branch as its own": (lambda: volume(branches=[branch(uuid=uuid.UUID(OURS["uuid"]).bytes)]), "corrupt"),
    "a friend's branch as its own": (lambda: volume(branches=[branch(uuid=KEPT.branch.uuid)]), "corrupt"),
    "our volume as its own": (lambda: volume(uuid=uuid.UUID(OUR_VOLUME["uuid"]).bytes), "diverged"),
    "our volume taken over": (lambda: volume(uuid=uuid.UUID(OUR_VOLUME["uuid"]).bytes, epoch=99), "diverged"),
    "a friend's volume taken over": (lambda: volume(uuid=KEPT.uuid, epoch=99), "diverged"),
    "an epoch that was": (lambda: volume(uuid=KEPT.uuid, owner=FRIEND.uuid, epoch=0), "diverged"),
    "the epoch 2^63": (lambda: volume(epoch=1 << 63), ("corrupt", "invalid")),
    "the epoch 2^64 - 1": (lambda: volume(epoch=(1 << 64) - 1), ("corrupt", "invalid")),
    "a name that exists": (lambda: volume(name="data"), "exists"),
    "a name that exists, by --as": (lambda: volume(as_="data"), "exists"),
    "a description that switches a terminal": (lambda: volume(description="\x1b[31m"), "corrupt"),
    "a long description": (lambda: volume(description="x" * 5000), "corrupt"),
    "a mount path that climbs": (lambda: volume(mount_path="/data/../etc"), ("corrupt", "invalid")),
    "a mount path of options": (lambda: volume(mount_path="/data:ro"), ("corrupt", "invalid")),
    "a mount path that is none": (lambda: volume(mount_path="data"), ("corrupt", "invalid")),
    "metadata twice": (lambda: volume(metadata=(("a", "1"), ("a", "2"))), "corrupt"),
    "metadata without a key": (lambda: volume(metadata=(("", "1"),)), "corrupt"),
    "much metadata": (lambda: volume(metadata=tuple((f"k{i}", "x" * 200) for i in range(4000))), "corrupt"),
    "a branch twice": (twice, "corrupt"),
    "no lines": (lambda: volume(branches=[branch(lines=())]), "corrupt"),
    "lines without a beginning": (lambda: volume(branches=[branch(lines=((5, (wire.NONE, 0)),))]), "corrupt"),
    "lines in disorder": (lambda: volume(branches=[branch(lines=((1, (wire.NONE, 0)), (9, (wire.NONE, 0)),
                                                                  (5, (wire.NONE, 0))))]), "corrupt"),
    "lines before time": (lambda: volume(branches=[branch(lines=((-5, (wire.NONE, 0)),))]), "corrupt"),
    "lines in a circle": (circle, "corrupt"),
    "a line that comes from itself": (own_circle, "corrupt"),
}


@tests_for(OFFERS)
def offer(name):
    make, code = OFFERS[name]
    with Link(host, LIAR) as link:
        refused(code, Push(link, make()).open)
        link.ping(1)
    sound()


@test
def an_offer_that_ends_too_soon():
    with Link(host, LIAR) as link:
        whole = Push(link, volume()).offer()
        for size in range(len(whole)):
            refused("corrupt", Push(link, volume()).open, whole[:size])
    sound()


TARGETS = {
    "of another branch": lambda push: (uuid.uuid4().bytes, 5),
    "nowhere": lambda push: (wire.NONE, 0),
    "without a time": lambda push: (push.at[0], 0),
    "before time": lambda push: (push.at[0], -5),
}


@tests_for(TARGETS)
def a_target(name):
    with Link(host, LIAR) as link:
        push = Push(link, volume())
        refused("corrupt", push.open, push.offer(TARGETS[name](push)))
        push = Push(link, volume())
        refused("corrupt", push.open, push.offer(pointer=2))
    sound()


@test
def counts_that_lie():
    with Link(host, LIAR) as link:
        for count in (0, 513, (1 << 32) - 1):
            push = Push(link, volume())
            whole = push.transfer + push.volume.encode() + wire.u32(count)
            refused("corrupt", push.open, whole + push.volume.branch.encode() + wire.position(push.at) + b"\1")
    sound()


# --- steps -----------------------------------------------------------------------------------------------------

STEPS = {
    "of another branch": (lambda push: dict(at=(uuid.uuid4().bytes, push.at[1])), "corrupt"),
    "of our branch": (lambda push: dict(at=position_of(OURS, PRIVATE)), "corrupt"),
    "of a time that is not offered": (lambda push: dict(at=(push.at[0], push.at[1] + 1)), "corrupt"),
    "nowhere": (lambda push: dict(at=(wire.NONE, 0)), "corrupt"),
    "that nobody took": (lambda push: dict(instance=wire.NONE), "corrupt"),
    "on a host that switches a terminal": (lambda push: dict(host="\x1b[31m"), "corrupt"),
    "with a name that climbs": (lambda push: dict(name="../x"), "corrupt"),
    "with a name that is reserved": (lambda push: dict(name="latest"), "corrupt"),
    "with a message that switches a terminal": (lambda push: dict(message="\x1b]0;x\7"), "corrupt"),
    "with a long message": (lambda push: dict(message="x" * 5000), "corrupt"),
    "made of itself": (lambda push: dict(base=push.at), "corrupt"),
    "made of what is not here": (lambda push: dict(base=(push.at[0], push.at[1] - 1)), "not-found"),
    "made of our snapshot": (lambda push: dict(base=position_of(OURS, PRIVATE)), "corrupt"),
    "in an unknown form": (lambda push: dict(form=9), "corrupt"),
    "in the form of ZFS": (lambda push: dict(form=2), "unsupported"),
    "in the form of tests": (lambda push: dict(form=3), "unsupported"),
    "in no form": (lambda push: dict(form=0), "corrupt"),
    "taken up in an unknown way": (lambda push: dict(how=7), "corrupt"),
    "that goes on, of nothing": (lambda push: dict(how=wire.LIVE), "corrupt"),
    "that goes on with a tree, of nothing": (lambda push: dict(how=wire.POINT), ("corrupt", "not-found")),
}


@tests_for(STEPS)
def a_step(name):
    make, code = STEPS[name]

    def tried(push):
        push.open()
        push.step(**make(push))
        push.stream(wire.delta(HELLO))
        push.step_end()
        push.taken()

    with Link(host, LIAR) as link:
        refused(code, tried, Push(link, volume()))
    sound()


ORDERS = {
    "data of no step": lambda push: push.data(b"x"),
    "the end of no step": lambda push: push.step_end(),
    "the end of all before anything came": lambda push: push.finish(),
    "the end of all within a step": lambda push: (push.step(), push.finish()),
    "a request within": lambda push: push.link.send(wire.HAVE, push.channel, b"x"),
    "a second offer": lambda push: push.link.send(wire.OFFER, push.channel, push.offer()),
    "half a step": lambda push: push.link.send(wire.STEP, push.channel, b"x"),
    "half an end": lambda push: (push.step(), push.link.send(wire.STEP_END, push.channel, b"x")),
    "half a finish": lambda push: push.link.send(wire.FINISH, push.channel, b"\0"),
    "done": lambda push: push.link.send(wire.DONE, push.channel),
}


@tests_for(ORDERS)
def out_of_order(name):
    with Link(host, LIAR) as link:
        push = Push(link, volume())
        push.open()
        ORDERS[name](push)
        if name != "done":
            refused("corrupt", push.taken)
        link.ping(1)
    sound()


# --- data ---------------------------------------------------------------------------------------------------------


def frames_of(push, delta):
    """What the step's dialogue would be, as (type, payload)."""
    push.chain = wire.Chain()
    size = len(delta) // 4 + 1
    return [(wire.DATA, push.chain.payload(delta[at:at + size])) for at in range(0, len(delta), size)] + \
        [(wire.STEP_END, wire.u64(push.chain.frames) + wire.u64(push.chain.bytes) + push.chain.value + b"\0")]


@test
def one_byte_changed():
    chance = random.Random(7)
    delta = wire.delta(HELLO + [wire.write("hello", 5, bytes(500))])
    with Link(host, LIAR) as link:
        for _ in range(1000 if LONG else 300):
            push = Push(link, volume())
            push.open()
            push.step()
            parts = frames_of(push, delta)
            total = sum(len(payload) for _, payload in parts) - 1  # the last says: no digest
            spot = chance.randrange(total)
            for kind, payload in parts:
                if 0 <= spot < len(payload):
                    payload = bytearray(payload)
                    payload[spot] ^= chance.randrange(1, 256)
                spot -= len(payload)
                link.send(kind, push.channel, bytes(payload))
            refused("corrupt", push.taken)
    sound()


def replayed(push):
    payload = push.chain.payload(wire.delta(HELLO))
    push.link.send(wire.DATA, push.channel, payload)
    push.link.send(wire.DATA, push.channel, payload)


def zstd(data, size=None):
    return lambda push: push.data(data, wire.ZSTD, size)


def half(push):
    push.data(wire.delta(HELLO)[:-10])
    push.step_end()


def and_more(push):
    push.data(wire.delta(HELLO) + b"more")
    push.step_end()


def lying(**changes):
    def send(push):
        push.data(wire.delta(HELLO))
        push.step_end(**{name: change(push) for name, change in changes.items()})
    return send


DATA = {
    "a frame once more": replayed,
    "a bomb": zstd(wire.zstd_run(1 << 30)),
    "a bomb that says that it is small": zstd(wire.zstd_run(1 << 30, 100)),
    "zstd that yields less than it says": zstd(wire.zstd_run(100, 1000)),
    "zstd of a byte too many": zstd(wire.zstd_run(wire.PIECE + 1)),
    "zstd that says 2^63": zstd(wire.zstd_run(100, 1 << 63)),
    "zstd twice": zstd(2 * wire.zstd_run(100)),
    "zstd with a tail": zstd(wire.zstd_run(100) + b"x"),
    "no zstd": zstd(b"abcdefghijk"),
    "a piece of a byte too many": lambda push: push.data(bytes(wire.PIECE + 1)),
    "half a stream": half,
    "a stream and more": and_more,
    "a frame too few": lying(frames=lambda push: push.chain.frames - 1),
    "a frame too many": lying(frames=lambda push: push.chain.frames + 1),
    "a byte too few": lying(size=lambda push: push.chain.bytes - 1),
    "2^64 bytes": lying(size=lambda push: (1 << 64) - 1),
    "another value at the end": lying(value=lambda push: bytes(16)),
}


@tests_for(DATA)
def data(name):
    with Link(host, LIAR) as link:
        push = Push(link, volume())
        push.open()
        push.step()
        DATA[name](push)
        refused("corrupt", push.taken)
        link.ping(1)
    sound()


@tests_for([1 << 63, (1 << 64) - 1], name=hex)
def more_to_come_than_there_is(size):
    """It is only shown: what is shown is what came."""
    with Link(host, LIAR) as link:
        push = Push(link, volume())
        push.open()
        push.step(size=size)
        push.data(wire.delta(HELLO)[:60])
        wait_until(lambda: any(o["state"] == "running" and o["total_bytes"] is None
                               for o in host.items("/v1/operations")), "it is listed, without a total")
        push.step_end()
        refused("corrupt", push.taken)
    sound()


# --- deltas -------------------------------------------------------------------------------------------------------------

OUT = "../" * 12 + str(CANARY).lstrip("/")
BAD = ("corrupt", "invalid")
DELTAS = {
    "up": [wire.mkfile("../x")],
    "down and up": [wire.mkdir("d"), wire.mkfile("d/../../x")],
    "up by a rename": [wire.mkfile("a"), wire.rename("a", "../a")],
    "up by a directory": [wire.mkdir("..")],
    "from the top": [wire.mkfile("/x")],
    "the canary": [wire.write(OUT, 0, b"dead")],
    "the canary from the top": [wire.write(str(CANARY), 0, b"dead")],
    "the canary's end": [wire.truncate(OUT, 0)],
    "no name": [wire.mkfile("")],
    "a dot": [wire.mkfile(".")],
    "through a link that climbs": [wire.symlink("l", "../" * 12), wire.mkfile("l/x")],
    "through a link": [wire.symlink("l", "/"), wire.write(f"l{CANARY}", 0, b"dead")],
    "into a link": [wire.symlink("l", OUT), wire.write("l", 0, b"dead")],
    "the end of a link": [wire.symlink("l", OUT), wire.truncate("l", 0)],
    "a hard link to the canary": [wire.link("h", OUT)],
    "a hard link from the top": [wire.link("h", str(CANARY))],
    "a hard link through a link": [wire.symlink("l", "/"), wire.link("h", f"l{CANARY}")],
    "a rename of what is outside": [wire.rename(OUT, "a")],
    "a removal outside": [wire.unlink(OUT)],
    "contents of elsewhere": [wire.mkfile("a"), wire.clone("a", 0, 5, uuid.uuid4().bytes, "hello")],
    "contents of the canary": [wire.mkfile("a"), wire.clone("a", 0, 5, wire.TREE, OUT)],
    "contents through a link": [wire.symlink("l", "/"), wire.mkfile("a"),
                                wire.clone("a", 0, 5, wire.TREE, f"l{CANARY}")],
    "a size of 2^63": [wire.mkfile("a"), wire.truncate("a", 1 << 63)],
    "an offset of 2^64 - 1": [wire.mkfile("a"), wire.write("a", (1 << 64) - 1, b"x")],
    "an offset of 2^63 - 1": [wire.mkfile("a"), wire.write("a", (1 << 63) - 1, b"x")],
    "a file that is not there": [wire.write("nothing", 0, b"x")],
    "a file in a file": [wire.mkfile("a"), wire.mkfile("a/b")],
    "a file twice": [wire.mkfile("a"), wire.mkfile("a")],
    "a mode with more bits": [wire.mkfile("a"), wire.chmod("a", 0o170777)],
    "a user beyond all": [wire.mkfile("a"), wire.chown("a", 1 << 40, 0)],
    "a time that is none": [wire.mkfile("a"), wire.utimes("a", 1, 1 << 30)],
    "a device beyond all": [wire.mknod("n", 0o60600, 1 << 40)],
    "a node of no kind": [wire.mknod("n", 0o170600, 0)],
    "an unknown command": [wire.command(99)],
    "an unknown attribute": [wire.command(3, (15, "a"), (77, "b"))],
    "an attribute twice": [wire.command(3, (15, "a"), (15, "b"))],
    "a path with a NUL": [wire.command(3, (15, b"a\0b"))],
    "a path of 5000 bytes": [wire.mkfile("a/" * 2500)],
    "a wrong checksum": [wire.mkfile("a")[:-1] + b"b"],
    "a command of 4 GB": [b"\xff\xff\xff\xff\3\0\0\0\0\0"],
    "a tree within": [wire.BEGIN],
    "an end within": [wire.END],
    "nothing but the end of another": b"btrfs-stream\0\2\0\0\0",
    "no delta": bytes(1000),
    "of a base": wire.delta(HELLO, wire.made_from(uuid.uuid4().bytes)),
    "without a beginning": wire.delta(HELLO, b""),
}


@tests_for(DELTAS)
def a_delta(name):
    with Link(host, LIAR) as link:
        push = Push(link, volume())
        push.open()
        refused(BAD, push.snapshot, DELTAS[name])
        link.ping(1)
    sound()


@test
def a_flood_of_attributes():
    """More than any file can have."""
    flood = [wire.mkfile("a")] + [wire.set_xattr("a", f"user.{i}", bytes(3000)) for i in range(64)] * 8 + \
        [wire.set_xattr("a", f"user.{'x' * 200}{i}", bytes(60000)) for i in range(4)]
    with Link(host, LIAR) as link:
        push = Push(link, volume())
        push.open()
        refused(BAD + ("no-space", "system", "unsupported"), push.snapshot, flood)
    sound()


@test
def what_is_dangerous_is_kept_and_harmless():
    """Programs that take on rights come as they are, and nobody can start them where they lie."""
    visitor = Instance("visitor")
    brought = Volume(visitor, "tools")
    commands = [wire.mkfile("su"), wire.write("su", 0, b"#!/bin/sh\n"), wire.chown("su", 0, 0),
                wire.chmod("su", 0o6755), wire.symlink("out", "/etc/shadow"), wire.mkfile("vast"),
                wire.truncate("vast", 1 << 60)]
    with Link(host, visitor) as link:
        Push(link, brought).whole(commands)
    snapshot, = host.log_of("visitor/tools/trunk")
    path = host.post("/v1/mounts", ref=snapshot["ref"])["path"]
    equal(os.stat(f"{path}/su").st_mode & 0o7777, 0o6755, "its mode")
    equal(os.readlink(f"{path}/out"), "/etc/shadow", "where it points")
    equal(os.stat(f"{path}/vast").st_size, 1 << 60, "size")
    equal(os.stat(f"{path}/vast").st_blocks, 0, "room that it takes")
    options = os.statvfs(path).f_flag
    true(options & os.ST_RDONLY and options & os.ST_NODEV, f"mounted read-only, without devices: {options:#x}")
    host.delete("/v1/mounts", ref=snapshot["ref"])
    BEFORE.update(visible())
    sound()


# --- the end of a transfer ------------------------------------------------------------------------------------------------


def tag_refused(tags):
    with Link(host, LIAR) as link:
        push = Push(link, volume())
        push.open()
        push.finish(tags)
        refused("corrupt", push.done)
    sound()


TAGS = {
    "that climb": [("../x", (bytes(15) + b"1", 5))],
    "without a name": [("", (bytes(15) + b"1", 5))],
    "twice": [("a", (bytes(15) + b"1", 5)), ("a", (bytes(15) + b"1", 5))],
    "in disorder": [("b", (bytes(15) + b"1", 5)), ("a", (bytes(15) + b"1", 5))],
    "of nothing": [("a", (wire.NONE, 0))],
}


@tests_for(TAGS)
def tags(name):
    tag_refused(TAGS[name])


@test
def tags_without_end():
    with Link(host, LIAR) as link:
        push = Push(link, volume())
        push.open()
        try:
            for start in range(0, 100000, 10000):
                push.finish([(f"t{i:08}", (bytes(15) + b"1", 5)) for i in range(start, start + 10000)], more=1)
        except Closed:
            pass
        try:
            refused("corrupt", push.done)
        except Closed:
            pass
    sound()


@test
def tags_that_point_nowhere_or_elsewhere():
    with Link(host, FRIEND) as link:
        push = Push(link, KEPT)
        nowhere, elsewhere = (uuid.uuid4().bytes, 5), position_of(OURS, PRIVATE)
        push.whole(HELLO, [("a", nowhere), ("b", elsewhere), ("good", push.at)])
    equal([t["name"] for t in host.items("/v1/tags", ref="kept")], ["good"], "tags")
    with Link(host, FRIEND) as link:
        Push(link, KEPT).whole(HELLO)
    equal(host.items("/v1/tags", ref="kept"), [], "tags")
    sound()


@test
def tags_of_who_is_not_the_owner():
    """A branch of its own of our volume is welcome; the volume's tags and what governs it are not its."""
    guest = Instance("guest")
    ours = Volume(guest, "data", uuid=uuid.UUID(OUR_VOLUME["uuid"]).bytes, owner=ITSELF.uuid, epoch=50,
                  description="mine now", metadata=(("a", "b"),))
    with Link(host, guest) as link:
        push = Push(link, ours)
        push.whole(HELLO, [("ours", push.at), ("theirs", push.at)])
    equal([t["name"] for t in host.items("/v1/tags", ref="data")], ["ours"], "tags")
    mine = host.get("/v1/volume", ref="data")
    equal({**mine, "usage": None, "branches": None}, {**OUR_VOLUME, "usage": None, "branches": None}
          if "branches" in mine else {**OUR_VOLUME, "usage": None}, "our volume")
    BEFORE.update(visible())
    sound()


# --- who stops ----------------------------------------------------------------------------------------------------------------


@test
def one_that_stops_in_the_middle():
    with Link(host, LIAR) as link:
        push = Push(link, volume())
        push.open()
        push.step()
        push.data(wire.delta(HELLO)[:60])
        good_push()
        operation, = running()
        host.post("/v1/operation/cancel", id=operation["id"])
        error = refused(("unreachable", "system"), push.taken)
        true("cancel" in error.message, str(error))
        link.ping(1)
    sound()


@test
def one_that_goes_in_the_middle():
    """What it began waits for it, and can be cancelled."""
    with Link(host, LIAR) as link:
        push = Push(link, volume())
        push.open()
        push.step()
        push.data(wire.delta(HELLO)[:60])
        wait_until(running, "it is under way")
    operation, = running()
    host.post("/v1/operation/cancel", id=operation["id"])
    sound()


@test
def one_that_never_reads():
    with Link(host, LIAR) as link:
        link.socket.setblocking(False)
        try:
            for _ in range(20000):
                link.request(wire.LIST, wire.text(""))
        except (BlockingIOError, Closed):
            pass
        good_push()
        true(host.get("/v1/version"), "the API answers")
    sound()


@test
def memory_was_bounded():
    grown = peak() - PEAK
    tap.note(f"the daemon's memory grew by {grown} KiB at most, from {PEAK}")
    true(grown < 64 << 10, f"it grew by {grown} KiB")


@test
def of_another_cluster():
    host.run("config", "set", "peer.listen", f"127.0.0.1:{free_port()}")
    host.post("/v1/cluster")
    with Link(host, greeted=False) as link:
        link.raw(wire.GREETING + wire.u16(1) + wire.u16(1))
        refused("denied", link.hello, hello(cluster=uuid.uuid4().bytes), says="another cluster")
    sound()


@test
def stopping_waits_for_nobody():
    """For one that is silent in the middle, and one that has said nothing at all."""
    with Link(host, LIAR) as link, Link(host, greeted=False):
        push = Push(link, volume())
        push.open()
        push.step()
        push.data(wire.delta(HELLO)[:60])
        began = len(cleanup.read(host.log))
        host.daemon.terminate()
        # A link is given up after 20 s of silence, and who does not say who it is after 10 s, which is told.
        equal(host.daemon.wait(timeout=15), 0, "exit status")
        true("has not said who it is" not in cleanup.read(host.log)[began:], host.tail())
    host.start()
    sound()


if __name__ == "__main__":
    tap.main()
