"""Snapshots of ten branches at one instant: how soon all that uses them stands still, and for how long.

Each branch has a writer in a control group, or a container, of its own.  The times are the daemon's own,
as its answer tells them.
"""

import os
import sys
import time

import cgroups
from host import Host, MIB

BRANCHES = 10
LIMIT = 0.005  # seconds until ten stand still
SOON = 0.3     # seconds between two samples, in which they write

# The writer's program after the file is open; a block of 4 KiB goes to one of 1,024 places.
WRITERS = {
    "idle": "time.sleep(10000)",
    "that write 500 times a second": "while True: write(); time.sleep(0.002)",
    "that write and sync without a pause": "while True: write(); os.fsync(file)",
}
PROGRAM = """
import os, random, sys, time
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o644)
block = os.urandom(4096)
def write(): os.pwrite(file, block, 4096 * random.randrange(1024))
"""
ENGINE = "/usr/sbin/dockerd"


class Together:
    def __init__(self, bench, build):
        self.bench = bench
        self.host = Host(build, bench.directory, "together")
        self.host.start()
        self.host.pool(4096 * MIB)
        self.names = [f"t{i}" for i in range(BRANCHES)]
        for name in self.names:
            self.host.call("POST", "/v1/volumes", {"name": name})

    def path(self, name):
        return os.path.realpath(self.host.call("GET", "/v1/branch", ref=name)["path"])

    def rows(self, what, count=BRANCHES):
        """`count`: how many groups there must be."""
        stilled, held = [], []
        for _ in range(self.bench.samples):
            time.sleep(SOON)
            taken = self.host.call("POST", "/v1/snapshots", {"refs": self.names, "together": True})["together"]
            if len(taken["groups"]) != count or taken["unheld"]:
                sys.exit(f"not held as it should be: {taken}")
            stilled.append(taken["stilled"])
            held.append(taken["held"])
        self.bench.row(f"{what}: until all stand still", stilled, f"{LIMIT * 1e3:g} ms", limit=LIMIT)
        self.bench.row(f"{what}: held for {BRANCHES} snapshots", held, "none")

    def groups(self, kind):
        for what, loop in WRITERS.items():
            groups = [cgroups.Group(self.bench, f"{kind}-{name}", kind) for name in self.names]
            for group, name in zip(groups, self.names):
                group.start(sys.executable, "-c", PROGRAM + loop, self.path(name) + "/file")
            self.rows(f"{BRANCHES} cgroups ({kind}) {what}")
            for group in groups:
                group.remove()

    def containers(self):
        import engines  # needs what the tests need

        with engines.Docker(self.bench.directory) as engine:
            engine.busybox()
            for name in self.names:
                engine.start_container(name, "-v", f"{self.path(name)}:/data", command=(
                    "sh", "-c", "trap 'exit 0' TERM; while :; do echo x >>/data/log; usleep 2000; done"))
            self.rows(f"{BRANCHES} Docker containers that write 500 times a second")


def measure(bench, build):
    together = Together(bench, build)
    for kind in sorted(cgroups.PLACES):
        together.groups(kind)
    if os.path.exists(ENGINE):
        together.containers()
    together.host.stop()
