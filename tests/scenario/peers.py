"""Instances that replicate with each other on this machine, and a link between them that can be cut.

    with Peers("h1", "h2") as (one, two):
        one.run("push", "data", "h2")

Each is a Host (flocker.py) with a name, a pool in a file of its own and an address on 127.0.0.1; all
lie below one directory (cleanup.py).  They are members of one cluster, and peers of each other, unless
that is not wanted.
"""

import os
import select
import socket
import threading
import uuid

import tap
from flocker import MIB, PATIENCE, Failure, Host
from tap import equal, true

SLOW = 100000  # bytes a second: what takes long enough to be disturbed, also by a test that is not let run at once
HELD = []


def free_port():
    """For a daemon of ours, now or later: it is given to nobody else, as long as the test runs.

    Who has an address without listening there keeps out all but those who ask for that very one."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    HELD.append(held)
    return held.getsockname()[1]


class Peer(Host):
    """A host with a name, that listens for peers."""

    def __init__(self, directory, name):
        super().__init__(directory, name)
        self.name = name
        self.address = f"127.0.0.1:{free_port()}"
        os.makedirs(f"{self.root}/etc", exist_ok=True)
        with open(f"{self.root}/etc/flocker.ini", "w", encoding="utf-8") as file:
            file.write(f"[instance]\nname = {name}\n\n[peer]\nlisten = {self.address}\n")
        os.chmod(f"{self.root}/etc/flocker.ini", 0o600)

    def start(self, *options, **variables):
        """A member listens a moment after the API answers, and who is refused till then does not try again."""
        took = super().start(*options, **variables)
        if os.path.exists(f"{self.root}/etc/tls/node.crt"):
            self.listens()
        return took

    def make_pool(self, kind=None, size=256 * MIB):
        """In a Btrfs file, or (\"dir\", also by FLOCKER_TEST_PEER_DRIVER) in a directory, or (\"zfs\") a ZFS pool."""
        kind = kind or os.environ.get("FLOCKER_TEST_PEER_DRIVER")
        if kind == "zfs":
            self.post("/v1/pool", kind="file", driver="zfs", path=f"{self.root}/pool.img", size=size)
        elif kind == "dir":
            self.post("/v1/pool", kind="directory", driver="dir", path=f"{self.root}/pool")
        else:
            self.post("/v1/pool", kind="file", path=f"{self.root}/pool.img", size=size)

    def push(self, ref, peer, **options):
        return self.post("/v1/pushes", ref=ref, peer=peer, **options)

    def fetch(self, ref, **options):
        return self.post("/v1/fetches", ref=ref, **options)

    def listens(self):
        """Waits until peers can come in: it listens once it is a member."""
        host, port = self.address.split(":")

        def answers():
            with socket.socket() as probe:
                return probe.connect_ex((host, int(port))) == 0

        tap.wait_until(answers, f"{self.name} listens")


class Peers:
    """Hosts of these names; the first has the CA.  `joined` False: they know nothing of each other."""

    def __init__(self, *names, joined=True, pools=(), size=256 * MIB):
        self.base = Host(name="base")
        self.pools = pools
        self.size = size
        self.hosts = [Peer(self.base.directory, name) for name in names]
        self.joined = joined

    def __enter__(self):
        for number, host in enumerate(self.hosts):
            host.start()
            host.make_pool(self.pools[number] if self.pools else None, self.size)
        if self.joined:
            self.hosts[0].post("/v1/cluster")
            self.hosts[0].listens()
            for host in self.hosts[1:]:
                self.join(host)
        return self.hosts

    def join(self, host):
        token = self.hosts[0].post("/v1/cluster/tokens")["token"]
        joined = host.post("/v1/cluster/join", token=token)
        host.listens()
        return joined

    def __exit__(self, failure, *_):
        for host in self.hosts:
            if failure:
                tap.note(f"{host.name}: {host.tail()}")
            if host.daemon and not host.dead():
                host.kill()
        self.base.remove()


class Proxy:
    """Passes bytes on to `target`, until it is told to cut, to stall, to go slowly or to let no answer through."""

    def __init__(self, target):
        host, port = target.rsplit(":", 1)
        self.target = (host, int(port))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.mutex = threading.Lock()
        self.pairs = []
        self.cuts = 0
        self.passed = 0
        self.cut_after = None  # bytes in all
        self.stall_after = None  # the same: then nothing passes until go_on()
        self.stalled = threading.Event()
        self.may_pass = threading.Event()
        self.may_pass.set()
        self.refusing = False
        self.deaf = False  # nothing comes back from the target
        self.closed = False
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed = self.refusing = True
        self.go_on()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)  # closed alone, it would take one connection more
        except OSError:
            pass
        self.listener.close()
        self.cut()

    def accept(self):
        while not self.closed:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            cuts = self.cuts
            if self.refusing:
                near.close()
                continue
            try:
                far = socket.create_connection(self.target)
            except OSError:
                near.close()
                continue
            with self.mutex:
                lost = self.refusing or self.cuts != cuts
                if not lost:
                    self.pairs.append((near, far))
            if lost:
                near.close()
                far.close()
                continue
            threading.Thread(target=self.carry, args=(near, far), daemon=True).start()

    def carry(self, near, far):
        other = {near: far, far: near}
        try:
            while True:
                for one in select.select([near, far], [], [])[0]:
                    data = one.recv(65536)
                    if not data:
                        return
                    if self.deaf and one is far:
                        continue
                    with self.mutex:
                        self.passed += len(data)
                    if self.cut_after is not None and self.passed >= self.cut_after:
                        self.cut_after = None
                        return
                    if self.stall_after is not None and self.passed >= self.stall_after:
                        self.stall_after = None
                        self.may_pass.clear()
                        self.stalled.set()
                    self.may_pass.wait()
                    other[one].sendall(data)
        except (OSError, ValueError):
            return
        finally:
            near.close()
            far.close()

    def go_on(self):
        """After it has stalled."""
        self.stalled.clear()
        self.may_pass.set()

    def cut(self):
        """Ends all connections there are; new ones pass."""
        with self.mutex:
            pairs, self.pairs = self.pairs, []
            self.cuts += 1
        for pair in pairs:
            for one in pair:
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


