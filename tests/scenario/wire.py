"""An instance that speaks the protocol between instances by itself, well or badly.

Made from flocker-protocol(7) and the headers src/repl/wire.h and offer.h alone, so it shows too that they
say enough.  It connects where ssh connects: to the socket for peers, by plain bytes.

    with Link(host) as link:
        pushed = Push(link)
        pushed.whole([mkfile("a"), write("a", 0, b"text")])
"""

import dataclasses
import itertools
import socket
import struct
import time
import uuid

import xxhash

import tap
from flocker import PATIENCE

GREETING = b"flocker\n"
HELLO, PING, PONG, BYE, REQUEST, DONE, ERROR = 1, 2, 3, 4, 16, 17, 18
OFFER, HAVE, STEP, DATA, CREDIT, STEP_END, TAKEN, FINISH = range(32, 40)
VOLUMES, DIGEST_IS, JOINED = 48, 49, 50
PUSH, FETCH, LIST, DIGEST, JOIN = range(1, 6)
ZSTD = 1
CONTROL, PAYLOAD, PIECE, WINDOW = 4096, 1 << 20, 512 << 10, 2 << 20
CODES = (None, "invalid", "not-found", "exists", "busy", "not-owner", "diverged", "no-space", "unsupported",
         "denied", "unreachable", "corrupt", "system")
NONE = bytes(16)
DELTA, ANEW, LIVE, POINT = 1, 0, 1, 2


class Closed(Exception):
    """The other side has closed the connection."""


class Refused(Exception):
    """It answered with an error."""

    def __init__(self, payload):
        view = View(payload)
        code = view.u8()
        view.u32()
        self.code = CODES[code] if code < len(CODES) else str(code)
        self.message, self.hint, self.object = view.text(), view.text(), view.text()
        super().__init__(f"{self.code}: {self.message} ({self.hint})")


# --- fields ------------------------------------------------------------------------------------


def u8(value):
    return struct.pack("<B", value)


def u16(value):
    return struct.pack("<H", value)


def u32(value):
    return struct.pack("<I", value)


def u64(value):
    return struct.pack("<Q", value)


def i64(value):
    return struct.pack("<q", value)


def text(value):
    raw = value if isinstance(value, bytes) else value.encode()
    return u16(len(raw)) + raw


def position(at):
    return at[0] + i64(at[1])


def listed(items):
    items = list(items)
    return u32(len(items)) + b"".join(items)


def metadata(pairs):
    return listed(text(key) + text(value) for key, value in pairs)


def origin(ref="", identifier=0):
    return text(ref) + u64(identifier)


class View:
    def __init__(self, payload):
        self.left = payload

    def take(self, size):
        assert len(self.left) >= size, "a payload that ends too soon"
        taken, self.left = self.left[:size], self.left[size:]
        return taken

    def u8(self):
        return self.take(1)[0]

    def u16(self):
        return struct.unpack("<H", self.take(2))[0]

    def u32(self):
        return struct.unpack("<I", self.take(4))[0]

    def u64(self):
        return struct.unpack("<Q", self.take(8))[0]

    def i64(self):
        return struct.unpack("<q", self.take(8))[0]

    def text(self):
        return self.take(self.u16()).decode()

    def position(self):
        return self.take(16), self.i64()


# --- a link --------------------------------------------------------------------------------------


@dataclasses.dataclass
class Instance:
    """Who we say that we are."""
    name: str = "stranger"
    uuid: bytes = dataclasses.field(default_factory=lambda: uuid.uuid4().bytes)
    cluster: bytes = NONE
    program: str = "0.1"
    forms: int = 1 << DELTA

    def hello(self):
        return (self.uuid + self.cluster + text(self.name) + text(self.program) + u32(self.forms) +
                i64(time.time_ns()))


@dataclasses.dataclass
class Frame:
    type: int
    flags: int
    channel: int
    payload: bytes


def frame(kind, channel=0, payload=b"", flags=0, length=None):
    return struct.pack("<IBBHI", len(payload) if length is None else length, kind, flags, 0, channel) + payload


def connected(path):
    """None: nobody listens there, as for a moment after a daemon's start."""
    ours = socket.socket(socket.AF_UNIX)
    try:
        ours.connect(path)
    except (FileNotFoundError, ConnectionRefusedError):
        ours.close()
        return None
    return ours


