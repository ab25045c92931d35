"""What writers pay for snapshots by themselves: the same work with the policy `change` and with `manual`.

The two are run in pairs, and who goes first alternates.  A run is long enough for a snapshot, the flush
that it makes of what was written, and the copying that follows it: max-lag is 2 s instead of 5, so that
one falls into a run of some seconds.  Since the rest after it (policy.duty) goes on while the other of
the pair runs, there are rather more of them than under the defaults, not fewer.  Given is the mean of the pairs' ratios, with an interval of 95 % by resampling them.
"""

import glob
import json
import os
import pwd
import random
import re
import signal
import statistics
import subprocess
import tarfile
import time

import host
from host import MIB, cleanup

FILES = 20000  # in the archive
UNPACKED = 2   # times in one run
SECONDS = 5    # of a run of pgbench
DIRECT = 3     # seconds of a run of random writes


def resampled(ratios, times=10000):
    """The interval in which 95 % of the means lie."""
    chance = random.Random(1)
    means = sorted(statistics.fmean(chance.choices(ratios, k=len(ratios))) for _ in range(times))
    return means[int(0.025 * times)], means[int(0.975 * times)]


class Writers:
    def __init__(self, bench, daemon, pairs):
        self.bench, self.daemon, self.pairs = bench, daemon, pairs

    def volume(self, name):
        self.daemon.call("POST", "/v1/volumes", {"name": name})
        self.policy(name, {"snapshot": "manual", "max-lag": "2s"})
        return os.path.realpath(self.daemon.call("GET", "/v1/branch", ref=name)["path"])

    def policy(self, name, rules):
        self.daemon.call("PATCH", "/v1/policy", {"policy": rules}, ref=name)

    def snapshots(self, name):
        return self.daemon.call("GET", "/v1/branch", ref=name)["snapshots"]

    def one(self, name, mode, prepare, run):
        """The cost of a unit of work, and how many snapshots were taken meanwhile."""
        prepare()
        self.policy(name, {"snapshot": mode})
        before = self.snapshots(name)
        cost = run()
        taken = self.snapshots(name) - before
        self.policy(name, {"snapshot": "manual"})
        return cost, taken

    def measure(self, what, name, prepare, run, bar, pairs=None):
        """`run` returns what a unit of work cost, in any unit."""
        ratios, taken = [], 0
        self.one(name, "manual", prepare, run)  # warms up
        for i in range(pairs or self.pairs):
            cost = {}
            for mode in ("change", "manual") if i % 2 else ("manual", "change"):
                cost[mode], more = self.one(name, mode, prepare, run)
                taken += more
            ratios.append(cost["change"] / cost["manual"])
        low, high = resampled(ratios)
        slower = [100 * (ratio - 1) for ratio in ratios]
        self.bench.add({"what": f"{what}, slower by snapshots (mean; 95 %: {100 * (low - 1):.1f} to "
                                f"{100 * (high - 1):.1f} %; {taken / len(ratios):.1f} snapshots a run)",
                        "unit": "%", "median": statistics.fmean(slower),
                        "p90": sorted(slower)[int(0.9 * (len(slower) - 1))], "samples": len(ratios),
                        "bare": None, "bar": f"{bar} %", "met": statistics.fmean(slower) <= bar,
                        "load": os.getloadavg()[0]})


# --- a database ---------------------------------------------------------------