# --- between h1, who pushes, and h2 -----------------------------------------------


def tip(host, ref):
    return host.get("/v1/branch", ref=ref)["tip"]


def same(one, two, ref="data"):
    full = f"h1/{ref if '/' in ref else ref + '/trunk'}"
    equal(tip(two, full), tip(one, ref), "tip")
    answer = one.post("/v1/verifications", ref=ref, peer="h2")
    true(answer["equal"], f"digests: {answer}")


def quiet(*hosts):
    """Nothing is under way or left of it."""
    for host in hosts:
        tap.wait_until(lambda host=host: all(item["state"] != "running" for item in host.items("/v1/operations")),
                       f"{host.name}'s operations end", PATIENCE)
        equal([pin for pin in host.items("/v1/pins") if pin["kind"] == "transfer"], [], f"pins of {host.name}")


def reaches(host, name):
    """What is told of a peer, once it has answered."""
    def answer():
        shown = host.get("/v1/peer", name=name)
        return shown if shown["trouble"] is None else None

    return tap.wait_until(answer, f"{host.name} reaches {name}")


def push_again(host, ref="data", peer="h2", **options):
    """After one whose sender died: the receiver may be about what came of that for a while, in a sync to its disk, say."""
    def pushed():
        try:
            return host.post("/v1/pushes", ref=ref, peer=peer, **options)
        except Failure as failure:
            equal(failure.code, "busy", f"{failure}")
            return None

    return tap.wait_until(pushed, "the receiver is ready for it", PATIENCE)


class Push:
    """A push on a thread, until it is disturbed."""

    def __init__(self, host, **options):
        self.operation = str(uuid.uuid4())
        self.host, self.options = host, {"ref": "data", "peer": "h2", "limit": SLOW, **options}
        self.answer = self.failure = None
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        try:
            self.answer = self.host.post("/v1/pushes", operation=self.operation, **self.options)
        except Exception as failure:  # noqa: B902 - the test looks at it
            self.failure = failure

    def __enter__(self):
        self.thread.start()

        def moves():
            try:
                return self.host.get("/v1/operation", id=self.operation)["done_bytes"] > 0 or self.failure
            except Failure:
                return self.failure

        tap.wait_until(moves, "bytes go")
        true(self.failure is None, f"{self.failure}")
        return self

    def __exit__(self, failure, *_):
        if not failure:
            self.thread.join(PATIENCE)
            true(not self.thread.is_alive(), "the push ends")

    def cancel(self):
        self.host.post("/v1/operation/cancel", id=self.operation)
