"""Control groups of a test's own, of both kinds, and processes in them.

They are named after the test's directory, so that cleanup.py finds them.
"""

import os
import pathlib
import subprocess
import time

import cleanup
import tap

THAW = {"v2": ("cgroup.freeze", "0"), "v1": ("freezer.state", "THAWED")}
FREEZE = {"v2": ("cgroup.freeze", "1"), "v1": ("freezer.state", "FROZEN")}


def hierarchies():
    """Where each kind is mounted here, if groups with a freezer can be made in it."""
    found = {}
    for kind, place in cleanup.cgroup_places():
        probe = f"{place}/flocker-probe.{os.getpid()}"
        try:
            os.mkdir(probe)
        except OSError:
            continue
        if os.path.exists(f"{probe}/{THAW[kind][0]}"):
            found.setdefault(kind, place)
        os.rmdir(probe)
    return found


PLACES = hierarchies()


class Group:
    def __init__(self, host, name, kind):
        self.host, self.kind = host, kind
        self.path = f"/{os.path.basename(host.directory)}.{name}"
        self.directory = PLACES[kind] + self.path
        os.mkdir(self.directory)

    def start(self, *arguments, **options):
        """A process that is in the group from its beginning."""
        procs = f"{self.directory}/cgroup.procs"

        def join():
            with open(procs, "w", encoding="ascii") as file:
                file.write("0")

        process = subprocess.Popen(arguments, preexec_fn=join, stdin=subprocess.DEVNULL, **options)
        cleanup.record(f"{self.host.directory}/daemons", process.pid)
        return process

    def read(self, name):
        return pathlib.Path(f"{self.directory}/{name}").read_text(encoding="ascii").strip()

    def frozen(self):
        """By its own switch."""
        return self.read("cgroup.freeze" if self.kind == "v2" else "freezer.self_freezing") == "1"

    def switch(self, table):
        name, word = table[self.kind]
        pathlib.Path(f"{self.directory}/{name}").write_text(word, encoding="ascii")

    def pids(self):
        return [int(pid) for pid in self.read("cgroup.procs").split()]

    def remove(self):
        if not os.path.exists(self.directory):
            return
        self.switch(THAW)
        deadline = time.monotonic() + 20
        while self.pids() and time.monotonic() < deadline:
            for pid in self.pids():
                try:
                    os.kill(pid, 9)
                    os.waitpid(pid, 0)
                except (ProcessLookupError, ChildProcessError):
                    pass
        tap.wait_until(self.gone, "the group can be removed")

    def gone(self):
        try:
            os.rmdir(self.directory)
        except OSError:
            return False
        return True