class Link:
    """As who dials.  `greeted` False: nothing is said before the caller does."""

    def __init__(self, host, instance=None, greeted=True, patience=PATIENCE):
        self.instance = instance or Instance()
        self.socket = tap.wait_until(lambda: connected(f"{host.root}/run/peers.sock"), "peers may connect")
        self.socket.settimeout(patience)
        self.socket.sendall(b"serve\n")  # as flocker-volume does, before the link begins
        self.channels = itertools.count(1, 2)
        self.peer = None
        if greeted:
            self.greet()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def greet(self, oldest=1, newest=1, magic=GREETING):
        self.raw(magic + u16(oldest) + u16(newest))
        self.hello(self.instance.hello())

    def hello(self, payload):
        self.raw(frame(HELLO, 0, payload))
        version = self.read(12)
        assert version == GREETING + u16(1) + u16(1), version
        answer = self.receive()
        if answer.type == BYE:
            raise Refused(answer.payload)
        assert answer.type == HELLO, answer
        view = View(answer.payload)
        self.peer = Instance(uuid=view.take(16), cluster=view.take(16), name=view.text(), program=view.text(),
                             forms=view.u32())

    def raw(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed from error

    def send(self, kind, channel, payload=b"", flags=0):
        self.raw(frame(kind, channel, payload, flags))

    def read(self, size):
        got = b""
        while len(got) < size:
            try:
                more = self.socket.recv(size - len(got))
            except ConnectionResetError as error:
                raise Closed from error
            if not more:
                raise Closed
            got += more
        return got

    def receive(self):
        """The next frame; answers to PING."""
        while True:
            length, kind, flags, zero, channel = struct.unpack("<IBBHI", self.read(12))
            assert zero == 0 and length <= PAYLOAD, "a frame's head"
            payload = self.read(length)
            if kind != PING:
                return Frame(kind, flags, channel, payload)
            self.send(PONG, 0, payload)

    def ping(self, number):
        self.send(PING, 0, u64(number))
        answer = self.receive()
        assert answer.type == PONG and answer.payload == u64(number), answer

    def request(self, verb, payload=b""):
        channel = next(self.channels)
        self.send(REQUEST, channel, u8(verb) + payload)
        return channel

    def answer(self, channel, *kinds):
        """The next frame of a channel, which must be of one of these types; CREDIT is passed over."""
        while True:
            got = self.receive()
            if got.type == BYE:
                raise Refused(got.payload) if got.payload else Closed
            if got.channel != channel or got.type == CREDIT:
                continue
            if got.type == ERROR:
                raise Refused(got.payload)
            assert got.type in kinds, got
            return got

    def last_word(self):
        """The error of the BYE that must come now, with which the connection ends."""
        while True:
            got = self.receive()
            if got.type == BYE:
                self.socket.shutdown(socket.SHUT_WR)
                try:
                    extra = self.socket.recv(1)
                except ConnectionResetError:
                    extra = b""
                assert extra == b"", "something after BYE"
                return Refused(got.payload)


# --- a push ---------------------------------------------------------------------------------------


@dataclasses.dataclass
class Branch:
    uuid: bytes
    instance: bytes
    instance_name: str = "stranger"
    name: str = "trunk"
    lines: tuple = ((1, (NONE, 0)),)

    def encode(self):
        return (self.uuid + self.instance + text(self.instance_name) + text(self.name) + origin() +
                i64(1_000_000_000) + listed(i64(start) + position(parent) for start, parent in self.lines))


@dataclasses.dataclass
class Volume:
    """A volume of ours, with what is said of it."""
    instance: Instance
    name: str
    uuid: bytes = dataclasses.field(default_factory=lambda: uuid.uuid4().bytes)
    as_: str = ""
    owner: bytes = None
    epoch: int = 1
    description: str = ""
    mount_path: str = ""
    metadata: tuple = ()
    branches: list = None

    def __post_init__(self):
        self.owner = self.owner or self.instance.uuid
        self.branches = self.branches or [Branch(uuid.uuid4().bytes, self.instance.uuid, self.instance.name)]

    @property
    def branch(self):
        return self.branches[0]

    def encode(self):
        return (self.uuid + text(self.name) + text(self.as_) + self.owner + text(self.instance.name) +
                u64(self.epoch) + text(self.description) + text(self.mount_path) + metadata(self.metadata) +
                origin() + i64(1_000_000_000))


class Chain:
    """What makes the frames of DATA prove themselves."""

    def __init__(self):
        self.value, self.frames, self.bytes = bytes(16), 0, 0

    def payload(self, data, flags=0, size=None):
        self.value = xxhash.xxh3_128_digest(self.value + u8(flags) + xxhash.xxh3_128_digest(data))
        self.frames += 1
        self.bytes += len(data) if size is None else size
        return self.value + data


class Push:
    """One transfer; each part of it can be said in another way than it should."""

    def __init__(self, link, volume, at=None):
        self.link, self.volume = link, volume
        self.transfer = uuid.uuid4().bytes
        self.at = (volume.branch.uuid, at or time.time_ns())
        self.chain = Chain()
        self.channel = None

    def offer(self, target=None, pointer=1):
        return (self.transfer + self.volume.encode() + listed(b.encode() for b in self.volume.branches) +
                position(target or self.at) + u8(pointer))

    def open(self, offer=None):
        """Up to HAVE."""
        self.channel = self.link.request(PUSH, self.transfer)
        self.link.send(OFFER, self.channel, self.offer() if offer is None else offer)
        return self.link.answer(self.channel, HAVE)

    def step(self, at=None, instance=None, sequence=1, host="h", reason=0, name="", message="",
             pairs=(), base=(NONE, 0), form=DELTA, how=ANEW, size=0, tagged=0):
        self.chain = Chain()
        self.link.send(STEP, self.channel, position(at or self.at) + (instance or self.link.instance.uuid) +
                       u64(sequence) + text(host) + u8(reason) + text(name) + text(message) + metadata(pairs) +
                       position(base) + u8(form) + u8(how) + u64(size) + u8(tagged))

    def data(self, data, flags=0, size=None):
        self.link.send(DATA, self.channel, self.chain.payload(data, flags, size), flags)

    def stream(self, delta):
        """In pieces, never beyond what there is credit for: it waits after each window."""
        for start in range(0, len(delta), PIECE):
            self.data(delta[start:start + PIECE])

    def step_end(self, frames=None, size=None, value=None, digest=None, grain=1):
        self.link.send(STEP_END, self.channel,
                       u64(self.chain.frames if frames is None else frames) +
                       u64(self.chain.bytes if size is None else size) + (value or self.chain.value) +
                       (b"\0" if digest is None else b"\1" + digest + u32(grain)))

    def taken(self):
        return self.link.answer(self.channel, TAKEN)

    def finish(self, tags=(), owner=1, more=0):
        self.link.send(FINISH, self.channel, u8(more) + u8(owner) +
                       listed(text(name) + position(at) + i64(1_000_000_000) for name, at in tags))

    def done(self):
        return self.link.answer(self.channel, DONE)

    def snapshot(self, commands, **step):
        """A step from its beginning to TAKEN."""
        self.step(**step)
        self.stream(delta(commands) if isinstance(commands, list) else commands)
        self.step_end()
        self.taken()

    def whole(self, commands, tags=(), **step):
        self.open()
        self.snapshot(commands, **step)
        self.finish(tags)
        self.done()


# --- deltas ----------------------------------------------------------------------------------------


def make_table():
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


TABLE = make_table()


def crc32c(data):
    value = 0
    for byte in data:
        value = value >> 8 ^ TABLE[(value ^ byte) & 255]
    return value


def attribute(kind, value):
    value = value.encode() if isinstance(value, str) else u64(value) if isinstance(value, int) else value
    return struct.pack("<HH", kind, len(value)) + value


def command(verb, *attributes):
    body = b"".join(attribute(kind, value) for kind, value in attributes)
    crc = crc32c(struct.pack("<IHI", len(body), verb, 0) + body)
    return struct.pack("<IHI", len(body), verb, crc) + body


def stamp(seconds, nanoseconds=0):
    return struct.pack("<QI", seconds, nanoseconds)


TREE = uuid.uuid4().bytes
HEADER = b"btrfs-stream\0" + u32(1)
BEGIN = command(1, (15, "tree"), (1, TREE), (2, 1))
END = command(21)


def delta(commands, begin=BEGIN):
    return HEADER + begin + b"".join(commands) + END


def made_from(source):
    return command(2, (15, "tree"), (1, TREE), (2, 2), (20, source), (21, 1))


def mkfile(path):
    return command(3, (15, path))


def mkdir(path):
    return command(4, (15, path))


def mknod(path, mode, device):
    return command(5, (15, path), (5, mode), (8, device))


def symlink(path, to):
    return command(8, (15, path), (17, to))


def rename(path, to):
    return command(9, (15, path), (16, to))


def link(path, to):
    return command(10, (15, path), (17, to))


def unlink(path):
    return command(11, (15, path))


def set_xattr(path, name, value):
    return command(13, (15, path), (13, name), (14, value))


def write(path, offset, data):
    return command(15, (15, path), (18, offset), (19, data))


def clone(path, offset, size, source, source_path, source_offset=0):
    return command(16, (15, path), (18, offset), (24, size), (20, source), (21, 1), (22, source_path),
                   (23, source_offset))


def truncate(path, size):
    return command(17, (15, path), (4, size))


def chmod(path, mode):
    return command(18, (15, path), (5, mode))


def chown(path, user, group):
    return command(19, (15, path), (6, user), (7, group))


def utimes(path, seconds, nanoseconds=0):
    return command(20, (15, path), (11, stamp(seconds, nanoseconds)), (10, stamp(seconds)), (9, stamp(seconds)))


# --- zstd ---------------------------------------------------------------------------------------------


def zstd_run(size, claimed=None):
    """A frame of zstd (RFC 8878) that yields `size` zero bytes; `claimed`: what its head says."""
    head = b"\x28\xb5\x2f\xfd\xe0" + u64(size if claimed is None else claimed)
    blocks = b""
    while True:
        part = min(size, 128 << 10)
        size -= part
        blocks += struct.pack("<I", (size == 0) | 1 << 1 | part << 3)[:3] + b"\0"
        if size == 0:
            return head + blocks
