"""Between two hosts: pushes, beside what others have for that.

Two daemons on one machine, with TLS on loopback, a pool each; and two bare file systems, made and
mounted as pools are, between which the others send.  All four lie on the same disk.  What was
received is durable when the clock is stopped: flockerd answers only then, and the others are
followed by `sync -f`.
"""

import ctypes
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import threading
import time

import across
import host
from host import Connection, Host, MIB

BLOCK = 1 * MIB
SMALL = 4096           # bytes of a small file
LIMIT = 16e6           # bytes of memory that a transfer may take on a side
FRAME = 512 * 1024     # bytes of a stream in a frame (repl/wire.h)
SEND, SYNC, LOOKUP = 0x40489426, 0x9408, 0xD0009412  # <linux/btrfs.h>
SHELL = shutil.which("bash")


class Member(Host):
    """A host with peers."""

    def __init__(self, bench, build, directory, name, size):
        super().__init__(build, directory, name, owner=bench.directory)
        self.options += ["--name", name]
        self.name = name
        self.port = across.free_port()
        self.start()
        self.pool(size)
        self.call("PATCH", "/v1/setting", {"value": f"127.0.0.1:{self.port}"}, key="peer.listen")

    def ask(self, method, path, body):
        """On a connection that is there already; the answer, and the seconds that it took."""
        kept = Connection(self.socket)
        kept.timeout = 3600
        kept.connect()
        text = json.dumps(body)
        began = time.monotonic()
        kept.request(method, path, text)
        answer = kept.getresponse()
        got = answer.read()
        took = time.monotonic() - began
        kept.close()
        if answer.status >= 300:
            sys.exit(f"{method} {path}: {answer.status} {got.decode()}")
        return json.loads(got), took

    def pushes(self, ref, peer, outcome):
        answer, took = self.ask("POST", "/v1/pushes", {"ref": ref, "peer": peer.name})
        if answer["outcome"] != outcome:
            sys.exit(f"the push of {ref} was no '{outcome}': {answer}")
        return answer, took

    def volume(self, name):
        """Its path."""
        self.call("POST", "/v1/volumes", {"name": name})
        return os.path.realpath(self.call("GET", "/v1/branch", ref=name)["path"])

    def snapshot(self, volume, name):
        self.ask("POST", "/v1/snapshots", {"refs": [volume], "name": name})

    def forget(self, volume):
        """Destroys what it has of another's volume, and waits until the kernel has cleaned up."""
        self.call("DELETE", "/v1/branch", ref=f"{volume}/trunk")
        self.call("POST", "/v1/trash/empty", {})
        clean(f"{self.root}/mnt/.heads")


def joined(one, other, address=None):
    """`other` becomes a member of the cluster of `one`, which reaches it at `address`."""
    one.call("POST", "/v1/cluster", {})
    token = one.call("POST", "/v1/cluster/tokens", {"addresses": [f"127.0.0.1:{one.port}"]})["token"]
    other.call("POST", "/v1/cluster/join", {"token": token, "address": address or f"127.0.0.1:{other.port}"})


def clean(path):
    """Until what was deleted is gone; the cleaner would sleep on without the first."""
    for command in ("filesystem", "subvolume", "filesystem"):
        subprocess.run(["btrfs", command, "sync", path], check=True, capture_output=True)


def drop_caches():
    subprocess.run(["sync"], check=True)
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("3", encoding="ascii")


def make_big(path, mib):
    """Files of 64 MiB of random data."""
    for i in range(0, mib, 64):
        with open(f"{path}/big{i}", "wb") as file:
            for _ in range(min(64, mib - i)):
                file.write(os.urandom(BLOCK))


def make_small(path, count):
    """In directories of a thousand; no two alike, and nothing in them shrinks."""
    for i in range(count):
        if i % 1000 == 0:
            os.makedirs(f"{path}/d{i // 1000}")
        with open(f"{path}/d{i // 1000}/f{i}", "wb") as file:
            file.write(os.urandom(SMALL))


# --- the others ---------------------------------------------------------------------------------