class Postgres:
    """A server of its own, in a branch."""

    def __init__(self, bench, path):
        programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda p: int(p.split("/")[4]))
        self.programs = programs[-1] if programs else None
        self.bench, self.data, self.server = bench, f"{path}/data", None
        self.socket = f"{bench.directory}/postgres"

    def start(self):
        user = pwd.getpwnam("postgres")
        for path in (self.data, self.socket):
            os.mkdir(path, 0o700)
            os.chown(path, user.pw_uid, user.pw_gid)
        self.run("initdb", "-D", self.data, "-A", "trust", "-E", "UTF8", "--locale=C")
        # Checkpoints and cleaning come between the runs, not within some of them.
        self.server = subprocess.Popen(
            [f"{self.programs}/postgres", "-D", self.data, "-k", self.socket, "-c", "listen_addresses=",
             "-c", "autovacuum=off", "-c", "checkpoint_timeout=1h", "-c", "max_wal_size=4GB"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user="postgres", group="postgres",
            extra_groups=[], cwd="/")
        cleanup.record(f"{self.bench.directory}/daemons", self.server.pid)
        deadline = time.monotonic() + 60
        while self.run("pg_isready", check=False).returncode:
            if time.monotonic() > deadline or self.server.poll() is not None:
                raise SystemExit("PostgreSQL does not answer")
            time.sleep(0.05)
        self.run("createdb", "bench")
        self.run("pgbench", "-i", "-q", "-s", "10", "bench")

    def run(self, program, *arguments, check=True):
        where = [] if program == "initdb" else ["-h", self.socket]
        return subprocess.run([f"{self.programs}/{program}", *where, *arguments], check=check,
                              capture_output=True, text=True, user="postgres", group="postgres",
                              extra_groups=[], cwd="/")

    def checkpoint(self):
        self.run("psql", "-q", "-c", "CHECKPOINT", "bench")

    def transactions(self):
        """The milliseconds that one took."""
        out = self.run("pgbench", "-n", "-c", "4", "-j", "2", "-T", str(SECONDS), "bench").stdout
        return 1e3 / float(re.search(r"^tps = ([0-9.]+)", out, re.M)[1])

    def stop(self):
        self.server.send_signal(signal.SIGINT)
        self.server.wait(timeout=60)


def database(writers):
    path = writers.volume("database")
    server = Postgres(writers.bench, path)
    if not server.programs:
        print("PostgreSQL is not installed: left out (--install-peers installs it)")
        return
    server.start()
    try:
        writers.measure("pgbench, 4 clients", "database", server.checkpoint, server.transactions, 2)
    finally:
        server.stop()


# --- an archive -----------------------------------------------------------------

class Bytes:
    """As a file for tarfile."""

    def __init__(self, contents):
        self.contents = contents

    def read(self, count):
        taken, self.contents = self.contents[:count], self.contents[count:]
        return taken


def make_archive(path):
    """The same each time: files of up to 8 KiB, and some larger ones, in directories of a hundred."""
    chance = random.Random(7)
    with tarfile.open(path, "w") as tar:
        for i in range(FILES):
            contents = chance.randbytes(chance.randrange(1, 1 << 17 if i % 50 == 0 else 8192))
            member = tarfile.TarInfo(f"d{i // 100}/f{i}")
            member.size = len(contents)
            tar.addfile(member, Bytes(contents))


def unpacking(writers):
    path = writers.volume("unpacked")
    archive = f"{writers.bench.directory}/tree.tar"
    make_archive(archive)

    def clear():
        subprocess.run(["rm", "-rf", f"{path}/here"], check=True)
        subprocess.run(["sync", "-f", path], check=True)

    def unpack():
        began = time.monotonic()
        for number in range(UNPACKED):
            os.makedirs(f"{path}/here/{number}")
            subprocess.run(["tar", "-xf", archive, "-C", f"{path}/here/{number}"], check=True)
        subprocess.run(["sync", "-f", path], check=True)
        return time.monotonic() - began

    writers.measure(f"{UNPACKED * FILES:,} files unpacked and synced", "unpacked", clear, unpack, 2)
    clear()
    os.unlink(archive)


# --- random writes -----------------------------------------------------------------

def random_writes(writers):
    path = writers.volume("direct")
    program = [f"{writers.daemon.build}/bench/direct-writer", f"{path}/file", "256"]

    def write():
        done = subprocess.run([*program, str(DIRECT)], check=True, stdout=subprocess.PIPE, text=True)
        result = json.loads(done.stdout)
        return result["ns"] / result["writes"]

    subprocess.run([*program, "1"], check=True, stdout=subprocess.DEVNULL)
    writers.measure("random 4 KiB direct writes", "direct", lambda: subprocess.run(["sync", "-f", path], check=True),
                    write, 10, min(writers.pairs, 10))


def measure(bench, build):
    daemon = host.Host(build, bench.directory, "writers", watches=True)
    for path in (bench.directory, daemon.root):
        os.chmod(path, 0o755)  # PostgreSQL runs as its own user
    daemon.start()
    daemon.pool(20480 * MIB)  # snapshots of what was unpacked keep it
    writers = Writers(bench, daemon, 3 if bench.options.quick else 30)
    for part in (database, unpacking, random_writes):
        part(writers)
    daemon.stop()