class Others:
    """Those who send from one bare file system to another."""

    def __init__(self, bench, directory, size):
        self.near = host.bare_btrfs(directory, "near", size)
        self.far = host.bare_btrfs(directory, "far", size)
        self.directory = directory
        self.sshd = across.Sshd(directory, bench.directory) if across.has_ssh() else None
        if not self.sshd:
            print("sshd is not installed: nothing is measured over ssh", file=sys.stderr)

    def subvolume(self, name):
        subprocess.run(["btrfs", "-q", "subvolume", "create", f"{self.near}/{name}"], check=True)
        return f"{self.near}/{name}"

    def snapshot(self, name, number):
        host.snapshot(f"{self.near}/{name}", self.near, f"{name}.{number}")
        subprocess.run(["sync", "-f", self.near], check=True)

    def run(self, command):
        began = time.monotonic()
        subprocess.run([SHELL, "-o", "pipefail", "-ec", command], check=True, stdout=subprocess.DEVNULL)
        return time.monotonic() - began

    def forget(self):
        """Deletes all that was received."""
        for place, _, _ in os.walk(self.far):
            for name in os.listdir(place):
                path = f"{place}/{name}"
                if os.path.isdir(path) and os.stat(path).st_ino == 256:
                    subprocess.run(["btrfs", "-q", "subvolume", "delete", path], check=True,
                                   stdout=subprocess.DEVNULL)
        shutil.rmtree(f"{self.far}/rsync", ignore_errors=True)
        clean(self.far)

    def btrbk(self, name):
        """It has snapshots of its own; what is to be measured is only how it sends them."""
        if not self.sshd or not shutil.which("btrbk"):
            return None
        for path in (f"{self.near}/btrbk-{name}", f"{self.far}/btrbk"):
            os.makedirs(path, exist_ok=True)
        config = f"{self.directory}/btrbk-{name}.conf"
        pathlib.Path(config).write_text(
            "snapshot_preserve_min all\ntarget_preserve_min all\nsnapshot_create always\n"
            f"timestamp_format long-iso\nssh_identity {self.sshd.key}\nssh_user root\n"
            f"volume {self.near}\n  snapshot_dir btrbk-{name}\n  subvolume {name}\n"
            f"    target ssh://127.0.0.1:{self.sshd.port}{self.far}/btrbk\n", encoding="utf-8")
        return ["btrbk", "-q", "-c", config]

    def full(self, name):
        """What is run for a full one, by what it is called."""
        sent, end = f"{self.near}/{name}.0", f"; sync -f {self.far}"
        send = f"btrfs -q send {sent}"
        ways = {"send | receive": f"{send} | btrfs -q receive {self.far}{end}"}
        if not self.sshd:
            return ways
        ways["send | ssh | receive"] = f"{send} | ssh 127.0.0.1 btrfs -q receive {self.far}{end}"
        if shutil.which("rsync"):
            ways["rsync -aHAX over ssh"] = f"rsync -aHAX {sent}/ 127.0.0.1:{self.far}/rsync{end}"
        btrbk = self.btrbk(name)
        if btrbk:
            subprocess.run([*btrbk, "snapshot"], check=True)
            ways["btrbk over ssh"] = f"{' '.join(btrbk)} resume{end}"
        return ways


class RawSend:
    """`btrfs send -p | btrfs receive`, of which the first half is one ioctl in this process."""

    def __init__(self, others):
        self.others = others

    @staticmethod
    def root(descriptor):
        argument = bytearray(4096)
        argument[8:16] = (256).to_bytes(8, sys.byteorder)
        host.fcntl.ioctl(descriptor, LOOKUP, argument)
        return int.from_bytes(argument[:8], sys.byteorder)

    def send(self, path, parent, out):
        tree, base = (os.open(p, os.O_RDONLY | os.O_DIRECTORY) for p in (path, parent))
        try:
            source = ctypes.c_uint64(self.root(base))
            argument = host.struct.pack("qQQQQI28x", out, 1, ctypes.addressof(source), source.value, 0, 1)
            host.fcntl.ioctl(tree, SEND, argument)
        finally:
            os.close(tree)
            os.close(base)

    def run(self, name, number):
        path, parent = (f"{self.others.near}/{name}.{n}" for n in (number, number - 1))
        began = time.monotonic()
        with subprocess.Popen(["btrfs", "-q", "receive", self.others.far], stdin=subprocess.PIPE) as child:
            self.send(path, parent, child.stdin.fileno())
            child.stdin.close()
        if child.returncode:
            sys.exit(f"btrfs receive failed: {child.returncode}")
        descriptor = os.open(self.others.far, os.O_RDONLY)
        host.fcntl.ioctl(descriptor, SYNC)
        os.close(descriptor)
        return time.monotonic() - began


# --- the parts ------------------------------------------------------------------------------------

class Push:
    def __init__(self, bench, build):
        self.bench, self.build = bench, build
        quick = bench.options.quick
        self.mib, self.files, self.rounds = (64, 2000, 3) if quick else (1024, 100000, 9)
        size = (1024 if quick else 8192) * MIB
        self.directory = f"{bench.directory}/push"
        os.mkdir(self.directory)
        self.near, self.far = (Member(bench, build, self.directory, name, size) for name in ("alpha", "beta"))
        joined(self.near, self.far)
        self.others = Others(bench, self.directory, size)

    # A full one of everything: `before` is what precedes each run, not counted.

    def fill(self, name, make, amount):
        for place in (self.near.volume(name), self.others.subvolume(name)):
            make(place, amount)
        self.near.snapshot(name, "base")
        self.others.snapshot(name, 0)

    def one(self, way, command, name, before):
        before()
        took = self.near.pushes(f"{name}@{{base}}", self.far, "full")[1] if command is None else self.others.run(command)
        if command is None:
            self.far.forget(f"alpha/{name}")
        else:
            self.others.forget()
        return took

    def full(self, what, name, before, bars):
        ways = {"flocker": None, **self.others.full(name)}
        times = {way: [] for way in ways}
        for i in range(-1, self.rounds):
            for way, command in list(ways.items())[::1 if i % 2 else -1]:
                # The first round only reads everything once; of what is slow and no bar, a third will do.
                if i < 1 or i % 3 == 0 or way in ("flocker", *bars):
                    times[way] += [self.one(way, command, name, before)][: i + 1]
        for way, series in list(times.items())[1:]:
            factor, bar = bars.get(way, (None, "none"))
            self.bench.row(f"{what} (bare: {way})", times["flocker"], bar, series,
                           factor * statistics.median(series) if factor else None)

    def big(self):
        self.fill("big", make_big, self.mib)
        self.full(f"full push, {self.mib:,} MiB of big files", "big", lambda: None,
                  {"send | receive": (1.05, "1.05 x"), "send | ssh | receive": (0.5, "0.5 x")})
        self.digest("big", f"{self.mib:,} MiB of big files")

    def small(self):
        self.fill("small", make_small, self.files)
        for state, before in (("cold", drop_caches), ("warm", lambda: None)):
            self.full(f"full push, {self.files:,} files of 4 KiB, {state}", "small", before,
                      {"send | receive": (1 / 3, "1/3 x"), "send | ssh | receive": (None, "none")})
        self.digest("small", f"{self.files:,} files of 4 KiB")

    # --- increments

    def increment(self):
        paths = self.near.volume("inc"), self.others.subvolume("inc")
        raw, btrbk = RawSend(self.others), self.others.btrbk("inc")
        times = {"flocker": [], "raw": [], "btrbk": []}
        for i in range(self.bench.samples + 1):
            for path in paths:
                with open(f"{path}/file", "wb") as file:
                    file.write(os.urandom(MIB))
            self.near.snapshot("inc", f"n{i}")
            self.others.snapshot("inc", i)
            if btrbk:
                subprocess.run([*btrbk, "snapshot"], check=True)
            if i == 0:
                self.begin(btrbk)
                continue
            for way in list(times)[::1 if i % 2 else -1]:
                if way == "flocker":
                    times[way].append(self.near.pushes(f"inc@{{n{i}}}", self.far, "fast-forward")[1])
                elif way == "raw":
                    times[way].append(raw.run("inc", i))
                elif btrbk and len(times[way]) < 9:
                    times[way].append(self.others.run(f"{' '.join(btrbk)} resume; sync -f {self.others.far}"))
        self.increment_rows(times)

    def begin(self, btrbk):
        self.near.pushes("inc@{n0}", self.far, "full")
        self.others.run(f"btrfs -q send {self.others.near}/inc.0 | btrfs -q receive {self.others.far}")
        if btrbk:
            subprocess.run([*btrbk, "resume"], check=True)

    def increment_rows(self, times):
        trip = self.near.call("GET", "/v1/peer", name="beta")["round_trip"]
        self.bench.row(f"increment of 1 MiB (bare: send -p | receive; round trip {trip * 1e3:.2f} ms)",
                       times["flocker"], "1.3 x + 1 round trip", times["raw"],
                       1.3 * statistics.median(times["raw"]) + trip)
        if times["btrbk"]:
            self.bench.row("increment of 1 MiB: btrbk over ssh (bare: flocker)", times["btrbk"], "at least 25 x",
                           times["flocker"], least=25 * statistics.median(times["flocker"]))

    # --- digests

    def digest(self, name, what):
        ours, theirs = [], []
        for _ in range(self.rounds):
            ours.append(self.near.ask("POST", "/v1/verifications", {"ref": f"{name}@{{base}}"})[1])
            theirs.append(self.others.run(f"find {self.others.near}/{name}.0 -type f -print0 |"
                                          " xargs -0 sha256sum"))
        self.bench.row(f"verify, {what} (bare: find | xargs sha256sum)", ours, "none", theirs)

    # --- memory

    def memory(self):
        """The most that each side needs more than before; its flocker-tree, all of that."""
        for mib in (self.mib // 4, self.mib):
            name = f"mem{mib}"
            make_big(self.near.volume(name), mib)
            self.near.snapshot(name, "base")
            before = [most(daemon.daemon.pid, reset=True) for daemon in (self.near, self.far)]
            with Watched("flocker-tree", self.far.daemon.pid) as trees:
                self.near.pushes(f"{name}@{{base}}", self.far, "full")
            for side, daemon, had in zip(("sender", "receiver"), (self.near, self.far), before):
                tree = trees.most if side == "receiver" else 0
                self.amount(f"memory of a push of {mib:,} MiB: {side}",
                            most(daemon.daemon.pid) - had + tree, LIMIT, "16 MB")
            self.amount(f"memory of a push of {mib:,} MiB: flocker-tree alone", trees.most, None, "none")
            self.far.forget(f"alpha/{name}")

    def amount(self, what, size, limit, bar, scale=1e6, unit="MB"):
        self.bench.add({"what": what, "unit": unit, "median": size / scale, "samples": 1, "bare": None,
                        "p90": None, "bar": bar, "met": size <= limit if limit is not None else None,
                        "load": os.getloadavg()[0]})

    # --- planning

    def planning(self):
        count = 500 if self.bench.options.quick else 10000
        path = self.near.volume("plan")
        for i in range(count):
            self.near.ask("POST", "/v1/snapshots", {"refs": ["plan"]})
        pathlib.Path(f"{path}/file").write_text("x", encoding="ascii")
        self.near.snapshot("plan", "last")
        self.near.pushes("plan@{last}", self.far, "full")
        times = [self.near.pushes("plan@{last}", self.far, "up to date")[1] for _ in range(self.bench.samples)]
        self.bench.row(f"push of a volume with {count:,} snapshots that is up to date", times, "50 ms", None, 0.05)

    # --- cuts

    def cuts(self):
        """Two hosts more, between which is something that cuts the connection at half."""
        mib = self.mib // 4
        near, far = (Member(self.bench, self.build, self.directory, name, (mib * 3 + 512) * MIB)
                     for name in ("gamma", "delta"))
        proxy = across.Proxy(far.port)
        joined(near, far, f"127.0.0.1:{proxy.port}")
        for i in range(2):
            make_big(near.volume(f"cut{i}"), mib)
            near.snapshot(f"cut{i}", "base")
        answer, _ = near.pushes("cut0@{base}", far, "full")
        whole = proxy.passed
        proxy.passed, proxy.cut_at = 0, answer["wire"] // 2
        cut, _ = near.pushes("cut1@{base}", far, "full")
        if proxy.cuts != 1 or cut["resumed"] != 1:
            sys.exit(f"it was not cut once: {proxy.cuts}, {cut}")
        self.amount(f"push of {mib:,} MiB, link cut at half: sent again", max(0, cut["wire"] - answer["wire"]), 2 * FRAME,
                    "2 frames of 512 KiB", FRAME, "frames")
        self.amount("the same, all over the wire", proxy.passed, 1.1 * whole, "1.1 x", whole, "x")
        near.stop()
        far.stop()

    def stop(self):
        """So that the next part has the disk to itself."""
        self.near.stop()
        self.far.stop()
        if self.others.sshd:
            self.others.sshd.stop()
        for path in self.others.near, self.others.far:
            subprocess.run(["umount", "-d", path], check=True)
        shutil.rmtree(self.directory)


# --- processes --------------------------------------------------------------------------------------

def most(pid, reset=False):
    """Bytes that were resident at most; since now, with `reset`."""
    if reset:
        pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
    for line in pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


class Watched:
    """The most that a child of this name, of this process, needs."""

    def __init__(self, name, parent):
        self.name, self.parent, self.most = name, str(parent), 0
        self.end = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.thread.join()

    def watch(self):
        while not self.end.wait(0.01):
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    name, _, rest = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")
                    if name.endswith(f"({self.name}") and rest.split()[1] == self.parent:
                        self.most = max(self.most, most(pid))
                except OSError:  # it has ended
                    pass


PARTS = {"big": Push.big, "small": Push.small, "increment": Push.increment, "memory": Push.memory,
         "plan": Push.planning, "cut": Push.cuts}


def measure(bench, build, what):
    push = Push(bench, build)
    PARTS[what](push)
    push.stop()
